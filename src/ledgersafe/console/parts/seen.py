"""Which payload of an exception an operator looked at last: what came since counts only once they say they saw it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

_OF_THE_DECISION = ("choice", "over", "books")
"""In the address: what was chosen in view of other payloads."""


def seen(exception: Mapping[str, Any]) -> str:
    """The last payload (raw_id) that this tab's operator looked at: where they are new here, the one that is shown."""
    return st.session_state.setdefault(_name(exception["exception_id"]), exception["last_raw_id"])


def has_looked(exception_id: str) -> bool:
    """Whether this tab has shown it while it was open."""
    return _name(exception_id) in st.session_state


def is_shown_first(exception: Mapping[str, Any]) -> bool:
    """Whether another payload came since the operator looked; then it is said, and asked for that they look at it."""
    if seen(exception) == exception["last_raw_id"]:
        return False
    st.warning(
        "**Another payload came since you opened this page.** It is the LAST one now, above: look at it. "
        "Then choose anew, and give your reason anew; nothing is decided before."
    )
    st.button(
        "I have looked at the new LAST", on_click=_look, args=(exception["exception_id"], exception["last_raw_id"])
    )
    return True


def _look(exception_id: str, raw_id: str) -> None:
    """At the one that stood on the page: if one more came meanwhile, that is the next to be looked at."""
    st.session_state[_name(exception_id)] = raw_id
    for name in _OF_THE_DECISION:
        st.query_params.pop(name, None)
    st.session_state.pop("notes", None)


def _name(exception_id: str) -> str:
    return f"seen:{exception_id}"
