"""SALE: goods for money. The type gives the direction, so nothing in it is negative."""

from collections.abc import Sequence

from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.items import SUMS, ItemisedEvent, nothing_negative, tenders_pay_the_total
from ledgersafe.contracts.posting import Leg, Paid, Sums, trade


class Sale(ItemisedEvent, kw_only=True):
    """A receipt."""


def posts(of: Sums, paid: Sequence[Paid]) -> list[Leg]:
    """Money in, sales and tax owed out."""
    return trade(of, paid, "sales")


EVENT_TYPE = EventType(
    name="SALE",
    schema_version="1.0",
    shape=Sale,
    checks=(nothing_negative, *SUMS, tenders_pay_the_total),
    effect="originates",
    posts=posts,
    summary="Goods for money.",
    sells=True,
)
