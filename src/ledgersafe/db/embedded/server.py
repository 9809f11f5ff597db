"""The embedded server: started, watched and stopped by one process at a time."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import psycopg

from ledgersafe.db.embedded.account import Account, database_account
from ledgersafe.db.embedded.binaries import Version, install_for
from ledgersafe.db.embedded.data_folder import fresh_folder, lock, make_cluster, opened, version_of
from ledgersafe.db.embedded.errors import EmbeddedPostgresError
from ledgersafe.db.embedded.processes import (
    Abandon,
    Cluster,
    cluster_of,
    end_leftovers,
    forget_stale_pid_file,
    kill_all,
    launch,
    pid_in,
    wait_until,
)
from ledgersafe.db.embedded.roles import ensure_roles_and_database
from ledgersafe.db.embedded.state import (
    SUPERUSER,
    EmbeddedUrls,
    State,
    make_durable,
    new_state,
    read_state,
    with_socket_folder,
    write_state,
)

_LOG_BYTES: Final = 50 * 1024 * 1024
_TAIL_BYTES: Final = 2_000
# Crash recovery replays up to max_wal_size before the server takes connections.
_READY_SECONDS: Final = 300.0
_STILL_IN_USE_SECONDS: Final = 30.0
# Shorter than an orderly stop: whoever gave up the start has other things to end within 10 seconds.
_CLEAN_UP_SECONDS: Final = 3.0
# On the command line, so that postgresql.conf cannot break what Ledgersafe promises: durable, closed, local.
_FIXED = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "password_encryption": "scram-sha-256",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "log_destination": "stderr",
    "logging_collector": "off",
}


class EmbeddedPostgres:
    """The Postgres whose cluster lives in `folder`/postgres; one object may be started and stopped many times.

    `version` is what a new cluster gets; an old one keeps the version that made it (see `note`). `ready_seconds`: how
    long the server may take to recover and to accept connections. Not for use from several threads at once.
    """

    def __init__(self, folder: Path, *, version: Version = 18, ready_seconds: float = _READY_SECONDS) -> None:
        self._folder = folder.absolute()
        self._data = self._folder / "postgres"
        self._log = self._folder / "postgres.log"
        self._ready_seconds = ready_seconds
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._cluster: Cluster | None = None
        self._sockets: Path | None = None
        self.version: Version = version
        self.note: str | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the server that this object started last."""
        return None if self._process is None else self._process.pid

    def poll(self) -> int | None:
        """None while the server runs (or was never started), otherwise the exit code it ended with."""
        return None if self._process is None else self._process.poll()

    def start(self, abandon: Abandon = lambda: False) -> EmbeddedUrls:
        """Make the cluster if it is new, start it, wait until it is ready; a running one is left running.

        Call it from the main thread: the server is ended when the calling thread ends. `abandon` is asked many times a
        second whether to give up. Raises EmbeddedPostgresError (StartAbandoned where given up); nothing runs then.
        """
        if self._process is not None and self._process.poll() is None:
            return self._known_state().urls()
        try:
            return self._start(abandon).urls()
        except OSError as error:
            self.stop(_CLEAN_UP_SECONDS)
            raise self._trouble(
                f"cannot be started: {error}. Look at who owns the files there, and at free space."
            ) from error
        except psycopg.Error as error:
            self.stop(_CLEAN_UP_SECONDS)
            raise self._trouble(f"runs but cannot be set up: {error}. Its passwords are in postgres.json.") from error
        except BaseException:
            self.stop(_CLEAN_UP_SECONDS)
            raise

    def stop(self, timeout_seconds: float = 8.0) -> None:
        """Fast shutdown, then immediate shutdown, then SIGKILL; all within the time. Releases the folder."""
        try:
            if self._process is not None:
                _end(self._process, timeout_seconds * 0.9)
            if self._cluster is not None:
                kill_all(self._cluster, timeout_seconds * 0.1)
        finally:
            self._release()

    def _start(self, abandon: Abandon) -> State:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = lock(self._folder)
        account = database_account()
        is_new = self._settle_version() is None
        install = install_for(self.version, account)
        state = self._state(is_new=is_new)
        data = fresh_folder(self._data, account) if is_new else self._data
        self._cluster = cluster_of(data, account)
        end_leftovers(self._cluster, abandon)
        state = with_socket_folder(state, self._cluster.marker, account)
        self._sockets = Path(state.socket_folder)
        write_state(self._folder, state)
        if is_new:
            make_cluster(data, install, account, state.passwords[SUPERUSER], self._sockets, abandon)
            data.rename(self._data)
            make_durable(self._folder)
            self._cluster = replace(self._cluster, data=self._data)
        self._serve(install, account, self._sockets, abandon)
        ensure_roles_and_database(state)
        return state

    def _settle_version(self) -> Version | None:
        """The version of the cluster that is there, if any: it decides, whatever was asked for."""
        found = version_of(self._data)
        if found is not None and found != self.version:
            self.note = f"{self._data} was made by Postgres {found} and goes on with it; {self.version} was asked for."
            self.version = found
        return found

    def _state(self, *, is_new: bool) -> State:
        state = read_state(self._folder)
        if state is not None:
            return state
        if not is_new:
            raise self._trouble("has lost its passwords: bring postgres.json back from a backup.")
        return new_state()

    def _serve(self, install: Path, account: Account, sockets: Path, abandon: Abandon) -> None:
        """Run the server and wait until it takes connections; again while a killed one's memory is still in use."""
        give_up = time.monotonic() + _STILL_IN_USE_SECONDS
        while True:
            self._clear_the_way(sockets)
            tail = self._run(install, account, sockets, abandon)
            if tail is None:
                return
            if "shared memory block" not in tail or time.monotonic() > give_up:
                raise self._trouble(f"did not start. The end of {self._log}:\n{tail}")
            wait_until(lambda: False, 0.3, abandon)

    def _clear_the_way(self, sockets: Path) -> None:
        """Remove what names a process that is gone: its number may be another's by now."""
        if self._cluster is not None:
            forget_stale_pid_file(self._cluster)
        _remove_socket(sockets)

    def _run(self, install: Path, account: Account, sockets: Path, abandon: Abandon) -> str | None:
        """Start the server once. None when it is ready, otherwise the end of what it wrote to its log."""
        log = self._open_log()
        try:
            begin = os.fstat(log).st_size
            with opened(self._data, account) as (handle, path):
                command = [str(install / "bin" / "postgres"), "-D", path, *self._options(sockets)]
                self._process = launch(command, account, output=log, folder=handle)
            if wait_until(self._is_decided, self._ready_seconds, abandon) and self._process.poll() is None:
                return None
            _end(self._process, 5.0)
            size = os.fstat(log).st_size
            tail = os.pread(log, _TAIL_BYTES, max(begin, size - _TAIL_BYTES)).decode(errors="replace").strip()
            return tail or f"(nothing; it ended with {self._process.returncode})"
        finally:
            os.close(log)

    def _options(self, sockets: Path) -> list[str]:
        marker = "" if self._cluster is None else self._cluster.marker
        settings = _FIXED | {"unix_socket_directories": str(sockets), "cluster_name": marker}
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _is_decided(self) -> bool:
        """Whether the server has ended or says in its pid file, as pg_ctl reads it, that it takes connections."""
        if self._process is None or self._process.poll() is not None:
            return True
        file = self._data / "postmaster.pid"
        if pid_in(file) != self._process.pid:
            return False
        with suppress(FileNotFoundError):
            lines = file.read_text().splitlines()
            return len(lines) > 7 and lines[7].strip() == "ready"
        return False

    def _open_log(self) -> int:
        if self._log.exists() and self._log.stat().st_size > _LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        return os.open(self._log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def _known_state(self) -> State:
        state = read_state(self._folder)
        if state is None:
            raise self._trouble("has lost its passwords: bring postgres.json back from a backup.")
        return state

    def _release(self) -> None:
        if self._sockets is not None:
            with suppress(OSError):  # somebody else's files in it: the next start uses it again
                _remove_socket(self._sockets)
                self._sockets.rmdir()
        if self._lock is not None:
            os.close(self._lock)
        self._lock = self._process = self._cluster = self._sockets = None

    def _trouble(self, what: str) -> EmbeddedPostgresError:
        return EmbeddedPostgresError(f"The embedded Postgres in {self._folder} {what}")


def _remove_socket(sockets: Path) -> None:
    """Remove what a server that is gone has left there."""
    for name in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
        (sockets / name).unlink(missing_ok=True)


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End the server: fast, immediate, by force."""
    for number, share in ((signal.SIGINT, 0.6), (signal.SIGQUIT, 0.3), (signal.SIGKILL, 0.1)):
        if process.poll() is None:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds * share)
