-- table: platinum.demand_forecast_14d
-- kind: recomputed
-- summary: What each store is to sell on each of the next 14 days, with the bounds that eight days in ten keep to.
-- grain: a row a store, currency and day ahead
-- reads: silver.batches, silver.transactions, gold.daily_store_sales
-- keys: tenant_id, books_date, store_id, currency
-- columns: books_date, store_id, currency, made_on, horizon, method, forecast, lower, upper
--
-- Weeks are counted back from made_on, so that place 1 of a week is the weekday of the first day ahead. The net of a day
-- is the level of its store (the last 6 weeks, weights 0.8 to the power of their age) by the share of its place in the
-- last 16. The bounds come from the forecasts that would have been made at the end of each of the 12 weeks before:
-- percentiles of what was sold by what was forecast. So 28 weeks are read. docs/gold.md has what this measured.

-- name: clear
-- Why: all of them when a day has ended, else those of the stores of which these batches touched a day that is read.
WITH books AS (
  SELECT max(books_date) - 1 AS made_on FROM gold.daily_store_sales WHERE tenant_id = %(tenant_id)s),
touched AS (
  SELECT DISTINCT t.store_id, t.currency
  FROM gold.posted k
  CROSS JOIN books b
  CROSS JOIN LATERAL (
    SELECT f.store_id, f.currency
    FROM silver.transactions f
    WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
      AND f.kind = k.kind AND f.type IN ('SALE', 'RETURN') AND f.books_date BETWEEN b.made_on - 195 AND b.made_on
    OFFSET 0) AS t
  WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[]))
DELETE FROM platinum.demand_forecast_14d f
USING books b
WHERE f.tenant_id = %(tenant_id)s
  AND (f.made_on <> b.made_on OR (f.store_id, f.currency) IN (SELECT store_id, currency FROM touched))

-- name: fill
-- Why: stores without a forecast, and only those. Days are laid beside each other by grouping and windows, not by joins,
-- which are planned badly while a young table has no statistics.
WITH books AS (
  SELECT max(books_date) - 1 AS made_on FROM gold.daily_store_sales WHERE tenant_id = %(tenant_id)s),
days AS (
  SELECT s.store_id, s.currency, s.books_date, (b.made_on - s.books_date) / 7 AS week,
         7 - (b.made_on - s.books_date) %% 7 AS place, s.net, b.made_on
  FROM books b
  JOIN gold.daily_store_sales s ON s.books_date BETWEEN b.made_on - 195 AND b.made_on
  WHERE s.tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM platinum.demand_forecast_14d f
    WHERE f.tenant_id = s.tenant_id AND f.books_date = b.made_on + 1 AND f.store_id = s.store_id
      AND f.currency = s.currency)),
stores AS (
  SELECT store_id, currency, made_on, (made_on - min(books_date) + 1) / 7 AS weeks
  FROM days
  GROUP BY store_id, currency, made_on
  HAVING max(books_date) > made_on - 28),
cells AS (
  SELECT store_id, currency, max(made_on) AS made_on, max(weeks) AS weeks, week, place, sum(net) AS net
  FROM (
    SELECT s.store_id, s.currency, s.made_on, s.weeks, w.week, p.place, 0 AS net
    FROM stores s
    CROSS JOIN LATERAL generate_series(0, s.weeks - 1) AS w (week)
    CROSS JOIN generate_series(1, 7) AS p (place)
    UNION ALL
    SELECT store_id, currency, made_on, NULL, week, place, net
    FROM days) AS c
  GROUP BY store_id, currency, week, place
  HAVING max(weeks) IS NOT NULL),
places AS (
  SELECT store_id, currency, made_on, weeks, week, place, net,
         sum(net) OVER (PARTITION BY store_id, currency, week) AS week_net,
         CASE WHEN count(*) FILTER (WHERE net <> 0) OVER (
           PARTITION BY store_id, currency, place ORDER BY week ROWS BETWEEN CURRENT ROW AND 3 FOLLOWING) = 0 THEN 0
         ELSE sum(net) OVER (
           PARTITION BY store_id, currency, place ORDER BY week ROWS BETWEEN CURRENT ROW AND 15 FOLLOWING) END AS of_place
  FROM cells),
levels AS (
  SELECT store_id, currency, made_on, weeks, week, place, of_place, lag(net) OVER back AS week_after,
         lag(net, 2) OVER back AS week_after_that,
         3125 * week_net + 2500 * lead(week_net, 1, 0) OVER back + 2000 * lead(week_net, 2, 0) OVER back
           + 1600 * lead(week_net, 3, 0) OVER back + 1280 * lead(week_net, 4, 0) OVER back
           + 1024 * lead(week_net, 5, 0) OVER back AS net,
         (ARRAY[3125, 5625, 7625, 9225, 10505, 11529])[least(weeks - week, 6)] AS weight,
         sum(of_place) OVER (PARTITION BY store_id, currency, week) AS of_all
  FROM places
  WINDOW back AS (PARTITION BY store_id, currency, place ORDER BY week)),
made AS (
  SELECT store_id, currency, made_on, weeks, week, place, week_after, week_after_that,
         CASE WHEN of_all > 0 THEN net * of_place / (weight * of_all) ELSE 0 END AS forecast
  FROM levels),
bounds AS (
  SELECT m.store_id, m.currency,
         CASE WHEN count(*) >= 14 THEN percentile_disc(0.1) WITHIN GROUP (ORDER BY c.net / m.forecast) END AS lower,
         CASE WHEN count(*) >= 14 THEN percentile_disc(0.9) WITHIN GROUP (ORDER BY c.net / m.forecast) END AS upper
  FROM made m
  CROSS JOIN LATERAL (VALUES (m.week_after), (m.week_after_that)) AS c (net)
  WHERE m.week BETWEEN 1 AND 12 AND m.weeks - m.week >= 2 AND m.forecast > 0 AND c.net IS NOT NULL
  GROUP BY m.store_id, m.currency)
INSERT INTO platinum.demand_forecast_14d (
  tenant_id, books_date, store_id, currency, made_on, horizon, method, forecast, lower, upper)
SELECT %(tenant_id)s, m.made_on + h.horizon, m.store_id, m.currency, m.made_on, h.horizon,
       CASE WHEN m.weeks >= 2 THEN 'weekday_level' ELSE 'last_week' END, m.forecast,
       CASE WHEN b.lower IS NOT NULL THEN least(m.forecast * b.lower, m.forecast * b.upper, m.forecast) END,
       CASE WHEN b.upper IS NOT NULL THEN greatest(m.forecast * b.lower, m.forecast * b.upper, m.forecast) END
FROM made m
CROSS JOIN LATERAL (VALUES (m.place), (m.place + 7)) AS h (horizon)
LEFT JOIN bounds b ON b.store_id = m.store_id AND b.currency = m.currency
WHERE m.week = 0
RETURNING books_date

-- name: differences
-- Why: the whole truth, made anew from what is posted, against the table as it is; but for stores that pending batches
-- touch, and for all while one of them begins a day.
WITH sold AS (
  SELECT store_id, currency, books_date, sum(net) AS net
  FROM gold.sales s
  WHERE tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM gold.posted k
    WHERE k.tenant_id = s.tenant_id AND k.batch_id = ANY(%(pending)s::uuid[])
      AND k.transaction_id = s.transaction_id AND k.revision = s.revision AND k.kind = s.kind)
  GROUP BY store_id, currency, books_date),
books AS (
  SELECT max(books_date) - 1 AS made_on FROM sold),
days AS (
  SELECT s.store_id, s.currency, s.books_date, (b.made_on - s.books_date) / 7 AS week,
         7 - (b.made_on - s.books_date) %% 7 AS place, s.net, b.made_on
  FROM books b
  JOIN sold s ON s.books_date BETWEEN b.made_on - 195 AND b.made_on),
stores AS (
  SELECT store_id, currency, made_on, (made_on - min(books_date) + 1) / 7 AS weeks
  FROM days
  GROUP BY store_id, currency, made_on
  HAVING max(books_date) > made_on - 28),
cells AS (
  SELECT store_id, currency, max(made_on) AS made_on, max(weeks) AS weeks, week, place, sum(net) AS net
  FROM (
    SELECT s.store_id, s.currency, s.made_on, s.weeks, w.week, p.place, 0 AS net
    FROM stores s
    CROSS JOIN LATERAL generate_series(0, s.weeks - 1) AS w (week)
    CROSS JOIN generate_series(1, 7) AS p (place)
    UNION ALL
    SELECT store_id, currency, made_on, NULL, week, place, net
    FROM days) AS c
  GROUP BY store_id, currency, week, place
  HAVING max(weeks) IS NOT NULL),
places AS (
  SELECT store_id, currency, made_on, weeks, week, place, net,
         sum(net) OVER (PARTITION BY store_id, currency, week) AS week_net,
         CASE WHEN count(*) FILTER (WHERE net <> 0) OVER (
           PARTITION BY store_id, currency, place ORDER BY week ROWS BETWEEN CURRENT ROW AND 3 FOLLOWING) = 0 THEN 0
         ELSE sum(net) OVER (
           PARTITION BY store_id, currency, place ORDER BY week ROWS BETWEEN CURRENT ROW AND 15 FOLLOWING) END AS of_place
  FROM cells),
levels AS (
  SELECT store_id, currency, made_on, weeks, week, place, of_place, lag(net) OVER back AS week_after,
         lag(net, 2) OVER back AS week_after_that,
         3125 * week_net + 2500 * lead(week_net, 1, 0) OVER back + 2000 * lead(week_net, 2, 0) OVER back
           + 1600 * lead(week_net, 3, 0) OVER back + 1280 * lead(week_net, 4, 0) OVER back
           + 1024 * lead(week_net, 5, 0) OVER back AS net,
         (ARRAY[3125, 5625, 7625, 9225, 10505, 11529])[least(weeks - week, 6)] AS weight,
         sum(of_place) OVER (PARTITION BY store_id, currency, week) AS of_all
  FROM places
  WINDOW back AS (PARTITION BY store_id, currency, place ORDER BY week)),
made AS (
  SELECT store_id, currency, made_on, weeks, week, place, week_after, week_after_that,
         CASE WHEN of_all > 0 THEN net * of_place / (weight * of_all) ELSE 0 END AS forecast
  FROM levels),
bounds AS (
  SELECT m.store_id, m.currency,
         CASE WHEN count(*) >= 14 THEN percentile_disc(0.1) WITHIN GROUP (ORDER BY c.net / m.forecast) END AS lower,
         CASE WHEN count(*) >= 14 THEN percentile_disc(0.9) WITHIN GROUP (ORDER BY c.net / m.forecast) END AS upper
  FROM made m
  CROSS JOIN LATERAL (VALUES (m.week_after), (m.week_after_that)) AS c (net)
  WHERE m.week BETWEEN 1 AND 12 AND m.weeks - m.week >= 2 AND m.forecast > 0 AND c.net IS NOT NULL
  GROUP BY m.store_id, m.currency),
truth AS (
  SELECT m.made_on + h.horizon AS books_date, m.store_id, m.currency, m.made_on, h.horizon,
         CASE WHEN m.weeks >= 2 THEN 'weekday_level' ELSE 'last_week' END AS method, m.forecast,
         CASE WHEN b.lower IS NOT NULL THEN least(m.forecast * b.lower, m.forecast * b.upper, m.forecast) END AS lower,
         CASE WHEN b.upper IS NOT NULL THEN greatest(m.forecast * b.lower, m.forecast * b.upper, m.forecast) END AS upper
  FROM made m
  CROSS JOIN LATERAL (VALUES (m.place), (m.place + 7)) AS h (horizon)
  LEFT JOIN bounds b ON b.store_id = m.store_id AND b.currency = m.currency
  WHERE m.week = 0),
held AS (
  SELECT books_date, store_id, currency, made_on, horizon, method, forecast, lower, upper
  FROM platinum.demand_forecast_14d
  WHERE tenant_id = %(tenant_id)s)
SELECT o.*
FROM (
  SELECT 'should be' AS side, a.*
  FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
  UNION ALL
  SELECT 'is', b.*
  FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b) AS o
WHERE NOT EXISTS (
  SELECT FROM unnest(%(pending_days)s::date[]) AS d (day) JOIN books b ON d.day > b.made_on + 1 OR b.made_on IS NULL)
  AND NOT EXISTS (
    SELECT FROM gold.posted k
    JOIN silver.transactions f USING (tenant_id, transaction_id, revision, kind)
    WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(pending)s::uuid[]) AND f.store_id = o.store_id)
ORDER BY o.books_date, o.store_id, o.currency, o.side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys; amounts are rounded here and nowhere else.
SELECT books_date, store_id, currency, made_on, horizon, method, round(forecast, 2) AS forecast,
       round(lower, 2) AS lower, round(upper, 2) AS upper
FROM platinum.demand_forecast_14d
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (books_date, store_id, currency) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_store_id)s::text, ''), coalesce(%(after_currency)s::text, ''))
ORDER BY books_date, store_id, currency
LIMIT %(most)s
