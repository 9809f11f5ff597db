"""release: what came before the original that it names goes on by itself, once that is posted."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from ledgersafe.db.database import Database, Tx
from ledgersafe.pipeline.park import Released, unpark
from ledgersafe.silver import store as silver
from ledgersafe.silver.store import Name

_A_SWEEP = 1_000


def release_waiting(
    tx: Tx, tenant_id: str, arrived: Sequence[Name], now: datetime, decided: Collection[UUID] = ()
) -> list[Released]:
    """Let go of what waits for these transactions, just posted, whose heads are held. Returns what goes on.

    `decided`: exceptions that the caller closes itself, in the same transaction; they wait no more, and that is all.
    """
    waiting = [one for one in take_waiting(tx, tenant_id, arrived) if one not in decided]
    return unpark(tx, tenant_id, waiting, now) if waiting else []


def take_waiting(tx: Tx, tenant_id: str, arrived: Sequence[Name]) -> list[UUID]:
    """The exceptions that wait for these transactions, and do no more: the caller lets go of them."""
    return sorted(silver.take_waiting(tx, tenant_id, sorted(arrived)).all()) if arrived else []


def sweep(database: Database, now: datetime) -> int:
    """Let go of whatever still waits for what is there: a wake-up that was lost is made up for. Returns how many."""
    released = 0
    with database.snapshot() as tx:
        tenant_ids = silver.tenants_waiting(tx).all()
    for tenant_id in tenant_ids:
        with database.transaction() as tx:
            overdue = sorted(silver.overdue_waiting(tx, tenant_id, _A_SWEEP).all())
            if overdue:
                silver.delete_waiting(tx, tenant_id, overdue)
                released += len(unpark(tx, tenant_id, overdue, now))
    return released
