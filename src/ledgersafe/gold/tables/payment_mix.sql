-- table: payment_mix
-- summary: By what sales were paid, and returns refunded.
-- grain: a row a store, day, type of tender and currency
-- reads: silver.batches, silver.transactions, silver.tenders
-- keys: tenant_id, books_date, store_id, payment, currency
-- columns: books_date, store_id, payment, currency, payments, received, refunded
--
-- A transaction that states no tender counts with its total, under the empty one.

-- name: add
-- Why: postings are never edited, only reversed, so what a batch adds or takes back is all that changes. OFFSET 0: each
-- is looked up by its key, also while the planner knows nothing of a young table and would read all of it.
INSERT INTO gold.payment_mix AS t (
  tenant_id, books_date, store_id, payment, currency, payments, received, refunded)
SELECT s.tenant_id, s.books_date, s.store_id, coalesce(lower(p.type), ''), s.currency, sum(s.transactions),
       sum(CASE WHEN s.type = 'SALE' THEN coalesce(p.amount, s.total) ELSE 0 END),
       sum(CASE WHEN s.type = 'RETURN' THEN coalesce(-p.amount, s.total) ELSE 0 END)
FROM gold.posted k
CROSS JOIN LATERAL (
  SELECT *
  FROM gold.sales f
  WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
    AND f.kind = k.kind
  OFFSET 0) AS s
LEFT JOIN LATERAL (
  SELECT f.type, f.amount
  FROM silver.tenders f
  WHERE f.tenant_id = s.tenant_id AND f.transaction_id = s.transaction_id AND f.revision = s.revision
    AND f.kind = s.kind
  OFFSET 0) AS p ON true
WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])
GROUP BY s.tenant_id, s.books_date, s.store_id, 4, s.currency
ORDER BY s.tenant_id, s.books_date, s.store_id, 4, s.currency
ON CONFLICT (tenant_id, books_date, store_id, payment, currency) DO UPDATE
SET payments = t.payments + excluded.payments, received = t.received + excluded.received,
    refunded = t.refunded + excluded.refunded
RETURNING books_date

-- name: differences
-- Why: the whole truth, made anew from what is posted (less the batches that are pending), against the table as it is.
WITH truth AS (
  SELECT s.tenant_id, s.books_date, s.store_id, coalesce(lower(p.type), '') AS payment, s.currency,
         sum(s.transactions) AS payments,
         sum(CASE WHEN s.type = 'SALE' THEN coalesce(p.amount, s.total) ELSE 0 END) AS received,
         sum(CASE WHEN s.type = 'RETURN' THEN coalesce(-p.amount, s.total) ELSE 0 END) AS refunded
  FROM gold.sales s
  LEFT JOIN silver.tenders p
    ON p.tenant_id = s.tenant_id AND p.transaction_id = s.transaction_id AND p.revision = s.revision AND p.kind = s.kind
  WHERE s.tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM gold.posted k
    WHERE k.tenant_id = s.tenant_id AND k.batch_id = ANY(%(pending)s::uuid[])
      AND k.transaction_id = s.transaction_id AND k.revision = s.revision AND k.kind = s.kind)
  GROUP BY s.tenant_id, s.books_date, s.store_id, 4, s.currency),
held AS (
  SELECT tenant_id, books_date, store_id, payment, currency, payments, received, refunded
  FROM gold.payment_mix
  WHERE tenant_id = %(tenant_id)s)
SELECT 'should be' AS side, a.*
FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
UNION ALL
SELECT 'is', b.*
FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b
ORDER BY books_date, store_id, payment, currency, side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys.
SELECT books_date, store_id, payment, currency, payments, received, refunded
FROM gold.payment_mix
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (books_date, store_id, payment, currency) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_store_id)s::text, ''), coalesce(%(after_payment)s::text, ''),
       coalesce(%(after_currency)s::text, ''))
ORDER BY books_date, store_id, payment, currency
LIMIT %(most)s
