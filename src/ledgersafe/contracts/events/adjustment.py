"""ADJUSTMENT: money moves without goods (bad debt, a goodwill credit). Amounts keep their signs."""

from decimal import Decimal

from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.items import ItemisedEvent, tenders_pay_the_total, totals_add_up
from ledgersafe.contracts.posting import Leg, money, sums, tenders


class Adjustment(ItemisedEvent, kw_only=True):
    """A change of what is owed; may be negative."""


def posts(event: Adjustment, minor_unit: Decimal) -> list[Leg]:
    """What is owed changes, and with it what has to be written off. Where it was paid by is where the debt lies."""
    paid = tenders(event)
    owed: list[Leg] = money(paid, event.total_amount) if paid else [("receivable", event.total_amount)]
    of = sums(event, minor_unit)
    return [*owed, ("tax", -of.tax), ("rounding", -of.rounding), ("bad_debt", of.tax + of.rounding - of.total)]


EVENT_TYPE = EventType(
    name="ADJUSTMENT",
    schema_version="1.0",
    shape=Adjustment,
    checks=(totals_add_up, tenders_pay_the_total),
    effect="originates",
    posts=posts,
    summary="Money without goods, e.g. bad debt; signs are kept.",
)
