"""GET /v1/flow: how it flows: what comes in, goes into the books and is held, and what lags."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.dependencies import HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import Shape
from ledgersafe.pipeline.flow import MOST_MINUTES, Flow, Latency, TableLag, flow

router = APIRouter(tags=["health"])

MOST_REASONS = 20


class LatencyShape(Shape):
    """Seconds from arrival to books, of what nobody had to decide on; told by a sample, null where there is none."""

    p50: float | None
    p95: float | None
    sampled: int


class MinuteShape(Shape):
    """A minute that begins `at`. `posted`, `reversed`: transactions added to the books, and taken back.

    `arrivals`: events as received, retries and faulty ones included. `parked`: exceptions that were opened.
    """

    at: datetime
    arrivals: int
    posted: int
    reversed: int
    parked: int
    latency: LatencyShape


class PostingLag(Shape):
    """What waits to be posted: 10,000 is so many, or more. `oldest_at`: when the oldest of it arrived."""

    waiting: int
    oldest_at: datetime | None
    oldest_seconds: float | None


class TableLagShape(Shape):
    """A gold table. `behind_since`: when the oldest was posted (or arrived) that is not in it; null: all is.

    `failures`: how often in a row it failed. A recomputed one follows every five minutes.
    """

    table: str
    kind: Literal["additive", "recomputed"]
    behind_since: datetime | None
    seconds_behind: float
    failures: int


class OpenOfReason(Shape):
    """How many exceptions are open for a reason."""

    reason_code: str
    open: int


class OpenExceptions(Shape):
    """The queue; `by_reason` has the 20 most frequent reasons."""

    open: int
    oldest_at: datetime | None
    oldest_seconds: float | None
    by_reason: list[OpenOfReason]


class FilesShape(Shape):
    """Delivered files: those that wait for a worker, and those of which nothing is loaded until a person decides.

    `with_open_rows`: those that are loaded but for rows that are bad, and that nobody has decided on.
    """

    waiting: int
    oldest_at: datetime | None
    oldest_seconds: float | None
    held: int
    with_open_rows: int


class WebhooksShape(Shape):
    """Webhooks that do not get through, and those that were given up."""

    failing: int
    failing_since: datetime | None
    disabled: int


class LatestSealShape(Shape):
    """The last seal of a chain. `swept_until`: every row of before then had been sealed by it."""

    tenant_id: str
    kind: Literal["arrivals", "audit"]
    number: int
    sealed_at: datetime
    swept_until: datetime | None


class FlowAnswer(Shape):
    """How it flows. `seals`: the 50 chains whose last seal is oldest."""

    now: datetime
    minutes: list[MinuteShape]
    latency: LatencyShape
    posting: PostingLag
    gold: list[TableLagShape]
    exceptions: OpenExceptions
    files: FilesShape
    webhooks: WebhooksShape
    seals: list[LatestSealShape]


@router.get("/v1/flow", summary="How does it flow, and what lags?")
def get_flow(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    minutes: Annotated[int, Query(ge=1, le=MOST_MINUTES, description="How far back.")] = 60,
) -> FlowAnswer:
    """Minute by minute, the last one under way. Of one tenant, or of all that the key serves, together."""
    whose = credential.tenant_ids if tenant_id is None else (tenant_of(credential, tenant_id),)
    return _answer(flow(parts.database, whose, minutes, parts.clock.now()))


def _answer(found: Flow) -> FlowAnswer:
    return FlowAnswer(
        now=found.now,
        minutes=[MinuteShape.model_validate(minute) for minute in found.minutes],
        latency=_latency(found.latency),
        posting=PostingLag(
            waiting=found.to_post,
            oldest_at=found.oldest_to_post,
            oldest_seconds=_seconds(found.oldest_to_post, found.now),
        ),
        gold=[_lag(one, found.now) for one in found.gold],
        exceptions=OpenExceptions(
            open=sum(one.number for one in found.open_by_reason),
            oldest_at=found.oldest_open,
            oldest_seconds=_seconds(found.oldest_open, found.now),
            by_reason=[
                OpenOfReason(reason_code=one.reason_code, open=one.number)
                for one in found.open_by_reason[:MOST_REASONS]
            ],
        ),
        files=FilesShape(
            waiting=found.files.waiting,
            oldest_at=found.files.oldest_waiting_at,
            oldest_seconds=_seconds(found.files.oldest_waiting_at, found.now),
            held=found.files.held,
            with_open_rows=found.files.with_open_rows,
        ),
        webhooks=WebhooksShape.model_validate(found.webhooks),
        seals=[LatestSealShape.model_validate(seal) for seal in found.seals],
    )


def _latency(found: Latency) -> LatencyShape:
    return LatencyShape.model_validate(found)


def _lag(found: TableLag, now: datetime) -> TableLagShape:
    return TableLagShape(
        table=found.table,
        kind=found.kind,
        behind_since=found.behind_since,
        seconds_behind=_seconds(found.behind_since, now) or 0.0,
        failures=found.failures,
    )


def _seconds(since: datetime | None, now: datetime) -> float | None:
    """How long ago; clocks of two machines may differ, and nothing is younger than now."""
    return None if since is None else round(max((now - since).total_seconds(), 0.0), 3)
