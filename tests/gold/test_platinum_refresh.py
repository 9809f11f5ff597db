"""What a refresh of platinum touches: the windows that hold what moved, and nothing else."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.gold import store as gold
from ledgersafe.gold.rules import tables
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.pipeline import refresh as module
from ledgersafe.pipeline.gold_verify import verify_gold
from ledgersafe.pipeline.refresh import apply, refresh
from tests.events import sale
from tests.gold.platinum import RECKONED, assert_true, shown
from tests.gold.shops import Shops, set_up
from tests.gold.test_platinum_tables import verified
from tests.gold.test_refresh import refreshed
from tests.gold.trade import NOW, post

Versions = Mapping[tuple[Any, ...], str]
BEGIN = date(2025, 11, 1)


def day(number: int) -> date:
    """Days of these tests are counted from BEGIN."""
    return BEGIN + timedelta(days=number)


def at(number: int) -> str:
    """Noon of such a day."""
    return f"{day(number)}T12:00:00Z"


def versions(superuser: psycopg.Connection, tenant: str, name: str) -> Versions:
    """{keys: the transaction that wrote the row}: what a refresh writes is seen, also where it writes the same."""
    keys = ", ".join(tables()[name].cursor)
    sql = f"SELECT {keys}, xmin::text FROM platinum.{name} WHERE tenant_id = %s"
    return {row[:-1]: row[-1] for row in superuser.execute(sql.encode(), [tenant]).fetchall()}


def written(superuser: psycopg.Connection, tenant: str, name: str, before: Versions) -> set[tuple[Any, ...]]:
    """The keys of rows that were written since, or are gone."""
    return {key for key, _ in versions(superuser, tenant, name).items() ^ before.items()}


def trade(db: Database, tenant: str, days: int = 90) -> None:
    """Two stores in euros and one in dollars sell each day, and each has a customer."""
    stores = {"a": "EUR", "b": "EUR", "c": "USD"}
    events = [
        sale(
            tenant, f"{store}-{n}", store_id=store, currency=stores[store], occurred_at=at(n), customer_id=f"of-{store}"
        )
        for n in range(days)
        for store in stores
    ]
    post(db, tenant, events)
    refreshed(db, tenant)
    verified(db, tenant)


def test_a_late_event_corrects_its_windows_only(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """Three weeks late."""
    trade(db, tenant)
    before = {name: versions(superuser, tenant, name) for name in RECKONED}
    post(db, tenant, [sale(tenant, "late", store_id="a", currency="EUR", occurred_at=at(69))])
    refreshed(db, tenant)
    verified(db, tenant)
    touched = {name: written(superuser, tenant, name, before[name]) for name in RECKONED}
    window = {(day(n), store, "EUR") for n in range(69, 90) for store in ("a", "b")}
    assert touched["store_features"] == window
    assert {key[0] for key in touched["product_performance"]} == {date(2026, 1, 1)}
    assert touched["customer_segments"] == set()
    assert {key[1] for key in touched["demand_forecast_14d"]} == {"a"}
    assert len(touched["demand_forecast_14d"]) == 14


def test_a_window_ends(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """28 days after a late event nothing knows of it, nor does a forecast whose weeks do not go back to it."""
    trade(db, tenant, 240)
    before = {name: versions(superuser, tenant, name) for name in RECKONED}
    late = sale(tenant, "late", store_id="c", currency="USD", occurred_at=at(20), customer_id="of-c")
    post(db, tenant, [late])
    refreshed(db, tenant)
    verified(db, tenant)
    touched = {name: written(superuser, tenant, name, before[name]) for name in RECKONED}
    assert touched["store_features"] == {(day(n), "c", "USD") for n in range(20, 48)}
    assert {key[0] for key in touched["product_performance"]} == {date(2025, 11, 1), date(2025, 12, 1)}
    assert touched["customer_segments"] == {(day(239), "of-c", "USD")}
    assert touched["demand_forecast_14d"] == set()


def test_a_moved_sale_corrects_both_days(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    trade(db, tenant)
    before = versions(superuser, tenant, "store_features")
    features = {(row["books_date"], row["store_id"]): row for row in shown(db, tenant, "store_features")}
    changes = {"store_id": "c", "currency": "USD", "original_txn_id": "txn-c-80", "business_date": str(day(40))}
    post(db, tenant, [sale(tenant, "moved", event_type="CORRECTION", occurred_at=at(81), **changes)])
    refreshed(db, tenant)
    verified(db, tenant)
    windows = [*range(40, 68), *range(80, 90)]
    assert written(superuser, tenant, "store_features", before) == {(day(n), "c", "USD") for n in windows}
    after = {(row["books_date"], row["store_id"]): row for row in shown(db, tenant, "store_features")}
    moved = {day(40): Decimal("42.5"), day(80): Decimal("-42.5")}
    for key, row in features.items():
        assert after[key]["net"] - row["net"] == (moved.get(key[0], 0) if key[1] == "c" else 0)


def test_todays_sales_leave_the_past_and_the_forecast_alone(
    db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    """The last day is under way: it is no history yet."""
    trade(db, tenant)
    before = {name: versions(superuser, tenant, name) for name in RECKONED}
    post(db, tenant, [sale(tenant, store_id="a", currency="EUR", occurred_at=at(89))])
    refreshed(db, tenant)
    assert written(superuser, tenant, "store_features", before["store_features"]) == {
        (day(89), store, "EUR") for store in ("a", "b")
    }
    assert written(superuser, tenant, "demand_forecast_14d", before["demand_forecast_14d"]) == set()
    post(db, tenant, [sale(tenant, store_id="a", currency="EUR", occurred_at=at(90))])
    refreshed(db, tenant)
    verified(db, tenant)
    forecasts = shown(db, tenant, "demand_forecast_14d")
    assert {row["made_on"] for row in forecasts} == {day(89)}
    assert {row["books_date"] for row in forecasts} == {day(n) for n in range(90, 104)}
    assert len(forecasts) == 3 * 14


def test_nothing_new_nothing_done(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """However long nothing is sold."""
    trade(db, tenant, 40)
    before = {name: versions(superuser, tenant, name) for name in RECKONED}
    done = refresh(db, ManualClock(NOW + timedelta(days=400)), tenant_id=tenant)
    assert {one.table for one in done} & set(RECKONED) == set()
    assert {name: versions(superuser, tenant, name) for name in RECKONED} == before
    verified(db, tenant)


def test_a_store_that_begins_earlier_comes_back_or_leaves(db: Database, tenant: str) -> None:
    trade(db, tenant, 30)
    of_c = {"store_id": "c", "currency": "USD"}

    def days_of(store: str) -> list[date]:
        return [row["books_date"] for row in shown(db, tenant, "store_features") if row["store_id"] == store]

    post(db, tenant, [sale(tenant, **of_c, occurred_at=at(-50))])
    refreshed(db, tenant)
    verified(db, tenant)
    assert days_of("c") == [day(n) for n in range(-50, 30)]
    post(db, tenant, [sale(tenant, store_id="a", currency="EUR", occurred_at=at(100))])
    refreshed(db, tenant)
    verified(db, tenant)
    assert days_of("a") == [day(n) for n in range(101)]
    assert days_of("c") == [day(n) for n in range(-50, 57)]
    post(db, tenant, [sale(tenant, **of_c, occurred_at=at(98))])
    refreshed(db, tenant)
    verified(db, tenant)
    assert days_of("c") == [day(n) for n in range(-50, 101)]
    assert {row["store_id"] for row in shown(db, tenant, "demand_forecast_14d")} == {"c"}


def test_customers_leave_after_a_year(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """Their old sales leave the window, and they with the last of them."""
    bought = {"once": [0], "twice": [0, 200], "often": [10, 20, 300]}
    events = [
        sale(tenant, f"{name}-{n}", customer_id=name, occurred_at=at(n - 300))
        for name, days in bought.items()
        for n in days
    ]
    post(db, tenant, events)
    refreshed(db, tenant)
    assert {row["customer_id"]: row["frequency"] for row in shown(db, tenant, "customer_segments")} == {
        "once": 1,
        "twice": 2,
        "often": 3,
    }
    before = versions(superuser, tenant, "customer_segments")
    post(db, tenant, [sale(tenant, occurred_at=at(64))])
    refreshed(db, tenant)
    verified(db, tenant)
    assert written(superuser, tenant, "customer_segments", before) == set()
    post(db, tenant, [sale(tenant, occurred_at=at(65))])
    refreshed(db, tenant)
    verified(db, tenant)
    found = {row["customer_id"]: row for row in shown(db, tenant, "customer_segments")}
    assert {name: row["frequency"] for name, row in found.items()} == {"twice": 1, "often": 3}
    assert {name: row["recency_days"] for name, row in found.items()} == {"twice": 165, "often": 65}
    post(db, tenant, [sale(tenant, occurred_at=at(85))])
    refreshed(db, tenant)
    verified(db, tenant)
    assert {row["customer_id"]: row["frequency"] for row in shown(db, tenant, "customer_segments")} == {
        "twice": 1,
        "often": 1,
    }


def test_a_correction_names_another_customer(db: Database, tenant: str) -> None:
    post(db, tenant, [sale(tenant, "a", customer_id="wrong"), sale(tenant, "b", customer_id="other")])
    refreshed(db, tenant)
    post(db, tenant, [sale(tenant, "c", event_type="CORRECTION", original_txn_id="txn-a", customer_id="right")])
    refreshed(db, tenant)
    verified(db, tenant)
    assert [row["customer_id"] for row in shown(db, tenant, "customer_segments")] == ["other", "right"]


@pytest.mark.parametrize("seed", [41, 42])
def test_a_batch_at_a_time_while_daily_tables_are_ahead(
    db: Database, superuser: psycopg.Connection, tenant: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is made anew then knows of sales whose batches come later; in the end it is the truth all the same."""
    shops = Shops(tenant, seed)
    set_up(superuser, tenant)
    monkeypatch.setitem(module.AT_A_TIME, "recomputed", 1)
    for _ in range(2):
        post(db, tenant, shops.some(60), most=3)
        refreshed(db, tenant)
        assert_true(db, shops)
        verified(db, tenant)


@pytest.mark.parametrize("seed", [51])
def test_verify_leaves_out_what_is_pending(db: Database, superuser: psycopg.Connection, tenant: str, seed: int) -> None:
    """Whatever part of the batches is applied, it raises no false alarm, and finds a fault outside of their reach."""
    shops = Shops(tenant, seed)
    set_up(superuser, tenant)
    post(db, tenant, shops.some(80))
    refreshed(db, tenant)
    post(db, tenant, shops.some(30), most=2)
    refresh(db, ManualClock(NOW), tenant_id=tenant, at_once=True)
    for name in RECKONED:
        while True:
            checks = [check for check in verify_gold(db, tenant) if check.table == name]
            assert [check for check in checks if not check.ok] == []
            if not checks[0].pending:
                break
            with db.transaction() as tx:
                ids = [one.batch_id for one in gold.pending(tx, [name], tenant_id=tenant, most=None).all()]
                apply(tx, tables()[name], tenant, gold.claim(tx, tenant, tables()[name], ids[-1:]).all(), NOW)
    assert_true(db, shops)
    verified(db, tenant)


def test_a_fault_is_found_while_something_is_pending(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    trade(db, tenant, 60)
    post(db, tenant, [sale(tenant, store_id="a", currency="EUR", occurred_at=at(59))])
    plant = b"UPDATE platinum.store_features SET net_7d = 0 WHERE tenant_id = %s AND store_id = 'b' AND books_date = %s"
    superuser.execute(plant, [tenant, day(30)])
    plant = b"UPDATE platinum.demand_forecast_14d SET forecast = 0 WHERE tenant_id = %s AND store_id = 'b'"
    superuser.execute(plant, [tenant])
    plant = b"UPDATE platinum.product_performance SET units = 0 WHERE tenant_id = %s AND books_date = '2025-11-01'"
    superuser.execute(plant, [tenant])
    off = {check.table for check in verify_gold(db, tenant) if not check.ok}
    assert off == {"store_features", "demand_forecast_14d", "product_performance"}
