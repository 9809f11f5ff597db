"""/v1/exceptions: what is parked, and what operators decide of it."""

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response

from ledgersafe.api.arrivals import ExceptionAnswer
from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page, read_cursor, write_cursor
from ledgersafe.api.dependencies import HasParts, Operating, Reader, TenantParameter
from ledgersafe.api.differences import differences
from ledgersafe.api.effects import ResolveAnswer, decided, previewed
from ledgersafe.api.shapes import (
    AssignWish,
    BulkPlanAnswer,
    BulkWish,
    ExceptionPage,
    ExceptionShape,
    ResolveWish,
    RunShape,
    StakeShape,
)
from ledgersafe.api.views import arrival_view, exception_view, key_view, payload_view
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER, NOT_FOUND
from ledgersafe.pipeline import bulk
from ledgersafe.pipeline.assign import assign
from ledgersafe.pipeline.preview import preview
from ledgersafe.pipeline.resolve import Wish, resolve
from ledgersafe.pipeline.trace import count_exceptions, exception_detail, exception_page
from ledgersafe.quarantine.store import Filter
from ledgersafe.tenants.rules import Credential

router = APIRouter(tags=["exceptions"])

MOST_COUNTED = 100_000


@router.get("/v1/exceptions", summary="The queue of parked events, oldest first")
def list_exceptions(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    status: Annotated[Literal["open", "resolved"] | None, Query()] = None,
    store_id: Annotated[str | None, Query(max_length=255)] = None,
    reason_code: Annotated[str | None, Query(max_length=100)] = None,
    assigned_to: Annotated[str | None, Query(max_length=255)] = None,
    min_age_seconds: Annotated[float | None, Query(ge=0, le=1e10, description="Opened at least so long ago.")] = None,
    text: Annotated[
        str | None, Query(max_length=255, description="In key, store, source, type, reason, faults.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    count: Annotated[bool, Query(description="Tell how many there are on all pages, too; it takes longer.")] = False,
) -> ExceptionPage:
    """One page; pages stay right while exceptions come and go."""
    tenant_ids = credential.tenant_ids if tenant_id is None else (tenant_of(credential, tenant_id),)
    chosen = Filter(
        tenant_ids=None if tenant_ids is None else list(tenant_ids),
        status=status,
        store_id=store_id,
        reason_code=reason_code,
        created_before=None if min_age_seconds is None else parts.clock.now() - timedelta(seconds=min_age_seconds),
        assigned_to=assigned_to,
        text=text,
        after=read_cursor(cursor),
    )
    rows = exception_page(parts.database, chosen, limit + 1)
    kept, following = one_page(rows, limit, lambda row: write_cursor(row.created_at, row.exception_id))
    total = count_exceptions(parts.database, chosen, MOST_COUNTED + 1) if count else None
    return ExceptionPage(items=[exception_view(row) for row in kept], next=following, total=total)


@router.get("/v1/exceptions/{exception_id}", summary="One parked event, with every payload of its key")
def get_exception(parts: HasParts, credential: Reader, exception_id: UUID) -> ExceptionAnswer:
    """The first and the last payload side by side, and where they differ."""
    tenant_ids = None if credential.tenant_ids is None else list(credential.tenant_ids)
    found = exception_detail(parts.database, tenant_ids, exception_id)
    if found is None:
        raise RequestRefused(NOT_FOUND, f"There is no exception {exception_id}.")
    arrivals = {raw_id: arrival_view(row, found.origins.get(raw_id)) for raw_id, row in found.arrivals.items()}
    first = arrivals[found.key.first_payload().raw_id]
    last = arrivals[found.exception.last_raw_id]
    return ExceptionAnswer(
        exception=exception_view(found.exception),
        raw_event=arrivals[found.exception.raw_id],
        events_processed=key_view(found.key),
        first_raw_event=first,
        last_raw_event=last,
        payloads=[payload_view(payload, arrivals[payload.raw_id]) for payload in found.payloads],
        diff=differences(first.payload_json, last.payload_json),
    )


@router.post("/v1/exceptions/{exception_id}/assign", summary="Give an exception to somebody")
def post_assign(parts: HasParts, credential: Operating, exception_id: UUID, wish: AssignWish) -> ExceptionShape:
    """Or, with null, to nobody."""
    return exception_view(assign(parts.database, exception_id, wish.assigned_to, parts.operator(credential)))


@router.post(
    "/v1/exceptions/{exception_id}/resolve", summary="Decide on a parked event", response_model_exclude_unset=True
)
def post_resolve(parts: HasParts, credential: Operating, exception_id: UUID, wish: ResolveWish) -> ResolveAnswer:
    """Let it go, or choose a payload (patched, if need be) that is to count. Of two operators at once, one gets 409.

    With dry_run nothing is decided: the answer tells what would become of it, and what that would do to the ledger.
    """
    wanted = Wish(
        action=wish.action,
        notes=wish.resolution_notes,
        canonical=wish.canonical_raw_id,
        patch=wish.override_patch,
        expected_last_raw_id=wish.expected_last_raw_id,
        books_date=wish.books_date,
        claimed_actor=wish.actor,
    )
    by = parts.operator(credential)
    if wish.dry_run:
        return previewed(preview(parts.database, exception_id, wanted, by))
    return decided(resolve(parts.database, exception_id, wanted, by))


@router.post(
    "/v1/exceptions:resolve",
    summary="Decide on many parked events at once",
    status_code=202,
    responses={200: {"model": BulkPlanAnswer, "description": "With dry_run: what a run would decide on."}},
    response_model=RunShape | BulkPlanAnswer,
)
def post_bulk(
    parts: HasParts, credential: Operating, wish: BulkWish, response: Response, tenant_id: TenantParameter = None
) -> RunShape | BulkPlanAnswer:
    """A run over the open exceptions that the filter names now; the workers work it off.

    A dry run with the `plan` of another tells whether that is there as it was.
    """
    tenant_id = _whose(credential, tenant_id, wish.filter.tenant_id)
    operator = parts.operator(credential)
    age = wish.filter.min_age_seconds
    chosen = Filter(
        tenant_ids=[tenant_id],
        status="open",
        store_id=wish.filter.store_id,
        reason_code=wish.filter.reason_code,
        created_before=None if age is None else operator.now - timedelta(seconds=age),
        assigned_to=wish.filter.assigned_to,
        text=wish.filter.text,
    )
    wanted = Wish(
        action=wish.action,
        notes=wish.resolution_notes,
        canonical=wish.canonical,
        patch=wish.override_patch,
        books_date=wish.books_date,
        claimed_actor=wish.actor,
    )
    if wish.dry_run:
        planned = bulk.plan(parts.database, tenant_id, chosen, wanted, operator.now, wish.plan)
        response.status_code = 200
        sample = [exception_view(row) for row in planned.sample]
        at_stake = [StakeShape.model_validate(stake) for stake in planned.at_stake]
        return BulkPlanAnswer(count=planned.count, sample=sample, at_stake=at_stake, plan=planned.name)
    run = bulk.start(parts.database, tenant_id, chosen, wanted, operator, wish.max_replays, wish.plan)
    return RunShape.model_validate(run)


def _whose(credential: Credential, asked: str | None, filtered: str | None) -> str:
    """The tenant of a bulk run, which the address names or the filter does."""
    whose = tenant_of(credential, filtered if asked is None else asked)
    if filtered is not None and filtered != whose:
        message = f"tenant_id is {asked!r} in the address and {filtered!r} in the filter: name one tenant."
        raise RequestRefused(INVALID_PARAMETER, message)
    return whose
