"""Exceptions: the queue of what is parked, one decision on many of them, and how far such decisions are."""

import streamlit as st

from ledgersafe.console.fields import section_field
from ledgersafe.console.parts.assigning import show_assign_many
from ledgersafe.console.parts.bulk import show_bulk, started_run
from ledgersafe.console.parts.bulk_plan import forget
from ledgersafe.console.parts.queue import show_filters, show_queue
from ledgersafe.console.parts.runs import RUNS, show_runs
from ledgersafe.console.screen import Screen

_QUEUE, _MANY = "queue", "many"
_VIEWS = {_QUEUE: "Queue", _MANY: "Decide on many", RUNS: "Bulk runs"}


def show(screen: Screen) -> None:
    """The view that the address names."""
    st.title("Exceptions", anchor=False)
    view = _view()
    if view != _MANY:
        forget()
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
        st.query_params.update({"view": RUNS, "run": begun})
    return section_field("View", "view", _VIEWS, shown=lambda name: _VIEWS[name], forgets=("run",))
