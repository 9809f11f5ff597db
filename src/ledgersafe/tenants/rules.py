"""API keys, and what a credential may do. Pure."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal, get_args

Scope = Literal["ingest", "operate", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

SYSTEM_TENANT = "_system"
"""Whose rows belong to no tenant. Senders cannot name it: no tenant_id of theirs may begin with '_'."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Who sends a request. `actor`: as the audit log names it. `tenant_ids`: None serves all tenants."""

    actor: str
    key_id: str | None
    tenant_ids: tuple[str, ...] | None
    scopes: frozenset[Scope]

    def may_use(self, tenant_id: str) -> bool:
        """Whether it serves a tenant."""
        return self.tenant_ids is None or tenant_id in self.tenant_ids

    def only_tenant(self) -> str | None:
        """Its tenant, where it serves exactly one."""
        return self.tenant_ids[0] if self.tenant_ids is not None and len(self.tenant_ids) == 1 else None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the token is shown once and stored nowhere."""

    key_id: str
    token: str
    secret_sha256: bytes


def make_key() -> NewKey:
    """A fresh API key, `ls_<id>_<secret>`, its secret of 256 random bits."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return NewKey(key_id, f"ls_{key_id}_{secret}", secret_hash(secret))


def secret_hash(secret: str) -> bytes:
    """What is stored of a secret. It is random and long, so one round of SHA-256 keeps it."""
    return sha256(secret.encode()).digest()


def split_token(token: str) -> tuple[str, str] | None:
    """(key id, secret) of a token, or None where it has not the form of one."""
    prefix, _, rest = token.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == "ls" and key_id and secret and token.isascii() else None


def is_expired(expires_at: datetime | None, now: datetime) -> bool:
    """Whether a key's time is over."""
    return expires_at is not None and expires_at <= now


def unknown_scopes(scopes: Sequence[str]) -> list[str]:
    """Those that are no scopes."""
    return [scope for scope in scopes if scope not in SCOPES]
