"""Amounts are exact or they are refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgersafe.kernel.money import (
    _LARGE_STEPS,
    _STEPS,
    _STEPS_OF_CASH,
    Amount,
    coins,
    is_currency,
    minor_unit,
    parse_amount,
)

LARGEST = Decimal("999999999999999.999999")
amounts = st.decimals(min_value=-LARGEST, max_value=LARGEST, allow_nan=False, allow_infinity=False, places=6)


@given(amount=amounts)
def test_a_decimal_string_is_taken_digit_by_digit(amount: Decimal) -> None:
    parsed = parse_amount(format(amount, "f"))
    assert type(parsed) is Amount
    assert parsed == amount


@given(number=st.integers(-(10**18), 10**18))
def test_an_integer_is_taken_up_to_15_digits(number: int) -> None:
    if abs(number) < 10**15:
        assert parse_amount(number) == number
    else:
        with pytest.raises(ValueError):
            parse_amount(number)


@given(number=st.floats() | amounts.map(float))
def test_a_float_is_what_it_is_written_as_or_nothing(number: float) -> None:
    written = Decimal(repr(number))
    fits = written.is_finite() and abs(written) < 10**15 and written == round(written, 6)
    if fits:
        assert parse_amount(number) == written
    else:
        with pytest.raises(ValueError):
            parse_amount(number)


@pytest.mark.parametrize("text", ["0.1", "1e-6", "0.00001", "-0.5"])
def test_small_floats_are_exact(text: str) -> None:
    assert parse_amount(float(text)) == Decimal(text)


NO_AMOUNTS = ["", " 1", "1 ", "1\n", "+1", "--1", "1,5", "1.", ".5", "1e2", "0x1", "1_000", "١", "1.0000001", "1" * 16]
NOT_FINITE = ["NaN", "Infinity", "-Infinity", "sNaN"]
NO_NUMBERS = [True, False, None, [], {}, Decimal(1), b"1", float("nan"), float("inf"), 1e15, 1e-7, 10**5000]


@pytest.mark.parametrize("value", [*NO_AMOUNTS, *NOT_FINITE, *NO_NUMBERS], ids=lambda value: type(value).__name__)
def test_what_is_no_exact_amount_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        parse_amount(value)


def test_trailing_zeros_beyond_six_decimals_are_no_digits() -> None:
    assert parse_amount("1.5000000000") == Decimal("1.5")


@pytest.mark.parametrize(
    ("code", "unit"), [("USD", "0.01"), ("JPY", "1"), ("KWD", "0.001"), ("IQD", "0.001"), ("RSD", "0.01")]
)
def test_minor_units_are_those_of_iso_4217(code: str, unit: str) -> None:
    assert is_currency(code)
    assert minor_unit(code) == Decimal(unit)


@pytest.mark.parametrize(
    ("code", "most", "step"),
    [
        ("USD", "1", "0.1"),
        ("CHF", "1", "0.1"),
        ("JPY", "100", "10"),
        ("KWD", "0.1", "0.01"),
        ("JOD", "0.1", "0.05"),
        ("SEK", "1", "1"),
        ("HUF", "5", "5"),
        ("IQD", "250", "250"),
        ("XOF", "100", "25"),
    ],
)
def test_rounding_to_coins_is_bounded(code: str, most: str, step: str) -> None:
    assert coins(code) == (minor_unit(code), Decimal(most), Decimal(step))


def test_cash_is_paid_in_steps_that_a_total_may_be_rounded_by() -> None:
    known = [code for code in _STEPS_OF_CASH if is_currency(code)]
    assert len(known) == len(_STEPS_OF_CASH)
    assert [code for code in known if not 10 * minor_unit(code) <= coins(code).step <= coins(code).most_rounding] == []


def test_every_currency_with_large_coins_is_one() -> None:
    """And none is listed twice, or with less than it would have without."""
    listed = [code for codes in _LARGE_STEPS.values() for code in codes]
    assert len(listed) == len(set(listed))
    assert [code for code in listed if not is_currency(code) or coins(code)[1] != _STEPS[code]] == []


@pytest.mark.parametrize("code", ["", "usd", "US", "USDX", "XYZ", "€"])
def test_what_is_no_currency(code: str) -> None:
    assert not is_currency(code)
