"""refresh: what was posted moves the gold tables. A table, a tenant and some batches are one transaction.

A batch is claimed once a table, in the transaction that adds it: whoever is killed has done all of it or nothing, and
two who refresh at once do it once. Where nothing is new, nothing is done.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import stamina
import structlog

from ledgersafe.db.database import Database
from ledgersafe.db.errors import DatabaseUnavailable, TryAgain
from ledgersafe.gold import store as gold
from ledgersafe.gold.rules import Table, tables
from ledgersafe.kernel.clock import Clock
from ledgersafe.kernel.ids import new_id

_AT_A_LOOK = 20_000
_BATCHES = 10
"""How many batches one transaction adds; one holds the postings of up to 2,000 events."""
_RUNS_ARE_KEPT = timedelta(days=7)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What one transaction did. `rows`: how many of the table it touched; `error`: why it did nothing."""

    table: str
    tenant_id: str
    batches: int
    rows: int
    error: str | None = None


def refresh(
    database: Database, clock: Clock, *, tenant_id: str | None = None, since: datetime | None = None
) -> list[Refreshed]:
    """Bring every table up to date: with what was posted since then, or with all that is not applied.

    A table that fails is on record in gold.runs, and does not stop the others. Raises DatabaseUnavailable, TryAgain.
    """
    done: list[Refreshed] = []
    failed: set[tuple[str, str]] = set()
    while True:
        work = _work(database, tenant_id, since)
        fresh = [one for one in _refresh_all(database, clock, work, failed) if one.batches]
        done += fresh
        if all(one.error is not None for one in fresh):
            return done


def sweep(database: Database, clock: Clock) -> int:
    """Apply whatever was not, however long ago it was posted, and forget old runs. Returns how many batches."""
    done = refresh(database, clock)
    with database.transaction() as tx:
        gold.delete_runs(tx, clock.now() - _RUNS_ARE_KEPT)
    return sum(one.batches for one in done if one.error is None)


def _work(database: Database, tenant_id: str | None, since: datetime | None) -> Mapping[tuple[str, str], list[UUID]]:
    """By table and tenant, the batches to apply; not all of them at once."""
    with database.snapshot() as tx:
        found = gold.pending(tx, list(tables()), tenant_id=tenant_id, since=since, most=_AT_A_LOOK).all()
    work: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    for one in found:
        work[one.table_name, one.tenant_id].append(one.batch_id)
    return work


def _refresh_all(
    database: Database, clock: Clock, work: Mapping[tuple[str, str], list[UUID]], failed: set[tuple[str, str]]
) -> Iterator[Refreshed]:
    for name, tenant_id in sorted(work):
        batch_ids = sorted(work[name, tenant_id])
        for start in range(0, len(batch_ids), _BATCHES):
            if (name, tenant_id) in failed:
                break
            one = _refresh(database, clock, tables()[name], tenant_id, batch_ids[start : start + _BATCHES])
            if one.error is not None:
                failed.add((name, tenant_id))
            yield one


def _refresh(database: Database, clock: Clock, table: Table, tenant_id: str, batch_ids: Sequence[UUID]) -> Refreshed:
    started_at = clock.now()
    try:
        return _refresh_once(database, clock, table, tenant_id, batch_ids, started_at)
    except (DatabaseUnavailable, TryAgain):
        raise
    except Exception as error:  # noqa: BLE001 - it is on record and comes back, and the other tables go on
        _log.error("refresh_failed", table=table.name, tenant=tenant_id, exc_info=error)
        message = f"{type(error).__name__}: {error}"
        with database.transaction() as tx:
            run = gold.Run(
                tenant_id, new_id(), table.name, started_at, clock.now(), len(batch_ids), rows=0, error=message
            )
            gold.insert_run(tx, run)
        return Refreshed(table.name, tenant_id, len(batch_ids), 0, message)


@stamina.retry(on=TryAgain, attempts=8, wait_initial=0.01, wait_max=0.5, timeout=None)
def _refresh_once(
    database: Database, clock: Clock, table: Table, tenant_id: str, batch_ids: Sequence[UUID], started_at: datetime
) -> Refreshed:
    with database.transaction() as tx:
        tx.look_up_by_index()
        gold.lock(tx, tenant_id, table)
        claimed = gold.claim(tx, tenant_id, table, batch_ids).all()
        if not claimed:
            return Refreshed(table.name, tenant_id, 0, 0)
        rows = len(gold.add(tx, tenant_id, table, claimed).all())
        run = gold.Run(tenant_id, new_id(), table.name, started_at, clock.now(), len(claimed), rows)
        gold.insert_run(tx, run)
        return Refreshed(table.name, tenant_id, len(claimed), rows)
