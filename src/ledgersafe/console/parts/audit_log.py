"""The audit log: who did what, latest first, with what it was before and after."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, cast

import streamlit as st

from ledgersafe.console.fields import cursor, show_paging, text_field
from ledgersafe.console.parts.actors import called
from ledgersafe.console.parts.day_range import day_field
from ledgersafe.console.parts.pretty import cut
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Cell, Lines, Link, show_table
from ledgersafe.console.words import moment

_PAGE = 50
_CUT = 120
_MOST_MEMBERS = 12


def show(screen: Screen) -> None:
    """One page of decisions, of people and of the system."""
    filters = _filters()
    since, until = _days()
    asked = {
        **filters,
        "since": None if since is None else f"{since}T00:00:00Z",
        "until": None if until is None else f"{until + timedelta(days=1)}T00:00:00Z",
        "order": "latest",
        "cursor": cursor(),
        "limit": _PAGE,
    }
    address = {
        "actor": filters["actor"],
        "action": filters["action"],
        "object_type": filters["object_type"],
        "object": filters["object_id"],
        "from": None if since is None else since.isoformat(),
        "to": None if until is None else until.isoformat(),
    }
    answer = screen.get("/v1/audit", asked)
    items: Sequence[Mapping[str, Any]] = answer["items"]
    is_narrow = filters["object_id"] is not None
    all_tenants = screen.tenant is None
    heads = ("When (UTC)", *(("Tenant",) if all_tenants else ()), "Who, what", "Object", "Notes, and before → after")
    rows = [_row(screen, one, most=10_000 if is_narrow else _CUT) for one in items]
    is_filtered = any(address.values())
    empty = (
        "Nothing on record matches these filters. They are exact: clear one, or click a value in a row to filter by it."
        if is_filtered
        else "Nothing is on record yet. Whatever a person or the system decides is written here."
    )
    show_table(heads, rows, empty=empty, name="Audit log")
    if items and not is_narrow:
        st.caption("Latest first. Long values are cut; the id of an object leads to its whole history, uncut.")
    show_paging(screen, "audit", answer, address)


def _filters() -> dict[str, str | None]:
    labels = {
        "actor": ("Who", "key:…, user:…, system"),
        "action": ("What", "e.g. exception.resolved"),
        "object_type": ("Kind of object", "e.g. exception, period"),
        "object": ("Object", "its id"),
    }
    found: dict[str, str | None] = {}
    for column, (name, (label, placeholder)) in zip(st.columns(len(labels)), labels.items(), strict=True):
        with column:
            is_id = name == "object"
            found["object_id" if is_id else name] = text_field(label, name, placeholder=placeholder, is_id=is_id)
    return found


def _days() -> tuple[date | None, date | None]:
    left, right, _ = st.columns([1, 1, 2])
    with left:
        since = day_field("From (UTC)", "from")
    with right:
        until = day_field("To, included (UTC)", "to")
    return since, until


def _row(screen: Screen, one: Mapping[str, Any], *, most: int) -> list[Cell]:
    tenant: list[Cell] = [one["tenant_id"]] if screen.tenant is None else []
    notes = (f"“{cut(one['notes'], most)}”",) if one["notes"] else ()
    of_object = {"object_type": one["object_type"], "object": one["object_id"]}
    return [
        moment(one["occurred_at"]),
        *tenant,
        Lines(
            (
                Link(called(screen, one["actor"]), screen.link("audit", actor=one["actor"])),
                Link(one["action"], screen.link("audit", action=one["action"])),
            )
        ),
        Lines((one["object_type"], Link(one["object_id"], screen.link("audit", **of_object)))),
        Lines((*notes, *changes(one["before_json"], one["after_json"], most))),
    ]


def changes(before: Any, after: Any, most: int) -> list[str]:
    """A line a member that is not the same in both; values of at most so many characters."""
    if not isinstance(before, dict | None) or not isinstance(after, dict | None):
        return [f"{_value(before, most)} → {_value(after, most)}"]
    old = cast("dict[str, Any]", before or {})
    new = cast("dict[str, Any]", after or {})
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]  # one that is not there is as null
    told = [_member(name, old, new, most) for name in names[:_MOST_MEMBERS]]
    return [*told, f"and {len(names) - _MOST_MEMBERS} more"] if len(names) > _MOST_MEMBERS else told


def _member(name: str, old: Mapping[str, Any], new: Mapping[str, Any], most: int) -> str:
    if name not in old:
        return f"{name}: {_value(new[name], most)}"
    if name not in new:
        return f"{name}: {_value(old[name], most)} (before)"
    return f"{name}: {_value(old[name], most)} → {_value(new[name], most)}"


def _value(value: Any, most: int) -> str:
    return cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), most)
