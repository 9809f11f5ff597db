"""What an event did to the books: its transactions with their lines, its entries and who reversed them, gold."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Code, Link, Number, show_table
from ledgersafe.console.words import amount, literal, moment

_MOST_TRANSACTIONS = 10
_MOST_LINES = 100
_MOST_ENTRIES = 50
_MOST_GOLD = 100
_LINE_HEADS = ("Line", "SKU", "Name", "Brand", "Quantity", "Unit price", "Discount", "Tax", "Amount")


def show_transactions(found: Mapping[str, Any]) -> None:
    """Each posting and reversal that the event caused, with its lines."""
    st.subheader("Transactions")
    rows: Sequence[Mapping[str, Any]] = found["transactions"]
    heads = ("Type", "Transaction", "Revision", "Kind", "Store", "Business date", "Books date", "Total")
    show_table(heads, [_transaction(one) for one in rows], empty="", name="Transactions")
    for number, one in enumerate(rows[:_MOST_TRANSACTIONS], 1):
        _show_lines(one, f"Lines of transaction {number}")
    if len(rows) > _MOST_TRANSACTIONS:
        st.caption(f"The lines of {len(rows) - _MOST_TRANSACTIONS:,} more are not shown here: `ledgersafe trace`.")


def _transaction(one: Mapping[str, Any]) -> list[Cell]:
    moved = "" if one["books_date"] == one["business_date"] else " (moved)"
    return [
        one["type"],
        one["txn_id"],
        Number(str(one["revision"])),
        _kind(one["kind"]),
        one["store_id"],
        one["business_date"],
        f"{one['books_date']}{moved}",
        Number(amount(one["total"], one["currency"])),
    ]


def _kind(kind: str) -> Badge:
    return Badge("posted", "good") if kind == "posting" else Badge("taken back", "warn")


def _show_lines(one: Mapping[str, Any], name: str) -> None:
    lines: Sequence[Mapping[str, Any]] = one["lines"]
    taken_back = "" if one["kind"] == "posting" else ", taken back"
    what = f"{one['type']} {one['txn_id']}, revision {one['revision']}{taken_back}"
    st.markdown(f"**Lines of {literal(what)}** in {literal(one['currency'])}")
    rows: list[list[Cell]] = [
        [
            str(line["line_no"]),
            Code(line["sku"]),
            line["name"],
            line["brand"],
            *(Number(amount(line[member])) for member in ("quantity", "unit_price", "discount", "tax", "amount")),
        ]
        for line in lines[:_MOST_LINES]
    ]
    show_table(_LINE_HEADS, rows, empty="It has no lines.", name=name)
    if len(lines) > _MOST_LINES:
        st.caption(f"The first {_MOST_LINES} lines. All of them: `ledgersafe trace`.")


def entries_of(screen: Screen, found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All entries of the event's transactions, also those of later events that took them back; as they were posted."""
    ids = sorted({str(one["transaction_id"]) for one in found["transactions"]})[:_MOST_TRANSACTIONS]
    asked = ({"transaction_id": one, "limit": _MOST_ENTRIES} for one in ids)
    entries = [entry for one in asked for entry in screen.get("/v1/ledger/entries", one)["items"]]
    return sorted(entries, key=lambda entry: (entry["posted_at"], entry["revision"], entry["kind"]))


def show_entries(screen: Screen, event_id: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Debits and credits, and who took them back. `event_id`: whose trace it is."""
    st.subheader("Ledger entries")
    if not entries:
        st.info("None: its total is zero, so no money moves.")
        return
    names = {one["account"]: one["name"] for one in screen.get("/v1/ledger/accounts")["items"]}
    heads = ("Posted (UTC)", "Kind", "Revision", "Books date", "Account", "Debit", "Credit", "Currency", "Goes with")
    rows = [row for entry in entries for row in _entry(screen, event_id, entry, entries, names)]
    show_table(heads, rows, empty="", name="Ledger entries")


def _entry(
    screen: Screen,
    event_id: str,
    entry: Mapping[str, Any],
    entries: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
) -> list[list[Cell]]:
    """A row a line; what is of the whole entry stands in its first."""
    first: list[Cell] = [moment(entry["posted_at"]), _kind(entry["kind"]), str(entry["revision"]), entry["books_date"]]
    rows: list[list[Cell]] = []
    for number, line in enumerate(entry["lines"]):
        name = f"{line['account']} {names.get(line['account'], '')}".strip()
        to = screen.link("ledger", section="Entries", account=line["account"], **_day(entry["books_date"]))
        own = first if number == 0 else [None] * len(first)
        goes_with = _partner(screen, event_id, entry, entries) if number == 0 else None
        rows.append([*own, Link(name, to), *debit_credit(line["amount"]), entry["currency"], goes_with])
    return rows


def _partner(screen: Screen, event_id: str, entry: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Cell:
    """Who took the entry back, or what it takes back; a link where that is another event's."""
    if entry["kind"] == "posting":
        other = next((one for one in entries if one["reverses"] == entry["entry_id"]), None)
        text = "reversed by"
    else:
        other = next((one for one in entries if one["entry_id"] == entry["reverses"]), None)
        text = "reverses the posting of"
    if other is None:
        return None
    by = other["event_id"]
    if by in (None, event_id):
        return f"{text} this event"
    return Link(f"{text} {by}", screen.link("trace", event=by))


def debit_credit(value: str) -> tuple[Number, Number]:
    """An amount, debit positive, in two columns."""
    number = Decimal(value)
    return (Number(amount(value)), Number("")) if number > 0 else (Number(""), Number(amount(str(-number))))


def _day(day: str) -> dict[str, str]:
    return {"from": day, "to": day}


def show_gold(screen: Screen, found: Mapping[str, Any]) -> None:
    """The rows of reports that it moved, by their keys."""
    st.subheader("Gold rows it touched")
    gold: Sequence[Mapping[str, Any]] = found["gold"]
    rows: list[list[Cell]] = [_gold(screen, one) for one in gold[:_MOST_GOLD]]
    empty = "None: no report counts what it posted."
    show_table(("Table", "Row", "State"), rows, empty=empty, name="Gold rows")
    if len(gold) > _MOST_GOLD:
        st.caption(f"The first {_MOST_GOLD} of {len(gold):,}. All of them: `ledgersafe trace`.")


_SECTION_OF = {"daily_store_sales": "Daily sales", "return_rates": "Returns", "payment_mix": "Payments"}
"""Where the page Ledger shows a table."""


def _gold(screen: Screen, one: Mapping[str, Any]) -> list[Cell]:
    keys: Mapping[str, Any] = one["keys"]
    text = (
        ", ".join(f"{name} {'(none)' if value in (None, '') else value}" for name, value in keys.items())
        or "recomputed around its day"
    )
    section = _SECTION_OF.get(one["table"])
    shown: Cell = text
    if section is not None:
        to = {"section": section, "store": keys["store_id"], **_day(keys["books_date"])}
        shown = Link(text, screen.link("ledger", **to))
    state = Badge("up to date", "good") if one["state"] == "applied" else Badge("pending", "warn")
    return [Code(one["table"]), shown, state]
