"""The raw zone in an object store: s3://, gs:// and az://, with the credentials of the environment."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from hashlib import sha256 as sha256_of
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore, from_url

from ledgersafe.storage.zone import RawZone, ZoneDamaged, ZoneUnavailable, raw_path_of, unavailable

SCHEMES = ("s3://", "gs://", "az://")
_IN_ONE_REQUEST = 64 * 1024 * 1024
"""What is larger is sent in parts, of which a store makes the object once all are there. It takes no condition then."""
_PIECE = 8 * 1024 * 1024


class UnusableStore(Exception):
    """The address of a store that cannot be opened; the message says why."""


class ObjectZone(RawZone):
    """An object appears whole or not at all, and is put only where none is."""

    def __init__(self, store: ObjectStore, incoming: Path) -> None:
        super().__init__(incoming)
        self._store = store

    def keep(self, temporary: Path, tenant_id: str, dataset: str, day: date, sha256: bytes, ending: str) -> str:
        raw_path = raw_path_of(tenant_id, dataset, day, sha256, ending)
        with _answered(raw_path):
            size = temporary.stat().st_size
            if size <= _IN_ONE_REQUEST:
                self._put_if_absent(raw_path, temporary, size)
            elif (there := self._size_of(raw_path)) is None:
                obstore.put(self._store, raw_path, temporary, chunk_size=_PIECE, max_concurrency=4)
            else:
                _check(raw_path, there, size)
            temporary.unlink()
        return raw_path

    def has(self, raw_path: str) -> bool:
        with _answered(raw_path):
            return self._size_of(raw_path) is not None

    @contextmanager
    def open_local(self, raw_path: str) -> Generator[Path]:
        with tempfile.TemporaryDirectory(prefix="ledgersafe-") as folder:
            path = Path(folder) / Path(raw_path).name
            with _answered(raw_path):
                self._download(raw_path, path)
            yield path

    def _put_if_absent(self, raw_path: str, temporary: Path, size: int) -> None:
        try:
            obstore.put(self._store, raw_path, temporary, mode="create")
        except AlreadyExistsError:
            _check(raw_path, self._size_of(raw_path), size)

    def _size_of(self, raw_path: str) -> int | None:
        try:
            return obstore.head(self._store, raw_path)["size"]
        except FileNotFoundError:
            return None

    def _download(self, raw_path: str, path: Path) -> None:
        """What comes is held against the name: the store is another's."""
        found = sha256_of()
        try:
            answer = obstore.get(self._store, raw_path)
        except FileNotFoundError:
            raise ZoneDamaged(f"{raw_path} is not there any more") from None
        with path.open("wb") as file:
            for piece in answer.stream(_PIECE):
                found.update(piece)
                file.write(piece)
        if found.hexdigest() != path.name.split(".", 1)[0]:
            raise ZoneDamaged(f"{raw_path} does not hold the bytes that its name says")


def open_zone(url: str, incoming: Path) -> ObjectZone:
    """The zone at an address such as s3://bucket/folder. Raises UnusableStore."""
    try:
        return ObjectZone(from_url(url), incoming)
    except BaseError as error:
        raise UnusableStore(str(error).partition("\n")[0]) from None


def _check(raw_path: str, there: int | None, size: int) -> None:
    if there != size:
        raise ZoneDamaged(f"{raw_path} does not hold the bytes that its name says")


@contextmanager
def _answered(what: str) -> Generator[None]:
    """Trouble of the store, or of this machine, as ZoneUnavailable."""
    try:
        with unavailable(what):
            yield
    except BaseError as error:
        raise ZoneUnavailable(f"{what}: {str(error).partition(chr(10))[0]}") from error
