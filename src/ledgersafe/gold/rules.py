"""The gold tables as their files describe them: each file of `tables` is a table, and the folder is the list. Pure."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_HEADER = re.compile(r"^-- (table|summary|grain|reads|keys|columns): *(.+(?:\n--  .+)*)", re.MULTILINE)
_GOES_ON = re.compile(r"\s*\n-- +")
_NAME = re.compile(r"^-- name: *([a-z_]+) *$", re.MULTILINE)
_HEADERS = {"table", "summary", "grain", "reads", "keys", "columns"}
_STATEMENTS = {"add", "differences", "page"}


class InvalidTable(Exception):
    """A file of `tables` does not describe a table; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its header, and its statements.

    `keys`: its primary key; `reads`: what it is made of; `columns`: what is shown of it.
    `add` applies batches of postings, `differences` holds the table against the truth, `page` reads it.
    """

    name: str
    summary: str
    grain: str
    reads: tuple[str, ...]
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    add: bytes
    differences: bytes
    page: bytes

    @property
    def cursor(self) -> tuple[str, ...]:
        """The columns that a page is ordered by: its keys, within a tenant."""
        return self.keys[1:]


def read_table(name: str, text: str) -> Table:
    """A table of its file. Raises InvalidTable."""
    head, *parts = _NAME.split(text)
    header = {title: _GOES_ON.sub(" ", value).strip() for title, value in _HEADER.findall(head)}
    statements = {title: body.strip().encode() for title, body in zip(parts[::2], parts[1::2], strict=True)}
    lacking = sorted(_HEADERS - header.keys()) + sorted(_STATEMENTS - statements.keys())
    if lacking or header["table"] != name:
        raise InvalidTable(f"gold/tables/{name}.sql lacks {', '.join(lacking) or 'its own name in `-- table:`'}")
    return Table(
        name=name,
        summary=header["summary"],
        grain=header["grain"],
        reads=_listed(header["reads"]),
        keys=_listed(header["keys"]),
        columns=_listed(header["columns"]),
        add=statements["add"],
        differences=statements["differences"],
        page=statements["page"],
    )


@cache
def tables() -> MappingProxyType[str, Table]:
    """Every gold table, by name."""
    folder = files(__package__ or "").joinpath("tables")
    found = [
        read_table(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    ]
    return MappingProxyType({table.name: table for table in sorted(found, key=lambda table: table.name)})


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))
