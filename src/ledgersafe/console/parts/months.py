"""Months of the books: which are open, what speaks against closing one, and closing and opening them again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiError
from ledgersafe.console.fields import text_field
from ledgersafe.console.parts.day_range import last_day
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Link, badge, show_table
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import literal, moment

SECTION = "Months"
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_NEWS = "news of months"
_MOST_NOTES = 10_000
_MOST_ROWS = 1_000
_DAYS = 31


@dataclass(frozen=True, slots=True)
class Sums:
    """What a month's days come to. `off`: store days that do not tie out."""

    parked: int
    waiting: int
    disputed: int
    off: int
    days: int


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
        one["changed_by"],
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
    ended = last_day(month) + timedelta(days=1)
    if screen.now.date() < ended:
        _show_button(screen, month, "close", f"It has not ended: it can be closed from {ended} on.")
        return
    st.markdown("**What speaks against closing it**")
    rows: list[list[Cell]] = [list(one) for one in _against(screen, month, periods)]
    name = "What speaks against closing it"
    show_table(
        ("", "What", "See"), rows, name=name, empty="Nothing: all that came for it is in the books, and ties out."
    )
    _show_button(screen, month, "close", None)


def _show_history(screen: Screen, month: date) -> None:
    asked = {"object_type": "period", "object_id": f"{month:%Y-%m}", "limit": 5, "order": "latest"}
    rows: list[list[Cell]] = [
        [moment(one["occurred_at"]), one["actor"], one["action"], one["notes"]]
        for one in screen.get("/v1/audit", asked)["items"]
    ]
    if rows:
        show_table(("When (UTC)", "Who", "What", "Notes"), rows, empty="", name="What was done with it")


def _against(screen: Screen, month: date, periods: Sequence[Mapping[str, Any]]) -> list[tuple[Badge, str, Link | None]]:
    """Every thing to know before it is closed, the worst first."""
    with st.spinner("Adding up the month"):
        sums = _sums(screen, month)
        silent, is_more = _silent(screen, month)
    queue = Link("Exceptions", screen.link("exceptions", status="open"))
    bounds = {"from": month.isoformat(), "to": last_day(month).isoformat()}
    tie_out = Link("Tie-out", screen.link("ledger", section="Tie-out", **bounds))
    found: list[tuple[Badge, str, Link | None]] = []
    if sums.off:
        found.append((Badge("off", "bad"), f"Store days that do not tie out: {sums.off:,} of {sums.days:,}.", tie_out))
    if sums.parked:
        text = f"Parked events of it: {sums.parked:,}. Once it is closed, they need another day in the books."
        found.append((Badge("parked", "bad"), text, queue))
    if sums.disputed:
        text = f"Posted events with another payload parked: {sums.disputed:,}. A decision could change sums."
        found.append((Badge("disputed", "warn"), text, queue))
    if sums.waiting:
        text = f"Events that wait to be posted: {sums.waiting:,}. Once it is closed, they are held."
        found.append((Badge("waiting", "warn"), text, Link("Pipeline", screen.link("pipeline"))))
    if silent:
        text = f"Store days without any sale or return: {'at least ' if is_more else ''}{silent:,}."
        found.append((Badge("silent", "warn"), text, None))
    earlier = [one["period"] for one in periods if one["status"] == "open" and one["period"] < month.isoformat()]
    if earlier:
        first = f"{date.fromisoformat(earlier[0]):%B %Y}"
        text = f"{first} is still open." if len(earlier) == 1 else f"{len(earlier)} earlier months are still open."
        to = screen.link("ledger", section=SECTION, month=earlier[0][:7])
        found.append((Badge("order", "quiet"), text, Link(first, to)))
    return found


def _sums(screen: Screen, month: date) -> Sums:
    """Added up here, of all days of all stores: nothing of it goes to the browser but the sums."""
    asked = {"since": month.isoformat(), "until": last_day(month).isoformat(), "limit": _DAYS}
    days: Sequence[Mapping[str, Any]] = screen.get("/v1/reconciliation", asked)["items"]
    counts = {name: sum(int(day["events"][name]) for day in days) for name in ("parked", "waiting", "disputed")}
    return Sums(**counts, off=sum(not day["ok"] for day in days), days=len(days))


def _silent(screen: Screen, month: date) -> tuple[int, bool]:
    """How many store days reported nothing, and whether there may be more."""
    asked = {"since": month.isoformat(), "until": last_day(month).isoformat(), "limit": _MOST_ROWS, "simulated": "true"}
    answer = screen.get("/v1/reports/store_day_completeness", asked)
    return sum(not one["has_reported"] for one in answer["items"]), answer["next"] is not None


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
