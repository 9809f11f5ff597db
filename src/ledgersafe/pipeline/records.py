"""records: pages of what is on record: the audit log, and the bodies that were refused at the door."""

from collections.abc import Sequence
from uuid import UUID

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database


def audit_page(
    database: Database, chosen: audit.Filter, most: int, *, latest_first: bool = False
) -> list[audit.StoredEntry]:
    """One page of decisions, oldest or latest first."""
    page = audit.page_latest_first if latest_first else audit.page
    with database.snapshot() as tx:
        return page(tx, chosen, most).all()


def rejected_page(
    database: Database, tenant_ids: Sequence[str] | None, reason_code: str | None, before: UUID | None, most: int
) -> list[bronze.StoredRejected]:
    """One page of rejected bodies, latest first. `before`: the last id seen."""
    with database.snapshot() as tx:
        return bronze.rejected_page(tx, tenant_ids, reason_code, before, most).all()
