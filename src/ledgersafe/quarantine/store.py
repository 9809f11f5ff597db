"""The statements of schema quarantine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ledgersafe.db import arrays
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.rows import TenantCount
from ledgersafe.db.sql import Statements

SQL = Statements(__package__ or "")


@dataclass(slots=True)
class NewException:
    """An exception about to be opened; `details` is JSON text. Later arrivals of the same batch may still join it."""

    exception_id: str
    idempotency_key: str
    reason_code: str
    details: str
    first_raw_id: str
    last_raw_id: str
    arrivals: int
    store_id: str | None
    source_system: str | None
    event_type: str | None
    amount: Decimal | None
    currency: str | None
    opened_at: datetime
    last_arrival_at: datetime


@dataclass(slots=True)
class Joined:
    """`more` arrivals that join an open exception; `last_raw_id` is None where none of them brought a new payload."""

    exception_id: str
    last_raw_id: str | None
    more: int
    last_arrival_at: datetime


@dataclass(frozen=True, slots=True)
class OpenException:
    """The open exception of a key."""

    idempotency_key: str
    exception_id: UUID
    reason_code: str


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """A row of quarantine.exceptions."""

    tenant_id: str
    exception_id: UUID
    idempotency_key: str
    status: str
    reason_code: str
    details: Any
    first_raw_id: UUID
    last_raw_id: UUID
    arrivals: int
    store_id: str | None
    source_system: str | None
    event_type: str | None
    amount: Decimal | None
    currency: str | None
    opened_at: datetime
    last_arrival_at: datetime
    assigned_to: str | None
    replay_attempts: int
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which exceptions a page shows; None is no filter. `after`: (opened_at, exception_id) of the last one seen."""

    tenant_ids: Sequence[str] | None = None
    status: str | None = None
    store_id: str | None = None
    reason_code: str | None = None
    opened_before: datetime | None = None
    after: tuple[datetime, UUID] | None = None


def open_exceptions(tx: Tx, tenant_id: str, rows: Sequence[NewException]) -> None:
    """Open exceptions for keys that have none open."""
    parameters = {
        "tenant_id": tenant_id,
        "exception_ids": arrays.ids(row.exception_id for row in rows),
        "keys": arrays.texts([row.idempotency_key for row in rows]),
        "reason_codes": arrays.texts([row.reason_code for row in rows]),
        "details": arrays.texts([row.details for row in rows]),
        "first_raw_ids": arrays.ids(row.first_raw_id for row in rows),
        "last_raw_ids": arrays.ids(row.last_raw_id for row in rows),
        "arrivals": arrays.plain(row.arrivals for row in rows),
        "store_ids": arrays.texts([row.store_id for row in rows]),
        "source_systems": arrays.texts([row.source_system for row in rows]),
        "event_types": arrays.texts([row.event_type for row in rows]),
        "amounts": arrays.plain(row.amount for row in rows),
        "currencies": arrays.texts([row.currency for row in rows]),
        "opened_at": arrays.instants(row.opened_at for row in rows),
        "last_arrival_at": arrays.instants(row.last_arrival_at for row in rows),
    }
    tx.execute(SQL["open_exceptions"], parameters)


def open_of_keys(tx: Tx, tenant_id: str, keys: Sequence[str]) -> Rows[OpenException]:
    """The open exceptions of these keys."""
    return tx.query(OpenException, SQL["open_of_keys"], {"tenant_id": tenant_id, "keys": arrays.texts(keys)})


def join_exceptions(tx: Tx, tenant_id: str, rows: Sequence[Joined]) -> None:
    """Let arrivals join open exceptions."""
    parameters = {
        "tenant_id": tenant_id,
        "exception_ids": arrays.ids(row.exception_id for row in rows),
        "last_raw_ids": arrays.plain(row.last_raw_id for row in rows),
        "more": arrays.plain(row.more for row in rows),
        "last_arrival_at": arrays.instants(row.last_arrival_at for row in rows),
    }
    tx.execute(SQL["join_exceptions"], parameters)


def page(tx: Tx, chosen: Filter, most: int) -> Rows[ExceptionRow]:
    """One page of exceptions, oldest first."""
    after_opened_at, after_id = chosen.after or (None, None)
    parameters = {
        "tenant_ids": chosen.tenant_ids,
        "status": chosen.status,
        "store_id": chosen.store_id,
        "reason_code": chosen.reason_code,
        "opened_before": chosen.opened_before,
        "after_opened_at": after_opened_at,
        "after_id": after_id,
        "most": most,
    }
    return tx.query(ExceptionRow, SQL["page"], parameters)


def exception(tx: Tx, tenant_ids: Sequence[str] | None, exception_id: UUID) -> Rows[ExceptionRow]:
    """One exception, if it belongs to one of these tenants."""
    return tx.query(ExceptionRow, SQL["exception"], {"tenant_ids": tenant_ids, "exception_id": exception_id})


def exceptions_of_key(tx: Tx, tenant_id: str, idempotency_key: str) -> Rows[ExceptionRow]:
    """Every exception that a key ever had."""
    return tx.query(ExceptionRow, SQL["exceptions_of_key"], {"tenant_id": tenant_id, "key": idempotency_key})


def count_open(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many open exceptions each tenant (or one) has."""
    return tx.query(TenantCount, SQL["count_open"], {"tenant_id": tenant_id})


def count_all(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many exceptions each tenant (or one) ever had."""
    return tx.query(TenantCount, SQL["count_all"], {"tenant_id": tenant_id})
