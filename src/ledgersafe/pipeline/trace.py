"""trace: what happened to this event? The whole chain of one key, read in one snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database, Tx
from ledgersafe.gate import store as gate
from ledgersafe.ledger import store as ledger
from ledgersafe.quarantine import store as quarantine
from ledgersafe.silver import store as silver

MOST_ARRIVALS = 1_000


@dataclass(frozen=True, slots=True)
class Trace:
    """One key from arrival to the books. `arrivals`: the first MOST_ARRIVALS of `key.arrivals`.

    `transactions`, `entries`: what the event caused, postings and reversals.
    """

    tenant_id: str
    key: gate.Key
    arrivals: list[bronze.StoredRaw]
    payloads: list[gate.Payload]
    exceptions: list[quarantine.ExceptionRow]
    audit: list[audit.StoredEntry]
    waiting_to_post: bool
    transactions: list[silver.Posted]
    entries: list[ledger.StoredEntry]


def trace(database: Database, tenant_id: str, event_id: str) -> Trace | None:
    """The chain of one key, or None where the tenant never sent it."""
    with database.snapshot() as tx:
        key = gate.key(tx, tenant_id, event_id).first()
        if key is None:
            return None
        later = gate.later_arrivals(tx, tenant_id, event_id, MOST_ARRIVALS - 1).all()
        arrivals = bronze.arrivals_by_id(tx, tenant_id, [key.first_payload().raw_id, *later])
        others = gate.other_payloads(tx, tenant_id, [event_id])
        exceptions = quarantine.exceptions_of_key(tx, tenant_id, event_id).all()
        decisions = audit.of_objects(tx, tenant_id, "exception", [str(row.exception_id) for row in exceptions])
        payloads = [key.first_payload(), *others.all()]
        waiting = gate.is_waiting_to_post(tx, tenant_id, [payload.raw_id for payload in payloads])
        transactions = silver.postings_of_events(tx, tenant_id, [event_id]).all()
        return Trace(
            tenant_id,
            key,
            arrivals.all(),
            payloads,
            exceptions,
            decisions.all(),
            waiting.one(),
            transactions,
            _entries(tx, tenant_id, transactions),
        )


def _entries(tx: Tx, tenant_id: str, caused: Sequence[silver.Posted]) -> list[ledger.StoredEntry]:
    """The entries of these postings and reversals."""
    wanted = {(row.transaction_id, row.revision, row.kind) for row in caused}
    ids = sorted({row.transaction_id for row in caused})
    found = [ledger.entries(tx, ledger.Filter(tenant_id, transaction_id=one), MOST_ARRIVALS) for one in ids]
    return [row for rows in found for row in rows.all() if (row.transaction_id, row.revision, row.kind) in wanted]


@dataclass(frozen=True, slots=True)
class ExceptionDetail:
    """One exception with every payload of its key; `arrivals` holds the arrival that brought each."""

    exception: quarantine.ExceptionRow
    key: gate.Key
    payloads: list[gate.Payload]
    arrivals: dict[UUID, bronze.StoredRaw]


def exception_detail(
    database: Database, tenant_ids: Sequence[str] | None, exception_id: UUID
) -> ExceptionDetail | None:
    """One exception of these tenants, or None."""
    with database.snapshot() as tx:
        row = quarantine.exception(tx, tenant_ids, exception_id).first()
        if row is None:
            return None
        key = gate.key(tx, row.tenant_id, row.idempotency_key).one()
        payloads = [key.first_payload(), *gate.other_payloads(tx, row.tenant_id, [row.idempotency_key]).all()]
        arrivals = bronze.arrivals_by_id(tx, row.tenant_id, [payload.raw_id for payload in payloads]).all()
        return ExceptionDetail(row, key, payloads, {arrival.raw_id: arrival for arrival in arrivals})


def exception_page(database: Database, chosen: quarantine.Filter, most: int) -> list[quarantine.ExceptionRow]:
    """One page of exceptions, oldest first."""
    with database.snapshot() as tx:
        return quarantine.page(tx, chosen, most).all()
