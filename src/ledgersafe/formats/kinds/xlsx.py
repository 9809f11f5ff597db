"""XLSX (ECMA-376): the first sheet, or the one that the contract names. What would have to be computed is not read."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, dropwhile, islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

from openpyxl import load_workbook

from ledgersafe.formats.encodings import foreign
from ledgersafe.formats.gathering import KEPT_OF_A_ROW, Gathering
from ledgersafe.formats.header import (
    LONGEST_TITLE,
    MOST_COLUMNS,
    Columns,
    columns_of,
    header_at,
    nameless_value,
)
from ledgersafe.formats.packing import is_packed
from ledgersafe.formats.rows import Batch, Bounds, BrokenRow, Kind, Opened, Spelling, UnreadableFile, Wishes
from ledgersafe.formats.values import number_text, spelled

LARGEST_BYTES = 500_000_000
_LARGEST_TEXTS = 100_000_000
"""The texts of a workbook stand together in one part of it, which is read whole."""
_MOST_RATIO = 400
_FIRST_BYTES = 10_000_000
_SAMPLE_ROWS = 50
_MOST_ROWS = 1_048_576
"""Excel's own limit: a row that says it is a later one would have us count to it."""
_DIGITS_OF_EXCEL = ".15g"
"""Excel keeps doubles and shows 15 digits of them: 0.30000000000000004 is 0.3."""
_LEADING_ZEROS = re.compile(r"0{2,20}")
"""A number format that shows a number with leading zeros: 00000 makes 00042 of 42."""
_ENCRYPTED = 1


@dataclass(frozen=True, slots=True)
class _Row:
    """`cells`: openpyxl's own."""

    number: int
    cells: tuple[Any, ...]

    def texts(self) -> list[str]:
        """As names of columns, or to look at."""
        return [_spelled(cell, Spelling()) for cell in self.cells]


def open_xlsx(path: Path, wishes: Wishes, bounds: Bounds) -> Opened:
    """A workbook. Raises UnreadableFile: it is no workbook, bursts, or has macros; or formulas, when they are met."""
    _look_into(path, min(bounds.unpacked_bytes, LARGEST_BYTES))
    try:
        with warnings.catch_warnings(action="ignore"):
            book: Any = load_workbook(path, read_only=True, data_only=False, keep_links=False)
    except Exception as error:  # noqa: BLE001 - whatever a broken workbook makes of the reader, it is the file's fault
        raise UnreadableFile("TRUNCATED_FILE", f"It is no whole workbook: {error}.") from None
    sheet = _sheet(book, wishes.sheet)
    from_row = dropwhile(lambda row: row.number < wishes.header_row, _rows(sheet))
    head = list(islice(from_row, LONGEST_TITLE + _SAMPLE_ROWS))
    at = header_at(((row.number, row.texts()) for row in head), wishes)
    if at is None:
        raise UnreadableFile("EMPTY_FILE", f"Sheet {sheet.title!r} names no columns from row {wishes.header_row} on.")
    header, *head = dropwhile(lambda row: row.number < at, head)
    columns = columns_of(_without_blank_end(header.texts()), [(row.number, row.texts()) for row in head])
    facts: dict[str, Any] = {"sheet": sheet.title} | columns.facts()
    if at != wishes.header_row:
        facts["header_row"] = at
    spellings = [wishes.spelling_of(name) for name in columns.names]
    return Opened(columns.names, _batches(chain(head, from_row), columns, spellings), facts)


def _look_into(path: Path, most: int) -> None:
    """A workbook is a zip: what it holds, and how large that is, is written in it."""
    if is_packed(path):
        raise UnreadableFile("UNSUPPORTED_FORMAT", "A workbook is packed in itself: send it without .gz or .zst.")
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        raise UnreadableFile("EMPTY_FILE", "There is nothing in it: ask its sender for the file.")
    if not head.startswith(b"PK") and (what := foreign(head)) is not None:
        raise UnreadableFile(
            "UNSUPPORTED_FORMAT", f"By its content it is {what}: save it as .xlsx, without a password."
        )
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableFile("TRUNCATED_FILE", f"It is no whole workbook: {error}.") from None
    _refuse_entries(entries, most, path.stat().st_size)


def _refuse_entries(entries: list[ZipInfo], most: int, packed: int) -> None:
    size = sum(entry.file_size for entry in entries)
    if size > most or size > max(_FIRST_BYTES, packed * _MOST_RATIO):
        raise UnreadableFile("FILE_TOO_LARGE", f"Unpacked it would have {size:,} bytes: send it as CSV, or in parts.")
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise UnreadableFile("UNSUPPORTED_FORMAT", "It is encrypted: save it without a password.")
    for entry in entries:
        name = entry.filename.lower()
        if name.endswith("vbaproject.bin"):
            raise UnreadableFile("UNSUPPORTED_FORMAT", "It has macros: save it as a workbook without.")
        if name.endswith("sharedstrings.xml") and entry.file_size > _LARGEST_TEXTS:
            message = f"Its texts have {entry.file_size:,} bytes, {_LARGEST_TEXTS:,} are taken: send it as CSV."
            raise UnreadableFile("FILE_TOO_LARGE", message)


def _sheet(book: Any, wanted: str | None) -> Any:
    """The sheet that is meant; of several, the first that is not hidden."""
    sheets = list(book.worksheets)
    names = [sheet.title for sheet in sheets]
    if wanted is not None and wanted not in names:
        raise UnreadableFile("UNREADABLE_TEXT", f"It has no sheet {wanted!r}: there are {', '.join(names)}.")
    if not sheets:
        raise UnreadableFile("EMPTY_FILE", "It has no sheet of cells.")
    shown = [sheet for sheet in sheets if sheet.sheet_state == "visible"] or sheets
    return shown[0] if wanted is None else sheets[names.index(wanted)]


def _rows(sheet: Any) -> Iterator[_Row]:
    """Every row that has cells. Raises UnreadableFile."""
    sheet.reset_dimensions()  # what it says of its size need not be true
    number = 0
    try:
        for cells in sheet.iter_rows():
            number += 1
            if number > _MOST_ROWS:
                raise UnreadableFile("FILE_TOO_LARGE", f"It says it has over {_MOST_ROWS:,} rows, the most of a sheet.")
            if cells:
                _refuse_cells(number, cells)
                yield _Row(number, cells)
    except UnreadableFile:
        raise
    except Exception as error:  # noqa: BLE001 - of a sheet that breaks off, the reader says anything
        told = f"Sheet {sheet.title!r} cannot be read past row {number:,}: {type(error).__name__}: {error}."
        raise UnreadableFile("TRUNCATED_FILE", told) from None


def _refuse_cells(number: int, cells: tuple[Any, ...]) -> None:
    if len(cells) > MOST_COLUMNS:
        message = f"Row {number:,} has {len(cells):,} columns; {MOST_COLUMNS:,} are taken."
        raise UnreadableFile("TOO_MANY_COLUMNS", message)
    for cell in cells:
        if cell.data_type == "f":
            message = f"Cell {cell.coordinate} holds a formula: save the sheet with values, or as CSV."
            raise UnreadableFile("UNSUPPORTED_FORMAT", message)


def _spelled(cell: Any, spelling: Spelling) -> str:
    value = cell.value
    if isinstance(value, float):
        return number_text(format(Decimal(format(value, _DIGITS_OF_EXCEL)), "f"), spelling.point)
    if type(value) is int and _LEADING_ZEROS.fullmatch(cell.number_format):
        return str(value).zfill(len(cell.number_format))
    return spelled(value, spelling)


def _batches(rows: Iterator[_Row], columns: Columns, spellings: list[Spelling]) -> Iterator[Batch]:
    batch = Gathering(columns.names)
    plain = [Spelling()] * columns.width
    for at, spelling in zip(_named(columns), spellings, strict=True):
        plain[at] = spelling
    for row in rows:
        values = [_spelled(cell, plain[at] if at < columns.width else plain[0]) for at, cell in enumerate(row.cells)]
        if not any(values):
            continue
        if len(values) > 1 and values == list(columns.names):
            batch.put_aside(
                BrokenRow(row.number, "\t".join(values)[:KEPT_OF_A_ROW], "repeats the header", is_data=False)
            )
        elif (wrong := _wrong(row, values, columns)) is not None:
            batch.put_aside(BrokenRow(row.number, "\t".join(values)[:KEPT_OF_A_ROW], wrong))
        else:
            shaped = values + [""] * (columns.width - len(values))
            batch.put(row.number, [shaped[at] for at in _named(columns)], sum(map(len, values)))
        if batch.is_full:
            yield batch.taken()
    if len(batch):
        yield batch.taken()


def _named(columns: Columns) -> list[int]:
    return [at for at in range(columns.width) if at + 1 not in columns.nameless]


def _wrong(row: _Row, values: list[str], columns: Columns) -> str | None:
    """Why a row cannot be taken as it stands: it holds an error, or a value that belongs to no column."""
    for cell in row.cells:
        if cell.data_type == "e":
            return f"cell {cell.coordinate} holds the error {cell.value}"
    beyond = [*columns.nameless, *range(columns.width + 1, len(values) + 1)]
    at = nameless_value(values, beyond)
    return None if at is None else f"has a value in column {at}, which has no name"


def _without_blank_end(names: list[str]) -> list[str]:
    while names and not names[-1].strip():
        names = names[:-1]
    return names


KIND = Kind("xlsx", (".xlsx",), open_xlsx)
