"""What reads whole tables: done once, when somebody at this page asks for it, and not because of an address alone."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiProblem, Unreachable
from ledgersafe.console.screen import Screen
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import literal

CHECK = "check"
SECONDS = 300.0
"""How long such a thing may take here."""


def on_request(
    screen: Screen, name: str, label: str, command: str, ask: Callable[[], Any]
) -> tuple[Any, datetime] | None:
    """The answer and when it was given; None where nobody asked, or it could not be had, which is told.

    `command`: what does the same where a browser is no place to wait.
    """
    held = f"answer of {name} {screen.tenant}"
    if st.button(label, key=f"ask for {name}"):
        st.query_params[CHECK] = name
        st.session_state.pop(held, None)
    elif held not in st.session_state:
        if st.query_params.get(CHECK) == name:
            st.info("This address is of such a check. It reads whole tables, so it begins with the button above.")
        return None
    if held not in st.session_state:
        found = _asked(ask, command)
        if found is None:
            return None
        st.session_state[held] = (found, screen.now)
    return st.session_state[held]


def _asked(ask: Callable[[], Any], command: str) -> Any | None:
    try:
        with st.spinner("This reads whole tables, and may take a while."):
            return ask()
    except Unreachable as error:
        if not error.late:
            raise
        st.error(f"It takes longer than {SECONDS / 60:.0f} minutes here. Run it in a terminal: {literal(command)}")
    except ApiProblem as problem:
        show_trouble(problem)
        st.caption("Ask again with the button above.")
    return None
