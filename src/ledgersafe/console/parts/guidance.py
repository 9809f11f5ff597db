"""What a reason means for the operator: who must act, and what there is to do. Plain words, a sentence or two each."""

from ledgersafe.kernel.reasons import REASONS, Who

_WHO: dict[Who, str] = {
    "SENDER": "The sender must mend this at its source, or more of it will come. This event you can decide on here.",
    "OPERATOR": "This is yours to decide.",
    "US": "We failed, not the sender: replay it once the cause is mended.",
    "TIME": "Nobody need act: it is released by itself once what it waits for is posted. You can decide earlier.",
}

_TO_DO = {
    "NEGATIVE_AMOUNT": "The type gives the direction: a SALE takes money in, a RETURN gives it back; neither carries "
    "a minus sign. So a sign can mean two opposite things. Ask the sender, or look at the receipt, then choose.",
    "IDEMPOTENCY_CONFLICT": "One event came with different contents. Compare them, and say which is true.",
    "MISSING_REFERENCE": "It names a transaction that is not in the books. If that is still to come, leave this open: "
    "it is released once the other is posted. If it never comes, there may be nothing to undo: let it go, or say what "
    "it is.",
    "CURRENCY_MISSING": "Give the tenant or the store its currency and replay it, or patch the currency in.",
    "CURRENCY_UNKNOWN": "Patch in the ISO 4217 code of the currency, such as EUR.",
    "TOTALS_MISMATCH": "A line, the tax, the rounding or the total is wrong. Find out which, and patch it.",
    "TENDERS_MISMATCH": "What was paid less the change is not the total. Find out which is wrong, and patch it.",
    "UNKNOWN_EVENT_TYPE": "If it is one of the known types under another name, patch event_type; else let it go.",
    "PERIOD_LOCKED": "Its month is closed. Choose a way below, and an open day on which it is to be booked; its own "
    "date stays with it.",
    "DUPLICATE_TRANSACTION": "Another event posted this receipt. If both are the same one, let this go; else patch "
    "txn_id.",
    "UNKNOWN_STORE": "Set the store up, then replay it; or patch store_id if it is misspelled.",
    "CANNOT_EXCEED_ORIGINAL": "More would be given back than was sold. Patch it to what is left, or let it go.",
    "ORIGINAL_ALREADY_VOIDED": "What it changes was undone before. If it says the same once more, let it go.",
    "REDACTED": "Its body was made unreadable on demand, so it can never be posted. Let it go.",
    "SUSPECTED_TEST_DATA": "If somebody was only trying things out, let it go. If it was real, say so.",
}


def meaning(code: str) -> str:
    """What a reason code says, in a line; nothing where this console is older than the code."""
    reason = REASONS.get(code)
    return reason.summary if reason is not None else ""


def to_do(code: str) -> str:
    """What there is to do about it."""
    reason = REASONS.get(code)
    who = _WHO[reason.who] if reason is not None else ""
    return " ".join(filter(None, (_TO_DO.get(code), who)))


def parked_codes() -> list[str]:
    """The reasons for which events are parked."""
    return sorted(code for code in REASONS if code in _OF_EVENTS)


_OF_EVENTS = frozenset(list(REASONS)[: list(REASONS).index("ALREADY_QUARANTINED")]) | {"INTERNAL_ERROR"}
"""Those stand first in the table; that one more payload came is no reason of its own."""
