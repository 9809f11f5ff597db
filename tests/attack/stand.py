"""A whole Ledgersafe to be ill-treated: a Postgres of its own, API processes and a worker that can be killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from ledgersafe.db.embedded import EmbeddedPostgres, die_with_parent
from ledgersafe.db.migrate import migrate
from ledgersafe.pipeline.partition import make_partitions
from ledgersafe.tenants.rules import SCOPES
from tests.attack.clients import Load, Log
from tests.attack.traffic import Traffic
from tests.conftest import Api, TestDatabase, clean_environment, free_port, make_token, stop, wait_until_ready

FULL = os.environ.get("FULL") == "1"
_REPOSITORY = Path(__file__).resolve().parents[2]


def fresh_seed() -> int:
    """What all randomness of a test comes from: ATTACK_SEED, or a fresh one, which is printed."""
    seed = int(os.environ.get("ATTACK_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"ATTACK_SEED={seed}")
    return seed


class Program:
    """One of our programs with its settings, that can be killed and started again."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self._command = command
        self.environment = dict(environment)
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; call it from the main thread, with which it dies."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self._command], cwd=_REPOSITORY, env=self.environment, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent(signal.SIGKILL),
            )  # fmt: skip
        return self.process

    def kill(self) -> None:
        """By SIGKILL, at once."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """In order."""
        if self.process is not None:
            stop(self.process)


class Stand:
    """Parts that are started, killed and started again. `settings`: LEDGERSAFE_* of every process, without the prefix.

    `module`: what serves, so that a test can put a launcher before the product. `clocks`: a file of `shifted` for each
    API process. `logs`: where the processes write to, if not into the same folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        apis: int = 2,
        module: Sequence[str] = ("ledgersafe",),
        clocks: Sequence[Path] = (),
        logs: Path | None = None,
        **settings: str,
    ) -> None:
        self.folder = folder
        self._logs = logs or folder
        self.server = EmbeddedPostgres(folder / "data")
        urls = self.server.start()
        self.of = TestDatabase(urls.app, urls.owner, urls.superuser)
        migrate(urls.owner, datetime.now(UTC))
        database = self.of.open(size=2)
        make_partitions(database, datetime.now(UTC))
        database.close()
        self.key = make_token(self.of, tenants=None, scopes=list(SCOPES))
        self._environment = clean_environment() | {
            "LEDGERSAFE_DATABASE_URL": urls.app,
            "LEDGERSAFE_LOG_LEVEL": "warning",
            **{f"LEDGERSAFE_{name.upper()}": value for name, value in settings.items()},
        }
        self.ports = [free_port() for _ in range(apis)]
        self.apis = {port: self._program(f"api-{port}", *module, "serve", "--port", str(port)) for port in self.ports}
        for port, clock in zip(self.ports, clocks, strict=False):
            self.apis[port].environment["ATTACK_CLOCK"] = str(clock)
        self.worker = self._program("worker", "ledgersafe", "work")

    def start(self) -> "Stand":
        """Start the API processes; the worker is for who wants it."""
        for program in self.apis.values():
            program.start()
        for port in self.ports:
            self.wait_for(port)
        return self

    def stop(self) -> None:
        """End everything, whatever state it is in."""
        for program in [*self.apis.values(), self.worker]:
            program.stop()
        self.server.stop()

    @contextmanager
    def late_api(self) -> Generator[int]:
        """One more API process for a while, started whatever state the database is in; its port."""
        port = free_port()
        program = self._program(f"api-{port}", "ledgersafe", "serve", "--port", str(port))
        program.start()
        try:
            yield port
        finally:
            program.stop()

    def wait_for(self, port: int) -> None:
        """Return when that process is ready."""
        process = self.apis[port].process
        assert process is not None
        wait_until_ready(self.url(port), process)

    def url(self, port: int) -> str:
        """Where a process is."""
        return f"http://127.0.0.1:{port}"

    def api(self, at: int = 0) -> Api:
        """One of the API processes, for tests that ask it."""
        port = self.ports[at]
        process = self.apis[port].process
        assert process is not None
        return Api(process, self.url(port), self.key, self.of)

    def pids(self) -> list[int]:
        """Of the API processes: the same ones before and after mean that none was started anew."""
        return [program.process.pid for program in self.apis.values() if program.process is not None]

    def load(self, log: Log, traffic: Traffic, **options: float) -> Load:
        """Clients of all API processes, started."""
        return Load(self.ports, self.key, log, traffic, **options).start()  # type: ignore[arg-type]

    def rows(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """What the superuser reads, or does."""
        with psycopg.connect(self.of.superuser_url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def kill_postgres(self) -> None:
        """SIGKILL for the postmaster; its sessions notice by themselves."""
        assert self.server.pid is not None
        os.kill(self.server.pid, signal.SIGKILL)
        eventually(lambda: self.server.poll() is not None)

    def kill_session(self) -> None:
        """SIGKILL for one server process that works for us, as a machine short of memory would do."""
        sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'ledgersafe' ORDER BY random() LIMIT 1"
        for (pid,) in self.rows(sql):
            os.kill(int(str(pid)), signal.SIGKILL)

    def _program(self, name: str, *command: str) -> Program:
        return Program(command, self._environment, self._logs / f"{name}.log")


@contextmanager
def standing(folder: Path, **options: object) -> Generator[Stand]:
    """A stand for as long as the block lasts."""
    stand = Stand(folder, **options)  # type: ignore[arg-type]
    try:
        yield stand.start()
    finally:
        stand.stop()


def eventually(happened: Callable[[], object], seconds: float = 30) -> float:
    """Wait until something happens; returns how long it took. Raises AssertionError."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < seconds, f"it did not happen within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began
