"""What commands print: tables for people; with --json exactly one JSON value for programs. Errors go to stderr."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, cast

import orjson
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

JsonOption = Annotated[bool, typer.Option("--json", help="Print exactly one JSON value, and nothing else.")]

_UNWRAPPED = 1_000
_MOST_COLUMNS = 8
_HASH_CHARACTERS = 12
_NUMBERS = frozenset({"amount", "arrivals", "revision", "total"})
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def out() -> Console:
    """Standard output. A pipe gets whole lines: only a terminal has a width to wrap at."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _UNWRAPPED, soft_wrap=False)


def err() -> Console:
    """Standard error: progress, notes and errors."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _UNWRAPPED)


def print_json(value: Any) -> None:
    """The one JSON value of a command that was given --json."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))


def print_answer(body: bytes) -> None:
    """The API's own answer, byte for byte: the one JSON value of a command that was given --json."""
    typer.echo(body)


def note(message: str) -> None:
    """A remark on standard error, so that standard output stays what the command promises."""
    err().print(plain(message))


def plain(value: object, style: str = "") -> Text:
    """A value as it stands: no markup is read from it, and no control character of a sender reaches the terminal."""
    if value is None:
        return Text("-", style=style or "dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no", style=style)
    if isinstance(value, dict | list):
        value = orjson.dumps(cast("object", value), default=str).decode()
    return Text(_CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", str(value)), style=style)


def table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; columns whose name ends in ">" are set flush right. Cells may be Text, or any value."""
    made = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for name in columns:
        made.add_column(name.removesuffix(">"), justify="right" if name.endswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else plain(cell) for cell in row))
    return made


def mark(*, ok: bool) -> Text:
    """A check mark or a cross."""
    return Text("✓", style="green") if ok else Text("✗", style="bold red")


def listing(
    title: str, items: Sequence[Mapping[str, Any]], preferred: Sequence[str] = (), short: Sequence[str] = ()
) -> Table:
    """A table of JSON objects: the preferred members that any of them has, or else whatever members there are.

    `short`: members of which the first characters are enough to compare them by (hashes).
    """
    present = list(dict.fromkeys(name for item in items for name in item))
    names = [name for name in preferred if name in present] or present[:_MOST_COLUMNS]
    rows = (
        [_shortened(item.get(name)) if name in short else plain(item.get(name)) for name in names] for item in items
    )
    return table(title, [f"{name}>" if name in _NUMBERS else name for name in names], rows)


def record(title: str, members: Mapping[str, Any]) -> Table:
    """One JSON object, a member a row."""
    made = table(title, ("", ""), members.items())
    made.show_header = False
    return made


def members_of(value: object) -> dict[str, Any]:
    """A JSON object as one; anything else (a part that this version of the API does not answer) as an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def items_of(value: object) -> list[dict[str, Any]]:
    """A JSON array of objects as one; anything else as an empty one."""
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [members_of(item) for item in listed]


def _shortened(value: object) -> Text:
    return plain(value if value is None else str(value)[:_HASH_CHARACTERS])
