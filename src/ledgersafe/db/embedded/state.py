"""What is remembered about an embedded Postgres between starts: passwords and the socket folder, in a 0600 file."""

import json
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from ledgersafe.db.embedded.account import Account
from ledgersafe.db.embedded.errors import EmbeddedPostgresError

SUPERUSER, OWNER, APP = "postgres", "ledgersafe_owner", "ledgersafe_app"
DATABASE = "ledgersafe"
_SOCKET_PREFIX = "ledgersafe-"
# Not the configured folder for temporary files: a socket's path may have 107 bytes at most.
_SOCKETS = Path("/tmp")  # noqa: S108 - what is made in it is 0700 and checked to be ours before it is used again


@dataclass(frozen=True, slots=True)
class EmbeddedUrls:
    """libpq URLs over the unix socket, passwords included: not for logs, not for command lines."""

    owner: str = field(repr=False)
    app: str = field(repr=False)
    superuser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class State:
    """The content of the file. `cluster` ties the socket folder to one data folder, so that a copy gets its own."""

    passwords: dict[str, str] = field(repr=False)
    socket_folder: str = ""
    cluster: str = ""
    system_user: str | None = None

    def urls(self) -> EmbeddedUrls:
        """How each role reaches the database."""
        return EmbeddedUrls(owner=self._url(OWNER), app=self._url(APP), superuser=self._url(SUPERUSER))

    def _url(self, role: str) -> str:
        # Whoever else puts a server into a left socket folder must not be sent the password.
        options = {"host": self.socket_folder, "port": "5432", "require_auth": "scram-sha-256"}
        if self.system_user is not None:
            options["requirepeer"] = self.system_user
        password, query = quote(self.passwords[role], safe=""), urlencode(options, quote_via=quote)
        return f"postgresql://{role}:{password}@/{DATABASE}?{query}"


def connection_of(folder: Path) -> EmbeddedUrls | None:
    """The URLs of the embedded Postgres in a folder, running or not; None where there never was one.

    Raises EmbeddedPostgresError where this user may not read them.
    """
    state = read_state(folder)
    return state.urls() if state is not None and state.socket_folder else None


def psql_environment(url: str) -> Mapping[str, str]:
    """The PG… variables that say to psql what the URL says: a command line would show the password to everybody."""
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    return {
        "PGDATABASE" if name == "dbname" else "PG" + name.replace("_", "").upper(): value
        for name, value in parts.items()
    }


def new_state() -> State:
    """Fresh passwords, and no socket folder yet."""
    return State(passwords={role: secrets.token_urlsafe(32) for role in (SUPERUSER, OWNER, APP)})


def read_state(folder: Path) -> State | None:
    """The remembered state, or None where there is none. Raises EmbeddedPostgresError where it cannot be read."""
    file = _state_file(folder)
    try:
        return State(**json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"{file} belongs to another user: run this as the user who started Ledgersafe in {folder}, or give "
            "LEDGERSAFE_DATA a folder of your own."
        ) from error
    except (ValueError, TypeError) as error:
        raise EmbeddedPostgresError(f"{file} is damaged ({error}): bring it back from a backup.") from error


def write_state(folder: Path, state: State) -> None:
    """Remember the state durably, readable by this user only: without its passwords the data cannot be reached."""
    handle, fresh = tempfile.mkstemp(prefix=".postgres-", dir=folder)
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(state), file)
        file.flush()
        os.fsync(file.fileno())
    Path(fresh).rename(_state_file(folder))
    make_durable(folder)


def make_durable(folder: Path) -> None:
    """Have the renames inside a folder survive a power failure."""
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def with_socket_folder(state: State, cluster: str, account: Account) -> State:
    """The state with a socket folder that exists, is the database user's and is closed to all others."""
    known = Path(state.socket_folder) if state.socket_folder and state.cluster == cluster else None
    if known is None or not (_is_private(known, account) or _make_again(known, account)):
        known = Path(tempfile.mkdtemp(prefix=_SOCKET_PREFIX, dir=_SOCKETS))
        os.chown(known, account.uid, account.gid)
    return replace(state, socket_folder=str(known), cluster=cluster, system_user=account.name)


def _state_file(folder: Path) -> Path:
    return folder / "postgres.json"


def _is_private(folder: Path, account: Account) -> bool:
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == account.uid and stat.S_IMODE(status.st_mode) == 0o700


def _make_again(folder: Path, account: Account) -> bool:
    """The same path as before keeps the URLs that other processes hold; not if somebody else sits there now."""
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        return False
    os.chown(folder, account.uid, account.gid)
    return True
