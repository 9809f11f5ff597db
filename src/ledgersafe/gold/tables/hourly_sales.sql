-- table: hourly_sales
-- made_with: time_zone
-- summary: What each store sold in each hour.
-- grain: a row a store, day, hour of local time and currency
-- reads: silver.batches, silver.transactions, tenants.stores, tenants.tenants
-- keys: tenant_id, books_date, store_id, hour, currency
-- columns: books_date, store_id, hour, currency, transactions, units, gross, discounts, returns, net, tax
--
-- Every revision and reversal counts for the hour at which the transaction occurred as first posted, whenever the event
-- came that corrected it. A store that is given another time zone has all its hours in it: the table is rebuilt on the
-- schedule.

-- name: add
-- Why: postings are never edited, only reversed, so what a batch adds or takes back is all that changes. OFFSET 0: each
-- is looked up by its key, also while the planner knows nothing of a young table and would read all of it.
INSERT INTO gold.hourly_sales AS t (
  tenant_id, books_date, store_id, hour, currency, transactions, units, gross, discounts, returns, net, tax)
SELECT s.tenant_id, s.books_date, s.store_id,
       extract(hour FROM o.occurred_at AT TIME ZONE m.value)::smallint, s.currency,
       sum(s.transactions), sum(s.units), sum(s.gross), sum(s.discounts), sum(s.returns), sum(s.net), sum(s.tax)
FROM gold.posted k
CROSS JOIN LATERAL (
  SELECT *
  FROM gold.sales f
  WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
    AND f.kind = k.kind
  OFFSET 0) AS s
CROSS JOIN LATERAL (
  SELECT f.occurred_at
  FROM silver.transactions f
  WHERE f.tenant_id = s.tenant_id AND f.transaction_id = s.transaction_id AND f.revision = 1 AND f.kind = 'posting'
  OFFSET 0) AS o
CROSS JOIN LATERAL (
  SELECT f.value
  FROM gold.made_with f
  WHERE f.tenant_id = s.tenant_id AND f.table_name = 'hourly_sales' AND f.store_id = s.store_id AND f.setting = 'time_zone'
  OFFSET 0) AS m
WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])
GROUP BY s.tenant_id, s.books_date, s.store_id, 4, s.currency
ORDER BY s.tenant_id, s.books_date, s.store_id, 4, s.currency
ON CONFLICT (tenant_id, books_date, store_id, hour, currency) DO UPDATE
SET transactions = t.transactions + excluded.transactions, units = t.units + excluded.units,
    gross = t.gross + excluded.gross, discounts = t.discounts + excluded.discounts,
    returns = t.returns + excluded.returns, net = t.net + excluded.net, tax = t.tax + excluded.tax
RETURNING books_date

-- name: differences
-- Why: the whole truth, made anew from what is posted (less the batches that are pending), against the table as it is.
WITH truth AS (
  SELECT s.tenant_id, s.books_date, s.store_id,
         extract(hour FROM o.occurred_at AT TIME ZONE m.value)::smallint AS hour,
         s.currency, sum(s.transactions) AS transactions, sum(s.units) AS units, sum(s.gross) AS gross,
         sum(s.discounts) AS discounts, sum(s.returns) AS returns, sum(s.net) AS net, sum(s.tax) AS tax
  FROM gold.sales s
  JOIN silver.transactions o
    ON o.tenant_id = s.tenant_id AND o.transaction_id = s.transaction_id AND o.revision = 1 AND o.kind = 'posting'
  JOIN gold.made_with m
    ON m.tenant_id = s.tenant_id AND m.table_name = 'hourly_sales' AND m.store_id = s.store_id
   AND m.setting = 'time_zone'
  WHERE s.tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM gold.posted k
    WHERE k.tenant_id = s.tenant_id AND k.batch_id = ANY(%(pending)s::uuid[])
      AND k.transaction_id = s.transaction_id AND k.revision = s.revision AND k.kind = s.kind)
  GROUP BY s.tenant_id, s.books_date, s.store_id, 4, s.currency),
held AS (
  SELECT tenant_id, books_date, store_id, hour, currency, transactions, units, gross, discounts, returns, net, tax
  FROM gold.hourly_sales
  WHERE tenant_id = %(tenant_id)s)
SELECT 'should be' AS side, a.*
FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
UNION ALL
SELECT 'is', b.*
FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b
ORDER BY books_date, store_id, hour, currency, side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys.
SELECT books_date, store_id, hour, currency, transactions, units, gross, discounts, returns, net, tax
FROM gold.hourly_sales
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (books_date, store_id, hour, currency) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_store_id)s::text, ''), coalesce(%(after_hour)s::smallint, -1),
       coalesce(%(after_currency)s::text, ''))
ORDER BY books_date, store_id, hour, currency
LIMIT %(most)s
