"""VOID: a transaction of the same business date is undone, before the day is closed."""

from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.reversal import Reversal, carries_no_lines

EVENT_TYPE = EventType(
    name="VOID",
    schema_version="1.0",
    shape=Reversal,
    checks=(carries_no_lines,),
    effect="undoes",
    posts=None,
    summary="Undoes a transaction of the same business date.",
    original="must",
    same_day=True,
)
