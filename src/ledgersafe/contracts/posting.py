"""What an event makes of the books: amounts by the role that an account plays, debit positive, in balance.

A tenant's chart says which account plays which role. Amounts and quantities here are those of one posting of the event;
a reversal of it is the same negated.

    total = gross − discount + (tax − included tax) + rounding + totals difference
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from ledgersafe.contracts.items import ZERO, ItemisedEvent, off_by
from ledgersafe.kernel.money import Coins

Role = Literal[
    "cash",
    "card",
    "other_tenders",
    "receivable",
    "inventory",
    "tax",
    "sales",
    "returns",
    "discounts",
    "rounding",
    "totals_difference",
    "over_short",
    "cost_of_goods",
    "bad_debt",
    "suspense",
]

Leg = tuple[Role, Decimal]
"""An account's role, and what is posted to it: debit positive."""

_ROLE_OF_TENDER: dict[str, Role] = {
    "cash": "cash",
    "card": "card",
    "credit": "card",
    "debit": "card",
    "credit_card": "card",
    "debit_card": "card",
    "invoice": "receivable",
    "account": "receivable",
}
KNOWN_TENDERS = tuple(_ROLE_OF_TENDER)
"""The means of payment, in small letters, that have a role; what was paid by any other is with the other tenders."""


class Sums(msgspec.Struct, frozen=True, gc=False):
    """The sums of one event, as it states them: the type gives the direction."""

    units: Decimal
    gross: Decimal
    discount: Decimal
    tax: Decimal
    included_tax: Decimal
    rounding: Decimal
    totals_difference: Decimal
    total: Decimal


class Paid(msgspec.Struct, frozen=True, gc=False):
    """One means of payment, less change."""

    type: str
    amount: Decimal


def sums(event: ItemisedEvent, coins: Coins) -> Sums:
    """The sums of an event, in the currency of these coins."""
    if event.tax_amount is not None:
        tax: Decimal = event.tax_amount
    else:
        tax = sum([line.tax for line in event.line_items if line.tax is not None], ZERO)
    rounded, difference = off_by(event, coins)
    return Sums(
        units=sum([line.qty for line in event.line_items], ZERO),
        gross=sum([line.amount for line in event.line_items], ZERO),
        discount=event.discount_amount or ZERO,
        tax=tax,
        included_tax=tax if event.tax_included else ZERO,
        rounding=rounded if event.rounding_amount is None else rounded + event.rounding_amount,
        totals_difference=difference,
        total=event.total_amount,
    )


def tenders(event: ItemisedEvent) -> list[Paid]:
    """How an event was paid: its tenders, or one of the total by its payment method, or none stated."""
    if event.tenders:
        return [
            Paid(tender.type, tender.amount if tender.change is None else tender.amount - tender.change)
            for tender in event.tenders
        ]
    return [Paid(event.payment_method, event.total_amount)] if event.payment_method is not None else []


def payment_of(paid: Sequence[Paid]) -> str | None:
    """The means of payment in one word; None where none is stated."""
    kinds = {one.type for one in paid}
    return next(iter(kinds)) if len(kinds) == 1 else "mixed" if kinds else None


def money(paid: Sequence[Paid], total: Decimal) -> list[Leg]:
    """Where the money of a total went; where nobody says, it is in suspense."""
    if not paid:
        return [("suspense", total)]
    return [(_ROLE_OF_TENDER.get(one.type.lower(), "other_tenders"), one.amount) for one in paid]


def trade(of: Sums, paid: Sequence[Paid], revenue: Role) -> list[Leg]:
    """Goods against money: money in, `revenue` less included tax, discounts, tax, rounding and difference."""
    return [
        *money(paid, of.total),
        (revenue, of.included_tax - of.gross),
        ("discounts", of.discount),
        ("tax", -of.tax),
        ("rounding", -of.rounding),
        ("totals_difference", -of.totals_difference),
    ]


def negated(legs: Iterable[Leg]) -> list[Leg]:
    """The mirror of a posting."""
    return [(role, -amount) for role, amount in legs]


def merged(legs: Iterable[Leg]) -> list[Leg]:
    """One leg a role, without those of nothing; the order of their first appearance."""
    by_role: dict[Role, Decimal] = {}
    for role, amount in legs:
        by_role[role] = by_role.get(role, ZERO) + amount
    return [(role, amount) for role, amount in by_role.items() if amount]
