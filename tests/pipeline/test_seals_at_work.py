"""Seals under way: two sealers at once, one that is killed, and a dump that is restored and goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.db.embedded import EmbeddedUrls, psql_binary, psql_environment
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.pipeline import seal as verb
from ledgersafe.pipeline.promote import promote
from ledgersafe.pipeline.redact import redact_arrival
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.pipeline.seal import seal
from ledgersafe.pipeline.verify_seals import verify_seals
from tests.conftest import TestDatabase
from tests.pipeline.arrivals import ANYBODY
from tests.pipeline.sealing import LONG_AGO, NOW, assert_clean, check, named, received, sealed
from tests.pipeline.verifying import broken

BATCHES = 60
_SEALER = """
import sys
from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline import seal as verb
verb._ROWS, verb._BATCHES = 4, 2
database = Database(sys.argv[1], size=2, role="ledgersafe_app")
print("ready", flush=True)
while True:
    verb.seal(database, SystemClock(), tenant_id=sys.argv[2])
"""


def numbers(connection: psycopg.Connection, tenant: str) -> list[int]:
    sql = "SELECT number FROM audit.seals WHERE tenant_id = %s AND kind = 'arrivals' ORDER BY number"
    return [number for (number,) in connection.execute(sql, [tenant])]


def test_several_sealers_make_one_chain_beside_senders(
    db: Database, superuser: psycopg.Connection, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "_ROWS", 5)
    sending = threading.Event()
    sending.set()

    def keep_sealing(_: int) -> int:
        made = 0
        while sending.is_set():
            made += len(seal(db, ManualClock(NOW), tenant_id=tenant))
        return made

    with ThreadPoolExecutor(4) as threads:
        sealers = [threads.submit(keep_sealing, number) for number in range(3)]
        for number in range(BATCHES):
            received(db, tenant, [f"e{number}", f"faulty-{number}"], NOW)
        sending.clear()
        assert sum(each.result() for each in sealers) > 0
    sealed(db, tenant)
    made = numbers(superuser, tenant)
    assert made == list(range(1, len(made) + 1))
    assert check(db, tenant).rows == 2 * BATCHES
    assert_clean(db, tenant)


def test_a_batch_that_commits_late_is_sealed_too(db: Database, books: TestDatabase, tenant: str) -> None:
    """Its id is lower than those of batches that are sealed already."""
    with psycopg.connect(books.superuser_url) as slow:
        slow.execute(
            "INSERT INTO audit.batches VALUES (%s, %s, %s)",
            [tenant, UUID(int=7 << 64), [UUID(int=7 << 64)]],
        )
        columns = "tenant_id, audit_id, occurred_at, actor, action, object_type, object_id"
        slow.execute(
            f"INSERT INTO audit.audit_log ({columns}) VALUES (%s, %s, %s, 'x', 'x', 'x', 'x')",
            [tenant, UUID(int=7 << 64), NOW],
        )
        received(db, tenant, ["faulty"], NOW)
        sealed(db, tenant)
        slow.commit()
    assert check(db, tenant, "audit").pending == 1
    assert [each.chain.kind for each in sealed(db, tenant)] == ["audit"]
    assert_clean(db, tenant)


def test_a_sealer_that_is_killed_leaves_a_whole_chain(
    db: Database, books: TestDatabase, superuser: psycopg.Connection, tenant: str
) -> None:
    for round_number in range(4):
        for number in range(40):
            received(db, tenant, [f"e{round_number}-{number}", f"faulty-{round_number}-{number}"], NOW)
        before = len(numbers(superuser, tenant))
        command = [sys.executable, "-c", _SEALER, books.app_url, tenant]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        end = time.monotonic() + 20
        while len(numbers(superuser, tenant)) < before + 2 + round_number and time.monotonic() < end:
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        made = numbers(superuser, tenant)
        assert made == list(range(1, len(made) + 1))
        assert len(made) > before
        assert_clean(db, tenant)
    sealed(db, tenant)
    assert check(db, tenant).rows == 320
    assert_clean(db, tenant)


def _program(name: str, url: str, *arguments: str) -> None:
    environment = os.environ | psql_environment(url)
    subprocess.run([str(psql_binary().with_name(name)), *arguments], env=environment, check=True, capture_output=True)


def test_a_dump_is_restored_and_goes_on(
    new_database: Callable[[], TestDatabase], postgres: EmbeddedUrls, tenant: str, tmp_path: Path
) -> None:
    """Dump, restore into a fresh database, go on there: books and seals hold, and still tell what is altered."""
    of = new_database()
    db = of.open(size=4)
    names = received(db, tenant, ["a", "b", "faulty-é"], currency="EUR")
    promote(db, tenant, NOW)
    redact_arrival(db, tenant, UUID(names["b"]), "law", Operator(ANYBODY, NOW, 600))
    sealed(db, tenant)
    received(db, tenant, ["waits", "faulty-2"], NOW)
    heads = {each.kind: each.head_hash for each in verify_seals(db, datetime.now(UTC), tenant)}
    db.close()
    dump = tmp_path / "dump"
    _program("pg_dump", of.superuser_url, "--format=custom", f"--file={dump}")
    name = f"restored_{os.getpid()}"
    with psycopg.connect(postgres.superuser.replace("/ledgersafe?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER ledgersafe_owner")
    urls = [url.replace("/ledgersafe?", f"/{name}?") for url in (postgres.app, postgres.owner, postgres.superuser)]
    restored = TestDatabase(*urls)
    _program("pg_restore", restored.superuser_url, "--exit-on-error", f"--dbname={name}", str(dump))
    db = restored.open(size=4)
    assert {each.kind: each.head_hash for each in verify_seals(db, datetime.now(UTC), tenant)} == heads
    received(db, tenant, ["c", "faulty-3"], NOW + timedelta(minutes=1))
    promote(db, tenant, NOW)
    sealed(db, tenant, NOW + timedelta(minutes=2))
    assert_clean(db, tenant)
    found = check(db, tenant)
    assert (found.rows, found.pending, [str(one) for one in found.redacted]) == (7, 0, [names["b"]])
    assert broken(db, tenant) == {tenant: set()}
    with psycopg.connect(restored.superuser_url, autocommit=True) as superuser:
        superuser.execute("UPDATE bronze.events_raw SET body = body || ' ' WHERE raw_id = %s", [names["a"]])
    assert named(check(db, tenant)) == [("ROW_ALTERED", names["a"])]
    db.close()


def test_the_worker_seals(new_database: Callable[[], TestDatabase], tenant: str) -> None:
    """As a job, by itself."""
    of = new_database()
    db = of.open(size=2)
    received(db, tenant, ["a", "faulty"], LONG_AGO)
    environment = os.environ | {"LEDGERSAFE_DATABASE_URL": of.app_url, "LEDGERSAFE_LOG_LEVEL": "warning"}
    worker = subprocess.Popen([sys.executable, "-m", "ledgersafe", "work"], env=environment)
    try:
        end = time.monotonic() + 30
        while any(each.pending for each in verify_seals(db, datetime.now(UTC), tenant)) and time.monotonic() < end:
            time.sleep(0.1)
    finally:
        worker.terminate()
        worker.wait(10)
    assert {each.kind: (each.seals, each.pending) for each in verify_seals(db, datetime.now(UTC), tenant)} == {
        "arrivals": (1, 0),
        "audit": (1, 0),
    }
    assert_clean(db, tenant)
    db.close()
