"""How a delivery stands, in words, and what a person can do next."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ledgersafe.console.files.members import members
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Tone
from ledgersafe.console.words import count, plural
from ledgersafe.kernel.reasons import REASONS

STATES = ("received", "processing", "succeeded", "quarantined", "failed")
ROWS_WAIT = "rows wait"
"""Loaded, but for rows that wait for a decision: no state of the API, but what people look for."""
AT_WORK = frozenset({"received", "processing"})
_TONES: dict[str, Tone] = {"succeeded": "good", "quarantined": "bad", "failed": "bad"}
_FAULTY_FILE = (
    "The file itself is at fault. Have it mended and send it again: changed bytes are a new delivery. Where it is the "
    "contract that expects another format, change the contract, then work this delivery through again."
)
_NEXT = {
    "NO_CONTRACT": "Put a contract for this dataset in force, on the dataset's page; then work this delivery through "
    "again. Nobody has to send the file again: it is kept.",
    "SCHEMA_DRIFT": "Look at Drift: which columns are new, missing or renamed. Either the sender goes back to the "
    "contract's columns, or the contract learns the new ones (an alias for a renamed column: Drift shows how it is "
    "written); then work this delivery through again.",
    "TOO_MANY_BAD_ROWS": "Look at Quality: what is wrong with its rows. Have the sender send a mended file, or change "
    "the contract, and work this delivery through again.",
    "QUALITY_FAILED": "Look at Quality: which rule the file as a whole breaks. Have the sender send a whole file, or "
    "change the rule in the contract, and work this delivery through again.",
    "CURATED_CLASH": "The dataset's table has other types or another key than its contract. Put a contract in force "
    "that fits the table, then work this delivery through again.",
    "RAW_FILE_DAMAGED": "Have the file put back into the raw zone from a backup, then work it through again.",
    "INTERNAL_ERROR": "What failed is in the worker's log. Once it is mended, work this delivery through again.",
}


def needs_one_tenant(screen: Screen, title: str | None = None) -> None:
    """Files are about one tenant; a key that serves one alone need not say which. Otherwise the page asks and ends.

    `title`: of a page that has none yet.
    """
    if screen.tenant is None and (screen.who.tenant_ids is None or len(screen.who.tenant_ids) != 1):
        if title is not None:
            st.title(title, anchor=False)
        screen.one_tenant()


def state_badge(delivery: Mapping[str, Any]) -> Badge:
    """Its state in the API's word: amber while rows of it wait, quiet where it was worked through again."""
    status = str(delivery["status"])
    if delivery["replayed_as"]:
        return Badge(status, "quiet")
    has_bad = status == "succeeded" and (delivery["rows_open"] > 0 or parked(delivery) > 0)
    return Badge(status, "warn" if has_bad else _TONES.get(status, "quiet"))


def parked(delivery: Mapping[str, Any]) -> int:
    """How many of its events are exceptions, or came while they were."""
    return members(delivery.get("outcomes")).get("quarantined", 0)


def drift_badge(drifted: bool | None) -> Badge | None:
    """Whether its columns differ; nothing where they were not looked at."""
    if drifted is None:
        return None
    return Badge("drifted", "warn") if drifted else Badge("none", "quiet")


def sentence(delivery: Mapping[str, Any]) -> str:
    """What became of it, for who has never seen a delivery."""
    if delivery["replayed_as"]:
        return "It was worked through again since: how the file stands now is told by its latest delivery."
    match delivery["status"]:
        case "received" if delivery["attempts"]:
            return "It is tried again in a moment: the attempt before met trouble of the machine."
        case "received":
            return "The file is kept for good, and waits for a worker."
        case "processing":
            return "A worker holds it against its contract now."
        case "succeeded" if not delivery["rows_in"]:
            return "It was read, and has no rows."
        case "succeeded" if delivery["rows_bad"]:
            return _with_held(delivery)
        case "succeeded" if delivery["outcomes"] is not None:
            return f"All of it became events: {plural(delivery['rows_ok'], 'row')}."
        case "succeeded":
            return f"All of it is loaded: {plural(delivery['rows_ok'], 'row')}."
        case "quarantined":
            return "Nothing of it is loaded until a person decides. The file is kept."
        case _:
            return "We failed at it, and nothing of it is loaded. The file is kept."


def _with_held(delivery: Mapping[str, Any]) -> str:
    """How many rows are loaded by now, and what became of those that were held."""
    bad, waiting = delivery["rows_bad"], delivery["rows_open"]
    stands = members(delivery.get("bad_rows"))
    loaded = f"{count(delivery['rows_ok'] + stands.get('replayed', 0))} of {count(delivery['rows_in'])} rows are loaded"
    if waiting == bad:
        return f"{loaded}; {plural(bad, 'row was', 'rows were')} held."
    parts = {"put right": stands.get("replayed", 0), "left out": stands.get("ignored", 0)}
    told = [f"{count(number)} {words}" for words, number in parts.items() if number]
    told = told if stands else [f"{count(bad - waiting)} decided on"]
    waits = f"{count(waiting)} {'waits' if waiting == 1 else 'wait'}" if waiting else "none waits"
    return f"{loaded}; of {plural(bad, 'row that was', 'rows that were')} held: {', '.join([*told, waits])}."


def next_step(delivery: Mapping[str, Any]) -> str | None:
    """What a person can do now; None where nothing is to be done."""
    if delivery["status"] in AT_WORK or delivery["replayed_as"]:
        return None
    if delivery["status"] == "succeeded":
        waiting = delivery["rows_open"]
        if not waiting:
            return None
        return f"{plural(waiting, 'bad row waits', 'bad rows wait')} for a decision: put each right, or leave it out."
    code = str(delivery["reason_code"])
    if code in _NEXT:
        return _NEXT[code]
    reason = REASONS.get(code)
    return _FAULTY_FILE if reason is not None and reason.who == "SENDER" else (reason.summary if reason else None)


def size(number: int) -> str:
    """Bytes as people say them."""
    for unit, whole in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= whole:
            return f"{number / whole:,.1f} {unit}"
    return plural(number, "byte")
