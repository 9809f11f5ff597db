"""RETURN: goods come back for money. Its amounts are positive; it may name its original, line by line."""

from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.items import ItemisedEvent, nothing_negative, tenders_pay_the_total, totals_add_up


class Return(ItemisedEvent, kw_only=True):
    """A refund, whole or in part."""


EVENT_TYPE = EventType(
    name="RETURN",
    schema_version="1.0",
    shape=Return,
    checks=(nothing_negative, totals_add_up, tenders_pay_the_total),
    summary="Goods come back for money; may name the sale and its lines.",
)
