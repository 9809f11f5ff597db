"""refresh: what was posted moves the gold tables. A table, a tenant and some batches are one transaction.

A batch is claimed once a table, in the transaction that applies it: whoever is killed has done all of it or nothing,
and two who refresh at once do it once. Where nothing is new, nothing is done. Tables of sums come first; what is made
of others is made anew after them, in the order that their headers give.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

import stamina
import structlog

from ledgersafe.db.database import Database, Tx
from ledgersafe.db.errors import DatabaseUnavailable, StatementRefused, TryAgain
from ledgersafe.gold import store as gold
from ledgersafe.gold.rules import Table, ordered
from ledgersafe.kernel.clock import CLOCKS_DIFFER, Clock, trading_day
from ledgersafe.kernel.ids import new_id
from ledgersafe.tenants import store as tenants

AT_A_TIME = {"additive": 10, "recomputed": 1_000}
"""How many batches one transaction applies: one holds the postings of up to 2,000 events. Windows are the same whoever
touches them, so that they are made anew for many batches at once."""
SECONDS = 600.0
"""How long a statement may take that makes a part of a table anew."""
_AT_A_LOOK = 20_000
_RUNS_ARE_KEPT = timedelta(days=7)
_TOO_SLOW = "57014"  # statement_timeout: less at once may do
_FIRST_REST, _LONGEST_REST = timedelta(seconds=1), timedelta(minutes=5)
_log = structlog.get_logger()
Whose = tuple[str, str]
"""(name of a table, tenant)."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What one transaction did. `rows`: how many of the table it touched; `error`: why it did nothing."""

    table: str
    tenant_id: str
    batches: int
    rows: int
    error: str | None = None

    @property
    def did_something(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.batches or self.rows or self.error)


@dataclass(frozen=True, slots=True)
class _Round:
    """One call of refresh. `looks_once`: what comes meanwhile is left for the next one. `failed`: what is not tried,
    or not any more.
    """

    database: Database
    clock: Clock
    tenant_id: str | None
    since: datetime | None
    in_background: bool
    looks_once: bool
    failed: set[Whose] = field(default_factory=set[Whose])


def refresh(
    database: Database,
    clock: Clock,
    *,
    tenant_id: str | None = None,
    since: datetime | None = None,
    at_once: bool = False,
    in_background: bool = False,
) -> list[Refreshed]:
    """Bring every table up to date: with what was posted since then, or with all that is not applied.

    `at_once`: only the tables that move after each batch. `in_background`: leave alone what failed a moment ago, and
    what somebody else is at; with both, look for work once: who calls again and again may rest in between. A table
    that fails is on record in gold.runs, and does not stop the others.
    Raises DatabaseUnavailable, TryAgain.
    """
    of = _Round(database, clock, tenant_id, since, in_background, looks_once=at_once and in_background)
    if in_background:
        now = clock.now()
        with database.snapshot() as tx:
            resting = gold.resting(tx, now, now + _LONGEST_REST + CLOCKS_DIFFER).all()
        of.failed.update((one.table_name, one.tenant_id) for one in resting)
    sums = [table for table in ordered() if table.kind == "additive"]
    done = _apply(of, [table for table in sums if table.follows_at_once or not at_once])
    for table in () if at_once else ordered():
        if table.kind == "recomputed":
            done += _remake(of, table)
    return done


def sweep(database: Database, clock: Clock) -> int:
    """Apply whatever was not, however long ago it was posted, and forget old runs. Returns how many batches."""
    done = refresh(database, clock, in_background=True)
    with database.transaction() as tx:
        gold.delete_runs(tx, clock.now() - _RUNS_ARE_KEPT)
    return sum(one.batches for one in done if one.error is None)


def _apply(of: _Round, tables: Sequence[Table]) -> list[Refreshed]:
    """Bring tables of sums up to date."""
    done: list[Refreshed] = []
    while True:
        work = _work(of, tables)
        fresh = [one for table in tables for one in _refresh_all(of, table, work[table.name]) if one.did_something]
        done += fresh
        if of.looks_once or all(one.error is not None for one in fresh):
            return done


def _remake(of: _Round, table: Table) -> list[Refreshed]:
    """Bring a table that is made of others up to date."""
    done: list[Refreshed] = []
    while True:
        work = _ripe_work(of, table, with_the_calendar=table.is_of_the_day and not done)
        fresh = [one for one in _refresh_all(of, table, work) if one.did_something]
        done += fresh
        if all(one.error is not None for one in fresh) or sum(map(len, work.values())) < _AT_A_LOOK:
            return done


def _work(of: _Round, tables: Sequence[Table]) -> Mapping[str, Mapping[str, list[UUID]]]:
    """By table and tenant, the batches to apply; not all of them at once."""
    posted = [table.name for table in tables if not table.follows_arrivals]
    arrived = [table.name for table in tables if table.follows_arrivals]
    whose, without = of.tenant_id, sorted(of.failed)
    with of.database.snapshot() as tx:
        found = gold.pending(tx, posted, tenant_id=whose, since=of.since, without=without, most=_AT_A_LOOK).all()
        if arrived:
            found += gold.pending_arrivals(tx, arrived, tenant_id=whose, without=without, most=_AT_A_LOOK).all()
    work: dict[str, dict[str, list[UUID]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        work[one.table_name][one.tenant_id].append(one.batch_id)
    return work


def _ripe_work(of: _Round, table: Table, *, with_the_calendar: bool) -> Mapping[str, list[UUID]]:
    """By tenant, the batches that a table made of others may apply; none where only the day may have turned."""
    work: dict[str, list[UUID]] = defaultdict(list)
    with of.database.snapshot() as tx:
        for one in ripe(tx, table, tenant_id=of.tenant_id, since=of.since, most=_AT_A_LOOK):
            work[one.tenant_id].append(one.batch_id)
        if with_the_calendar:
            for tenant_id in gold.tenants(tx).all() if of.tenant_id is None else [of.tenant_id]:
                _ = work[tenant_id]
    return work


def ripe(
    tx: Tx, table: Table, *, tenant_id: str | None, since: datetime | None = None, most: int | None
) -> list[gold.Pending]:
    """Batches that a table made of others has not applied, and they all have."""
    if table.follows_arrivals:
        return gold.ripe_arrivals(tx, table, tenant_id=tenant_id, most=most).all()
    return gold.ripe(tx, table, tenant_id=tenant_id, since=since, most=most).all()


def _refresh_all(of: _Round, table: Table, work: Mapping[str, list[UUID]]) -> Iterator[Refreshed]:
    most = AT_A_TIME[table.kind]
    for tenant_id in sorted(work):
        batch_ids = sorted(work[tenant_id])
        for start in range(0, max(len(batch_ids), 1), most):
            if (table.name, tenant_id) in of.failed:
                break
            yield _refresh(of, table, tenant_id, batch_ids[start : start + most])


def _refresh(of: _Round, table: Table, tenant_id: str, batch_ids: Sequence[UUID]) -> Refreshed:
    started_at = of.clock.now()
    try:
        return _refresh_once(of, table, tenant_id, batch_ids, started_at)
    except TryAgain:
        raise
    except DatabaseUnavailable as error:
        if error.sqlstate != _TOO_SLOW:
            raise
        if len(batch_ids) > 1:
            return _refresh_halves(of, table, tenant_id, batch_ids)
        return _note_failure(of, table, tenant_id, batch_ids, started_at, error)
    except Exception as error:  # noqa: BLE001 - it is on record and comes back, and the other tables go on
        if isinstance(error, StatementRefused) and len(batch_ids) > 1:
            return _refresh_halves(of, table, tenant_id, batch_ids)  # a value of one batch stops no other
        return _note_failure(of, table, tenant_id, batch_ids, started_at, error)


def _refresh_halves(of: _Round, table: Table, tenant_id: str, batch_ids: Sequence[UUID]) -> Refreshed:
    half = len(batch_ids) // 2
    one, other = (_refresh(of, table, tenant_id, part) for part in (batch_ids[:half], batch_ids[half:]))
    error = one.error or other.error
    return Refreshed(table.name, tenant_id, one.batches + other.batches, one.rows + other.rows, error)


@stamina.retry(on=TryAgain, attempts=8, wait_initial=0.01, wait_max=0.5, timeout=None)
def _refresh_once(
    of: _Round, table: Table, tenant_id: str, batch_ids: Sequence[UUID], started_at: datetime
) -> Refreshed:
    nothing = Refreshed(table.name, tenant_id, 0, 0)
    with of.database.transaction() as tx:
        tx.look_up_by_index()
        if not _take(tx, table, tenant_id, in_background=of.in_background):
            return nothing
        claimed = gold.claim(tx, tenant_id, table, batch_ids).all() if batch_ids else []
        if not claimed and not table.is_of_the_day:
            return nothing
        rows = apply(tx, table, tenant_id, claimed, started_at)
        if not claimed and not rows:
            return nothing
        run = gold.Run(tenant_id, new_id(), table.name, started_at, of.clock.now(), len(claimed), rows)
        gold.insert_run(tx, run)
        return Refreshed(table.name, tenant_id, len(claimed), rows)


def _take(tx: Tx, table: Table, tenant_id: str, *, in_background: bool) -> bool:
    """Be the only one at a table; False where somebody else is, and this one does not wait."""
    if in_background:
        return gold.try_lock(tx, tenant_id, table).one()
    gold.lock(tx, tenant_id, table)
    return True


def apply(tx: Tx, table: Table, tenant_id: str, claimed: Sequence[UUID], now: datetime) -> int:
    """Apply batches that this transaction has claimed to a table that it holds; how many rows were touched."""
    if table.kind == "recomputed":
        return _fill(tx, table, tenant_id, claimed, now)
    if table.made_with is not None:
        gold.note_made_with(tx, tenant_id, table, claimed)
    rows = len(gold.add(tx, tenant_id, table, claimed).all())
    gold.note_recovered(tx, tenant_id, table)
    return rows


def _fill(tx: Tx, table: Table, tenant_id: str, claimed: Sequence[UUID], now: datetime) -> int:
    tx.take_time(SECONDS)
    settings = tenants.book_settings(tx, tenant_id).one()
    as_of = trading_day(now, settings.time_zone, settings.day_starts_at)
    made = gold.state(tx, tenant_id, table).first()
    days = days_of(tx, table, tenant_id, claimed)
    touched = gold.Touched(claimed, days, as_of, now, made.as_of if made is not None else None)
    gold.clear(tx, tenant_id, table, touched)
    rows = len(gold.fill(tx, tenant_id, table, touched).all())
    if claimed or rows:
        gold.note_made(tx, tenant_id, table, as_of, now)
    return rows


def days_of(tx: Tx, table: Table, tenant_id: str, batch_ids: Sequence[UUID]) -> Sequence[date]:
    """The days that batches touch."""
    if not batch_ids:
        return ()
    return (gold.arrival_days if table.follows_arrivals else gold.days)(tx, tenant_id, batch_ids).all()


def _note_failure(
    of: _Round, table: Table, tenant_id: str, batch_ids: Sequence[UUID], started_at: datetime, error: Exception
) -> Refreshed:
    """A table that failed rests, longer each time."""
    _log.error("refresh_failed", table=table.name, tenant=tenant_id, exc_info=error)
    message, now = f"{type(error).__name__}: {error}", of.clock.now()
    run = gold.Run(tenant_id, new_id(), table.name, started_at, now, len(batch_ids), rows=0, error=message)
    with of.database.transaction() as tx:
        failures = gold.failures(tx, tenant_id, table).first() or 0
        rest = min(_FIRST_REST * 2 ** min(failures, 16), _LONGEST_REST)
        gold.note_failure(tx, tenant_id, table, now + rest)
        gold.insert_run(tx, run)
    of.failed.add((table.name, tenant_id))
    return Refreshed(table.name, tenant_id, len(batch_ids), 0, message)
