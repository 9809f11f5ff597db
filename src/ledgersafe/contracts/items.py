"""What events with goods and money on them have in common: lines, tenders, totals, and how these must agree.

    amount       = qty × unit_price − discount                                                          (a line)
    total_amount = Σ amount − discount_amount + (0 if tax_included else tax_amount) + rounding_amount   (the event)

A difference of up to one minor unit a line is rounding; lines of next to nothing make no room for others, which
rounding_of_lines() sees to. More, up to TOLERANCE of the total, is accepted with a warning and posted as totals
difference; beyond it the event is parked. rounding_amount is bounded by what coins need, and included tax by the lines.
Tenders less change are the total, exactly.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Annotated

import msgspec

from ledgersafe.contracts.envelope import Envelope, Name, ShortText, Text
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.money import Amount, Coins
from ledgersafe.kernel.reasons import NEGATIVE_AMOUNT, TENDERS_MISMATCH, TOTALS_MISMATCH

TOLERANCE = Decimal("0.01")
ZERO = Decimal(0)


class Line(msgspec.Struct, kw_only=True):
    """One line of a receipt. Amounts are in the event's currency, without its tax unless tax_included."""

    sku: Name
    qty: Amount
    amount: Amount
    line_no: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    name: Text | None = None
    brand: ShortText | None = None
    category: Text | None = None
    gtin: Text | None = None
    unit_price: Amount | None = None
    discount: Amount | None = None
    tax: Amount | None = None
    tax_rate: Amount | None = None
    original_line_no: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None


class Tender(msgspec.Struct, kw_only=True):
    """One means of payment: what was handed over, and what was given back of it."""

    type: Name
    amount: Amount
    change: Amount | None = None


class ItemisedEvent(Envelope, kw_only=True):
    """An event with lines and a total."""

    line_items: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=10_000)]
    total_amount: Amount
    discount_amount: Amount | None = None
    tax_amount: Amount | None = None
    tax_included: bool = False
    rounding_amount: Amount | None = None
    tenders: list[Tender] | None = None
    payment_method: Name | None = None
    original_txn_id: Name | None = None
    original_store_id: Name | None = None


def nothing_negative(event: ItemisedEvent, coins: Coins) -> Iterator[Fault]:
    """Where the type gives the direction, no quantity and no amount carries a sign (rounding may)."""
    del coins
    yield from _negatives(event, ("total_amount", "discount_amount", "tax_amount"), "")
    for index, line in enumerate(event.line_items):
        prices = (line.unit_price or ZERO).is_signed() or (line.discount or ZERO).is_signed()
        # Signs are looked at, which takes half of what comparing does; -0 is no fault, which _negatives knows.
        if line.qty.is_signed() or line.amount.is_signed() or prices or (line.tax or ZERO).is_signed():
            yield from _negatives(line, ("qty", "amount", "unit_price", "discount", "tax"), f"/line_items/{index}")
    for index, tender in enumerate(event.tenders or ()):
        yield from _negatives(tender, ("amount", "change"), f"/tenders/{index}")


def totals_add_up(event: ItemisedEvent, coins: Coins) -> Iterator[Fault]:
    """Each line, the tax and the total are what their parts make, within rounding or the tolerance."""
    minor_unit = coins.minor_unit
    for index, line in enumerate(event.line_items):
        if line.unit_price is not None:
            expected = line.qty * line.unit_price - (line.discount or ZERO)
            difference = line.amount - expected
            if _is_beyond_tolerance(difference, expected) and abs(difference) > minor_unit:
                message = f"amount is {line.amount}, but qty × unit_price − discount is {expected}"
                yield Fault(TOTALS_MISMATCH, f"/line_items/{index}/amount", message)
    if event.tax_amount is not None and any(line.tax is not None for line in event.line_items):
        line_tax = _sum([line.tax for line in event.line_items])
        difference = event.tax_amount - line_tax
        if _is_beyond_tolerance(difference, line_tax) and abs(difference) > _rounding(event, coins):
            yield Fault(TOTALS_MISMATCH, "/tax_amount", f"tax_amount is {event.tax_amount}, the lines' tax {line_tax}")
    expected = expected_total(event)
    difference = event.total_amount - expected
    if _is_beyond_tolerance(difference, expected) and abs(difference) > _rounding(event, coins):
        message = f"total_amount is {event.total_amount}, but the lines, discount, tax and rounding make {expected}"
        yield Fault(TOTALS_MISMATCH, "/total_amount", message)


def rounding_is_of_coins(event: ItemisedEvent, coins: Coins) -> Iterator[Fault]:
    """rounding_amount is at most 100 minor units (of money that is worth very little, a coin in use), or one a line."""
    if event.rounding_amount and abs(event.rounding_amount) > coins.most_rounding:
        most = max(coins.most_rounding, _rounding(event, coins))
        if abs(event.rounding_amount) > most:
            message = f"rounding_amount is {event.rounding_amount}, and rounding is at most {most} here: "
            message += "the rest is a discount, a tax or a line"
            yield Fault(TOTALS_MISMATCH, "/rounding_amount", message)


def included_tax_is_a_part(event: ItemisedEvent, coins: Coins) -> Iterator[Fault]:
    """Tax that is included is at most what the lines come to."""
    if event.tax_included:
        tax = event.tax_amount if event.tax_amount is not None else _sum([line.tax for line in event.line_items])
        goods = _sum([abs(line.amount) for line in event.line_items])
        if abs(tax) > goods and abs(tax) > goods + _rounding(event, coins):
            path = "/tax_amount" if event.tax_amount is not None else "/line_items"
            message = f"{tax} of tax cannot be included in lines of {goods}"
            yield Fault(TOTALS_MISMATCH, path, message)


def tenders_pay_the_total(event: ItemisedEvent, coins: Coins) -> Iterator[Fault]:
    """Where tenders are listed, they less the change are the total, exactly."""
    del coins
    if event.tenders:
        paid = _sum(tender.amount for tender in event.tenders) - _sum(tender.change for tender in event.tenders)
        if paid != event.total_amount:
            message = f"the tenders less change are {paid}, total_amount is {event.total_amount}"
            yield Fault(TENDERS_MISMATCH, "/tenders", message)


SUMS = (totals_add_up, rounding_is_of_coins, included_tax_is_a_part)
"""What every event with lines and a total must keep."""


def expected_total(event: ItemisedEvent) -> Decimal:
    """What the parts of an event make, in its currency."""
    total = _sum([line.amount for line in event.line_items])
    if event.discount_amount is not None:
        total -= event.discount_amount
    if not event.tax_included:
        total += event.tax_amount if event.tax_amount is not None else _sum([line.tax for line in event.line_items])
    return total if event.rounding_amount is None else total + event.rounding_amount


def rounding_of_lines(lines: int, goods: Decimal, coins: Coins) -> Decimal:
    """The most that rounding makes of lines that come to something, and to so much in all: a minor unit each.

    Of many that come to next to nothing, no more than a step of cash or TOLERANCE: else they would round for others.
    """
    return min(coins.minor_unit * lines, max(coins.step, TOLERANCE * goods))


def off_by(event: ItemisedEvent, coins: Coins) -> tuple[Decimal, Decimal]:
    """What the total is off by what its parts make: (as rounding, as a difference to warn of and to post apart).

    One of them is zero.
    """
    off = event.total_amount - expected_total(event)
    if off and abs(off) > _rounding(event, coins):
        return ZERO, off
    return off, ZERO


def _rounding(event: ItemisedEvent, coins: Coins) -> Decimal:
    """The most that rounding makes of an event. Asked for where something is off: it looks at all lines."""
    amounts = [abs(line.amount) for line in event.line_items if line.amount]
    return rounding_of_lines(len(amounts), sum(amounts, ZERO), coins)


def _is_beyond_tolerance(difference: Decimal, base: Decimal) -> bool:
    return bool(difference) and abs(difference) > TOLERANCE * abs(base)


def _negatives(holder: msgspec.Struct, names: Iterable[str], path: str) -> Iterator[Fault]:
    for name in names:
        value: Decimal | None = getattr(holder, name)
        if value is not None and value < 0:
            yield Fault(NEGATIVE_AMOUNT, f"{path}/{name}", f"{name} is {value}, and must not be negative here")


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum(filter(None, amounts), start=ZERO)
