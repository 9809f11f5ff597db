"""The exceptions that a delivery's events made, as far as the API tells: by their source, and when they were opened."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from ledgersafe.console.files.links import show_links
from ledgersafe.console.files.members import Members, listed, members
from ledgersafe.console.files.states import parked
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Link, Number, show_table
from ledgersafe.console.words import amount, count

_MOST = 100
_CLOCKS_DIFFER_SECONDS = 60


def show_parked(screen: Screen, delivery: Members, contract: Members) -> None:
    """Those that were opened while the file was worked through, and the way to all of its source."""
    number = parked(delivery)
    if not number or not delivery["ended_at"]:
        return
    source = _source(delivery, contract)
    found = _opened_by(screen, delivery, source)
    st.warning(
        "One event of it is parked: it is not in the books until a person decides on its exception."
        if number == 1
        else f"{count(number)} events of it are parked: they are not in the books until a person decides on each."
    )
    if found:
        heads = ("Event", "State", "Reason", "At stake")
        show_table(heads, [_cells(screen, one) for one in found], empty="", name="Exceptions of this file")
    if len(found) < number:
        st.caption("The others were parked before this file came, or stand further down in the queue.")
    everything = {"All exceptions of this source": screen.link("exceptions", text=source)}
    show_links(everything, name="Exceptions")


def _source(delivery: Members, contract: Members) -> str:
    """What its events say that they come from: the dataset, unless the contract says something else."""
    fields = members(members(contract.get("events")).get("fields"))
    said = members(fields.get("source_system"))
    return str(said.get("constant") or delivery["dataset"])


def _opened_by(screen: Screen, delivery: Members, source: str) -> Sequence[Members]:
    begin, end = (datetime.fromisoformat(delivery[name]) for name in ("started_at", "ended_at"))
    age = max(0.0, (screen.now - end).total_seconds() - _CLOCKS_DIFFER_SECONDS)
    wanted = {"text": source, "min_age_seconds": str(age), "limit": _MOST}
    items = listed(screen.get("/v1/exceptions", wanted)["items"])
    return [
        one
        for one in items
        if one["source_system"] == source and begin <= datetime.fromisoformat(one["created_at"]) <= end
    ]


def _cells(screen: Screen, one: Members) -> tuple[Cell, ...]:
    return (
        Link(one["idempotency_key"], screen.link("exception", id=one["exception_id"])),
        Badge(one["status"], "warn" if one["status"] == "open" else "quiet"),
        one["reason_code"],
        Number(amount(one["amount"], one["currency"])),
    )
