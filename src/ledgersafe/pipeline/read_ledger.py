"""read_ledger: what the books say: entries, and what every account stands at."""

from datetime import date

from ledgersafe.db.database import Database
from ledgersafe.ledger import store as ledger


def entries_page(database: Database, chosen: ledger.Filter, most: int) -> list[ledger.StoredEntry]:
    """One page of entries, by the day that they count for."""
    with database.snapshot() as tx:
        return ledger.entries(tx, chosen, most).all()


def trial_balance(database: Database, tenant_id: str, as_of: date | None, *, by_store: bool) -> list[ledger.Balance]:
    """What every account stands at when a day has ended."""
    with database.snapshot() as tx:
        return ledger.trial_balance(tx, tenant_id, as_of, by_store=by_store).all()
