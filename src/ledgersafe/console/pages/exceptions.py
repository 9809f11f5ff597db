"""Exceptions: the queue of what is parked, one decision on many of them, and how far such decisions are."""

import streamlit as st

from ledgersafe.console.fields import first_page
from ledgersafe.console.parts.assigning import show_assign_many
from ledgersafe.console.parts.bulk import show_bulk, started_run
from ledgersafe.console.parts.queue import show_filters, show_queue
from ledgersafe.console.parts.runs import RUNS, show_runs
from ledgersafe.console.screen import Screen

_QUEUE, _MANY = "queue", "many"
_VIEWS = {_QUEUE: "Queue", _MANY: "Decide on many", RUNS: "Bulk runs"}


def show(screen: Screen) -> None:
    """The view that the address names."""
    st.title("Exceptions", anchor=False)
    view = _view()
    if view == RUNS:
        show_runs(screen)
        return
    chosen = show_filters(only_open=view == _MANY)
    if view == _MANY:
        show_bulk(screen, chosen)
    else:
        shown = show_queue(screen, chosen)
        show_assign_many(screen, shown)


def _view() -> str:
    begun = started_run()
    if begun is not None:
        st.session_state["view-shown"] = RUNS
        st.query_params["run"] = begun
    at = st.query_params.get("view", _QUEUE)
    picked = st.segmented_control(
        "View",
        list(_VIEWS),
        default=None if "view-shown" in st.session_state else at if at in _VIEWS else _QUEUE,
        format_func=lambda name: _VIEWS[name],
        key="view-shown",
        label_visibility="collapsed",
        required=True,
        on_change=_other_view,
    )
    view = picked or _QUEUE
    if view != st.query_params.get("view", _QUEUE):
        st.query_params["view"] = view
    return view


def _other_view() -> None:
    first_page()
    st.query_params.pop("run", None)
