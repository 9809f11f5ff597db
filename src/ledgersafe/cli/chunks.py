"""A file of one event a line, cut into bodies for `POST /v1/events:batch`, in bounded memory whatever it holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

CHUNK_BYTES = 4 * 1024 * 1024
"""The most that one request carries, unless a single event is larger."""

LONG_LINE_BYTES = 1024 * 1024
"""The server's default limit for one event: a longer line travels alone, so that it takes no other down with it."""

LONGEST_LINE_BYTES = 64 * 1024 * 1024
"""The server's default limit for one request: a longer line is not sent at all, and is counted as refused."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ByteLines(Protocol):
    """A binary stream, as far as it is needed here."""

    def readline(self, size: int = ..., /) -> bytes:
        """The next line with its end, or its first `size` bytes; b"" at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of the file from `start` up to, not including, `end`. Both are at the beginning of a line, or at an end."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Line:
    """One event: the byte at which its line begins, and its text without the line's end.

    `text` is None where the line is too long to be sent.
    """

    at: int
    text: bytes | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Events that travel together. `span` is where they, and the blank lines among them, stand in the file."""

    span: Span
    lines: tuple[Line, ...]

    def body(self) -> bytes:
        """The request body: NDJSON."""
        return b"".join((line.text or b"") + b"\n" for line in self.lines)


def read_chunks(stream: ByteLines, span: Span | None, most_events: int) -> Iterator[Chunk]:
    """Cut what `stream` holds into chunks. `stream` stands at `span.start`; None: from the beginning to the end.

    A chunk without lines (only blank ones were left) is possible: its span is done without being sent.
    """
    start = position = span.start if span is not None else 0
    gathered: list[Line] = []
    size = 0
    for line, end in _lines(stream, span):
        length = len(line.text) + 1 if line.text is not None else LONGEST_LINE_BYTES
        full = len(gathered) == most_events or size + length > CHUNK_BYTES or length > LONG_LINE_BYTES
        if gathered and length > 1 and full:
            yield Chunk(Span(start, position), tuple(gathered))
            start, gathered, size = position, [], 0
        position = end
        if length > 1:
            gathered.append(line)
            size += length
        if length > LONG_LINE_BYTES:
            yield Chunk(Span(start, position), tuple(gathered))
            start, gathered, size = position, [], 0
    if position > start:
        yield Chunk(Span(start, position), tuple(gathered))


def _lines(stream: ByteLines, span: Span | None) -> Iterator[tuple[Line, int]]:
    """Each line with the byte at which it ends; blank ones have an empty text."""
    position = span.start if span is not None else 0
    while span is None or position < span.end:
        text, length = _read_line(stream, None if span is None else span.end - position)
        if length == 0:
            return
        yield (
            Line(position, None if text is None else _without_ends(text, at_beginning=position == 0)),
            position + length,
        )
        position += length


def _read_line(stream: ByteLines, most: int | None) -> tuple[bytes | None, int]:
    """(line, its length in bytes). The line is None where it is too long to be sent: it is read past, not kept."""
    line = stream.readline(LONGEST_LINE_BYTES if most is None else min(most, LONGEST_LINE_BYTES))
    if len(line) < LONGEST_LINE_BYTES or line.endswith(b"\n"):
        return line, len(line)
    length = len(line)
    while more := stream.readline(LONG_LINE_BYTES if most is None else min(most - length, LONG_LINE_BYTES)):
        length += len(more)
        if more.endswith(b"\n"):
            break
    return None, length


def _without_ends(line: bytes, *, at_beginning: bool) -> bytes:
    """The event alone, b"" where there is none. The byte order mark is the file's, not the event's."""
    line = line.removeprefix(_BYTE_ORDER_MARK) if at_beginning else line
    return line.rstrip(b"\r\n") if line.strip() else b""


def gaps(done: Sequence[Span], size: int) -> list[Span]:
    """What of a file of `size` bytes is not in `done` (sorted, apart from each other)."""
    missing: list[Span] = []
    position = 0
    for span in done:
        if span.start > position:
            missing.append(Span(position, span.start))
        position = max(position, span.end)
    if position < size:
        missing.append(Span(position, size))
    return missing


def with_span(done: Sequence[Span], span: Span) -> list[Span]:
    """`done` and `span`, sorted; neighbours that touch become one."""
    merged: list[Span] = []
    for each in sorted([*done, span], key=lambda item: item.start):
        if merged and each.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, each.end))
        else:
            merged.append(each)
    return merged
