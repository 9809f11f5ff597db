"""reconciliation: what came for a day, what is in the books, and that lines, accounts and gold say the same of it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg

from ledgersafe.db.database import Database
from ledgersafe.db.rows import Days
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.pipeline.promote import promote
from ledgersafe.pipeline.reconcile import NOTHING, Events, StoreDay, Sums, reconciliation
from ledgersafe.pipeline.refresh import refresh
from ledgersafe.pipeline.resolve import Wish
from tests.events import sale
from tests.gold.trade import NOW, Trade, post, set_up
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import decided

DAY = date(2026, 2, 25)
WEEK = Days(date(2026, 2, 20), date(2026, 2, 26))


def days_of(db: Database, tenant: str, days: Days = WEEK) -> dict[tuple[date, str], StoreDay]:
    return {(one.books_date, one.store_id): one for one in reconciliation(db, tenant, days)}


def test_generated_trade_ties_out_every_day(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    trade = Trade(tenant, 7)
    set_up(superuser, tenant)
    events = trade.some(250)
    post(db, tenant, events, most=50)
    refresh(db, ManualClock(NOW), tenant_id=tenant)
    found = reconciliation(db, tenant, Days(date(2026, 1, 1), date(2026, 4, 30)))
    assert [one for one in found if not one.ok] == []
    assert sum(one.events.posted for one in found) == len(events)
    assert {one.place.currency for day in found for one in day.sums} == {"USD", "JPY", "EUR"}
    assert any(one.lines.tax and one.lines.discounts and one.lines.returns for day in found for one in day.sums)
    assert all(one.pending == NOTHING for day in found for one in day.sums)
    store = Days(date(2026, 1, 1), date(2026, 4, 30), "s-euro")
    assert reconciliation(db, tenant, store) == [one for one in found if one.store_id == "s-euro"]
    mine = [one for one in found if date(2026, 2, 9) <= one.books_date <= date(2026, 2, 12)]
    assert reconciliation(db, tenant, Days(date(2026, 2, 9), date(2026, 2, 12))) == mine


def test_every_event_of_a_day_is_somewhere(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """In the books, parked, waiting to be posted, or ignored; by the store's day, not by the clock's."""
    superuser.execute(
        "INSERT INTO tenants.tenants (tenant_id, created_at, created_by) VALUES (%s, %s, 'test')", [tenant, NOW]
    )
    superuser.execute(
        "INSERT INTO tenants.stores (tenant_id, store_id, time_zone, day_starts_at) VALUES (%s, 'far', 'Asia/Tokyo', 6)",
        [tenant],
    )
    late: dict[str, Any] = {"store_id": "far", "occurred_at": "2026-02-25T20:30:00Z"}  # 05:30 on the 26th, there
    accepted(
        db, [sale(tenant, "posted"), sale(tenant, "moved", business_date="2026-02-24"), sale(tenant, "far", **late)]
    )
    promote(db, tenant, datetime.now(UTC))
    outcomes = accepted(db, [sale(tenant, "parked", total_amount=1), sale(tenant, "ignored", total_amount=2)])
    decided(db, str(outcomes[1].exception_id), Wish("mark_resolved_no_replay", "asked for"))
    accepted(
        db,
        [sale(tenant, "waiting"), sale(tenant, "posted", total_amount=3), sale(tenant, "far2", total_amount=1, **late)],
    )
    found = days_of(db, tenant)
    assert found[DAY, "store_001"].events == Events(arrived=4, posted=1, parked=1, waiting=1, ignored=1, disputed=1)
    assert found[date(2026, 2, 24), "store_001"].events == Events(arrived=1, posted=1)
    assert found[DAY, "far"].events == Events(arrived=2, posted=1, parked=1)
    assert set(found) == {(DAY, "store_001"), (date(2026, 2, 24), "store_001"), (DAY, "far")}
    assert all(day.ok for day in found.values())
    superuser.execute("DELETE FROM bronze.events_raw WHERE tenant_id = %s AND event_id = 'posted'", [tenant])
    assert not days_of(db, tenant)[DAY, "store_001"].ok


def test_an_event_counts_for_the_day_of_what_it_posted(db: Database, tenant: str) -> None:
    """A correction takes back on one day and posts on another; a void posts nothing."""
    about: dict[str, Any] = {"original_txn_id": "txn-a", "occurred_at": "2026-02-25T10:00:00Z"}
    accepted(db, [sale(tenant, "a"), sale(tenant, "b")])
    accepted(db, [sale(tenant, "c", event_type="CORRECTION", business_date="2026-02-24", **about)])
    accepted(db, [sale(tenant, "v", event_type="VOID", line_items=None, total_amount=None, original_txn_id="txn-b")])
    assert promote(db, tenant, datetime.now(UTC)).posted == 4
    found = days_of(db, tenant)
    assert {day: one.events.posted for (day, _), one in found.items()} == {DAY: 3, date(2026, 2, 24): 1}
    assert found[DAY, "store_001"].sums[0].lines == NOTHING
    assert found[date(2026, 2, 24), "store_001"].sums[0].lines.gross == Decimal("42.5")


def test_what_gold_has_yet_to_add_is_pending_and_no_difference(db: Database, tenant: str) -> None:
    accepted(db, [sale(tenant)])
    promote(db, tenant, datetime.now(UTC))
    one = days_of(db, tenant)[DAY, "store_001"].sums[0]
    amount = Decimal("42.5")
    assert (one.ok, one.gold, one.pending) == (True, NOTHING, Sums(gross=amount, net=amount))
    refresh(db, ManualClock(NOW), tenant_id=tenant)
    one = days_of(db, tenant)[DAY, "store_001"].sums[0]
    assert (one.ok, one.gold, one.pending) == (True, Sums(gross=amount, net=amount), NOTHING)


def test_a_day_that_does_not_tie_out_says_by_how_much(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    accepted(db, [sale(tenant), sale(tenant, occurred_at="2026-02-24T12:00:00Z")])
    promote(db, tenant, datetime.now(UTC))
    refresh(db, ManualClock(NOW), tenant_id=tenant)
    superuser.execute(
        "UPDATE gold.daily_store_sales SET net = net - 0.000001 WHERE tenant_id = %s AND books_date = %s", [tenant, DAY]
    )
    superuser.execute(
        "UPDATE ledger.entries SET amounts = ARRAY[amounts[1] + 1, amounts[2] - 1] WHERE tenant_id = %s "
        "AND books_date = %s",
        [tenant, date(2026, 2, 24)],
    )
    found = days_of(db, tenant)
    of_gold, of_ledger = found[DAY, "store_001"].sums[0], found[date(2026, 2, 24), "store_001"].sums[0]
    assert (of_gold.off_in_gold, of_gold.off_in_accounts) == (Sums(net=Decimal("-0.000001")), NOTHING)
    assert (of_ledger.off_in_gold, of_ledger.off_in_accounts) == (NOTHING, Sums(gross=Decimal(1), net=Decimal(1)))
    assert not any(one.ok for one in found.values())
