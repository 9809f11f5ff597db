"""Facts of one thing as a list of names and values, and choices that stand in the address."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

import streamlit as st

from ledgersafe.console.words import literal


def show_facts(facts: Mapping[str, str | None]) -> None:
    """Names and values; what is nothing is left out."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value)
    st.html(f'<dl class="ls-facts">{rows}</dl>')


def show_link(text: str, to: str) -> None:
    """A link in a line of its own."""
    st.html(f'<nav class="ls-pages"><a href="{escape(to)}" target="_self">{escape(text)}</a></nav>')


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
    at = st.query_params.get(name, begins_with)
    picked = st.radio(
        label,
        options,
        index=options.index(at) if at in options else None,
        format_func=lambda option: literal(title(option)),
        captions=None if caption is None else [caption(option) for option in options],
        key=f"choice-of-{name}",
        horizontal=horizontal,
    )
    if picked is not None and picked != st.query_params.get(name):
        st.query_params[name] = picked
    return picked
