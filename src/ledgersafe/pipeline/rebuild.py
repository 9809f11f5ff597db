"""rebuild: a gold table of a tenant is emptied and made anew from what is posted, in one transaction."""

from uuid import UUID

import stamina
import structlog

from ledgersafe.db.database import Database, Tx
from ledgersafe.db.errors import DatabaseUnavailable, TryAgain
from ledgersafe.gold import store as gold
from ledgersafe.gold.rules import Table, with_what_is_made_of
from ledgersafe.kernel.clock import Clock
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.refresh import AT_A_TIME, SECONDS, Refreshed, apply, ripe

_log = structlog.get_logger()


def rebuild(database: Database, clock: Clock, name: str, tenant_id: str | None = None) -> list[Refreshed]:
    """Make a table, and then what is made of it, anew: of one tenant, or of all. Each is a transaction.

    Whoever reads meanwhile sees the rows of before. Raises DatabaseUnavailable, TryAgain.
    """
    with database.snapshot() as tx:
        whose = gold.tenants(tx).all() if tenant_id is None else [tenant_id]
    return [_rebuild(database, clock, table, one) for one in whose for table in with_what_is_made_of(name)]


def rebuild_outdated(database: Database, clock: Clock, tenant_id: str | None = None) -> list[Refreshed]:
    """Rebuild what goes by a time zone or a region that a store no longer has; one that fails stops no other."""
    with database.snapshot() as tx:
        outdated = gold.outdated(tx, tenant_id).all()
    return [
        _tried(database, clock, table, one.tenant_id)
        for one in outdated
        for table in with_what_is_made_of(one.table_name)
    ]


def _tried(database: Database, clock: Clock, table: Table, tenant_id: str) -> Refreshed:
    try:
        return _rebuild(database, clock, table, tenant_id)
    except (DatabaseUnavailable, TryAgain):
        raise
    except Exception as error:  # noqa: BLE001 - one tenant's trouble is not another's, and it comes back
        _log.error("rebuild_failed", table=table.name, tenant=tenant_id, exc_info=error)
        return Refreshed(table.name, tenant_id, 0, 0, f"{type(error).__name__}: {error}")


@stamina.retry(on=TryAgain, attempts=8, wait_initial=0.01, wait_max=0.5, timeout=None)
def _rebuild(database: Database, clock: Clock, table: Table, tenant_id: str) -> Refreshed:
    started_at = clock.now()
    with database.transaction() as tx:
        tx.take_time(SECONDS)
        gold.lock(tx, tenant_id, table)
        gold.forget_applied(tx, tenant_id, table)
        gold.forget_made_with(tx, tenant_id, table)
        gold.forget_state(tx, tenant_id, table)
        gold.empty(tx, tenant_id, table)
        tx.look_up_by_index()
        batch_ids = _to_apply(tx, table, tenant_id)
        most = AT_A_TIME["additive"] if table.kind == "additive" else max(len(batch_ids), 1)
        rows = 0
        for start in range(0, len(batch_ids), most):
            claimed = gold.claim(tx, tenant_id, table, batch_ids[start : start + most]).all()
            rows += apply(tx, table, tenant_id, claimed, started_at)
        run = gold.Run(tenant_id, new_id(), table.name, started_at, clock.now(), len(batch_ids), rows)
        gold.insert_run(tx, run)
    return Refreshed(table.name, tenant_id, len(batch_ids), rows)


def _to_apply(tx: Tx, table: Table, tenant_id: str) -> list[UUID]:
    """Every batch that the table may apply, now that it has applied none."""
    if table.kind == "recomputed":
        found = ripe(tx, table, tenant_id=tenant_id, most=None)
    elif table.follows_arrivals:
        found = gold.pending_arrivals(tx, [table.name], tenant_id=tenant_id, most=None).all()
    else:
        found = gold.pending(tx, [table.name], tenant_id=tenant_id, most=None).all()
    return sorted(one.batch_id for one in found)
