"""trace: the whole chain of one key."""

from datetime import UTC, datetime, timedelta

from ledgersafe.db.database import Database
from ledgersafe.gold.rules import tables
from ledgersafe.gold.store import Wanted
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.accept import accept
from ledgersafe.pipeline.promote import promote
from ledgersafe.pipeline.refresh import refresh
from ledgersafe.pipeline.report import report_page
from ledgersafe.pipeline.trace import exception_detail, trace
from tests.events import sale
from tests.pipeline.arrivals import accepted, arrival, told


def test_a_trace_lists_every_retry(db: Database, tenant: str) -> None:
    event = sale(tenant, "e1")
    outcomes = [outcome for _ in range(3) for outcome in accepted(db, [event, event, sale(tenant)])]
    found = trace(db, tenant, "e1")
    assert found is not None
    own = [outcome for outcome in outcomes if outcome.event_id == "e1"]
    assert [str(row.raw_id) for row in found.arrivals] == [outcome.raw_id for outcome in own]
    assert (found.key.arrivals, str(found.key.first_raw_id), found.key.status) == (6, own[0].raw_id, "processed")
    assert [(payload.decision, str(payload.raw_id)) for payload in found.payloads] == [("accepted", own[0].raw_id)]
    assert (found.exceptions, found.audit, found.waiting_to_post) == ([], [], True)


def test_a_trace_shows_payloads_exceptions_and_decisions(db: Database, tenant: str) -> None:
    outcomes = accepted(db, [sale(tenant, "e1", total_amount=total) for total in (1, 42.5, 1, 2)])
    assert told(outcomes) == [
        ("quarantined", "TOTALS_MISMATCH"),
        ("quarantined", "IDEMPOTENCY_CONFLICT"),
        ("quarantined", "ALREADY_QUARANTINED"),
        ("quarantined", "IDEMPOTENCY_CONFLICT"),
    ]
    found = trace(db, tenant, "e1")
    assert found is not None
    assert len(found.arrivals) == 4
    assert [payload.decision for payload in found.payloads] == ["open"] * 3
    (held,) = found.exceptions
    assert (str(held.exception_id), held.status, held.reason_code, held.arrivals) == (
        outcomes[0].exception_id,
        "open",
        "TOTALS_MISMATCH",
        4,
    )
    assert (str(found.key.first_raw_id), str(held.last_raw_id)) == (outcomes[0].raw_id, outcomes[3].raw_id)
    assert sorted(row.action for row in found.audit) == [
        "exception.opened",
        "exception.payload_added",
        "exception.payload_added",
    ]
    assert not found.waiting_to_post


def test_a_conflict_joins_the_open_exception_from_any_batch(db: Database, tenant: str) -> None:
    (first,) = accepted(db, [sale(tenant, "e1")])
    conflicts = [
        outcome for total in (42.51, 42.52) for outcome in accepted(db, [sale(tenant, "e1", total_amount=total)])
    ]
    assert {outcome.exception_id for outcome in conflicts} == {conflicts[0].exception_id}
    found = trace(db, tenant, "e1")
    assert found is not None
    assert found.waiting_to_post
    (held,) = found.exceptions
    assert (str(found.key.first_raw_id), str(held.last_raw_id)) == (first.raw_id, conflicts[1].raw_id)
    detail = exception_detail(db, [tenant], held.exception_id)
    assert detail is not None
    assert {str(raw_id) for raw_id in detail.arrivals} == {first.raw_id, *(outcome.raw_id for outcome in conflicts)}
    assert exception_detail(db, ["another"], held.exception_id) is None


def test_nothing_is_known_of_what_never_came(db: Database, tenant: str) -> None:
    accepted(db, [sale(tenant, "e1")])
    assert trace(db, tenant, "e2") is None
    assert trace(db, f"{tenant}-2", "e1") is None


def test_times_are_those_of_the_arrivals(db: Database, tenant: str) -> None:
    first = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for minutes in (0, 5, 9):
        came = arrival(sale(tenant, "e1", total_amount=1 + minutes), received_at=first + timedelta(minutes=minutes))
        accept(db, [came], slot=0)
    found = trace(db, tenant, "e1")
    assert found is not None
    assert found.key.first_seen_at == first
    (held,) = found.exceptions
    assert (held.created_at, held.last_arrival_at) == (first, first + timedelta(minutes=9))


def test_a_trace_ends_at_the_rows_of_gold_that_the_event_moved(db: Database, tenant: str) -> None:
    accepted(db, [sale(tenant, "e1", payment_method="Cash", metadata={"country": "DE"})])
    before = trace(db, tenant, "e1")
    assert before is not None
    assert before.gold == []
    promote(db, tenant, datetime.now(UTC))
    posted = trace(db, tenant, "e1")
    assert posted is not None
    assert {row.state for row in posted.gold} == {"pending"}
    refresh(db, SystemClock(), tenant_id=tenant)
    found = trace(db, tenant, "e1")
    assert found is not None
    assert {row.state for row in found.gold if row.keys} == {"applied"}
    assert {(row.table, tuple(row.keys.items())) for row in found.gold} == {
        (row.table, tuple(row.keys.items())) for row in posted.gold
    }
    keys = {name: [row.keys for row in found.gold if row.table == name] for name in tables()}
    of_store = {"books_date": "2026-02-25", "store_id": "store_001", "currency": "USD"}
    assert keys["daily_store_sales"] == [of_store]
    assert [row["sku"] for row in keys["daily_product_sales"]] == ["SKU-AAA", "SKU-BBB"]
    assert [row["hour"] for row in keys["hourly_sales"]] == [0]
    assert [row["country"] for row in keys["daily_country_sales"]] == ["DE"]
    assert [row["payment"] for row in keys["payment_mix"]] == ["cash"]
    assert len(keys["account_daily"]) == 2
    for name, table in tables().items():
        if table.follows_at_once:
            rows = report_page(db, table, Wanted(tenant), 100)
            assert sorted(tuple(str(row[key]) for key in table.cursor) for row in rows) == sorted(
                tuple(str(row[key]) for key in table.cursor) for row in keys[name]
            ), name


def test_a_correction_moves_the_day_it_takes_from_and_the_day_it_gives_to(db: Database, tenant: str) -> None:
    accepted(db, [sale(tenant, "e1"), sale(tenant, "other")])
    promote(db, tenant, datetime.now(UTC))
    about = {"original_txn_id": "txn-e1", "business_date": "2026-02-24", "occurred_at": "2026-02-25T10:00:00Z"}
    accepted(db, [sale(tenant, "c", event_type="CORRECTION", **about)])
    promote(db, tenant, datetime.now(UTC))
    found = trace(db, tenant, "c")
    assert found is not None
    days = [row.keys["books_date"] for row in found.gold if row.table == "daily_store_sales"]
    assert days == ["2026-02-24", "2026-02-25"]
    batches = {one.batch_ids for one in found.gold if one.table == "daily_store_sales"}
    assert len(batches) == 1
    first = trace(db, tenant, "e1")
    assert first is not None
    assert {row.batch_ids for row in first.gold}.isdisjoint(batches)
