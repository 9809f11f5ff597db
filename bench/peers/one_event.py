"""One event as plain statements: the rows that Ledgersafe writes, with a parameter a value and no arrays."""

from typing import Any
from uuid import UUID

from ledgersafe.kernel.canonical import CANONICALISATION_VERSION
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.accept import Outcome
from ledgersafe.pipeline.arrival import Arrival

RAW = """
INSERT INTO bronze.events_raw (
  tenant_id, raw_id, received_at, door, event_id, event_type, store_id, source_system, schema_version, occurred_at,
  source_event_id, txn_id, payload_hash, canonical_version, body, body_sha256, ce_headers, key_id)
VALUES (%(tenant_id)s, %(raw_id)s, %(received_at)s, %(door)s, %(event_id)s, %(event_type)s, %(store_id)s,
        %(source_system)s, %(schema_version)s, %(occurred_at)s, %(source_event_id)s, %(txn_id)s, %(payload_hash)b,
        %(canonical_version)s, %(body)b, sha256(%(body)b), NULL, %(key_id)s)
"""
BATCH = "INSERT INTO bronze.batches (tenant_id, batch_id, ids) VALUES (%(tenant_id)s, %(batch_id)s, ARRAY[%(raw_id)s])"
CLAIM = """
INSERT INTO gate.events_processed (
  tenant_id, idempotency_key, status, first_seen_at, last_seen_at, first_raw_id, last_raw_id, payload_hash_first,
  payload_hash_last, first_decision, processed_at)
VALUES (%(tenant_id)s, %(event_id)s, 'processed', %(received_at)s, %(received_at)s, %(raw_id)s, %(raw_id)s,
        %(payload_hash)b, %(payload_hash)b, 'accepted', %(received_at)s)
ON CONFLICT (tenant_id, idempotency_key) DO NOTHING
RETURNING 1
"""
TO_POST = """
INSERT INTO gate.to_post (tenant_id, raw_id, idempotency_key)
SELECT %(tenant_id)s, %(raw_id)s, %(event_id)s
WHERE EXISTS (SELECT FROM gate.events_processed
              WHERE tenant_id = %(tenant_id)s AND idempotency_key = %(event_id)s AND first_raw_id = %(raw_id)s)
"""
COUNT = """
INSERT INTO gate.counters AS c (tenant_id, slot, events_raw, processed, quarantined, ignored, exceptions_open)
VALUES (%(tenant_id)s, %(slot)s, 1, 1, 0, 0, 0)
ON CONFLICT (tenant_id, slot) DO UPDATE SET events_raw = c.events_raw + 1, processed = c.processed + 1
"""
SINGLE = f"""
WITH raw AS ({RAW}), batch AS ({BATCH}), claimed AS ({CLAIM}), posted AS (
  INSERT INTO gate.to_post (tenant_id, raw_id, idempotency_key)
  SELECT %(tenant_id)s, %(raw_id)s, %(event_id)s FROM claimed
), counted AS ({COUNT})
SELECT 1 FROM claimed
"""  # noqa: S608 - constants of this file


def check(claimed: int, committed: bool) -> None:
    """Each key is sent once here; what to answer to a second one is left out, which makes this peer faster."""
    if claimed != 1 or not committed:
        raise RuntimeError("a key came twice, or its transaction was not committed")


def parameters(arrival: Arrival, raw_id: str, slot: int) -> dict[str, Any]:
    """What the statements need; `slot`: the connection's row of the counters."""
    columns = arrival.columns
    return {
        "tenant_id": arrival.tenant_id,
        "raw_id": UUID(raw_id),
        "batch_id": UUID(new_id()),
        "received_at": arrival.received_at,
        "door": arrival.door,
        "event_id": arrival.event_id,
        "event_type": columns.event_type,
        "store_id": columns.store_id,
        "source_system": columns.source_system,
        "schema_version": columns.schema_version,
        "occurred_at": columns.occurred_at,
        "source_event_id": columns.source_event_id,
        "txn_id": columns.txn_id,
        "payload_hash": arrival.fingerprint,
        "canonical_version": CANONICALISATION_VERSION,
        "body": arrival.body,
        "key_id": arrival.key_id,
        "slot": slot,
    }


def processed(arrival: Arrival, raw_id: str) -> Outcome:
    """What the sender is told."""
    return Outcome(
        tenant_id=arrival.tenant_id,
        event_id=arrival.event_id,
        raw_id=raw_id,
        first_raw_id=raw_id,
        first_seen_at=arrival.received_at,
        status=201,
        result="processed",
    )
