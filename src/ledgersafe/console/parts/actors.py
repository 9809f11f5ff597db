"""What those are called who do things: the label of their key, with the actor that the audit log keeps."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from ledgersafe.console.screen import Screen

_KEPT_FOR = timedelta(minutes=1)
_KEPT = "actors-known"


def called(screen: Screen, actor: str | None) -> str:
    """`anna (key:97dcd6e27e9c)`, or the actor alone where it has no other name; "system" for nobody."""
    if actor is None:
        return "system"
    label = _labels(screen).get(actor)
    return f"{label} ({actor})" if label else actor


def _labels(screen: Screen) -> Mapping[str, str]:
    """By actor; asked for once a minute in each tab."""
    kept: tuple[datetime, dict[str, str]] | None = st.session_state.get(_KEPT)
    if kept is not None and screen.now - kept[0] < _KEPT_FOR:
        return kept[1]
    items: list[dict[str, Any]] = screen.client.get("/v1/actors")["items"]
    labels = {str(one["actor"]): str(one["label"]) for one in items}
    st.session_state[_KEPT] = screen.now, labels
    return labels
