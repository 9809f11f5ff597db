"""What comes before the original that it names waits, and goes on by itself: in any order, in any batches, in any race."""

import itertools
import time
from threading import Thread
from typing import Any
from uuid import UUID

import pytest

from ledgersafe.db.database import Database
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.release import sweep
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import IGNORE, decided, wish
from tests.pipeline.posting import Till, legs
from tests.pipeline.racing import held_open, race

WAITS = "MISSING_REFERENCE"
LESS = {"line_items": [{"sku": "A", "qty": 3, "amount": 30}], "total_amount": 30}


def chain(till: Till) -> dict[str, dict[str, Any]]:
    """A sale, a return of it, a correction of both, and the return's void."""
    return {
        "sale": till.sold("s"),
        "return": till.returned("r"),
        "correction": till.amended("CORRECTION", "c", **LESS),
        "of the return": till.amended("CORRECTION", "cr", of="txn-r", line_items=[{"sku": "A", "qty": 2, "amount": 20}], total_amount=20),
        "void": till.amended("VOID", "v", of="txn-r"),
    }  # fmt: skip


ORDERS = [order for number, order in enumerate(itertools.permutations(range(5))) if number % 11 == 0]


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (3,), (1, 2, 3, 4)], ids=str)
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_any_order_in_any_batches_posts_what_can_be(till: Till, order: tuple[int, ...], cuts: tuple[int, ...]) -> None:
    events = [list(chain(till).values())[at] for at in order]
    for begin, end in itertools.pairwise((0, *cuts, 5)):
        till.send(*events[begin:end])
    held = till.held()
    # A correction of the return that comes after its void has nothing to correct.
    assert held in ({}, {"cr": "ORIGINAL_ALREADY_VOIDED"})
    assert till.balances() == legs(cash="30", sales="-30")
    assert {txn: state for txn, (state, _) in till.states().items()} == {"txn-s": "live", "txn-r": "voided"}
    assert till.count("silver.waiting") == 0
    till.assert_sound()


def test_who_waits_says_so_and_is_released_on_record(till: Till) -> None:
    till.send(till.amended("CANCEL", "x"))
    assert till.held() == {"x": WAITS}
    assert till.keys() == {"x": ("quarantined", False)}
    assert till.states() == {"txn-s": ("awaited", None)}
    assert till.count("silver.transactions") == 0
    till.assert_sound()
    till.send(till.sold())
    assert till.held() == {}
    assert till.keys() == {"x": ("processed", True), "s": ("processed", True)}
    sql = "SELECT resolution, resolution_actor FROM quarantine.exceptions WHERE tenant_id = %s"
    assert till.rows(sql) == [("released", "system")]
    sql = "SELECT actor, action FROM audit.audit_log WHERE tenant_id = %s ORDER BY action"
    assert till.rows(sql) == [("system", "exception.opened"), ("system", "exception.resolved")]
    till.assert_sound()


def test_what_is_at_stake_is_told_of_what_posting_holds(till: Till) -> None:
    till.send(till.returned(), till.amended("CANCEL", "x"))
    sql = "SELECT idempotency_key, amount, currency FROM quarantine.exceptions WHERE tenant_id = %s"
    assert {key: rest for key, *rest in till.rows(sql)} == {"r": [10, "USD"], "x": [None, "USD"]}


def test_the_same_event_again_stays_held_and_waits_on(till: Till) -> None:
    cancelled = till.amended("CANCEL", "x")
    till.send(cancelled)
    till.send(cancelled)
    till.send(till.sold())
    assert till.states() == {"txn-s": ("voided", 1)}
    till.assert_sound()


def test_who_was_decided_on_is_not_released(till: Till, db: Database) -> None:
    till.send(till.amended("CANCEL", "x"))
    ((exception_id,),) = till.rows("SELECT exception_id FROM quarantine.exceptions WHERE tenant_id = %s")
    decided(db, exception_id, wish(IGNORE))
    till.send(till.sold())
    assert till.states() == {"txn-s": ("live", 1)}
    assert till.keys()["x"] == ("ignored", False)
    till.assert_sound()


def test_who_has_two_payloads_by_now_is_left_to_a_person(till: Till) -> None:
    till.send(till.amended("CANCEL", "x"))
    till.send(till.amended("CANCEL", "x", register_id="2"))
    till.send(till.sold())
    assert till.held() == {"x": WAITS}
    assert till.states() == {"txn-s": ("live", 1)}
    till.assert_sound()


def test_an_original_that_cannot_be_posted_is_waited_for(till: Till) -> None:
    till.set(unknown_stores="park")
    till.rows("INSERT INTO tenants.stores (tenant_id, store_id) VALUES (%s, 'known') RETURNING 1")
    there = {"store_id": "known", "original_store_id": "store_001"}
    till.send(till.sold(), till.returned(**there), till.amended("CANCEL", "x", **there))
    assert till.held() == {"s": "UNKNOWN_STORE", "r": WAITS, "x": WAITS}
    till.assert_sound()


@pytest.mark.parametrize("lost", ["the waiting", "the whole wake-up"])
def test_the_sweep_makes_up_for_a_lost_wake_up(till: Till, db: Database, lost: str) -> None:
    till.send(till.amended("CANCEL", "x"))
    ((exception_id,),) = till.rows("SELECT exception_id FROM silver.waiting WHERE tenant_id = %s")
    till.superuser.execute(b"DELETE FROM silver.waiting WHERE tenant_id = %s", [till.tenant])
    till.send(till.sold())
    assert till.held() == {"x": WAITS}
    till.rows("INSERT INTO silver.waiting VALUES (%s, 'store_001', 'txn-s', %s) RETURNING 1", exception_id)
    if lost == "the waiting":
        till.rows("INSERT INTO silver.waiting VALUES (%s, 'store_001', 'txn-s', %s) RETURNING 1", UUID(new_id()))
    assert sweep(db, till.now) == 1
    assert sweep(db, till.now) == 0
    till.drain()
    assert till.states() == {"txn-s": ("voided", 1)}
    till.assert_sound()


@pytest.mark.parametrize("first", ["original", "waiter"])
@pytest.mark.parametrize("kind", ["VOID", "CORRECTION", "RETURN"])
def test_original_and_waiter_in_transactions_that_overlap(till: Till, db: Database, first: str, kind: str) -> None:
    """One has posted and not committed when the other comes: it waits at the head, and no wake-up is lost."""
    waiter = till.returned("w") if kind == "RETURN" else till.amended(kind, "w")
    pair = {"original": till.sold(), "waiter": waiter}
    ids = {name: [accepted(db, [event])[0].raw_id] for name, event in pair.items()}
    second = "waiter" if first == "original" else "original"

    def work() -> None:
        with db.transaction() as tx:
            held_open(till, tx, ids[second])

    thread = Thread(target=work)
    with db.transaction() as tx:
        held_open(till, tx, ids[first])
        thread.start()
        time.sleep(0.15)
        assert thread.is_alive(), "it waits"
    thread.join(20)
    assert not thread.is_alive()
    till.drain()
    assert till.held() == {}
    assert till.keys() == {"s": ("processed", True), "w": ("processed", True)}
    assert till.count("silver.waiting") == 0
    till.assert_sound()


@pytest.mark.parametrize("round_", range(6))
def test_chains_race_over_four_workers(till: Till, round_: int) -> None:
    events = list(chain(till).values())
    race(till, [events[4], events[3]], [events[0]], [events[1]], [events[2]])
    assert till.balances() == legs(cash="30", sales="-30")
    assert till.held() in ({}, {"cr": "ORIGINAL_ALREADY_VOIDED"})
    till.assert_sound()


@pytest.mark.parametrize("round_", range(4))
def test_one_transaction_from_two_events_at_once(till: Till, round_: int) -> None:
    race(till, *([till.sold(f"e{number}", txn_id="one")] for number in range(4)))
    assert list(till.held().values()) == ["DUPLICATE_TRANSACTION"] * 3
    assert till.count("silver.transactions") == 1
    till.assert_sound()


def test_crossing_batches_do_not_hang(till: Till) -> None:
    """Each names originals of the other: their locks are taken in one order, or taken again."""
    sales = [till.sold(f"s{number:02}") for number in range(40)]
    voids = [till.amended("VOID", f"v{number:02}", of=f"txn-s{number:02}") for number in range(40)]
    began = time.monotonic()
    race(
        till,
        sales[:20] + voids[20:],
        voids[:20] + sales[20:],
    )
    assert time.monotonic() - began < 10
    assert {state for state, _ in till.states().values()} == {"voided"}
    assert till.balances() == {}
    till.assert_sound()
