"""Large files: a worker takes them in bounded memory, whatever is in them. FULL=1: 5 GB, else 200 MB."""

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, repeat
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.files import store as files
from ledgersafe.kernel.ids import new_id
from tests.conftest import TestDatabase

pytestmark = [pytest.mark.attack, pytest.mark.timeout(3_600)]
FULL = os.environ.get("FULL") == "1"
SIZE = 5_000_000_000 if FULL else 200_000_000
MOST_BYTES = 2**30
TENANT, DATASET = "shop", "sales"
COLUMNS: dict[str, Any] = {
    "id": {"type": "integer", "required": True}, "day": {"type": "date"}, "at": {"type": "datetime"},
    "store": {}, "sku": {}, "qty": {"type": "integer"}, "price": {"type": "decimal(12,2)"},
    "amount": {"type": "decimal(14,2)"}, "paid": {"type": "boolean"}, "note": {},
}  # fmt: skip
TABLE = {"dataset": DATASET, "columns": COLUMNS}
EVENTS: dict[str, Any] = TABLE | {
    "kind": "events",
    "events": {
        "group_by": ["id"],
        "event_type": "SALE",
        "fields": {
            "event_id": {"template": "e-{id}"}, "txn_id": {"template": "{id}"},
            "store_id": {"column": "store", "take": "first"},
            "occurred_at": {"column": "at"}, "currency": {"constant": "EUR"}, "total_amount": {"sum": "amount"},
        },
        "lines": {"sku": {"column": "sku"}, "qty": {"column": "qty"}, "amount": {"column": "amount"}},
    },
}  # fmt: skip
_WORKER = """
import os, sys
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID
from ledgersafe.db.database import Database
from ledgersafe.files import store as files
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline import deliver

@contextmanager
def open_raw(raw_path):
    yield Path(raw_path)

database = Database(sys.argv[1], size=4, role="ledgersafe_app")
desk = deliver.Desk(database, open_raw, SystemClock(), slot=1, future_seconds=600)
taken = deliver.claim(database, files.IngestionName(sys.argv[2], UUID(sys.argv[3])), desk.clock)
deliver.deliver(desk, *taken)
database.close()
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1], flush=True)
os._exit(0)  # Arrow's threads may be at work still, and abort a process that ends
"""


@dataclass(frozen=True, slots=True)
class Done:
    """How a delivery ended, and how much memory its worker ever had."""

    ingestion: files.Ingestion
    peak: int


def worked_off(of: TestDatabase, contract: dict[str, Any], path: Path) -> Done:
    """A file in the hands of a worker of its own."""
    database = of.open(size=2)
    now, new = datetime.now(UTC), _new(path)
    with database.transaction() as tx:
        files.insert_contract(tx, TENANT, DATASET, 1, json.dumps(contract), now, "test", None)
        files.insert_ingestion(tx, new, now, "test")
    command = [sys.executable, "-c", _WORKER, of.app_url, TENANT, new.ingestion_id]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = Done(_found(database, new.ingestion_id), int(told.split()[-1]) * 1024)
    database.close()
    print(f"{path.name}: {path.stat().st_size:,} bytes, peak {found.peak / 2**20:,.0f} MiB, {found.ingestion.status}")
    return found


def _new(path: Path) -> files.NewIngestion:
    return files.NewIngestion(
        TENANT, new_id(), DATASET, path.name, None, os.urandom(32), path.stat().st_size, str(path)
    )


def _found(database: Database, ingestion_id: str) -> files.Ingestion:
    with database.snapshot() as tx:
        return files.ingestion(tx, TENANT, UUID(ingestion_id)).one()


def lines(number: int) -> str:
    """A thousand rows."""
    return "".join(
        f"{at},2026-05-03,2026-05-03T10:{at % 60:02}:00Z,shop-{at % 90},sku-{at % 5_000},{at % 9},12.50,{at % 700}.25,"
        f"true,{'note ' * (at % 40)}\n"
        for at in range(number * 1_000, (number + 1) * 1_000)
    )


def written(path: Path, parts: Iterator[bytes], size: int) -> int:
    """As many parts as make up that size; how many those were."""
    parts_written = 0
    with path.open("wb") as file:
        for part in parts:
            if file.tell() >= size:
                break
            file.write(part)
            parts_written += 1
    return parts_written


def rows(make: Callable[[int], str], header: str = ",".join(COLUMNS) + "\n") -> Iterator[bytes]:
    yield header.encode()
    number = 0
    while True:
        yield make(number).encode(errors="surrogateescape")
        number += 1


def test_a_large_file_of_good_rows(test_database: TestDatabase, tmp_path: Path) -> None:
    path = tmp_path / "good.csv"
    count = (written(path, rows(lines), SIZE) - 1) * 1_000
    done = worked_off(test_database, TABLE, path)
    assert (done.ingestion.status, done.ingestion.rows_ok, done.ingestion.rows_bad) == ("succeeded", count, 0)
    with psycopg.connect(test_database.superuser_url) as connection:
        assert connection.execute("SELECT count(*) FROM files.curated_sales").fetchone() == (count,)
    assert done.peak < MOST_BYTES


HOSTILE: dict[str, Callable[[int], str]] = {
    "ragged.csv": lambda _: "1,2\n" * 1_000,
    "wrong.csv": lambda number: lines(number).replace("2026-05-03,", "never,"),
    "quotes.csv": lambda _: '1,2026-05-03,,"' + "x\n" * 400 + '",,,,,,\n',
    "long.csv": lambda _: "1,2026-05-03,,,,,,,," + "é" * 3_000_000 + "\n",
    "western.csv": lambda number: lines(number).replace("note", "n\udce9te"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_large_file_of_odd_rows(test_database: TestDatabase, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    written(path, rows(HOSTILE[name]), SIZE // 5)
    done = worked_off(test_database, TABLE, path)
    ended = ("quarantined", "TOO_MANY_BAD_ROWS") if name == "ragged.csv" else ("succeeded", None)
    assert (done.ingestion.status, done.ingestion.reason_code) == ended, done.ingestion.detail
    assert done.peak < MOST_BYTES


def test_a_large_packed_file(test_database: TestDatabase, tmp_path: Path) -> None:
    path = tmp_path / "good.csv.gz"
    packer = zlib.compressobj(1, wbits=31)
    path.write_bytes(b"".join([*map(packer.compress, islice(rows(lines), SIZE // 400_000)), packer.flush()]))
    done = worked_off(test_database, TABLE, path)
    assert (done.ingestion.status, done.ingestion.rows_bad) == ("succeeded", 0), done.ingestion.detail
    assert done.peak < MOST_BYTES


def test_a_large_file_of_json_lines(test_database: TestDatabase, tmp_path: Path) -> None:
    path = tmp_path / "good.ndjson"
    names = list(COLUMNS)

    def objects(number: int) -> str:
        values = (line.split(",") for line in lines(number).splitlines())
        return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in values)

    written(path, rows(objects, ""), SIZE // 5)
    done = worked_off(test_database, TABLE, path)
    assert (done.ingestion.status, done.ingestion.rows_bad) == ("succeeded", 0), done.ingestion.detail
    assert done.peak < MOST_BYTES


def test_a_file_of_json_as_large_as_is_taken(test_database: TestDatabase, tmp_path: Path) -> None:
    path = tmp_path / "good.json"
    objects = [{"id": at, "qty": at % 9, "note": "n" * 40} for at in range(1_000)]
    written(path, repeat(json.dumps(objects)[1:-1].encode() + b","), 190_000_000 if FULL else 19_000_000)
    body = path.read_bytes()
    path.write_bytes(b"[" + body[:-1] + b"]")
    done = worked_off(test_database, TABLE, path)
    assert (done.ingestion.status, done.ingestion.rows_bad) == ("succeeded", 0), done.ingestion.detail
    assert done.peak < MOST_BYTES


def receipts(number: int) -> str:
    """A thousand rows of forty receipts."""
    cells = (line.split(",", 1) for line in lines(number).splitlines(keepends=True))
    return "".join(f"{int(at) // 25},{rest}" for at, rest in cells)


def test_as_many_events_as_are_taken(test_database: TestDatabase, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    count = (written(path, rows(receipts), 115_000_000 if FULL else 11_500_000) - 1) * 1_000
    done = worked_off(test_database, EVENTS, path)
    assert (done.ingestion.status, done.ingestion.rows_ok) == ("succeeded", count), done.ingestion.detail
    assert sum((done.ingestion.outcomes or {}).values()) == count // 25
    assert done.peak < MOST_BYTES


BAD: dict[str, Callable[[int], str]] = {
    "broken.csv": receipts,
    "wrong.csv": lambda number: receipts(number).replace("12.50", "x"),
}


@pytest.mark.parametrize("name", BAD)
def test_as_many_events_as_are_taken_all_of_them_held(test_database: TestDatabase, tmp_path: Path, name: str) -> None:
    """By one row at the end that could be of any receipt, or each by itself: as many bad rows as there are rows."""
    path = tmp_path / name
    count = (written(path, rows(BAD[name]), 115_000_000 if FULL else 11_500_000) - 1) * 1_000 + 1
    with path.open("ab") as file:
        file.write(b"1,2\n")
    done = worked_off(test_database, EVENTS, path)
    assert (done.ingestion.status, done.ingestion.rows_bad) == ("succeeded", count), done.ingestion.detail
    with psycopg.connect(test_database.superuser_url) as connection:
        assert connection.execute("SELECT count(*) FROM files.bad_rows").fetchone() == (count,)
    assert done.peak < MOST_BYTES


def test_what_becomes_more_events_is_refused(test_database: TestDatabase, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    written(path, rows(lines), SIZE)
    done = worked_off(test_database, EVENTS, path)
    assert (done.ingestion.status, done.ingestion.reason_code) == ("quarantined", "FILE_TOO_LARGE")
    assert "send files that become events in parts" in (done.ingestion.detail or "")
    assert done.peak < MOST_BYTES


@pytest.mark.parametrize("quote", [b"", b'"'])
@pytest.mark.parametrize("name", ["line.csv", "line.ndjson"])
def test_a_line_of_two_gigabytes(test_database: TestDatabase, tmp_path: Path, name: str, quote: bytes) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(b"id,note\n1," + quote)
        for _ in range(2_000 if FULL else 200):
            file.write(b"x" * 1_000_000)
    done = worked_off(test_database, TABLE, path)
    assert (done.ingestion.status, done.ingestion.reason_code) == ("quarantined", "ROW_TOO_LONG")
    assert done.peak < MOST_BYTES // 3
