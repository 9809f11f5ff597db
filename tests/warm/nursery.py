"""A process that has loaded the libraries of `ledgersafe`, and nothing of ours: commands are forks of it.

`python nursery.py <descriptor of a listening socket>`; it ends with its standard input. Who asks it is
sitecustomize.py. A fork imports all of Ledgersafe itself, under its own environment, and runs the entry point that its
words name: its output, exit code and signals are those of a process that has loaded the libraries on its own.
"""

import ctypes
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

LIBRARIES = (
    "babel.numbers",
    "httpcore",
    "httpx",
    "joserfc.jwk",
    "joserfc.jws",
    "msgspec",
    "orjson",
    "psycopg",
    "psycopg_pool",
    "pydantic_settings",
    "rfc8785",
    "rich.console",
    "rich.progress",
    "rich.table",
    "stamina",
    "structlog",
    "typer",
    "uuid_utils",
    "yaml",
)
"""What commands load. None of them may start a thread: a fork has only the one that forked."""

Job = dict[str, Any]
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Fork:
    """A command that runs, and who asked for it. `handle`: its pidfd."""

    pid: int
    handle: int
    asked_by: socket.socket

    def told(self) -> None:
        """A signal for it; or nothing more to hear, as who asked was killed: then so is this."""
        told = b""
        with suppress(ConnectionError):
            told = self.asked_by.recv(1)
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, told[0] if told else signal.SIGKILL)

    def ended(self) -> None:
        """Tell who asked how it ended: whether by a signal, and by which; or with which code."""
        _, status = os.waitpid(self.pid, 0)
        died = os.WIFSIGNALED(status)
        with suppress(ConnectionError):
            self.asked_by.sendall(bytes([died, os.WTERMSIG(status) if died else os.WEXITSTATUS(status)]))

    def close(self) -> None:
        """Let go of both ends."""
        self.asked_by.close()
        os.close(self.handle)


def nurse(listening: socket.socket) -> Job:
    """Fork for whoever asks, until standard input ends. Returns in the forks, with what each is to do."""
    forks: dict[Any, Fork] = {}  # by what wakes us: its pidfd, or the socket of who asked
    with selectors.DefaultSelector() as waiting:
        waiting.register(listening, selectors.EVENT_READ)
        waiting.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for waking in [key.fileobj for key, _ in waiting.select()]:
                if waking is sys.stdin:
                    os._exit(0)
                elif waking is listening:
                    asking, _ = listening.accept()
                    job, files = _read(asking)
                    if (pid := os.fork()) == 0:
                        _take(files, [listening, asking, *{id(one): one for one in forks.values()}.values()])
                        return job
                    for file in files:
                        os.close(file)
                    fork = Fork(pid, os.pidfd_open(pid), asking)
                    for end in (fork.handle, asking):
                        forks[end] = fork
                        waiting.register(end, selectors.EVENT_READ)
                elif (fork := forks.get(waking)) is not None and waking == fork.handle:
                    fork.ended()
                    for end in (fork.handle, fork.asked_by):
                        waiting.unregister(end)
                        del forks[end]
                    fork.close()
                elif fork is not None:
                    fork.told()


def _read(asking: socket.socket) -> tuple[Job, list[int]]:
    """What is to be done, and the three files of who asks."""
    _, files, _, _ = socket.recv_fds(asking, 1, 3)
    with asking.makefile("rb") as sent:
        return json.loads(sent.readline()), files


def _take(files: list[int], others: list[Any]) -> None:
    """In a fork: have its files for ours, close what is not its business, and die with the nursery."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    for other in others:
        other.close()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(job: Job) -> None:
    """Be the command: its folder, its environment, its words."""
    os.chdir(job["folder"])
    os.umask(job["umask"])
    os.environ.clear()
    os.environ.update(job["environment"])
    time.tzset()
    first, *rest = job["words"]
    if first == "-m":
        module, *rest = rest
        sys.argv, sys.path[0] = [module, *rest], job["folder"]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = [first, *rest], os.path.dirname(first)  # noqa: PTH120 - as Python itself has it
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    for _name in LIBRARIES:
        import_module(_name)
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - names only
        sys.exit("a library has started a thread")
    gc.collect()
    gc.freeze()
    run(nurse(socket.socket(fileno=int(sys.argv[1]))))
