"""A drop folder: what is put there is sent once it is complete, then moved aside.

What was sent is known by its bytes: who dies between sending and moving sends it again, and it counts once.
"""

import errno
import fcntl
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any, Literal

from ledgersafe.cli.client import CliError, told
from ledgersafe.cli.uploading import Destination, FileAtFaultError, Mark, in_order, upload
from ledgersafe.client.api import ApiClient, ApiProblem
from ledgersafe.kernel.errors import ToldPlainly

TAKEN, REFUSED = "taken", "refused"
_UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".swp", "~")
_THE_FILE_IS_AT_FAULT = frozenset({"UNSUPPORTED_FORMAT", "FILE_TOO_LARGE", "INVALID_PARAMETER"})
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Happened:
    """What became of a file. `later`: it stays where it is, and is tried again. `others_wait`: so do the others."""

    file: Path
    what: Literal["taken", "refused", "later"]
    detail: str
    answer: dict[str, Any] | None = None
    others_wait: bool = False


class Watch:
    """One folder. `settle`: for how many seconds a file must have stood still."""

    def __init__(self, client: ApiClient, folder: Path, to: Destination, settle: float) -> None:
        self._client, self._folder, self._to, self._settle = client, folder, to, settle
        self._seen: dict[Path, tuple[Mark, float]] = {}
        self._stop = Event()

    def end_on_signals(self) -> None:
        """Have SIGTERM and SIGINT end it after the file that is being sent."""
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        signal.signal(signal.SIGIO, signal.SIG_IGN)  # told to who asks whether somebody writes (below), when one begins

    def run(self, *, once: bool) -> Iterator[Happened]:
        """Look again and again; what happened to each file. `once`: until nothing is left that could be taken.

        Raises CliError, ApiProblem: the key or the request is refused, whatever the file.
        """
        self._make_folders()
        while not self._stop.is_set():
            later = False
            for file in self._complete():
                happened = self._take(file)
                later |= happened.what == "later"
                yield happened
                if happened.others_wait or self._stop.is_set():
                    break
            if once and not later and not self._seen:
                return
            self._stop.wait(_PAUSE_SECONDS if later else min(_LOOK_SECONDS, self._settle or _LOOK_SECONDS))

    def _end(self, *_: object) -> None:
        self._stop.set()

    def _make_folders(self) -> None:
        try:
            for name in (TAKEN, REFUSED):
                (self._folder / name).mkdir(exist_ok=True)
        except OSError as error:
            raise CliError(f"{self._folder} cannot be a drop folder: {error.strerror}.") from None

    def _complete(self) -> list[Path]:
        """Files that have stood still for long enough, and that nobody writes to, in the order of their writing."""
        waiting = sorted(self._waiting(), key=lambda one: in_order(one[0], one[1].mtime_ns))
        now, there = monotonic(), dict(waiting)
        known = {file: self._seen.get(file) for file in there}
        self._seen = {
            file: was if (was := known[file]) is not None and was[0] == mark else (mark, now)
            for file, mark in there.items()
        }
        return [
            file for file, (_, since) in self._seen.items() if now - since >= self._settle and not _is_written(file)
        ]

    def _waiting(self) -> Iterator[tuple[Path, Mark]]:
        for file in self._folder.iterdir():
            if file.name.startswith(".") or file.name.lower().endswith(_UNFINISHED) or file.is_symlink():
                continue
            try:
                if file.is_file():
                    yield file, Mark.of(file.stat())
            except FileNotFoundError:
                continue

    def _take(self, file: Path) -> Happened:
        try:
            answer, mark = upload(self._client, file, self._to, lambda _: None)
        except FileAtFaultError as error:
            del self._seen[file]
            return Happened(file, "later", error.message)
        except ApiProblem as problem:
            if problem.reason_code in _THE_FILE_IS_AT_FAULT:
                return self._refused(file, problem)
            if 400 <= problem.status < 500 and problem.status not in (408, 429):
                raise
            return Happened(file, "later", told(problem), others_wait=True)
        except ToldPlainly as error:
            return Happened(file, "later", told(error), others_wait=True)
        if file.exists() and Mark.of(file.stat()) == mark:  # else it is another file already
            self._move(file, TAKEN)
        return Happened(file, "taken", "duplicate" if answer["duplicate"] else "received", answer)

    def _refused(self, file: Path, problem: ApiProblem) -> Happened:
        (self._folder / REFUSED / f"{file.name}.reason.txt").write_text(f"{problem.message}\n", encoding="utf-8")
        self._move(file, REFUSED)
        return Happened(file, "refused", problem.message)

    def _move(self, file: Path, where: str) -> None:
        target, number = self._folder / where / file.name, 1
        while target.exists():
            number += 1
            target = self._folder / where / f"{file.stem}-{number}{file.suffix}"
        file.rename(target)
        self._seen.pop(file, None)


def _is_written(file: Path) -> bool:
    """Whether some process has it open for writing, where the system tells (Linux, local file systems)."""
    set_lease: int | None = getattr(fcntl, "F_SETLEASE", None)
    if set_lease is None:
        return False
    try:
        with file.open("rb") as opened:
            fcntl.fcntl(opened, set_lease, fcntl.F_RDLCK)
            fcntl.fcntl(opened, set_lease, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False
