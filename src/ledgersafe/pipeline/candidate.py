"""What is to be posted: an accepted arrival, typed anew from its stored bytes and the patch laid over it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast

import msgspec

from ledgersafe.bronze.store import Body, StoredRaw
from ledgersafe.contracts.envelope import read_special
from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.events import event_types
from ledgersafe.contracts.items import ItemisedEvent, Line
from ledgersafe.contracts.stored import read_stored
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.money import Coins, coins
from ledgersafe.kernel.reasons import Reason
from ledgersafe.pipeline.arrival import patched, read_again
from ledgersafe.silver.store import Name
from ledgersafe.tenants.rules import SCOPES, Credential, PastCurrency, currency_then
from ledgersafe.tenants.store import BookSettings, Store

SYSTEM = Credential("system", None, None, frozenset(SCOPES))
"""Who reads what was accepted: it was allowed to come in when it came."""


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A valid event on its way into the books. `books_date`: the day that an operator chose for it.

    `was_posted`: another payload of its key stands in the books, which this one replaces.
    """

    event_id: str
    raw_id: str
    event: Any
    contract: EventType
    currency: str
    coins: Coins
    country: str | None
    store: Store | None
    books_date: date | None = None
    was_posted: bool = False


class Dated(msgspec.Struct, frozen=True, gc=False):
    """A candidate with the trading day of its store."""

    of: Candidate
    day: date


class Unposted(msgspec.Struct, frozen=True):
    """What cannot be posted: why, and what it waits for if it only came too early."""

    fault: Fault
    waits_for: Name | None = None


class Refused(Exception):
    """A candidate that cannot be posted."""

    def __init__(self, reason: Reason, path: str, message: str, waits_for: Name | None = None) -> None:
        super().__init__(message)
        self.unposted = Unposted(Fault(reason, path, message), waits_for)


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """An arrival whose payload counts, with what an operator decided along with it."""

    stored: Body
    patch: dict[str, Any] | None = None
    books_date: date | None = None
    was_posted: bool = False


def body_of(stored: StoredRaw) -> Body:
    """What posting needs of an arrival that was read whole."""
    return Body(
        raw_id=str(stored.raw_id),
        event_id=stored.event_id,
        event_type=stored.event_type,
        door=stored.door,
        received_at=stored.received_at,
        ce_headers=stored.ce_headers,
        body=stored.body,
    )


def typed(accepted: Accepted, tenant_id: str) -> Any:
    """The event of an accepted arrival, in the shape of its type.

    Raises RequestRefused (its body is redacted), msgspec.ValidationError or KeyError (its contract has changed since).
    """
    stored = accepted.stored
    found = read_stored(stored.door, stored.event_type, stored.body) if accepted.patch is None else None
    if found is not None:
        return found
    mapped = read_again(stored, tenant_id, SYSTEM, stored.received_at)
    event = mapped.event if accepted.patch is None else patched(mapped, accepted.patch).event
    shape: Any = event_types()[event["event_type"]].shape
    return msgspec.convert(event, shape, dec_hook=read_special)


def candidate(
    accepted: Accepted,
    event: Any,
    settings: BookSettings,
    stores: Mapping[str, Store],
    past: Sequence[PastCurrency] = (),
) -> Candidate:
    """A typed event as it goes into the books. `past`: the currencies that were replaced since it came."""
    store = stores.get(event.store_id)
    currency = event.currency or currency_then(
        past,
        accepted.stored.received_at,
        event.store_id,
        store.currency if store is not None else None,
        settings.currency,
    )
    currency = currency or ""
    return Candidate(
        event_id=event.event_id,
        raw_id=accepted.stored.raw_id,
        event=event,
        contract=event_types()[event.event_type],
        currency=currency,
        coins=coins(currency),
        country=_country(event.metadata) or (store.country if store is not None else None),
        store=store,
        books_date=accepted.books_date,
        was_posted=accepted.was_posted,
    )


def numbered(event: ItemisedEvent) -> Collection[tuple[int, Line]]:
    """The lines with their numbers: as sent, and for those without (or with one that is taken) the next free ones."""
    by_number = {line.line_no: line for line in event.line_items}
    if None not in by_number and len(by_number) == len(event.line_items):
        return cast("Collection[tuple[int, Line]]", by_number.items())
    return _numbered_anew(event)


def _numbered_anew(event: ItemisedEvent) -> list[tuple[int, Line]]:
    taken: set[int] = set()
    numbers: list[int | None] = []
    for line in event.line_items:
        is_free = line.line_no is not None and line.line_no not in taken
        numbers.append(line.line_no if is_free else None)
        if is_free and line.line_no is not None:
            taken.add(line.line_no)
    following = 1
    found: list[tuple[int, Line]] = []
    for number, line in zip(numbers, event.line_items, strict=True):
        if number is None:
            while following in taken:
                following += 1
            taken.add(following)
            number = following
        found.append((number, line))
    return found


@lru_cache(maxsize=20_000)
def product_key(sku: str, gtin: str | None, name: str | None, brand: str | None) -> str:
    """The first 16 bytes of SHA-256 over what a line says of its product, each part with its length before it.

    As hex. Stores sell the same things all day, so it is remembered.
    """
    parts = (sku, gtin or "", name or "", brand or "")
    return sha256("".join([f"{len(part)}:{part}" for part in parts]).encode()).hexdigest()[:32]


_LONGEST_COUNTRY = 100
"""A longer text is no country; the store's counts then."""


def _country(metadata: Mapping[str, Any] | None) -> str | None:
    found = None if metadata is None else metadata.get("country")
    usable = isinstance(found, str) and 0 < len(found) <= _LONGEST_COUNTRY and "\x00" not in found
    return found if usable else None
