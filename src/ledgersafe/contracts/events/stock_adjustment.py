"""STOCK_ADJUSTMENT: goods move without a sale (write-offs, counts). Quantities and amounts keep their signs."""

from collections.abc import Sequence

from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.items import SUMS, ItemisedEvent
from ledgersafe.contracts.posting import Leg, Paid, Sums


class StockAdjustment(ItemisedEvent, kw_only=True):
    """A change of what is on the shelf; may be negative."""


def posts(of: Sums, paid: Sequence[Paid]) -> list[Leg]:
    """The value on the shelf changes, and with it what the goods sold have cost."""
    del paid
    return [("inventory", of.total), ("cost_of_goods", -of.total)]


EVENT_TYPE = EventType(
    name="STOCK_ADJUSTMENT",
    schema_version="1.0",
    shape=StockAdjustment,
    checks=SUMS,
    effect="originates",
    posts=posts,
    summary="Goods without a sale, e.g. a write-off; signs are kept.",
)
