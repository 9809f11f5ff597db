"""The queue of exceptions: its filters, which are in the address, and a page of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from ledgersafe.console.fields import choice_field, cursor, show_paging, text_field
from ledgersafe.console.parts.guidance import meaning, parked_codes
from ledgersafe.console.parts.pretty import cut
from ledgersafe.console.screen import NOTHING_YET, Screen
from ledgersafe.console.table import Badge, Cell, Code, Link, Number, Under, show_table
from ledgersafe.console.words import age, amount, literal, plural

PAGE = "exceptions"
ROWS = 50
_MOST_CHARACTERS = 60
_OPEN, _RESOLVED, _ALL = "open", "resolved", "all"
_AGES = {"10 minutes": 600, "1 hour": 3_600, "1 day": 86_400, "7 days": 604_800, "30 days": 2_592_000}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the operator looks for. `older_than`: one of the spans that are offered; `status` None: any."""

    status: str | None
    reason: str | None
    store: str | None
    assignee: str | None
    older_than: str | None
    text: str | None

    def filter(self) -> dict[str, Any]:
        """As the API wants it in a filter; the status is apart, for what many are decided on is open."""
        return {
            "reason_code": self.reason,
            "store_id": self.store,
            "assigned_to": self.assignee,
            "min_age_seconds": None if self.older_than is None else _AGES[self.older_than],
            "text": self.text,
        }

    def address(self) -> dict[str, str | None]:
        """As it stands in the address."""
        return {
            "status": None if self.status == _OPEN else self.status or _ALL,
            "reason": self.reason,
            "store": self.store,
            "assignee": self.assignee,
            "age": self.older_than,
            "text": self.text,
        }

    def narrows(self) -> bool:
        """Whether it leaves anything out, but for the status."""
        return any(value is not None for value in self.filter().values())


def show_filters(*, only_open: bool) -> Chosen:
    """The filters. `only_open`: decisions are about open ones, and the status is no choice."""
    with st.container(horizontal=True):
        status = _OPEN if only_open else choice_field("Status", "status", [_RESOLVED, _ALL], any_is=_OPEN) or _OPEN
        reason = choice_field("Reason", "reason", parked_codes())
        store = text_field("Store", "store")
        assignee = text_field("Assigned to", "assignee")
        older_than = choice_field("Older than", "age", list(_AGES))
        text = text_field("Text", "text", placeholder="key, type, fault…")
    return Chosen(None if status == _ALL else status, reason, store, assignee, older_than, text)


def show_queue(screen: Screen, chosen: Chosen) -> Sequence[Mapping[str, Any]]:
    """One page, oldest first; returns what is on it."""
    answer = screen.get(
        "/v1/exceptions", {**chosen.filter(), "status": chosen.status, "limit": ROWS, "cursor": cursor()}
    )
    found: Sequence[Mapping[str, Any]] = answer["items"]
    if chosen.reason is not None:
        st.caption(f"{literal(chosen.reason)}: {literal(meaning(chosen.reason))}")
    show_rows(screen, found, empty=_why_empty(screen, chosen))
    show_paging(screen, PAGE, answer, chosen.address())
    if found:
        more = ", and there are more" if answer["next"] else ""
        st.caption(f"{plural(len(found), 'exception')} on this page{more}; oldest first.")
    return found


def show_rows(screen: Screen, found: Sequence[Mapping[str, Any]], *, empty: str, name: str = "Exceptions") -> None:
    """A line an exception; its event leads to its page."""
    heads = ["Age", "Event and type", "At stake", "Reason", "Store and source", "Assigned to"]
    if screen.tenant is None:
        heads.insert(1, "Tenant")
    rows = [_row(screen, one) for one in found]
    show_table(heads, rows, empty=empty, name=name)


def _row(screen: Screen, one: Mapping[str, Any]) -> list[Cell]:
    event = Link(cut(one["idempotency_key"], _MOST_CHARACTERS), exception_link(screen, one))
    cells: list[Cell] = [
        Number(age(one["created_at"], screen.now)),
        Under(event, cut(one["event_type"] or "", _MOST_CHARACTERS)),
        Number(amount(one["amount"], one["currency"])),
        _why(one),
        Under(cut(one["store_id"] or "", _MOST_CHARACTERS), cut(one["source_system"] or "", _MOST_CHARACTERS)),
        one["assigned_to"],
    ]
    if screen.tenant is None:
        cells.insert(1, Code(one["tenant_id"]))
    return cells


def _why(one: Mapping[str, Any]) -> Cell:
    code: str = one["reason_code"]
    if one["status"] == _OPEN:
        return Under(Badge(code, "warn"), meaning(code))
    return Under(Badge(one["resolution"], "good"), f"{code}, by {one['resolution_actor'] or 'system'}")


def exception_link(screen: Screen, one: Mapping[str, Any]) -> str:
    """The address of an exception's page."""
    return screen.link("exception", tenant=one["tenant_id"], id=one["exception_id"])


def _why_empty(screen: Screen, chosen: Chosen) -> str:
    if chosen.narrows() or chosen.status != _OPEN:
        return "No exception is like this. Clear a filter to see more."
    if not screen.tenants:
        return NOTHING_YET
    return "Nothing is parked: all that arrived is accepted or decided. Status *resolved* shows what was decided."
