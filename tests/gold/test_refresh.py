"""The tables of answers: moved by what each batch posts and takes back, and exactly what the events say."""

import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from ledgersafe.bootstrap import Runtime
from ledgersafe.db.database import Database
from ledgersafe.gold import store as gold
from ledgersafe.gold.rules import InvalidTable, ordered, read_table, tables, with_what_is_made_of
from ledgersafe.kernel.clock import ManualClock, SystemClock
from ledgersafe.pipeline.gold_verify import verify_gold
from ledgersafe.pipeline.refresh import Refreshed, refresh, sweep
from ledgersafe.settings import Settings
from ledgersafe.worker.tasks import posting, refreshing
from tests.conftest import TestDatabase, stop
from tests.events import sale
from tests.gold.trade import NOW, Trade, expected, held, post, set_up
from tests.pipeline.arrivals import accepted

CLOCK = ManualClock(NOW)


def refreshed(db: Database, tenant: str) -> list[Refreshed]:
    """Refresh one tenant, and no table of it may fail."""
    done = refresh(db, CLOCK, tenant_id=tenant)
    assert [one.error for one in done if one.error is not None] == []
    return done


def assert_true(db: Database, trade: Trade) -> None:
    """Every table is what the events say, and what its own recomputation says."""
    for name, rows in expected(trade).items():
        assert held(db, trade.tenant, name) == rows, name
    assert [check for check in verify_gold(db, trade.tenant) if not check.ok or check.pending] == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_tables_say_what_the_events_say(
    db: Database, superuser: psycopg.Connection, tenant: str, seed: int
) -> None:
    """Sales, returns, corrections, moved days, cancellations, late events; refreshed after each part."""
    trade = Trade(tenant, seed)
    set_up(superuser, tenant)
    for _ in range(4):
        post(db, tenant, trade.some(60), most=25)
        refreshed(db, tenant)
        assert_true(db, trade)
    kinds = {truth.event["event_type"] for truth in trade.truths}
    assert kinds == {"SALE", "RETURN", "ADJUSTMENT"}
    assert len(expected(trade)) == 6


def test_tenants_do_not_meet(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    trades = [Trade(f"{tenant}-{number}", number) for number in (11, 12)]
    for trade in trades:
        set_up(superuser, trade.tenant)
        post(db, trade.tenant, trade.some(60))
    done = refresh(db, CLOCK)
    assert {one.tenant_id for one in done} >= {trade.tenant for trade in trades}
    for trade in trades:
        assert_true(db, trade)


def test_net_and_accounts_are_the_ledgers(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    trade = Trade(tenant, 21)
    set_up(superuser, tenant)
    post(db, tenant, trade.some(150))
    refreshed(db, tenant)
    by_day: dict[tuple[date, str], Decimal] = {}
    for (day, account, currency), (debit, credit, balance) in held(db, tenant, "account_daily").items():
        assert balance == debit - credit
        if account in ("4000", "4100", "4200"):
            by_day[day, currency] = by_day.get((day, currency), Decimal(0)) - balance
    net: dict[tuple[date, str], Decimal] = {}
    for (day, _, currency), measures in held(db, tenant, "daily_store_sales").items():
        net[day, currency] = net.get((day, currency), Decimal(0)) + measures[5]
    assert {key: value for key, value in net.items() if value} == {key: value for key, value in by_day.items() if value}
    lines = superuser.execute(
        "SELECT books_date, account, currency, sum(debit), sum(credit), sum(amount) FROM ledger.lines"
        " WHERE tenant_id = %s GROUP BY 1, 2, 3",
        [tenant],
    ).fetchall()
    assert {row[:3]: row[3:] for row in lines if any(row[3:])} == held(db, tenant, "account_daily")


def test_products_come_to_the_stores_day(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    trade = Trade(tenant, 22)
    set_up(superuser, tenant)
    post(db, tenant, trade.some(150))
    refreshed(db, tenant)
    sums: dict[tuple[object, ...], list[Decimal]] = {}
    for (day, store, _, currency), measures in held(db, tenant, "daily_product_sales").items():
        row = sums.setdefault((day, store, currency), [Decimal(0)] * 6)
        row[:] = [a + b for a, b in zip(row, measures[1:], strict=True)]
    assert {key: row for key, row in sums.items() if any(row)} == {
        key: list(row[1:]) for key, row in held(db, tenant, "daily_store_sales").items() if any(row[1:])
    }


def _days(db: Database, tenant: str) -> dict[date, Decimal]:
    return {key[0]: row[2] for key, row in held(db, tenant, "daily_store_sales").items()}


def test_a_late_event_corrects_its_day_and_no_other(db: Database, tenant: str) -> None:
    post(db, tenant, [sale(tenant, f"d{day}", occurred_at=f"2026-02-{day:02}T12:00:00Z") for day in (20, 21, 22)])
    refreshed(db, tenant)
    before = _days(db, tenant)
    post(db, tenant, [sale(tenant, "late", occurred_at="2026-02-01T12:00:00Z")])
    touched = {one.table: one.rows for one in refreshed(db, tenant)}
    assert _days(db, tenant) == {date(2026, 2, 1): Decimal("42.5")} | before
    assert touched["daily_store_sales"] == 1
    assert touched["daily_product_sales"] == 2


def test_a_correction_that_moves_a_day_corrects_both(db: Database, tenant: str) -> None:
    post(db, tenant, [sale(tenant, "a", occurred_at="2026-02-20T12:00:00Z"), sale(tenant, "b")])
    refreshed(db, tenant)
    moved = sale(tenant, "c", event_type="CORRECTION", original_txn_id="txn-a", business_date="2026-02-18")
    post(db, tenant, [moved])
    touched = {one.table: one.rows for one in refreshed(db, tenant)}
    assert _days(db, tenant) == {date(2026, 2, 18): Decimal("42.5"), date(2026, 2, 25): Decimal("42.5")}
    assert touched["daily_store_sales"] == 2


def test_a_reversal_counts_for_the_hour_of_what_it_takes_back(db: Database, tenant: str) -> None:
    post(db, tenant, [sale(tenant, "a", occurred_at="2026-02-20T09:30:00Z")])
    refreshed(db, tenant)
    assert [key[2] for key in held(db, tenant, "hourly_sales")] == [9]
    fixed = sale(tenant, "b", event_type="CORRECTION", original_txn_id="txn-a", occurred_at="2026-02-20T18:00:00Z")
    post(db, tenant, [fixed])
    refreshed(db, tenant)
    assert [key[2] for key in held(db, tenant, "hourly_sales")] == [9]
    gone = {"occurred_at": "2026-02-21T20:00:00Z", "original_txn_id": "txn-a", "line_items": None, "total_amount": None}
    post(db, tenant, [sale(tenant, "c", event_type="CANCEL", **gone)])
    refreshed(db, tenant)
    assert held(db, tenant, "hourly_sales") == {}


def test_nothing_new_nothing_done(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    post(db, tenant, [sale(tenant), sale(tenant)])
    assert {one.table for one in refreshed(db, tenant)} == set(tables())
    before = {name: held(db, tenant, name) for name in tables()}
    runs = superuser.execute(
        "SELECT table_name, batches, error FROM gold.runs WHERE tenant_id = %s", [tenant]
    ).fetchall()
    assert sorted(runs) == [(name, 1, None) for name in tables()]
    assert refreshed(db, tenant) == []
    assert {name: held(db, tenant, name) for name in tables()} == before
    assert superuser.execute("SELECT count(*) FROM gold.runs WHERE tenant_id = %s", [tenant]).fetchone() == (
        len(tables()),
    )


def test_what_is_older_than_the_look_is_left_to_the_sweep(
    test_database: TestDatabase, database: Database, tenant: str
) -> None:
    post(database, tenant, [sale(tenant)])
    assert refresh(database, CLOCK, since=NOW + timedelta(seconds=1), at_once=True) == []
    assert {check.pending for check in verify_gold(database, tenant)} == {1}
    assert all(check.ok for check in verify_gold(database, tenant))
    assert sweep(database, CLOCK) == len(tables())
    assert sweep(database, ManualClock(NOW + timedelta(days=8))) == 0
    with psycopg.connect(test_database.superuser_url) as connection:
        left = connection.execute("SELECT table_name, batches FROM gold.runs").fetchall()
    assert left == [(table.name, 0) for table in ordered() if table.is_of_the_day and (table.name, 0) in left]


def test_a_failing_table_is_on_record_and_stops_no_other(
    db: Database, superuser: psycopg.Connection, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(db, tenant, [sale(tenant)])
    real = gold.add

    def broken(tx: object, whose: str, table: gold.Table, batch_ids: object) -> object:
        if table.name == "daily_store_sales":
            raise ZeroDivisionError("planted")
        return real(tx, whose, table, batch_ids)  # type: ignore[arg-type]

    monkeypatch.setattr(gold, "add", broken)
    done = refresh(db, CLOCK, tenant_id=tenant)
    waiting = {table.name for table in with_what_is_made_of("daily_store_sales")}
    assert {one.table for one in done if one.error is None} == set(tables()) - waiting
    found = superuser.execute(
        "SELECT table_name, error FROM gold.runs WHERE tenant_id = %s AND error IS NOT NULL", [tenant]
    ).fetchall()
    assert found == [("daily_store_sales", "ZeroDivisionError: planted")]
    assert held(db, tenant, "daily_store_sales") == {}
    monkeypatch.undo()
    assert {one.table for one in refreshed(db, tenant)} == waiting
    assert len(held(db, tenant, "daily_store_sales")) == 1


_DIES = """
import sys, time
from ledgersafe.db.database import Database
from ledgersafe.gold import store as gold
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.refresh import refresh

real = gold.add
def slow(tx, tenant_id, table, batch_ids):
    rows = real(tx, tenant_id, table, batch_ids)
    if table.name == "hourly_sales":
        rows.all()
        print("in the middle", flush=True)
        time.sleep(60)
    return rows
gold.add = slow
refresh(Database(sys.argv[1], size=2, role="ledgersafe_app"), SystemClock())
"""


def test_killed_in_the_middle(database: Database, test_database: TestDatabase, tenant: str) -> None:
    """What it had not committed is not there, holds nobody up, and is added once by the next."""
    post(database, tenant, [sale(tenant) for _ in range(50)], most=10)
    process = subprocess.Popen([sys.executable, "-c", _DIES, test_database.app_url], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in the middle\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    finally:
        stop(process)
    assert held(database, tenant, "hourly_sales") == {}
    done = {one.table for one in refreshed(database, tenant)}
    names = [table.name for table in ordered() if table.kind == "additive"]
    after = names[names.index("hourly_sales") :]
    assert done == {*after, *(table.name for table in tables().values() if table.kind == "recomputed")}
    assert [check for check in verify_gold(database, tenant) if not check.ok or check.pending] == []
    (row,) = held(database, tenant, "daily_store_sales").values()
    assert row[0] == 50


def test_two_refreshers_at_once(books: TestDatabase, db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """While others post: nothing is added twice, nothing is left out, nobody fails."""
    trade = Trade(tenant, 31)
    set_up(superuser, tenant)
    ended = threading.Event()
    faults: list[BaseException] = []
    done: list[Refreshed] = []

    def go_on() -> None:
        opened = books.open(size=2)
        try:
            while not ended.is_set():
                done.extend(refreshed(opened, tenant))
        except BaseException as error:  # noqa: BLE001 - told below
            faults.append(error)
        finally:
            opened.close()

    threads = [threading.Thread(target=go_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        post(db, tenant, trade.some(40), most=5)
    ended.set()
    for thread in threads:
        thread.join(60)
    assert faults == []
    done.extend(refreshed(db, tenant))
    assert_true(db, trade)
    for source, follows in (("silver", False), ("bronze", True)):
        number = superuser.execute(f"SELECT count(*) FROM {source}.batches WHERE tenant_id = %s", [tenant]).fetchone()
        assert number is not None
        for table in tables().values():
            if table.follows_arrivals == follows:
                assert sum(one.batches for one in done if one.table == table.name) == number[0], table.name


PLANTED: list[tuple[str, str]] = [
    ("a changed amount", "UPDATE gold.{0} SET {1} = {1} + 1 WHERE tenant_id = %s"),
    ("a row that is gone", "DELETE FROM gold.{0} WHERE tenant_id = %s"),
    ("a batch counted, not added", "UPDATE gold.{0} SET {1} = 0 WHERE tenant_id = %s"),
]
MEASURES = ("net", "received", "gross", "debit", "baskets", "arrivals", "transactions")
OF_GOLD = [name for name, table in tables().items() if table.schema == "gold"]


@pytest.mark.parametrize("name", OF_GOLD)
@pytest.mark.parametrize(("what", "statement"), PLANTED, ids=[what for what, _ in PLANTED])
def test_verify_names_the_rows_that_are_off(
    db: Database, superuser: psycopg.Connection, tenant: str, name: str, what: str, statement: str
) -> None:
    """What is made of the table is off along with it, and no other is."""
    del what
    post(db, tenant, [sale(tenant), sale(tenant)])
    refreshed(db, tenant)
    measure = next(column for column in MEASURES if column in tables()[name].columns)
    superuser.execute(statement.format(name, measure).encode(), [tenant])
    off = {check.table: check for check in verify_gold(db, tenant) if not check.ok}
    assert name in off
    assert set(off) <= {table.name for table in with_what_is_made_of(name)}
    (column,) = superuser.execute(f"SELECT to_jsonb(min(books_date)) FROM gold.{name} WHERE tenant_id = %s", [tenant])
    days = {row["books_date"].isoformat() for row in off[name].differences}
    assert column[0] is None or column[0] in days
    assert {row["side"] for row in off[name].differences} <= {"is", "should be"}


def test_every_file_is_a_table_and_says_what_it_is(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    post(db, tenant, [sale(tenant), sale(tenant)])
    refreshed(db, tenant)
    for table in tables().values():
        keys = superuser.execute(
            "SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_index i"
            " CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place)"
            " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number"
            " WHERE i.indrelid = %s::regclass AND i.indisprimary",
            [table.full_name],
        ).fetchone()
        assert keys == (list(table.keys),), table.name
        with db.snapshot() as tx:
            row = gold.page(tx, table, gold.Wanted(tenant), 1).first()
        assert row is not None or table.schema != "gold", table.name
        assert row is None or tuple(row) == table.columns, table.name
        for source in table.reads:
            assert superuser.execute("SELECT to_regclass(%s) IS NOT NULL", [source]).fetchone() == (True,), source
    made = superuser.execute(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables"
        " WHERE table_schema IN ('gold', 'platinum') AND table_type = 'BASE TABLE'"
    ).fetchall()
    ours = {"gold.applied", "gold.runs", "gold.state", "gold.made_with"}
    assert {name for (name,) in made} - ours >= {table.full_name for table in tables().values()}
    assert {name for (name,) in made if name.startswith("gold.")} == {f"gold.{name}" for name in OF_GOLD} | ours


def test_a_file_that_lacks_something_is_refused() -> None:
    with pytest.raises(InvalidTable, match=r"lacks columns, grain, keys, reads, summary, add, differences"):
        read_table("a", "-- table: a\n-- name: page\nSELECT 1\n")


def test_the_worker_refreshes(database: Database, tenant: str) -> None:
    runtime = Runtime(Settings(), database, SystemClock())
    accepted(database, [sale(tenant, occurred_at=datetime.now(UTC).isoformat())])
    assert posting(runtime)
    assert refreshing(runtime)
    assert not refreshing(runtime)
    assert len(held(database, tenant, "daily_store_sales")) == 1
