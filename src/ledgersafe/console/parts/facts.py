"""Facts of one thing as a list of names and values, and choices that stand in the address."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

import streamlit as st

from ledgersafe.console.screen import Screen
from ledgersafe.console.words import literal, visible


def show_facts(facts: Mapping[str, str | None]) -> None:
    """Names and values; what is nothing is left out."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(visible(value))}</dd>" for name, value in facts.items() if value
    )
    st.html(f'<dl class="ls-facts">{rows}</dl>')


def show_link(text: str, to: str) -> None:
    """A link in a line of its own."""
    st.html(f'<nav class="ls-pages"><a href="{escape(to)}" target="_self">{escape(text)}</a></nav>')


def is_of_another_tenant(screen: Screen, tenant: str, what: str, to: str) -> bool:
    """Whether a thing is of other books than the address names; then it is said, with the way there, `to`."""
    if screen.tenant in (None, tenant):
        return False
    st.title(what.capitalize())
    st.warning(f"This {what} is of tenant **{literal(tenant)}**, and you look at **{literal(screen.tenant)}**.")
    show_link(f"Look at it among the books of {tenant}", to)
    return True


def choose_one(
    label: str,
    name: str,
    options: Sequence[str],
    *,
    title: Callable[[str], str],
    caption: Callable[[str], str] | None = None,
    begins_with: str | None = None,
    horizontal: bool = False,
) -> str | None:
    """One of some options, kept in the address under `name`; its words may change while the option stays the same.

    `title`: plain text; `caption`: Markdown.
    """
    at, key = st.query_params.get(name, begins_with), f"choice-of-{name}"
    st.session_state[key] = at if at in options else None  # the address says it, when the browser goes back as well
    return st.radio(
        label,
        options,
        index=None,
        format_func=lambda option: literal(title(option)),
        captions=None if caption is None else [caption(option) for option in options],
        key=key,
        horizontal=horizontal,
        on_change=_into_the_address,
        args=(name, key),
    )


def _into_the_address(name: str, key: str) -> None:
    if (picked := st.session_state[key]) is not None:
        st.query_params[name] = picked
