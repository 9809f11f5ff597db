-- name: insert_arrivals
-- Why: arrays make one statement of a whole batch; every arrival is kept whatever becomes of it. The batch is noted along
-- with it: whoever follows (seals, gold) claims whole committed batches, because ids and times commit out of order.
WITH batch AS (
  INSERT INTO bronze.batches (tenant_id, batch_id, ids)
  VALUES (%(tenant_id)s, %(batch_id)s, %(raw_ids)s::uuid[])
)
INSERT INTO bronze.events_raw (
  tenant_id, raw_id, received_at, door, event_id, event_type, store_id, source_system, schema_version, occurred_at,
  source_event_id, txn_id, payload_hash, canonical_version, body, body_sha256, ce_headers, key_id)
SELECT %(tenant_id)s, a.raw_id, a.received_at, a.door, a.event_id, a.event_type, a.store_id, a.source_system,
       a.schema_version, a.occurred_at, a.source_event_id, a.txn_id, a.payload_hash, %(canonical_version)s, a.body,
       sha256(a.body), a.ce_headers::json, a.key_id
FROM unnest(
  %(raw_ids)s::uuid[], %(received_at)s::timestamptz[], %(doors)s::text[], %(event_ids)s::text[],
  %(event_types)s::text[], %(store_ids)s::text[], %(source_systems)s::text[], %(schema_versions)s::text[],
  %(occurred_at)s::timestamptz[], %(source_event_ids)s::text[], %(txn_ids)s::text[], %(payload_hashes)s::bytea[],
  %(bodies)s::bytea[], %(ce_headers)s::text[], %(key_ids)s::text[]
) AS a (raw_id, received_at, door, event_id, event_type, store_id, source_system, schema_version, occurred_at,
        source_event_id, txn_id, payload_hash, body, ce_headers, key_id)

-- name: insert_rejected
-- Why: what was refused at the door is shown to operators, so that no sender's fault goes unseen.
INSERT INTO bronze.rejected (tenant_id, rejected_id, received_at, door, key_id, reason_code, detail, body, body_bytes)
SELECT a.tenant_id, a.rejected_id, a.received_at, a.door, a.key_id, a.reason_code, a.detail, a.body, a.body_bytes
FROM unnest(
  %(tenant_ids)s::text[], %(rejected_ids)s::uuid[], %(received_at)s::timestamptz[], %(doors)s::text[],
  %(key_ids)s::text[], %(reason_codes)s::text[], %(details)s::text[], %(bodies)s::bytea[], %(body_bytes)s::bigint[]
) AS a (tenant_id, rejected_id, received_at, door, key_id, reason_code, detail, body, body_bytes)

-- name: arrivals_by_id
-- Why: a trace and an exception show the arrivals of one key, which the gate names by id.
SELECT raw_id, received_at, door, event_id, event_type, store_id, source_system, schema_version, occurred_at,
       source_event_id, txn_id, payload_hash, body, body_sha256, ce_headers, key_id
FROM bronze.events_raw
WHERE tenant_id = %(tenant_id)s AND raw_id = ANY(%(raw_ids)s::uuid[])
ORDER BY raw_id

-- name: count_arrivals
-- Why: the left side of "every arrival is accounted for".
SELECT tenant_id, count(*) AS number
FROM bronze.events_raw
WHERE %(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s
GROUP BY tenant_id

-- name: ensure_partition
-- Why: partitions are made ahead, through the one function that may, so that arrivals never fall into the default.
SELECT bronze.ensure_partition(%(suffix)s, %(lower_id)s, %(upper_id)s)

-- name: db_time
-- Why: db_time shows that the database answers, and how far its clock is from ours.
SELECT clock_timestamp() AS db_time

-- name: redact_body
-- Why: the one function that may change an arrival, and only its body.
SELECT bronze.redact_body(%(tenant_id)s, %(raw_id)s, %(replacement)s)

-- name: redact_rejected_body
-- Why: the same for a body that was refused at the door.
SELECT bronze.redact_rejected_body(%(tenant_id)s, %(rejected_id)s, %(replacement)s)

-- name: rejected_by_id
-- Why: to tell "not there" from "redacted already".
SELECT tenant_id, rejected_id, received_at, door, key_id, reason_code, detail, body, body_bytes
FROM bronze.rejected
WHERE tenant_id = %(tenant_id)s AND rejected_id = %(rejected_id)s

-- name: rejected_page
-- Why: keyset page: operators read what senders got wrong, latest first.
SELECT tenant_id, rejected_id, received_at, door, key_id, reason_code, detail, body, body_bytes
FROM bronze.rejected
WHERE (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))
  AND (%(reason_code)s::text IS NULL OR reason_code = %(reason_code)s)
  AND (%(before)s::uuid IS NULL OR rejected_id < %(before)s::uuid)
ORDER BY rejected_id DESC
LIMIT %(most)s
