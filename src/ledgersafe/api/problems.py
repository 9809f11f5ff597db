"""Errors, mapped once: every refusal becomes problem+json (RFC 9457) with its reason code."""

from typing import Any

import orjson

from ledgersafe.db.errors import DatabaseUnavailable, TryAgain
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import DATABASE_UNAVAILABLE, INTERNAL_ERROR

MEDIA_TYPE = "application/problem+json"


def as_refusal(error: Exception) -> RequestRefused:
    """Any exception as what the sender is told. What we did not foresee tells nothing of its inside."""
    if isinstance(error, RequestRefused):
        return error
    if isinstance(error, DatabaseUnavailable | TryAgain):
        message = "The database does not answer now. Send it again."
        return RequestRefused(DATABASE_UNAVAILABLE, message, {"Retry-After": "1"})
    return RequestRefused(INTERNAL_ERROR, "We failed. The cause is in our log, under the request id.")


def is_unforeseen(error: Exception) -> bool:
    """Whether it is a bug, to be logged with its trace."""
    return not isinstance(error, RequestRefused | DatabaseUnavailable | TryAgain)


def problem(refusal: RequestRefused, request_id: str) -> dict[str, Any]:
    """The members of a problem; `details` lists the faults of the event that it is about, if any."""
    details = {"details": [fault.as_json() for fault in refusal.faults]} if refusal.faults else {}
    return {
        "type": f"urn:ledgersafe:reason:{refusal.reason.code}",
        "title": refusal.reason.summary,
        "status": refusal.reason.status,
        "detail": refusal.detail,
        "reason_code": refusal.reason.code,
        "request_id": request_id,
        **details,
    }


def problem_body(refusal: RequestRefused, request_id: str) -> bytes:
    """A problem as JSON."""
    return orjson.dumps(problem(refusal, request_id))


def problem_headers(refusal: RequestRefused) -> dict[str, str]:
    """The headers that go with a problem."""
    headers = dict(refusal.headers)
    if refusal.reason.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers
