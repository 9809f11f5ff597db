"""CSV and its kin (RFC 4180, and what people call so): any of the usual delimiters, quoted fields with line breaks.

Arrow reads it: in blocks, strictly, and it hands over each row that has not as many fields as the header.
"""

from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from ledgersafe.formats.arrow import arrow_csv, pa
from ledgersafe.formats.breaking_off import LastAmounts
from ledgersafe.formats.cut_amounts import MOST_FIELDS_MORE
from ledgersafe.formats.delimited import Layout, ends_open, fields_of, joined, layout_of
from ledgersafe.formats.gathering import KEPT_OF_A_ROW
from ledgersafe.formats.header import is_same_header, refuse_other_order, said_again
from ledgersafe.formats.packing import open_unpacked
from ledgersafe.formats.rows import ROW, Batch, Bounds, BrokenRow, Kind, Opened, UnreadableFile, Wishes
from ledgersafe.formats.running_over import RunningOver
from ledgersafe.formats.stray_quotes import STRAY, StrayQuotes, without_blanks_before
from ledgersafe.formats.swallowing import swallowing
from ledgersafe.formats.text import TextFacts, look_through, unreadable

_BLOCK_BYTES = 8_000_000
_MOST_ASIDE = 250_000
"""How many rows may be put aside at once: a file that has more of them is laid out otherwise."""
_MOST_TEXT_ASIDE = 64_000_000
"""And how many characters of them are kept."""
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))
"""All that Unicode knows, up to the last of them: the blank of a wide script."""
_WITHOUT_END = "Empty CSV file or block"
"""What Arrow says of a header that no line break ends: nothing comes after it."""
_SHOWN = 60
_BREAKS_OFF = (
    "may break off: no line break ends the file, and the other rows' amounts have more decimals, or an end that is "
    "missing here; send the whole file, or, if it is whole, end it with a line break"
)
_CUT = ": an amount may have been cut in two at its comma; put amounts with commas in quotes"
_SWALLOWED = (
    "holds line breaks and what looks like another row: a quotation mark is not closed; close it, or, if there is none "
    "missing, take the line breaks out"
)


def open_csv(path: Path, wishes: Wishes, bounds: Bounds) -> Opened:
    """A file of delimited text. Raises UnreadableFile."""
    facts = look_through(path, wishes.encoding, bounds)
    layout = layout_of(facts, wishes)
    noted: dict[str, Any] = {
        "encoding": facts.encoding,
        "encoding_is_guessed": facts.is_guessed,
        "delimiter": layout.delimiter,
        **layout.facts,
        **layout.columns.facts(),
    }
    reading = _Reading(path, bounds, facts, layout, wishes)
    rows = reading.batches() if facts.is_ended else reading.unended_batches()
    return Opened(layout.columns.names, rows, noted, facts.is_ended)


class _Reading:
    """One pass over the rows."""

    def __init__(self, path: Path, bounds: Bounds, facts: TextFacts, layout: Layout, wishes: Wishes) -> None:
        self._path = path
        self._bounds = bounds
        self._wishes = wishes
        self._facts = facts
        self._layout = layout
        self._has_other_width = layout.surplus > 0 or layout.is_cut  # than the header's line
        self._names_are_data = wishes.is_all_text
        self._delimiter = layout.delimiter
        self._columns = list(layout.columns.names)
        self._nameless = [" " * at for at in layout.columns.nameless]  # no name of a column is blank
        names = iter(self._columns)
        nameless = dict(zip(layout.columns.nameless, self._nameless, strict=True))
        self._all = [nameless.get(at) or next(names) for at in range(1, layout.columns.width + 1)]
        self._blanks = f'{_BLANKS}"\x1a\ufeff{layout.delimiter}'
        self._skipped: list[int] = []  # numbers of rows that Arrow left out, ascending
        self._broken: list[BrokenRow] = list(layout.above)
        self._text_aside = 0
        self._other_order: tuple[int, list[str]] | None = None  # a header that comes again without the others' surplus
        self._messages: dict[int, str] = {}
        self._last_aside = (0, "")  # number and text of the last row that Arrow left out
        self._number = layout.header_row + 1
        known = wishes.spelling
        telling = {
            name: at
            for at, name in enumerate(self._all)
            if known is not None and known(name).tells_events and not known(name).has_pattern
        }
        self._stray = StrayQuotes(path, bounds, facts.encoding, layout.delimiter, telling)
        self._shorter = 0  # how many rows had fewer fields than the header
        is_at_risk = known is not None and layout.delimiter == ","
        self._running_over = RunningOver(self._all, wishes) if is_at_risk else None
        self._most_wider = MOST_FIELDS_MORE * len(self._all)  # so many fields more, cut amounts may make

    def batches(self) -> Iterator[Batch]:
        """The rows after the header. Raises UnreadableFile."""
        if self._broken:
            yield self._sifted(self._nothing())
        with open_unpacked(self._path, self._bounds) as file:
            last: pl.DataFrame | None = None
            try:
                for block in self._arrow(file):
                    frame = self._numbered(self._named(block))
                    last = frame if frame.height else last
                    yield self._sifted(frame)
            except UnicodeDecodeError as error:
                wrong = f"byte 0x{error.object[error.start]:02x} after row {self._number - 1:,}"
                raise unreadable(self._facts.encoding, wrong) from None
            except pa.ArrowInvalid as error:
                if self._has_too_many_aside():
                    raise self._other_layout() from None
                if _WITHOUT_END not in str(error):
                    raise self._unreadable(str(error)) from None
            self._refuse_open_quote(last)
            if self._broken or self._other_order is not None:
                yield self._sifted(self._nothing())

    def unended_batches(self) -> Iterator[Batch]:
        """The same of a file that no line break ends: an amount may break off there. Raises UnreadableFile."""
        name, batches = self._all[-1], self.batches()
        kind = self._wishes.spelling_of(name)
        is_closed = self._facts.last_line.rstrip().endswith('"')
        if is_closed or not kind.is_amount or name in self._nameless:
            yield from batches
            return
        amounts, last = LastAmounts(kind), next(batches, None)
        if last is None:
            return
        for batch in batches:
            amounts.add(last.frame[name])
            yield last
            last = batch
        frame = last.frame
        if frame.height and frame[ROW][-1] == max(self._number - 1, self._last_aside[0]):
            amounts.add(frame[name].head(-1))
            if amounts.is_broken_off(frame[name][-1]):
                is_last = frame[ROW] == frame[ROW][-1]
                frame = self._without(frame, is_last, f"{name[:_SHOWN]!r} {_BREAKS_OFF}", before=name)
        yield Batch(frame, (*last.broken, *self._broken))

    def _nothing(self) -> pl.DataFrame:
        return pl.DataFrame(schema={ROW: pl.Int64} | dict.fromkeys(self._all, pl.String))

    def _arrow(self, file: Any) -> Iterator[Any]:
        encoding = self._facts.encoding.removesuffix("-sig")
        wider = {"column_names": self._all, "skip_rows_after_names": 1} if self._has_other_width else {}
        reader = arrow_csv.open_csv(
            file,
            read_options=arrow_csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK_BYTES,
                skip_rows=self._layout.header_row - 1,
                encoding=encoding,
                **wider,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,  # they count as rows, so that numbers are those that people see
                invalid_row_handler=self._put_aside,
            ),
            convert_options=arrow_csv.ConvertOptions(default_column_type=pa.string(), strings_can_be_null=False),
        )
        try:
            yield from reader
        finally:
            reader.close()  # it reads ahead on a thread of its own, also of a file that is refused

    def _named(self, block: Any) -> pl.DataFrame:
        if block.num_columns != len(self._all):
            told = f"Row {self._layout.header_row} cannot be cut into names: {block.num_columns} or {len(self._all)}."
            raise UnreadableFile("BAD_HEADER", f"{told} Look at its quotation marks.")
        return pl.DataFrame(pa.RecordBatch.from_arrays(block.columns, names=self._all))

    def _put_aside(self, row: Any) -> str:
        """Arrow's question about a row that has not as many fields as the header; it counts as we do.

        One without anything is none.
        """
        self._skipped.append(row.number)
        text: str = row.text
        self._last_aside = row.number, text
        if not text.strip(self._blanks):
            return "skip"
        if self._has_other_width:
            names = [field for field in fields_of(text, self._delimiter) if field.strip()]
            if sorted(names) == sorted(self._columns):
                return self._put_header_aside(row.number, names)
        self._shorter += row.actual_columns < row.expected_columns
        if self._running_over is not None and 0 < row.actual_columns - row.expected_columns <= self._most_wider:
            self._running_over.add_wider(fields_of(text, self._delimiter))
        others = "the other rows have" if self._layout.surplus else "the header has"
        cut = _CUT if self._layout.is_cut and row.actual_columns > row.expected_columns else ""
        message = self._messages.setdefault(
            row.actual_columns, f"has {row.actual_columns} fields, {others} {row.expected_columns}{cut}"
        )
        cells = dict[str, str]() if self._facts.quotes and self._stray.is_in(text) else None
        return self._keep(BrokenRow(row.number, text[:KEPT_OF_A_ROW], message, cells=cells))

    def _put_header_aside(self, number: int, names: list[str]) -> str:
        if is_same_header(names, self._columns):
            return self._keep(BrokenRow(number, self._delimiter.join(names), "repeats the header", is_data=False))
        self._other_order = self._other_order or (number, names)
        return "skip"

    def _keep(self, row: BrokenRow) -> str:
        """Keep a row that Arrow asked about; what Arrow is to do then."""
        self._broken.append(row)
        self._text_aside += len(row.text)
        return "error" if self._has_too_many_aside() else "skip"

    def _has_too_many_aside(self) -> bool:
        return len(self._broken) > _MOST_ASIDE or self._text_aside > _MOST_TEXT_ASIDE

    def _numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """With each row's number in the file: those left out leave gaps."""
        first, end = self._number, self._number + frame.height
        gaps = self._gaps(first, end)
        while end - first - len(gaps) < frame.height:
            end = first + frame.height + len(gaps)
            gaps = self._gaps(first, end)
        del self._skipped[: bisect_left(self._skipped, end)]
        at_once = next((at for at, number in enumerate(self._skipped) if number != end + at), len(self._skipped))
        del self._skipped[:at_once]
        self._number = end + at_once
        numbers = pl.Series(ROW, range(first, end), dtype=pl.Int64)
        if gaps:
            numbers = numbers.filter(~numbers.is_in(gaps))
        return frame.insert_column(0, numbers)

    def _gaps(self, first: int, end: int) -> list[int]:
        return self._skipped[bisect_left(self._skipped, first) : bisect_left(self._skipped, end)]

    def _sifted(self, frame: pl.DataFrame) -> Batch:
        """The rows that hold data; the others are told of, or blank."""
        frame = self._without_marks(frame)
        if self._facts.quotes:
            frame = without_blanks_before(frame, self._all)
        frame = self._without_header(self._without_blanks(frame))
        frame = self._without_cut(frame)
        if self._nameless:
            values = frame.select(pl.any_horizontal(pl.col(self._nameless).str.strip_chars() != "")).to_series()
            message = f"has a value in column {', '.join(map(str, self._layout.columns.nameless))}, which has no name"
            frame = self._without(frame, values, message).drop(self._nameless)
        if self._facts.quotes and len(self._all) > 1:
            for name in self._columns:
                which = swallowing(frame, name, self._all, self._delimiter)
                frame = self._without(frame, which, f"{name[:_SHOWN]!r} {_SWALLOWED}")
        if self._facts.quotes:
            for name, which in [*self._stray.found(frame)]:
                mask = frame[ROW].is_in(which.implode())
                frame = self._without(frame, mask, f"{name[:_SHOWN]!r} {STRAY}", before=name)
        broken = tuple(self._broken)
        self._broken.clear()
        self._text_aside = 0
        return Batch(frame, broken)

    def _without_marks(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A byte order mark within a file stands where another was appended to it."""
        first = frame[self._all[0]]
        marked = first.str.starts_with("\ufeff")
        if not marked.any():
            return frame
        bare = first.str.strip_chars_start("\ufeff").str.replace(r'^"(.*)"$', "$1")
        return frame.with_columns(first.zip_with(~marked, bare))

    def _without_blanks(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A row in which nothing but blanks stands is none."""
        may_be = frame.filter(frame[self._all[0]].str.strip_chars() == "")
        if not may_be.height:
            return frame
        blank = may_be.filter(pl.all_horizontal(pl.col(self._all).str.strip_chars() == ""))[ROW]
        return frame.filter(~frame[ROW].is_in(blank.implode())) if len(blank) else frame

    def _without_header(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A header that comes again holds no data; a file of one column may well hold its name. One in another order
        would have the rows after it in the wrong columns, unless names may be data. Raises UnreadableFile.
        """
        if self._other_order is not None:
            refuse_other_order(*self._other_order, self._columns)
        if len(self._columns) == 1:
            return frame
        said = said_again(frame, self._columns).select(ROW, *self._columns).rows()
        if not self._names_are_data:
            for number, *names in said:
                refuse_other_order(number, names, self._columns)
        again = [number for number, *names in said if is_same_header(names, self._columns)]
        return self._without(frame, frame[ROW].is_in(again), "repeats the header", is_data=False) if again else frame

    def _without_cut(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A row in which an amount runs over into what comes after it has neither of them."""
        if self._running_over is None:
            return frame
        for begins, name, rows in [*self._running_over.found(frame, self._shorter)]:
            both = f"{begins[:_SHOWN]!r} runs on to {name[:_SHOWN]!r}"
            frame = self._without(frame, frame[ROW].is_in(rows.implode()), f"{both}{_CUT}", before=begins)
        return frame

    def _without(
        self, frame: pl.DataFrame, which: pl.Series, message: str, *, is_data: bool = True, before: str | None = None
    ) -> pl.DataFrame:
        """Put rows aside that cannot be checked. `before`: the column before which what they hold is certain."""
        if not which.any():
            return frame
        certain = None if before is None else frame.columns[1 : frame.columns.index(before)]
        for number, *values in frame.filter(which).rows():
            text = joined(values, self._delimiter)[:KEPT_OF_A_ROW]
            cells = None if certain is None else dict(zip(certain, values, strict=False))
            self._broken.append(BrokenRow(number, text, message, is_data, cells))
        return frame.filter(~which)

    def _unreadable(self, message: str) -> UnreadableFile:
        if "straddling" in message:
            if self._facts.quotes % 2:
                return _unclosed(f"after row {self._number - 1:,}")
            return UnreadableFile("ROW_TOO_LONG", f"A row after row {self._number - 1:,} is too long.")
        return UnreadableFile("UNREADABLE_TEXT", f"It cannot be read as CSV after row {self._number - 1:,}: {message}")

    def _other_layout(self) -> UnreadableFile:
        """No rows come between them: Arrow would hand over millions at once."""
        first = self._broken[0]
        more = f"{_MOST_ASIDE:,}" if len(self._broken) > _MOST_ASIDE else f"{_MOST_TEXT_ASIDE:,} characters of"
        told = f"From row {first.number:,} on, over {more} rows have not as many fields as the header"
        hint = "is its delimiter what it should be, and its header in the right row?"
        return UnreadableFile("TOO_MANY_BAD_ROWS", f"{told} ({first.text[:60]!r} {first.message}): {hint}")

    def _refuse_open_quote(self, last: pl.DataFrame | None) -> None:
        """A quotation mark that is not closed makes one field of all that follows: the last row has line breaks."""
        if self._facts.quotes % 2 == 0:
            return
        values: tuple[Any, ...] = () if last is None else last.row(-1)
        if not values or self._last_aside[0] > values[0]:
            values = self._last_aside
        swallowed = any("\n" in value or "\r" in value for value in values[1:])
        if swallowed or ends_open(self._facts.last_line, self._delimiter):
            raise _unclosed(f"in row {max(values[0], self._layout.header_row):,}")


def _unclosed(where: str) -> UnreadableFile:
    message = f"A quotation mark {where} is never closed: close it, or double it where it is part of the text."
    return UnreadableFile("UNCLOSED_QUOTE", message)


KIND = Kind("csv", (".csv", ".tsv", ".txt", ".psv"), open_csv)
