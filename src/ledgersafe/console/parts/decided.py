"""What was decided of an exception, by whom, and what became of it in the books."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiError, ApiProblem, in_path
from ledgersafe.console.parts.actors import called
from ledgersafe.console.parts.choices import payload_names
from ledgersafe.console.parts.effects import show_entries
from ledgersafe.console.parts.facts import show_facts, show_link
from ledgersafe.console.parts.pretty import show_json
from ledgersafe.console.screen import Screen
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import moment, plural

_RESOLUTIONS = {
    "replayed": "A payload was accepted",
    "ignored": "Let go: it counts nowhere",
    "dismissed": "Let go: what counted before goes on counting",
    "released": "Released by itself: what it waited for was posted",
}
MOST_ARRIVALS = 50
"""The trace of a key holds every arrival with its body: beyond so many it is for the page of the trace alone."""


def resolved_by(screen: Screen, exception: Mapping[str, Any]) -> str:
    """Who resolved it, and when."""
    return f"{called(screen, exception['resolution_actor'])} at {moment(exception['resolved_at'])} UTC"


def outcome(exception: Mapping[str, Any]) -> str:
    """What was decided, in a few words."""
    return _RESOLUTIONS.get(exception["resolution"] or "", exception["resolution"] or "")


def trace_of(screen: Screen, answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The trace of its key; None where that is too long for this page, or cannot be had: there is more on the page."""
    if answer["events_processed"]["arrivals"] > MOST_ARRIVALS:
        return None
    exception = answer["exception"]
    try:
        return _asked(screen, exception["tenant_id"], exception["idempotency_key"])
    except ApiProblem:
        return None


def _asked(screen: Screen, tenant_id: str, event_id: str) -> Mapping[str, Any]:
    return screen.client.get(f"/v1/events/{in_path(event_id)}", {"tenant_id": tenant_id})


def show_decided(screen: Screen, answer: Mapping[str, Any], trace: Mapping[str, Any] | None) -> None:
    """The decision, and what it did."""
    exception = answer["exception"]
    st.subheader("What was decided")
    counts = payload_names(answer).get(exception["canonical_raw_id"] or "")
    show_facts(
        {
            "Decision": outcome(exception),
            "By": resolved_by(screen, exception),
            "Reason given": exception["resolution_notes"],
            "Payload that counts": None
            if counts is None
            else counts
            if len(answer["payloads"]) > 1
            else "the only one",
            "Books date": exception["books_date"],
            "Key": answer["events_processed"]["status"],
        }
    )
    if exception["override_patch"]:
        st.caption("With this patch over it:")
        show_json(exception["override_patch"], (), "The patch")
    _show_books(screen, exception, trace)


def _show_books(screen: Screen, exception: Mapping[str, Any], trace: Mapping[str, Any] | None) -> None:
    st.subheader("What became of it")
    if trace is None:
        st.caption("It is too long to show it here, or could not be had.")
    elif trace["waiting_to_post"]:
        st.info("It waits to be posted; that takes a second or two.")
        _look_again(screen, exception["tenant_id"], exception["idempotency_key"])
    elif trace["entries"]:
        st.caption(f"All that this event did to the ledger: {plural(len(trace['entries']), 'entry', 'entries')}.")
        show_entries(_lines(screen, trace), "Entries of this event")
        show_link("The ledger of that day and store", _ledger_link(screen, exception["tenant_id"], trace["entries"]))
    else:
        st.caption("It made no entry in the ledger.")
    show_link("Its trace, from arrival to the reports", trace_link(screen, exception))


def trace_link(screen: Screen, exception: Mapping[str, Any]) -> str:
    """The address of its trace."""
    return screen.link("trace", tenant=exception["tenant_id"], event=exception["idempotency_key"])


def _ledger_link(screen: Screen, tenant_id: str, entries: Sequence[Mapping[str, Any]]) -> str:
    last = _in_order(entries)[-1]
    day = last["books_date"]
    days = {"from": day, "to": day}
    return screen.link("ledger", tenant=tenant_id, section="Entries", store=last["store_id"], **days)


def _lines(screen: Screen, trace: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of a trace, a line an account."""
    known = screen.client.get("/v1/ledger/accounts", {"tenant_id": trace["tenant_id"]})
    names = {one["account"]: one["name"] for one in known["items"]}
    called = {one["transaction_id"]: one["txn_id"] for one in trace["transactions"]}
    return [
        entry
        | {"txn_id": called.get(entry["transaction_id"], ""), "account": account, "account_name": names.get(account)}
        | _sides(amount)
        for entry in _in_order(trace["entries"])
        for account, amount in zip(entry["accounts"], entry["amounts"], strict=True)
    ]


def _in_order(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return sorted((dict(one) for one in entries), key=lambda one: (one["posted_at"], one["revision"], one["kind"]))


def _sides(amount: str) -> dict[str, str]:
    return {"debit": "0", "credit": amount[1:]} if amount.startswith("-") else {"debit": amount, "credit": "0"}


@st.fragment(run_every=1)
def _look_again(screen: Screen, tenant_id: str, event_id: str) -> None:
    try:
        found = _asked(screen, tenant_id, event_id)
    except ApiError as error:
        show_trouble(error)
        return
    if not found["waiting_to_post"]:
        st.rerun()
