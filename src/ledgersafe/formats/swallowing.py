"""Rows that a quotation mark has swallowed: one that is opened and not closed goes on to the next one in the file, and
what stands between them is one field, of a row that begins as one and ends as another.
"""

from collections.abc import Sequence

import polars as pl

_BREAK = r"[\r\n][\r\n ]*"
"""Line breaks of any kind; blank lines between two others make no more of them."""
_A_LINE = r"[^\r\n]*"
_BLANKS = "\r\n "
_ONE_WORD = r"^\S*[0-9]\S*$"
_FEW_LETTERS = r"^[^A-Za-z]*(?:[A-Za-z]{1,3}[^A-Za-z]*)?$"
"""No word, but perhaps a month, a currency or CR. With a digit, it is a number or a day."""


def swallowing(frame: pl.DataFrame, name: str, columns: Sequence[str], delimiter: str) -> pl.Series:
    """Rows in which the field of a column holds other rows. `columns`: all of the file's, in its order; the frame need
    not have them all.

    An address may look so, too; better it is looked at than a row is lost.
    """
    suspect = frame[name].str.contains(r"[\r\n]")
    if suspect.any():
        suspect &= frame[name].str.contains(delimiter, literal=True)
    if not suspect.any():
        return suspect
    at, width = columns.index(name), len(columns)
    text = _stripped(frame[name].filter(suspect), at, width)
    breaks, delimiters = text.str.count_matches(_BREAK), text.str.count_matches(delimiter, literal=True)
    holds = (breaks > 0) & (delimiters >= breaks * (width - 1))
    others = (~holds & (breaks > 0) & (delimiters >= at)).arg_true()
    if len(others):
        like = _like_others(frame.filter(suspect)[others], text[others], at, columns, delimiter)
        holds = holds.scatter(others.filter(like), values=True)
    found = pl.Series(name, [False]).new_from_index(0, frame.height)
    return found.scatter(suspect.arg_true().filter(holds), values=True)


def _stripped(values: pl.Series, at: int, width: int) -> pl.Series:
    """A break at an end counts only where a row could begin or end there: in the last column, or the first."""
    text = values if at == width - 1 else values.str.strip_chars_start(_BLANKS)
    return text if at == 0 else text.str.strip_chars_end(_BLANKS)


def _like_others(frame: pl.DataFrame, text: pl.Series, at: int, columns: Sequence[str], delimiter: str) -> pl.Series:
    """Whatever stands between them, the last line of what was swallowed begins as the other row does: where this row
    has a number, day or code before the column, it has one, too. Where neither has any, the first line tells it, which
    ends as its own row would have.
    """
    first, last = (text.str.extract(line).str.split(delimiter) for line in (f"^({_A_LINE})", f"({_A_LINE})$"))
    begins, ends = last.list.len() > at, first.list.len() >= len(columns) - at
    found = other_words = pl.Series([False]).new_from_index(0, frame.height)
    for place, name in enumerate(columns[:at] if begins.any() else ()):
        if name in frame.columns:
            cells, has_code = last.list.get(place, null_on_oob=True), _is_code(frame[name])
            found |= has_code & _is_code(cells)
            other_words |= has_code & ~_is_code(cells) & (cells.str.strip_chars() != "")
    ends &= begins & ~other_words
    for place, name in enumerate(columns[at + 1 :] if ends.any() else (), at + 1 - len(columns)):
        if name in frame.columns:
            found |= ends & _is_code(first.list.get(place, null_on_oob=True)) & _is_code(frame[name])
    return found & begins


def _is_code(values: pl.Series) -> pl.Series:
    """Which are numbers, days or codes: with a digit, and with no words but short ones."""
    bare = values.str.strip_chars()
    short = bare.str.contains(_ONE_WORD) | (bare.str.contains(_FEW_LETTERS) & bare.str.contains("[0-9]"))
    return short.fill_null(value=False)
