"""XLSX (ECMA-376): the first sheet, or the one that the contract names. What would have to be computed is not read."""

import warnings
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from openpyxl import load_workbook

from ledgersafe.formats.rows import (
    ROWS_AT_ONCE,
    Batch,
    Bounds,
    Kind,
    Opened,
    UnreadableFile,
    Wishes,
    framed,
    unique_columns,
)
from ledgersafe.formats.values import spelled

LARGEST_BYTES = 500_000_000
_MOST_RATIO = 400
_FIRST_BYTES = 10_000_000
_DIGITS_OF_EXCEL = ".15g"
"""Excel keeps doubles and shows 15 digits of them: 0.30000000000000004 is 0.3."""


def open_xlsx(path: Path, wishes: Wishes, bounds: Bounds) -> Opened:
    """A workbook. Raises UnreadableFile: it is no workbook, bursts, or has macros; or formulas, when they are met."""
    _look_into(path, min(bounds.unpacked_bytes, LARGEST_BYTES))
    try:
        with warnings.catch_warnings(action="ignore"):
            book: Any = load_workbook(path, read_only=True, data_only=False, keep_links=False)
    except Exception as error:  # noqa: BLE001 - whatever a broken workbook makes of the reader, it is the file's fault
        raise UnreadableFile("TRUNCATED_FILE", f"It is no whole workbook: {error}.") from None
    name = wishes.sheet or book.sheetnames[0]
    if name not in book.sheetnames:
        raise UnreadableFile("UNREADABLE_TEXT", f"It has no sheet {name!r}: there are {', '.join(book.sheetnames)}.")
    rows = _rows(book[name])
    header = next(islice(rows, wishes.header_row - 1, None), None)
    if header is None or not any(header[1]):
        raise UnreadableFile("EMPTY_FILE", f"Row {wishes.header_row} of sheet {name!r} names no columns.")
    names = unique_columns(_without_blank_end(header[1]))
    return Opened(names, _batches(rows, names), {"sheet": name})


def _look_into(path: Path, most: int) -> None:
    """A workbook is a zip: what it holds, and how large that is, is written in it."""
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
    except (BadZipFile, OSError) as error:
        raise UnreadableFile("TRUNCATED_FILE", f"It is no whole workbook: {error}.") from None
    size = sum(entry.file_size for entry in entries)
    if size > most or size > max(_FIRST_BYTES, path.stat().st_size * _MOST_RATIO):
        raise UnreadableFile("FILE_TOO_LARGE", f"Unpacked it would have {size:,} bytes.")
    if any(entry.filename.lower().endswith("vbaproject.bin") for entry in entries):
        raise UnreadableFile("UNSUPPORTED_FORMAT", "It has macros: save it as a workbook without.")


def _rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """(number, values as text) of every row."""
    for number, cells in enumerate(sheet.iter_rows(), 1):
        for cell in cells:
            if cell.data_type == "f":
                message = f"Cell {cell.coordinate} holds a formula: save the sheet with values."
                raise UnreadableFile("UNSUPPORTED_FORMAT", message)
        yield number, [_spelled(cell.value) for cell in cells]


def _spelled(value: Any) -> str:
    if isinstance(value, float):
        return format(Decimal(format(value, _DIGITS_OF_EXCEL)), "f")
    return spelled(value)


def _batches(rows: Iterator[tuple[int, list[str]]], names: tuple[str, ...]) -> Iterator[Batch]:
    while part := list(islice(rows, ROWS_AT_ONCE)):
        shaped = [(number, *_shaped(values, len(names))) for number, values in part if any(values)]
        yield framed(shaped, names, [])


def _shaped(values: list[str], width: int) -> list[str]:
    return values[:width] + [""] * (width - len(values))


def _without_blank_end(names: list[str]) -> list[str]:
    while names and not names[-1].strip():
        names = names[:-1]
    return names


KIND = Kind("xlsx", (".xlsx",), open_xlsx)
