-- table: platinum.store_features
-- kind: recomputed
-- summary: How each store does on each day beside its own weeks and the other stores.
-- grain: a row a store, day and currency, days without sales included
-- reads: silver.batches, silver.transactions, gold.daily_store_sales
-- keys: tenant_id, books_date, store_id, currency
-- columns: books_date, store_id, currency, transactions, net, transactions_mean_7d, transactions_mean_28d, net_mean_7d,
--   net_mean_28d, week_over_week, momentum, net_28d, rank_28d, days
--
-- A store has a row for each day from its first in the books to 27 days after its last, as far as the tenant's books
-- go: so a store that is late today keeps its place, and one that is closed leaves. A rank needs all stores of a day,
-- so what is made anew are whole days of a currency: those whose 28 days hold a day that a batch touched.

-- name: clear
-- Why: the days whose windows hold what these batches touched; and of the stores they touched, days that are not there
-- or have another number of days behind them, because the store begins earlier than it did or came back.
WITH touched AS (
  SELECT DISTINCT t.store_id, t.currency, t.books_date
  FROM gold.posted k
  CROSS JOIN LATERAL (
    SELECT f.store_id, f.currency, f.books_date
    FROM silver.transactions f
    WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
      AND f.kind = k.kind AND f.type IN ('SALE', 'RETURN')
    OFFSET 0) AS t
  WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])),
stores AS (
  SELECT s.store_id, s.currency, min(s.books_date) AS first_on, least(max(s.books_date) + 27, e.books_date) AS last_on
  FROM gold.daily_store_sales s
  CROSS JOIN (SELECT max(books_date) AS books_date FROM platinum.store_features WHERE tenant_id = %(tenant_id)s) AS e
  WHERE s.tenant_id = %(tenant_id)s
    AND (s.store_id, s.currency) IN (SELECT t.store_id, t.currency FROM touched t)
  GROUP BY s.store_id, s.currency, e.books_date),
off AS (
  SELECT s.store_id, s.currency, s.first_on, s.last_on
  FROM stores s
  CROSS JOIN LATERAL (
    SELECT count(*) AS days, count(*) FILTER (WHERE f.days < 28) AS young
    FROM platinum.store_features f
    WHERE f.tenant_id = %(tenant_id)s AND f.store_id = s.store_id AND f.currency = s.currency
    OFFSET 0) AS h
  WHERE h.days <> s.last_on - s.first_on + 1 OR h.young <> least(s.last_on - s.first_on + 1, 27)),
days AS (
  SELECT t.currency, t.books_date + w.days AS books_date
  FROM touched t
  CROSS JOIN generate_series(0, 27) AS w (days)
  UNION
  SELECT o.currency, d.books_date::date
  FROM off o
  CROSS JOIN LATERAL generate_series(o.first_on::timestamp, o.last_on::timestamp, interval '1 day') AS d (books_date)
  LEFT JOIN platinum.store_features f
    ON f.tenant_id = %(tenant_id)s AND f.store_id = o.store_id AND f.currency = o.currency
   AND f.books_date = d.books_date::date
  WHERE f.days IS DISTINCT FROM least(d.books_date::date - o.first_on + 1, 28))
DELETE FROM platinum.store_features f
USING days d
WHERE f.tenant_id = %(tenant_id)s AND f.books_date = d.books_date AND f.currency = d.currency

-- name: fill
-- Why: days of a currency that have no row, and only those; of the rest of the books no more is read than their windows.
WITH stores AS (
  SELECT store_id, currency, min(books_date) AS first_on, max(books_date) AS last_on,
         max(max(books_date)) OVER () AS books_end
  FROM gold.daily_store_sales
  WHERE tenant_id = %(tenant_id)s
  GROUP BY store_id, currency),
days AS (
  SELECT c.currency, d.books_date::date AS books_date
  FROM (SELECT currency, min(first_on) AS first_on, max(books_end) AS books_end FROM stores GROUP BY currency) AS c
  CROSS JOIN LATERAL generate_series(c.first_on::timestamp, c.books_end::timestamp, interval '1 day') AS d (books_date)
  LEFT JOIN LATERAL (
    SELECT true AS is_held
    FROM platinum.store_features f
    WHERE f.tenant_id = %(tenant_id)s AND f.books_date = d.books_date::date AND f.currency = c.currency
    LIMIT 1) AS h ON true
  WHERE h.is_held IS NULL),
behind AS (
  SELECT DISTINCT d.currency, d.books_date - b.days AS books_date
  FROM days d
  CROSS JOIN generate_series(0, 27) AS b (days)),
cells AS (
  SELECT s.store_id, s.currency, d.books_date, s.first_on, 0 AS transactions, 0 AS net
  FROM stores s
  JOIN days d ON d.currency = s.currency AND d.books_date BETWEEN s.first_on AND least(s.last_on + 27, s.books_end)
  UNION ALL
  SELECT f.store_id, f.currency, f.books_date, NULL, f.transactions, f.net
  FROM behind b
  JOIN gold.daily_store_sales f USING (books_date, currency)
  WHERE f.tenant_id = %(tenant_id)s),
merged AS (
  SELECT store_id, currency, books_date, max(first_on) AS first_on, sum(transactions) AS transactions, sum(net) AS net
  FROM cells
  GROUP BY store_id, currency, books_date),
windows AS (
  SELECT store_id, currency, books_date, first_on, transactions, net, sum(transactions) OVER week AS transactions_7d,
         sum(net) OVER week AS net_7d, coalesce(sum(net) OVER week_before, 0) AS net_week_before,
         sum(transactions) OVER four_weeks AS transactions_28d, sum(net) OVER four_weeks AS net_28d
  FROM merged
  WINDOW week AS (PARTITION BY store_id, currency ORDER BY books_date RANGE '6 days' PRECEDING),
         week_before AS (PARTITION BY store_id, currency ORDER BY books_date
                         RANGE BETWEEN '13 days' PRECEDING AND '7 days' PRECEDING),
         four_weeks AS (PARTITION BY store_id, currency ORDER BY books_date RANGE '27 days' PRECEDING))
INSERT INTO platinum.store_features (
  tenant_id, books_date, store_id, currency, transactions, net, transactions_7d, net_7d, net_week_before,
  transactions_28d, net_28d, days, rank_28d)
SELECT %(tenant_id)s, w.books_date, w.store_id, w.currency, w.transactions, w.net, w.transactions_7d, w.net_7d,
       w.net_week_before, w.transactions_28d, w.net_28d, least(w.books_date - w.first_on + 1, 28),
       rank() OVER (PARTITION BY w.currency, w.books_date ORDER BY w.net_28d DESC)
FROM windows w
WHERE w.first_on IS NOT NULL
RETURNING books_date

-- name: differences
-- Why: the whole truth, made anew from what is posted (less the batches that are pending), against the table as it is,
-- as far as nothing that is pending reaches: its windows, and days that a store or the books have only with it.
WITH sold AS (
  SELECT store_id, currency, books_date, sum(transactions) AS transactions, sum(net) AS net
  FROM gold.sales s
  WHERE tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM gold.posted k
    WHERE k.tenant_id = s.tenant_id AND k.batch_id = ANY(%(pending)s::uuid[])
      AND k.transaction_id = s.transaction_id AND k.revision = s.revision AND k.kind = s.kind)
  GROUP BY store_id, currency, books_date),
stores AS (
  SELECT store_id, currency, min(books_date) AS first_on, max(books_date) AS last_on,
         max(max(books_date)) OVER () AS books_end
  FROM sold
  GROUP BY store_id, currency),
cells AS (
  SELECT store_id, currency, books_date, max(first_on) AS first_on, sum(transactions) AS transactions, sum(net) AS net
  FROM (
    SELECT s.store_id, s.currency, d.books_date::date AS books_date, s.first_on, 0 AS transactions, 0 AS net
    FROM stores s
    CROSS JOIN LATERAL generate_series(
      s.first_on::timestamp, least(s.last_on + 27, s.books_end)::timestamp, interval '1 day') AS d (books_date)
    UNION ALL
    SELECT store_id, currency, books_date, NULL, transactions, net
    FROM sold) AS c
  GROUP BY store_id, currency, books_date),
windows AS (
  SELECT store_id, currency, first_on, books_date, transactions, net, sum(transactions) OVER week AS transactions_7d,
         sum(net) OVER week AS net_7d, coalesce(sum(net) OVER week_before, 0) AS net_week_before,
         sum(transactions) OVER four_weeks AS transactions_28d, sum(net) OVER four_weeks AS net_28d
  FROM cells
  WINDOW week AS (PARTITION BY store_id, currency ORDER BY books_date ROWS 6 PRECEDING),
         week_before AS (PARTITION BY store_id, currency ORDER BY books_date
                         ROWS BETWEEN 13 PRECEDING AND 7 PRECEDING),
         four_weeks AS (PARTITION BY store_id, currency ORDER BY books_date ROWS 27 PRECEDING)),
truth AS (
  SELECT books_date, store_id, currency, transactions, net, transactions_7d, net_7d, net_week_before,
         transactions_28d, net_28d, least(books_date - first_on + 1, 28) AS days,
         rank() OVER (PARTITION BY currency, books_date ORDER BY net_28d DESC) AS rank_28d
  FROM windows),
reach AS (
  SELECT min(least(f.books_date, s.last_on + 28, e.books_end + 1)) AS since
  FROM gold.posted k
  JOIN silver.transactions f USING (tenant_id, transaction_id, revision, kind)
  LEFT JOIN stores s ON s.store_id = f.store_id AND s.currency = f.currency
  CROSS JOIN (SELECT max(last_on) AS books_end FROM stores) AS e
  WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(pending)s::uuid[])),
held AS (
  SELECT books_date, store_id, currency, transactions, net, transactions_7d, net_7d, net_week_before,
         transactions_28d, net_28d, days, rank_28d
  FROM platinum.store_features
  WHERE tenant_id = %(tenant_id)s)
SELECT o.*
FROM (
  SELECT 'should be' AS side, a.*
  FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
  UNION ALL
  SELECT 'is', b.*
  FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b) AS o
JOIN reach r ON o.books_date < coalesce(r.since, 'infinity')
ORDER BY o.books_date, o.store_id, o.currency, o.side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys; means and rates are rounded here and nowhere else.
SELECT books_date, store_id, currency, transactions, net,
       round(transactions_7d::numeric / least(days, 7), 4) AS transactions_mean_7d,
       round(transactions_28d::numeric / days, 4) AS transactions_mean_28d,
       round(net_7d / least(days, 7), 4) AS net_mean_7d, round(net_28d / days, 4) AS net_mean_28d,
       CASE WHEN days >= 14 AND net_week_before > 0 THEN round(net_7d / net_week_before - 1, 4) END AS week_over_week,
       CASE WHEN net_28d > 0 THEN round(net_7d * days / (net_28d * least(days, 7)) - 1, 4) END AS momentum,
       net_28d, rank_28d, days
FROM platinum.store_features
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (books_date, store_id, currency) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_store_id)s::text, ''), coalesce(%(after_currency)s::text, ''))
ORDER BY books_date, store_id, currency
LIMIT %(most)s
