"""The one table of reason codes: why something was refused, parked or answered other than "processed".

A code is text, lives forever, may be retired and is never renamed: it stands in stored rows, in senders' code and in
runbooks. To add one, add one line. docs/reason-codes.md is generated from this table.
"""

from dataclasses import dataclass
from typing import Literal

Who = Literal["SENDER", "OPERATOR", "US", "TIME"]
"""Who must act: the sender of the event, an operator, we who run Ledgersafe, or nobody (it passes by itself)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason code. `status` is the HTTP status of the answer that carries it."""

    code: str
    status: int
    who: Who
    summary: str

    def __str__(self) -> str:
        return self.code


REASONS: dict[str, Reason] = {}


def _reason(code: str, status: int, who: Who, summary: str) -> Reason:
    if code in REASONS:
        raise ValueError(f"reason code {code} is defined twice")
    REASONS[code] = Reason(code, status, who, summary)
    return REASONS[code]


# fmt: off
# Parked: the arrival is kept, the key is held until an operator decides.
UNKNOWN_EVENT_TYPE = _reason("UNKNOWN_EVENT_TYPE", 202, "OPERATOR", "No contract is known for this event_type.")
UNSUPPORTED_SCHEMA_VERSION = _reason("UNSUPPORTED_SCHEMA_VERSION", 202, "SENDER", "No contract is known for this schema_version.")
CONTRACT_VIOLATION = _reason("CONTRACT_VIOLATION", 202, "SENDER", "A field is missing, of the wrong type or out of range.")
NUMBER_NOT_EXACT = _reason("NUMBER_NOT_EXACT", 202, "SENDER", "A JSON number does not survive a double (RFC 8785): send it as a string.")
NEGATIVE_AMOUNT = _reason("NEGATIVE_AMOUNT", 202, "SENDER", "An amount or quantity is negative where the event type gives the direction.")
TOTALS_MISMATCH = _reason("TOTALS_MISMATCH", 202, "SENDER", "The lines, discounts, tax and rounding do not add up to the total, or tax or rounding is more than it can be.")
TENDERS_MISMATCH = _reason("TENDERS_MISMATCH", 202, "SENDER", "The tenders less the change are not the total.")
CURRENCY_MISSING = _reason("CURRENCY_MISSING", 202, "OPERATOR", "The event names no currency and neither its store nor its tenant has one.")
CURRENCY_UNKNOWN = _reason("CURRENCY_UNKNOWN", 202, "SENDER", "The currency is not an ISO 4217 code.")
FUTURE_EVENT_TIME = _reason("FUTURE_EVENT_TIME", 202, "SENDER", "occurred_at lies in the future beyond the allowed clock skew.")
DUPLICATE_SOURCE_EVENT_ID = _reason("DUPLICATE_SOURCE_EVENT_ID", 202, "OPERATOR", "Another event already carries this source_event_id of this source.")
SUSPECTED_TEST_DATA = _reason("SUSPECTED_TEST_DATA", 202, "OPERATOR", "The event says it is simulated, but its tenant keeps real books.")
BUSINESS_DATE_MISMATCH = _reason("BUSINESS_DATE_MISMATCH", 202, "OPERATOR", "business_date is more than a day away from the store's trading day of occurred_at, or a correction moves to a day ahead or before 1970.")
UNKNOWN_STORE = _reason("UNKNOWN_STORE", 202, "OPERATOR", "Nobody has set up this store, and its tenant wants to know its stores.")
MISSING_REFERENCE = _reason("MISSING_REFERENCE", 202, "TIME", "The original that the event names is not posted yet; its posting releases this one.")
UNREFERENCED_RETURN = _reason("UNREFERENCED_RETURN", 202, "OPERATOR", "The return names no original, and its tenant does not allow that.")
CANNOT_EXCEED_ORIGINAL = _reason("CANNOT_EXCEED_ORIGINAL", 202, "OPERATOR", "More would be given back than was sold or paid.")
ORIGINAL_ALREADY_VOIDED = _reason("ORIGINAL_ALREADY_VOIDED", 202, "OPERATOR", "The original that the event names was voided or cancelled before.")
VOID_AFTER_CLOSE = _reason("VOID_AFTER_CLOSE", 202, "OPERATOR", "A VOID is of the same business date as its original; later it is a CANCEL.")
LATE_EVENT_OUTSIDE_WINDOW = _reason("LATE_EVENT_OUTSIDE_WINDOW", 202, "OPERATOR", "The original is older than its tenant allows corrections for.")
PERIOD_LOCKED = _reason("PERIOD_LOCKED", 202, "OPERATOR", "The month of its books date is closed: choose an open day.")
DUPLICATE_TRANSACTION = _reason("DUPLICATE_TRANSACTION", 202, "OPERATOR", "Another event has already posted this (store, txn_id).")
POSTED_AND_CHANGED = _reason("POSTED_AND_CHANGED", 202, "OPERATOR", "The event was posted, and its transaction was corrected or undone since.")
REDACTED = _reason("REDACTED", 202, "OPERATOR", "The body was redacted before the event was posted: nothing is left to post.")
IDEMPOTENCY_CONFLICT = _reason("IDEMPOTENCY_CONFLICT", 202, "OPERATOR", "The key arrived before with another payload; both are kept.")
ALREADY_QUARANTINED = _reason("ALREADY_QUARANTINED", 202, "OPERATOR", "This payload of this key is parked already; nothing new was opened.")
INTERNAL_ERROR = _reason("INTERNAL_ERROR", 500, "US", "We failed; the cause is in our log under the request id.")

# Answered from a decision already made.
IGNORED_BY_OPERATOR = _reason("IGNORED_BY_OPERATOR", 200, "TIME", "An operator decided to ignore this event.")

# Refused at the door: the request, not the event, is at fault. An authenticated body is kept among the rejected.
INVALID_JSON = _reason("INVALID_JSON", 400, "SENDER", "The body is not JSON (RFC 8259, UTF-8, no byte order mark).")
DUPLICATE_MEMBER_NAME = _reason("DUPLICATE_MEMBER_NAME", 400, "SENDER", "A JSON object names a member twice: which one counts cannot be known.")
JSON_TOO_DEEP = _reason("JSON_TOO_DEEP", 400, "SENDER", "The JSON nests deeper than 100 levels.")
NOT_AN_EVENT = _reason("NOT_AN_EVENT", 422, "SENDER", "The JSON is not an object.")
UNUSABLE_TENANT_ID = _reason("UNUSABLE_TENANT_ID", 422, "SENDER", "tenant_id must be a string of 1 to 255 characters, without control characters, not beginning with '_'.")
UNUSABLE_EVENT_ID = _reason("UNUSABLE_EVENT_ID", 422, "SENDER", "event_id must be a string of 1 to 255 characters, without control characters.")
UNSUPPORTED_CLOUDEVENT = _reason("UNSUPPORTED_CLOUDEVENT", 422, "SENDER", "The CloudEvent cannot be mapped: specversion 1.0 and JSON data are needed.")
SCOUT_SHAPE = _reason("SCOUT_SHAPE", 400, "SENDER", "The body does not have the shape of an ingest-transaction request.")
EMPTY_BATCH = _reason("EMPTY_BATCH", 400, "SENDER", "The batch holds no event.")
TOO_LARGE = _reason("TOO_LARGE", 413, "SENDER", "The body is larger than this door takes.")
TOO_MANY_EVENTS = _reason("TOO_MANY_EVENTS", 413, "SENDER", "The batch holds more events than this door takes.")
UNSUPPORTED_MEDIA_TYPE = _reason("UNSUPPORTED_MEDIA_TYPE", 415, "SENDER", "This content type or content encoding is not understood here.")
REQUEST_TIMEOUT = _reason("REQUEST_TIMEOUT", 408, "SENDER", "The body did not arrive in time.")
UNAUTHENTICATED = _reason("UNAUTHENTICATED", 401, "SENDER", "A valid API key is needed: Authorization: Bearer ls_…")
KEY_REVOKED = _reason("KEY_REVOKED", 401, "SENDER", "This API key was revoked.")
KEY_EXPIRED = _reason("KEY_EXPIRED", 401, "SENDER", "This API key has expired.")
SCOPE_MISSING = _reason("SCOPE_MISSING", 403, "SENDER", "The API key lacks the scope for this.")
FOREIGN_TENANT = _reason("FOREIGN_TENANT", 403, "SENDER", "The API key is not bound to this tenant.")
TENANT_REQUIRED = _reason("TENANT_REQUIRED", 400, "SENDER", "The API key serves several tenants: say which with ?tenant_id=.")
INVALID_CONTRACT = _reason("INVALID_CONTRACT", 422, "SENDER", "A dataset's contract cannot be used as it is written.")
INVALID_PARAMETER = _reason("INVALID_PARAMETER", 422, "SENDER", "A parameter or field of the request is not valid.")
NOT_FOUND = _reason("NOT_FOUND", 404, "SENDER", "There is no such thing, or not for this API key.")
ALREADY_RESOLVED = _reason("ALREADY_RESOLVED", 409, "OPERATOR", "The exception is not open any more: somebody decided on it already.")
EXCEPTION_CHANGED = _reason("EXCEPTION_CHANGED", 409, "OPERATOR", "Another payload came since you looked: look again before you decide.")
PLAN_CHANGED = _reason("PLAN_CHANGED", 409, "OPERATOR", "What a bulk run was planned over has changed since: look at the plan again before it begins.")
REPLAY_REFUSED = _reason("REPLAY_REFUSED", 409, "OPERATOR", "The chosen payload (with its patch) does not keep its contract; details lists every fault.")
PATCH_TOUCHES_IDENTITY = _reason("PATCH_TOUCHES_IDENTITY", 422, "OPERATOR", "A patch may not touch tenant_id or event_id: that would be another event.")
NOT_POSTED_YET = _reason("NOT_POSTED_YET", 409, "OPERATOR", "The event waits to be posted or for a decision, and could not be posted once its body is gone.")
JOB_PAUSED = _reason("JOB_PAUSED", 409, "OPERATOR", "The job is paused: resume it before it is asked to run.")
JOB_UNDER_WAY = _reason("JOB_UNDER_WAY", 409, "TIME", "The job is running now: it cannot be asked to run before it has ended.")
RUN_ENDED = _reason("RUN_ENDED", 409, "OPERATOR", "The bulk run has ended and cannot be changed any more.")
FORMAT_UNAVAILABLE = _reason("FORMAT_UNAVAILABLE", 406, "US", "Files of this format need a package that is not installed here.")
EXPORT_UNDER_WAY = _reason("EXPORT_UNDER_WAY", 409, "TIME", "An export run is being made: wait until it is complete.")
METHOD_NOT_ALLOWED = _reason("METHOD_NOT_ALLOWED", 405, "SENDER", "This address does not take that method.")

# Files: why nothing of a delivery is loaded. The file is kept, and can be worked through again.
NO_CONTRACT = _reason("NO_CONTRACT", 202, "OPERATOR", "There is no contract for this dataset: put one, then replay the delivery.")
SCHEMA_DRIFT = _reason("SCHEMA_DRIFT", 202, "OPERATOR", "The file has other columns than its contract, whose drift_policy is fail.")
TOO_MANY_BAD_ROWS = _reason("TOO_MANY_BAD_ROWS", 202, "OPERATOR", "More rows are bad than the contract lets pass.")
QUALITY_FAILED = _reason("QUALITY_FAILED", 202, "OPERATOR", "The file as a whole breaks a quality rule of its contract.")
OTHER_SHEET = _reason("OTHER_SHEET", 202, "OPERATOR", "Another sheet of the file is loaded, and its contract has no key that tells their rows apart.")
CURATED_CLASH = _reason("CURATED_CLASH", 409, "OPERATOR", "The dataset's table has other types or another key than this contract.")
EMPTY_FILE = _reason("EMPTY_FILE", 202, "SENDER", "The file holds nothing, not even a header.")
BAD_HEADER = _reason("BAD_HEADER", 202, "SENDER", "The file's header cannot name columns: a name is missing, or there twice.")
TOO_MANY_COLUMNS = _reason("TOO_MANY_COLUMNS", 202, "SENDER", "The file has more columns than are taken.")
UNREADABLE_TEXT = _reason("UNREADABLE_TEXT", 202, "SENDER", "The file's text is not in the encoding that it should be in, or is no text.")
UNCLOSED_QUOTE = _reason("UNCLOSED_QUOTE", 202, "SENDER", "A quoted field of the file never ends.")
ROW_TOO_LONG = _reason("ROW_TOO_LONG", 202, "SENDER", "A row of the file is longer than is taken.")
TRUNCATED_FILE = _reason("TRUNCATED_FILE", 202, "SENDER", "The file breaks off: send it again, whole.")
FILE_TOO_LARGE = _reason("FILE_TOO_LARGE", 413, "SENDER", "The file is larger than is taken, packed or unpacked.")
UNSUPPORTED_FORMAT = _reason("UNSUPPORTED_FORMAT", 415, "SENDER", "The file is of no format that is read here.")
RAW_FILE_DAMAGED = _reason("RAW_FILE_DAMAGED", 202, "US", "The received file is gone from the raw zone, or was changed there: restore it, then replay the delivery.")
PATH_NOT_ALLOWED = _reason("PATH_NOT_ALLOWED", 403, "SENDER", "Files are taken from the folders of LEDGERSAFE_FILES_FROM only.")
FILE_CHANGED = _reason("FILE_CHANGED", 409, "SENDER", "The file changed while it was read: deliver it once it is complete.")
DELIVERY_UNDER_WAY = _reason("DELIVERY_UNDER_WAY", 409, "TIME", "A delivery of this file has not ended yet: ask again once it has.")
RAW_ZONE_UNAVAILABLE = _reason("RAW_ZONE_UNAVAILABLE", 503, "US", "The file cannot be kept, or read again, now: the raw zone does not take or give it.")
ROWS_UNREADABLE = _reason("ROWS_UNREADABLE", 409, "OPERATOR", "The rows of a received file cannot be read again; the message says why.")
ROWS_DECIDED = _reason("ROWS_DECIDED", 409, "OPERATOR", "Some of these rows are not open any more: look again before you decide.")
ROWS_STILL_BAD = _reason("ROWS_STILL_BAD", 409, "OPERATOR", "The rows, with what was put in place of their values, do not keep the contract; details lists every fault.")

# Not now: nothing was decided, the same request may be sent again.
QUEUE_FULL = _reason("QUEUE_FULL", 503, "TIME", "More is queued than can be committed now: send it again after Retry-After.")
CANNOT_COMMIT = _reason("CANNOT_COMMIT", 503, "TIME", "The database did not commit: send it again after Retry-After.")
DATABASE_UNAVAILABLE = _reason("DATABASE_UNAVAILABLE", 503, "US", "The database does not answer.")
EVENT_IN_USE = _reason("EVENT_IN_USE", 503, "TIME", "Others are at work on the event, or on what it names: ask again after Retry-After.")
VERIFICATIONS_RUNNING = _reason("VERIFICATIONS_RUNNING", 503, "TIME", "As many verifications run in this process as it takes: send it again after Retry-After.")
FILES_BEING_READ = _reason("FILES_BEING_READ", 503, "TIME", "As many received files are read again in this process as it takes: ask again after Retry-After.")
SEAL_KEY_UNUSABLE = _reason("SEAL_KEY_UNUSABLE", 503, "OPERATOR", "The key that signs heads of seals can be neither read nor made here.")
# fmt: on
