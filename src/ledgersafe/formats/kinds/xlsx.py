"""XLSX (ECMA-376): the sheet that the contract names or knows. What would have to be computed is not read."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from itertools import chain, dropwhile, islice, takewhile
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
    HeaderRow,
    columns_of,
    header_at,
    is_blank,
    is_same_header,
    nameless_value,
    refuse_other_order,
)
from ledgersafe.formats.packing import is_packed
from ledgersafe.formats.rows import Batch, Bounds, BrokenRow, Kind, Opened, Spelling, UnreadableFile, Wishes
from ledgersafe.formats.values import number_text, spelled
from ledgersafe.kernel.money import is_currency

LARGEST_BYTES = 500_000_000
_LARGEST_TEXTS = 100_000_000
"""The texts of a workbook stand together in one part of it, which is read whole."""
_MOST_RATIO = 400
_FIRST_BYTES = 10_000_000
_SAMPLE_ROWS = 50
_FEWEST_KNOWN = 2
"""Columns that a contract knows make a sheet one of those that could be meant."""
_MOST_ROWS = 1_048_576
"""Excel's own limit: a row that says it is a later one would have us count to it."""
_DIGITS_OF_EXCEL = ".15g"
"""Excel keeps doubles and shows 15 digits of them: 0.30000000000000004 is 0.3."""
_LEADING_ZEROS = re.compile(r"0{2,20}")
"""A number format that shows a number with leading zeros: 00000 makes 00042 of 42."""
_SIGN_OF_FORMAT = re.compile(r'\[\$([^\]-]*)[^\]]*\]|"([^"]*)"|\[[^\]]*\]|\\(.)|[_*].|([$£€¥₹₱₩])')
"""Of a number format, what may say a currency: [$€-2], "GBP", a sign by itself. What follows _ and * is not shown."""
_SIGNS = "$£€¥₹₱₩"
_LETTERS_OF_A_CODE = 3
_ENCRYPTED = 1
_LONGEST_CELL = 200
"""Of a row that cannot be taken, cells up to here are kept by themselves: what says of which group it is."""


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
    sheet, others = _sheet(book, wishes)
    from_row = dropwhile(lambda row: row.number < wishes.header_row, _rows(sheet))
    head = list(islice(from_row, LONGEST_TITLE + _SAMPLE_ROWS))
    at = header_at(((row.number, row.texts()) for row in head), wishes)
    if at is None:
        raise UnreadableFile("EMPTY_FILE", f"Sheet {sheet.title!r} names no columns from row {wishes.header_row} on.")
    header, *head = dropwhile(lambda row: row.number < at.number, head)
    columns = columns_of(_without_blank_end(header.texts()), [(row.number, row.texts()) for row in head])
    facts: dict[str, Any] = {"sheet": sheet.title} | columns.facts() | at.facts(columns, wishes.header_row)
    if others:
        facts["sheets_not_read"] = others
    spellings = [wishes.spelling_of(name) for name in columns.names]
    rows = chain(head, from_row)
    return Opened(columns.names, _batches(rows, columns, spellings, at, names_are_data=wishes.is_all_text), facts)


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


def _sheet(book: Any, wishes: Wishes) -> tuple[Any, list[str]]:
    """The sheet that is meant, and the names of others that hold something, hidden ones too. Raises UnreadableFile."""
    wanted, sheets = wishes.sheet, list(book.worksheets)
    names = [sheet.title for sheet in sheets]
    if wanted is not None and wanted not in names:
        raise UnreadableFile("UNREADABLE_TEXT", f"It has no sheet {wanted!r}: there are {', '.join(names)}.")
    if not sheets:
        raise UnreadableFile("EMPTY_FILE", "It has no sheet of cells.")
    if wanted is not None:
        return sheets[names.index(wanted)], []
    if len(sheets) == 1:
        return sheets[0], []
    shown = [sheet for sheet in sheets if sheet.sheet_state == "visible"] or sheets
    heads = [(sheet, head) for sheet in sheets if (head := _head(sheet, wishes))]
    of_shown = [(sheet, head) for sheet, head in heads if sheet in shown]
    meant = shown[0]
    if len(shown) > 1:
        meant = _known_best(of_shown, wishes) or (of_shown[0][0] if of_shown else shown[0])
    others = [sheet for sheet, _ in heads if sheet is not meant]
    return meant, [sheet.title if sheet in shown else f"{sheet.title} (hidden)" for sheet in others]


def _known_best(heads: list[tuple[Any, list[_Row]]], wishes: Wishes) -> Any | None:
    """The one sheet whose header the contract knows, and which has rows. Raises UnreadableFile: there are several."""
    known = {id(sheet): _recognised(head, wishes) for sheet, head in heads}
    most = max(known.values(), default=0)
    fitting = [sheet for sheet, _ in heads if most and known[id(sheet)] >= min(most, _FEWEST_KNOWN)]
    if len(fitting) > 1:
        named = ", ".join(repr(sheet.title) for sheet in fitting)
        told = f"{len(fitting)} sheets have columns that the contract knows: {named}"
        raise UnreadableFile("BAD_HEADER", f"{told}. Name one in source.sheet, or send each as a file of its own.")
    return next(iter(fitting), None)


def _recognised(head: list[_Row], wishes: Wishes) -> int:
    """How many columns of a sheet the contract knows; none where no row follows its header."""
    texts = [(row.number, row.texts()) for row in head]
    at = header_at(texts, wishes)
    if at is None or wishes.recognised is None or texts[-1][0] <= at.number:
        return 0
    return wishes.recognised(next(cells for number, cells in texts if number == at.number))


def _head(sheet: Any, wishes: Wishes) -> list[_Row]:
    """The first rows of a sheet that hold something, as far as they can be read: for choosing among several."""
    found: list[_Row] = []
    first, last = wishes.header_row, wishes.header_row + LONGEST_TITLE + _SAMPLE_ROWS
    with suppress(UnreadableFile):
        for number, cells in takewhile(lambda row: row[0] < last, _every_row(sheet)):
            if number >= first and not is_blank((row := _Row(number, cells[:MOST_COLUMNS])).texts()):
                found.append(row)
    return found


def _rows(sheet: Any) -> Iterator[_Row]:
    """Every row that has cells. Raises UnreadableFile."""
    for number, cells in _every_row(sheet):
        if cells:
            _refuse_cells(number, cells)
            yield _Row(number, cells)


def _every_row(sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Raises UnreadableFile."""
    sheet.reset_dimensions()  # what it says of its size need not be true
    number = 0
    try:
        for cells in sheet.iter_rows():
            number += 1
            if number > _MOST_ROWS:
                raise UnreadableFile("FILE_TOO_LARGE", f"It says it has over {_MOST_ROWS:,} rows, the most of a sheet.")
            yield number, cells
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
        text = number_text(format(Decimal(format(value, _DIGITS_OF_EXCEL)), "f"), spelling)
        return _currency_of(cell.number_format) + text if spelling.is_amount else text
    if type(value) is int:
        if spelling.is_amount:
            return _currency_of(cell.number_format) + str(value)
        if _LEADING_ZEROS.fullmatch(cell.number_format):
            return str(value).zfill(len(cell.number_format))
    return spelled(value, spelling)


@lru_cache(maxsize=1_000)
def _currency_of(form: str) -> str:
    """The sign or code that a number format shows, to stand before the number; nothing where none is known."""
    for found in _SIGN_OF_FORMAT.finditer(form):
        said = next((text.strip() for text in found.groups() if text is not None), "")
        if said in _SIGNS and len(said) == 1:
            return said
        if len(said) == _LETTERS_OF_A_CODE and is_currency(said):
            return f"{said} "
    return ""


def _batches(
    rows: Iterator[_Row], columns: Columns, spellings: list[Spelling], at: HeaderRow, *, names_are_data: bool
) -> Iterator[Batch]:
    batch = Gathering(columns.names)
    for number, texts in at.data_above(columns):
        batch.put_aside(_broken(number, texts, f"stands above the header, which is row {at.number}"))
    plain = [Spelling()] * columns.width
    named, said = _named(columns), {name.strip().lower() for name in columns.names}
    for place, spelling in zip(named, spellings, strict=True):
        plain[place] = spelling
    for row in rows:
        values = [_spelled(cell, plain[n] if n < columns.width else plain[0]) for n, cell in enumerate(row.cells)]
        if is_blank(values):
            continue
        shaped = values + [""] * (columns.width - len(values))
        texts = [shaped[place] for place in named]
        may_be_header = len(texts) > 1 and texts[0].strip().lower() in said
        if (wrong := _wrong(row, values, columns)) is not None:
            batch.put_aside(replace(_broken(row.number, values, wrong), cells=_certain(row, values, columns)))
        elif may_be_header and is_same_header(texts, columns.names):
            batch.put_aside(_broken(row.number, values, "repeats the header", is_data=False))
        else:
            if may_be_header and not names_are_data:
                refuse_other_order(row.number, texts, columns.names)
            batch.put(row.number, texts, sum(map(len, values)))
        if batch.is_full:
            yield batch.taken()
    if len(batch):
        yield batch.taken()


def _broken(number: int, texts: Sequence[str], message: str, *, is_data: bool = True) -> BrokenRow:
    return BrokenRow(number, "\t".join(texts)[:KEPT_OF_A_ROW], message, is_data)


def _certain(row: _Row, values: list[str], columns: Columns) -> dict[str, str]:
    """What certainly stands in columns of a row that cannot be taken. A value without a column may be a note beside the
    table, or show that cells were moved: then only what stands before it, and before a blank cell, is where it was.
    """
    is_moved = nameless_value(values, _beyond(values, columns)) is not None
    found: dict[str, str] = {}
    names = iter(columns.names)
    for place in range(columns.width):
        text = values[place] if place < len(values) else ""
        if place + 1 in columns.nameless:
            if text.strip():
                break
            continue
        name = next(names)
        if is_moved and not text.strip():
            break
        if len(text) <= _LONGEST_CELL and (place >= len(row.cells) or row.cells[place].data_type != "e"):
            found[name] = text
    return found


def _beyond(values: list[str], columns: Columns) -> list[int]:
    """The places (from 1) of a row that have no name."""
    return [*columns.nameless, *range(columns.width + 1, len(values) + 1)]


def _named(columns: Columns) -> list[int]:
    return [at for at in range(columns.width) if at + 1 not in columns.nameless]


def _wrong(row: _Row, values: list[str], columns: Columns) -> str | None:
    """Why a row cannot be taken as it stands: it holds an error, or a value that belongs to no column."""
    for cell in row.cells:
        if cell.data_type == "e":
            return f"cell {cell.coordinate} holds the error {cell.value}"
    at = nameless_value(values, _beyond(values, columns))
    return None if at is None else f"has a value in column {at}, which has no name"


def _without_blank_end(names: list[str]) -> list[str]:
    while names and not names[-1].strip():
        names = names[:-1]
    return names


KIND = Kind("xlsx", (".xlsx",), open_xlsx)
