"""periods: a month of a tenant's books is closed, and opened again, by a person, on record; and what the books say."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER
from ledgersafe.ledger import store as ledger
from ledgersafe.ledger.rules import Account, default_chart
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


def chart(database: Database, tenant_id: str) -> Sequence[Account]:
    """A tenant's accounts; before its first posting, those that it will begin with."""
    with database.snapshot() as tx:
        return ledger.accounts(tx, tenant_id).all() or default_chart()


def entries_page(database: Database, chosen: ledger.Filter, most: int) -> list[ledger.StoredEntry]:
    """One page of entries, by the day that they count for."""
    with database.snapshot() as tx:
        return ledger.entries(tx, chosen, most).all()


def trial_balance(database: Database, tenant_id: str, as_of: date | None, *, by_store: bool) -> list[ledger.Balance]:
    """What every account stands at when a day has ended."""
    with database.snapshot() as tx:
        return ledger.trial_balance(tx, tenant_id, as_of, by_store=by_store).all()
