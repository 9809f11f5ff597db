"""Fields whose values are in the address, so that a reload or a shared link shows the same; and pages of long lists."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from ledgersafe.console.screen import Screen

CURSOR = "cursor"
ANY = "Any"


def text_field(label: str, name: str, *, placeholder: str | None = None) -> str | None:
    """What is typed, trimmed; None where that is nothing."""
    typed = st.text_input(
        label, key=name, bind="query-params", placeholder=placeholder, max_chars=255, on_change=first_page
    )
    return typed.strip() or None


def choice_field(
    label: str, name: str, options: Sequence[str], *, shown: Callable[[str], str] = str, any_is: str = ANY
) -> str | None:
    """One of the options; None where it does not matter which."""
    chosen = st.selectbox(
        label,
        list(dict.fromkeys([any_is, *options])),
        key=name,
        bind="query-params",
        format_func=shown,
        on_change=first_page,
    )
    return None if chosen == any_is else chosen


def section_field(
    label: str, name: str, options: Iterable[str], *, default: str | None = None, label_is_shown: bool = False
) -> str:
    """Which of a few sections or views is shown: always one, the first where nothing else is said."""
    sections = list(options)
    chosen = st.segmented_control(
        label,
        sections,
        key=name,
        bind="query-params",
        default=sections[0] if default is None else default,
        required=True,
        label_visibility="visible" if label_is_shown else "collapsed",
        on_change=first_page,
    )
    return str(chosen)


def first_page() -> None:
    """Another list begins at its beginning: a cursor of the list before would skip rows of it."""
    st.query_params.pop(CURSOR, None)


def cursor() -> str | None:
    """Where in a long list the address stands."""
    return st.query_params.get(CURSOR)


def show_paging(screen: Screen, page: str, answer: Mapping[str, Any], filters: Mapping[str, str | None]) -> None:
    """The way to the next page of a list, and back to its first. `answer`: of the API, with its `next`."""
    here, following = cursor(), answer.get("next")
    if not here and not following:
        return
    first = f'<a href="{screen.link(page, **filters)}">First page</a>' if here else ""
    after = f'<a href="{screen.link(page, **filters, cursor=str(following))}">Next page</a>' if following else ""
    st.html(f'<nav class="ls-pages" aria-label="Pages">{first}{after}</nav>')
