"""Rows of text on their way into batches, for formats that are read row by row."""

from collections.abc import Sequence

import polars as pl

from ledgersafe.formats.rows import ROW, Batch, BrokenRow

ROWS_AT_ONCE = 100_000
KEPT_OF_A_ROW = 8_000
"""How much of a broken row's text stays with it; the file itself is kept whole."""
_CELLS_AT_ONCE = 1_000_000
_CHARACTERS_AT_ONCE = 32_000_000


def rows_at_once(width: int) -> int:
    """How many rows of so many columns a batch holds at most."""
    return max(1, min(ROWS_AT_ONCE, _CELLS_AT_ONCE // max(width, 1)))


class Gathering:
    """The next batch: it is full after so many rows, cells or characters, so that memory stays bounded."""

    def __init__(self, names: Sequence[str]) -> None:
        self._schema = {ROW: pl.Int64} | dict.fromkeys(names, pl.String)
        self._most = rows_at_once(len(names))
        self._rows: list[tuple[int | str, ...]] = []
        self._broken: list[BrokenRow] = []
        self._characters = 0

    def __len__(self) -> int:
        return len(self._rows) + len(self._broken)

    @property
    def is_full(self) -> bool:
        """Whether it is to be taken before more is put in."""
        return len(self) >= self._most or self._characters >= _CHARACTERS_AT_ONCE

    def put(self, number: int, values: Sequence[str], characters: int) -> None:
        """A row: one text for each name. `characters`: about how long it is."""
        self._rows.append((number, *values))
        self._characters += characters

    def put_aside(self, row: BrokenRow) -> None:
        """A row without values."""
        self._broken.append(row)
        self._characters += len(row.text) + sum(map(len, (row.cells or {}).values()))

    def taken(self) -> Batch:
        """What was put in; it is empty again."""
        batch = Batch(pl.DataFrame(self._rows, schema=self._schema, orient="row"), tuple(self._broken))
        self._rows, self._broken, self._characters = [], [], 0
        return batch
