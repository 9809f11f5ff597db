"""resolve: an operator decides on parked events, in one transaction, on record. What is to count is posted in it.

One decision may be about one exception or about a chunk of a bulk run: the road is the same. Keys are locked in sorted
order, as accept does, so that an arrival, a second operator and a run can meet on one key, and one of them wins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

import orjson
import stamina

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database, Tx
from ledgersafe.db.errors import TryAgain
from ledgersafe.gate import rules
from ledgersafe.gate import store as gate
from ledgersafe.gate.rules import Decision, Status
from ledgersafe.kernel.clock import FIRST_DAY, last_day
from ledgersafe.kernel.errors import Fault, RequestRefused
from ledgersafe.kernel.reasons import (
    ALREADY_RESOLVED,
    DUPLICATE_SOURCE_EVENT_ID,
    EXCEPTION_CHANGED,
    INVALID_PARAMETER,
    NOT_FOUND,
    PATCH_TOUCHES_IDENTITY,
    REPLAY_REFUSED,
)
from ledgersafe.pipeline.arrival import Arrival, as_it_was, judged, patched, read_again
from ledgersafe.pipeline.candidate import Accepted, body_of
from ledgersafe.pipeline.park import Released
from ledgersafe.pipeline.promote import post_accepted
from ledgersafe.pipeline.release import release_waiting
from ledgersafe.pipeline.writing import Writes, write
from ledgersafe.quarantine import store as quarantine
from ledgersafe.tenants import store as tenants
from ledgersafe.tenants.rules import Credential
from ledgersafe.tenants.store import Tenant


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator wants done. `canonical`: which payload counts, by raw_id, or the first or last of the key's.

    `patch`: RFC 7396, over the mapped event. `books_date`: an open day for what cannot be booked on its own.
    """

    action: quarantine.Action
    notes: str
    canonical: UUID | Literal["first", "last"] | None = None
    patch: dict[str, Any] | None = None
    expected_last_raw_id: UUID | None = None
    books_date: date | None = None
    claimed_actor: str | None = None


@dataclass(frozen=True, slots=True)
class Operator:
    """Who decides, when, and what must be known for it. `future_seconds`: allowed clock skew."""

    credential: Credential
    now: datetime
    future_seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one exception: closed, or the refusal that left it open.

    `released`: how many others waited for what it posted, and go on by themselves; 0 where many were decided at once.
    """

    exception_id: UUID
    closed: quarantine.Closed | None
    refusal: RequestRefused | None
    key_status: Status | None
    released: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each exception. `released`: others that waited for what was posted, and go on by themselves."""

    results: list[Result]
    released: list[Released]

    def of_one(self) -> Result:
        """That of the only one. Raises the refusal that left it open."""
        (result,) = self.results
        if result.refusal is not None:
            raise result.refusal
        return replace(result, released=len(self.released))


@dataclass(slots=True)
class _Held:
    """An exception with all that is known of its key."""

    exception: quarantine.ExceptionRow
    key: gate.Key
    payloads: list[gate.Payload]

    def known(self) -> dict[bytes, Decision]:
        return {payload.fingerprint: payload.decision for payload in self.payloads}

    def payload(self, raw_id: UUID) -> gate.Payload | None:
        return next((payload for payload in self.payloads if payload.raw_id == raw_id), None)


@stamina.retry(on=TryAgain, attempts=5, wait_initial=0.01, wait_max=0.2, timeout=None)
def resolve(database: Database, exception_id: UUID, wish: Wish, operator: Operator) -> Result:
    """Decide on one exception. What would become of it: see `preview`.

    Raises RequestRefused: not found, no notes, a patch of the identity, resolved already, changed since, and
    REPLAY_REFUSED with every fault (the attempt is counted then and on record, and the exception stays open).
    """
    check_wish(wish, operator.now)
    with database.transaction() as tx:
        row = find(tx, exception_id, operator)
        outcome = decide(tx, row.tenant_id, [exception_id], wish, operator)
    return outcome.of_one()


def find(tx: Tx, exception_id: UUID, operator: Operator) -> quarantine.ExceptionRow:
    """An exception of a tenant that the operator serves. Raises RequestRefused(NOT_FOUND)."""
    tenant_ids = operator.credential.tenant_ids
    row = quarantine.exception(tx, None if tenant_ids is None else list(tenant_ids), exception_id).first()
    if row is None:
        raise RequestRefused(NOT_FOUND, f"There is no exception {exception_id}.")
    return row


def decide(
    tx: Tx,
    tenant_id: str,
    exception_ids: Sequence[UUID],
    wish: Wish,
    operator: Operator,
    seen: Mapping[UUID, UUID | None] = MappingProxyType({}),
) -> Outcome:
    """Decide on exceptions of one tenant, each by itself: one that cannot be resolved leaves the others alone.

    `seen`: the latest payload of each that was looked at; who got another one since stays open.
    """
    writes = Writes()
    results = _judge_all(tx, tenant_id, exception_ids, wish, operator, seen, writes)
    patch = _patch(wish)
    decided = quarantine.Decided(
        tenant_id=tenant_id,
        action=wish.action,
        notes=wish.notes,
        actor=operator.credential.actor,
        resolved_at=operator.now,
        patch=None if patch is None else patch.decode(),
        books_date=wish.books_date,
    )
    write(tx, decided, writes)
    return Outcome(results, writes.released)


def check_wish(wish: Wish, now: datetime) -> None:
    """Raises RequestRefused where the wish makes no sense for any exception."""
    if not wish.notes.strip():
        raise RequestRefused(INVALID_PARAMETER, "resolution_notes is required: say why.")
    if wish.patch is not None and {"tenant_id", "event_id"} & wish.patch.keys():
        raise RequestRefused(PATCH_TOUCHES_IDENTITY, "override_patch may not name tenant_id or event_id.")
    if wish.action == "mark_resolved_no_replay" and (wish.patch is not None or wish.canonical is not None):
        message = "mark_resolved_no_replay takes no payload and no patch: nothing is replayed."
        raise RequestRefused(INVALID_PARAMETER, message)
    if wish.books_date is not None and not FIRST_DAY <= wish.books_date <= last_day(now):
        message = f"books_date is {wish.books_date}; it can be a day from {FIRST_DAY} to {last_day(now)}."
        raise RequestRefused(INVALID_PARAMETER, message)


def _judge_all(
    tx: Tx,
    tenant_id: str,
    exception_ids: Sequence[UUID],
    wish: Wish,
    operator: Operator,
    seen: Mapping[UUID, UUID | None],
    writes: Writes,
) -> list[Result]:
    held = _lock(tx, tenant_id, exception_ids)
    refusals: dict[UUID, RequestRefused] = {}
    for one in exception_ids:
        stale = _stale(held.get(one), one, seen.get(one, wish.expected_last_raw_id))
        if stale is not None:
            refusals[one] = stale
    open_ones = [held[one] for one in exception_ids if one not in refusals]
    if wish.action == "mark_resolved_no_replay":
        for one in open_ones:
            _ignore(one, tenant_id, wish, operator, writes)
    else:
        refusals |= _replay_all(tx, tenant_id, open_ones, wish, operator, writes)
    closed = {one.exception_id: one for one in writes.closed}
    statuses: dict[str, Status] = {key.idempotency_key: key.status for key in writes.keys}
    return [
        Result(
            one,
            closed.get(one),
            refusals.get(one),
            statuses[closed[one].idempotency_key] if one in closed else None,
        )
        for one in exception_ids
    ]


def _lock(tx: Tx, tenant_id: str, exception_ids: Sequence[UUID]) -> dict[UUID, _Held]:
    """Lock the keys of these exceptions, then read everything again: what was read before may have been decided."""
    seen = quarantine.exceptions_by_id(tx, tenant_id, exception_ids).all()
    names = sorted({row.idempotency_key for row in seen})
    locked = gate.lock_keys(tx, tenant_id, names).all()
    others = gate.other_payloads(tx, tenant_id, names)
    rows = quarantine.exceptions_by_id(tx, tenant_id, exception_ids)
    keys = {key.idempotency_key: key for key in locked}
    payloads = {key.idempotency_key: [key.first_payload()] for key in locked}
    for payload in others.all():
        payloads[payload.idempotency_key].append(payload)
    return {
        row.exception_id: _Held(row, keys[row.idempotency_key], payloads[row.idempotency_key]) for row in rows.all()
    }


def _stale(held: _Held | None, exception_id: UUID, seen: UUID | None) -> RequestRefused | None:
    if held is None:
        return RequestRefused(NOT_FOUND, f"There is no exception {exception_id}.")
    row = held.exception
    if row.status != "open":
        message = f"Exception {exception_id} was {row.resolution} by {row.resolution_actor} at {row.resolved_at}."
        return RequestRefused(ALREADY_RESOLVED, message)
    if seen is not None and seen != row.last_raw_id:
        message = f"Payload {row.last_raw_id} came since you looked. Look at it, then decide."
        return RequestRefused(EXCEPTION_CHANGED, message)
    return None


def _ignore(held: _Held, tenant_id: str, wish: Wish, operator: Operator, writes: Writes) -> None:
    status, changes = rules.after_ignoring(held.known())
    resolution: quarantine.Resolution = "ignored" if status == "ignored" else "dismissed"
    closed = quarantine.Closed(held.exception.exception_id, held.key.idempotency_key, resolution, None)
    _close(held, status, changes, closed, writes)
    writes.audited.append(_audit(held, tenant_id, wish, operator, closed))


def _replay_all(
    tx: Tx, tenant_id: str, open_ones: Sequence[_Held], wish: Wish, operator: Operator, writes: Writes
) -> dict[UUID, RequestRefused]:
    """Have each chosen payload accepted, or say everything that speaks against it."""
    refusals: dict[UUID, RequestRefused] = {}
    chosen: dict[UUID, gate.Payload] = {}
    for held in open_ones:
        try:
            chosen[held.exception.exception_id] = _choose(held, wish)
        except RequestRefused as refusal:
            refusals[held.exception.exception_id] = refusal
    arrivals = {
        row.raw_id: row for row in bronze.arrivals_by_id(tx, tenant_id, [one.raw_id for one in chosen.values()]).all()
    }
    since = min((row.received_at for row in arrivals.values()), default=operator.now)
    tenant = tenants.tenants(tx, [tenant_id]).first()
    past = tenants.past_currencies(tx, tenant_id, since).all()  # last: a change in between is seen twice, never missed
    good: dict[UUID, Arrival] = {}
    faults: dict[UUID, tuple[Fault, ...]] = {}
    for exception_id, payload in chosen.items():
        arrival = arrivals[payload.raw_id]
        found = _judged_again(arrival, tenant_id, as_it_was(tenant, past, arrival.received_at), wish, operator)
        if isinstance(found, Arrival) and not found.faults:
            good[exception_id] = found
        else:
            faults[exception_id] = found.faults if isinstance(found, Arrival) else found
    faults |= _taken_source_events(tx, tenant_id, good)
    fit = [
        held
        for held in open_ones
        if held.exception.exception_id in good
        and held.exception.exception_id not in faults
        and not _stays_as_it_is(chosen[held.exception.exception_id], wish)
    ]
    to_post = [(held, arrivals[chosen[held.exception.exception_id].raw_id]) for held in fit]
    faults |= _post(tx, tenant_id, to_post, wish, operator, writes)
    for held in open_ones:
        exception_id = held.exception.exception_id
        if exception_id in faults:
            refusals[exception_id] = _refuse_replay(held, tenant_id, faults[exception_id], wish, operator, writes)
        elif exception_id in chosen:
            _accept(held, tenant_id, chosen[exception_id], wish, operator, writes)
    return refusals


def _choose(held: _Held, wish: Wish) -> gate.Payload:
    """The payload that is to count."""
    if wish.canonical is None and len(held.payloads) > 1:
        ids = ", ".join(str(payload.raw_id) for payload in held.payloads)
        message = f"The key has {len(held.payloads)} payloads: say with canonical_raw_id which counts ({ids})."
        raise RequestRefused(INVALID_PARAMETER, message)
    by_age = sorted(held.payloads, key=lambda payload: payload.raw_id)
    if wish.canonical in (None, "first"):
        return held.key.first_payload()
    if wish.canonical == "last":
        return held.payload(held.exception.last_raw_id) or by_age[-1]
    payload = held.payload(UUID(str(wish.canonical)))
    if payload is None:
        message = f"canonical_raw_id {wish.canonical} brought none of the payloads of {held.key.idempotency_key!r}."
        raise RequestRefused(INVALID_PARAMETER, message)
    return payload


def _judged_again(
    stored: bronze.StoredRaw, tenant_id: str, tenant: Tenant | None, wish: Wish, operator: Operator
) -> Arrival | tuple[Fault, ...]:
    """The payload, patched, judged by the whole contract; or why it cannot even be read."""
    try:
        mapped = read_again(stored, tenant_id, operator.credential, operator.now)
        if wish.patch is not None:
            mapped = patched(mapped, wish.patch)
    except RequestRefused as refusal:
        return (Fault(refusal.reason, "", refusal.detail),)
    return judged(mapped, tenant, operator.future_seconds)


def _taken_source_events(tx: Tx, tenant_id: str, good: Mapping[UUID, Arrival]) -> dict[UUID, tuple[Fault, ...]]:
    """Take the sources' own event ids of what is to be accepted; the fault of each that another key has."""
    wanted = {
        exception_id: gate.SourceEvent(system, own_id, arrival.event_id)
        for exception_id, arrival in good.items()
        if (system := arrival.columns.source_system) is not None
        and (own_id := arrival.columns.source_event_id) is not None
    }
    if not wanted:
        return {}
    ordered = sorted(wanted.values(), key=lambda event: (event.source_system, event.source_event_id))
    gate.take_source_events(tx, tenant_id, ordered)
    owners = {
        (owner.source_system, owner.source_event_id): owner.idempotency_key
        for owner in gate.source_owners(tx, tenant_id, ordered).all()
    }
    faults: dict[UUID, tuple[Fault, ...]] = {}
    for exception_id, event in wanted.items():
        owner = owners.get((event.source_system, event.source_event_id))
        if owner != event.idempotency_key:
            message = f"event {owner!r} already carries source_event_id {event.source_event_id!r}"
            faults[exception_id] = (Fault(DUPLICATE_SOURCE_EVENT_ID, "/source_event_id", message),)
    return faults


def _post(
    tx: Tx,
    tenant_id: str,
    fit: Sequence[tuple[_Held, bronze.StoredRaw]],
    wish: Wish,
    operator: Operator,
    writes: Writes,
) -> dict[UUID, tuple[Fault, ...]]:
    """Post the chosen payloads at once, by the rules of the books; the faults of those that cannot be."""
    if not fit:
        return {}
    accepted = [
        Accepted(body_of(stored), wish.patch, wish.books_date, was_posted=held.key.posted_at is not None)
        for held, stored in fit
    ]
    faults, arrived = post_accepted(tx, tenant_id, operator.now, accepted)
    refused = {
        held.exception.exception_id: (fault,)
        for held, stored in fit
        if (fault := faults.get(str(stored.raw_id))) is not None
    }
    decided = {held.exception.exception_id for held, _ in fit} - refused.keys()
    writes.released += release_waiting(tx, tenant_id, arrived, operator.now, decided)
    return refused


def _stays_as_it_is(chosen: gate.Payload, wish: Wish) -> bool:
    """Whether the payload counts already: it is posted, or waits to be."""
    return wish.patch is None and chosen.decision == "accepted"


def _accept(held: _Held, tenant_id: str, chosen: gate.Payload, wish: Wish, operator: Operator, writes: Writes) -> None:
    """One payload counts from now on, and no other."""
    key = held.key.idempotency_key
    changes = rules.after_choosing(held.known(), chosen.fingerprint, patched=wish.patch is not None)
    counted_before = [payload for payload in held.payloads if rules.is_accepted(payload.decision)]
    stays_as_it_is = _stays_as_it_is(chosen, wish)
    writes.not_to_post += [str(payload.raw_id) for payload in counted_before if payload.raw_id != chosen.raw_id]
    if not stays_as_it_is:
        writes.posted.append((key, str(chosen.raw_id)))
    closed = quarantine.Closed(held.exception.exception_id, key, "replayed", chosen.raw_id)
    if not stays_as_it_is:
        held.key.processed_at = operator.now
    _close(held, "processed", changes, closed, writes)
    writes.audited.append(_audit(held, tenant_id, wish, operator, closed))


def _close(
    held: _Held, status: Status, changes: Mapping[bytes, Decision], closed: quarantine.Closed, writes: Writes
) -> None:
    key = held.key
    for fingerprint, decided in changes.items():
        if fingerprint == key.payload_hash_first:
            key.first_decision = decided
        else:
            writes.others.append((key.idempotency_key, fingerprint, decided))
    writes.statuses[key.status] -= 1
    writes.statuses[status] += 1
    key.status = status
    writes.keys.append(key)
    writes.closed.append(closed)


def _refuse_replay(
    held: _Held, tenant_id: str, faults: tuple[Fault, ...], wish: Wish, operator: Operator, writes: Writes
) -> RequestRefused:
    """The exception stays open; that it was tried, and why it failed, is on record."""
    writes.attempted.append(held.exception.exception_id)
    facts: dict[str, Any] = {"details": [fault.as_json() for fault in faults], "patched": _patched(wish)}
    writes.audited.append(_entry(held, tenant_id, operator, "exception.replay_refused", wish.notes, after=facts))
    return RequestRefused(REPLAY_REFUSED, "The payload was not accepted.", faults=faults)


def _audit(held: _Held, tenant_id: str, wish: Wish, operator: Operator, closed: quarantine.Closed) -> audit.Entry:
    before = {"status": "open", "reason_code": held.exception.reason_code, "payloads": len(held.payloads)}
    after: dict[str, Any] = {
        "event_id": closed.idempotency_key,
        "resolution": closed.resolution,
        "key_status": held.key.status,
    }
    if closed.canonical_raw_id is not None:
        after |= {"canonical_raw_id": closed.canonical_raw_id, "patched": _patched(wish), "books_date": wish.books_date}
        patch = _patch(wish)
        after["patch_sha256"] = None if patch is None else sha256(patch).hexdigest()
    if wish.claimed_actor is not None:
        after["claimed_actor"] = wish.claimed_actor
    return _entry(held, tenant_id, operator, "exception.resolved", wish.notes, before=before, after=after)


def _patch(wish: Wish) -> bytes | None:
    """The patch as it is kept with the exception; its digest, on record, tells whether it still is that."""
    return None if wish.patch is None else orjson.dumps(wish.patch)


def _patched(wish: Wish) -> list[str]:
    """Which members a patch names. Its values stand with the exception alone, where a redaction reaches them."""
    return sorted(wish.patch or {})


def _entry(
    held: _Held,
    tenant_id: str,
    operator: Operator,
    action: str,
    notes: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any],
) -> audit.Entry:
    subject = str(held.exception.exception_id)
    actor = operator.credential.actor
    return audit.Entry(tenant_id, operator.now, actor, action, "exception", subject, before, after, notes)
