"""Every gold table, held against independent code: polars over the generated events, never the same SQL."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import polars as pl
import psycopg
import pytest

from ledgersafe.contracts import doors
from ledgersafe.db.database import Database
from ledgersafe.gold.rules import tables
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.pipeline.accept import accept
from ledgersafe.pipeline.arrival import Parcel, judged, read
from ledgersafe.pipeline.gold_verify import verify_gold
from ledgersafe.pipeline.refresh import refresh
from tests.events import sale
from tests.gold.reckoned import RECKONED, Frames, completeness, last_finished, rows_of
from tests.gold.trade import NOW, Rows, Trade, held, post, set_up
from tests.pipeline.arrivals import ANYBODY

CLOCK = ManualClock(NOW)
OTHERWISE = {"account_daily", "store_day_completeness", "daily_arrivals", "ingestion_health"}
"""Tables that a test of their own below reckons."""


def test_every_table_of_gold_is_reckoned() -> None:
    assert {name for name, table in tables().items() if table.schema == "gold"} == set(RECKONED) | OTHERWISE


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_tables_of_the_books(db: Database, superuser: psycopg.Connection, tenant: str, seed: int) -> None:
    """Sales, returns, corrections, moved days, cancellations, late events; refreshed after each part."""
    trade = Trade(tenant, seed)
    set_up(superuser, tenant)
    for part in range(4):
        post(db, tenant, trade.some(80), most=30)
        assert [one.error for one in refresh(db, CLOCK, tenant_id=tenant) if one.error is not None] == []
        frames = Frames(trade)
        for name, (keys, reckon) in RECKONED.items():
            due = rows_of(reckon(frames), keys)
            assert len(due) > part, name
            assert _without_nothing(name, held(db, tenant, name)) == due, name
        due = rows_of(completeness(frames, last_finished(NOW.date())), 2)
        assert held(db, tenant, "store_day_completeness") == due
        assert {row[0] for row in due.values()} == {True, False}
    assert [check for check in verify_gold(db, tenant) if not check.ok or check.pending] == []


def _without_nothing(name: str, rows: Rows) -> Rows:
    """Of a brand that came back entirely, the day's sums keep a row of zeros, and its window a share of nothing."""
    return {key: row for key, row in rows.items() if row[0] != 0} if name == "brand_share_30d" else rows


def test_accounts(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """From the ledger's lines as they are read over its view, summed up by polars."""
    trade = Trade(tenant, 111)
    set_up(superuser, tenant)
    post(db, tenant, trade.some(120))
    refresh(db, CLOCK, tenant_id=tenant)
    lines = superuser.execute(
        "SELECT books_date, account, currency, (amount * 100)::bigint FROM ledger.lines WHERE tenant_id = %s", [tenant]
    ).fetchall()
    frame = pl.DataFrame(lines, schema=["books_date", "account", "currency", "amount"], orient="row")
    amount = pl.col("amount")
    sums = frame.group_by("books_date", "account", "currency").agg(
        debit=amount.filter(amount > 0).sum(), credit=-amount.filter(amount < 0).sum(), balance=amount.sum()
    )
    due = {row[:3]: tuple(Decimal(value) / 100 for value in row[3:]) for row in sums.iter_rows()}
    assert held(db, tenant, "account_daily") == {key: row for key, row in due.items() if any(row)}


def _deliver(db: Database, received: Sequence[tuple[datetime, dict[str, Any]]]) -> None:
    for at, event in received:
        arrival = judged(read(Parcel(doors.NATIVE, ANYBODY, at), orjson.dumps(event)), None, 600)
        accept(db, [arrival], slot=0)


def test_what_arrived(db: Database, tenant: str) -> None:
    """Arrivals, retries, conflicts and faults of two sources on several days, in two parts."""
    begun = datetime(2026, 3, 1, 23, 59, 50, tzinfo=UTC)
    received: list[tuple[datetime, dict[str, Any]]] = []
    for number in range(30):
        at = begun + timedelta(hours=7 * number, seconds=number)
        first = sale(tenant, f"a-{number}", source_system=("pos_sim", "web")[number % 2])
        received.append((at, first))
        if number % 3 == 0:
            received.append((at + timedelta(hours=1), first))  # a retry
        if number % 5 == 0:
            received.append((at + timedelta(days=1), first | {"total_amount": 99}))  # a conflict
        if number % 7 == 0:
            received.append((at, sale(tenant, f"f-{number}", source_system="web", total_amount=-3)))
    keys = pl.DataFrame(
        [
            (at.date(), event["source_system"], event["event_id"], event["total_amount"] in (99, -3))
            for at, event in received
        ],
        schema=["books_date", "source_system", "event_id", "is_parked"],
        orient="row",
    ).with_columns(is_later=pl.col("event_id").cum_count().over("event_id") > 1)
    half = len(received) // 2
    for upto, part in ((half, received[:half]), (len(received), received[half:])):
        _deliver(db, part)
        refresh(db, CLOCK, tenant_id=tenant)
        sums = (
            keys.head(upto)
            .group_by("books_date", "source_system")
            .agg(arrivals=pl.len(), duplicates=pl.col("is_later").sum(), quarantined=pl.col("is_parked").sum())
        )
        due = {row[:2]: tuple(map(Decimal, row[2:])) for row in sums.iter_rows()}
        assert held(db, tenant, "ingestion_health") == due
        assert held(db, tenant, "daily_arrivals") == {key: row[:2] for key, row in due.items()}
        assert sum(row[1] for row in due.values()) > 2 < sum(row[2] for row in due.values())
    assert [check for check in verify_gold(db, tenant) if not check.ok or check.pending] == []
    assert refresh(db, CLOCK, tenant_id=tenant) == []
