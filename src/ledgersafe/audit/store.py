"""The statements of schema audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from ledgersafe.audit.rules import Kind, Seal
from ledgersafe.db import arrays
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.rows import Leaves, TenantCount
from ledgersafe.db.sql import Statements
from ledgersafe.kernel.ids import new_id

SQL = Statements(__package__ or "")

SYSTEM = "system"
"""The actor of what Ledgersafe decides by itself."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision. `before`, `after`: JSON-ready facts of the object, None where there are none."""

    tenant_id: str
    occurred_at: datetime
    actor: str
    action: str
    object_type: str
    object_id: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    notes: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A row of audit.audit_log."""

    tenant_id: str
    audit_id: UUID
    occurred_at: datetime
    actor: str
    action: str
    object_type: str
    object_id: str
    before_json: Any
    after_json: Any
    notes: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which decisions are meant; None is no filter. `after`: (occurred_at, audit_id) of the last one seen."""

    tenant_ids: Sequence[str] | None = None
    object_type: str | None = None
    object_id: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that seals are made of; `row_ids`: 16 bytes each, one after the other."""

    batch_id: UUID
    row_ids: bytes


@dataclass(frozen=True, slots=True)
class SealedPart:
    """Rows of a batch in a seal, in parallel: ids of 16 bytes each, leaf hashes of 32, header hashes (hex) if any.

    `late_before`: what the seal before it had swept until; a row that is older was not there then.
    """

    number: int
    batch_id: UUID
    part: int
    row_ids: bytes
    leaf_hashes: bytes
    header_hashes: list[str | None] | None
    late_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """One tenant's seals of one kind."""

    tenant_id: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class LatestSeal:
    """When something was last added to a chain."""

    tenant_id: str
    kind: Kind
    number: int
    sealed_at: datetime
    swept_until: datetime | None


def insert(tx: Tx, entries: Sequence[Entry]) -> None:
    """Record decisions; those of one tenant are a batch."""
    audit_ids = [new_id() for _ in entries]
    batches: dict[str, list[str]] = {}
    for entry, audit_id in zip(entries, audit_ids, strict=True):
        batches.setdefault(entry.tenant_id, []).append(audit_id)
    parameters = {
        "batch_tenants": arrays.texts(list(batches)),
        "batch_ids": arrays.ids(ids[0] for ids in batches.values()),
        "batch_rows": arrays.texts([arrays.ids(ids) for ids in batches.values()]),
        "tenant_ids": arrays.texts([entry.tenant_id for entry in entries]),
        "audit_ids": arrays.ids(audit_ids),
        "occurred_at": arrays.instants(entry.occurred_at for entry in entries),
        "actors": arrays.texts([entry.actor for entry in entries]),
        "actions": arrays.texts([entry.action for entry in entries]),
        "object_types": arrays.texts([entry.object_type for entry in entries]),
        "object_ids": arrays.texts([entry.object_id for entry in entries]),
        "before": arrays.texts([_json(entry.before) for entry in entries]),
        "after": arrays.texts([_json(entry.after) for entry in entries]),
        "notes": arrays.texts([entry.notes for entry in entries]),
    }
    tx.execute(SQL["insert"], parameters)


def of_objects(tx: Tx, tenant_id: str, object_type: str, object_ids: Sequence[str]) -> Rows[StoredEntry]:
    """What was decided of these objects, oldest first."""
    parameters = {"tenant_id": tenant_id, "object_type": object_type, "object_ids": object_ids}
    return tx.query(StoredEntry, SQL["of_objects"], parameters)


def count_of_action(tx: Tx, action: str, tenant_ids: Sequence[str]) -> Rows[TenantCount]:
    """How often this action was taken, in each of these tenants."""
    return tx.query(TenantCount, SQL["count_of_action"], {"action": action, "tenant_ids": list(tenant_ids)})


def page(tx: Tx, chosen: Filter, most: int) -> Rows[StoredEntry]:
    """One page of decisions, oldest first."""
    return tx.query(StoredEntry, SQL["page"], _chosen(chosen, most))


def page_latest_first(tx: Tx, chosen: Filter, most: int) -> Rows[StoredEntry]:
    """One page of decisions, latest first."""
    return tx.query(StoredEntry, SQL["page_latest_first"], _chosen(chosen, most))


def _chosen(chosen: Filter, most: int) -> dict[str, Any]:
    after_time, after_id = chosen.after or (None, None)
    return {
        "tenant_ids": chosen.tenant_ids,
        "object_type": chosen.object_type,
        "object_id": chosen.object_id,
        "actor": chosen.actor,
        "action": chosen.action,
        "since": chosen.since,
        "until": chosen.until,
        "after_time": after_time,
        "after_id": after_id,
        "most": most,
    }


def leaves(tx: Tx, tenant_id: str, audit_ids: bytes, late_before: datetime | None) -> Rows[Leaves]:
    """These audit rows (ids of 16 bytes each) as seals see them. `late_before`: older ones are "l"."""
    parameters = {"tenant_id": tenant_id, "audit_ids": arrays.packed_ids(audit_ids), "late_before": late_before}
    return tx.query(Leaves, SQL["leaves"], parameters)


def tenants_with_new_batches(tx: Tx, kind: Kind, since_id: UUID) -> Rows[str]:
    """Tenants with a batch after this id that is in no seal."""
    return tx.scalars(str, SQL["tenants_with_new_batches"], {"kind": kind, "since_id": since_id})


def tenants_with_batches(tx: Tx, kind: Kind) -> Rows[str]:
    """Every tenant that has a batch or a seal."""
    return tx.scalars(str, SQL["tenants_with_batches"], {"kind": kind})


def lock_chain(tx: Tx, chain: Chain) -> None:
    """Be the only one to add to a chain, until the transaction ends."""
    tx.execute(SQL["lock_chain"], {"name": f"audit.seals.{chain.kind}/{chain.tenant_id}"})


def last_seal(tx: Tx, chain: Chain) -> Rows[Seal]:
    """The newest seal of a chain."""
    return tx.query(Seal, SQL["last_seal"], _of(chain))


def window_end(tx: Tx, chain: Chain, after: UUID, size: int) -> Rows[UUID]:
    """The batch that comes so many after this one; none where there are not so many."""
    return tx.scalars(UUID, SQL["window_end"], _of(chain) | {"after": after, "size": size - 1})


def unsealed(tx: Tx, chain: Chain, after: UUID, until: UUID, *, most_batches: int, most_rows: int) -> Rows[Batch]:
    """Batches after one and up to another that are in no seal; with the last of them, there may be more rows."""
    limits = {"after": after, "until": until, "most_batches": most_batches, "most_rows": most_rows}
    return tx.query(Batch, SQL["unsealed"], _of(chain) | limits)


def insert_seal(tx: Tx, seal: Seal) -> None:
    """Add a seal to its chain."""
    parameters = {
        "tenant_id": seal.tenant_id,
        "kind": seal.kind,
        "number": seal.number,
        "seal_id": seal.seal_id,
        "format": seal.format,
        "previous_hash": seal.previous_hash,
        "merkle_root": seal.merkle_root,
        "batches_hash": seal.batches_hash,
        "rows": seal.rows,
        "batches": seal.batches,
        "sealed_at": seal.sealed_at,
        "swept_until": seal.swept_until,
        "seal_hash": seal.seal_hash,
    }
    tx.execute(SQL["insert_seal"], parameters)


def insert_sealed_batches(tx: Tx, chain: Chain, number: int, parts: Sequence[SealedPart]) -> None:
    """Keep the leaves of a seal."""
    headers = [None if part.header_hashes is None else arrays.plain(part.header_hashes) for part in parts]
    parameters = {
        "number": number,
        "batch_ids": arrays.ids(str(part.batch_id) for part in parts),
        "parts": arrays.plain(part.part for part in parts),
        "row_ids": arrays.texts([arrays.packed_ids(part.row_ids) for part in parts]),
        "leaf_hashes": arrays.byteas([part.leaf_hashes for part in parts]),
        "header_hashes": arrays.texts(headers),
    }
    tx.execute(SQL["insert_sealed_batches"], _of(chain) | parameters)


def seals_after(tx: Tx, chain: Chain, after: int, most: int) -> Rows[Seal]:
    """Seals with higher numbers, lowest first."""
    return tx.query(Seal, SQL["seals_after"], _of(chain) | {"after": after, "most": most})


def seals_before(tx: Tx, chain: Chain, before: int | None, most: int) -> Rows[Seal]:
    """Seals with lower numbers, or the newest ones; highest first."""
    return tx.query(Seal, SQL["seals_before"], _of(chain) | {"before": before, "most": most})


def sealed_batches_after(
    tx: Tx, chain: Chain, after: tuple[int, UUID, int], *, most_batches: int, most_rows: int
) -> Rows[SealedPart]:
    """Leaves in the order of (number, batch, part), after these; with the last of them, there may be more rows."""
    number, batch_id, part = after
    start = {"number": number, "batch_id": batch_id, "part": part}
    limits = {"most_batches": most_batches, "most_rows": most_rows}
    return tx.query(SealedPart, SQL["sealed_batches_after"], _of(chain) | start | limits)


def batches_by_id(tx: Tx, chain: Chain, batch_ids: Sequence[UUID]) -> Rows[Batch]:
    """These batches as they are now."""
    return tx.query(Batch, SQL["batches_by_id"], _of(chain) | {"batch_ids": list(batch_ids)})


def rows_in_no_batch(tx: Tx, chain: Chain, most: int) -> Rows[UUID]:
    """Rows that no batch names, and no seal; it reads all of a tenant's."""
    return tx.scalars(UUID, SQL["rows_in_no_batch"], _of(chain) | {"most": most})


def redacted(tx: Tx, tenant_id: str, raw_ids: Sequence[UUID]) -> Rows[str]:
    """Which of these arrivals an audit row says were redacted."""
    return tx.scalars(str, SQL["redacted"], {"tenant_id": tenant_id, "object_ids": [str(one) for one in raw_ids]})


def latest_seals(tx: Tx, tenant_ids: Sequence[str] | None, most: int) -> Rows[LatestSeal]:
    """The last seal of each chain, those first that were made longest ago."""
    return tx.query(LatestSeal, SQL["latest_seals"], {"tenant_ids": tenant_ids, "most": most})


def allow_seconds(tx: Tx, seconds: float) -> None:
    """Let statements of this transaction take so long."""
    tx.execute(SQL["allow_seconds"], {"milliseconds": int(seconds * 1000)})


def _of(chain: Chain) -> dict[str, Any]:
    return {"tenant_id": chain.tenant_id, "kind": chain.kind}


def _json(facts: dict[str, Any] | None) -> str | None:
    return None if facts is None else orjson.dumps(facts, default=str).decode()
