"""CANCEL: a transaction is undone at any later time."""

from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.reversal import Reversal, carries_no_lines

EVENT_TYPE = EventType(
    name="CANCEL",
    schema_version="1.0",
    shape=Reversal,
    checks=(carries_no_lines,),
    effect="undoes",
    posts=None,
    summary="Undoes a transaction, at any time.",
    original="must",
)
