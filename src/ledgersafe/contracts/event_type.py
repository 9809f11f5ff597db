"""What a file of `contracts/events` says about one event type."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from ledgersafe.contracts.envelope import Envelope
from ledgersafe.contracts.posting import Leg
from ledgersafe.kernel.errors import Fault

Effect = Literal["originates", "corrects", "undoes"]
"""What an event does to transactions: it is one of its own, gives another a new truth, or takes another back."""

Check = Callable[[Any, Decimal], Iterator[Fault]]
"""A rule over a well-formed event: (event, the currency's minor unit) → what is wrong with it."""

Posts = Callable[[Any, Decimal], list[Leg]]
"""What a well-formed event posts: (event, the currency's minor unit) → legs in balance."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type of one schema version: its shape, the rules that a well-formed one must keep, and what it posts.

    `posts` is None where the event posts by another's rule: a correction by that of what it corrects.
    """

    name: str
    schema_version: str
    shape: type[Envelope]
    checks: tuple[Check, ...]
    effect: Effect
    posts: Posts | None
    summary: str
