"""A chart of accounts is replaced: for what is posted from then on, whole or not at all, and the books stay sound."""

import threading
import time
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.ledger import store as ledger
from ledgersafe.ledger.rules import default_chart
from ledgersafe.pipeline.books import open_books
from ledgersafe.pipeline.chart import accounts, chart, put_chart
from ledgersafe.pipeline.read_ledger import trial_balance
from tests.pipeline.operating import operator
from tests.pipeline.posting import Till, legs
from tests.pipeline.test_set_up import faults_of

Chart = list[dict[str, Any]]


def numbered(prefix: str = "", **numbers: str) -> Chart:
    """The default chart with a prefix before each number, and some numbers by role."""
    return [
        msgspec.structs.asdict(one) | {"account": numbers.get(one.role, prefix + one.account)}
        for one in default_chart()
    ]


def in_use(till: Till) -> dict[str, str]:
    """Role → account of the chart."""
    return {one.role: one.account for one in chart(till.db, till.tenant)}


def posted_to(till: Till) -> dict[str, set[str]]:
    """Transaction → the accounts of its entries."""
    sql = """SELECT t.txn_id, e.accounts FROM ledger.entries e
        JOIN silver.transactions t USING (tenant_id, transaction_id, revision, kind) WHERE tenant_id = %s"""
    found: dict[str, set[str]] = {}
    for txn_id, names in till.rows(sql):
        found.setdefault(txn_id, set()).update(names)
    return found


def test_a_chart_before_the_first_posting(till: Till) -> None:
    till.set()
    assert in_use(till)["cash"] == "1000"
    assert put_chart(till.db, till.tenant, numbered(), operator()) == [], "it begins with that one"
    assert len(put_chart(till.db, till.tenant, numbered("9"), operator(), dry_run=True)) == 30
    assert till.count("ledger.accounts") == till.count("audit.audit_log") == 0
    assert len(put_chart(till.db, till.tenant, numbered("9"), operator())) == 30
    assert put_chart(till.db, till.tenant, numbered("9"), operator()) == []
    till.send(till.sold())
    assert posted_to(till) == {"txn-s": {"91000", "94000"}}
    assert len(accounts(till.db, till.tenant)) == 15, "those that it would have begun with were never its own"
    till.assert_sound()


def test_what_was_posted_stays_where_it_is_and_the_rest_goes_to_the_new_accounts(till: Till) -> None:
    till.send(till.sold("s"), till.sold("t"))
    changes = put_chart(till.db, till.tenant, numbered("7"), operator(actor="key:ana"))
    assert len(changes) == 30
    till.send(till.sold("u"), till.returned("r"), till.amended("VOID", "v", of="txn-t"))
    assert posted_to(till) == {
        "txn-s": {"1000", "4000"},
        "txn-t": {"1000", "4000"},  # taken back where it was
        "txn-u": {"71000", "74000"},
        "txn-r": {"71000", "74100"},
    }
    stood = {row.account: row.balance for row in trial_balance(till.db, till.tenant, None, by_store=False)}
    assert sum(stood.values()) == 0
    assert {name: f"{balance:.2f}" for name, balance in stood.items()} == {
        "1000": "42.50",
        "4000": "-42.50",
        "71000": "32.50",
        "74000": "-42.50",
        "74100": "10.00",
    }
    assert till.balances() == legs(cash="75", sales="-85", returns="10"), "the sums by role are those of both charts"
    known = {one.account: one.retired_at for one in accounts(till.db, till.tenant)}
    assert len(known) == 30
    assert known["1000"] is not None
    assert known["71000"] is None
    ((action, before, after),) = till.rows(
        "SELECT action, before_json, after_json FROM audit.audit_log WHERE tenant_id = %s AND object_type = 'chart'"
    )
    assert (action, before["1000"]["role"], after["71000"]["role"]) == ("chart.changed", "cash", "cash")
    till.assert_sound()


def test_one_role_moves_and_comes_back(till: Till) -> None:
    till.send(till.sold("s"))
    moved = put_chart(till.db, till.tenant, numbered(cash="1001"), operator())
    assert [(one.account, one.before is None, one.after is None) for one in moved] == [
        ("1000", False, True),
        ("1001", True, False),
    ]
    till.send(till.sold("t"))
    put_chart(till.db, till.tenant, numbered(), operator())
    till.send(till.sold("u"))
    assert posted_to(till) == {"txn-s": {"1000", "4000"}, "txn-t": {"1001", "4000"}, "txn-u": {"1000", "4000"}}
    assert {one.account for one in accounts(till.db, till.tenant) if one.retired_at} == {"1001"}
    renamed = [one | {"name": "Till money"} if one["role"] == "cash" else one for one in numbered()]
    (change,) = put_chart(till.db, till.tenant, renamed, operator())
    assert (change.account, change.after and change.after.name) == ("1000", "Till money")
    till.assert_sound()


def test_an_account_that_was_posted_to_keeps_its_role_and_type(till: Till) -> None:
    """Card clearing was not posted to, so its number may be anything; the cash drawer's may not."""
    till.send(till.sold("s"))
    before = till.rows("SELECT a::text FROM ledger.accounts a WHERE tenant_id = %s ORDER BY 1")
    swapped = numbered(cash="1010", card="1000")
    assert set(faults_of(lambda: put_chart(till.db, till.tenant, swapped, operator()))) == {"/accounts/1"}
    asset = [one | {"type": "liability"} if one["role"] == "sales" else one for one in numbered()]
    assert set(faults_of(lambda: put_chart(till.db, till.tenant, asset, operator(), dry_run=True))) == {"/accounts/7"}
    assert till.rows("SELECT a::text FROM ledger.accounts a WHERE tenant_id = %s ORDER BY 1") == before
    put_chart(till.db, till.tenant, numbered(card="1020", other_tenders="1010"), operator())
    assert (in_use(till)["card"], in_use(till)["other_tenders"]) == ("1020", "1010")
    till.send(till.sold("t", payment_method="card"))
    assert posted_to(till)["txn-t"] == {"1020", "4000"}
    put_chart(till.db, till.tenant, numbered("8"), operator())
    again = numbered("8", card="1000")
    assert "posted to as 'cash'" in faults_of(lambda: put_chart(till.db, till.tenant, again, operator()))["/accounts/1"]
    till.assert_sound()


def test_every_fault_of_a_chart_is_named(till: Till) -> None:
    till.set()
    wrong: list[Any] = numbered()
    wrong[0] = wrong[0] | {"account": 1000}
    wrong[1] = wrong[1] | {"role": "cards"}
    wrong[2] = wrong[2] | {"type": "wealth", "note": "x"}
    wrong[3] = {"account": "1100", "role": ["receivable"]}
    wrong[4] = wrong[4] | {"account": "1900"}
    wrong[6] = "tax"
    wrong.append(wrong[7] | {"account": "4001"})
    assert faults_of(lambda: put_chart(till.db, till.tenant, wrong, operator())).keys() == {
        "/accounts",
        "/accounts/0/account",
        "/accounts/1/role",
        "/accounts/2/type",
        "/accounts/2/note",
        "/accounts/3/role",
        "/accounts/3/type",
        "/accounts/3/name",
        "/accounts/5/account",
        "/accounts/6",
        "/accounts/15/role",
    }
    missing = faults_of(lambda: put_chart(till.db, till.tenant, numbered()[1:], operator()))
    assert missing == {"/accounts": "every role needs one account; missing: cash"}
    assert till.count("ledger.accounts") == 0
    with pytest.raises(RequestRefused, match="NOT_FOUND"):
        put_chart(till.db, f"{till.tenant}-nobody", numbered(), operator())


def test_what_is_being_posted_is_waited_for(till: Till) -> None:
    """Who has the books open posts by the chart that it read; only then is it known what was posted to."""
    till.send(till.sold("s"))
    done: list[str] = []
    renumbering = threading.Thread(
        target=lambda: done.append(put_chart(till.db, till.tenant, numbered("5"), operator())[0].account)
    )
    with till.db.transaction() as tx:
        books = open_books(tx, till.tenant, till.now, {"store_001"}, till.now)
        renumbering.start()
        time.sleep(0.3)
        assert (done, books.accounts["cash"]) == ([], "1000")
        with till.db.transaction() as other:  # whoever waits for a chart, others' books are open
            ledger.share_chart(other, f"{till.tenant}-other")
    renumbering.join(10)
    assert done == ["1000"]


def test_charts_replaced_while_postings_are_made(till: Till) -> None:
    till.send(till.sold("first"))
    stop = threading.Event()
    failures: list[BaseException] = []

    def replacing(prefix: str) -> None:
        try:
            while not stop.is_set():
                put_chart(till.db, till.tenant, numbered(prefix), replace(operator(), now=till.now))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=replacing, args=(prefix,)) for prefix in ("1", "2", "3")]
    for thread in threads:
        thread.start()
    for number in range(30):
        till.send(*(till.sold(f"{number}-{part}") for part in range(5)))
    stop.set()
    for thread in threads:
        thread.join(20)
    assert failures == []
    assert all(len({name[:-4] for name in names}) == 1 for names in posted_to(till).values()), "by one chart each"
    assert len({tuple(sorted(names)) for names in posted_to(till).values()}) > 1
    assert till.count("ledger.entries") == 151
    assert len({one.role for one in chart(till.db, till.tenant)}) == len(chart(till.db, till.tenant)) == 15
    till.assert_sound()
