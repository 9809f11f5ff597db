"""Never more money goes back than was paid: header discounts, tax and rounding stand on no line. And to which line, later on."""

from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest

from ledgersafe.kernel.errors import RequestRefused
from tests.pipeline.operating import decided, failed_checks, wish
from tests.pipeline.posting import Till, legs

EXCEEDS, VOIDED = "CANNOT_EXCEED_ORIGINAL", "ORIGINAL_ALREADY_VOIDED"
Event = dict[str, Any]


def line(sku: str, qty: object, amount: object, **more: Any) -> Event:
    return {"sku": sku, "qty": qty, "amount": amount} | more


def in_all(till: Till) -> tuple[Decimal, int]:
    """(what the returns of txn-s were paid in all, their lines)."""
    sql = "SELECT returned_total, returned_parts FROM silver.heads WHERE tenant_id = %s AND txn_id = 'txn-s'"
    return till.rows(sql)[0]


def gone(till: Till) -> dict[int, Decimal]:
    """Line of txn-s → quantity given back of it."""
    sql = "SELECT returned_lines, returned_quantities FROM silver.heads WHERE tenant_id = %s AND txn_id = 'txn-s'"
    ((lines, quantities),) = till.rows(sql)
    return dict(zip(lines, quantities, strict=True))


def message(till: Till, event_id: str) -> str:
    """What is said of an event that is held."""
    sql = """SELECT details_json->0->>'message' FROM quarantine.exceptions
        WHERE tenant_id = %s AND idempotency_key = %s AND status = 'open'"""
    return till.rows(sql, event_id)[0][0]


def sold(till: Till, lines: list[Event], **changes: Any) -> Event:
    return till.sold(line_items=lines, **({"total_amount": total(lines)} | changes))


def back(till: Till, event_id: str, lines: list[Event], **changes: Any) -> Event:
    sums: Event = {"line_items": lines, "total_amount": total(lines)}
    return till.returned(event_id, **(sums | changes))


def truth(till: Till, event_id: str, lines: list[Event], of: str = "txn-s", **changes: Any) -> Event:
    return till.amended(
        "CORRECTION", event_id, of=of, **({"line_items": lines, "total_amount": total(lines)} | changes)
    )


def total(lines: list[Event]) -> str:
    return str(sum((Decimal(str(one["amount"])) for one in lines), Decimal(0)))


TEN, NOTHING = [line("A", 1, 10)], [line("A", 0, 0)]


def one_by_one_or_not(till: Till, events: list[Event], *, at_once: bool) -> None:
    for batch in [events] if at_once else [[event] for event in events]:
        till.send(*batch)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("first", [TEN, NOTHING], ids=["corrected to nothing", "of nothing"])
def test_a_return_of_nothing_keeps_its_original(till: Till, first: list[Event], *, at_once: bool) -> None:
    events = [sold(till, TEN), back(till, "r", first), truth(till, "c1", NOTHING, "txn-r")]
    events += [truth(till, "c2", [line("A", 5, 50)], "txn-r"), truth(till, "c3", [line("A", 1, 4)], "txn-r")]
    one_by_one_or_not(till, events, at_once=at_once)
    assert till.held() == {"c2": EXCEEDS}
    assert (gone(till), in_all(till)) == ({1: 1}, (4, 1))
    till.assert_sound()
    till.send(till.amended("CANCEL", "x"))
    assert till.held() == {"c2": EXCEEDS, "x": EXCEEDS}
    till.send(truth(till, "c4", NOTHING, "txn-r"))
    till.send(till.amended("CANCEL", "x2"))
    till.send(truth(till, "c5", TEN, "txn-r"))
    assert till.held() == {"c2": EXCEEDS, "x": EXCEEDS, "c5": VOIDED}
    assert till.balances() == {}
    till.assert_sound()


def test_a_return_of_nothing_whose_original_nobody_wrote_down_is_not_corrected(till: Till) -> None:
    till.send(sold(till, TEN), back(till, "r", NOTHING))
    till.rows("DELETE FROM silver.references WHERE tenant_id = %s RETURNING 1")
    till.rows("UPDATE silver.heads SET returned_parts = 0 WHERE tenant_id = %s RETURNING 1")
    till.send(truth(till, "c", TEN, "txn-r"))
    assert till.held() == {"c": EXCEEDS}
    assert "cancel it" in message(till, "c")
    till.send(till.amended("CANCEL", "x", of="txn-r"), back(till, "r2", TEN))
    assert till.held() == {"c": EXCEEDS}
    till.assert_sound()


def of_tax(amount: object, *, included: bool) -> Event:
    return {"tax_amount": amount, "tax_included": included}


SALES: dict[str, tuple[list[Event], Event]] = {
    "ten": (TEN, {}),
    "half off": ([line("A", 1, 100)], {"discount_amount": 50, "total_amount": 50}),
    "a third off": ([line("A", 3, 30)], {"discount_amount": 10, "total_amount": 20}),
    "tax on top": ([line("A", 4, 10)], {"total_amount": "11.9"} | of_tax("1.9", included=False)),
    "tax within": ([line("A", 2, 20)], of_tax("3.19", included=True)),
    "cash up": ([line("A", 1, "9.98")], {"total_amount": 10, "rounding_amount": "0.02"}),
    "pennies": ([line("A", 1, "0.01")] * 1000, {}),
    "small things, tax on top": ([line("A", 20, 7)], {"total_amount": "8.33"} | of_tax("1.33", included=False)),
    "cut to nothing": ([line("A", 1, 1)], {"total_amount": 0, "rounding_amount": -1}),
    "cut": ([line("A", 1, "10.99")], {"total_amount": 10, "rounding_amount": "-0.99"}),
    "francs": ([line("A", 5, "4.9")], {"currency": "CHF"}),
    "crowns": ([line("A", 3, "16.5")], {"currency": "SEK"}),
    "cash down": ([line("A", 1, "10.02")], {"total_amount": 10, "rounding_amount": "-0.02"}),
}
"""Of each: its lines, and what its event says besides."""
QUARTER = ([line("A", 1, "2.5")], {"total_amount": "2.98"} | of_tax("0.48", included=False))
THIRD = ([line("A", 1, 10)], {"discount_amount": "3.33", "total_amount": "6.67"})
FREE = [line("A", 0, 0)]
REFUNDS: list[tuple[str, str, list[tuple[list[Event], Event]], int]] = [
    ("tax of a hundred sales", "ten", [(TEN, {"total_amount": 1010} | of_tax(1000, included=False))], 0),
    ("money for nothing", "ten", [(FREE, {"total_amount": 11} | of_tax(11, included=False))], 0),
    ("rounding of nothing, again and again", "ten", [(FREE, {"total_amount": 1, "rounding_amount": 1})] * 11, 10),
    ("tax of nothing, once too often", "ten", [(FREE, {"total_amount": 4} | of_tax(4, included=False))] * 3, 2),
    ("many lines of nothing do not round", "ten", [(FREE * 100, {"total_amount": "10.5"} | of_tax("10.5", included=False))], 0),
    ("the price without the discount", "half off", [([line("A", 1, 100)], {})], 0),
    ("the price with the discount", "half off", [([line("A", 1, 100)], {"discount_amount": 50, "total_amount": 50})], 1),
    ("what was paid, in the line", "half off", [([line("A", 1, 50)], {})], 1),
    ("one minor unit more", "half off", [([line("A", 1, "50.01")], {})], 1),
    ("two of them", "half off", [([line("A", 1, "50.02")], {})], 0),
    ("thirds of a discount, each rounded up", "a third off", [THIRD] * 3, 3),
    ("thirds, of which one forgot it", "a third off", [THIRD, THIRD, ([line("A", 1, 10)], {})], 2),
    ("quarters of a tax, each rounded up", "tax on top", [QUARTER] * 4, 4),
    ("what was on top is within", "tax on top", [([line("A", 4, 10)], of_tax("1.6", included=True))], 1),
    ("what was within is on top", "tax within", [([line("A", 2, 20)], {"total_amount": "23.19"} | of_tax("3.19", included=False))], 0),
    ("one of two, tax on top", "tax within", [([line("A", 1, 10)], {"total_amount": "11.6"} | of_tax("1.6", included=False))] * 2, 1),
    ("by card what was paid in cash", "cash up", [([line("A", 1, "9.98")], {})], 1),
    ("the coins too", "cash up", [([line("A", 1, "9.98")], {"total_amount": 10, "rounding_amount": "0.02"})], 1),
    ("by card what cash was rounded down for", "cash down", [([line("A", 1, "10.02")], {})], 1),
    ("in cash what was paid by card", "ten", [(TEN, {"total_amount": "10.05", "rounding_amount": "0.05"})], 1),
    ("coins on each of many", "ten", [([line("A", "0.1", 1)], {"total_amount": 2, "rounding_amount": 1})] * 7, 5),
    ("a small coin on each of four", "ten", [([line("A", "0.25", "2.5")], {"total_amount": "2.55", "rounding_amount": "0.05"})] * 4, 3),
    ("half in coins, rounded down, twice", "cash down", [([line("A", "0.5", "5.01")], {"total_amount": 5, "rounding_amount": "-0.01"})] * 2, 2),
    ("half in coins, rounded up, twice", "cash down", [([line("A", "0.5", "5.01")], {"total_amount": "5.05", "rounding_amount": "0.04"})] * 2, 2),
    ("each fifth in Swiss coins", "francs", [([line("A", 1, "0.98")], {"total_amount": 1, "rounding_amount": "0.02", "currency": "CHF"})] * 5, 5),
    ("each third in Swedish coins", "crowns", [([line("A", 1, "5.5")], {"total_amount": 6, "rounding_amount": "0.5", "currency": "SEK"})] * 3, 2),
    ("what was not paid at all", "cut to nothing", [([line("A", 1, 1)], {})], 0),
    ("what the shop had cut", "cut", [([line("A", 1, "10.99")], {})], 0),
    ("what was paid after the cut", "cut", [([line("A", 1, "10.99")], {"total_amount": 10, "rounding_amount": "-0.99"})], 1),
    ("lines of nothing make no room", "half off", [([line("A", 1, 100), *FREE * 5000], {})], 0),
    ("lines of next to nothing make none", "half off", [([line("A", 1, "99.99"), *[line("A", 0, "0.000001")] * 5000], {})], 0),
    ("lines of a cent make little", "half off", [([line("A", 1, 50), *[line("A", 0, "0.01")] * 5000], {})], 0),
    ("a thousand pennies", "pennies", [([line("A", 1, "0.01")] * 1000, {})], 1),
    ("small shares of a tax, rounded up", "small things, tax on top", [([line("A", 1, "0.35")], {"total_amount": "0.42"} | of_tax("0.07", included=False))] * 20, 20),
    ("negative rounding does not make room", "ten", [(TEN, {"total_amount": 10, "rounding_amount": -1} | of_tax(1, included=False))], 1),
]  # fmt: skip


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("of", "refunds", "fit"), [row[1:] for row in REFUNDS], ids=[row[0] for row in REFUNDS])
def test_no_more_goes_back_than_was_paid(
    till: Till, of: str, refunds: list[tuple[list[Event], Event]], fit: int, *, at_once: bool
) -> None:
    lines, besides = SALES[of]
    events = [back(till, f"r{number:02}", *refund[:1], **refund[1]) for number, refund in enumerate(refunds)]
    one_by_one_or_not(till, [sold(till, lines, **besides), *events], at_once=at_once)
    assert till.held() == {f"r{number:02}": EXCEEDS for number in range(fit, len(refunds))}
    if fit < len(refunds):
        assert "would be given back in all, of" in message(till, f"r{fit:02}")
    till.assert_sound()


def test_what_is_voided_or_corrected_is_free_again(till: Till) -> None:
    half = {"discount_amount": 50, "total_amount": 50}
    till.send(sold(till, [line("A", 2, 100)], **half), back(till, "r1", [line("A", 1, 50)]))
    assert in_all(till) == (50, 1)
    till.send(back(till, "r2", [line("A", 1, 50)]))
    assert till.held() == {"r2": EXCEEDS}
    till.send(truth(till, "c", [line("A", 1, 50)], "txn-r1", discount_amount=25, total_amount=25))
    assert in_all(till) == (25, 1)
    till.send(till.amended("CANCEL", "x", of="txn-r1"))
    assert in_all(till) == (0, 0)
    till.send(back(till, "r3", [line("A", 2, 100)], **half))
    assert till.held() == {"r2": EXCEEDS}
    assert till.balances() == {role: amount for role, amount in legs(sales="-100", returns="100").items() if amount}
    till.assert_sound()


def test_a_sale_is_not_corrected_below_what_went_back_in_all(till: Till) -> None:
    till.send(sold(till, [line("A", 2, 100)]), back(till, "r", [line("A", 1, 50)]))
    till.send(truth(till, "c1", [line("A", 2, 100)], discount_amount=51, total_amount=49))
    assert till.held() == {"c1": EXCEEDS}
    assert message(till, "c1") == "50 was given back in all already, which is more than the 49 that would remain"
    till.send(truth(till, "c2", [line("A", 2, 100)], discount_amount=50, total_amount=50))
    assert till.states()["txn-s"] == ("live", 2)
    till.send(back(till, "r2", [line("A", 1, 50)]))
    assert till.held() == {"c1": EXCEEDS, "r2": EXCEEDS}
    till.assert_sound()


def test_who_went_back_too_far_before_may_still_be_corrected(till: Till) -> None:
    """Books from before totals were counted may hold more refunds than payments; names and days can be mended yet."""
    till.send(sold(till, [line("A", 2, 100)]), back(till, "r", [line("A", 1, 50)]))
    till.rows("UPDATE silver.heads SET returned_total = 150 WHERE tenant_id = %s AND txn_id = 'txn-s' RETURNING 1")
    till.send(truth(till, "c1", [line("A", 2, 100)], customer_id="somebody"))
    till.send(truth(till, "c2", [line("A", 2, 90)]))
    assert till.held() == {"c2": EXCEEDS}
    till.rows("UPDATE silver.heads SET returned_total = 50 WHERE tenant_id = %s AND txn_id = 'txn-s' RETURNING 1")
    till.assert_sound()


@pytest.mark.parametrize("kind", ["VOID", "CANCEL"])
def test_tax_that_went_back_alone_keeps_its_sale(till: Till, kind: str) -> None:
    tax = of_tax(2, included=False) | {"total_amount": 2}
    till.send(sold(till, TEN, total_amount=12, **of_tax(2, included=False)), back(till, "r", FREE, **tax))
    till.send(till.amended(kind, "x"))
    assert till.held() == {"x": EXCEEDS}
    till.send(till.amended("CANCEL", "y", of="txn-r"), till.amended(kind, "x2"))
    assert till.held() == {"x": EXCEEDS}
    assert till.balances() == {}
    till.assert_sound()


def test_what_went_back_before_it_was_counted_in_all_is_counted(till: Till) -> None:
    events = [
        sold(till, [line("A", 3, 30), line("B", 1, 5)]), back(till, "r1", TEN), back(till, "r2", TEN),
        back(till, "r3", [line("A", 1, 9), line("B", 1, "4.98")], total_amount=14, rounding_amount="0.02"),
        till.amended("CANCEL", "x", of="txn-r2"), truth(till, "c", [line("A", 1, 4)], "txn-r1"),
    ]  # fmt: skip
    till.send(*events)
    columns = "returned_total, returned_rounding, returned_parts"
    before = till.rows(f"SELECT {columns} FROM silver.heads WHERE tenant_id = %s AND txn_id = 'txn-s'")
    assert (before, till.held()) == ([(Decimal(18), Decimal("0.02"), 3)], {})
    till.rows(
        f"UPDATE silver.heads SET ({columns}) = (17.98, 0, 4) WHERE tenant_id = %s AND txn_id = 'txn-s' RETURNING 1"
    )
    assert failed_checks(till.db, till.tenant) == ["returned_is_counted"]
    migration = (files("ledgersafe.db") / "migrations" / "0033_rounding_of_returns.sql").read_text()
    till.superuser.execute(migration[migration.index("UPDATE silver.heads") :].encode())
    assert till.rows(f"SELECT {columns} FROM silver.heads WHERE tenant_id = %s AND txn_id = 'txn-s'") == before
    till.assert_sound()


@pytest.mark.parametrize("kind", ["RETURN", "ADJUSTMENT", "STOCK_ADJUSTMENT"])
@pytest.mark.parametrize("is_patched", [True, False])
def test_what_was_given_back_of_stays_a_sale(till: Till, kind: str, *, is_patched: bool) -> None:
    till.send(sold(till, TEN), back(till, "r", TEN))
    till.send(sold(till, TEN, **({"register_id": "9"} if is_patched else {"event_type": kind})))
    chosen = wish(canonical="last", patch={"event_type": kind} if is_patched else None)
    ((exception,),) = till.rows("SELECT exception_id::text FROM quarantine.exceptions WHERE tenant_id = %s")
    with pytest.raises(RequestRefused) as refused:
        decided(till.db, exception, chosen)
    assert [fault.reason.code for fault in refused.value.faults] == [EXCEEDS]
    assert till.balances() == legs(sales="-10", returns="10")
    till.assert_sound()
    till.send(till.amended("CANCEL", "x", of="txn-r"))
    assert decided(till.db, exception, chosen).closed
    assert till.states()["txn-s"] == ("live", 2)
    till.send(back(till, "again", TEN))
    assert till.held() == {"again": EXCEEDS}
    till.assert_sound()


AB = [line("A", 1, 10), line("B", 1, 5)]
TWO = [line("A", 1, 10), line("A", 1, 20)]
MENDED: list[tuple[str, list[Event], Event, list[Event], dict[int, int] | None]] = [
    ("a line before it was none", AB, line("B", 1, 5), [line("B", 1, 5)], {2: 1}),
    ("a line comes before it", AB, line("B", 1, 5), [line("C", 1, 1), *AB], {2: 1}),
    ("the lines in another order", TWO, line("A", 1, 20), [line("A", 1, 20), line("A", 1, 10)], {2: 1}),
    ("both of them were given back", TWO, line("A", 2, 30), [line("A", 1, 20), line("A", 1, 10)], {1: 1, 2: 1}),
    ("as they were", AB, line("B", 1, 5), AB, {2: 1}),
    ("it is cheaper now", AB, line("B", 1, 5), [line("B", 1, 4)], None),
    ("it is gone", AB, line("B", 1, 5), [line("A", 1, 10)], None),
    ("it was sent with another number", AB, line("B", 1, 5), [line("B", 1, 5, line_no=1)], None),
    ("its number was sent with another sku", AB, line("B", 1, 5), [line("A", 1, 10, line_no=2), line("B", 1, 5)], None),
]


@pytest.mark.parametrize(
    ("lines", "given", "then", "expected"), [row[1:] for row in MENDED], ids=[row[0] for row in MENDED]
)
def test_lines_without_a_number_are_known_again(
    till: Till, lines: list[Event], given: Event, then: list[Event], expected: dict[int, int] | None
) -> None:
    till.send(sold(till, lines), back(till, "r", [given]))
    till.send(truth(till, "c", then))
    assert till.held() == ({"c": EXCEEDS} if expected is None else {})
    if expected is not None:
        assert gone(till) == expected
        till.send(back(till, "again", [given]))
        assert till.held() == {"again": EXCEEDS}
    elif not any("line_no" in one for one in then):
        assert "line_no" in message(till, "c")
    till.assert_sound()


def test_lines_that_name_one_come_first(till: Till) -> None:
    till.send(sold(till, [line("X", 1, 10), line("X", 1, 10)]))
    till.send(back(till, "r", [line("X", 1, 10), line("X", 1, 10, original_line_no=1)]))
    assert (till.held(), gone(till)) == ({}, {1: 1, 2: 1})
    till.assert_sound()
