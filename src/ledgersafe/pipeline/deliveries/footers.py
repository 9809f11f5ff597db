"""Which rows at a file's end are none of its rows, but say that it ends: a total, a count, a note.

Such a row does not say of which group it is, so it would hold all of them. It holds itself alone if it stands below
all rows that say it, with none but its like, and the file bears out what it says: a total is that of a column, a count
that of the rows. So a line that has lost its receipt's number is none, nor is the end of a file that lacks rows. A note
is one text alone, where the group stands in the first columns: the beginning of a row that breaks off would name its
group. And rows must not end with a text, of which it may be the rest.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache

import polars as pl

from ledgersafe.contracts.datasets.casting import cast
from ledgersafe.contracts.datasets.checking import ROW, Checked
from ledgersafe.contracts.datasets.model import Column, Dataset
from ledgersafe.formats.delimited import fields_of
from ledgersafe.formats.gathering import KEPT_OF_A_ROW
from ledgersafe.formats.rows import Batch
from ledgersafe.pipeline.deliveries.broken_rows import layout_of
from ledgersafe.pipeline.deliveries.delivery import Work

MOST = 10
"""How many there may be."""
ALONE = (
    "stands below the last row that says its group and looks like the end of a report, so it is held alone: ignore it; "
    "where every file has such a row, say so in the contract (source.skip_rows)"
)
_TOTAL = re.compile(
    r"(?:(?:grand|sub|gesamt)[ -]?)?(?:totals?|summen?|betrag)|overall|sum|gesamt|zwischensumme|totale|totaal|somme"
    r"|suma|total g[eé]n[eé]ral|totali|razem|celkem",
    re.IGNORECASE,
)
_OF_ROWS = r"(?:rows?|records?|lines?|transactions?|zeilen?|lignes?|filas?|righe|rijen|rader)"
_DONE = r"(?:\s+(?:affected|selected|returned|exported|fetched|in set))?"
_NUMBER = r"([0-9]{1,3}(?:[,. '][0-9]{3})+|[0-9]+)"
_COUNTS = (
    re.compile(rf"\W*{_NUMBER}\s+{_OF_ROWS}{_DONE}\W*", re.IGNORECASE),
    re.compile(rf"\W*(?:(?:total|number of)\s+)?{_OF_ROWS}{_DONE}\s*[:=]?\s*{_NUMBER}\W*", re.IGNORECASE),
)
_A_WORD = re.compile(r"[^\W\d_]{4,}")
"""An amount, a day or a sign may be broken in two by a line break, too: `CR` is the end of one, and no word."""
_NO_WORDS = re.compile(r"\W+")
_DIGITS = 400
"""Sums of columns are exact."""


Batches = Sequence[tuple[Batch, Checked]]
Value = Callable[[str, pl.DataFrame], pl.Series]
"""(column, rows) → what it holds in them, by the contract."""


@dataclass(frozen=True, slots=True)
class Last:
    """A row at the end: what stands in it, blank fields left out. `is_bare`: it was one field alone."""

    values: tuple[str, ...]
    is_bare: bool = False


@dataclass(frozen=True, slots=True)
class Above:
    """What stands above: how many rows, the totals of columns, and what stands in the group's columns, if these are the
    file's first.
    """

    rows: int
    totals: Callable[[], Sequence[tuple[Column, Decimal]]]
    parts: Callable[[], Collection[str] | None]


def footers(work: Work, batches: Batches, lost: Collection[int], value: Value, names: Sequence[str]) -> list[int]:
    """Those rows of a file, by number. `lost`: all that may be of any group; `names`: the group's columns."""
    without = set(lost)
    numbers = [number for batch, _ in batches for number in _numbers(batch)]
    end = max((number for number in numbers if number not in without), default=None)
    if end is None:
        return []
    tail = sorted(number for number in without if number > end)
    if not 0 < len(tail) <= MOST:
        return []
    last = [one for batch, _ in batches for one in _last(work, batch, end)]
    above = Above(
        len(numbers) - len(tail),
        cache(
            lambda: _totals(work.dataset, [batch.frame.filter(batch.frame[ROW] <= end) for batch, _ in batches], value)
        ),
        cache(lambda: _parts(work, batches, value, names, end)),
    )
    return tail if are_footers(last, above) else []


def _numbers(batch: Batch) -> list[int]:
    return [*batch.frame[ROW].to_list(), *(row.number for row in batch.broken if row.is_data)]


def _last(work: Work, batch: Batch, end: int) -> Iterator[Last]:
    """What stands in a batch's rows after that one."""
    for row in batch.frame.filter(batch.frame[ROW] > end).drop(ROW).rows():
        yield Last(tuple(bare for text in row if (bare := (text or "").strip())))
    delimiter = work.opened.facts.get("delimiter", "\t")
    for row in batch.broken:
        if row.number > end and row.is_data:
            is_whole = len(row.text) < KEPT_OF_A_ROW and "\n" not in row.text and "\r" not in row.text
            fields = fields_of(row.text, delimiter) if is_whole else []
            yield Last(tuple(bare for field in fields if (bare := field.strip())), is_bare=len(fields) == 1)


def _totals(dataset: Dataset, frames: Sequence[pl.DataFrame], value: Value) -> list[tuple[Column, Decimal]]:
    """Of each column of numbers, as far as they can be read."""
    found: list[tuple[Column, Decimal]] = []
    with localcontext(prec=_DIGITS):
        for column in dataset.columns:
            if column.type.is_number:
                parts = (value(column.name, frame).drop_nulls() for frame in frames)
                found.append((column, sum((Decimal(text) for part in parts for text in part), Decimal(0))))
    return found


def _parts(work: Work, batches: Batches, value: Value, names: Sequence[str], end: int) -> set[str] | None:
    """What stands in the columns of the group, as the file spells it and as it is read; None: a note is not believed.

    Where rows end with a text, what comes after a line break may be the rest of it.
    """
    last = work.header.renamed.get(work.opened.columns[-1])
    if layout_of(work, names, end) is None or (last is not None and work.dataset.column(last).type.name == "string"):
        return None
    found: set[str] = set()
    for batch, _ in batches:
        rows = batch.frame.filter(batch.frame[ROW] <= end)
        for name in names:
            found |= {text for text in (*rows[name].unique(), *value(name, rows).unique()) if text is not None}
    return found


def are_footers(last: Sequence[Last], above: Above) -> bool:
    """Whether all of them are."""
    return all(_is_count(one, above) or _is_total(one, above) or _is_note(one, above) for one in last)


def _is_count(one: Last, above: Above) -> bool:
    found = _counted(one)
    return found is not None and int(re.sub(r"\D", "", found[1])) == above.rows


def _counted(one: Last) -> re.Match[str] | None:
    text = one.values[0] if len(one.values) == 1 else ""
    return next(filter(None, (form.fullmatch(text) for form in _COUNTS)), None)


def _is_total(one: Last, above: Above) -> bool:
    """All but the word must be numbers, and one of them a column's total."""
    word, *numbers = one.values or ("",)
    if not numbers or _TOTAL.fullmatch(word.rstrip(" :.")) is None:
        return False
    found = False
    is_number = [False] * len(numbers)
    for column, total in above.totals():
        for at, read in enumerate(cast(column, pl.Series(column.name, numbers, dtype=pl.String))):
            if read is not None:
                is_number[at] = True
                found |= Decimal(str(read)) == total != 0
    return found and all(is_number)


def _is_note(one: Last, above: Above) -> bool:
    if not one.is_bare or not one.values or _counted(one) is not None:
        return False  # a count that is another says that rows are missing
    if _A_WORD.search(text := one.values[0].casefold()) is None:
        return False
    parts = above.parts()
    if parts is None:
        return False
    known = {part.strip().casefold() for part in parts} - {""}
    said = {word.lstrip("0") for word in _NO_WORDS.split(text)}
    return not any(part.startswith(text) or part in text or said & _words(part) for part in known)


def _words(part: str) -> set[str]:
    return {bare for word in _NO_WORDS.split(part) if (bare := word.lstrip("0"))}
