"""What each type of event makes of the books: accounts, sums, dates; and what must hold afterwards."""

from datetime import date
from typing import Any

import pytest

from tests.pipeline.operating import SPOILS
from tests.pipeline.posting import DAY, Till, legs

TWO = {"sku": "A", "qty": 1, "amount": "100"}, {"sku": "B", "qty": 2, "amount": "20"}
SALES: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("cash", {"payment_method": "cash"}, {"cash": "42.5", "sales": "-42.5"}),
    ("card", {"payment_method": "Credit"}, {"card": "42.5", "sales": "-42.5"}),
    ("invoice", {"payment_method": "invoice"}, {"receivable": "42.5", "sales": "-42.5"}),
    ("voucher", {"payment_method": "voucher"}, {"other_tenders": "42.5", "sales": "-42.5"}),
    ("nobody says", {"payment_method": None}, {"suspense": "42.5", "sales": "-42.5"}),
    ("no tenders", {"payment_method": None, "tenders": []}, {"suspense": "42.5", "sales": "-42.5"}),
    (
        "tax on top",
        {"line_items": TWO, "tax_amount": "24", "total_amount": "144"},
        {"cash": "144", "sales": "-120", "tax": "-24"},
    ),
    (
        "tax of lines on top",
        {"line_items": [line | {"tax": "1.25"} for line in TWO], "total_amount": "122.5"},
        {"cash": "122.5", "sales": "-120", "tax": "-2.5"},
    ),
    (
        "tax included",
        {"line_items": TWO, "tax_amount": "20", "tax_included": True, "total_amount": "120"},
        {"cash": "120", "sales": "-100", "tax": "-20"},
    ),
    (
        "all at once",
        {
            "line_items": TWO, "tax_amount": "22", "discount_amount": "10", "rounding_amount": "-0.02",
            "total_amount": "131.98", "tenders": [
                {"type": "cash", "amount": "100", "change": "18.02"}, {"type": "card", "amount": "30"},
                {"type": "gift", "amount": "20"}]
        },
        {"cash": "81.98", "card": "30", "other_tenders": "20", "sales": "-120", "tax": "-22", "discounts": "10",
         "rounding": "0.02"},
    ),
    ("rounding of a penny a line", {"total_amount": "42.52"}, {"cash": "42.52", "sales": "-42.5", "rounding": "-0.02"}),
    ("rounding down", {"total_amount": "42.48"}, {"cash": "42.48", "sales": "-42.5", "rounding": "0.02"}),
    (
        "a difference",
        {"total_amount": "42.9", "rounding_amount": "0.01"},
        {"cash": "42.9", "sales": "-42.5", "rounding": "-0.01", "totals_difference": "-0.39"},
    ),
    ("a difference down", {"total_amount": "42.1"}, {"cash": "42.1", "sales": "-42.5", "totals_difference": "0.4"}),
    ("all given away", {"discount_amount": "42.5", "total_amount": 0}, {"sales": "-42.5", "discounts": "42.5"}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), [row[1:] for row in SALES], ids=[row[0] for row in SALES])
def test_sales_and_returns(till: Till, changes: dict[str, Any], expected: dict[str, str]) -> None:
    assert till.send(till.sold(**changes)).posted == 1
    assert till.balances(DAY) == till.balances() == legs(**expected)
    till.assert_sound()
    till.send(till.sold("r", event_type="RETURN", **changes))
    named = {"returns" if role == "sales" else role: amount for role, amount in expected.items()}
    mirrored = {role: -amount for role, amount in legs(**named).items()}
    found = till.balances()
    both = {role: legs(**expected).get(role, 0) + mirrored.get(role, 0) for role in {*expected, *named}}
    assert found == {role: amount for role, amount in both.items() if amount}
    till.assert_sound()


def test_sums_are_exact_to_the_last_digit(till: Till) -> None:
    line = {"sku": "A", "qty": "123456789012345.123456", "amount": "99999999999999.999999"}
    total = "999999999999999.99999"
    assert till.send(till.sold(line_items=[line] * 10, total_amount=total)).posted == 1
    assert till.balances() == legs(cash=total, sales=f"-{total}")
    ((units, gross),) = till.rows("SELECT units, gross FROM silver.transactions WHERE tenant_id = %s")
    assert (str(units), str(gross)) == ("1234567890123451.234560", "999999999999999.999990")
    till.assert_sound()


def test_an_adjustment_keeps_its_sign(till: Till) -> None:
    owed = {"line_items": [{"sku": "B", "qty": 1, "amount": "-7"}], "total_amount": "-7", "event_type": "ADJUSTMENT"}
    till.send(till.sold("bad", **owed, payment_method=None))
    assert till.balances() == legs(receivable="-7", bad_debt="7")
    till.send(till.sold("paid", **owed, payment_method="card"))
    assert till.balances() == legs(receivable="-7", card="-7", bad_debt="14")
    till.assert_sound()


def test_a_stock_adjustment_moves_value_not_money(till: Till) -> None:
    lines = [{"sku": "A", "qty": -2, "amount": "-6"}]
    till.send(till.sold(event_type="STOCK_ADJUSTMENT", line_items=lines, total_amount="-6"))
    assert till.balances() == legs(inventory="-6", cost_of_goods="6")
    till.assert_sound()


def test_nothing_is_a_transaction_without_an_entry(till: Till) -> None:
    nothing = {"line_items": [{"sku": "A", "qty": 5, "amount": 0}], "total_amount": 0}
    till.send(till.sold(**nothing), till.sold("w", event_type="STOCK_ADJUSTMENT", **nothing))
    assert (till.count("silver.transactions"), till.count("silver.line_items"), till.count("ledger.entries")) == (
        2,
        2,
        0,
    )
    till.send(till.amended("CANCEL", "c"), till.amended("CORRECTION", "c2", of="txn-w", **nothing))
    assert till.states() == {"txn-s": ("voided", 1), "txn-w": ("live", 2)}
    assert (till.count("silver.transactions"), till.count("ledger.entries")) == (5, 0)
    till.assert_sound()


def test_what_an_event_says_is_in_silver(till: Till) -> None:
    lines = [
        {"sku": "A", "qty": 2, "amount": "9", "unit_price": 5, "discount": 1, "tax": "0.9", "name": "Tea", "brand": "T",
         "category": "hot", "gtin": "123", "line_no": 2},
        {"sku": 'q"\\{},NULL', "qty": 1, "amount": 1},
        {"sku": "C", "qty": 1, "amount": 1, "line_no": 2},
    ]  # fmt: skip
    till.send(
        till.sold(
            line_items=lines, total_amount="11.9", register_id="r1", cashier_id="c1", customer_id="cu",
            metadata={"country": "France"}, business_date="2026-02-24",
        )
    )  # fmt: skip
    ((number, *rest),) = till.rows(
        """SELECT revision, kind, store_id, txn_id, type, event_type, event_id, register_id, cashier_id, customer_id,
        business_date, books_date, currency, lines, country, payment, is_referenced, simulated
        FROM silver.transactions WHERE tenant_id = %s"""
    )
    day = date(2026, 2, 24)
    assert (number, *rest) == (
        1, "posting", "store_001", "txn-s", "SALE", "SALE", "s", "r1", "c1", "cu", day, day, "USD", 3, "France", "cash",
        False, False,
    )  # fmt: skip
    sql = """SELECT line_no, sku, name, brand, category, gtin, quantity, unit_price, discount, tax, amount
        FROM silver.line_items WHERE tenant_id = %s ORDER BY line_no"""
    assert [tuple(map(str, row)) for row in till.rows(sql)] == [
        ("1", 'q"\\{},NULL', *["None"] * 4, "1", *["None"] * 3, "1"),
        ("2", "A", "Tea", "T", "hot", "123", "2", "5", "1", "0.9", "9"),
        ("3", "C", *["None"] * 4, "1", *["None"] * 3, "1"),
    ]
    till.assert_sound()


def test_lines_that_say_the_same_of_a_product_have_one_key(till: Till) -> None:
    named = {"qty": 1, "amount": 1}
    lines = [named | {"sku": "A", "name": "x"}, named | {"sku": "A", "name": "x"}, named | {"sku": "Ax", "name": None}]
    till.send(till.sold(line_items=lines, total_amount=3))
    keys = [
        key for (key,) in till.rows("SELECT product_key FROM silver.line_items WHERE tenant_id = %s ORDER BY line_no")
    ]
    assert keys[0] == keys[1] != keys[2]


def test_what_is_posted_is_noted_at_its_key(till: Till) -> None:
    till.send(till.sold(), till.sold("bad", **SPOILS))
    assert till.keys() == {"s": ("processed", True), "bad": ("quarantined", False)}
    assert till.count("gate.to_post") == 0
    assert till.send(till.sold(), till.sold()).posted == 0
    assert till.count("silver.transactions") == 1
    till.assert_sound()


def test_accounts_with_awkward_names_are_posted_to(till: Till) -> None:
    till.send(till.sold("first"))
    till.superuser.execute(
        b"UPDATE ledger.accounts SET account = %s WHERE tenant_id = %s AND role = 'tax'", ['a "b", {c}\\', till.tenant]
    )
    till.send(till.sold(tax_amount="1", total_amount="43.5"))
    assert till.balances() == legs(cash="86", sales="-85", tax="-1")
    till.assert_sound()
