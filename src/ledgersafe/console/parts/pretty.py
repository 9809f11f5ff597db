"""JSON as people read it: a value a line, the lines that matter marked, and none so long that it hides the others."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, cast

import streamlit as st

from ledgersafe.console.words import in_json

_MOST_LINES = 500
_MOST_CHARACTERS = 1_000
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Line:
    """A line of pretty JSON. `path`: the JSON Pointer of what stands in it."""

    path: str
    text: str


def json_lines(value: Any) -> list[Line]:
    """A JSON value, members in their order."""
    return list(_lines(value, "", "", "", ""))


def marked(path: str, marks: Iterable[str]) -> bool:
    """Whether one of these places is this one, or is around it."""
    return any(path == mark or path.startswith(f"{mark}/") for mark in marks)


def json_html(value: Any, marks: Iterable[str], name: str) -> str:
    """HTML of pretty JSON with places marked (JSON Pointers); `name`: for screen readers."""
    found, places = json_lines(value), [mark for mark in marks if mark]
    rows = "\n".join(_row(line, is_marked=marked(line.path, places)) for line in found[:_MOST_LINES])
    more = f"\n… {len(found) - _MOST_LINES:,} more lines" if len(found) > _MOST_LINES else ""
    return f'<pre class="ls-json" tabindex="0" role="region" aria-label="{escape(name)}">{rows}{more}</pre>'


def show_json(value: Any, marks: Iterable[str], name: str) -> None:
    """The same on the page."""
    st.html(json_html(value, marks, name))


def short(value: Any, most: int = 120) -> str:
    """A JSON value in one line."""
    return cut(_spelled(value), most)


def cut(text: str, most: int) -> str:
    """At most so many characters of a text, and how many are left out."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters)"


def _lines(value: Any, path: str, indent: str, name: str, comma: str) -> Iterator[Line]:
    if isinstance(value, dict) and value:
        members = cast("dict[str, Any]", value)
        parts = [(f"{path}/{pointer(key)}", f"{_spelled(key)}: ", one) for key, one in members.items()]
        yield from _block(parts, ("{", "}"), Line(path, f"{indent}{name}"), indent, comma)
    elif isinstance(value, list) and value:
        items = [(f"{path}/{index}", "", one) for index, one in enumerate(cast("list[Any]", value))]
        yield from _block(items, ("[", "]"), Line(path, f"{indent}{name}"), indent, comma)
    else:
        yield Line(path, f"{indent}{name}{cut(_spelled(value), _MOST_CHARACTERS)}{comma}")


def _block(
    parts: list[tuple[str, str, Any]], brackets: tuple[str, str], head: Line, indent: str, comma: str
) -> Iterator[Line]:
    yield Line(head.path, head.text + brackets[0])
    for number, (path, name, one) in enumerate(parts, 1):
        yield from _lines(one, path, indent + _INDENT, name, "," if number < len(parts) else "")
    yield Line(head.path, f"{indent}{brackets[1]}{comma}")


def pointer(name: str) -> str:
    """A member's name as a step of a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _row(line: Line, *, is_marked: bool) -> str:
    text = line.text.lstrip(" ")
    indent, shown = " " * (len(line.text) - len(text)), escape(text)
    return f'{indent}<mark class="ls-differs">{shown}</mark>' if is_marked else indent + shown


def _spelled(value: Any) -> str:
    return in_json(json.dumps(value, ensure_ascii=False))
