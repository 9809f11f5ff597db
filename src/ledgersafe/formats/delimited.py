"""How a file of delimited text is laid out, found out from its beginning: delimiter, header, columns."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from ledgersafe.formats.cut_amounts import are_shifted, may_be_cut, stand_whole
from ledgersafe.formats.gathering import KEPT_OF_A_ROW
from ledgersafe.formats.header import LONGEST_TITLE, Columns, columns_of, header_at, is_blank
from ledgersafe.formats.rows import BrokenRow, UnreadableFile, Wishes
from ledgersafe.formats.text import HEAD_BYTES, TextFacts

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 50
_SAMPLE_LINES = 1_000
"""In which they are: a row may have many."""
_SEP = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
"""What Excel writes above a header to say how a file is cut."""
_FEWEST_ALIKE = 2
"""Rows that end with the same surplus of separators: of one, it may be an amount that was cut in two."""
_MARKUP = re.compile(r"\s*<(?:!doctype|html|head|body|table|\?xml|[a-z]+[ >])", re.IGNORECASE)
_JSON = re.compile(r'\s*(?:\{\s*"|\[\s*[{\["])')


@dataclass(frozen=True, slots=True)
class Layout:
    """`header_row`: the line at which the header begins, from 1. `surplus`: how many separators too many end every row;
    `columns` counts them as columns without a name. `is_cut`: what ends every row may not be too many, but come of an
    amount that its comma has cut in two; so `columns` ends with the header's last name. `above`: rows that stand above
    the header. `facts`: what is told of it.
    """

    delimiter: str
    header_row: int
    columns: Columns
    surplus: int
    is_cut: bool
    above: tuple[BrokenRow, ...]
    facts: dict[str, object]


def layout_of(facts: TextFacts, wishes: Wishes) -> Layout:
    """How the file is cut, and what its columns are. Raises UnreadableFile."""
    _refuse_other_kinds(facts.head)
    lines = list(io.StringIO(facts.head, newline=""))
    expected = wishes.header_row
    if wishes.header_row == 1 and lines and (said := _SEP.fullmatch(lines[0])) is not None:
        wishes = replace(wishes, delimiter=wishes.delimiter or said[1], header_row=2)
    start = wishes.header_row - 1
    header = header_at(_candidates(lines, start, wishes.delimiter), wishes)
    if header is None:
        message = f"Row {wishes.header_row} names no columns, and no row after it: say source.header_row."
        raise UnreadableFile("BAD_HEADER", message)
    found, above = header.number, lines[: header.number - 1]
    lines = lines[found - 1 :]
    delimiter = wishes.delimiter or _delimiter(lines[:_SAMPLE_LINES])
    names = _names(lines, delimiter, found, facts)
    whole = lines[:-1] if facts.size > HEAD_BYTES else lines
    sample = list(_sample(whole, delimiter, found))
    columns = columns_of(names, sample)
    told = header.facts(columns, expected)
    surplus = _surplus(names, [cells for _, cells in sample], wishes)
    is_cut = delimiter == "," and _is_cut(names, [cells for _, cells in sample], surplus, wishes)
    nameless = columns.nameless
    if is_cut:
        nameless = tuple(at for at in nameless if at <= _width_of_names(names))
    elif surplus:
        nameless = (*nameless, *range(columns.width + 1, columns.width + surplus + 1))
    data_above = tuple(_row_above(number, above, found) for number, _ in header.data_above(columns))
    return Layout(
        delimiter, found, Columns(columns.names, nameless), 0 if is_cut else surplus, is_cut, data_above, told
    )


def fields_of(text: str, delimiter: str) -> list[str]:
    """One row, cut; nothing where it cannot be."""
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), list[str]())
    except csv.Error:
        return []


def joined(values: Sequence[str], delimiter: str) -> str:
    """One row, as it can be cut again."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(values)
    return text.getvalue()


def ends_open(line: str, delimiter: str) -> bool:
    """Whether a quoted field begins in this line and does not end in it."""
    is_open, at_start = False, True
    for character in line:
        if character == '"' and (is_open or at_start):
            is_open, at_start = not is_open, is_open
        else:
            at_start = character == delimiter and not is_open
    return is_open


def _candidates(lines: list[str], start: int, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """What could be the header: (number, cells) of the rows that begin in the first lines; a name may have several."""
    for at in range(start, min(start + LONGEST_TITLE, len(lines))):
        cut = delimiter or _delimiter(lines[at : at + _SAMPLE_LINES])
        yield at + 1, fields_of("".join(lines[at : at + LONGEST_TITLE]), cut) or fields_of(lines[at], cut)


def _row_above(number: int, lines: Sequence[str], header_row: int) -> BrokenRow:
    text = lines[number - 1].strip("\r\n")[:KEPT_OF_A_ROW]
    return BrokenRow(number, text, f"stands above the header, which is row {header_row}")


def _surplus(names: Sequence[str], sample: Sequence[Sequence[str]], wishes: Wishes) -> int:
    """How many blank fields too many every row ends with, as some programs write them: the same number in every row.

    An only row is believed if the contract shows that it is whole.
    """
    width = len(names)
    rows = [cells for cells in sample if len(cells) >= width and not is_blank(cells) and [*cells] != [*names]]
    surplus = min(map(len, rows), default=width) - width
    alike = [cells for cells in rows if len(cells) == width + surplus]
    if any(not is_blank(cells[width:]) for cells in alike):
        return 0
    return surplus if len(alike) >= _FEWEST_ALIKE or (alike and stand_whole(names, alike, wishes)) else 0


def _is_cut(names: Sequence[str], sample: Sequence[Sequence[str]], surplus: int, wishes: Wishes) -> bool:
    """Whether the blank fields that end every row, the header's own or too many, may come of amounts in two: in
    `Sofa,1,234.56,` a field too many is no blank one.
    """
    width = len(names)
    alike = [
        cells for cells in sample if len(cells) == width + surplus and not is_blank(cells) and [*cells] != [*names]
    ]
    if surplus:
        return may_be_cut(names, alike, surplus, wishes.spelling) and not stand_whole(names, alike, wishes)
    named = names[: _width_of_names(names)]
    if len(named) == width or not alike or not are_shifted(named, alike, wishes.spelling):
        return False
    return not stand_whole(named, alike, wishes)


def _width_of_names(names: Sequence[str]) -> int:
    """How many fields a header has up to its last name."""
    return max(at for at, name in enumerate(names, 1) if name.strip())


def _names(lines: list[str], delimiter: str, number: int, facts: TextFacts) -> list[str]:
    reader = csv.reader(iter(lines), delimiter=delimiter)
    try:
        names: list[str] = next(reader)
    except csv.Error as error:
        raise UnreadableFile("BAD_HEADER", f"Row {number} cannot be read as a header: {error}.") from None
    if reader.line_num == len(lines):
        if len(lines) > 1 and facts.quotes % 2:
            message = f"A quotation mark in the header, row {number}, is never closed."
            raise UnreadableFile("UNCLOSED_QUOTE", message)
        if facts.size > HEAD_BYTES:
            columns_of(names, ())  # too many of them is the better reason
            raise UnreadableFile("BAD_HEADER", f"The header, row {number}, is longer than {HEAD_BYTES:,} bytes.")
    return names


def _sample(lines: list[str], delimiter: str, number: int) -> Iterator[tuple[int, list[str]]]:
    with suppress(csv.Error):
        rows = csv.reader(iter(lines), delimiter=delimiter)
        yield from islice(enumerate(rows, number), 1, _SAMPLE_ROWS)


def _delimiter(lines: list[str]) -> str:
    """The one that makes the same number of fields in most rows, and in the header."""
    best, most = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        rows = _widths(lines, delimiter)
        if not rows or rows[0] < 2:
            continue
        score = (Counter(rows)[rows[0]] / len(rows), rows[0])
        if score > most:
            best, most = delimiter, score
    return best


def _widths(lines: list[str], delimiter: str) -> list[int]:
    """How many fields the first rows have, up to one that the sample does not hold whole."""
    found: list[int] = []
    with suppress(csv.Error):  # a field over 128 KB: reading will say more
        found.extend(len(row) for row in islice(csv.reader(lines, delimiter=delimiter), _SAMPLE_ROWS) if row)
    return found


def _refuse_other_kinds(head: str) -> None:
    what = "a web page or XML" if _MARKUP.match(head) else "JSON (.json, or .ndjson)" if _JSON.match(head) else None
    if what is not None:
        message = f"By its content it is {what}, not delimited text: {head.strip()[:40]!r}. Send it as what it is."
        raise UnreadableFile("UNSUPPORTED_FORMAT", message)
