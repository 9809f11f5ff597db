"""What is known of credentials and tenants, kept for a moment, so that the hot path asks no database.

Entries in use are read anew every REFRESH_SECONDS: a revoked key ends, and a changed setting holds, within that time.
What was not in use since the last time is forgotten, and read again when it is wanted.
"""

from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, cast

from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import Clock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import KEY_EXPIRED, KEY_REVOKED, UNAUTHENTICATED
from ledgersafe.tenants import store as tenants
from ledgersafe.tenants.rules import Credential, Scope, is_expired, secret_hash, split_token

REFRESH_SECONDS = 2.0
_MOST_ENTRIES = 100_000
_HOW = "Send 'Authorization: Bearer ls_…' with a key from `ledgersafe keys create`."


@dataclass(frozen=True, slots=True)
class _Known:
    """A token seen before: its key as last read, and the credential that it makes."""

    key: tenants.ApiKey
    credential: Credential


class Directory:
    """Credentials by token, tenants by id. Look-ups of what is not held go to the database; refresh() re-reads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = Lock()
        self._tokens: dict[str, _Known] = {}
        self._tenants: dict[str, tenants.Tenant | None] = {}
        self._used: dict[str, datetime] = {}
        self._wanted: set[str] = set()

    def held_credential(self, token: str, now: datetime) -> Credential | None:
        """The credential of a token in use; None where it has to be loaded. Raises RequestRefused (expired)."""
        known = self._tokens.get(token)
        if known is None:
            return None
        if is_expired(known.key.expires_at, now):
            raise _expired(known.key)
        self._used[known.key.key_id] = now
        return known.credential

    def load_credential(self, token: str, now: datetime) -> Credential:
        """The credential of any token. Raises RequestRefused: no key, a wrong secret, revoked, expired."""
        parts = split_token(token)
        if parts is None:
            raise RequestRefused(UNAUTHENTICATED, f"This is no API key. {_HOW}")
        key_id, secret = parts
        with self._database.snapshot() as tx:
            key = tenants.api_keys(tx, [key_id]).first()
        # Comparing hashes of random secrets leaks nothing that helps to guess one.
        if key is None or key.secret_sha256 != secret_hash(secret):
            raise RequestRefused(UNAUTHENTICATED, f"This API key is not known. {_HOW}")
        if key.revoked_at is not None:
            raise RequestRefused(KEY_REVOKED, f"API key {key.key_id} was revoked at {key.revoked_at.isoformat()}.")
        if is_expired(key.expires_at, now):
            raise _expired(key)
        with self._lock:
            _make_room(self._tokens)
            known = self._tokens[token] = _Known(key, _credential(key))
            self._used[key.key_id] = now
        return known.credential

    def held_tenant(self, tenant_id: str) -> tuple[bool, tenants.Tenant | None]:
        """(whether it is held, what is known of the tenant: None where it does not exist yet)."""
        self._wanted.add(tenant_id)
        if tenant_id in self._tenants:
            return True, self._tenants[tenant_id]
        return False, None

    def load_tenant(self, tenant_id: str) -> tenants.Tenant | None:
        """What is known of a tenant; None where it does not exist yet."""
        with self._database.snapshot() as tx:
            found = tenants.tenants(tx, [tenant_id]).first()
        with self._lock:
            _make_room(self._tenants)
            self._tenants[tenant_id] = found
        return found

    def refresh(self) -> None:
        """Re-read what was in use since the last time, note which keys that were, and forget the rest.

        So the cost follows the traffic, not everybody ever seen. Raises DatabaseError; what is held stays then.
        """
        with self._lock:
            used, wanted = self._used, self._wanted
            self._used, self._wanted = {}, set()
            tokens = {token: known for token, known in self._tokens.items() if known.key.key_id in used}
            tenant_ids = sorted(wanted & self._tenants.keys())
        by_id, known_tenants = self._read(used, tenant_ids) if used or tenant_ids else ({}, {})
        with self._lock:
            for token in [token for token in self._tokens if token not in tokens]:
                if self._tokens[token].key.key_id not in self._used:
                    del self._tokens[token]
            for token, known in tokens.items():
                self._renew(token, by_id.get(known.key.key_id))
            kept = self._wanted | set(tenant_ids)
            self._tenants = {name: tenant for name, tenant in self._tenants.items() if name in kept}
            self._tenants.update({tenant_id: known_tenants.get(tenant_id) for tenant_id in tenant_ids})

    def _read(
        self, used: dict[str, datetime], tenant_ids: list[str]
    ) -> tuple[dict[str, tenants.ApiKey], dict[str, tenants.Tenant]]:
        """Keys and tenants as they are now, by id; the keys' last use is noted along with it."""
        ordered = sorted(used)
        with self._database.transaction() as tx:
            keys = tenants.api_keys(tx, ordered)
            found = tenants.tenants(tx, tenant_ids)
            if ordered:
                tenants.note_use(tx, ordered, [used[key_id] for key_id in ordered])
            return {key.key_id: key for key in keys.all()}, {tenant.tenant_id: tenant for tenant in found.all()}

    def _renew(self, token: str, key: tenants.ApiKey | None) -> None:
        if key is None or key.revoked_at is not None:
            self._tokens.pop(token, None)
        else:
            self._tokens[token] = _Known(key, _credential(key))


def _credential(key: tenants.ApiKey) -> Credential:
    tenant_ids = None if key.tenant_ids is None else tuple(key.tenant_ids)
    return Credential(f"key:{key.key_id}", key.key_id, tenant_ids, frozenset(cast("list[Scope]", key.scopes)))


def _expired(key: tenants.ApiKey) -> RequestRefused:
    return RequestRefused(KEY_EXPIRED, f"API key {key.key_id} expired at {key.expires_at}.")


def _make_room(entries: dict[str, Any]) -> None:
    """Forget everything when too much is held: what is in use comes back by itself."""
    if len(entries) >= _MOST_ENTRIES:
        entries.clear()
