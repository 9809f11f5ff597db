-- table: platinum.customer_segments
-- kind: recomputed
-- summary: Who buys: recency, frequency and monetary value of the last 365 days, and the segment they make.
-- grain: a row a customer and currency
-- reads: silver.batches, silver.transactions, gold.daily_store_sales
-- keys: tenant_id, books_date, customer_id, currency
-- columns: books_date, customer_id, currency, recency_days, frequency, monetary, recency_score, frequency_score,
--   monetary_score, segment
--
-- The 365 days end on the last day of the tenant's books, not today: while nothing is sold, nobody moves. Sums are made
-- anew for the customers that a batch names and for those of whom a day left the window; scores compare all customers,
-- and only those that change are written.

-- name: clear
-- Why: customers whom these batches name, and those who have no sale left in the window.
WITH touched AS (
  SELECT DISTINCT t.customer_id, t.currency
  FROM gold.posted k
  CROSS JOIN LATERAL (
    SELECT f.customer_id, f.currency
    FROM silver.transactions f
    WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
      AND f.kind = k.kind AND f.type IN ('SALE', 'RETURN') AND f.customer_id IS NOT NULL
    OFFSET 0) AS t
  WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])),
since AS (
  SELECT max(books_date) - 364 AS first_on FROM gold.daily_store_sales WHERE tenant_id = %(tenant_id)s),
gone AS (
  SELECT customer_id, currency FROM touched
  UNION
  SELECT c.customer_id, c.currency
  FROM since s
  JOIN platinum.customer_segments c ON c.counted_from < s.first_on
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(f.transactions) FILTER (WHERE f.books_date >= s.first_on), 0) AS frequency
    FROM platinum.customer_sales f
    WHERE f.tenant_id = c.tenant_id AND f.customer_id = c.customer_id AND f.currency = c.currency
    OFFSET 0) AS l
  WHERE c.tenant_id = %(tenant_id)s AND l.frequency <= 0)
DELETE FROM platinum.customer_segments c
USING gone g
WHERE c.tenant_id = %(tenant_id)s AND c.customer_id = g.customer_id AND c.currency = g.currency

-- name: fill
-- Why: sums of those customers anew, then everybody's scores; who keeps his is not written. The window is looked at
-- only when a customer's sales are found: by the customer, and not by the day.
WITH touched AS (
  SELECT DISTINCT t.customer_id, t.currency
  FROM gold.posted k
  CROSS JOIN LATERAL (
    SELECT f.customer_id, f.currency
    FROM silver.transactions f
    WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
      AND f.kind = k.kind AND f.type IN ('SALE', 'RETURN') AND f.customer_id IS NOT NULL
    OFFSET 0) AS t
  WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])),
since AS (
  SELECT max(books_date) - 364 AS first_on FROM gold.daily_store_sales WHERE tenant_id = %(tenant_id)s),
wanted AS (
  SELECT customer_id, currency FROM touched
  UNION
  SELECT c.customer_id, c.currency
  FROM since s
  JOIN platinum.customer_segments c ON c.counted_from < s.first_on
  WHERE c.tenant_id = %(tenant_id)s),
days AS (
  SELECT w.customer_id, w.currency, f.books_date, f.transactions, f.net
  FROM wanted w
  CROSS JOIN since s
  CROSS JOIN LATERAL (
    SELECT d.books_date, sum(d.transactions) AS transactions, sum(d.net) AS net
    FROM platinum.customer_sales d
    WHERE d.tenant_id = %(tenant_id)s AND d.customer_id = w.customer_id AND d.currency = w.currency
    GROUP BY d.books_date
    OFFSET 0) AS f
  WHERE f.books_date >= s.first_on),
sums AS (
  SELECT customer_id, currency, max(books_date) FILTER (WHERE transactions > 0) AS last_on,
         sum(transactions) AS frequency, sum(net) AS monetary, min(books_date) AS counted_from
  FROM days
  GROUP BY customer_id, currency
  HAVING sum(transactions) > 0
  UNION ALL
  SELECT c.customer_id, c.currency, c.books_date, c.frequency, c.monetary, c.counted_from
  FROM since s
  JOIN platinum.customer_segments c ON c.counted_from >= s.first_on
  WHERE c.tenant_id = %(tenant_id)s),
placed AS (
  SELECT customer_id, currency, last_on, frequency, monetary, counted_from,
         count(*) OVER (PARTITION BY currency) AS of_all,
         5 * (rank() OVER (PARTITION BY currency ORDER BY last_on) - 1) AS recency,
         5 * (rank() OVER (PARTITION BY currency ORDER BY frequency) - 1) AS often,
         5 * (rank() OVER (PARTITION BY currency ORDER BY monetary) - 1) AS much
  FROM sums)
INSERT INTO platinum.customer_segments AS c (
  tenant_id, customer_id, currency, books_date, frequency, monetary, recency_score, frequency_score, monetary_score,
  counted_from)
SELECT %(tenant_id)s, customer_id, currency, last_on, frequency, monetary, 1 + recency / of_all,
       1 + often / of_all, 1 + much / of_all, counted_from
FROM placed
ORDER BY customer_id, currency
ON CONFLICT (tenant_id, customer_id, currency) DO UPDATE
SET books_date = excluded.books_date, frequency = excluded.frequency, monetary = excluded.monetary,
    recency_score = excluded.recency_score, frequency_score = excluded.frequency_score,
    monetary_score = excluded.monetary_score, counted_from = excluded.counted_from
WHERE (c.books_date, c.frequency, c.monetary, c.recency_score, c.frequency_score, c.monetary_score, c.counted_from)
  IS DISTINCT FROM (excluded.books_date, excluded.frequency, excluded.monetary, excluded.recency_score,
                    excluded.frequency_score, excluded.monetary_score, excluded.counted_from)
RETURNING books_date

-- name: differences
-- Why: the whole truth, made anew from what is posted, against the table as it is; while a batch is pending, nothing,
-- for its customers move the scores of all.
WITH since AS (
  SELECT max(books_date) - 364 AS first_on FROM gold.sales WHERE tenant_id = %(tenant_id)s),
days AS (
  SELECT customer_id, currency, books_date, sum(transactions) AS transactions, sum(net) AS net
  FROM platinum.customer_sales
  JOIN since s ON books_date >= s.first_on
  WHERE tenant_id = %(tenant_id)s
  GROUP BY customer_id, currency, books_date),
sums AS (
  SELECT customer_id, currency, max(books_date) FILTER (WHERE transactions > 0) AS last_on,
         sum(transactions) AS frequency, sum(net) AS monetary, min(books_date) AS counted_from
  FROM days
  GROUP BY customer_id, currency
  HAVING sum(transactions) > 0),
placed AS (
  SELECT customer_id, currency, last_on, frequency, monetary, counted_from,
         count(*) OVER (PARTITION BY currency) AS of_all,
         5 * (rank() OVER (PARTITION BY currency ORDER BY last_on) - 1) AS recency,
         5 * (rank() OVER (PARTITION BY currency ORDER BY frequency) - 1) AS often,
         5 * (rank() OVER (PARTITION BY currency ORDER BY monetary) - 1) AS much
  FROM sums),
truth AS (
  SELECT last_on AS books_date, customer_id, currency, frequency, monetary, 1 + recency / of_all AS recency_score,
         1 + often / of_all AS frequency_score, 1 + much / of_all AS monetary_score, counted_from
  FROM placed),
held AS (
  SELECT books_date, customer_id, currency, frequency, monetary, recency_score, frequency_score, monetary_score,
         counted_from
  FROM platinum.customer_segments
  WHERE tenant_id = %(tenant_id)s)
SELECT o.*
FROM (
  SELECT 'should be' AS side, a.*
  FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
  UNION ALL
  SELECT 'is', b.*
  FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b) AS o
WHERE cardinality(%(pending)s::uuid[]) = 0
ORDER BY o.books_date, o.customer_id, o.currency, o.side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys.
SELECT c.books_date, c.customer_id, c.currency, e.last_on - c.books_date AS recency_days, c.frequency, c.monetary,
       c.recency_score, c.frequency_score, c.monetary_score, c.segment
FROM platinum.customer_segments c
CROSS JOIN (SELECT max(books_date) AS last_on FROM gold.daily_store_sales WHERE tenant_id = %(tenant_id)s) AS e
WHERE c.tenant_id = %(tenant_id)s
  AND c.books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (c.books_date, c.customer_id, c.currency) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_customer_id)s::text, ''), coalesce(%(after_currency)s::text, ''))
ORDER BY c.books_date, c.customer_id, c.currency
LIMIT %(most)s
