"""The statements of schema gold, and those that each table's own file has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.rows import AccountSums, Bounds, DaySums, Findings, TenantCount
from ledgersafe.db.sql import Statements
from ledgersafe.gold.rules import Table

SQL = Statements(__package__ or "")


class Row(dict[str, Any]):
    """A row of a table, by column."""

    def __init__(self, **columns: Any) -> None:
        super().__init__(columns)


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
class Made:
    """For which day of the tenant a recomputed table was made, and when; None where it never was."""

    as_of: date | None
    made_at: datetime | None


@dataclass(frozen=True, slots=True)
class Touched:
    """What a table is made anew for: these batches, and the days of the books that they touch; as of a day.

    `before`: the day as of which it was made the last time.
    """

    batch_ids: Sequence[UUID]
    days: Sequence[date]
    as_of: date
    now: datetime
    before: date | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What the truth is held against a table without: batches that it has yet to apply, and the days they touch."""

    batch_ids: Sequence[UUID]
    days: Sequence[date]


@dataclass(frozen=True, slots=True)
class Name:
    """A table of a tenant."""

    table_name: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Moved:
    """One posting or reversal, by what gold's tables are keyed by; and the batch that committed it.

    `applied`: the tables that have applied that batch.
    """

    transaction_id: UUID
    revision: int
    kind: Literal["posting", "reversal"]
    type: str
    books_date: date
    store_id: str
    currency: str
    country: str
    region: str
    hour: int
    skus: list[str]
    brands: list[str]
    payments: list[str]
    accounts: list[str]
    batch_id: UUID
    applied: list[str]


@dataclass(frozen=True, slots=True)
class Behind:
    """Since when a table has something to apply."""

    table_name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Failing:
    """How often in a row a table has failed, for the tenant for which it is the most."""

    table_name: str
    failures: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a tenant a page shows: from `since` to `until`, both included; after the keys `after`."""

    tenant_id: str
    store_id: str | None = None
    since: date | None = None
    until: date | None = None
    after: tuple[str, ...] | None = None


def pending(
    tx: Tx,
    tables: Sequence[str],
    *,
    tenant_id: str | None = None,
    since: datetime | None = None,
    without: Sequence[tuple[str, str]] = (),
    most: int | None,
) -> Rows[Pending]:
    """Batches that these tables have not applied; `since`: of those posted then or later. None for `most`: all.

    `without`: tables, each of a tenant, that are not to be looked at.
    """
    parameters = {"tables": list(tables), "tenant_id": tenant_id, "since": since, "most": most}
    return tx.query(Pending, SQL["pending"], {**parameters, **_without(without)})


def pending_arrivals(
    tx: Tx,
    tables: Sequence[str],
    *,
    tenant_id: str | None = None,
    without: Sequence[tuple[str, str]] = (),
    most: int | None,
) -> Rows[Pending]:
    """The same of batches of arrivals, for the tables that follow these."""
    parameters = {"tables": list(tables), "tenant_id": tenant_id, "most": most}
    return tx.query(Pending, SQL["pending_arrivals"], {**parameters, **_without(without)})


def _without(names: Sequence[tuple[str, str]]) -> Mapping[str, list[str]]:
    return {"without_tables": [name for name, _ in names], "without_tenants": [tenant for _, tenant in names]}


def ripe(
    tx: Tx, table: Table, *, tenant_id: str | None = None, since: datetime | None = None, most: int | None
) -> Rows[Pending]:
    """Batches that a recomputed table has not applied, and every table that it is made of has."""
    parameters = {"table_name": table.name, "made_of": list(table.made_of), "tenant_id": tenant_id}
    return tx.query(Pending, SQL["ripe"], {**parameters, "since": since, "most": most})


def ripe_arrivals(tx: Tx, table: Table, *, tenant_id: str | None = None, most: int | None) -> Rows[Pending]:
    """The same of batches of arrivals."""
    parameters = {"table_name": table.name, "made_of": list(table.made_of), "tenant_id": tenant_id}
    return tx.query(Pending, SQL["ripe_arrivals"], {**parameters, "most": most})


def days(tx: Tx, tenant_id: str, batch_ids: Sequence[UUID]) -> Rows[date]:
    """The days of the books that batches of silver touch, sorted."""
    return tx.scalars(date, SQL["days"], {"tenant_id": tenant_id, "batch_ids": list(batch_ids)})


def arrival_days(tx: Tx, tenant_id: str, batch_ids: Sequence[UUID]) -> Rows[date]:
    """The days, in UTC, on which batches of arrivals were received, sorted."""
    return tx.scalars(date, SQL["arrival_days"], {"tenant_id": tenant_id, "batch_ids": list(batch_ids)})


def lock(tx: Tx, tenant_id: str, table: Table) -> None:
    """Be the only one to refresh this table of this tenant, until the transaction ends; waits for who is at it."""
    tx.execute(SQL["lock"], {"name": f"gold.{table.name}/{tenant_id}"})


def try_lock(tx: Tx, tenant_id: str, table: Table) -> Rows[bool]:
    """The same; False where somebody is at it."""
    return tx.scalars(bool, SQL["try_lock"], {"name": f"gold.{table.name}/{tenant_id}"})


def claim(tx: Tx, tenant_id: str, table: Table, batch_ids: Sequence[UUID]) -> Rows[UUID]:
    """Note these batches as applied; those that were not noted before are returned."""
    parameters = {"tenant_id": tenant_id, "table_name": table.name, "batch_ids": list(batch_ids)}
    return tx.scalars(UUID, SQL["claim"], parameters)


def note_made_with(tx: Tx, tenant_id: str, table: Table, batch_ids: Sequence[UUID]) -> None:
    """Keep to the settings of the stores of these batches, as they are now or were noted before."""
    parameters = {"table_name": table.name, "setting": table.made_with, "batch_ids": list(batch_ids)}
    tx.execute(SQL["note_made_with"], {"tenant_id": tenant_id, **parameters})


def add(tx: Tx, tenant_id: str, table: Table, batch_ids: Sequence[UUID]) -> Rows[date]:
    """Add what these batches posted and took back; the day of every row that was touched."""
    parameters = {"tenant_id": tenant_id, "batch_ids": list(batch_ids)}
    return tx.scalars(date, table.statements["add"], parameters)


def clear(tx: Tx, tenant_id: str, table: Table, touched: Touched) -> None:
    """Delete the rows of a recomputed table that are to be made anew."""
    tx.execute(table.statements["clear"], _of_touched(tenant_id, touched))


def fill(tx: Tx, tenant_id: str, table: Table, touched: Touched) -> Rows[date]:
    """Make the rows of a recomputed table anew; the day of every row that was made or changed."""
    return tx.scalars(date, table.statements["fill"], _of_touched(tenant_id, touched))


def _of_touched(tenant_id: str, touched: Touched) -> Mapping[str, Any]:
    return {
        "tenant_id": tenant_id,
        "batch_ids": list(touched.batch_ids),
        "days": list(touched.days),
        "as_of": touched.as_of,
        "now": touched.now,
        "before": touched.before,
    }


def differences(tx: Tx, tenant_id: str, table: Table, left_out: LeftOut, made: Made, most: int) -> Rows[Row]:
    """Rows that are not as the postings say, as they are and as they should be (`side`)."""
    parameters = {
        "tenant_id": tenant_id,
        "pending": list(left_out.batch_ids),
        "pending_days": list(left_out.days),
        "as_of": made.as_of,
        "now": made.made_at,
        "most": most,
    }
    return tx.query(Row, table.statements["differences"], parameters)


def outdated(tx: Tx, tenant_id: str | None = None) -> Rows[Name]:
    """Tables of sums that were made with settings of stores that are others now."""
    return tx.query(Name, SQL["outdated"], {"tenant_id": tenant_id})


def forget_applied(tx: Tx, tenant_id: str, table: Table) -> None:
    """Have the table apply every batch again."""
    tx.execute(SQL["forget_applied"], {"tenant_id": tenant_id, "table_name": table.name})


def forget_made_with(tx: Tx, tenant_id: str, table: Table) -> None:
    """Have the table go by the settings of today."""
    tx.execute(SQL["forget_made_with"], {"tenant_id": tenant_id, "table_name": table.name})


def forget_state(tx: Tx, tenant_id: str, table: Table) -> None:
    """Have the table be as if it had never been made."""
    tx.execute(SQL["forget_state"], {"tenant_id": tenant_id, "table_name": table.name})


def empty(tx: Tx, tenant_id: str, table: Table) -> Rows[int]:
    """Delete every row of a tenant; how many there were."""
    parameters = {"schema": table.schema, "table_name": table.name, "tenant_id": tenant_id}
    return tx.scalars(int, SQL["empty"], parameters)


def state(tx: Tx, tenant_id: str, table: Table) -> Rows[Made]:
    """For when a recomputed table was made; no row where it never was."""
    return tx.query(Made, SQL["state"], {"tenant_id": tenant_id, "table_name": table.name})


def note_made(tx: Tx, tenant_id: str, table: Table, as_of: date, made_at: datetime) -> None:
    """A recomputed table changed, as of this day."""
    parameters = {"table_name": table.name, "as_of": as_of, "made_at": made_at}
    tx.execute(SQL["note_made"], {"tenant_id": tenant_id, **parameters})


def note_recovered(tx: Tx, tenant_id: str, table: Table) -> None:
    """A table that may have failed before did not fail."""
    tx.execute(SQL["note_recovered"], {"tenant_id": tenant_id, "table_name": table.name})


def failures(tx: Tx, tenant_id: str, table: Table) -> Rows[int]:
    """How often a table failed in a row; no row where nothing is noted of it."""
    return tx.scalars(int, SQL["failures"], {"tenant_id": tenant_id, "table_name": table.name})


def note_failure(tx: Tx, tenant_id: str, table: Table, not_before: datetime) -> None:
    """A table failed once more, and rests until then."""
    tx.execute(SQL["note_failure"], {"tenant_id": tenant_id, "table_name": table.name, "not_before": not_before})


def resting(tx: Tx, now: datetime, latest: datetime) -> Rows[Name]:
    """Tables that failed a moment ago, and are not to be tried yet.

    `latest`: what rests for longer than this was set to by a clock that was wrong.
    """
    return tx.query(Name, SQL["resting"], {"now": now, "latest": latest})


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
    return tx.query(Row, table.statements["page"], {**parameters, **cursor})


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
    """Every tenant of which anything arrived or was posted."""
    return tx.scalars(str, SQL["tenants"], {})


def store_sums(tx: Tx, bounds: Bounds) -> Rows[DaySums]:
    """What daily_store_sales says of every day of every store."""
    return tx.query(DaySums, SQL["store_sums"], bounds.parameters())


def pending_store_sums(tx: Tx, bounds: Bounds) -> Rows[DaySums]:
    """What batches will add to daily_store_sales that it has not applied."""
    return tx.query(DaySums, SQL["pending_store_sums"], bounds.parameters())


def account_sums(tx: Tx, bounds: Bounds) -> Rows[AccountSums]:
    """What account_daily says of every account and day."""
    return tx.query(AccountSums, SQL["account_sums"], bounds.parameters())


def pending_account_sums(tx: Tx, bounds: Bounds) -> Rows[AccountSums]:
    """What batches will add to account_daily that it has not applied."""
    return tx.query(AccountSums, SQL["pending_account_sums"], bounds.parameters())


def count_pending(tx: Tx, table_name: str, tenant_ids: Sequence[str]) -> Rows[TenantCount]:
    """How many batches of postings a table has yet to apply."""
    return tx.query(TenantCount, SQL["count_pending"], {"table_name": table_name, "tenant_ids": list(tenant_ids)})


def orphans(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Batches that a table has applied and that are not there."""
    return tx.query(Findings, SQL["orphans"], {"tenant_ids": list(tenant_ids)})


def tenants_with_rows(tx: Tx, after: str, most: int) -> Rows[str]:
    """Tenants with any row of daily_store_sales, in order, from the one after this on."""
    return tx.scalars(str, SQL["tenants_with_rows"], {"after": after, "most": most})


def moved_by(tx: Tx, tenant_id: str, event_id: str, tables: Sequence[str]) -> Rows[Moved]:
    """What the postings of an event move in gold, and which of these tables have applied them."""
    parameters = {"tenant_id": tenant_id, "event_id": event_id, "tables": list(tables)}
    return tx.query(Moved, SQL["moved_by"], parameters)


def behind(tx: Tx, tables: Sequence[str], tenant_ids: Sequence[str] | None) -> Rows[Behind]:
    """Which of these tables, of those that follow postings, have yet to apply something, and since when."""
    return tx.query(Behind, SQL["behind"], {"tables": list(tables), "tenant_ids": tenant_ids})


def behind_arrivals(tx: Tx, tables: Sequence[str], tenant_ids: Sequence[str] | None) -> Rows[Behind]:
    """The same of those that follow arrivals."""
    return tx.query(Behind, SQL["behind_arrivals"], {"tables": list(tables), "tenant_ids": tenant_ids})


def failing(tx: Tx, tenant_ids: Sequence[str] | None) -> Rows[Failing]:
    """The tables that failed when they were last tried."""
    return tx.query(Failing, SQL["failing"], {"tenant_ids": tenant_ids})
