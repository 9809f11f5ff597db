"""Amounts with a comma that stand unquoted in a file that is cut at commas: `1,234.56` and `4,50` become two fields."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from ledgersafe.formats.rows import Spelling

_BEGINS_THOUSANDS, _ENDS_THOUSANDS = re.compile(r"\D*[1-9]\d{0,2}"), re.compile(r"\d{3}(?:\.\d+)?\D*")
"""Whatever stands before and after: a sign, a code, a minus, CR. One too many only has rows put aside."""
_BEGINS_LAKHS, _GOES_ON = re.compile(r"\D*[1-9]\d?"), re.compile(r"\d\d")
_WHOLE = re.compile(r"\W*(?:[A-Za-z]{1,3}\W*)?(?:0|[1-9]\d*)(?:[.' \u00a0]\d{3})*")
_CENTS = re.compile(r"\d\d(?:\W*[A-Za-z]{1,3})?\W*")
_WITH_A_POINT = re.compile(r"\D*\d+\.\d{1,2}\D*")
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
        if amount.is_amount and amount.has_decimals and text and there and all(map(_begins_cut, there)):
            return True
    return False


def _has_thousands(cells: Sequence[str]) -> bool:
    """Whether some fields of a row, one after the other, could be one amount: `1,234`, `£ 1,234.56`, `1,05,000.00`."""
    return any(_begins_thousands(cells[at:]) for at in range(len(cells) - 1))


def _begins_cut(cells: Sequence[str]) -> bool:
    """Whether a row's first fields could be one amount."""
    has_cents = _WHOLE.fullmatch(cells[0]) and _CENTS.fullmatch(cells[1])
    return has_cents is not None or _begins_thousands(cells)


def _begins_thousands(cells: Sequence[str]) -> bool:
    if _BEGINS_THOUSANDS.fullmatch(cells[0]) and _ENDS_THOUSANDS.fullmatch(cells[1]):
        return True
    last = next((at for at, cell in enumerate(cells) if at and not _GOES_ON.fullmatch(cell)), 0)
    return last > 1 and bool(_BEGINS_LAKHS.fullmatch(cells[0]) and _ENDS_THOUSANDS.fullmatch(cells[last]))


def _have_points(rows: Rows) -> bool:
    """Whether the file writes its decimals with a point."""
    return any(_WITH_A_POINT.fullmatch(cell) for row in rows for cell in row)
