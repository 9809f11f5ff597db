"""What is measured against: an embedded Postgres of its own, databases in it, and API processes on them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from ledgersafe.db.database import Database
from ledgersafe.db.embedded import EmbeddedPostgres, EmbeddedUrls, die_with_parent
from ledgersafe.db.migrate import migrate
from ledgersafe.pipeline.keys import OWNER, Wish, create_key
from ledgersafe.pipeline.partition import make_partitions

TENANTS = ("bench", "quiet", "flood")
STORED_DAYS = 20
"""How far back stored events may lie: their partitions are there."""
_CONNECTIONS = 200
_PROVEN = ("fsync", "synchronous_commit", "full_page_writes")
_SHOWN = (
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "wal_compression",
    "data_checksums",
    "max_connections",
)
_EMPTY = (
    "TRUNCATE bronze.events_raw, bronze.rejected, bronze.batches, gate.events_processed, gate.other_payloads, "
    "gate.later_arrivals, gate.source_events, gate.to_post, gate.counters, quarantine.exceptions, audit.audit_log"
)


class NotDurable(Exception):
    """The server may lose what it has acknowledged: its numbers would mean nothing."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. `keys`: a token of each tenant, and of all of them under "all"."""

    pid: int
    folder: Path
    install: Path
    urls: EmbeddedUrls
    keys: dict[str, str]

    def app_url(self, database: str) -> str:
        """Where the application connects."""
        return _in_database(self.urls.app, database)

    def clone(self, database: str, template: str = "ledgersafe") -> None:
        """Make a database as another one is; by default with the schema, the partitions and the keys, and no events."""
        with _connect(self.urls.superuser, "postgres") as connection:
            names = sql.Identifier(database), sql.Identifier(template)
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))

    def drop(self, database: str) -> None:
        """Have a database no more, if there is one."""
        with _connect(self.urls.superuser, "postgres") as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(database)))

    def empty(self, database: str) -> None:
        """Take every event out of a database, so that whoever runs next meets what the one before met."""
        with self.superuser(database) as connection:
            connection.execute(_EMPTY)
            connection.execute("CHECKPOINT")

    def superuser(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        """A connection that may do everything, with autocommit."""
        return _connect(self.urls.superuser, database)

    def log_position(self) -> int:
        """How many bytes of write-ahead log there have been."""
        with self.superuser("postgres") as connection:
            row = connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint").fetchone()
        assert row is not None
        return int(str(row[0]))

    def settings(self) -> dict[str, str]:
        """What the server says of itself to the application. Raises NotDurable."""
        with psycopg.connect(self.urls.app) as connection:
            found = {name: _show(connection, name) for name in (*_PROVEN, *_SHOWN)}
            found["postgres"] = _show(connection, "server_version")
        if loose := [name for name in _PROVEN if found[name] != "on"]:
            raise NotDurable(f"not measured: {', '.join(loose)} is not on")
        return found


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A fresh server with the settings that Ledgersafe ships, in a folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ledgersafe-bench-"))
    server = EmbeddedPostgres(folder)
    try:
        urls = server.start()
        with _connect(urls.superuser, "postgres") as connection:  # all peers together need more than is shipped
            connection.execute(sql.SQL("ALTER SYSTEM SET max_connections = {}").format(sql.Literal(_CONNECTIONS)))
        server.stop(60)
        urls = server.start()
        keys = _prepare(urls)
        assert server.pid is not None
        install = Path(f"/proc/{server.pid}/exe").resolve().parents[1]
        yield Postgres(server.pid, folder, install, urls, keys)
    finally:
        server.stop(60)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Api:
    """A running API process."""

    url: str
    pid: int


@contextmanager
def api(database_url: str, *command: str) -> Iterator[Api]:
    """An API process: `python -m COMMAND PORT`, with the settings of the environment. By default Ledgersafe's own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with _running(database_url, *(command or ("ledgersafe", "serve", "--port")), str(port)) as process:
        _wait(url, process)
        yield Api(url, process.pid)


@contextmanager
def worker(database_url: str) -> Iterator[int]:
    """Ledgersafe's worker, which posts and refreshes; its process id."""
    with _running(database_url, "ledgersafe", "work") as process:
        yield process.pid


@contextmanager
def console(of: Api) -> Iterator[Api]:
    """The console of an API, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with _running(None, "ledgersafe", "console", "--port", str(port), LEDGERSAFE_URL=of.url) as process:
        _wait(url, process, "/livez")
        yield Api(url, process.pid)


@contextmanager
def _running(database_url: str | None, *words: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process: `python -m WORDS`, with the settings of the environment; it is ended with the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEDGERSAFE_")}
    settings |= {"LEDGERSAFE_DATABASE_URL": database_url} if database_url else {}
    environment = kept | {"LEDGERSAFE_LOG_LEVEL": "warning"} | settings
    process = subprocess.Popen(
        [sys.executable, "-m", *words], env=environment, preexec_fn=die_with_parent(signal.SIGTERM)
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _prepare(urls: EmbeddedUrls) -> dict[str, str]:
    """Migrate the database that all others are cloned from, and make the keys."""
    now = datetime.now(UTC)
    migrate(urls.owner, now)
    database = Database(urls.app, size=2, role="ledgersafe_app")
    try:
        make_partitions(database, now - timedelta(days=STORED_DAYS))
        make_partitions(database, now)
        everybody = Wish("bench", None, ["ingest", "read"])
        keys = {"all": create_key(database, everybody, OWNER, now).token}
        with psycopg.connect(urls.owner) as connection:
            for tenant in TENANTS:
                connection.execute(
                    "INSERT INTO tenants.tenants (tenant_id, created_at, created_by) VALUES (%s, %s, 'bench')",
                    (tenant, now),
                )
        for tenant in TENANTS:
            keys[tenant] = create_key(database, Wish(tenant, [tenant], ["ingest", "read"]), OWNER, now).token
    finally:
        database.close()
    return keys


def _connect(url: str, database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(_in_database(url, database), autocommit=True)


def _in_database(url: str, database: str) -> str:
    return url.replace("/ledgersafe?", f"/{database}?")


def _show(connection: psycopg.Connection[tuple[object, ...]], name: str) -> str:
    row = connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone()
    assert row is not None
    return str(row[0])


def _wait(url: str, process: subprocess.Popen[bytes], path: str = "/readyz") -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}{path}", timeout=5)  # noqa: S310 - our own loopback address
        except OSError:
            if process.poll() is not None:
                raise SystemExit(f"{process.args!r} ended with {process.returncode}") from None
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{url} did not become ready")
