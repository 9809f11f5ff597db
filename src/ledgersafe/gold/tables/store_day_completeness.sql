-- table: store_day_completeness
-- kind: recomputed
-- calendar: yes
-- summary: Which store has reported on which finished trading day, and which has not.
-- grain: a row a store and finished trading day, for 28 days after a day on which it reported
-- reads: silver.batches, gold.return_rates, tenants.stores, tenants.tenants
-- keys: tenant_id, books_date, store_id
-- columns: books_date, store_id, has_reported, transactions, last_reported
--
-- A store has reported where any sale or return stands in its books of the day. The day is finished by the store's own
-- time zone and day start. A store that is silent for more than 28 days is not expected any more.

-- name: clear
-- Why: a day that lost all its transactions may leave days for which the store is not expected any more.
DELETE FROM gold.store_day_completeness t
WHERE t.tenant_id = %(tenant_id)s
  AND (t.books_date >= %(before)s::date - 2
       OR EXISTS (SELECT FROM unnest(%(days)s::date[]) AS d (day) WHERE t.books_date BETWEEN d.day AND d.day + 28))
  AND NOT EXISTS (
    SELECT FROM gold.return_rates r
    WHERE r.tenant_id = t.tenant_id AND r.books_date BETWEEN t.books_date - 28 AND t.books_date
      AND r.store_id = t.store_id AND (r.sales, r.returns, r.gross, r.returned) <> (0, 0, 0, 0))

-- name: fill
-- Why: a day changes itself and the 28 days after it, and the calendar adds days; only what changed is written.
WITH wanted AS (
  SELECT d.day + n.number AS day
  FROM unnest(%(days)s::date[]) AS d (day)
  CROSS JOIN generate_series(0, 28) AS n (number)
  UNION
  SELECT %(before)s::date - 2 + n.number
  FROM generate_series(0, %(as_of)s::date - %(before)s::date + 2) AS n (number)),
finished AS (
  SELECT s.store_id,
         ((%(now)s::timestamptz AT TIME ZONE coalesce(s.time_zone, t.time_zone))
           - make_interval(hours => coalesce(s.day_starts_at, t.day_starts_at)))::date - 1 AS last_day
  FROM tenants.stores s
  JOIN tenants.tenants t ON t.tenant_id = s.tenant_id
  WHERE s.tenant_id = %(tenant_id)s)
INSERT INTO gold.store_day_completeness AS t (tenant_id, books_date, store_id, transactions, last_reported)
SELECT %(tenant_id)s, w.day, e.store_id, e.transactions, e.last_reported
FROM wanted w
CROSS JOIN LATERAL (
  SELECT r.store_id, coalesce(sum(r.sales + r.returns) FILTER (WHERE r.books_date = w.day), 0) AS transactions,
         max(r.books_date) AS last_reported
  FROM gold.return_rates r
  WHERE r.tenant_id = %(tenant_id)s AND r.books_date BETWEEN w.day - 28 AND w.day
    AND (r.sales, r.returns, r.gross, r.returned) <> (0, 0, 0, 0)
  GROUP BY r.store_id) AS e
JOIN finished f ON f.store_id = e.store_id AND w.day <= f.last_day
WHERE w.day <= %(as_of)s::date
ORDER BY w.day, e.store_id
ON CONFLICT (tenant_id, books_date, store_id) DO UPDATE
SET transactions = excluded.transactions, last_reported = excluded.last_reported
WHERE (t.transactions, t.last_reported) IS DISTINCT FROM (excluded.transactions, excluded.last_reported)
RETURNING books_date

-- name: differences
-- Why: every day made anew from the days' counts, as of when the table last changed, against the table as it is; less
-- the days that pending batches touch.
WITH finished AS (
  SELECT s.store_id,
         ((%(now)s::timestamptz AT TIME ZONE coalesce(s.time_zone, t.time_zone))
           - make_interval(hours => coalesce(s.day_starts_at, t.day_starts_at)))::date - 1 AS last_day
  FROM tenants.stores s
  JOIN tenants.tenants t ON t.tenant_id = s.tenant_id
  WHERE s.tenant_id = %(tenant_id)s),
reported AS (
  SELECT tenant_id, books_date, store_id, sum(sales + returns) AS transactions
  FROM gold.return_rates
  WHERE tenant_id = %(tenant_id)s AND (sales, returns, gross, returned) <> (0, 0, 0, 0)
  GROUP BY tenant_id, books_date, store_id),
truth AS (
  SELECT r.tenant_id, r.books_date + n.number AS books_date, r.store_id,
         sum(CASE WHEN n.number = 0 THEN r.transactions ELSE 0 END)::bigint AS transactions,
         max(r.books_date) AS last_reported
  FROM reported r
  CROSS JOIN generate_series(0, 28) AS n (number)
  JOIN finished f ON f.store_id = r.store_id AND r.books_date + n.number <= f.last_day
  WHERE r.books_date + n.number <= %(as_of)s::date
  GROUP BY r.tenant_id, r.books_date + n.number, r.store_id),
held AS (
  SELECT tenant_id, books_date, store_id, transactions, last_reported
  FROM gold.store_day_completeness
  WHERE tenant_id = %(tenant_id)s)
SELECT o.*
FROM (
  SELECT 'should be' AS side, a.*
  FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
  UNION ALL
  SELECT 'is', b.*
  FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b) AS o
WHERE NOT EXISTS (
  SELECT FROM unnest(%(pending_days)s::date[]) AS d (day) WHERE o.books_date BETWEEN d.day AND d.day + 28)
ORDER BY o.books_date, o.store_id, o.side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys.
SELECT books_date, store_id, last_reported = books_date AS has_reported, transactions, last_reported
FROM gold.store_day_completeness
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (books_date, store_id) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_store_id)s::text, ''))
ORDER BY books_date, store_id
LIMIT %(most)s
