-- name: pending
-- Why: work is found by what is not applied, so that a batch that commits late is not skipped. `since` only spares the
-- frequent look a walk over all batches; a sweep looks at all of them.
SELECT b.tenant_id, w.table_name, b.batch_id
FROM silver.batches b
CROSS JOIN unnest(%(tables)s::text[]) AS w (table_name)
WHERE b.posted_at >= coalesce(%(since)s::timestamptz, '-infinity')
  AND (%(tenant_id)s::text IS NULL OR b.tenant_id = %(tenant_id)s)
  AND NOT EXISTS (
    SELECT FROM gold.applied a
    WHERE a.tenant_id = b.tenant_id AND a.table_name = w.table_name AND a.batch_id = b.batch_id)
LIMIT %(most)s

-- name: lock
-- Why: one refresh of a table at a time, so that two never wait for each other's rows crosswise.
SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))

-- name: claim
-- Why: the key of this table is what keeps a batch from being counted twice, whoever else is at it.
INSERT INTO gold.applied (tenant_id, table_name, batch_id)
SELECT %(tenant_id)s, %(table_name)s, a.batch_id
FROM unnest(%(batch_ids)s::uuid[]) AS a (batch_id)
ORDER BY a.batch_id
ON CONFLICT (tenant_id, table_name, batch_id) DO NOTHING
RETURNING batch_id

-- name: insert_run
-- Why: who asks why a number moved, or did not, is told.
INSERT INTO gold.runs (tenant_id, run_id, table_name, started_at, finished_at, batches, rows, error)
VALUES (%(tenant_id)s, %(run_id)s, %(table_name)s, %(started_at)s, %(finished_at)s, %(batches)s, %(rows)s, %(error)s)

-- name: delete_runs
-- Why: a busy worker makes some every second; after a while nobody asks for them.
DELETE FROM gold.runs
WHERE finished_at < %(before)s

-- name: tenants
-- Why: verification goes from tenant to tenant.
SELECT tenant_id FROM silver.batches
UNION
SELECT tenant_id FROM gold.applied
ORDER BY tenant_id
