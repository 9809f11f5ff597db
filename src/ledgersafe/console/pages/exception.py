"""One exception: what is wrong, what arrived, what can be decided and what each decision would do, and what was."""

from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiProblem, in_path
from ledgersafe.console.parts.actors import called
from ledgersafe.console.parts.asked import is_decided_so, unanswered
from ledgersafe.console.parts.assigning import show_assign
from ledgersafe.console.parts.choices import native_event, total_of
from ledgersafe.console.parts.decide import done_by_us, show_decision, tell_once
from ledgersafe.console.parts.decided import outcome, resolved_by, show_decided, trace_of
from ledgersafe.console.parts.effects import Fault, show_faults
from ledgersafe.console.parts.facts import is_of_another_tenant, show_link
from ledgersafe.console.parts.guidance import meaning, to_do
from ledgersafe.console.parts.neighbours import come_from, show_way_back, show_way_on
from ledgersafe.console.parts.past import show_history
from ledgersafe.console.parts.payloads import show_payloads
from ledgersafe.console.parts.queue import exception_link
from ledgersafe.console.parts.seen import has_looked, seen
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import badge
from ledgersafe.console.words import age, amount, literal, visible


def show(screen: Screen) -> None:
    """The page of `?id=`."""
    exception_id = st.query_params.get("id", "")
    answer = _find(screen, exception_id)
    if answer is None:
        st.title("Exception")
        what = f"There is no exception {literal(exception_id)}, or not for your key." if exception_id else "Choose one:"
        st.info(what)
        show_link("All open exceptions", screen.link("exceptions"))
        return
    exception, place = answer["exception"], come_from()
    if is_of_another_tenant(screen, exception["tenant_id"], "exception", exception_link(screen, exception)):
        return
    ways = show_way_back(screen, place)
    _show_head(answer, screen)
    is_open = exception["status"] == "open"
    trace = trace_of(screen, answer)
    if is_open:
        _show_wrong(exception)
        show_payloads(screen, answer)
        seen(exception)  # from here on: it stands on the page now
        show_decision(screen, answer)
        show_assign(screen, exception)
    else:
        _show_how_it_ended(screen, exception)
        show_decided(screen, answer, trace)
        show_payloads(screen, answer)
        _show_wrong(exception)
    show_history(screen, answer, trace)
    show_way_on(screen, ways, place, exception)


def _find(screen: Screen, exception_id: str) -> Mapping[str, Any] | None:
    if not exception_id:
        return None
    try:
        return screen.client.get(f"/v1/exceptions/{in_path(exception_id)}")
    except ApiProblem as problem:
        if problem.status in (404, 422):
            return None
        raise


def _show_head(answer: Mapping[str, Any], screen: Screen) -> None:
    exception = answer["exception"]
    st.html(f'<h1 class="ls-title">{escape(visible(exception["idempotency_key"]))}</h1>')
    is_open = exception["status"] == "open"
    badges = badge("open" if is_open else "resolved", "warn" if is_open else "good")
    badges += " " + badge(exception["reason_code"], "bad" if is_open else "quiet")
    st.html(badges)
    stake = _at_stake(answer)
    told = [
        f"{age(exception['created_at'], screen.now)} old",
        f"tenant {exception['tenant_id']}",
        exception["store_id"] and f"store {exception['store_id']}",
        exception["source_system"] and f"from {exception['source_system']}",
        *_at_first(exception, stake),
        f"assigned to {called(screen, exception['assigned_to'])}" if exception["assigned_to"] else "assigned to nobody",
    ]
    st.markdown(" · ".join(literal(one) for one in told if one))


def _at_first(exception: Mapping[str, Any], stake: str) -> tuple[str, str]:
    """As what it was parked, and for how much: what it is posted as may be another thing."""
    kind, is_open = exception["event_type"] or "", exception["status"] == "open"
    if is_open:
        return kind, stake and f"{stake} at stake"
    return kind and f"was held as {kind}", stake and f"{stake} was at stake"


def _at_stake(answer: Mapping[str, Any]) -> str:
    """Its amount; where it came with two, both."""
    exception = answer["exception"]
    came = [native_event(answer[f"{name}_raw_event"]) or {} for name in ("first", "last")]
    first, last = (total_of(event) for event in came)
    if first is None or last is None or first == last:
        return amount(exception["amount"], exception["currency"])
    return f"{amount(first)} → {amount(last, exception['currency'])}"


def _show_wrong(exception: Mapping[str, Any]) -> None:
    code, is_open = exception["reason_code"], exception["status"] == "open"
    st.subheader("What is wrong" if is_open else "What was wrong")
    st.markdown(f"**{literal(meaning(code) or code)}** {literal(to_do(code)) if is_open else ''}")
    faults = [Fault(one["reason_code"], one["path"], one["message"]) for one in exception["details_json"]]
    if faults:
        show_faults(faults, "Faults")


def _show_how_it_ended(screen: Screen, exception: Mapping[str, Any]) -> None:
    """Who did it. That nothing was done of what this tab asked is said only where the API said so."""
    exception_id = exception["exception_id"]
    told, asked = literal(f"{outcome(exception)}, by {resolved_by(screen, exception)}."), unanswered(exception_id)
    if st.session_state.get(done_by_us(exception_id)):
        tell_once(exception_id)
        st.success(f"Done. {told}")
    elif is_decided_so(exception, asked, screen.who.actor):
        st.success(f"Done: your decision arrived, though no answer came back. {told}")
    elif asked:
        st.warning(f"**Already resolved:** {told} No answer came to what you chose; what is shown here is what counts.")
    elif has_looked(exception_id):
        st.warning(f"**Already resolved** while you looked: {told} Nothing that you chose was done.")
    else:
        st.info(f"**Already resolved.** {told} There is nothing left to decide here.")
