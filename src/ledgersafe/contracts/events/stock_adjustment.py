"""STOCK_ADJUSTMENT: goods move without a sale (write-offs, counts). Quantities and amounts keep their signs."""

from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.items import ItemisedEvent, totals_add_up


class StockAdjustment(ItemisedEvent, kw_only=True):
    """A change of what is on the shelf; may be negative."""


EVENT_TYPE = EventType(
    name="STOCK_ADJUSTMENT",
    schema_version="1.0",
    shape=StockAdjustment,
    checks=(totals_add_up,),
    summary="Goods without a sale, e.g. a write-off; signs are kept.",
)
