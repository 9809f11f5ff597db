"""How much may be given back: each line of a return takes from lines of its original, never more than is left. Pure.

And never more money in all than was paid: header discounts, tax and rounding stand on no line.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import Any, Literal
from uuid import UUID

import msgspec

from ledgersafe.contracts.items import ZERO, rounding_of_lines
from ledgersafe.kernel.money import Coins

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
    numbered, of_sku = {one.line_no: one for one in sold}, _by(attrgetter("sku"), sold)
    shelves: dict[str, _Shelf] = {}
    found: list[Allocation] = []
    for line in sorted(lines, key=lambda line: line.original_line_no is None):
        if line.original_line_no is None:
            if line.sku not in shelves:
                shelves[line.sku] = _Shelf(of_sku[line.sku], after)
            found += shelves[line.sku].take(line)
        else:
            named = numbered.get(line.original_line_no)
            found += _Shelf([named] if named is not None and named.sku == line.sku else [], after).take(line)
    return found, after


def most_back(
    paid: Decimal, rounding: Decimal, returned: Mapping[int, Left], parts: int, rounded: Decimal, coins: Coins
) -> Decimal:
    """The most that may go back of a sale in all: what was paid, and what rounding makes of it.

    `rounding`, `rounded`: what rounding added to the sale, and to all its returns together. Of these, one step of cash
    may go back beyond what was paid, however many returns there are, and no more than the goods that went back.
    `returned`: these, by line. `parts`: how many allocations came to something; their shares of tax and discount round.
    """
    goods = sum([amount for _, amount in returned.values()], ZERO)
    of_cash = min(max(rounded - rounding, ZERO), coins.step, goods)
    return paid + of_cash + rounding_of_lines(parts, goods, coins)


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

    `free`: the numbers that were not sent; only their lines get others, and every one of them does. Where every number
    can have a line that sells as much as was given back of it, it has. Lines that are gone keep the numbers that they
    had, so that below_returned() tells.
    """
    were = {line.line_no: line for line in before}
    sent = {line.line_no for line in sold}.difference(free)
    open_lines = [line for line in sold if line.line_no not in sent]
    needs = [Sold(number, were[number].sku, *left) for number, left in sorted(returned.items()) if number in were]
    of_sku = _by(attrgetter("sku"), open_lines)
    found: dict[int, int] = {}
    for sku, needed in _by(attrgetter("sku"), [need for need in needs if need.line_no not in sent]).items():
        found |= _matched(needed, of_sku[sku], were)
    taken = sent | set(found.values()) | returned.keys()
    following = iter(number for number in range(1, len(sold) + len(taken) + 1) if number not in taken)
    return found | {line.line_no: next(following) for line in open_lines if line.line_no not in found}


_LIKENESSES = attrgetter("line_no", "quantity", "amount"), attrgetter("quantity", "amount"), attrgetter("line_no")
"""By what a line is known again: as it was in its place, as it was, in its place."""


def _matched(needs: Sequence[Sold], lines: Sequence[Sold], were: Mapping[int, Sold]) -> dict[int, int]:
    """Number of a line of one sku → the needed number that it takes: lines that are alike, unless others go without."""
    found: dict[int, int] = {}
    left = {need.line_no: need for need in needs}
    for likeness in _LIKENESSES:
        alike = _by(likeness, [line for line in reversed(lines) if line.line_no not in found])
        for number, need in list(left.items()):
            same = alike[likeness(were[number])]
            if same and same[-1].quantity >= need.quantity and same[-1].amount >= need.amount:
                found[same.pop().line_no] = left.pop(number).line_no
    found |= _fitted(list(left.values()), [line for line in lines if line.line_no not in found])
    return found if len(found) == len(needs) else _fitted(needs, lines)


def _fitted(needs: Sequence[Sold], lines: Sequence[Sold]) -> dict[int, int]:
    """The same, for as many as there can be: the dearest first, each with the least quantity that is enough for it.

    What is dear enough for one is so for those after it: only quantities are left to be kept for others.
    """
    found: dict[int, int] = {}
    cheapest_first = sorted(lines, key=attrgetter("amount", "quantity", "line_no"))
    enough: list[tuple[Decimal, Decimal, int]] = []
    for need in sorted(needs, key=attrgetter("amount"), reverse=True):
        while cheapest_first and cheapest_first[-1].amount >= need.amount:
            line = cheapest_first.pop()
            insort(enough, (line.quantity, line.amount, line.line_no))
        at = bisect_left(enough, need.quantity, key=itemgetter(0))
        if at < len(enough):
            found[enough.pop(at)[2]] = need.line_no
    return found


class _Shelf:
    """The lines of which a line of a return may take, by price: those with a quantity left, and with an amount left.

    Lines of which nothing is left are not looked at again: there are receipts of thousands of lines of one sku.
    """

    def __init__(self, sold: Sequence[Sold], after: dict[int, Left]) -> None:
        self._after = after
        self._sold = {one.line_no: one for one in sold}
        self._by_price = sorted((_price(one.quantity, one.amount), one.line_no) for one in sold)
        left = [(place, self._left(place[1])) for place in self._by_price]
        self._with_quantity = [place for place, (quantity, amount) in left if quantity > 0 and amount >= 0]
        self._with_amount = [place for place, (quantity, amount) in left if amount > 0 and quantity >= 0]

    def take(self, line: GivenBack) -> list[Allocation]:
        """What a line takes, noted in `after`. Raises Exceeded."""
        if not self._sold:
            which = f"line {line.original_line_no}" if line.original_line_no is not None else "line"
            raise Exceeded(line, f"the original has no {which} of {line.sku!r}")
        quantity, amount, price = line.quantity, line.amount, _price(line.quantity, line.amount)
        found: list[Allocation] = []
        while quantity or amount:
            near = [*_nearest(self._with_quantity, price, quantity), *_nearest(self._with_amount, price, amount)]
            if not near:
                message = f"{line.quantity} for {line.amount} would go back, "
                raise Exceeded(line, f"{message}which is {quantity} for {amount} more than is left")
            _, line_no, of_price = min(near)
            left, gone = self._left(line_no), self._after.get(line_no, (ZERO, ZERO))
            takes = min(quantity, left[0]), min(amount, left[1])
            self._after[line_no] = gone[0] + takes[0], gone[1] + takes[1]
            for places, was_left, taken in zip((self._with_quantity, self._with_amount), left, takes, strict=True):
                if taken and taken == was_left:
                    del places[bisect_left(places, (of_price, line_no))]
            found.append(Allocation(line.line_no, line_no, *takes))
            quantity, amount = quantity - takes[0], amount - takes[1]
        if not found:  # a line of nothing: of what it is must be known when it is corrected
            found.append(Allocation(line.line_no, self._by_price[0][1], ZERO, ZERO))
        return found

    def _left(self, line_no: int) -> Left:
        gone = self._after.get(line_no, (ZERO, ZERO))
        return self._sold[line_no].quantity - gone[0], self._sold[line_no].amount - gone[1]


def _nearest(
    places: Sequence[tuple[Decimal, int]], price: Decimal, wanted: Decimal
) -> list[tuple[Decimal, int, Decimal]]:
    """(distance, line, price) of the nearest in price from above and from below, the first line of each; if wanted."""
    if not wanted:
        return []
    at = bisect_left(places, (price, 0))
    found = [*places[at : at + 1]]
    if at:
        found.append(places[bisect_left(places, (places[at - 1][0], 0))])
    return [(abs(of_price - price), line_no, of_price) for of_price, line_no in found]


def _by(key: Callable[[Sold], Any], lines: Iterable[Sold]) -> defaultdict[Any, list[Sold]]:
    found: defaultdict[Any, list[Sold]] = defaultdict(list)
    for line in lines:
        found[key(line)].append(line)
    return found


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

    `returned_total`: what its returns were paid in all; `returned_rounding`: what of it rounding added;
    `returned_parts`: how many of their allocations came to something.
    """

    store_id: str
    txn_id: str
    state: State
    transaction_id: str | None = None
    revision: int | None = None
    returned_lines: Sequence[int] = ()
    returned_quantities: Sequence[Decimal] = ()
    returned_amounts: Sequence[Decimal] = ()
    returned_total: Decimal = ZERO
    returned_rounding: Decimal = ZERO
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
