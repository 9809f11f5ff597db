"""GET /v1/audit: who did what."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page, read_cursor, write_cursor
from ledgersafe.api.dependencies import HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import AuditPage, AuditShape
from ledgersafe.audit.store import Filter
from ledgersafe.pipeline.records import audit_page

router = APIRouter(tags=["audit"])


@router.get("/v1/audit", summary="Who did what, and when?")
def get_audit(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    object_type: Annotated[
        str | None, Query(max_length=100, description="exception, key, bulk_run, arrival, …")
    ] = None,
    object_id: Annotated[str | None, Query(max_length=255)] = None,
    actor: Annotated[str | None, Query(max_length=255, description="system, owner, key:<id> or user:<subject>")] = None,
    action: Annotated[str | None, Query(max_length=100, description="e.g. exception.resolved")] = None,
    since: Annotated[AwareDatetime | None, Query(description="At this time or later.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this time.")] = None,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    order: Annotated[Literal["oldest", "latest"], Query(description="Which come first.")] = "oldest",
) -> AuditPage:
    """One page of decisions, of people and of the system. A cursor goes on in the order of the page that gave it."""
    tenant_ids = credential.tenant_ids if tenant_id is None else (tenant_of(credential, tenant_id),)
    chosen = Filter(
        tenant_ids=None if tenant_ids is None else list(tenant_ids),
        object_type=object_type,
        object_id=object_id,
        actor=actor,
        action=action,
        since=since,
        until=until,
        after=read_cursor(cursor),
    )
    rows = audit_page(parts.database, chosen, limit + 1, latest_first=order == "latest")
    kept, following = one_page(rows, limit, lambda row: write_cursor(row.occurred_at, row.audit_id))
    return AuditPage(items=[AuditShape.model_validate(row) for row in kept], next=following)
