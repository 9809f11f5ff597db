"""Before a month is closed: what it comes to, and what speaks against it, each with the way to what it counts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import streamlit as st

from ledgersafe.console.files.states import ROWS_WAIT
from ledgersafe.console.parts.day_range import last_day
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Lines, Link, Number, show_table
from ledgersafe.console.words import amount, count, moment, plural

SECTION = "Months"
_SILENT = "silent"
_COMPLETENESS = "store_day_completeness"
_ROWS_AT_ONCE = 10_000
_MOST_ROWS = 200_000
"""Some 6,000 stores, every day of a month: beyond that it is told as a least number."""
_MOST_SHOWN = 200
_MOST_STORES = 3
_DAYS = 31
_MEASURES = ("gross", "returns", "discounts", "tax", "net")


@dataclass(frozen=True, slots=True)
class _Month:
    """A month of the books. `days`: of its stores, as the tie-out has them; `files`, `gold`: as the flow has them."""

    screen: Screen
    first: date
    days: Sequence[Mapping[str, Any]]
    files: Mapping[str, Any]
    gold: Sequence[Mapping[str, Any]]

    @property
    def bounds(self) -> dict[str, str]:
        """For addresses of this console."""
        return {"from": self.first.isoformat(), "to": last_day(self.first).isoformat()}

    def events(self, name: str) -> dict[str, int]:
        """How many events of a kind there are, by store."""
        found: dict[str, int] = {}
        for day in self.days:
            if number := int(day["events"][name]):
                found[day["store_id"]] = found.get(day["store_id"], 0) + number
        return found


@dataclass(frozen=True, slots=True)
class _Silence:
    """Store days without any sale or return: the first of them, and how many. `rows`: of how many it is known."""

    shown: Sequence[Mapping[str, Any]]
    number: int
    rows: int
    is_more: bool


_Told = tuple[Badge, str, Cell]
"""A thing to know, and the way to it."""


def show_closing(screen: Screen, first: date, periods: Iterable[Mapping[str, Any]]) -> None:
    """What the month that begins then comes to, and all that speaks against closing it."""
    with st.spinner("Adding up the month"):
        month, silence = _read(screen, first), _silence(screen, first)
    _show_sums(month)
    st.markdown("**What speaks against closing it**")
    told = [*_of_events(month), *_of_silence(month, silence), *_of_files(month), *_of_order(month, periods)]
    rows: list[list[Cell]] = [list(one) for one in told]
    empty = "Nothing: all that came for it is in the books, and ties out."
    show_table(("", "What", "See"), rows, name="What speaks against closing it", empty=empty)
    if silence.number and st.query_params.get("see") == _SILENT:
        _show_silence(month, silence)


def _read(screen: Screen, first: date) -> _Month:
    """Added up here, of all days of all stores: nothing of it goes to the browser but the sums."""
    asked = {"since": first.isoformat(), "until": last_day(first).isoformat(), "limit": _DAYS}
    days = screen.get("/v1/reconciliation", asked)["items"]
    flow = screen.get("/v1/flow", {"minutes": 1})
    return _Month(screen, first, days, flow["files"], flow["gold"])


def _silence(screen: Screen, first: date) -> _Silence:
    """Page by page, to the end: those that are silent may stand anywhere."""
    asked = {"since": first.isoformat(), "until": last_day(first).isoformat(), "limit": _ROWS_AT_ONCE}
    shown: list[Mapping[str, Any]] = []
    number, rows, following = 0, 0, None
    while rows < _MOST_ROWS:
        answer = screen.get(f"/v1/reports/{_COMPLETENESS}", {**asked, "simulated": "true", "cursor": following})
        silent = [one for one in answer["items"] if not one["has_reported"]]
        shown += silent[: _MOST_SHOWN - len(shown)]
        number, rows, following = number + len(silent), rows + len(answer["items"]), answer["next"]
        if following is None:
            break
    return _Silence(shown, number, rows, following is not None)


def _show_sums(month: _Month) -> None:
    """What would be closed, a line a currency, as the ledger has it."""
    sums: dict[str, dict[str, Decimal]] = {}
    for one in (one for day in month.days for one in day["sums"]):
        known = sums.setdefault(one["currency"], dict.fromkeys(_MEASURES, Decimal(0)))
        for name in _MEASURES:
            known[name] += Decimal(one["accounts"][name])
    to = month.screen.link("ledger", section="Daily sales", **month.bounds)
    rows: list[list[Cell]] = [
        [currency, *(Number(amount(str(of[name]))) for name in _MEASURES), Link("By day", to)]
        for currency, of in sorted(sums.items())
    ]
    st.markdown("**What is closed**")
    heads = ("Currency", "Gross", "Returns", "Discounts", "Included tax", "Net", "See")
    show_table(heads, rows, name="What is closed", empty="Nothing of it is in the books.")
    if rows:
        posted = sum(month.events("posted").values())
        st.caption(f"{plural(posted, 'event')} of it in the books. Net is gross + returns + discounts - included tax.")


def _of_events(month: _Month) -> list[_Told]:
    """What does not tie out, and what came and is not in the books."""
    found: list[_Told] = []
    off = sum(not day["ok"] for day in month.days)
    if off:
        to = month.screen.link("ledger", section="Tie-out", **month.bounds)
        text = f"Store days that do not tie out: {off:,} of {len(month.days):,}."
        found.append((Badge("off", "bad"), text, Link("Tie-out", to)))
    if parked := month.events("parked"):
        text = f"Parked events of it: {sum(parked.values()):,}. Once it is closed, they need another day in the books."
        found.append((Badge("parked", "bad"), text, _exceptions(month, parked)))
    if disputed := month.events("disputed"):
        text = f"Posted events with another payload parked: {sum(disputed.values()):,}. A decision could change sums."
        found.append((Badge("disputed", "warn"), text, _exceptions(month, disputed)))
    if waiting := sum(month.events("waiting").values()):
        text = f"Events that wait to be posted: {waiting:,}. Once it is closed, they are held."
        found.append((Badge("waiting", "warn"), text, Link("Pipeline", month.screen.link("pipeline"))))
    return found


def _exceptions(month: _Month, of_stores: Mapping[str, int]) -> Cell:
    """Of few stores, those of each; of many, the days and stores that they are of."""
    screen = month.screen
    by_day = Link("By day and store", screen.link("ledger", section="Tie-out", **month.bounds))
    if len(of_stores) > _MOST_STORES or "" in of_stores:
        return Lines((by_day, Link("Exceptions", screen.link("exceptions", status="open"))))
    links = [
        Link(f"{store}: {count(number)}", screen.link("exceptions", status="open", store=store))
        for store, number in sorted(of_stores.items())
    ]
    return Lines((*links, by_day))


def _of_silence(month: _Month, silence: _Silence) -> list[_Told]:
    """Which stores said nothing; and where that is not known up to now."""
    found: list[_Told] = []
    if silence.number:
        at_least = "at least " if silence.is_more else ""
        text = f"Store days without any sale or return: {at_least}{silence.number:,}."
        address = {"section": SECTION, "month": f"{month.first:%Y-%m}", "see": _SILENT}
        found.append((Badge("silent", "warn"), text, Link("Which", month.screen.link("ledger", **address))))
    behind = next((one["behind_since"] for one in month.gold if one["table"] == _COMPLETENESS), None)
    if behind is not None:
        since = f"what was posted since {moment(behind)} UTC is not in it"
        what = f"is not computed up to now: {since}" if silence.rows else "is not computed yet"
        text = f"Which stores have reported nothing {what}. It is made anew every five minutes."
        found.append((Badge("not known", "warn"), text, Link("Pipeline", month.screen.link("pipeline"))))
    return found


def _of_files(month: _Month) -> list[_Told]:
    """A file is of no month: what it holds may be of any."""
    screen, files = month.screen, month.files
    found: list[_Told] = []
    if files["held"]:
        ways = Lines(
            (
                Link("Quarantined", screen.link("files", state="quarantined")),
                Link("Failed", screen.link("files", state="failed")),
            )
        )
        text = (
            f"{plural(files['held'], 'file is', 'files are')} held: nothing of {_them(files['held'])} is loaded. {_ANY}"
        )
        found.append((Badge("held", "warn"), text, ways))
    if files["with_open_rows"]:
        number = files["with_open_rows"]
        text = f"{plural(number, 'file has', 'files have')} rows that wait for a decision, and are not loaded. {_ANY}"
        found.append((Badge("rows wait", "warn"), text, Link("Files", screen.link("files", state=ROWS_WAIT))))
    if files["waiting"]:
        text = f"{plural(files['waiting'], 'file waits', 'files wait')} for a worker. {_ANY}"
        found.append((Badge("received", "warn"), text, Link("Files", screen.link("files", state="received"))))
    return found


_ANY = "Files are of no month: what is in them may be of this one."


def _them(number: int) -> str:
    return "it" if number == 1 else "them"


def _of_order(month: _Month, periods: Iterable[Mapping[str, Any]]) -> list[_Told]:
    """Months are closed one after the other."""
    earlier = [one["period"] for one in periods if one["status"] == "open" and one["period"] < month.first.isoformat()]
    if not earlier:
        return []
    first = f"{date.fromisoformat(earlier[0]):%B %Y}"
    text = f"{first} is still open." if len(earlier) == 1 else f"{len(earlier)} earlier months are still open."
    to = month.screen.link("ledger", section=SECTION, month=earlier[0][:7])
    return [(Badge("order", "quiet"), text, Link(first, to))]


def _show_silence(month: _Month, silence: _Silence) -> None:
    rows: list[list[Cell]] = [
        [
            one["books_date"],
            Link(
                one["store_id"],
                month.screen.link("ledger", section="Daily sales", store=one["store_id"], **month.bounds),
            ),
            one["last_reported"],
        ]
        for one in silence.shown
    ]
    show_table(("Books date", "Store", "Reported last on"), rows, name="Silent store days", empty="")
    if len(rows) < silence.number:
        st.caption(f"The first {len(rows):,} of {silence.number:,}.")
