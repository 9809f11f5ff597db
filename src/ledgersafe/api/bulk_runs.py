"""/v1/bulk-runs: one decision over many exceptions, under way."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page, read_cursor, write_cursor
from ledgersafe.api.dependencies import HasParts, Operating, Reader, TenantParameter
from ledgersafe.api.shapes import RunItemPage, RunItemShape, RunPage, RunShape
from ledgersafe.pipeline import bulk

router = APIRouter(tags=["exceptions"])


@router.get("/v1/bulk-runs", summary="The latest bulk runs")
def list_runs(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> RunPage:
    """One page, latest first: of one tenant, or of all that the key serves."""
    tenant_ids = credential.tenant_ids if tenant_id is None else (tenant_of(credential, tenant_id),)
    of = None if tenant_ids is None else list(tenant_ids)
    rows = bulk.latest(parts.database, of, read_cursor(cursor), limit + 1)
    kept, following = one_page(rows, limit, lambda row: write_cursor(row.created_at, row.run_id))
    return RunPage(items=[RunShape.model_validate(run) for run in kept], next=following)


@router.get("/v1/bulk-runs/{run_id}", summary="How far is it?")
def get_run(parts: HasParts, credential: Reader, run_id: UUID) -> RunShape:
    """Planned, resolved, refused, skipped."""
    return RunShape.model_validate(bulk.find(parts.database, credential, run_id))


@router.get("/v1/bulk-runs/{run_id}/items", summary="What became of each exception of a run")
def get_items(
    parts: HasParts,
    credential: Reader,
    run_id: UUID,
    outcome: Annotated[Literal["resolved", "refused", "skipped"] | None, Query()] = None,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> RunItemPage:
    """One page."""
    rows = bulk.items(parts.database, credential, run_id, outcome, cursor, limit + 1)
    kept, following = one_page(rows, limit, lambda row: row.exception_id)
    return RunItemPage(items=[RunItemShape.model_validate(row) for row in kept], next=following)


@router.post("/v1/bulk-runs/{run_id}/cancel", summary="Stop a run")
def post_cancel(parts: HasParts, credential: Operating, run_id: UUID) -> RunShape:
    """What it has decided stays decided; it can be resumed."""
    return RunShape.model_validate(bulk.steer(parts.database, run_id, "cancelled", parts.operator(credential)))


@router.post("/v1/bulk-runs/{run_id}/resume", summary="Go on with a run that was stopped")
def post_resume(parts: HasParts, credential: Operating, run_id: UUID) -> RunShape:
    """With what it has not decided on yet."""
    return RunShape.model_validate(bulk.steer(parts.database, run_id, "running", parts.operator(credential)))
