"""What happened to an exception so far: arrivals, and who did what, in the order of time."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ledgersafe.console.parts.actors import called
from ledgersafe.console.parts.origin import file_in_words
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Cell, show_table
from ledgersafe.console.words import moment

_MOST_DEEDS = 100
_DEEDS = {
    "exception.opened": "parked",
    "exception.payload_added": "another payload came",
    "exception.assigned": "assigned",
    "exception.replay_refused": "a decision was tried and refused",
    "exception.resolved": "decided",
    "exception.released": "released: what it waited for was posted",
}


def show_history(screen: Screen, answer: Mapping[str, Any], trace: Mapping[str, Any] | None) -> None:
    """A line an arrival and a deed."""
    st.subheader("History")
    exception = answer["exception"]
    about = {"tenant_id": exception["tenant_id"], "object_type": "exception", "object_id": exception["exception_id"]}
    deeds = screen.client.get("/v1/audit", {**about, "limit": _MOST_DEEDS})
    rows = [_arrival(one) for one in (trace or {}).get("arrivals", ())] + [_deed(screen, one) for one in deeds["items"]]
    rows = [(at, what, called(screen, who) if who else "", notes) for at, what, who, notes in rows]
    rows.sort(key=lambda row: row[0])  # stable: what arrived stands before what was done for it in the same instant
    cells: list[list[Cell]] = [[moment(row[0]), *row[1:]] for row in rows]
    show_table(("When (UTC)", "What", "Who", "Notes"), cells, empty="Nothing is on record yet.", name="History")
    if trace is None:
        st.caption(f"Its {answer['events_processed']['arrivals']:,} arrivals are on the page of its trace.")
    if deeds["next"]:
        st.caption(f"The first {_MOST_DEEDS} deeds; the page Audit has them all.")


def _arrival(one: Mapping[str, Any]) -> tuple[str, str, str, str]:
    origin = f"{file_in_words(one['origin'])}; " if one["origin"] else ""
    return one["received_at"], f"arrived through {one['door']}", _sender(one), f"{origin}raw_id {one['raw_id']}"


def _deed(screen: Screen, one: Mapping[str, Any]) -> tuple[str, str, str, str]:
    action: str = one["action"]
    what = _DEEDS.get(action, action)
    if one["action"] == "exception.assigned":
        after: Mapping[str, Any] = one["after_json"] or {}
        to = after.get("assigned_to")
        what = f"assigned to {called(screen, to)}" if to else "given back: assigned to nobody"
    return one["occurred_at"], what, one["actor"], one["notes"] or ""


def _sender(one: Mapping[str, Any]) -> str:
    return f"key:{one['key_id']}" if one["key_id"] else ""
