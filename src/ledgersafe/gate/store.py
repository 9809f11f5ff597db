"""The statements of schema gate."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from uuid import UUID

import msgspec

from ledgersafe.db import arrays
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.rows import Days, Findings, TenantCount
from ledgersafe.db.sql import Statements
from ledgersafe.gate.rules import Decision, Status

SQL = Statements(__package__ or "")


class Key(msgspec.Struct):
    """A row of gate.events_processed: a key, with its first payload. Changed in memory while it is locked.

    Ids are UUIDs where they were read, and text where they were just made.
    """

    idempotency_key: str
    status: Status
    arrivals: int
    first_seen_at: datetime
    last_seen_at: datetime
    first_raw_id: UUID | str
    last_raw_id: UUID | str
    payload_hash_first: bytes
    payload_hash_last: bytes
    first_decision: Decision
    processed_at: datetime | None
    posted_at: datetime | None
    last_error_code: str | None
    last_exception_id: UUID | str | None

    def first_payload(self) -> "Payload":
        """The payload that stands in the key's own row."""
        raw_id = UUID(str(self.first_raw_id))
        return Payload(self.idempotency_key, self.payload_hash_first, raw_id, self.first_decision)


@dataclass(frozen=True, slots=True)
class Payload:
    """One distinct payload of a key, the arrival that brought it first, and what was decided of it."""

    idempotency_key: str
    fingerprint: bytes
    raw_id: UUID
    decision: Decision


@dataclass(frozen=True, slots=True)
class KeyArrival:
    """An arrival of a key."""

    idempotency_key: str
    raw_id: UUID


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """A source's own event id, and the key that carries it."""

    source_system: str
    source_event_id: str
    idempotency_key: str


class ToPost(msgspec.Struct, frozen=True, gc=False):
    """An accepted arrival that waits to be posted. `was_posted`: another payload of its key is in the books."""

    raw_id: str
    idempotency_key: str
    attempts: int
    was_posted: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How many arrivals and keys a tenant has."""

    tenant_id: str
    events_raw: int
    processed: int
    quarantined: int
    ignored: int
    exceptions_open: int


@dataclass(frozen=True, slots=True)
class UnpostedEvents:
    """Events of a trading day of a store that are not in the books, by why; `disputed` ones are, in another payload."""

    store_id: str
    books_date: date
    arrived: int
    parked: int
    waiting: int
    ignored: int
    disputed: int


@dataclass(frozen=True, slots=True)
class PostedOfMinute:
    """How much went into the books in one of the minutes that were asked for, the first of which is 1."""

    minute: int
    postings: int
    reversals: int


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a posting of one of the minutes asked for took from arrival to books; it stands for `weight` of them."""

    minute: int
    weight: int
    seconds: float


def claim_keys(tx: Tx, tenant_id: str, keys: Sequence[Key], *, arrivals: int, slot: int) -> Rows[str]:
    """Claim new keys, sorted, for their first arrivals; returns those that were won.

    What is won and valid goes on promote's work list. Counted, in the writer's slot: all `arrivals`, the keys that were
    won by status, and one open exception for each of them that is quarantined.
    """
    parameters = _state(tenant_id, keys) | {
        "slot": slot,
        "events_raw": arrivals,
        "first_seen_at": arrays.instants(key.first_seen_at for key in keys),
        "first_raw_ids": arrays.plain(key.first_raw_id for key in keys),
        "payload_hashes_first": arrays.byteas([key.payload_hash_first for key in keys]),
    }
    return tx.scalars(str, SQL["claim_keys"], parameters)


def lock_keys(tx: Tx, tenant_id: str, keys: Sequence[str]) -> Rows[Key]:
    """Lock keys until the transaction ends, and read them."""
    return tx.query(Key, SQL["lock_keys"], {"tenant_id": tenant_id, "keys": arrays.texts(keys)})


def arrivals_of_keys(tx: Tx, tenant_id: str, keys: Sequence[str]) -> Rows[KeyArrival]:
    """All arrivals of those of these keys that were seen."""
    return tx.query(KeyArrival, SQL["arrivals_of_keys"], {"tenant_id": tenant_id, "keys": arrays.texts(keys)})


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


def update_keys(tx: Tx, tenant_id: str, keys: Sequence[Key]) -> None:
    """Write what locked keys have become."""
    parameters = _state(tenant_id, keys) | {
        "arrivals": arrays.plain(key.arrivals for key in keys),
        "last_seen_at": arrays.instants(key.last_seen_at for key in keys),
        "last_raw_ids": arrays.plain(key.last_raw_id for key in keys),
        "payload_hashes_last": arrays.byteas([key.payload_hash_last for key in keys]),
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


def counters(tx: Tx, tenant_ids: Sequence[str] | None, most: int | None = None) -> Rows[Counts]:
    """The counters of these tenants, or of all; at most so many tenants."""
    return tx.query(Counts, SQL["counters"], {"tenant_ids": tenant_ids, "most": most})


def counter_totals(tx: Tx, tenant_ids: Sequence[str] | None) -> Rows[Counts]:
    """The sums of the counters of these tenants, or of all; one row, whose tenant_id is empty."""
    return tx.query(Counts, SQL["counter_totals"], {"tenant_ids": tenant_ids})


def key(tx: Tx, tenant_id: str, idempotency_key: str) -> Rows[Key]:
    """One key."""
    return tx.query(Key, SQL["key"], {"tenant_id": tenant_id, "key": idempotency_key})


def later_arrivals(tx: Tx, tenant_id: str, idempotency_key: str, most: int) -> Rows[UUID]:
    """The arrivals of one key after its first, at most so many."""
    return tx.scalars(UUID, SQL["later_arrivals"], {"tenant_id": tenant_id, "key": idempotency_key, "most": most})


def is_waiting_to_post(tx: Tx, tenant_id: str, raw_ids: Sequence[UUID]) -> Rows[bool]:
    """Whether promote has yet to post one of these arrivals."""
    return tx.scalars(bool, SQL["is_waiting_to_post"], {"tenant_id": tenant_id, "raw_ids": list(raw_ids)})


def count_keys(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Counts]:
    """What the counters of these tenants must say, counted from the keys."""
    return tx.query(Counts, SQL["count_keys"], {"tenant_ids": list(tenant_ids)})


def decide_other_payloads(tx: Tx, tenant_id: str, decided: Sequence[tuple[str, bytes, Decision]]) -> None:
    """Set what was decided of payloads after the first of their key: (key, fingerprint, decision)."""
    parameters = {
        "tenant_id": tenant_id,
        "keys": arrays.texts([key for key, _, _ in decided]),
        "fingerprints": arrays.byteas([fingerprint for _, fingerprint, _ in decided]),
        "decisions": arrays.texts([decision for _, _, decision in decided]),
    }
    tx.execute(SQL["decide_other_payloads"], parameters)


def take_source_events(tx: Tx, tenant_id: str, events: Sequence[SourceEvent]) -> None:
    """Take sources' own event ids, sorted, for keys that are locked."""
    parameters = {
        "tenant_id": tenant_id,
        "source_systems": arrays.texts([event.source_system for event in events]),
        "source_event_ids": arrays.texts([event.source_event_id for event in events]),
        "keys": arrays.texts([event.idempotency_key for event in events]),
    }
    tx.execute(SQL["take_source_events"], parameters)


def delete_to_post(tx: Tx, tenant_id: str, raw_ids: Sequence[str]) -> None:
    """Take arrivals off promote's work list."""
    tx.execute(SQL["delete_to_post"], {"tenant_id": tenant_id, "raw_ids": arrays.ids(raw_ids)})


def tenants_to_post(tx: Tx) -> Rows[str]:
    """The tenants with something to post."""
    return tx.scalars(str, SQL["tenants_to_post"], {})


def claim_to_post(
    tx: Tx, tenant_id: str, now: datetime, latest: datetime, most: int, only: Sequence[str] | None = None
) -> Rows[ToPost]:
    """Hold some of what a tenant has to post and nobody else holds; `only`: of these arrivals.

    `latest`: what is put off until later than this was put off by a clock that was wrong.
    """
    raw_ids = None if only is None else arrays.ids(only)
    parameters = {"tenant_id": tenant_id, "now": now, "latest": latest, "most": most, "raw_ids": raw_ids}
    return tx.query(ToPost, SQL["claim_to_post"], parameters)


def note_posted(tx: Tx, tenant_id: str, keys: Sequence[str], raw_ids: Sequence[str], now: datetime) -> None:
    """Note that keys (sorted) are posted, by these arrivals."""
    tx.execute(SQL["note_posted"], _keyed(tenant_id, keys, raw_ids) | {"now": now})


def put_off(tx: Tx, tenant_id: str, raw_ids: Sequence[str], not_before: datetime) -> None:
    """Count a failed attempt to post these arrivals, and say when to try again."""
    tx.execute(SQL["put_off"], {"tenant_id": tenant_id, "raw_ids": arrays.ids(raw_ids), "not_before": not_before})


def count_posted(tx: Tx, tenant_ids: Sequence[str]) -> Rows[TenantCount]:
    """How many keys of each of these tenants are posted."""
    return tx.query(TenantCount, SQL["count_posted"], {"tenant_ids": list(tenant_ids)})


def count_to_post(tx: Tx, tenant_ids: Sequence[str]) -> Rows[TenantCount]:
    """How many arrivals of each of these tenants wait to be posted."""
    return tx.query(TenantCount, SQL["count_to_post"], {"tenant_ids": list(tenant_ids)})


def lost(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Accepted keys that are neither posted nor on the work list."""
    return tx.query(Findings, SQL["lost"], {"tenant_ids": list(tenant_ids)})


def to_post_again(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Keys on the work list with a payload that is in the books."""
    return tx.query(Findings, SQL["to_post_again"], {"tenant_ids": list(tenant_ids)})


def untrue_statuses(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Keys whose status does not follow from what was decided of their payloads."""
    return tx.query(Findings, SQL["untrue_statuses"], {"tenant_ids": list(tenant_ids)})


def untrue_payloads(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Keys of which another payload than the one that counts is in the books or waits to be posted, or none, or two."""
    return tx.query(Findings, SQL["untrue_payloads"], {"tenant_ids": list(tenant_ids)})


def without_arrival(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Keys that name an arrival which is not there: as the first, as a later one, or as that of a payload."""
    return tx.query(Findings, SQL["without_arrival"], {"tenant_ids": list(tenant_ids)})


def tenants(tx: Tx, after: str, most: int) -> Rows[str]:
    """Tenants with any key or counter, from the one after this on; not in order, and up to twice as many."""
    return tx.scalars(str, SQL["tenants"], {"after": after, "most": most})


def unposted_by_day(tx: Tx, tenant_id: str, days: Days) -> Rows[UnpostedEvents]:
    """How many events of a tenant are not in the books, by store and trading day."""
    return tx.query(UnpostedEvents, SQL["unposted_by_day"], {"tenant_id": tenant_id, **days.parameters()})


def _state(tenant_id: str, keys: Sequence[Key]) -> dict[str, object]:
    """The parameters that say what keys are."""
    return {
        "tenant_id": tenant_id,
        "keys": arrays.texts([key.idempotency_key for key in keys]),
        "statuses": arrays.texts([key.status for key in keys]),
        "first_decisions": arrays.texts([key.first_decision for key in keys]),
        "processed_at": arrays.instants(key.processed_at for key in keys),
        "error_codes": arrays.texts([key.last_error_code for key in keys]),
        "exception_ids": arrays.plain(key.last_exception_id for key in keys),
    }


def _keyed(tenant_id: str, keys: Sequence[str], raw_ids: Sequence[str]) -> dict[str, object]:
    """Parameters of statements about arrivals of keys; the two go in parallel."""
    return {"tenant_id": tenant_id, "keys": arrays.texts(keys), "raw_ids": arrays.ids(raw_ids)}


def posted_by_minute(
    tx: Tx, tenant_ids: Sequence[str] | None, starts: Sequence[datetime], until: datetime
) -> Rows[PostedOfMinute]:
    """How much was posted in each of the minutes that begin then, up to `until`."""
    times = {"starts": arrays.instants(starts), "since": starts[0], "until": until}
    return tx.query(PostedOfMinute, SQL["posted_by_minute"], {"tenant_ids": tenant_ids} | times)


def latency(tx: Tx, tenant_ids: Sequence[str] | None, starts: Sequence[datetime], batches: int) -> Rows[Latency]:
    """How long it took of some of what was posted in the minutes that begin then: of the last `batches` of each."""
    parameters = {"tenant_ids": tenant_ids, "starts": arrays.instants(starts), "batches": batches}
    return tx.query(Latency, SQL["latency"], parameters)


def oldest_to_post(tx: Tx, tenant_ids: Sequence[str] | None) -> Rows[datetime]:
    """When the oldest arrived of what waits to be posted; no row where nothing does."""
    return tx.scalars(datetime, SQL["oldest_to_post"], {"tenant_ids": tenant_ids})


def count_waiting(tx: Tx, tenant_ids: Sequence[str] | None, most: int) -> Rows[int]:
    """How many wait to be posted; `most`: so many, or more."""
    return tx.scalars(int, SQL["count_waiting"], {"tenant_ids": tenant_ids, "most": most})
