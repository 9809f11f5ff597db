-- table: region_daily
-- made_with: region
-- summary: What was sold in each region on each day of the books.
-- grain: a row a region, day and currency
-- reads: silver.batches, silver.transactions, tenants.stores, tenants.tenants
-- keys: tenant_id, books_date, region, currency
-- columns: books_date, region, currency, transactions, units, gross, discounts, returns, net, tax
--
-- A store that is given another region takes all its sales along: the table is rebuilt on the schedule.

-- name: add
-- Why: postings are never edited, only reversed, so what a batch adds or takes back is all that changes. OFFSET 0: each
-- is looked up by its key, also while the planner knows nothing of a young table and would read all of it.
INSERT INTO gold.region_daily AS t (
  tenant_id, books_date, region, currency, transactions, units, gross, discounts, returns, net, tax)
SELECT s.tenant_id, s.books_date, m.value, s.currency, sum(s.transactions), sum(s.units), sum(s.gross),
       sum(s.discounts), sum(s.returns), sum(s.net), sum(s.tax)
FROM gold.posted k
CROSS JOIN LATERAL (
  SELECT *
  FROM gold.sales f
  WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
    AND f.kind = k.kind
  OFFSET 0) AS s
CROSS JOIN LATERAL (
  SELECT f.value
  FROM gold.made_with f
  WHERE f.tenant_id = s.tenant_id AND f.table_name = 'region_daily' AND f.store_id = s.store_id AND f.setting = 'region'
  OFFSET 0) AS m
WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])
GROUP BY s.tenant_id, s.books_date, m.value, s.currency
ORDER BY s.tenant_id, s.books_date, m.value, s.currency
ON CONFLICT (tenant_id, books_date, region, currency) DO UPDATE
SET transactions = t.transactions + excluded.transactions, units = t.units + excluded.units,
    gross = t.gross + excluded.gross, discounts = t.discounts + excluded.discounts,
    returns = t.returns + excluded.returns, net = t.net + excluded.net, tax = t.tax + excluded.tax
RETURNING books_date

-- name: differences
-- Why: the whole truth, made anew from what is posted (less the batches that are pending), against the table as it is.
WITH truth AS (
  SELECT s.tenant_id, s.books_date, m.value AS region, s.currency, sum(s.transactions) AS transactions,
         sum(s.units) AS units, sum(s.gross) AS gross, sum(s.discounts) AS discounts, sum(s.returns) AS returns,
         sum(s.net) AS net, sum(s.tax) AS tax
  FROM gold.sales s
  JOIN gold.made_with m
    ON m.tenant_id = s.tenant_id AND m.table_name = 'region_daily' AND m.store_id = s.store_id AND m.setting = 'region'
  WHERE s.tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM gold.posted k
    WHERE k.tenant_id = s.tenant_id AND k.batch_id = ANY(%(pending)s::uuid[])
      AND k.transaction_id = s.transaction_id AND k.revision = s.revision AND k.kind = s.kind)
  GROUP BY s.tenant_id, s.books_date, m.value, s.currency),
held AS (
  SELECT tenant_id, books_date, region, currency, transactions, units, gross, discounts, returns, net, tax
  FROM gold.region_daily
  WHERE tenant_id = %(tenant_id)s)
SELECT 'should be' AS side, a.*
FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
UNION ALL
SELECT 'is', b.*
FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b
ORDER BY books_date, region, currency, side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys.
SELECT books_date, region, currency, transactions, units, gross, discounts, returns, net, tax
FROM gold.region_daily
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (books_date, region, currency) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_region)s::text, ''), coalesce(%(after_currency)s::text, ''))
ORDER BY books_date, region, currency
LIMIT %(most)s
