"""periods: a month of a tenant's books is closed, and opened again, by a person, on record."""

from datetime import date
from typing import Literal

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER
from ledgersafe.ledger import store as ledger
from ledgersafe.pipeline.resolve import Operator


def set_period(
    database: Database, tenant_id: str, month: date, status: Literal["open", "closed"], notes: str, by: Operator
) -> ledger.Period:
    """Close or open a month, by its first day. What is being posted into it is waited for. Doing it twice is no error.

    Raises RequestRefused: no notes, or a month that has not ended is to be closed.
    """
    if not notes.strip():
        raise RequestRefused(INVALID_PARAMETER, "notes is required: say why.")
    if status == "closed" and month >= by.now.date().replace(day=1):
        raise RequestRefused(INVALID_PARAMETER, f"{month:%Y-%m} has not ended yet.")
    with database.transaction() as tx:
        ledger.ensure_periods(tx, tenant_id, [month], by.now)
        before = ledger.lock_period(tx, tenant_id, month).one()
        if before.status == status:
            return before
        ledger.set_period(tx, tenant_id, month, status, by.credential.actor, by.now)
        facts = {"status": before.status}, {"status": status}
        action = "period.closed" if status == "closed" else "period.opened"
        entry = audit.Entry(
            tenant_id, by.now, by.credential.actor, action, "period", f"{month:%Y-%m}", *facts, notes=notes
        )
        audit.insert(tx, [entry])
        return ledger.lock_period(tx, tenant_id, month).one()


def periods(database: Database, tenant_id: str) -> list[ledger.Period]:
    """The months that were ever posted into, closed or opened."""
    with database.snapshot() as tx:
        return ledger.periods(tx, tenant_id).all()
