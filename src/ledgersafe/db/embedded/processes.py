"""Starting processes that die with us, and finding and ending those that a killed predecessor left."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ledgersafe.db.embedded.account import Account
from ledgersafe.db.embedded.errors import EmbeddedPostgresError, StartAbandoned

Abandon = Callable[[], bool]
"""Whether the caller wants to stop; asked many times a second."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PROC = Path("/proc")
_POSTGRES = re.compile(r"(?:[^\0]*/)?postgres(?:[: \0]|$)")
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Cluster:
    """One data folder. `marker` is in the command line of each of its processes; `uid` owns them."""

    data: Path
    marker: str
    uid: int


def cluster_of(data: Path, account: Account) -> Cluster:
    """The identity of a data folder on this machine: a copy of it is another one."""
    status = data.stat()
    return Cluster(data, f"ledgersafe({status.st_dev:x}.{status.st_ino:x})", account.uid)


def die_with_parent(signal_number: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn` that has the kernel send the signal when we die, even by SIGKILL; None where it cannot.

    It is the calling *thread* whose end counts, so start such processes from the main thread. It is run after the
    change of user, which would clear the wish, and does next to nothing: other threads do not exist in it.
    """
    if _LIBC is None:
        return None
    libc, parent = _LIBC, os.getpid()

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
        if os.getppid() != parent:  # it died before it could be asked for
            os._exit(1)

    return ask_kernel


def launch(command: Sequence[str], account: Account, *, output: int, folder: int) -> subprocess.Popen[bytes]:
    """Start a Postgres program as `account`; `folder` is a descriptor that it inherits, `output` one that it writes to.

    It gets a process group of its own, since Ctrl-C at a terminal is for us to handle, and none of our environment.
    """
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return subprocess.Popen(  # noqa: S603 - a program of the wheel with our own arguments
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env=environment | {"LC_ALL": "C", "TZ": "UTC"},
        pass_fds=(folder,),
        user=account.uid if account.is_another else None,
        group=account.gid if account.is_another else None,
        extra_groups=[] if account.is_another else None,
        umask=0o077,
        process_group=0,
        preexec_fn=die_with_parent(signal.SIGINT),
    )


def wait_until(happened: Callable[[], bool], seconds: float, abandon: Abandon = lambda: False) -> bool:
    """Wait until something has happened, at most so many seconds. Raises StartAbandoned."""
    give_up = time.monotonic() + seconds
    while not happened():
        if abandon():
            raise StartAbandoned("The start of the embedded Postgres was abandoned.")
        if time.monotonic() >= give_up:
            return False
        time.sleep(0.02)
    return True


def end_leftovers(cluster: Cluster, abandon: Abandon = lambda: False) -> None:
    """Stop a server, or the sessions of a killed one, that still work on this cluster.

    Raises EmbeddedPostgresError where they cannot be ended.
    """
    steps = ((signal.SIGINT, 8.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 3.0))
    for number, seconds in steps:
        found = _processes_of(cluster)
        # SIGINT means "fast shutdown" to the server, but something else to each of its helpers.
        targets = [process for process in found if number != signal.SIGINT or process.is_server]
        if not found:
            return
        if targets:
            _signal(targets, number)
            wait_until(partial(_are_gone, cluster, found), seconds, abandon)
    if left := _processes_of(cluster):
        pids = ", ".join(str(process.pid) for process in left)
        raise EmbeddedPostgresError(
            f"Processes {pids} still work on {cluster.data} and cannot be ended: end them by hand."
        )


def kill_all(cluster: Cluster, seconds: float) -> None:
    """SIGKILL for every process of the cluster; waits that long for them to go."""
    if found := _processes_of(cluster):
        _signal(found, signal.SIGKILL)
        wait_until(partial(_are_gone, cluster, found), seconds)


def forget_stale_pid_file(cluster: Cluster) -> None:
    """Remove postmaster.pid if its number belongs to another program by now: Postgres would take that for a server.

    Call it after `end_leftovers`. Where the process is gone the file stays, as Postgres knows what to make of that.
    """
    file = cluster.data / "postmaster.pid"
    pid = pid_in(file)
    command = None if pid is None else _command_of(pid)
    if pid is not None and command is not None and _is_of_another(pid, command, cluster):
        file.unlink(missing_ok=True)


def pid_in(file: Path) -> int | None:
    """The process id in the first line of a postmaster.pid; None where there is none."""
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    uid: int
    command: str

    @property
    def is_server(self) -> bool:
        """Whether it is the postmaster: all others rewrite their command line to `postgres: …`."""
        return not self.command.startswith("postgres:")


def _processes_of(cluster: Cluster) -> list[_Process]:
    return [
        process
        for process in all_processes()
        if process.uid == cluster.uid
        and _POSTGRES.match(process.command)
        and (cluster.marker in process.command or _works_in(process.pid, cluster.data) is True)
    ]


def _are_gone(cluster: Cluster, known: Sequence[_Process]) -> bool:
    """Whether no process of the cluster is left. A dying one loses its command line before its memory, so `known`."""
    return not any(_is_alive(process.pid) for process in known) and not _processes_of(cluster)


def _is_alive(pid: int) -> bool:
    """Whether a process is there and is no zombie (which holds nothing, and is for another to bury)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, IndexError):
            return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def all_processes() -> Iterator[_Process]:
    """Every process of this machine that we may see and that has a command line."""
    if sys.platform != "linux":
        yield from _processes_by_ps()
        return
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (command := _command_of(int(entry.name))):
            with contextlib.suppress(OSError):
                yield _Process(int(entry.name), entry.stat().st_uid, command)


def _processes_by_ps() -> Iterator[_Process]:
    command = ("/bin/ps", "-axo", "pid=,uid=,command=")
    listing = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a constant
    for line in listing.stdout.splitlines():
        pid, uid, command = line.split(maxsplit=2)
        yield _Process(int(pid), int(uid), command)


def _command_of(pid: int) -> str | None:
    """The command line with NUL between its words; None where there is no such process (or it is a zombie)."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").rstrip("\0") or None
    except OSError:
        return None


def _works_in(pid: int, folder: Path) -> bool | None:
    """Whether a process has the folder as its working directory; None where we may not know."""
    try:
        return (_PROC / str(pid) / "cwd").samefile(folder)
    except OSError:
        return None


def _is_of_another(pid: int, command: str, cluster: Cluster) -> bool:
    return not _POSTGRES.match(command) or _works_in(pid, cluster.data) is False


def _signal(processes: Sequence[_Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
