"""What every format makes of a file: batches of rows, every value as text, and the rows that could not be read."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

ROW = "_row_number"
"""Each row's number in the file, as people count: the header is row 1 where there is one."""
_MOST_NAMED = 10


class UnreadableFile(Exception):
    """A file of which nothing can be used. `code` is a reason code; the message says what is wrong, and where."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that has no values to check: its number, its text as far as it is kept, and what is wrong with it.

    `is_data`: False where it is known to hold none, such as a header that comes again. `cells`: what certainly stands
    in columns of it, where cells have places.
    """

    number: int
    text: str
    message: str
    is_data: bool = True
    cells: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a file: ROW and one text column a column of the file; and those among them that are broken."""

    frame: pl.DataFrame
    broken: tuple[BrokenRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Spelling:
    """How typed values of a column are spelled as text, so that its contract reads them as what they are.

    `point`: the decimal separator. `form`: of dates and times (strftime); ISO 8601 where there is none. `is_amount`:
    it has numbers, which may bear the sign or code of their currency, and in which zeros at the end say nothing.
    `has_decimals`: not of whole numbers, days or texts; of a column of which nothing is known, it may. `tells_events`:
    by its texts events are told apart, so that 501.0 and 501, which are one number, must be one text. `is_text`: it is
    known to have texts. `has_pattern`: what these are like is said.
    """

    point: str = "."
    form: str | None = None
    is_amount: bool = False
    has_decimals: bool = True
    tells_events: bool = False
    is_text: bool = False
    has_pattern: bool = False


Faults = Callable[[Sequence[str], Sequence[Sequence[str]]], Sequence[Set[str]]]
"""Names of columns and rows of values, as the file has them → of each row, the columns that break a rule."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a file is to be read, where that is not to be found out.

    `recognised`: how many names of a header are known, for finding it below a title. `spelling`: of a column, by name.
    `is_all_text`: all columns are known to be texts, so that names of columns may be data. `skip_rows`: what the first
    value of a row that is none is like, a pattern of the whole of it. `faults`: of the contract.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header_row: int = 1
    sheet: str | None = None
    recognised: Callable[[Sequence[str]], int] | None = None
    spelling: Callable[[str], Spelling] | None = None
    is_all_text: bool = False
    skip_rows: str | None = None
    faults: Faults | None = None

    def spelling_of(self, name: str) -> Spelling:
        """How typed values of that column are spelled."""
        return Spelling() if self.spelling is None else self.spelling(name)


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

    `is_ended`: False where its last row may have broken off, as no line break ends it.

    `batches` raises UnreadableFile where the file breaks off or bursts.
    """

    columns: tuple[str, ...]
    batches: Iterator[Batch]
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    is_ended: bool = True

    @property
    def places(self) -> dict[str, int]:
        """At which place of a row each column stands, from 0: those without a name are passed over."""
        nameless = self.facts.get("columns_without_name", ())
        there = (at for at in range(len(self.columns) + len(nameless)) if at + 1 not in nameless)
        return dict(zip(self.columns, there, strict=True))


def passed_over(facts: Mapping[str, Any]) -> list[str]:
    """What of a file was not read, in sentences, by its facts: so that whoever misses it knows why."""
    told: list[str] = []
    if lines := facts.get("lines_passed_over"):
        were = "1 line above it was" if lines == 1 else f"{lines:,} lines above it were"
        told.append(f"Its header is row {facts['header_row']:,}: {were} taken for a title and not read.")
    if rows := facts.get("rows_passed_over"):
        were = (
            "1 row was passed over: by source.skip_rows of the contract it is"
            if rows == 1
            else (f"{rows:,} rows were passed over: by source.skip_rows of the contract they are")
        )
        told.append(f"{were} none.")
    if sheets := facts.get("sheets_not_read"):
        more = f" and {len(sheets) - _MOST_NAMED:,} more" if len(sheets) > _MOST_NAMED else ""
        named = ", ".join(map(repr, sheets[:_MOST_NAMED]))
        told.append(f"Of its sheets only {facts['sheet']!r} was read, not {named}{more}.")
    return told


@dataclass(frozen=True, slots=True)
class Kind:
    """A format: its name, how its files end, and how one is opened. `open` raises UnreadableFile."""

    name: str
    endings: tuple[str, ...]
    open: Callable[[Path, Wishes, Bounds], Opened]
