"""Which rows at a file's end are none of its rows, but say that it ends: a total, a count, a note.

Such a row does not say of which group it is, so it would hold all of them. It holds itself alone if it stands below
all rows that say it, with none but its like, and the file bears out what it says: a total is that of a column, a count
that of the rows, or of the groups. So a line that has lost its receipt's number is none, nor is the end of a file that
lacks rows. A note is one text alone, where the group stands in the first columns: the beginning of a row that breaks
off would name its group. And rows must not end with a text, of which it may be the rest. What can be no part of a row,
such as `-----` or `EOF`, is a note wherever the group stands; a word for the end, which an item may begin with (`Fin`,
`Ende`), only if a line break shows that it is all of its line.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache
from heapq import nlargest

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
    r"|suma|total g[eé]n[eé]ral|totali|razem|celkem|totaux|total geral|soma|summa|toplam|yhteensä|i alt"
    r"|ukupno|összesen",
    re.IGNORECASE,
)
_CURRENCY = re.compile(r"\s*(?:[(\[]\s*(?:[A-Z]{3}|[$£€¥₹₱₩])\s*[)\]]|\s[A-Z]{3}|\s[$£€¥₹₱₩])\s*")
"""Behind a total's word: `Total (EUR)`."""
_END = re.compile(
    r"[\W_]*(?:eof|end|ende|fin|fine|fim|einde|koniec|dateiende|end of file|ende der datei|fin de fichier)[\W_]*",
    re.IGNORECASE,
)
_NO_WORD = re.compile(r"[\W_]*eof[\W_]*|[^\w\"]{2,}[^\W_].*[^\w\"]{2,}", re.IGNORECASE)
"""Such as no item begins with: `*** End ***`."""
_RULE = re.compile(r"[^\w\"]{3,}|_{3,}")
"""A line that is drawn: one or two signs may be the rest of an amount, as the minus of `4.50-`."""
_OF_ROWS = r"(?:rows?|records?|lines?|transactions?|zeilen?|datensätze?|lignes?|filas?|righe|rijen|rader)"
_OF_GROUPS = r"(?:receipts|transactions|tickets|belege|bons|scontrini|recibos|reçus)"
_DONE = r"(?:\s+(?:affected|selected|returned|exported|fetched|in set))?"
_NUMBER = r"([0-9]{1,3}(?:[,. '][0-9]{3})+|[0-9]+)"
_COUNTS, _GROUP_COUNTS = (
    (
        re.compile(rf"\W*{_NUMBER}\s+{of}{_DONE}\W*", re.IGNORECASE),
        re.compile(rf"\W*(?:(?:total|number of)\s+)?{of}{_DONE}\s*[:=]?\s*{_NUMBER}\W*", re.IGNORECASE),
    )
    for of in (_OF_ROWS, _OF_GROUPS)
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
    """A row at the end: what stands in it, blank fields left out. `is_bare`: it was one field alone. `may_go_on`: and
    may be the beginning of a row that breaks off before its group.
    """

    values: tuple[str, ...]
    is_bare: bool = False
    may_go_on: bool = False


@dataclass(frozen=True, slots=True)
class Above:
    """What stands above: how many rows and groups, the totals of columns, what stands in the group's columns, if these
    are the file's first, and in its first column.
    """

    rows: int
    groups: Callable[[], int]
    totals: Callable[[], Sequence[tuple[Column, Decimal]]]
    parts: Callable[[], Collection[str] | None]
    begins: Callable[[], Collection[str]]


def footers(work: Work, batches: Batches, lost: Collection[int], value: Value, names: Sequence[str]) -> list[int]:
    """Those rows of a file, by number. `lost`: all that may be of any group; `names`: the group's columns.

    A total whose word stands where a group would is bad by itself and holds a group that is none, so it is not lost.
    Yet it is no row that the others count, nor one below which they stand, if the file bears out all of them.
    """
    without = set(lost)
    if found := _below(work, batches, without, value, names):
        return found
    totals = _called_totals(work, batches) - without
    return [one for one in _below(work, batches, without | totals, value, names) if one in without] if totals else []


def _below(work: Work, batches: Batches, without: Set[int], value: Value, names: Sequence[str]) -> list[int]:
    """The file's last rows, of those that are left `without`, if all that stand below its other rows are footers."""
    numbers = [number for batch, _ in batches for number in _numbers(batch)]
    end = max((number for number in numbers if number not in without), default=None)
    if end is None:
        return []
    tail = sorted(number for number in without if number > end)
    if not 0 < len(tail) <= MOST:
        return []
    torn = None if work.opened.is_ended or layout_of(work, names, end) is not None else tail[-1]
    last = [one for batch, _ in batches for _, one in _last(work, batch, end, torn)]
    above = Above(
        len(numbers) - len(tail),
        cache(lambda: _groups(batches, value, names, end)),
        cache(
            lambda: _totals(work.dataset, [batch.frame.filter(batch.frame[ROW] <= end) for batch, _ in batches], value)
        ),
        cache(lambda: _parts(work, batches, value, names, end)),
        cache(lambda: _begins(batches, end)),
    )
    return tail if are_footers(last, above) else []


def _numbers(batch: Batch) -> list[int]:
    return [*batch.frame[ROW].to_list(), *(row.number for row in batch.broken if row.is_data)]


def _called_totals(work: Work, batches: Batches) -> set[int]:
    """Which of the bad rows at the end begin with the word for a total."""
    numbers = [number for batch, _ in batches for number in _numbers(batch)]
    end = min(nlargest(MOST, numbers), default=0) - 1
    return {
        number
        for batch, checked in batches
        for number, one in _last(work, batch, end, None)
        if one.values and _is_called_total(one.values[0]) and number not in checked.good[ROW]
    }


def _last(work: Work, batch: Batch, end: int, torn: int | None) -> Iterator[tuple[int, Last]]:
    """What stands in a batch's rows after that one. `torn`: the one that may have broken off before its group."""
    for number, *row in batch.frame.filter(batch.frame[ROW] > end).rows():
        yield number, Last(tuple(bare for text in row if (bare := (text or "").strip())))
    delimiter = work.opened.facts.get("delimiter", "\t")
    for row in batch.broken:
        if row.number > end and row.is_data:
            is_whole = len(row.text) < KEPT_OF_A_ROW and "\n" not in row.text and "\r" not in row.text
            fields = fields_of(row.text, delimiter) if is_whole else []
            values = tuple(bare for field in fields if (bare := field.strip()))
            is_bare = len(fields) == 1
            yield row.number, Last(values, is_bare, is_bare and row.number == torn)


def _totals(dataset: Dataset, frames: Sequence[pl.DataFrame], value: Value) -> list[tuple[Column, Decimal]]:
    """Of each column of numbers, as far as they can be read."""
    found: list[tuple[Column, Decimal]] = []
    with localcontext(prec=_DIGITS):
        for column in dataset.columns:
            if column.type.is_number:
                parts = (value(column.name, frame).drop_nulls() for frame in frames)
                found.append((column, sum((Decimal(text) for part in parts for text in part), Decimal(0))))
    return found


def _groups(batches: Batches, value: Value, names: Sequence[str], end: int) -> int:
    """How many there are; those of broken rows are not known."""
    rows = [batch.frame.filter(batch.frame[ROW] <= end) for batch, _ in batches]
    parts = [pl.DataFrame([value(name, frame).fill_null("") for name in names]) for frame in rows]
    return pl.concat(parts).n_unique()


def _begins(batches: Batches, end: int) -> set[str]:
    """How rows begin: what stands in the first column."""
    found: set[str] = set()
    for batch, _ in batches:
        rows = batch.frame.filter(batch.frame[ROW] <= end).drop(ROW)
        found |= {bare.casefold() for text in rows.to_series(0).unique() if (bare := (text or "").strip())}
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
    kinds = (_is_end, _is_count, _is_total, _is_note)
    return all(any(is_one(one, above) for is_one in kinds) for one in last)


def _is_count(one: Last, above: Above) -> bool:
    rows, groups = _counted(one, _COUNTS), _counted(one, _GROUP_COUNTS)
    return (rows is not None and rows == above.rows) or (groups is not None and groups == above.groups())


def _counted(one: Last, forms: Sequence[re.Pattern[str]]) -> int | None:
    text = one.values[0] if len(one.values) == 1 else ""
    found = next(filter(None, (form.fullmatch(text) for form in forms)), None)
    return None if found is None else int(re.sub(r"\D", "", found[1]))


def _is_end(one: Last, above: Above) -> bool:
    """Whether it can be no part of a row: a line that is drawn, or a word for the end as which no row begins."""
    if one.values and all(map(_RULE.fullmatch, one.values)):
        return True
    if len(one.values) != 1 or _END.fullmatch(one.values[0]) is None:
        return False
    if one.may_go_on and _NO_WORD.fullmatch(one.values[0]) is None:
        return False
    text = one.values[0].casefold()
    return not any(begin.startswith(text) for begin in above.begins())


def _is_total(one: Last, above: Above) -> bool:
    """All but the word must be numbers, and one of them a column's total."""
    word, *numbers = one.values or ("",)
    if not numbers or not _is_called_total(word):
        return False
    found = False
    is_number = [False] * len(numbers)
    for column, total in above.totals():
        for at, read in enumerate(cast(column, pl.Series(column.name, numbers, dtype=pl.String))):
            if read is not None:
                is_number[at] = True
                found |= Decimal(str(read)) == total != 0
    return found and all(is_number)


def _is_called_total(word: str) -> bool:
    return _TOTAL.fullmatch(_CURRENCY.sub("", word.rstrip(" :."), count=1).rstrip(" :.")) is not None


def _is_note(one: Last, above: Above) -> bool:
    if not one.is_bare or not one.values or any(_counted(one, forms) is not None for forms in (_COUNTS, _GROUP_COUNTS)):
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
