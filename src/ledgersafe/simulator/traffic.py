"""Mixed traffic of a few stores, seeded: every event with the exact bytes to send and the answer that must come back.

What the answer to an event is depends on what came before it for the same key, so events of one `lane` must be sent
in order; lanes may overtake each other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from ledgersafe.kernel.reasons import (
    ALREADY_QUARANTINED,
    CONTRACT_VIOLATION,
    DUPLICATE_MEMBER_NAME,
    FUTURE_EVENT_TIME,
    IDEMPOTENCY_CONFLICT,
    INVALID_JSON,
    NEGATIVE_AMOUNT,
    NUMBER_NOT_EXACT,
    TOTALS_MISMATCH,
    UNKNOWN_EVENT_TYPE,
    UNUSABLE_EVENT_ID,
    Reason,
)
from ledgersafe.simulator import receipts
from ledgersafe.simulator.receipts import Event
from ledgersafe.simulator.spelling import plainly, respelled

Json = dict[str, Any]


class Outcome(NamedTuple):
    """An answer to one event. Refusals (4xx) have no result: whatever word a door uses for them."""

    status: int
    result: str | None
    reason_code: str | None


@dataclass(frozen=True, slots=True)
class Planned:
    """One event to send.

    `body`: one line of NDJSON, without the line's end; may be anything but a line end.
    `lane`: events of one lane are sent in order.
    `key`: the idempotency key, or None where the event has no usable one.
    """

    kind: str
    lane: str
    key: str | None
    body: bytes
    expected: Outcome


PROCESSED = Outcome(201, "processed", None)
DUPLICATE = Outcome(200, "duplicate", None)

SHARES: dict[str, int] = {
    "sale": 520,
    "late sale": 40,
    "out-of-order sale": 30,
    "return": 30,
    "correction": 20,
    "void": 10,
    "cancel": 6,
    "adjustment": 10,
    "stock adjustment": 10,
    "exact retry": 120,
    "respelled retry": 60,
    "conflict": 30,
    "retry of a conflict": 20,
    "retry of a parked event": 12,
    "other payload of a parked event": 8,
    "unknown type": 20,
    "totals off": 14,
    "negative amount": 10,
    "missing field": 12,
    "future time": 6,
    "inexact number": 4,
    "malformed JSON": 4,
    "duplicate member name": 2,
    "unusable event_id": 2,
}
"""How often each kind is drawn, out of 1,000."""

_RECENT_SECONDS = 6 * 3600


@dataclass(slots=True)
class _Sent:
    """What was planned for one key so far. `payloads` beyond the first are conflicts."""

    event: Event
    body: bytes
    payloads: int = 1


@dataclass(slots=True)
class _Plan:
    """The traffic being drawn."""

    random: Random
    tenant: str
    base: datetime
    drawn: int = 0
    sales: list[_Sent] = field(default_factory=list["_Sent"])
    """Accepted sales that nothing refers to: the ones to be sent again, in conflict, or to be referred to."""
    conflicts: list[tuple[_Sent, bytes]] = field(default_factory=list[tuple["_Sent", bytes]])
    parked: list[_Sent] = field(default_factory=list["_Sent"])

    def new_sale(self, *, seconds_ago: int | None = None, event_type: str = "SALE") -> Event:
        self.drawn += 1
        ago = self.random.randrange(60, _RECENT_SECONDS) if seconds_ago is None else seconds_ago
        identity = receipts.Identity(self.tenant, self.drawn, self.base - timedelta(seconds=ago))
        return receipts.sale(self.random, identity, event_type)

    def referring(self, event_type: str) -> tuple[Event, Event] | None:
        """(original, a new event's envelope that names it), or None where there is no sale to refer to."""
        if not self.sales:
            return None
        original = self.sales.pop(self.random.randrange(len(self.sales))).event
        self.drawn += 1
        identity = receipts.Identity(self.tenant, self.drawn, receipts.soon_after(original))
        return original, receipts.reference(self.random, identity, event_type, original)


Maker = Callable[[_Plan], Planned | None]
"""Draws one event of a kind; None where nothing is there yet that it could refer to."""


def mixed_traffic(seed: int, events: int, tenant: str, base: datetime) -> list[Planned]:
    """`events` events of one tenant, in the order of sending. `base`: the present instant of the run.

    The same seed, number, tenant and base give the same bytes; the outcomes do not depend on `base`.
    """
    plan = _Plan(Random(seed), tenant, base)  # noqa: S311 - a simulation: it must be repeatable, not secret
    kinds = plan.random.choices(list(SHARES), weights=list(SHARES.values()), k=events)
    return [_MAKERS[kind](plan) or _sale(plan) for kind in kinds]


class ExpectedCounts(NamedTuple):
    """What must be there once all of a plan was answered. `arrivals`: kept ones, so without those refused (4xx)."""

    arrivals: int
    keys_processed: int
    keys_quarantined: int
    exceptions_open: int


def expected_counts(planned: Sequence[Planned]) -> ExpectedCounts:
    """The counts that a plan leaves behind: a key with any parked payload is held, by one exception."""
    keys = {event.key for event in planned if event.key is not None}
    held = {event.key for event in planned if event.expected.result == "quarantined"}
    arrivals = sum(event.expected.result is not None for event in planned)
    return ExpectedCounts(arrivals, len(keys) - len(held), len(held), len(held))


def _first(plan: _Plan, kind: str, event: Event) -> Planned:
    """A valid event that arrives for the first time."""
    body = plainly(event)
    return Planned(kind, event["event_id"], event["event_id"], body, PROCESSED)


def _sale(plan: _Plan, kind: str = "sale", seconds_ago: int | None = None) -> Planned:
    event = plan.new_sale(seconds_ago=seconds_ago)
    planned = _first(plan, kind, event)
    plan.sales.append(_Sent(event, planned.body))
    return planned


def _late_sale(plan: _Plan) -> Planned:
    return _sale(plan, "late sale", plan.random.randrange(14 * 86_400, 42 * 86_400))


def _out_of_order_sale(plan: _Plan) -> Planned:
    return _sale(plan, "out-of-order sale", plan.random.randrange(_RECENT_SECONDS, 2 * 86_400))


def _referring(kind: str, event_type: str, fill: Callable[[Random, Event, Event], None]) -> Maker:
    """Events that name an earlier sale; in its lane, so that they come after it."""

    def make(plan: _Plan) -> Planned | None:
        found = plan.referring(event_type)
        if found is None:
            return None
        original, event = found
        fill(plan.random, event, original)
        return Planned(kind, original["event_id"], event["event_id"], plainly(event), PROCESSED)

    return make


def _as_it_is(random: Random, event: Event, original: Event) -> None:
    """A VOID or a CANCEL says all it has to say by naming its original."""
    del random, event, original


def _unreferring(kind: str, event_type: str, fill: Callable[[Random, Event], None]) -> Maker:
    def make(plan: _Plan) -> Planned:
        event = plan.new_sale(event_type=event_type)
        fill(plan.random, event)
        return _first(plan, kind, event)

    return make


def _again(plan: _Plan, kind: str, spell: Callable[[_Sent], bytes]) -> Planned | None:
    """The accepted payload of a sale once more."""
    if not plan.sales:
        return None
    sent = plan.random.choice(plan.sales)
    return Planned(kind, sent.event["event_id"], sent.event["event_id"], spell(sent), DUPLICATE)


def _exact_retry(plan: _Plan) -> Planned | None:
    return _again(plan, "exact retry", lambda sent: sent.body)


def _respelled_retry(plan: _Plan) -> Planned | None:
    return _again(plan, "respelled retry", lambda sent: respelled(plan.random, sent.event))


def _conflict(plan: _Plan) -> Planned | None:
    """The key of an accepted sale with another total. The sale stays available: its retries stay duplicates."""
    if not plan.sales:
        return None
    sent = plan.random.choice(plan.sales)
    body = _other_payload(sent)
    plan.conflicts.append((sent, body))
    return _parked("conflict", sent.event, body, IDEMPOTENCY_CONFLICT)


def _retry_of_a_conflict(plan: _Plan) -> Planned | None:
    if not plan.conflicts:
        return None
    sent, body = plan.random.choice(plan.conflicts)
    return _parked("retry of a conflict", sent.event, body, ALREADY_QUARANTINED)


def _retry_of_a_parked_event(plan: _Plan) -> Planned | None:
    if not plan.parked:
        return None
    sent = plan.random.choice(plan.parked)
    return _parked("retry of a parked event", sent.event, sent.body, ALREADY_QUARANTINED)


def _other_payload_of_a_parked_event(plan: _Plan) -> Planned | None:
    if not plan.parked:
        return None
    sent = plan.random.choice(plan.parked)
    return _parked("other payload of a parked event", sent.event, _other_payload(sent), IDEMPOTENCY_CONFLICT)


def _other_payload(sent: _Sent) -> bytes:
    """The event with one line and its price more: valid in itself, and different from every payload before."""
    sent.payloads += 1
    return plainly(receipts.with_another_line(sent.event, sent.payloads))


def _faulty(kind: str, reason: Reason, spoil: Callable[[_Plan, Event], bytes | None]) -> Maker:
    """A sale with exactly one fault. `spoil` changes the event, and may return the bytes where JSON cannot say it."""

    def make(plan: _Plan) -> Planned:
        event = plan.new_sale()
        spelled = spoil(plan, event)
        body = plainly(event) if spelled is None else spelled
        plan.parked.append(_Sent(event, body))
        return _parked(kind, event, body, reason)

    return make


def _parked(kind: str, event: Event, body: bytes, reason: Reason) -> Planned:
    outcome = Outcome(reason.status, "quarantined", reason.code)
    return Planned(kind, event["event_id"], event["event_id"], body, outcome)


def _refused(kind: str, reason: Reason, spoil: Callable[[_Plan, Event], bytes]) -> Maker:
    """A sale that is refused at the door, so that its key stays free."""

    def make(plan: _Plan) -> Planned:
        event = plan.new_sale()
        lane = event["event_id"]
        return Planned(kind, lane, None, spoil(plan, event), Outcome(reason.status, None, reason.code))

    return make


def _unknown_type(plan: _Plan, event: Event) -> None:
    event["event_type"] = plan.random.choice(["MYSTERY", "LAYAWAY", "sale", "GIFT_CARD_TOPUP"])


def _totals_off(plan: _Plan, event: Event) -> None:
    receipts.charge(event, receipts.cents(event["total_amount"]) * 6 // 5 + plan.random.randrange(500, 5_000))


def _negative_amount(plan: _Plan, event: Event) -> None:
    receipts.add_negative_line(plan.random, event)


def _missing_field(plan: _Plan, event: Event) -> None:
    del event[plan.random.choice(["txn_id", "store_id", "occurred_at", "line_items", "total_amount", "event_type"])]


def _future_time(plan: _Plan, event: Event) -> None:
    event["occurred_at"] = receipts.instant(plan.base + timedelta(days=2, seconds=plan.random.randrange(86_400)))


def _inexact_number(plan: _Plan, event: Event) -> bytes:
    too_long = plan.random.choice([b"9007199254740993", b"0.1000000000000000055511151231257827", b"1e400"])
    return plainly(event)[:-1] + b',"loyalty_balance":' + too_long + b"}"


def _malformed(plan: _Plan, event: Event) -> bytes:
    body = plainly(event)
    return plan.random.choice(
        [body[:-1], body[: len(body) // 2], body + b"}", body[:-1] + b",}", body.replace(b'"', b"'"), b"\xff" + body]
    )


def _duplicate_member(plan: _Plan, event: Event) -> bytes:
    name = plan.random.choice([b"total_amount", b"event_id", b"currency"])
    return plainly(event)[:-1] + b',"' + name + b'":1}'


def _unusable_event_id(plan: _Plan, event: Event) -> bytes:
    spoilt: list[Any] = ["", "x" * 256, "evt\u0000", "evt\n1", 17, None, ["evt"]]
    chosen = plan.random.randrange(len(spoilt) + 1)
    changed = {**event, "event_id": spoilt[chosen]} if chosen < len(spoilt) else event
    if changed is event:
        del event["event_id"]
    return plainly(changed)


_MAKERS: dict[str, Maker] = {
    "sale": _sale,
    "late sale": _late_sale,
    "out-of-order sale": _out_of_order_sale,
    "return": _referring("return", "RETURN", receipts.fill_return),
    "correction": _referring("correction", "CORRECTION", receipts.fill_correction),
    "void": _referring("void", "VOID", _as_it_is),
    "cancel": _referring("cancel", "CANCEL", _as_it_is),
    "adjustment": _unreferring("adjustment", "ADJUSTMENT", receipts.fill_adjustment),
    "stock adjustment": _unreferring("stock adjustment", "STOCK_ADJUSTMENT", receipts.fill_stock_adjustment),
    "exact retry": _exact_retry,
    "respelled retry": _respelled_retry,
    "conflict": _conflict,
    "retry of a conflict": _retry_of_a_conflict,
    "retry of a parked event": _retry_of_a_parked_event,
    "other payload of a parked event": _other_payload_of_a_parked_event,
    "unknown type": _faulty("unknown type", UNKNOWN_EVENT_TYPE, _unknown_type),
    "totals off": _faulty("totals off", TOTALS_MISMATCH, _totals_off),
    "negative amount": _faulty("negative amount", NEGATIVE_AMOUNT, _negative_amount),
    "missing field": _faulty("missing field", CONTRACT_VIOLATION, _missing_field),
    "future time": _faulty("future time", FUTURE_EVENT_TIME, _future_time),
    "inexact number": _faulty("inexact number", NUMBER_NOT_EXACT, _inexact_number),
    "malformed JSON": _refused("malformed JSON", INVALID_JSON, _malformed),
    "duplicate member name": _refused("duplicate member name", DUPLICATE_MEMBER_NAME, _duplicate_member),
    "unusable event_id": _refused("unusable event_id", UNUSABLE_EVENT_ID, _unusable_event_id),
}
