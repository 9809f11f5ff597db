"""The queue of exceptions: its filters, which are in the address, and a page of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from ledgersafe.console.fields import choice_field, cursor, show_paging, text_field
from ledgersafe.console.parts.actors import called
from ledgersafe.console.parts.guidance import meaning, parked_codes
from ledgersafe.console.parts.pretty import cut
from ledgersafe.console.screen import NOTHING_YET, Screen
from ledgersafe.console.table import Badge, Cell, Code, Link, Number, Under, show_table
from ledgersafe.console.words import age, amount, literal, plural

PAGE = "exceptions"
ROWS = 50
_MOST_CHARACTERS = 60
_MOST_COUNTED = 100_000
"""By the API."""
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

    def in_words(self) -> str:
        """As the fields are called."""
        said = {
            "Reason": self.reason,
            "Store": self.store,
            "Assigned to": self.assignee,
            "Older than": self.older_than,
            "Text": self.text,
        }
        told = [f"{name}: {value}" for name, value in said.items() if value is not None]
        return " · ".join(told) or "all that were open"

    def narrows(self) -> bool:
        """Whether it leaves anything out, but for the status."""
        return any(value is not None for value in self.filter().values())


@dataclass(frozen=True, slots=True)
class Place:
    """A page of a queue. `tenant`: None for that of all tenants; `cursor`: None for the first page."""

    tenant: str | None
    chosen: Chosen
    cursor: str | None

    def as_text(self) -> str:
        """For the address of an exception that is come to from here."""
        named = {"tenant": self.tenant or "", **self.chosen.address(), "cursor": self.cursor}
        return urlencode({name: value for name, value in named.items() if value is not None})

    def link(self, screen: Screen) -> str:
        """The address of this page."""
        return screen.link(PAGE, tenant=self.tenant, **self.chosen.address(), cursor=self.cursor)

    def asks(self) -> dict[str, Any]:
        """What the API is to be asked for."""
        return {
            **self.chosen.filter(),
            "tenant_id": self.tenant,
            "status": self.chosen.status,
            "limit": ROWS,
            "cursor": self.cursor,
        }


def place_of(text: str) -> Place:
    """The page of a queue that an address names. What it says amiss is no filter."""
    named = dict(parse_qsl(text))
    status = named.get("status", _OPEN)
    chosen = Chosen(
        status=None if status == _ALL else status if status == _RESOLVED else _OPEN,
        reason=named.get("reason"),
        store=named.get("store"),
        assignee=named.get("assignee"),
        older_than=named.get("age") if named.get("age") in _AGES else None,
        text=named.get("text"),
    )
    return Place(named.get("tenant"), chosen, named.get("cursor"))


def show_filters(*, only_open: bool) -> Chosen:
    """The filters. `only_open`: decisions are about open ones, and the status is no choice."""
    with st.container(horizontal=True):
        status = _OPEN if only_open else choice_field("Status", "status", [_RESOLVED, _ALL], any_is=_OPEN) or _OPEN
        reason = choice_field("Reason", "reason", parked_codes())
        store = text_field("Store", "store", is_id=True)
        assignee = text_field("Assigned to", "assignee")
        older_than = choice_field("Older than", "age", list(_AGES))
        text = text_field("Text", "text", placeholder="key, type, fault…")
    return Chosen(None if status == _ALL else status, reason, store, assignee, older_than, text)


def show_queue(screen: Screen, chosen: Chosen) -> Sequence[Mapping[str, Any]]:
    """One page, oldest first; returns what is on it."""
    here = Place(screen.tenant, chosen, cursor())
    answer = screen.client.get("/v1/exceptions", here.asks())
    found: Sequence[Mapping[str, Any]] = answer["items"]
    if chosen.reason is not None:
        st.caption(f"{literal(chosen.reason)}: {literal(meaning(chosen.reason))}")
    in_all = st.empty()
    if found:
        in_all.caption(f"{len(found)} on this page; oldest first.")  # so that nothing moves once they are counted
    _show_rows(screen, found, here, empty=_why_empty(screen, chosen))
    show_paging(screen, PAGE, answer, chosen.address())
    if found:
        in_all.caption(f"{_in_all(screen, here, answer)}; oldest first.")
    return found


def _in_all(screen: Screen, here: Place, answer: Mapping[str, Any]) -> str:
    """How many there are. Where a page is not all of them they are counted, once that page is drawn."""
    shown = len(answer["items"])
    if here.cursor is None and answer["next"] is None:
        return plural(shown, "exception")
    total: int = screen.client.get("/v1/exceptions", {**here.asks(), "cursor": None, "limit": 1, "count": True})[
        "total"
    ]
    told = f"more than {total - 1:,} exceptions" if total > _MOST_COUNTED else plural(total, "exception")
    return f"{told} in all, {shown} on this page"


def _show_rows(screen: Screen, found: Sequence[Mapping[str, Any]], here: Place, *, empty: str) -> None:
    """A line an exception; its event leads to its page."""
    heads = ["Age", "Event and type", "At stake", "Reason", "Store and source", "Assigned to"]
    if screen.tenant is None:
        heads.insert(1, "Tenant")
    rows = [_row(screen, one, here) for one in found]
    show_table(heads, rows, empty=empty, name="Exceptions")


def _row(screen: Screen, one: Mapping[str, Any], here: Place) -> list[Cell]:
    event = Link(cut(one["idempotency_key"], _MOST_CHARACTERS), exception_link(screen, one, here))
    cells: list[Cell] = [
        Number(age(one["created_at"], screen.now)),
        Under(event, cut(one["event_type"] or "", _MOST_CHARACTERS)),
        Number(amount(one["amount"], one["currency"])),
        _why(screen, one),
        Under(cut(one["store_id"] or "", _MOST_CHARACTERS), cut(one["source_system"] or "", _MOST_CHARACTERS)),
        called(screen, one["assigned_to"]) if one["assigned_to"] else None,
    ]
    if screen.tenant is None:
        cells.insert(1, Code(one["tenant_id"]))
    return cells


def _why(screen: Screen, one: Mapping[str, Any]) -> Cell:
    code: str = one["reason_code"]
    if one["status"] == _OPEN:
        return Under(Badge(code, "warn"), meaning(code))
    return Under(Badge(one["resolution"], "good"), f"{code}, by {called(screen, one['resolution_actor'])}")


def exception_link(screen: Screen, one: Mapping[str, Any], place: Place | None = None) -> str:
    """The address of an exception's page. `place`: where it leads back to."""
    queue = None if place is None else place.as_text()
    return screen.link("exception", tenant=one["tenant_id"], id=one["exception_id"], queue=queue)


def _why_empty(screen: Screen, chosen: Chosen) -> str:
    if chosen.narrows() or chosen.status != _OPEN:
        return "No exception is like this. Clear a filter to see more."
    if not screen.tenants:
        return NOTHING_YET
    return "Nothing is parked: all that arrived is accepted or decided. Status *resolved* shows what was decided."
