"""SALE: goods for money. The type gives the direction, so nothing in it is negative."""

from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.items import ItemisedEvent, nothing_negative, tenders_pay_the_total, totals_add_up


class Sale(ItemisedEvent, kw_only=True):
    """A receipt."""


EVENT_TYPE = EventType(
    name="SALE",
    schema_version="1.0",
    shape=Sale,
    checks=(nothing_negative, totals_add_up, tenders_pay_the_total),
    summary="Goods for money.",
)
