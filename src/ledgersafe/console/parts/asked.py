"""Decisions that this browser's tab asked for and heard nothing of: they may have been made all the same."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

_SAME = {"action": "resolution_action", "override_patch": "override_patch", "books_date": "books_date"}
"""A member of a wish, and that of the exception which tells what became of it."""

Wish = Mapping[str, Any]


def unanswered(exception_id: str) -> Sequence[Wish]:
    """What was asked about an exception, without an answer."""
    return st.session_state.get(_name(exception_id), ())


def remember(exception_id: str, wishes: Sequence[Wish]) -> None:
    """Keep what has no answer."""
    st.session_state[_name(exception_id)] = tuple(wishes)


def is_decided_so(exception: Mapping[str, Any], wishes: Sequence[Wish], actor: str) -> bool:
    """Whether what stands is one of these wishes, of this actor. `exception`: resolved, as the API tells it. Pure."""
    return exception["resolution_actor"] == actor and any(_is_made(wish, exception) for wish in wishes)


def _is_made(wish: Wish, exception: Mapping[str, Any]) -> bool:
    """A wish that names no payload leaves the choice to the API."""
    return (
        wish["resolution_notes"] == exception["resolution_notes"]
        and wish.get("canonical_raw_id") in (None, exception["canonical_raw_id"])
        and all((wish.get(asked) or None) == (exception[told] or None) for asked, told in _SAME.items())
    )


def _name(exception_id: str) -> str:
    return f"asked:{exception_id}"
