-- table: basket_pairs
-- kind: recomputed
-- summary: Which products were sold together, in each store and month.
-- grain: a row a store, month and pair of sku: the 200 pairs of at least two baskets that most baskets hold
-- reads: silver.batches, silver.transactions, silver.line_items
-- keys: tenant_id, books_date, store_id, sku, other_sku
-- columns: books_date, store_id, sku, other_sku, baskets, sku_baskets, other_baskets, all_baskets, support_percent,
--   confidence_percent, lift
--
-- books_date is the first day of the month. A basket is a sale that stands, of 100 products at the most: what was
-- reversed is none, and what holds more is an order of goods. confidence: of the baskets with sku, those with the other.

-- name: clear
-- Why: the months of stores that batches touch.
DELETE FROM gold.basket_pairs p
USING (
  SELECT DISTINCT t.store_id, date_trunc('month', t.books_date::timestamp)::date AS month
  FROM gold.posted k
  CROSS JOIN LATERAL (
    SELECT f.store_id, f.books_date
    FROM silver.transactions f
    WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
      AND f.kind = k.kind AND f.type = 'SALE'
    OFFSET 0) AS t
  WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])) AS m
WHERE p.tenant_id = %(tenant_id)s AND p.store_id = m.store_id AND p.books_date = m.month

-- name: fill
-- Why: which pairs are the most frequent does not add, so the months of stores that batches touch are counted anew. The
-- products of a basket are paired within its array, themselves included (that is how many baskets hold one), and nothing
-- is joined to what was counted: so no plan can take long, whatever it thinks of a young table.
WITH touched AS (
  SELECT DISTINCT t.store_id, date_trunc('month', t.books_date::timestamp)::date AS month
  FROM gold.posted k
  CROSS JOIN LATERAL (
    SELECT f.store_id, f.books_date
    FROM silver.transactions f
    WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
      AND f.kind = k.kind AND f.type = 'SALE'
    OFFSET 0) AS t
  WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])),
months AS (SELECT DISTINCT month FROM touched),
sold AS (
  SELECT t.store_id, m.month, t.transaction_id, t.revision
  FROM months m
  CROSS JOIN LATERAL (
    SELECT f.store_id, f.transaction_id, f.revision
    FROM silver.transactions f
    WHERE f.tenant_id = %(tenant_id)s AND f.books_date >= m.month AND f.books_date < (m.month + interval '1 month')::date
      AND f.type = 'SALE' AND f.kind = 'posting'
    OFFSET 0) AS t
  WHERE (t.store_id, m.month) IN (SELECT store_id, month FROM touched)
    AND NOT EXISTS (
      SELECT FROM silver.transactions r
      WHERE r.tenant_id = %(tenant_id)s AND r.transaction_id = t.transaction_id AND r.revision = t.revision
        AND r.kind = 'reversal')),
baskets AS (
  SELECT s.store_id, s.month, l.skus, count(*) OVER (PARTITION BY s.store_id, s.month) AS all_baskets
  FROM sold s
  CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT f.sku) AS skus
    FROM silver.line_items f
    WHERE f.tenant_id = %(tenant_id)s AND f.transaction_id = s.transaction_id AND f.revision = s.revision
      AND f.kind = 'posting'
    OFFSET 0) AS l
  WHERE cardinality(l.skus) <= 100),
counted AS (
  SELECT b.store_id, b.month, a.sku, o.sku AS other_sku, count(*) AS baskets, b.all_baskets
  FROM baskets b
  CROSS JOIN LATERAL unnest(b.skus) AS a (sku)
  CROSS JOIN LATERAL unnest(b.skus) AS o (sku)
  WHERE o.sku COLLATE "C" >= a.sku COLLATE "C"
  GROUP BY b.store_id, b.month, a.sku, o.sku, b.all_baskets
  HAVING count(*) >= 2),
pairs AS (
  SELECT c.store_id, c.month, c.sku, c.other_sku, c.baskets, c.all_baskets,
         max(c.baskets) FILTER (WHERE c.sku = c.other_sku)
           OVER (PARTITION BY c.store_id, c.month, c.sku) AS sku_baskets,
         max(c.baskets) FILTER (WHERE c.sku = c.other_sku)
           OVER (PARTITION BY c.store_id, c.month, c.other_sku) AS other_baskets,
         row_number() OVER (PARTITION BY c.store_id, c.month
                            ORDER BY c.sku = c.other_sku, c.baskets DESC, c.sku COLLATE "C", c.other_sku COLLATE "C")
           AS place
  FROM counted c)
INSERT INTO gold.basket_pairs (
  tenant_id, books_date, store_id, sku, other_sku, baskets, sku_baskets, other_baskets, all_baskets)
SELECT %(tenant_id)s, p.month, p.store_id, p.sku, p.other_sku, p.baskets, p.sku_baskets, p.other_baskets, p.all_baskets
FROM pairs p
WHERE p.place <= 200 AND p.sku <> p.other_sku
RETURNING books_date

-- name: differences
-- Why: every month counted anew from the sales that stand, against the table as it is, less the months of stores that
-- pending batches touch.
WITH unsettled AS (
  SELECT DISTINCT t.store_id, date_trunc('month', t.books_date::timestamp)::date AS month
  FROM gold.posted k
  CROSS JOIN LATERAL (
    SELECT f.store_id, f.books_date
    FROM silver.transactions f
    WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
      AND f.kind = k.kind
    OFFSET 0) AS t
  WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(pending)s::uuid[])),
receipts AS (
  SELECT t.store_id, date_trunc('month', t.books_date::timestamp)::date AS month, array_agg(DISTINCT l.sku) AS skus
  FROM silver.transactions t
  JOIN silver.line_items l
    ON l.tenant_id = t.tenant_id AND l.transaction_id = t.transaction_id AND l.revision = t.revision
   AND l.kind = t.kind
  WHERE t.tenant_id = %(tenant_id)s AND t.type = 'SALE' AND t.kind = 'posting' AND NOT EXISTS (
    SELECT FROM silver.transactions r
    WHERE r.tenant_id = t.tenant_id AND r.transaction_id = t.transaction_id AND r.revision = t.revision
      AND r.kind = 'reversal')
  GROUP BY t.store_id, t.books_date, t.transaction_id
  HAVING count(DISTINCT l.sku) <= 100),
baskets AS (
  SELECT store_id, month, skus, count(*) OVER (PARTITION BY store_id, month) AS all_baskets
  FROM receipts),
counted AS (
  SELECT b.store_id, b.month, a.sku, o.sku AS other_sku, count(*) AS baskets, b.all_baskets
  FROM baskets b
  CROSS JOIN LATERAL unnest(b.skus) AS a (sku)
  CROSS JOIN LATERAL unnest(b.skus) AS o (sku)
  WHERE o.sku COLLATE "C" >= a.sku COLLATE "C"
  GROUP BY b.store_id, b.month, a.sku, o.sku, b.all_baskets
  HAVING count(*) >= 2),
pairs AS (
  SELECT c.store_id, c.month, c.sku, c.other_sku, c.baskets, c.all_baskets,
         max(c.baskets) FILTER (WHERE c.sku = c.other_sku)
           OVER (PARTITION BY c.store_id, c.month, c.sku) AS sku_baskets,
         max(c.baskets) FILTER (WHERE c.sku = c.other_sku)
           OVER (PARTITION BY c.store_id, c.month, c.other_sku) AS other_baskets,
         row_number() OVER (PARTITION BY c.store_id, c.month
                            ORDER BY c.sku = c.other_sku, c.baskets DESC, c.sku COLLATE "C", c.other_sku COLLATE "C")
           AS place
  FROM counted c),
truth AS (
  SELECT month AS books_date, store_id, sku, other_sku, baskets, sku_baskets, other_baskets, all_baskets
  FROM pairs
  WHERE place <= 200 AND sku <> other_sku),
held AS (
  SELECT books_date, store_id, sku, other_sku, baskets, sku_baskets, other_baskets, all_baskets
  FROM gold.basket_pairs
  WHERE tenant_id = %(tenant_id)s)
SELECT o.*
FROM (
  SELECT 'should be' AS side, %(tenant_id)s::text AS tenant_id, a.*
  FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
  UNION ALL
  SELECT 'is', %(tenant_id)s::text, b.*
  FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b) AS o
WHERE (o.store_id, o.books_date) NOT IN (SELECT store_id, month FROM unsettled)
ORDER BY o.books_date, o.store_id, o.sku, o.other_sku, o.side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys; a month is shown where it holds any day that is asked for.
SELECT books_date, store_id, sku, other_sku, baskets, sku_baskets, other_baskets, all_baskets,
       round(100.0 * baskets / all_baskets, 4) AS support_percent,
       round(100.0 * baskets / sku_baskets, 2) AS confidence_percent,
       round(1.0 * baskets * all_baskets / (sku_baskets * other_baskets), 4) AS lift
FROM gold.basket_pairs
WHERE tenant_id = %(tenant_id)s
  AND books_date >= coalesce(date_trunc('month', %(since)s::date::timestamp)::date, '-infinity')
  AND books_date <= coalesce(%(until)s::date, 'infinity')
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (books_date, store_id, sku, other_sku) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_store_id)s::text, ''), coalesce(%(after_sku)s::text, ''),
       coalesce(%(after_other_sku)s::text, ''))
ORDER BY books_date, store_id, sku, other_sku
LIMIT %(most)s
