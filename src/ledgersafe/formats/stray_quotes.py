"""Stray quotation marks in a text that says of which event a row is: `"B1,"jam` is read as `B1,jam`, `""B2"` as
`B2"`, and `B1""` as it stands.

Such a text is believed if it is written as RFC 4180 has it: in quotation marks as a whole, those in it doubled. Only a
blank may stand before them, as in `"tea", "B1"`: it is taken off, and so are they.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from ledgersafe.formats.delimited import fields_of
from ledgersafe.formats.packing import open_unpacked
from ledgersafe.formats.rows import ROW, Bounds

STRAY = (
    "holds a quotation mark, the delimiter or a line break and is not in quotation marks as a whole, so of which event "
    "the row is is not certain: mend its quotation marks, or say in the contract how such values are written (pattern)"
)
_AFTER_A_BLANK = r'^[ \t]+"([^"]*)"[ \t]*$'


def without_blanks_before(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The same, with values that stand in quotation marks after a blank as they stand in them."""
    names = [name for name in columns if any(frame[name].str.starts_with(blank).any() for blank in " \t")]
    return frame.with_columns(pl.col(names).str.replace(_AFTER_A_BLANK, "$1")) if names else frame


class StrayQuotes:
    """Looks for them in a file's rows. `places`: of the columns that tell events apart, from 0."""

    def __init__(self, path: Path, bounds: Bounds, encoding: str, delimiter: str, places: Mapping[str, int]) -> None:
        self._path, self._bounds, self._encoding = path, bounds, encoding
        self._delimiter = delimiter
        cut = re.escape(delimiter)
        self._field = re.compile(rf'("(?:[^"]|"")*"|[^{cut}\r\n]*)(?:{cut}|\r?\n|\r|$)')
        self._places = places
        self._whole: dict[str, set[str]] | None = None

    def found(self, frame: pl.DataFrame) -> Iterator[tuple[str, pl.Series]]:
        """Columns, and the numbers of the rows that have such a value there."""
        for name in self._places:
            text = frame[name].str.strip_chars()
            suspect = text.str.contains(r'["\r\n]') | text.str.contains(self._delimiter, literal=True)
            if not suspect.any():
                continue
            if self._whole is None:
                self._whole = self._read_whole()
            is_odd = text.str.contains(r"[\r\n]") | (text.str.count_matches('"') % 2 == 1)
            is_whole = text.is_in(pl.Series([*self._whole[name]], dtype=pl.String).implode())
            yield name, frame[ROW].filter(suspect & (is_odd | ~is_whole))

    def is_in(self, text: str) -> bool:
        """Whether one may stand in or before such a value of a row that was not cut into as many fields as it has."""
        try:
            cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter, strict=True), list[str]())
        except csv.Error:
            cells = fields_of(text, self._delimiter)
            there = [cells[at] for at in self._places.values() if at < len(cells)]
            return any('"' in cell or self._delimiter in cell for cell in there)
        quoted = self._quoted(text)
        there = [at for at in self._places.values() if at < len(cells) and '"' in cells[at]]
        return any(cells[at].count('"') % 2 or not quoted[at] for at in there)

    def _read_whole(self) -> dict[str, set[str]]:
        """What stands in those columns in quotation marks as a whole: read once, and only if asked for."""
        found: dict[str, set[str]] = {name: set() for name in self._places}
        with open_unpacked(self._path, self._bounds) as file:
            text = io.TextIOWrapper(file, encoding=self._encoding, errors="replace", newline="")
            for cells, lines in _strictly(text, self._delimiter):
                marked = [
                    (name, at)
                    for name, at in self._places.items()
                    if at < len(cells) and ('"' in cells[at] or self._delimiter in cells[at])
                ]
                quoted = self._quoted("".join(lines)) if marked else []
                for name, at in marked:
                    if quoted[at]:
                        found[name].add(cells[at].strip())
        return found

    def _quoted(self, row: str) -> list[bool]:
        """Of each field of a row that is written as it should be, whether it is in quotation marks."""
        return [field[1].startswith('"') for field in self._field.finditer(row)]


def _strictly(text: io.TextIOWrapper, delimiter: str) -> Iterator[tuple[list[str], list[str]]]:
    """The rows that can be cut without doubt, and the lines that each was."""
    lines: list[str] = []

    def kept() -> Iterator[str]:
        for line in text:
            lines.append(line)
            yield line

    rows = csv.reader(kept(), delimiter=delimiter, strict=True)
    while True:
        lines.clear()
        try:
            yield next(rows), lines
        except csv.Error:
            continue  # the next row begins with the next line
        except StopIteration:
            return
