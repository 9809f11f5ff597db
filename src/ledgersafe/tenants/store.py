"""The statements of schema tenants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.sql import Statements
from ledgersafe.tenants.rules import PastCurrency

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
class TenantSettings:
    """All that is set for a tenant, and how many stores it has. `correction_days`: None is any number."""

    tenant_id: str
    currency: str | None
    time_zone: str
    day_starts_at: int
    unreferenced_returns: Literal["allow", "park"]
    unknown_stores: Literal["allow", "park"]
    correction_days: int | None
    simulated: bool
    created_at: datetime
    created_by: str
    stores: int
    unverified_stores: int


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """All that is set for a store; what is None is as of its tenant. `is_verified`: a person has looked at it."""

    tenant_id: str
    store_id: str
    name: str | None = None
    country: str | None = None
    region: str | None = None
    currency: str | None = None
    time_zone: str | None = None
    day_starts_at: int | None = None
    is_verified: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """What is set for a source of events: JSON Pointers of what its fingerprints leave out."""

    tenant_id: str
    source_system: str
    volatile_fields: list[str]


@dataclass(frozen=True, slots=True)
class StoreFilter:
    """Which stores; what is None does not narrow. `after`: (tenant_id, store_id) where the page before ended."""

    tenant_ids: Sequence[str] | None = None
    store_ids: Sequence[str] | None = None
    is_verified: bool | None = None
    after: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """What a key is called."""

    key_id: str
    label: str


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


def past_currencies(tx: Tx, tenant_id: str, since: datetime) -> Rows[PastCurrency]:
    """The currencies of a tenant and its stores that were replaced after an instant, in the order of when."""
    return tx.query(PastCurrency, SQL["past_currencies"], {"tenant_id": tenant_id, "since": since})


def keep_currencies(tx: Tx, tenant_id: str, replaced: Sequence[PastCurrency], until: datetime) -> None:
    """Note currencies that are replaced at this instant."""
    parameters = {
        "tenant_id": tenant_id,
        "store_ids": [one.store_id for one in replaced],
        "currencies": [one.currency for one in replaced],
        "until": until,
    }
    tx.execute(SQL["keep_currencies"], parameters)


def ensure_stores(tx: Tx, tenant_id: str, store_ids: Sequence[str]) -> None:
    """Make stores (sorted) that nobody has set up, unverified, where there are none."""
    tx.execute(SQL["ensure_stores"], {"tenant_id": tenant_id, "store_ids": list(store_ids)})


def make_tenant(tx: Tx, tenant_id: str, created_at: datetime, created_by: str) -> Rows[str]:
    """Make a tenant with the defaults; returns its id where there was none."""
    parameters = {"tenant_id": tenant_id, "created_at": created_at, "created_by": created_by}
    return tx.scalars(str, SQL["make_tenant"], parameters)


def lock_tenant(tx: Tx, tenant_id: str) -> Rows[str]:
    """Hold what is set for a tenant until the transaction ends; its id, where it exists."""
    return tx.scalars(str, SQL["lock_tenant"], {"tenant_id": tenant_id})


def settings(
    tx: Tx, tenant_ids: Sequence[str] | None, after: str | None = None, most: int | None = None
) -> Rows[TenantSettings]:
    """One page of these tenants (None: of all), in the order of their ids. `after`: the last one seen."""
    parameters = {"tenant_ids": _listed(tenant_ids), "after": after, "most": most}
    return tx.query(TenantSettings, SQL["settings"], parameters)


def set_tenant(tx: Tx, wanted: TenantSettings) -> None:
    """Set what is set for a tenant."""
    parameters = {
        "tenant_id": wanted.tenant_id,
        "currency": wanted.currency,
        "time_zone": wanted.time_zone,
        "day_starts_at": wanted.day_starts_at,
        "unreferenced_returns": wanted.unreferenced_returns,
        "unknown_stores": wanted.unknown_stores,
        "correction_days": wanted.correction_days,
        "simulated": wanted.simulated,
    }
    tx.execute(SQL["set_tenant"], parameters)


def store_settings(tx: Tx, chosen: StoreFilter, most: int | None = None) -> Rows[StoreSettings]:
    """One page of stores, in the order of tenant and store."""
    after_tenant, after_store = chosen.after or (None, None)
    parameters = {
        "tenant_ids": _listed(chosen.tenant_ids),
        "store_ids": _listed(chosen.store_ids),
        "is_verified": chosen.is_verified,
        "after_tenant": after_tenant,
        "after_store": after_store,
        "most": most,
    }
    return tx.query(StoreSettings, SQL["store_settings"], parameters)


def put_stores(tx: Tx, tenant_id: str, rows: Sequence[StoreSettings]) -> None:
    """Make stores of a tenant, or set what is set for them."""
    parameters = {
        "tenant_id": tenant_id,
        "store_ids": [row.store_id for row in rows],
        "names": [row.name for row in rows],
        "countries": [row.country for row in rows],
        "regions": [row.region for row in rows],
        "currencies": [row.currency for row in rows],
        "time_zones": [row.time_zone for row in rows],
        "hours": [row.day_starts_at for row in rows],
        "verified": [row.is_verified for row in rows],
    }
    tx.execute(SQL["put_stores"], parameters)


def sources(tx: Tx, tenant_ids: Sequence[str] | None) -> Rows[Source]:
    """What is set for the sources of these tenants (None: of all)."""
    return tx.query(Source, SQL["sources"], {"tenant_ids": _listed(tenant_ids)})


def put_source(tx: Tx, source: Source) -> None:
    """Set the volatile fields of a source."""
    parameters = {
        "tenant_id": source.tenant_id,
        "source_system": source.source_system,
        "volatile_fields": source.volatile_fields,
    }
    tx.execute(SQL["put_source"], parameters)


def api_keys(tx: Tx, key_ids: Sequence[str]) -> Rows[ApiKey]:
    """These keys, as far as they exist."""
    return tx.query(ApiKey, SQL["api_keys"], {"key_ids": key_ids})


def all_api_keys(tx: Tx, tenant_ids: Sequence[str] | None) -> Rows[ApiKey]:
    """Every key that serves none but these tenants; with None, every key."""
    return tx.query(ApiKey, SQL["all_api_keys"], {"tenant_ids": _listed(tenant_ids)})


def labels(tx: Tx, tenant_ids: Sequence[str] | None, most: int) -> Rows[Label]:
    """What the keys that serve one of these tenants are called, the latest first; with None, every key."""
    return tx.query(Label, SQL["labels"], {"tenant_ids": _listed(tenant_ids), "most": most})


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
