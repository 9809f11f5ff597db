"""/v1/ledger/exports: runs that hand entries on to a general ledger, and their files."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page
from ledgersafe.api.days import Day
from ledgersafe.api.dependencies import HasParts, Operating, Reader, TenantParameter
from ledgersafe.api.shapes import Shape, Wish
from ledgersafe.ledger.store import ExportName
from ledgersafe.pipeline import export

router = APIRouter(tags=["ledger"])
_SECONDS = 5.0
"""How long a request goes on with a run; a worker makes the rest."""
_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "beancount": "text/plain; charset=utf-8"}
_ENDINGS = {"csv": "csv", "beancount": "beancount"}
_FILE: dict[int | str, dict[str, Any]] = {
    "200": {"description": "The file.", "content": {"text/csv": {}, "text/plain": {}}}
}
Number = Annotated[int, Path(ge=1, description="The run's number.")]


class ExportShape(Shape):
    """A run. `making`: entries are still being put into it; `made`: complete; `voided`: it does not count."""

    number: int
    status: Literal["making", "made", "voided"]
    as_of: date | None
    entries: int
    started_at: datetime
    started_by: str
    notes: str | None
    made_at: datetime | None
    voided_at: datetime | None
    voided_by: str | None
    void_reason: str | None


class ExportList(Shape):
    """One page of runs, latest first; `next` is the cursor of the following one."""

    items: list[ExportShape]
    next: int | None


class ExportWish(Wish):
    """Which entries: with a books date up to this day, or all; and what for."""

    as_of: Day = None
    notes: str | None = Field(default=None, max_length=4000)


class VoidWish(Wish):
    """Why a run does not count."""

    reason: str = Field(max_length=4000)


@router.post("/v1/ledger/exports", status_code=201, summary="Export what no run has yet")
def post_export(
    parts: HasParts, credential: Operating, wish: ExportWish, tenant_id: TenantParameter = None
) -> ExportShape:
    """A large run is still `making` in the answer: a worker completes it. While one is being made, this finds it."""
    whose = tenant_of(credential, tenant_id)
    run = export.begin(parts.database, whose, wish.as_of, wish.notes, parts.operator(credential))
    run = export.go_on(parts.database, ExportName(whose, run.number), parts.clock, _SECONDS)
    return ExportShape.model_validate(run)


@router.get("/v1/ledger/exports", summary="Export runs, latest first")
def get_exports(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    cursor: Annotated[int | None, Query(ge=1, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ExportList:
    """Voided runs included."""
    rows = export.runs(parts.database, tenant_of(credential, tenant_id), cursor, limit + 1)
    kept, following = one_page(rows, limit, lambda row: row.number)
    return ExportList(items=[ExportShape.model_validate(row) for row in kept], next=following)


@router.get("/v1/ledger/exports/{number}", summary="One export run")
def get_export(parts: HasParts, credential: Reader, number: Number, tenant_id: TenantParameter = None) -> ExportShape:
    """Is it complete, and how many entries are in it?"""
    return ExportShape.model_validate(export.find(parts.database, tenant_of(credential, tenant_id), number))


@router.get(
    "/v1/ledger/exports/{number}/file",
    summary="The file of an export run",
    response_class=StreamingResponse,
    responses=_FILE,
)
def get_file(
    parts: HasParts,
    credential: Reader,
    number: Number,
    tenant_id: TenantParameter = None,
    form: Annotated[Literal["csv", "beancount"], Query(alias="format")] = "csv",
    opens: Annotated[
        bool, Query(description="beancount: with open and commodity directives; without, to be included elsewhere.")
    ] = True,
) -> StreamingResponse:
    """The same bytes whenever it is asked for. That it was asked for is on record. A voided run has its file still."""
    by, whose = parts.operator(credential), tenant_of(credential, tenant_id)
    run, pieces = export.file(parts.database, whose, number, form, by, opens=opens)
    name = f"ledgersafe-export-{run.number:06}{'-voided' if run.status == 'voided' else ''}.{_ENDINGS[form]}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Export-Status": run.status}
    return StreamingResponse(pieces, headers=headers, media_type=_TYPES[form])


@router.post("/v1/ledger/exports/{number}/void", summary="Void an export run")
def post_void(
    parts: HasParts, credential: Operating, number: Number, wish: VoidWish, tenant_id: TenantParameter = None
) -> ExportShape:
    """It stays on record and does not count: the next run takes its entries. There is no way back."""
    by = parts.operator(credential)
    run = export.void(parts.database, tenant_of(credential, tenant_id), number, wish.reason, by)
    return ExportShape.model_validate(run)
