"""/v1/ingestions/{id}/bad_rows: the rows of a delivery that were not loaded, and what operators decide of them."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page
from ledgersafe.api.dependencies import HasParts, Operating, Reader, TenantParameter
from ledgersafe.api.shapes import Shape, Wish
from ledgersafe.files.store import BadRow, IngestionName
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import FORMAT_UNAVAILABLE, INVALID_PARAMETER
from ledgersafe.pipeline.bad_rows import MOST_ROWS, ignore, open_of_groups, page

router = APIRouter(tags=["files"])
Status = Literal["open", "replayed", "ignored"]
RowNumber = Annotated[int, Field(ge=1, le=2**63 - 1)]
Value = Annotated[str, Field(max_length=1_000_000)]
Notes = Annotated[str, Field(min_length=1, max_length=4000, description="Why; kept in the audit log.")]


class RowFaultShape(Shape):
    """One thing wrong with a row. `rule` group: another row of its group is bad, which holds all of it."""

    column: str | None
    rule: str
    value: str | None
    message: str


class BadRowShape(Shape):
    """A row that was not loaded. `row_number`: as people count, the header is row 1 where there is one.

    `row_values`: by column, as the file has them; null where only its text (`row_text`) could be kept.
    `group_open`: how many rows of its group nobody has decided on; null where it is of none that is known.
    `patch`: what was put in place of values when it was replayed.
    """

    row_number: int
    group_key: str | None
    group_open: int | None
    row_values: dict[str, str | None] | None
    row_text: str | None
    faults: list[RowFaultShape]
    contract_version: int
    status: Status
    patch: dict[str, str | None] | None
    decided_at: datetime | None
    decided_by: str | None
    notes: str | None


class BadRowPage(Shape):
    """One page, in the order of the file; `next` is the cursor of the following one."""

    items: list[BadRowShape]
    next: int | None


class RowWish(Wish):
    """A row, and what is put in place of its values: column → text, or null for no value."""

    row_number: RowNumber
    patch: dict[str, Value | None] = {}


class ReplayRowsWish(Wish):
    """Rows to be loaded. Of rows that become events, each comes with all of its group."""

    rows: list[RowWish] = Field(min_length=1, max_length=MOST_ROWS)
    notes: Notes


class IgnoreRowsWish(Wish):
    """Rows to be left out for good."""

    row_numbers: list[RowNumber] = Field(min_length=1, max_length=MOST_ROWS)
    notes: Notes


class DecidedShape(Shape):
    """What became of rows. `rows`: all that were decided on, those of the same groups among them.

    How many of them are new in the dataset's table (`inserted`), stand there in place of what was there (`replaced`),
    say what is there already (`unchanged`), or were passed over, as the table has what a later file says (`older`).
    `outcomes`: of the events that they made. `changed`: false where it was decided before.
    """

    status: Status
    rows: list[int]
    inserted: int
    replaced: int
    unchanged: int
    older: int
    outcomes: dict[str, Any]
    changed: bool


@router.get("/v1/ingestions/{ingestion_id}/bad_rows", summary="Every row of a delivery that was not loaded")
def list_bad_rows(
    parts: HasParts,
    credential: Reader,
    ingestion_id: UUID,
    tenant_id: TenantParameter = None,
    status: Annotated[Status | None, Query()] = None,
    at_fault: Annotated[
        bool | None,
        Query(description="true: those with a fault of their own; false: those that a row of theirs holds."),
    ] = None,
    cursor: Annotated[int | None, Query(ge=0, le=2**63 - 1, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> BadRowPage:
    """With everything that is wrong with each, in the order of the file."""
    name = IngestionName(tenant_of(credential, tenant_id), ingestion_id)
    rows = page(parts.database, name, status, cursor or 0, limit + 1, at_fault=at_fault)
    kept, following = one_page(rows, limit, lambda row: row.row_number)
    in_groups = open_of_groups(parts.database, name, kept)
    return BadRowPage(items=[_shape(row, in_groups) for row in kept], next=following)


def _shape(row: BadRow, in_groups: Mapping[str, int]) -> BadRowShape:
    group_open = None if row.group_key is None else in_groups.get(row.group_key, 0)
    return BadRowShape(**asdict(row), group_open=group_open)


@router.post("/v1/ingestions/{ingestion_id}/bad_rows/replay", summary="Load bad rows, put right")
def post_replay_rows(
    parts: HasParts, credential: Operating, ingestion_id: UUID, wish: ReplayRowsWish, tenant_id: TenantParameter = None
) -> DecidedShape:
    """They are judged again, by the contract in force: all of them go in, or none. Of two operators, one gets 409."""
    try:
        from ledgersafe.pipeline.replay_rows import replay
    except ImportError as error:
        message = f"Loading rows needs pip install 'ledgersafe[files]' on the API's machine ({error})."
        raise RequestRefused(FORMAT_UNAVAILABLE, message) from None
    name = IngestionName(tenant_of(credential, tenant_id), ingestion_id)
    patches = {row.row_number: row.patch for row in wish.rows}
    if len(patches) < len(wish.rows):
        raise RequestRefused(INVALID_PARAMETER, "rows names a row twice.")
    operator, most = parts.operator(credential), parts.landing.event_bytes
    decided = replay(parts.database, name, patches, wish.notes, operator, most_event_bytes=most)
    return DecidedShape.model_validate(decided)


@router.post("/v1/ingestions/{ingestion_id}/bad_rows/ignore", summary="Leave bad rows out, for good")
def post_ignore_rows(
    parts: HasParts, credential: Operating, ingestion_id: UUID, wish: IgnoreRowsWish, tenant_id: TenantParameter = None
) -> DecidedShape:
    """These rows alone: what they hold of their groups stays as it is, and can be replayed without them."""
    name = IngestionName(tenant_of(credential, tenant_id), ingestion_id)
    decided = ignore(parts.database, name, wish.row_numbers, wish.notes, parts.operator(credential))
    return DecidedShape.model_validate(decided)
