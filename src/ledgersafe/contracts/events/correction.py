"""CORRECTION: an earlier transaction was recorded wrongly; this is the whole new truth of it."""

from ledgersafe.contracts.envelope import Name
from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.items import ItemisedEvent, nothing_negative, tenders_pay_the_total, totals_add_up


class Correction(ItemisedEvent, kw_only=True):
    """Names its original and carries every line anew."""

    original_txn_id: Name  # type: ignore[assignment]  # required here, optional elsewhere


EVENT_TYPE = EventType(
    name="CORRECTION",
    schema_version="1.0",
    shape=Correction,
    checks=(nothing_negative, totals_add_up, tenders_pay_the_total),
    effect="corrects",
    posts=None,
    summary="The whole new truth of an earlier transaction, which it names.",
    original="must",
)
