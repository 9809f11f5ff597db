"""left_out: rows of which nobody knows the group, and of which a person has said that they are to be ignored, hold no
group when their file is replayed.

A row is the same one if it has the same number and says the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ledgersafe.contracts.datasets.checking import ROW
from ledgersafe.db.database import Tx
from ledgersafe.files import store as files
from ledgersafe.formats.rows import Batch


@dataclass(frozen=True, slots=True)
class LeftOut:
    """By row number: what stood in it, as it was kept when a person ignored it."""

    texts: Mapping[int, str | None]
    values: Mapping[int, Mapping[str, Any] | None]

    def holding(self, lost: Sequence[int], batches: Iterable[Batch]) -> list[int]:
        """Those of `lost`, rows that may be of any group, that nobody has ignored."""
        ignored = {number for batch in batches for number in self._of(batch)}
        return [number for number in lost if number not in ignored]

    def _of(self, batch: Batch) -> Iterable[int]:
        for row in batch.broken:
            if self.texts.get(row.number) == row.text.replace("\x00", "\u2400"):
                yield row.number
        wanted = pl.Series([*self.values], dtype=pl.Int64).implode()
        for row in batch.frame.filter(batch.frame[ROW].is_in(wanted)).iter_rows(named=True):
            if self.values[number := row.pop(ROW)] == row:
                yield number


def left_out(tx: Tx, of: files.Ingestion, sheet: str | None) -> LeftOut | None:
    """Of this file, and of this sheet, in whichever of its deliveries; None: none."""
    rows = files.ignored_groupless(tx, of, sheet).all()
    if not rows:
        return None
    return LeftOut(
        {row.row_number: row.row_text for row in rows if row.row_text is not None},
        {row.row_number: row.row_values for row in rows if row.row_values is not None},
    )
