"""Bodies: those that were refused at the door, and how a body is made unreadable."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page
from ledgersafe.api.dependencies import Administrator, HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import RedactAnswer, RedactWish, RejectedPage
from ledgersafe.api.views import rejected_view
from ledgersafe.pipeline.records import rejected_page
from ledgersafe.pipeline.redact import redact_arrival, redact_rejected
from ledgersafe.tenants.rules import SYSTEM_TENANT

router = APIRouter(tags=["bodies"])


@router.get("/v1/rejected", summary="Bodies that were refused at the door, latest first")
def list_rejected(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    reason_code: Annotated[str | None, Query(max_length=100)] = None,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> RejectedPage:
    """Outside all counts: they are no events. Those of a key of several tenants show with an all-tenants key only."""
    tenant_ids = credential.tenant_ids if tenant_id is None else (tenant_of(credential, tenant_id),)
    chosen = None if tenant_ids is None else list(tenant_ids)
    rows = rejected_page(parts.database, chosen, reason_code, cursor, limit + 1)
    kept, following = one_page(rows, limit, lambda row: row.rejected_id)
    return RejectedPage(items=[rejected_view(row) for row in kept], next=following)


@router.post("/v1/rejected/{rejected_id}/redact", summary="Make a rejected body unreadable, for good")
def post_redact_rejected(
    parts: HasParts, credential: Administrator, rejected_id: UUID, wish: RedactWish, tenant_id: TenantParameter = None
) -> RedactAnswer:
    """Who did it and why stays on record."""
    whose = SYSTEM_TENANT if tenant_id is None and credential.tenant_ids is None else tenant_of(credential, tenant_id)
    changed = redact_rejected(parts.database, whose, rejected_id, wish.notes, parts.operator(credential))
    return RedactAnswer(redacted=True, changed=changed)


@router.post("/v1/arrivals/{raw_id}/redact", summary="Make an arrival's body unreadable, for good")
def post_redact_arrival(
    parts: HasParts, credential: Administrator, raw_id: UUID, wish: RedactWish, tenant_id: TenantParameter = None
) -> RedactAnswer:
    """Its row, its hash and what was posted of it stay; retries of it are still known for what they are."""
    changed = redact_arrival(
        parts.database,
        tenant_of(credential, tenant_id),
        raw_id,
        wish.notes,
        parts.operator(credential),
        even_if_not_posted=wish.even_if_not_posted,
    )
    return RedactAnswer(redacted=True, changed=changed)
