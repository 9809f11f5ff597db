"""The statements of schema gate."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from ledgersafe.db import arrays
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.sql import Statements
from ledgersafe.gate.rules import Decision, Status

SQL = Statements(__package__ or "")


@dataclass(frozen=True, slots=True)
class Claim:
    """A first arrival that would own its key. `valid`: whether it is accepted if it does."""

    idempotency_key: str
    raw_id: str
    fingerprint: bytes
    valid: bool
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Key:
    """A row of gate.keys: a key, and its first payload."""

    idempotency_key: str
    raw_id: UUID
    fingerprint: bytes
    status: Status
    decision: Decision
    arrivals: int
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Payload:
    """One distinct payload of a key, the arrival that brought it first, and what was decided of it."""

    idempotency_key: str
    fingerprint: bytes
    raw_id: UUID
    decision: Decision


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """A source's own event id, and the key that carries it."""

    source_system: str
    source_event_id: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class KeyUpdate:
    """`more` arrivals of a key, and what it is after them."""

    idempotency_key: str
    more: int
    status: Status
    decision: Decision


@dataclass(frozen=True, slots=True)
class Counts:
    """How many arrivals and keys a tenant has."""

    tenant_id: str
    events_raw: int
    processed: int
    quarantined: int
    ignored: int
    exceptions_open: int


def claim_keys(tx: Tx, tenant_id: str, claims: Sequence[Claim]) -> Rows[str]:
    """Claim keys, sorted, for their first arrivals; returns those that were won."""
    parameters = {
        "tenant_id": tenant_id,
        "keys": arrays.texts([claim.idempotency_key for claim in claims]),
        "raw_ids": arrays.ids(claim.raw_id for claim in claims),
        "fingerprints": arrays.byteas([claim.fingerprint for claim in claims]),
        "valid": arrays.plain(claim.valid for claim in claims),
        "first_seen_at": arrays.instants(claim.first_seen_at for claim in claims),
    }
    return tx.scalars(str, SQL["claim_keys"], parameters)


def lock_keys(tx: Tx, tenant_id: str, keys: Sequence[str]) -> Rows[Key]:
    """Lock keys until the transaction ends, and read them."""
    return tx.query(Key, SQL["lock_keys"], {"tenant_id": tenant_id, "keys": arrays.texts(keys)})


def other_payloads(tx: Tx, tenant_id: str, keys: Sequence[str]) -> Rows[Payload]:
    """The payloads of these keys besides the first of each."""
    return tx.query(Payload, SQL["other_payloads"], {"tenant_id": tenant_id, "keys": arrays.texts(keys)})


def claim_source_events(tx: Tx, tenant_id: str, events: Sequence[SourceEvent], raw_ids: Sequence[str]) -> None:
    """Take sources' own event ids, sorted, for the keys that these arrivals have claimed; `raw_ids` go in parallel."""
    parameters = {
        "tenant_id": tenant_id,
        "source_systems": arrays.texts([event.source_system for event in events]),
        "source_event_ids": arrays.texts([event.source_event_id for event in events]),
        "keys": arrays.texts([event.idempotency_key for event in events]),
        "raw_ids": arrays.ids(raw_ids),
    }
    tx.execute(SQL["claim_source_events"], parameters)


def source_owners(tx: Tx, tenant_id: str, events: Sequence[SourceEvent]) -> Rows[SourceEvent]:
    """Which keys carry these sources' event ids."""
    parameters = {
        "tenant_id": tenant_id,
        "source_systems": arrays.texts([event.source_system for event in events]),
        "source_event_ids": arrays.texts([event.source_event_id for event in events]),
    }
    return tx.query(SourceEvent, SQL["source_owners"], parameters)


def update_keys(tx: Tx, tenant_id: str, updates: Sequence[KeyUpdate]) -> None:
    """Count further arrivals of locked keys, and set what they have become."""
    parameters = {
        "tenant_id": tenant_id,
        "keys": arrays.texts([update.idempotency_key for update in updates]),
        "more": arrays.plain(update.more for update in updates),
        "statuses": arrays.texts([update.status for update in updates]),
        "decisions": arrays.texts([update.decision for update in updates]),
    }
    tx.execute(SQL["update_keys"], parameters)


def insert_other_payloads(
    tx: Tx, tenant_id: str, keys: Sequence[str], fingerprints: Sequence[bytes], raw_ids: Sequence[str]
) -> None:
    """Remember further payloads of keys, undecided; the three go in parallel."""
    parameters = _keyed(tenant_id, keys, raw_ids) | {"fingerprints": arrays.byteas(fingerprints)}
    tx.execute(SQL["insert_other_payloads"], parameters)


def insert_later_arrivals(tx: Tx, tenant_id: str, keys: Sequence[str], raw_ids: Sequence[str]) -> None:
    """Note arrivals of keys after their first; the two go in parallel."""
    tx.execute(SQL["insert_later_arrivals"], _keyed(tenant_id, keys, raw_ids))


def insert_to_post(tx: Tx, tenant_id: str, keys: Sequence[str], raw_ids: Sequence[str]) -> None:
    """Put accepted arrivals on promote's work list; the two go in parallel."""
    tx.execute(SQL["insert_to_post"], _keyed(tenant_id, keys, raw_ids))


def add_to_counters(tx: Tx, slot: int, change: Counts) -> None:
    """Add to a tenant's counters, in this writer's slot."""
    tx.execute(SQL["add_to_counters"], asdict(change) | {"slot": slot})


def counters(tx: Tx, tenant_ids: Sequence[str] | None) -> Rows[Counts]:
    """The counters of these tenants, or of all."""
    return tx.query(Counts, SQL["counters"], {"tenant_ids": tenant_ids})


def key(tx: Tx, tenant_id: str, idempotency_key: str) -> Rows[Key]:
    """One key."""
    return tx.query(Key, SQL["key"], {"tenant_id": tenant_id, "key": idempotency_key})


def later_arrivals(tx: Tx, tenant_id: str, idempotency_key: str, most: int) -> Rows[UUID]:
    """The arrivals of one key after its first, at most so many."""
    return tx.scalars(UUID, SQL["later_arrivals"], {"tenant_id": tenant_id, "key": idempotency_key, "most": most})


def is_waiting_to_post(tx: Tx, tenant_id: str, raw_ids: Sequence[UUID]) -> Rows[bool]:
    """Whether promote has yet to post one of these arrivals."""
    return tx.scalars(bool, SQL["is_waiting_to_post"], {"tenant_id": tenant_id, "raw_ids": list(raw_ids)})


def count_keys(tx: Tx, tenant_id: str | None) -> Rows[Counts]:
    """The counts as the keys themselves have them; exceptions_open is what it must be: one a held key."""
    return tx.query(Counts, SQL["count_keys"], {"tenant_id": tenant_id})


def _keyed(tenant_id: str, keys: Sequence[str], raw_ids: Sequence[str]) -> dict[str, object]:
    """Parameters of statements about arrivals of keys; the two go in parallel."""
    return {"tenant_id": tenant_id, "keys": arrays.texts(keys), "raw_ids": arrays.ids(raw_ids)}
