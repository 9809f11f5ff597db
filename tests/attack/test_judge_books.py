"""The judge of the books sees what it is there to see: each of its checks, against a planted violation."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.refresh import refresh
from tests.attack.judge import broken, faults_of_tables
from tests.attack.judge_books import BOOKS_CHECKS, GOLD_CHECKS
from tests.conftest import TestDatabase
from tests.pipeline.posting import Till

_FIRST_LEG = "ARRAY[amounts[1] + 0.000001] || amounts[2:]"
_POSTED_AGAIN = """
    INSERT INTO silver.transactions SELECT (t).* FROM (
      SELECT jsonb_populate_record(s, '{"transaction_id": "01890000-0000-7000-8000-000000000001"}') AS t
      FROM silver.transactions s WHERE event_id = 'plain') AS copies"""
_OF_PLAIN = "(SELECT transaction_id FROM silver.transactions WHERE event_id = 'plain')"
_UNBOUND = "ALTER TABLE ledger.entries DROP CONSTRAINT entry_is_balanced; "

PLANTED: dict[str, list[str]] = {
    "what counts is posted exactly once, and nothing else is": [
        _POSTED_AGAIN,
        "DELETE FROM silver.transactions WHERE event_id = 'plain'",
        "UPDATE silver.transactions SET event_id = 'nobody' WHERE event_id = 'plain'",
        "UPDATE gate.events_processed SET first_decision = 'ignored' WHERE idempotency_key = 'plain'",
        "DELETE FROM silver.transactions WHERE event_id = 'undone' AND kind = 'reversal'",
    ],
    "what is posted is the payload that counts": [
        "UPDATE silver.transactions SET raw_id = gen_random_uuid() WHERE event_id = 'plain'",
    ],
    "a revision is posted once, and reversed at most once after it": [
        "DELETE FROM silver.transactions WHERE event_id = 'corrected' AND kind = 'posting'",
    ],
    "only the last revision may stand": [
        "DELETE FROM silver.transactions WHERE kind = 'reversal' AND event_id = 'truth'",
        "UPDATE silver.heads SET state = 'voided' WHERE txn_id = 'txn-plain'",
    ],
    "a transaction has one head, of its name": ["UPDATE silver.heads SET txn_id = 'other' WHERE txn_id = 'txn-plain'"],
    "a head that is not awaited has its posting": ["UPDATE silver.heads SET revision = 9 WHERE txn_id = 'txn-plain'"],
    "a reversal is its posting negated": [
        "UPDATE silver.transactions SET total = total + 0.01 WHERE kind = 'reversal'"
    ],
    "lines and tenders make their transaction": [
        "UPDATE silver.line_items SET amount = amount + 0.000001 WHERE sku = 'B' AND kind = 'posting'",
        "DELETE FROM silver.line_items WHERE kind = 'reversal'",
        "UPDATE silver.tenders SET amount = amount - 0.000001",
        "UPDATE silver.transactions SET totals_difference = 1 WHERE event_id = 'plain'",
    ],
    "what moves money has an entry": ["DELETE FROM ledger.entries WHERE kind = 'reversal'"],
    "an entry is its transaction's": [
        "UPDATE ledger.entries SET books_date = books_date + 1 WHERE kind = 'posting'",
        "UPDATE ledger.entries SET transaction_id = gen_random_uuid() WHERE kind = 'reversal'",
    ],
    "a reversal takes its entry back": [
        "UPDATE ledger.entries SET amounts = ARRAY(SELECT 2 * a FROM unnest(amounts) AS a) WHERE kind = 'reversal'",
    ],
    "entries balance, over known accounts": [
        f"{_UNBOUND}UPDATE ledger.entries SET amounts = {_FIRST_LEG} WHERE kind = 'posting'",
        "UPDATE ledger.entries SET accounts = ARRAY['none'] || accounts[2:]",
        "DELETE FROM ledger.accounts WHERE role = 'sales'",
    ],
    "what silver sells is what the accounts say": [
        "UPDATE ledger.entries SET amounts = ARRAY(SELECT 2 * a FROM unnest(amounts) AS a) WHERE kind = 'posting'",
        "DELETE FROM ledger.entries WHERE kind = 'posting'",
    ],
    "a head knows what was given back": [
        "UPDATE silver.heads SET returned_quantities = '{2}' WHERE txn_id = 'txn-plain'",
        "DELETE FROM silver.references",
    ],
    "no more was given back than was sold": [
        "UPDATE silver.heads SET returned_amounts = '{31}' WHERE txn_id = 'txn-plain'",
        "UPDATE silver.heads SET returned_lines = '{7}' WHERE txn_id = 'txn-plain'",
    ],
    "a head knows what was paid back": [
        "UPDATE silver.heads SET returned_total = 9.99 WHERE txn_id = 'txn-plain'",
        "UPDATE silver.heads SET returned_parts = 2 WHERE txn_id = 'txn-plain'",
        "UPDATE silver.heads SET returned_rounding = 0.01 WHERE txn_id = 'txn-plain'",
        "UPDATE silver.heads SET returned_total = 1 WHERE txn_id = 'txn-corrected'",
    ],
    "no more was paid back than was paid": [
        "UPDATE silver.heads SET returned_total = 42.52 WHERE txn_id = 'txn-plain'",
        "UPDATE silver.heads SET state = 'voided' WHERE txn_id = 'txn-plain'",
    ],
    "every posting is in one batch": [
        "DELETE FROM silver.batches",
        """INSERT INTO silver.batches
        SELECT tenant_id, gen_random_uuid(), posted_at, transaction_ids, revisions, kinds FROM silver.batches""",
    ],
    "who waits, waits in an open exception": [
        "UPDATE silver.waiting SET txn_id = 'txn-plain'",
    ],
    "gold: nothing is left to be posted": [
        "INSERT INTO gate.to_post SELECT tenant_id, first_raw_id, idempotency_key FROM gate.events_processed",
    ],
    "gold: every batch is in every table of sums, and no other": [
        "DELETE FROM gold.applied WHERE table_name = 'hourly_sales'",
        "INSERT INTO gold.applied SELECT tenant_id, table_name, gen_random_uuid() FROM gold.applied",
    ],
    "gold: a store's day is what silver and the accounts say": [
        *(
            f"UPDATE gold.daily_store_sales SET {name} = {name} + 1"
            for name in ("transactions", "units", "gross", "returns", "discounts", "tax", "net")
        ),
        "UPDATE gold.daily_store_sales SET books_date = books_date - 1",
        "DELETE FROM gold.daily_store_sales",
        "INSERT INTO gold.daily_store_sales VALUES ('south', '2026-01-01', 's', 'USD', 1, 0, 0, 0, 0, 0, 0)",
    ],
    "gold: a country's day is what silver says": ["UPDATE gold.daily_country_sales SET gross = gross - 0.000001"],
    "gold: a product's day is what the lines say": [
        "UPDATE gold.daily_product_sales SET returns = 0 WHERE sku = 'A'",
        "DELETE FROM gold.daily_product_sales WHERE sku = 'B'",
    ],
    "gold: the hours make the day": ["UPDATE gold.hourly_sales SET gross = gross * 2"],
    "gold: what was paid is what was owed": ["UPDATE gold.payment_mix SET refunded = 0"],
    "gold: what came back is what silver says": ["UPDATE gold.return_rates SET returned_units = returned_units + 1"],
    "gold: an account's day is what the entries say": [
        "UPDATE gold.account_daily SET debit = debit + 1, credit = credit + 1",
        "DELETE FROM gold.account_daily WHERE account = (SELECT max(account) FROM gold.account_daily)",
    ],
}


@pytest.fixture(scope="module")
def superuser(new_database: Callable[[], TestDatabase]) -> Iterator[psycopg.Connection]:
    """Books with something of every kind in them, and gold that has followed."""
    of = new_database()
    with psycopg.connect(of.superuser_url, autocommit=True) as connection:
        database = of.open(size=3)
        till = Till(database, connection, "north", datetime.now(UTC))
        till.send(till.sold("plain"), till.sold("corrected"), till.sold("gone"))
        till.send(
            till.returned("back", of="txn-plain"),
            till.amended("CORRECTION", "truth", of="txn-corrected", line_items=[{"sku": "A", "qty": 1, "amount": 9}], total_amount=9),
            till.amended("CANCEL", "undone", of="txn-gone"),
            till.amended("CANCEL", "early", of="txn-unknown"),
        )  # fmt: skip
        assert till.held() == {"early": "MISSING_REFERENCE"}
        refresh(database, SystemClock())
        database.close()
        yield connection


def test_of_what_is_right_nothing_is_said(superuser: psycopg.Connection) -> None:
    assert faults_of_tables(superuser, caught_up=True) == []


@pytest.mark.parametrize(
    ("name", "damage"), [(name, damage) for name, damages in PLANTED.items() for damage in damages]
)
def test_each_check_finds_its_violation(superuser: psycopg.Connection, name: str, damage: str) -> None:
    with superuser.transaction(force_rollback=True):
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute(damage.encode())
        assert broken(superuser, name) != []


def test_every_check_has_a_planted_violation() -> None:
    assert (BOOKS_CHECKS | GOLD_CHECKS).keys() == PLANTED.keys()
