"""A delivery's reports: what is wrong with its rows, how its columns differ, what was made of it, how it was read."""

from typing import cast

import streamlit as st

from ledgersafe.console.files.links import show_links
from ledgersafe.console.files.members import Members, listed, members
from ledgersafe.console.files.states import size
from ledgersafe.console.parts.actors import called
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Code, Link, Number, show_table
from ledgersafe.console.words import count, literal, moment
from ledgersafe.kernel.strict_yaml import write_yaml

_NOT_READ = "There is no such report: the file was not read. What it waits for is said above."


def show_quality(delivery: Members) -> None:
    """What is wrong with its rows, by rule, and what its columns hold."""
    quality = members(delivery["quality"])
    if not quality:
        st.info(_NOT_READ)
        return
    for broken in quality.get("broken", []):
        st.error(f"The file as a whole breaks a rule: {literal(broken)}.")
    rules = listed(quality.get("rules"))
    every_row = "No row breaks a rule of the contract." if quality.get("rows") else "No row was read."
    st.subheader("What is wrong with its rows", anchor=False)
    show_table(
        ("Column", "Rule", "Rows", "Row", "Value", "What is wrong with it"),
        [row for rule in rules for row in _rule_rows(rule)],
        empty=every_row,
        name="Faults",
    )
    st.subheader("What its columns hold", anchor=False)
    columns = members(quality.get("columns"))
    show_table(
        ("Column", "Missing", "Share missing", "Least", "Most"),
        [
            (name, Number(count(of["nulls"])), Number(f"{of['null_fraction']:.1%}"), of["min"], of["max"])
            for name, of in columns.items()
        ],
        empty="Its values were not looked at.",
        name="Values",
    )


def _rule_rows(rule: Members) -> list[tuple[Cell, ...]]:
    """A rule with its first samples: what it is called and how often stands with the first alone."""
    samples = listed(rule["samples"]) or ({"row": None, "value": None, "message": ""},)
    rows: list[tuple[Cell, ...]] = []
    for number, one in enumerate(samples):
        head: tuple[Cell, ...] = (rule["column"], rule["rule"], Number(count(rule["count"])))
        said = (Number(str(one["row"] or "")), one["value"], one["message"])
        rows.append((*(head if not number else (None, None, None)), *said))
    return rows


def show_drift(screen: Screen, delivery: Members) -> None:
    """Which columns are new, missing or renamed, and whether that breaks anything."""
    drift = members(delivery["drift"])
    if not drift:
        st.info(_NOT_READ)
        return
    if not drift["drifted"]:
        st.success("It has the columns of its contract.")
    elif drift["breaking"]:
        st.error("Its columns differ from its contract's so that no row can be good.")
    else:
        st.warning(f"Its columns differ from its contract's. The contract says: *{literal(drift['policy'])}*.")
    st.subheader("Against its contract", anchor=False)
    show_table(("Column", "Is", "What that means"), _differences(drift), empty=_SAME, name="Drift")
    _show_aliases(screen, delivery, drift)
    st.subheader("Against the file before", anchor=False)
    show_table(
        ("Column", "Is", "Was", "Now"),
        _since_last(drift),
        empty="It has the columns of the file before.",
        name="Change",
    )


def _show_aliases(screen: Screen, delivery: Members, drift: Members) -> None:
    """How the contract is told that a column has another name in files."""
    renames: dict[str, str] = {one["could_be"]: one["column"] for one in drift["suggested_renames"]}
    if not renames and drift["added"] and drift["removed"]:
        renames = {drift["removed"][0]: "THE NEW NAME"}
    if not renames:
        return
    dataset = str(delivery["dataset"])
    st.markdown("If a column only has another name, its contract learns that by an alias. Add to the column:")
    aliases = {"columns": {name: {"aliases": [said]} for name, said in renames.items()}}
    st.code(write_yaml(aliases), language="yaml")
    show_links({f"Change the contract of {dataset}": screen.link("dataset", name=dataset, tab="Change")}, name="Way on")


_SAME = "Each of its columns is one of the contract's, and none is missing."


def _differences(drift: Members) -> list[tuple[Cell, ...]]:
    could_be = {one["column"]: one["could_be"] for one in drift["suggested_renames"]}
    needed = set(drift["required_and_missing"])
    rows: list[tuple[Cell, ...]] = []
    for name in drift["added"]:
        told = f"Perhaps {could_be[name]} by another name" if name in could_be else "Not in the contract: left out"
        rows.append((name, Badge("new", "warn"), told))
    for name in drift["removed"]:
        told = "Required: without it no row can be good" if name in needed else "Not required: empty in every row"
        rows.append((name, Badge("missing", "bad" if name in needed else "warn"), told))
    for one in drift["renamed"]:
        rows.append((one["column"], Badge("renamed", "quiet"), f"Read as {one['is']}, as the contract says"))
    return rows


def _since_last(drift: Members) -> list[tuple[Cell, ...]]:
    since = members(drift["since_last"])
    rows: list[tuple[Cell, ...]] = [(name, Badge("new", "warn"), None, None) for name in since["added"]]
    rows += [(name, Badge("gone", "warn"), None, None) for name in since["removed"]]
    rows += [
        (one["column"], Badge(f"type {one['change']}", "warn"), str(one["was"]), str(one["now"]))
        for one in since["types"]
    ]
    return rows


def show_lineage(screen: Screen, delivery: Members) -> None:
    """From the file over the contract to a table, or to events; column by column."""
    lineage = members(delivery["lineage"])
    if not lineage:
        st.info("Nothing was made of it yet.")
        return
    dataset = str(delivery["dataset"])
    rows: list[tuple[Cell, ...]] = [
        ("From", "The file", Code(delivery["raw_path"]), Number(count(delivery["rows_in"])))
    ]
    for one in lineage["outputs"]:
        version = f"{dataset}, version {one['facets']['version']['datasetVersion']}"
        rows.append(("By", "The contract", Link(version, screen.link("dataset", name=dataset)), None))
        what = "A table" if one["namespace"].endswith("/files") else "Events for the ledger"
        made = one["outputFacets"]["outputStatistics"]["rowCount"] if delivery["status"] == "succeeded" else 0
        rows.append(("To", what, Code(one["name"]), Number(count(made))))
    show_table(("", "What", "Name", "Rows"), rows, empty="", name="Lineage")
    if delivery["status"] != "succeeded":
        st.caption("Nothing of it is loaded: this is where its rows would have gone.")
    st.subheader("Columns", anchor=False)
    pairs = [
        (source["field"], ours)
        for one in lineage["outputs"]
        for ours, of in one["facets"]["columnLineage"]["fields"].items()
        for source in of["inputFields"]
    ]
    show_table(
        ("In the file", "Becomes"), pairs, empty="No column of the file is one of the contract's.", name="Columns"
    )


def show_facts(screen: Screen, delivery: Members) -> None:
    """How it came and how it was read, and what was decided of it."""
    of = delivery
    came: list[tuple[str, Cell]] = [
        ("Delivery", Code(of["ingestion_id"])),
        ("Received", f"{moment(of['received_at'])} UTC by {of['received_by']}"),
        ("Comes from", of["source"]),
        ("Worked through", _worked(of)),
        ("Size", size(of["size_bytes"])),
        ("SHA-256", Code(of["sha256"])),
        ("Kept as", Code(of["raw_path"])),
        ("Replay of", Link(of["replay_of"], screen.link("delivery", id=of["replay_of"])) if of["replay_of"] else None),
    ]
    read = [(name.replace("_", " ").capitalize(), _plain(value)) for name, value in members(of["facts"]).items()]
    rows = [(name, cell) for name, cell in [*came, *read] if cell is not None]
    show_table(("Fact", ""), rows, empty="", name="Facts")
    st.subheader("Decisions", anchor=False)
    show_table(
        ("When (UTC)", "By", "What", "Why", "Details"),
        [_decision(screen, entry) for entry in of["audit"]],
        empty="Nobody has decided anything of this delivery.",
        name="Decisions",
    )


def _worked(of: Members) -> str | None:
    if not of["started_at"]:
        return None
    until = f" to {moment(of['ended_at'])}" if of["ended_at"] else ", not ended yet"
    return f"{moment(of['started_at'])}{until} UTC, attempt {of['attempts']}"


def _decision(screen: Screen, entry: Members) -> tuple[Cell, ...]:
    after = members(entry["after_json"])
    other = after.get("replay") or after.get("replay_of")
    details: Cell = (
        Link("the other delivery", screen.link("delivery", id=other))
        if other
        else Code("; ".join(f"{name}: {_plain(value)}" for name, value in after.items() if value))
    )
    return moment(entry["occurred_at"]), called(screen, entry["actor"]), entry["action"], entry["notes"], details


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[object]", value)))
    return repr(value) if isinstance(value, str) and not value.strip() else str(value)
