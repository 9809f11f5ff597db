"""The statements of schema tenants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.sql import Statements

SQL = Statements(__package__ or "")


@dataclass(frozen=True, slots=True)
class Tenant:
    """What is known of a tenant. `volatile_fields`: JSON Pointers by source system."""

    tenant_id: str
    currency: str | None
    simulated: bool
    store_currencies: dict[str, str]
    volatile_fields: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class BookSettings:
    """How a tenant keeps its books. `day_starts_at`: an hour of local time; `correction_days`: None is any number."""

    tenant_id: str
    currency: str | None
    time_zone: str
    day_starts_at: int
    unreferenced_returns: Literal["allow", "park"]
    unknown_stores: Literal["allow", "park"]
    correction_days: int | None


@dataclass(frozen=True, slots=True)
class Store:
    """A store; what is None is as of its tenant."""

    store_id: str
    currency: str | None
    time_zone: str | None
    day_starts_at: int | None
    country: str | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A row of tenants.api_keys; `tenant_ids` is None where the key serves all tenants."""

    key_id: str
    secret_sha256: bytes
    label: str
    tenant_ids: list[str] | None
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    rotated_to: str | None = None


def ensure_tenant(tx: Tx, tenant_id: str, created_at: datetime, created_by: str) -> None:
    """Make a tenant with the defaults, if there is none."""
    parameters = {"tenant_id": tenant_id, "created_at": created_at, "created_by": created_by}
    tx.execute(SQL["ensure_tenant"], parameters)


def tenants(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Tenant]:
    """These tenants, as far as they exist."""
    return tx.query(Tenant, SQL["tenants"], {"tenant_ids": tenant_ids})


def book_settings(tx: Tx, tenant_id: str) -> Rows[BookSettings]:
    """How this tenant keeps its books."""
    return tx.query(BookSettings, SQL["book_settings"], {"tenant_id": tenant_id})


def stores(tx: Tx, tenant_id: str, store_ids: Sequence[str]) -> Rows[Store]:
    """These stores, as far as they exist."""
    return tx.query(Store, SQL["stores"], {"tenant_id": tenant_id, "store_ids": list(store_ids)})


def ensure_stores(tx: Tx, tenant_id: str, store_ids: Sequence[str]) -> None:
    """Make stores (sorted) that nobody has set up, unverified, where there are none."""
    tx.execute(SQL["ensure_stores"], {"tenant_id": tenant_id, "store_ids": list(store_ids)})


def api_keys(tx: Tx, key_ids: Sequence[str]) -> Rows[ApiKey]:
    """These keys, as far as they exist."""
    return tx.query(ApiKey, SQL["api_keys"], {"key_ids": key_ids})


def all_api_keys(tx: Tx, tenant_ids: Sequence[str] | None) -> Rows[ApiKey]:
    """Every key that serves none but these tenants; with None, every key."""
    return tx.query(ApiKey, SQL["all_api_keys"], {"tenant_ids": _listed(tenant_ids)})


def insert_api_key(tx: Tx, key: ApiKey) -> None:
    """Store a key just made."""
    parameters = {
        "key_id": key.key_id,
        "secret_sha256": key.secret_sha256,
        "label": key.label,
        "tenant_ids": key.tenant_ids,
        "scopes": key.scopes,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
    }
    tx.execute(SQL["insert_api_key"], parameters)


def revoke_api_key(tx: Tx, key_id: str, revoked_at: datetime, tenant_ids: Sequence[str] | None) -> Rows[str]:
    """End a key that serves none but these tenants; returns its id if it was alive."""
    parameters = {"key_id": key_id, "revoked_at": revoked_at, "tenant_ids": _listed(tenant_ids)}
    return tx.scalars(str, SQL["revoke_api_key"], parameters)


def note_use(tx: Tx, key_ids: Sequence[str], last_used_at: Sequence[datetime]) -> None:
    """Note when keys were last used; the two go in parallel."""
    tx.execute(SQL["note_use"], {"key_ids": key_ids, "last_used_at": last_used_at})


def rotate_api_key(tx: Tx, key_id: str, rotated_to: str, ends_at: datetime) -> Rows[str]:
    """Let a key end soon, another having taken its place; returns its id if it was alive and not rotated yet."""
    parameters = {"key_id": key_id, "rotated_to": rotated_to, "ends_at": ends_at}
    return tx.scalars(str, SQL["rotate_api_key"], parameters)


def _listed(tenant_ids: Sequence[str] | None) -> list[str] | None:
    """psycopg writes a list as an array, and a tuple as a record."""
    return None if tenant_ids is None else list(tenant_ids)
