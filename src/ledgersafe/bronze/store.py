"""The statements of schema bronze."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from ledgersafe.db import arrays
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.rows import Findings, Leaves, MinuteCount, TenantCount
from ledgersafe.db.sql import Statements
from ledgersafe.kernel.canonical import CANONICALISATION_VERSION

SQL = Statements(__package__ or "")


class Raw(msgspec.Struct, frozen=True):
    """A row of bronze.events_raw, as it is written. Columns are None where the event had no usable value."""

    raw_id: str
    received_at: datetime
    door: str
    event_id: str
    event_type: str | None
    store_id: str | None
    source_system: str | None
    schema_version: str | None
    occurred_at: datetime | None
    source_event_id: str | None
    txn_id: str | None
    payload_hash: bytes
    body: bytes
    ce_headers: str | None
    key_id: str | None


@dataclass(frozen=True, slots=True)
class StoredRaw:
    """A row of bronze.events_raw, as it is read."""

    raw_id: UUID
    received_at: datetime
    door: str
    event_id: str
    event_type: str | None
    store_id: str | None
    source_system: str | None
    schema_version: str | None
    occurred_at: datetime | None
    source_event_id: str | None
    txn_id: str | None
    payload_hash: bytes
    body: bytes
    body_sha256: bytes
    ce_headers: Any
    key_id: str | None


class Body(msgspec.Struct, frozen=True, gc=False):
    """What posting needs of a row of bronze.events_raw."""

    raw_id: str
    event_id: str
    event_type: str | None
    door: str
    received_at: datetime
    ce_headers: Any
    body: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row of bronze.rejected. `body`: at most its first 64 KiB; `body_bytes`: its whole size, where known."""

    tenant_id: str
    rejected_id: str
    received_at: datetime
    door: str
    key_id: str | None
    reason_code: str
    detail: str
    body: bytes
    body_bytes: int | None


@dataclass(frozen=True, slots=True)
class StoredRejected:
    """A row of bronze.rejected, as it is read."""

    tenant_id: str
    rejected_id: UUID
    received_at: datetime
    door: str
    key_id: str | None
    reason_code: str
    detail: str
    body: bytes
    body_bytes: int | None


def insert_arrivals(tx: Tx, tenant_id: str, batch_id: str, rows: Sequence[Raw]) -> None:
    """Keep the arrivals of one tenant that one transaction commits: a batch."""
    tx.execute(
        SQL["insert_arrivals"],
        {
            "tenant_id": tenant_id,
            "batch_id": batch_id,
            "canonical_version": CANONICALISATION_VERSION,
            "raw_ids": arrays.ids(row.raw_id for row in rows),
            "received_at": arrays.instants(row.received_at for row in rows),
            "doors": arrays.texts([row.door for row in rows]),
            "event_ids": arrays.texts([row.event_id for row in rows]),
            "event_types": arrays.texts([row.event_type for row in rows]),
            "store_ids": arrays.texts([row.store_id for row in rows]),
            "source_systems": arrays.texts([row.source_system for row in rows]),
            "schema_versions": arrays.texts([row.schema_version for row in rows]),
            "occurred_at": arrays.instants(row.occurred_at for row in rows),
            "source_event_ids": arrays.texts([row.source_event_id for row in rows]),
            "txn_ids": arrays.texts([row.txn_id for row in rows]),
            "payload_hashes": arrays.byteas([row.payload_hash for row in rows]),
            "bodies": arrays.byteas([row.body for row in rows]),
            "ce_headers": arrays.texts([row.ce_headers for row in rows]),
            "key_ids": arrays.texts([row.key_id for row in rows]),
        },
    )


def insert_rejected(tx: Tx, rows: Sequence[Rejected]) -> None:
    """Keep bodies that were refused at the door."""
    tx.execute(
        SQL["insert_rejected"],
        {
            "tenant_ids": arrays.texts([row.tenant_id for row in rows]),
            "rejected_ids": arrays.ids(row.rejected_id for row in rows),
            "received_at": arrays.instants(row.received_at for row in rows),
            "doors": arrays.texts([row.door for row in rows]),
            "key_ids": arrays.texts([row.key_id for row in rows]),
            "reason_codes": arrays.texts([row.reason_code for row in rows]),
            "details": arrays.texts([row.detail for row in rows]),
            "bodies": arrays.byteas([row.body for row in rows]),
            "body_bytes": arrays.plain(row.body_bytes for row in rows),
        },
    )


def arrivals_by_id(tx: Tx, tenant_id: str, raw_ids: Sequence[UUID]) -> Rows[StoredRaw]:
    """These arrivals, in the order of their ids."""
    return tx.query(StoredRaw, SQL["arrivals_by_id"], {"tenant_id": tenant_id, "raw_ids": list(raw_ids)})


def bodies(tx: Tx, tenant_id: str, raw_ids: Sequence[str], most_bytes: int) -> Rows[Body]:
    """These arrivals (sorted), as far as they come to so many bytes: the first in any case."""
    parameters = {
        "tenant_id": tenant_id,
        "raw_ids": arrays.ids(raw_ids),
        "first": raw_ids[0],
        "last": raw_ids[-1],
        "most_bytes": most_bytes,
    }
    return tx.query(Body, SQL["bodies"], parameters, binary=True)


def altered(tx: Tx, tenant_id: str, raw_ids: Sequence[str]) -> Rows[str]:
    """Which of these arrivals have another body than the one that came, redacted ones too."""
    return tx.scalars(str, SQL["altered"], {"tenant_id": tenant_id, "raw_ids": arrays.ids(raw_ids)})


def count_arrivals(tx: Tx, tenant_ids: Sequence[str]) -> Rows[TenantCount]:
    """How many arrivals each of these tenants has."""
    return tx.query(TenantCount, SQL["count_arrivals"], {"tenant_ids": list(tenant_ids)})


def without_key(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Arrivals of no key, and those of which their key does not know, or not their payload."""
    return tx.query(Findings, SQL["without_key"], {"tenant_ids": list(tenant_ids)})


def tenants(tx: Tx, after: str, most: int) -> Rows[str]:
    """Tenants with any arrival, in order, from the one after this on."""
    return tx.scalars(str, SQL["tenants"], {"after": after, "most": most})


def ensure_partition(tx: Tx, suffix: str, lower_id: UUID, upper_id: UUID) -> bool:
    """Make the partition of a month (suffix YYYYMM), if it is not there. Returns whether it was made."""
    parameters = {"suffix": suffix, "lower_id": lower_id, "upper_id": upper_id}
    return tx.scalars(bool, SQL["ensure_partition"], parameters).one()


def db_time(tx: Tx) -> Rows[datetime]:
    """The database's own clock."""
    return tx.scalars(datetime, SQL["db_time"])


def redact_body(tx: Tx, tenant_id: str, raw_id: UUID) -> Rows[bool]:
    """Make an arrival's body unreadable, where the audit log says who does it; returns whether anything changed."""
    return tx.scalars(bool, SQL["redact_body"], {"tenant_id": tenant_id, "raw_id": raw_id})


def redact_rejected_body(tx: Tx, tenant_id: str, rejected_id: UUID) -> Rows[bool]:
    """The same for a body that was refused at the door."""
    return tx.scalars(bool, SQL["redact_rejected_body"], {"tenant_id": tenant_id, "rejected_id": rejected_id})


def rejected_by_id(tx: Tx, tenant_id: str, rejected_id: UUID) -> Rows[StoredRejected]:
    """One rejected body."""
    return tx.query(StoredRejected, SQL["rejected_by_id"], {"tenant_id": tenant_id, "rejected_id": rejected_id})


def rejected_page(
    tx: Tx, tenant_ids: Sequence[str] | None, reason_code: str | None, before: UUID | None, most: int
) -> Rows[StoredRejected]:
    """One page of rejected bodies, latest first; `before` is the last id seen."""
    parameters = {"tenant_ids": tenant_ids, "reason_code": reason_code, "before": before, "most": most}
    return tx.query(StoredRejected, SQL["rejected_page"], parameters)


def leaves(
    tx: Tx,
    tenant_id: str,
    raw_ids: bytes,
    *,
    replacement: bytes,
    header_hashes: Sequence[str | None] = (),
    late_before: datetime | None = None,
) -> Rows[Leaves]:
    """These arrivals (ids of 16 bytes each) as seals see them. `late_before`: older ones are "l".

    `replacement`: the body of a redacted one, whose headers have the hash that is given in parallel.
    """
    parameters = {
        "tenant_id": tenant_id,
        "raw_ids": arrays.packed_ids(raw_ids),
        "replacement": replacement,
        "header_hashes": arrays.texts(header_hashes),
        "late_before": late_before,
    }
    return tx.query(Leaves, SQL["leaves"], parameters)


def arrivals_by_minute(
    tx: Tx, tenant_ids: Sequence[str] | None, starts: Sequence[UUID], until: UUID
) -> Rows[MinuteCount]:
    """How many arrivals were committed in each minute. `starts`: the first id of each, `until`: that after the last."""
    parameters = {"tenant_ids": tenant_ids, "starts": arrays.plain(starts), "since": starts[0], "until": until}
    return tx.query(MinuteCount, SQL["arrivals_by_minute"], parameters)
