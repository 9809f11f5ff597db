"""`ledgersafe report`: what was sold, what came back, what the accounts stand at, who has reported."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from typing import Annotated, Any, Literal

import typer

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, items_of, note, out, plain, print_json, table
from ledgersafe.cli.reconciliation import money, reconciliation
from ledgersafe.cli.records import pages
from ledgersafe.kernel.cells import guarded

_TABLES = {
    "store": "daily_store_sales",
    "country": "daily_country_sales",
    "product": "daily_product_sales",
    "hour": "hourly_sales",
}
_WORDS = frozenset({"books_date", "store_id", "country", "sku", "currency", "state", "status"})
_MONEY = ("debit", "credit", "balance")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(E[+-]?[0-9]+)?")

TenantOption = Annotated[str | None, typer.Option(help="The tenant; needed where the API key serves several.")]
StoreOption = Annotated[str | None, typer.Option(help="Only this store.")]
SinceOption = Annotated[str | None, typer.Option(help="From this day of the books on, e.g. 2026-02-25.")]
UntilOption = Annotated[str | None, typer.Option(help="Up to this day, included.")]
LimitOption = Annotated[int, typer.Option(min=1, help="At most so many rows.")]
SimulatedOption = Annotated[bool, typer.Option("--simulated", help="Show the tenant's books though they are made up.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV, and nothing else.")]

app = typer.Typer(no_args_is_help=True, help="What was sold, what came back, and whether the books tie out, by day.")
app.command("reconciliation")(reconciliation)


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
    simulated: SimulatedOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Transactions, units, gross, discounts, returns, net and tax of each day; net is without included tax."""
    filters = {"tenant_id": tenant, "store_id": store, "since": since, "until": until, **_also(simulated=simulated)}
    _show(ctx, f"Sales by day and {by}", _TABLES[by], filters, limit, "json" if as_json else "csv" if as_csv else None)


@app.command()
def returns(
    ctx: typer.Context,
    tenant: TenantOption = None,
    store: StoreOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 100,
    simulated: SimulatedOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """What came back on each day, beside what was sold on it, in numbers and per cent."""
    filters = {"tenant_id": tenant, "store_id": store, "since": since, "until": until, **_also(simulated=simulated)}
    _show(
        ctx,
        "Returns by day and store",
        "return_rates",
        filters,
        limit,
        "json" if as_json else "csv" if as_csv else None,
    )


@app.command()
def completeness(
    ctx: typer.Context,
    tenant: TenantOption = None,
    store: StoreOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 100,
    simulated: SimulatedOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Which stores have reported on which days, and which have not."""
    filters = {"tenant_id": tenant, "store_id": store, "since": since, "until": until, **_also(simulated=simulated)}
    form = "json" if as_json else "csv" if as_csv else None
    _show(ctx, "Completeness by day and store", "store_day_completeness", filters, limit, form)


@app.command("trial-balance")
def trial_balance(
    ctx: typer.Context,
    tenant: TenantOption = None,
    as_of: Annotated[str | None, typer.Option(help="When this day has ended; left out: with all posted.")] = None,
    by_store: Annotated[bool, typer.Option("--by-store", help="A row an account and store.")] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """What every account stands at; the last row of each currency shows that debits are credits."""
    filters = {"tenant_id": tenant, "as_of": as_of, "by": "store" if by_store else "account"}
    with connection_of(ctx).client() as client:
        answer = client.get("/v1/ledger/trial-balance", filters)
    rows = items_of(answer["items"])
    columns = ["currency", "account", "name", *(["store_id"] if by_store else []), "debit", "credit", "balance"]
    cells = [[row[column] for column in columns] for row in rows]
    if as_json:
        print_json(answer)
    elif as_csv:
        typer.echo(_as_csv(columns, cells), nl=False)
    elif rows:
        heads = [f"{column}>" if column in _MONEY else column for column in columns]
        title = f"Trial balance as of {as_of}" if as_of else "Trial balance"
        out().print(table(title, heads, [*cells, *_totals(rows, len(columns))]))
    else:
        out().print(plain("Nothing is in the books for that."))


def _totals(rows: Sequence[Mapping[str, Any]], width: int) -> Iterator[list[object]]:
    """A row a currency: all debits, all credits, and what they differ by."""
    for currency in sorted({row["currency"] for row in rows}):
        of = [row for row in rows if row["currency"] == currency]
        sums = [sum((Decimal(row[column]) for row in of), start=Decimal(0)) for column in _MONEY]
        yield [currency, "all", *([""] * (width - 5)), *(money(one) for one in sums)]


def _also(*, simulated: bool) -> dict[str, str | None]:
    return {"simulated": "true"} if simulated else {}


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
    csv.writer(text, lineterminator="\n").writerows([columns, *([_cell(value) for value in row] for row in rows)])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """The API sends numbers as text, to the last digit: what is one stays one."""
    return guarded(value) if isinstance(value, str) and not _NUMBER.fullmatch(value) else value
