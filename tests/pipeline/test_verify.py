"""verify finds what somebody with too many rights has done, and names the check."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Event

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.ledger.store import ExportName
from ledgersafe.pipeline import export
from ledgersafe.pipeline.promote import promote
from ledgersafe.pipeline.rebuild import rebuild
from ledgersafe.pipeline.refresh import refresh
from ledgersafe.pipeline.verify import verify
from tests.events import sale
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import decided, failed_checks, operator, wish
from tests.pipeline.posting import Till
from tests.pipeline.test_post_given_back import line, sold
from tests.pipeline.test_verify_decisions import OF_DECISIONS
from tests.pipeline.test_verify_exports import OF_EXPORTS
from tests.pipeline.verifying import (
    DAY,
    ONE_ARRIVAL,
    broken,
    by_name,
    damage_rows,
    some_books,
    some_decisions,
    some_traffic,
)

PLANTED = [
    (ONE_ARRIVAL, {"every_arrival_is_counted", "keys_have_arrived"}),
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
        {
            "one_open_exception_a_held_key",
            "counter_processed",
            "counter_quarantined",
            "no_key_is_lost",
            "keys_follow_decisions",
        },
    ),
    (
        "DELETE FROM gate.events_processed WHERE tenant_id = %(t)s AND idempotency_key = 'plain'",
        {
            "every_arrival_is_counted",
            "counter_events_raw",
            "counter_processed",
            "arrivals_have_a_key",
            "what_counts_is_posted",
        },
    ),
    (
        "DELETE FROM quarantine.exceptions WHERE tenant_id = %(t)s",
        {"one_open_exception_a_held_key", "no_exception_without_audit", "counter_exceptions_open"},
    ),
    (
        "DELETE FROM gate.to_post WHERE tenant_id = %(t)s AND idempotency_key = 'plain'",
        {"no_key_is_lost", "what_counts_is_posted"},
    ),
    ("UPDATE quarantine.exceptions SET raw_id = gen_random_uuid() WHERE tenant_id = %(t)s", {"exceptions_belong"}),
]


def everywhere(measures: str, *sources: str) -> set[str]:
    """The names of the checks of these measures: of the ledger and of gold, if no other are named."""
    return {f"{measure}_in_{source}_USD" for measure in measures.split() for source in sources or ("ledger", "gold")}


UNLIKE_WHAT_IT_REVERSES = {"entries_follow_transactions", "entries_post_receipts"}
IN_THE_BOOKS = [
    (
        "UPDATE gate.events_processed SET posted_at = NULL WHERE tenant_id = %(t)s AND idempotency_key = 'plain'",
        {"posted_keys", "no_key_is_lost", "events_are_posted_keys"},
    ),
    (
        "UPDATE silver.line_items SET amount = amount + 0.000001 WHERE tenant_id = %(t)s AND kind = 'posting' AND sku = 'SKU-BBB'",
        {"lines_make_transactions"} | everywhere("gross net"),
    ),
    (
        "DELETE FROM silver.line_items WHERE tenant_id = %(t)s AND kind = 'reversal'",
        {"lines_make_transactions"} | everywhere("gross net"),
    ),
    (
        "UPDATE silver.transactions SET rounding = 1, totals_difference = -1 WHERE tenant_id = %(t)s AND kind = 'reversal'",
        {"reversals_take_back", "entries_post_receipts"} | everywhere("rounding totals_difference", "ledger"),
    ),
    (
        "UPDATE silver.heads SET state = 'voided' WHERE tenant_id = %(t)s AND txn_id = 'txn-plain'",
        {"heads_say_what_stands", "heads_name_what_stands", "returns_are_of_sales"},
    ),
    (
        "UPDATE silver.heads SET revision = 1 WHERE tenant_id = %(t)s AND txn_id = 'txn-corrected'",
        {"heads_name_what_stands"},
    ),
    (
        "UPDATE silver.heads SET returned_lines = '{}', returned_quantities = '{}', returned_amounts = '{}' WHERE tenant_id = %(t)s AND txn_id = 'txn-plain'",
        {"returned_is_counted"},
    ),
    (
        "UPDATE silver.heads SET returned_amounts = ARRAY[29.99] WHERE tenant_id = %(t)s AND txn_id = 'txn-plain'",
        {"returned_is_counted"},
    ),
    (
        "UPDATE silver.heads SET returned_total = 29.99 WHERE tenant_id = %(t)s AND txn_id = 'txn-plain'",
        {"returned_is_counted"},
    ),
    (
        "UPDATE silver.heads SET returned_parts = 2 WHERE tenant_id = %(t)s AND txn_id = 'txn-plain'",
        {"returned_is_counted"},
    ),
    (
        "UPDATE silver.transactions SET type = 'ADJUSTMENT' WHERE tenant_id = %(t)s AND event_id = 'plain'",
        {"returns_are_of_sales", "entries_post_receipts"} | everywhere("gross net") | everywhere("bad_debt", "ledger"),
    ),
    (
        "UPDATE silver.heads SET returned_rounding = 0.01 WHERE tenant_id = %(t)s AND txn_id = 'txn-plain'",
        {"returned_is_counted"},
    ),
    (
        "UPDATE silver.heads SET returned_lines = '{2}', returned_quantities = '{1}', returned_amounts = '{12.5}' WHERE tenant_id = %(t)s AND txn_id = 'txn-corrected'",
        {"returned_is_counted"},
    ),
    (
        "UPDATE silver.transactions SET is_referenced = false WHERE tenant_id = %(t)s AND event_id = 'back'",
        {"returns_refer_to_originals"},
    ),
    (
        "UPDATE silver.transactions SET is_referenced = true WHERE tenant_id = %(t)s AND event_id = 'plain'",
        {"returns_refer_to_originals"},
    ),
    (
        "DELETE FROM silver.references WHERE tenant_id = %(t)s",
        {"returns_refer_to_originals", "returned_is_counted"},
    ),
    (
        "UPDATE silver.tenders SET amount = amount + 0.01 WHERE tenant_id = %(t)s AND kind = 'reversal'",
        {"tenders_pay_totals", "entries_post_receipts"} | everywhere("cash card", "ledger"),
    ),
    (
        "UPDATE silver.tenders SET amount = 42.5 - amount WHERE tenant_id = %(t)s AND kind = 'posting' AND tender_no IN (1, 2) AND amount < 42.5",
        {"entries_post_receipts"} | everywhere("cash card", "ledger"),
    ),
    (
        "DELETE FROM silver.tenders WHERE tenant_id = %(t)s AND type = 'cash' AND kind = 'posting'",
        {"tenders_pay_totals", "entries_post_receipts"} | everywhere("cash", "ledger"),
    ),
    (
        "DELETE FROM silver.tenders WHERE tenant_id = %(t)s AND type = 'card'",
        {"tenders_pay_totals", "entries_post_receipts"},
    ),
    (
        "UPDATE silver.transactions SET event_id = 'other' WHERE tenant_id = %(t)s AND event_id = 'plain'",
        {"events_are_posted_keys", "what_counts_is_posted"},
    ),
    (
        "INSERT INTO gate.to_post (tenant_id, raw_id, idempotency_key) SELECT tenant_id, raw_id, event_id FROM silver.transactions WHERE tenant_id = %(t)s AND event_id = 'plain'",
        {"nothing_posted_waits", "what_counts_is_posted"},
    ),
    (
        "UPDATE ledger.entries SET business_date = business_date - 1 WHERE tenant_id = %(t)s AND kind = 'posting'",
        {"entries_follow_transactions"},
    ),
    (
        "UPDATE ledger.entries SET reverses = NULL WHERE tenant_id = %(t)s AND kind = 'reversal'",
        {"entries_follow_transactions"},
    ),
    (
        "UPDATE ledger.entries SET reverses = entry_id WHERE tenant_id = %(t)s AND kind = 'posting'",
        {"entries_follow_transactions"},
    ),
    (
        "UPDATE silver.references SET original_line_no = 77 WHERE tenant_id = %(t)s",
        {"references_lead_somewhere", "returned_is_counted"},
    ),
    (
        "UPDATE silver.references SET transaction_id = gen_random_uuid() WHERE tenant_id = %(t)s",
        {"lines_belong", "returns_refer_to_originals", "returned_is_counted"},
    ),
    (
        "UPDATE silver.transactions SET raw_id = gen_random_uuid() WHERE tenant_id = %(t)s AND event_id = 'back'",
        {"postings_have_arrived", "entries_belong", "what_counts_is_posted"},
    ),
    (
        "UPDATE silver.batches SET transaction_ids = transaction_ids[2:], revisions = revisions[2:], kinds = kinds[2:] WHERE tenant_id = %(t)s",
        {"postings_are_in_one_batch"},
    ),
    (
        "INSERT INTO silver.batches SELECT tenant_id, gen_random_uuid(), posted_at, transaction_ids[:1], revisions[:1], kinds[:1] FROM silver.batches WHERE tenant_id = %(t)s",
        {"postings_are_in_one_batch", "debits_in_gold_USD", "credits_in_gold_USD"} | everywhere("gross net", "gold"),
    ),
    (
        "UPDATE gold.applied SET batch_id = gen_random_uuid() WHERE tenant_id = %(t)s AND table_name = 'payment_mix'",
        {"gold_applied_what_is_there"},
    ),
    (
        "UPDATE ledger.entries SET raw_id = gen_random_uuid() WHERE tenant_id = %(t)s AND kind = 'reversal'",
        {"entries_belong"},
    ),
    (
        "UPDATE ledger.entries SET accounts = ARRAY['none'] || accounts[2:] WHERE tenant_id = %(t)s AND kind = 'reversal'",
        {"entries_balance", "credits_in_gold_USD"} | UNLIKE_WHAT_IT_REVERSES | everywhere("cash", "ledger"),
    ),
    (
        "UPDATE ledger.entries SET accounts = array_replace(accounts, '1010', '6200') WHERE tenant_id = %(t)s AND kind = 'posting'",
        {"debits_in_gold_USD"} | UNLIKE_WHAT_IT_REVERSES | everywhere("card bad_debt", "ledger"),
    ),
    (
        "UPDATE ledger.entries SET accounts = array_replace(accounts, '1900', '4910') WHERE tenant_id = %(t)s AND revision = 2",
        {"debits_in_gold_USD", "entries_post_receipts"} | everywhere("suspense totals_difference", "ledger"),
    ),
    (
        "UPDATE ledger.entries SET amounts = ARRAY(SELECT l.amount * 2 FROM unnest(amounts) AS l (amount)) WHERE tenant_id = %(t)s AND kind = 'posting'",
        {"debits_in_gold_USD", "credits_in_gold_USD"}
        | UNLIKE_WHAT_IT_REVERSES
        | everywhere("gross returns net cash card", "ledger"),
    ),
    (
        "DELETE FROM ledger.entries WHERE tenant_id = %(t)s AND kind = 'reversal'",
        {"debits_in_gold_USD", "credits_in_gold_USD", "entries_post_receipts"}
        | everywhere("gross net cash card", "ledger"),
    ),
    (
        "UPDATE ledger.entries SET books_date = books_date + 1 WHERE tenant_id = %(t)s AND kind = 'posting'",
        {"entries_follow_transactions", "debits_in_gold_USD", "credits_in_gold_USD"}
        | everywhere("gross returns net cash card", "ledger"),
    ),
    (
        "UPDATE silver.transactions SET discount = 1, tax = 2, rounding = -1 WHERE tenant_id = %(t)s AND event_id = 'back'",
        {"returned_is_counted", "entries_post_receipts"}
        | everywhere("discounts tax net")
        | everywhere("rounding", "ledger"),
    ),
    (
        "UPDATE gold.daily_store_sales SET gross = gross + 0.000001 WHERE tenant_id = %(t)s",
        everywhere("gross", "gold"),
    ),
    (
        "UPDATE gold.daily_store_sales SET tax = 1, discounts = 1 WHERE tenant_id = %(t)s",
        everywhere("tax discounts", "gold"),
    ),
    (
        "UPDATE gold.account_daily SET credit = credit + 1 WHERE tenant_id = %(t)s",
        {"credits_in_gold_USD"},
    ),
    (
        "DELETE FROM gold.daily_store_sales WHERE tenant_id = %(t)s",
        everywhere("gross returns net", "gold"),
    ),
]


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


@pytest.mark.parametrize(("damage", "expected"), IN_THE_BOOKS, ids=[damage[:60] for damage, _ in IN_THE_BOOKS])
def test_a_planted_inconsistency_of_the_books_is_found_and_named(
    db: Database, superuser: psycopg.Connection, tenant: str, damage: str, expected: set[str]
) -> None:
    some_books(db, tenant)
    assert broken(db, tenant) == {tenant: set()}
    refresh(db, SystemClock(), tenant_id=tenant)
    assert broken(db, tenant) == {tenant: set()}
    damage_rows(superuser, tenant, damage)
    assert broken(db, tenant) == {tenant: expected}
    of_the_day = {name for name, check in by_name(db, tenant, DAY).items() if not check.ok}
    assert of_the_day == {name for name in expected if name in by_name(db, tenant, DAY)}
    assert {name for name, check in by_name(db, tenant, date(2026, 3, 1)).items() if not check.ok} <= {
        "posted_keys",
        "no_key_is_lost",
        "nothing_posted_waits",
    }


def test_an_account_that_was_changed_is_found_when_gold_is_made_anew(
    db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    some_books(db, tenant)
    superuser.execute(
        "UPDATE ledger.entries SET accounts = array_replace(accounts, '1000', '6200') WHERE tenant_id = %s AND kind = 'posting'",
        [tenant],
    )
    for table in ("account_daily", "daily_store_sales"):
        rebuild(db, SystemClock(), table, tenant)
    assert broken(db, tenant) == {tenant: {"cash_in_ledger_USD", "bad_debt_in_ledger_USD"} | UNLIKE_WHAT_IT_REVERSES}
    cash = by_name(db, tenant, DAY)["cash_in_ledger_USD"]
    assert (cash.left, cash.right) == (Decimal(0), Decimal(-30))
    assert cash.details.endswith("; off: 2026-02-25 USD: 0 / -30")
    assert "cash_in_ledger_USD" not in by_name(db, tenant, date(2026, 3, 1))


def test_every_means_of_payment_is_known_by_its_account(db: Database, tenant: str) -> None:
    """Whatever tills call it: what has no account of its own is with the other tenders, also what reads like one."""
    names = ("Cash", "CARD", "Invoice", "voucher", "other", "mixed", "CA\u017fH", "\u212aARD")
    events = [sale(tenant, f"e{at}", payment_method=name) for at, name in enumerate(names)]
    several = [{"type": "cash", "amount": 20}, {"type": "Mixed", "amount": 12.5}, {"type": "CREDIT", "amount": 10}]
    events.append(sale(tenant, "several", tenders=several))
    for number, kind in enumerate(("ADJUSTMENT", "STOCK_ADJUSTMENT")):
        events += [
            sale(tenant, f"{kind}-{at}", event_type=kind, txn_id=f"{number}-{at}", payment_method=name)
            for at, name in enumerate((None, "card", "mixed"))
        ]
    accepted(db, events)
    assert promote(db, tenant, datetime.now(UTC)).posted == len(events)
    assert broken(db, tenant) == {tenant: set()}
    found = by_name(db, tenant)
    assert found["receivable_in_ledger_USD"].left == 2 * Decimal("42.5")
    assert found["other_tenders_in_ledger_USD"].left == 6 * Decimal("42.5") + Decimal("12.5")
    assert found["inventory_in_ledger_USD"].left == 3 * Decimal("42.5")


def test_nothing_is_off_while_everybody_works(db: Database, tenant: str) -> None:
    """Postings, decisions, export runs and voids go on while the books are verified, each time in one snapshot."""
    some_decisions(db, tenant)
    stop = Event()
    rounds = Counter[str]()

    def posts() -> None:
        number = rounds["posts"]
        mixed = [{"type": "cash", "amount": 40}, {"type": "card", "amount": 2.5}]
        named = [sale(tenant, f"busy-{number}-{at}", tenders=mixed, total_amount=42.5) for at in range(5)]
        accepted(db, [*named, sale(tenant, f"busy-{number}-0", total_amount=1), *named[:2]])
        promote(db, tenant, datetime.now(UTC))

    def decides() -> None:
        (held,) = accepted(db, [sale(tenant, f"held-{rounds['decides']}", total_amount=1)], slot=1)
        decided(db, str(held.exception_id), wish(patch={"total_amount": 42.5}))

    def exports() -> None:
        run = export.begin(db, tenant, None, None, operator())
        export.go_on(db, ExportName(tenant, run.number), SystemClock(), 60)
        if run.number % 2:
            export.void(db, tenant, run.number, "again", operator())

    def until_stopped(work: Callable[[], None]) -> None:
        while not stop.is_set():
            work()
            rounds[work.__name__] += 1

    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(until_stopped, work) for work in (posts, decides, exports)]
        try:
            until = time.monotonic() + 4
            while time.monotonic() < until or (len(rounds) < 3 and not any(worker.done() for worker in workers)):
                assert broken(db, tenant) == {tenant: set()}
        finally:
            stop.set()
        for worker in workers:
            worker.result()
    assert min(rounds.values()) > 0, rounds
    assert broken(db, tenant) == {tenant: set()}


def test_what_is_off_is_named_with_both_numbers(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    some_books(db, tenant)
    refresh(db, SystemClock(), tenant_id=tenant)
    before = by_name(db, tenant)["gross_in_gold_USD"]
    assert (before.left, before.right, "off" in before.details) == (Decimal("72.5"), Decimal("72.5"), False)
    superuser.execute("UPDATE gold.daily_store_sales SET gross = 1 WHERE tenant_id = %s", [tenant])
    after = by_name(db, tenant)["gross_in_gold_USD"]
    assert (after.ok, after.left, after.right) == (False, Decimal("72.5"), Decimal(1))
    assert after.details.endswith("; off: store_001 2026-02-25 USD: 72.5 / 1.0")


def test_equal_sums_of_unequal_days_are_off(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    days = [f"2026-02-{number:02}T12:00:00Z" for number in range(1, 26)]
    accepted(db, [sale(tenant, occurred_at=day) for day in days])
    promote(db, tenant, datetime.now(UTC))
    refresh(db, SystemClock(), tenant_id=tenant)
    superuser.execute(
        "UPDATE gold.daily_store_sales SET gross = gross + CASE WHEN books_date < '2026-02-13' THEN 1 "
        "WHEN books_date > '2026-02-13' THEN -1 ELSE 0 END WHERE tenant_id = %s",
        [tenant],
    )
    check = by_name(db, tenant)["gross_in_gold_USD"]
    assert (check.ok, check.left == check.right) == (False, True)
    assert check.details.count("/") == 20
    assert check.details.endswith(" and 4 more")
    assert by_name(db, tenant, date(2026, 2, 20))["gross_in_gold_USD"].left == 6 * Decimal("42.5")


def test_batches_that_gold_has_not_applied_are_pending(
    db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    some_books(db, tenant)
    refresh(db, SystemClock(), tenant_id=tenant)
    accepted(db, [sale(tenant, "late")])
    promote(db, tenant, datetime.now(UTC))
    checks = by_name(db, tenant)
    assert all(check.ok for check in checks.values())
    assert "1 batches are pending" in checks["net_in_gold_USD"].details
    assert "1 batches are pending" in checks["debits_in_gold_USD"].details
    assert "pending" not in checks["net_in_ledger_USD"].details
    superuser.execute(
        "INSERT INTO gold.applied SELECT tenant_id, 'daily_store_sales', batch_id FROM silver.batches "
        "WHERE tenant_id = %s ON CONFLICT DO NOTHING",
        [tenant],
    )
    assert broken(db, tenant) == {tenant: everywhere("gross net", "gold")}


def test_every_check_has_its_planted_violation(db: Database, tenant: str) -> None:
    some_books(db, tenant)
    (found,) = verify(db, tenant)
    assert {check.name for check in found.checks} == set().union(
        *(expected for _, expected in PLANTED + IN_THE_BOOKS + OF_DECISIONS + OF_EXPORTS)
    ) - {"bad_debt_in_ledger_USD", "rounding_in_ledger_USD", "totals_difference_in_ledger_USD"}


def test_nothing_is_off_after_all_that_trade_does(db: Database, tenant: str) -> None:
    half = {"line_items": [{"sku": "SKU-AAA", "qty": 0.5, "amount": 15}], "total_amount": 15}
    nothing = {"line_items": [{"sku": "SKU-AAA", "qty": 0, "amount": 0}], "total_amount": 0}
    back, fix = {"event_type": "RETURN"}, {"event_type": "CORRECTION"}
    events = [sale(tenant, "early", original_txn_id="txn-late", **back, **half)]
    events += [sale(tenant, name, payment_method="cash") for name in ("a", "b", "c")]
    events += [
        sale(tenant, "r1", original_txn_id="txn-a", **back, **half),
        sale(tenant, "r2", original_txn_id="txn-a", **back, **half),
        sale(tenant, "r3", original_txn_id="txn-a", **back, **nothing),
        sale(tenant, "r4", original_txn_id=None, tenders=[{"type": "card", "amount": 15}], **back, **half),
        sale(tenant, "fix-r1", original_txn_id="txn-r1", **fix, **nothing),
        sale(tenant, "fix-r4", original_txn_id="txn-r4", **fix, **half),
        sale(tenant, "fix-b", original_txn_id="txn-b", tenders=[{"type": "card", "amount": 15}], **fix, **half),
        sale(tenant, "undo-r2", event_type="VOID", original_txn_id="txn-r2", line_items=None, total_amount=None),
        sale(tenant, "undo-c", event_type="CANCEL", original_txn_id="txn-c", line_items=None, total_amount=None),
        sale(tenant, "late"),
    ]
    for at in range(0, len(events), 3):
        accepted(db, events[at : at + 3])
        assert broken(db, tenant) == {tenant: set()}
        promote(db, tenant, datetime.now(UTC))
        assert broken(db, tenant) == {tenant: set()}
    assert promote(db, tenant, datetime.now(UTC)).posted == 1
    assert by_name(db, tenant)["posted_keys"].left == len(events)
    assert broken(db, tenant) == {tenant: set()}


@pytest.mark.parametrize("kind", ["posting", "reversal"])
def test_amounts_that_entries_have_exchanged_are_found_though_days_add_up(till: Till, kind: str) -> None:
    till.send(sold(till, [line("A", 1, 10)]), till.sold("b", line_items=[line("A", 1, 20)], total_amount=20))
    if kind == "reversal":
        till.send(till.amended("CANCEL", "x"), till.amended("CANCEL", "y", of="txn-b"))
    assert failed_checks(till.db, till.tenant) == []
    exchanged = """UPDATE ledger.entries e SET amounts = (
            SELECT amounts FROM ledger.entries o
            WHERE o.tenant_id = e.tenant_id AND o.kind = e.kind AND o.entry_id <> e.entry_id)
        WHERE tenant_id = %s AND kind = %s RETURNING 1"""
    assert len(till.rows(exchanged, kind)) == 2
    expected = {"entries_post_receipts"} if kind == "posting" else UNLIKE_WHAT_IT_REVERSES
    assert set(failed_checks(till.db, till.tenant)) == expected


def test_means_of_payment_that_entries_have_exchanged_are_found(till: Till) -> None:
    several = [{"type": "cash", "amount": 4}, {"type": "card", "amount": 6}]
    paid: list[dict[str, object]] = [
        {"tenders": several},
        {"tenders": [one | {"amount": 10 - one["amount"]} for one in several]},
    ]
    paid += [{"payment_method": method} for method in ("cash", "Card", "cheque", None)]
    till.send(*[sold(till, [line("A", 1, 10)], event_id=f"s{at}", **how) for at, how in enumerate(paid)])
    assert failed_checks(till.db, till.tenant) == []
    following = """UPDATE ledger.entries e SET (accounts, amounts) = (
            SELECT o.accounts, o.amounts FROM ledger.entries o
            JOIN silver.transactions t USING (tenant_id, transaction_id, revision, kind)
            JOIN silver.transactions s ON s.tenant_id = e.tenant_id AND s.transaction_id = e.transaction_id
            WHERE o.tenant_id = e.tenant_id AND t.event_id <> s.event_id
              AND ((s.event_id, t.event_id) IN (('s0', 's1'), ('s1', 's0'), ('s2', 's3'), ('s3', 's4'), ('s4', 's5'), ('s5', 's2'))))
        WHERE tenant_id = %s RETURNING 1"""
    assert len(till.rows(following)) == 6
    assert failed_checks(till.db, till.tenant) == ["entries_post_receipts"]
    assert by_name(till.db, till.tenant)["entries_post_receipts"].right == 0
