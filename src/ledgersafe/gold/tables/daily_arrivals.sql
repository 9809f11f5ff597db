-- table: daily_arrivals
-- summary: What arrived of each source on each day, and how much of it had arrived before.
-- grain: a row a day (UTC) and source
-- reads: bronze.batches, bronze.events_raw, gate.later_arrivals
-- keys: tenant_id, books_date, source_system
-- columns: books_date, source_system, arrivals, duplicates
--
-- It follows the batches of bronze, on the schedule. Each arrival is looked up once, by its key.

-- name: add
-- Why: arrivals are never changed, so what a batch brought is all that changes. OFFSET 0: each is looked up by its key,
-- also while the planner knows nothing of a young table and would read all of it.
INSERT INTO gold.daily_arrivals AS t (tenant_id, books_date, source_system, arrivals, duplicates)
SELECT b.tenant_id, (e.received_at AT TIME ZONE 'UTC')::date, coalesce(e.source_system, ''), count(*), count(l.raw_id)
FROM bronze.batches b
CROSS JOIN unnest(b.ids) AS i (raw_id)
CROSS JOIN LATERAL (
  SELECT f.received_at, f.source_system, f.event_id
  FROM bronze.events_raw f
  WHERE f.tenant_id = b.tenant_id AND f.raw_id = i.raw_id
  OFFSET 0) AS e
LEFT JOIN LATERAL (
  SELECT f.raw_id
  FROM gate.later_arrivals f
  WHERE f.tenant_id = b.tenant_id AND f.idempotency_key = e.event_id AND f.raw_id = i.raw_id
  OFFSET 0) AS l ON true
WHERE b.tenant_id = %(tenant_id)s AND b.batch_id = ANY(%(batch_ids)s::uuid[])
GROUP BY b.tenant_id, 2, 3
ORDER BY b.tenant_id, 2, 3
ON CONFLICT (tenant_id, books_date, source_system) DO UPDATE
SET arrivals = t.arrivals + excluded.arrivals, duplicates = t.duplicates + excluded.duplicates
RETURNING books_date

-- name: differences
-- Why: the whole truth, made anew from all arrivals (less the batches that are pending), against the table as it is.
WITH truth AS (
  SELECT e.tenant_id, (e.received_at AT TIME ZONE 'UTC')::date AS books_date,
         coalesce(e.source_system, '') AS source_system, count(*) AS arrivals, count(l.raw_id) AS duplicates
  FROM bronze.events_raw e
  LEFT JOIN gate.later_arrivals l
    ON l.tenant_id = e.tenant_id AND l.idempotency_key = e.event_id AND l.raw_id = e.raw_id
  WHERE e.tenant_id = %(tenant_id)s AND e.raw_id NOT IN (
    SELECT i.raw_id
    FROM bronze.batches b
    CROSS JOIN unnest(b.ids) AS i (raw_id)
    WHERE b.tenant_id = %(tenant_id)s AND b.batch_id = ANY(%(pending)s::uuid[]))
  GROUP BY e.tenant_id, 2, 3),
held AS (
  SELECT tenant_id, books_date, source_system, arrivals, duplicates
  FROM gold.daily_arrivals
  WHERE tenant_id = %(tenant_id)s)
SELECT 'should be' AS side, a.*
FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
UNION ALL
SELECT 'is', b.*
FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b
ORDER BY books_date, source_system, side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys.
SELECT books_date, source_system, arrivals, duplicates
FROM gold.daily_arrivals
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (books_date, source_system) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_source_system)s::text, ''))
ORDER BY books_date, source_system
LIMIT %(most)s
