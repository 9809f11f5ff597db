"""Dataset: its contract with every version, the headers that came, how deliveries go, and rows of its table."""

import re

import streamlit as st

from ledgersafe.client.api import ApiProblem
from ledgersafe.console.fields import section_field
from ledgersafe.console.files.contracts import show_change, show_contract, show_held
from ledgersafe.console.files.deciding import show_told
from ledgersafe.console.files.history import show_columns, show_sample, show_trends
from ledgersafe.console.files.links import show_links
from ledgersafe.console.files.members import Members, listed, members
from ledgersafe.console.files.states import needs_one_tenant
from ledgersafe.console.screen import Screen
from ledgersafe.console.words import literal, moment, plural

_VIEWS = ("Contract", "Change", "Columns", "Trends", "Sample")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def show(screen: Screen) -> None:
    """The dataset that the address names."""
    needs_one_tenant(screen, "Dataset")
    dataset = st.query_params.get("name", "")
    if _NAME.fullmatch(dataset) is None:
        st.title("Dataset", anchor=False)
        st.info("This page is about one dataset. Choose it in the list.")
        show_links({"All datasets": screen.link("files", part="Datasets")}, name="Way on")
        return
    known, latest = _known(screen, dataset), _latest(screen, dataset)
    _show_head(screen, dataset, known, latest)
    view = section_field("View", "tab", _VIEWS)
    match view:
        case "Contract":
            show_contract(screen, dataset, latest)
        case "Change":
            show_change(screen, dataset, latest)
        case "Columns":
            show_columns(screen, dataset)
        case "Trends":
            show_trends(screen, dataset)
        case _:
            show_sample(screen, dataset, None if known is None else known["kind"])


def _known(screen: Screen, dataset: str) -> Members | None:
    """What the list of datasets says of it: the page of the list that begins just before it."""
    before = dataset[:-1] + chr(ord(dataset[-1]) - 1) + "~"
    page = listed(screen.get("/v1/datasets", {"cursor": before, "limit": 1})["items"])
    return page[0] if page and page[0]["dataset"] == dataset else None


def _latest(screen: Screen, dataset: str) -> Members | None:
    try:
        return members(screen.get(f"/v1/datasets/{dataset}/contract"))
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        return None


def _show_head(screen: Screen, dataset: str, known: Members | None, latest: Members | None) -> None:
    ways = {"All datasets": screen.link("files", part="Datasets")}
    show_links(ways | {"Its deliveries": screen.link("files", dataset=dataset)}, name="Where you are")
    st.title(literal(dataset), anchor=False)
    if known is None:
        st.info("Nobody has put a contract for it, and no file of it has come.")
    else:
        kind = {"table": "Its rows go into a table.", "events": "Its rows become events for the ledger."}
        version = "no contract" if latest is None else f"contract version {latest['version']}"
        last = f", the last on {moment(known['last_received_at'])} UTC" if known["last_received_at"] else ""
        number = plural(known["deliveries"], "delivery", "deliveries")
        about = f"{literal(known['description'] or '')} {kind.get(known['kind'] or '', '')}"
        st.markdown(f"{about} {number}{last}; {version}.")
    show_told()
    show_held(screen, dataset, known)
