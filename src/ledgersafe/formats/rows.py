"""What every format makes of a file: batches of rows, every value as text, and the rows that could not be read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

ROW = "_row_number"
"""Each row's number in the file, as people count: the header is row 1 where there is one."""

ROWS_AT_ONCE = 100_000
MOST_COLUMNS = 2_000


class UnreadableFile(Exception):
    """A file of which nothing can be used. `code` is a reason code; the message says what is wrong, and where."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that has no values to check: its number, its text as far as it is kept, and what is wrong with it."""

    number: int
    text: str
    message: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a file: ROW and one text column a column of the file; and those among them that are broken."""

    frame: pl.DataFrame
    broken: tuple[BrokenRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a file is to be read, where that is not to be found out."""

    delimiter: str | None = None
    encoding: str | None = None
    header_row: int = 1
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a file may be, so that none of them takes the machine: bytes unpacked, how many times its packed size,
    bytes of one row.
    """

    unpacked_bytes: int = 50_000_000_000
    unpacked_ratio: int = 200
    row_bytes: int = 8_000_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that is being read. `columns`: as the file calls them. `facts`: how it was read (encoding, delimiter).

    `batches` raises UnreadableFile where the file breaks off or bursts.
    """

    columns: tuple[str, ...]
    batches: Iterator[Batch]
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Kind:
    """A format: its name, how its files end, and how one is opened. `open` raises UnreadableFile."""

    name: str
    endings: tuple[str, ...]
    open: Callable[[Path, Wishes, Bounds], Opened]


def framed(rows: list[tuple[int | str, ...]], names: tuple[str, ...], broken: list[BrokenRow]) -> Batch:
    """A batch of rows that are ready as text."""
    schema = {ROW: pl.Int64} | dict.fromkeys(names, pl.String)
    return Batch(pl.DataFrame(rows, schema=schema, orient="row"), tuple(broken))


def unique_columns(names: list[str]) -> tuple[str, ...]:
    """The header, if it can name columns. Raises UnreadableFile."""
    if len(names) > MOST_COLUMNS:
        raise UnreadableFile("TOO_MANY_COLUMNS", f"The file has {len(names):,} columns; {MOST_COLUMNS:,} are taken.")
    seen: set[str] = set()
    for at, name in enumerate(names, 1):
        if not name.strip():
            raise UnreadableFile("BAD_HEADER", f"Column {at} has no name.")
        if name in seen:
            raise UnreadableFile("BAD_HEADER", f"Two columns are called {name!r}: which of them is meant is not known.")
        if name == ROW:
            raise UnreadableFile("BAD_HEADER", f"A column is called {ROW}, which is a name of ours.")
        seen.add(name)
    return tuple(names)
