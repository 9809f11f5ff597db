"""The queue that an exception was come to from: the way back to it as it was, and on to the following one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from html import escape
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ledgersafe.client.api import ApiProblem
from ledgersafe.console.parts.pretty import cut
from ledgersafe.console.parts.queue import PAGE, Place, exception_link, place_of
from ledgersafe.console.screen import Screen

_MOST_CHARACTERS = 40
_MOST_PAGES = 2
"""The following one is on the page that the address names, or the first of the page after it."""


def come_from() -> Place | None:
    """The page of the queue that the address names."""
    text = st.query_params.get("queue")
    return None if text is None else place_of(text)


def show_way_back(screen: Screen, place: Place | None) -> DeltaGenerator:
    """The way back; returns where to put the way on, once the rest of the page is drawn."""
    to = screen.link(PAGE) if place is None else place.link(screen)
    held = st.empty()
    held.html(_nav(_link("← Exceptions", to)))
    return held


def show_way_on(screen: Screen, held: DeltaGenerator, place: Place | None, exception: Mapping[str, Any]) -> None:
    """The following exception of the queue, whatever became of this one."""
    if place is None:
        return
    back = _link("← Exceptions", place.link(screen))
    found = _following(screen, place, exception)
    if isinstance(found, str):
        held.html(_nav(back, f"<span>{found}</span>"))
        return
    one, where = found
    name = cut(one["idempotency_key"], _MOST_CHARACTERS)
    held.html(_nav(back, _link(f"Next: {name} →", exception_link(screen, one, where))))


_LAST, _ONLY, _NONE = (
    "This is the last one of that queue.",
    "This is the only one of that queue.",
    "Nothing else is left in that queue.",
)


def _following(screen: Screen, place: Place, exception: Mapping[str, Any]) -> tuple[Mapping[str, Any], Place] | str:
    """It, and the page that it is on; or why there is none. An address may name no queue of this key's."""
    for _ in range(_MOST_PAGES):
        try:
            answer = screen.client.get("/v1/exceptions", place.asks())
        except ApiProblem as problem:
            if problem.status not in (403, 422):
                raise
            return _LAST
        later = [one for one in answer["items"] if _order(one) > _order(exception)]
        if later:
            return later[0], place
        if answer["next"] is None:
            return _why_none(place, answer["items"], exception)
        place = replace(place, cursor=answer["next"])
    return _LAST


def _why_none(place: Place, page: Sequence[Mapping[str, Any]], exception: Mapping[str, Any]) -> str:
    """`page`: the last one of the queue; where it is the first as well, it is all that there is."""
    names = {one["exception_id"] for one in page}
    if place.cursor is not None or names - {exception["exception_id"]}:
        return _LAST
    return _ONLY if names else _NONE


def _order(one: Mapping[str, Any]) -> tuple[datetime, str]:
    """As the API sorts them."""
    return datetime.fromisoformat(one["created_at"]), one["exception_id"]


def _nav(*ways: str) -> str:
    return f'<nav class="ls-pages" aria-label="The queue">{"".join(ways)}</nav>'


def _link(text: str, to: str) -> str:
    return f'<a href="{escape(to)}" target="_self">{escape(text)}</a>'
