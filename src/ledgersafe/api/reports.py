"""GET /v1/reports/{table}: the gold tables, as JSON, CSV or Parquet."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import date
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Header, Query, Response

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page
from ledgersafe.api.days import Day
from ledgersafe.api.dependencies import HasParts, Reader, TenantParameter
from ledgersafe.api.report_files import PARQUET, as_csv, as_parquet
from ledgersafe.api.shapes import Shape
from ledgersafe.gold.rules import Table, tables
from ledgersafe.gold.store import Wanted
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER, NOT_FOUND
from ledgersafe.pipeline.report import report_page, report_types

router = APIRouter(tags=["reports"])

Format = Literal["json", "csv", "parquet"]


class ReportPage(Shape):
    """Rows of a gold table; `columns` is their order. `next` is the cursor of the next page, or null at the end."""

    table: str
    columns: list[str]
    items: list[dict[str, Any]]
    next: str | None


_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            PARQUET: {"schema": {"type": "string", "format": "binary"}},
        },
        "headers": {
            "Next-Cursor": {
                "description": "Of CSV and Parquet: the cursor of the next page; absent at the end.",
                "schema": {"type": "string"},
            }
        },
    }
}


@router.get("/v1/reports/{table}", summary="What was sold, by day", response_model=ReportPage, responses=_FILES)
def get_report(
    parts: HasParts,
    credential: Reader,
    table: str,
    tenant_id: TenantParameter = None,
    store_id: Annotated[str | None, Query(max_length=255)] = None,
    since: Annotated[Day, Query(description="Books date: this day or later.")] = None,
    until: Annotated[Day, Query(description="Books date: this day or earlier.")] = None,
    cursor: Annotated[str | None, Query(max_length=4_000, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    simulated: Annotated[bool, Query(description="Needed to see books that are made up.")] = False,
    as_format: Annotated[Format | None, Query(alias="format", description="Goes before the header Accept.")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "application/json",
) -> ReportPage | Response:
    """Rows of one tenant, in the order of the table's keys. Amounts are exact: decimals as text."""
    known = tables().get(table)
    if known is None:
        raise RequestRefused(NOT_FOUND, f"There is no report {table!r}. There are: {', '.join(tables())}.")
    if store_id is not None and "store_id" not in known.keys:
        raise RequestRefused(INVALID_PARAMETER, f"{table} is not kept by store.")
    wanted = Wanted(tenant_of(credential, tenant_id), store_id, since, until, _after(known, cursor))
    rows = report_page(parts.database, known, wanted, limit + 1, simulated=simulated)
    kept, following = one_page(rows, limit, lambda row: _cursor(known, row))
    headers = {} if following is None else {"Next-Cursor": following}
    wish = as_format or _accepted(accept)
    if wish == "csv":
        return Response(as_csv(known.columns, kept), headers=headers, media_type="text/csv")
    if wish == "parquet":
        file = as_parquet(known.columns, report_types(parts.database, known), kept)
        return Response(file, headers=headers, media_type=PARQUET)
    return ReportPage(table=known.name, columns=list(known.columns), items=[*kept], next=following)


def _accepted(accept: str) -> Format:
    return "csv" if "text/csv" in accept else "parquet" if PARQUET in accept else "json"


def _cursor(table: Table, row: dict[str, Any]) -> str:
    return urlsafe_b64encode(orjson.dumps([str(row[name]) for name in table.cursor])).decode()


def _after(table: Table, cursor: str | None) -> tuple[str, ...] | None:
    """The keys that a page goes on after; None for the first one. Raises RequestRefused(INVALID_PARAMETER)."""
    if cursor is None:
        return None
    try:
        values: Any = orjson.loads(urlsafe_b64decode(cursor.encode()))
        after = dict(zip(table.cursor, values, strict=True))
        after["books_date"] = date.fromisoformat(after["books_date"]).isoformat()
        if "hour" in after:
            after["hour"] = str(int(after["hour"]) % 24)
        if not all(isinstance(value, str) and "\x00" not in value for value in after.values()):
            raise ValueError(cursor)
    except (ValueError, TypeError):
        raise RequestRefused(INVALID_PARAMETER, "cursor is not one that a page gave as `next`.") from None
    return tuple(after.values())
