"""Amounts that their commas have cut in rows that have as many fields as the header: where a row leaves out its last
fields, what is cut off stands there. Under `Price,Note`, `1,234.50` is a price of 1 and a note of 234.50; under
`Price,Discount`, a discount of 234.50.

A row that only looks so, such as one with a price of 5 and the code 101, is told by what else stands in the columns,
and by the contract: of a row that ends with its day, nothing was left out.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

import polars as pl

from ledgersafe.formats.cut_amounts import MOST_FIELDS_MORE, are_cut, can_run_over, may_have_amounts
from ledgersafe.formats.rows import ROW, Wishes

_CODE = r"\W*(?:[^\W\d_]{1,3}\W*)?"
"""A sign or a currency, no word: `101 Dalmatians` is no end of an amount, as `234.50 for Anna` is."""
_GROUPED = ((r"^\D*[1-9][0-9]{0,2}\s*$", r"^\s*[0-9]{3}\s*$"), (r"^\D*[1-9][0-9]?\s*$", r"^\s*[0-9]{2}\s*$"))
"""How amounts begin and go on: thousands and millions (1,234,567), lakhs and crores (12,34,567)."""
_ENDS, _ENDS_WHOLE = rf"^\s*[0-9]{{3}}(?:\.[0-9]+\D*|{_CODE})$", rf"^\s*[0-9]{{3}}{_CODE}$"
_BEFORE_CENTS, _CENTS = r"^\D*[0-9]{1,3}(?:[. '\u00a0]?[0-9]{3})*\s*$", rf"^\s*[0-9]{{2}}{_CODE}$"
"""Of a decimal comma: `1.234` and `50`."""
_MAY_END, _NO_NUMBER = r"^\s*[0-9]{2}", r"^\s*0[0-9]"
_WITH_A_POINT, _WHOLE = r"^\D*[0-9]+[.,][0-9]{1,2}\D*$", rf"^{_CODE}[0-9]+{_CODE}$"
_A_NUMBER, _A_CODE = r"^\D*[0-9][0-9.,]*\D*$", r"^\S*[0-9]\S*$"
_MOST_LOOKED_AT = 10_000
"""Of the other cells of a batch."""
_MOST_WIDER = 100
"""How many rows of a batch that are too wide are looked at."""
_MOST_POINTS, _MOST_CODES = 0.5, 0.1
"""Which share of the column's other texts may be amounts, or codes and numbers: of more, the text is one of them."""


@dataclass(slots=True)
class _Others:
    """What else stood in a column so far: how many cells, and how many amounts with a point, whole ones, and codes."""

    cells: int = 0
    points: int = 0
    wholes: int = 0
    codes: int = 0

    def add(self, cells: pl.Series) -> None:
        cells = cells.str.strip_chars()
        cells = cells.filter(cells != "")
        self.cells += len(cells)
        self.points += int(cells.str.contains(_WITH_A_POINT).sum())
        self.wholes += int(cells.str.contains(_WHOLE).sum())
        self.codes += int(cells.str.contains(_A_CODE).sum())


@dataclass(frozen=True, slots=True)
class _Suspects:
    """Rows in which one amount could stand from column `start` to `last`."""

    start: int
    last: int
    rows: pl.Series


class RunningOver:
    """Looks for such rows. `columns`: all of the file's, in its order; `wishes`: with what a contract knows of them."""

    def __init__(self, columns: Sequence[str], wishes: Wishes) -> None:
        self._columns, self._wishes = columns, wishes
        self._kinds = [wishes.spelling_of(name) for name in columns]
        required = set[str]() if wishes.faults is None else wishes.faults(columns, [[""] * len(columns)])[0]
        self._may_end_with_numbers = wishes.faults is not None and columns[-1] not in required
        self._others = defaultdict[str, _Others](_Others)
        self._runs = [*self._runs_of_amounts()]
        self._rows = 0
        self._asked: dict[Set[str], pl.Series] = {}
        self._wider: list[Sequence[str]] = []
        self._is_cut = False  # some row so far, by an amount

    def add_wider(self, cells: Sequence[str]) -> None:
        """A row with more fields than the header: if only amounts can have cut it, they are cut in other rows, too."""
        if not self._is_cut and len(self._wider) < _MOST_WIDER and may_have_amounts(cells):
            self._wider.append(cells)

    def found(self, frame: pl.DataFrame, shorter: int) -> Iterator[tuple[str, str, pl.Series]]:
        """In which column the amount begins, in which it runs on, and the numbers of the rows that are so.

        `shorter`: how many rows so far had fewer fields than the header.
        """
        self._rows += frame.height
        self._asked.clear()
        self._judge_wider()
        leaves_out = shorter >= self._rows
        for first, at in self._runs:
            if at < len(self._columns) and self._is_for_texts(at):
                may_be = frame[self._columns[at]].str.contains(_A_NUMBER).any()
                starts = range(first, at) if may_be else ()
                suspects = [one for start in starts for one in self._into_text(frame, start, at)]
                others = self._among_others(frame, at, suspects)
                for one in suspects:
                    rows = one.rows if leaves_out else one.rows & self._is_other_text(frame, one, at, others)
                    yield self._columns[one.start], self._columns[at], self._can_be(frame, rows, self._may_lack(one))
            for start in range(first, at - 1) if self._may_end_with_numbers else ():
                if leaves_out or self._kinds[start].has_decimals:
                    suspects = [one for one in self._amounts(frame, start) if one.last < at]
                    others = self._among_others(frame, start, suspects)
                    is_other = leaves_out or self._is_cut or others.cells > others.wholes == 0
                    for one in suspects:
                        after = frame[self._columns[start + 1]]
                        rows = one.rows if is_other else one.rows & after.str.contains(_NO_NUMBER)
                        yield self._columns[start], self._columns[one.last], self._can_be(frame, rows)

    def _runs_of_amounts(self) -> Iterator[tuple[int, int]]:
        """From which column on there are amounts, and at which one they end."""
        first = 0
        for at in range(len(self._kinds) + 1):
            if at == len(self._kinds) or not self._kinds[at].is_amount:
                if first < at:
                    yield first, at
                first = at + 1

    def _is_for_texts(self, at: int) -> bool:
        """Whether anything may stand in a column: no days, and no texts that are like what the contract says."""
        kind = self._kinds[at]
        return (kind.is_text or kind.has_decimals) and not kind.has_pattern

    def _amounts(self, frame: pl.DataFrame, start: int) -> Iterator[_Suspects]:
        kind, cells = self._kinds[start], [frame[name] for name in self._columns[start:][: MOST_FIELDS_MORE + 1]]
        may_end = cells[1].str.contains(_MAY_END)  # most do not: that is soon found out
        if not may_end.any():
            return
        if kind.point == "," and kind.has_decimals:
            rows = may_end & cells[1].str.contains(_CENTS) & cells[0].str.contains(_BEFORE_CENTS)
            if rows.any():
                yield _Suspects(start, start + 1, rows)
        for begins, goes_on in _GROUPED if kind.point == "." else ():
            rows = may_end & cells[0].str.contains(begins)
            if not rows.any():
                return  # what begins no thousands begins no lakhs
            for last, cell in enumerate(cells[1:], start + 1):
                ended = rows & cell.str.contains(_ENDS if kind.has_decimals else _ENDS_WHOLE)
                if ended.any():
                    yield _Suspects(start, last, ended)
                rows &= cell.str.contains(goes_on)
                if not rows.any():
                    break

    def _into_text(self, frame: pl.DataFrame, start: int, at: int) -> Iterator[_Suspects]:
        """Those in which the amount, or one that stands after it and is moved, runs into the text at `at`."""
        for one in self._amounts(frame, start):
            if one.last >= at:
                yield one
                continue
            moved = self._kinds[at - one.last + start]
            rows = one.rows & frame[self._columns[at]].str.contains(_WITH_A_POINT if moved.has_decimals else _WHOLE)
            if rows.any():
                yield _Suspects(start, one.last, rows)

    def _among_others(self, frame: pl.DataFrame, at: int, suspects: Sequence[_Suspects]) -> _Others:
        """What stood in a column so far in rows that are not suspect."""
        cells = frame[self._columns[at]].head(_MOST_LOOKED_AT)
        for one in suspects:
            cells = cells.set(one.rows.head(_MOST_LOOKED_AT), "")
        self._others[self._columns[at]].add(cells)
        return self._others[self._columns[at]]

    def _is_other_text(self, frame: pl.DataFrame, one: _Suspects, at: int, others: _Others) -> pl.Series:
        """Which are unlike the column's other texts. An amount with a point is no code."""
        has_words, has_no_amounts = False, self._kinds[at].is_text
        if others.cells:
            has_words = others.codes <= others.cells * _MOST_CODES
            has_no_amounts = others.points <= others.cells * _MOST_POINTS
        names = self._columns[one.start + 1 : max(one.last, at) + 1]
        pointed = frame.select(pl.any_horizontal(pl.col(names).str.contains(".", literal=True))).to_series()
        return (pointed & has_no_amounts) | (~pointed & has_words)

    def _may_lack(self, one: _Suspects) -> frozenset[str]:
        """What a row with such an amount may leave out though it is required: texts, but not of a whole number."""
        if not self._kinds[one.start].has_decimals:
            return frozenset()
        return frozenset(name for name, kind in zip(self._columns, self._kinds, strict=True) if kind.is_text)

    def _can_be(self, frame: pl.DataFrame, rows: pl.Series, may_lack: Set[str] = frozenset()) -> pl.Series:
        """The numbers of those of the rows that the contract would take as cut ones, too. It says the same of a row
        wherever an amount may begin in it, and is slow to say it: so each is asked of once.
        """
        asked = self._asked.get(may_lack)
        self._asked[may_lack] = rows if asked is None else asked | rows
        there = frame.filter(rows if asked is None else rows & ~asked)
        if self._wishes.faults is None or not there.height:
            return there[ROW]
        cells = there.select(self._columns).rows()
        can_be = can_run_over(self._columns, cells, self._wishes.spelling_of, self._wishes.faults, may_lack)
        return there[ROW].filter(pl.Series(can_be))

    def _judge_wider(self) -> None:
        if self._wider and self._wishes.faults is not None:
            self._is_cut |= any(are_cut(self._columns, self._wider, self._wishes.spelling_of, self._wishes.faults))
        self._wider = []
