"""A file that breaks off within its last amount: of `1249.00`, only `12` stands there, with no line break behind it.

Many files that are whole have none either, so the amounts above must bear it out: they all have as many decimals, or
end alike, and the last one has less of it. Where they differ, or there are none, it is believed.
"""

import re

import polars as pl

from ledgersafe.formats.rows import Spelling

_ENDS = r"([^0-9]*)$"
_MARKS = ".,'"
"""What may stand within a number, so that it goes on; after anything else, no digits are missing."""


class LastAmounts:
    """What the amounts of a file's last column have in common. Of each fact, few are kept: from two on, they differ."""

    def __init__(self, spelling: Spelling) -> None:
        self._decimals_of = rf"{re.escape(spelling.point)}([0-9]*)[^0-9]*$"
        self._decimals = set[int]()
        self._ends = set[str]()

    def add(self, cells: pl.Series) -> None:
        """More of them, which are whole."""
        decimals, ends = self._facts(cells)
        if len(self._decimals) <= 1:
            self._decimals |= {*decimals.unique().head(2)}
        if len(self._ends) <= 1:
            self._ends |= {*ends.unique().head(2)}

    def is_broken_off(self, cell: str) -> bool:
        """Whether the last one has less than all of them."""
        for decimals, end in zip(*self._facts(pl.Series([cell], dtype=pl.String)), strict=True):
            return self._lacks_decimals(decimals, end) or self._lacks_end(end)
        return False

    def _lacks_decimals(self, decimals: int, end: str) -> bool:
        return len(self._decimals) == 1 and decimals < max(self._decimals) and not end.strip(_MARKS)

    def _lacks_end(self, end: str) -> bool:
        return len(self._ends) == 1 and end not in self._ends and max(self._ends).startswith(end)

    def _facts(self, cells: pl.Series) -> tuple[pl.Series, pl.Series]:
        """How many decimals each has, and what stands behind its last digit; of those that have digits."""
        bare = cells.str.strip_chars()
        bare = bare.filter(bare.str.contains("[0-9]"))
        return bare.str.extract(self._decimals_of).str.len_chars().fill_null(0), bare.str.extract(_ENDS)
