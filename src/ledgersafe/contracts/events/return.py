"""RETURN: goods come back for money. Its amounts are positive; it may name its original, line by line."""

from collections.abc import Sequence

from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.items import SUMS, ItemisedEvent, nothing_negative, tenders_pay_the_total
from ledgersafe.contracts.posting import Leg, Paid, Sums, negated, trade


class Return(ItemisedEvent, kw_only=True):
    """A refund, whole or in part."""


def posts(of: Sums, paid: Sequence[Paid]) -> list[Leg]:
    """The mirror of a sale, with an account of its own for what came back."""
    return negated(trade(of, paid, "returns"))


EVENT_TYPE = EventType(
    name="RETURN",
    schema_version="1.0",
    shape=Return,
    checks=(nothing_negative, *SUMS, tenders_pay_the_total),
    effect="originates",
    posts=posts,
    summary="Goods come back for money; may name the sale and its lines.",
    original="may",
    gives_back=True,
)
