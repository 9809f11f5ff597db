"""assign: an exception is somebody's to look at."""

from uuid import UUID

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import ALREADY_RESOLVED, NOT_FOUND
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.quarantine import store as quarantine


def assign(database: Database, exception_id: UUID, assigned_to: str | None, by: Operator) -> quarantine.ExceptionRow:
    """Give an open exception to somebody, or with None to nobody. Raises RequestRefused: not found, not open."""
    tenant_ids = None if by.credential.tenant_ids is None else list(by.credential.tenant_ids)
    with database.transaction() as tx:
        row = quarantine.exception(tx, tenant_ids, exception_id).first()
        if row is None:
            raise RequestRefused(NOT_FOUND, f"There is no exception {exception_id}.")
        if quarantine.assign(tx, row.tenant_id, exception_id, assigned_to).first() is None:
            raise RequestRefused(ALREADY_RESOLVED, f"Exception {exception_id} is not open any more.")
        entry = audit.Entry(
            row.tenant_id,
            by.now,
            by.credential.actor,
            "exception.assigned",
            "exception",
            str(exception_id),
            before={"assigned_to": row.assigned_to},
            after={"assigned_to": assigned_to},
        )
        audit.insert(tx, [entry])
        return quarantine.exception(tx, tenant_ids, exception_id).one()
