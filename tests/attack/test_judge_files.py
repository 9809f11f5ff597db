"""The judge of deliveries sees what it is there to see: each of its checks, against a planted violation."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from ledgersafe.storage.local import LocalZone
from tests.attack.judge_files import FILE_CHECKS, Case, ZoneWatch, broken_files, faults_of_book, faults_of_case, opened
from tests.attack.recipes import CONTRACTS, Recipe, make
from tests.attack.senders import Ack, Book
from tests.conftest import TestDatabase
from tests.pipeline.delivering import Desk
from tests.pipeline.posting import Till

RECIPES = [
    Recipe(1, "stock", "north", 1, 0, 3_000, ""),
    Recipe(2, "stock", "north", 1, 1, 3_000, "twice"),
    Recipe(3, "stock", "north", 1, 2, 3_000, "drifted"),
    Recipe(4, "stock", "north", 4, 0, 3_000, "cut"),
    Recipe(5, "prices", "north", 5, 0, 500, ""),
    Recipe(6, "prices", "north", 6, 0, 500, "spoiled"),
    Recipe(7, "prices", "north", 7, 0, 500, "drifted"),
    Recipe(8, "sales", "north", 8, 0, 4_000, ""),
    Recipe(9, "sales", "north", 8, 1, 4_000, "drifted"),
]
PLANTED: dict[str, list[str]] = {
    "what was received is recorded, and ended as its file says": [
        "UPDATE files.ingestions SET rows_ok = rows_ok - 1 WHERE filename = 'stock-1.csv'",
        "UPDATE files.ingestions SET status = 'failed', reason_code = 'INTERNAL_ERROR' WHERE filename = 'sales-8.csv'",
        "UPDATE files.ingestions SET sha256 = sha256('x') WHERE filename = 'stock-1.csv'",
        "UPDATE files.ingestions SET ingestion_id = gen_random_uuid() WHERE filename = 'stock-4.csv.gz'",
    ],
    "bad rows are kept, each once": [
        "DELETE FROM files.bad_rows WHERE row_number % 2 = 0",
        "UPDATE files.bad_rows SET row_number = 9999 WHERE row_number = (SELECT max(row_number) FROM files.bad_rows)",
        'UPDATE files.bad_rows SET faults = \'[{"rule": "max"}]\' WHERE row_number = (SELECT max(row_number) FROM files.bad_rows)',
    ],
    "the tables hold each key once, as it was merged": [
        "DELETE FROM files.curated_stock WHERE sku = 'n1-000004'",
        "UPDATE files.curated_stock SET qty = qty + 1 WHERE sku = 'n1-000004'",
        "UPDATE files.curated_prices SET _row_number = 0 WHERE sku = 'n5-000004'",
        "UPDATE files.curated_prices SET sku = 'n6-000004' WHERE sku = 'n5-000004'",
        "UPDATE files.curated_stock SET _ingestion_id = gen_random_uuid() WHERE sku = 'n1-000004'",
    ],
    "an event arrived once from each delivery of it": [
        "DELETE FROM bronze.events_raw WHERE event_id = 'till-n8-3'",
        "UPDATE bronze.events_raw SET event_id = 'till-n8-3' WHERE event_id = 'till-n8-4'",
    ],
    "what became of events is counted": [
        "UPDATE files.ingestions SET events_done = events_done + 1 WHERE filename = 'sales-8.csv'",
        "UPDATE files.ingestions SET outcomes = '{}' WHERE filename = 'sales-8.csv'",
        """UPDATE files.ingestions SET outcomes = json_build_object('processed', events_done) WHERE filename = 'sales-9.csv'""",
    ],
    "receipts are posted as delivered": [
        "DELETE FROM silver.transactions WHERE event_id = 'till-n8-3'",
        "UPDATE silver.transactions SET total = total + 0.01 WHERE event_id = 'till-n8-3'",
    ],
    "each header is counted once a delivery": [
        "UPDATE files.schema_history SET deliveries = deliveries + 1 WHERE dataset = 'stock'",
    ],
}


@pytest.fixture(scope="module")
def delivered(
    new_database: Callable[[], TestDatabase], tmp_path_factory: pytest.TempPathFactory
) -> tuple[TestDatabase, Book]:
    """Every kind of file, worked off."""
    of, book = new_database(), Book()
    database = of.open(size=4)
    with psycopg.connect(of.superuser_url, autocommit=True) as superuser:
        till = Till(database, superuser, "north", datetime.now(UTC))
        desk = Desk(database, superuser, till.tenant, tmp_path_factory.mktemp("desk"))
        for members in CONTRACTS:
            desk.put(members)
        for recipe in RECIPES:
            body = make(recipe).body
            done = desk.deliver(recipe.dataset, recipe.filename, body)
            book.recipes[recipe.number] = recipe
            told = Ack(str(done.ingestion_id), duplicate=False, sha256=done.sha256.hex(), size=len(body))
            book.acks[recipe.number].append(told)
        till.drain()
    database.close()
    return of, book


@pytest.fixture
def planting(delivered: tuple[TestDatabase, Book]) -> Iterator[tuple[psycopg.Connection, Case]]:
    """A transaction of the superuser that is rolled back; no key and no constraint stands against what is planted."""
    with psycopg.connect(delivered[0].superuser_url) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection, opened(connection, delivered[1])
        connection.rollback()


def test_of_what_is_right_nothing_is_said(
    planting: tuple[psycopg.Connection, Case], delivered: tuple[TestDatabase, Book]
) -> None:
    assert faults_of_case(*planting) == []
    assert faults_of_book(delivered[1]) == []


@pytest.mark.parametrize(("name", "sql"), [(name, sql) for name, sqls in PLANTED.items() for sql in sqls])
def test_each_check_finds_its_violation(planting: tuple[psycopg.Connection, Case], name: str, sql: str) -> None:
    changed = planting[0].execute(sql.encode()).rowcount
    assert changed > 0
    assert broken_files(*planting, name) != []


def test_every_check_has_a_planted_violation() -> None:
    assert FILE_CHECKS.keys() == PLANTED.keys()


def test_what_senders_were_told_is_judged() -> None:
    told = Ack("a", duplicate=False, sha256="", size=1)
    book = Book({1: RECIPES[0]}, defaultdict(list, {1: [told, replace(told, duplicate=True)]}))
    assert faults_of_book(book) == []
    book.acks[1] = [told, replace(told, ingestion_id="b", duplicate=True)]
    assert [fault.partition(":")[0] for fault in faults_of_book(book)] == ["one file, several deliveries"]
    book.acks[1] = [told, told]
    assert [fault.partition(":")[0] for fault in faults_of_book(book)] == ["one file, several deliveries"]
    book.acks[1] = []
    assert faults_of_book(book) == ["never received: 1"]
    assert faults_of_book(Book(odd=["500"])) == ["an answer that no sender should get: 500"]


@pytest.fixture
def kept(tmp_path: Path) -> tuple[ZoneWatch, Path]:
    """A zone with one file, that was looked at."""
    zone, watch = LocalZone(tmp_path), ZoneWatch(tmp_path)
    temporary = zone.temporary()
    temporary.write_bytes(b"a,b\n1,2\n")
    digest = hashlib.sha256(b"a,b\n1,2\n").digest()
    path = tmp_path / zone.keep(temporary, "north", "stock", datetime.now(UTC).date(), digest, ".csv")
    zone.temporary()
    watch.look()
    assert watch.faults == []
    return watch, path


def _written_over(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"a,b\n1,3\n")
    path.chmod(0o444)


def _put_anew(path: Path) -> None:
    body = path.read_bytes()
    path.unlink()
    path.with_name("other").write_bytes(b"")
    path.write_bytes(body)
    path.chmod(0o444)
    path.with_name("other").unlink()


def _half(path: Path) -> None:
    other = path.with_name(f"{'0' * 64}.csv")
    other.write_bytes(b"a,b")
    other.chmod(0o444)


HARM: dict[str, Callable[[Path], object]] = {
    "written over": _written_over,
    "put anew": _put_anew,
    "gone": lambda path: path.unlink(),
    "writable": lambda path: path.chmod(0o644),
    "half": _half,
    "a leftover": lambda path: path.with_name("x.part").write_bytes(b""),
    "something else among what comes in": lambda path: (path.parents[3] / ".incoming" / "x.csv").write_bytes(b""),
}


@pytest.mark.parametrize("harm", HARM)
def test_the_zone_is_watched(kept: tuple[ZoneWatch, Path], harm: str) -> None:
    watch, path = kept
    HARM[harm](path)
    watch.look()
    assert watch.faults != []
