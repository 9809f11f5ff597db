"""The day on which something is booked whose own month is closed. The first open one is proposed."""

from datetime import date, timedelta

import streamlit as st

from ledgersafe.console.screen import Screen

_NAME = "books"
_FIRST, _LAST = date(1900, 1, 1), date(2199, 12, 31)


def first_open_day(screen: Screen, tenant_id: str) -> date | None:
    """The first day after the last closed month; None where none is closed."""
    found = screen.client.get("/v1/ledger/periods", {"tenant_id": tenant_id})["items"]
    closed = [date.fromisoformat(one["period"]) for one in found if one["status"] == "closed"]
    return (max(closed) + timedelta(days=31)).replace(day=1) if closed else None


def open_day(proposed: date | None = None) -> str | None:
    """The day that is chosen, in a field that begins with the one proposed; None while there is none."""
    chosen = st.date_input(
        "Books date: an open day on which it is booked",
        value=proposed,
        key=_NAME,
        bind="query-params",
        min_value=_FIRST,
        max_value=_LAST,
        format="YYYY-MM-DD",
    )
    return chosen.isoformat() if isinstance(chosen, date) else None


def is_chosen() -> bool:
    """Whether the address names a day."""
    return _NAME in st.query_params


def day_to_try(proposed: date | None) -> str | None:
    """The same day before the field is drawn, to try out what is offered."""
    held = st.session_state.get(_NAME)
    if isinstance(held, date):
        return held.isoformat()
    try:
        return date.fromisoformat(st.query_params.get(_NAME, "")).isoformat()
    except ValueError:
        return None if proposed is None else proposed.isoformat()
