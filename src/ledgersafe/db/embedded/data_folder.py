"""The folder of a cluster: its making by initdb, its ownership, its lock."""

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ledgersafe.db.embedded.account import Account
from ledgersafe.db.embedded.binaries import Version, is_supported
from ledgersafe.db.embedded.errors import EmbeddedPostgresError
from ledgersafe.db.embedded.processes import Abandon, launch, wait_until

_INITDB_SECONDS = 120.0
# Written into postgresql.conf when the cluster is made; from then on an operator may change them there.
_SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "off",
    "max_connections": "100",
    "random_page_cost": "1.1",
    # Statistics follow within seconds when a small table grows: plans made for a few rows cost minutes with many.
    "autovacuum_naptime": "10s",
    # Prefetching needs posix_fadvise: elsewhere any other value than 0 is refused.
    "effective_io_concurrency": "16" if sys.platform == "linux" else "0",
    "jit": "off",
    "log_min_duration_statement": "-1",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def lock(folder: Path) -> int:
    """Take the lock of the folder, whose descriptor is returned; the kernel lets go of it when we die.

    Raises EmbeddedPostgresError where another process has it.
    """
    handle = os.open(folder / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 20).decode() or "unknown"
        os.close(handle)
        raise EmbeddedPostgresError(
            f"Ledgersafe already runs in {folder} (process {holder}): stop that one first, or set LEDGERSAFE_DATA to "
            "another folder."
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def version_of(data: Path) -> Version | None:
    """The major version of the cluster in a folder; None where there is no cluster yet.

    Raises EmbeddedPostgresError for a version that is not supported and for a folder that holds something else.
    """
    try:
        text = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        if data.is_symlink() or (data.exists() and any(data.iterdir())):
            raise EmbeddedPostgresError(
                f"{data} holds something that is no Postgres cluster: move it away, or set LEDGERSAFE_DATA to another "
                "folder."
            ) from None
        return None
    version = int(text) if text.isdecimal() else 0
    if not is_supported(version):
        raise EmbeddedPostgresError(
            f"{data} was made by Postgres {text}, and only 16 and 18 are embedded: move the data with that version's "
            "pg_dump, or run it yourself and set LEDGERSAFE_DATABASE_URL."
        )
    return version


@contextmanager
def opened(data: Path, account: Account) -> Generator[tuple[int, str]]:
    """The folder's descriptor, and the path by which a child that inherits the descriptor names the folder.

    On Linux that path goes through the descriptor: it is short, free of quotes, and works where the account may not
    traverse the folders above (/root).
    Raises EmbeddedPostgresError where the folder is another user's.
    """
    handle = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if (owner := os.fstat(handle).st_uid) != account.uid:
            raise EmbeddedPostgresError(
                f"{data} belongs to uid {owner}, and Postgres would run as {account.name or account.uid}. "
                f"Start Ledgersafe as the user who made it, or hand the data over (chown -R {account.uid} {data})."
            )
        yield handle, f"/proc/self/fd/{handle}" if sys.platform == "linux" else str(data)
    finally:
        os.close(handle)


def make_cluster(data: Path, install: Path, account: Account, password: str, sockets: Path, abandon: Abandon) -> None:
    """Make a new cluster beside `data` and rename it: `data` is whole or it is not there.

    The superuser's password goes through a file in the socket folder, as every user may read command lines.
    Raises EmbeddedPostgresError with what initdb said.
    """
    password_file = sockets / "password"
    password_file.unlink(missing_ok=True)
    try:
        _write_for(account, password_file, password)
        with opened(data, account) as (handle, path):
            _initdb(install, account, (handle, path, password_file), data, abandon)
    finally:
        password_file.unlink(missing_ok=True)


def fresh_folder(data: Path, account: Account) -> Path:
    """An empty 0700 folder of the account beside `data`; what an interrupted start left there is removed."""
    fresh = data.with_name(data.name + ".new")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(mode=0o700)
    handle = os.open(fresh, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(handle, account.uid, account.gid)
        os.fchmod(handle, stat.S_IRWXU)
    finally:
        os.close(handle)
    return fresh


def _write_for(account: Account, file: Path, text: str) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        os.fchown(handle, account.uid, account.gid)
        out.write(text + "\n")


def _initdb(
    install: Path, account: Account, folder_and_password: tuple[int, str, Path], data: Path, abandon: Abandon
) -> None:
    handle, path, password_file = folder_and_password
    command = [str(install / "bin" / "initdb"), "-D", path, "--username=postgres", f"--pwfile={password_file}"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"]
    for name, value in _SETTINGS.items():
        command += ["--set", f"{name}={value}"]
    with tempfile.TemporaryFile() as said:
        process = launch(command, account, output=said.fileno(), folder=handle)
        try:
            done = wait_until(lambda: process.poll() is not None, _INITDB_SECONDS, abandon)
        finally:
            _end_group(process)
        if not done or process.returncode != 0:
            said.seek(0)
            text = said.read().decode(errors="replace").strip()
            raise EmbeddedPostgresError(f"Postgres could not make its files in {data}: initdb said:\n{text}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End initdb and the server that it runs, where they have not ended by themselves."""
    if process.poll() is None:
        os.killpg(process.pid, 9)
        process.wait()
