"""The raw zone: every received file, under the hash of its bytes. What is in it is whole, and never written over.

Bytes that are still coming in are temporary files beside it; only a complete one is given its name, in one step.
"""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date
from hashlib import sha256 as sha256_of
from pathlib import Path
from urllib.parse import quote

_LONGEST_FOLDER = 200
_KEPT_OF_LONG_ONES = 140
_ABANDONED_SECONDS = 3_600
"""Whoever writes a file writes on all the time; one that stood still for so long was left by a process that died."""


class ZoneUnavailable(OSError):
    """The raw zone does not keep or give a file now: the same may be tried again later."""


class ZoneDamaged(Exception):
    """What stands in the raw zone under a hash is not what has this hash, or is gone. Nothing was changed."""


class RawZone(ABC):
    """Where files are kept. `incoming`: the folder for what is still coming in."""

    def __init__(self, incoming: Path) -> None:
        self._incoming = incoming

    def temporary(self) -> Path:
        """A fresh, empty file to write incoming bytes to; whoever asked removes it. Raises ZoneUnavailable."""
        with unavailable(str(self._incoming)):
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._incoming, suffix=".part", delete=False) as made:
                path = Path(made.name)
            self._sweep(path.stat().st_mtime)
        return path

    @abstractmethod
    def keep(self, temporary: Path, tenant_id: str, dataset: str, day: date, sha256: bytes, ending: str) -> str:
        """Take a complete file in, for ever; `temporary` may be gone then. Bytes that are there already stay.

        `sha256`: of its bytes (32). `ending`: such as `.csv.gz`. Returns its raw path, relative to the zone.
        Raises ZoneUnavailable, ZoneDamaged.
        """

    @abstractmethod
    def has(self, raw_path: str) -> bool:
        """Whether something stands under a raw path. Raises ZoneUnavailable."""

    @abstractmethod
    def open_local(self, raw_path: str) -> AbstractContextManager[Path]:
        """A file of the zone as one of this machine, to be read only, for as long as the block lasts.

        Raises ZoneUnavailable, ZoneDamaged.
        """

    def _sweep(self, now: float) -> None:
        """Remove what dead processes left. `now`: as the file system's own clock has it."""
        for path in self._incoming.glob("*.part"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < now - _ABANDONED_SECONDS:
                    path.unlink()


def raw_path_of(tenant_id: str, dataset: str, day: date, sha256: bytes, ending: str) -> str:
    """Where a file stands: `<tenant>/<dataset>/<day>/<sha256>.<ending>`."""
    return f"{_folder_of(tenant_id)}/{dataset}/{day.isoformat()}/{sha256.hex()}{ending}"


def _folder_of(tenant_id: str) -> str:
    """A tenant's folder: a name that every store takes, and that leads nowhere else."""
    quoted = quote(tenant_id, safe="").replace(".", "%2E")
    if len(quoted) <= _LONGEST_FOLDER:
        return quoted
    return f"{quoted[:_KEPT_OF_LONG_ONES]}~{sha256_of(tenant_id.encode()).hexdigest()}"


@contextmanager
def unavailable(what: str) -> Generator[None]:
    """Trouble of the machine as ZoneUnavailable."""
    try:
        yield
    except ZoneUnavailable:
        raise
    except OSError as error:
        raise ZoneUnavailable(f"{what}: {error.strerror or error}") from error
