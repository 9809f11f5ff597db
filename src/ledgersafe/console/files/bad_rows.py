"""The bad rows of a delivery, page by page; one of them closely; and several at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiError, ApiProblem
from ledgersafe.console.fields import choice_field, cursor, show_paging
from ledgersafe.console.files.deciding import Decision, ask, may
from ledgersafe.console.files.links import show_links
from ledgersafe.console.files.members import Members, listed, members
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Code, Lines, Link, Tone, Under, show_table
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import count, literal, moment, plural

Patch = dict[str, str | None]
"""Column → what is put in place of its value; None is no value."""
_ROWS_A_PAGE = 50
_MOST_ROWS = 1_000
_SEVERAL = 2
_THEIR_OWN, _OTHERS = "a fault of their own", "a row of their group"
_NUMBER = re.compile(r"[1-9][0-9]{0,14}")
_HEADS = ("Row", "State", "Group", "What is wrong with it", "Decided")
_STATES = ("open", "replayed", "ignored")
_TONES: dict[str, Tone] = {"open": "warn", "replayed": "good"}
_WORDS = {"replayed": "was put right and loaded", "ignored": "was left out"}


@dataclass(frozen=True, slots=True)
class Held:
    """The delivery whose rows they are. `columns`: of the contract in force. `has_groups`: they become events, and one
    that is bad holds all of its group.
    """

    screen: Screen
    delivery: Members
    columns: Sequence[str]
    has_groups: bool

    @property
    def path(self) -> str:
        """Of the API."""
        return f"/v1/ingestions/{self.delivery['ingestion_id']}/bad_rows"

    def link(self, row: int | None = None) -> str:
        """The page of this delivery, with a row of it looked at."""
        name = str(self.delivery["ingestion_id"])
        number = None if row is None else str(row)
        wanted = {"report": "Bad rows", "rows": _state(), "fault": _whose_fault()}
        return self.screen.link("delivery", id=name, **wanted, row=number, cursor=cursor())


def show_bad_rows(held: Held) -> None:
    """All of them, or the one that the address names before them."""
    if (chosen := st.query_params.get("row")) is not None:
        _show_one(held, chosen)
    elif held.delivery["bad_rows"]["open"]:
        _show_several(held)
    state, fault = _filters(held)
    at_fault = None if fault is None else str(fault == _THEIR_OWN).lower()
    wanted = {"status": state, "at_fault": at_fault, "cursor": cursor(), "limit": _ROWS_A_PAGE}
    page = held.screen.get(held.path, wanted)
    rows = [_cells(held, row) for row in page["items"]]
    heads = [name for name in _HEADS if any(row[name] for row in rows)]
    shown = [[row[name] for name in heads] for row in rows]
    show_table(heads, shown, empty=_none(held, state, fault), name="Bad rows")
    filters = {"id": str(held.delivery["ingestion_id"]), "report": "Bad rows", "rows": state, "fault": fault}
    show_paging(held.screen, "delivery", page, filters)


def _filters(held: Held) -> tuple[str | None, str | None]:
    """How the rows stand, and whose fault it is that they do not go in."""
    left, right = st.columns(2)
    with left:
        state = choice_field("Rows that are", "rows", _STATES, any_is="Any")
    if not held.has_groups and _whose_fault() is None:
        return state, None
    with right:
        fault = choice_field("Held by", "fault", (_THEIR_OWN, _OTHERS), any_is="Any")
    if fault is None and (others := _held_by_others(held.delivery)):
        st.caption(
            f"{plural(others, 'row has', 'rows have')} no fault: each is held by a bad row of its group. "
            f"Held by *{_THEIR_OWN}* shows those that hold them: put one right, and all of its group goes in with it."
        )
    return state, fault


def _held_by_others(delivery: Members) -> int:
    """As it was when the delivery ended."""
    rules = listed(members(delivery["quality"]).get("rules"))
    return sum(int(rule["count"]) for rule in rules if rule["rule"] == "group")


def _state() -> str | None:
    return st.query_params.get("rows")


def _whose_fault() -> str | None:
    return st.query_params.get("fault")


def _none(held: Held, state: str | None, fault: str | None) -> str:
    if fault is not None:
        return f"None of its bad rows is held by {fault} here. Choose *Any* to see all of them."
    if state is not None:
        return f"None of its bad rows is {state} here. Choose *Any* to see all of them."
    rejected = held.delivery["status"] in ("quarantined", "failed")
    return "No row of it was looked at: see what it waits for above." if rejected else "No row of it is bad."


def _cells(held: Held, row: Members) -> dict[str, Cell]:
    decided = f"{moment(row['decided_at'])} by {row['decided_by']}: {row['notes']}" if row["decided_at"] else None
    return {
        "Row": Link(count(row["row_number"]), held.link(row["row_number"])),
        "State": Badge(row["status"], _TONES.get(row["status"], "quiet")),
        "Group": _group(row),
        "What is wrong with it": Lines(tuple(_fault(fault) for fault in listed(row["faults"]))),
        "Decided": decided,
    }


def _group(row: Members) -> Cell:
    """With how many of its rows wait, this one among them."""
    if row["status"] != "open" or not row["group_key"] or row["group_open"] < _SEVERAL:
        return row["group_key"]
    return Under(str(row["group_key"]), f"{count(row['group_open'])} rows of it wait")


def _fault(fault: Members) -> str:
    value = "" if fault["value"] is None else f" ({_short(fault['value'])})"
    return f"{fault['column']}: {fault['message']}{value}" if fault["column"] else f"{fault['message']}{value}"


def _short(value: str) -> str:
    return value if len(value) <= 80 else f"{value[:80]}…"


def _show_one(held: Held, chosen: str) -> None:
    """One row closely: its values, what is wrong, and what to do with it."""
    row = _row(held, chosen)
    if row is None:
        st.warning(f"Row {literal(chosen)} of this delivery is not a bad row. Choose one below.")
        return
    number = int(row["row_number"])
    with st.container(border=True):
        st.subheader(f"Row {count(number)} of the file", anchor=False)
        if row["row_text"] is not None:
            st.caption("It could not be taken apart into columns. This is its text:")
            st.code(row["row_text"], language=None, wrap_lines=True)
        faults = [(fault["column"], fault["value"], fault["message"]) for fault in listed(row["faults"])]
        show_table(("Column", "Value", "What is wrong with it"), faults, empty="", name="Faults of the row")
        if row["status"] == "open":
            _show_open(held, row)
        else:
            _show_decided(row)
        show_links({"Close this row": held.link()}, name="Row")


def _row(held: Held, chosen: str) -> Members | None:
    """The bad row of that number, if there is one. Raises ApiError."""
    if _NUMBER.fullmatch(chosen) is None:
        return None
    found = held.screen.get(held.path, {"cursor": str(int(chosen) - 1), "limit": 1})["items"]
    return found[0] if found and found[0]["row_number"] == int(chosen) else None


def _show_decided(row: Members) -> None:
    told = f"This row {_WORDS[row['status']]} on {moment(row['decided_at'])} UTC by {literal(row['decided_by'])}"
    st.success(f"{told}: {literal(row['notes'] or '')}")
    values, patch = members(row["row_values"]), members(row["patch"])
    rows = [
        (name, values.get(name), Code("no value" if patch[name] is None else patch[name]) if name in patch else None)
        for name in {**values, **patch}
    ]
    show_table(("Column", "In the file", "Put in its place"), rows, empty="Its values were not kept.", name="Values")


def _show_open(held: Held, row: Members) -> None:
    """Fields for its values, the faulty ones first, and the two ways on."""
    number = int(row["row_number"])
    faulty = [fault["column"] for fault in listed(row["faults"]) if fault["column"]]
    names = list(held.columns) or list(members(row["row_values"]))
    first = [name for name in names if name in faulty]
    patch = _fields(row, first or names)
    if first and len(first) < len(names):
        with st.expander(f"Its other {plural(len(names) - len(first), 'column')}"):
            patch |= _fields(row, [name for name in names if name not in first])
    if not may(held.screen.who.may("operate"), "operate"):
        return
    if is_loadable := held.delivery["status"] == "succeeded":
        group = f" All rows of its group **{literal(row['group_key'])}** go in with it." if row["group_key"] else ""
    else:
        group = ""
        st.caption("Nothing of this file is loaded, so no row of it alone can be: work all of it through again.")
    with st.container(horizontal=True):
        if st.button("Load this row…", type="primary", disabled=not is_loadable, key=f"load:{number}"):
            means = f"{_changes(row, patch)}\n\nIt is held against the contract in force again.{group}"
            _ask_to_load(held, [number], patch, f"Load row {count(number)}", means)
        if st.button("Leave this row out…", key=f"leave:{number}"):
            _ask_to_leave_out(held, [number], f"Leave row {count(number)} out")


def _fields(row: Members, names: Sequence[str]) -> Patch:
    """Fields for these columns; what was changed in them."""
    values = members(row["row_values"])
    patch: Patch = {}
    for start in range(0, len(names), 3):
        for column, name in zip(st.columns(3), names[start : start + 3], strict=False):
            was = values.get(name)
            key = f"put:{row['row_number']}:{name}"
            typed = column.text_input(literal(name), was or "", key=key, placeholder="no value")
            if typed != (was or ""):
                patch[name] = typed or None
    return patch


def _changes(row: Members, patch: Patch) -> str:
    if not patch:
        return "It goes in as it is: you have changed nothing in it."
    values = members(row["row_values"])
    said = [f"- {literal(name)}: {_said(values.get(name))} → {_said(value)}" for name, value in patch.items()]
    return "\n".join(["What you have changed:", "", *said])


def _said(value: str | None) -> str:
    return "*no value*" if value is None else f"**{literal(_short(value))}**"


def _show_several(held: Held) -> None:
    """The same decision for many rows."""
    if not held.screen.who.may("operate"):
        return
    with st.expander("Decide on several rows at once"):
        typed = st.text_input("Their numbers", placeholder="3, 5-9", key="several", help="As the table shows them.")
        left, right = st.columns(2)
        column = left.selectbox("Put right in all of them (optional)", ["Nothing", *held.columns], key="several_column")
        patched = column != "Nothing"
        value = right.text_input("With this value", key="several_value", disabled=not patched, placeholder="no value")
        numbers = numbers_of(typed)
        if isinstance(numbers, str):
            if typed.strip():
                st.error(numbers)
            return
        patch: Patch = {column: value or None} if patched else {}
        rows = plural(len(numbers), "row")
        with st.container(horizontal=True):
            if st.button("Load them…", disabled=held.delivery["status"] != "succeeded", key="load_several"):
                what = (
                    f"{literal(column)} becomes {_said(patch[column])} in each" if patched else "They go in as they are"
                )
                means = f"{what}. All {rows} are held against the contract in force again: all go in, or none."
                _ask_to_load(held, numbers, patch, f"Load {rows}", means)
            if st.button("Leave them out…", key="leave_several"):
                _ask_to_leave_out(held, numbers, f"Leave {rows} out")


def numbers_of(typed: str) -> list[int] | str:
    """The rows that `3, 5-9` names; or what is wrong with how it is written."""
    found: dict[int, None] = {}
    for part in typed.replace(";", ",").split(","):
        first, dash, last = part.strip().partition("-")
        ends = [end.strip() for end in ((first, last) if dash else (first, first))]
        if not all(end.isascii() and end.isdigit() and len(end) < 16 for end in ends):
            return f"{literal(part.strip()) or 'Nothing'} is no row number: write them as 3, 5-9."
        low, high = int(ends[0]), int(ends[1])
        if not 0 < low <= high:
            return f"{low}-{high} names no row: write the lower number first."
        if len(found) + high - low + 1 > _MOST_ROWS:
            return f"At most {_MOST_ROWS:,} rows at once."
        found |= dict.fromkeys(range(low, high + 1))
    return list(found)


def _ask_to_load(held: Held, numbers: Sequence[int], patch: Patch, title: str, means: str) -> None:
    rows = [{"row_number": number, "patch": patch} for number in numbers]

    def act(notes: str) -> str:
        return _told(_post(held, "replay", {"rows": rows, "notes": notes}))

    ask(Decision(f"load:{numbers[0]}", title, means, "Load", act, partial(_trouble, held, numbers)))


def _ask_to_leave_out(held: Held, numbers: Sequence[int], title: str) -> None:
    def act(notes: str) -> str:
        return _told(_post(held, "ignore", {"row_numbers": list(numbers), "notes": notes}))

    means = "It stays on record, and is never loaded from this delivery."
    if len(numbers) > 1:
        means = "They stay on record, and are never loaded from this delivery."
    ask(Decision(f"leave:{numbers[0]}", title, means, "Leave out", act, partial(_trouble, held, numbers)))


def _post(held: Held, what: str, content: dict[str, Any]) -> Members:
    return held.screen.post(f"{held.path}/{what}", content, tenant=held.screen.tenant)


def _told(answer: Members) -> str:
    rows = plural(len(answer["rows"]), "row")
    if not answer["changed"]:
        return f"It was decided so before: nothing was changed ({rows})."
    if answer["status"] == "ignored":
        return f"{rows} left out."
    counts = {name: answer[name] for name in ("inserted", "replaced", "unchanged", "older")} | answer["outcomes"]
    became = ", ".join(f"{number:,} {literal(name)}" for name, number in counts.items() if number)
    return f"{rows} loaded: {became or 'nothing new'}."


def _trouble(held: Held, numbers: Sequence[int], error: ApiError) -> None:
    """Why not; where somebody else was first, who that was, and what they decided."""
    show_trouble(error)
    if not isinstance(error, ApiProblem) or error.reason_code != "ROWS_DECIDED":
        return
    row = _row(held, str(numbers[0]))
    if row is not None and row["decided_at"]:
        by = f"by {literal(row['decided_by'])} on {moment(row['decided_at'])} UTC"
        st.info(
            f"Row {count(numbers[0])} {_WORDS.get(row['status'], 'was decided')} {by}: {literal(row['notes'] or '')}"
        )
    show_links({"Look again": held.link(numbers[0])}, name="Way on")
