"""What `ledgersafe up` is: Postgres and the processes that use it, started in order, kept alive, ended in order."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol

import structlog

from ledgersafe.db.embedded import EmbeddedPostgresError, EmbeddedUrls, StartAbandoned, die_with_parent

_CHILDREN_GRACE_SECONDS = 4.0
_POSTGRES_STOP_SECONDS = 5.0
_PREPARE_GRACE_SECONDS = 2.0
_FIRST_DELAY_SECONDS = 0.2
_LONGEST_DELAY_SECONDS = 5.0
_LONG_LIFE_SECONDS = 30.0
_POLL_SECONDS = 0.1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_log = structlog.stdlib.get_logger()


class Postgres(Protocol):
    """As much of `EmbeddedPostgres` as is needed here."""

    @property
    def pid(self) -> int | None:
        """The server's process id, if it was started."""
        ...

    def start(self, abandon: Callable[[], bool] = ...) -> EmbeddedUrls:
        """Start it and wait until it is ready. Raises EmbeddedPostgresError, StartAbandoned."""
        ...

    def stop(self, timeout_seconds: float = ...) -> None:
        """Stop it within the time."""
        ...

    def poll(self) -> int | None:
        """None while it runs, otherwise its exit code."""
        ...


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep alive: its name in the log, its command, and what its environment has besides ours."""

    name: str
    argv: tuple[str, ...] = field(repr=False)
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class BackOff:
    """How long to wait before the next start: doubled at each early death, as at first after a long life. Seconds."""

    def __init__(self) -> None:
        self._delay = _FIRST_DELAY_SECONDS
        self._started = 0.0
        self._due: float | None = None

    def started(self, now: float) -> None:
        """A start has been made."""
        self._started, self._due = now, None

    def ended(self, now: float) -> float:
        """It has ended; returns the wait before the next start, which begins now."""
        if now - self._started >= _LONG_LIFE_SECONDS:
            self._delay = _FIRST_DELAY_SECONDS
        delay, self._delay = self._delay, min(self._delay * 2, _LONGEST_DELAY_SECONDS)
        self._due = now + delay
        return delay

    @property
    def is_waiting(self) -> bool:
        """Whether a death has been reported and no start since."""
        return self._due is not None

    def is_due(self, now: float) -> bool:
        """Whether the wait is over."""
        return self._due is not None and now >= self._due


class _Process:
    """One child, through all its lives."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self._back_off = BackOff()
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; where that fails (no such program) it is tried again like one that died."""
        self._back_off.started(time.monotonic())
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - the caller's own command
                self.child.argv,
                env=os.environ | self.child.env,
                stdin=subprocess.DEVNULL,
                # Ctrl-C at a terminal goes to a whole process group: ending them in order is for us.
                process_group=0,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._popen = None
            _log.error("cannot be started", process=self.child.name, error=str(error))
        else:
            _log.info("started", process=self.child.name, pid=self._popen.pid)

    def tend(self) -> None:
        """Notice that it has ended, and start it again when the time has come."""
        now = time.monotonic()
        if not self._back_off.is_waiting:
            if self.is_running:
                return
            exit_code = None if self._popen is None else self._popen.returncode
            self.kill()
            delay = self._back_off.ended(now)
            _log.warning("ended", process=self.child.name, exit_code=exit_code, again_in_seconds=delay)
        elif self._back_off.is_due(now):
            self.start()

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def terminate(self) -> None:
        """Ask it to end."""
        if self._popen is not None and self.is_running:
            self._popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL for whatever is left of it and of the processes that it has started."""
        if self._popen is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
            self._popen = None


class Supervisor:
    """Starts Postgres (if one is given), calls `prepare` with its URLs (None without), then runs the children.

    Order of `prepare`: after Postgres is ready, before any child starts; it runs in a thread of its own, so that a stop
    need not wait for it. `started`, if given, is called once when all children have been started.
    """

    def __init__(
        self,
        children: Sequence[Child],
        postgres: Postgres | None = None,
        *,
        prepare: Callable[[EmbeddedUrls | None], None] | None = None,
        started: Callable[[], None] | None = None,
    ) -> None:
        self._processes = [_Process(child) for child in children]
        self._postgres = postgres
        self._prepare = prepare
        self._started = started
        self._back_off = BackOff()
        self._stopping = False

    def request_stop(self) -> None:
        """Have `run` end; may be called from a signal handler or another thread."""
        self._stopping = True

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or SIGHUP; then everything is over within 10 seconds. Returns the exit code, 0.

        Call it from the main thread. Raises EmbeddedPostgresError where Postgres does not start the first time, and
        whatever `prepare` raises; nothing runs then.
        """
        before = {number: signal.signal(number, self._on_signal) for number in self._signals()}
        try:
            self._run()
        except StartAbandoned:
            _log.info("stopped while starting")
        finally:
            self._stop()
            for number, handler in before.items():
                signal.signal(number, handler)
        return 0

    def _signals(self) -> list[signal.Signals]:
        # Under nohup the hang-up is ignored, and stays so.
        return [n for n in _STOP_SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._stopping = True

    def _run(self) -> None:
        self._call_prepare(None if self._postgres is None else self._start_postgres(self._postgres))
        for process in self._processes:
            if not self._stopping:
                process.start()
        if self._started is not None and not self._stopping:
            self._started()
        while not self._stopping:
            if self._postgres is not None:
                self._tend_postgres(self._postgres)
            for process in self._processes:
                process.tend()
            time.sleep(_POLL_SECONDS)

    def _start_postgres(self, postgres: Postgres) -> EmbeddedUrls:
        self._back_off.started(time.monotonic())
        urls = postgres.start(lambda: self._stopping)
        _log.info("started", process="postgres", pid=postgres.pid)
        return urls

    def _tend_postgres(self, postgres: Postgres) -> None:
        """Start it again when it has ended; the children wait for it meanwhile, as for any database that is away."""
        now = time.monotonic()
        if not self._back_off.is_waiting:
            if (exit_code := postgres.poll()) is not None:
                delay = self._back_off.ended(now)
                _log.warning("ended", process="postgres", exit_code=exit_code, again_in_seconds=delay)
        elif self._back_off.is_due(now):
            try:
                self._start_postgres(postgres)
            except StartAbandoned:
                raise
            except EmbeddedPostgresError as error:
                delay = self._back_off.ended(time.monotonic())
                _log.error("cannot be started", process="postgres", error=str(error), again_in_seconds=delay)

    def _call_prepare(self, urls: EmbeddedUrls | None) -> None:
        """Run the hook; once a stop is wanted it has a moment to end, then its database goes away under it."""
        if self._prepare is None or self._stopping:
            return
        call = _Call(self._prepare, urls)
        while not call.is_over(_POLL_SECONDS):
            if self._stopping and not call.is_over(_PREPARE_GRACE_SECONDS):
                _log.warning("stopped while preparing")
                return
        if not self._stopping:
            call.raise_its_error()

    def _stop(self) -> None:
        """End the children together, then Postgres: 4 s and 5 s at most."""
        for process in self._processes:
            process.terminate()
        give_up = time.monotonic() + _CHILDREN_GRACE_SECONDS
        while time.monotonic() < give_up and any(process.is_running for process in self._processes):
            time.sleep(0.02)
        late = [process.child.name for process in self._processes if process.is_running]
        for process in self._processes:
            process.kill()
        if self._postgres is not None:
            self._postgres.stop(_POSTGRES_STOP_SECONDS)
        # Only now, as writing fails when whoever read our output has gone.
        _log.info("stopped", killed_as_they_did_not_end=late)


class _Call:
    """The hook in a thread of its own, which does not keep the program alive."""

    def __init__(self, hook: Callable[[EmbeddedUrls | None], None], urls: EmbeddedUrls | None) -> None:
        self._hook, self._urls = hook, urls
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="prepare", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._hook(self._urls)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            self._error = error

    def is_over(self, seconds: float) -> bool:
        """Whether it has ended, after waiting at most so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def raise_its_error(self) -> None:
        """Raise what the hook raised, if anything."""
        if self._error is not None:
            raise self._error
