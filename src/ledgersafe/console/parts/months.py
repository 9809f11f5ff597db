"""Months of the books: which are open, what speaks against closing one, and closing and opening them again."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiError
from ledgersafe.console.fields import text_field
from ledgersafe.console.parts.actors import called
from ledgersafe.console.parts.closing import SECTION, show_closing
from ledgersafe.console.parts.day_range import last_day
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Link, badge, show_table
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import literal, moment

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_NEWS = "news of months"
_MOST_NOTES = 10_000


def show(screen: Screen) -> None:
    """The months, and the one that the address names."""
    told = st.session_state.pop(_NEWS, None)
    if told:
        st.success(told)
    periods: Sequence[Mapping[str, Any]] = screen.get("/v1/ledger/periods")["items"]
    rows = [_row(screen, one) for one in reversed(periods)]
    empty = "No month has anything posted into it yet. Name one below to close it all the same."
    show_table(("Month", "Status", "Since (UTC)", "By"), rows, empty=empty, name="Months")
    left, _ = st.columns([1, 2])
    with left:
        month = text_field("Month", "month", placeholder="e.g. 2010-01")
    if month is None:
        st.info("Choose a month above, or type it, to see what speaks against closing it, and to close or open it.")
    elif not _MONTH.fullmatch(month) or month.startswith("0000"):
        st.warning(f"{literal(month)} is no month. Write it as year and month, such as 2010-01.")
    else:
        status = next((one["status"] for one in periods if one["period"][:7] == month), "open")
        _show_month(screen, date.fromisoformat(f"{month}-01"), status, periods)


def _row(screen: Screen, one: Mapping[str, Any]) -> list[Cell]:
    month = one["period"][:7]
    return [
        Link(f"{date.fromisoformat(one['period']):%B %Y}", screen.link("ledger", section=SECTION, month=month)),
        _status(one["status"]),
        moment(one["changed_at"]),
        called(screen, one["changed_by"]),
    ]


def _status(status: str) -> Badge:
    return Badge("closed", "quiet") if status == "closed" else Badge("open", "good")


def _show_month(screen: Screen, month: date, status: str, periods: Sequence[Mapping[str, Any]]) -> None:
    st.subheader(f"{month:%B %Y}")
    is_open = status == "open"
    shown = _status(status)
    st.html(f"<p>{badge(shown.text, shown.tone)}</p>")
    _show_history(screen, month)
    if not is_open:
        st.markdown("Nothing is posted into it. What comes late for it is held until an operator chooses another day.")
        _show_button(screen, month, "reopen", None)
        return
    if screen.now.date() <= last_day(month):
        _show_button(screen, month, "close", f"It has not ended: it can be closed once {last_day(month)} is over.")
        return
    show_closing(screen, month, periods)
    _show_button(screen, month, "close", None)


def _show_history(screen: Screen, month: date) -> None:
    asked = {"object_type": "period", "object_id": f"{month:%Y-%m}", "limit": 5, "order": "latest"}
    rows: list[list[Cell]] = [
        [moment(one["occurred_at"]), called(screen, one["actor"]), one["action"], one["notes"]]
        for one in screen.get("/v1/audit", asked)["items"]
    ]
    if rows:
        show_table(("When (UTC)", "Who", "What", "Notes"), rows, empty="", name="What was done with it")


def _show_button(screen: Screen, month: date, verb: str, why_not: str | None) -> None:
    if not screen.who.may("operate"):
        why_not = f"Your key may only look: to {verb} a month it needs the scope operate."
    words = "Close" if verb == "close" else "Reopen"
    if why_not:
        st.info(why_not)
    if st.button(f"{words} {month:%B %Y} …", type="primary", disabled=why_not is not None):
        _confirm(screen, month, verb)


def _confirm(screen: Screen, month: date, verb: str) -> None:
    words = "Close" if verb == "close" else "Reopen"

    @st.dialog(f"{words} {month:%B %Y}")
    def ask() -> None:
        st.markdown(_EFFECTS[verb])
        notes = st.text_area(
            "Notes (why; kept in the audit log)", max_chars=_MOST_NOTES, key=f"notes to {verb} {month}"
        )
        if st.button(f"{words} it", type="primary"):
            if notes.strip():
                _do(screen, month, verb, notes.strip())
            else:
                st.warning("Say why: notes are required.")

    ask()


_EFFECTS = {
    "close": "Nothing more is posted into this month. What comes late for it is held, as **PERIOD\\_LOCKED**, until an "
    "operator chooses another day. It can be opened again.",
    "reopen": "Postings into this month are taken again: sums that were reported may change.",
}


def _do(screen: Screen, month: date, verb: str, notes: str) -> None:
    """Doing it twice is no error to the API, and on record once."""
    try:
        with st.spinner("Waiting for what is being posted into it"):
            done = screen.post(f"/v1/ledger/periods/{month:%Y-%m}/{verb}", {"notes": notes}, tenant=screen.one_tenant())
    except ApiError as error:
        show_trouble(error)
        return
    st.session_state[_NEWS] = f"{month:%B %Y} is {done['status']}."
    st.rerun()
