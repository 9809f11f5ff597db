"""Text to values by the contract: every way to write an amount, and nothing guessed."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgersafe.contracts.datasets.casting import cast
from ledgersafe.contracts.datasets.model import Column
from ledgersafe.contracts.datasets.shape import ColumnShape
from ledgersafe.contracts.datasets.types import parse_type


def values(kind: str, *texts: str | None, **shape: Any) -> list[str | None]:
    column = Column("x", parse_type(kind), ColumnShape(type=kind, **shape))
    return cast(column, pl.Series("x", texts, dtype=pl.String)).to_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.50", "12.50"),
        ("12.5", "12.5"),
        ("12", "12"),
        ("-12.50", "-12.50"),
        ("(250.00)", "-250.00"),
        ("($250.00)", "-250.00"),
        ("$ (250.00)", "-250.00"),
        ("-468.60 ", "-468.60"),
        ("468.60-", "-468.60"),
        ("468.60 -", "-468.60"),
        ("- 468.60", "-468.60"),
        ("\u2212468.60", "-468.60"),
        ("£1,234.50", "1234.50"),
        ("1,234,567.89", "1234567.89"),
        ("GBP 5.00", "5.00"),
        ("5.00 EUR", "5.00"),
        ("JAN 12.50", None),  # no currency
        ("12.50 NET", None),
        ("USD 12.50 EUR", None),
        ("+3", "3"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("5.", "5"),
        ("1.500", None),  # a thousand and a half, perhaps
        ("-12.000", None),
        ("1,234.500", "1234.50"),
        ("1234.500", "1234.50"),
        ("0.500", "0.50"),
        ("1.5000", "1.50"),
        ("0012.30", "0012.30"),
        ("1.005", None),
        ("1,23.50", None),
        ("12,34", None),
        ("(-1)", None),
        ("--1", None),
        ("-1-", None),
        ("1e3", None),
        ("NaN", None),
        ("12345678901.00", None),
        ("abc", None),
        (" ", None),
    ],
)
def test_amounts_as_people_write_them(text: str, expected: str | None) -> None:
    assert values("decimal(12,2)", text, thousands=",") == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.234,56", "1234.56"), ("1234,5", "1234.5"), ("1234.5", None), ("(1.000,00)", "-1000.00"), ("12.34,5", None)],
)
def test_amounts_with_a_decimal_comma(text: str, expected: str | None) -> None:
    assert values("decimal(12,2)", text, decimal=",", thousands=".") == [expected]


@pytest.mark.parametrize(
    ("point", "thousands", "text", "expected"),
    [
        (",", ".", "12,-", "12"),
        (",", ".", "12,--", "12"),
        (",", ".", "12,\u2013 \u20ac", "12"),
        (",", ".", "\u20ac 1.234,-", "1234"),
        (",", ".", "-12,-", "-12"),
        (",", ".", "(12,-)", "-12"),
        (".", "'", "CHF 12.\u2013", "12"),
        (".", "'", "5.\u2014", "5"),
        (".", "\u0027", "CHF 1\u2019234.-", "1234"),
        (".", None, "12.-", "12"),
        (".", ",", "1,234.-", "1234"),
        (",", ".", "12-", "-12"),  # a minus, as everywhere
        (",", ".", "1.234,50-", "-1234.50"),
        (".", ",", "\u00a3468.60 -", "-468.60"),
        (".", None, ".5-", "-0.5"),
        (".", ",", "12,-", None),  # of which the point is another
        (",", ".", "12.-", None),
        (",", None, "12,-,-", None),
        (".", None, "12.50.-", None),
        (".", None, "12--", None),
        (".", None, "12:-", None),
        (".", None, "-", None),
        (".", None, ".-", None),
        (".", None, "\u2013.50", None),  # fifty cents of a price list, or minus fifty
        (",", None, "\u2014,50 \u20ac", None),
        (".", None, "\u20130.50", "-0.50"),
        (".", None, "-.50", "-0.50"),
    ],
)
def test_a_dash_in_the_place_of_cents_is_no_minus(
    point: str, thousands: str | None, text: str, expected: str | None
) -> None:
    assert values("decimal(12,2)", text, decimal=point, thousands=thousands) == [expected]


def test_a_dash_in_the_place_of_cents_is_none_in_any_number() -> None:
    assert values("integer", "12.-", "7", "7-") == ["12", "7", "-7"]
    assert values("number", "12,-", "7,5", decimal=",") == ["12", "7.5"]
    assert values("decimal(9,2)", "12.-", "-.50", "-0.50", "-1") == ["12", None, "-0.50", "-1"]


def test_thousands_are_taken_only_where_the_contract_says_so() -> None:
    assert values("decimal(12,2)", "1,234") == [None]  # it may be a decimal comma


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("integer", "12.0", "12"),
        ("integer", "1.5", None),
        ("integer", "99999999999999999999", None),
        ("integer", "007", "007"),
        ("decimal(3,0)", "123", "123"),
        ("decimal(3,0)", "1234", None),
        ("decimal(3,0)", "-123", "-123"),
        ("decimal(4,2)", "1200", None),  # zeros before the point are part of the number
        ("decimal(4,2)", "12.0000", "12.00"),
        ("decimal(4,2)", "12.000", None),
        ("decimal(6,3)", "12.000", "12.000"),
        ("integer", "1.000", None),
        ("decimal(2,2)", "-0.5", "-0.5"),
        ("decimal(2,2)", "1.5", None),
        ("number", "0.1234567890123456789", "0.1234567890123456789"),
        ("boolean", "YES", "true"),
        ("boolean", "0", "false"),
        ("boolean", "maybe", None),
        ("string", " as it is ", " as it is "),
    ],
)
def test_other_types(kind: str, text: str, expected: str | None) -> None:
    assert values(kind, text) == [expected]


@pytest.mark.parametrize(
    ("kind", "texts", "found"),
    [
        ("integer", ["007", "7", "-007", "0", "-0", "000", "10", "7.0"], ["7", "7", "-7", "0", "0", "0", "10", "7"]),
        ("decimal(9,2)", ["07.50", "7.5", "7.00", "0.50", ".5", "100"], ["7.5", "7.5", "7", "0.5", "0.5", "100"]),
        ("number", ["7.50", "7.5", "-0.0", "100"], ["7.5", "7.5", "0", "100"]),
    ],
)
def test_numbers_that_tell_events_apart_have_one_spelling(kind: str, texts: list[str], found: list[str]) -> None:
    column = Column("x", parse_type(kind), ColumnShape(type=kind), has_one_spelling=True)
    assert cast(column, pl.Series("x", texts)).to_list() == found
    assert [cast(column, pl.Series("x", [text])).to_list() for text in texts] == [[text] for text in found]


def test_a_column_is_in_one_currency() -> None:
    mixed = ["£1.00", "€900.00", "2.00", None]
    assert values("decimal(12,2)", *mixed) == [None, None, "2.00", None]
    assert values("decimal(12,2)", *mixed, currency="GBP") == ["1.00", None, "2.00", None]
    assert values("decimal(12,2)", "$1.00", "USD $2.00", "CAD 3.00", currency="USD") == ["1.00", "2.00", None]
    assert values("decimal(12,2)", "£1.00", "£2.00", "JAN 3.00") == ["1.00", "2.00", None]


def test_dates_are_tried_in_the_order_of_the_contract() -> None:
    found = values("date", "2026-01-02", "02/01/2026", "2026-13-01", "31/02/2026", format=["%Y-%m-%d", "%d/%m/%Y"])
    assert found == ["2026-01-02", "2026-01-02", None, None]


@pytest.mark.parametrize("formats", [["%m/%d/%Y", "%m/%d/%y"], ["%m/%d/%y", "%m/%d/%Y"]])
def test_a_short_year_is_of_this_century_and_never_of_the_first(formats: list[str]) -> None:
    assert values("date", "3/22/20", "3/22/2020", "3/22/0020", format=formats) == [
        "2020-03-22",
        "2020-03-22",
        "0020-03-22",
    ]
    assert values("date", "3/22/20", "00200322", format=["%m/%d/%Y", "%Y%m%d"]) == [None, "0020-03-22"]
    assert values("datetime", "3/22/20 23:45", format="%m/%d/%Y %H:%M") == [None]


def test_instants_are_of_the_zone_of_the_contract() -> None:
    found = values(
        "datetime",
        "2026-07-01 10:00:00",
        "2026-07-01T10:00:00Z",
        "2026-07-01T10:00:00+02:00",
        "2026-03-29 01:30:00",  # this hour is skipped in London
        "2026-10-25 01:30:00",  # and this one comes twice
        time_zone="Europe/London",
    )
    day = "2026-07-01T"
    assert found == [
        f"{day}09:00:00.000000+00:00",
        f"{day}10:00:00.000000+00:00",
        f"{day}08:00:00.000000+00:00",
        None,
        "2026-10-25T00:30:00.000000+00:00",
    ]


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2, allow_nan=False))
def test_every_amount_survives(amount: Any) -> None:
    (found,) = values("decimal(12,2)", f"{amount:,.2f}", thousands=",")
    assert found is not None
    assert type(amount)(found) == amount
