"""What is to be posted: an accepted arrival, typed anew from its stored bytes and the patch laid over it."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import msgspec

from ledgersafe.bronze.store import StoredRaw
from ledgersafe.contracts.envelope import read_special
from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.events import event_types
from ledgersafe.contracts.items import ItemisedEvent, Line
from ledgersafe.kernel.money import minor_unit
from ledgersafe.pipeline.arrival import Mapped, patched, read_again
from ledgersafe.tenants.rules import SCOPES, Credential
from ledgersafe.tenants.store import BookSettings, Store

SYSTEM = Credential("system", None, None, frozenset(SCOPES))
"""Who reads what was accepted: it was allowed to come in when it came."""


class Candidate(msgspec.Struct, frozen=True):
    """A valid event on its way into the books. `books_date`: the day that an operator chose for it.

    `was_posted`: another payload of its key stands in the books, which this one replaces.
    """

    event_id: str
    raw_id: UUID
    event: Any
    contract: EventType
    currency: str
    unit: Decimal
    country: str | None
    store: Store | None
    books_date: date | None = None
    was_posted: bool = False


class Accepted(msgspec.Struct, frozen=True):
    """An arrival whose payload counts, with what an operator decided along with it."""

    stored: StoredRaw
    patch: dict[str, Any] | None = None
    books_date: date | None = None
    was_posted: bool = False


def mapped(accepted: Accepted, tenant_id: str) -> Mapped:
    """The event of an accepted arrival. Raises RequestRefused (its body is redacted)."""
    found = read_again(accepted.stored, tenant_id, SYSTEM, accepted.stored.received_at)
    return found if accepted.patch is None else patched(found, accepted.patch)


def candidate(
    accepted: Accepted, event: Mapping[str, Any], settings: BookSettings, stores: Mapping[str, Store]
) -> Candidate:
    """Type a mapped event. Raises msgspec.ValidationError or KeyError: its contract has changed since."""
    contract = event_types()[event["event_type"]]
    typed: Any = msgspec.convert(event, contract.shape, dec_hook=read_special)
    store = stores.get(typed.store_id)
    currency = typed.currency or (store.currency if store is not None else None) or settings.currency or ""
    return Candidate(
        event_id=typed.event_id,
        raw_id=accepted.stored.raw_id,
        event=typed,
        contract=contract,
        currency=currency,
        unit=minor_unit(currency),
        country=_country(event) or (store.country if store is not None else None),
        store=store,
        books_date=accepted.books_date,
        was_posted=accepted.was_posted,
    )


def numbered(event: ItemisedEvent) -> list[tuple[int, Line]]:
    """The lines with their numbers: as sent, and for those without (or with one that is taken) the next free ones."""
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


def _country(event: Mapping[str, Any]) -> str | None:
    metadata = event.get("metadata")
    found = cast("dict[str, Any]", metadata).get("country") if isinstance(metadata, dict) else None
    return found if isinstance(found, str) and found and "\x00" not in found else None
