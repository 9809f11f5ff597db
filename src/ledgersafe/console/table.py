"""Tables as plain HTML: read by screen readers, reached by keyboard, with links that open in tabs like any others."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import streamlit as st

from ledgersafe.console.words import visible

Tone = Literal["good", "warn", "bad", "quiet"]


@dataclass(frozen=True, slots=True)
class Link:
    """Goes to a page of the console."""

    text: str
    to: str


@dataclass(frozen=True, slots=True)
class Badge:
    """A word that stands out. Its tone is never all that tells: the word says it."""

    text: str
    tone: Tone = "quiet"


@dataclass(frozen=True, slots=True)
class Number:
    """Set to the right."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Set in letters of one width: ids, bytes, JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Several texts and links, each on a line of its own."""

    lines: tuple[str | Link, ...]


@dataclass(frozen=True, slots=True)
class Under:
    """One thing, and in smaller letters beneath it what else there is to say."""

    top: str | Link | Badge
    below: str


Cell = str | Link | Badge | Number | Code | Lines | Under | None


def show_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    empty: str,
    name: str,
    foot: Sequence[Sequence[Cell]] = (),
) -> None:
    """A table, or, where there are no rows, why that is so and what to do next.

    `name`: for screen readers. `foot`: rows of sums.
    """
    if not rows:
        st.info(empty)
        return
    numbers = [_is_of_numbers([row[at] for row in rows]) for at in range(len(heads))]
    head = "".join(_head(text, is_number) for text, is_number in zip(heads, numbers, strict=True))
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    st.html(
        f'<div class="ls-scroll"><table class="ls" aria-label="{escape(name)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{_foot(foot)}</table></div>"
    )


def badge(text: str, tone: Tone) -> str:
    """HTML of a badge, for where there is no table."""
    return f'<span class="ls-badge ls-{tone}">{_escaped(text)}</span>'


def _escaped(text: str) -> str:
    return escape(visible(text))


def _is_of_numbers(column: Sequence[Cell]) -> bool:
    told = [cell for cell in column if cell not in (None, "")]
    return bool(told) and all(isinstance(cell, Number) for cell in told)


def _foot(rows: Sequence[Sequence[Cell]]) -> str:
    cells = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f"<tfoot>{cells}</tfoot>" if rows else ""


def _head(text: str, is_number: bool) -> str:
    return f'<th scope="col"{_RIGHT if is_number else ""}>{_escaped(text)}</th>'


_RIGHT = ' class="ls-number"'
_SHORT = ' class="ls-short"'
_MOST_UNBROKEN = 24
"""Characters of a word that is not broken: of longer ones, a column could be as wide as the page."""


def _breaks(text: str) -> str:
    return _SHORT if max(map(len, text.split()), default=0) <= _MOST_UNBROKEN else ""


def _top(cell: str | Link | Badge) -> str:
    match cell:
        case Link(text, to):
            return f'<a href="{escape(to)}" target="_self">{_escaped(text)}</a>'
        case Badge(text, tone):
            return badge(text, tone)
        case str():
            return _escaped(cell)


def _cell(cell: Cell) -> str:
    match cell:
        case Link(text):
            inner, attributes = _top(cell), _breaks(text)
        case Badge(text, tone):
            inner, attributes = badge(text, tone), ""
        case Number(text):
            inner, attributes = _escaped(text), _RIGHT
        case Code(text):
            inner, attributes = f"<code>{_escaped(text)}</code>", ""
        case Lines(lines):
            words = " ".join(line if isinstance(line, str) else line.text for line in lines)
            inner, attributes = "<br>".join(map(_top, lines)), _breaks(words)
        case Under(top, below):
            inner, attributes = f'{_top(top)}<div class="ls-below">{_escaped(below)}</div>', _breaks(below)
        case None:
            inner, attributes = "", ""
        case str():
            inner, attributes = _escaped(cell), _breaks(cell)
    return f"<td{attributes}>{inner}</td>"
