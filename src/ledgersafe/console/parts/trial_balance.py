"""The trial balance: what every account stands at when a day has ended; debits are credits."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from ledgersafe.console.fields import section_field, text_field
from ledgersafe.console.parts.day_range import day_field
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Cell, Link, Number, show_table
from ledgersafe.console.words import amount, literal

_BY_ACCOUNT, _BY_STORE = "By account", "By account and store"
_MOST_ROWS = 200


def show(screen: Screen) -> None:
    """All accounts in every currency, with their sums at the foot."""
    left, middle, right = st.columns([1, 1.6, 1], vertical_alignment="bottom")
    with left:
        as_of = day_field("At the end of (books date)", "as_of")
    with middle:
        by = section_field("Rows", "by", [_BY_ACCOUNT, _BY_STORE], label_is_shown=True)
    is_by_store = by == _BY_STORE
    store = None
    if is_by_store:
        with right:
            store = text_field("Store", "store", placeholder="all", is_id=True)
    day = None if as_of is None else as_of.isoformat()
    answer = screen.get("/v1/ledger/trial-balance", {"as_of": day, "by": "store" if is_by_store else "account"})
    rows = [one for one in answer["items"] if store is None or one["store_id"] == store]
    _show_verdict(rows, day)
    heads = ("Account", "Name", "Type", *(("Store",) if is_by_store else ()), "Currency", "Debit", "Credit", "Balance")
    shown = [_row(screen, one, day, is_by_store=is_by_store) for one in rows[:_MOST_ROWS]]
    empty = f"Nothing is posted{f' up to {day}' if day else ' yet'}{f' for store {literal(store)}' if store else ''}."
    advice = " Clear the filters to see all accounts." if day or store else " What arrives is posted within a second."
    foot = _foot(rows, blanks=len(heads) - 5)
    show_table(heads, shown, empty=empty + advice, name="Trial balance", foot=foot if rows else ())
    if len(rows) > _MOST_ROWS:
        st.caption(
            f"The first {_MOST_ROWS} of {len(rows):,} rows; the sums are of all of them. Name a store to see its rows."
        )


def _show_verdict(rows: Sequence[Mapping[str, Any]], day: str | None) -> None:
    if not rows:
        return
    off = [currency for currency, (debit, credit, _) in _sums(rows).items() if debit != credit]
    when = f"at the end of {day}" if day else "with all that is posted"
    if off:
        st.error(
            f"Debits and credits differ in {literal(', '.join(off))}, {when}. See Tie-out, and run `ledgersafe verify`."
        )
    else:
        st.caption(f"Balanced, {when}: in every currency, debits are credits. Balance is debit − credit.")


def _row(screen: Screen, one: Mapping[str, Any], day: str | None, *, is_by_store: bool) -> list[Cell]:
    to = {"section": "Entries", "account": one["account"], "to": day}
    store: list[Cell] = [one["store_id"]] if is_by_store else []
    if is_by_store:
        to["store"] = one["store_id"]
    figures = [Number(amount(one[name])) for name in ("debit", "credit", "balance")]
    link = Link(one["account"], screen.link("ledger", **to))
    return [link, one["name"] or "", one["type"] or "", *store, one["currency"], *figures]


def _sums(rows: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    """Debit, credit and balance by currency."""
    found: dict[str, tuple[Decimal, Decimal, Decimal]] = {}
    for one in rows:
        debit, credit, balance = found.get(one["currency"], (Decimal(0), Decimal(0), Decimal(0)))
        found[one["currency"]] = (
            debit + Decimal(one["debit"]),
            credit + Decimal(one["credit"]),
            balance + Decimal(one["balance"]),
        )
    return found


def _foot(rows: Sequence[Mapping[str, Any]], *, blanks: int) -> list[list[Cell]]:
    return [
        ["Sum", *[None] * blanks, currency, *(Number(amount(str(value))) for value in sums)]
        for currency, sums in sorted(_sums(rows).items())
    ]
