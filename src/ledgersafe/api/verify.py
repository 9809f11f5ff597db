"""GET /v1/verify: what must always hold, held against the tables, page by page of tenants."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from decimal import Decimal
from threading import BoundedSemaphore
from typing import Annotated

from fastapi import APIRouter, Query, Response

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.days import Day
from ledgersafe.api.dependencies import HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import Shape
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER, VERIFICATIONS_RUNNING
from ledgersafe.pipeline.verify import MOST_TENANTS, TenantChecks, Wanted, verify_page

router = APIRouter(tags=["verify"])

_AT_ONCE = 2
_running = BoundedSemaphore(_AT_ONCE)
"""Each takes a connection for as long as it reads: the others are for who sends events and asks for them."""


class CheckShape(Shape):
    """Two numbers that must be equal: counts, or sums of money as decimal strings. `details` names what is off."""

    name: str
    ok: bool
    left: int | Decimal
    right: int | Decimal
    details: str


class TenantChecksShape(Shape):
    """The checks of one tenant."""

    tenant_id: str
    checks: list[CheckShape]


class VerifyAnswer(Shape):
    """`ok` only if every check of every tenant here is. `next` is the cursor of the next page, or null at the end."""

    ok: bool
    tenants: list[TenantChecksShape]
    next: str | None = None


@router.get("/v1/verify", summary="Does everything tie out?", response_model=VerifyAnswer)
def get_verify(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    since: Annotated[Day, Query(description="Of the books only this books date or later; of arrivals all.")] = None,
    cursor: Annotated[str | None, Query(max_length=2_000, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_TENANTS, description="Tenants a page.")] = 200,
) -> Response:
    """Reads whole tables, so it takes time on large ones. With an all-tenants key and no tenant_id: every tenant.

    A page is one snapshot; a tenant is never split over two. 404 NOT_FOUND where the tenant that an all-tenants key
    names does not exist.
    """
    one = None if tenant_id is None and credential.tenant_ids is None else tenant_of(credential, tenant_id)
    wanted = Wanted(one, since, _after(cursor), limit, may_be_new=credential.tenant_ids is not None)
    if not _running.acquire(blocking=False):
        detail = f"{_AT_ONCE} verifications are running in this process. Send it again."
        raise RequestRefused(VERIFICATIONS_RUNNING, detail, {"Retry-After": "5"})
    try:
        checked, last = verify_page(parts.database, wanted)
    finally:
        _running.release()
    return Response(_written(checked, last), media_type="application/json")


def _written(checked: list[TenantChecks], last: str | None) -> bytes:
    """The answer as JSON, made here: on the event loop, many tenants would hold up everybody else."""
    return (
        VerifyAnswer(
            ok=all(check.ok for tenant in checked for check in tenant.checks),
            tenants=[TenantChecksShape.model_validate(tenant) for tenant in checked],
            next=None if last is None else _cursor(last),
        )
        .model_dump_json()
        .encode()
    )


def _cursor(last: str) -> str:
    return urlsafe_b64encode(last.encode()).decode()


def _after(cursor: str | None) -> str:
    """The tenant that a page goes on after; '' for the first one. Raises RequestRefused(INVALID_PARAMETER)."""
    try:
        after = urlsafe_b64decode((cursor or "").encode()).decode()
    except ValueError:
        after = "\x00"
    if "\x00" in after or _cursor(after) != (cursor or ""):
        raise RequestRefused(INVALID_PARAMETER, "cursor is not one that a page gave as `next`.")
    return after
