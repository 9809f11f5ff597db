"""Health: is all well, what waits for a person, how much is there, and does it flow."""

from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from ledgersafe.console.charts import show_lines
from ledgersafe.console.fields import choice_field
from ledgersafe.console.files.states import ROWS_WAIT
from ledgersafe.console.screen import NOTHING_YET, Screen
from ledgersafe.console.table import Badge, Cell, Code, Link, Number, show_table
from ledgersafe.console.trouble import guarded
from ledgersafe.console.words import count, literal, plural, span
from ledgersafe.kernel.reasons import REASONS

_LOOKS_AGAIN_SECONDS = 15
_LATE_SECONDS = 60.0
"""What is posted within a second is late when it takes a minute."""
_LATE_TABLE_SECONDS = 660.0
"""Most tables follow at once, some every five minutes: after two rounds of those, any is late."""
_LATE_JOB_SECONDS = 120.0
"""A worker that runs takes a job within seconds of its being due."""
_SHORTEST = "last hour"
_SPANS = {_SHORTEST: 60, "last 4 hours": 240, "last day": 1440}
"""What charts may show, in minutes."""
_KEYS = ("processed", "quarantined", "ignored")


def show(screen: Screen) -> None:
    """The first page that an operator sees. It looks again by itself."""
    st.title("Health")

    @st.fragment(run_every=_LOOKS_AGAIN_SECONDS)
    def live() -> None:
        guarded(screen.client, lambda: _show(screen))

    live()


def _show(screen: Screen) -> None:
    counts = _counts(screen)
    if counts is None or not counts["Arrivals"]:
        st.info(NOTHING_YET)
        return
    minutes = _SPANS.get(st.query_params.get("charts", _SHORTEST), _SPANS[_SHORTEST])
    flow: dict[str, Any] = screen.get("/v1/flow", {"minutes": minutes})
    _show_waiting(screen, flow)
    for column, (label, value) in zip(st.columns(len(counts)), counts.items(), strict=True):
        column.metric(label, count(value))
    choice_field("Charts show the", "charts", list(_SPANS), any_is=_SHORTEST)
    _show_charts(flow)
    _show_freshness(flow)


def _counts(screen: Screen) -> dict[str, int] | None:
    """By label; None where there is nothing of the tenant."""
    found: dict[str, Any] = screen.client.get("/v1/health")
    tenants = {one["tenant_id"]: one for one in found["tenants"]}
    shown = found["counts"] if screen.tenant is None else tenants.get(screen.tenant)
    if shown is None:
        return None
    keys = {name.capitalize(): int(shown["idempotency"][name]) for name in _KEYS}
    return {"Arrivals": int(shown["events_raw"]), "Open exceptions": int(shown["exceptions_open"]), **keys}


def _show_waiting(screen: Screen, flow: dict[str, Any]) -> None:
    """What nobody but a person moves on, with the way to it."""
    rows = [*_exceptions(screen, flow["exceptions"]), *_held_files(screen, flow), *_webhooks(screen, flow)]
    troubles = [*_late(flow), *_jobs(screen)]
    if not rows and not troubles:
        under_way = flow["posting"]["waiting"] + flow["files"]["waiting"]
        books = "what arrived a moment ago is being posted" if under_way else "everything that arrived is in the books"
        st.success(f"All is well: nothing waits for a person, and {books}.")
        return
    if rows:
        st.subheader("Waiting for a decision")
        show_table(["What", "Why", "Reason"], rows, empty="", name="Waiting for a decision")
    for trouble in troubles:
        st.warning(trouble)


def _exceptions(screen: Screen, found: dict[str, Any]) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for one in found["by_reason"]:
        code = str(one["reason_code"])
        to = screen.link("exceptions", status="open", reason=code)
        meaning = REASONS[code].summary if code in REASONS else ""
        rows.append([Link(plural(one["open"], "parked event"), to), meaning, Code(code)])
    shown = sum(one["open"] for one in found["by_reason"])
    if found["open"] > shown:
        to = screen.link("exceptions", status="open")
        rows.append([Link(plural(found["open"] - shown, "parked event"), to), "Other reasons.", None])
    return rows


def _held_files(screen: Screen, flow: dict[str, Any]) -> list[list[Cell]]:
    found: list[list[Cell]] = []
    for number, what, state, meaning in (
        (flow["files"]["held"], "held file", "quarantined", "Nothing of it is loaded until somebody decides."),
        (
            flow["files"]["with_open_rows"],
            "file with bad rows",
            ROWS_WAIT,
            "The rest of it is loaded; those rows wait.",
        ),
    ):
        if number:
            many = what.replace("file", "files", 1)
            found.append([Link(plural(number, what, many), screen.link("files", state=state)), meaning, None])
    return found


def _webhooks(screen: Screen, flow: dict[str, Any]) -> list[list[Cell]]:
    number = flow["webhooks"]["failing"] + flow["webhooks"]["disabled"]
    meaning = "A receiver is not told what it asked to be told."
    return [[Link(plural(number, "failing webhook"), screen.link("pipeline", shown="Webhooks")), meaning, None]] * (
        number > 0
    )


def _late(flow: dict[str, Any]) -> list[str]:
    """What should move on by itself, and does not."""
    found: list[str] = []
    posting = flow["posting"]
    if (posting["oldest_seconds"] or 0) > _LATE_SECONDS:
        since = span(timedelta(seconds=posting["oldest_seconds"]))
        waiting = plural(posting["waiting"], "event waits", "events wait")
        found.append(f"{waiting} to be posted, the oldest for {since}: does the worker run? `ledgersafe work`")
    files = flow["files"]
    if (files["oldest_seconds"] or 0) > _LATE_SECONDS:
        since, waiting = (
            span(timedelta(seconds=files["oldest_seconds"])),
            plural(files["waiting"], "file waits", "files wait"),
        )
        found.append(f"{waiting} for a worker, the oldest for {since}: does the worker run? `ledgersafe work`")
    behind = [table["table"] for table in flow["gold"] if _is_late(table)]
    if behind:
        found.append(f"Not up to date for minutes: {', '.join(behind)}. The page Pipeline shows why.")
    return found


def _jobs(screen: Screen) -> list[str]:
    """Jobs that should run and do not. They belong to no tenant, and are told to keys of all tenants only."""
    if screen.who.tenant_ids is not None:
        return []
    jobs: list[dict[str, Any]] = screen.client.get("/v1/jobs")["items"]
    groups = {
        "paused by somebody": [one for one in jobs if one["paused"]],
        "failing": [one for one in jobs if one["attempts"] and not one["paused"]],
        "overdue": [one for one in jobs if _is_overdue(one, screen.now)],
    }
    return [
        f"{plural(len(group), 'job is', 'jobs are')} {how}: {', '.join(literal(one['name']) for one in group)}. "
        f"The page Pipeline shows more, and has the way to change it."
        for how, group in groups.items()
        if group
    ]


def _is_overdue(job: dict[str, Any], now: datetime) -> bool:
    waits = now - datetime.fromisoformat(job["due_at"])
    is_idle = not (job["paused"] or job["running"] or job["attempts"])
    return is_idle and waits > timedelta(seconds=_LATE_JOB_SECONDS)


def _is_late(table: dict[str, Any]) -> bool:
    return bool(table["failures"]) or table["seconds_behind"] > _LATE_TABLE_SECONDS


def _show_charts(flow: dict[str, Any]) -> None:
    left, right = st.columns(2)
    with left:
        st.subheader("Events a minute")
        names = {"arrivals": "arrived", "posted": "posted", "parked": "parked"}
        show_lines(flow["minutes"], names, over="at", unit="events")
    with right:
        st.subheader("From arrival to the books")
        taken = [
            {"at": minute["at"], **minute["latency"]} for minute in flow["minutes"] if minute["latency"]["sampled"]
        ]
        if taken:
            show_lines(taken, {"p50": "half within", "p95": "95 of 100 within"}, over="at", unit="seconds")
        else:
            st.caption("Nothing was posted in this time.")


def _show_freshness(flow: dict[str, Any]) -> None:
    st.subheader("How fresh the answers are")
    rows: list[list[Cell]] = []
    for table in flow["gold"]:
        state = Badge("behind", "warn") if _is_late(table) else Badge("up to date", "good")
        behind = span(timedelta(seconds=table["seconds_behind"])) if table["behind_since"] else ""
        rows.append(
            [table["table"], state, Number(behind), Number(count(table["failures"]) if table["failures"] else "")]
        )
    show_table(["Table", "State", "Behind by", "Failures"], rows, empty="There are no tables.", name="Freshness")
