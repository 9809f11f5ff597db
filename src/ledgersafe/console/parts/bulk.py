"""One decision on many: which it is about (a dry run), what it would do to the first of them, then notes, then go."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiError, Unreachable
from ledgersafe.console.parts.choices import IGNORE, REPLAY
from ledgersafe.console.parts.effects import in_words, preview
from ledgersafe.console.parts.facts import choose_one, show_facts, show_link
from ledgersafe.console.parts.open_day import first_open_day, open_day
from ledgersafe.console.parts.patches import NotAPatch, read_patch
from ledgersafe.console.parts.queue import PAGE, Chosen, exception_link
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Link, Number, show_table
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import age, amount, literal, plural

_TRIED = 5
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
    if chosen.reason == "PERIOD_LOCKED" and way != "ignore":
        wish["books_date"] = open_day(first_open_day(screen, tenant))
    content = {**wish, "filter": _filter(tenant, chosen)}
    plan = screen.client.post("/v1/exceptions:resolve", {**content, "resolution_notes": "plan", "dry_run": True})
    if not plan["count"]:
        st.info("No open exception is like this: nothing would be decided. Clear a filter.")
        return
    _show_plan(screen, plan, chosen, wish)
    _start(screen, content | {"plan": plan["plan"]}, _WAYS[way][0], plan["count"], _at_stake(plan))


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


def _show_plan(screen: Screen, plan: Mapping[str, Any], chosen: Chosen, wish: Mapping[str, Any]) -> None:
    whole = "" if chosen.narrows() else " No filter is set: these are **all** that are open."
    worth = literal(_at_stake(plan))
    st.markdown(f"**{plural(plan['count'], 'open exception')}, {worth}**: nothing is changed yet.{whole}")
    single = {"canonical_raw_id" if name == "canonical" else name: value for name, value in wish.items()}
    rows = [
        (
            Number(age(one["created_at"], screen.now)),
            Link(one["idempotency_key"], exception_link(screen, one)),
            Badge(one["reason_code"], "warn"),
            Number(amount(one["amount"], one["currency"])),
            in_words(preview(screen, one["exception_id"], single)) if number < _TRIED else "not tried out",
        )
        for number, one in enumerate(plan["sample"])
    ]
    heads = ("Age", "Event", "Reason", "At stake", "What it would do (tried out, nothing changed)")
    show_table(heads, rows, empty="", name="The first of them")


def _at_stake(plan: Mapping[str, Any]) -> str:
    """What they come to, by currency; in most cases there is one."""
    known = [one for one in plan["at_stake"] if one["amount"] is not None]
    sums = [amount(one["amount"], one["currency"] or "without a currency") for one in known]
    unknown = sum(one["exceptions"] for one in plan["at_stake"] if one["amount"] is None)
    some = f"; {plural(unknown, 'of them says', 'of them say')} no amount" if unknown and sums else ""
    return f"worth {', '.join(sums)}{some}" if sums else "whose amounts are not known"


def _start(screen: Screen, content: dict[str, Any], title: str, number: int, worth: str) -> None:
    with st.form("bulk"):
        notes = st.text_area("Your reason (required; it is kept in the audit log)", max_chars=10_000, height=80)
        pressed = st.form_submit_button(f"{title}: {plural(number, 'exception')}", type="primary")
    if pressed and not notes.strip():
        st.error("Say why: whoever looks at this later wants to know.")
    elif pressed:
        st.session_state.pop(_STARTED, None)
        _confirm(
            screen, content | {"resolution_notes": notes.strip()}, title, f"{plural(number, 'open exception')}, {worth}"
        )


_STARTED = "bulk-run-started"
_BEGUN = "bulk-run-begun"


@st.dialog("Decide on all of them?")
def _confirm(screen: Screen, content: dict[str, Any], title: str, about: str) -> None:
    show_facts({"Decision": title, "About": about, "Your reason": content["resolution_notes"]})
    st.caption(
        "Each is decided by itself, with the payloads it has now: what comes meanwhile stays open. "
        "You can stop the run, and go on later."
    )
    yes, no = st.columns(2)
    if no.button("No, go back", width="stretch"):
        st.rerun()
    if yes.button("Yes, run it", type="primary", width="stretch"):
        _run(screen, content)


def _run(screen: Screen, content: dict[str, Any]) -> None:
    """Once, however often the button was pressed."""
    if st.session_state.get(_STARTED):
        _show_unanswered(screen)
        return
    st.session_state[_STARTED] = True
    try:
        run = screen.client.post("/v1/exceptions:resolve", content)
    except Unreachable:
        _show_unanswered(screen)
    except ApiError as error:
        st.session_state.pop(_STARTED, None)
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
