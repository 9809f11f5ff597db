"""CORRECTION: an earlier transaction was recorded wrongly; this is the whole new truth of it."""

from ledgersafe.contracts.envelope import Name
from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.items import SUMS, ItemisedEvent, tenders_pay_the_total


class Correction(ItemisedEvent, kw_only=True):
    """Names its original and carries every line anew. What it corrects gives the signs, so they wait for posting."""

    original_txn_id: Name  # type: ignore[assignment]  # required here, optional elsewhere


EVENT_TYPE = EventType(
    name="CORRECTION",
    schema_version="1.0",
    shape=Correction,
    checks=(*SUMS, tenders_pay_the_total),
    effect="corrects",
    posts=None,
    summary="The whole new truth of an earlier transaction, which it names and whose type says what may be negative.",
    original="must",
)
