"""A file's header: which row it is, and whether its names can name columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median_low

import polars as pl

from ledgersafe.formats.rows import ROW, UnreadableFile, Wishes

MOST_COLUMNS = 2_000
LONGEST_TITLE = 30
"""Among how many rows a header is looked for, where the first says nothing that is known."""
_FEWEST_KNOWN = 2
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Columns:
    """A header's names, and the places (from 1) that have none: nothing may stand there in any row."""

    names: tuple[str, ...]
    nameless: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """How many fields a row has."""
        return len(self.names) + len(self.nameless)

    def facts(self) -> dict[str, object]:
        """What is told of it."""
        return {"columns_without_name": list(self.nameless)} if self.nameless else {}


@dataclass(frozen=True, slots=True)
class HeaderRow:
    """Where the header stands, and what stands above it, as (number, cells): a title, as a rule."""

    number: int
    above: tuple[tuple[int, Sequence[str]], ...] = ()

    def data_above(self, columns: Columns) -> list[tuple[int, Sequence[str]]]:
        """What stands above it and is no title: rows that fill more than half of its columns."""
        fewest = max(2, len(columns.names) // 2 + 1)
        return [row for row in self.above if _filled(row[1]) >= fewest]

    def facts(self, columns: Columns, expected: int) -> dict[str, object]:
        """What is told of it: where it is, unless in the `expected` row, and how many lines were taken for a title."""
        told: dict[str, object] = {} if self.number == expected else {"header_row": self.number}
        passed_over = len(self.above) - len(self.data_above(columns))
        return told | {"lines_passed_over": passed_over} if passed_over else told


def header_at(rows: Iterable[tuple[int, Sequence[str]]], wishes: Wishes) -> HeaderRow | None:
    """The header among the first rows, as (number, cells): blank ones are passed over, and what stands above it, if a
    contract knows nothing of the first row and at least two names of a later one.

    Without a contract, a first row of one cell is a title where most of the others fill more.
    """
    there = (row for row in islice(rows, LONGEST_TITLE) if not is_blank(row[1]))
    first, known = next(there, None), wishes.recognised
    if first is None:
        return None
    if known(first[1]) if known is not None else wishes.header_row > 1 or _filled(first[1]) > 1:
        return HeaderRow(first[0])
    every = [first, *there]
    worth = [(_filled if known is None else known)(cells) for _, cells in every]
    least = median_low(worth) if known is None else max(_FEWEST_KNOWN, *worth)
    at = next((at for at, found in enumerate(worth) if found >= least), 0)
    return HeaderRow(every[at][0], tuple(every[:at]))


def is_blank(cells: Sequence[str]) -> bool:
    """Whether nothing stands in a row."""
    return not any(cell.strip() for cell in cells)


def _filled(cells: Sequence[str]) -> int:
    return sum(1 for cell in cells if cell.strip())


def columns_of(cells: Sequence[str], sample: Iterable[tuple[int, Sequence[str]]]) -> Columns:
    """The columns of a header. `sample`: the rows after it, (number, cells).

    A column without a name is let be as long as nothing stands in it. Raises UnreadableFile.
    """
    _refuse_too_many(len(cells))
    nameless = [at for at, name in enumerate(cells) if not name.strip()]
    if nameless:
        _refuse_values(nameless, sample)
    named = unique_columns([name for name in cells if name.strip()])
    return Columns(named, tuple(at + 1 for at in nameless))


def unique_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The names, if they can name columns. Raises UnreadableFile."""
    _refuse_too_many(len(names))
    first: dict[str, int] = {}
    for at, name in enumerate(names, 1):
        if not name.strip():
            raise UnreadableFile("BAD_HEADER", f"Column {at} has no name: give it one.")
        if name in first:
            both = f"Columns {first[name]} and {at} are both called {name[:_SHOWN]!r}"
            raise UnreadableFile("BAD_HEADER", f"{both}: which of them is meant is not known. Give them two names.")
        if name == ROW:
            raise UnreadableFile("BAD_HEADER", f"Column {at} is called {ROW}, which is a name of ours: rename it.")
        if "\x00" in name:
            raise UnreadableFile("BAD_HEADER", f"The name of column {at} holds a NUL character: {name[:_SHOWN]!r}.")
        if name == "*" or (name.startswith("^") and name.endswith("$")):  # Polars takes these for several columns
            told = f"Column {at} is called {name[:_SHOWN]!r}, which reads like a pattern of names"
            raise UnreadableFile("BAD_HEADER", f"{told}: rename it.")
        first[name] = at
    return tuple(names)


def nameless_value(cells: Sequence[str], nameless: Iterable[int]) -> int | None:
    """The first place (from 1) without a name at which something stands."""
    return next((at for at in nameless if at <= len(cells) and cells[at - 1].strip()), None)


def said_again(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Rows that hold nothing but names of columns: a header may have come again."""
    known = [name.strip().lower() for name in names]
    found = frame.filter(frame[names[0]].str.strip_chars().str.to_lowercase().is_in(known))
    return found.filter(pl.all_horizontal(pl.col(names).str.strip_chars().str.to_lowercase().is_in(known)))


def is_same_header(cells: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a row is the header, whatever its letters' case."""
    return _plain(cells) == _plain(names)


def refuse_other_order(number: int, cells: Sequence[str], names: Sequence[str]) -> None:
    """Raises UnreadableFile: a row is the header in another order, so what comes after it stands in other columns."""
    said, known = _plain(cells), _plain(names)
    if said != known and sorted(said) == sorted(known):
        told = f"Row {number:,} is a header, too, but in another order ({', '.join(cells)[: _SHOWN * 2]})"
        raise UnreadableFile("BAD_HEADER", f"{told}: which column is which after it? Send it as two files.")


def _plain(texts: Sequence[str]) -> list[str]:
    return [text.strip().lower() for text in texts]


def _refuse_values(nameless: Sequence[int], sample: Iterable[tuple[int, Sequence[str]]]) -> None:
    for number, cells in sample:
        at = nameless_value(cells, [place + 1 for place in nameless])
        if at is not None:
            value = cells[at - 1][:_SHOWN]
            told = f"Column {at} has no name, but values, such as {value!r} in row {number:,}"
            raise UnreadableFile("BAD_HEADER", f"{told}: give it a name in the header, or take it out.")


def _refuse_too_many(count: int) -> None:
    if count > MOST_COLUMNS:
        raise UnreadableFile("TOO_MANY_COLUMNS", f"The file has {count:,} columns; {MOST_COLUMNS:,} are taken.")
