-- name: accounts
-- Why: posting rules name roles; the chart says which account plays which.
SELECT account, role, name, type
FROM ledger.accounts
WHERE tenant_id = %(tenant_id)s AND retired_at IS NULL
ORDER BY account

-- name: known_accounts
-- Why: entries name accounts that are retired by now, too.
SELECT account, role, name, type, retired_at
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

-- name: share_chart
-- Why: what is posted by a chart is posted before the chart is replaced, or by the new one. It costs no row a lock.
SELECT pg_advisory_xact_lock_shared(hashtextextended(%(tenant_id)s, 12))

-- name: hold_chart
-- Why: what was posted to an account is known for certain only while nobody posts.
SELECT pg_advisory_xact_lock(hashtextextended(%(tenant_id)s, 12))

-- name: posted_accounts
-- Why: an account that was posted to keeps its role and type: sums by role are sums by account. One walk over the
-- entries, on the rare day that a chart gives a number another role.
SELECT DISTINCT l.account
FROM ledger.entries e
CROSS JOIN LATERAL unnest(e.accounts) AS l (account)
WHERE e.tenant_id = %(tenant_id)s AND e.accounts && %(accounts)s::text[] AND l.account = ANY(%(accounts)s::text[])

-- name: retire_accounts
-- Why: a role is freed before another account takes it.
UPDATE ledger.accounts
SET retired_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND account = ANY(%(accounts)s::text[])

-- name: put_accounts
-- Why: a new chart: new accounts, new names, and accounts that come back into use.
INSERT INTO ledger.accounts AS t (tenant_id, account, role, name, type)
SELECT %(tenant_id)s, a.account, a.role, a.name, a.type
FROM unnest(%(accounts)s::text[], %(roles)s::text[], %(names)s::text[], %(types)s::text[]) AS a (account, role, name, type)
ORDER BY a.account
ON CONFLICT (tenant_id, account) DO UPDATE
SET role = excluded.role, name = excluded.name, type = excluded.type, retired_at = NULL

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
COPY ledger.entries (
  tenant_id, entry_id, transaction_id, revision, kind, store_id, business_date, books_date, posted_at, currency,
  accounts, amounts, raw_id)
FROM STDIN

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
WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND books_date >= coalesce(%(since)s::date, '-infinity')
GROUP BY tenant_id

-- name: unbalanced
-- Why: each entry balances by itself, to accounts that exist.
SELECT e.tenant_id, count(*) AS number, (array_agg(e.entry_id::text ORDER BY e.entry_id))[1:20] AS examples
FROM ledger.entries e
WHERE e.tenant_id = ANY(%(tenant_ids)s::text[]) AND e.books_date >= coalesce(%(since)s::date, '-infinity')
  AND NOT coalesce((SELECT sum(l.amount) FROM unnest(e.amounts) AS l (amount)) = 0
    AND e.accounts <@ (SELECT array_agg(a.account) FROM ledger.accounts a WHERE a.tenant_id = e.tenant_id), false)
GROUP BY e.tenant_id

-- name: day_sums
-- Why: the ledger's side of silver.day_sums, from the accounts alone: without included tax, and with all tax.
SELECT s.tenant_id, s.store_id, s.books_date, s.currency, s.gross, s.returns, s.discounts, s.tax,
       s.gross + s.returns + s.discounts AS net
FROM (
  SELECT l.tenant_id, l.store_id, l.books_date, l.currency,
         coalesce(-sum(l.amount) FILTER (WHERE a.role = 'sales'), 0) AS gross,
         coalesce(-sum(l.amount) FILTER (WHERE a.role = 'returns'), 0) AS returns,
         coalesce(-sum(l.amount) FILTER (WHERE a.role = 'discounts'), 0) AS discounts,
         coalesce(-sum(l.amount) FILTER (WHERE a.role = 'tax'), 0) AS tax
  FROM ledger.lines l
  JOIN ledger.accounts a ON a.tenant_id = l.tenant_id AND a.account = l.account
  WHERE l.tenant_id = ANY(%(tenant_ids)s::text[])
    AND l.books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  GROUP BY l.tenant_id, l.store_id, l.books_date, l.currency) AS s

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

-- name: entries_of
-- Why: what postings and reversals came to, each looked up by its key.
SELECT e.entry_id, e.transaction_id, e.revision, e.kind, e.store_id, e.business_date, e.books_date, e.posted_at,
       e.currency, e.accounts, e.amounts, e.reverses, e.raw_id
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[], %(kinds)s::text[])
       AS a (transaction_id, revision, kind)
JOIN ledger.entries e
  ON e.tenant_id = %(tenant_id)s AND e.transaction_id = a.transaction_id AND e.revision = a.revision AND e.kind = a.kind

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

-- name: account_sums
-- Why: what gold.account_daily must say.
SELECT tenant_id, account, books_date, currency, sum(debit) AS debit, sum(credit) AS credit
FROM ledger.lines
WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND books_date >= coalesce(%(since)s::date, '-infinity')
GROUP BY tenant_id, account, books_date, currency

-- name: roles
-- Why: what is posted to an account is posted in its role, which stays with it.
SELECT tenant_id, account, role
FROM ledger.accounts
WHERE tenant_id = ANY(%(tenant_ids)s::text[])

-- name: untrue_claims
-- Why: its claim alone keeps an entry out of the next run: one that is lost has it handed on twice, one too many never. A
-- run that is voided lets go of its claims by its status; how much was in it stays on record.
SELECT f.tenant_id, count(*) AS number, (array_agg(f.what ORDER BY f.what))[1:20] AS examples
FROM (
  SELECT coalesce(p.tenant_id, c.tenant_id) AS tenant_id,
         format('%%s in run %%s', coalesce(p.entry_id, c.entry_id), coalesce(p.number, c.number)) AS what
  FROM (
    SELECT g.tenant_id, g.number, l.entry_id
    FROM ledger.export_pages g
    JOIN ledger.export_runs r
      ON r.tenant_id = g.tenant_id AND r.number = g.number AND r.status <> 'voided'
     AND r.tenant_id = ANY(%(tenant_ids)s::text[])
    CROSS JOIN LATERAL unnest(g.entry_ids) AS l (entry_id)
    WHERE g.tenant_id = ANY(%(tenant_ids)s::text[])) AS p
  FULL JOIN (
    SELECT x.tenant_id, x.number, x.entry_id
    FROM ledger.exported x
    LEFT JOIN ledger.export_runs r
      ON r.tenant_id = x.tenant_id AND r.number = x.number AND r.tenant_id = ANY(%(tenant_ids)s::text[])
    WHERE x.tenant_id = ANY(%(tenant_ids)s::text[]) AND r.status IS DISTINCT FROM 'voided') AS c
    ON c.tenant_id = p.tenant_id AND c.entry_id = p.entry_id AND c.number = p.number
  WHERE p.tenant_id IS NULL OR c.tenant_id IS NULL
  UNION ALL
  SELECT r.tenant_id, format('run %%s', r.number)
  FROM ledger.export_runs r
  LEFT JOIN (
    SELECT tenant_id, number, count(*) AS pages, sum(cardinality(entry_ids)) AS entries
    FROM ledger.export_pages
    WHERE tenant_id = ANY(%(tenant_ids)s::text[])
    GROUP BY tenant_id, number) AS g
    ON g.tenant_id = r.tenant_id AND g.number = r.number
  WHERE r.tenant_id = ANY(%(tenant_ids)s::text[])
    AND (r.pages, r.entries) <> (coalesce(g.pages, 0), coalesce(g.entries, 0))) AS f
GROUP BY f.tenant_id

-- name: untrue_runs
-- Why: a run that is void gives its entries to the next one. What became of runs is on record, and sealed there: a run
-- that says another thing, or is not there any more, was changed past the application.
SELECT f.tenant_id, count(*) AS number, (array_agg(f.what ORDER BY f.what))[1:20] AS examples
FROM (
  SELECT coalesce(r.tenant_id, a.tenant_id) AS tenant_id, format('run %%s', coalesce(r.number, a.number)) AS what
  FROM (
    SELECT tenant_id, number::text AS number, status, entries, started_by, made_at, voided_at, voided_by, void_reason
    FROM ledger.export_runs
    WHERE tenant_id = ANY(%(tenant_ids)s::text[])) AS r
  FULL JOIN (
    SELECT tenant_id, object_id AS number,
           max(actor) FILTER (WHERE action = 'export.begun') AS started_by,
           max(occurred_at) FILTER (WHERE action = 'export.made') AS made_at,
           max((after_json->>'entries')::integer) FILTER (WHERE action <> 'export.begun') AS entries,
           max(occurred_at) FILTER (WHERE action = 'export.voided') AS voided_at,
           max(actor) FILTER (WHERE action = 'export.voided') AS voided_by,
           max(notes) FILTER (WHERE action = 'export.voided') AS void_reason
    FROM audit.audit_log
    WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND object_type = 'export_run'
      AND action IN ('export.begun', 'export.made', 'export.voided')
    GROUP BY tenant_id, object_id) AS a
    ON a.tenant_id = r.tenant_id AND a.number = r.number
  WHERE (r.started_by, r.made_at IS NULL, r.voided_at, r.voided_by, r.void_reason)
      IS DISTINCT FROM (a.started_by, a.made_at IS NULL, a.voided_at, a.voided_by, a.void_reason)
    OR (r.status = 'voided') <> (a.voided_at IS NOT NULL) OR r.entries <> a.entries) AS f
GROUP BY f.tenant_id

-- name: orphans
-- Why: no foreign key is asked again once a row is in; somebody with too many rights may have gone round it.
SELECT e.tenant_id, count(*) AS number, (array_agg(e.entry_id::text ORDER BY e.entry_id))[1:20] AS examples
FROM ledger.entries e
WHERE e.tenant_id = ANY(%(tenant_ids)s::text[]) AND e.books_date >= coalesce(%(since)s::date, '-infinity')
  AND NOT EXISTS (
    SELECT FROM silver.transactions t
    WHERE t.tenant_id = e.tenant_id AND t.transaction_id = e.transaction_id AND t.revision = e.revision
      AND t.kind = e.kind AND t.raw_id = e.raw_id AND t.tenant_id = ANY(%(tenant_ids)s::text[]))
GROUP BY e.tenant_id

-- name: untrue_to_transactions
-- Why: an entry counts for the day, store and currency of its transaction; that of a reversal names the one that it takes
-- back, and no other names any: leg by leg, from the same accounts.
SELECT e.tenant_id, count(*) AS number, (array_agg(e.entry_id::text ORDER BY e.entry_id))[1:20] AS examples
FROM ledger.entries e
JOIN silver.transactions t
  ON t.tenant_id = e.tenant_id AND t.transaction_id = e.transaction_id AND t.revision = e.revision AND t.kind = e.kind
 AND t.tenant_id = ANY(%(tenant_ids)s::text[])
LEFT JOIN ledger.entries p
  ON p.tenant_id = e.tenant_id AND p.transaction_id = e.transaction_id AND p.revision = e.revision AND p.kind = 'posting'
 AND p.tenant_id = ANY(%(tenant_ids)s::text[]) AND e.kind = 'reversal'
WHERE e.tenant_id = ANY(%(tenant_ids)s::text[]) AND e.books_date >= coalesce(%(since)s::date, '-infinity')
  AND ((e.business_date, e.books_date, e.store_id, e.currency)
         <> (t.business_date, t.books_date, t.store_id, t.currency)
    OR e.reverses IS DISTINCT FROM p.entry_id OR (e.kind = 'reversal' AND e.reverses IS NULL)
    OR e.accounts <> p.accounts
    OR (e.kind = 'reversal' AND EXISTS (
      SELECT FROM unnest(e.amounts, p.amounts) AS l (amount, posted) WHERE l.amount IS DISTINCT FROM -l.posted)))
GROUP BY e.tenant_id

-- name: untrue_to_receipts
-- Why: days add up where two entries have exchanged their amounts, and whoever takes one back then takes back another's.
-- So each moves every role by what posting makes of its receipt. One pass over each table: what a role was moved by, less
-- what it must be, is nothing. Of a receipt that was paid by several means, only its tenders say how much by which.
SELECT f.tenant_id, count(*) AS number, (array_agg(f.what ORDER BY f.what))[1:20] AS examples
FROM (
  SELECT o.tenant_id, format('%%s revision %%s (%%s)', o.transaction_id, o.revision, o.kind) AS what
  FROM (
    SELECT m.tenant_id, m.transaction_id, m.revision, m.kind
    FROM (
      SELECT l.tenant_id, l.transaction_id, l.revision, l.kind, a.role, l.amount
      FROM ledger.lines l
      JOIN ledger.accounts a
        ON a.tenant_id = l.tenant_id AND a.account = l.account AND a.tenant_id = ANY(%(tenant_ids)s::text[])
      WHERE l.tenant_id = ANY(%(tenant_ids)s::text[]) AND l.books_date >= coalesce(%(since)s::date, '-infinity')
      UNION ALL
      SELECT t.tenant_id, t.transaction_id, t.revision, t.kind, s.role,
             -(s.gross * t.gross + s.discount * t.discount + s.tax * t.tax + s.included_tax * t.included_tax
               + s.rounding * t.rounding + s.totals_difference * t.totals_difference + s.total * t.total
               + CASE WHEN t.payment = 'mixed' THEN 0 ELSE s.paid * t.total END)
      FROM silver.transactions t
      JOIN unnest(%(types)s::text[], %(payments)s::text[], %(roles)s::text[], %(gross)s::numeric[],
                  %(discount)s::numeric[], %(tax)s::numeric[], %(included_tax)s::numeric[], %(rounding)s::numeric[],
                  %(totals_difference)s::numeric[], %(total)s::numeric[], %(paid)s::numeric[])
        AS s (type, payment, role, gross, discount, tax, included_tax, rounding, totals_difference, total, paid)
        ON s.type = t.type
       AND s.payment = CASE WHEN t.payment IS NULL THEN ''
                            WHEN lower(t.payment COLLATE "C") = ANY(%(payments)s::text[]) THEN lower(t.payment COLLATE "C")
                            ELSE 'other' END
      WHERE t.tenant_id = ANY(%(tenant_ids)s::text[]) AND t.books_date >= coalesce(%(since)s::date, '-infinity')
      UNION ALL
      SELECT t.tenant_id, t.transaction_id, t.revision, t.kind, s.role, -s.paid * p.amount
      FROM silver.transactions t
      JOIN silver.tenders p
        ON p.tenant_id = t.tenant_id AND p.transaction_id = t.transaction_id AND p.revision = t.revision
       AND p.kind = t.kind AND p.tenant_id = ANY(%(tenant_ids)s::text[])
      JOIN unnest(%(types)s::text[], %(payments)s::text[], %(roles)s::text[], %(paid)s::numeric[])
        AS s (type, payment, role, paid)
        ON s.type = t.type
       AND s.payment = CASE WHEN lower(p.type COLLATE "C") = ANY(%(payments)s::text[]) THEN lower(p.type COLLATE "C")
                            ELSE 'other' END
      WHERE t.tenant_id = ANY(%(tenant_ids)s::text[]) AND t.books_date >= coalesce(%(since)s::date, '-infinity')
        AND t.payment = 'mixed') AS m
    WHERE m.amount <> 0
    GROUP BY m.tenant_id, m.transaction_id, m.revision, m.kind, m.role
    HAVING sum(m.amount) <> 0) AS o
  GROUP BY o.tenant_id, o.transaction_id, o.revision, o.kind) AS f
GROUP BY f.tenant_id

-- name: tenants
-- Why: keyset page: verification goes from tenant to tenant; a loose scan costs one index probe each.
WITH RECURSIVE found AS (
  (SELECT tenant_id FROM ledger.entries WHERE tenant_id > %(after)s ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT e.tenant_id FROM ledger.entries e WHERE e.tenant_id > f.tenant_id ORDER BY e.tenant_id LIMIT 1)
  FROM found f
  WHERE f.tenant_id IS NOT NULL
)
SELECT tenant_id FROM found WHERE tenant_id IS NOT NULL LIMIT %(most)s

-- name: begin_export
-- Why: runs are numbered without gaps, and one of a tenant is made at a time: where two begin at once, the keys let one.
INSERT INTO ledger.export_runs (tenant_id, number, status, as_of, started_at, started_by, notes)
SELECT %(tenant_id)s, coalesce(max(r.number), 0) + 1, 'making', %(as_of)s::date, %(now)s::timestamptz, %(actor)s,
       %(notes)s::text
FROM ledger.export_runs r
WHERE r.tenant_id = %(tenant_id)s
ON CONFLICT DO NOTHING
RETURNING number

-- name: export_runs
-- Why: keyset page of runs, latest first.
SELECT number, status, as_of, entries, pages, started_at, started_by, notes, made_at, voided_at, voided_by, void_reason,
       at_date, at_entry
FROM ledger.export_runs
WHERE tenant_id = %(tenant_id)s AND (%(before)s::integer IS NULL OR number < %(before)s)
ORDER BY number DESC
LIMIT %(most)s

-- name: export_run
-- Why: one run.
SELECT number, status, as_of, entries, pages, started_at, started_by, notes, made_at, voided_at, voided_by, void_reason,
       at_date, at_entry
FROM ledger.export_runs
WHERE tenant_id = %(tenant_id)s AND number = %(number)s

-- name: exports_under_way
-- Why: a run whose maker died is gone on with by whoever looks.
SELECT tenant_id, number
FROM ledger.export_runs
WHERE status = 'making' AND (%(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s)
ORDER BY tenant_id

-- name: lock_export
-- Why: the steps of a run follow each other, whoever takes them, and nobody voids it in the middle of one.
SELECT number, status, as_of, entries, pages, started_at, started_by, notes, made_at, voided_at, voided_by, void_reason,
       at_date, at_entry
FROM ledger.export_runs
WHERE tenant_id = %(tenant_id)s AND number = %(number)s
FOR UPDATE

-- name: voided_exports
-- Why: what they had claimed is free.
SELECT number
FROM ledger.export_runs
WHERE tenant_id = %(tenant_id)s AND status = 'voided'

-- name: export_bound
-- Why: keyset page: a step of a run looks at so many entries and no more; the next run looks at all of them again.
SELECT books_date AS at_date, entry_id AS at_entry
FROM ledger.entries
WHERE tenant_id = %(tenant_id)s
  AND books_date <= coalesce(%(as_of)s::date, 'infinity')
  AND (books_date, entry_id) > (coalesce(%(after_date)s::date, '-infinity'),
      coalesce(%(after_id)s::uuid, '00000000-0000-0000-0000-000000000000'))
ORDER BY books_date, entry_id
LIMIT 1 OFFSET %(skipped)s

-- name: claim_entries
-- Why: what no run that stands has is claimed by its absence, whenever it was committed; the key decides between two.
-- It is looked up entry by entry: a join would read all that was ever exported for every page.
INSERT INTO ledger.exported AS x (tenant_id, entry_id, number)
SELECT e.tenant_id, e.entry_id, %(number)s
FROM ledger.entries e
WHERE e.tenant_id = %(tenant_id)s
  AND e.books_date <= coalesce(%(as_of)s::date, 'infinity')
  AND (e.books_date, e.entry_id) > (coalesce(%(after_date)s::date, '-infinity'),
      coalesce(%(after_id)s::uuid, '00000000-0000-0000-0000-000000000000'))
  AND (e.books_date, e.entry_id) <= (coalesce(%(last_date)s::date, 'infinity'),
      coalesce(%(last_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
  AND coalesce((SELECT c.number = ANY(%(voided)s::integer[]) FROM ledger.exported c
                WHERE c.tenant_id = e.tenant_id AND c.entry_id = e.entry_id), true)
ON CONFLICT (tenant_id, entry_id) DO UPDATE SET number = excluded.number WHERE x.number = ANY(%(voided)s::integer[])
RETURNING x.entry_id

-- name: insert_export_page
-- Why: what was put into a run stays on record, whoever has it later.
INSERT INTO ledger.export_pages (tenant_id, number, page, entry_ids)
VALUES (%(tenant_id)s, %(number)s, %(page)s, %(entry_ids)s::uuid[])

-- name: advance_export
-- Why: how far a run is, and whether it is complete, commits with what it claimed.
UPDATE ledger.export_runs
SET entries = %(entries)s, pages = %(pages)s, at_date = %(at_date)s, at_entry = %(at_entry)s, status = %(status)s, made_at = %(made_at)s,
    accounts = %(accounts)s::json
WHERE tenant_id = %(tenant_id)s AND number = %(number)s

-- name: void_export
-- Why: with its run, every claim of it is void: one row, however large the run is.
UPDATE ledger.export_runs
SET status = 'voided', voided_at = %(now)s, voided_by = %(actor)s, void_reason = %(reason)s
WHERE tenant_id = %(tenant_id)s AND number = %(number)s

-- name: chart_to_export
-- Why: retired accounts too: entries name them.
SELECT account, type, name
FROM ledger.accounts
WHERE tenant_id = %(tenant_id)s
ORDER BY account

-- name: export_accounts
-- Why: the files name accounts as they were when the run was begun.
SELECT a.account, a.type, a.name
FROM ledger.export_runs r, json_to_recordset(r.accounts) AS a (account text, type text, name text)
WHERE r.tenant_id = %(tenant_id)s AND r.number = %(number)s
ORDER BY a.account

-- name: export_page
-- Why: a page of a run's file, in the order that never changes.
SELECT e.entry_id, e.transaction_id, e.revision, e.kind, e.store_id, e.business_date, e.books_date, e.posted_at,
       e.currency, e.accounts, e.amounts, e.reverses, e.raw_id
FROM ledger.export_pages p
JOIN ledger.entries e ON e.tenant_id = p.tenant_id AND e.entry_id = ANY(p.entry_ids)
WHERE p.tenant_id = %(tenant_id)s AND p.number = %(number)s AND p.page = %(page)s
ORDER BY e.books_date, e.entry_id
