"""Deciding on one parked event: the ways there are, what each would do to the books, then notes, then "yes"."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiError, ApiProblem, Unreachable
from ledgersafe.console.fields import text_field
from ledgersafe.console.parts.choices import Choice, choices, native_event, payload_names
from ledgersafe.console.parts.effects import Fault, Preview, faults_of, in_words, preview, show_effect, show_faults
from ledgersafe.console.parts.facts import choose_one, show_facts
from ledgersafe.console.parts.patches import NotAPatch, patched, read_patch, to_begin_with, touched
from ledgersafe.console.parts.pretty import show_json
from ledgersafe.console.screen import Screen
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import literal

_MOST_IN_ADDRESS = 4_000
_MOST_PATCH = 8_000
"""Characters: an address that is much longer is refused by the server."""
_CHANGED_MEANWHILE = frozenset({"ALREADY_RESOLVED", "EXCEPTION_CHANGED", "NOT_FOUND"})


def show_decision(screen: Screen, answer: Mapping[str, Any], seen: str) -> None:
    """The form of an open exception. `seen`: the last payload (raw_id) that the operator was shown."""
    st.subheader("What is to become of it?")
    if not screen.who.may("operate"):
        st.info("Your key may only read. With the scope operate you can try decisions out here, and decide.")
        return
    exception_id = answer["exception"]["exception_id"]
    ways = {choice.name: choice for choice in choices(answer)}
    tried = {name: _tried(screen, exception_id, choice) for name, choice in ways.items() if not choice.by_hand}
    name = choose_one(
        "Each line says what it would do to the books: that was tried out, and nothing was changed.",
        "choice",
        list(ways),
        title=lambda name: ways[name].title,
        caption=lambda name: _caption(ways[name], tried.get(name)),
    )
    if name is None:
        st.caption("Choose one to go on. Nothing is decided before you have given your reason and said yes.")
        return
    _go_on(screen, answer, seen, ways[name], tried.get(name))


def _tried(screen: Screen, exception_id: str, choice: Choice) -> Preview:
    return preview(screen, exception_id, choice.wish())


def _caption(choice: Choice, tried: Preview | None) -> str:
    """Markdown."""
    does = "" if tried is None else f" **{literal(in_words(tried))}**"
    return literal(choice.meaning) + does


def _go_on(screen: Screen, answer: Mapping[str, Any], seen: str, choice: Choice, tried: Preview | None) -> None:
    """The chosen way: its patch, its day, what it would do, and the last step."""
    exception_id = answer["exception"]["exception_id"]
    wish = choice.wish()
    if choice.by_hand:
        typed = _typed_patch(answer)
        if typed is None:
            return
        wish |= typed
        tried = preview(screen, exception_id, wish)
    if tried is not None and (tried.wants_open_day() or "books" in st.query_params):
        wish["books_date"] = open_day()
        tried = preview(screen, exception_id, wish)
    if tried is None:
        return
    _show_tried(tried)
    wish["expected_last_raw_id"] = seen
    is_fresh = seen == answer["exception"]["last_raw_id"]
    _last_step(screen, exception_id, choice, wish, tried, is_fresh=is_fresh)


def _show_tried(tried: Preview) -> None:
    if not tried.is_possible:
        st.warning("It cannot be decided so, for this:" if tried.answer is None else literal(in_words(tried)))
        show_faults(tried.faults, "What speaks against it")
        return
    st.markdown(f"**What it would do to the ledger:** {literal(in_words(tried))}")
    show_effect(tried.effect(), "Entries that would be made")


def _typed_patch(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is typed as a patch, and over which payload; None while it is no patch."""
    arrival = _patched_arrival(answer)
    event = native_event(arrival)
    paths = [fault["path"] for fault in answer["exception"]["details_json"]] or [one["path"] for one in answer["diff"]]
    left, right = st.columns(2)
    with left:
        text = _patch_field(to_begin_with(event or {}, paths))
        try:
            patch = read_patch(text)
        except NotAPatch as error:
            st.error(literal(str(error)))
            return None
    with right:
        st.markdown("The event with the patch")
        if event is None:
            st.caption(f"It came as {literal(arrival['door'])}; the patch is laid over the event that was made of it.")
        else:
            show_json(patched(event, patch), touched(patch), "The event with the patch, what it sets marked")
    several = len(answer["payloads"]) > 1
    return {"override_patch": patch, "canonical_raw_id": arrival["raw_id"] if several else None}


def _patched_arrival(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The arrival whose payload is to be patched, with its content."""
    first, last = answer["first_raw_event"], answer["last_raw_event"]
    if len(answer["payloads"]) == 1:
        return first
    names = payload_names(answer)
    found = {one["raw_id"]: {"door": first["door"]} | one for one in answer["payloads"]}
    found |= {last["raw_id"]: last, first["raw_id"]: first}
    order = sorted(names)
    picked = choose_one(
        "Over which payload?",
        "over",
        order,
        title=lambda raw_id: names[raw_id],
        begins_with=last["raw_id"],
        horizontal=True,
    )
    return found[picked or last["raw_id"]]


def _patch_field(begins_with: str) -> str:
    short = len(begins_with) <= _MOST_IN_ADDRESS
    text = st.text_area(
        "Patch (JSON)",
        value=begins_with,
        key="patch",
        height=320,
        bind="query-params" if short else None,
        max_chars=_MOST_PATCH if short else None,
    )
    st.caption(
        "A merge patch: members replace, null removes, a list is replaced whole. "
        "It is checked when you leave the field or press Ctrl+Enter."
    )
    return text


def open_day() -> str | None:
    """What is typed as the day to book on; None while it is no day."""
    typed = text_field("Books date: an open day on which it is booked", "books", placeholder="YYYY-MM-DD")
    if typed is None:
        return None
    try:
        return date.fromisoformat(typed).isoformat()
    except ValueError:
        st.error(f"{literal(typed)} is not a day, such as 2026-02-25.")
        return None


def _last_step(
    screen: Screen, exception_id: str, choice: Choice, wish: dict[str, Any], tried: Preview, *, is_fresh: bool
) -> None:
    """The reason, and "yes". `is_fresh`: no payload came since the operator looked."""
    with st.form("decision"):
        notes = st.text_area(
            "Your reason (required; it is kept in the audit log)", key="notes", max_chars=10_000, height=80
        )
        pressed = st.form_submit_button(
            f"Decide: {literal(choice.title)}", type="primary", disabled=not tried.is_possible
        )
    if pressed and not notes.strip():
        st.error("Say why: whoever looks at this later wants to know.")
    elif pressed and is_fresh:
        _confirm(screen, exception_id, wish | {"resolution_notes": notes.strip()}, choice.title, in_words(tried))


@st.dialog("Decide?")
def _confirm(screen: Screen, exception_id: str, wish: dict[str, Any], title: str, effect: str) -> None:
    show_facts({"Decision": title, "Ledger": effect, "Your reason": wish["resolution_notes"]})
    st.caption("A decision is on record for good. What it posts can be corrected later, and never be wiped out.")
    yes, no = st.columns(2)
    if no.button("No, go back", width="stretch"):
        st.rerun()
    if yes.button("Yes, decide", type="primary", width="stretch"):
        _decide(screen, exception_id, wish)


def _decide(screen: Screen, exception_id: str, wish: dict[str, Any]) -> None:
    """Once, however often the button was pressed."""
    if st.session_state.get(done_by_us(exception_id)):
        st.rerun()
    st.session_state[done_by_us(exception_id)] = True
    faults: Sequence[Fault] = ()
    try:
        screen.client.post(f"/v1/exceptions/{exception_id}/resolve", wish)
    except ApiProblem as problem:
        st.session_state[done_by_us(exception_id)] = False
        if problem.reason_code in _CHANGED_MEANWHILE:
            st.rerun()
        show_trouble(problem)
        faults = faults_of(problem)
    except Unreachable:
        st.session_state[done_by_us(exception_id)] = False
        st.error("No answer came. It may be decided or not: go back, and this page shows which.")
    except ApiError as error:
        st.session_state[done_by_us(exception_id)] = False
        show_trouble(error)
    else:
        st.rerun()
    if faults:
        st.caption("It stays open. Go back, and choose or patch otherwise.")


def done_by_us(exception_id: str) -> str:
    """Under which name this browser's tab remembers that it decided."""
    return f"decided:{exception_id}"
