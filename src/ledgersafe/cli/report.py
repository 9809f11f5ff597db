"""`ledgersafe report`: what was sold and what came back."""

import csv
from collections.abc import Sequence
from io import StringIO
from typing import Annotated, Any, Literal

import typer

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, note, out, plain, print_json, table
from ledgersafe.cli.records import pages

_TABLES = {
    "store": "daily_store_sales",
    "country": "daily_country_sales",
    "product": "daily_product_sales",
    "hour": "hourly_sales",
}
_WORDS = frozenset({"books_date", "store_id", "country", "sku", "currency"})

TenantOption = Annotated[str | None, typer.Option(help="The tenant; needed where the API key serves several.")]
StoreOption = Annotated[str | None, typer.Option(help="Only this store.")]
SinceOption = Annotated[str | None, typer.Option(help="From this day of the books on, e.g. 2026-02-25.")]
UntilOption = Annotated[str | None, typer.Option(help="Up to this day, included.")]
LimitOption = Annotated[int, typer.Option(min=1, help="At most so many rows.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV, and nothing else.")]

app = typer.Typer(no_args_is_help=True, help="What was sold, and what came back, by day of the books.")


@app.command("daily-sales")
def daily_sales(
    ctx: typer.Context,
    by: Annotated[
        Literal["store", "country", "product", "hour"], typer.Option(help="A row for each of these.")
    ] = "store",
    tenant: TenantOption = None,
    store: StoreOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Transactions, units, gross, discounts, returns, net and tax of each day; net is without included tax."""
    filters = {"tenant_id": tenant, "store_id": store, "since": since, "until": until}
    _show(ctx, f"Sales by day and {by}", _TABLES[by], filters, limit, "json" if as_json else "csv" if as_csv else None)


@app.command()
def returns(
    ctx: typer.Context,
    tenant: TenantOption = None,
    store: StoreOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """What came back on each day, beside what was sold on it, in numbers and per cent."""
    filters = {"tenant_id": tenant, "store_id": store, "since": since, "until": until}
    _show(
        ctx,
        "Returns by day and store",
        "return_rates",
        filters,
        limit,
        "json" if as_json else "csv" if as_csv else None,
    )


def _show(
    ctx: typer.Context,
    title: str,
    name: str,
    filters: dict[str, str | None],
    limit: int,
    form: Literal["json", "csv"] | None,
) -> None:
    path = f"/v1/reports/{name}"
    with connection_of(ctx).client() as client:
        columns: list[str] = client.get(path, {**filters, "limit": 1})["columns"]
        rows, more = pages(client, path, filters, limit)
    cells = [[row[column] for column in columns] for row in rows]
    if form == "json":
        print_json({"table": name, "columns": columns, "items": rows, "more": more})
    elif form == "csv":
        typer.echo(_as_csv(columns, cells), nl=False)
    elif rows:
        heads = [column if column in _WORDS else f"{column}>" for column in columns]
        out().print(table(title, heads, cells))
    else:
        out().print(plain("Nothing is in the books for that."))
    if more:
        note(f"There are more: --limit {limit * 10}.")


def _as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()
