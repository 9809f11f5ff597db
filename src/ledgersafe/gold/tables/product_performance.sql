-- table: platinum.product_performance
-- kind: recomputed
-- summary: How each product does in each month, over all stores, beside the others.
-- grain: a row a product, month and currency
-- reads: silver.batches, silver.transactions, silver.line_items, gold.daily_product_sales
-- keys: tenant_id, books_date, sku, currency
-- columns: books_date, sku, currency, transactions, units, gross, returns, net, share_percent, rank, class,
--   return_percent, trend_percent
--
-- A place among all products needs all of them, so what is made anew are whole months: those that a batch touched, and
-- the month after each, whose trend looks back at it.

-- name: clear
-- Why: the months that hold a touched day, and those that look back at one.
DELETE FROM platinum.product_performance p
WHERE p.tenant_id = %(tenant_id)s
  AND EXISTS (
    SELECT FROM unnest(%(days)s::date[]) AS d (day)
    WHERE d.day >= p.books_date - interval '1 month' AND d.day < p.books_date + interval '1 month')

-- name: fill
-- Why: the same months anew. OFFSET 0: each month is read by its days.
WITH touched AS (
  SELECT DISTINCT date_trunc('month', d.day::timestamp)::date AS month FROM unnest(%(days)s::date[]) AS d (day)),
months AS (
  SELECT month FROM touched
  UNION
  SELECT (month + interval '1 month')::date FROM touched),
sums AS (
  SELECT m.month, s.sku, s.currency, s.transactions, s.units, s.gross, s.returns, s.net
  FROM (SELECT month FROM months
        UNION
        SELECT (month - interval '1 month')::date FROM months) AS m
  CROSS JOIN LATERAL (
    SELECT d.sku, d.currency, sum(d.transactions) AS transactions, sum(d.units) AS units, sum(d.gross) AS gross,
           sum(d.returns) AS returns, sum(d.net) AS net
    FROM gold.daily_product_sales d
    WHERE d.tenant_id = %(tenant_id)s AND d.books_date >= m.month
      AND d.books_date < (m.month + interval '1 month')::date AND d.sku <> ''
    GROUP BY d.sku, d.currency
    OFFSET 0) AS s),
ordered AS (
  SELECT month, sku, currency, transactions, units, gross, returns, net,
         coalesce(sum(greatest(net, 0)) OVER (
           PARTITION BY month, currency ORDER BY net DESC, sku ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
           0) AS net_above,
         sum(greatest(net, 0)) OVER (PARTITION BY month, currency) AS net_of_all,
         rank() OVER (PARTITION BY month, currency ORDER BY net DESC) AS rank
  FROM sums)
INSERT INTO platinum.product_performance (
  tenant_id, books_date, sku, currency, transactions, units, gross, returns, net, net_before, net_of_all, rank, class)
SELECT %(tenant_id)s, o.month, o.sku, o.currency, o.transactions, o.units, o.gross, o.returns, o.net,
       coalesce(b.net, 0), o.net_of_all, o.rank,
       CASE WHEN o.net <= 0 THEN 'C' WHEN o.net_above * 100 < o.net_of_all * 80 THEN 'A'
            WHEN o.net_above * 100 < o.net_of_all * 95 THEN 'B' ELSE 'C' END
FROM ordered o
JOIN months m USING (month)
LEFT JOIN sums b ON b.month = (o.month - interval '1 month')::date AND b.sku = o.sku AND b.currency = o.currency
RETURNING books_date

-- name: differences
-- Why: every month made anew from what is posted (less those that pending batches touch), against the table as it is.
WITH sums AS (
  SELECT date_trunc('month', s.books_date::timestamp)::date AS month, l.sku, s.currency,
         sum(s.transactions) FILTER (WHERE l.is_first) AS transactions,
         coalesce(sum(l.quantity) FILTER (WHERE s.type = 'SALE'), 0) AS units,
         coalesce(sum(l.amount) FILTER (WHERE s.type = 'SALE'), 0) AS gross,
         coalesce(-sum(l.amount) FILTER (WHERE s.type = 'RETURN'), 0) AS returns,
         sum(CASE WHEN s.type = 'SALE' THEN 1 ELSE -1 END
             * (l.amount - CASE WHEN s.included_tax <> 0 THEN coalesce(l.tax, 0) ELSE 0 END)) AS net
  FROM gold.sales s
  JOIN (
    SELECT tenant_id, transaction_id, revision, kind, sku, quantity, amount, tax,
           row_number() OVER (PARTITION BY tenant_id, transaction_id, revision, kind, sku ORDER BY line_no) = 1 AS is_first
    FROM silver.line_items
    WHERE sku <> '') AS l USING (tenant_id, transaction_id, revision, kind)
  WHERE s.tenant_id = %(tenant_id)s
  GROUP BY 1, l.sku, s.currency),
ordered AS (
  SELECT month, sku, currency, transactions, units, gross, returns, net,
         coalesce(sum(greatest(net, 0)) OVER (
           PARTITION BY month, currency ORDER BY net DESC, sku ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
           0) AS net_above,
         sum(greatest(net, 0)) OVER (PARTITION BY month, currency) AS net_of_all,
         rank() OVER (PARTITION BY month, currency ORDER BY net DESC) AS rank
  FROM sums),
truth AS (
  SELECT o.month AS books_date, o.sku, o.currency, o.transactions, o.units, o.gross, o.returns, o.net,
         coalesce(b.net, 0) AS net_before, o.net_of_all, o.rank,
         CASE WHEN o.net <= 0 THEN 'C' WHEN o.net_above * 100 < o.net_of_all * 80 THEN 'A'
              WHEN o.net_above * 100 < o.net_of_all * 95 THEN 'B' ELSE 'C' END AS class
  FROM ordered o
  LEFT JOIN sums b ON b.month = (o.month - interval '1 month')::date AND b.sku = o.sku AND b.currency = o.currency),
held AS (
  SELECT books_date, sku, currency, transactions, units, gross, returns, net, net_before, net_of_all, rank, class
  FROM platinum.product_performance
  WHERE tenant_id = %(tenant_id)s)
SELECT o.*
FROM (
  SELECT 'should be' AS side, a.*
  FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
  UNION ALL
  SELECT 'is', b.*
  FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b) AS o
WHERE NOT EXISTS (
  SELECT FROM unnest(%(pending_days)s::date[]) AS d (day)
  WHERE d.day >= o.books_date - interval '1 month' AND d.day < o.books_date + interval '1 month')
ORDER BY o.books_date, o.sku, o.currency, o.side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys; rates are rounded here and nowhere else.
SELECT books_date, sku, currency, transactions, units, gross, returns, net,
       round(100 * net / nullif(net_of_all, 0), 4) AS share_percent, rank, class,
       CASE WHEN gross > 0 THEN round(-100 * returns / gross, 2) END AS return_percent,
       CASE WHEN net_before > 0 THEN round(100 * net / net_before - 100, 2) END AS trend_percent
FROM platinum.product_performance
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (books_date, sku, currency) > (coalesce(%(after_books_date)s::date, '-infinity'), coalesce(%(after_sku)s::text, ''),
       coalesce(%(after_currency)s::text, ''))
ORDER BY books_date, sku, currency
LIMIT %(most)s
