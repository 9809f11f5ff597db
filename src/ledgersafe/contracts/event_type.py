"""What a file of `contracts/events` says about one event type."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ledgersafe.contracts.envelope import Envelope
from ledgersafe.kernel.errors import Fault

Check = Callable[[Any, Decimal], Iterator[Fault]]
"""A rule over a well-formed event: (event, the currency's minor unit) → what is wrong with it."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type of one schema version: its shape, and the rules that a well-formed one must keep, in order."""

    name: str
    schema_version: str
    shape: type[Envelope]
    checks: tuple[Check, ...]
    summary: str
