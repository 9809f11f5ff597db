"""`ledgersafe report reconciliation`: day by day, for who closes the books."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.text import Text

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, items_of, mark, out, plain, print_json, table
from ledgersafe.client.api import ApiClient

_SECONDS = 120.0
_EVENTS = ("arrived", "posted", "parked", "waiting", "ignored")
_MEASURES = ("gross", "returns", "discounts", "tax", "net")
_SOURCES = (("lines", "lines"), ("ledger", "accounts"), ("gold", "gold"), ("pending", "pending"))
_NOTHING = Decimal("0.00")


def reconciliation(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="The tenant; needed where the API key serves several.")] = None,
    store: Annotated[str | None, typer.Option(help="Only this store.")] = None,
    since: Annotated[str | None, typer.Option(help="From this day on; left out: a week before `until`.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this day, included; left out: up to now.")] = None,
    only_off: Annotated[bool, typer.Option("--only-off", help="Only days that do not tie out.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What came for each day, and that lines, ledger and gold say the same of it. Exits with 1 where they do not."""
    filters = {"tenant_id": tenant, "store_id": store, "since": since, "until": until}
    with connection_of(ctx).client(seconds=_SECONDS) as client:
        found = list(_days(client, filters))
    ok = all(day["ok"] for day in found)
    days = [day for day in found if not (only_off and day["ok"])]
    if as_json:
        print_json({"ok": ok, "items": days})
    elif days:
        heads = ("day", "store", *(f"{name}>" for name in _EVENTS), "", "from", *(f"{name}>" for name in _MEASURES), "")
        out().print(table("Reconciliation by day and store", heads, [row for day in days for row in _rows(day)]))
        out().print(plain(_verdict(found), style="green" if ok else "bold red"))
    else:
        out().print(plain("Every day ties out." if found else "Nothing came, and nothing is in the books, for that."))
    if not ok:
        raise typer.Exit(1)


def _days(client: ApiClient, filters: Mapping[str, str | None]) -> Iterator[dict[str, Any]]:
    """Every day of every store, page by page."""
    cursor: str | None = None
    while True:
        page = client.get("/v1/reconciliation", {**filters, "cursor": cursor})
        yield from items_of(page["items"])
        cursor = page["next"]
        if cursor is None:
            return
        filters = {**filters, "until": filters["until"] or page["last"]}


def _rows(day: Mapping[str, Any]) -> Iterator[list[object]]:
    """Of each currency a line for each that says something of the day, and what they differ by."""
    events = day["events"]
    head: list[object] = [day["books_date"], day["store_id"], *(events[name] for name in _EVENTS)]
    blank: list[object] = [""] * len(head)
    if not day["sums"]:
        yield [*head, "", "", *([""] * len(_MEASURES)), mark(ok=day["ok"])]
    for one in day["sums"]:
        for title, source in _SOURCES:
            amounts = [Decimal(one[source][measure]) for measure in _MEASURES]
            if source == "pending" and not any(amounts):
                continue
            currency = one["currency"] if source == "lines" else ""
            yield [*head, currency, title, *(money(amount) for amount in amounts), ""]
            head = blank
        differences = [_largest(one, measure) for measure in _MEASURES]
        style = "dim" if one["ok"] else "bold red"
        shown = [Text(money(difference), style=style) for difference in differences]
        yield [*blank, "", Text("difference", style=style), *shown, mark(ok=one["ok"] and day["ok"])]


def _largest(of: Mapping[str, Any], measure: str) -> Decimal:
    """What the ledger, or gold with what is pending, has more than the lines: the larger of both."""
    return max((Decimal(of[name][measure]) for name in ("off_in_accounts", "off_in_gold")), key=abs)


def money(amount: Decimal) -> str:
    """An exact amount, with at least two decimals, so that a column reads well."""
    plain_amount = amount.normalize() if amount else _NOTHING
    exponent = plain_amount.as_tuple().exponent
    return f"{plain_amount:,.2f}" if isinstance(exponent, int) and exponent >= -2 else f"{plain_amount:,f}"


def _verdict(days: list[dict[str, Any]]) -> str:
    """In words: how many days, how many tie out, and what is still open."""
    off = sum(not day["ok"] for day in days)
    held = {name: sum(day["events"][name] for day in days) for name in ("parked", "waiting", "disputed")}
    still = ", ".join(f"{number:,} {name}" for name, number in held.items() if number)
    ties = (
        f"{len(days):,} days of stores tie out"
        if not off
        else f"{off:,} of {len(days):,} days of stores do not tie out"
    )
    return f"{ties}; still open: {still}." if still else f"{ties}; nothing is open."
