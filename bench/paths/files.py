"""A file of a million rows becomes rows of a table, each of them checked: against COPY and the same merge, and dlt."""

import json
import os
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from psycopg import sql

from bench.machine import foreign_share, usage
from bench.peers import dlt_merge
from bench.runs import Lab, Run, costs
from bench.table import Row, rate_row
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.contracts.datasets.reading import checked
from ledgersafe.db.database import Database
from ledgersafe.files import curated
from ledgersafe.files import store as files
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline import deliver

PATH = "a CSV file of {:,} rows × 10 columns, into an empty table and over itself"
OURS = "Ledgersafe: checked, merged, with lineage"
COPY = "COPY into staging, and the same merge"
ARROW = "dlt, merge, from arrow"
ROWS = "dlt, merge, from rows"
_TENANT = "bench"
_NAME = "bench_sales"
_STORES, _PRODUCTS = 200, 5_000
CONTRACT: dict[str, Any] = {
    "dataset": _NAME,
    "primary_key": ["receipt", "line"],
    "columns": {
        "receipt": {"required": True, "pattern": "[A-Z]{2}-[0-9]{8}"},
        "line": {"type": "integer", "required": True, "min": 1},
        "sold_on": {"type": "date", "required": True},
        "sold_at": {"type": "datetime", "required": True},
        "store": {"required": True},
        "sku": {"required": True},
        "quantity": {"type": "integer", "required": True},
        "price": {"type": "decimal(12,2)", "required": True, "min": 0},
        "is_member": {"type": "boolean"},
        "note": {},
    },
}


def measure(lab: Lab) -> list[Row]:
    """The rows of this path."""
    rows = lab.growth_events // 5
    database = "files"
    lab.postgres.clone(database)
    with TemporaryDirectory(prefix="bench-files-") as folder:
        file = Path(folder, "sales.csv")
        _write(file, rows)
        one = _File(lab, database, file, rows)
        contenders = {OURS: one.ours, COPY: one.copy}
        runs = lab.interleaved(contenders)
        path = PATH.format(rows)
        found = [rate_row(path, (OURS, runs[OURS]), (COPY, runs[COPY]), 0.65)]
        with dlt_merge.environment(lab.say) as python:
            if python is None:
                return found
            for name, kind, bar in ((ARROW, "arrow", 3.0), (ROWS, "rows", 10.0)):
                theirs = partial(one.dlt, python, kind)
                repeats = min(lab.repeats, 3 if kind == "arrow" else 1)  # minutes each; they differ by whole multiples
                run = _alternating(lab, repeats, one.ours, name, theirs)
                found.append(rate_row(path, (OURS, run[0]), (name, run[1]), bar))
    return found


def _alternating(
    lab: Lab, repeats: int, ours: Callable[[], Run], name: str, theirs: Callable[[], Run]
) -> tuple[list[Run], list[Run]]:
    few = Lab(lab.postgres, repeats, lab.seconds, lab.growth_events, 1)
    runs = few.interleaved({OURS: ours, name: theirs})
    lab.runs += few.runs
    lab.flushes += few.flushes
    return runs[OURS], runs[name]


class _File:
    """One file, and whoever loads it: into an empty table, and once more over itself. The rate is rows a second."""

    def __init__(self, lab: Lab, database: str, file: Path, rows: int) -> None:
        self._lab, self._database, self._file, self._rows = lab, database, file, rows
        self._dataset: Dataset = checked(CONTRACT)
        with file.open("rb") as opened:
            self._digest = file_digest(opened, "sha256").digest()
        self._version = self._put()

    def _put(self) -> int:
        with self._opened() as database, database.transaction() as tx:
            return files.insert_contract(
                tx, _TENANT, _NAME, 1, json.dumps(CONTRACT), datetime.now(UTC), "bench", None
            ).one()

    @contextmanager
    def _opened(self) -> Generator[Database]:
        database = Database(self._lab.postgres.app_url(self._database), size=4, role="ledgersafe_app")
        yield database
        database.close()

    @contextmanager
    def _open_raw(self, _: str) -> Generator[Path]:
        yield self._file

    def ours(self) -> Run:
        """As the worker does it."""
        with self._opened() as database:
            desk = deliver.Desk(database, self._open_raw, SystemClock(), slot=1, future_seconds=600)
            return self._run(lambda: self._deliver(desk))

    def _deliver(self, desk: deliver.Desk) -> None:
        new = files.NewIngestion(
            _TENANT, new_id(), _NAME, self._file.name, None, os.urandom(32), self._file.stat().st_size, "raw"
        )
        with desk.database.transaction() as tx:
            files.insert_ingestion(tx, new, desk.clock.now(), "bench")
        name = files.IngestionName(_TENANT, UUID(new.ingestion_id))
        taken = deliver.claim(desk.database, name, desk.clock)
        assert taken is not None
        status = deliver.deliver(desk, *taken)
        assert status == "succeeded", status

    def copy(self) -> Run:
        """The limit of Postgres: nothing is checked, the file goes in as it is."""
        with self._opened() as database:
            return self._run(partial(self._copy_and_merge, database))

    def _copy_and_merge(self, database: Database) -> None:
        columns, _, _ = curated.table_of(self._dataset)
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        into = sql.SQL("COPY _staging ({}) FROM STDIN (FORMAT csv, HEADER)").format(names).as_bytes(None)
        origin = curated.Origin(_TENANT, UUID(new_id()), self._digest, datetime.now(UTC))
        with database.transaction(patience=600) as tx:
            tx.take_time(600)
            curated.stage(tx, self._dataset)
            tx.execute(b"ALTER TABLE _staging ALTER COLUMN _row_number SET DEFAULT 0")
            tx.copy(into, self._file.read_bytes())
            curated.merge(tx, self._dataset, origin).one()

    def dlt(self, python: Path, kind: str) -> Run:
        """The same file, by a loader of the field."""
        url = self._lab.postgres.urls.superuser.replace("/ledgersafe?", f"/{self._database}?")
        return self._run(lambda: dlt_merge.load(python, kind, url, self._file))

    def _run(self, load: Callable[[], object]) -> Run:
        """Into an empty table, and over itself."""
        with self._lab.postgres.superuser(self._database) as connection:
            connection.execute("DROP SCHEMA IF EXISTS dlt_bench CASCADE")
            connection.execute("DROP SCHEMA IF EXISTS dlt_bench_staging CASCADE")
            connection.execute(f"DROP TABLE IF EXISTS files.curated_{_NAME}")
            connection.execute("CHECKPOINT")
        self._make_table()
        trees = {"worker": os.getpid(), "postgres": self._lab.postgres.pid}
        before = usage(trees)
        load()
        load()
        after = usage(trees)
        rate = 2 * self._rows / (after.at - before.at)
        cost = costs(before, after, rate)
        cost["worker"] -= cost["postgres"]  # whose processes are children of ours
        return Run(rate, None, None, cost, foreign_share(before, after))

    def _make_table(self) -> None:
        with self._opened() as database, database.transaction() as tx:
            assert files.ensure_curated(tx, _NAME, *curated.table_of(self._dataset)).one() == ""


def _write(file: Path, rows: int) -> None:
    chosen = random.Random(7)  # noqa: S311 - the same file every time
    first = datetime(2026, 1, 1, 8, tzinfo=UTC)
    lines = ["receipt,line,sold_on,sold_at,store,sku,quantity,price,is_member,note"]
    for number in range(rows):
        at = first + timedelta(seconds=7 * number)
        day: date = at.date()
        receipt, line = divmod(number, 4)
        note = "" if chosen.random() < 0.9 else 'a gift, "wrapped"'
        quoted = '"' + note.replace('"', '""') + '"' if note else ""
        lines.append(
            f"RC-{receipt:08},{line + 1},{day},{at:%Y-%m-%dT%H:%M:%S},store-{chosen.randrange(_STORES)},"
            f"{chosen.randrange(_PRODUCTS):06},{chosen.randrange(1, 9)},{chosen.randrange(100_00) / 100:.2f},"
            f"{'true' if chosen.random() < 0.5 else 'false'},{quoted}"
        )
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
