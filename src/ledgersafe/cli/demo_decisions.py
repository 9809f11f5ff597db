"""The part of the demo in which a person decides: three parked events, three decisions, and what senders hear after."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ledgersafe.cli.demo_parts import CHANGED, MYSTERY, SEED_EVENT, TENANT, Part
from ledgersafe.cli.output import items_of, members_of
from ledgersafe.client.api import ApiClient, problem_parts

_COFFEE = SEED_EVENT | {
    "event_id": "evt-1003",
    "source_event_id": "src-1003",
    "txn_id": "txn-9003",
    "total_amount": "10.00",
    "line_items": [{"sku": "SKU-CCC", "qty": 1, "amount": "10.00"}],
}
_LATER_COFFEE = _COFFEE | {"total_amount": "21.00", "line_items": [{"sku": "SKU-CCC", "qty": 1, "amount": "12.00"}]}
_MENDED = {"total_amount": "12.00"}

_NOTES = "decided in the demo"
_IGNORE = {"action": "mark_resolved_no_replay", "resolution_notes": _NOTES}
_REPLAY = {"action": "override_and_replay", "resolution_notes": _NOTES}
_FIRST = _REPLAY | {"canonical_raw_id": "first"}
_LAST = _REPLAY | {"canonical_raw_id": "last"}
_LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """What is done, in words, the answer that must come, and how it is done: with an API, and the exceptions by key."""

    words: str
    expected: str
    act: Callable[[ApiClient, Mapping[str, str]], str]


def _send(event: Mapping[str, Any]) -> Callable[[ApiClient, Mapping[str, str]], str]:
    """Send an event as a till does: the answer in one line."""

    def act(client: ApiClient, _: Mapping[str, str]) -> str:
        response = client.post_raw("/v1/events", orjson.dumps(event), "application/json")
        if not response.is_success:
            return f"{response.status_code} {problem_parts(response)[0]}"
        answer = members_of(orjson.loads(response.content))
        words = [response.status_code, answer["result"], answer["reason_code"]]
        words.append("superseded" if answer.get("superseded") else None)
        return " ".join(str(word) for word in words if word is not None)

    return act


def _decide(event_id: str, wish: Mapping[str, Any]) -> Callable[[ApiClient, Mapping[str, str]], str]:
    """Decide on a key's exception: what became of it and of its key, or every fault that speaks against it."""

    def act(client: ApiClient, exceptions: Mapping[str, str]) -> str:
        address = f"/v1/exceptions/{exceptions.get(event_id)}/resolve"
        response = client.post_raw(address, orjson.dumps(wish), "application/json")
        answer = members_of(orjson.loads(response.content))
        if not response.is_success:
            faults = [str(fault["reason_code"]) for fault in items_of(answer.get("details"))]
            return " ".join([str(response.status_code), str(answer["reason_code"]), *faults])
        return f"{response.status_code} {answer['resolution']}, the key is {answer['key_status']}"

    return act


STEPS: tuple[Step, ...] = (
    Step("a sale, evt-1003", "201 processed", _send(_COFFEE)),
    Step("evt-1003 with other content", "202 quarantined IDEMPOTENCY_CONFLICT", _send(_LATER_COFFEE)),
    Step(
        "evt-1001: the FIRST payload counts; a dry run",
        "200 replayed, the key is processed",
        _decide("evt-1001", _FIRST | {"dry_run": True}),
    ),
    Step("evt-1001: the FIRST payload counts", "200 replayed, the key is processed", _decide("evt-1001", _FIRST)),
    Step("evt-1001: a second operator is late", "409 ALREADY_RESOLVED", _decide("evt-1001", _IGNORE)),
    Step("a retry of its first payload", "200 duplicate", _send(SEED_EVENT)),
    Step("a retry of the dismissed one", "200 duplicate superseded", _send(CHANGED)),
    Step("evt-1003: the LAST payload counts", "409 REPLAY_REFUSED TOTALS_MISMATCH", _decide("evt-1003", _LAST)),
    Step(
        "evt-1003: the LAST payload counts, patched",
        "200 replayed, the key is processed",
        _decide("evt-1003", _LAST | {"override_patch": _MENDED}),
    ),
    Step("a retry of its last payload, unpatched", "200 duplicate", _send(_LATER_COFFEE)),
    Step("a retry of its first payload", "200 duplicate superseded", _send(_COFFEE)),
    Step("evt-1002: ignore it", "200 ignored, the key is ignored", _decide("evt-1002", _IGNORE)),
    Step("a retry of evt-1002", "200 ignored IGNORED_BY_OPERATOR", _send(MYSTERY)),
)
"""In this order. The exceptions are looked up once, after the first two."""

_ARRIVALS_BEFORE_DECISIONS = 2
_ON_RECORD = (("exception.opened", 3), ("exception.resolved", 3), ("exception.replay_refused", 1))


def decisions(client: ApiClient) -> Part:
    """Part 2: an operator decides on what part 1 left, and on one conflict more."""
    rows: list[tuple[Any, ...]] = []
    exceptions: dict[str, str] = {}
    for number, step in enumerate(STEPS):
        if number == _ARRIVALS_BEFORE_DECISIONS:
            exceptions = _open_exceptions(client)
        actual = step.act(client, exceptions)
        rows.append((step.words, step.expected, actual, actual == step.expected))
    rows += [_record(client, action, expected) for action, expected in _ON_RECORD]
    return Part(
        "2. An operator decides",
        "Three keys are held: two conflicts, and a type nobody knows. A payload is chosen as it is, patched, or let "
        "go; a decision that would break the contract is refused, and one made already is never asked again.",
        ("step", "expected", "actual", ""),
        tuple(rows),
    )


def _open_exceptions(client: ApiClient) -> dict[str, str]:
    """The tenant's open exceptions by key."""
    page = members_of(client.get("/v1/exceptions", {"tenant_id": TENANT, "status": "open"}))
    return {str(item["idempotency_key"]): str(item["exception_id"]) for item in items_of(page.get("items"))}


def _record(client: ApiClient, action: str, expected: int) -> tuple[Any, ...]:
    """How many rows of one kind the audit log has."""
    page = members_of(client.get("/v1/audit", {"tenant_id": TENANT, "action": action, "limit": _LARGEST_PAGE}))
    actual = len(items_of(page.get("items")))
    return (f"audit log: {action}", _times(expected), _times(actual), actual == expected)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
