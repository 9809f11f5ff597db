"""Stray quotation marks in a text that says of which event a row is: `"B1,"jam` is read as `B1,jam`, `""B2"` as
`B2"`.

Such a text is believed if it is written as RFC 4180 has it: in quotation marks as a whole, those in it doubled.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from ledgersafe.formats.delimited import fields_of
from ledgersafe.formats.packing import open_unpacked
from ledgersafe.formats.rows import ROW, Bounds

STRAY = (
    "holds a quotation mark, the delimiter or a line break and is not in quotation marks as a whole, so of which event "
    "the row is is not certain: mend its quotation marks, or say in the contract how such values are written (pattern)"
)


class StrayQuotes:
    """Looks for them in a file's rows. `places`: of the columns that tell events apart, from 0."""

    def __init__(self, path: Path, bounds: Bounds, encoding: str, delimiter: str, places: Mapping[str, int]) -> None:
        self._path, self._bounds, self._encoding = path, bounds, encoding
        self._delimiter = delimiter
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
        return any(cells[at].count('"') % 2 for at in self._places.values() if at < len(cells))

    def _read_whole(self) -> dict[str, set[str]]:
        """What stands in those columns in rows that are quoted as they should be: read once, and only if asked for."""
        found: dict[str, set[str]] = {name: set() for name in self._places}
        with open_unpacked(self._path, self._bounds) as file:
            text = io.TextIOWrapper(file, encoding=self._encoding, errors="replace", newline="")
            for cells in _strictly(text, self._delimiter):
                for name, at in self._places.items():
                    if at < len(cells) and ('"' in cells[at] or self._delimiter in cells[at]):
                        found[name].add(cells[at].strip())
        return found


def _strictly(lines: io.TextIOWrapper, delimiter: str) -> Iterator[list[str]]:
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            yield next(rows)
        except csv.Error:
            continue  # the next row begins with the next line
        except StopIteration:
            return
