"""How much may be given back: each line of a return takes from lines of its original, never more than is left. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

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

    A line that names none takes from lines of the same sku, the nearest in price first.
    """
    after = dict(returned)
    found: list[Allocation] = []
    for line in lines:
        found += _allocate_line(line, sold, after)
    return found, after


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
