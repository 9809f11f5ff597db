"""The tables of platinum against polars, on generated trade with corrections, moved days, returns and cancellations."""

from datetime import date

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.pipeline.gold_verify import verify_gold
from tests.gold.platinum import RECKONED, assert_true, shown
from tests.gold.shops import Shops, set_up
from tests.gold.test_refresh import refreshed
from tests.gold.trade import post


def verified(db: Database, tenant: str) -> None:
    """What they hold is what their own recomputations say, and nothing is pending."""
    checks = [check for check in verify_gold(db, tenant) if check.table in RECKONED]
    assert [check for check in checks if not check.ok or check.pending] == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_tables_say_what_the_events_say(
    db: Database, superuser: psycopg.Connection, tenant: str, seed: int
) -> None:
    """Refreshed after each part: what is made anew for what was touched is what all of it would be."""
    shops = Shops(tenant, seed)
    set_up(superuser, tenant)
    for _ in range(5):
        post(db, tenant, shops.some(60), most=25)
        refreshed(db, tenant)
        assert_true(db, shops)
        verified(db, tenant)


def test_one_event_at_a_time(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    shops = Shops(tenant, 4)
    set_up(superuser, tenant)
    for _ in range(40):
        post(db, tenant, shops.some(1))
        refreshed(db, tenant)
        assert_true(db, shops)
    verified(db, tenant)


def test_the_trade_meets_every_case(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """Or the tests above would say little."""
    shops = Shops(tenant, 5)
    set_up(superuser, tenant)
    post(db, tenant, shops.some(400))
    refreshed(db, tenant)
    rows = {name: shown(db, tenant, name) for name in RECKONED}
    features = rows["store_features"]
    assert {row["rank_28d"] for row in features} == {1, 2, 3}
    assert {row["days"] for row in features} == set(range(1, 29))
    assert any(row["week_over_week"] is None for row in features)
    assert any(row["week_over_week"] not in (None, 0) for row in features)
    assert any(row["transactions"] == 0 for row in features)
    assert {row["class"] for row in rows["product_performance"]} == {"A", "B", "C"}
    assert any(row["trend_percent"] for row in rows["product_performance"])
    assert any(row["return_percent"] for row in rows["product_performance"])
    assert {row["books_date"] for row in rows["product_performance"]} >= {date(2025, 11, 1), date(2025, 12, 1)}
    assert len({row["segment"] for row in rows["customer_segments"]}) >= 6
    assert {row["method"] for row in rows["demand_forecast_14d"]} == {"weekday_level"}
    assert any(row["lower"] is not None and row["lower"] < row["forecast"] for row in rows["demand_forecast_14d"])


COLUMNS = {
    "store_features": "net_7d",
    "product_performance": "net",
    "customer_segments": "monetary",
    "demand_forecast_14d": "forecast",
}


@pytest.mark.parametrize("name", list(RECKONED))
def test_a_planted_fault_is_found(db: Database, superuser: psycopg.Connection, tenant: str, name: str) -> None:
    """By verify and by polars; a fault of one row, one that is gone, and one too many."""
    shops = Shops(tenant, 6)
    set_up(superuser, tenant)
    post(db, tenant, shops.some(120))
    refreshed(db, tenant)
    assert_true(db, shops)
    one = f"ctid = (SELECT max(ctid) FROM platinum.{name} WHERE tenant_id = %s)"
    superuser.execute(
        f"UPDATE platinum.{name} SET {COLUMNS[name]} = {COLUMNS[name]} + 1 WHERE {one}".encode(), [tenant]
    )
    (off,) = [check for check in verify_gold(db, tenant) if not check.ok]
    assert off.table == name
    assert {row["side"] for row in off.differences} == {"is", "should be"}
    with pytest.raises(AssertionError):
        assert_true(db, shops)
    superuser.execute(f"DELETE FROM platinum.{name} WHERE {one}".encode(), [tenant])
    (off,) = [check for check in verify_gold(db, tenant) if not check.ok]
    assert [row["side"] for row in off.differences] == ["should be"]
