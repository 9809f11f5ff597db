"""read_ledger: what the books say: entries, and what every account stands at."""

from dataclasses import dataclass
from datetime import date

from ledgersafe.db.database import Database
from ledgersafe.ledger import store as ledger
from ledgersafe.silver import store as silver


@dataclass(frozen=True, slots=True)
class CausedEntry:
    """An entry, and the event that caused it; None only where somebody took its transaction away."""

    entry: ledger.StoredEntry
    event_id: str | None


def entries_page(database: Database, chosen: ledger.Filter, most: int) -> list[CausedEntry]:
    """One page of entries, by the day that they count for."""
    with database.snapshot() as tx:
        found = ledger.entries(tx, chosen, most).all()
        postings = [(row.transaction_id, row.revision, row.kind) for row in found]
        events = silver.events_of_postings(tx, chosen.tenant_id, postings).all()
    caused_by = {(row.transaction_id, row.revision, row.kind): row.event_id for row in events}
    return [CausedEntry(row, caused_by.get(posting)) for row, posting in zip(found, postings, strict=True)]


def trial_balance(database: Database, tenant_id: str, as_of: date | None, *, by_store: bool) -> list[ledger.Balance]:
    """What every account stands at when a day has ended."""
    with database.snapshot() as tx:
        return ledger.trial_balance(tx, tenant_id, as_of, by_store=by_store).all()
