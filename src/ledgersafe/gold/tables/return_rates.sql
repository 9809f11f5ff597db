-- table: return_rates
-- summary: How much came back on each day, beside what was sold on it.
-- grain: a row a store, day and currency
-- reads: silver.batches, silver.transactions
-- keys: tenant_id, books_date, store_id, currency
-- columns: books_date, store_id, currency, sales, returns, unreferenced_returns, units, returned_units, gross,
--   returned, units_percent, amount_percent

-- name: add
-- Why: postings are never edited, only reversed, so what a batch adds or takes back is all that changes. OFFSET 0: each
-- is looked up by its key, also while the planner knows nothing of a young table and would read all of it.
INSERT INTO gold.return_rates AS t (
  tenant_id, books_date, store_id, currency, sales, returns, unreferenced_returns, units, returned_units, gross,
  returned)
SELECT s.tenant_id, s.books_date, s.store_id, s.currency, sum(s.transactions), sum(s.return_transactions),
       sum(CASE WHEN s.is_referenced THEN 0 ELSE s.return_transactions END), sum(s.units), sum(s.returned_units),
       sum(s.gross), -sum(s.returns)
FROM gold.posted k
CROSS JOIN LATERAL (
  SELECT *
  FROM gold.sales f
  WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
    AND f.kind = k.kind
  OFFSET 0) AS s
WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])
GROUP BY s.tenant_id, s.books_date, s.store_id, s.currency
ORDER BY s.tenant_id, s.books_date, s.store_id, s.currency
ON CONFLICT (tenant_id, books_date, store_id, currency) DO UPDATE
SET sales = t.sales + excluded.sales, returns = t.returns + excluded.returns,
    unreferenced_returns = t.unreferenced_returns + excluded.unreferenced_returns, units = t.units + excluded.units,
    returned_units = t.returned_units + excluded.returned_units, gross = t.gross + excluded.gross,
    returned = t.returned + excluded.returned
RETURNING books_date

-- name: differences
-- Why: the whole truth, made anew from what is posted (less the batches that are pending), against the table as it is.
WITH truth AS (
  SELECT s.tenant_id, s.books_date, s.store_id, s.currency, sum(s.transactions) AS sales,
         sum(s.return_transactions) AS returns,
         sum(CASE WHEN s.is_referenced THEN 0 ELSE s.return_transactions END) AS unreferenced_returns,
         sum(s.units) AS units, sum(s.returned_units) AS returned_units, sum(s.gross) AS gross,
         -sum(s.returns) AS returned
  FROM gold.sales s
  WHERE s.tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM gold.posted k
    WHERE k.tenant_id = s.tenant_id AND k.batch_id = ANY(%(pending)s::uuid[])
      AND k.transaction_id = s.transaction_id AND k.revision = s.revision AND k.kind = s.kind)
  GROUP BY s.tenant_id, s.books_date, s.store_id, s.currency),
held AS (
  SELECT tenant_id, books_date, store_id, currency, sales, returns, unreferenced_returns, units, returned_units,
         gross, returned
  FROM gold.return_rates
  WHERE tenant_id = %(tenant_id)s)
SELECT 'should be' AS side, a.*
FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
UNION ALL
SELECT 'is', b.*
FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b
ORDER BY books_date, store_id, currency, side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys.
SELECT books_date, store_id, currency, sales, returns, unreferenced_returns, units, returned_units, gross, returned,
       round(100 * returned_units / nullif(units, 0), 2) AS units_percent,
       round(100 * returned / nullif(gross, 0), 2) AS amount_percent
FROM gold.return_rates
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (books_date, store_id, currency) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_store_id)s::text, ''), coalesce(%(after_currency)s::text, ''))
ORDER BY books_date, store_id, currency
LIMIT %(most)s
