"""Deciding on one parked event: the ways there are, what each would do to the books, then notes, then "yes"."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiError, ApiProblem, Unreachable
from ledgersafe.console.parts.asked import remember, unanswered
from ledgersafe.console.parts.choices import Choice, choices, native_event, on_open_day, payload_names
from ledgersafe.console.parts.effects import Preview, in_words, preview, show_effect, show_faults
from ledgersafe.console.parts.facts import choose_one, show_facts
from ledgersafe.console.parts.open_day import day_to_try, first_open_day, is_chosen, open_day
from ledgersafe.console.parts.patches import NotAPatch, patched, read_patch, to_begin_with, touched
from ledgersafe.console.parts.pretty import show_json
from ledgersafe.console.parts.seen import is_shown_first, seen
from ledgersafe.console.screen import Screen
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import literal

_MOST_TRIED = 6
"""Payloads whose decision is tried out before it is chosen."""
_MOST_IN_ADDRESS = 4_000
_MOST_PATCH = 8_000
"""Characters: an address that is much longer is refused by the server."""
_MAY_BE_DONE = 500
"""From this status on an answer tells that something failed, and not that nothing was done."""
_NOT_KNOWN = "It may be decided or not: go back, and this page shows which."
_TO_THE_TOP = """<script>document.querySelector('[data-testid="stMain"]').scrollTo({top: 0})</script>"""
_CHANGED_MEANWHILE = frozenset({"ALREADY_RESOLVED", "EXCEPTION_CHANGED", "NOT_FOUND"})


def show_decision(screen: Screen, answer: Mapping[str, Any]) -> None:
    """The form of an open exception, once all that came of it has been looked at."""
    st.subheader("What is to become of it?")
    if not screen.who.may("operate"):
        st.info("Your key may only read. With the scope operate you can try decisions out here, and decide.")
        return
    if is_shown_first(answer["exception"]):
        return
    proposed = first_open_day(screen, answer["exception"]["tenant_id"])
    ways = _ways(screen, answer, proposed)
    name = choose_one(
        "Each line says what it would do to the books: that was tried out, and nothing was changed.",
        "choice",
        list(ways),
        title=lambda name: ways[name][0].title,
        caption=lambda name: _caption(*ways[name]),
    )
    if name is None:
        st.caption("Choose one to go on. Nothing is decided before you have given your reason and said yes.")
        return
    _go_on(screen, answer, *ways[name], proposed)


def _ways(
    screen: Screen, answer: Mapping[str, Any], proposed: date | None
) -> Mapping[str, tuple[Choice, Preview | None]]:
    """All there are, by name, tried out. Where only a closed month is in the way, an open day is offered first."""
    exception_id, found = answer["exception"]["exception_id"], dict[str, tuple[Choice, Preview | None]]()
    for number, choice in enumerate(choices(answer)):
        tried = preview(screen, exception_id, choice.wish()) if _is_tried(number, choice) else None
        if tried is not None and _is_only_locked(tried):
            other = on_open_day(choice)
            wish = other.wish() | {"books_date": day_to_try(proposed)}
            found[other.name] = other, preview(screen, exception_id, wish)
        found[choice.name] = choice, tried
    return found


def _is_tried(number: int, choice: Choice) -> bool:
    """Of a key with a hundred payloads, the first few ways, and the one that is chosen."""
    is_chosen = st.query_params.get("choice") in (choice.name, on_open_day(choice).name)
    return not choice.by_hand and (number < _MOST_TRIED or choice.canonical is None or is_chosen)


def _is_only_locked(tried: Preview) -> bool:
    return bool(tried.faults) and all(fault.code == "PERIOD_LOCKED" for fault in tried.faults)


def _caption(choice: Choice, tried: Preview | None) -> str:
    """Markdown."""
    untold = "" if choice.by_hand else " Choose it to see what it would do."
    does = untold if tried is None else f" **{literal(in_words(tried))}**"
    return literal(choice.meaning) + does


def _go_on(
    screen: Screen,
    answer: Mapping[str, Any],
    choice: Choice,
    tried: Preview | None,
    proposed: date | None,
) -> None:
    """The chosen way: its patch, its day, what it would do, and the last step."""
    exception_id = answer["exception"]["exception_id"]
    wish = choice.wish()
    if choice.by_hand:
        typed = _typed_patch(answer)
        if typed is None:
            return
        wish |= typed
        tried = preview(screen, exception_id, wish)
    if tried is None:
        return
    if choice.on_open_day or (choice.by_hand and (tried.wants_open_day() or is_chosen())):
        wish["books_date"] = open_day(proposed)
        tried = preview(screen, exception_id, wish)
    _show_tried(tried)
    if not choice.by_hand and not choice.on_open_day and _is_only_locked(tried):
        st.caption(f"Choose *{literal(on_open_day(choice).title)}* above, or open its month again.")
    wish["expected_last_raw_id"] = seen(answer["exception"])
    _last_step(screen, exception_id, choice, wish, tried)


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
    is_first = arrival["raw_id"] == answer["first_raw_event"]["raw_id"]
    left, right = st.columns(2)
    with left:
        text = _patch_field(_begins_with(answer, event), "patch" if is_first else f"patch-{arrival['raw_id']}")
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


def _begins_with(answer: Mapping[str, Any], event: Mapping[str, Any] | None) -> str:
    """What the patch begins with: the members at fault; where the fault is of no member, those that differ."""
    at_fault = [fault["path"] for fault in answer["exception"]["details_json"] if fault["path"]]
    differs = [] if event is None else [one["path"] for one in answer["diff"]]
    return to_begin_with(event, at_fault or differs)


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


def _patch_field(begins_with: str, name: str) -> str:
    """What is typed. `name`: of the payload that it is typed over; what was typed over another is not for this one."""
    short = len(begins_with) <= _MOST_IN_ADDRESS
    text = st.text_area(
        "Patch (JSON)",
        value=begins_with,
        key=name,
        height=320,
        bind="query-params" if short else None,
        max_chars=_MOST_PATCH if short else None,
    )
    st.caption(
        "A merge patch: members replace, null removes, a list is replaced whole. "
        "It is checked when you leave the field or press Ctrl+Enter."
    )
    return text


def _last_step(screen: Screen, exception_id: str, choice: Choice, wish: dict[str, Any], tried: Preview) -> None:
    """The reason, and "yes"."""
    if unanswered(exception_id):
        st.warning("No answer came to what you decided, and it is still open. Decide again: it is decided only once.")
    with st.form("decision"):
        notes = st.text_area(
            "Your reason (required; it is kept in the audit log)", key="notes", max_chars=10_000, height=80
        )
        pressed = st.form_submit_button(
            f"Decide: {literal(choice.title)}", type="primary", disabled=not tried.is_possible
        )
    if pressed and not notes.strip():
        st.error("Say why: whoever looks at this later wants to know.")
    elif pressed:
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
    """Once, however often the button was pressed: what was asked is kept before, for the answer may never come."""
    if st.session_state.get(done_by_us(exception_id)):
        st.rerun()
    before = unanswered(exception_id)
    remember(exception_id, [*before, wish])
    try:
        with st.spinner("Waiting for the answer"):
            screen.client.post(f"/v1/exceptions/{exception_id}/resolve", wish)
    except ApiProblem as problem:
        if problem.status < _MAY_BE_DONE:
            remember(exception_id, before)
            _tell_refused(problem)
        else:
            show_trouble(problem)
            st.caption(_NOT_KNOWN)
    except Unreachable:
        st.error(f"No answer came. {_NOT_KNOWN}")
    except ApiError as error:
        show_trouble(error)
        st.caption(_NOT_KNOWN)
    else:
        st.session_state[done_by_us(exception_id)] = True
        st.session_state[_to_tell(exception_id)] = True
        st.rerun()


def tell_once(exception_id: str) -> None:
    """That it is done, right after it: to whoever stands at the page's end, too."""
    if st.session_state.pop(_to_tell(exception_id), False):
        st.toast("Done.", duration="long")
        st.html(_TO_THE_TOP, unsafe_allow_javascript=True)


def _to_tell(exception_id: str) -> str:
    return f"to-tell:{exception_id}"


def _tell_refused(problem: ApiProblem) -> None:
    """Nothing was done: the page is looked at anew where it is another by now, else it is said why."""
    if problem.reason_code in _CHANGED_MEANWHILE:
        st.rerun()
    show_trouble(problem)
    if problem.faults:
        st.caption("It stays open. Go back, and choose or patch otherwise.")


def done_by_us(exception_id: str) -> str:
    """Under which name this browser's tab remembers that it decided."""
    return f"decided:{exception_id}"
