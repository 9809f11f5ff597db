"""What is corrected, voided, cancelled: what becomes of it and of its days, and what of it is refused."""

from datetime import date
from typing import Any

import pytest

from ledgersafe.db.database import Database
from tests.pipeline.operating import REPLAY, decided, wish
from tests.pipeline.posting import DAY, Till, legs

VOIDED = "ORIGINAL_ALREADY_VOIDED"
NEXT = "2026-02-26T10:00:00Z"


def exception_of(till: Till, event_id: str) -> Any:
    sql = "SELECT exception_id FROM quarantine.exceptions WHERE tenant_id = %s AND idempotency_key = %s AND status = 'open'"
    ((found,),) = till.rows(sql, event_id)
    return found


@pytest.mark.parametrize("at_once", [True, False])
def test_a_correction_is_a_reversal_and_a_new_posting(till: Till, *, at_once: bool) -> None:
    less = {"line_items": [{"sku": "A", "qty": 2, "amount": 20}], "total_amount": 20, "payment_method": "card"}
    corrected = till.amended("CORRECTION", "c", occurred_at=NEXT, **less)
    if at_once:
        till.send(till.sold(), corrected)
    else:
        till.send(till.sold())
        till.send(corrected)
    sql = """SELECT revision, kind, type, event_type, event_id, business_date, books_date, units, total, payment
        FROM silver.transactions WHERE tenant_id = %s ORDER BY revision, kind"""
    assert till.rows(sql) == [
        (1, "posting", "SALE", "SALE", "s", DAY, DAY, 4, 42.5, "cash"),
        (1, "reversal", "SALE", "CORRECTION", "c", DAY, DAY, -4, -42.5, "cash"),
        (2, "posting", "SALE", "CORRECTION", "c", DAY, DAY, 2, 20, "card"),
    ]
    assert till.balances(DAY) == legs(card="20", sales="-20")
    till.assert_sound()


def test_a_correction_moves_a_sale_to_another_day(till: Till) -> None:
    till.send(till.sold())
    till.send(till.amended("CORRECTION", "c", business_date="2026-01-31"))
    assert till.balances(DAY) == {}
    assert till.balances(date(2026, 1, 31)) == legs(cash="42.5", sales="-42.5")
    till.send(till.amended("CORRECTION", "c2", occurred_at=NEXT, business_date=str(DAY)))
    assert till.balances(DAY) == legs(cash="42.5", sales="-42.5")
    assert till.balances(date(2026, 1, 31)) == {}
    till.assert_sound()


def test_corrections_follow_one_another(till: Till) -> None:
    events = [till.amended("CORRECTION", f"c{number}", customer_id=f"n{number}") for number in range(5)]
    till.send(till.sold(), *events)
    till.send(*(event | {"event_id": f"{event['event_id']}x"} for event in events))
    assert till.states() == {"txn-s": ("live", 11)}
    assert till.balances() == legs(cash="42.5", sales="-42.5")
    till.assert_sound()


@pytest.mark.parametrize("kind", ["ADJUSTMENT", "STOCK_ADJUSTMENT", "RETURN"])
def test_every_type_can_be_corrected_and_cancelled(till: Till, kind: str) -> None:
    till.send(till.sold(event_type=kind))
    before = till.balances()
    till.send(till.amended("CORRECTION", "c", total_amount="42.5"))
    assert till.balances() == before
    till.send(till.amended("CANCEL", "x"))
    assert till.balances() == {}
    assert till.rows("SELECT DISTINCT type FROM silver.transactions WHERE tenant_id = %s") == [(kind,)]
    till.assert_sound()


LESS = [{"sku": "A", "qty": -3, "amount": -30}]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("kind", "role"), [("ADJUSTMENT", "receivable"), ("STOCK_ADJUSTMENT", "inventory")])
def test_what_keeps_its_signs_is_corrected_with_signs(till: Till, kind: str, role: str, *, at_once: bool) -> None:
    wrong = [{"sku": "A", "qty": -9, "amount": -90}]
    plain = {"payment_method": None}
    sent = [till.sold(event_type=kind, line_items=wrong, total_amount=-90, **plain)]
    sent.append(till.amended("CORRECTION", "c", line_items=LESS, total_amount=-30, **plain))
    if at_once:
        till.send(*reversed(sent))
    else:
        till.send(sent[0])
        till.send(sent[1])
    assert till.held() == {}
    assert till.balances()[role] == -30
    till.assert_sound()


@pytest.mark.parametrize("kind", ["SALE", "RETURN"])
def test_what_has_a_direction_is_corrected_without_signs(till: Till, kind: str) -> None:
    """Nobody knows when the correction comes in, as it may come first; it is seen when it is posted."""
    till.send(till.amended("CORRECTION", "c", line_items=LESS, total_amount=-30))
    assert till.held() == {"c": "MISSING_REFERENCE"}
    till.send(till.sold(event_type=kind))
    assert till.held() == {"c": "NEGATIVE_AMOUNT"}
    sql = "SELECT details_json->0->>'path', details_json->0->>'message' FROM quarantine.exceptions WHERE tenant_id = %s AND status = 'open'"
    path, message = till.rows(sql)[0]
    assert (path, message) == (
        "/total_amount",
        f"total_amount is -30, and must not be negative here: it corrects a {kind}",
    )
    assert till.states() == {"txn-s": ("live", 1)}
    till.send(till.amended("CORRECTION", "later", total_amount="42.5"))
    assert till.states() == {"txn-s": ("live", 2)}
    till.assert_sound()


def test_a_void_is_of_the_same_day_and_a_cancel_of_any(till: Till) -> None:
    till.send(till.sold("s"), till.sold("t"), till.sold("u"))
    till.send(
        till.amended("VOID", "v1", of="txn-s"), till.amended("VOID", "v2", of="txn-t", occurred_at=NEXT),
        till.amended("CANCEL", "x", of="txn-u", occurred_at=NEXT),
    )  # fmt: skip
    assert till.held() == {"v2": "VOID_AFTER_CLOSE"}
    assert {txn: state for txn, (state, _) in till.states().items()} == {
        "txn-s": "voided",
        "txn-t": "live",
        "txn-u": "voided",
    }
    till.send(till.amended("VOID", "v3", of="txn-t", occurred_at=NEXT, business_date=str(DAY)))
    assert till.balances() == {}
    till.assert_sound()


@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_void_is_neither_corrected_nor_undone_nor_given_back(till: Till, *, at_once: bool) -> None:
    events = [
        till.amended("VOID", "v"), till.amended("VOID", "w"), till.amended("CANCEL", "x"),
        till.amended("CORRECTION", "c"), till.returned("r"),
    ]  # fmt: skip
    if at_once:
        till.send(till.sold(), *events)
    else:
        till.send(till.sold())
        for event in events:
            till.send(event)
    assert till.held() == dict.fromkeys(["w", "x", "c", "r"], VOIDED)
    assert till.balances() == {}
    till.assert_sound()


def test_a_transaction_of_one_name_is_posted_once(till: Till) -> None:
    till.send(
        till.sold("a", txn_id="one"), till.sold("b", txn_id="one"), till.sold("c", txn_id="one", store_id="other")
    )
    till.send(till.returned("d", of=None, txn_id="one"))
    till.send(till.amended("CANCEL", "x", of="one"))
    till.send(till.sold("e", txn_id="one"))
    assert till.held() == dict.fromkeys(["b", "d", "e"], "DUPLICATE_TRANSACTION")
    assert till.balances() == legs(cash="42.5", sales="-42.5")
    till.assert_sound()


def test_corrections_are_allowed_for_so_many_days(till: Till) -> None:
    till.set(correction_days=1)
    till.send(till.sold("s"), till.sold("t"))
    on_time, late = "2026-02-26T23:59:59Z", "2026-02-27T00:00:00Z"
    till.send(till.amended("CORRECTION", "c1", occurred_at=on_time), till.amended("CORRECTION", "c2", occurred_at=late))
    till.send(till.amended("CANCEL", "x1", of="txn-t", occurred_at=late))
    till.send(till.amended("CANCEL", "x2", of="txn-t", occurred_at=on_time))
    assert till.held() == dict.fromkeys(["c2", "x1"], "LATE_EVENT_OUTSIDE_WINDOW")
    assert till.states() == {"txn-s": ("live", 2), "txn-t": ("voided", 1)}
    till.assert_sound()


def test_a_closed_month_takes_nothing(till: Till, db: Database) -> None:
    till.send(till.sold("s"), till.sold("t"), till.sold("u"))
    till.period(date(2026, 2, 1), "closed")
    till.send(
        till.sold("late"), till.returned("r"), till.amended("CORRECTION", "c"), till.amended("VOID", "v", of="txn-t"),
        till.amended("CORRECTION", "moved", of="txn-u", business_date="2026-03-01"),
        till.sold("march", occurred_at="2026-03-01T12:00:00Z"), till.returned("r3", occurred_at="2026-03-01T12:00:00Z"),
    )  # fmt: skip
    assert till.held() == dict.fromkeys(["late", "r", "c", "v", "moved"], "PERIOD_LOCKED")
    assert till.balances(date(2026, 3, 1)) == legs(cash="32.5", sales="-42.5", returns="10")
    till.assert_sound()
    day = date(2026, 3, 2)
    for name in ("late", "v"):
        decided(db, exception_of(till, name), wish(REPLAY, books_date=day))
    till.drain()
    assert till.balances(day) == {}, "a late sale of 42.50, and the void of another"
    sql = "SELECT business_date, books_date FROM silver.transactions WHERE tenant_id = %s AND event_id = 'late'"
    assert till.rows(sql) == [(DAY, day)]
    till.period(date(2026, 2, 1), "open")
    for name in ("r", "c", "moved"):
        decided(db, exception_of(till, name), wish(REPLAY))
    till.drain()
    assert till.held() == {}
    till.assert_sound()


def test_a_correction_out_of_a_closed_month_is_booked_where_the_operator_says(till: Till, db: Database) -> None:
    till.send(till.sold("s"))
    till.period(date(2026, 2, 1), "closed")
    less = {"line_items": [{"sku": "A", "qty": 2, "amount": 20}], "total_amount": 20}
    till.send(till.amended("CORRECTION", "c", **less))
    decided(db, exception_of(till, "c"), wish(REPLAY, books_date=date(2026, 3, 2)))
    till.drain()
    assert till.balances(DAY) == legs(cash="42.5", sales="-42.5")
    assert till.balances(date(2026, 3, 2)) == legs(cash="-22.5", sales="22.5")
    till.send(till.amended("CORRECTION", "c2", occurred_at=NEXT))
    assert till.held() == {}, "the correction lies in March, and so does what it corrects"
    assert till.balances(date(2026, 3, 2)) == {}
    till.assert_sound()
