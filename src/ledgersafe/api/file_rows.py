"""/v1/ingestions/{id}/rows: rows of a received file, as the file has them."""

from collections.abc import Generator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.dependencies import HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import Shape
from ledgersafe.files.store import MOST_ROWS_NAMED, IngestionName
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import FILES_BEING_READ, FORMAT_UNAVAILABLE

router = APIRouter(tags=["files"])
RowNumber = Annotated[int, Query(ge=1, le=2**63 - 1)]

_AT_ONCE = 2
_WAITS_SECONDS = 5.0
_reading = BoundedSemaphore(_AT_ONCE)
"""Each takes memory and a processor while it reads: the others are for who sends events."""


class FileRowShape(Shape):
    """A row as the file has it: by its own names of columns, or, where it cannot be cut into values, its text."""

    row_number: int
    values: dict[str, str | None] | None
    text: str | None


class FileRowsAnswer(Shape):
    """Rows of a delivered file, in its order. `columns`: as the file names them, in its order.

    A number of which the file has no row (a blank line, its header, one after its end) is left out.
    """

    ingestion_id: UUID
    filename: str
    dataset: str
    columns: list[str]
    rows: list[FileRowShape]


@router.get("/v1/ingestions/{ingestion_id}/rows", summary="Rows of a delivery's file, as the file has them")
def list_file_rows(
    parts: HasParts,
    credential: Reader,
    ingestion_id: UUID,
    tenant_id: TenantParameter = None,
    numbers: Annotated[
        list[RowNumber],
        Query(max_length=MOST_ROWS_NAMED, description="Which, as people count: the header is row 1."),
    ] = [],  # noqa: B006 - FastAPI makes a new one each time
    start: Annotated[RowNumber, Query(alias="from", description="Without `numbers`: rows from this one on.")] = 1,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS_NAMED, description="Without `numbers`: so many.")] = MOST_ROWS_NAMED,
) -> FileRowsAnswer:
    """The kept file is read again, up to the last of these rows: of one that is too large for that, 413."""
    try:
        from ledgersafe.pipeline.file_rows import Wanted, read_rows
    except ImportError as error:
        message = f"Reading files needs pip install 'ledgersafe[files]' on the API's machine ({error})."
        raise RequestRefused(FORMAT_UNAVAILABLE, message) from None
    name = IngestionName(tenant_of(credential, tenant_id), ingestion_id)
    with one_reader():
        found = read_rows(parts.database, parts.landing.zone, name, Wanted(frozenset(numbers), start, limit))
    of = found.ingestion
    rows = [FileRowShape.model_validate(row) for row in found.rows]
    return FileRowsAnswer(
        ingestion_id=of.ingestion_id, filename=of.filename, dataset=of.dataset, columns=list(found.columns), rows=rows
    )


@contextmanager
def one_reader() -> Generator[None]:
    """A place among those who read. Raises RequestRefused(FILES_BEING_READ)."""
    if not _reading.acquire(timeout=_WAITS_SECONDS):
        message = f"{_AT_ONCE} files are being read in this process. Ask again."
        raise RequestRefused(FILES_BEING_READ, message, {"Retry-After": "5"})
    try:
        yield
    finally:
        _reading.release()
