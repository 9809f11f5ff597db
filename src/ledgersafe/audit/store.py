"""The statements of schema audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from ledgersafe.db import arrays
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.rows import TenantCount
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


def insert(tx: Tx, entries: Sequence[Entry]) -> None:
    """Record decisions."""
    parameters = {
        "tenant_ids": arrays.texts([entry.tenant_id for entry in entries]),
        "audit_ids": arrays.ids(new_id() for _ in entries),
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


def count_of_action(tx: Tx, action: str, tenant_id: str | None) -> Rows[TenantCount]:
    """How many decisions of a kind each tenant (or one) has."""
    return tx.query(TenantCount, SQL["count_of_action"], {"action": action, "tenant_id": tenant_id})


def page(tx: Tx, chosen: Filter, most: int) -> Rows[StoredEntry]:
    """One page of decisions, oldest first."""
    after_time, after_id = chosen.after or (None, None)
    parameters = {
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
    return tx.query(StoredEntry, SQL["page"], parameters)


def _json(facts: dict[str, Any] | None) -> str | None:
    return None if facts is None else orjson.dumps(facts, default=str).decode()
