"""`ledgersafe ledger`: the books, as an accountant asks for them."""

from typing import Annotated

import typer

from ledgersafe.cli import chart, exports
from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, items_of, listing, note, out, plain, print_json
from ledgersafe.cli.records import LimitOption, TenantOption, pages

app = typer.Typer(no_args_is_help=True, help="Accounts, entries, the trial balance; close and reopen months.")
app.add_typer(chart.app, name="chart")
app.add_typer(exports.app, name="export")
_BALANCE = ("account", "name", "currency", "debit", "credit", "balance")
_ENTRY = ("books_date", "store_id", "kind", "currency", "lines", "transaction_id", "revision")
MonthArgument = Annotated[str, typer.Argument(help="A month, e.g. 2026-02.")]
NotesOption = Annotated[str, typer.Option("--notes", help="Why.")]


@app.command("accounts")
def accounts(ctx: typer.Context, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Every account on record, retired ones too; `ledgersafe ledger chart` shows those in use."""
    columns = ("account", "role", "type", "name", "retired_at")
    _list(ctx, "Accounts", "/v1/ledger/accounts", {"tenant_id": tenant}, columns, as_json)


@app.command("trial-balance")
def trial_balance(
    ctx: typer.Context,
    tenant: TenantOption = None,
    as_of: Annotated[str | None, typer.Option(help="When this day has ended, e.g. 2026-02-28.")] = None,
    by_store: Annotated[bool, typer.Option("--by-store", help="One row a store.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What every account stands at. Debits are credits."""
    filters = {"tenant_id": tenant, "as_of": as_of, "by": "store" if by_store else None}
    columns = (_BALANCE[0], "store_id", *_BALANCE[1:]) if by_store else _BALANCE
    _list(ctx, "Trial balance", "/v1/ledger/trial-balance", filters, columns, as_json)


@app.command("entries")
def entries(
    ctx: typer.Context,
    tenant: TenantOption = None,
    store: Annotated[str | None, typer.Option(help="Only this store.")] = None,
    account: Annotated[str | None, typer.Option(help="Only entries that touch it.")] = None,
    since: Annotated[str | None, typer.Option(help="Books date, this day or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Books date, before this day.")] = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Balanced postings, by the day they count for."""
    filters = {"tenant_id": tenant, "store_id": store, "account": account, "since": since, "until": until}
    with connection_of(ctx).client() as client:
        items, more = pages(client, "/v1/ledger/entries", filters, limit)
    if as_json:
        print_json({"items": items, "more": more})
        return
    for item in items:
        item["lines"] = "  ".join(f"{line['account']} {line['amount']}" for line in item["lines"])
    out().print(listing("Entries", items, _ENTRY) if items else plain("Nothing is posted for that."))
    if more:
        note(f"There are more: --limit {limit * 10}.")


@app.command("periods")
def periods(ctx: typer.Context, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Months that were posted into, closed or opened; any other is open."""
    columns = ("period", "status", "changed_at", "changed_by")
    _list(ctx, "Months", "/v1/ledger/periods", {"tenant_id": tenant}, columns, as_json)


@app.command("close")
def close(ctx: typer.Context, month: MonthArgument, notes: NotesOption, tenant: TenantOption = None) -> None:
    """Close a month: what comes late is held for an operator to choose a day."""
    _set(ctx, month, "close", notes, tenant)


@app.command("reopen")
def reopen(ctx: typer.Context, month: MonthArgument, notes: NotesOption, tenant: TenantOption = None) -> None:
    """Open a month again."""
    _set(ctx, month, "reopen", notes, tenant)


def _set(ctx: typer.Context, month: str, verb: str, notes: str, tenant: str | None) -> None:
    with connection_of(ctx).client() as client:
        query = {"tenant_id": tenant} if tenant else {}
        found = client.post(f"/v1/ledger/periods/{month}/{verb}", {"notes": notes}, query)
    out().print(plain(f"{month} is {found['status']}."))


def _list(
    ctx: typer.Context, title: str, path: str, filters: dict[str, str | None], columns: tuple[str, ...], as_json: bool
) -> None:
    with connection_of(ctx).client() as client:
        answer = client.get(path, filters)
    items = items_of(answer["items"])
    if as_json:
        print_json(answer)
    else:
        out().print(listing(title, items, columns) if items else plain("There is nothing yet."))
