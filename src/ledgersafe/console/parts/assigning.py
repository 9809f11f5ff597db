"""Who is to look at an exception, or at some of a page of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiError
from ledgersafe.console.parts.actors import called
from ledgersafe.console.parts.pretty import cut
from ledgersafe.console.screen import Screen
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import literal


def show_assign(screen: Screen, exception: Mapping[str, Any]) -> None:
    """Give it to somebody, or to nobody."""
    st.subheader("Who looks at it")
    if not screen.who.may("operate"):
        whose = called(screen, exception["assigned_to"]) if exception["assigned_to"] else "nobody"
        st.caption(f"Assigned to {literal(whose)}; your key may only read.")
        return
    now: str = exception["assigned_to"] or ""
    with st.form("assign", border=False):
        field, give, take = st.columns([4, 1, 1], vertical_alignment="bottom")
        whom = field.text_input("Assigned to (empty: nobody)", value=now, max_chars=255, placeholder="nobody yet")
        pressed = give.form_submit_button("Assign", width="stretch")
        is_mine = now == screen.who.actor
        if take.form_submit_button("Assign to me", width="stretch", disabled=is_mine):
            pressed, whom = True, screen.who.actor
    if pressed and assigned(screen, exception["exception_id"], whom):
        st.rerun()


def show_assign_many(screen: Screen, found: Sequence[Mapping[str, Any]]) -> None:
    """Give some of those on a page to somebody."""
    _assign_wanted(screen)
    open_ones = {one["exception_id"]: one["idempotency_key"] for one in found if one["status"] == "open"}
    if not open_ones or not screen.who.may("operate"):
        return
    with st.expander("Assign some of these"), st.form("assign-many", border=False):
        st.pills(
            "Which",
            list(open_ones),
            selection_mode="multi",
            format_func=lambda one: literal(cut(open_ones.get(one, one), 40)),
            key=_CHOSEN,
        )
        st.text_input("Assigned to (empty: nobody)", max_chars=255, key=_WHOM)
        with st.container(horizontal=True):
            st.form_submit_button("Assign", on_click=_keep_wanted, args=(open_ones,))
            st.form_submit_button("Assign to me", on_click=_keep_wanted, args=(open_ones, screen.who.actor))


_CHOSEN, _WHOM, _WANTED = "assign-which", "assign-whom", "assign-wanted"


def _keep_wanted(names: Mapping[str, str], whom: str | None = None) -> None:
    """What was chosen, before the page is drawn anew: one that somebody decided on meanwhile is no more among it.

    `whom`: None where that was typed.
    """
    chosen = {one: names.get(one, one) for one in st.session_state[_CHOSEN]}
    st.session_state[_WANTED] = (chosen, st.session_state[_WHOM] if whom is None else whom)


def _assign_wanted(screen: Screen) -> None:
    """Each by itself: one that cannot be assigned any more does not keep the others from it."""
    chosen, whom = st.session_state.pop(_WANTED, (None, ""))
    if chosen is None:
        return
    if not chosen:
        st.error("Choose which first.")
        return
    refused = [name for one, name in chosen.items() if not assigned(screen, one, whom)]
    if not refused:
        st.session_state.pop(_CHOSEN, None)
        st.rerun()
    told = ", ".join(literal(cut(name, 40)) for name in refused)
    st.warning(f"{len(chosen) - len(refused)} of {len(chosen)} are assigned. Not so: {told}.")


def assigned(screen: Screen, exception_id: str, whom: str) -> bool:
    """Assign one; where that fails, say why."""
    try:
        screen.client.post(f"/v1/exceptions/{exception_id}/assign", {"assigned_to": whom.strip() or None})
    except ApiError as error:
        show_trouble(error)
        return False
    return True
