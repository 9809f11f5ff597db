"""What a file of `contracts/events` says about one event type."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ledgersafe.contracts.envelope import Envelope
from ledgersafe.contracts.posting import Leg, Paid, Sums
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.money import Coins

Effect = Literal["originates", "corrects", "undoes"]
"""What an event does to transactions: it is one of its own, gives another a new truth, or takes another back."""

Check = Callable[[Any, Coins], Iterator[Fault]]
"""A rule over a well-formed event: (event, the coins of its currency) → what is wrong with it."""

Posts = Callable[[Sums, Sequence[Paid]], list[Leg]]
"""What a well-formed event posts: (its sums, how it was paid) → legs in balance."""

Original = Literal["none", "may", "must"]
"""Whether an event acts on a transaction that came before it, which it names: never, where it names one, or always."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type of one schema version: its shape, the rules that a well-formed one must keep, and what it posts.

    `posts` is None where the event posts by another's rule: a correction by that of what it corrects, whose checks it
    must keep as well. That is for posting to see: the door does not know the type of what it corrects.
    `same_day`: only on the business date of its original. `gives_back`: its lines are taken from those of its original,
    which must be of a type that `sells`.
    """

    name: str
    schema_version: str
    shape: type[Envelope]
    checks: tuple[Check, ...]
    effect: Effect
    posts: Posts | None
    summary: str
    original: Original = "none"
    same_day: bool = False
    gives_back: bool = False
    sells: bool = False
