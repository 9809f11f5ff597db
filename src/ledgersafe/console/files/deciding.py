"""Decisions: what they mean is told beforehand, and the reason for each is kept on record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import streamlit as st

from ledgersafe.client.api import ApiError
from ledgersafe.console.trouble import show_trouble

_TOLD = "files_told"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision came to. `told`: Markdown. `address`: what the page's address is to say then; None: no more."""

    told: str
    address: Mapping[str, str | None] = field(default_factory=dict[str, str | None])


Act = Callable[[str], Outcome | str]
"""Does it with a person's notes; returns what came of it, or what is told of it. Raises ApiError."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person is asked to confirm. `name`: tells it from others of the page; `means`: Markdown, what follows.

    `trouble`: shows a failure; by default in the words of the API.
    """

    name: str
    title: str
    means: str
    button: str
    act: Act
    trouble: Callable[[ApiError], None] = show_trouble


def ask(decision: Decision) -> None:
    """A dialog: what it means, why, and the button that does it. The page runs again once it is done."""
    st.dialog(decision.title, width="medium")(_asked)(decision)


def show_told() -> None:
    """What the last decision of this page came to, said once, in a place that is always there: nothing else moves."""
    place = st.container()
    told = cast("str | None", st.session_state.pop(_TOLD, None))
    if told is not None:
        place.success(told)


def may(has_scope: bool, scope: str) -> bool:
    """Whether a page offers its decisions; if not, it says why."""
    if not has_scope:
        st.caption(f"Your key may look, and not decide: that needs the scope *{scope}*.")
    return has_scope


def _asked(decision: Decision) -> None:
    st.markdown(decision.means)
    notes = st.text_area("Why", key=f"why:{decision.name}", max_chars=4000, help="Kept in the audit log.")
    if st.button(decision.button, type="primary", key=f"do:{decision.name}"):
        _do(decision, notes.strip())


def _do(decision: Decision, notes: str) -> None:
    if not notes:
        st.error("Say why first: it is kept with the decision.")
        return
    try:
        came = decision.act(notes)
    except ApiError as error:
        decision.trouble(error)
        return
    outcome = Outcome(came) if isinstance(came, str) else came
    st.session_state[_TOLD] = outcome.told
    for name, value in outcome.address.items():
        if value is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = value
    st.rerun()
