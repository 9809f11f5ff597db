"""CSV and its kin (RFC 4180, and what people call so): any of the usual delimiters, quoted fields with line breaks.

Arrow reads it: in blocks, strictly, and it hands over each row that has not as many fields as the header.
"""

import csv
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from ledgersafe.formats.arrow import arrow_csv, pa
from ledgersafe.formats.packing import open_unpacked
from ledgersafe.formats.rows import ROW, Batch, Bounds, BrokenRow, Kind, Opened, UnreadableFile, Wishes, unique_columns
from ledgersafe.formats.text import TextFacts, look_through

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 50
_KEPT_OF_A_ROW = 8_000
_BLOCK_BYTES = 8_000_000


def open_csv(path: Path, wishes: Wishes, bounds: Bounds) -> Opened:
    """A file of delimited text. Raises UnreadableFile."""
    facts = look_through(path, wishes.encoding, bounds)
    delimiter = wishes.delimiter or _delimiter(facts.head, wishes.header_row)
    columns = unique_columns(_header(facts.head, delimiter, wishes.header_row))
    noted = {"encoding": facts.encoding, "encoding_is_guessed": facts.is_guessed, "delimiter": delimiter}
    return Opened(columns, _Reading(path, wishes, bounds, facts, delimiter, columns).batches(), noted)


class _Reading:
    """One pass over the rows."""

    def __init__(
        self,
        path: Path,
        wishes: Wishes,
        bounds: Bounds,
        facts: TextFacts,
        delimiter: str,
        columns: tuple[str, ...],
    ) -> None:
        self._path = path
        self._header_row = wishes.header_row
        self._bounds = bounds
        self._facts = facts
        self._delimiter = delimiter
        self._columns = columns
        self._skipped: list[int] = []  # numbers of rows that are not in batches, ascending
        self._broken: list[BrokenRow] = []
        self._number = wishes.header_row + 1

    def batches(self) -> Iterator[Batch]:
        """The rows after the header. Raises UnreadableFile."""
        with open_unpacked(self._path, self._bounds) as file:
            last: pl.DataFrame | None = None
            try:
                for block in self._arrow(file):
                    frame = self._numbered(pl.DataFrame(block))
                    last = frame if frame.height else last
                    yield Batch(frame, self._taken())
            except (pa.ArrowInvalid, UnicodeError) as error:
                raise self._unreadable(str(error)) from None
            self._refuse_open_quote(last)
            if self._broken:
                yield Batch(pl.DataFrame(schema=dict.fromkeys((ROW, *self._columns), pl.String)), self._taken())

    def _arrow(self, file: Any) -> Iterator[Any]:
        encoding = self._facts.encoding.removesuffix("-sig")
        reader = arrow_csv.open_csv(
            file,
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, skip_rows=self._header_row - 1, encoding=encoding
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,  # they count as rows, so that numbers are those that people see
                invalid_row_handler=self._put_aside,
            ),
            convert_options=arrow_csv.ConvertOptions(default_column_type=pa.string(), strings_can_be_null=False),
        )
        yield from reader

    def _put_aside(self, row: Any) -> str:
        """Arrow's question about a row that has not as many fields as the header; it counts as we do."""
        self._skipped.append(row.number)
        message = f"has {row.actual_columns} fields, the header has {row.expected_columns}"
        self._broken.append(BrokenRow(row.number, row.text[:_KEPT_OF_A_ROW], message))
        return "skip"

    def _numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """With each row's number in the file: those put aside leave gaps."""
        first, end = self._number, self._number + frame.height
        gaps = self._gaps(first, end)
        while end - first - len(gaps) < frame.height:
            end = first + frame.height + len(gaps)
            gaps = self._gaps(first, end)
        self._number = end
        numbers = pl.Series(ROW, range(first, end), dtype=pl.Int64)
        if gaps:
            numbers = numbers.filter(~numbers.is_in(gaps))
        named = frame.rename(dict(zip(frame.columns, self._columns, strict=True)))
        blank = named.select(pl.all_horizontal(pl.all() == "")).to_series()
        named.insert_column(0, numbers)
        return named.filter(~blank) if blank.any() else named

    def _gaps(self, first: int, end: int) -> list[int]:
        return self._skipped[bisect_left(self._skipped, first) : bisect_left(self._skipped, end)]

    def _taken(self) -> tuple[BrokenRow, ...]:
        broken = tuple(self._broken)
        self._broken.clear()
        return broken

    def _unreadable(self, message: str) -> UnreadableFile:
        if "straddling" in message:
            if self._facts.quotes % 2:
                return UnreadableFile("UNCLOSED_QUOTE", f"A quotation mark after row {self._number:,} is never closed.")
            return UnreadableFile("ROW_TOO_LONG", f"A row after row {self._number:,} is too long.")
        return UnreadableFile("UNREADABLE_TEXT", f"It cannot be read as CSV: {message}")

    def _refuse_open_quote(self, last: pl.DataFrame | None) -> None:
        """A quotation mark that is not closed makes one field of all that follows: the last row has line breaks."""
        if self._facts.quotes % 2 == 0:
            return
        swallowed = last is not None and any("\n" in (value or "") for value in last.row(-1)[1:])
        if swallowed or _ends_open(self._facts.last_line, self._delimiter):
            raise UnreadableFile("UNCLOSED_QUOTE", f"A quotation mark in row {self._number - 1:,} is never closed.")


def _ends_open(line: str, delimiter: str) -> bool:
    """Whether a quoted field begins in this line and does not end in it."""
    is_open, at_start = False, True
    for character in line:
        if character == '"' and (is_open or at_start):
            is_open, at_start = not is_open, is_open
        else:
            at_start = character == delimiter and not is_open
    return is_open


def _header(head: str, delimiter: str, header_row: int) -> list[str]:
    lines = islice(head.splitlines(keepends=True), header_row - 1, None)
    names: list[str] = next(csv.reader(lines, delimiter=delimiter), list[str]())
    if not any(name.strip() for name in names):
        raise UnreadableFile("BAD_HEADER", f"Row {header_row} names no columns.")
    return names


def _delimiter(head: str, header_row: int) -> str:
    """The one that makes the same number of fields in most rows, and in the header."""
    lines = head.splitlines(keepends=True)[header_row - 1 :]
    best, most = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        rows = _widths(lines, delimiter)
        if not rows or rows[0] < 2:
            continue
        score = (Counter(rows)[rows[0]] / len(rows), rows[0])
        if score > most:
            best, most = delimiter, score
    return best


def _widths(lines: list[str], delimiter: str) -> list[int]:
    """How many fields the first rows have, up to one that the sample does not hold whole."""
    found: list[int] = []
    with suppress(csv.Error):  # a field over 128 KB: reading will say more
        found.extend(len(row) for row in islice(csv.reader(lines, delimiter=delimiter), _SAMPLE_ROWS) if row)
    return found


KIND = Kind("csv", (".csv", ".tsv", ".txt", ".psv"), open_csv)
