"""The statements of schema quarantine."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from ledgersafe.db import arrays
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.rows import Findings, MinuteCount, TenantCount
from ledgersafe.db.sql import Statements

SQL = Statements(__package__ or "")

Resolution = Literal["replayed", "ignored", "dismissed", "released"]
Action = Literal["mark_resolved_no_replay", "override_and_replay"]


@dataclass(slots=True)
class NewException:
    """An exception about to be opened; `details_json` is JSON text. Later arrivals of its batch may still join it."""

    exception_id: str
    idempotency_key: str
    reason_code: str
    details_json: str
    raw_id: str
    last_raw_id: str
    arrivals: int
    store_id: str | None
    source_system: str | None
    event_type: str | None
    amount: Decimal | None
    currency: str | None
    created_at: datetime
    last_arrival_at: datetime


@dataclass(slots=True)
class Joined:
    """Arrivals that join an open exception; `last_raw_id` is None where none of them brought a new payload."""

    exception_id: str
    last_raw_id: str | None
    arrivals: int
    last_arrival_at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """A row of quarantine.exceptions."""

    tenant_id: str
    exception_id: UUID
    idempotency_key: str
    status: Literal["open", "resolved"]
    reason_code: str
    details_json: Any
    raw_id: UUID
    last_raw_id: UUID
    arrivals: int
    store_id: str | None
    source_system: str | None
    event_type: str | None
    amount: Decimal | None
    currency: str | None
    created_at: datetime
    last_arrival_at: datetime
    assigned_to: str | None
    replay_attempts: int
    last_replay_at: datetime | None
    last_replay_status: Literal["accepted", "refused"] | None
    resolved_at: datetime | None
    resolution: Resolution | None
    resolution_action: Action | None
    resolution_notes: str | None
    resolution_actor: str | None
    canonical_raw_id: UUID | None
    override_patch: Any
    books_date: date | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which exceptions are meant; None is no filter. `text`: found in key, store, source, type, reason or faults.

    `after`: (created_at, exception_id) of the last one seen, for pages.
    """

    tenant_ids: Sequence[str] | None = None
    status: str | None = None
    store_id: str | None = None
    reason_code: str | None = None
    created_before: datetime | None = None
    assigned_to: str | None = None
    text: str | None = None
    after: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """A decision on one exception. `canonical_raw_id`: the payload chosen, where one was."""

    exception_id: UUID
    idempotency_key: str
    resolution: Resolution
    canonical_raw_id: UUID | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What is the same for every exception of one decision. `patch`: JSON text (RFC 7396)."""

    tenant_id: str
    action: Action
    notes: str
    actor: str
    resolved_at: datetime
    patch: str | None
    books_date: date | None


@dataclass(frozen=True, slots=True)
class Overlaid:
    """What an operator decided along with a payload: a merge patch over it, the day that it counts for."""

    raw_id: UUID
    patch: dict[str, Any] | None
    books_date: date | None


@dataclass(frozen=True, slots=True)
class OpenOfKey:
    """A key, and its open exception."""

    exception_id: UUID
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class NewRun:
    """A bulk run about to be stored; `filter` and `wish` are JSON text."""

    tenant_id: str
    run_id: str
    filter: str
    wish: str
    max_replays: int
    actor: str
    notes: str
    planned: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """A row of quarantine.bulk_runs. `actor` began it; what it decides now is the decision of `resumed_by`, if any."""

    tenant_id: str
    run_id: UUID
    status: Literal["running", "cancelled", "finished"]
    filter: Any
    wish: Any
    max_replays: int
    actor: str
    stopped_by: str | None
    resumed_by: str | None
    notes: str
    planned: int
    resolved: int
    refused: int
    skipped: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RunName:
    """Which run of whom."""

    tenant_id: str
    run_id: UUID


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one exception of a run; `outcome` is None while it is to come."""

    exception_id: UUID
    outcome: Literal["resolved", "refused", "skipped"] | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class NamedItem:
    """The same, with the key that it is about."""

    exception_id: UUID
    idempotency_key: str
    outcome: Literal["resolved", "refused", "skipped"] | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Planned:
    """An exception that a run is to decide on, and its latest payload as it was planned; None: whichever it is."""

    exception_id: UUID
    last_raw_id: UUID | None


@dataclass(frozen=True, slots=True)
class Extent:
    """How many exceptions a filter or a run is about; `digest`: the same for the same exceptions and payloads."""

    number: int
    digest: int


@dataclass(frozen=True, slots=True)
class Stake:
    """What so many exceptions come to. `currency`, `amount`: None where their events do not say."""

    currency: str | None
    amount: Decimal | None
    exceptions: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What a chunk adds to its run."""

    resolved: int
    refused: int
    skipped: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class OfReason:
    """How many exceptions are open for a reason."""

    reason_code: str
    number: int


def open_exceptions(tx: Tx, tenant_id: str, rows: Sequence[NewException]) -> None:
    """Open exceptions for keys that have none open."""
    parameters = {
        "tenant_id": tenant_id,
        "exception_ids": arrays.ids(row.exception_id for row in rows),
        "keys": arrays.texts([row.idempotency_key for row in rows]),
        "reason_codes": arrays.texts([row.reason_code for row in rows]),
        "details_json": arrays.texts([row.details_json for row in rows]),
        "raw_ids": arrays.ids(row.raw_id for row in rows),
        "last_raw_ids": arrays.ids(row.last_raw_id for row in rows),
        "arrivals": arrays.plain(row.arrivals for row in rows),
        "store_ids": arrays.texts([row.store_id for row in rows]),
        "source_systems": arrays.texts([row.source_system for row in rows]),
        "event_types": arrays.texts([row.event_type for row in rows]),
        "amounts": arrays.plain(row.amount for row in rows),
        "currencies": arrays.texts([row.currency for row in rows]),
        "created_at": arrays.instants(row.created_at for row in rows),
        "last_arrival_at": arrays.instants(row.last_arrival_at for row in rows),
    }
    tx.execute(SQL["open_exceptions"], parameters)


def join_exceptions(tx: Tx, tenant_id: str, rows: Sequence[Joined]) -> None:
    """Let arrivals join open exceptions."""
    parameters = {
        "tenant_id": tenant_id,
        "exception_ids": arrays.ids(row.exception_id for row in rows),
        "last_raw_ids": arrays.plain(row.last_raw_id for row in rows),
        "arrivals": arrays.plain(row.arrivals for row in rows),
        "last_arrival_at": arrays.instants(row.last_arrival_at for row in rows),
    }
    tx.execute(SQL["join_exceptions"], parameters)


def page(tx: Tx, chosen: Filter, most: int) -> Rows[ExceptionRow]:
    """One page of exceptions, oldest first."""
    after_created_at, after_id = chosen.after or (None, None)
    parameters = _page_parameters(chosen, most) | {"after_created_at": after_created_at, "after_id": after_id}
    return tx.query(ExceptionRow, SQL["page"], parameters)


def count_page(tx: Tx, chosen: Filter, most: int) -> Rows[int]:
    """How many exceptions there are like this on all pages together; `most`: no more are counted."""
    return tx.scalars(int, SQL["count_page"], _page_parameters(chosen, most))


def exception(tx: Tx, tenant_ids: Sequence[str] | None, exception_id: UUID) -> Rows[ExceptionRow]:
    """One exception, if it belongs to one of these tenants."""
    return tx.query(ExceptionRow, SQL["exception"], {"tenant_ids": tenant_ids, "exception_id": exception_id})


def exceptions_of_key(tx: Tx, tenant_id: str, idempotency_key: str) -> Rows[ExceptionRow]:
    """Every exception that a key ever had."""
    return tx.query(ExceptionRow, SQL["exceptions_of_key"], {"tenant_id": tenant_id, "key": idempotency_key})


def count_open(tx: Tx, tenant_ids: Sequence[str]) -> Rows[TenantCount]:
    """How many exceptions of each of these tenants are open."""
    return tx.query(TenantCount, SQL["count_open"], {"tenant_ids": list(tenant_ids)})


def count_all(tx: Tx, tenant_ids: Sequence[str]) -> Rows[TenantCount]:
    """How many exceptions each of these tenants has, open or closed."""
    return tx.query(TenantCount, SQL["count_all"], {"tenant_ids": list(tenant_ids)})


def orphans(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Exceptions whose key or arrival is not there."""
    return tx.query(Findings, SQL["orphans"], {"tenant_ids": list(tenant_ids)})


def untrue_decisions(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Closed exceptions that say something else than the audit row of their decision."""
    return tx.query(Findings, SQL["untrue_decisions"], {"tenant_ids": list(tenant_ids)})


def exceptions_by_id(tx: Tx, tenant_id: str, exception_ids: Sequence[UUID]) -> Rows[ExceptionRow]:
    """These exceptions of a tenant."""
    parameters = {"tenant_id": tenant_id, "exception_ids": list(exception_ids)}
    return tx.query(ExceptionRow, SQL["exceptions_by_id"], parameters)


def close_exceptions(tx: Tx, decided: Decided, closed: Sequence[Closed]) -> None:
    """Close open exceptions with one decision."""
    parameters = asdict(decided) | {
        "replays": 1 if decided.action == "override_and_replay" else 0,
        "exception_ids": arrays.plain(one.exception_id for one in closed),
        "resolutions": arrays.texts([one.resolution for one in closed]),
        "canonical_raw_ids": arrays.plain(one.canonical_raw_id for one in closed),
    }
    tx.execute(SQL["close_exceptions"], parameters)


def count_refused_replays(tx: Tx, tenant_id: str, exception_ids: Sequence[UUID], now: datetime) -> None:
    """Count replays that were refused."""
    parameters = {"tenant_id": tenant_id, "exception_ids": arrays.plain(exception_ids), "now": now}
    tx.execute(SQL["count_refused_replays"], parameters)


def assign(tx: Tx, tenant_id: str, exception_id: UUID, assigned_to: str | None) -> Rows[UUID]:
    """Give an open exception to somebody, or to nobody; returns its id if it is open."""
    parameters = {"tenant_id": tenant_id, "exception_id": exception_id, "assigned_to": assigned_to}
    return tx.scalars(UUID, SQL["assign"], parameters)


def plan_run(tx: Tx, tenant_id: str, run_id: str, chosen: Filter) -> None:
    """Make an item of every open exception that the filter names."""
    tx.execute(SQL["plan_run"], _filter_parameters(tenant_id, chosen) | {"run_id": run_id})


def extent(tx: Tx, tenant_id: str, chosen: Filter) -> Rows[Extent]:
    """The open exceptions that the filter names, in all."""
    return tx.query(Extent, SQL["extent"], _filter_parameters(tenant_id, chosen))


def at_stake(tx: Tx, tenant_id: str, chosen: Filter) -> Rows[Stake]:
    """The money of the open exceptions that the filter names, by currency; what is of most of them first."""
    return tx.query(Stake, SQL["at_stake"], _filter_parameters(tenant_id, chosen))


def extent_of_run(tx: Tx, tenant_id: str, run_id: str) -> Rows[Extent]:
    """The items of a run, in all."""
    return tx.query(Extent, SQL["extent_of_run"], {"tenant_id": tenant_id, "run_id": run_id})


def insert_run(tx: Tx, run: NewRun) -> None:
    """Store a run that is planned."""
    tx.execute(SQL["insert_run"], asdict(run))


def run(tx: Tx, tenant_ids: Sequence[str] | None, run_id: UUID) -> Rows[Run]:
    """One run, if it belongs to one of these tenants."""
    return tx.query(Run, SQL["run"], {"tenant_ids": tenant_ids, "run_id": run_id})


def runs(tx: Tx, tenant_ids: Sequence[str] | None, before: tuple[datetime, UUID] | None, most: int) -> Rows[Run]:
    """One page of runs, latest first. `before`: (created_at, run_id) of the last one seen."""
    created_at, run_id = before or (None, None)
    parameters = {"tenant_ids": tenant_ids, "before_created_at": created_at, "before_id": run_id, "most": most}
    return tx.query(Run, SQL["runs"], parameters)


def hold_run(tx: Tx, name: RunName) -> Rows[Run]:
    """A run as it is now, and stays until the transaction ends."""
    return tx.query(Run, SQL["hold_run"], asdict(name))


def set_run_status(tx: Tx, name: RunName, status: Literal["running", "cancelled"], by: str, now: datetime) -> None:
    """Cancel or resume a run that is held, and stands or runs."""
    tx.execute(SQL["set_run_status"], asdict(name) | {"status": status, "by": by, "now": now})


def running_runs(tx: Tx) -> Rows[RunName]:
    """Runs that have work, the one longest untouched first."""
    return tx.query(RunName, SQL["running_runs"])


def lock_run(tx: Tx, name: RunName) -> Rows[Run]:
    """Take a running run until the transaction ends; no row where another worker has it."""
    return tx.query(Run, SQL["lock_run"], asdict(name))


def next_items(tx: Tx, name: RunName, most: int) -> Rows[Planned]:
    """The next exceptions of a run that is locked."""
    parameters = {"tenant_id": name.tenant_id, "run_id": name.run_id, "most": most}
    return tx.query(Planned, SQL["next_items"], parameters)


def end_items(tx: Tx, name: RunName, items: Sequence[Item]) -> None:
    """Note what became of items."""
    parameters = {
        "tenant_id": name.tenant_id,
        "run_id": name.run_id,
        "exception_ids": [item.exception_id for item in items],
        "outcomes": [item.outcome for item in items],
        "details": [item.detail for item in items],
    }
    tx.execute(SQL["end_items"], parameters)


def advance_run(tx: Tx, name: RunName, progress: Progress, now: datetime) -> None:
    """Add to a run's progress."""
    parameters = asdict(progress) | asdict(name) | {"now": now}
    tx.execute(SQL["advance_run"], parameters)


def items(tx: Tx, name: RunName, outcome: str | None, after_id: UUID | None, most: int) -> Rows[NamedItem]:
    """One page of a run's items."""
    parameters = asdict(name) | {"outcome": outcome, "after_id": after_id, "most": most}
    return tx.query(NamedItem, SQL["items"], parameters)


def decisions(tx: Tx, tenant_id: str, raw_ids: Sequence[UUID | str]) -> Rows[Overlaid]:
    """What operators decided along with these payloads."""
    return tx.query(Overlaid, SQL["decisions"], {"tenant_id": tenant_id, "raw_ids": arrays.plain(raw_ids)})


def open_of_keys(tx: Tx, tenant_id: str, keys: Sequence[str]) -> Rows[OpenOfKey]:
    """The open exceptions of these keys."""
    return tx.query(OpenOfKey, SQL["open_of_keys"], {"tenant_id": tenant_id, "keys": list(keys)})


def release(tx: Tx, tenant_id: str, exception_ids: Sequence[UUID], actor: str, notes: str, now: datetime) -> None:
    """Close exceptions whose original is posted by now."""
    parameters = {"tenant_id": tenant_id, "exception_ids": list(exception_ids), "actor": actor, "now": now}
    tx.execute(SQL["release"], parameters | {"notes": notes})


def parked_by_minute(
    tx: Tx, tenant_ids: Sequence[str] | None, starts: Sequence[datetime], until: datetime
) -> Rows[MinuteCount]:
    """How many exceptions were opened in each of the minutes that begin then, up to `until`."""
    times = {"starts": arrays.instants(starts), "since": starts[0], "until": until}
    return tx.query(MinuteCount, SQL["parked_by_minute"], {"tenant_ids": tenant_ids} | times)


def open_by_reason(tx: Tx, tenant_ids: Sequence[str] | None) -> Rows[OfReason]:
    """What is open, by reason."""
    return tx.query(OfReason, SQL["open_by_reason"], {"tenant_ids": tenant_ids})


def oldest_open(tx: Tx, tenant_ids: Sequence[str] | None) -> Rows[datetime]:
    """When the oldest was opened of those that are; no row where none is."""
    return tx.scalars(datetime, SQL["oldest_open"], {"tenant_ids": tenant_ids})


def _page_parameters(chosen: Filter, most: int) -> dict[str, object]:
    return {
        "tenant_ids": chosen.tenant_ids,
        "status": chosen.status,
        "store_id": chosen.store_id,
        "reason_code": chosen.reason_code,
        "created_before": chosen.created_before,
        "assigned_to": chosen.assigned_to,
        "text": chosen.text,
        "most": most,
    }


def _filter_parameters(tenant_id: str, chosen: Filter) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "store_id": chosen.store_id,
        "reason_code": chosen.reason_code,
        "created_before": chosen.created_before,
        "assigned_to": chosen.assigned_to,
        "text": chosen.text,
    }
