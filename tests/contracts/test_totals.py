"""total_amount = Σ amount − discount_amount + (tax_included ? 0 : tax_amount) + rounding_amount, within a tolerance."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgersafe.kernel.money import minor_unit
from tests.contracts.judging import faults, verdict
from tests.events import sale

prices = st.decimals(min_value=0, max_value=9999, places=2)
signed = st.decimals(min_value=-5, max_value=5, places=2)


def line(amount: Any, **more: Any) -> dict[str, Any]:
    return {"sku": "s", "qty": 1, "amount": amount} | more


def receipt(total: Any, lines: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return sale("t", total_amount=total, line_items=lines, **more)


@settings(max_examples=150, deadline=None)
@given(
    amounts=st.lists(prices, min_size=1, max_size=6),
    discount=prices,
    tax=prices,
    rounding=signed,
    tax_included=st.booleans(),
    off_by=signed | st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("-0.06"), Decimal("0.07")]),
)
def test_the_formula(
    amounts: list[Decimal], discount: Decimal, tax: Decimal, rounding: Decimal, tax_included: bool, off_by: Decimal
) -> None:
    expected = sum(amounts) - discount + (0 if tax_included else tax) + rounding
    event = receipt(
        str(expected + off_by),
        [line(str(amount)) for amount in amounts],
        discount_amount=str(discount),
        tax_amount=str(tax),
        tax_included=tax_included,
        rounding_amount=str(rounding),
        event_type="ADJUSTMENT",  # keeps its signs, so that every sum may be tried
    )
    told = verdict(event)
    a_cent_each = Decimal("0.01") * sum(amount > 0 for amount in amounts)  # a line of nothing rounds nothing
    is_rounding = abs(off_by) <= a_cent_each
    is_tolerated = abs(off_by) <= Decimal("0.01") * abs(expected)
    wrong = {
        "/total_amount": not is_rounding and not is_tolerated,
        "/rounding_amount": abs(rounding) > 1,
        "/tax_amount": tax_included and tax > sum(amounts) + a_cent_each,
    }
    assert {fault.reason.code for fault in told.faults} <= {"TOTALS_MISMATCH"}
    assert [fault.path for fault in told.faults] == [path for path, is_wrong in wrong.items() if is_wrong]
    assert bool(told.warnings) == (is_tolerated and not is_rounding and not told.faults)


@pytest.mark.parametrize(
    ("total", "fate"),
    [
        ("100.00", "silent"),
        ("100.02", "silent"),  # one minor unit a line
        ("99.98", "silent"),
        ("100.03", "warned"),
        ("101.00", "warned"),  # 1 %
        ("99.00", "warned"),
        ("101.01", "parked"),
        ("98.99", "parked"),
    ],
)
def test_rounding_tolerance_and_beyond(total: str, fate: str) -> None:
    told = verdict(receipt(total, [line("60"), line("40")]))
    assert fate == ("parked" if told.faults else "warned" if told.warnings else "silent")
    if fate == "warned":
        assert str(Decimal(total) - 100) in told.warnings[0]


@pytest.mark.parametrize(
    ("currency", "total", "expected"),
    [
        ("JPY", "21", []),
        ("USD", "21", ["TOTALS_MISMATCH"]),
        ("KWD", "20.001", []),
        ("KWD", "20.9", ["TOTALS_MISMATCH"]),
    ],
)
def test_a_minor_unit_is_that_of_the_currency(currency: str, total: str, expected: list[str]) -> None:
    assert [code for code, _ in faults(receipt(total, [line("20")], currency=currency))] == expected


def test_tax_on_top_and_tax_included() -> None:
    lines = [line("100", tax="19", tax_rate="0.19")]
    assert faults(receipt("119", lines, tax_amount="19")) == []
    assert faults(receipt("119", lines)) == []  # the lines' own tax
    assert faults(receipt("100", lines, tax_amount="19", tax_included=True)) == []
    assert faults(receipt("100", lines, tax_amount="19")) == [("TOTALS_MISMATCH", "/total_amount")]
    assert faults(receipt("119", lines, tax_amount="19", tax_included=True)) == [("TOTALS_MISMATCH", "/total_amount")]


@pytest.mark.parametrize(
    ("currency", "most"),
    [("USD", "1"), ("CHF", "1"), ("JPY", "100"), ("KWD", "0.1"), ("HUF", "5"), ("VND", "1000")],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_rounding_is_what_coins_need_and_no_more(currency: str, most: str, sign: int) -> None:
    def rounded(by: Decimal, lines: int = 1) -> list[tuple[str, str]]:
        more = {"rounding_amount": str(by), "currency": currency}
        return faults(receipt(str(100_000 * lines + by), [line("100000")] * lines, **more))

    unit, refused = minor_unit(currency), [("TOTALS_MISMATCH", "/rounding_amount")]
    assert rounded(sign * Decimal(most)) == []
    assert rounded(sign * (Decimal(most) + unit)) == refused
    many = int(Decimal(most) / unit) + 1  # one minor unit a line is always rounding
    assert rounded(sign * unit * many, many) == []
    assert rounded(sign * unit * (many + 1), many) == refused


def test_rounding_hides_no_sale() -> None:
    hidden = receipt("0.01", [line("1000")], rounding_amount="-999.99")
    assert faults(hidden) == [("TOTALS_MISMATCH", "/rounding_amount")]
    assert "the rest is a discount, a tax or a line" in verdict(hidden).faults[0].message


NOTHING, NEXT_TO_NOTHING, CENT = line(0, qty=0), line("0.000001"), line("0.01")


@pytest.mark.parametrize("padding", [NOTHING, line(0), NEXT_TO_NOTHING, CENT], ids=["0", "free", "0.000001", "0.01"])
@pytest.mark.parametrize("kind", ["SALE", "RETURN"])
def test_lines_of_next_to_nothing_make_no_room_for_others(kind: str, padding: dict[str, Any]) -> None:
    lines = [line("100"), *[padding] * 9_899]
    goods = 100 + Decimal(padding["amount"]) * 9_899
    more: dict[str, Any] = {"event_type": kind}
    wrong = [
        ("/total_amount", receipt("0.01", lines, **more)),
        ("/total_amount", receipt(str(goods + 10), lines, **more)),
        ("/rounding_amount", receipt(str(goods - 100), lines, rounding_amount="-100", **more)),
        ("/rounding_amount", receipt(str(goods + 100), lines, rounding_amount="100", **more)),
        ("/tax_amount", receipt(str(goods), lines, tax_amount=str(goods + 10), tax_included=True, **more)),
    ]
    for path, event in wrong:
        assert faults(event) == [("TOTALS_MISMATCH", path)]
    assert faults(receipt("1.05", [line("1"), *[NOTHING] * 9], **more)) == [("TOTALS_MISMATCH", "/total_amount")]
    of_tax = [line("100", tax="1"), *[padding | {"tax": "0"}] * 9_899]
    assert faults(receipt(str(goods + 11), of_tax, tax_amount="11", **more)) == [("TOTALS_MISMATCH", "/tax_amount")]


@pytest.mark.parametrize(
    ("amount", "number", "off", "fate"),
    [
        ("0.01", 10_000, "0", "silent"),
        ("0.01", 10, "0.1", "silent"),
        ("0.30", 30, "0.1", "silent"),
        ("0.30", 30, "0.11", "parked"),
        ("0.50", 10_000, "50", "silent"),
        ("0.50", 10_000, "50.01", "parked"),
        ("1", 10_000, "100", "silent"),
        ("10", 100, "1", "silent"),
        ("10", 100, "1.01", "warned"),
        ("0", 10, "0.01", "parked"),
    ],
)
def test_many_small_lines_round_by_a_step_of_cash_or_the_tolerance(
    amount: str, number: int, off: str, fate: str
) -> None:
    told = verdict(receipt(str(Decimal(amount) * number + Decimal(off)), [line(amount)] * number))
    assert fate == ("parked" if told.faults else "warned" if told.warnings else "silent")


def test_included_tax_is_within_the_lines() -> None:
    """Else what was sold would come to less than nothing."""
    too_much = receipt("10", [line("10")], tax_included=True, tax_amount="1000")
    assert faults(too_much) == [("TOTALS_MISMATCH", "/tax_amount")]
    of_lines = [line("10", tax="7"), line("1", tax="5")]
    assert faults(receipt("11", of_lines, tax_included=True)) == [("TOTALS_MISMATCH", "/line_items")]
    assert faults(receipt("11", [line("10", tax="7"), line("1")], tax_included=True)) == []
    assert faults(receipt("10", [line("10")], tax_included=True, tax_amount="10.01")) == []  # rounding
    assert faults(receipt("0", [line("10")], tax_included=True, tax_amount="2", discount_amount="10")) == []
    assert faults(receipt("1010", [line("10")], tax_amount="1000")) == []  # duty on top may be any
    owed = receipt("-10", [line("-10")], tax_included=True, tax_amount="-2", event_type="ADJUSTMENT")
    assert faults(owed) == []
    assert faults(owed | {"tax_amount": "-11"}) == [("TOTALS_MISMATCH", "/tax_amount")]


def test_the_tax_is_the_sum_of_the_lines_tax() -> None:
    lines = [line("100", tax="19"), line("100", tax="7")]
    assert faults(receipt("226", lines, tax_amount="26")) == []
    assert faults(receipt("230", lines, tax_amount="30")) == [("TOTALS_MISMATCH", "/tax_amount")]


def test_a_line_is_quantity_times_price_less_discount() -> None:
    assert faults(receipt("27", [line("27", qty="3", unit_price="10", discount="3")])) == []
    assert faults(receipt("30", [line("30", qty="3", unit_price="10", discount="3")])) == [
        ("TOTALS_MISMATCH", "/line_items/0/amount")
    ]
    assert faults(receipt("1.33", [line("1.33", qty="0.333", unit_price="3.99")])) == []


def test_the_documented_scout_example_does_not_add_up() -> None:
    assert faults(receipt("245.50", [line("50.00", unit_price="50.00")])) == [("TOTALS_MISMATCH", "/total_amount")]


def test_zero_totals_are_fine() -> None:
    assert faults(receipt(0, [line(0, unit_price=0)])) == []
    assert faults(receipt("0.00", [line("10")], discount_amount="10", tenders=[])) == []
    assert faults(receipt(0, [line(0)], tenders=[{"type": "voucher", "amount": 0}])) == []


@pytest.mark.parametrize(
    ("tenders", "expected"),
    [
        ([], []),
        ([{"type": "cash", "amount": "42.50"}], []),
        ([{"type": "cash", "amount": "50", "change": "7.50"}], []),
        ([{"type": "cash", "amount": "20"}, {"type": "card", "amount": "22.50"}], []),
        ([{"type": "cash", "amount": "42.51"}], [("TENDERS_MISMATCH", "/tenders")]),
        ([{"type": "cash", "amount": "42.499999"}], [("TENDERS_MISMATCH", "/tenders")]),
        ([{"type": "cash", "amount": "50"}], [("TENDERS_MISMATCH", "/tenders")]),
        ([{"amount": "42.50"}], [("CONTRACT_VIOLATION", "/tenders/0/type")]),
        ([{"type": "cash"}], [("CONTRACT_VIOLATION", "/tenders/0/amount")]),
        ("cash", [("CONTRACT_VIOLATION", "/tenders")]),
    ],
)
def test_tenders_less_change_are_the_total_exactly(tenders: Any, expected: list[tuple[str, str]]) -> None:
    assert faults(sale("t", tenders=tenders)) == expected


def test_a_payment_method_is_one_tender_for_the_total() -> None:
    assert faults(sale("t", payment_method="card")) == []
    assert faults(sale("t", payment_method="")) == [("CONTRACT_VIOLATION", "/payment_method")]


def test_six_decimals_are_kept_and_a_seventh_is_refused() -> None:
    assert faults(receipt("0.123456", [line("0.123456", qty="0.000001")])) == []
    assert faults(receipt("0.1234567", [line("0.123456")])) == [("CONTRACT_VIOLATION", "/total_amount")]


def test_ten_thousand_lines_and_no_more() -> None:
    assert faults(receipt("100", [line("0.01")] * 10_000)) == []
    assert faults(receipt("100.01", [line("0.01")] * 10_001)) == [("CONTRACT_VIOLATION", "/line_items")]


def test_the_largest_amounts_stay_exact() -> None:
    largest = "999999999999999.999999"
    assert faults(receipt(largest, [line(largest)], tenders=[{"type": "card", "amount": largest}])) == []
