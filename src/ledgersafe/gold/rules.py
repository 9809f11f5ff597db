"""The gold tables as their files describe them: each file of `tables` is a table, and the folder is the list. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, cast

Kind = Literal["additive", "recomputed"]
"""additive: moved by what each batch adds or takes back. recomputed: made anew where batches touch it."""

_HEADER = re.compile(
    r"^-- (table|kind|calendar|made_with|summary|grain|reads|keys|columns): *(.+(?:\n--  .+)*)", re.MULTILINE
)
_GOES_ON = re.compile(r"\s*\n-- +")
_NAME = re.compile(r"^-- name: *([a-z_]+) *$", re.MULTILINE)
_HEADERS = {"table", "summary", "grain", "reads", "keys", "columns"}
_STATEMENTS: Mapping[str, set[str]] = {
    "additive": {"add", "differences", "page"},
    "recomputed": {"clear", "fill", "differences", "page"},
}
_OTHER_SCHEMAS = {"bronze", "gate", "quarantine", "silver", "ledger", "tenants"}
_SCHEMAS = {"gold", "platinum"}
_ARRIVALS = "bronze.batches"


class InvalidTable(Exception):
    """A file of `tables` does not describe a table; the message says what is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its header, and its statements by name.

    `keys`: its primary key; `reads`: what it is made of; `columns`: what is shown of it. `is_of_the_day`: what it says
    changes with the calendar, also when nothing was posted. `made_with`: the setting of stores that its sums go by, and
    keep to until it is rebuilt. `add` applies batches of postings to an additive table;
    `clear` and `fill` make anew what they touch of a recomputed one. `differences` holds the table against the truth,
    `page` reads it.
    """

    name: str
    schema: str
    kind: Kind
    is_of_the_day: bool
    made_with: str | None
    summary: str
    grain: str
    reads: tuple[str, ...]
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    statements: Mapping[str, bytes]

    @property
    def cursor(self) -> tuple[str, ...]:
        """The columns that a page is ordered by: its keys, within a tenant."""
        return self.keys[1:]

    @property
    def full_name(self) -> str:
        """Its name with its schema."""
        return f"{self.schema}.{self.name}"

    @property
    def made_of(self) -> tuple[str, ...]:
        """The gold tables that it reads, by name."""
        return tuple(name.split(".")[1] for name in self.reads if name.split(".")[0] in _SCHEMAS)

    @property
    def follows_arrivals(self) -> bool:
        """Whether it applies the batches of bronze, and not those of silver."""
        return _ARRIVALS in self.reads

    @property
    def follows_at_once(self) -> bool:
        """Whether it moves after each batch that is posted; the others move on the schedule."""
        return self.kind == "additive" and not self.follows_arrivals


def read_table(name: str, text: str) -> Table:
    """A table of its file. Raises InvalidTable."""
    head, *parts = _NAME.split(text)
    header = {title: _GOES_ON.sub(" ", value).strip() for title, value in _HEADER.findall(head)}
    statements = {title: body.strip().encode() for title, body in zip(parts[::2], parts[1::2], strict=True)}
    kind, calendar = header.get("kind", "additive"), header.get("calendar", "no")
    if kind not in _STATEMENTS:
        raise _invalid(name, f"is of kind {kind!r}; there are: {', '.join(_STATEMENTS)}")
    lacking = sorted(_HEADERS - header.keys()) + sorted(_STATEMENTS[kind] - statements.keys())
    schema, _, own_name = ("gold." + header.get("table", "")).rpartition(".")
    schema = schema.rpartition(".")[2]
    if lacking or own_name != name:
        raise _invalid(name, f"lacks {', '.join(lacking) or 'its own name in `-- table:`'}")
    if schema not in _SCHEMAS or calendar not in ("yes", "no") or (calendar == "yes" and kind == "additive"):
        raise _invalid(name, "is of schema gold or platinum; only a recomputed table may say `-- calendar: yes`")
    table = Table(
        name=name,
        schema=schema,
        kind=cast("Kind", kind),
        is_of_the_day=calendar == "yes",
        made_with=header.get("made_with"),
        summary=header["summary"],
        grain=header["grain"],
        reads=_listed(header["reads"]),
        keys=_listed(header["keys"]),
        columns=_listed(header["columns"]),
        statements=MappingProxyType(statements),
    )
    if table.keys[:2] != ("tenant_id", "books_date"):
        raise _invalid(name, "has keys that do not begin with tenant_id, books_date: pages and dates go by them")
    return table


def in_order(found: Mapping[str, Table]) -> tuple[Table, ...]:
    """The tables, each after those that it reads. Raises InvalidTable: a cycle, or a read of what is not there."""
    for table in found.values():
        _check_reads(table, found)
    try:
        names = TopologicalSorter({name: sorted(found[name].made_of) for name in sorted(found)}).static_order()
        return tuple(found[name] for name in names)
    except CycleError as error:
        path = " → ".join(error.args[1])
        raise _invalid(error.args[1][0], f"is made of itself: {path}") from None


def _check_reads(table: Table, found: Mapping[str, Table]) -> None:
    for read in table.reads:
        schema, _, name = read.partition(".")
        if schema not in _SCHEMAS | _OTHER_SCHEMAS or not name:
            raise _invalid(table.name, f"reads {read!r}, which is of no schema that a gold table may read")
        if schema not in _SCHEMAS:
            continue
        if name not in found or found[name].schema != schema:
            raise _invalid(table.name, f"reads {read}, which is no table; there are: {', '.join(sorted(found))}")
        if table.kind == "additive":
            raise _invalid(table.name, f"is additive and reads {read}; what is made of a table is recomputed")
        if found[name].follows_arrivals != table.follows_arrivals:
            raise _invalid(table.name, f"reads {read}; one follows bronze.batches, the other silver.batches")
        if found[name].is_of_the_day and not table.is_of_the_day:
            raise _invalid(table.name, f"reads {read}, which changes with the calendar; say `-- calendar: yes` too")


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


@cache
def ordered() -> tuple[Table, ...]:
    """Every gold table, each after those that it reads. Raises InvalidTable."""
    return in_order(tables())


def with_what_is_made_of(name: str) -> tuple[Table, ...]:
    """A table, and every table that reads it, or reads one that does; in the order in which they are made."""
    reached = {name}
    for table in ordered():
        if reached & set(table.made_of):
            reached.add(table.name)
    return tuple(table for table in ordered() if table.name in reached)


def _invalid(name: str, what: str) -> InvalidTable:
    return InvalidTable(f"gold/tables/{name}.sql {what}")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))
