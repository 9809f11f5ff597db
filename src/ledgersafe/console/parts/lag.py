"""What lags: what waits to be posted, files, tables of gold, and how hard the API is pressed."""

import re
from datetime import timedelta

import streamlit as st

from ledgersafe.client.api import ApiError
from ledgersafe.console.files.members import Members, listed, members
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Link, Number, show_table
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import count, moment, span

_LOOKS_AGAIN_SECONDS = 5.0
_OR_MORE = 10_000
_LATE_SECONDS = {"posting": 10.0, "files": 60.0, "additive": 60.0, "recomputed": 900.0}
"""After so many seconds what waits is late: the worker posts within one, and recomputes every five minutes."""
_METRIC = re.compile(r'^(ledgersafe_\w+)(?:\{reason="(\w+)"\})? ([0-9.e+-]+)$', re.MULTILINE)


@st.fragment(run_every=_LOOKS_AGAIN_SECONDS)
def show_lag(screen: Screen) -> None:
    """Of the tenant looked at, or of all; it looks again by itself."""
    try:
        flow = members(screen.get("/v1/flow", {"minutes": 60}))
        pressed = _pressure(screen.client.get_raw("/metrics").text)
    except ApiError as error:
        show_trouble(error)
        return
    st.subheader("What waits", anchor=False)
    heads = ("What", "How many", "The oldest since (UTC)", "For", "State")
    show_table(heads, _waiting(screen, flow), empty="", name="Waiting")
    latency = members(flow["latency"])
    if latency["sampled"]:
        half, most = (f"{latency[name]:,.2f} s" for name in ("p50", "p95"))
        st.caption(f"In the last hour half of all events were in the books within {half}, 95 in 100 within {most}.")
    st.subheader("Back-pressure", anchor=False)
    show_table(("At the API process that answered", "Now"), pressed, empty="", name="Back-pressure")
    st.caption("Where more is queued than can be committed, senders are answered 503 QUEUE_FULL, and send again.")
    st.subheader("Tables of gold", anchor=False)
    tables = sorted(listed(flow["gold"]), key=lambda one: (-one["failures"], -one["seconds_behind"], one["table"]))
    show_table(
        ("Table", "Kind", "Behind since (UTC)", "For", "State"),
        [_table(one) for one in tables],
        empty="There is no table of gold: has the database its schema? `ledgersafe db migrate` brings it.",
        name="Gold",
    )
    st.caption(f"As of {moment(flow['now'])} UTC. This page looks again by itself.")


def _waiting(screen: Screen, flow: Members) -> list[tuple[Cell, ...]]:
    posting, files, parked = (members(flow[name]) for name in ("posting", "files", "exceptions"))
    number = f"{_OR_MORE:,} or more" if posting["waiting"] >= _OR_MORE else count(posting["waiting"])
    of_files = "Files that wait for a worker"
    held = screen.link("files", state="quarantined")
    return [
        ("Events to be posted", Number(number), *_since(posting, "posting")),
        (of_files, Number(count(files["waiting"])), *_since(files, "files")),
        (Link("Files that wait for a person", held), Number(count(files["held"])), None, None, _person(files["held"])),
        (
            Link("Exceptions that wait for a person", screen.link("exceptions")),
            Number(count(parked["open"])),
            moment(parked["oldest_at"]),
            _for(parked["oldest_seconds"]),
            _person(parked["open"]),
        ),
    ]


def _since(waits: Members, kind: str) -> tuple[Cell, ...]:
    return moment(waits["oldest_at"]), _for(waits["oldest_seconds"]), _lateness(waits["oldest_seconds"] or 0.0, kind)


def _for(seconds: float | None) -> str | None:
    return None if not seconds else span(timedelta(seconds=seconds))


def _lateness(seconds: float, kind: str) -> Badge:
    return Badge("late", "warn") if seconds > _LATE_SECONDS[kind] else Badge("on time", "good")


def _person(number: int) -> Badge:
    return Badge("to be decided", "warn") if number else Badge("none", "good")


def _table(one: Members) -> tuple[Cell, ...]:
    failed = Badge(f"failed {one['failures']}×", "bad") if one["failures"] else None
    return (
        one["table"],
        one["kind"],
        moment(one["behind_since"]),
        _for(one["seconds_behind"]),
        failed or _lateness(one["seconds_behind"], one["kind"]),
    )


def _pressure(text: str) -> list[tuple[Cell, ...]]:
    """The gauges of a process's queue. `text`: its metrics."""
    found = {(name, reason): float(number) for name, reason, number in _METRIC.findall(text)}
    shown = {
        "Events that wait for a commit": ("ledgersafe_queue_events", ""),
        "Bytes that wait for a commit": ("ledgersafe_queue_bytes", ""),
        "Requests refused as QUEUE_FULL since it began": ("ledgersafe_requests_refused_total", "QUEUE_FULL"),
        "Requests refused as CANNOT_COMMIT since it began": ("ledgersafe_requests_refused_total", "CANNOT_COMMIT"),
    }
    return [(what, Number(count(int(found.get(metric, 0.0))))) for what, metric in shown.items()]
