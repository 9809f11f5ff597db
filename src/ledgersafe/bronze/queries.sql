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

-- name: bodies
-- Why: what is to be posted, in the order of its arrival, and no more at once than one transaction should take. The bounds
-- leave most partitions out; a window knows what the events before each come to.
SELECT raw_id::text AS raw_id, event_id, event_type, door, received_at, ce_headers, body
FROM (
  SELECT raw_id, event_id, event_type, door, received_at, ce_headers, body,
         sum(octet_length(body)) OVER (ORDER BY raw_id) - octet_length(body) AS bytes_before
  FROM bronze.events_raw
  WHERE tenant_id = %(tenant_id)s AND raw_id = ANY(%(raw_ids)s::uuid[])
    AND raw_id BETWEEN %(first)s::uuid AND %(last)s::uuid) AS r
WHERE bytes_before < %(most_bytes)s
ORDER BY raw_id

-- name: altered
-- Why: what is held against bodies is held against what arrived, and not against what somebody put in its place.
SELECT raw_id::text
FROM bronze.events_raw
WHERE tenant_id = %(tenant_id)s AND raw_id = ANY(%(raw_ids)s::uuid[]) AND sha256(body) <> body_sha256

-- name: count_arrivals
-- Why: the left side of "every arrival is accounted for".
SELECT tenant_id, count(*) AS number
FROM bronze.events_raw
WHERE tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY tenant_id

-- name: ensure_partition
-- Why: partitions are made ahead, through the one function that may, so that arrivals never fall into the default.
SELECT bronze.ensure_partition(%(suffix)s, %(lower_id)s, %(upper_id)s)

-- name: db_time
-- Why: db_time shows that the database answers, and how far its clock is from ours.
SELECT clock_timestamp() AS db_time

-- name: redact_body
-- Why: the one function that may change an arrival, and only its body.
SELECT bronze.redact_body(%(tenant_id)s, %(raw_id)s)

-- name: redact_rejected_body
-- Why: the same for a body that was refused at the door.
SELECT bronze.redact_rejected_body(%(tenant_id)s, %(rejected_id)s)

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

-- name: tenants
-- Why: keyset page: verification goes from tenant to tenant; a loose scan costs one index probe each.
WITH RECURSIVE found AS (
  (SELECT tenant_id FROM bronze.events_raw WHERE tenant_id > %(after)s ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT r.tenant_id FROM bronze.events_raw r WHERE r.tenant_id > f.tenant_id ORDER BY r.tenant_id LIMIT 1)
  FROM found f
  WHERE f.tenant_id IS NOT NULL
)
SELECT tenant_id FROM found WHERE tenant_id IS NOT NULL LIMIT %(most)s

-- name: without_key
-- Why: an arrival that no key knows of would be answered as new, and is in nobody's count; one that its key does not know
-- of is in no trace; and a payload that its key does not know of would be held again, whatever was decided of it. All
-- three in one pass: what it costs is to read what arrived.
SELECT r.tenant_id, count(*) AS number, (array_agg(r.raw_id::text ORDER BY r.raw_id))[1:20] AS examples
FROM bronze.events_raw r
LEFT JOIN gate.events_processed k
  ON k.tenant_id = r.tenant_id AND k.idempotency_key = r.event_id AND k.tenant_id = ANY(%(tenant_ids)s::text[])
LEFT JOIN gate.later_arrivals l
  ON l.tenant_id = r.tenant_id AND l.idempotency_key = r.event_id AND l.raw_id = r.raw_id
 AND l.tenant_id = ANY(%(tenant_ids)s::text[])
LEFT JOIN gate.other_payloads o
  ON o.tenant_id = r.tenant_id AND o.idempotency_key = r.event_id AND o.fingerprint = r.payload_hash
 AND o.tenant_id = ANY(%(tenant_ids)s::text[])
WHERE r.tenant_id = ANY(%(tenant_ids)s::text[])
  AND (k.tenant_id IS NULL OR (k.first_raw_id <> r.raw_id AND l.tenant_id IS NULL)
    OR (k.payload_hash_first <> r.payload_hash AND o.tenant_id IS NULL))
GROUP BY r.tenant_id

-- name: leaves
-- Why: what a seal covers of each arrival, made of the row and its body as they are now. Of a redacted body, the hash that
-- was recorded at its arrival counts, and of its headers the one that the seal kept. One row for all: it costs a third.
SELECT coalesce(string_agg(r.leaf_hash, ''::bytea ORDER BY r.position), ''::bytea) AS leaf_hashes,
       coalesce(string_agg(r.state, '' ORDER BY r.position), '') AS states,
       CASE WHEN count(r.header_hash) > 0 THEN array_agg(r.header_hash ORDER BY r.position) END AS header_hashes
FROM (
  SELECT w.position, k.header_hash,
         CASE WHEN e.raw_id IS NULL THEN decode(repeat('00', 32), 'hex') ELSE sha256('\x00'::bytea || convert_to(
           json_build_array(
             'arrival', %(tenant_id)s::text, e.raw_id, extract(epoch FROM e.received_at)::text, e.door, e.event_id,
             e.event_type, e.store_id, e.source_system, e.schema_version, extract(epoch FROM e.occurred_at)::text,
             e.source_event_id, e.txn_id, encode(e.payload_hash, 'hex'), e.canonical_version, e.key_id,
             encode(CASE WHEN k.is_redacted THEN e.body_sha256 ELSE h.body_hash END, 'hex'), k.header_hash)::text,
           'UTF8')) END AS leaf_hash,
         CASE WHEN e.raw_id IS NULL THEN 'm' WHEN h.body_hash <> e.body_sha256 AND NOT k.is_redacted THEN 'b'
              WHEN e.received_at < %(late_before)s::timestamptz THEN 'l' WHEN k.is_redacted THEN 'r' ELSE '.' END AS state
  FROM unnest(%(raw_ids)s::uuid[], %(header_hashes)s::text[]) WITH ORDINALITY AS w (raw_id, header_hash, position)
  LEFT JOIN bronze.events_raw e ON e.tenant_id = %(tenant_id)s AND e.raw_id = w.raw_id
  CROSS JOIN LATERAL (SELECT sha256(e.body) AS body_hash OFFSET 0) h
  CROSS JOIN LATERAL (
    SELECT h.body_hash <> e.body_sha256 AND e.body = %(replacement)s AS is_redacted,
           CASE WHEN e.ce_headers IS NOT NULL THEN encode(sha256(convert_to(e.ce_headers::text, 'UTF8')), 'hex')
                WHEN h.body_hash <> e.body_sha256 AND e.body = %(replacement)s THEN w.header_hash END AS header_hash
    OFFSET 0) k
  OFFSET 0
) r

-- name: arrivals_by_minute
-- Why: how much comes in, for a chart: counted by batches, of which there are few, and by the time that their ids carry.
-- OFFSET 0: each tenant's batches are found by their key.
SELECT b.minute, sum(b.arrivals)::bigint AS number
FROM tenants.tenants t
CROSS JOIN LATERAL (
  SELECT width_bucket(c.batch_id, %(starts)s::uuid[]) AS minute, cardinality(c.ids) AS arrivals
  FROM bronze.batches c
  WHERE c.tenant_id = t.tenant_id AND c.batch_id >= %(since)s::uuid AND c.batch_id < %(until)s::uuid
  OFFSET 0) AS b
WHERE %(tenant_ids)s::text[] IS NULL OR t.tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY b.minute
