"""The shapes of requests and answers, for validation and for the OpenAPI document."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ledgersafe.tenants.rules import Scope


def _text(value: object) -> object:
    if value is not None and not (isinstance(value, str) and value[4:5] == "-"):
        raise ValueError("expected a text such as 2026-02-25")  # not seconds since 1970, as which numbers would be read
    return value


def _hex(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


Hex = Annotated[str, BeforeValidator(_hex)]  # of bytes
_Day = Annotated[date | None, BeforeValidator(_text)]
_Instant = Annotated[datetime | None, BeforeValidator(_text)]


class Shape(BaseModel):
    """Read from dataclasses as well as from JSON."""

    model_config = ConfigDict(from_attributes=True)


class Problem(Shape):
    """RFC 9457."""

    type: str = Field(examples=["urn:ledgersafe:reason:UNAUTHENTICATED"])
    title: str
    status: int
    detail: str
    reason_code: str
    request_id: str


class FaultShape(Shape):
    """One thing wrong with an event. `path` is a JSON Pointer."""

    reason_code: str
    path: str
    message: str


class EventAnswer(Shape):
    """What became of one event."""

    tenant_id: str
    idempotency_key: str
    raw_id: UUID
    result: Literal["processed", "duplicate", "quarantined", "ignored"]
    exception_id: UUID | None
    reason_code: str | None
    first_seen_at: datetime
    links: dict[str, str]
    superseded: bool | None = None
    details: list[FaultShape] | None = None
    warnings: list[str] | None = None


class BatchItem(Shape):
    """What became of one item of a batch; `status` is what it would have been answered alone."""

    index: int
    status: int
    result: Literal["processed", "duplicate", "quarantined", "ignored", "refused"]
    raw_id: UUID | None
    reason_code: str | None
    exception_id: UUID | None
    detail: str | None = None
    superseded: bool | None = None
    details: list[FaultShape] | None = None


class BatchAnswer(Shape):
    """One result an item, in order."""

    results: list[BatchItem]


class ScoutAnswer(Shape):
    """The answer of the Scout door."""

    ok: bool
    id: str | None = None
    duplicateDetected: bool | None = None  # noqa: N815 - its documented name
    quarantined: bool | None = None
    ignored: bool | None = None
    exception_id: UUID | None = None
    reason_code: str | None = None
    message: str | None = None
    error: str | None = None


class IdempotencyCounts(Shape):
    """Keys by status."""

    processed: int
    quarantined: int
    ignored: int


class HealthCounts(Shape):
    """Sums over the tenants that the credential may see."""

    events_raw: int
    exceptions_open: int
    idempotency: IdempotencyCounts


class TenantHealth(HealthCounts):
    """The counts of one tenant."""

    tenant_id: str


class HealthAnswer(Shape):
    """Counts are there only with a credential."""

    status: Literal["ok", "unavailable"]
    db: Literal["up", "down"]
    db_time: datetime | None = None
    version: str
    counts: HealthCounts | None = None
    tenants: list[TenantHealth] | None = None


class KeyShape(Shape):
    """The state of a key."""

    idempotency_key: str
    status: Literal["processed", "quarantined", "ignored"]
    arrivals: int
    first_seen_at: datetime
    last_seen_at: datetime
    first_raw_id: UUID
    last_raw_id: UUID
    payload_hash_first: str
    payload_hash_last: str
    processed_at: datetime | None
    posted_at: datetime | None
    last_error_code: str | None
    last_exception_id: UUID | None


class ExceptionShape(Shape):
    """One parked event. `amount`: what is at stake, as a decimal string."""

    tenant_id: str
    exception_id: UUID
    idempotency_key: str
    status: Literal["open", "resolved"]
    reason_code: str
    details_json: list[FaultShape]
    raw_id: UUID
    last_raw_id: UUID
    arrivals: int
    store_id: str | None
    source_system: str | None
    event_type: str | None
    amount: str | None
    currency: str | None
    created_at: datetime
    last_arrival_at: datetime
    assigned_to: str | None
    replay_attempts: int
    last_replay_at: datetime | None
    last_replay_status: Literal["accepted", "refused"] | None
    resolved_at: datetime | None
    resolution: Literal["replayed", "ignored", "dismissed", "released"] | None
    resolution_action: Literal["mark_resolved_no_replay", "override_and_replay"] | None
    resolution_notes: str | None
    resolution_actor: str | None
    canonical_raw_id: UUID | None
    override_patch: dict[str, Any] | None
    books_date: date | None


class AuditShape(Shape):
    """One decision."""

    tenant_id: str
    audit_id: UUID
    occurred_at: datetime
    actor: str
    action: str
    object_type: str
    object_id: str
    before_json: Any
    after_json: Any
    notes: str | None


class ExceptionPage(Shape):
    """`next` is the cursor of the next page, or null at the end. `total`: null where it was not asked for."""

    items: list[ExceptionShape]
    next: str | None
    total: int | None = Field(default=None, description="How many there are on all pages; 100,001: more than 100,000.")


class Difference(Shape):
    """A place where the first and the last payload differ; a missing side is null."""

    path: str
    first: Any
    last: Any


class Wish(BaseModel):
    """The body of a request. A member that is not known is refused: one mistyped would mean what was not said."""

    model_config = ConfigDict(extra="forbid")


class KeyWish(Wish):
    """The API key that somebody wants. `tenant_ids` left out or null serves all tenants."""

    label: str = Field(min_length=1, max_length=200)
    tenant_ids: list[str] | None = Field(default=None, min_length=1, max_length=1000)
    scopes: list[Scope] = Field(min_length=1)
    expires_at: _Instant = None


class ApiKeyShape(Shape):
    """An API key, without its secret."""

    key_id: str
    label: str
    tenant_ids: list[str] | None
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    rotated_to: str | None


class MadeKeyAnswer(Shape):
    """A key just made; `token` is shown this once."""

    token: str
    key: ApiKeyShape


class KeyList(Shape):
    """API keys."""

    items: list[ApiKeyShape]


class AssignWish(Wish):
    """Who is to look at it; null is nobody."""

    assigned_to: str | None = Field(min_length=1, max_length=255)


class _Decision(Wish):
    """What is the same for one exception and for many."""

    action: Literal["mark_resolved_no_replay", "override_and_replay"]
    resolution_notes: str = Field(min_length=1, max_length=10_000, description="Why; kept in the audit log.")
    actor: str | None = Field(default=None, max_length=255, description="Kept as a note: the credential decides.")
    override_patch: dict[str, Any] | None = Field(default=None, description="RFC 7396, over the mapped event.")
    books_date: _Day = None
    dry_run: bool = Field(default=False, strict=True)


class ResolveWish(_Decision):
    """What is to become of one exception."""

    canonical_raw_id: UUID | Literal["first", "last"] | None = Field(
        default=None, description="Which payload counts; needed where the key has several."
    )
    expected_last_raw_id: UUID | None = Field(default=None, description="409 if another payload came since.")


class BulkFilter(Wish):
    """Which open exceptions; what is left out does not narrow."""

    tenant_id: str | None = Field(default=None, min_length=1, max_length=255)
    store_id: str | None = Field(default=None, max_length=255)
    reason_code: str | None = Field(default=None, max_length=100)
    assigned_to: str | None = Field(default=None, max_length=255)
    min_age_seconds: float | None = Field(default=None, ge=0, le=1e10, strict=True)
    text: str | None = Field(default=None, max_length=255)


class BulkWish(_Decision):
    """What is to become of many."""

    filter: BulkFilter
    canonical: Literal["first", "last"] | None = None
    max_replays: int = Field(
        default=3, ge=1, le=100, strict=True, description="Loop guard: replayed so often, it is skipped."
    )
    plan: str | None = Field(
        default=None,
        max_length=255,
        description="Of a dry run over the same filter: decide on what that told of and nothing else, or be refused.",
    )


class StakeShape(Shape):
    """What so many exceptions come to, signs as sent; null where their events say no amount or currency."""

    currency: str | None
    amount: Decimal | None
    exceptions: int


class BulkPlanAnswer(Shape):
    """What a run would decide on."""

    count: int
    sample: list[ExceptionShape]
    at_stake: list[StakeShape]
    plan: str = Field(description="Sent with the run, it decides on these and their payloads as they are.")


class RunShape(Shape):
    """A bulk run. `actor` began it, `stopped_by` stopped it last; `resumed_by` went on with it, and decides since."""

    tenant_id: str
    run_id: UUID
    status: Literal["running", "cancelled", "finished"]
    filter: dict[str, Any]
    wish: dict[str, Any]
    max_replays: int
    actor: str
    stopped_by: str | None
    resumed_by: str | None
    notes: str
    planned: int
    resolved: int
    refused: int
    skipped: int
    created_at: datetime
    updated_at: datetime


class RunPage(Shape):
    """`next` is the cursor of the next page, or null at the end."""

    items: list[RunShape]
    next: str | None


class RunItemShape(Shape):
    """What became of one exception of a run; null while it is to come."""

    exception_id: UUID
    idempotency_key: str
    outcome: Literal["resolved", "refused", "skipped"] | None
    detail: str | None


class RunItemPage(Shape):
    """`next` is the cursor of the next page, or null at the end."""

    items: list[RunItemShape]
    next: UUID | None


class AuditPage(Shape):
    """`next` is the cursor of the next page, or null at the end."""

    items: list[AuditShape]
    next: str | None


class RejectedShape(Shape):
    """A body that was refused at the door. `body_text`: at most its first 64 KiB; `body_bytes`: its whole size."""

    tenant_id: str
    rejected_id: UUID
    received_at: datetime
    door: str
    key_id: str | None
    reason_code: str
    detail: str
    body_text: str
    body_bytes: int | None


class RejectedPage(Shape):
    """`next` is the cursor of the next page, or null at the end."""

    items: list[RejectedShape]
    next: UUID | None


class RedactWish(Wish):
    """Why, and on whose demand."""

    notes: str = Field(min_length=1, max_length=10_000)
    even_if_not_posted: bool = Field(
        default=False, strict=True, description="An event without its body can be posted no more."
    )


class RedactAnswer(Shape):
    """`changed` is false where it was unreadable already."""

    redacted: bool
    changed: bool


class RotateWish(Wish):
    """How long the old key lives on beside the new one."""

    overlap_seconds: float = Field(default=86_400, ge=0, le=31_536_000, strict=True)
