"""report: rows of a gold table, page by page."""

from ledgersafe.db.database import Database
from ledgersafe.gold import store as gold
from ledgersafe.gold.rules import Table


def report_page(database: Database, table: Table, wanted: gold.Wanted, most: int) -> list[gold.Row]:
    """Rows of one tenant, in the order of the table's keys. Raises DatabaseUnavailable."""
    with database.snapshot() as tx:
        return gold.page(tx, table, wanted, most).all()
