-- table: brand_share_30d
-- kind: recomputed
-- summary: The share of each brand in net sales over the 30 days up to each day.
-- grain: a row a day that has sales, brand and currency
-- reads: silver.batches, gold.daily_brand_sales
-- keys: tenant_id, books_date, brand, currency
-- columns: books_date, brand, currency, net, net_of_all, share_percent
--
-- A day changes its own window and those of the 29 days after it.

-- name: clear
-- Why: the windows that hold a touched day.
DELETE FROM gold.brand_share_30d t
WHERE t.tenant_id = %(tenant_id)s
  AND EXISTS (SELECT FROM unnest(%(days)s::date[]) AS d (day) WHERE t.books_date BETWEEN d.day AND d.day + 29)

-- name: fill
-- Why: shares do not add, so the windows that hold a touched day are summed up anew, from the days' sums.
WITH windows AS (
  SELECT DISTINCT b.books_date, b.currency
  FROM unnest(%(days)s::date[]) AS d (day)
  JOIN gold.daily_brand_sales b
    ON b.tenant_id = %(tenant_id)s AND b.books_date BETWEEN d.day AND d.day + 29),
brands AS (
  SELECT w.books_date, b.brand, w.currency, sum(b.net) AS net
  FROM windows w
  JOIN gold.daily_brand_sales b
    ON b.tenant_id = %(tenant_id)s AND b.books_date BETWEEN w.books_date - 29 AND w.books_date
   AND b.currency = w.currency
  GROUP BY w.books_date, b.brand, w.currency)
INSERT INTO gold.brand_share_30d (tenant_id, books_date, brand, currency, net, net_of_all)
SELECT %(tenant_id)s, s.books_date, s.brand, s.currency, s.net,
       sum(s.net) OVER (PARTITION BY s.books_date, s.currency)
FROM brands s
RETURNING books_date

-- name: differences
-- Why: every window made anew from the days' sums (less those that pending batches touch), against the table as it is.
WITH brands AS (
  SELECT w.tenant_id, w.books_date, b.brand, w.currency, sum(b.net) AS net
  FROM (SELECT DISTINCT tenant_id, books_date, currency
        FROM gold.daily_brand_sales
        WHERE tenant_id = %(tenant_id)s) AS w
  JOIN gold.daily_brand_sales b
    ON b.tenant_id = w.tenant_id AND b.books_date BETWEEN w.books_date - 29 AND w.books_date AND b.currency = w.currency
  GROUP BY w.tenant_id, w.books_date, b.brand, w.currency),
truth AS (
  SELECT tenant_id, books_date, brand, currency, net, sum(net) OVER (PARTITION BY books_date, currency) AS net_of_all
  FROM brands),
held AS (
  SELECT tenant_id, books_date, brand, currency, net, net_of_all
  FROM gold.brand_share_30d
  WHERE tenant_id = %(tenant_id)s)
SELECT o.*
FROM (
  SELECT 'should be' AS side, a.*
  FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
  UNION ALL
  SELECT 'is', b.*
  FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b) AS o
WHERE NOT EXISTS (
  SELECT FROM unnest(%(pending_days)s::date[]) AS d (day) WHERE o.books_date BETWEEN d.day AND d.day + 29)
ORDER BY o.books_date, o.brand, o.currency, o.side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys.
SELECT books_date, brand, currency, net, net_of_all, round(100 * net / nullif(net_of_all, 0), 4) AS share_percent
FROM gold.brand_share_30d
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (books_date, brand, currency) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_brand)s::text, ''), coalesce(%(after_currency)s::text, ''))
ORDER BY books_date, brand, currency
LIMIT %(most)s
