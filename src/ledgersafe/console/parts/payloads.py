"""Every payload of a key: FIRST and LAST side by side, where they differ, and what the gate knows of the key."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ledgersafe.console.parts.choices import payload_names
from ledgersafe.console.parts.facts import show_facts
from ledgersafe.console.parts.origin import show_origin
from ledgersafe.console.parts.pretty import short, show_json
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Code, show_table
from ledgersafe.console.words import count, moment, plural

_MOST_DIFFERENCES = 50
_DECISIONS = {
    "open": "to be decided",
    "accepted": "accepted: it counts",
    "patched-accepted": "accepted with a patch: it counts",
    "superseded": "it does not count: another does",
    "ignored": "let go: it does not count",
}
_STATES = {
    "processed": "processed: a payload of it is accepted",
    "quarantined": "quarantined: nothing of it counts until somebody decides",
    "ignored": "ignored: nothing of it counts, by decision",
}
_COUNTS = frozenset({"accepted", "patched-accepted"})
_STILL_COUNTS = "quarantined: what was accepted goes on counting, the rest waits until somebody decides"


def show_payloads(screen: Screen, answer: Mapping[str, Any]) -> None:
    """What arrived. `answer`: of the API, about an exception."""
    st.subheader("What arrived")
    if len(answer["payloads"]) == 1:
        _show_one(screen, answer)
    else:
        _show_two(screen, answer)
        _show_differences(answer)
        _show_others(screen, answer)


def _show_one(screen: Screen, answer: Mapping[str, Any]) -> None:
    left, right = st.columns([3, 2])
    arrival = answer["first_raw_event"]
    with left:
        faults = [fault["path"] for fault in answer["exception"]["details_json"]]
        show_json(arrival["payload_json"], faults, "The payload, with what is at fault marked")
    with right:
        show_facts(_facts(answer, arrival))
    show_origin(screen, answer["exception"]["tenant_id"], arrival)


def _facts(answer: Mapping[str, Any], arrival: Mapping[str, Any]) -> dict[str, str | None]:
    exception = answer["exception"]
    return {
        "Event": exception["idempotency_key"],
        "Transaction": arrival["txn_id"],
        "Occurred": _utc(arrival["occurred_at"]),
        "Arrived": _utc(arrival["received_at"]),
        "Through": arrival["door"],
        **_gate(answer),
        "raw_id": arrival["raw_id"],
    }


def _gate(answer: Mapping[str, Any]) -> dict[str, str | None]:
    """The state of the key, in words."""
    key = answer["events_processed"]
    state = _STATES.get(key["status"], key["status"])
    if key["status"] == "quarantined" and any(one["decision"] in _COUNTS for one in answer["payloads"]):
        state = _STILL_COUNTS
    return {
        "Arrivals": count(key["arrivals"]),
        "Gate": state,
        "Posted": _utc(key["posted_at"]) if key["posted_at"] else "not posted",
    }


def _show_two(screen: Screen, answer: Mapping[str, Any]) -> None:
    marks = [difference["path"] for difference in answer["diff"]]
    sides = st.columns(2)
    for side, name in zip(sides, ("FIRST", "LAST"), strict=True):
        arrival = answer[f"{name.lower()}_raw_event"]
        with side:
            st.markdown(f"**{name}** · {_utc(arrival['received_at'])} · {_decision(answer, arrival['raw_id'])}")
            show_json(arrival["payload_json"], marks, f"{name} payload, with what differs marked")
            show_origin(screen, answer["exception"]["tenant_id"], arrival)


def _decision(answer: Mapping[str, Any], raw_id: str) -> str:
    decided = next((one["decision"] for one in answer["payloads"] if one["raw_id"] == raw_id), "")
    return _DECISIONS.get(decided, decided)


def _show_differences(answer: Mapping[str, Any]) -> None:
    found = answer["diff"]
    rows = [
        [Code(one["path"] or "all of it"), Code(_side(one["first"])), Code(_side(one["last"]))]
        for one in found[:_MOST_DIFFERENCES]
    ]
    show_table(("Where they differ", "FIRST", "LAST"), rows, empty=no_difference(answer), name="Differences")
    if len(found) > _MOST_DIFFERENCES:
        st.caption(f"The first {_MOST_DIFFERENCES} of {plural(len(found), 'difference')}.")


def no_difference(answer: Mapping[str, Any]) -> str:
    """What is said where no member differs: only one fingerprint makes the two one payload."""
    prints = {one["raw_id"]: one["fingerprint"] for one in answer["payloads"]}
    first, last = (prints.get(answer[f"{name}_raw_event"]["raw_id"]) for name in ("first", "last"))
    if first is not None and first == last:
        return "FIRST and LAST are the same."
    return (
        "FIRST and LAST are **not** the same, though no member shows it: their fingerprints differ. That is so where "
        "one names a member as null that the other has not, where a number is not exact (it counts by how it was "
        "spelled), or where what differs stood in a header, or was redacted."
    )


def _side(value: Any) -> str:
    return "nothing" if value is None else short(value)


def _show_others(screen: Screen, answer: Mapping[str, Any]) -> None:
    show_facts({"Event": answer["exception"]["idempotency_key"], **_gate(answer)})
    names = payload_names(answer)
    shown = {answer["first_raw_event"]["raw_id"], answer["last_raw_event"]["raw_id"]}
    for payload in sorted(answer["payloads"], key=lambda one: one["raw_id"]):
        if payload["raw_id"] not in shown:
            with st.expander(f"{names[payload['raw_id']]}: {_decision(answer, payload['raw_id'])}"):
                show_json(payload["payload_json"], (), names[payload["raw_id"]])
            show_origin(screen, answer["exception"]["tenant_id"], payload)


def _utc(instant: str | None) -> str:
    return f"{moment(instant)} UTC" if instant else ""
