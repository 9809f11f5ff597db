"""The raw zone as a folder of this machine, or one that several machines share."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from hashlib import file_digest
from pathlib import Path

from ledgersafe.storage.zone import RawZone, ZoneDamaged, raw_path_of, unavailable

_READ_ONLY = 0o444
_INCOMING = ".incoming"


class LocalZone(RawZone):
    """Files are linked into place: whole or not at all, and never over another one."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / _INCOMING)  # of the same file system, so that a link can be made
        self._root = root

    def keep(self, temporary: Path, tenant_id: str, dataset: str, day: date, sha256: bytes, ending: str) -> str:
        raw_path = raw_path_of(tenant_id, dataset, day, sha256, ending)
        target = self._root / raw_path
        with unavailable(str(target)):
            _make_folders(target.parent, self._root)
            _flush(temporary)
            temporary.chmod(_READ_ONLY)
            try:
                os.link(temporary, target)
            except FileExistsError:
                _check(target, sha256)
            _flush(target.parent)
            temporary.unlink()
        return raw_path

    def has(self, raw_path: str) -> bool:
        with unavailable(raw_path):
            return (self._root / raw_path).is_file()

    @contextmanager
    def open_local(self, raw_path: str) -> Generator[Path]:
        path = self._root / raw_path
        with unavailable(str(path)):
            if not path.is_file():
                raise ZoneDamaged(f"{raw_path} is not there any more")
            _check(path, bytes.fromhex(path.name.split(".", 1)[0]))
        yield path


def _make_folders(folder: Path, root: Path) -> None:
    """With each of them on disk before anything is put into it."""
    if folder.is_dir():
        return
    if folder != root:
        _make_folders(folder.parent, root)
    folder.mkdir(parents=folder == root, exist_ok=True)
    _flush(folder.parent)


def _flush(path: Path) -> None:
    """Have a file, or the names in a folder, on disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _check(target: Path, sha256: bytes) -> None:
    with target.open("rb") as file:
        if file_digest(file, "sha256").digest() != sha256:
            raise ZoneDamaged(f"{target.name} does not hold the bytes that its name says")
