"""park: accepted events that cannot be posted are held, each with its reason, in the transaction that found out."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import orjson

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Tx
from ledgersafe.gate import rules
from ledgersafe.gate import store as gate
from ledgersafe.gate.rules import Decision
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.announce import Told, announce, told
from ledgersafe.pipeline.post import Unposted
from ledgersafe.quarantine import store as quarantine
from ledgersafe.silver import store as silver
from ledgersafe.silver.store import Name

SLOT = 65
"""The counters' row of what posting finds."""
_RELEASED = "the original was posted"


class Parked(msgspec.Struct, frozen=True):
    """An accepted arrival of a key, and why it cannot be posted. `amount`: what is at stake, where it can be read."""

    raw_id: str
    event_id: str
    unposted: Unposted
    amount: Decimal | None = None
    currency: str | None = None


class Released(msgspec.Struct, frozen=True):
    """An exception that goes on by itself, and the arrival of its key that is to be posted now."""

    exception_id: UUID
    event_id: str
    raw_id: str


def park(tx: Tx, tenant_id: str, now: datetime, parked: Sequence[Parked]) -> None:
    """Hold the keys of these arrivals: their payloads are undecided again, and off the work list.

    A key has one open exception: where it has one already, what was found joins it, on record.
    """
    by_key = {one.event_id: one for one in parked}
    locked = gate.lock_keys(tx, tenant_id, sorted(by_key))
    arrivals = bronze.arrivals_by_id(tx, tenant_id, [UUID(one.raw_id) for one in parked])
    open_ones = quarantine.open_of_keys(tx, tenant_id, sorted(by_key))
    keys = locked.all()
    stored = {row.event_id: row for row in arrivals.all()}
    exception_of = {row.idempotency_key: row.exception_id for row in open_ones.all()}
    opened: list[quarantine.NewException] = []
    others: list[tuple[str, bytes, Decision]] = []
    audited: list[audit.Entry] = []
    waiting: list[tuple[Name, str]] = []
    were_processed = 0
    for key in keys:
        one = by_key[key.idempotency_key]
        fingerprint = stored[one.event_id].payload_hash
        if fingerprint == key.payload_hash_first:
            key.first_decision = "open"
        else:
            others.append((key.idempotency_key, fingerprint, "open"))
        known = exception_of.get(key.idempotency_key)
        new = _exception(stored[one.event_id], one, now) if known is None else None
        exception_id = str(known) if new is None else new.exception_id
        if new is not None:
            opened.append(new)
        audited.append(_audit(tenant_id, now, one, exception_id, is_new=new is not None))
        if one.unposted.waits_for is not None:
            waiting.append((one.unposted.waits_for, exception_id))
        were_processed += key.status == "processed"
        key.status, key.last_error_code = "quarantined", one.unposted.fault.reason.code
        key.last_exception_id = UUID(exception_id)
    gate.update_keys(tx, tenant_id, keys)
    if others:
        gate.decide_other_payloads(tx, tenant_id, others)
    gate.delete_to_post(tx, tenant_id, [one.raw_id for one in parked])
    if opened:
        quarantine.open_exceptions(tx, tenant_id, opened)
        announce(tx, tenant_id, "exception.opened", [told(one) for one in opened])
    if waiting:
        silver.insert_waiting(tx, tenant_id, waiting)
    audit.insert(tx, audited)
    change = gate.Counts(tenant_id, 0, -were_processed, were_processed, 0, len(opened))
    gate.add_to_counters(tx, SLOT, change)


def keys_of(tx: Tx, tenant_id: str, exception_ids: Sequence[UUID]) -> list[str]:
    """The keys that these exceptions hold."""
    if not exception_ids:
        return []
    return [row.idempotency_key for row in quarantine.exceptions_by_id(tx, tenant_id, exception_ids).all()]


def unpark(tx: Tx, tenant_id: str, exception_ids: Sequence[UUID], now: datetime) -> list[Released]:
    """Let go of exceptions whose original is posted by now: their payloads are accepted again, and to be posted.

    Returns those that were still open.
    """
    seen = quarantine.exceptions_by_id(tx, tenant_id, exception_ids).all()
    names = sorted({row.idempotency_key for row in seen if row.status == "open"})
    if not names:
        return []
    keys = {key.idempotency_key: key for key in gate.lock_keys(tx, tenant_id, names).all()}
    rows = [row for row in quarantine.exceptions_by_id(tx, tenant_id, exception_ids).all() if row.status == "open"]
    payloads = gate.other_payloads(tx, tenant_id, names)
    decided = quarantine.decisions(tx, tenant_id, [row.raw_id for row in rows])
    known: dict[str, dict[bytes, gate.Payload]] = {
        name: {key.payload_hash_first: key.first_payload()} for name, key in keys.items()
    }
    for payload in payloads.all():
        known[payload.idempotency_key][payload.fingerprint] = payload
    patched = {row.raw_id for row in decided.all() if row.patch is not None}
    released: list[quarantine.ExceptionRow] = []
    others: list[tuple[str, bytes, Decision]] = []
    to_post: list[Released] = []
    for row in rows:
        of_key = known[row.idempotency_key]
        undecided = [payload for payload in of_key.values() if payload.decision == "open"]
        if len(undecided) != 1 or any(rules.is_accepted(payload.decision) for payload in of_key.values()):
            continue  # another payload came meanwhile: a person has to decide after all
        (payload,) = undecided
        decision: Decision = "patched-accepted" if payload.raw_id in patched else "accepted"
        key = keys[row.idempotency_key]
        if payload.fingerprint == key.payload_hash_first:
            key.first_decision = decision
        else:
            others.append((row.idempotency_key, payload.fingerprint, decision))
        key.status, key.processed_at = "processed", now
        to_post.append(Released(row.exception_id, row.idempotency_key, str(payload.raw_id)))
        released.append(row)
    if not released:
        return []
    gate.update_keys(tx, tenant_id, [keys[row.idempotency_key] for row in released])
    if others:
        gate.decide_other_payloads(tx, tenant_id, others)
    gate.insert_to_post(tx, tenant_id, [one.event_id for one in to_post], [one.raw_id for one in to_post])
    quarantine.release(tx, tenant_id, [row.exception_id for row in released], audit.SYSTEM, _RELEASED, now)
    ended = [Told(str(row.exception_id), row.idempotency_key, now, resolution="released") for row in released]
    announce(tx, tenant_id, "exception.resolved", ended)
    audit.insert(tx, [_release_entry(tenant_id, now, row) for row in released])
    count = len(released)
    gate.add_to_counters(tx, SLOT, gate.Counts(tenant_id, 0, count, -count, 0, -count))
    return to_post


def _exception(stored: bronze.StoredRaw, one: Parked, now: datetime) -> quarantine.NewException:
    return quarantine.NewException(
        exception_id=new_id(),
        idempotency_key=stored.event_id,
        reason_code=one.unposted.fault.reason.code,
        details_json=orjson.dumps([one.unposted.fault.as_json()]).decode(),
        raw_id=str(stored.raw_id),
        last_raw_id=str(stored.raw_id),
        arrivals=1,
        store_id=stored.store_id,
        source_system=stored.source_system,
        event_type=stored.event_type,
        amount=one.amount,
        currency=one.currency,
        created_at=now,
        last_arrival_at=stored.received_at,
    )


def _audit(tenant_id: str, now: datetime, one: Parked, exception_id: str, *, is_new: bool) -> audit.Entry:
    fault = one.unposted.fault
    facts: dict[str, Any] = {
        "event_id": one.event_id,
        "reason_code": fault.reason.code,
        "raw_id": one.raw_id,
        "details": [fault.as_json()],
    }
    action = "exception.opened" if is_new else "exception.fault_added"
    return audit.Entry(tenant_id, now, audit.SYSTEM, action, "exception", exception_id, after=facts)


def _release_entry(tenant_id: str, now: datetime, row: quarantine.ExceptionRow) -> audit.Entry:
    before = {"status": "open", "reason_code": row.reason_code}
    after = {"event_id": row.idempotency_key, "resolution": "released", "key_status": "processed"}
    subject = str(row.exception_id)
    return audit.Entry(
        tenant_id, now, audit.SYSTEM, "exception.resolved", "exception", subject, before, after, _RELEASED
    )
