"""Real parts for every test: an embedded Postgres, a migrated template that is cloned, API processes."""

import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from ledgersafe.bootstrap import configure_logging
from ledgersafe.db.database import Database
from ledgersafe.db.embedded import EmbeddedPostgres, EmbeddedUrls
from ledgersafe.db.migrate import migrate
from ledgersafe.pipeline.keys import OWNER, Wish, create_key
from ledgersafe.pipeline.partition import make_partitions
from ledgersafe.settings import Settings
from ledgersafe.tenants.rules import SCOPES
from tests.warm import warm_environment

SHARED = Path(__file__).resolve().parents[2] / "shared"
_TEMPLATE = "ledgersafe_template"
_numbers = itertools.count(1)

PLAIN: dict[str, Any] = {"trust_env": False, "verify": ssl.create_default_context()}
"""For clients of our own API. Each client of httpx would load the machine's certificates anew, for 15 ms."""

# Many processes start here, and each would otherwise compile every module anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


class ForgetfulPostgres(EmbeddedPostgres):
    """One that does not wait for its disk: its data need not outlive a failure of the power."""

    def _options(self, sockets: Path) -> list[str]:
        return [*super()._options(sockets), "-c", "fsync=off", "-c", "full_page_writes=off"]


@dataclass(frozen=True, slots=True)
class TestDatabase:
    """One database of its own, by URL."""

    __test__ = False

    app_url: str
    owner_url: str
    superuser_url: str

    def open(self, size: int = 10) -> Database:
        """A pool, acting as the application's role."""
        return Database(self.app_url, size=size, role="ledgersafe_app")


@dataclass(slots=True)
class Api:
    """A running API process, and a key for all tenants with all scopes."""

    process: subprocess.Popen[bytes]
    url: str
    key: str
    database: TestDatabase

    def client(self, key: str | None = None, **options: object) -> httpx.Client:
        """An HTTP client with a key (by default the almighty one)."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, **PLAIN, **options)

    def new_key(self, *, tenants: list[str] | None, scopes: list[str]) -> str:
        """The token of a fresh key."""
        return make_token(self.database, tenants=tenants, scopes=scopes)


@pytest.fixture(scope="session", autouse=True)
def logging_as_in_service() -> None:
    """Lines of JSON, also from what runs in this process. Unconfigured, each traceback is drawn, for up to a second."""
    configure_logging(Settings(log_format="json", log_level="info"))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedUrls]:
    """One embedded Postgres for this test process."""
    server = ForgetfulPostgres(tmp_path_factory.mktemp("postgres"))
    urls = server.start()
    migrate(urls.owner, datetime.now(UTC))
    database = Database(urls.app, size=2, role="ledgersafe_app")
    make_partitions(database, datetime.now(UTC))
    database.close()
    with psycopg.connect(urls.superuser.replace("/ledgersafe?", "/postgres?"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE ledgersafe").format(sql.Identifier(_TEMPLATE)))
    yield urls
    server.stop()


@pytest.fixture(scope="session")
def new_database(postgres: EmbeddedUrls) -> Callable[[], TestDatabase]:
    """Makes databases: each call clones the migrated template (about 80 ms)."""

    def make() -> TestDatabase:
        name = f"test_{next(_numbers)}"
        with psycopg.connect(postgres.superuser.replace("/ledgersafe?", "/postgres?"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER ledgersafe_owner").format(
                    sql.Identifier(name), sql.Identifier(_TEMPLATE)
                )
            )
        urls = (url.replace("/ledgersafe?", f"/{name}?") for url in (postgres.app, postgres.owner, postgres.superuser))
        return TestDatabase(*urls)

    return make


@pytest.fixture
def test_database(new_database: Callable[[], TestDatabase]) -> TestDatabase:
    """A database of this test's own."""
    return new_database()


@pytest.fixture
def database(test_database: TestDatabase) -> Iterator[Database]:
    """The same, opened as the application's role."""
    opened = test_database.open()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def start_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Api]]:
    """Starts API processes on a database; all are ended with the test session."""
    started: list[subprocess.Popen[bytes]] = []

    def start(of: TestDatabase, *, port: int | None = None, **settings: str) -> Api:
        raw_zone = {} if "raw_zone" in settings else {"raw_zone": str(tmp_path_factory.mktemp("raw"))}
        api = launch_api(of, port=port, **raw_zone, **settings)
        started.append(api.process)
        return api

    yield start
    for process in started:
        stop(process)


@pytest.fixture(scope="session")
def api(new_database: Callable[[], TestDatabase], start_api: Callable[..., Api]) -> Api:
    """One API process for all tests that keep to tenants of their own."""
    return start_api(new_database())


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test uses."""
    return f"tenant-{os.getpid()}-{next(_numbers)}"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real data beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"the real data is not here: {SHARED} is absent")
    return SHARED


def launch_api(of: TestDatabase, *, port: int | None = None, **settings: str) -> Api:
    """Start `ledgersafe serve` and wait until it is ready. `settings`: LEDGERSAFE_* without the prefix."""
    port = port or free_port()
    environment = clean_environment() | {
        "LEDGERSAFE_DATABASE_URL": of.app_url,
        "LEDGERSAFE_OWNER_DATABASE_URL": of.owner_url,
        "LEDGERSAFE_LOG_LEVEL": "warning",
    }
    environment |= {f"LEDGERSAFE_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "ledgersafe", "serve", "--port", str(port)], env=environment, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
    except BaseException:
        stop(process)
        raise
    return Api(process, url, make_token(of, tenants=None, scopes=list(SCOPES)), of)


def clean_environment() -> dict[str, str]:
    """This environment without any LEDGERSAFE_* of it. Commands that are run in it start warm (see tests/warm)."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEDGERSAFE_")}
    return clean | warm_environment()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Return when /readyz is 200."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode} before it was ready")
        try:
            if httpx.get(f"{url}/readyz", **PLAIN).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{url} was not ready within {seconds} s")


def make_token(of: TestDatabase, *, tenants: list[str] | None, scopes: list[str]) -> str:
    """The token of a fresh key."""
    database = of.open(size=2)
    try:
        return create_key(database, Wish("test", tenants, scopes), OWNER, datetime.now(UTC)).token
    finally:
        database.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that a test started, by its pid."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A TCP port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
