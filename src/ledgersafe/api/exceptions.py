"""/v1/exceptions: what is parked, and why."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Query

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.dependencies import HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import Difference, ExceptionAnswer, ExceptionPage
from ledgersafe.api.views import arrival_view, exception_view, payload_view
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER, NOT_FOUND
from ledgersafe.pipeline.trace import exception_detail, exception_page
from ledgersafe.quarantine.store import ExceptionRow, Filter

router = APIRouter(tags=["exceptions"])


@router.get("/v1/exceptions", summary="The queue of parked events, oldest first")
def list_exceptions(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    status: Annotated[Literal["open", "resolved", "ignored"] | None, Query()] = None,
    store_id: Annotated[str | None, Query(max_length=255)] = None,
    reason_code: Annotated[str | None, Query(max_length=100)] = None,
    min_age_seconds: Annotated[float | None, Query(ge=0, le=1e10, description="Opened at least so long ago.")] = None,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ExceptionPage:
    """One page; pages stay right while exceptions come and go."""
    tenant_ids = credential.tenant_ids if tenant_id is None else (tenant_of(credential, tenant_id),)
    opened_before = None
    if min_age_seconds is not None:
        opened_before = parts.clock.now() - timedelta(seconds=min_age_seconds)
    chosen = Filter(
        tenant_ids=None if tenant_ids is None else list(tenant_ids),
        status=status,
        store_id=store_id,
        reason_code=reason_code,
        opened_before=opened_before,
        after=None if cursor is None else _read_cursor(cursor),
    )
    rows = exception_page(parts.database, chosen, limit + 1)
    following = _cursor(rows[limit - 1]) if len(rows) > limit else None
    return ExceptionPage(items=[exception_view(row) for row in rows[:limit]], next=following)


@router.get("/v1/exceptions/{exception_id}", summary="One parked event, with every payload of its key")
def get_exception(parts: HasParts, credential: Reader, exception_id: UUID) -> ExceptionAnswer:
    """The first and the last payload side by side, and where they differ."""
    tenant_ids = None if credential.tenant_ids is None else list(credential.tenant_ids)
    found = exception_detail(parts.database, tenant_ids, exception_id)
    if found is None:
        raise RequestRefused(NOT_FOUND, f"There is no exception {exception_id}.")
    first = arrival_view(found.arrivals[found.exception.first_raw_id])
    last = arrival_view(found.arrivals[found.exception.last_raw_id])
    return ExceptionAnswer(
        exception=exception_view(found.exception),
        raw_event=last,
        events_processed=[],
        first_raw_event=first,
        last_raw_event=last,
        payloads=[payload_view(payload) for payload in found.payloads],
        diff=list(differences(first.payload_json, last.payload_json)),
    )


def differences(first: Any, last: Any, path: str = "") -> list[Difference]:
    """Where two JSON values differ, each with its JSON Pointer; what one side lacks is null there."""
    if isinstance(first, dict) and isinstance(last, dict):
        one, other = cast("dict[str, Any]", first), cast("dict[str, Any]", last)
        names = [*one, *(name for name in other if name not in one)]
        return [
            found for name in names for found in differences(one.get(name), other.get(name), f"{path}/{_escaped(name)}")
        ]
    if isinstance(first, list) and isinstance(last, list):
        left, right = cast("list[Any]", first), cast("list[Any]", last)
        length = max(len(left), len(right))
        padded = ((side + [None] * (length - len(side))) for side in (left, right))
        return [
            found
            for index, (a, b) in enumerate(zip(*padded, strict=True))
            for found in differences(a, b, f"{path}/{index}")
        ]
    same = bool(first == last) and isinstance(first, bool) == isinstance(last, bool)
    return [] if same else [Difference(path=path, first=first, last=last)]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _cursor(row: ExceptionRow) -> str:
    return urlsafe_b64encode(f"{row.opened_at.isoformat()}|{row.exception_id}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        opened_at, _, exception_id = urlsafe_b64decode(cursor.encode()).decode().partition("|")
        return datetime.fromisoformat(opened_at), UUID(exception_id)
    except ValueError:
        raise RequestRefused(INVALID_PARAMETER, "cursor is not one that a page gave as `next`.") from None
