"""One decision on many: which it is about (a dry run), what it would do to the first of them, then notes, then go."""

from itertools import zip_longest
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiError, ApiProblem, Unreachable
from ledgersafe.console.parts.bulk_plan import CHANGED, Looked, forget, has_changed, is_still_so, keep, look
from ledgersafe.console.parts.choices import IGNORE, REPLAY
from ledgersafe.console.parts.effects import in_words
from ledgersafe.console.parts.facts import choose_one, show_facts, show_link
from ledgersafe.console.parts.open_day import first_open_day, open_day
from ledgersafe.console.parts.patches import NotAPatch, read_patch
from ledgersafe.console.parts.pretty import show_json
from ledgersafe.console.parts.queue import PAGE, Chosen, exception_link
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Link, Number, show_table
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import age, amount, literal, moment, plural

_LOCKED = "PERIOD_LOCKED"
_OF_SEVERAL = frozenset({"first", "last"})
_MOST_PATCH = 8_000
_WAYS = {
    "ignore": ("Let them go", "They never count; what counted before goes on counting."),
    "replay": ("Replay them as they are", "For when the cause is gone. Keys with several payloads are left open."),
    "first": ("FIRST counts", "Of each key, the payload that came first."),
    "last": ("LAST counts", "Of each key, the payload that came last."),
    "patch": ("Patch them, then replay", "One JSON merge patch over each, such as its currency."),
}


def show_bulk(screen: Screen, chosen: Chosen) -> None:
    """The plan of a run over what the filters name, and the way to start it."""
    if not screen.who.may("operate"):
        st.info("Your key may only read. With the scope operate you can decide here.")
        return
    tenant = screen.one_tenant()
    way = choose_one(
        "What is to become of them?",
        "do",
        list(_WAYS),
        title=lambda one: _WAYS[one][0],
        caption=lambda one: _WAYS[one][1],
    )
    wish = None if way is None else _wish(way)
    if way is None or wish is None:
        return
    if chosen.reason == _LOCKED and way != "ignore":
        wish["books_date"] = open_day(first_open_day(screen, tenant))
    looked = look(screen, {**wish, "filter": _filter(tenant, chosen)})
    if not looked.plan["count"]:
        st.info("No open exception is like this: nothing would be decided. Clear a filter.")
        return
    _show_plan(screen, looked, chosen)
    _say_what_else(screen, looked, chosen, way)
    _start(screen, looked, chosen, _WAYS[way][0])
    keep(looked)


def _filter(tenant: str, chosen: Chosen) -> dict[str, Any]:
    named = {name: value for name, value in chosen.filter().items() if value is not None}
    return {"tenant_id": tenant, **named}


def _wish(way: str) -> dict[str, Any] | None:
    """As the API wants it; None while a patch is no patch."""
    if way == "ignore":
        return {"action": IGNORE}
    if way != "patch":
        return {"action": REPLAY, "canonical": way if way != "replay" else None}
    text = st.text_area(
        "Patch (JSON)", "{}", key="patch", bind="query-params", height=120, max_chars=_MOST_PATCH,
        help='Such as {"currency": "EUR"}. Checked when you leave the field or press Ctrl+Enter.',
    )  # fmt: skip
    try:
        return {"action": REPLAY, "canonical": None, "override_patch": read_patch(text)}
    except NotAPatch as error:
        st.error(literal(str(error)))
        return None


def _show_plan(screen: Screen, looked: Looked, chosen: Chosen) -> None:
    whole = "" if chosen.narrows() else " No filter is set: these are **all** that are open."
    st.markdown(f"**{literal(looked.about())}**: nothing is changed yet.{whole}")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"As it was at {moment(looked.at.isoformat())} UTC; what comes later stays open.")
        st.button("Look again", type="tertiary", on_click=forget)
    rows = [
        (
            Number(age(one["created_at"], screen.now)),
            Link(one["idempotency_key"], exception_link(screen, one)),
            Badge(one["reason_code"], "warn"),
            Number(amount(one["amount"], one["currency"])),
            in_words(tried) if tried is not None else "not tried out",
        )
        for one, tried in zip_longest(looked.plan["sample"], looked.tried)
    ]
    heads = ("Age", "Event", "Reason", "At stake", "What it would do (tried out, nothing changed)")
    show_table(heads, rows, empty="", name="The first of them")


def _say_what_else(screen: Screen, looked: Looked, chosen: Chosen, way: str) -> None:
    """What the sums do not tell, and how what is of a closed month can be booked."""
    if way in _OF_SEVERAL:
        st.caption(
            "What they are worth is by the payload that each was opened with: where a key has several, "
            "the one that is to count may say another amount."
        )
    if way != "ignore" and chosen.reason != _LOCKED and looked.holds_locked():
        st.caption("Some are of a closed month: as they are, they stay open. They are booked on an open day apart:")
        only = chosen.address() | {"reason": _LOCKED}
        patch = st.query_params.get("patch") if way == "patch" else None
        to = screen.link(PAGE, tenant=screen.tenant, view="many", do=way, patch=patch, **only)
        show_link("Only those of closed months, on a day that you choose", to)


def _start(screen: Screen, looked: Looked, chosen: Chosen, title: str) -> None:
    if looked.was is not None:
        st.warning(f"**What you looked at has changed:** it was {literal(looked.was)}. Look at it as it is now, above.")
    with st.form("bulk"):
        notes = st.text_area("Your reason (required; it is kept in the audit log)", max_chars=10_000, height=80)
        pressed = st.form_submit_button(f"{title}: {plural(looked.plan['count'], 'exception')}", type="primary")
    if not pressed:
        return
    if looked.is_new:
        st.error("You pressed before this was shown to you: look at it first, then press again.")
    elif not notes.strip():
        st.error("Say why: whoever looks at this later wants to know.")
    elif not is_still_so(screen, looked):
        has_changed(looked)
        st.rerun()
    else:
        st.session_state.pop(_STARTED, None)
        _confirm(screen, looked, chosen, title, notes.strip())


_STARTED = "bulk-run-started"
_BEGUN = "bulk-run-begun"


@st.dialog("Decide on all of them?")
def _confirm(screen: Screen, looked: Looked, chosen: Chosen, title: str, notes: str) -> None:
    show_facts(
        {
            "Decision": title,
            "Booked on": looked.asked.get("books_date"),
            "About": looked.about(),
            "Which are": chosen.in_words(),
            "Your reason": notes,
        }
    )
    if looked.asked.get("override_patch"):
        st.caption("With this patch over each:")
        show_json(looked.asked["override_patch"], (), "The patch")
    st.caption(
        "Each is decided by itself, with the payloads that you looked at: what comes meanwhile stays open. "
        "You can stop the run, and go on later."
    )
    yes, no = st.columns(2)
    if no.button("No, go back", width="stretch"):
        st.rerun()
    if yes.button("Yes, run it", type="primary", width="stretch"):
        _run(screen, looked, notes)


def _run(screen: Screen, looked: Looked, notes: str) -> None:
    """Once, however often the button was pressed."""
    if st.session_state.get(_STARTED):
        _show_unanswered(screen)
        return
    st.session_state[_STARTED] = True
    try:
        with st.spinner("Waiting for the answer"):
            run = screen.client.post("/v1/exceptions:resolve", looked.content() | {"resolution_notes": notes})
    except Unreachable:
        _show_unanswered(screen)
    except ApiError as error:
        st.session_state.pop(_STARTED, None)
        if isinstance(error, ApiProblem) and error.reason_code == CHANGED:
            has_changed(looked)
        show_trouble(error)
    else:
        st.session_state[_BEGUN] = run["run_id"]
        st.rerun()


def _show_unanswered(screen: Screen) -> None:
    st.error("No answer came. It may have begun or not: the bulk runs show it. If it has not, go back and begin again.")
    show_link("Bulk runs", screen.link(PAGE, view="runs"))


def started_run() -> str | None:
    """The run that this browser's tab has just begun; told once."""
    return st.session_state.pop(_BEGUN, None)
