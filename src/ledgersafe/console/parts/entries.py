"""The ledger's entries: filters in the address, a page at a time, each with the way to its event."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ledgersafe.console.fields import choice_field, cursor, show_paging, text_field
from ledgersafe.console.parts.day_range import day_range, show_range
from ledgersafe.console.parts.traced_books import debit_credit
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Link, show_table
from ledgersafe.console.words import moment

SECTION = "Entries"
_PAGE = 50


def show(screen: Screen) -> None:
    """One page of entries, by the day that they count for."""
    accounts = {one["account"]: one["name"] for one in screen.get("/v1/ledger/accounts")["items"]}
    first, second, third, fourth = st.columns(4)
    with first:
        account = choice_field("Account", "account", list(accounts))
    with second:
        store = text_field("Store", "store", placeholder="all", is_id=True)
    days = day_range(screen, third, fourth)
    filters = {"account": account, "store": store}
    show_range(screen, days, SECTION, filters)
    asked = {"account": account, "store_id": store, **days.exclusive(), "cursor": cursor(), "limit": _PAGE}
    answer = screen.get("/v1/ledger/entries", asked)
    heads = ("Books date", "Event", "Store", "Kind", "Account", "Debit", "Credit", "Currency", "Posted (UTC)")
    rows = [row for entry in answer["items"] for row in _rows(screen, entry, accounts)]
    show_table(heads, rows, empty=_empty(has_books=bool(days.months)), name="Entries")
    show_paging(screen, "ledger", answer, {"section": SECTION, **filters, **days.address()})


def _empty(*, has_books: bool) -> str:
    if not has_books:
        return "Nothing is posted yet. What arrives and is valid is posted within a second or two; see Health."
    return "No entry is in these days for these filters. Clear a filter, or choose other days above."


def _rows(screen: Screen, entry: Mapping[str, Any], names: Mapping[str, str]) -> list[list[Cell]]:
    """A row a line; what is of the whole entry stands in its first."""
    event = entry["event_id"]
    kind = Badge("posted", "quiet") if entry["kind"] == "posting" else Badge("taken back", "warn")
    first: list[Cell] = [
        entry["books_date"],
        entry["transaction_id"] if event is None else Link(event, screen.link("trace", event=event)),
        entry["store_id"],
        kind,
    ]
    rows: list[list[Cell]] = []
    for number, line in enumerate(entry["lines"]):
        own = first if number == 0 else [None] * len(first)
        name = f"{line['account']} {names.get(line['account'], '')}".strip()
        posted_at = moment(entry["posted_at"]) if number == 0 else None
        rows.append([*own, name, *debit_credit(line["amount"]), entry["currency"], posted_at])
    return rows
