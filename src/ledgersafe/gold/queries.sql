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
  AND NOT EXISTS (
    SELECT FROM unnest(%(without_tables)s::text[], %(without_tenants)s::text[]) AS o (table_name, tenant_id)
    WHERE o.table_name = w.table_name AND o.tenant_id = b.tenant_id)
LIMIT %(most)s

-- name: pending_arrivals
-- Why: the same for tables of what arrived; batches of bronze know no time, so all are looked at, by index, and seldom.
SELECT b.tenant_id, w.table_name, b.batch_id
FROM bronze.batches b
CROSS JOIN unnest(%(tables)s::text[]) AS w (table_name)
WHERE (%(tenant_id)s::text IS NULL OR b.tenant_id = %(tenant_id)s)
  AND NOT EXISTS (
    SELECT FROM gold.applied a
    WHERE a.tenant_id = b.tenant_id AND a.table_name = w.table_name AND a.batch_id = b.batch_id)
  AND NOT EXISTS (
    SELECT FROM unnest(%(without_tables)s::text[], %(without_tenants)s::text[]) AS o (table_name, tenant_id)
    WHERE o.table_name = w.table_name AND o.tenant_id = b.tenant_id)
LIMIT %(most)s

-- name: ripe
-- Why: what is made of other tables may apply a batch only when all of them have, or it would miss what comes later.
SELECT b.tenant_id, %(table_name)s::text AS table_name, b.batch_id
FROM silver.batches b
WHERE b.posted_at >= coalesce(%(since)s::timestamptz, '-infinity')
  AND (%(tenant_id)s::text IS NULL OR b.tenant_id = %(tenant_id)s)
  AND NOT EXISTS (
    SELECT FROM gold.applied a
    WHERE a.tenant_id = b.tenant_id AND a.table_name = %(table_name)s AND a.batch_id = b.batch_id)
  AND NOT EXISTS (
    SELECT FROM unnest(%(made_of)s::text[]) AS m (table_name)
    WHERE NOT EXISTS (
      SELECT FROM gold.applied a
      WHERE a.tenant_id = b.tenant_id AND a.table_name = m.table_name AND a.batch_id = b.batch_id))
LIMIT %(most)s

-- name: ripe_arrivals
-- Why: the same for tables of what arrived.
SELECT b.tenant_id, %(table_name)s::text AS table_name, b.batch_id
FROM bronze.batches b
WHERE (%(tenant_id)s::text IS NULL OR b.tenant_id = %(tenant_id)s)
  AND NOT EXISTS (
    SELECT FROM gold.applied a
    WHERE a.tenant_id = b.tenant_id AND a.table_name = %(table_name)s AND a.batch_id = b.batch_id)
  AND NOT EXISTS (
    SELECT FROM unnest(%(made_of)s::text[]) AS m (table_name)
    WHERE NOT EXISTS (
      SELECT FROM gold.applied a
      WHERE a.tenant_id = b.tenant_id AND a.table_name = m.table_name AND a.batch_id = b.batch_id))
LIMIT %(most)s

-- name: days
-- Why: which days of the books batches of silver touch: what is made anew is made anew for them.
SELECT DISTINCT t.books_date
FROM gold.posted k
CROSS JOIN LATERAL (
  SELECT f.books_date
  FROM silver.transactions f
  WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
    AND f.kind = k.kind
  OFFSET 0) AS t
WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])
ORDER BY t.books_date

-- name: arrival_days
-- Why: the same for batches of arrivals: one is committed in a moment, so that its first and last arrival tell its days.
SELECT DISTINCT (e.received_at AT TIME ZONE 'UTC')::date AS books_date
FROM bronze.batches b
CROSS JOIN unnest(ARRAY[b.ids[1], b.ids[cardinality(b.ids)]]) AS i (raw_id)
CROSS JOIN LATERAL (
  SELECT f.received_at
  FROM bronze.events_raw f
  WHERE f.tenant_id = b.tenant_id AND f.raw_id = i.raw_id
  OFFSET 0) AS e
WHERE b.tenant_id = %(tenant_id)s AND b.batch_id = ANY(%(batch_ids)s::uuid[])
ORDER BY books_date

-- name: lock
-- Why: one refresh of a table at a time, so that two never wait for each other's rows crosswise.
SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))

-- name: try_lock
-- Why: the worker has other things to do than to wait for who is at this table already.
SELECT pg_try_advisory_xact_lock(hashtextextended(%(name)s, 0))

-- name: claim
-- Why: the key of this table is what keeps a batch from being counted twice, whoever else is at it.
INSERT INTO gold.applied (tenant_id, table_name, batch_id)
SELECT %(tenant_id)s, %(table_name)s, a.batch_id
FROM unnest(%(batch_ids)s::uuid[]) AS a (batch_id)
ORDER BY a.batch_id
ON CONFLICT (tenant_id, table_name, batch_id) DO NOTHING
RETURNING batch_id

-- name: note_made_with
-- Why: sums that go by a setting of a store keep to the one that they were begun with: a part of them by another one
-- would be right by neither.
INSERT INTO gold.made_with (tenant_id, table_name, store_id, setting, value)
SELECT s.tenant_id, %(table_name)s, s.store_id, s.setting, s.value
FROM (
  SELECT DISTINCT k.tenant_id, t.store_id
  FROM gold.posted k
  CROSS JOIN LATERAL (
    SELECT f.store_id
    FROM silver.transactions f
    WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
      AND f.kind = k.kind
    OFFSET 0) AS t
  WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])
  OFFSET 0) AS d
JOIN gold.store_settings s ON s.tenant_id = d.tenant_id AND s.store_id = d.store_id AND s.setting = %(setting)s
ON CONFLICT (tenant_id, table_name, store_id, setting) DO NOTHING

-- name: outdated
-- Why: a store that was given another time zone or region has its tables made anew.
SELECT DISTINCT m.tenant_id, m.table_name
FROM gold.made_with m
JOIN gold.store_settings s ON s.tenant_id = m.tenant_id AND s.store_id = m.store_id AND s.setting = m.setting
WHERE s.value <> m.value AND (%(tenant_id)s::text IS NULL OR m.tenant_id = %(tenant_id)s)
ORDER BY m.tenant_id, m.table_name

-- name: forget_applied
-- Why: a table that is rebuilt applies every batch again.
DELETE FROM gold.applied
WHERE tenant_id = %(tenant_id)s AND table_name = %(table_name)s

-- name: forget_made_with
-- Why: a table that is rebuilt goes by the settings of today.
DELETE FROM gold.made_with
WHERE tenant_id = %(tenant_id)s AND table_name = %(table_name)s

-- name: forget_state
-- Why: a table that is rebuilt was never made, and has not failed.
DELETE FROM gold.state
WHERE tenant_id = %(tenant_id)s AND table_name = %(table_name)s

-- name: empty
-- Why: a table that is rebuilt begins with nothing.
SELECT gold.empty_table(%(schema)s, %(table_name)s, %(tenant_id)s)

-- name: state
-- Why: a recomputed table is true as of the day for which it was made.
SELECT as_of, made_at
FROM gold.state
WHERE tenant_id = %(tenant_id)s AND table_name = %(table_name)s

-- name: note_made
-- Why: what was made anew says for which day; whatever failed before is over.
INSERT INTO gold.state (tenant_id, table_name, as_of, made_at)
VALUES (%(tenant_id)s, %(table_name)s, %(as_of)s, %(made_at)s)
ON CONFLICT (tenant_id, table_name) DO UPDATE
SET as_of = excluded.as_of, made_at = excluded.made_at, failures = 0, not_before = NULL

-- name: note_recovered
-- Why: a table of sums that failed before and does no more is tried at once again.
UPDATE gold.state
SET failures = 0, not_before = NULL
WHERE tenant_id = %(tenant_id)s AND table_name = %(table_name)s AND failures > 0

-- name: failures
-- Why: how long a table rests grows with how often it failed in a row.
SELECT failures
FROM gold.state
WHERE tenant_id = %(tenant_id)s AND table_name = %(table_name)s

-- name: note_failure
-- Why: a table that fails is left alone for a while, so that it neither fills the log nor holds up the others.
INSERT INTO gold.state AS s (tenant_id, table_name, failures, not_before)
VALUES (%(tenant_id)s, %(table_name)s, 1, %(not_before)s)
ON CONFLICT (tenant_id, table_name) DO UPDATE
SET failures = s.failures + 1, not_before = excluded.not_before

-- name: resting
-- Why: the worker passes by what failed a moment ago. No table rests for longer than until `latest`, but by a clock that
-- was wrong.
SELECT table_name, tenant_id
FROM gold.state
WHERE not_before > %(now)s AND not_before <= %(latest)s

-- name: insert_run
-- Why: who asks why a number moved, or did not, is told.
INSERT INTO gold.runs (tenant_id, run_id, table_name, started_at, finished_at, batches, rows, error)
VALUES (%(tenant_id)s, %(run_id)s, %(table_name)s, %(started_at)s, %(finished_at)s, %(batches)s, %(rows)s, %(error)s)

-- name: delete_runs
-- Why: a busy worker makes some every second; after a while nobody asks for them.
DELETE FROM gold.runs
WHERE finished_at < %(before)s

-- name: tenants
-- Why: verification, and what changes with the calendar, go from tenant to tenant.
SELECT t.tenant_id
FROM tenants.tenants t
WHERE EXISTS (SELECT FROM silver.batches b WHERE b.tenant_id = t.tenant_id)
   OR EXISTS (SELECT FROM bronze.batches b WHERE b.tenant_id = t.tenant_id)
   OR EXISTS (SELECT FROM gold.applied a WHERE a.tenant_id = t.tenant_id)
ORDER BY t.tenant_id

-- name: store_sums
-- Why: gold's side of silver.day_sums.
SELECT tenant_id, store_id, books_date, currency, gross, returns, discounts, tax, net
FROM gold.daily_store_sales
WHERE tenant_id = ANY(%(tenant_ids)s::text[])
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')

-- name: pending_store_sums
-- Why: what batches will add that daily_store_sales has not applied: with it, a busy system ties out too.
SELECT s.tenant_id, s.store_id, s.books_date, s.currency, sum(s.gross) AS gross, sum(s.returns) AS returns,
       sum(s.discounts) AS discounts, sum(s.tax) AS tax, sum(s.net) AS net
FROM gold.posted k
CROSS JOIN LATERAL (
  SELECT *
  FROM gold.sales f
  WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
    AND f.kind = k.kind
  OFFSET 0) AS s
WHERE k.tenant_id = ANY(%(tenant_ids)s::text[])
  AND s.books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND NOT EXISTS (
    SELECT FROM gold.applied a
    WHERE a.tenant_id = k.tenant_id AND a.table_name = 'daily_store_sales' AND a.batch_id = k.batch_id)
GROUP BY s.tenant_id, s.store_id, s.books_date, s.currency

-- name: account_sums
-- Why: gold's side of ledger.account_sums.
SELECT tenant_id, account, books_date, currency, debit, credit
FROM gold.account_daily
WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND books_date >= coalesce(%(since)s::date, '-infinity')

-- name: pending_account_sums
-- Why: as pending_store_sums, for account_daily.
SELECT e.tenant_id, l.account, e.books_date, e.currency, sum(greatest(l.amount, 0)) AS debit,
       sum(greatest(-l.amount, 0)) AS credit
FROM gold.posted k
CROSS JOIN LATERAL (
  SELECT *
  FROM ledger.entries f
  WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
    AND f.kind = k.kind
  OFFSET 0) AS e
CROSS JOIN LATERAL unnest(e.accounts, e.amounts) AS l (account, amount)
WHERE k.tenant_id = ANY(%(tenant_ids)s::text[]) AND e.books_date >= coalesce(%(since)s::date, '-infinity')
  AND NOT EXISTS (
    SELECT FROM gold.applied a
    WHERE a.tenant_id = k.tenant_id AND a.table_name = 'account_daily' AND a.batch_id = k.batch_id)
GROUP BY e.tenant_id, l.account, e.books_date, e.currency

-- name: count_pending
-- Why: how many batches are still to come into a table is told beside its sums.
SELECT b.tenant_id, count(*) AS number
FROM silver.batches b
WHERE b.tenant_id = ANY(%(tenant_ids)s::text[]) AND NOT EXISTS (
  SELECT FROM gold.applied a
  WHERE a.tenant_id = b.tenant_id AND a.table_name = %(table_name)s AND a.batch_id = b.batch_id)
GROUP BY b.tenant_id

-- name: orphans
-- Why: a table has applied only what was posted, or what arrived.
SELECT a.tenant_id, count(*) AS number,
       (array_agg(format('%%s in %%s', a.batch_id, a.table_name) ORDER BY a.batch_id, a.table_name))[1:20] AS examples
FROM gold.applied a
WHERE a.tenant_id = ANY(%(tenant_ids)s::text[]) AND NOT EXISTS (
  SELECT FROM silver.batches b WHERE b.tenant_id = a.tenant_id AND b.batch_id = a.batch_id)
  AND NOT EXISTS (
    SELECT FROM bronze.batches b WHERE b.tenant_id = a.tenant_id AND b.batch_id = a.batch_id)
GROUP BY a.tenant_id

-- name: tenants_with_rows
-- Why: keyset page: verification goes from tenant to tenant; a loose scan costs one index probe each.
WITH RECURSIVE found AS (
  (SELECT tenant_id FROM gold.daily_store_sales WHERE tenant_id > %(after)s ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT s.tenant_id FROM gold.daily_store_sales s WHERE s.tenant_id > f.tenant_id ORDER BY s.tenant_id LIMIT 1)
  FROM found f
  WHERE f.tenant_id IS NOT NULL
)
SELECT tenant_id FROM found WHERE tenant_id IS NOT NULL LIMIT %(most)s

-- name: moved_by
-- Why: a trace ends at the rows of gold that an event moved: where its postings count, in which batch they were
-- committed, and which tables have applied that batch. A batch is found by the time that it shares with its postings.
SELECT t.transaction_id, t.revision, t.kind, t.type, t.books_date, t.store_id, t.currency,
       coalesce(t.country, '') AS country, coalesce(s.region, '') AS region,
       extract(hour FROM o.occurred_at AT TIME ZONE coalesce(s.time_zone, n.time_zone, 'UTC'))::integer AS hour,
       ARRAY(SELECT DISTINCT l.sku FROM silver.line_items l
             WHERE l.tenant_id = t.tenant_id AND l.transaction_id = t.transaction_id AND l.revision = t.revision
               AND l.kind = t.kind ORDER BY 1) AS skus,
       ARRAY(SELECT DISTINCT coalesce(l.brand, '') FROM silver.line_items l
             WHERE l.tenant_id = t.tenant_id AND l.transaction_id = t.transaction_id AND l.revision = t.revision
               AND l.kind = t.kind ORDER BY 1) AS brands,
       ARRAY(SELECT DISTINCT lower(p.type) FROM silver.tenders p
             WHERE p.tenant_id = t.tenant_id AND p.transaction_id = t.transaction_id AND p.revision = t.revision
               AND p.kind = t.kind ORDER BY 1) AS payments,
       ARRAY(SELECT DISTINCT l.account FROM ledger.lines l
             WHERE l.tenant_id = t.tenant_id AND l.transaction_id = t.transaction_id AND l.revision = t.revision
               AND l.kind = t.kind ORDER BY 1) AS accounts,
       b.batch_id,
       ARRAY(SELECT a.table_name FROM gold.applied a
             WHERE a.tenant_id = b.tenant_id AND a.batch_id = b.batch_id
               AND a.table_name = ANY(%(tables)s::text[])) AS applied
FROM silver.transactions t
JOIN silver.batches b
  ON b.tenant_id = t.tenant_id AND b.posted_at = t.posted_at AND t.transaction_id = ANY(b.transaction_ids)
JOIN silver.transactions o
  ON o.tenant_id = t.tenant_id AND o.transaction_id = t.transaction_id AND o.revision = 1 AND o.kind = 'posting'
LEFT JOIN tenants.tenants n ON n.tenant_id = t.tenant_id
LEFT JOIN tenants.stores s ON s.tenant_id = t.tenant_id AND s.store_id = t.store_id
WHERE t.tenant_id = %(tenant_id)s AND t.event_id = %(event_id)s
ORDER BY t.transaction_id, t.revision, t.kind

-- name: behind
-- Why: how far a table lags, by the first batch after the newest that it has applied: batches are applied in their order,
-- so that a probe or two a tenant tell. What failed in the middle of them is told by `failing`.
SELECT w.table_name, min(b.posted_at) AS since
FROM unnest(%(tables)s::text[]) AS w (table_name)
CROSS JOIN tenants.tenants t
CROSS JOIN LATERAL (
  SELECT coalesce((
    SELECT a.batch_id
    FROM gold.applied a
    WHERE a.tenant_id = t.tenant_id AND a.table_name = w.table_name
    ORDER BY a.batch_id DESC
    LIMIT 1), '00000000-0000-0000-0000-000000000000'::uuid) AS batch_id) AS l
CROSS JOIN LATERAL (
  SELECT c.posted_at
  FROM silver.batches c
  WHERE c.tenant_id = t.tenant_id AND c.batch_id > l.batch_id
  ORDER BY c.batch_id
  LIMIT 1) AS b
WHERE %(tenant_ids)s::text[] IS NULL OR t.tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY w.table_name

-- name: behind_arrivals
-- Why: the same for tables of what arrived; batches of bronze know no time, but that of their arrivals.
SELECT w.table_name, min(e.received_at) AS since
FROM unnest(%(tables)s::text[]) AS w (table_name)
CROSS JOIN tenants.tenants t
CROSS JOIN LATERAL (
  SELECT coalesce((
    SELECT a.batch_id
    FROM gold.applied a
    WHERE a.tenant_id = t.tenant_id AND a.table_name = w.table_name
    ORDER BY a.batch_id DESC
    LIMIT 1), '00000000-0000-0000-0000-000000000000'::uuid) AS batch_id) AS l
CROSS JOIN LATERAL (
  SELECT c.ids[1] AS raw_id
  FROM bronze.batches c
  WHERE c.tenant_id = t.tenant_id AND c.batch_id > l.batch_id
  ORDER BY c.batch_id
  LIMIT 1) AS b
CROSS JOIN LATERAL (
  SELECT r.received_at FROM bronze.events_raw r WHERE r.tenant_id = t.tenant_id AND r.raw_id = b.raw_id OFFSET 0) AS e
WHERE %(tenant_ids)s::text[] IS NULL OR t.tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY w.table_name

-- name: failing
-- Why: a table that fails again and again lags for a reason.
SELECT table_name, max(failures) AS failures
FROM gold.state
WHERE failures > 0 AND (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))
GROUP BY table_name
