"""Files: what was delivered and what became of it, the datasets, and the way to send a file."""

from collections.abc import Sequence

import streamlit as st

from ledgersafe.console.fields import choice_field, cursor, section_field, show_paging
from ledgersafe.console.files.members import Members, members
from ledgersafe.console.files.states import ROWS_WAIT, STATES, drift_badge, needs_one_tenant, parked, state_badge
from ledgersafe.console.files.uploading import show_upload
from ledgersafe.console.parts.actors import called
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Link, Number, show_table
from ledgersafe.console.words import count, moment, plural

_PARTS = ("Deliveries", "Datasets", "Send a file")
_ROWS_A_PAGE = 50
_MOST_DATASETS = 100


def show(screen: Screen) -> None:
    """The part that the address names."""
    st.title("Files", anchor=False)
    part = section_field("Part", "part", _PARTS)
    if part == "Send a file" and not screen.tenants:
        show_upload(screen, _names(_datasets(screen)) if screen.who.tenant_ids else ())
        return
    if not screen.tenants and screen.who.tenant_ids is None:
        st.info("No file has come yet. Choose *Send a file* above: the first one makes its tenant.")
        return
    needs_one_tenant(screen)
    match part:
        case "Deliveries":
            _show_deliveries(screen)
        case "Datasets":
            _show_datasets(screen)
        case _:
            show_upload(screen, _names(_datasets(screen)))


def _datasets(screen: Screen) -> Members:
    return members(screen.get("/v1/datasets", {"limit": _MOST_DATASETS}))


def _names(page: Members) -> tuple[str, ...]:
    return tuple(one["dataset"] for one in page["items"])


def _show_deliveries(screen: Screen) -> None:
    left, right = st.columns(2)
    with left:
        dataset = choice_field("Dataset", "dataset", _with_named(_names(_datasets(screen))))
    with right:
        state = choice_field("State", "state", (*STATES, ROWS_WAIT))
    if state is not None:
        st.caption("Of a file that was worked through again the latest delivery alone; *Any* shows all of them.")
    filters = {"dataset": dataset, "state": state}
    of_state = {"status": "succeeded", "with_open_rows": "true"} if state == ROWS_WAIT else {"status": state}
    of_state |= {"only_latest": None if state is None else "true"}
    wanted = {"dataset": dataset, **of_state, "cursor": cursor(), "limit": _ROWS_A_PAGE}
    page = screen.get("/v1/ingestions", wanted)
    show_table(
        ("Received (UTC)", "File", "Dataset", "State", "Loaded", "Held", "Drift", "Why", "By"),
        [_delivery(screen, one) for one in page["items"]],
        empty=_no_delivery(dataset, state),
        name="Deliveries",
    )
    show_paging(screen, "files", page, filters)


def _with_named(names: Sequence[str]) -> Sequence[str]:
    """With the one that the address names: it may lie beyond the first page of datasets."""
    named = st.query_params.get("dataset")
    return [*names, named] if named and named not in names else names


def _no_delivery(dataset: str | None, state: str | None) -> str:
    if dataset or state:
        return "No delivery is so. Choose *Any* above to see more of them."
    return "No file has come yet. Choose *Send a file* above; on a machine: `ledgersafe files ingest FILE`."


def _delivery(screen: Screen, one: Members) -> tuple[Cell, ...]:
    return (
        moment(one["received_at"]),
        Link(one["filename"], screen.link("delivery", id=one["ingestion_id"])),
        Link(one["dataset"], screen.link("dataset", name=one["dataset"])),
        state_badge(one),
        Number(count(one["rows_ok"])),
        Number(_held(one)),
        drift_badge(one["drifted"]),
        _why(screen, one),
        called(screen, one["received_by"]),
    )


def _held(one: Members) -> str:
    """How many of its rows wait, where some of them do not any more."""
    waiting, bad = one["rows_open"], one["rows_bad"]
    is_told = one["status"] == "succeeded" and not one["replayed_as"] and waiting < bad
    return f"{count(waiting)} of {count(bad)}" if is_told else count(bad)


def _why(screen: Screen, one: Members) -> Cell:
    """What else to know of it at a glance."""
    if one["replayed_as"]:
        return Link("worked through again", screen.link("delivery", id=one["replayed_as"]))
    replay, held = "a replay" if one["replay_of"] else None, parked(one)
    return one["reason_code"] or (f"{plural(held, 'event')} parked" if held else replay)


def _show_datasets(screen: Screen) -> None:
    page = screen.get("/v1/datasets", {"cursor": cursor(), "limit": _ROWS_A_PAGE})
    show_table(
        (
            "Dataset",
            "Its rows become",
            "Contract",
            "Deliveries",
            "Waiting",
            "Held",
            "Rows wait",
            "Last received (UTC)",
            "About",
        ),
        [_dataset(screen, one) for one in page["items"]],
        empty="There is no dataset yet: the first file of one makes it. Choose *Send a file* above.",
        name="Datasets",
    )
    show_paging(screen, "files", page, {"part": "Datasets"})


def _dataset(screen: Screen, one: Members) -> tuple[Cell, ...]:
    name, version = one["dataset"], one["contract_version"]
    held = screen.link("files", dataset=name, state="quarantined")
    open_rows = screen.link("files", dataset=name, state=ROWS_WAIT)
    return (
        Link(name, screen.link("dataset", name=name)),
        {"table": "a table", "events": "events"}.get(one["kind"] or ""),
        Badge("none", "bad") if version is None else f"version {version}",
        Link(count(one["deliveries"]), screen.link("files", dataset=name)),
        Number(count(one["waiting"])),
        Link(count(one["quarantined"]), held) if one["quarantined"] else "0",
        Link(count(one["with_open_rows"]), open_rows) if one["with_open_rows"] else "0",
        moment(one["last_received_at"]),
        one["description"],
    )
