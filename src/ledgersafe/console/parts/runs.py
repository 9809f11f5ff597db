"""Bulk runs: how far each is, what became of its exceptions, and stopping one or going on with it."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiError, ApiProblem, in_path
from ledgersafe.console.fields import choice_field, cursor, show_paging
from ledgersafe.console.parts.actors import called
from ledgersafe.console.parts.facts import is_of_another_tenant, show_facts, show_link
from ledgersafe.console.parts.pretty import cut, show_json
from ledgersafe.console.parts.queue import PAGE
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Link, Number, Tone, show_table
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import count, literal, moment

RUNS = "runs"
_MOST_RUNS = 50
_ROWS = 50
_MOST_CHARACTERS = 60
_TONES: dict[str, Tone] = {"running": "warn", "finished": "good", "cancelled": "quiet"}
_OUTCOMES: dict[str, Tone] = {"resolved": "good", "refused": "bad", "skipped": "quiet"}


def show_runs(screen: Screen) -> None:
    """The run that the address names, or the latest."""
    run_id = st.query_params.get("run")
    if run_id is None:
        _show_latest(screen)
        return
    show_link("← All bulk runs", screen.link(PAGE, view=RUNS))
    try:
        run = _find(screen, run_id)
    except ApiProblem as problem:
        if problem.status not in (404, 422):
            raise
        st.info(f"There is no bulk run {literal(run_id)}, or not for your key.")
        return
    if is_of_another_tenant(screen, run["tenant_id"], "bulk run", run_link(screen, run_id, run["tenant_id"])):
        return
    _show_run(screen, run)
    if run["status"] == "running":
        st.caption("What became of each exception is listed once it has ended, or is stopped.")
    else:
        _show_items(screen, run)


def _show_latest(screen: Screen) -> None:
    answer = screen.get("/v1/bulk-runs", {"limit": _MOST_RUNS, "cursor": cursor()})
    heads = ("Begun (UTC)", "Tenant", "Decision", "By", "State", "Planned", "Resolved", "Refused", "Skipped", "Notes")
    empty = "No bulk run yet. Under *Decide on many* one decision is made about all that the filters name."
    show_table(heads, [_run_row(screen, run) for run in answer["items"]], empty=empty, name="Bulk runs")
    show_paging(screen, PAGE, answer, {"view": RUNS})


def _run_row(screen: Screen, run: Mapping[str, Any]) -> list[Cell]:
    numbers = [Number(count(run[name])) for name in ("planned", "resolved", "refused", "skipped")]
    return [
        Link(moment(run["created_at"]), run_link(screen, run["run_id"], run["tenant_id"])),
        run["tenant_id"],
        decision(run["wish"]),
        called(screen, run["actor"]),
        Badge(run["status"], _TONES.get(run["status"], "quiet")),
        *numbers,
        run["notes"][:200],
    ]


def run_link(screen: Screen, run_id: str, tenant_id: str) -> str:
    """The address of a run."""
    return screen.link(PAGE, tenant=tenant_id, view=RUNS, run=run_id)


def decision(wish: Mapping[str, Any]) -> str:
    """What a run decides, in words."""
    if wish["action"] == "mark_resolved_no_replay":
        return "let go"
    chosen = {"first": "FIRST counts", "last": "LAST counts"}.get(wish.get("canonical") or "", "replay")
    patched = ", patched" if wish.get("patch") else ""
    return f"{chosen}{patched}, booked on {wish['books_date']}" if wish.get("books_date") else f"{chosen}{patched}"


def _find(screen: Screen, run_id: str) -> Mapping[str, Any]:
    return screen.client.get(f"/v1/bulk-runs/{in_path(run_id)}")


def _show_run(screen: Screen, run: Mapping[str, Any]) -> None:
    show_facts(
        {
            "Decision": decision(run["wish"]),
            "About": _about(run["filter"]),
            "By": f"{called(screen, run['actor'])}, {moment(run['created_at'])} UTC",
            "Stopped by": run["stopped_by"] and called(screen, run["stopped_by"]),
            "Resumed by": run["resumed_by"] and f"{called(screen, run['resumed_by'])}, who decides since",
            "Reason given": run["notes"],
        }
    )
    if run["wish"].get("patch"):
        st.caption("With this patch over each:")
        show_json(run["wish"]["patch"], (), "The patch")
    if run["status"] == "running":
        _follow(screen, run["run_id"])
    else:
        _show_progress(screen, run)


_FIELDS = {
    "reason_code": "Reason",
    "store_id": "Store",
    "assigned_to": "Assigned to",
    "text": "Text",
    "created_before": "Opened until",
}


def _about(chosen: Mapping[str, Any]) -> str:
    """As the fields of the filter are called."""
    told = [
        f"{_FIELDS.get(name, name)}: {f'{moment(value)} UTC' if name == 'created_before' else value}"
        for name, value in chosen.items()
    ]
    return " · ".join(told) or "all that were open"


@st.fragment(run_every=1)
def _follow(screen: Screen, run_id: str) -> None:
    """Look again every second; once it has ended, the whole page is shown anew."""
    try:
        run = _find(screen, run_id)
    except ApiError as error:
        show_trouble(error)
        return
    if run["status"] != "running":
        st.rerun()
    _show_progress(screen, run)


def _show_progress(screen: Screen, run: Mapping[str, Any]) -> None:
    done = run["resolved"] + run["refused"] + run["skipped"]
    told = f"{count(done)} of {count(run['planned'])} decided on"
    st.progress(min(1.0, done / run["planned"]) if run["planned"] else 1.0, text=f"{told}: {run['status']}")
    columns = st.columns(5)
    for column, name in zip(columns, ("planned", "resolved", "refused", "skipped"), strict=False):
        column.metric(name.capitalize(), count(run[name]))
    with columns[4]:
        _show_steering(screen, run)
    if run["refused"] and run["status"] != "running":
        st.caption("What was refused stays open: the table says why, each leads to its page.")


def _show_steering(screen: Screen, run: Mapping[str, Any]) -> None:
    if not screen.who.may("operate") or run["status"] == "finished":
        return
    name, step = ("Stop it", "cancel") if run["status"] == "running" else ("Go on", "resume")
    note = "What is decided stays decided." if step == "cancel" else "With what is not decided on yet."
    if not st.button(name, key=f"{step}:{run['run_id']}", help=note, width="stretch"):
        return
    try:
        screen.client.post(f"/v1/bulk-runs/{run['run_id']}/{step}", {})
    except ApiError as error:
        show_trouble(error)
    else:
        st.rerun()


def _show_items(screen: Screen, run: Mapping[str, Any]) -> None:
    run_id: str = run["run_id"]
    outcome = choice_field("What became of each", "outcome", list(_OUTCOMES))
    path = f"/v1/bulk-runs/{in_path(run_id)}/items"
    answer = screen.client.get(path, {"outcome": outcome, "limit": _ROWS, "cursor": cursor()})
    items: Sequence[Mapping[str, Any]] = answer["items"]
    rows = [_item_row(screen, item, run["tenant_id"]) for item in items]
    show_table(
        ("Event", "Outcome", "Why"),
        rows,
        empty="None of its exceptions is like this.",
        name="Exceptions of the run",
    )
    show_paging(screen, PAGE, answer, {"view": RUNS, "run": run_id, "outcome": outcome})


def _item_row(screen: Screen, item: Mapping[str, Any], tenant_id: str) -> list[Cell]:
    outcome: str = item["outcome"] or "to come"
    to = screen.link("exception", tenant=tenant_id, id=item["exception_id"])
    return [
        Link(cut(item["idempotency_key"], _MOST_CHARACTERS), to),
        Badge(outcome, _OUTCOMES.get(outcome, "warn")),
        item["detail"],
    ]
