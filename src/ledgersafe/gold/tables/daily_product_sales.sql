-- table: daily_product_sales
-- summary: What each store sold of each product on each day of the books.
-- grain: a row a store, day, sku and currency
-- reads: silver.batches, silver.transactions, silver.line_items
-- keys: tenant_id, books_date, store_id, sku, currency
-- columns: books_date, store_id, sku, currency, transactions, units, gross, discounts, returns, net, tax
--
-- The empty sku has what is of no line, discounts of whole receipts and tax that lines do not state: so the products of
-- a day come to the day.

-- name: add
-- Why: postings are never edited, only reversed, so what a batch adds or takes back is all that changes. OFFSET 0: each
-- is looked up by its key, also while the planner knows nothing of a young table and would read all of it. Each adds up
-- its own lines, a few at a time, by product and all together: as groups of one large set they would all be sorted.
WITH sold AS (
  SELECT s.*
  FROM gold.posted k
  CROSS JOIN LATERAL (
    SELECT *
    FROM gold.sales f
    WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
      AND f.kind = k.kind
    OFFSET 0) AS s
  WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])),
parts AS (
  SELECT s.tenant_id, s.books_date, s.store_id, CASE WHEN l.is_rest THEN '' ELSE l.sku END AS sku, s.currency,
         CASE WHEN l.is_rest THEN 0 ELSE s.transactions END AS transactions,
         CASE WHEN NOT l.is_rest AND s.type = 'SALE' THEN l.quantity ELSE 0 END AS units,
         CASE WHEN NOT l.is_rest AND s.type = 'SALE' THEN l.amount ELSE 0 END AS gross,
         CASE WHEN l.is_rest THEN s.discounts ELSE 0 END AS discounts,
         CASE WHEN NOT l.is_rest AND s.type = 'RETURN' THEN -l.amount ELSE 0 END AS returns,
         CASE WHEN l.is_rest THEN s.tax ELSE 0 END
           + CASE WHEN l.is_rest = (s.type = 'RETURN') THEN 1 ELSE -1 END * coalesce(l.tax, 0) AS tax,
         s.included_tax <> 0 AS is_included
  FROM sold s
  CROSS JOIN LATERAL (
    SELECT grouping(f.sku) = 1 AS is_rest, f.sku, sum(f.quantity) AS quantity, sum(f.amount) AS amount, sum(f.tax) AS tax
    FROM silver.line_items f
    WHERE f.tenant_id = s.tenant_id AND f.transaction_id = s.transaction_id AND f.revision = s.revision
      AND f.kind = s.kind
    GROUP BY GROUPING SETS ((f.sku), ())
    OFFSET 0) AS l)
INSERT INTO gold.daily_product_sales AS t (
  tenant_id, books_date, store_id, sku, currency, transactions, units, gross, discounts, returns, net, tax)
SELECT p.tenant_id, p.books_date, p.store_id, p.sku, p.currency, sum(p.transactions), sum(p.units), sum(p.gross),
       sum(p.discounts), sum(p.returns),
       sum(p.gross + p.discounts + p.returns) - sum(CASE WHEN p.is_included THEN p.tax ELSE 0 END), sum(p.tax)
FROM parts p
WHERE p.sku <> '' OR p.discounts <> 0 OR p.tax <> 0
GROUP BY p.tenant_id, p.books_date, p.store_id, p.sku, p.currency
ORDER BY p.tenant_id, p.books_date, p.store_id, p.sku, p.currency
ON CONFLICT (tenant_id, books_date, store_id, sku, currency) DO UPDATE
SET transactions = t.transactions + excluded.transactions, units = t.units + excluded.units,
    gross = t.gross + excluded.gross, discounts = t.discounts + excluded.discounts,
    returns = t.returns + excluded.returns, net = t.net + excluded.net, tax = t.tax + excluded.tax
RETURNING books_date

-- name: differences
-- Why: the whole truth, made anew from what is posted (less the batches that are pending), against the table as it is.
WITH sold AS (
  SELECT s.*
  FROM gold.sales s
  WHERE s.tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM gold.posted k
    WHERE k.tenant_id = s.tenant_id AND k.batch_id = ANY(%(pending)s::uuid[])
      AND k.transaction_id = s.transaction_id AND k.revision = s.revision AND k.kind = s.kind)),
parts AS (
  SELECT s.tenant_id, s.books_date, s.store_id, CASE WHEN grouping(l.sku) = 0 THEN l.sku ELSE '' END AS sku, s.currency,
         CASE WHEN grouping(l.sku) = 0 THEN s.transactions ELSE 0 END AS transactions,
         CASE WHEN grouping(l.sku) = 0 AND s.type = 'SALE' THEN sum(l.quantity) ELSE 0 END AS units,
         CASE WHEN grouping(l.sku) = 0 AND s.type = 'SALE' THEN sum(l.amount) ELSE 0 END AS gross,
         CASE WHEN grouping(l.sku) = 1 THEN s.discounts ELSE 0 END AS discounts,
         CASE WHEN grouping(l.sku) = 0 AND s.type = 'RETURN' THEN -sum(l.amount) ELSE 0 END AS returns,
         CASE WHEN grouping(l.sku) = 1 THEN s.tax ELSE 0 END
           + CASE WHEN (grouping(l.sku) = 0) = (s.type = 'SALE') THEN 1 ELSE -1 END * coalesce(sum(l.tax), 0) AS tax,
         s.included_tax <> 0 AS is_included
  FROM sold s
  JOIN silver.line_items l USING (tenant_id, transaction_id, revision, kind)
  GROUP BY GROUPING SETS (
    (s.tenant_id, s.transaction_id, s.revision, s.kind, s.books_date, s.store_id, s.currency, s.type, s.transactions,
     s.discounts, s.tax, s.included_tax, l.sku),
    (s.tenant_id, s.transaction_id, s.revision, s.kind, s.books_date, s.store_id, s.currency, s.type, s.transactions,
     s.discounts, s.tax, s.included_tax))),
truth AS (
  SELECT p.tenant_id, p.books_date, p.store_id, p.sku, p.currency, sum(p.transactions) AS transactions,
         sum(p.units) AS units, sum(p.gross) AS gross, sum(p.discounts) AS discounts, sum(p.returns) AS returns,
         sum(p.gross + p.discounts + p.returns) - sum(CASE WHEN p.is_included THEN p.tax ELSE 0 END) AS net,
         sum(p.tax) AS tax
  FROM parts p
  WHERE p.sku <> '' OR p.discounts <> 0 OR p.tax <> 0
  GROUP BY p.tenant_id, p.books_date, p.store_id, p.sku, p.currency),
held AS (
  SELECT tenant_id, books_date, store_id, sku, currency, transactions, units, gross, discounts, returns, net, tax
  FROM gold.daily_product_sales
  WHERE tenant_id = %(tenant_id)s)
SELECT 'should be' AS side, a.*
FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
UNION ALL
SELECT 'is', b.*
FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b
ORDER BY books_date, store_id, sku, currency, side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys.
SELECT books_date, store_id, sku, currency, transactions, units, gross, discounts, returns, net, tax
FROM gold.daily_product_sales
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (books_date, store_id, sku, currency) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_store_id)s::text, ''), coalesce(%(after_sku)s::text, ''),
       coalesce(%(after_currency)s::text, ''))
ORDER BY books_date, store_id, sku, currency
LIMIT %(most)s
