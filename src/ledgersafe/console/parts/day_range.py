"""Which days of the books a page shows: two fields in the address; without them, the latest month in the books."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ledgersafe.console.fields import first_page
from ledgersafe.console.screen import Screen

_FIRST, _LAST = date(1900, 1, 1), date(2199, 12, 31)


@dataclass(frozen=True, slots=True)
class DayRange:
    """Days of the books, both included; None: from the first, to the last. `months`: all that were posted into."""

    since: date | None
    until: date | None
    months: Sequence[date]
    is_chosen: bool

    def inclusive(self) -> dict[str, str | None]:
        """For operations of the API that count the last day in."""
        return {"since": _text(self.since), "until": _text(self.until)}

    def exclusive(self) -> dict[str, str | None]:
        """For operations that do not."""
        after = None if self.until is None else self.until + timedelta(days=1)
        return {"since": _text(self.since), "until": _text(after)}

    def address(self) -> dict[str, str | None]:
        """As this page's address says it: nothing where nothing was chosen."""
        return {"from": _text(self.since), "to": _text(self.until)} if self.is_chosen else {}

    def in_words(self) -> str:
        """For under a heading."""
        if self.since is None and self.until is None:
            return "all days in the books"
        if self.since is None:
            return f"books dates up to {self.until}"
        if self.until is None:
            return f"books dates from {self.since} on"
        return f"books dates {self.since} to {self.until}"


def day_field(label: str, name: str) -> date | None:
    """A day in the address, if one is chosen."""
    chosen = st.date_input(
        label,
        value=None,
        key=name,
        bind="query-params",
        min_value=_FIRST,
        max_value=_LAST,
        format="YYYY-MM-DD",
        on_change=first_page,
    )
    return chosen if isinstance(chosen, date) else None


def months_of(screen: Screen) -> list[date]:
    """The months that were posted into, closed or opened, earliest first, by their first days."""
    return [date.fromisoformat(one["period"]) for one in screen.get("/v1/ledger/periods")["items"]]


def day_range(screen: Screen, left: DeltaGenerator, right: DeltaGenerator) -> DayRange:
    """The fields From and To, and what they come to."""
    with left:
        since = day_field("From (books date)", "from")
    with right:
        until = day_field("To, included", "to")
    months = months_of(screen)
    if since is not None or until is not None or not months:
        return DayRange(since, until, months, is_chosen=True)
    return DayRange(months[-1], last_day(months[-1]), months, is_chosen=False)


def last_day(month: date) -> date:
    """Of the month that begins on this day."""
    return month.replace(day=monthrange(month.year, month.month)[1])


def show_range(screen: Screen, days: DayRange, section: str, filters: dict[str, str | None]) -> None:
    """What is shown, in words, and the ways to the months before and after it."""
    begins = days.since or days.until
    earlier = [month for month in days.months if begins is None or last_day(month) < begins][-1:]
    ends = days.until or days.since
    later = [month for month in days.months if ends is not None and month > ends][:1]
    latest = ", the latest month in the books" if not days.is_chosen else ""
    links = [_month_link(screen, "Earlier", month, section, filters) for month in earlier]
    links += [_month_link(screen, "Later", month, section, filters) for month in later]
    words = f"<span>Showing {escape(days.in_words() + latest)}.</span>"
    st.html(f'<nav class="ls-pages" aria-label="Months">{words}{"".join(links)}</nav>')


def _month_link(screen: Screen, word: str, month: date, section: str, filters: dict[str, str | None]) -> str:
    days = {"from": month.isoformat(), "to": last_day(month).isoformat()}
    to = screen.link("ledger", **({"section": section} | filters | days))
    return f'<a href="{escape(to)}" target="_self">{word}: {month:%B %Y}</a>'


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
