"""Which group a row is of that could not be cut into values, by the fields at the places of the group's columns.

They are believed only in a row of one line, kept whole, at its beginning, with as many fields as the header or more:
wherever else a field too few or too many may stand before them. And only if nothing in the row may be of another group:
a till that dies within a row appends the next one to it (`501,Pot,1,2.502,Kettle,1,30.00,AT`: the kettle is 502's), and
two rows lose the break between them. Of several columns, one may hold a delimiter: together they must be a group of the
file.

That the group has other rows in the file is not asked for of one column: a note below the rows would hold all of them,
and so would each item with a comma in files of one row an event. What it would tell is told by those other groups.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from ledgersafe.contracts.datasets.checking import ROW
from ledgersafe.formats.gathering import KEPT_OF_A_ROW
from ledgersafe.formats.rows import BrokenRow
from ledgersafe.pipeline.deliveries.delivery import Work

Parts = tuple[str, ...]
"""What stands in the columns of the group, as the file spells it or as it is read; all but the first `_bare`."""
KeysOf = Callable[[pl.DataFrame], pl.Series]
"""Rows with the group's columns, as the file has them → each row's group; null where it says none."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a row of delimited text is laid out. `least`, `most`: fields of a whole row, without and with those that have
    no name. `last`: the number of the file's last row, which may break off.
    """

    delimiter: str
    names: tuple[str, ...]
    least: int
    most: int
    last: int


def layout_of(work: Work, names: Sequence[str], last: int) -> Layout | None:
    """Where the group's columns are the file's first, in delimited text; else None. `names`: the group's columns."""
    delimiter = work.opened.facts.get("delimiter")
    places = {ours: at for theirs, at in work.opened.places.items() if (ours := work.header.renamed.get(theirs))}
    if not isinstance(delimiter, str) or sorted(places.get(name, -1) for name in names) != [*range(len(names))]:
        return None
    most = len(work.opened.columns) + len(work.opened.facts.get("columns_without_name", ()))
    ordered = tuple(sorted(names, key=lambda name: places[name]))
    return Layout(delimiter, ordered, max(work.opened.places.values()) + 1, most, last)


def by_cells(work: Work, names: Sequence[str], broken: Sequence[BrokenRow], keys_of: KeysOf) -> dict[int, str | None]:
    """The group of each row that has cells in their places; None where it is not certain. `names`: as for layout_of."""
    theirs = {ours: name for name, ours in work.header.renamed.items() if ours in names}
    there = [row for row in broken if row.cells is not None and set(theirs.values()) <= row.cells.keys()]
    read = {ours: [(row.cells or {})[name] for row in there] for ours, name in theirs.items()}
    rows = pl.DataFrame(
        {ROW: [row.number for row in there], **read}, schema={ROW: pl.Int64} | dict.fromkeys(read, pl.String)
    )
    found: dict[int, str | None] = {row.number: None for row in broken if row.cells is not None}
    return found | dict(zip(rows[ROW].to_list(), keys_of(rows), strict=True))


class Known:
    """The groups of a file, by their parts."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._of: dict[Parts, set[str]] = {}
        self._lengths: set[int] = set()

    def add(self, parts: pl.DataFrame, keys: pl.Series) -> None:
        """Groups: their parts, of which the first must not be blank, and their keys."""
        for first, *rest, key in parts.with_columns(keys.alias("_key")).unique().drop_nulls().rows():
            self._keys.add(str(key))
            if begin := str(first).strip():
                self._of.setdefault((begin, *map(_bare, rest)), set()).add(str(key))
                self._lengths.add(len(begin))

    def has(self, key: str) -> bool:
        """Whether it is a group of the file."""
        return key in self._keys

    def is_other(self, parts: Sequence[str], key: str) -> bool:
        """Whether they are a group, and another one."""
        first, *rest = parts
        return any(other != key for other in self._of.get((first.strip(), *map(_bare, rest)), ()))

    def ends_with_other(self, first: str, rest: Sequence[str], key: str) -> bool:
        """Whether another group begins at the end of a field, whatever stands before it; `rest`: the next fields."""
        return any(self.is_other((first[-length:], *rest), key) for length in self._lengths if length <= len(first))


def _bare(part: str) -> str:
    """Without blanks around it, and zeros in front of a number: 0502 may be 502."""
    text = part.strip()
    return text.lstrip("0") if text.isdecimal() else text


def placed(layout: Layout, known: Known, broken: Sequence[BrokenRow], keys_of: KeysOf) -> dict[int, str | None]:
    """Each row's group; None where it is not certain."""
    cut = {row.number: _fields(row, layout) for row in broken}
    there = {number: fields for number, fields in cut.items() if fields}
    named = {name: [fields[at] for fields in there.values()] for at, name in enumerate(layout.names)}
    rows = pl.DataFrame({ROW: [*there], **named}, schema={ROW: pl.Int64} | dict.fromkeys(named, pl.String))
    keys = dict(zip(there, keys_of(rows), strict=True))
    return {number: _believed(layout, known, number, fields, keys.get(number)) for number, fields in cut.items()}


def _believed(layout: Layout, known: Known, number: int, fields: Sequence[str], key: str | None) -> str | None:
    if key is None:
        return None
    many = len(layout.names)
    if many > 1 and not known.has(key):
        return None
    reach = len(fields) - (1 if number == layout.last else layout.least)
    for at in range(1, reach + 1):
        if known.ends_with_other(fields[at].strip(), fields[at + 1 : at + many], key):
            return None
    return None if _is_joined(layout, known, fields, key) else key


def _is_joined(layout: Layout, known: Known, fields: Sequence[str], key: str) -> bool:
    """Whether a part of the group may have a delimiter in it, or too many: `5,01` is 501, or the group `5,01`."""
    many = len(layout.names)
    for more in range(1, len(fields) - layout.least + 1):
        for at in range(many):
            for mark in (layout.delimiter, ""):
                part = mark.join(fields[at : at + more + 1])
                parts = (*fields[:at], part, *fields[at + more + 1 : many + more])
                if known.is_other(parts, key):
                    return True
    return False


def _fields(row: BrokenRow, layout: Layout) -> list[str]:
    """Of a row of one line; none of one in which others may be."""
    if len(row.text) >= KEPT_OF_A_ROW or "\n" in row.text or "\r" in row.text:
        return []
    try:
        fields = next(csv.reader([row.text], delimiter=layout.delimiter), list[str]())
    except csv.Error:
        return []
    return fields if layout.most <= len(fields) < 2 * layout.most - 1 else []
