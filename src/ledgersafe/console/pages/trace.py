"""Trace: one event from its arrival to gold, every step that it took, and why it took no further one."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiProblem, in_path
from ledgersafe.console.fields import text_field
from ledgersafe.console.parts.actors import called
from ledgersafe.console.parts.origin import AS_IT_IS, file_in_words, show_rows, way_to
from ledgersafe.console.parts.pretty import show_json
from ledgersafe.console.parts.traced_books import entries_of, show_entries, show_gold, show_transactions
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Code, Link, Number, Tone, badge, show_table
from ledgersafe.console.words import amount, literal, moment, plural
from ledgersafe.kernel.reasons import REASONS

_MOST_ARRIVALS = 50
_MOST_BODIES = 3
_DECISIONS = {
    "accepted": "counts",
    "patched-accepted": "counts, as patched",
    "superseded": "another payload counts",
    "ignored": "ignored",
    "open": "held for a decision",
}
"""What was decided of a payload, in words."""
_MISSING = ' class="ls-missing"'


def show(screen: Screen) -> None:
    """The chain of the event that the address names."""
    st.title("Trace")
    screen.one_tenant()
    event_id = _asked()
    if event_id is None:
        st.info(
            "Enter an event id: the `event_id` that its sender gave it. It stands in every row of the pages "
            "*Exceptions* and *Ledger* (section *Entries*), and leads here from there. The number of a receipt that is "
            "posted (its `txn_id`) leads to its events."
        )
        return
    try:
        found = screen.get(f"/v1/events/{in_path(event_id)}")
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        if not _show_receipt(screen, event_id):
            _show_unknown(screen, event_id)
        return
    entries = entries_of(screen, found)
    _show_summary(screen, found, entries)
    _show_arrivals(screen, found)
    _show_gate(found)
    _show_exceptions(screen, found)
    if found["transactions"]:
        show_transactions(found)
        show_entries(screen, found["event_id"], entries)
        show_gold(screen, found)
    else:
        st.subheader("Transactions, ledger, gold")
        st.info(_why_not_posted(found))


def _asked() -> str | None:
    field, button = st.columns([5, 1], vertical_alignment="bottom")
    with field:
        event_id = text_field("Event id, or a receipt's number", "event", placeholder="e.g. or-C496350", is_id=True)
    button.button("Find", type="primary", width="stretch")  # leaving the field has asked already
    return event_id


def _show_receipt(screen: Screen, txn_id: str) -> bool:
    """The events behind a receipt's number, if anything is posted under it."""
    try:
        found = screen.get(f"/v1/receipts/{in_path(txn_id)}")["items"]
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        return False
    st.markdown(f"No event is called {literal(txn_id)}. These stand in the books under that number:")
    rows: list[list[Cell]] = [
        [
            Link(one["event_id"], screen.link("trace", event=one["event_id"])),
            one["event_type"],
            one["store_id"],
            "taken back" if one["kind"] == "reversal" else "posted",
            one["business_date"],
            Number(amount(one["total"], one["currency"])),
        ]
        for one in found
    ]
    show_table(("Event", "Type", "Store", "", "Business date", "Total"), rows, empty="", name="Of this receipt")
    return True


def _show_unknown(screen: Screen, event_id: str) -> None:
    st.warning(f"Tenant {literal(screen.tenant)} never sent an event {literal(event_id)}.")
    st.markdown(
        "- Ids are exact: capitals, blanks and leading zeros count.\n"
        "- Another tenant may have sent it: choose that one at the left.\n"
        "- A body that was no event at all was refused at the door and has no trace: `ledgersafe rejected list`."
    )
    if event_id != event_id.strip():
        to = escape(screen.link("trace", event=event_id.strip()))
        st.html(f'<p class="ls-way"><a href="{to}" target="_self">The same without the blanks at its ends</a></p>')
    to = escape(screen.link("exceptions", text=event_id))
    st.html(f'<p class="ls-way"><a href="{to}" target="_self">Look for it among the exceptions</a></p>')


def _show_summary(screen: Screen, found: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> None:
    text, tone = _verdict(found, entries)
    steps = (
        (plural(found["key"]["arrivals"], "arrival"), True),
        (f"gate: {found['key']['status']}", True),
        (plural(len(found["exceptions"]), "exception"), bool(found["exceptions"])),
        (plural(len(found["transactions"]), "posting"), bool(found["transactions"])),
        (plural(len(found["entries"]), "ledger entry", "ledger entries"), bool(found["entries"])),
        (plural(len(found["gold"]), "gold row"), bool(found["gold"])),
    )
    shown = "".join(f"<li{'' if reached else _MISSING}>{escape(step)}</li>" for step, reached in steps)
    st.html(f'<p>{badge(text, tone)}</p><ol class="ls-steps" aria-label="Steps">{shown}</ol>')
    open_ones = [one for one in found["exceptions"] if one["status"] == "open"]
    for one in open_ones:
        to = escape(screen.link("exception", id=one["exception_id"]))
        way = f'<a href="{to}" target="_self">Decide on its exception</a>'
        st.html(f'<p class="ls-way">{escape(_meaning(one["reason_code"]))} {way}</p>')


def _meaning(reason_code: str) -> str:
    return REASONS[reason_code].summary if reason_code in REASONS else f"It is held: {reason_code}."


def _verdict(found: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> tuple[str, Tone]:
    """What has become of the event, in a few words. `entries`: of its transactions, whoever caused them."""
    status, is_posted = found["key"]["status"], bool(found["transactions"])
    if status == "quarantined":
        return ("Posted; another payload of it is held" if is_posted else "Held, not posted"), "bad"
    if status == "ignored":
        return "Ignored: it counts nowhere", "quiet"
    if found["waiting_to_post"]:
        return "Accepted; it waits to be posted", "warn"
    standing = {one["entry_id"] for one in entries if one["kind"] == "posting"} - {one["reverses"] for one in entries}
    if entries and not standing:
        return "Posted, and taken back", "quiet"
    return ("Posted" if is_posted else "Accepted, and nothing of it is posted"), "good"


def _why_not_posted(found: Mapping[str, Any]) -> str:
    """Why the books have nothing of it yet, and what to do."""
    if found["key"]["status"] == "quarantined":
        return "Nothing yet: the event is held. Decide on its exception, and it is posted at once."
    if found["key"]["status"] == "ignored":
        return "Nothing: it was decided that this event counts nowhere."
    if found["waiting_to_post"]:
        return "Nothing yet: the worker posts it within a second or two. Reload the page; if it stays so, see Pipeline."
    return "Nothing: what it says moves no money and no goods."


def _show_arrivals(screen: Screen, found: Mapping[str, Any]) -> None:
    st.subheader("Arrivals")
    decided = {one["fingerprint"]: one["decision"] for one in found["payloads"]}
    firsts = {one["raw_id"] for one in found["payloads"]}
    heads = ("Received (UTC)", "Door", "Type", "Store", "Source", "Happened (UTC)", "Outcome", "Body")
    arrivals: Sequence[Mapping[str, Any]] = found["arrivals"]
    rows = [_arrival(screen, one, decided, firsts) for one in arrivals[:_MOST_ARRIVALS]]
    show_table(heads, rows, empty="None.", name="Arrivals")
    total = found["key"]["arrivals"]
    if total > len(rows):
        st.caption(
            f"The first {len(rows):,} of {total:,}; each later one is a retry or another payload of the same key."
        )
    bodies = [one for one in arrivals if one["raw_id"] in firsts]
    for one in bodies[:_MOST_BODIES]:
        with st.expander(f"Body received {moment(one['received_at'])} UTC"):
            show_json(one["payload_json"], (), f"Body received {moment(one['received_at'])}")
        if one["origin"]:
            show_rows(screen, screen.one_tenant(), one, f"{AS_IT_IS}: {file_in_words(one['origin'])}")
    if len(bodies) > _MOST_BODIES:
        st.caption(f"{len(bodies) - _MOST_BODIES:,} more payloads: its exception compares them.")


def _arrival(screen: Screen, one: Mapping[str, Any], decided: Mapping[str, str], firsts: set[str]) -> list[Cell]:
    decision = decided.get(one["payload_hash"])
    outcome: Cell = "same as before: counted once"
    if one["raw_id"] in firsts:
        tone: Tone = (
            "bad" if decision == "open" else "good" if decision in ("accepted", "patched-accepted") else "quiet"
        )
        outcome = Badge(_DECISIONS.get(decision or "", decision or "received"), tone)
    told = (one["event_type"], one["store_id"], one["source_system"], moment(one["occurred_at"]))
    door: Cell = one["door"]
    if one["origin"]:
        door = Link(file_in_words(one["origin"]), way_to(screen, screen.one_tenant(), one["origin"]))
    return [moment(one["received_at"]), door, *told, outcome, Code(one["body_sha256"][:12])]


def _show_gate(found: Mapping[str, Any]) -> None:
    st.subheader("Gate")
    key = found["key"]
    heads = ("Status", "Arrivals", "Payloads", "First seen (UTC)", "Last seen (UTC)", "Posted (UTC)", "Last reason")
    tones: dict[str, Tone] = {"processed": "good", "quarantined": "bad"}
    row: list[Cell] = [
        Badge(key["status"], tones.get(key["status"], "quiet")),
        Number(f"{key['arrivals']:,}"),
        Number(f"{len(found['payloads']):,}"),
        moment(key["first_seen_at"]),
        moment(key["last_seen_at"]),
        moment(key["posted_at"]) or "not yet",
        Code(key["last_error_code"]) if key["last_error_code"] else None,
    ]
    show_table(heads, [row], empty="", name="Gate")


def _show_exceptions(screen: Screen, found: Mapping[str, Any]) -> None:
    st.subheader("Exceptions and decisions")
    heads = ("Reason", "Status", "Opened (UTC)", "At stake", "Resolved (UTC)", "How", "By", "Notes")
    rows = [_exception(screen, one) for one in found["exceptions"]]
    show_table(heads, rows, empty="None: it was never held.", name="Exceptions")
    decisions = [one for one in found["audit"] if one["action"] != "exception.opened"]
    if decisions:
        to = {"records": "Log", "object_type": "exception"}
        steps: list[list[Cell]] = [
            [
                moment(one["occurred_at"]),
                called(screen, one["actor"]),
                Link(one["action"], screen.link("audit", **to, object=one["object_id"])),
                one["notes"],
            ]
            for one in decisions
        ]
        show_table(("When (UTC)", "Who", "What", "Notes"), steps, empty="", name="Decisions")


def _exception(screen: Screen, one: Mapping[str, Any]) -> list[Cell]:
    is_open = one["status"] == "open"
    return [
        Link(one["reason_code"], screen.link("exception", id=one["exception_id"])),
        Badge("open" if is_open else "resolved", "bad" if is_open else "good"),
        moment(one["created_at"]),
        Number(amount(one["amount"], one["currency"])),
        moment(one["resolved_at"]),
        one["resolution"],
        called(screen, one["resolution_actor"]) if one["resolution_actor"] else None,
        one["resolution_notes"],
    ]
