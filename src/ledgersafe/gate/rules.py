"""The gate's one question: what is to be said of this payload of this key? Pure, and small enough to hold in the head.

What is known of the payload decides; only for an unknown one does it matter whether the key is new and the event valid.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Literal

Decision = Literal["accepted", "patched-accepted", "superseded", "ignored", "open"]
Status = Literal["processed", "quarantined", "ignored"]


class Answer(Enum):
    """What becomes of an arrival."""

    PROCESSED = "first of its key, and valid: accepted"
    PARKED = "first of its key, and faulty: held for an operator"
    CONFLICT = "a payload that its key did not have: held for an operator"
    DUPLICATE = "a payload accepted before"
    SUPERSEDED = "a payload that an operator decided against"
    IGNORED = "a payload that an operator decided to ignore"
    ALREADY_HELD = "a payload that is held already"


_OF_A_KNOWN_PAYLOAD: Mapping[Decision, Answer] = {
    "accepted": Answer.DUPLICATE,
    "patched-accepted": Answer.DUPLICATE,
    "superseded": Answer.SUPERSEDED,
    "ignored": Answer.IGNORED,
    "open": Answer.ALREADY_HELD,
}


def answer(known: Mapping[bytes, Decision] | None, fingerprint: bytes, *, valid: bool) -> Answer:
    """What becomes of an arrival. `known`: the decision on each payload of its key, None for a key never seen."""
    if known is None:
        return Answer.PROCESSED if valid else Answer.PARKED
    decision = known.get(fingerprint)
    return Answer.CONFLICT if decision is None else _OF_A_KNOWN_PAYLOAD[decision]


def decision_after(given: Answer) -> Decision:
    """What is noted of a payload that was new."""
    return "accepted" if given is Answer.PROCESSED else "open"


def is_accepted(decision: Decision) -> bool:
    """Whether a payload with this decision is the one that counts."""
    return decision in ("accepted", "patched-accepted")


def after_ignoring(known: Mapping[bytes, Decision]) -> tuple[Status, dict[bytes, Decision]]:
    """The key's status, and the decisions that change, when an operator lets what is held go.

    Where a payload was accepted before, it stays, and the others do not count; otherwise the whole key is forgotten.
    """
    has_accepted = any(is_accepted(decision) for decision in known.values())
    let_go: Decision = "superseded" if has_accepted else "ignored"
    changes: dict[bytes, Decision] = {payload: let_go for payload, decision in known.items() if decision == "open"}
    return ("processed" if has_accepted else "ignored"), changes


def after_choosing(known: Mapping[bytes, Decision], chosen: bytes, *, patched: bool) -> dict[bytes, Decision]:
    """The decisions that change when an operator has one payload count, as it is or patched: it, and no other.

    What was ignored before is superseded too: only a key of which nothing ever counted is ignored.
    """
    changes: dict[bytes, Decision] = {
        payload: "superseded" for payload, decision in known.items() if decision != "superseded"
    }
    changes[chosen] = "patched-accepted" if patched else "accepted"
    return changes
