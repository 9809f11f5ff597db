"""Files on their way to the API: sent as they are read, and only if they stand still meanwhile."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from ledgersafe.cli.client import CliError
from ledgersafe.client.api import ApiClient

_AT_ONCE = 1 << 20
Advance = Callable[[int], object]
"""Told of every so many bytes that were sent."""


class FileAtFaultError(CliError):
    """The file cannot be read, or not as a whole; others may well be."""


class FileChangedError(FileAtFaultError):
    """The file changed while it was read; the server has nothing of it."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Which dataset files are for, where they come from, and whose they are."""

    dataset: str
    source: str | None
    tenant: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells a file from a changed one, without reading it."""

    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, details: os.stat_result) -> "Mark":
        """Of what the system says of a file."""
        return cls(details.st_ino, details.st_size, details.st_mtime_ns)


def in_order(file: Path, mtime_ns: int) -> tuple[int, list[int | str]]:
    """What to sort files by: the one written last is sent last, and counts. Of one moment, 9.csv goes before 10.csv."""
    parts = re.split(r"([0-9]+)", file.name)  # text, digits, text, and so on
    return mtime_ns, [int(part) if at % 2 else part for at, part in enumerate(parts)]


def upload(client: ApiClient, file: Path, to: Destination, advance: Advance) -> tuple[dict[str, Any], Mark]:
    """Send a file: the API's answer, and as what the file was sent. Raises FileAtFaultError, CliError, ApiProblem."""
    try:
        with file.open("rb") as opened:
            sending = _Sending(file, opened, advance)
            asked = {"dataset": to.dataset, "filename": file.name, "source": to.source, "tenant_id": to.tenant}
            answer = client.upload("/v1/ingestions", sending.pieces(), sending.mark.size, asked)
    except OSError as error:
        raise FileAtFaultError(f"Cannot read {file}: {error.strerror}.") from None
    if answer["ingestion"]["sha256"] != sending.hash.hexdigest():
        raise CliError(f"{file} did not arrive as it was sent: something between here and the API changes bodies.")
    return answer, sending.mark


class _Sending:
    """One file. The last piece is held back until it is sure that nobody wrote to the file."""

    def __init__(self, file: Path, opened: BinaryIO, advance: Advance) -> None:
        self.mark = Mark.of(os.fstat(opened.fileno()))
        self.hash = sha256()
        self._file, self._opened, self._advance = file, opened, advance

    def pieces(self) -> Iterator[bytes]:
        held, size = b"", 0
        while data := self._opened.read(_AT_ONCE):
            size += len(data)
            if size > self.mark.size:
                break
            if held:
                yield self._sent(held)
            held = data
        stands = (os.fstat(self._opened.fileno()), self._file.stat())
        if size != self.mark.size or any(Mark.of(details) != self.mark for details in stands):
            raise FileChangedError(f"{self._file} changed while it was read. Send it once it is complete.")
        if held:
            yield self._sent(held)

    def _sent(self, data: bytes) -> bytes:
        self.hash.update(data)
        self._advance(len(data))
        return data
