-- table: account_daily
-- summary: What moved on each account of the ledger on each day.
-- grain: a row an account, day and currency
-- reads: silver.batches, ledger.entries
-- keys: tenant_id, books_date, account, currency
-- columns: books_date, account, currency, debit, credit, balance

-- name: add
-- Why: postings are never edited, only reversed, so what a batch adds or takes back is all that changes. OFFSET 0: each
-- is looked up by its key, also while the planner knows nothing of a young table and would read all of it.
INSERT INTO gold.account_daily AS t (
  tenant_id, books_date, account, currency, debit, credit, balance)
SELECT e.tenant_id, e.books_date, l.account, e.currency, sum(greatest(l.amount, 0)), sum(greatest(-l.amount, 0)),
       sum(l.amount)
FROM gold.posted k
CROSS JOIN LATERAL (
  SELECT *
  FROM ledger.entries f
  WHERE f.tenant_id = k.tenant_id AND f.transaction_id = k.transaction_id AND f.revision = k.revision
    AND f.kind = k.kind
  OFFSET 0) AS e
CROSS JOIN LATERAL unnest(e.accounts, e.amounts) AS l (account, amount)
WHERE k.tenant_id = %(tenant_id)s AND k.batch_id = ANY(%(batch_ids)s::uuid[])
GROUP BY e.tenant_id, e.books_date, l.account, e.currency
ORDER BY e.tenant_id, e.books_date, l.account, e.currency
ON CONFLICT (tenant_id, books_date, account, currency) DO UPDATE
SET debit = t.debit + excluded.debit, credit = t.credit + excluded.credit, balance = t.balance + excluded.balance
RETURNING books_date

-- name: differences
-- Why: the whole truth, made anew from what is posted (less the batches that are pending), against the table as it is.
WITH truth AS (
  SELECT e.tenant_id, e.books_date, l.account, e.currency, sum(greatest(l.amount, 0)) AS debit,
         sum(greatest(-l.amount, 0)) AS credit, sum(l.amount) AS balance
  FROM ledger.entries e
  CROSS JOIN LATERAL unnest(e.accounts, e.amounts) AS l (account, amount)
  WHERE e.tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM gold.posted k
    WHERE k.tenant_id = e.tenant_id AND k.batch_id = ANY(%(pending)s::uuid[])
      AND k.transaction_id = e.transaction_id AND k.revision = e.revision AND k.kind = e.kind)
  GROUP BY e.tenant_id, e.books_date, l.account, e.currency),
held AS (
  SELECT tenant_id, books_date, account, currency, debit, credit, balance
  FROM gold.account_daily
  WHERE tenant_id = %(tenant_id)s)
SELECT 'should be' AS side, a.*
FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
UNION ALL
SELECT 'is', b.*
FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b
ORDER BY books_date, account, currency, side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys.
SELECT books_date, account, currency, debit, credit, balance
FROM gold.account_daily
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (books_date, account, currency) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_account)s::text, ''), coalesce(%(after_currency)s::text, ''))
ORDER BY books_date, account, currency
LIMIT %(most)s
