"""A file while it is received: written beside the raw zone, hashed on the way, and gone unless it is kept."""

from hashlib import sha256
from typing import Self

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import FILE_TOO_LARGE
from ledgersafe.storage.zone import RawZone, unavailable


class IncomingFile:
    """Use it in a `with` block, at the end of which nothing is left of it here. `most`: bytes that it may have."""

    def __init__(self, zone: RawZone, most: int) -> None:
        self.path = zone.temporary()
        self.size = 0
        self._most = most
        self._hash = sha256()
        self._file = self.path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        with unavailable(str(self.path)):
            self.path.unlink(missing_ok=True)
            self._file.close()

    def write(self, data: bytes) -> None:
        """The next bytes. Raises ZoneUnavailable, RequestRefused(FILE_TOO_LARGE)."""
        self.size += len(data)
        if self.size > self._most:
            raise too_large(self._most)
        self._hash.update(data)
        with unavailable(str(self.path)):
            self._file.write(data)

    def complete(self) -> bytes:
        """All of it is there: the SHA-256 of its bytes. Raises ZoneUnavailable."""
        with unavailable(str(self.path)):
            self._file.close()
        return self._hash.digest()


def too_large(most: int) -> RequestRefused:
    """The refusal of a file that has more bytes than are taken."""
    message = f"The file is larger than {most:,} bytes (LEDGERSAFE_MAX_FILE_BYTES)."
    return RequestRefused(FILE_TOO_LARGE, message, {"Connection": "close"})
