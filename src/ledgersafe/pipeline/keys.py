"""keys: make, list and end API keys, each on record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ledgersafe.audit import store as audit
from ledgersafe.contracts.envelope import CONTROL_CHARACTER, is_usable_id
from ledgersafe.db.database import Database, Tx
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import FOREIGN_TENANT, INVALID_PARAMETER, KEY_REVOKED, NOT_FOUND, SCOPE_MISSING
from ledgersafe.tenants import store as tenants
from ledgersafe.tenants.rules import (
    SCOPES,
    SYSTEM_TENANT,
    Credential,
    is_expired,
    make_key,
    secret_hash,
    split_token,
    unknown_scopes,
)

MOST_ACTORS = 10_000


@dataclass(frozen=True, slots=True)
class Wish:
    """The key that somebody wants. `tenant_ids`: None serves all tenants."""

    label: str
    tenant_ids: Sequence[str] | None
    scopes: Sequence[str]
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key just made; the token is shown this once."""

    token: str
    key: tenants.ApiKey


OWNER = Credential("owner", None, None, frozenset(SCOPES))
"""Who connects as the owner of the schema: the administrator at the command line."""

_LATEST_EXPIRY = datetime(9999, 1, 1, tzinfo=UTC)
"""Beyond it, an instant may be of a year that Python cannot read back."""


def is_alive(database: Database, token: str, now: datetime) -> bool:
    """Whether a token opens anything."""
    parts = split_token(token)
    if parts is None:
        return False
    with database.snapshot() as tx:
        key = tenants.api_keys(tx, [parts[0]]).first()
    return (
        key is not None
        and key.secret_sha256 == secret_hash(parts[1])
        and key.revoked_at is None
        and not is_expired(key.expires_at, now)
    )


def create_key(database: Database, wish: Wish, by: Credential, now: datetime) -> MadeKey:
    """Make a key that may do no more than its maker. Raises RequestRefused."""
    _check(wish, by, now)
    with database.transaction() as tx:
        return _insert(tx, wish, by, now)


def rotate_key(database: Database, key_id: str, overlap: timedelta, by: Credential, now: datetime) -> MadeKey:
    """Make a key that does what another does; the other lives on for the overlap. Raises RequestRefused."""
    with database.transaction() as tx:
        old = _administered(tx, key_id, by)
        lives_on = None if old.expires_at is None else now + (old.expires_at - old.created_at)
        wish = Wish(old.label, old.tenant_ids, old.scopes, lives_on)
        _check(wish, by, now)
        made = _insert(tx, wish, by, now)
        if tenants.rotate_api_key(tx, key_id, made.key.key_id, now + overlap).first() is None:
            raise RequestRefused(KEY_REVOKED, f"API key {key_id!r} was revoked or rotated before: make a new one.")
        facts = {"rotated_to": made.key.key_id, "ends_at": now + overlap}
        entry = audit.Entry(_home(old.tenant_ids), now, by.actor, "key.rotated", "key", key_id, after=facts)
        audit.insert(tx, [entry])
        return made


def _insert(tx: Tx, wish: Wish, by: Credential, now: datetime) -> MadeKey:
    made = make_key()
    key = tenants.ApiKey(
        key_id=made.key_id,
        secret_sha256=made.secret_sha256,
        label=wish.label,
        tenant_ids=None if wish.tenant_ids is None else list(wish.tenant_ids),
        scopes=list(wish.scopes),
        created_at=now,
        created_by=by.actor,
        expires_at=wish.expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    tenants.insert_api_key(tx, key)
    facts = {"label": key.label, "tenant_ids": key.tenant_ids, "scopes": key.scopes, "expires_at": key.expires_at}
    entry = audit.Entry(_home(key.tenant_ids), now, by.actor, "key.created", "key", key.key_id, after=facts)
    audit.insert(tx, [entry])
    return MadeKey(made.token, key)


def _administered(tx: Tx, key_id: str, by: Credential) -> tenants.ApiKey:
    key = tenants.api_keys(tx, [key_id]).first()
    if key is None or not _serves_no_more_than(key.tenant_ids, by):
        raise RequestRefused(NOT_FOUND, f"There is no API key {key_id!r} that this credential administers.")
    return key


def list_keys(database: Database, by: Credential) -> list[tenants.ApiKey]:
    """The keys that serve none but the credential's tenants."""
    with database.snapshot() as tx:
        return tenants.all_api_keys(tx, by.tenant_ids).all()


def actors(database: Database, by: Credential) -> dict[str, str]:
    """Actor, as the audit log has it → what its key is called; of keys that serve a tenant of the credential's."""
    with database.snapshot() as tx:
        return {f"key:{one.key_id}": one.label for one in tenants.labels(tx, by.tenant_ids, MOST_ACTORS).all()}


def revoke_key(database: Database, key_id: str, by: Credential, now: datetime) -> tenants.ApiKey:
    """End a key; ending it twice is no error. Raises RequestRefused(NOT_FOUND)."""
    with database.transaction() as tx:
        key = _administered(tx, key_id, by)
        if tenants.revoke_api_key(tx, key_id, now, by.tenant_ids).first() is not None:
            entry = audit.Entry(_home(key.tenant_ids), now, by.actor, "key.revoked", "key", key_id)
            audit.insert(tx, [entry])
        return tenants.api_keys(tx, [key_id]).one()


def _check(wish: Wish, by: Credential, now: datetime) -> None:
    if unknown := unknown_scopes(wish.scopes):
        raise RequestRefused(
            INVALID_PARAMETER, f"{', '.join(unknown)}: no such scope; there are ingest, operate, read, admin."
        )
    if not wish.scopes or not wish.label.strip():
        raise RequestRefused(INVALID_PARAMETER, "A key needs a label and at least one scope.")
    if CONTROL_CHARACTER.search(wish.label):
        raise RequestRefused(INVALID_PARAMETER, "A label holds no control characters.")
    if wish.tenant_ids is not None and not (wish.tenant_ids and all(map(_names_a_tenant, wish.tenant_ids))):
        raise RequestRefused(INVALID_PARAMETER, "Name at least one tenant, or leave tenant_ids out for all tenants.")
    if wish.expires_at is not None and (wish.expires_at.tzinfo is None or not now < wish.expires_at < _LATEST_EXPIRY):
        raise RequestRefused(INVALID_PARAMETER, "expires_at must be a time to come before 9999, with an offset.")
    if not _serves_no_more_than(wish.tenant_ids, by):
        raise RequestRefused(FOREIGN_TENANT, "A key cannot serve tenants that its maker does not serve.")
    if missing := sorted(set(wish.scopes) - by.scopes):
        raise RequestRefused(SCOPE_MISSING, f"A key cannot have scopes that its maker lacks: {', '.join(missing)}.")


def _names_a_tenant(tenant_id: str) -> bool:
    return is_usable_id(tenant_id) and bool(tenant_id.strip())


def _serves_no_more_than(tenant_ids: Sequence[str] | None, by: Credential) -> bool:
    if by.tenant_ids is None:
        return True
    return tenant_ids is not None and set(tenant_ids) <= set(by.tenant_ids)


def _home(tenant_ids: Sequence[str] | None) -> str:
    """Whose audit log a key's life is in."""
    return tenant_ids[0] if tenant_ids is not None and len(tenant_ids) == 1 else SYSTEM_TENANT
