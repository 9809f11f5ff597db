"""What may be given back: with and without an original, by line or by sku, in parts, twice, too much, by two at once."""

from decimal import Decimal
from typing import Any

import pytest

from tests.pipeline.posting import Till, legs
from tests.pipeline.racing import race

EXCEEDS = "CANNOT_EXCEED_ORIGINAL"
GONE = """SELECT returned_lines, returned_quantities, returned_amounts FROM silver.heads
    WHERE tenant_id = %s AND (store_id, txn_id) = ('store_001', 'txn-s')"""


def gone(till: Till) -> dict[int, tuple[Decimal, Decimal]]:
    """Line → (quantity, amount) given back of txn-s."""
    ((lines, quantities, amounts),) = till.rows(GONE)
    return dict(zip(lines, zip(quantities, amounts, strict=True), strict=True))


def test_a_return_of_an_original_is_counted_there(till: Till) -> None:
    till.send(till.sold(), till.returned())
    assert till.balances() == legs(cash="32.5", sales="-42.5", returns="10")
    assert gone(till) == {1: (1, 10)}
    sql = "SELECT type, is_referenced FROM silver.transactions WHERE tenant_id = %s ORDER BY type"
    assert till.rows(sql) == [("RETURN", True), ("SALE", False)]
    till.assert_sound()


def test_a_return_without_an_original_is_allowed_or_not(till: Till) -> None:
    assert till.send(till.returned("r1", of=None)).posted == 1
    till.set(unreferenced_returns="park")
    till.send(till.returned("r2", of=None), till.sold(), till.returned("r3"))
    assert till.held() == {"r2": "UNREFERENCED_RETURN"}
    till.send(till.amended("CORRECTION", "c", of="txn-r1"))
    assert till.held() == {"r2": "UNREFERENCED_RETURN"}
    assert till.states()["txn-r1"] == ("live", 2)
    till.assert_sound()


PARTS: list[tuple[str, list[dict[str, Any]], list[str]]] = [
    ("in parts", [{"qty": 1, "amount": 10}, {"qty": 2, "amount": 20}], []),
    ("in parts, and one more", [{"qty": 2, "amount": 20}, {"qty": 1, "amount": 10}, {"qty": 1, "amount": 10}], ["r2"]),
    ("more at once", [{"qty": 4, "amount": 40}], ["r0"]),
    ("more money at once", [{"qty": 3, "amount": "30.01"}], ["r0"]),
    ("more quantity for less", [{"qty": "3.000001", "amount": 1}], ["r0"]),
    ("more money in the end", [{"qty": 1, "amount": 29}, {"qty": 1, "amount": "1.01"}], ["r1"]),
    ("less does fit after too much", [{"qty": 4, "amount": 40}, {"qty": 3, "amount": 30}], ["r0"]),
    ("money without goods", [{"qty": 0, "amount": 30}, {"qty": 3, "amount": 0}], []),
    ("nothing", [{"qty": 0, "amount": 0}], []),
]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("parts", "refused"), [row[1:] for row in PARTS], ids=[row[0] for row in PARTS])
def test_returns_never_exceed_the_original(
    till: Till, parts: list[dict[str, Any]], refused: list[str], *, at_once: bool
) -> None:
    returns = [till.returned(f"r{number}", **part) for number, part in enumerate(parts)]
    if at_once:
        till.send(till.sold(), *returns)
    else:
        for event in (till.sold(), *returns):
            till.send(event)
    assert till.held() == dict.fromkeys(refused, EXCEEDS)
    till.assert_sound()


def line(sku: str, qty: object, amount: object, **more: Any) -> dict[str, Any]:
    return {"sku": sku, "qty": qty, "amount": amount} | more


THREE = [line("A", 1, 10), line("A", 1, 20, line_no=7), line("B", 2, 8)]
BY_LINE: list[tuple[str, list[dict[str, Any]], dict[int, tuple[str, str]] | None]] = [
    ("by number", [line("A", 1, 20, original_line_no=7)], {7: ("1", "20")}),
    ("by number, the dearer price of the cheaper one", [line("A", 1, 20, original_line_no=1)], None),
    ("by sku, the nearest in price", [line("A", 1, 20)], {7: ("1", "20")}),
    ("by sku, over two lines", [line("A", 2, 30)], {1: ("1", "10"), 7: ("1", "20")}),
    ("by sku, in two lines", [line("A", 1, 10), line("A", 1, 20)], {1: ("1", "10"), 7: ("1", "20")}),
    ("twice the same number", [line("A", 1, 10, original_line_no=1)] * 2, None),
    ("a number that is not there", [line("A", 1, 10, original_line_no=3)], None),
    ("another sku under the number", [line("A", 1, 4, original_line_no=2)], None),
    ("a sku that is not there", [line("C", 1, 1)], None),
    ("a sku in another case", [line("a", 1, 1)], None),
    ("one good line and a bad one", [line("B", 1, 4), line("C", 1, 1)], None),
]


@pytest.mark.parametrize(("lines", "expected"), [row[1:] for row in BY_LINE], ids=[row[0] for row in BY_LINE])
def test_lines_are_found_by_number_or_by_sku(
    till: Till, lines: list[dict[str, Any]], expected: dict[int, tuple[str, str]] | None
) -> None:
    till.send(till.sold(line_items=THREE, total_amount=38))
    till.send(till.returned(line_items=lines, total_amount=sum(one["amount"] for one in lines)))
    assert till.held() == ({} if expected else {"r": EXCEEDS})
    assert gone(till) == {number: tuple(map(Decimal, left)) for number, left in (expected or {}).items()}
    till.assert_sound()


@pytest.mark.parametrize("of", ["RETURN", "ADJUSTMENT", "STOCK_ADJUSTMENT"])
def test_only_a_sale_can_be_given_back(till: Till, of: str) -> None:
    till.send(till.sold(event_type=of))
    till.send(till.returned())
    assert till.held() == {"r": EXCEEDS}
    till.assert_sound()


def test_money_of_another_currency_is_not_what_was_paid(till: Till) -> None:
    till.send(till.sold())
    till.send(till.returned(currency="KWD"))
    assert till.held() == {"r": EXCEEDS}
    till.send(till.returned("r2"))
    till.send(till.amended("CORRECTION", "c", currency="KWD"))
    assert till.held() == {"r": EXCEEDS, "c": EXCEEDS}
    till.assert_sound()


def test_a_return_names_the_sale_of_another_store(till: Till) -> None:
    till.send(till.sold())
    till.send(till.returned("r1", store_id="b"), till.returned("r2", store_id="b", original_store_id="store_001"))
    assert till.held() == {"r1": "MISSING_REFERENCE"}
    assert gone(till) == {1: (1, 10)}
    till.assert_sound()


def test_a_return_that_names_itself_waits_forever_and_harms_nobody(till: Till) -> None:
    till.send(till.returned("r", of="txn-r"), till.sold())
    assert till.held() == {"r": "MISSING_REFERENCE"}
    till.assert_sound()


@pytest.mark.parametrize("kind", ["VOID", "CANCEL"])
def test_undoing_a_return_gives_its_lines_free(till: Till, kind: str) -> None:
    till.send(till.sold(), till.returned("r1", qty=3, amount=30))
    till.send(till.returned("r2"))
    till.send(till.amended(kind, "v", of="txn-r1"), till.returned("r3"))
    assert till.held() == {"r2": EXCEEDS}
    assert gone(till) == {1: (1, 10)}
    till.assert_sound()


def test_correcting_a_return_counts_its_lines_anew(till: Till) -> None:
    till.send(till.sold(), till.returned("r1", qty=3, amount=30))
    less = {"line_items": [line("A", 1, 10)], "total_amount": 10}
    till.send(till.amended("CORRECTION", "c1", of="txn-r1", **less))
    assert gone(till) == {1: (1, 10)}
    more = {"line_items": [line("A", 4, 40)], "total_amount": 40}
    till.send(till.amended("CORRECTION", "c2", of="txn-r1", **more))
    assert till.held() == {"c2": EXCEEDS}
    assert gone(till) == {1: (1, 10)}
    assert till.balances() == legs(cash="32.5", sales="-42.5", returns="10")
    till.assert_sound()


def test_what_was_given_back_cannot_be_undone_or_corrected_away(till: Till) -> None:
    till.send(till.sold(), till.returned(qty=2, amount=20))
    fewer = {"line_items": [line("A", 1, 30)], "total_amount": 30}
    cheaper = {"line_items": [line("A", 3, "19.99")], "total_amount": "19.99"}
    other = {"line_items": [line("Z", 3, 30)], "total_amount": 30}
    enough = {"line_items": [line("A", 2, 20)], "total_amount": 20}
    for number, lines in enumerate((fewer, cheaper, other)):
        till.send(till.amended("CORRECTION", f"c{number}", **lines))
    till.send(till.amended("VOID", "v"), till.amended("CANCEL", "x"))
    assert till.held() == dict.fromkeys(["c0", "c1", "c2", "v", "x"], EXCEEDS)
    till.send(till.amended("CORRECTION", "c9", **enough))
    assert till.states()["txn-s"] == ("live", 2)
    till.send(till.returned("r2"))
    assert till.held().keys() == {"c0", "c1", "c2", "v", "x", "r2"}
    till.assert_sound()


@pytest.mark.parametrize("round_", range(5))
def test_two_returns_race_for_the_last_unit(till: Till, round_: int) -> None:
    till.send(till.sold(line_items=[line("A", 1, 10)], total_amount=10))
    race(till, [till.returned("r1")], [till.returned("r2")])
    assert sorted(till.held().values()) == [EXCEEDS]
    assert gone(till) == {1: (1, 10)}
    assert till.balances() == legs(sales="-10", returns="10")
    till.assert_sound()
