-- name: insert
-- Why: every decision, of a person or of the system, is on record with the transaction that made it; so is its batch, which
-- is what seals claim.
WITH batches AS (
  INSERT INTO audit.batches (tenant_id, batch_id, ids)
  SELECT b.tenant_id, b.batch_id, b.ids::uuid[]
  FROM unnest(%(batch_tenants)s::text[], %(batch_ids)s::uuid[], %(batch_rows)s::text[]) AS b (tenant_id, batch_id, ids)
)
INSERT INTO audit.audit_log (
  tenant_id, audit_id, occurred_at, actor, action, object_type, object_id, before_json, after_json, notes)
SELECT a.tenant_id, a.audit_id, a.occurred_at, a.actor, a.action, a.object_type, a.object_id, a.before_json::json,
       a.after_json::json, a.notes
FROM unnest(
  %(tenant_ids)s::text[], %(audit_ids)s::uuid[], %(occurred_at)s::timestamptz[], %(actors)s::text[],
  %(actions)s::text[], %(object_types)s::text[], %(object_ids)s::text[], %(before)s::text[], %(after)s::text[],
  %(notes)s::text[]
) AS a (tenant_id, audit_id, occurred_at, actor, action, object_type, object_id, before_json, after_json, notes)

-- name: of_objects
-- Why: a trace shows what was decided of one key and its exceptions.
SELECT tenant_id, audit_id, occurred_at, actor, action, object_type, object_id, before_json, after_json, notes
FROM audit.audit_log
WHERE tenant_id = %(tenant_id)s AND object_type = %(object_type)s AND object_id = ANY(%(object_ids)s::text[])
ORDER BY audit_id

-- name: count_of_action
-- Why: no exception without an audit row: one side of that sum.
SELECT tenant_id, count(*) AS number
FROM audit.audit_log
WHERE action = %(action)s AND tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY tenant_id

-- name: page
-- Why: keyset page: who did what, by object, actor, action and time, oldest first.
SELECT tenant_id, audit_id, occurred_at, actor, action, object_type, object_id, before_json, after_json, notes
FROM audit.audit_log
WHERE (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))
  AND (%(object_type)s::text IS NULL OR object_type = %(object_type)s)
  AND (%(object_id)s::text IS NULL OR object_id = %(object_id)s)
  AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR occurred_at < %(until)s)
  AND (%(after_time)s::timestamptz IS NULL
       OR (occurred_at, audit_id) > (%(after_time)s::timestamptz, %(after_id)s::uuid))
ORDER BY occurred_at, audit_id
LIMIT %(most)s

-- name: page_latest_first
-- Why: keyset page: the same, latest first: what happened lately is what is asked for most.
SELECT tenant_id, audit_id, occurred_at, actor, action, object_type, object_id, before_json, after_json, notes
FROM audit.audit_log
WHERE (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))
  AND (%(object_type)s::text IS NULL OR object_type = %(object_type)s)
  AND (%(object_id)s::text IS NULL OR object_id = %(object_id)s)
  AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR occurred_at < %(until)s)
  AND (%(after_time)s::timestamptz IS NULL
       OR (occurred_at, audit_id) < (%(after_time)s::timestamptz, %(after_id)s::uuid))
ORDER BY occurred_at DESC, audit_id DESC
LIMIT %(most)s

-- name: leaves
-- Why: what a seal covers of each audit row, made of the row as it is now. One row for all, as with arrivals.
SELECT coalesce(string_agg(
         CASE WHEN a.audit_id IS NULL THEN decode(repeat('00', 32), 'hex') ELSE sha256('\x00'::bytea || convert_to(
           json_build_array(
             'audit', %(tenant_id)s::text, a.audit_id, extract(epoch FROM a.occurred_at)::text, a.actor, a.action,
             a.object_type, a.object_id, a.before_json::text, a.after_json::text, a.notes)::text,
           'UTF8')) END, ''::bytea ORDER BY w.position), ''::bytea) AS leaf_hashes,
       coalesce(string_agg(
         CASE WHEN a.audit_id IS NULL THEN 'm' WHEN a.occurred_at < %(late_before)s::timestamptz THEN 'l' ELSE '.' END,
         '' ORDER BY w.position), '') AS states,
       NULL::text[] AS header_hashes
FROM unnest(%(audit_ids)s::uuid[]) WITH ORDINALITY AS w (audit_id, position)
LEFT JOIN audit.audit_log a ON a.tenant_id = %(tenant_id)s AND a.audit_id = w.audit_id

-- name: tenants_with_new_batches
-- Why: the frequent look goes by index, tenant by tenant, and only over batches of lately.
SELECT t.tenant_id
FROM (SELECT tenant_id FROM tenants.tenants UNION SELECT '_system') AS t
WHERE EXISTS (
  SELECT FROM audit.sealable b
  WHERE b.kind = %(kind)s AND b.tenant_id = t.tenant_id AND b.batch_id > %(since_id)s
    AND NOT EXISTS (
      SELECT FROM audit.sealed_batches s
      WHERE s.tenant_id = b.tenant_id AND s.kind = %(kind)s AND s.batch_id = b.batch_id))
ORDER BY t.tenant_id

-- name: tenants_with_batches
-- Why: a sweep and a verification go from tenant to tenant, and leave none out.
SELECT tenant_id FROM audit.sealable WHERE kind = %(kind)s
UNION
SELECT tenant_id FROM audit.seals WHERE kind = %(kind)s AND number = 1
ORDER BY tenant_id

-- name: lock_chain
-- Why: one sealer at a time adds to a chain, so that it has no fork; the key of audit.seals says the same.
SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))

-- name: last_seal
-- Why: the next seal holds the hash of the last one.
SELECT tenant_id, kind, number, seal_id, format, previous_hash, merkle_root, batches_hash, rows, batches, sealed_at,
       swept_until, seal_hash
FROM audit.seals
WHERE tenant_id = %(tenant_id)s AND kind = %(kind)s
ORDER BY number DESC
LIMIT 1

-- name: window_end
-- Why: keyset page: a walk looks at so many batches at a time, sealed or not; every sweep begins at the first one again, so
-- that a batch which committed late is not passed over for good.
SELECT batch_id
FROM audit.sealable
WHERE kind = %(kind)s AND tenant_id = %(tenant_id)s AND batch_id > %(after)s
ORDER BY batch_id
OFFSET %(size)s
LIMIT 1

-- name: unsealed
-- Why: keyset page: the batches of a window that are in no seal, as many as one seal takes; a large one is taken whole.
SELECT p.batch_id,
       (SELECT coalesce(string_agg(uuid_send(i.id), ''::bytea ORDER BY i.position), ''::bytea)
        FROM unnest(p.ids) WITH ORDINALITY AS i (id, position)) AS row_ids
FROM (
  SELECT u.batch_id, u.ids, sum(cardinality(u.ids)) OVER (ORDER BY u.batch_id) - cardinality(u.ids) AS rows_before
  FROM (
    SELECT b.batch_id, b.ids
    FROM audit.sealable b
    WHERE b.kind = %(kind)s AND b.tenant_id = %(tenant_id)s AND b.batch_id > %(after)s AND b.batch_id <= %(until)s
      AND NOT EXISTS (
        SELECT FROM audit.sealed_batches s
        WHERE s.tenant_id = %(tenant_id)s AND s.kind = %(kind)s AND s.batch_id = b.batch_id)
    ORDER BY b.batch_id
    LIMIT %(most_batches)s) AS u
) AS p
WHERE p.rows_before < %(most_rows)s
ORDER BY p.batch_id

-- name: insert_seal
-- Why: a seal is never changed; what follows it holds its hash.
INSERT INTO audit.seals (
  tenant_id, kind, number, seal_id, format, previous_hash, merkle_root, batches_hash, rows, batches, sealed_at,
  swept_until, seal_hash)
VALUES (%(tenant_id)s, %(kind)s, %(number)s, %(seal_id)s, %(format)s, %(previous_hash)s, %(merkle_root)s,
        %(batches_hash)s, %(rows)s, %(batches)s, %(sealed_at)s, %(swept_until)s, %(seal_hash)s)

-- name: insert_sealed_batches
-- Why: the leaves are kept, so that an altered or missing row can be named.
INSERT INTO audit.sealed_batches (tenant_id, kind, batch_id, part, number, row_ids, leaf_hashes, header_hashes)
SELECT %(tenant_id)s, %(kind)s, l.batch_id, l.part, %(number)s, l.row_ids::uuid[], l.leaf_hashes, l.header_hashes::text[]
FROM unnest(%(batch_ids)s::uuid[], %(parts)s::integer[], %(row_ids)s::text[], %(leaf_hashes)s::bytea[],
            %(header_hashes)s::text[]) AS l (batch_id, part, row_ids, leaf_hashes, header_hashes)

-- name: seals_after
-- Why: keyset page: verification follows a chain from its first seal.
SELECT tenant_id, kind, number, seal_id, format, previous_hash, merkle_root, batches_hash, rows, batches, sealed_at,
       swept_until, seal_hash
FROM audit.seals
WHERE tenant_id = %(tenant_id)s AND kind = %(kind)s AND number > %(after)s
ORDER BY number
LIMIT %(most)s

-- name: seals_before
-- Why: keyset page: people read a chain from its newest seal.
SELECT tenant_id, kind, number, seal_id, format, previous_hash, merkle_root, batches_hash, rows, batches, sealed_at,
       swept_until, seal_hash
FROM audit.seals
WHERE tenant_id = %(tenant_id)s AND kind = %(kind)s
  AND (%(before)s::bigint IS NULL OR number < %(before)s::bigint)
ORDER BY number DESC
LIMIT %(most)s

-- name: sealed_batches_after
-- Why: keyset page: the leaves in the order of their seals, as many as memory is to hold. A sweep that ended after the
-- seal that follows it was made by a clock that was ahead, and tells nothing.
SELECT p.number, p.batch_id, p.part, p.leaf_hashes, p.header_hashes,
       CASE WHEN v.swept_until > s.sealed_at THEN NULL ELSE v.swept_until END AS late_before,
       (SELECT coalesce(string_agg(uuid_send(i.id), ''::bytea ORDER BY i.position), ''::bytea)
        FROM unnest(p.row_ids) WITH ORDINALITY AS i (id, position)) AS row_ids
FROM (
  SELECT u.*, sum(cardinality(u.row_ids)) OVER (ORDER BY u.number, u.batch_id, u.part) - cardinality(u.row_ids) AS rows_before
  FROM (
    SELECT number, batch_id, part, row_ids, leaf_hashes, header_hashes
    FROM audit.sealed_batches
    WHERE tenant_id = %(tenant_id)s AND kind = %(kind)s
      AND (number, batch_id, part) > (%(number)s::bigint, %(batch_id)s::uuid, %(part)s::integer)
    ORDER BY number, batch_id, part
    LIMIT %(most_batches)s) AS u
) AS p
LEFT JOIN audit.seals v ON v.tenant_id = %(tenant_id)s AND v.kind = %(kind)s AND v.number = p.number - 1
LEFT JOIN audit.seals s ON s.tenant_id = %(tenant_id)s AND s.kind = %(kind)s AND s.number = p.number
WHERE p.rows_before < %(most_rows)s
ORDER BY p.number, p.batch_id, p.part

-- name: batches_by_id
-- Why: what a seal took from a batch is held against what the batch says now.
SELECT b.batch_id,
       (SELECT coalesce(string_agg(uuid_send(i.id), ''::bytea ORDER BY i.position), ''::bytea)
        FROM unnest(b.ids) WITH ORDINALITY AS i (id, position)) AS row_ids
FROM audit.sealable b
WHERE b.kind = %(kind)s AND b.tenant_id = %(tenant_id)s AND b.batch_id = ANY(%(batch_ids)s::uuid[])

-- name: rows_in_no_batch
-- Why: whoever puts a row in past the application forgets its batch.
SELECT r.row_id
FROM audit.sealable_rows r
WHERE r.kind = %(kind)s AND r.tenant_id = %(tenant_id)s
  AND NOT EXISTS (
    SELECT FROM (SELECT b.tenant_id, unnest(b.ids) AS row_id FROM audit.sealable b
                 WHERE b.kind = %(kind)s AND b.tenant_id = %(tenant_id)s) AS known
    WHERE known.tenant_id = r.tenant_id AND known.row_id = r.row_id)
  AND NOT EXISTS (
    SELECT FROM (SELECT s.tenant_id, unnest(s.row_ids) AS row_id FROM audit.sealed_batches s
                 WHERE s.kind = %(kind)s AND s.tenant_id = %(tenant_id)s) AS sealed
    WHERE sealed.tenant_id = r.tenant_id AND sealed.row_id = r.row_id)
LIMIT %(most)s

-- name: redacted
-- Why: a redaction that nobody owns up to is a deletion.
SELECT object_id
FROM audit.audit_log
WHERE tenant_id = %(tenant_id)s AND object_type = 'arrival' AND object_id = ANY(%(object_ids)s::text[])
  AND action = 'arrival.redacted'

-- name: allow_seconds
-- Why: one statement of a verification looks at every row of a tenant.
SELECT set_config('statement_timeout', %(milliseconds)s::text, true)

-- name: latest_seals
-- Why: a chain to which nothing is added any more is seen by how old its last seal is; the oldest first.
SELECT t.tenant_id, k.kind, s.number, s.sealed_at, s.swept_until
FROM (SELECT tenant_id FROM tenants.tenants UNION SELECT '_system') AS t
CROSS JOIN unnest(ARRAY['arrivals', 'audit']) AS k (kind)
CROSS JOIN LATERAL (
  SELECT l.number, l.sealed_at, l.swept_until
  FROM audit.seals l
  WHERE l.tenant_id = t.tenant_id AND l.kind = k.kind
  ORDER BY l.number DESC
  LIMIT 1) AS s
WHERE %(tenant_ids)s::text[] IS NULL OR t.tenant_id = ANY(%(tenant_ids)s::text[])
ORDER BY s.sealed_at, t.tenant_id, k.kind
LIMIT %(most)s
