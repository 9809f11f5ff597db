"""Tables that are made of others: their order, their windows, the calendar, rebuilding, and how a failing one rests."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from ledgersafe.bootstrap import Runtime
from ledgersafe.db.database import Database
from ledgersafe.gold import store as gold
from ledgersafe.gold.rules import InvalidTable, Table, in_order, ordered, read_table, tables, with_what_is_made_of
from ledgersafe.kernel.clock import ManualClock, SystemClock
from ledgersafe.pipeline.gold_verify import verify_gold
from ledgersafe.pipeline.rebuild import rebuild, rebuild_outdated
from ledgersafe.pipeline.refresh import Refreshed, refresh, sweep
from ledgersafe.settings import Settings
from ledgersafe.worker.schedule import SCHEDULE
from ledgersafe.worker.tasks import refreshing
from tests.events import sale
from tests.gold.trade import NOW, Rows, Trade, held, post, set_up

CLOCK = ManualClock(NOW)
NEW = timedelta(seconds=1)


def refreshed(db: Database, tenant: str, now: datetime = NOW) -> dict[str, list[Refreshed]]:
    """What a refresh of one tenant did, by table; none may fail."""
    done = refresh(db, ManualClock(now), tenant_id=tenant)
    assert [one.error for one in done if one.error is not None] == []
    return {one.table: [other for other in done if other.table == one.table] for one in done}


def assert_verified(db: Database, tenant: str) -> None:
    assert [check for check in verify_gold(db, tenant) if not check.ok or check.pending] == []


def at(day: str, tenant: str, event_id: str, **changes: Any) -> dict[str, Any]:
    return sale(tenant, event_id, occurred_at=f"{day}T12:00:00Z", **changes)


def _file(name: str, reads: str, *more: str, schema: str = "") -> Table:
    header = [f"-- table: {schema}{name}", *more, "-- summary: s", "-- grain: g", f"-- reads: {reads}"]
    header += ["-- keys: tenant_id, books_date", "-- columns: books_date"]
    statements = [f"-- name: {title}\nSELECT 1" for title in ("add", "clear", "fill", "differences", "page")]
    return read_table(name, "\n".join([*header, *statements]))


MADE = "-- kind: recomputed"


def _ordered(*found: Table) -> list[str]:
    return [table.name for table in in_order({table.name: table for table in found})]


def test_tables_come_after_what_they_are_made_of() -> None:
    a = _file("a", "gold.z, platinum.m", MADE)
    z, m = _file("z", "silver.batches"), _file("m", "gold.z", MADE, schema="platinum.")
    assert _ordered(a, m, z) == ["z", "m", "a"]
    assert (m.full_name, m.made_of, a.made_of) == ("platinum.m", ("z",), ("z", "m"))
    names = [table.name for table in ordered()]
    assert sorted(names) == list(tables())
    for table in ordered():
        assert all(names.index(name) < names.index(table.name) for name in table.made_of)
    made = [table.name for table in with_what_is_made_of("daily_brand_sales")]
    assert made[0] == "daily_brand_sales"
    assert "brand_share_30d" in made


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ((_file("a", "gold.b", MADE), _file("b", "gold.a", MADE)), "made of itself: a → b → a"),
        ((_file("a", "gold.nothing", MADE),), "reads gold.nothing, which is no table"),
        ((_file("a", "silver"),), "reads 'silver', which is of no schema"),
        ((_file("a", "pos.sales"),), "reads 'pos.sales', which is of no schema"),
        ((_file("a", "gold.b"), _file("b", "silver.batches")), "is additive and reads gold.b"),
        ((_file("a", "gold.b", MADE), _file("b", "silver.batches", MADE, "-- calendar: yes")), "with the calendar"),
        ((_file("a", "gold.b", MADE), _file("b", "bronze.batches")), "one follows bronze.batches"),
    ],
)
def test_what_cannot_be_ordered_is_refused(found: tuple[Table, ...], message: str) -> None:
    with pytest.raises(InvalidTable, match=message):
        _ordered(*found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- table: a\n-- kind: guessed\n", "is of kind 'guessed'"),
        ("-- table: a\n-- kind: recomputed\n", "lacks .*clear, differences, fill, page"),
        ("-- table: gold.b\n", "lacks "),
    ],
)
def test_what_is_no_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidTable, match=message):
        read_table("a", text)


def test_only_what_a_schema_and_the_calendar_may_be() -> None:
    with pytest.raises(InvalidTable, match="schema gold or platinum"):
        _file("a", "silver.batches", schema="silver.")
    with pytest.raises(InvalidTable, match="schema gold or platinum"):
        _file("a", "silver.batches", "-- calendar: yes")


def test_a_table_waits_for_what_it_is_made_of(db: Database, tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that one of them has not applied is left alone, and made up for as soon as it has."""
    post(db, tenant, [at("2026-02-20", tenant, "a")])
    real = gold.add

    def broken(tx: Any, whose: str, table: Table, batch_ids: Any) -> Any:
        if table.name == "daily_brand_sales":
            raise ZeroDivisionError("planted")
        return real(tx, whose, table, batch_ids)

    monkeypatch.setattr(gold, "add", broken)
    done = refresh(db, CLOCK, tenant_id=tenant)
    assert {one.table for one in done if one.error is not None} == {"daily_brand_sales"}
    behind = {table.name for table in with_what_is_made_of("daily_brand_sales")}
    assert {one.table for one in done if one.error is None} == set(tables()) - behind
    monkeypatch.undo()
    assert set(refreshed(db, tenant)) == behind
    assert_verified(db, tenant)


def _days_that_changed(before: Rows, after: Rows) -> set[date]:
    keys = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    return {key[0] for key in keys}


WINDOWS = {"brand_share_30d": 29, "store_day_completeness": 28}


def test_a_late_event_corrects_its_day_and_the_windows_that_hold_it(db: Database, tenant: str) -> None:
    """Ten weeks of days; the windows that hold the late one end at the last day but two."""
    days = [date(2026, 1, 5) + timedelta(days=3 * number) for number in range(24)]
    post(db, tenant, [at(day.isoformat(), tenant, day.isoformat()) for day in days])
    refreshed(db, tenant)
    before = {name: held(db, tenant, name) for name in tables()}
    late = date(2026, 2, 8)
    post(
        db,
        tenant,
        [
            at(late.isoformat(), tenant, "late", line_items=None, total_amount="1.00")
            | {"line_items": [{"sku": "SKU-CCC", "qty": 1, "amount": "1.00", "brand": "Late"}]}
        ],
    )
    done = refreshed(db, tenant)
    assert {name: sum(one.batches for one in runs) for name, runs in done.items()} == dict.fromkeys(tables(), 1)
    for name, table in tables().items():
        if table.schema != "gold" or table.follows_arrivals:
            continue
        changed = _days_that_changed(before[name], held(db, tenant, name))
        if name == "basket_pairs":
            assert changed == {date(2026, 2, 1)}
        elif name in WINDOWS:
            assert min(changed) == late
            assert max(changed) <= late + timedelta(days=WINDOWS[name])
        else:
            assert changed == {late}, name
    shares = held(db, tenant, "brand_share_30d")
    held_late = {key[0] for key in shares if key[1] == "Late"}
    assert held_late == {day for day in [*days, late] if late <= day <= late + timedelta(days=29)}
    assert_verified(db, tenant)


def test_a_correction_that_moves_a_sale_corrects_both_days(db: Database, tenant: str) -> None:
    post(db, tenant, [at("2026-02-20", tenant, "a"), at("2026-02-25", tenant, "b"), at("2026-01-30", tenant, "c")])
    refreshed(db, tenant)
    moved = sale(tenant, "m", event_type="CORRECTION", original_txn_id="txn-a", business_date="2026-01-31")
    post(db, tenant, [moved | {"occurred_at": "2026-02-26T12:00:00Z"}])
    before = {name: held(db, tenant, name) for name in ("brand_share_30d", "store_day_completeness")}
    refreshed(db, tenant)
    shares = held(db, tenant, "brand_share_30d")
    assert _days_that_changed(before["brand_share_30d"], shares) >= {date(2026, 1, 31)}
    assert shares[date(2026, 2, 20), "", "USD"][0] == Decimal(
        "85.0"
    )  # of the 30th and 31st of January; its own is gone
    reported = {key[0] for key, row in held(db, tenant, "store_day_completeness").items() if row[0]}
    assert reported == {date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 25)}
    assert_verified(db, tenant)


def test_pairs_are_the_most_frequent_and_no_more_than_200(db: Database, tenant: str) -> None:
    """Thirty products in three baskets are 435 pairs; one pair is in a fourth; an order of 101 products is no basket."""
    many = [{"sku": f"P{number:03}", "qty": 1, "amount": "1.00"} for number in range(30)]
    order = [{"sku": f"P{number:03}", "qty": 1, "amount": "1.00"} for number in range(101)]
    events = [at("2026-02-10", tenant, f"b{n}", line_items=many, total_amount="30.00") for n in range(3)]
    events += [at("2026-02-11", tenant, "pair", line_items=many[-2:], total_amount="2.00")]
    events += [at("2026-02-11", tenant, "order", line_items=order, total_amount="101.00")]
    events += [at("2026-02-12", tenant, "gone", line_items=many, total_amount="30.00")]
    gone = {"original_txn_id": "txn-gone", "line_items": None, "total_amount": None}
    post(db, tenant, [*events, at("2026-02-13", tenant, "cancel", event_type="CANCEL", **gone)])
    refreshed(db, tenant)
    pairs = held(db, tenant, "basket_pairs")
    assert len(pairs) == 200
    month = date(2026, 2, 1)
    assert pairs[month, "store_001", "P028", "P029"][:4] == (4, 4, 4, 4)
    assert pairs[month, "store_001", "P000", "P001"][:4] == (3, 3, 3, 4)
    assert (month, "store_001", "P027", "P029") not in pairs
    assert_verified(db, tenant)


def test_days_without_a_report(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """The calendar alone adds days, by each store's own zone, for 28 days; looked at again, nothing is done."""
    set_up(superuser, tenant)
    superuser.execute(
        "UPDATE tenants.stores SET time_zone = 'America/Los_Angeles' WHERE tenant_id = %s AND store_id = 's-euro'",
        [tenant],
    )
    post(
        db,
        tenant,
        [
            sale(tenant, store_id=name, occurred_at="2026-02-10T20:00:00Z", currency="USD")
            for name in ("s-utc", "s-euro")
        ],
    )
    shown = {}
    for now in (
        "2026-02-10T23:00:00Z",
        "2026-02-11T01:00:00Z",
        "2026-02-11T09:00:00Z",
        "2026-02-12T00:30:00Z",
        "2026-04-30T12:00:00Z",
    ):
        refreshed(db, tenant, datetime.fromisoformat(now))
        assert refreshed(db, tenant, datetime.fromisoformat(now) + NEW) == {}
        assert_verified(db, tenant)
        shown[now] = {(key[1], key[0].day) for key in held(db, tenant, "store_day_completeness")}
    assert list(shown.values())[:4] == [
        set(),
        {("s-utc", 10)},
        {("s-utc", 10), ("s-euro", 10)},
        {("s-utc", 10), ("s-euro", 10), ("s-utc", 11)},
    ]
    rows = held(db, tenant, "store_day_completeness")
    assert {key[0] for key in rows} == {date(2026, 2, 10) + timedelta(days=number) for number in range(29)}
    assert {key[0] for key, row in rows.items() if row[0]} == {date(2026, 2, 10)}
    assert {row[-1] for row in rows.values()} == {date(2026, 2, 10)}


def test_a_rebuilt_table_is_as_it_was(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """Also where somebody spoilt it, and for every table; what is not applied yet stays to be applied."""
    trade = Trade(tenant, 201)
    set_up(superuser, tenant)
    post(db, tenant, trade.some(80), most=7)
    refreshed(db, tenant)
    before = {name: held(db, tenant, name) for name in tables()}
    for name in tables():
        if tables()[name].schema == "gold":
            superuser.execute(f"UPDATE gold.{name} SET books_date = books_date + 365 WHERE tenant_id = %s", [tenant])
        done = rebuild(db, CLOCK, name, tenant)
        assert [one.table for one in done] == [table.name for table in with_what_is_made_of(name)]
        assert {other: held(db, tenant, other) for other in tables()} == before, name
    assert_verified(db, tenant)
    post(db, tenant, trade.some(20))
    assert set(refreshed(db, tenant)) == set(tables())
    assert_verified(db, tenant)


def test_a_rebuild_that_fails_leaves_the_table_as_it_was(
    db: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(db, tenant, [sale(tenant), sale(tenant)])
    refreshed(db, tenant)
    before = held(db, tenant, "payment_mix")

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(gold, "add", broken)
    with pytest.raises(ZeroDivisionError):
        rebuild(db, CLOCK, "payment_mix", tenant)
    monkeypatch.undo()
    assert held(db, tenant, "payment_mix") == before
    assert_verified(db, tenant)
    assert refreshed(db, tenant) == {}


@pytest.mark.parametrize(
    ("setting", "value", "name", "place"),
    [("time_zone", "Asia/Tokyo", "hourly_sales", 2), ("region", "south", "region_daily", 1)],
)
def test_a_store_that_is_set_up_anew(
    db: Database, superuser: psycopg.Connection, tenant: str, setting: str, value: str, name: str, place: int
) -> None:
    """The table stays exact by the setting that it was made with, until the schedule has it made with the new one."""
    post(db, tenant, [at("2026-02-20", tenant, "a"), at("2026-02-20", tenant, "b")])
    refreshed(db, tenant)
    superuser.execute(f"UPDATE tenants.stores SET {setting} = %s WHERE tenant_id = %s", [value, tenant])
    assert_verified(db, tenant)
    void = {"original_txn_id": "txn-a", "line_items": None, "total_amount": None}
    post(db, tenant, [at("2026-02-21", tenant, "v", event_type="CANCEL", **void), at("2026-02-20", tenant, "c")])
    refreshed(db, tenant)
    assert_verified(db, tenant)
    ((old, row),) = held(db, tenant, name).items()
    assert (old[place], row[0]) == ({"time_zone": 12, "region": ""}[setting], 2)
    done = rebuild_outdated(db, CLOCK, tenant)
    assert {one.table for one in done} == {table.name for table in with_what_is_made_of(name)}
    ((new, row),) = held(db, tenant, name).items()
    assert (new[place], row[0]) == ({"time_zone": 21, "region": "south"}[setting], 2)
    assert_verified(db, tenant)
    assert rebuild_outdated(db, CLOCK, tenant) == []


def test_a_failing_table_rests_longer_each_time(
    db: Database, superuser: psycopg.Connection, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the background only: who asks for a refresh gets one. The others go on."""
    clock, real = ManualClock(NOW), gold.add

    def broken(tx: Any, whose: str, table: Table, batch_ids: Any) -> Any:
        if table.name == "payment_mix" and whose == tenant:
            raise ZeroDivisionError("planted")
        return real(tx, whose, table, batch_ids)

    monkeypatch.setattr(gold, "add", broken)
    post(db, tenant, [sale(tenant)])
    tried = []
    for second in range(1_200):
        clock.move_to(NOW + timedelta(seconds=second))
        if any(one.error for one in refresh(db, clock, tenant_id=tenant, at_once=True, in_background=True)):
            tried.append(second)
    assert tried == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111]
    runs = "SELECT count(*) FROM gold.runs WHERE tenant_id = %s AND error IS NOT NULL"
    assert superuser.execute(runs, [tenant]).fetchone() == (len(tried),)
    assert [one.error for one in refresh(db, clock, tenant_id=tenant) if one.table == "payment_mix"] != []
    monkeypatch.undo()
    refreshed(db, tenant)
    assert_verified(db, tenant)
    state = "SELECT failures, not_before FROM gold.state WHERE tenant_id = %s AND table_name = 'payment_mix'"
    assert superuser.execute(state, [tenant]).fetchone() == (0, None)


def test_the_worker_waits_for_nobody(books: Any, db: Database, tenant: str) -> None:
    """What somebody else is at is left to him: in the background a table that is held is passed by."""
    post(db, tenant, [sale(tenant)])
    with psycopg.connect(books.superuser_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"gold.payment_mix/{tenant}"])
        done = refresh(db, CLOCK, tenant_id=tenant, in_background=True)
        assert {one.table for one in done} == set(tables()) - {
            table.name for table in with_what_is_made_of("payment_mix")
        }
    assert set(refreshed(db, tenant)) == {table.name for table in with_what_is_made_of("payment_mix")}


def test_sums_at_once_and_the_rest_on_the_schedule(database: Database, tenant: str) -> None:
    now = datetime.now(UTC)
    post(database, tenant, [sale(tenant, occurred_at=now.isoformat()), sale(tenant, occurred_at=now.isoformat())])
    with database.snapshot() as tx:
        assert gold.tenants(tx).all() == [tenant]
    runtime = Runtime(Settings(), database, SystemClock())
    refresh(database, SystemClock(), since=NOW, at_once=True)
    assert held(database, tenant, "daily_store_sales") != {}
    assert held(database, tenant, "brand_share_30d") == held(database, tenant, "daily_arrivals") == {}
    (job,) = [job for job in SCHEDULE if job.name == "smart-gold-refresh"]
    assert job.timing.every == timedelta(minutes=5)
    told = refresh(database, SystemClock(), since=NOW, in_background=True)
    assert {one.table for one in told} >= {"brand_share_30d", "basket_pairs", "daily_arrivals", "ingestion_health"}
    assert job.run(runtime) == "refreshed 0 tables, rebuilt 0"
    assert not refreshing(runtime)
    assert sweep(database, SystemClock()) == 0


def test_what_a_table_reads_is_in_its_header() -> None:
    """Its statements, parsed: nothing that is not in `reads`. Views stand for what they are made of."""
    from pglast import ast, parse_sql

    from tests.house.source import numbered
    from tests.house.sqltree import found
    from tests.house.sqltree import table as name_of

    stands_for = {
        "gold.posted": {"silver.batches"},
        "gold.sales": {"silver.transactions"},
        "platinum.customer_sales": {"silver.transactions"},
        "gold.made_with": {"tenants.stores"},
    }
    given = {"silver.batches", "bronze.batches", "tenants.stores", "tenants.tenants"}
    for table in tables().values():
        used: set[str] = set()
        for statement in table.statements.values():
            for relation in found(parse_sql(numbered(statement.decode())), ast.RangeVar):
                if relation.schemaname:
                    used |= stands_for.get(name_of(relation), {name_of(relation)})
        assert used - {table.full_name} <= set(table.reads), table.name
        assert set(table.reads) <= used | given, table.name


@pytest.mark.parametrize(("ahead", "rests"), [(timedelta(hours=1), True), (timedelta(days=1), False)])
def test_a_clock_that_was_ahead_lets_no_table_rest(
    db: Database, superuser: psycopg.Connection, tenant: str, ahead: timedelta, rests: bool
) -> None:
    post(db, tenant, [sale(tenant)])
    state = "INSERT INTO gold.state (tenant_id, table_name, failures, not_before) VALUES (%s, 'payment_mix', 3, %s)"
    superuser.execute(state, [tenant, NOW + ahead])
    done = refresh(db, ManualClock(NOW), tenant_id=tenant, at_once=True, in_background=True)
    assert ("payment_mix" not in {one.table for one in done}) == rests
