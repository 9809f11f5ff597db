"""Amounts that their comma has cut in two in rows that have as many fields as the header: where a row leaves out its
last text, what is cut off stands there. Under `Price,Note`, `1,234.50` is a price of 1 and a note of 234.50.

A row that only looks so, such as one with a price of 5 and the code 101, is told by the other texts of the column.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from ledgersafe.formats.rows import ROW, Spelling

_BEGINS = {".": r"^\D*[1-9][0-9]{0,2}\s*$", ",": r"^\D*[0-9]{1,3}(?:[. '\u00a0]?[0-9]{3})*\s*$"}
_ENDS = {".": r"^\s*[0-9]{3}(?:\.[0-9]+)?\D*$", ",": r"^\s*[0-9]{2}\D*$"}
"""By the decimal separator: `1` and `234.50` of thousands, `1.234` and `50` of cents."""
_MAY_END = r"^\s*[0-9]{2}"
_WITH_A_POINT, _WHOLE = r"^\D*[0-9]+[.,][0-9]{1,2}\D*$", r"^\D*[0-9]+\D*$"
_A_CODE = r"^\S*[0-9]\S*$"
_MOST_LOOKED_AT = 10_000
"""Of the other texts of a batch."""
_MOST_POINTS, _MOST_CODES = 0.5, 0.1
"""Which share of the column's other texts may be amounts, or codes and numbers: of more, the text is one of them."""


@dataclass(slots=True)
class _Others:
    """What else stood in a column of texts so far: how many, and how many amounts and codes among them."""

    texts: int = 0
    points: int = 0
    codes: int = 0

    def add(self, texts: pl.Series) -> None:
        texts = texts.filter(texts != "")
        self.texts += len(texts)
        self.points += int(texts.str.contains(_WITH_A_POINT).sum())
        self.codes += int(texts.str.contains(_A_CODE).sum())


class RunningOver:
    """Looks for such rows. `columns`: all of the file's, in its order."""

    def __init__(self, columns: Sequence[str], spelling: Callable[[str], Spelling]) -> None:
        self._columns, self._spelling = columns, spelling
        self._others: dict[str, _Others] = {}
        self._places = [*self._amounts_before_texts()]

    def found(self, frame: pl.DataFrame) -> Iterator[tuple[int, str, pl.Series]]:
        """At which place the amount begins, in which column it ends, and the numbers of the rows that are so."""
        for first, at in self._places:
            name, text = self._columns[at], frame[self._columns[at]]
            looks = {start: self._looks_cut(frame, start, at) for start in range(first, at)}
            suspect = pl.DataFrame([mask.head(_MOST_LOOKED_AT).alias(str(start)) for start, mask in looks.items()])
            other = text.head(_MOST_LOOKED_AT).filter(~suspect.select(pl.any_horizontal(pl.all())).to_series())
            others = self._others.setdefault(name, _Others())
            others.add(other.str.strip_chars())
            for start, mask in looks.items():
                if mask.any():
                    rest = frame[self._columns[start + 1]]
                    yield start, name, frame[ROW].filter(mask & self._is_other(name, rest + text, others))

    def _amounts_before_texts(self) -> Iterator[tuple[int, int]]:
        """Texts right after amounts: where these begin, and the text's place."""
        kinds = [self._spelling(name) for name in self._columns]
        for at, kind in enumerate(kinds):
            first = at
            while first and kinds[first - 1].is_amount:
                first -= 1
            if not kind.is_amount and first < at and any(one.has_decimals for one in kinds[first:at]):
                yield first, at

    def _looks_cut(self, frame: pl.DataFrame, start: int, at: int) -> pl.Series:
        """Where one amount could begin at `start`, and those after it stand one further, up to the text."""
        kind, last = self._spelling(self._columns[start]), self._spelling(self._columns[at - 1])
        begin, rest, text = (frame[self._columns[place]] for place in (start, start + 1, at))
        if not kind.has_decimals or kind.point not in _BEGINS:
            return pl.Series([False]).new_from_index(0, frame.height)
        looks = rest.str.contains(_MAY_END)  # most do not: that is soon found out
        if not looks.any():
            return looks
        looks &= rest.str.contains(_ENDS[kind.point])
        looks &= begin.str.contains(_BEGINS[kind.point])
        return looks if at == start + 1 else looks & text.str.contains(_WITH_A_POINT if last.has_decimals else _WHOLE)

    def _is_other(self, name: str, texts: pl.Series, others: _Others) -> pl.Series:
        """Which of them are unlike the column's other texts. An amount with a point is no code."""
        if others.texts:
            has_words = others.codes <= others.texts * _MOST_CODES
            has_no_amounts = others.points <= others.texts * _MOST_POINTS
        else:
            has_words, has_no_amounts = False, not self._spelling(name).has_decimals
        pointed = texts.str.contains(".", literal=True)
        return (pointed & has_no_amounts) | (~pointed & has_words)
