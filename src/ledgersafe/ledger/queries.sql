-- name: accounts
-- Why: posting rules name roles; the chart says which account plays which.
SELECT account, role, name, type
FROM ledger.accounts
WHERE tenant_id = %(tenant_id)s
ORDER BY account

-- name: ensure_accounts
-- Why: a tenant has a chart from its first posting on; what it has set stays.
INSERT INTO ledger.accounts (tenant_id, account, role, name, type)
SELECT %(tenant_id)s, a.account, a.role, a.name, a.type
FROM unnest(%(accounts)s::text[], %(roles)s::text[], %(names)s::text[], %(types)s::text[]) AS a (account, role, name, type)
ORDER BY a.account
ON CONFLICT DO NOTHING

-- name: ensure_periods
-- Why: a row that is there can be held against closing.
INSERT INTO ledger.periods (tenant_id, period, status, changed_at, changed_by)
SELECT %(tenant_id)s, a.period, 'open', %(now)s, 'system'
FROM unnest(%(periods)s::date[]) AS a (period)
ORDER BY a.period
ON CONFLICT (tenant_id, period) DO NOTHING

-- name: share_periods
-- Why: while something is posted into a month, nobody closes it; the months are held in order.
SELECT period, status, changed_at, changed_by
FROM ledger.periods
WHERE tenant_id = %(tenant_id)s AND period = ANY(%(periods)s::date[])
ORDER BY period
FOR SHARE

-- name: insert_entries
-- Why: one row is one balanced posting, which its CHECK sees.
INSERT INTO ledger.entries (
  tenant_id, entry_id, transaction_id, revision, kind, store_id, business_date, books_date, posted_at, currency,
  accounts, amounts, raw_id)
SELECT %(tenant_id)s, a.entry_id, a.transaction_id, a.revision, 'posting', a.store_id, a.business_date, a.books_date,
       %(posted_at)s, a.currency, a.accounts::text[], a.amounts::numeric[], a.raw_id
FROM unnest(%(entry_ids)s::uuid[], %(transaction_ids)s::uuid[], %(revisions)s::integer[], %(store_ids)s::text[],
            %(business_dates)s::date[], %(books_dates)s::date[], %(currencies)s::text[], %(accounts)s::text[],
            %(amounts)s::text[], %(raw_ids)s::uuid[])
  AS a (entry_id, transaction_id, revision, store_id, business_date, books_date, currency, accounts, amounts, raw_id)

-- name: reverse_entries
-- Why: an entry is taken back as it was posted, to the same accounts, whatever the chart says by now. A transaction of
-- nothing has no entry, and none to take back.
INSERT INTO ledger.entries (
  tenant_id, entry_id, transaction_id, revision, kind, store_id, business_date, books_date, posted_at, currency,
  accounts, amounts, reverses, raw_id)
SELECT e.tenant_id, a.entry_id, e.transaction_id, e.revision, 'reversal', e.store_id, e.business_date, a.books_date,
       %(posted_at)s, e.currency, e.accounts,
       ARRAY(SELECT -l.amount FROM unnest(e.amounts) WITH ORDINALITY AS l (amount, line_no) ORDER BY l.line_no),
       e.entry_id, a.raw_id
FROM unnest(%(entry_ids)s::uuid[], %(transaction_ids)s::uuid[], %(revisions)s::integer[], %(books_dates)s::date[],
            %(raw_ids)s::uuid[])
  AS a (entry_id, transaction_id, revision, books_date, raw_id)
JOIN ledger.entries e
  ON e.tenant_id = %(tenant_id)s AND e.transaction_id = a.transaction_id AND e.revision = a.revision
 AND e.kind = 'posting'

-- name: count_entries
-- Why: the left side of the checks over all of them.
SELECT tenant_id, count(*) AS number
FROM ledger.entries
WHERE %(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s
GROUP BY tenant_id

-- name: count_balanced
-- Why: each entry balances by itself, to accounts that exist.
SELECT e.tenant_id, count(*) AS number
FROM ledger.entries e
WHERE (%(tenant_id)s::text IS NULL OR e.tenant_id = %(tenant_id)s)
  AND (SELECT sum(l.amount) FROM unnest(e.amounts) AS l (amount)) = 0
  AND e.accounts <@ (SELECT array_agg(a.account) FROM ledger.accounts a WHERE a.tenant_id = e.tenant_id)
GROUP BY e.tenant_id

-- name: day_sums
-- Why: the ledger's side of silver.day_sums.
SELECT l.tenant_id, l.store_id, l.books_date, l.currency,
       coalesce(-sum(l.amount) FILTER (WHERE a.role = 'sales'), 0) AS sales,
       coalesce(-sum(l.amount) FILTER (WHERE a.role = 'returns'), 0) AS returns,
       coalesce(-sum(l.amount) FILTER (WHERE a.role = 'discounts'), 0) AS discounts,
       coalesce(-sum(l.amount) FILTER (WHERE a.role = 'tax'), 0) AS tax
FROM ledger.lines l
JOIN ledger.accounts a ON a.tenant_id = l.tenant_id AND a.account = l.account
WHERE %(tenant_id)s::text IS NULL OR l.tenant_id = %(tenant_id)s
GROUP BY l.tenant_id, l.store_id, l.books_date, l.currency

-- name: entries
-- Why: keyset page of entries, by the day that they count for.
SELECT entry_id, transaction_id, revision, kind, store_id, business_date, books_date, posted_at, currency, accounts,
       amounts, reverses, raw_id
FROM ledger.entries
WHERE tenant_id = %(tenant_id)s
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (%(account)s::text IS NULL OR %(account)s = ANY(accounts))
  AND (%(transaction_id)s::uuid IS NULL OR transaction_id = %(transaction_id)s)
  AND (%(since)s::date IS NULL OR books_date >= %(since)s)
  AND (%(until)s::date IS NULL OR books_date < %(until)s)
  AND (%(after_date)s::date IS NULL OR (books_date, entry_id) > (%(after_date)s, %(after_id)s))
ORDER BY books_date, entry_id
LIMIT %(most)s

-- name: trial_balance
-- Why: what every account stands at, as of a day; the debits are the credits.
SELECT l.account, a.name, a.type, l.currency,
       CASE WHEN %(by_store)s THEN l.store_id ELSE '' END AS store_id, sum(l.debit) AS debit, sum(l.credit) AS credit,
       sum(l.amount) AS balance
FROM ledger.lines l
LEFT JOIN ledger.accounts a ON a.tenant_id = l.tenant_id AND a.account = l.account
WHERE l.tenant_id = %(tenant_id)s AND (%(as_of)s::date IS NULL OR l.books_date <= %(as_of)s)
GROUP BY l.account, a.name, a.type, l.currency, CASE WHEN %(by_store)s THEN l.store_id ELSE '' END
ORDER BY l.currency, l.account, store_id

-- name: periods
-- Why: which months are closed.
SELECT period, status, changed_at, changed_by
FROM ledger.periods
WHERE tenant_id = %(tenant_id)s
ORDER BY period

-- name: lock_period
-- Why: closing waits for what is being posted into the month, and nobody closes it twice.
SELECT period, status, changed_at, changed_by
FROM ledger.periods
WHERE tenant_id = %(tenant_id)s AND period = %(period)s
FOR UPDATE

-- name: set_period
-- Why: a month is closed or opened again.
UPDATE ledger.periods
SET status = %(status)s, changed_at = %(now)s, changed_by = %(actor)s
WHERE tenant_id = %(tenant_id)s AND period = %(period)s
