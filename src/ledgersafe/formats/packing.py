"""Packed files: gzip and Zstandard, unpacked as they are read, and bounded: a small file cannot fill the disk."""

import io
import zlib
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from ledgersafe.formats.rows import Bounds, UnreadableFile

PACKED_ENDINGS = (".gz", ".zst", ".zstd")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PACKED_AT_ONCE = 1_000
"""So that what one piece unpacks to stays small, however well it was packed: four bytes may be 128 KiB in Zstandard."""
_FIRST_BYTES = 10_000_000
"""What may be unpacked in any case: small files may well shrink to a thousandth."""


class _Bounded(io.RawIOBase):
    """What is unpacked, until it is too much."""

    def __init__(self, source: BinaryIO, packed_bytes: int, bounds: Bounds) -> None:
        self._source = source
        self._left = min(bounds.unpacked_bytes, max(_FIRST_BYTES, packed_bytes * bounds.unpacked_ratio))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        try:
            data = self._source.read(len(view))
        except (BadGzipFile, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise UnreadableFile("TRUNCATED_FILE", f"It cannot be unpacked to its end: {error}.") from None
        self._left -= len(data)
        if self._left < 0:
            raise UnreadableFile("FILE_TOO_LARGE", "Unpacked it is far larger than such a file can rightly be.")
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._source.close()
        super().close()


class _Frames:
    """Zstandard frames, one after another; one that breaks off is an error, not an end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._ready = b""
        self._begun = False

    def read(self, size: int) -> bytes:
        while not self._ready:
            packed = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame, self._begun = zstandard.ZstdDecompressor().decompressobj(), False
            packed = packed or self._file.read(_PACKED_AT_ONCE)
            if not packed:
                if self._begun:
                    raise EOFError("the last frame breaks off")
                return b""
            self._begun = True
            self._ready = self._frame.decompress(packed)
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def close(self) -> None:
        self._file.close()


def open_unpacked(path: Path, bounds: Bounds) -> BinaryIO:
    """The bytes of a file, unpacked if it is packed. Reading raises UnreadableFile."""
    file = path.open("rb")
    magic = file.read(4)
    file.seek(0)
    size = path.stat().st_size
    if magic.startswith(_GZIP):
        return io.BufferedReader(_Bounded(cast("BinaryIO", GzipFile(fileobj=file)), size, bounds), 1 << 20)
    if magic == _ZSTD:
        return io.BufferedReader(_Bounded(cast("BinaryIO", _Frames(file)), size, bounds), 1 << 20)
    if size > bounds.unpacked_bytes:
        raise UnreadableFile("FILE_TOO_LARGE", f"It has {size:,} bytes; {bounds.unpacked_bytes:,} are taken.")
    return file


def is_packed(path: Path) -> bool:
    """Whether the file is packed, whatever it is called."""
    with path.open("rb") as file:
        magic = file.read(4)
    return magic.startswith(_GZIP) or magic == _ZSTD
