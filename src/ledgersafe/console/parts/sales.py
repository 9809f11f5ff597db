"""What was sold, given back and paid, by day and store: pages of gold tables, with a chart of what the page shows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import streamlit as st

from ledgersafe.console.fields import cursor, show_paging, text_field
from ledgersafe.console.parts.day_charts import Point, all_days, show_bars
from ledgersafe.console.parts.day_range import day_range, show_range
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Cell, Link, Number, show_table
from ledgersafe.console.words import amount

_PAGE = 100
_MOST_CHARTS = 3


@dataclass(frozen=True, slots=True)
class Report:
    """How a gold table is shown. `columns`: member → head; those of `sums` are added up at the foot.

    `charted`: (member, what its axis is called). `split`: the member that a bar is split by.
    """

    section: str
    table: str
    words: str
    columns: Mapping[str, str]
    sums: Sequence[str]
    charted: tuple[str, str]
    split: str


DAILY = Report(
    "Daily sales",
    "daily_store_sales",
    "Gross is what lines came to; net is gross + returns + discounts − included tax. Reversals are counted in.",
    {
        "transactions": "Transactions",
        "units": "Units",
        "gross": "Gross",
        "returns": "Returns",
        "discounts": "Discounts",
        "tax": "Tax",
        "net": "Net",
    },
    ("transactions", "units", "gross", "returns", "discounts", "tax", "net"),
    ("net", "Net"),
    "store_id",
)
RETURNS = Report(
    "Returns",
    "return_rates",
    "What came back on a day, beside what was sold on it. “Without original” names no sale that it gives back.",
    {
        "sales": "Sales",
        "returns": "Returns",
        "unreferenced_returns": "Without original",
        "units": "Units sold",
        "returned_units": "Units returned",
        "units_percent": "% of units",
        "gross": "Gross",
        "returned": "Returned",
        "amount_percent": "% of gross",
    },
    ("sales", "returns", "unreferenced_returns", "units", "returned_units", "gross", "returned"),
    ("returned", "Returned"),
    "store_id",
)
PAYMENTS = Report(
    "Payments",
    "payment_mix",
    "By what sales were paid, and returns refunded. “not stated” is what a till sent without a way of payment.",
    {"payment": "Paid by", "payments": "Payments", "received": "Received", "refunded": "Refunded"},
    ("payments", "received", "refunded"),
    ("received", "Received"),
    "payment",
)


def show_daily_sales(screen: Screen) -> None:
    """Sales by day and store."""
    _show(screen, DAILY)


def show_returns(screen: Screen) -> None:
    """What came back."""
    _show(screen, RETURNS)


def show_payments(screen: Screen) -> None:
    """By what was paid."""
    _show(screen, PAYMENTS)


def _show(screen: Screen, report: Report) -> None:
    left, middle, right = st.columns(3)
    with left:
        store = text_field("Store", "store", placeholder="all", is_id=True)
    days = day_range(screen, middle, right)
    show_range(screen, days, report.section, {"store": store})
    made_up = screen.client.get(f"/v1/tenants/{screen.one_tenant()}")["simulated"]
    if made_up:
        st.warning("These books are made up: the tenant is one of a simulation.")
    asked = {"store_id": store, **days.inclusive(), "cursor": cursor(), "limit": _PAGE}
    answer = screen.get(f"/v1/reports/{report.table}", {**asked, "simulated": "true" if made_up else None})
    rows: Sequence[Mapping[str, Any]] = answer["items"]
    is_all = not answer["next"] and cursor() is None
    if rows:
        _show_charts(rows, report, is_all=is_all)
        st.caption(report.words)
    _show_rows(screen, report, rows, is_all=is_all, has_books=bool(days.months))
    show_paging(screen, "ledger", answer, {"section": report.section, "store": store, **days.address()})


def _show_charts(rows: Sequence[Mapping[str, Any]], report: Report, *, is_all: bool) -> None:
    sizes = Counter(str(one["currency"]) for one in rows)
    currencies = [currency for currency, _ in sizes.most_common()]
    days = all_days(one["books_date"] for one in rows)
    if not is_all:
        st.caption(
            f"The chart and the sums are of the {len(rows)} rows on this page. Follow a store's link, or name one "
            "above, to see a month of it whole."
        )
    for currency in currencies[:_MOST_CHARTS]:
        points = [_point(one, report) for one in rows if one["currency"] == currency]
        show_bars(points, days=days, unit=f"{report.charted[1]}, {currency}")
    if len(currencies) > _MOST_CHARTS:
        st.caption(f"{len(currencies) - _MOST_CHARTS} more currencies are in the table.")


def _point(one: Mapping[str, Any], report: Report) -> Point:
    return Point(one["books_date"], one[report.split] or "not stated", str(one[report.charted[0]]))


def _show_rows(
    screen: Screen, report: Report, rows: Sequence[Mapping[str, Any]], *, is_all: bool, has_books: bool
) -> None:
    heads = ("Books date", "Store", "Currency", *report.columns.values())
    shown: list[list[Cell]] = [
        [
            one["books_date"],
            Link(one["store_id"], screen.link("ledger", section=report.section, store=one["store_id"])),
            one["currency"],
            *(_cell(name, one[name]) for name in report.columns),
        ]
        for one in rows
    ]
    empty = (
        "No day of these has anything for this store. Choose other days, or clear the store."
        if has_books
        else "Nothing is posted yet. What arrives and is valid is posted within a second or two, and counted here."
    )
    show_table(heads, shown, empty=empty, name=report.section, foot=_foot(report, rows, is_all=is_all) if rows else ())


def _cell(name: str, value: Any) -> Cell:
    if name == "payment":
        return value or "not stated"
    return Number("" if value is None else amount(str(value)))


def _foot(report: Report, rows: Iterable[Mapping[str, Any]], *, is_all: bool) -> list[list[Cell]]:
    """A sum a currency; of numbers that do not add up, none."""
    by_currency: dict[str, dict[str, Decimal]] = {}
    for one in rows:
        sums = by_currency.setdefault(one["currency"], dict.fromkeys(report.sums, Decimal(0)))
        for name in report.sums:
            sums[name] += Decimal(str(one[name]))
    word = "Sum" if is_all else "Sum of this page"
    return [
        [word, None, currency, *(Number(amount(str(sums[name]))) if name in sums else None for name in report.columns)]
        for currency, sums in sorted(by_currency.items())
    ]
