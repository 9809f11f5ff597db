"""ADJUSTMENT: money moves without goods (bad debt, a goodwill credit). Amounts keep their signs."""

from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.items import ItemisedEvent, tenders_pay_the_total, totals_add_up


class Adjustment(ItemisedEvent, kw_only=True):
    """A change of what is owed; may be negative."""


EVENT_TYPE = EventType(
    name="ADJUSTMENT",
    schema_version="1.0",
    shape=Adjustment,
    checks=(totals_add_up, tenders_pay_the_total),
    summary="Money without goods, e.g. bad debt; signs are kept.",
)
