"""The text of a file, looked through once before it is read: its encoding, and what would make reading it unsafe."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledgersafe.formats.encodings import BOMS, FALLBACK, MIXED, foreign, holds_utf8, is_binary, wide
from ledgersafe.formats.packing import open_unpacked
from ledgersafe.formats.rows import Bounds, UnreadableFile

HEAD_BYTES = 256_000
_AT_ONCE = 1 << 20
_LAST_LINE_BYTES = 64_000
_BLANK = b"\x00\r\n\t \xef\xbb\xbf\xff\xfe\x1a"

_AFTER_END = b"\x00\x1a"
"""What may stand after the last line break: half of it in UTF-16, and an end of file from of old."""


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What a look through the file found. `head`: its beginning, decoded. `is_guessed`: the encoding is our guess.

    `quotes`: how many quotation marks it has; an odd number means that one is not closed, or stands for inches.
    `last_line`: the end of it, for telling these apart. `is_ended`: a line break ends it, so that it is whole.
    """

    encoding: str
    is_guessed: bool
    head: str
    size: int
    quotes: int
    last_line: str
    is_ended: bool


def look_through(path: Path, encoding: str | None, bounds: Bounds) -> TextFacts:
    """Read the file once, in bounded memory.

    Raises UnreadableFile: it is empty, no text, not in the encoding that was asked for, or has a line without end.
    """
    look = _Look(encoding, bounds)
    for data in _pieces(path, bounds):
        look.feed(data)
    return look.facts()


def _pieces(path: Path, bounds: Bounds) -> Iterator[bytes]:
    with open_unpacked(path, bounds) as file:
        data = file.read(HEAD_BYTES)
        while data:
            yield data
            data = file.read(_AT_ONCE)


class _Look:
    """What was seen so far."""

    def __init__(self, encoding: str | None, bounds: Bounds) -> None:
        self._asked = encoding
        self._bounds = bounds
        self._head: bytes | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._encoding = ""
        self._is_guessed = False
        self._holds_utf8 = False
        self._size = self._quotes = self._lines = self._line_bytes = 0
        self._end = b""

    def feed(self, data: bytes) -> None:
        if self._head is None:
            self._begin(data)
        self._decode(data)
        self._size += len(data)
        self._quotes += data.count(b'"')
        last_break = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self._line_bytes = len(data) - last_break - 1 if last_break >= 0 else self._line_bytes + len(data)
        self._lines += data.count(b"\n") or data.count(b"\r")
        if self._line_bytes > self._bounds.row_bytes:
            limit = f"{self._bounds.row_bytes:,} bytes"
            message = f"Line {self._lines + 1:,} is longer than {limit}: a line break is missing, or it is no text."
            raise UnreadableFile("ROW_TOO_LONG", message)
        self._end = (self._end + data)[-_LAST_LINE_BYTES:]

    def facts(self) -> TextFacts:
        if self._head is None or not self._head.strip(_BLANK):
            raise UnreadableFile("EMPTY_FILE", "There is nothing in it: ask its sender for the file.")
        if self._decoder is not None:
            self._decode(b"", final=True)
        if self._is_guessed:
            self._encoding = MIXED if self._holds_utf8 else FALLBACK
        try:
            head = codecs.getincrementaldecoder(self._encoding)(errors="replace").decode(self._head)
            end = self._end.decode(self._encoding.removesuffix("-sig"), errors="replace")
        except UnicodeDecodeError as error:
            raise unreadable(self._encoding, error.reason) from None
        last_line = end.rstrip("\r\n").replace("\r", "\n").rpartition("\n")[2]
        is_ended = self._end.rstrip(_AFTER_END).endswith((b"\n", b"\r"))
        return TextFacts(
            self._encoding, self._is_guessed, head.removeprefix("\ufeff"), self._size, self._quotes, last_line, is_ended
        )

    def _begin(self, data: bytes) -> None:
        self._head = data
        if (what := foreign(data)) is not None:
            message = f"By its content it is {what}, not text: send it as what it is, under its right name."
            raise UnreadableFile("UNSUPPORTED_FORMAT", message)
        by_mark = next((name for mark, name in BOMS if data.startswith(mark)), None)
        found = by_mark if by_mark in ("utf-16", "utf-32") else wide(data)
        if found is None and by_mark is None and is_binary(data):
            raise UnreadableFile("UNREADABLE_TEXT", "This is no text: its beginning is full of control characters.")
        self._encoding = found or by_mark or self._asked or "utf-8"
        try:
            self._decoder = codecs.getincrementaldecoder(self._encoding)()
        except LookupError:
            raise UnreadableFile("UNREADABLE_TEXT", f"{self._encoding!r} is no known encoding.") from None

    def _decode(self, data: bytes, *, final: bool = False) -> None:
        """That it can be decoded is found out now; what is not UTF-8, and was not said to be, is read as cp1252."""
        if self._decoder is not None:
            try:
                self._holds_utf8 |= not self._decoder.decode(data, final=final).isascii()
            except UnicodeDecodeError as error:
                self._not_decodable(data, error)
            except UnicodeError as error:  # UTF-16 or UTF-32 is asked for, and the file does not begin like that
                raise unreadable(self._encoding, str(error)) from None
        if self._is_guessed and not self._holds_utf8:
            self._holds_utf8 = holds_utf8(data)

    def _not_decodable(self, data: bytes, error: UnicodeDecodeError) -> None:
        if self._encoding not in ("utf-8", "utf-8-sig") or self._asked is not None:
            line = self._lines + 1 + data[: error.start].count(b"\n")
            where = f"{error.reason} in line {line:,}, near byte {self._size + error.start:,}"
            raise unreadable(self._encoding, where) from None
        self._holds_utf8 |= self._encoding == "utf-8-sig"
        self._decoder, self._is_guessed = None, True


def unreadable(encoding: str, why: str) -> UnreadableFile:
    """The refusal of text that is not in the encoding in which it is read."""
    message = f"It is not {encoding}: {why}. If it is in another encoding, say so in the contract: source.encoding."
    return UnreadableFile("UNREADABLE_TEXT", message)
