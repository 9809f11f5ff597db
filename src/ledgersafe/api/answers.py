"""What a sender is told of an arrival, in each door's shape."""

from typing import Any
from urllib.parse import quote

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.accept import Outcome


def event_answer(outcome: Outcome) -> dict[str, Any]:
    """The answer to one event at the native door."""
    answer: dict[str, Any] = {
        "tenant_id": outcome.tenant_id,
        "idempotency_key": outcome.event_id,
        "raw_id": outcome.raw_id,
        "result": outcome.result,
        "exception_id": outcome.exception_id,
        "reason_code": None if outcome.reason is None else outcome.reason.code,
        "first_seen_at": outcome.first_seen_at,
        "links": _links(outcome),
    }
    if outcome.superseded:
        answer["superseded"] = True
    if outcome.faults:
        answer["details"] = [fault.as_json() for fault in outcome.faults]
    if outcome.warnings:
        answer["warnings"] = outcome.warnings
    return answer


def item_answer(index: int, decided: Outcome | RequestRefused) -> dict[str, Any]:
    """The answer to one item of a batch."""
    if isinstance(decided, RequestRefused):
        return {
            "index": index,
            "status": decided.reason.status,
            "result": "refused",
            "raw_id": None,
            "reason_code": decided.reason.code,
            "exception_id": None,
            "detail": decided.detail,
        }
    answer: dict[str, Any] = {
        "index": index,
        "status": decided.status,
        "result": decided.result,
        "raw_id": decided.raw_id,
        "reason_code": None if decided.reason is None else decided.reason.code,
        "exception_id": decided.exception_id,
    }
    if decided.superseded:
        answer["superseded"] = True
    if decided.faults:
        answer["details"] = [fault.as_json() for fault in decided.faults]
    return answer


def scout_answer(outcome: Outcome) -> dict[str, Any]:
    """The answer of the Scout door; `id` stays the same for every retry."""
    answer: dict[str, Any] = {"ok": True, "id": outcome.first_raw_id}
    if outcome.result == "duplicate":
        answer |= {"duplicateDetected": True, "message": "This transaction was received before; it counts once."}
    elif outcome.result == "quarantined" and outcome.reason is not None:
        answer |= {
            "quarantined": True,
            "exception_id": outcome.exception_id,
            "reason_code": outcome.reason.code,
            "message": f"Kept, and held for a person to decide: {outcome.reason.summary}",
        }
    elif outcome.result == "ignored":
        answer |= {"ignored": True, "message": "An operator decided to ignore this transaction."}
    return answer


def _links(outcome: Outcome) -> dict[str, str]:
    links = {"event": f"/v1/events/{_quoted(outcome.event_id)}?tenant_id={_quoted(outcome.tenant_id)}"}
    if outcome.exception_id is not None:
        links["exception"] = f"/v1/exceptions/{outcome.exception_id}"
    return links


def _quoted(text: str) -> str:
    """As a part of an address; letters and digits, of which most ids consist, stay as they are."""
    return text if text.isascii() and text.isalnum() else quote(text, safe="")
