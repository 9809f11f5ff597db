"""Encodings: what a file begins with, and a codec for files that mix two of them."""

import codecs
import re
from typing import Any

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
FALLBACK = "cp1252"
"""What western texts that are not UTF-8 most often are in; it holds the letters of Latin-1."""
MIXED = "utf-8-or-cp1252"
"""UTF-8, and whatever is none in cp1252, byte by byte: files put together from two systems."""
_HANDLER = "ledgersafe.cp1252"
_IN_UTF8 = re.compile(rb"[\xc2\xc3][\x80-\xbf]|\xe2\x80[\x80-\xbf]|\xe2\x82\xac")
"""Pounds, umlauts, dashes and euros in UTF-8; in cp1252 they would read Â£, Ã¼, â€“, which nobody writes."""

_FOREIGN = (
    (b"PK\x03\x04", "a zip archive, or an Excel workbook (.xlsx)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls), or one that is protected by a password"),
    (b"\x1f\x8b", "packed a second time"),
    (b"\x28\xb5\x2f\xfd", "packed a second time"),
    (b"%PDF-", "a PDF"),
    (b"7z\xbc\xaf\x27", "a 7-Zip archive"),
    (b"Rar!\x1a", "a RAR archive"),
    (b"\xfd7zXZ\x00", "packed with xz"),
    (b"PAR1\x15", "a Parquet file (.parquet)"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"-----BEGIN PGP", "encrypted with PGP"),
    (b"{\\rtf", "a document (RTF)"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)


def foreign(head: bytes) -> str | None:
    """What a file is that is no text of rows, by its first bytes."""
    return next((what for magic, what in _FOREIGN if head.startswith(magic)), None)


def wide(head: bytes) -> str | None:
    """UTF-16 without its mark: in western text every other byte is NUL, and none of those between."""
    even, odd = head[:2_000:2], head[1:2_000:2]
    for name, zeros, letters in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if len(zeros) > 4 and zeros.count(0) > len(zeros) * 0.4 and letters.count(0) < len(letters) * 0.1:
            return name
    return None


def is_binary(head: bytes) -> bool:
    """Whether it is full of control characters."""
    sample = head[:4_000]
    odd = sum(byte < 9 or 13 < byte < 32 for byte in sample)
    return odd > len(sample) * 0.1


def holds_utf8(data: bytes) -> bool:
    """Whether bytes that are not UTF-8 as a whole have some in them."""
    return _IN_UTF8.search(data) is not None


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode(FALLBACK), error.end


class _Decoder(codecs.BufferedIncrementalDecoder):
    """Of MIXED."""

    def _buffer_decode(self, input: Any, errors: str, final: bool) -> tuple[str, int]:  # noqa: A002 - codecs' own
        return codecs.utf_8_decode(input, _HANDLER, final)


def _decode(data: Any, errors: str = "strict", /) -> tuple[str, int]:
    return codecs.utf_8_decode(data, _HANDLER, True)


def _found(name: str) -> codecs.CodecInfo | None:
    if name.replace("_", "-") != MIXED:
        return None
    plain = codecs.lookup("utf-8")
    return codecs.CodecInfo(
        name=MIXED,
        encode=plain.encode,
        decode=_decode,
        incrementalencoder=plain.incrementalencoder,
        incrementaldecoder=_Decoder,
        streamreader=plain.streamreader,
        streamwriter=plain.streamwriter,
    )


codecs.register_error(_HANDLER, _as_cp1252)
codecs.register(_found)
