"""The jobs of the workers: how often each runs, how it stands, and the runs of one, page by page."""

from datetime import datetime, timedelta

import streamlit as st

from ledgersafe.client.api import ApiError
from ledgersafe.console.fields import cursor, show_paging
from ledgersafe.console.files.deciding import Decision, ask, may, show_told
from ledgersafe.console.files.links import show_links
from ledgersafe.console.files.members import Members, listed, members
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Link, Number, show_table
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import age, literal, moment, span
from ledgersafe.kernel.clock import SystemClock

_LOOKS_AGAIN_SECONDS = 4.0
_RUNS_A_PAGE = 50
_HEADS = ("Job", "How often", "State", "Due", "Last run", "Outcome", "Took", "What it did")
_ABOUT = {
    "release-waiting": "Looks again at events that wait for something, such as the original of a return.",
    "smart-gold-refresh": "Brings the tables of gold that are recomputed up to date.",
    "gold-sweep": "Applies to gold whatever was missed.",
    "seals": "Seals what has arrived lately, so that a change of it would show.",
    "seals-sweep": "Seals whatever was missed.",
    "partitions-ahead": "Makes the partitions of the months ahead.",
}


def show_jobs(screen: Screen) -> None:
    """All of them, or the one that the address names, with its runs."""
    if screen.who.tenant_ids is not None:
        st.info("Jobs work for all tenants: a key that serves all tenants sees and steers them.")
        return
    show_told()
    name = st.query_params.get("job")
    if name is None:
        _live_list(screen)
    else:
        _show_job(screen, name)


@st.fragment(run_every=_LOOKS_AGAIN_SECONDS)
def _live_list(screen: Screen) -> None:
    jobs = _jobs(screen)
    if jobs is None:
        return
    now = SystemClock().now()
    show_table(_HEADS, [_cells(screen, job, now) for job in jobs], empty=_NO_WORKER, name="Jobs")
    if any(_is_late(job, now) for job in jobs):
        st.warning("Some jobs are overdue. Is a worker running? `ledgersafe work` starts one.")
    st.caption("This list looks again by itself. Choose a job to see its runs, or to pause, resume or run it.")


_NO_WORKER = "No worker has run yet, so no job is known. Start one: `ledgersafe work`, or `ledgersafe up` for all."


def _jobs(screen: Screen) -> list[Members] | None:
    """None, told, where the API does not answer: whoever asks looks again by itself."""
    try:
        return list(listed(screen.client.get("/v1/jobs")["items"]))
    except ApiError as error:
        show_trouble(error)
        return None


def _cells(screen: Screen, job: Members, now: datetime) -> tuple[Cell, ...]:
    last = members(job["last_run"])
    return (
        Link(job["name"], screen.link("pipeline", job=job["name"])),
        _every(job),
        _state(job, now),
        _due(job, now),
        f"{age(last['started_at'], now)} ago" if last else "never",
        _outcome(last) if last else None,
        Number(_took(last)),
        last.get("summary"),
    )


def _every(job: Members) -> str | None:
    seconds = job["every_seconds"]
    return None if seconds is None else f"every {span(timedelta(seconds=seconds))}"


def _state(job: Members, now: datetime) -> Badge:
    if job["paused"]:
        return Badge("paused", "warn")
    if job["running"]:
        return Badge("running")
    if job["attempts"]:
        return Badge(f"failed {job['attempts']}×", "bad")
    return Badge("overdue", "bad") if _is_late(job, now) else Badge("on time", "good")


def _is_late(job: Members, now: datetime) -> bool:
    """Due for longer than it would take a worker to notice."""
    late = now - datetime.fromisoformat(job["due_at"])
    return not job["paused"] and not job["running"] and late > timedelta(seconds=60)


def _due(job: Members, now: datetime) -> str | None:
    if job["paused"] or job["running"]:
        return None
    ahead = datetime.fromisoformat(job["due_at"]) - now
    return f"in {span(ahead)}" if ahead > timedelta(0) else f"since {span(-ahead)}"


def _outcome(run: Members) -> Badge:
    match run["outcome"]:
        case "succeeded":
            return Badge("succeeded", "good")
        case "failed":
            return Badge("failed", "bad")
        case _:
            return Badge("no outcome yet")


def _took(run: Members) -> str:
    seconds = run.get("seconds")
    if seconds is None:
        return ""
    return f"{seconds:,.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _show_job(screen: Screen, name: str) -> None:
    show_links({"All jobs": screen.link("pipeline")}, name="Where you are")
    jobs = _jobs(screen)
    if jobs is None:
        return
    job = next((one for one in jobs if one["name"] == name), None)
    if job is None:
        st.info(f"There is no job {literal(name)}. Choose one in the list.")
        return
    st.subheader(literal(name), anchor=False)
    if name in _ABOUT:
        st.caption(_ABOUT[name])
    _live_job(screen, name)
    _show_steering(screen, job)
    if cursor() is None:
        _live_runs(screen, name)
    else:
        _show_runs(screen, name)


@st.fragment(run_every=_LOOKS_AGAIN_SECONDS)
def _live_job(screen: Screen, name: str) -> None:
    now = SystemClock().now()
    rows = [_cells(screen, job, now) for job in _jobs(screen) or () if job["name"] == name]
    show_table(_HEADS, rows, empty="This job is gone from the list.", name="Job")


def _show_steering(screen: Screen, job: Members) -> None:
    if not may(screen.who.may("admin"), "admin"):
        return
    name = job["name"]
    with st.container(horizontal=True):
        if job["paused"]:
            if st.button("Resume…", type="primary", key="resume"):
                means = "It runs again when it is due; at once, if it was due meanwhile."
                _ask(screen, name, "resume", "Resume", means)
        elif st.button("Pause…", key="pause"):
            means = "No worker takes it any more until it is resumed. A run that is under way goes on to its end."
            _ask(screen, name, "pause", "Pause", means)
        if st.button("Run now…", key="run", disabled=job["paused"]):
            _ask(screen, name, "run", "Run now", "It is due now: the first worker that is free takes it.")
    if job["paused"]:
        st.caption("It is paused: resume it before you have it run.")


def _ask(screen: Screen, name: str, verb: str, title: str, means: str) -> None:
    told = {"pause": "is paused", "resume": "is resumed", "run": "is due now"}[verb]

    def act(notes: str) -> str:
        screen.client.post(f"/v1/jobs/{name}/{verb}", {"notes": notes})
        return f"{literal(name)} {told}."

    ask(Decision(verb, f"{title}: {literal(name)}", means, title, act))


@st.fragment(run_every=_LOOKS_AGAIN_SECONDS)
def _live_runs(screen: Screen, name: str) -> None:
    try:
        _show_runs(screen, name)
    except ApiError as error:
        show_trouble(error)


def _show_runs(screen: Screen, name: str) -> None:
    page = members(screen.client.get(f"/v1/jobs/{name}/runs", {"cursor": cursor(), "limit": _RUNS_A_PAGE}))
    rows = [
        (moment(run["started_at"]), _outcome(run), Number(_took(run)), run["summary"]) for run in listed(page["items"])
    ]
    heads = ("Began (UTC)", "Outcome", "Took", "What it did, or why it failed")
    show_table(heads, rows, empty="It has not run yet.", name="Runs")
    show_paging(screen, "pipeline", page, {"job": name})
