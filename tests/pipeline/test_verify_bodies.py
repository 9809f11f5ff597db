"""verify --bodies: what somebody with too many rights made the books say, everywhere at once, the bodies do not."""

import json
import subprocess
import sys
from datetime import date, timedelta
from uuid import UUID

import pytest

from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline import verify_bodies
from ledgersafe.pipeline.rebuild import rebuild
from ledgersafe.pipeline.redact import redact_arrival
from ledgersafe.pipeline.verify import Check
from tests.conftest import TestDatabase, clean_environment
from tests.pipeline.operating import MENDS, decided, operator, wish
from tests.pipeline.posting import DAY, Till
from tests.pipeline.verifying import broken, damage_rows

TENFOLD = (
    "UPDATE silver.line_items SET amount = 10 * amount WHERE tenant_id = %(t)s",
    "UPDATE silver.transactions SET gross = 10 * gross, total = 10 * total WHERE tenant_id = %(t)s",
    "UPDATE silver.tenders SET amount = 10 * amount WHERE tenant_id = %(t)s",
    "UPDATE ledger.entries SET amounts = ARRAY(SELECT 10 * a FROM unnest(amounts) AS a) WHERE tenant_id = %(t)s",
)


def held(till: Till, since: date | None = None) -> Check:
    (found,) = verify_bodies.verify_bodies(till.db, till.tenant, since)
    (check,) = found.checks
    return check


def some_trade(till: Till) -> None:
    """Of every kind that stands: plain, given back, corrected, replaced by another payload, patched, of odd currencies."""
    tax = {"tax_amount": "8.50", "total_amount": "51.00"}
    till.send(till.sold("plain"), till.sold("taxed", **tax), till.sold("off", total_amount="42.51"))
    till.send(till.returned("back", of="txn-plain"), till.amended("CANCEL", "gone", of="txn-off"))
    till.send(till.amended("CORRECTION", "truth", of="txn-taxed", store_id="two", original_store_id="store_001", **tax))
    till.send(till.sold("other"), till.sold("patched", total_amount=99))
    till.send(till.sold("other", register_id="9", line_items=[{"sku": "A", "qty": 1, "amount": 7}], total_amount=7))
    exceptions = "SELECT idempotency_key, exception_id FROM quarantine.exceptions WHERE tenant_id = %s"
    for key, exception_id in till.rows(exceptions):
        decided(till.db, exception_id, wish(canonical="last") if key == "other" else wish(patch=MENDS))
    assert till.held() == {}


def test_honest_books_say_what_their_bodies_say(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    some_trade(till)
    assert (held(till).ok, held(till).left, held(till).right) == (True, 5, 5)
    assert held(till, DAY + timedelta(days=1)).left == 0
    monkeypatch.setattr(verify_bodies, "_PAGE", 2)
    monkeypatch.setattr(verify_bodies, "_MOST_BYTES", 1)
    assert (held(till).ok, held(till).left) == (True, 5), "in pages, a body at a time"


def test_books_that_were_changed_everywhere_are_held_against_their_bodies(till: Till) -> None:
    till.send(till.sold())
    for damage in TENFOLD:
        damage_rows(till.superuser, till.tenant, damage)
    for table in ("account_daily", "daily_store_sales"):
        rebuild(till.db, SystemClock(), table, till.tenant)
    assert broken(till.db, till.tenant) == {till.tenant: set()}
    assert (held(till).ok, held(till).left, held(till).right) == (False, 1, 0)
    assert held(till).details.endswith(
        "revision 1: gross 425.0 / 42.5, total 425.0 / 42.5, line 3 of 'A' for 300 / 3 of 'A' for 30"
    )


@pytest.mark.parametrize(
    "changed",
    [
        "currency = 'EUR'", "store_id = 'two'", "txn_id = 'x'", "units = 5", "lines = 1", "discount = 1", "tax = 1",
        "included_tax = 1", "type = 'RETURN'", "event_type = 'RETURN'", "occurred_at = now()",
    ],
)  # fmt: skip
def test_whatever_a_posting_says_otherwise_is_named(till: Till, changed: str) -> None:
    till.send(till.sold())
    damage_rows(till.superuser, till.tenant, f"UPDATE silver.transactions SET {changed} WHERE tenant_id = %(t)s")
    assert not held(till).ok
    assert f"revision 1: {changed.split()[0]} " in held(till).details


@pytest.mark.parametrize("key", ["patched", "other", "truth"])
def test_what_was_decided_or_corrected_is_held_against_what_it_was_made_of(till: Till, key: str) -> None:
    some_trade(till)
    damage = f"UPDATE silver.transactions SET total = total + 1 WHERE tenant_id = %(t)s AND event_id = '{key}'"
    damage_rows(till.superuser, till.tenant, damage)
    assert (held(till).ok, held(till).left, held(till).right) == (False, 5, 4)


def test_a_redacted_body_says_nothing(till: Till) -> None:
    till.send(till.sold("a"), till.sold("b"))
    ((raw_id,),) = till.rows("SELECT raw_id FROM silver.transactions WHERE tenant_id = %s AND event_id = 'a'")
    assert redact_arrival(till.db, till.tenant, UUID(str(raw_id)), "article 17", operator(till.tenant))
    assert (held(till).ok, held(till).left) == (True, 1)
    assert "; 1 more cannot be read" in held(till).details


def test_lines_of_other_goods_are_named(till: Till) -> None:
    till.send(till.sold())
    assert held(till).ok
    for changed, said in {
        "sku = 'C' WHERE sku = 'B'": "line 1 of 'C' for 12.5 / 1 of 'B' for 12.5",
        "quantity = 4 - quantity WHERE sku IN ('A', 'C')": "line 1 of 'A' for 30 / 3 of 'A' for 30",
    }.items():
        damage_rows(till.superuser, till.tenant, f"UPDATE silver.line_items SET {changed} AND tenant_id = %(t)s")
        assert said in held(till).details


UNREADABLE = {
    "not what arrived": "UPDATE bronze.events_raw SET body = '{\"torn' WHERE tenant_id = %(t)s AND event_id = 'plain'",
    "no redaction of it": "UPDATE bronze.events_raw SET body = bronze.redaction() WHERE tenant_id = %(t)s AND event_id = 'plain'",
    "(RequestRefused)": "UPDATE bronze.events_raw SET body = bronze.redaction(), body_sha256 = sha256(bronze.redaction()) WHERE tenant_id = %(t)s AND event_id = 'plain'",
    "(ValueError)": "UPDATE bronze.events_raw SET door = 'nodoor' WHERE tenant_id = %(t)s AND event_id = 'plain'",
    "(TypeError)": "UPDATE quarantine.exceptions SET override_patch = '[1]' WHERE tenant_id = %(t)s AND override_patch IS NOT NULL",
}
"""What is said of a posting → what somebody with too many rights did to hide that it was changed."""


@pytest.mark.parametrize(("said", "damage"), UNREADABLE.items())
def test_a_body_that_was_made_unreadable_hides_nothing(till: Till, said: str, damage: str) -> None:
    some_trade(till)
    damage_rows(till.superuser, till.tenant, damage)
    assert (held(till).ok, held(till).left, held(till).right) == (False, 5, 4)
    assert said in held(till).details


def test_another_body_that_says_what_the_books_say_is_not_what_arrived(till: Till) -> None:
    till.send(till.sold())
    damage_rows(till.superuser, till.tenant, "UPDATE bronze.events_raw SET body = body || ' ' WHERE tenant_id = %(t)s")
    assert (held(till).ok, held(till).left, held(till).right) == (False, 1, 0)


def test_the_command_reads_every_body_and_fails_where_one_says_otherwise(books: TestDatabase, till: Till) -> None:
    environment = clean_environment() | {"LEDGERSAFE_DATABASE_URL": books.app_url}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ledgersafe", "verify", "--bodies", "--json", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    till.send(till.sold())
    done = run("--tenant", till.tenant)
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, True), done
    damage_rows(till.superuser, till.tenant, TENFOLD[1])
    done = run("--since", "2026-01-01")
    found = {one["tenant_id"]: one["checks"] for one in json.loads(done.stdout)["tenants"]}
    assert (done.returncode, found[till.tenant][0]["left"], found[till.tenant][0]["right"]) == (1, 1, 0)
    assert [run("--tenant", "nobody").returncode, run("--since", "soon").returncode] == [1, 1]
