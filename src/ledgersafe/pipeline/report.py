"""report: rows of a gold table, page by page."""

from ledgersafe.db.database import Database
from ledgersafe.gold import store as gold
from ledgersafe.gold.rules import Table
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER
from ledgersafe.tenants import store as tenants


def report_page(
    database: Database, table: Table, wanted: gold.Wanted, most: int, *, simulated: bool = False
) -> list[gold.Row]:
    """Rows of one tenant, in the order of the table's keys. Raises DatabaseUnavailable.

    Books that are made up are shown only where `simulated` asks for them. Raises RequestRefused (INVALID_PARAMETER).
    """
    with database.snapshot() as tx:
        known = tenants.tenants(tx, [wanted.tenant_id]).first()
        if known is not None and known.simulated and not simulated:
            message = f"The books of tenant {wanted.tenant_id!r} are made up; add simulated=true to see them."
            raise RequestRefused(INVALID_PARAMETER, message)
        return gold.page(tx, table, wanted, most).all()


def report_types(database: Database, table: Table) -> dict[str, str]:
    """The types of a report's columns, by name: they are the same for every tenant and every page."""
    with database.snapshot() as tx:
        nothing = gold.page(tx, table, gold.Wanted(""), 0)
        nothing.all()  # the types come with the answer
        return nothing.types()
