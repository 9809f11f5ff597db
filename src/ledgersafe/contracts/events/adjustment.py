"""ADJUSTMENT: money moves without goods (bad debt, a goodwill credit). Amounts keep their signs."""

from collections.abc import Sequence

from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.items import SUMS, ItemisedEvent, tenders_pay_the_total
from ledgersafe.contracts.posting import Leg, Paid, Sums, money


class Adjustment(ItemisedEvent, kw_only=True):
    """A change of what is owed; may be negative."""


def posts(of: Sums, paid: Sequence[Paid]) -> list[Leg]:
    """What is owed changes, and with it what has to be written off. Where it was paid by is where the debt lies."""
    owed: list[Leg] = money(paid, of.total) if paid else [("receivable", of.total)]
    return [*owed, ("tax", -of.tax), ("rounding", -of.rounding), ("bad_debt", of.tax + of.rounding - of.total)]


EVENT_TYPE = EventType(
    name="ADJUSTMENT",
    schema_version="1.0",
    shape=Adjustment,
    checks=(*SUMS, tenders_pay_the_total),
    effect="originates",
    posts=posts,
    summary="Money without goods, e.g. bad debt; signs are kept.",
)
