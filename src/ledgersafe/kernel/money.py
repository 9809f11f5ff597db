"""Exact amounts. Amounts and quantities are Decimals with up to 6 decimals; a currency is an ISO 4217 code."""

import re
from decimal import Decimal
from functools import cache, lru_cache
from typing import NamedTuple

from babel.core import get_global
from babel.numbers import get_currency_precision

DECIMALS = 6
"""How many decimals an amount or a quantity may have: `numeric(21, 6)` in the database."""

_LARGEST_INTEGER = 10**15
_EXACT = re.compile(r"(-?[0-9]{1,15}(?:\.[0-9]{1,6})?)|(-?[0-9]{1,15}\.[0-9]{6})0{1,100}", re.ASCII)
"""Zeros beyond the sixth decimal say nothing; so many of them that no column holds them are no amount."""
_CURRENCIES: frozenset[str] = frozenset(get_global("all_currencies")) | {"XAD"}
# CLDR tells how many decimals people write, which for these is fewer than the minor unit of ISO 4217.
_WITH_HUNDREDTHS = ("AFN", "ALL", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER")
_ISO_4217_DECIMALS = {"IQD": 3} | dict.fromkeys(_WITH_HUNDREDTHS, 2)
# What coins and notes are worth so little that shops round by more than a hundred minor units.
_LARGE_STEPS = {
    5: ("AFN", "AMD", "BDT", "ETB", "HTG", "HUF", "JMD", "KES", "NPR"),
    10: ("ALL", "AOA", "CRC", "DZD", "KPW", "KZT", "LKR", "PKR", "RSD", "SDG", "SSP"),
    20: ("GYD",),
    50: ("MNT", "MWK", "NGN"),
    100: ("ARS", "CDF", "COP", "IDR", "KHR", "MGA", "MMK", "TZS", "YER"),
    250: ("IQD",),
    500: ("GNF", "PYG", "SYP", "UZS"),
    1_000: ("LAK", "SOS", "VND"),
    10_000: ("IRR", "LBP"),
}
_STEPS = {code: Decimal(step) for step, codes in _LARGE_STEPS.items() for code in codes}
# Where cash is paid in steps of more than ten minor units.
_STEPS_OF_CASH = _STEPS | {
    code: Decimal(step)
    for step, codes in {
        "0.05": ("JOD", "LYD", "TND"),
        "1": ("CZK", "DKK", "EGP", "INR", "MUR", "MXN", "NOK", "PHP", "RUB", "SEK", "THB", "TRY", "TWD", "UAH"),
        "25": ("KMF", "XAF", "XOF"),
        "50": ("BIF", "RWF"),
        "100": ("UGX",),
    }.items()
    for code in codes
}
_TEN, _HUNDRED = Decimal(10), Decimal(100)


class Coins(NamedTuple):
    """What a currency can be paid in: its minor unit, the most that shops make of a total by cutting or rounding it to
    coins in use, and the step in which cash is paid: what rounding to the nearest coin, or the next, stays below.
    """

    minor_unit: Decimal
    most_rounding: Decimal
    step: Decimal


class Amount(Decimal):
    """A Decimal that is known to be finite and to fit `numeric(21, 6)`."""

    __slots__ = ()


def parse_amount(value: object) -> Amount:
    """An exact amount from a decimal string ("12.50") or from a JSON number that a double holds (12.5).

    Raises ValueError, with a message for the sender, for anything else: NaN, exponents in strings, signs other than
    "-", more than 15 digits before or 6 after the point, booleans.
    """
    if type(value) is str:
        return _amount_of(value)
    if type(value) is int and abs(value) < _LARGEST_INTEGER:
        return Amount(value)
    if type(value) is int:
        text = str(value)
    elif isinstance(value, float):  # also the kind that stands for a long spelling, such as 4.25e1
        text = repr(float(value))
        if "e" in text:
            text = format(Decimal(text), "f")
    else:
        raise ValueError("expected a decimal string or a number")
    return _amount_of(text)


@lru_cache(maxsize=20_000)
def _amount_of(text: str) -> Amount:
    """Prices come again and again, so they are remembered; what is no amount is not."""
    if (found := _EXACT.fullmatch(text)) is None:
        raise ValueError("expected a decimal number with at most 15 digits before and 6 after the point, e.g. '12.50'")
    return Amount(found[1] or found[2])


def is_currency(code: str) -> bool:
    """Whether it is a currency code of ISO 4217, past or present (Unicode CLDR's list, and what it lacks)."""
    return code in _CURRENCIES


@cache
def minor_unit(code: str) -> Decimal:
    """The smallest coin of account of a currency: 0.01 for USD, 1 for JPY, 0.001 for KWD."""
    return Decimal(1).scaleb(-_ISO_4217_DECIMALS.get(code, get_currency_precision(code)))


@cache
def coins(code: str) -> Coins:
    """The coins of a currency: of USD (0.01, 1, 0.10), of JPY (1, 100, 10), of SEK (0.01, 1, 1), of HUF (0.01, 5, 5).

    No source tells by how much shops round; CLDR does for four currencies. A hundred minor units leave room for every
    coin there is, also where a total is cut rather than rounded; where money is worth less, the table says how much.
    Most cash is paid in steps of up to ten minor units; the larger ones have a table of their own.
    """
    unit = minor_unit(code)
    most = max(unit * _HUNDRED, _STEPS.get(code, unit))
    return Coins(unit, most, _STEPS_OF_CASH.get(code, unit * _TEN))
