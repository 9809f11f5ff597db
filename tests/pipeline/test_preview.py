"""A dry run tells what a decision does to the ledger, to the last digit, and leaves nothing behind."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.preview import (
    BEING_POSTED,
    IN_THE_LEDGER,
    NO_ENTRY,
    NOTHING_POSTED,
    Effect,
    preview,
)
from ledgersafe.pipeline.resolve import Wish, resolve
from tests.conftest import TestDatabase
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import IGNORE, operator, wish
from tests.pipeline.posting import DAY, Till

Line = tuple[str, str, int, str, date, str, Decimal, str]
"""(store, txn_id, revision, kind, books date, account, amount, currency)."""
Posting = tuple[str, str, int, str, str, date, Decimal]
"""(store, txn_id, revision, kind, type, books date, total)."""
LINES = """
SELECT t.store_id, t.txn_id, l.revision, l.kind, l.books_date, l.account, l.amount, l.currency
FROM ledger.lines l JOIN silver.transactions t USING (tenant_id, transaction_id, revision, kind)
WHERE l.tenant_id = %s
"""
POSTINGS = (
    "SELECT store_id, txn_id, revision, kind, type, books_date, total FROM silver.transactions WHERE tenant_id = %s"
)


@dataclass
class Case:
    """What is sent and posted, what is sent then and not posted yet, and what is decided of `event_id`."""

    posted: Callable[[Till], list[dict[str, Any]]]
    wish: Wish
    event_id: str = "s"
    then: Callable[[Till], list[dict[str, Any]]] = lambda _: []
    postings: int = 1
    note: str | None = None
    released: int = 0


MENDED = {"total_amount": "42.5"}
CASES: dict[str, Case] = {
    "a faulty sale, patched": Case(lambda t: [t.sold(total_amount=99)], wish(patch=MENDED)),
    "another payload of what is posted": Case(
        lambda t: [t.sold(), t.sold(total_amount="43.5", line_items=[{"sku": "A", "qty": 1, "amount": "43.5"}])],
        wish(canonical="last"),
        postings=2,
    ),
    "it is another transaction now": Case(
        lambda t: [t.sold(), t.sold(txn_id="txn-other")], wish(canonical="last"), postings=2
    ),
    "what is posted, as it is": Case(
        lambda t: [t.sold(), t.sold(txn_id="b")], wish(canonical="first"), postings=0, note=IN_THE_LEDGER
    ),
    "what is posted, let go": Case(
        lambda t: [t.sold(), t.sold(txn_id="b")], wish(IGNORE), postings=0, note=NOTHING_POSTED
    ),
    "a faulty one, let go": Case(lambda t: [t.sold(total_amount=99)], wish(IGNORE), postings=0, note=NOTHING_POSTED),
    "accepted, and still to be posted": Case(
        lambda _: [], wish(canonical="first"), then=lambda t: [t.sold(), t.sold(total_amount="43.5")]
    ),
    "a sale of nothing": Case(
        lambda t: [t.sold(total_amount=1, line_items=[{"sku": "A", "qty": 1, "amount": 0}])],
        wish(patch={"total_amount": 0}),
        note=NO_ENTRY,
    ),
    "a return, and what it gives back": Case(
        lambda t: [t.sold(), t.returned(qty=1, amount=10, total_amount=11)],
        wish(patch={"total_amount": 10}),
        event_id="r",
    ),
    "a correction": Case(
        lambda t: [t.sold(), t.amended("CORRECTION", "c", total_amount=99)],
        wish(patch=MENDED),
        event_id="c",
        postings=2,
    ),
    "a cancellation that named nothing": Case(
        lambda t: [t.amended("CANCEL", "c", original_txn_id=None), t.sold()],
        wish(patch={"original_txn_id": "txn-s"}),
        event_id="c",
    ),
    "a sale that a return waits for": Case(
        lambda t: [t.returned(), t.sold(total_amount=99)],
        wish(patch=MENDED),
        postings=2,
        note="1 event that waits for it goes on with it.",
        released=1,
    ),
    "a sale that much waits for, and more for that": Case(
        lambda t: [
            t.returned("r1"),
            t.returned("r2", qty=9, amount=90),
            t.amended("VOID", "v", "txn-r1"),
            t.sold(total_amount=99),
        ],
        wish(patch=MENDED),
        postings=3,
        note="3 events that wait for it go on with it; 1 of them would be held again.",
        released=3,
    ),
    "accepted, and a return waits for it": Case(
        lambda t: [t.returned()],
        wish(canonical="first"),
        then=lambda t: [t.sold(), t.sold(total_amount="43.5")],
        postings=2,
        note="1 event that waits for it goes on with it.",
        released=1,
    ),
    "on another day, since its own is closed": Case(
        lambda t: [t.sold()], wish(patch={}, books_date=date(2026, 3, 2)), event_id="s"
    ),
}


def held(till: Till, event_id: str) -> UUID:
    sql = "SELECT exception_id FROM quarantine.exceptions WHERE tenant_id = %s AND idempotency_key = %s AND status = 'open'"
    ((found,),) = till.rows(sql, event_id)
    return found


def told(effect: Effect) -> tuple[list[Posting], list[Line]]:
    """As the tables would have it."""
    postings = [
        (one.store_id, one.txn_id, one.revision, one.kind, one.type, one.books_date, one.total)
        for one in effect.transactions
    ]
    assert all(min(line.debit, line.credit) == 0 for line in effect.entries)
    lines = [
        (
            *(line.store_id, line.txn_id, line.revision, line.kind, line.books_date, line.account),
            line.debit - line.credit,
            line.currency,
        )
        for line in effect.entries
    ]
    return sorted(postings), sorted(lines)


def in_the_books(till: Till) -> tuple[list[Any], list[Any]]:
    return till.rows(POSTINGS), till.rows(LINES)


def without(rows: list[Any], before: list[Any]) -> list[Any]:
    left = list(rows)
    for row in before:
        left.remove(row)
    return sorted(left)


def everything(superuser: psycopg.Connection) -> dict[str, Any]:
    """A digest of every row of the database, by table."""
    tables = superuser.execute(
        "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables "
        "WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
    ).fetchall()
    digest = "SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM {} t"
    assert len(tables) > 40
    return {name: superuser.execute(digest.format(name).encode()).fetchone() for (name,) in tables}


def set_up(till: Till, case: Case, name: str) -> UUID:
    if "closed" in name:
        till.period(DAY.replace(day=1), "closed")
    till.send(*case.posted(till))
    accepted(till.db, case.then(till))
    return held(till, case.event_id)


@pytest.mark.parametrize("name", CASES)
def test_it_tells_what_the_decision_then_does(till: Till, name: str) -> None:
    case = CASES[name]
    exception_id = set_up(till, case, name)
    before = everything(till.superuser)
    seen = preview(till.db, exception_id, case.wish, operator(till.tenant))
    assert everything(till.superuser) == before, "a dry run leaves nothing behind"
    assert (len(seen.effect.transactions), seen.effect.note, seen.effect.faults) == (case.postings, case.note, ())
    assert seen.effect.released == case.released
    postings, lines = in_the_books(till)
    result = resolve(till.db, exception_id, case.wish, operator(till.tenant))
    assert (seen.result.key_status, seen.result.closed) == (result.key_status, result.closed)
    if case.then(till) or case.released:
        till.drain()
    now_postings, now_lines = in_the_books(till)
    assert told(seen.effect) == (without(now_postings, postings), without(now_lines, lines))
    till.assert_sound()


@pytest.mark.parametrize(
    ("sent", "event_id", "reason"),
    [
        (lambda t: [t.returned(total_amount=11)], "r", "MISSING_REFERENCE"),
        (lambda t: [t.sold(), t.returned(qty=4, amount=40, total_amount=11)], "r", "CANNOT_EXCEED_ORIGINAL"),
    ],
)
def test_what_the_books_refuse_is_told_with_its_faults(
    till: Till, sent: Callable[[Till], list[dict[str, Any]]], event_id: str, reason: str
) -> None:
    till.send(*sent(till))
    total = 40 if reason == "CANNOT_EXCEED_ORIGINAL" else 10
    before = everything(till.superuser)
    with pytest.raises(RequestRefused) as refused:
        preview(till.db, held(till, event_id), wish(patch={"total_amount": total}), operator(till.tenant))
    assert [fault.reason.code for fault in refused.value.faults] == [reason]
    assert everything(till.superuser) == before, "no attempt is counted"


def test_what_would_wait_for_its_original_says_so(till: Till) -> None:
    """An accepted return, still to be posted, whose key got another payload."""
    accepted(till.db, [till.returned(), till.returned(total_amount=11)])
    before = everything(till.superuser)
    effect = preview(till.db, held(till, "r"), wish(canonical="first"), operator(till.tenant)).effect
    assert [fault.reason.code for fault in effect.faults] == ["MISSING_REFERENCE"]
    assert effect.note == "It would wait for transaction txn-s of store store_001, and be posted after it."
    assert (effect.transactions, effect.entries) == ((), ())
    assert everything(till.superuser) == before


def test_what_was_put_off_is_told_all_the_same(till: Till) -> None:
    accepted(till.db, [till.sold(), till.sold(total_amount="43.5")])
    till.rows("UPDATE gate.to_post SET not_before = now() + interval '5 seconds' WHERE tenant_id = %s RETURNING 1")
    effect = preview(till.db, held(till, "s"), wish(canonical="first"), operator(till.tenant)).effect
    assert (len(effect.transactions), effect.note) == (1, None)


def test_what_a_worker_is_posting_is_left_to_it(till: Till, books: TestDatabase) -> None:
    accepted(till.db, [till.sold(), till.sold(total_amount="43.5")])
    with psycopg.connect(books.superuser_url) as worker:
        worker.execute("SELECT FROM gate.to_post WHERE tenant_id = %s FOR UPDATE", [till.tenant])
        effect = preview(till.db, held(till, "s"), wish(canonical="first"), operator(till.tenant)).effect
    assert effect == Effect(note=BEING_POSTED)


@pytest.mark.parametrize(
    "lock",
    [
        "SELECT FROM gate.events_processed WHERE tenant_id = %s FOR UPDATE",
        "SELECT FROM silver.heads WHERE tenant_id = %s FOR UPDATE",
        "SELECT FROM ledger.periods WHERE tenant_id = %s FOR UPDATE",
    ],
)
def test_it_does_not_wait_for_long(till: Till, books: TestDatabase, lock: str) -> None:
    till.send(till.sold("other"), till.sold(), till.sold(txn_id="txn-s", total_amount="43.5"))
    exception_id = held(till, "s")
    with psycopg.connect(books.superuser_url) as other:
        other.execute(lock.encode(), [till.tenant])
        began = time.monotonic()
        with pytest.raises(RequestRefused) as refused:
            preview(till.db, exception_id, wish(canonical="last", patch=MENDED), operator(till.tenant))
        assert (refused.value.reason.code, refused.value.headers) == ("EVENT_IN_USE", {"Retry-After": "1"})
        assert time.monotonic() - began < 1
    assert preview(till.db, exception_id, wish(canonical="last", patch=MENDED), operator(till.tenant)).effect.entries


def test_of_very_many_that_wait_what_the_first_post_is_told(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledgersafe.pipeline.preview.MOST_FOLLOWERS", 2)
    till.send(*(till.returned(f"r{number}") for number in range(3)), till.sold(total_amount=99))
    effect = preview(till.db, held(till, "s"), wish(patch=MENDED), operator(till.tenant)).effect
    assert (effect.released, len(effect.transactions)) == (3, 3)
    assert effect.note == "3 events that wait for it go on with it; what the first 2 post is shown."
    assert resolve(till.db, held(till, "s"), wish(patch=MENDED), operator(till.tenant)).released == 3


def test_nobody_of_another_tenant_is_told(till: Till) -> None:
    till.send(till.sold(total_amount=99))
    with pytest.raises(RequestRefused, match="NOT_FOUND"):
        preview(till.db, held(till, "s"), wish(patch=MENDED), operator("somebody-else"))


def test_it_answers_as_fast_as_people_type(till: Till) -> None:
    till.send(*(till.sold(f"s{number}") for number in range(500)), till.sold(total_amount=99))
    exception_id, by = held(till, "s"), operator(till.tenant)
    took: list[float] = []
    for number in range(20):
        began = time.monotonic()
        preview(till.db, exception_id, replace(wish(patch=MENDED), notes=f"try {number}"), by)
        took.append(time.monotonic() - began)
    assert sorted(took)[len(took) // 2] < 0.1, took
