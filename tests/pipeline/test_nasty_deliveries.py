"""What goes wrong around a file: its raw copy is damaged, two bring it at once, the database refuses an event of it."""

import errno
import multiprocessing
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from ledgersafe.files import store as files
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline import deliver, land
from ledgersafe.pipeline.deliveries import deliver_events, event_groups
from ledgersafe.pipeline.keys import OWNER
from ledgersafe.pipeline.land import Announced
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.storage.local import LocalZone
from tests.conftest import TestDatabase
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.delivering import Desk
from tests.pipeline.posting import Till
from tests.pipeline.test_deliver_events import GOOD, HEADER, WHEN
from tests.pipeline.test_nasty_files import STOCK, csv

BY = Operator(OWNER, datetime(2026, 2, 25, tzinfo=UTC), 600)


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.put(STOCK)
    return desk


def landed(desk: Desk, body: bytes, filename: str = "day.csv") -> files.Ingestion:
    """A file in a raw zone as it is at work, and the desk beside it."""
    zone = LocalZone(desk.folder / "raw")
    desk.parts = replace(desk.parts, open_raw=zone.open_local)
    path = desk.folder / filename
    path.write_bytes(body)
    return land.land_path(desk.db, zone, path, Announced(desk.tenant, "stock", filename), 10**9, BY).ingestion


@pytest.mark.parametrize("damage", ["gone", "changed", "shorter"])
def test_a_damaged_raw_file_is_told_at_once_and_mended_by_a_replay(desk: Desk, damage: str) -> None:
    body = csv("a,1,,x", "b,2,,y")
    of = landed(desk, body)
    raw = desk.folder / "raw" / of.raw_path
    raw.unlink()
    if damage != "gone":
        raw.write_bytes(body.replace(b"1", b"9") if damage == "changed" else body[:-4])
    done = desk.work_off(files.IngestionName(of.tenant_id, of.ingestion_id))
    assert (done.status, done.reason_code, done.attempts, done.rows_ok) == ("failed", "RAW_FILE_DAMAGED", 1, 0)
    told = "is not there any more" if damage == "gone" else "does not hold the bytes that its name says"
    assert told in (done.detail or "")
    assert "from a backup, then replay" in (done.detail or "")
    raw.unlink(missing_ok=True)
    raw.write_bytes(body)
    again = land.replay(desk.db, of.tenant_id, of.ingestion_id, "restored", BY)
    done = desk.work_off(files.IngestionName(again.tenant_id, again.ingestion_id))
    assert (done.status, done.rows_ok) == ("succeeded", 2)


def bring_and_work(of: TestDatabase, tenant: str, folder: Path, barrier: Barrier) -> tuple[str, bool, str]:
    """One of two processes: receive the file, then work it off if nobody else does."""
    database = of.open(size=2)
    try:
        zone = LocalZone(folder / "raw")
        barrier.wait(60)
        got = land.land_path(database, zone, folder / "day.csv", Announced(tenant, "log", "day.csv"), 10**9, BY)
        desk = deliver.Desk(database, zone.open_local, SystemClock(), slot=1, future_seconds=600)
        taken = deliver.claim(database, files.IngestionName(tenant, got.ingestion.ingestion_id), desk.clock)
        ended = "taken by the other" if taken is None else deliver.deliver(desk, *taken)
        return str(got.ingestion.ingestion_id), got.duplicate, ended
    finally:
        database.close()


def test_two_processes_receive_and_work_off_one_file_at_once(books: TestDatabase, desk: Desk) -> None:
    (desk.folder / "day.csv").write_bytes(csv(*(f"s{at},1,,x" for at in range(20_000))))
    desk.put(STOCK | {"dataset": "log", "primary_key": []})  # a file that is loaded twice would be seen
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool, context.Manager() as manager:
        work = [(books, desk.tenant, desk.folder, manager.Barrier(2))] * 2
        found = pool.starmap(bring_and_work, work, chunksize=1)
    assert len({ingestion_id for ingestion_id, _, _ in found}) == 1
    assert sorted(duplicate for _, duplicate, _ in found) == [False, True]
    assert sorted(ended for _, _, ended in found) == ["succeeded", "taken by the other"]
    assert desk.rows("log", "count(*), count(DISTINCT _ingestion_id)") == [(20_000, 1)]


@contextmanager
def _unreadable(raw_path: str) -> Generator[Path]:
    """The disk does not give the file."""
    raise OSError(errno.EIO, "Input/output error", raw_path)
    yield Path(raw_path)


def dies(desk: Desk, name: files.IngestionName, times: int) -> None:
    """Workers take it and are not heard of again."""
    for _ in range(times):
        assert deliver.claim(desk.db, name, desk.parts.clock) is not None
        desk.superuser.execute("UPDATE files.ingestions SET due_at = received_at WHERE tenant_id = %s", [desk.tenant])


def test_who_dies_without_a_word_again_and_again_is_parked_and_can_be_replayed(desk: Desk) -> None:
    """A file that has its worker killed must not go round for ever; that it did may have been the machine's fault."""
    of = landed(desk, csv("a,1,,x"))
    name = files.IngestionName(of.tenant_id, of.ingestion_id)
    dies(desk, name, deliver.MOST_DEATHS)
    done = desk.work_off(name)
    assert (done.status, done.reason_code, done.attempts) == ("failed", "INTERNAL_ERROR", deliver.MOST_DEATHS + 1)
    assert "ended without a word" in (done.detail or "")
    assert deliver.claim(desk.db, name, desk.parts.clock) is None
    assert landed(desk, csv("a,1,,x")) == done, "to send it again is no way out: it is the same delivery"
    made = land.replay(desk.db, of.tenant_id, of.ingestion_id, "the machine has more memory", BY)
    again = files.IngestionName(made.tenant_id, made.ingestion_id)
    assert made.attempts == 0
    dies(desk, again, deliver.MOST_DEATHS - 1)
    done = desk.work_off(again)
    assert (done.status, done.attempts, desk.rows("stock", "sku, note")) == (
        "succeeded",
        deliver.MOST_DEATHS,
        [("a", "x")],
    )


def test_attempts_that_ended_without_a_word_count_where_one_fails(desk: Desk) -> None:
    of = landed(desk, csv("a,1,,x"))
    name = files.IngestionName(of.tenant_id, of.ingestion_id)
    dies(desk, name, deliver.MOST_ATTEMPTS - 2)
    desk.parts = replace(desk.parts, open_raw=_unreadable)
    assert desk.work_off(name).status == "received"
    desk.superuser.execute("UPDATE files.ingestions SET due_at = received_at WHERE tenant_id = %s", [desk.tenant])
    done = desk.work_off(name)
    assert (done.status, done.reason_code) == ("failed", "INTERNAL_ERROR")
    assert (done.detail or "").startswith("Attempt 5 at it failed, too: OSError: [Errno 5]")


@contextmanager
def refused_by_the_database(till: Till, event_id: str, unless: str = "false") -> Generator[None]:
    """As long as the block lasts, the database does not take this event."""
    check = f"tenant_id <> '{till.tenant}' OR event_id <> '{event_id}' OR {unless}"
    name = f"refused_{event_id[-2:]}"
    add = f"ALTER TABLE bronze.events_raw ADD CONSTRAINT {name} CHECK ({check}) NOT VALID"
    till.superuser.execute(add.encode())
    try:
        yield
    finally:
        till.superuser.execute(f"ALTER TABLE bronze.events_raw DROP CONSTRAINT {name}".encode())


def events_desk(till: Till, folder: Path) -> Desk:
    desk = Desk(till.db, till.superuser, till.tenant, folder)
    desk.put(CONTRACT)
    return desk


def lines(*rows: str) -> bytes:
    return "\n".join([HEADER, *rows, ""]).encode()


def test_an_event_that_the_database_refuses_holds_its_rows_alone(till: Till, tmp_path: Path) -> None:
    desk = events_desk(till, tmp_path)
    with refused_by_the_database(till, "till-B1"):
        done = desk.deliver("till_lines", "day.csv", lines(*GOOD))
    assert (done.status, done.attempts, done.rows_ok, done.rows_bad) == ("succeeded", 1, 2, 2), done.detail
    assert (done.outcomes, (done.quality or {})["events"]) == ({"processed": 2, "refused": 1}, 2)
    kept = desk.bad_rows(done)
    assert [(row.row_number, row.group_key, row.faults[0]["rule"]) for row in kept] == [
        (2, "B1", "event"),
        (4, "B1", "event"),
    ]
    assert "its event cannot be stored" in kept[0].faults[0]["message"]
    assert kept[0].row_values == {"Receipt": "B1", "Item": "tea", "Qty": "2", "Price": "1.50", "At": WHEN}
    till.drain()
    assert set(till.keys()) == {"till-B2", "till-B3"}
    till.assert_sound()


def test_who_takes_over_counts_what_was_refused_before(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver_events, "ROWS_AT_ONCE", 1)
    desk = events_desk(till, tmp_path)
    name = desk.bring("till_lines", "day.csv", lines(*GOOD))
    fault_of_ours = "current_setting('no.such.setting') = ''"
    with refused_by_the_database(till, "till-B1"), refused_by_the_database(till, "till-B2", fault_of_ours):
        taken = deliver.claim(desk.db, name, desk.parts.clock)
        assert taken is not None
        assert deliver.deliver(desk.parts, *taken) == "received", "no fault of the event's: it is tried again"
    assert desk.found(name).outcomes == {"refused": 1}
    till.superuser.execute("UPDATE files.ingestions SET due_at = received_at WHERE tenant_id = %s", [till.tenant])
    done = desk.work_off(name)
    assert (done.status, done.rows_ok, done.rows_bad, done.events_done) == ("succeeded", 2, 2, 3)
    assert [row.row_number for row in desk.bad_rows(done)] == [2, 4]
    assert set(till.keys()) == {"till-B2", "till-B3"}


def test_a_header_in_the_middle_holds_no_group(till: Till, tmp_path: Path) -> None:
    """Two files put together: what stands around the second header is whole."""
    desk = events_desk(till, tmp_path)
    desk.put(CONTRACT | {"columns": dict(reversed(CONTRACT["columns"].items()))})
    rows = [",".join(reversed(row.split(","))) for row in (*GOOD[:2], HEADER, *GOOD[2:])]
    done = desk.deliver("till_lines", "day.csv", "\n".join([rows[2], *rows, ""]).encode())
    assert [(row.row_number, row.faults[0]["message"]) for row in desk.bad_rows(done)] == [(4, "repeats the header")]
    assert (done.rows_ok, set(till.keys())) == (4, {"till-B1", "till-B2", "till-B3"})


def test_so_many_values_become_events_and_no_more(till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However short they are: each takes some memory."""
    desk = events_desk(till, tmp_path)
    width = len(HEADER.split(",")) + 2
    monkeypatch.setattr(event_groups, "MOST_VALUES", len(GOOD) * width - 1)
    done = desk.deliver("till_lines", "day.csv", lines(*GOOD))
    assert (done.status, done.reason_code, till.keys()) == ("quarantined", "FILE_TOO_LARGE", {})
    assert f"{len(GOOD) * width - 1} values: send files that become events in parts" in (done.detail or "")
    monkeypatch.setattr(event_groups, "MOST_VALUES", len(GOOD) * width)
    assert desk.deliver("till_lines", "again.csv", lines(*GOOD) + b"\n").status == "succeeded"


def test_of_a_rejected_file_of_events_some_bad_rows_are_kept(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver_events, "KEPT_OF_REJECTED", 2)
    desk = events_desk(till, tmp_path)
    desk.put(CONTRACT | {"on_bad_rows": "reject_file"})
    done = desk.deliver("till_lines", "day.csv", lines(*(row.replace(",1,", ",one,") for row in GOOD)))
    assert (done.status, done.reason_code) == ("quarantined", "TOO_MANY_BAD_ROWS")
    assert done.rows_bad > len(desk.bad_rows(done)) == 2


def test_how_large_an_event_may_be_is_a_setting(till: Till, tmp_path: Path) -> None:
    desk = events_desk(till, tmp_path)
    desk.parts = replace(desk.parts, most_event_bytes=350)
    done = desk.deliver("till_lines", "day.csv", lines(*GOOD))
    assert (done.rows_ok, set(till.keys())) == (2, {"till-B2", "till-B3"})
    assert "350 are taken" in desk.bad_rows(done)[0].faults[0]["message"]
