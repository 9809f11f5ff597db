"""redact: a body is made unreadable for good, because the law says so; who did it, and why, stays on record."""

from contextlib import suppress
from uuid import UUID

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database, Tx
from ledgersafe.gate import store as gate
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER, NOT_FOUND, NOT_POSTED_YET
from ledgersafe.pipeline.arrival import REDACTION
from ledgersafe.pipeline.resolve import Operator


class _RedactedBeforeError(Exception):
    """Nothing changed, so nothing goes on record."""


def redact_arrival(
    database: Database, tenant_id: str, raw_id: UUID, notes: str, by: Operator, *, even_if_not_posted: bool = False
) -> bool:
    """Make an arrival's body unreadable, with the patches that were laid over it. Returns False where it was already.

    Raises RequestRefused: no notes, not found, and NOT_POSTED_YET unless that is accepted: what waits to be posted
    cannot be any more, and will be parked when its turn comes; what is parked can only be ignored.
    """
    _need(notes)
    with suppress(_RedactedBeforeError), database.transaction() as tx:
        arrival = bronze.arrivals_by_id(tx, tenant_id, [raw_id]).first()
        if arrival is None:
            raise RequestRefused(NOT_FOUND, f"Tenant {tenant_id!r} has no arrival {raw_id}.")
        if not even_if_not_posted and arrival.body != REDACTION:
            _check_not_needed(tx, tenant_id, arrival)
        audit.insert(tx, [_entry(tenant_id, by, "arrival", raw_id, notes)])
        if not bronze.redact_body(tx, tenant_id, raw_id).one():
            raise _RedactedBeforeError
        return True
    return False


def redact_rejected(database: Database, tenant_id: str, rejected_id: UUID, notes: str, by: Operator) -> bool:
    """The same for a body that was refused at the door."""
    _need(notes)
    with suppress(_RedactedBeforeError), database.transaction() as tx:
        if bronze.rejected_by_id(tx, tenant_id, rejected_id).first() is None:
            raise RequestRefused(NOT_FOUND, f"Tenant {tenant_id!r} has no rejected body {rejected_id}.")
        audit.insert(tx, [_entry(tenant_id, by, "rejected", rejected_id, notes)])
        if not bronze.redact_rejected_body(tx, tenant_id, rejected_id).one():
            raise _RedactedBeforeError
        return True
    return False


def _check_not_needed(tx: Tx, tenant_id: str, arrival: bronze.StoredRaw) -> None:
    """A body is needed until its event is posted, and while its key is parked: a decision reads all its payloads."""
    if gate.is_waiting_to_post(tx, tenant_id, [arrival.raw_id]).one():
        message = f"Arrival {arrival.raw_id} waits to be posted. Redact it later, or say even_if_not_posted."
        raise RequestRefused(NOT_POSTED_YET, message)
    if gate.key(tx, tenant_id, arrival.event_id).one().status == "quarantined":
        message = f"Arrival {arrival.raw_id} is of a parked event, which could not be replayed any more. "
        message += "Decide on its exception first, or say even_if_not_posted."
        raise RequestRefused(NOT_POSTED_YET, message)


def _need(notes: str) -> None:
    if not notes.strip():
        raise RequestRefused(INVALID_PARAMETER, "notes is required: say why, and on whose demand.")


def _entry(tenant_id: str, by: Operator, object_type: str, object_id: UUID, notes: str) -> audit.Entry:
    actor = by.credential.actor
    return audit.Entry(tenant_id, by.now, actor, f"{object_type}.redacted", object_type, str(object_id), notes=notes)
