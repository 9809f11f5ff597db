"""verify finds what somebody with too many rights has done, and names the check."""

from datetime import UTC, datetime

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.pipeline.promote import promote
from ledgersafe.pipeline.verify import verify
from tests.events import sale
from tests.pipeline.arrivals import accepted

ONE_ARRIVAL = "DELETE FROM bronze.events_raw WHERE tenant_id = %(t)s AND event_id = 'plain'"
PLANTED = [
    (ONE_ARRIVAL, {"every_arrival_is_counted"}),
    (
        "UPDATE gate.events_processed SET arrivals = arrivals + 1 WHERE tenant_id = %(t)s AND idempotency_key = 'plain'",
        {"every_arrival_is_counted", "counter_events_raw"},
    ),
    ("UPDATE gate.counters SET events_raw = events_raw + 1 WHERE tenant_id = %(t)s", {"counter_events_raw"}),
    ("UPDATE gate.counters SET processed = processed - 1 WHERE tenant_id = %(t)s", {"counter_processed"}),
    ("UPDATE gate.counters SET quarantined = 0 WHERE tenant_id = %(t)s", {"counter_quarantined"}),
    ("UPDATE gate.counters SET ignored = 1 WHERE tenant_id = %(t)s", {"counter_ignored"}),
    ("UPDATE gate.counters SET exceptions_open = 9 WHERE tenant_id = %(t)s", {"counter_exceptions_open"}),
    (
        "DELETE FROM audit.audit_log WHERE tenant_id = %(t)s AND action = 'exception.opened'",
        {"no_exception_without_audit"},
    ),
    (
        "UPDATE gate.events_processed SET status = 'processed' WHERE tenant_id = %(t)s AND idempotency_key = 'faulty'",
        {"one_open_exception_a_held_key", "counter_processed", "counter_quarantined"},
    ),
    (
        "DELETE FROM gate.events_processed WHERE tenant_id = %(t)s AND idempotency_key = 'plain'",
        {"every_arrival_is_counted", "counter_events_raw", "counter_processed"},
    ),
    (
        "DELETE FROM quarantine.exceptions WHERE tenant_id = %(t)s",
        {"one_open_exception_a_held_key", "no_exception_without_audit", "counter_exceptions_open"},
    ),
]
IN_THE_BOOKS = [
    (
        "UPDATE gate.events_processed SET posted_at = NULL WHERE tenant_id = %(t)s AND idempotency_key = 'plain'",
        {"posted_keys"},
    ),
    (
        "UPDATE silver.line_items SET amount = amount + 0.000001 WHERE tenant_id = %(t)s AND kind = 'posting' AND sku = 'SKU-BBB'",
        {"lines_make_transactions"},
    ),
    (
        "DELETE FROM silver.line_items WHERE tenant_id = %(t)s AND kind = 'reversal'",
        {"lines_make_transactions"},
    ),
    (
        "UPDATE silver.transactions SET rounding = 1, totals_difference = -1 WHERE tenant_id = %(t)s AND kind = 'reversal'",
        {"reversals_take_back"},
    ),
    (
        "UPDATE silver.heads SET state = 'voided' WHERE tenant_id = %(t)s AND txn_id = 'txn-plain'",
        {"heads_say_what_stands"},
    ),
    (
        "UPDATE silver.references SET original_line_no = 77 WHERE tenant_id = %(t)s",
        {"references_lead_somewhere"},
    ),
    (
        "UPDATE ledger.entries SET accounts = ARRAY['none'] || accounts[2:] WHERE tenant_id = %(t)s AND kind = 'reversal'",
        {"entries_balance"},
    ),
    (
        "UPDATE ledger.entries SET amounts = ARRAY[amounts[1] * 2, amounts[2] * 2] WHERE tenant_id = %(t)s AND kind = 'posting'",
        {"silver_is_ledger"},
    ),
    (
        "DELETE FROM ledger.entries WHERE tenant_id = %(t)s AND kind = 'reversal'",
        {"silver_is_ledger"},
    ),
    (
        "UPDATE ledger.entries SET books_date = books_date + 1 WHERE tenant_id = %(t)s AND kind = 'posting'",
        {"silver_is_ledger"},
    ),
]


def some_traffic(db: Database, tenant: str) -> None:
    accepted(db, [sale(tenant, "plain"), sale(tenant, "retried"), sale(tenant, "faulty", total_amount=1)])
    accepted(db, [sale(tenant, "retried")], slot=1)


def broken(db: Database, tenant: str | None) -> dict[str, set[str]]:
    return {found.tenant_id: {check.name for check in found.checks if not check.ok} for found in verify(db, tenant)}


@pytest.mark.parametrize(("damage", "expected"), PLANTED, ids=[damage.split(" WHERE")[0] for damage, _ in PLANTED])
def test_a_planted_inconsistency_is_found_and_named(
    db: Database, superuser: psycopg.Connection, tenant: str, damage: str, expected: set[str]
) -> None:
    some_traffic(db, tenant)
    assert broken(db, tenant) == {tenant: set()}
    if "counters" in damage:
        damage += " AND slot = 0"
    assert superuser.execute(damage, {"t": tenant}).rowcount > 0
    assert broken(db, tenant) == {tenant: expected}


@pytest.mark.parametrize(("damage", "expected"), IN_THE_BOOKS, ids=[damage[:50] for damage, _ in IN_THE_BOOKS])
def test_a_planted_inconsistency_of_the_books_is_found_and_named(
    db: Database, superuser: psycopg.Connection, tenant: str, damage: str, expected: set[str]
) -> None:
    one_line = {"line_items": [{"sku": "SKU-AAA", "qty": 1, "amount": 30}], "total_amount": 30}
    events = [sale(tenant, name, txn_id=f"txn-{name}") for name in ("plain", "corrected")]
    events.append(sale(tenant, "back", event_type="RETURN", txn_id="r", original_txn_id="txn-plain", **one_line))
    events.append(sale(tenant, "c", event_type="CORRECTION", txn_id="c", original_txn_id="txn-corrected", **one_line))
    accepted(db, events)
    assert promote(db, tenant, datetime.now(UTC)).posted == 4
    assert broken(db, tenant) == {tenant: set()}
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        assert superuser.execute(damage, {"t": tenant}).rowcount > 0
    assert broken(db, tenant) == {tenant: expected}


def test_every_check_has_its_planted_violation(db: Database, tenant: str) -> None:
    some_traffic(db, tenant)
    (found,) = verify(db, tenant)
    assert {check.name for check in found.checks} == set().union(*(expected for _, expected in PLANTED + IN_THE_BOOKS))


def test_the_fault_of_one_tenant_is_not_anothers(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    other = f"{tenant}-2"
    some_traffic(db, tenant)
    some_traffic(db, other)
    superuser.execute(ONE_ARRIVAL, {"t": tenant})
    everybody = broken(db, None)
    assert (everybody[tenant], everybody[other]) == ({"every_arrival_is_counted"}, set())
    assert broken(db, other) == {other: set()}
    assert verify(db, "nobody") == []
