"""How much may be given back: each line of a return takes from lines of its original, never more than is left. Pure.

And never more money in all than was paid: header discounts, tax and rounding stand on no line.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Literal
from uuid import UUID

import msgspec

ZERO = Decimal(0)
Left = tuple[Decimal, Decimal]
"""(quantity, amount) of a line."""


@dataclass(frozen=True, slots=True)
class Sold:
    """A line of the original."""

    line_no: int
    sku: str
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A line of a return; `original_line_no` where it says which line it gives back."""

    line_no: int
    sku: str
    quantity: Decimal
    amount: Decimal
    original_line_no: int | None


@dataclass(frozen=True, slots=True)
class Allocation:
    """How much of which line of the original a line of a return takes."""

    line_no: int
    original_line_no: int
    quantity: Decimal
    amount: Decimal


class Exceeded(Exception):
    """More would be given back than is left; the message says of which line."""

    def __init__(self, line: GivenBack, message: str) -> None:
        super().__init__(message)
        self.line = line


def allocate(
    lines: Sequence[GivenBack], sold: Sequence[Sold], returned: Mapping[int, Left]
) -> tuple[list[Allocation], dict[int, Left]]:
    """What each line takes, and what has been returned of each line after it. Raises Exceeded.

    A line that names none takes from lines of the same sku, the nearest in price first, of what the others leave.
    """
    after = dict(returned)
    found: list[Allocation] = []
    for line in sorted(lines, key=lambda line: line.original_line_no is None):
        found += _allocate_line(line, sold, after)
    return found, after


def refunded(total: Decimal, rounding: Decimal, gross: Decimal) -> Decimal:
    """What a return counts for against what was paid: without what the rounding of cash added to goods."""
    return total - max(ZERO, min(rounding, gross, total))


def paid(total: Decimal, rounding: Decimal) -> Decimal:
    """What a sale can be given back for in all: what was paid, or what it came to before cash was rounded down."""
    return total - min(ZERO, rounding)


def is_overpaid(back: Decimal, parts: int, returned: Mapping[int, Left], most: Decimal, minor_unit: Decimal) -> bool:
    """Whether `back` is more than `most`: shares of tax and discount may round by one minor unit each of `parts` lines.

    `returned`: what was given back by line. What rounds is never more than that.
    """
    goods = sum([amount for _, amount in returned.values()], ZERO)
    return back > most + min(minor_unit * parts, goods)


def below_returned(sold: Sequence[Sold], before: Sequence[Sold], returned: Mapping[int, Left]) -> int | None:
    """The first line of which more was given back than these lines would sell; None where there is none.

    `before`: the lines that it was given back of. A line that sells something else by now sells none of it.
    """
    by_number = {line.line_no: line for line in sold}
    sku_before = {line.line_no: line.sku for line in before}
    for line_no, (quantity, amount) in sorted(returned.items()):
        line = by_number.get(line_no)
        is_gone = line is None or line.sku != sku_before.get(line_no)
        left = (ZERO, ZERO) if line is None or is_gone else (line.quantity, line.amount)
        if quantity > left[0] or amount > left[1]:
            return line_no
    return None


def kept_numbers(
    sold: Sequence[Sold], free: Collection[int], before: Sequence[Sold], returned: Mapping[int, Left]
) -> dict[int, int]:
    """The number that each of these lines has → the one that it had before, as far as something of it was given back.

    `free`: the numbers that were not sent; only their lines get others, and every one of them does. Lines that are gone
    keep the numbers that they had, so that below_returned() tells.
    """
    were = {line.line_no: line for line in before}
    open_lines = {line.line_no: line for line in sold if line.line_no in free}
    found: dict[int, int] = {}
    sent = {line.line_no for line in sold} - open_lines.keys()
    for number, left in sorted(returned.items(), key=lambda item: (item[1][1], item[1][0]), reverse=True):
        fits = [
            line
            for line in open_lines.values()
            if number in were and line.sku == were[number].sku and line.quantity >= left[0] and line.amount >= left[1]
        ]
        if fits and number not in sent:
            same = min(fits, key=partial(_likeness, were[number]))
            found[same.line_no] = number
            del open_lines[same.line_no]
    taken = sent | set(found.values()) | returned.keys()
    following = iter(number for number in range(1, len(sold) + len(taken) + 1) if number not in taken)
    return found | {number: next(following) for number in open_lines}


def _likeness(was: Sold, line: Sold) -> tuple[bool, bool, Decimal, int]:
    """The less the liker: the same quantity and amount, the same place, then the cheapest."""
    is_other = (line.quantity, line.amount) != (was.quantity, was.amount)
    return is_other, line.line_no != was.line_no, line.amount, line.line_no


def _allocate_line(line: GivenBack, sold: Sequence[Sold], after: dict[int, Left]) -> list[Allocation]:
    candidates = _candidates(line, sold)
    if not candidates:
        which = f"line {line.original_line_no}" if line.original_line_no is not None else "line"
        raise Exceeded(line, f"the original has no {which} of {line.sku!r}")
    quantity, amount = line.quantity, line.amount
    found: list[Allocation] = []
    for candidate in candidates:
        gone = after.get(candidate.line_no, (ZERO, ZERO))
        takes = min(quantity, candidate.quantity - gone[0]), min(amount, candidate.amount - gone[1])
        if takes == (ZERO, ZERO) or min(takes) < 0:
            continue
        after[candidate.line_no] = gone[0] + takes[0], gone[1] + takes[1]
        found.append(Allocation(line.line_no, candidate.line_no, *takes))
        quantity, amount = quantity - takes[0], amount - takes[1]
    if quantity or amount:
        message = f"{line.quantity} for {line.amount} would go back, which is {quantity} for {amount} more than is left"
        raise Exceeded(line, message)
    if not found:  # a line of nothing: of what it is must be known when it is corrected
        found.append(Allocation(line.line_no, candidates[0].line_no, ZERO, ZERO))
    return found


def _candidates(line: GivenBack, sold: Sequence[Sold]) -> list[Sold]:
    same = [one for one in sold if one.sku == line.sku]
    if line.original_line_no is not None:
        return [one for one in same if one.line_no == line.original_line_no]
    price = _price(line.quantity, line.amount)
    return sorted(same, key=lambda one: (abs(_price(one.quantity, one.amount) - price), one.line_no))


def _price(quantity: Decimal, amount: Decimal) -> Decimal:
    return amount / quantity if quantity else ZERO


Posting = tuple[UUID, int, str]
"""(transaction_id, revision, kind): one posting or reversal."""


@dataclass(frozen=True, slots=True)
class LineInWords:
    """A line as a person reads it. Of a reversal, quantity and amounts are those taken back."""

    transaction_id: UUID
    revision: int
    kind: Literal["posting", "reversal"]
    line_no: int
    sku: str
    name: str | None
    brand: str | None
    quantity: Decimal
    unit_price: Decimal | None
    discount: Decimal | None
    tax: Decimal | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PostingEvent:
    """Which event caused a posting or a reversal."""

    transaction_id: UUID
    revision: int
    kind: Literal["posting", "reversal"]
    event_id: str


State = Literal["awaited", "live", "voided"]
Name = tuple[str, str]
"""(store_id, txn_id): how tills name a transaction."""
Revision = tuple[str, int]
"""(transaction_id, revision): one posting."""


class Head(msgspec.Struct, gc=False):
    """A row of silver.heads, held; changed in memory. What was returned stands in parallel, by line.

    `returned_total`: what its returns were paid in all, as rules.refunded() counts; `returned_parts`: their lines.
    """

    store_id: str
    txn_id: str
    state: State
    transaction_id: str | None = None
    revision: int | None = None
    returned_lines: Sequence[int] = ()
    returned_quantities: Sequence[Decimal] = ()
    returned_amounts: Sequence[Decimal] = ()
    returned_total: Decimal = Decimal(0)
    returned_parts: int = 0

    def name(self) -> Name:
        """How tills name it."""
        return self.store_id, self.txn_id


@dataclass(frozen=True, slots=True)
class Posted:
    """What a row of silver.transactions is, as far as people and exports tell of it."""

    transaction_id: UUID
    revision: int
    kind: Literal["posting", "reversal"]
    store_id: str
    txn_id: str
    type: str
    event_type: str
    event_id: str
    business_date: date
    books_date: date
    currency: str
    total: Decimal
    is_referenced: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What a posting is, as far as posting others must know."""

    transaction_id: UUID
    revision: int
    type: str
    event_type: str
    event_id: str
    business_date: date
    books_date: date
    currency: str
    lines: int
    gross: Decimal
    rounding: Decimal
    total: Decimal
    is_referenced: bool


@dataclass(frozen=True, slots=True)
class PostedLine:
    """A line of a posting, as far as returns must know."""

    transaction_id: UUID
    revision: int
    line_no: int
    sku: str
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PostedReference:
    """What a line of a return gave back."""

    transaction_id: UUID
    revision: int
    line_no: int
    original_transaction_id: UUID
    original_line_no: int
    quantity: Decimal
    amount: Decimal
    original_store_id: str
    original_txn_id: str


class Transaction(msgspec.Struct, frozen=True, gc=False):
    """A posting, as it is written to silver.transactions."""

    transaction_id: str
    revision: int
    store_id: str
    txn_id: str
    type: str
    event_type: str
    event_id: str
    raw_id: str
    register_id: str | None
    cashier_id: str | None
    customer_id: str | None
    business_date: date
    books_date: date
    occurred_at: datetime
    currency: str
    lines: int
    units: Decimal
    gross: Decimal
    discount: Decimal
    tax: Decimal
    included_tax: Decimal
    rounding: Decimal
    totals_difference: Decimal
    total: Decimal
    payment: str | None
    country: str | None
    is_referenced: bool
    simulated: bool


class LineItem(msgspec.Struct, frozen=True, gc=False):
    """A line, as it is written to silver.line_items."""

    transaction_id: str
    revision: int
    line_no: int
    sku: str
    name: str | None
    brand: str | None
    category: str | None
    gtin: str | None
    quantity: Decimal
    unit_price: Decimal | None
    discount: Decimal | None
    tax: Decimal | None
    amount: Decimal
    product_key: str


class Tender(msgspec.Struct, frozen=True, gc=False):
    """A means of payment, as it is written to silver.tenders."""

    transaction_id: str
    revision: int
    tender_no: int
    type: str
    amount: Decimal


class Reference(msgspec.Struct, frozen=True, gc=False):
    """What a line of a return gives back, as it is written to silver.references."""

    transaction_id: str
    revision: int
    line_no: int
    original_transaction_id: str
    original_line_no: int
    quantity: Decimal
    amount: Decimal


class Reversal(msgspec.Struct, frozen=True, gc=False):
    """The taking back of a posting: of which, by which event, for which day."""

    transaction_id: str
    revision: int
    event_type: str
    event_id: str
    raw_id: str
    books_date: date
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class ReceiptSums:
    """What receipts of one type, day and currency come to that were paid alike. `payment`: as transactions have it."""

    tenant_id: str
    books_date: date
    currency: str
    type: str
    payment: str | None
    units: Decimal
    gross: Decimal
    discount: Decimal
    tax: Decimal
    included_tax: Decimal
    rounding: Decimal
    totals_difference: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class TenderSums:
    """What was paid by one means, of receipts of one type, day and currency that name several."""

    tenant_id: str
    books_date: date
    currency: str
    type: str
    payment: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PostedEvents:
    """How many events are in the books for a day of a store; `arrived`: of those, how many arrivals are there."""

    store_id: str
    books_date: date
    posted: int
    arrived: int
