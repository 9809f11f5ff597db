"""Fields whose values are in the address, so that a reload or a shared link shows the same; and pages of long lists."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from ledgersafe.console.screen import Screen

CURSOR = "cursor"
ANY = "Any"


def text_field(
    label: str, name: str, *, placeholder: str | None = None, hint: str | None = None, is_id: bool = False
) -> str | None:
    """What is typed, trimmed; None where that is nothing. `is_id`: blanks at its ends are of it."""
    typed = st.text_input(
        label, key=name, bind="query-params", placeholder=placeholder, help=hint, max_chars=255, on_change=first_page
    )
    return (typed if is_id else typed.strip()) or None


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
    label: str,
    name: str,
    options: Iterable[str],
    *,
    default: str | None = None,
    shown: Callable[[str], str] = str,
    label_is_shown: bool = False,
    forgets: Sequence[str] = (),
) -> str:
    """Which of a few sections or views is shown: always one, the first where nothing else is said.

    What the address says is as if it were not there, unless it is one of them. `forgets`: what else in the address is
    of the section before.
    """
    sections = list(options)
    first = sections[0] if default is None else default
    at, key = st.query_params.get(name), f"section-of-{name}"
    st.session_state[key] = at if at in sections else first  # not bound: a bound one is blank at an empty value
    chosen = st.segmented_control(
        label,
        sections,
        format_func=shown,
        key=key,
        required=True,
        label_visibility="visible" if label_is_shown else "collapsed",
        on_change=_other_section,
        args=(name, key, first, forgets),
    )
    return first if chosen is None else chosen


def _other_section(name: str, key: str, first: str, forgets: Sequence[str]) -> None:
    for other in (CURSOR, *forgets):
        st.query_params.pop(other, None)
    picked = st.session_state[key]
    if picked in (None, first):
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = picked


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
