"""Delivery: what became of a file, why, and what to do next."""

import streamlit as st

from ledgersafe.client.api import ApiError, ApiProblem
from ledgersafe.console.fields import section_field
from ledgersafe.console.files.bad_rows import Held, show_bad_rows
from ledgersafe.console.files.deciding import Decision, Outcome, ask, may, show_told
from ledgersafe.console.files.links import show_links
from ledgersafe.console.files.members import Members, members
from ledgersafe.console.files.parked import show_parked
from ledgersafe.console.files.reports import show_drift, show_facts, show_lineage, show_quality
from ledgersafe.console.files.states import AT_WORK, needs_one_tenant, next_step, sentence, state_badge
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Number, badge, show_table
from ledgersafe.console.words import count, literal, moment

_REPORTS = ("Bad rows", "Quality", "Drift", "Lineage", "Facts")
_LOOKS_AGAIN_SECONDS = 1.5


def show(screen: Screen) -> None:
    """The delivery that the address names."""
    needs_one_tenant(screen, "Delivery")
    delivery = _asked_for(screen)
    if delivery is None:
        return
    contract = _contract(screen, str(delivery["dataset"]))
    _show_head(screen, delivery)
    if delivery["status"] in AT_WORK:
        _follow(screen, str(delivery["ingestion_id"]))
        return
    _show_counts(delivery)
    if not delivery["replayed_as"]:
        show_parked(screen, delivery, contract)
        _show_replay(screen, delivery)
    _show_reports(screen, delivery, contract)


def _asked_for(screen: Screen) -> Members | None:
    """None, and why, where there is no such delivery."""
    name = st.query_params.get("id", "")
    try:
        if name:
            return members(screen.get(f"/v1/ingestions/{_quoted(name)}"))
        told = "This page is about one delivery. Choose it in the list."
    except ApiProblem as problem:
        if problem.status not in (404, 422):
            raise
        told = f"{literal(problem.detail)} It may be another tenant's: look at the left whose books you see."
    st.title("Delivery", anchor=False)
    st.info(told)
    show_links({"All deliveries": screen.link("files")}, name="Way on")
    return None


def _quoted(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum() or letter == "-") or "-"


def _contract(screen: Screen, dataset: str) -> Members:
    """The members of the contract in force; none where there is no contract."""
    try:
        return members(screen.get(f"/v1/datasets/{dataset}/contract")["contract"])
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        return {}


def _show_head(screen: Screen, delivery: Members) -> None:
    dataset = str(delivery["dataset"])
    ways = {"All deliveries": screen.link("files"), f"Deliveries of {dataset}": screen.link("files", dataset=dataset)}
    show_links(ways | {f"Dataset {dataset}": screen.link("dataset", name=dataset)}, name="Where you are")
    st.title(literal(delivery["filename"]), anchor=False)
    state = state_badge(delivery)
    st.html(f"<p>{badge(state.text, state.tone)} {sentence(delivery)}</p>")
    show_told()
    if delivery["replayed_as"]:
        latest = screen.link("delivery", id=str(delivery["replayed_as"]))
        show_links({"To its latest delivery": latest}, name="Latest delivery")
    if delivery["detail"]:
        _show_detail(delivery)
    if (step := next_step(delivery)) is not None:
        st.info(f"**What to do next.** {step}")
    is_held = delivery["status"] == "quarantined" and not delivery["replayed_as"]
    if is_held and delivery["reason_code"] in _ABOUT_CONTRACTS:
        where = screen.link("dataset", name=dataset, tab="Change")
        show_links({f"To the contract of {dataset}": where}, name="Way on")


_ABOUT_CONTRACTS = frozenset({"NO_CONTRACT", "SCHEMA_DRIFT", "TOO_MANY_BAD_ROWS", "QUALITY_FAILED", "CURATED_CLASH"})


def _show_detail(delivery: Members) -> None:
    """Why it ended so; where a later delivery counts, as what it was."""
    told = f"{literal(delivery['detail'])}{_code(delivery)}"
    if delivery["replayed_as"]:
        st.caption(f"What was said of it then: {told}")
    elif delivery["status"] in ("quarantined", "failed"):
        st.error(told)
    else:
        st.warning(told)


def _code(delivery: Members) -> str:
    return f" `{delivery['reason_code']}`" if delivery["reason_code"] else ""


@st.fragment(run_every=_LOOKS_AGAIN_SECONDS)
def _follow(screen: Screen, name: str) -> None:
    """Look again while it is at work; the whole page runs again once it has ended."""
    try:
        now = screen.get(f"/v1/ingestions/{name}")
    except ApiError:
        st.caption("The API does not answer; this page looks again by itself.")
        return
    if now["status"] not in AT_WORK:
        st.rerun()
    st.caption(
        f"This page looks again by itself. Attempt {now['attempts']}, received {moment(now['received_at'])} UTC."
    )


def _show_counts(delivery: Members) -> None:
    """How many rows came, and what became of them by now."""
    if delivery["status"] in ("quarantined", "failed") and not delivery["rows_in"]:
        st.caption("Its rows were not counted: it was held before they were read.")
        return
    quality = members(delivery["quality"])
    counts = {"Rows": delivery["rows_in"], "Loaded": delivery["rows_ok"], "Held": delivery["rows_bad"]}
    if delivery["rows_bad"]:
        stands = delivery["bad_rows"]
        counts |= {"Still open": stands["open"], "Put right": stands["replayed"], "Left out": stands["ignored"]}
    table = ("inserted", "replaced", "unchanged", "older")
    counts |= {f"Rows {name}": quality[name] for name in table if quality.get(name)}
    counts |= {f"Events {name}": number for name, number in members(delivery["outcomes"]).items()}
    show_table(list(counts), [[Number(count(number)) for number in counts.values()]], empty="", name="Counts")


def _show_replay(screen: Screen, delivery: Members) -> None:
    """Work all of it through again."""
    if not may(screen.who.may("operate"), "operate"):
        return
    if not st.button("Work it through again…", key="replay"):
        return
    means = (
        "A new delivery of the same file is made, and held against the contract that is in force now. What is loaded "
        "already is not loaded twice, and nothing of later files is replaced."
    )

    def act(notes: str) -> Outcome:
        path = f"/v1/ingestions/{delivery['ingestion_id']}/replay"
        made = screen.post(path, {"notes": notes}, tenant=screen.tenant)
        told = "It is worked through again, as a delivery of its own: this one."
        return Outcome(told, {"id": str(made["ingestion_id"]), "row": None, "cursor": None})

    ask(Decision("replay", "Work it through again", means, "Work it through again", act))


def _show_reports(screen: Screen, delivery: Members, contract: Members) -> None:
    code = delivery["reason_code"]
    first = "Drift" if code == "SCHEMA_DRIFT" else "Bad rows" if delivery["rows_bad"] else "Quality"
    report = section_field("Reports", "report", _REPORTS, default=first)
    match report:
        case "Bad rows":
            names, has_groups = tuple(members(contract.get("columns"))), contract.get("kind") == "events"
            show_bad_rows(Held(screen, delivery, names, has_groups=has_groups))
        case "Quality":
            show_quality(delivery)
        case "Drift":
            show_drift(screen, delivery)
        case "Lineage":
            show_lineage(screen, delivery)
        case _:
            show_facts(screen, delivery)
