"""What goes wrong for a reason of ours: one bad event stops no other, comes back later, and not for ever."""

import threading
import time
from datetime import date, timedelta
from typing import Any
from unittest.mock import Mock

import orjson
import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.db.errors import DatabaseUnavailable
from ledgersafe.pipeline import post as posting
from ledgersafe.pipeline import promote as promoting
from ledgersafe.pipeline.promote import promote, tenants_to_post
from ledgersafe.silver import store as silver
from tests.conftest import TestDatabase
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import REPLAY, decided, wish
from tests.pipeline.posting import DAY, Till, legs
from tests.pipeline.racing import held_open

POISON = "poison"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unconfigured log takes seconds to draw a traceback."""
    monkeypatch.setattr(promoting, "_log", Mock())


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever has a line of this sku brings its whole batch down, in the database."""
    real = posting._lines

    def lines(numbered: Any, revision: Any) -> Any:
        for line in real(numbered, revision):
            yield (
                silver.LineItem(**{name: getattr(line, name) for name in line.__struct_fields__} | {"line_no": None})
                if line.sku == POISON
                else line
            )

    monkeypatch.setattr(posting, "_lines", lines)


def poison(till: Till, event_id: str, **changes: Any) -> dict[str, Any]:
    return till.sold(event_id, line_items=[{"sku": POISON, "qty": 1, "amount": 1}], total_amount=1, **changes)


def eventually_posted(till: Till) -> None:
    """Posted as soon as the server has let go of what a lost connection held."""
    end = time.monotonic() + 10
    while not till.drain().posted:
        assert time.monotonic() < end
        time.sleep(0.01)


def to_post(till: Till) -> dict[str, tuple[int, Any]]:
    sql = "SELECT idempotency_key, attempts, not_before FROM gate.to_post WHERE tenant_id = %s"
    return {key: (attempts, not_before) for key, attempts, not_before in till.rows(sql)}


@pytest.mark.usefixtures("poisoned")
def test_one_bad_event_stops_no_neighbour_and_is_parked_in_the_end(till: Till, db: Database) -> None:
    accepted(
        db,
        [till.sold(f"s{number}") for number in range(20)]
        + [poison(till, "p")]
        + [till.sold(f"t{number}") for number in range(20)],
    )
    found = promote(db, till.tenant, till.now)
    assert (found.posted, found.parked, found.put_off) == (40, 0, 1)
    assert to_post(till) == {"p": (1, till.now + timedelta(seconds=1))}
    assert till.keys()["p"] == ("processed", False)
    till.assert_sound()
    for attempt, wait in enumerate((1, 2, 4, 8), start=2):
        assert not promote(db, till.tenant, till.now + timedelta(seconds=wait, milliseconds=-1))
        till.now += timedelta(seconds=wait)
        found = promote(db, till.tenant, till.now)
        assert (found.posted, found.put_off, found.parked) == ((0, 1, 0) if attempt < 5 else (0, 0, 1))
    assert to_post(till) == {}
    assert till.held() == {"p": "INTERNAL_ERROR"}
    assert till.keys()["p"] == ("quarantined", False)
    till.assert_sound()


def test_what_was_parked_for_our_fault_is_posted_once_it_is_mended(
    till: Till, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(posting, "_lines", lambda *_: 1 / 0)
        for _ in range(5):
            till.send(till.sold())
            till.now += timedelta(seconds=20)
    ((exception_id, reason, details),) = till.rows(
        "SELECT exception_id, reason_code, details_json FROM quarantine.exceptions WHERE tenant_id = %s"
    )
    assert (reason, "ZeroDivisionError" in str(details)) == ("INTERNAL_ERROR", True)
    decided(db, exception_id, wish(REPLAY))
    till.drain()
    assert till.balances() == legs(cash="42.5", sales="-42.5")
    till.assert_sound()


@pytest.mark.usefixtures("poisoned")
def test_what_names_a_bad_event_waits_for_it(till: Till) -> None:
    till.send(poison(till, "p"), till.amended("CANCEL", "x", of="txn-p"), till.sold())
    assert till.held() == {"x": "MISSING_REFERENCE"}
    till.assert_sound()


@pytest.mark.usefixtures("poisoned")
def test_several_bad_events_in_one_batch(till: Till) -> None:
    events = [
        poison(till, f"e{number:02}") if number in (0, 1, 7, 31) else till.sold(f"e{number:02}") for number in range(32)
    ]
    found = till.send(*events)
    assert (found.posted, found.put_off) == (28, 4)
    till.assert_sound()


def test_a_statement_that_takes_too_long_is_tried_in_halves(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 receipts of many lines may not fit the time of one statement; each by itself does."""
    real, tried = silver.insert_lines, list[int]()

    def slow(tx: Any, tenant_id: str, rows: Any) -> None:
        tried.append(len(rows))
        if len(rows) > 6:
            tx.execute(b"SET LOCAL statement_timeout = 1")
            tx.execute(b"SELECT pg_sleep(10)")
        real(tx, tenant_id, rows)

    monkeypatch.setattr(silver, "insert_lines", slow)
    assert till.send(*(till.sold(f"s{number}") for number in range(10))).posted == 10
    assert max(tried) == 20
    till.assert_sound()


def test_one_event_that_always_takes_too_long_is_parked_in_the_end(
    till: Till, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = silver.insert_lines

    def slow(tx: Any, tenant_id: str, rows: Any) -> None:
        if any(row.sku == POISON for row in rows):
            tx.execute(b"SET LOCAL statement_timeout = 1")
            tx.execute(b"SELECT pg_sleep(10)")
        real(tx, tenant_id, rows)

    monkeypatch.setattr(silver, "insert_lines", slow)
    accepted(db, [till.sold("s"), poison(till, "p"), till.sold("t")])
    found = promote(db, till.tenant, till.now)
    assert (found.posted, found.put_off) == (2, 1)
    for wait, put_off in ((1, 1), (2, 1), (4, 1), (8, 0)):
        till.now += timedelta(seconds=wait)
        found = promote(db, till.tenant, till.now)
        assert (found.put_off, found.parked) == (put_off, 1 - put_off)
    assert till.held() == {"p": "INTERNAL_ERROR"}
    till.assert_sound()


def test_a_batch_takes_no_more_bytes_than_a_transaction_should(
    till: Till, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,000 receipts of 300 lines took 21 seconds at once."""
    sales = [till.sold(f"s{number}") for number in range(9)]
    monkeypatch.setattr(promoting, "_MOST_BYTES", 2 * len(orjson.dumps(sales[0])) + 1)
    accepted(db, sales)
    assert [promote(db, till.tenant, till.now).posted for _ in range(4)] == [3, 3, 3, 0]
    monkeypatch.setattr(promoting, "_MOST_BYTES", 1)
    accepted(db, [till.sold("t"), till.sold("u")])
    assert [promote(db, till.tenant, till.now).posted for _ in range(3)] == [1, 1, 0]
    till.assert_sound()


def test_a_database_that_is_away_counts_no_attempt(till: Till, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise DatabaseUnavailable("gone", "57P01")

    with monkeypatch.context() as broken:
        broken.setattr(silver, "insert_lines", away)
        accepted(db, [till.sold()])
        with pytest.raises(DatabaseUnavailable):
            promote(db, till.tenant, till.now)
    assert to_post(till) == {"s": (0, None)}
    eventually_posted(till)
    till.assert_sound()


def test_a_worker_that_dies_in_its_batch_leaves_nothing(till: Till, books: TestDatabase) -> None:
    accepted(till.db, [till.sold(), till.amended("CANCEL", "x", of="txn-later")])
    dying = books.open(size=1)

    def die() -> None:
        with dying.transaction() as tx:
            sql = "SELECT raw_id FROM gate.to_post WHERE tenant_id = %s"
            held_open(till, tx, [raw_id for (raw_id,) in till.rows(sql)])
            sql = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE backend_xid IS NOT NULL AND datname = current_database()"""
            till.superuser.execute(sql.encode())

    with pytest.raises(DatabaseUnavailable):
        die()
    dying.close()
    assert (till.count("silver.transactions"), till.count("silver.heads"), till.held()) == (0, 0, {})
    eventually_posted(till)
    assert till.held() == {"x": "MISSING_REFERENCE"}
    till.assert_sound()


def test_tenants_with_work_are_found_each_once(till: Till, db: Database) -> None:
    accepted(db, [till.sold("a"), till.sold("b")])
    assert tenants_to_post(db).count(till.tenant) == 1
    till.drain()
    assert till.tenant not in tenants_to_post(db)


@pytest.mark.parametrize("existing", [True, False])
def test_a_month_closes_while_events_are_posted(till: Till, db: Database, existing: bool) -> None:
    """Closing waits for the batch that posts into the month; what comes after is parked; nothing slips between."""
    if existing:
        till.period(date(2026, 2, 1), "open")
    stop, failures = threading.Event(), list[BaseException]()

    def sell() -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                accepted(db, [till.sold(f"{threading.get_ident()}-{number}-{of}") for of in range(5)])
                promote(db, till.tenant, till.now)
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failures.append(error)

    sellers = [threading.Thread(target=sell) for _ in range(3)]
    for seller in sellers:
        seller.start()
    threading.Event().wait(0.3)
    till.period(date(2026, 2, 1), "closed")
    posted = till.balances(DAY)
    threading.Event().wait(0.2)
    stop.set()
    for seller in sellers:
        seller.join(20)
    assert failures == []
    till.drain()
    assert posted == till.balances(DAY) != {}
    assert set(till.held().values()) == {"PERIOD_LOCKED"}
    till.assert_sound()


def test_the_application_cannot_edit_what_is_posted(books: TestDatabase, till: Till) -> None:
    till.send(till.sold())
    tables = [
        "silver.transactions",
        "silver.line_items",
        "silver.tenders",
        "silver.references",
        "silver.batches",
        "ledger.entries",
    ]
    with psycopg.connect(books.app_url, autocommit=True) as connection:
        connection.execute("SET ROLE ledgersafe_app")
        for table in tables:
            for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET tenant_id = 'x'", f"TRUNCATE {table}"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
        for table in ("silver.heads", "ledger.accounts", "ledger.periods"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"DELETE FROM {table}".encode())


@pytest.mark.parametrize(("ahead", "posted"), [(10, False), (7_000, False), (86_400, True), (10**9, True)])
def test_what_a_clock_that_was_ahead_put_off_is_posted(till: Till, ahead: int, posted: bool) -> None:
    accepted(till.db, [till.sold("s")])
    sql = "UPDATE gate.to_post SET attempts = 1, not_before = %s WHERE tenant_id = %s RETURNING 1"
    till.superuser.execute(sql, [till.now + timedelta(seconds=ahead), till.tenant])
    till.drain()
    assert till.keys() == {"s": ("processed", posted)}
