"""accept: every arrival is kept and answered once. One transaction for whatever has queued; durable before the answer.

A batch is written tenant by tenant and key by key in sorted order, so that any number of processes may receive the same
keys at once without a deadlock, and exactly one of them gets `processed`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

import msgspec
import orjson

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database, Tx
from ledgersafe.db.line import Line
from ledgersafe.db.script import Steps, run_through
from ledgersafe.gate import rules
from ledgersafe.gate import store as gate
from ledgersafe.gate.rules import Answer, Decision, Status
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.ids import new_id
from ledgersafe.kernel.reasons import (
    ALREADY_QUARANTINED,
    DUPLICATE_SOURCE_EVENT_ID,
    IDEMPOTENCY_CONFLICT,
    IGNORED_BY_OPERATOR,
    Reason,
)
from ledgersafe.pipeline.announce import announce, told
from ledgersafe.pipeline.arrival import Arrival
from ledgersafe.quarantine import store as quarantine
from ledgersafe.tenants import store as tenants

Result = Literal["processed", "duplicate", "quarantined", "ignored"]


class Outcome(msgspec.Struct, frozen=True):
    """What became of one arrival; `status` is its HTTP status. `first_raw_id`: the arrival that its key began with."""

    tenant_id: str
    event_id: str
    raw_id: str
    first_raw_id: str
    first_seen_at: datetime
    status: int
    result: Result
    reason: Reason | None = None
    exception_id: str | None = None
    superseded: bool = False
    faults: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Held:
    """A key of this batch, locked, and what was decided of each of its payloads; changed while the batch is decided."""

    key: gate.Key
    known: dict[bytes, Decision]
    is_new: bool
    changed: bool = False


@dataclass(slots=True)
class _Writes:
    """What one tenant's part of a batch adds, gathered while deciding, written in one go."""

    other_payloads: list[tuple[str, bytes, str]] = field(default_factory=list[tuple[str, bytes, str]])
    later_arrivals: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    not_to_post: list[str] = field(default_factory=list[str])
    opened: dict[str, quarantine.NewException] = field(default_factory=dict[str, quarantine.NewException])
    joined: dict[str, quarantine.Joined] = field(default_factory=dict[str, quarantine.Joined])
    audited: list[audit.Entry] = field(default_factory=list[audit.Entry])


def accept(
    database: Database, arrivals: Sequence[Arrival], *, slot: int, rejected: Sequence[bronze.Rejected] = ()
) -> list[Outcome]:
    """Keep every arrival and decide on it, in one durable transaction; outcomes in the order of the arrivals.

    `slot`: this writer's row of the counters. `rejected`: refused bodies to keep along with them.
    Raises DatabaseUnavailable or TryAgain (nothing was decided), StatementRefused (one of them cannot be stored).
    """
    with database.transaction() as tx:
        return run_through(accept_steps(tx, arrivals, slot=slot, rejected=rejected))


async def accept_on(
    line: Line, arrivals: Sequence[Arrival], *, slot: int, rejected: Sequence[bronze.Rejected] = ()
) -> list[Outcome]:
    """The same for the event loop; raises the same."""
    return await line.run(lambda tx: accept_steps(tx, arrivals, slot=slot, rejected=rejected))


def accept_steps(
    tx: Tx, arrivals: Sequence[Arrival], *, slot: int, rejected: Sequence[bronze.Rejected]
) -> Steps[list[Outcome]]:
    """What accept does in its transaction; it pauses wherever it needs an answer."""
    outcomes: list[Outcome | None] = [None] * len(arrivals)
    by_tenant = sorted(range(len(arrivals)), key=lambda index: arrivals[index].tenant_id)
    for tenant_id, indexes in groupby(by_tenant, key=lambda index: arrivals[index].tenant_id):
        positions = list(indexes)
        decided = yield from _accept_of_tenant(tx, tenant_id, [arrivals[index] for index in positions], slot)
        for index, outcome in zip(positions, decided, strict=True):
            outcomes[index] = outcome
    if rejected:
        bronze.insert_rejected(tx, rejected)
    return [outcome for outcome in outcomes if outcome is not None]


def _accept_of_tenant(tx: Tx, tenant_id: str, arrivals: Sequence[Arrival], slot: int) -> Steps[list[Outcome]]:
    raw_ids = [new_id() for _ in arrivals]
    if any(not arrival.tenant_is_known for arrival in arrivals):
        tenants.ensure_tenant(tx, tenant_id, arrivals[0].received_at, "first event")
    bronze.insert_arrivals(tx, tenant_id, new_id(), [_raw(*pair) for pair in zip(arrivals, raw_ids, strict=True)])
    held, faults = yield from _claim(tx, tenant_id, arrivals, raw_ids, slot)
    before: dict[str, Status] = {name: one.key.status for name, one in held.items()}
    counted_as_open = sum(one.is_new and one.key.status == "quarantined" for one in held.values())
    writes = _Writes()
    outcomes = [
        _decide(held[arrival.event_id], arrival, raw_id, faults.get(raw_id, arrival.faults), writes)
        for arrival, raw_id in zip(arrivals, raw_ids, strict=True)
    ]
    _write(tx, tenant_id, held.values(), writes)
    after: dict[str, Status] = {name: one.key.status for name, one in held.items()}
    if before != after or len(writes.opened) != counted_as_open:
        gate.add_to_counters(
            tx, slot, _change(tenant_id, before.values(), after.values(), len(writes.opened) - counted_as_open)
        )
    return outcomes


def _claim(
    tx: Tx, tenant_id: str, arrivals: Sequence[Arrival], raw_ids: Sequence[str], slot: int
) -> Steps[tuple[dict[str, _Held], dict[str, tuple[Fault, ...]]]]:
    """Own or lock every key of the batch. Also returns, by raw_id, the faults of first arrivals found on the way."""
    firsts: dict[str, tuple[Arrival, str]] = {}
    for arrival, raw_id in zip(arrivals, raw_ids, strict=True):
        firsts.setdefault(arrival.event_id, (arrival, raw_id))
    names = sorted(firsts)
    fresh = [_fresh_key(*firsts[name]) for name in names]
    claimed = gate.claim_keys(tx, tenant_id, fresh, arrivals=len(arrivals), slot=slot)
    sourced, owners = _source_events(firsts), None
    if sourced:
        gate.claim_source_events(tx, tenant_id, sourced, [firsts[event.idempotency_key][1] for event in sourced])
        owners = gate.source_owners(tx, tenant_id, sourced)
    yield
    won = set(claimed.all())
    held = {key.idempotency_key: _Held(key, {}, is_new=True) for key in fresh if key.idempotency_key in won}
    faults = _taken_source_events(sourced, owners.all(), held) if owners is not None else {}
    if len(won) < len(names):
        held |= yield from _lock(tx, tenant_id, [name for name in names if name not in won])
    return held, faults


def _fresh_key(arrival: Arrival, raw_id: str) -> gate.Key:
    """The row of a key whose first arrival this is, if it is."""
    valid = not arrival.faults
    return gate.Key(
        idempotency_key=arrival.event_id,
        status="processed" if valid else "quarantined",
        arrivals=1,
        first_seen_at=arrival.received_at,
        last_seen_at=arrival.received_at,
        first_raw_id=raw_id,
        last_raw_id=raw_id,
        payload_hash_first=arrival.fingerprint,
        payload_hash_last=arrival.fingerprint,
        first_decision="accepted" if valid else "open",
        processed_at=arrival.received_at if valid else None,
        posted_at=None,
        last_error_code=None if valid else arrival.faults[0].reason.code,
        last_exception_id=None if valid else new_id(),
    )


def _source_events(firsts: dict[str, tuple[Arrival, str]]) -> list[gate.SourceEvent]:
    """The sources' own event ids of valid first arrivals, sorted; of one id the earlier arrival stays first."""
    found = [
        gate.SourceEvent(arrival.columns.source_system, arrival.columns.source_event_id, name)
        for name, (arrival, _) in firsts.items()
        if arrival.columns.source_system is not None
        and arrival.columns.source_event_id is not None
        and not arrival.faults
    ]
    return sorted(found, key=lambda event: (event.source_system, event.source_event_id))


def _taken_source_events(
    sourced: Sequence[gate.SourceEvent], owners: Sequence[gate.SourceEvent], held: Mapping[str, _Held]
) -> dict[str, tuple[Fault, ...]]:
    """By raw_id, the fault of each new key whose source event id another key carries already."""
    owner_of = {(owner.source_system, owner.source_event_id): owner.idempotency_key for owner in owners}
    faults: dict[str, tuple[Fault, ...]] = {}
    for event in sourced:
        owner = owner_of.get((event.source_system, event.source_event_id))
        if event.idempotency_key in held and owner != event.idempotency_key:
            message = f"event {owner!r} already carries source_event_id {event.source_event_id!r}"
            fault = Fault(DUPLICATE_SOURCE_EVENT_ID, "/source_event_id", message)
            faults[str(held[event.idempotency_key].key.first_raw_id)] = (fault,)
    return faults


def _lock(tx: Tx, tenant_id: str, names: Sequence[str]) -> Steps[dict[str, _Held]]:
    """Keys seen before, locked until the commit, with what was decided of their payloads."""
    locked = gate.lock_keys(tx, tenant_id, names)
    others = gate.other_payloads(tx, tenant_id, names)
    yield
    held = {
        key.idempotency_key: _Held(key, {key.payload_hash_first: key.first_decision}, is_new=False)
        for key in locked.all()
    }
    for payload in others.all():
        held[payload.idempotency_key].known[payload.fingerprint] = payload.decision
    return held


def _decide(held: _Held, arrival: Arrival, raw_id: str, faults: tuple[Fault, ...], writes: _Writes) -> Outcome:
    """Decide on one arrival, in memory; what it writes is gathered."""
    given = rules.answer(held.known or None, arrival.fingerprint, valid=not faults)
    if held.known:
        _count(held, arrival, raw_id, writes)
    if given is Answer.CONFLICT:
        writes.other_payloads.append((held.key.idempotency_key, arrival.fingerprint, raw_id))
        message = "the key arrived before with another payload; an operator decides which one counts"
        faults = (Fault(IDEMPOTENCY_CONFLICT, "", message), *faults)
    if given in (Answer.PROCESSED, Answer.PARKED, Answer.CONFLICT):
        held.known[arrival.fingerprint] = rules.decision_after(given)
    if given in (Answer.PARKED, Answer.CONFLICT):
        _hold(held, arrival, raw_id, faults, writes)
    if given is Answer.ALREADY_HELD:
        _join(held, arrival, writes, None)
    return _outcome(held.key, arrival, raw_id, given, faults)


def _count(held: _Held, arrival: Arrival, raw_id: str, writes: _Writes) -> None:
    """One more arrival of a key that had one."""
    key = held.key
    key.arrivals += 1
    key.last_seen_at, key.last_raw_id, key.payload_hash_last = arrival.received_at, raw_id, arrival.fingerprint
    held.changed = True
    writes.later_arrivals.append((key.idempotency_key, raw_id))


def _hold(held: _Held, arrival: Arrival, raw_id: str, faults: tuple[Fault, ...], writes: _Writes) -> None:
    """Park a payload: open the key's exception, or join the one that is open."""
    key = held.key
    is_open = key.status == "quarantined" and len(held.known) > 1
    if is_open:
        _join(held, arrival, writes, raw_id)
        return
    if not (held.is_new and key.status == "quarantined"):  # what was claimed as faulty has all this already
        key.status, key.last_error_code, key.last_exception_id = "quarantined", faults[0].reason.code, new_id()
        if len(held.known) == 1:  # claimed as valid, and found out since
            key.first_decision, key.processed_at = "open", None
            writes.not_to_post.append(raw_id)
        held.changed = True
    opened = _new_exception(key, arrival, raw_id, faults)
    writes.opened[opened.exception_id] = opened
    facts = {"event_id": arrival.event_id, "reason_code": opened.reason_code, "raw_id": raw_id}
    writes.audited.append(_audit(arrival, "exception.opened", opened.exception_id, facts))


def _join(held: _Held, arrival: Arrival, writes: _Writes, new_payload: str | None) -> None:
    """Count an arrival to the key's open exception; `new_payload` is its raw_id if it brought one."""
    exception_id = str(held.key.last_exception_id)
    waiting = writes.opened.get(exception_id)
    if waiting is None:
        waiting = writes.joined.setdefault(exception_id, quarantine.Joined(exception_id, None, 0, arrival.received_at))
    waiting.arrivals += 1
    waiting.last_arrival_at = arrival.received_at
    if new_payload is not None:
        waiting.last_raw_id = new_payload
        writes.audited.append(_audit(arrival, "exception.payload_added", exception_id, {"raw_id": new_payload}))


def _new_exception(key: gate.Key, arrival: Arrival, raw_id: str, faults: tuple[Fault, ...]) -> quarantine.NewException:
    return quarantine.NewException(
        exception_id=str(key.last_exception_id),
        idempotency_key=key.idempotency_key,
        reason_code=faults[0].reason.code,
        details_json=orjson.dumps([fault.as_json() for fault in faults]).decode(),
        raw_id=raw_id,
        last_raw_id=raw_id,
        arrivals=1,
        store_id=arrival.columns.store_id,
        source_system=arrival.columns.source_system,
        event_type=arrival.columns.event_type,
        amount=arrival.amount,
        currency=arrival.currency,
        created_at=arrival.received_at,
        last_arrival_at=arrival.received_at,
    )


def _audit(arrival: Arrival, action: str, exception_id: str, after: dict[str, str]) -> audit.Entry:
    return audit.Entry(
        arrival.tenant_id, arrival.received_at, audit.SYSTEM, action, "exception", exception_id, after=after
    )


_RESULTS: dict[Answer, tuple[int, Result, Reason | None]] = {
    Answer.PROCESSED: (201, "processed", None),
    Answer.DUPLICATE: (200, "duplicate", None),
    Answer.SUPERSEDED: (200, "duplicate", None),
    Answer.IGNORED: (200, "ignored", IGNORED_BY_OPERATOR),
    Answer.PARKED: (202, "quarantined", None),
    Answer.CONFLICT: (202, "quarantined", IDEMPOTENCY_CONFLICT),
    Answer.ALREADY_HELD: (202, "quarantined", ALREADY_QUARANTINED),
}


def _outcome(key: gate.Key, arrival: Arrival, raw_id: str, given: Answer, faults: tuple[Fault, ...]) -> Outcome:
    status, result, reason = _RESULTS[given]
    held = result == "quarantined"
    return Outcome(
        tenant_id=arrival.tenant_id,
        event_id=arrival.event_id,
        raw_id=raw_id,
        first_raw_id=str(key.first_raw_id),
        first_seen_at=key.first_seen_at,
        status=status,
        result=result,
        reason=faults[0].reason if given is Answer.PARKED else reason,
        exception_id=str(key.last_exception_id) if held else None,
        superseded=given is Answer.SUPERSEDED,
        faults=faults if held else (),
        warnings=arrival.warnings,
    )


def _write(tx: Tx, tenant_id: str, held: Iterable[_Held], writes: _Writes) -> None:
    """Write what was decided; the rows of the keys are locked since the claim."""
    changed = [one.key for one in held if one.changed]
    if changed:
        gate.update_keys(tx, tenant_id, changed)
    if writes.other_payloads:
        gate.insert_other_payloads(tx, tenant_id, *_columns(writes.other_payloads))
    if writes.later_arrivals:
        gate.insert_later_arrivals(tx, tenant_id, *_columns(writes.later_arrivals))
    if writes.not_to_post:
        gate.delete_to_post(tx, tenant_id, writes.not_to_post)
    if writes.opened:
        opened = list(writes.opened.values())
        quarantine.open_exceptions(tx, tenant_id, opened)
        announce(tx, tenant_id, "exception.opened", [told(one) for one in opened])
    if writes.joined:
        quarantine.join_exceptions(tx, tenant_id, list(writes.joined.values()))
    if writes.audited:
        audit.insert(tx, writes.audited)


def _columns(rows: Sequence[tuple[Any, ...]]) -> Iterable[list[Any]]:
    """Rows turned into columns."""
    return (list(column) for column in zip(*rows, strict=True))


def _change(tenant_id: str, before: Iterable[Status], after: Iterable[Status], opened: int) -> gate.Counts:
    """What the batch adds to the tenant's counters beyond what was counted when its keys were claimed."""
    by_status: Counter[Status] = Counter(after)
    by_status.subtract(before)
    return gate.Counts(
        tenant_id,
        events_raw=0,
        processed=by_status["processed"],
        quarantined=by_status["quarantined"],
        ignored=by_status["ignored"],
        exceptions_open=opened,
    )


def _raw(arrival: Arrival, raw_id: str) -> bronze.Raw:
    columns = arrival.columns
    return bronze.Raw(
        raw_id=raw_id,
        received_at=arrival.received_at,
        door=arrival.door,
        event_id=arrival.event_id,
        event_type=columns.event_type,
        store_id=columns.store_id,
        source_system=columns.source_system,
        schema_version=columns.schema_version,
        occurred_at=columns.occurred_at,
        source_event_id=columns.source_event_id,
        txn_id=columns.txn_id,
        payload_hash=arrival.fingerprint,
        body=arrival.body,
        ce_headers=arrival.ce_headers,
        key_id=arrival.key_id,
    )
