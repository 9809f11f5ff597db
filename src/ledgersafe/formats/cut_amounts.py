"""Amounts with a comma that stand unquoted in a file that is cut at commas: `1,234.56` and `4,50` become two fields."""

import re
from collections.abc import Callable, Iterator, Sequence, Set
from itertools import islice, pairwise

from ledgersafe.formats.rows import Faults, Spelling, Wishes

_GROUPED = (
    (re.compile(r"\D*[1-9]\d{0,2}\s*"), re.compile(r"\s*\d{3}\s*")),
    (re.compile(r"\D*[1-9]\d?\s*"), re.compile(r"\s*\d\d\s*")),
)
"""How amounts begin and go on: thousands and millions (1,234,567), lakhs and crores (12,34,567)."""
_ENDS = re.compile(r"\s*\d{3}(?:\.\d+)?\D*")
"""Whatever stands before and after: a sign, a code, a minus, CR. One too many only has rows put aside."""
_WHOLE = re.compile(r"\W*(?:[A-Za-z]{1,3}\W*)?(?:0|[1-9]\d*)(?:[.' \u00a0]\d{3})*\s*")
_CENTS = re.compile(r"\s*\d\d(?:\W*[A-Za-z]{1,3})?\W*")
_WITH_A_POINT = re.compile(r"\D*\d+\.\d{1,2}\D*")
_BARE = re.compile(r"[0-9.]+")
MOST_FIELDS_MORE = 3
"""Of an amount, where nothing says how many a row lacks: `1,234,567,890` has so many more than one."""
_LONGEST = 8
"""Fields of one amount, to tell whether there are any: a row may have millions of fields."""
Rows = Sequence[Sequence[str]]


def may_be_cut(names: Sequence[str], rows: Rows, surplus: int, spelling: Callable[[str], Spelling] | None) -> bool:
    """Whether what seems to be `surplus` blank fields too many in every row may come of amounts in two: each could hold
    one with thousands, or all of them one with cents, at the same place. `spelling`: what a contract knows.
    """
    if all(map(_has_thousands, rows)):
        return True
    for at in range(min(map(len, rows)) - 1):
        if not all(_WHOLE.fullmatch(row[at]) and _CENTS.fullmatch(row[at + 1]) for row in rows):
            continue
        if spelling is None:
            if any(row[at + 1].startswith("0") for row in rows) and not _have_points(rows):
                return True
        elif any(spelling(name).has_decimals for name in names[max(0, at - surplus + 1) : at + 1]):
            return True
    return False


def are_shifted(names: Sequence[str], rows: Rows, spelling: Callable[[str], Spelling] | None) -> bool:
    """The same where the header, too, ends with blank fields. Rows that do so are whole, unless what a contract knows
    is against it: in all of them a text begins where an amount could end.
    """
    if spelling is None:
        return False
    for at, (name, after) in enumerate(pairwise(names)):
        amount, text = spelling(name), not spelling(after).is_amount
        there = [row[at:] for row in rows if row[at].strip() or row[at + 1].strip()]
        if amount.is_amount and amount.has_decimals and text and there and all(any(_more_fields(row)) for row in there):
            return True
    return False


def stand_whole(names: Sequence[str], rows: Rows, wishes: Wishes) -> bool:
    """Whether the contract shows that nothing is cut: by its rules, some of the rows that look so (or the only row) can
    only be read as they stand, and none only with an amount put together and what comes after it moved.
    """
    is_one = len(rows) == 1
    looking = [row for row in rows if is_one or may_have_amounts(row)]
    if wishes.spelling is None or wishes.faults is None or wishes.is_all_text or not looking:
        return False
    wrong = _wrong(names, looking, min(map(len, looking)) - len(names), wishes.faults)
    found = False
    for number, row in enumerate(looking):
        of_row = [faults[number] for faults in wrong]
        stands, cut = not of_row[0], _can_be_cut(names, row, of_row, wishes.spelling)
        if cut and not stands:
            return False
        found |= stands and not cut
    return found


def can_run_over(
    names: Sequence[str], rows: Rows, spelling: Callable[[str], Spelling], faults: Faults, may_lack: Set[str]
) -> list[bool]:
    """Of rows with as many fields as the header, which break no rule of the contract as rows that leave out their last
    fields, with an amount put together and what comes after it moved. `may_lack`: what is not wanted of those.
    """
    longer = [(*row, *[""] * MOST_FIELDS_MORE) for row in rows]
    wrong: list[list[Set[str]]] = []
    for shift, found in enumerate(_wrong(names, longer, MOST_FIELDS_MORE, faults)):
        lacking = may_lack & {*names[len(names) - shift :]}
        wrong.append([one - lacking for one in found])
    return [_can_be_cut(names, row, [of[at] for of in wrong], spelling) for at, row in enumerate(longer)]


def may_have_amounts(cells: Sequence[str]) -> bool:
    """Whether some of a row's fields, one after the other, could be one amount, with cents or thousands."""
    return any(any(_more_fields(cells[at : at + _LONGEST])) for at in range(len(cells) - 1))


def are_cut(names: Sequence[str], rows: Rows, spelling: Callable[[str], Spelling], faults: Faults) -> list[bool]:
    """Of rows with more fields than the header, which can be read with amounts put together, and else not: neither as
    they stand, with nothing but blanks too many, nor with texts that have commas.
    """
    most = max(map(len, rows)) - len(names)
    longer = [(*row, *[""] * (len(names) + most - len(row))) for row in rows]
    wrong = _wrong(names, longer, most, faults)
    found: list[bool] = []
    for at, row in enumerate(longer):
        of_row = [one[at] for one in wrong]
        is_wider = any(cell.strip() for cell in row[len(names) :])
        can_be = is_wider and _can_be_cut(names, row, of_row, spelling)
        found.append(can_be and not _can_be_texts(names, row, of_row, spelling))
    return found


def _wrong(names: Sequence[str], rows: Rows, most: int, faults: Faults) -> list[Sequence[Set[str]]]:
    """Which columns of each row break a rule if all of its fields are moved by none, one, …, `most`."""
    return [faults(names, [row[shift : shift + len(names)] for row in rows]) for shift in range(most + 1)]


def _can_be_cut(
    names: Sequence[str], cells: Sequence[str], wrong: Sequence[Set[str]], spelling: Callable[[str], Spelling]
) -> bool:
    """Whether a row breaks no rule if some of its fields are put together as amounts."""
    amounts = [[*_more_fields(cells[at:])] for at in range(len(cells))]

    def joins(kind: Spelling, at: int) -> Iterator[int]:
        return (more for more in amounts[at] if _may_hold(kind, cells[at : at + more + 1]))

    return _fits(names, cells, wrong, spelling, joins)


def _can_be_texts(
    names: Sequence[str], cells: Sequence[str], wrong: Sequence[Set[str]], spelling: Callable[[str], Spelling]
) -> bool:
    """The same if they are put together as texts. Of a text with a comma, not only bare numbers come after it."""

    def joins(kind: Spelling, at: int) -> Iterator[int]:
        is_text = not kind.has_pattern and (kind.is_text or (kind.has_decimals and not kind.is_amount))
        first = next((more for more, cell in enumerate(cells[at + 1 :], 1) if not _BARE.fullmatch(cell)), None)
        return iter(range(first, len(wrong))) if is_text and first is not None else iter(())

    return _fits(names, cells, wrong, spelling, joins)


def _fits(
    names: Sequence[str],
    cells: Sequence[str],
    wrong: Sequence[Set[str]],
    spelling: Callable[[str], Spelling],
    joins: Callable[[Spelling, int], Iterator[int]],
) -> bool:
    """Whether a row breaks no rule if some of its fields are put together. `wrong`: what does if all are moved;
    `joins`: how many fields more than the one there a value of such a column may take.
    """
    shifts = {0}
    for at, name in enumerate(names):
        kind = spelling(name)
        found = {shift for shift in shifts if name not in wrong[shift] and not _loses(kind, cells, at, shift)}
        for shift in shifts:
            found |= {shift + more for more in joins(kind, at + shift)}
        shifts = {shift for shift in found if shift < len(wrong)}
    return any(shift and not any(cell.strip() for cell in cells[len(names) + shift :]) for shift in shifts)


def _loses(kind: Spelling, cells: Sequence[str], at: int, shift: int) -> bool:
    """Whether a day, or a text as the contract wants it, stands in its own column and would leave it empty."""
    is_sure = not kind.has_decimals and not kind.is_amount and (kind.has_pattern or not kind.is_text)
    return is_sure and shift > 0 and bool(cells[at].strip()) and not cells[at + shift].strip()


def _may_hold(kind: Spelling, parts: Sequence[str]) -> bool:
    """Whether an amount of these fields may stand in such a column: cents not in whole numbers, none in days."""
    if kind.has_decimals:
        return True
    return "." not in parts[-1] if kind.is_amount else kind.is_text and not kind.tells_events


def _more_fields(cells: Sequence[str]) -> Iterator[int]:
    """How many fields more than the first one an amount takes that begins there."""
    if len(cells) > 1 and _WHOLE.fullmatch(cells[0]) and _CENTS.fullmatch(cells[1]):
        yield 1
    yield from _more_thousands(cells)


def _more_thousands(cells: Sequence[str]) -> Iterator[int]:
    """The same of `1,234`, `£ 1,234,567.00` and `1,05,000.00`: of an amount that goes on, how far it may."""
    for begins, goes_on in _GROUPED:
        if begins.fullmatch(cells[0]):
            for more, cell in enumerate(islice(cells, 1, None), 1):
                if _ENDS.fullmatch(cell):
                    yield more
                if not goes_on.fullmatch(cell):
                    break


def _has_thousands(cells: Sequence[str]) -> bool:
    """Whether some fields of a row, one after the other, could be one amount."""
    return any(any(_more_thousands(cells[at:])) for at in range(len(cells) - 1))


def _have_points(rows: Rows) -> bool:
    """Whether the file writes its decimals with a point."""
    return any(_WITH_A_POINT.fullmatch(cell) for row in rows for cell in row)
