"""The statements of schema gold, and those that each table's own file has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.sql import Statements
from ledgersafe.gold.rules import Table

SQL = Statements(__package__ or "")

Row = dict[str, Any]
"""A row of a table, by column."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A batch of silver that a table has not applied."""

    tenant_id: str
    table_name: str
    batch_id: UUID


@dataclass(frozen=True, slots=True)
class Run:
    """A refresh of a table, as it is noted."""

    tenant_id: str
    run_id: str
    table_name: str
    started_at: datetime
    finished_at: datetime
    batches: int
    rows: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a tenant a page shows: from `since` to `until`, both included; after the keys `after`."""

    tenant_id: str
    store_id: str | None = None
    since: date | None = None
    until: date | None = None
    after: tuple[str, ...] | None = None


def pending(
    tx: Tx, tables: Sequence[str], *, tenant_id: str | None = None, since: datetime | None = None, most: int | None
) -> Rows[Pending]:
    """Batches that these tables have not applied; `since`: of those posted then or later. None for `most`: all."""
    parameters = {"tables": list(tables), "tenant_id": tenant_id, "since": since, "most": most}
    return tx.query(Pending, SQL["pending"], parameters)


def lock(tx: Tx, tenant_id: str, table: Table) -> None:
    """Be the only one to refresh this table of this tenant, until the transaction ends."""
    tx.execute(SQL["lock"], {"name": f"gold.{table.name}/{tenant_id}"})


def claim(tx: Tx, tenant_id: str, table: Table, batch_ids: Sequence[UUID]) -> Rows[UUID]:
    """Note these batches as applied; those that were not noted before are returned."""
    parameters = {"tenant_id": tenant_id, "table_name": table.name, "batch_ids": list(batch_ids)}
    return tx.scalars(UUID, SQL["claim"], parameters)


def add(tx: Tx, tenant_id: str, table: Table, batch_ids: Sequence[UUID]) -> Rows[date]:
    """Add what these batches posted and took back; the day of every row that was touched."""
    return tx.scalars(date, table.add, {"tenant_id": tenant_id, "batch_ids": list(batch_ids)})


def differences(tx: Tx, tenant_id: str, table: Table, pending_ids: Sequence[UUID], most: int) -> Rows[Row]:
    """Rows that are not as the postings say, as they are and as they should be (`side`); pending batches left out."""
    parameters = {"tenant_id": tenant_id, "pending": list(pending_ids), "most": most}
    return tx.query(Row, table.differences, parameters)


def page(tx: Tx, table: Table, wanted: Wanted, most: int) -> Rows[Row]:
    """Rows of a table, in the order of its keys."""
    after = wanted.after or (None,) * len(table.cursor)
    parameters: Mapping[str, Any] = {
        "tenant_id": wanted.tenant_id,
        "store_id": wanted.store_id,
        "since": wanted.since,
        "until": wanted.until,
        "most": most,
    }
    cursor = {f"after_{name}": value for name, value in zip(table.cursor, after, strict=True)}
    return tx.query(Row, table.page, {**parameters, **cursor})


def insert_run(tx: Tx, run: Run) -> None:
    """Note a refresh."""
    parameters = {
        "tenant_id": run.tenant_id,
        "run_id": run.run_id,
        "table_name": run.table_name,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "batches": run.batches,
        "rows": run.rows,
        "error": run.error,
    }
    tx.execute(SQL["insert_run"], parameters)


def delete_runs(tx: Tx, before: datetime) -> None:
    """Forget the refreshes that ended before this."""
    tx.execute(SQL["delete_runs"], {"before": before})


def tenants(tx: Tx) -> Rows[str]:
    """Every tenant of which anything was posted."""
    return tx.scalars(str, SQL["tenants"], {})
