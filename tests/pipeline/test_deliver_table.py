"""Files whose rows become rows of a table: whole and once, with every bad row kept."""

import gzip
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.files import store as files
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.pipeline import deliver, replay_rows
from tests.attack.stand import eventually
from tests.conftest import TestDatabase
from tests.pipeline.delivering import Desk
from tests.pipeline.prices import BY, PRICES, again, counts, csv, rules, with_


def test_good_rows_are_loaded_and_bad_ones_kept(desk: Desk) -> None:
    desk.put(PRICES)
    done = desk.deliver("prices", "p.csv", csv("007,1.50,31/01/2026,", "a,x,,n", ',2,,"say ""hi"", two"', "b,2,,"))
    assert (done.status, done.rows_in, done.rows_ok, done.rows_bad) == ("succeeded", 4, 2, 2)
    assert desk.rows("prices", 'sku, price, "from", note') == [
        ("007", Decimal("1.50"), date(2026, 1, 31), None),
        ("b", Decimal("2.00"), None, None),
    ]
    kept = desk.bad_rows(done)
    assert rules(kept) == {3: [("price", "type")], 4: [("sku", "required")]}
    assert kept[1].row_values == {"sku": "", "price": "2", "from": "", "note": 'say "hi", two'}
    assert kept[0].contract_version == done.contract_version == 1
    assert done.quality is not None
    assert counts(done) == {"inserted": 2, "replaced": 0, "unchanged": 0, "older": 0}
    assert done.quality["columns"]["price"] == {"nulls": 0, "null_fraction": 0.0, "min": "1.50", "max": "2"}


def test_rows_know_where_they_come_from(desk: Desk) -> None:
    desk.put(PRICES)
    done = desk.deliver("prices", "p.csv", csv("a,1,,", "b,2,,"))
    found = desk.rows("prices", "_row_number, _ingestion_id, _source_sha256")
    assert found == [(2, done.ingestion_id, done.sha256), (3, done.ingestion_id, done.sha256)]
    assert done.lineage is not None
    assert done.lineage["outputs"][0]["name"] == "curated_prices"


def test_without_a_key_every_row_is_its_own(desk: Desk) -> None:
    desk.put(with_(dataset="log", primary_key=[]))
    desk.deliver("log", "1.csv", csv("a,1,,", "a,1,,"))
    desk.deliver("log", "2.csv", csv("a,1,,"))
    assert len(desk.rows("log")) == 3


def test_a_unique_column_that_is_no_key(desk: Desk) -> None:
    columns = PRICES["columns"] | {"note": {"unique": True}}
    desk.put(with_(dataset="noted", columns=columns))
    done = desk.deliver("noted", "1.csv", csv("a,1,,x", "b,1,,x", "c,1,,", "d,1,,"))
    assert rules(desk.bad_rows(done)) == {2: [("note", "unique")], 3: [("note", "unique")]}
    assert len(desk.rows("noted")) == 2


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"on_bad_rows": "reject_file"}, "TOO_MANY_BAD_ROWS"),
        ({"bad_rows_limit": {"rows": 0}}, "TOO_MANY_BAD_ROWS"),
        ({"bad_rows_limit": {"fraction": 0.3}}, "TOO_MANY_BAD_ROWS"),
        ({"quality": {"max_null_fraction": {"note": 0.5}}}, "QUALITY_FAILED"),
        ({"quality": {"row_count": {"min": 3}}}, "QUALITY_FAILED"),
        ({"quality": {"row_count": {"max": 1}}}, "QUALITY_FAILED"),
    ],
)
def test_a_file_that_is_rejected_loads_nothing(desk: Desk, members: dict[str, Any], code: str) -> None:
    desk.put(with_(**members))
    done = desk.deliver("prices", "p.csv", csv("a,1,,", "b,x,,"))
    assert (done.status, done.reason_code, done.rows_ok, done.rows_bad) == ("quarantined", code, 0, 1)
    assert desk.rows("prices") == []
    assert rules(desk.bad_rows(done)) == {3: [("price", "type")]}


def test_freshness(desk: Desk) -> None:
    desk.put(with_(quality={"freshness": 24}))
    first = desk.deliver("prices", "1.csv", csv("a,1,,"))
    long_ago = datetime.now(UTC) - timedelta(hours=30)
    desk.superuser.execute(
        "UPDATE files.ingestions SET received_at = %s WHERE ingestion_id = %s", [long_ago, first.ingestion_id]
    )
    late = desk.deliver("prices", "2.csv", csv("a,2,,"))
    assert (first.status, late.reason_code) == ("succeeded", "QUALITY_FAILED")
    assert "30.0 hours" in (late.detail or "")


HEADERS = {
    "another order": ("note,from,price,sku", "x,,1,a", False, False),
    "another spelling": ("SKU,Price ,from,Note", "a,1,,x", False, False),
    "one more": ("sku,price,from,note,extra", "a,1,,x,y", True, False),
    "an optional one less": ("sku,price,note", "a,1,x", True, False),
    "a required one less": ("sku,from,note", "a,,x", True, True),
}


@pytest.mark.parametrize("policy", ["allow", "warn", "fail"])
@pytest.mark.parametrize("name", HEADERS)
def test_drift(desk: Desk, policy: str, name: str) -> None:
    header, row, drifted, breaking = HEADERS[name]
    desk.put(with_(drift_policy=policy))
    done = desk.deliver("prices", "p.csv", csv(row, header=header))
    held = breaking or (drifted and policy == "fail")
    assert (done.status, done.reason_code) == (("quarantined", "SCHEMA_DRIFT") if held else ("succeeded", None))
    assert done.drift is not None
    assert (done.drift["drifted"], done.drift["breaking"], done.drift["policy"]) == (drifted, breaking, policy)
    assert len(desk.rows("prices")) == int(not held)
    assert bool(done.detail) == (held or (drifted and policy == "warn"))


@pytest.mark.parametrize("policy", ["allow", "warn", "fail"])
def test_a_file_of_which_no_column_is_known_is_held(desk: Desk, policy: str) -> None:
    """Such as one without a header."""
    desk.put(with_(dataset="free", primary_key=[], columns={"sku": {}, "price": {}}, drift_policy=policy))
    done = desk.deliver("free", "p.csv", csv("b,2", header="a,1"))
    assert (done.status, done.reason_code) == ("quarantined", "SCHEMA_DRIFT")
    assert "None of its columns is known" in (done.detail or "")


def test_of_two_columns_that_could_be_one_neither_is_taken(desk: Desk) -> None:
    columns = {"Item": {}, "Net Amount": {"aliases": ["Amount"]}}
    desk.put({"dataset": "net", "columns": columns, "drift_policy": "allow"})
    done = desk.deliver("net", "1.csv", csv("a,120,100", header="Item,Amount,net_amount"))
    assert (done.status, done.reason_code) == ("quarantined", "BAD_HEADER")
    assert "Amount and net_amount could both be Net Amount" in (done.detail or "")
    assert desk.deliver("net", "2.csv", csv("a,120,100", header="Item,Amount,Net Amount")).status == "succeeded"
    assert desk.rows("net", "item, net_amount") == [("a", "100")]


def test_headers_are_remembered_whatever_their_order(desk: Desk) -> None:
    desk.put(PRICES)
    desk.deliver("prices", "1.csv", csv("a,1,,x"))
    desk.deliver("prices", "2.csv", csv("x,,1,b", header="note,from,price,sku"))
    third = desk.deliver("prices", "3.csv", csv("a,1,x", header="sku,price,remark"))
    with desk.db.snapshot() as tx:
        seen = files.schemas(tx, desk.tenant, "prices", 10).all()
    assert [(list(one.columns), one.deliveries) for one in seen] == [
        (["sku", "price", "remark"], 1),
        (["sku", "price", "from", "note"], 2),
    ]
    assert third.drift is not None
    assert third.drift["since_last"]["removed"] == ["from", "note"]
    assert third.drift["since_last"]["added"] == ["remark"]


NASTY = {
    "empty.csv": (b"", "EMPTY_FILE"),
    "encoding.csv": (b"sku,price,from,note\na,1,,\xff\xfe\x00\x01\n", "UNREADABLE_TEXT"),
    "twice.csv": (csv("a,1,,", header="sku,sku,price,note"), "BAD_HEADER"),
    "wide.csv": (",".join(f"c{at}" for at in range(10_000)).encode() + b"\n", "TOO_MANY_COLUMNS"),
    "cut.csv.gz": (gzip.compress(csv("a,1,,") * 1000, mtime=0)[:-20], "TRUNCATED_FILE"),
    "no.parquet": (b"PAR1 and then nothing", "TRUNCATED_FILE"),
    "what.doc": (b"?", "UNSUPPORTED_FORMAT"),
}


@pytest.mark.parametrize("name", NASTY)
def test_a_file_that_cannot_be_read(desk: Desk, name: str) -> None:
    desk.put(with_(source={"encoding": "utf-8"}))
    body, code = NASTY[name]
    done = desk.deliver("prices", name, body)
    assert (done.status, done.reason_code, done.rows_ok) == ("quarantined", code, 0)


def test_a_header_alone_is_no_error(desk: Desk) -> None:
    desk.put(PRICES)
    assert desk.deliver("prices", "p.csv", csv()).status == "succeeded"


def test_a_dataset_without_a_contract_waits_for_one(desk: Desk) -> None:
    done = desk.deliver("unheard_of", "p.csv", csv("a,1,,"))
    assert (done.status, done.reason_code) == ("quarantined", "NO_CONTRACT")


def test_tables_are_shared_and_a_clash_of_types_is_told(
    desk: Desk, db: Database, superuser: psycopg.Connection, tmp_path: Path
) -> None:
    other = Desk(db, superuser, f"{desk.tenant}-other", tmp_path)
    desk.put(with_(dataset="common"))
    other.put(with_(dataset="common"))
    desk.deliver("common", "1.csv", csv("a,1,,"))
    other.deliver("common", "1.csv", csv("a,2,,"))
    assert desk.rows("common", "sku, price") == [("a", Decimal("1.00"))]
    assert other.rows("common", "sku, price") == [("a", Decimal("2.00"))]
    other.put(with_(dataset="common", columns=PRICES["columns"] | {"price": {"type": "integer"}}))
    clash = other.deliver("common", "2.csv", csv("a,3,,"))
    assert (clash.status, clash.reason_code) == ("quarantined", "CURATED_CLASH")
    assert "price is of type numeric(10,2)" in (clash.detail or "")
    other.put(with_(dataset="common", columns=PRICES["columns"] | {"more": {"type": "datetime"}}))
    assert other.deliver("common", "3.csv", csv("b,3,,")).status == "succeeded"


def test_one_attempt_at_a_time_and_a_late_one_writes_nothing(desk: Desk) -> None:
    desk.put(PRICES)
    name = desk.bring("prices", "p.csv", csv("a,1,,"))
    slow = deliver.claim(desk.db, name, desk.parts.clock)
    assert slow is not None
    assert deliver.claim(desk.db, name, desk.parts.clock) is None
    desk.superuser.execute(
        "UPDATE files.ingestions SET due_at = now() - interval '1 s' WHERE ingestion_id = %s", [name.ingestion_id]
    )
    done = desk.work_off(name)
    assert (done.status, done.attempts) == ("succeeded", 2)
    assert deliver.deliver(desk.parts, *slow) == "lost"
    assert not deliver.keep(desk.db, slow[0], desk.parts.clock)
    assert desk.found(name) == done


@pytest.mark.parametrize("body", [csv("a,x,,"), csv("a,1,,"), b"", csv("a,1,,", "a,2,,")])
def test_who_is_overtaken_midway_writes_nothing(desk: Desk, body: bytes) -> None:
    """Whatever it finds out about the file after that."""
    desk.put(with_(on_bad_rows="reject_file"))
    name = desk.bring("prices", "p.csv", body)

    @contextmanager
    def overtaken(raw_path: str) -> Generator[Path]:
        desk.superuser.execute("UPDATE files.ingestions SET due_at = received_at")
        desk.work_off(name)
        yield desk.folder / raw_path

    slow = deliver.claim(desk.db, name, desk.parts.clock)
    assert slow is not None
    assert deliver.deliver(replace(desk.parts, open_raw=overtaken), *slow) == "lost"
    done = desk.found(name)
    assert (done.status == "succeeded", done.attempts) == (body == csv("a,1,,"), 2)


def test_a_clock_that_was_ahead_keeps_no_file_for_ever(desk: Desk) -> None:
    """A worker whose clock is a month ahead takes a file, and dies with it."""
    desk.put(PRICES)
    name = desk.bring("prices", "p.csv", csv("a,1,,"))
    now = desk.parts.clock.now()
    right = ManualClock(now)
    assert deliver.claim(desk.db, name, ManualClock(now + timedelta(minutes=90))) is not None
    assert name not in deliver.due(desk.db, right, 1_000), "clocks may differ so much"
    assert deliver.claim(desk.db, name, right) is None
    assert deliver.claim(desk.db, name, ManualClock(now + timedelta(days=30))) is not None
    assert name in deliver.due(desk.db, right, 1_000)
    assert desk.work_off(name).status == "succeeded"


def test_what_keeps_failing_is_parked(desk: Desk) -> None:
    desk.put(PRICES)
    name = desk.bring("prices", "p.csv", csv("a,1,,"))
    next(desk.folder.glob("*p.csv")).unlink()
    for attempt in range(1, deliver.MOST_ATTEMPTS + 1):
        done = desk.work_off(name)
        assert done.attempts == attempt
        assert done.status == ("failed" if attempt == deliver.MOST_ATTEMPTS else "received")
        desk.superuser.execute(
            "UPDATE files.ingestions SET due_at = now() WHERE ingestion_id = %s", [name.ingestion_id]
        )
    assert (done.reason_code, "FileNotFoundError" in (done.detail or "")) == ("INTERNAL_ERROR", True)
    assert name not in deliver.due(desk.db, desk.parts.clock)


def test_a_table_that_was_dropped_is_made_anew(desk: Desk) -> None:
    """By the owner of the database, who may: what was in it comes back with replays, and a bad row by being put right."""
    desk.put(with_(dataset="gone"))
    first = desk.deliver("gone", "1.csv", csv("a,1,,", "b,x,,"))
    desk.superuser.execute("DROP TABLE files.curated_gone")
    second = desk.deliver("gone", "2.csv", csv("c,3,,"))
    assert (second.status, second.attempts, desk.rows("gone", "sku, price")) == ("succeeded", 1, [("c", Decimal(3))])
    assert again(desk, first).status == "succeeded"
    assert desk.rows("gone", "sku, price") == [("a", Decimal(1)), ("c", Decimal(3))]
    desk.superuser.execute("DROP TABLE files.curated_gone")
    name = files.IngestionName(desk.tenant, first.ingestion_id)
    assert replay_rows.replay(desk.db, name, {3: {"price": "2"}}, "asked", BY).inserted == 1
    assert desk.rows("gone", "sku, price") == [("b", Decimal(2))]


def test_a_table_that_is_dropped_while_a_file_is_loaded_is_made_anew(desk: Desk, books: TestDatabase) -> None:
    """Its rows are staged by then: they are read again."""
    desk.put(with_(dataset="going"))
    desk.deliver("going", "1.csv", csv("a,1,,"))
    name = desk.bring("going", "2.csv", csv("b,2,,"))
    with ThreadPoolExecutor(1) as pool, psycopg.connect(books.superuser_url) as owner:
        owner.execute("LOCK TABLE files.curated_going IN ACCESS EXCLUSIVE MODE")
        attempt = pool.submit(desk.work_off, name)
        eventually(lambda: _waits_for(desk, owner))
        owner.execute("DROP TABLE files.curated_going")
        owner.commit()
        waits = attempt.result(30)
    assert (waits.status, "does not exist" in (waits.detail or "")) == ("received", True), waits.detail
    desk.superuser.execute("UPDATE files.ingestions SET due_at = received_at WHERE tenant_id = %s", [desk.tenant])
    done = desk.work_off(name)
    assert (done.status, done.attempts, done.detail) == ("succeeded", 2, None)
    assert desk.rows("going", "sku, price") == [("b", Decimal(2))]


def _waits_for(desk: Desk, owner: psycopg.Connection) -> bool:
    sql = b"SELECT count(*) FROM pg_stat_activity WHERE pg_blocking_pids(pid) @> ARRAY[%s::integer]"
    return desk.superuser.execute(sql, [owner.info.backend_pid]).fetchone() != (0,)


def test_a_table_name_or_type_of_no_contract_is_refused(db: Database) -> None:
    cases: list[Callable[[], object]] = [
        lambda: _ensure(db, "x; DROP TABLE y", ["a"], ["text"]),
        lambda: _ensure(db, "fine", ["a"], ["text DEFAULT pg_sleep(9)"]),
        lambda: _ensure(db, "fine", ["_loaded_at"], ["text"]),
        lambda: _ensure(db, "fine", ["a\nb"], ["text"]),
    ]
    for case in cases:
        with pytest.raises(Exception, match="no table can be made"):
            case()


def _ensure(db: Database, dataset: str, columns: list[str], types: list[str]) -> str:
    with db.transaction() as tx:
        return files.ensure_curated(tx, dataset, columns, types, []).one()
