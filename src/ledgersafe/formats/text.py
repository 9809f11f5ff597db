"""The text of a file, looked through once before it is read: its encoding, and what would make reading it unsafe."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledgersafe.formats.packing import open_unpacked
from ledgersafe.formats.rows import Bounds, UnreadableFile

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
FALLBACK = "cp1252"
"""What western texts that are not UTF-8 most often are in; it holds the letters of Latin-1."""
_AT_ONCE = 1 << 20
_HEAD_BYTES = 256_000
_LAST_LINE_BYTES = 64_000
_BLANK = b"\x00\r\n\t \xef\xbb\xbf\xff\xfe"


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What a look through the file found. `head`: its beginning, decoded. `is_guessed`: the encoding is our guess.

    `quotes`: how many quotation marks it has; an odd number means that one is not closed, or stands for inches.
    `last_line`: the end of it, for telling these apart.
    """

    encoding: str
    is_guessed: bool
    head: str
    size: int
    quotes: int
    last_line: str


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
        data = file.read(_HEAD_BYTES)
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
        self._size = self._quotes = self._lines = self._line_bytes = 0
        self._end = b""

    def feed(self, data: bytes) -> None:
        if self._head is None:
            self._begin(data)
        self._decode(data)
        self._size += len(data)
        self._quotes += data.count(b'"')
        self._lines += data.count(b"\n")
        last_break = data.rfind(b"\n")
        self._line_bytes = len(data) - last_break - 1 if last_break >= 0 else self._line_bytes + len(data)
        if self._line_bytes > self._bounds.row_bytes:
            limit = f"{self._bounds.row_bytes:,} bytes"
            raise UnreadableFile("ROW_TOO_LONG", f"Line {self._lines + 1:,} is longer than {limit}.")
        self._end = (self._end + data)[-_LAST_LINE_BYTES:]

    def facts(self) -> TextFacts:
        if self._head is None or not self._head.strip(_BLANK):
            raise UnreadableFile("EMPTY_FILE", "There is nothing in it.")
        if self._decoder is not None:
            self._finish()
        head = codecs.getincrementaldecoder(self._encoding)(errors="replace").decode(self._head)
        end = self._end.decode(self._encoding.removesuffix("-sig"), errors="replace")
        last_line = end.rstrip("\r\n").rpartition("\n")[2]
        return TextFacts(
            self._encoding, self._is_guessed, head.removeprefix("\ufeff"), self._size, self._quotes, last_line
        )

    def _begin(self, data: bytes) -> None:
        self._head = data
        by_mark = next((name for mark, name in _BOMS if data.startswith(mark)), None)
        wide = by_mark if by_mark in ("utf-16", "utf-32") else _wide(data)
        if wide is None and by_mark is None and _is_binary(data):
            raise UnreadableFile("UNREADABLE_TEXT", "This is no text: its beginning is full of control characters.")
        self._encoding = wide or by_mark or self._asked or "utf-8"
        try:
            self._decoder = codecs.getincrementaldecoder(self._encoding)()
        except LookupError:
            raise UnreadableFile("UNREADABLE_TEXT", f"{self._encoding!r} is no known encoding.") from None

    def _decode(self, data: bytes) -> None:
        """That it can be decoded is found out now; what is not UTF-8, and was not said to be, is read as cp1252."""
        if self._decoder is None:
            return
        try:
            self._decoder.decode(data)
        except UnicodeDecodeError as error:
            self._not_decodable(error)

    def _finish(self) -> None:
        assert self._decoder is not None, "asked only where there is one"
        try:
            self._decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            self._not_decodable(error)

    def _not_decodable(self, error: UnicodeDecodeError) -> None:
        if self._encoding != "utf-8" or self._asked is not None:
            where = f"near byte {self._size + error.start:,}"
            raise UnreadableFile("UNREADABLE_TEXT", f"It is not {self._encoding}: {error.reason} {where}.") from None
        self._decoder, self._encoding, self._is_guessed = None, FALLBACK, True


def _is_binary(head: bytes) -> bool:
    sample = head[:4_000]
    odd = sum(byte < 9 or 13 < byte < 32 for byte in sample)
    return odd > len(sample) * 0.1


def _wide(head: bytes) -> str | None:
    """UTF-16 without its mark: in western text every other byte is NUL."""
    sample = head[:2_000]
    for name, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if len(zeros) > 4 and zeros.count(0) > len(zeros) * 0.4:
            return name
    return None
