"""A tenant with sealed traffic; the rules of seals once more in Python; and how a superuser would rewrite a chain."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from ledgersafe.audit.rules import Digest, Seal, hash_of
from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.pipeline.accept import accept
from ledgersafe.pipeline.seal import Sealed, seal
from ledgersafe.pipeline.verify_seals import ChainCheck, verify_seals
from tests.events import sale
from tests.pipeline.arrivals import arrival

LONG_AGO = datetime(2026, 2, 25, 12, tzinfo=UTC)
NOW = LONG_AGO + timedelta(days=30)


def received(db: Database, tenant: str, names: Sequence[str], at: datetime = LONG_AGO, **also: Any) -> dict[str, str]:
    """One batch of arrivals; by name, their raw_id. A name that begins with "faulty" is parked, and so audited."""
    events = [
        sale(tenant, name, **({"total_amount": 1} if name.startswith("faulty") else {}), **also) for name in names
    ]
    outcomes = accept(db, [arrival(event, received_at=at) for event in events], slot=0)
    return {outcome.event_id: outcome.raw_id for outcome in outcomes}


def sealed(db: Database, tenant: str, now: datetime = NOW, **also: Any) -> list[Sealed]:
    """A sweep over one tenant."""
    made = seal(db, ManualClock(now), tenant_id=tenant, **also)
    assert [each.error for each in made if each.error] == []
    return made


def check(db: Database, tenant: str, kind: str = "arrivals") -> ChainCheck:
    """What verification says of one chain."""
    return next(each for each in verify_seals(db, datetime.now(UTC), tenant) if each.kind == kind)


def named(found: ChainCheck) -> list[tuple[str, str | int | None]]:
    """(fault, the row or else the seal that it is about) of each."""
    return [(each.name, str(each.row_id) if each.row_id else each.seal) for each in found.faults]


def assert_clean(db: Database, tenant: str) -> None:
    assert {each.kind: named(each) for each in verify_seals(db, datetime.now(UTC), tenant)} == {
        "arrivals": [],
        "audit": [],
    }


def arrival_leaf(row: dict[str, Any]) -> bytes:
    """The leaf of a row of bronze.events_raw, as docs/seals.md says."""
    headers = None if row["ce_headers"] is None else sha256(row["ce_headers"].encode()).hexdigest()
    facts = ["arrival", row["tenant_id"], str(row["raw_id"]), _seconds(row["received_at"])]
    facts += [row[name] for name in ("door", "event_id", "event_type", "store_id", "source_system", "schema_version")]
    facts += [_seconds(row["occurred_at"]), row["source_event_id"], row["txn_id"], row["payload_hash"].hex()]
    facts += [row["canonical_version"], row["key_id"], sha256(row["body"]).hexdigest(), headers]
    return _leaf(facts)


def audit_leaf(row: dict[str, Any]) -> bytes:
    """The leaf of a row of audit.audit_log."""
    facts = ["audit", row["tenant_id"], str(row["audit_id"]), _seconds(row["occurred_at"])]
    facts += [
        row[name] for name in ("actor", "action", "object_type", "object_id", "before_json", "after_json", "notes")
    ]
    return _leaf(facts)


def _leaf(facts: list[Any]) -> bytes:
    return sha256(b"\x00" + json.dumps(facts, ensure_ascii=False).encode()).digest()


def _seconds(instant: datetime | None) -> str | None:
    if instant is None:
        return None
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return f"{since.days * 86400 + since.seconds}.{since.microseconds:06d}"


def rows_of(connection: psycopg.Connection, table: str, tenant: str) -> list[dict[str, Any]]:
    """Every row of a tenant; JSON as its text."""
    casts = {
        "bronze.events_raw": "ce_headers::text AS ce_headers",
        "audit.audit_log": "before_json::text AS before_json, after_json::text AS after_json",
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(f"SELECT *, {casts[table]} FROM {table} WHERE tenant_id = %s", [tenant]).fetchall()


def forge(superuser: psycopg.Connection, tenant: str, kind: str = "arrivals") -> None:
    """Rewrite a chain so that it fits the rows as they are now: all that a superuser can do."""
    table, leaf, key = (
        ("bronze.events_raw", arrival_leaf, "raw_id")
        if kind == "arrivals"
        else ("audit.audit_log", audit_leaf, "audit_id")
    )
    leaves = {row[key]: leaf(row) for row in rows_of(superuser, table, tenant)}
    whose = [tenant, kind]
    with superuser.cursor(row_factory=class_row(Seal)) as cursor:
        seals = cursor.execute(
            "SELECT * FROM audit.seals WHERE tenant_id = %s AND kind = %s ORDER BY number", whose
        ).fetchall()
    previous: Seal | None = None
    for seal_row in seals:
        batches: list[tuple[UUID, list[UUID]]] = superuser.execute(
            "SELECT batch_id, row_ids FROM audit.sealed_batches WHERE tenant_id = %s AND kind = %s AND number = %s ORDER BY batch_id",
            [*whose, seal_row.number],
        ).fetchall()
        digest = Digest()
        for batch_id, row_ids in batches:
            hashes = b"".join(leaves[row_id] for row_id in row_ids)
            superuser.execute(
                "UPDATE audit.sealed_batches SET leaf_hashes = %s WHERE tenant_id = %s AND kind = %s AND batch_id = %s",
                [hashes, *whose, batch_id],
            )
            digest.add(batch_id, hashes)
        made = replace(
            seal_row,
            merkle_root=digest.merkle_root(),
            previous_hash=previous.seal_hash if previous else seal_row.previous_hash,
        )
        previous = replace(made, seal_hash=hash_of(made))
        superuser.execute(
            "UPDATE audit.seals SET merkle_root = %s, previous_hash = %s, seal_hash = %s WHERE tenant_id = %s AND kind = %s AND number = %s",
            [previous.merkle_root, previous.previous_hash, previous.seal_hash, *whose, seal_row.number],
        )
