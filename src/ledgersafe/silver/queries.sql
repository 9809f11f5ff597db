-- name: lock_heads
-- Why: whoever posts or awaits a transaction meets at its head: new ones are made, those that are there locked, in one
-- sorted statement, so that nobody deadlocks and no wake-up is lost. Which are new is told by their transactions.
INSERT INTO silver.heads AS h (tenant_id, store_id, txn_id, state, transaction_id, revision)
SELECT %(tenant_id)s, a.store_id, a.txn_id, CASE WHEN a.transaction_id IS NULL THEN 'awaited' ELSE 'live' END,
       a.transaction_id, CASE WHEN a.transaction_id IS NOT NULL THEN 1 END
FROM unnest(%(store_ids)s::text[], %(txn_ids)s::text[], %(transaction_ids)s::uuid[])
  AS a (store_id, txn_id, transaction_id)
ON CONFLICT (tenant_id, store_id, txn_id) DO UPDATE SET state = h.state
RETURNING transaction_id::text

-- name: heads
-- Why: a separate statement after the lock, so that it sees what whoever held them before has made of them.
SELECT h.store_id, h.txn_id, h.state, h.transaction_id::text AS transaction_id, h.revision, h.returned_lines,
       h.returned_quantities, h.returned_amounts, h.returned_total, h.returned_rounding, h.returned_parts
FROM unnest(%(store_ids)s::text[], %(txn_ids)s::text[]) AS a (store_id, txn_id)
JOIN silver.heads h ON h.tenant_id = %(tenant_id)s AND h.store_id = a.store_id AND h.txn_id = a.txn_id

-- name: update_heads
-- Why: what posting made of transactions whose heads it holds.
UPDATE silver.heads h
SET state = a.state, transaction_id = a.transaction_id, revision = a.revision, returned_lines = a.lines::integer[],
    returned_quantities = a.quantities::numeric[], returned_amounts = a.amounts::numeric[], returned_total = a.total,
    returned_rounding = a.rounding, returned_parts = a.parts
FROM unnest(%(store_ids)s::text[], %(txn_ids)s::text[], %(states)s::text[], %(transaction_ids)s::uuid[],
            %(revisions)s::integer[], %(lines)s::text[], %(quantities)s::text[], %(amounts)s::text[],
            %(totals)s::numeric[], %(roundings)s::numeric[], %(parts)s::integer[])
  AS a (store_id, txn_id, state, transaction_id, revision, lines, quantities, amounts, total, rounding, parts)
WHERE h.tenant_id = %(tenant_id)s AND h.store_id = a.store_id AND h.txn_id = a.txn_id

-- name: known
-- Why: what a posted transaction says decides whether it may be given back, corrected or undone.
SELECT t.transaction_id, t.revision, t.type, t.event_type, t.event_id, t.business_date, t.books_date, t.currency,
       t.rounding, t.total, t.is_referenced
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[]) AS a (transaction_id, revision)
JOIN silver.transactions t
  ON t.tenant_id = %(tenant_id)s AND t.transaction_id = a.transaction_id AND t.revision = a.revision
 AND t.kind = 'posting'

-- name: postings
-- Why: whoever reads entries wants to know of which transactions they are.
SELECT t.transaction_id, t.revision, t.kind, t.store_id, t.txn_id, t.type, t.event_type, t.event_id, t.business_date,
       t.books_date, t.currency, t.total, t.is_referenced
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[]) AS a (transaction_id, revision)
JOIN silver.transactions t
  ON t.tenant_id = %(tenant_id)s AND t.transaction_id = a.transaction_id AND t.revision = a.revision
 AND t.kind = 'posting'

-- name: postings_of_events
-- Why: an event that was posted before with another payload is taken back before the new one is posted.
SELECT transaction_id, revision, kind, store_id, txn_id, type, event_type, event_id, business_date, books_date, currency,
       total, is_referenced
FROM silver.transactions
WHERE tenant_id = %(tenant_id)s AND event_id = ANY(%(event_ids)s::text[])
ORDER BY transaction_id, revision, kind

-- name: postings_of_receipt
-- Why: people ask by the number that stands on a receipt; shops number by themselves, so it may be several ones.
SELECT t.transaction_id, t.revision, t.kind, t.store_id, t.txn_id, t.type, t.event_type, t.event_id, t.business_date,
       t.books_date, t.currency, t.total, t.is_referenced
FROM unnest(%(store_ids)s::text[]) AS a (store_id)
JOIN silver.heads h ON h.tenant_id = %(tenant_id)s AND h.store_id = a.store_id AND h.txn_id = %(txn_id)s
JOIN silver.transactions t ON t.tenant_id = h.tenant_id AND t.transaction_id = h.transaction_id
ORDER BY t.store_id, t.transaction_id, t.revision, t.kind
LIMIT %(most)s

-- name: lines
-- Why: how much of each line there is to give back.
SELECT l.transaction_id, l.revision, l.line_no, l.sku, l.quantity, l.amount
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[]) AS a (transaction_id, revision)
JOIN silver.line_items l
  ON l.tenant_id = %(tenant_id)s AND l.transaction_id = a.transaction_id AND l.revision = a.revision
 AND l.kind = 'posting'
ORDER BY l.transaction_id, l.revision, l.line_no

-- name: lines_in_words
-- Why: a person who follows an event sees what was bought; each transaction is looked up by its key.
SELECT l.transaction_id, l.revision, l.kind, l.line_no, l.sku, l.name, l.brand, l.quantity, l.unit_price, l.discount,
       l.tax, l.amount
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[], %(kinds)s::text[])
       AS a (transaction_id, revision, kind)
JOIN silver.line_items l
  ON l.tenant_id = %(tenant_id)s AND l.transaction_id = a.transaction_id AND l.revision = a.revision AND l.kind = a.kind
ORDER BY l.transaction_id, l.revision, l.kind, l.line_no
LIMIT %(most)s

-- name: events_of_postings
-- Why: who reads an entry goes on to the event that caused it; each is looked up by its key.
SELECT t.transaction_id, t.revision, t.kind, t.event_id
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[], %(kinds)s::text[])
       AS a (transaction_id, revision, kind)
JOIN silver.transactions t
  ON t.tenant_id = %(tenant_id)s AND t.transaction_id = a.transaction_id AND t.revision = a.revision AND t.kind = a.kind

-- name: references
-- Why: a return that is taken back gives its originals' lines free again.
SELECT r.transaction_id, r.revision, r.line_no, r.original_transaction_id, r.original_line_no, r.quantity, r.amount,
       o.store_id AS original_store_id, o.txn_id AS original_txn_id
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[]) AS a (transaction_id, revision)
JOIN silver.references r
  ON r.tenant_id = %(tenant_id)s AND r.transaction_id = a.transaction_id AND r.revision = a.revision
 AND r.kind = 'posting'
JOIN silver.transactions o
  ON o.tenant_id = %(tenant_id)s AND o.transaction_id = r.original_transaction_id AND o.revision = 1
 AND o.kind = 'posting'

-- name: insert_transactions
-- Why: the postings of a whole batch; a key that is there already is a bug, and must fail.
COPY silver.transactions (
  tenant_id, transaction_id, revision, kind, store_id, txn_id, type, event_type, event_id, raw_id, register_id,
  cashier_id, customer_id, business_date, books_date, occurred_at, posted_at, currency, lines, units, gross, discount,
  tax, included_tax, rounding, totals_difference, total, payment, country, is_referenced, simulated)
FROM STDIN

-- name: insert_lines
-- Why: the lines of a batch; each belongs to a posting just inserted.
COPY silver.line_items (
  tenant_id, transaction_id, revision, kind, line_no, sku, name, brand, category, gtin, quantity, unit_price, discount,
  tax, amount, product_key)
FROM STDIN

-- name: insert_tenders
-- Why: how the postings of a batch were paid.
COPY silver.tenders (tenant_id, transaction_id, revision, kind, tender_no, type, amount) FROM STDIN

-- name: insert_references
-- Why: which lines of which originals the returns of a batch give back.
COPY silver.references (
  tenant_id, transaction_id, revision, kind, line_no, original_transaction_id, original_line_no, quantity, amount)
FROM STDIN

-- name: reverse_transactions
-- Why: what is undone is taken back as it was posted, with every measure negated, so that sums are always the truth.
INSERT INTO silver.transactions (
  tenant_id, transaction_id, revision, kind, store_id, txn_id, type, event_type, event_id, raw_id, register_id,
  cashier_id, customer_id, business_date, books_date, occurred_at, posted_at, currency, lines, units, gross, discount,
  tax, included_tax, rounding, totals_difference, total, payment, country, is_referenced, simulated)
SELECT t.tenant_id, t.transaction_id, t.revision, 'reversal', t.store_id, t.txn_id, t.type, a.event_type, a.event_id,
       a.raw_id, t.register_id, t.cashier_id, t.customer_id, t.business_date, a.books_date, a.occurred_at, %(posted_at)s,
       t.currency, t.lines, -t.units, -t.gross, -t.discount, -t.tax, -t.included_tax, -t.rounding,
       -t.totals_difference, -t.total, t.payment, t.country, t.is_referenced, t.simulated
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[], %(event_types)s::text[], %(event_ids)s::text[],
            %(raw_ids)s::uuid[], %(books_dates)s::date[], %(occurred_at)s::timestamptz[])
  AS a (transaction_id, revision, event_type, event_id, raw_id, books_date, occurred_at)
JOIN silver.transactions t
  ON t.tenant_id = %(tenant_id)s AND t.transaction_id = a.transaction_id AND t.revision = a.revision
 AND t.kind = 'posting'

-- name: reverse_lines
-- Why: as for their transactions.
INSERT INTO silver.line_items (
  tenant_id, transaction_id, revision, kind, line_no, sku, name, brand, category, gtin, quantity, unit_price, discount,
  tax, amount, product_key)
SELECT l.tenant_id, l.transaction_id, l.revision, 'reversal', l.line_no, l.sku, l.name, l.brand, l.category, l.gtin,
       -l.quantity, l.unit_price, -l.discount, -l.tax, -l.amount, l.product_key
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[]) AS a (transaction_id, revision)
JOIN silver.line_items l
  ON l.tenant_id = %(tenant_id)s AND l.transaction_id = a.transaction_id AND l.revision = a.revision
 AND l.kind = 'posting'

-- name: reverse_tenders
-- Why: as for their transactions.
INSERT INTO silver.tenders (tenant_id, transaction_id, revision, kind, tender_no, type, amount)
SELECT p.tenant_id, p.transaction_id, p.revision, 'reversal', p.tender_no, p.type, -p.amount
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[]) AS a (transaction_id, revision)
JOIN silver.tenders p
  ON p.tenant_id = %(tenant_id)s AND p.transaction_id = a.transaction_id AND p.revision = a.revision
 AND p.kind = 'posting'

-- name: reverse_references
-- Why: as for their transactions.
INSERT INTO silver.references (
  tenant_id, transaction_id, revision, kind, line_no, original_transaction_id, original_line_no, quantity, amount)
SELECT r.tenant_id, r.transaction_id, r.revision, 'reversal', r.line_no, r.original_transaction_id, r.original_line_no,
       -r.quantity, -r.amount
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[]) AS a (transaction_id, revision)
JOIN silver.references r
  ON r.tenant_id = %(tenant_id)s AND r.transaction_id = a.transaction_id AND r.revision = a.revision
 AND r.kind = 'posting'

-- name: insert_batch
-- Why: gold applies what was newly posted by whole batches, because ids and times commit out of order.
INSERT INTO silver.batches (tenant_id, batch_id, posted_at, transaction_ids, revisions, kinds)
VALUES (%(tenant_id)s, %(batch_id)s, %(posted_at)s, %(transaction_ids)s::uuid[], %(revisions)s::integer[],
        %(kinds)s::text[])

-- name: insert_waiting
-- Why: an event that came before what it names waits for it.
INSERT INTO silver.waiting (tenant_id, store_id, txn_id, exception_id)
SELECT %(tenant_id)s, a.store_id, a.txn_id, a.exception_id
FROM unnest(%(store_ids)s::text[], %(txn_ids)s::text[], %(exception_ids)s::uuid[]) AS a (store_id, txn_id, exception_id)
ON CONFLICT DO NOTHING

-- name: take_waiting
-- Why: the posting of an original releases who waits for it; their heads are held, so nobody begins to wait meanwhile.
DELETE FROM silver.waiting w
USING unnest(%(store_ids)s::text[], %(txn_ids)s::text[]) AS a (store_id, txn_id)
WHERE w.tenant_id = %(tenant_id)s AND w.store_id = a.store_id AND w.txn_id = a.txn_id
RETURNING w.exception_id

-- name: overdue_waiting
-- Why: the sweep finds whoever still waits for what is there.
SELECT w.exception_id
FROM silver.waiting w
JOIN silver.heads h
  ON h.tenant_id = w.tenant_id AND h.store_id = w.store_id AND h.txn_id = w.txn_id AND h.state <> 'awaited'
WHERE w.tenant_id = %(tenant_id)s
LIMIT %(most)s

-- name: tenants_waiting
-- Why: the sweep goes from tenant to tenant.
SELECT DISTINCT tenant_id FROM silver.waiting ORDER BY tenant_id

-- name: delete_waiting
-- Why: who is released waits no more.
DELETE FROM silver.waiting
WHERE tenant_id = %(tenant_id)s AND exception_id = ANY(%(exception_ids)s::uuid[])

-- name: count_events
-- Why: every posted key caused something here, and nothing here was caused by anything else.
SELECT tenant_id, count(DISTINCT event_id) AS number
FROM silver.transactions
WHERE tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY tenant_id

-- name: count_transactions
-- Why: the left side of checks over all of them.
SELECT tenant_id, count(*) AS number
FROM silver.transactions
WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND books_date >= coalesce(%(since)s::date, '-infinity')
GROUP BY tenant_id

-- name: untrue_to_lines
-- Why: what a transaction says of itself is what its lines say.
SELECT f.tenant_id, count(*) AS number, (array_agg(f.what ORDER BY f.what))[1:20] AS examples
FROM (
  SELECT t.tenant_id, format('%%s revision %%s (%%s)', t.transaction_id, t.revision, t.kind) AS what
  FROM silver.transactions t
  LEFT JOIN silver.line_items l
    ON l.tenant_id = t.tenant_id AND l.transaction_id = t.transaction_id AND l.revision = t.revision AND l.kind = t.kind
   AND l.tenant_id = ANY(%(tenant_ids)s::text[])
  WHERE t.tenant_id = ANY(%(tenant_ids)s::text[]) AND t.books_date >= coalesce(%(since)s::date, '-infinity')
  GROUP BY t.tenant_id, t.transaction_id, t.revision, t.kind
  HAVING count(l.line_no) <> t.lines OR coalesce(sum(l.quantity), 0) <> t.units OR coalesce(sum(l.amount), 0) <> t.gross
    OR t.total <> t.gross - t.discount + t.tax - t.included_tax + t.rounding + t.totals_difference) AS f
GROUP BY f.tenant_id

-- name: count_reversals
-- Why: the left side of the next.
SELECT tenant_id, count(*) AS number
FROM silver.transactions
WHERE kind = 'reversal' AND tenant_id = ANY(%(tenant_ids)s::text[]) AND books_date >= coalesce(%(since)s::date, '-infinity')
GROUP BY tenant_id

-- name: untrue_reversals
-- Why: a reversal takes back exactly what was posted.
SELECT r.tenant_id, count(*) AS number,
       (array_agg(format('%%s revision %%s', r.transaction_id, r.revision) ORDER BY r.transaction_id))[1:20] AS examples
FROM silver.transactions r
LEFT JOIN silver.transactions p
  ON p.tenant_id = r.tenant_id AND p.transaction_id = r.transaction_id AND p.revision = r.revision AND p.kind = 'posting'
 AND p.tenant_id = ANY(%(tenant_ids)s::text[])
WHERE r.kind = 'reversal' AND r.tenant_id = ANY(%(tenant_ids)s::text[])
  AND r.books_date >= coalesce(%(since)s::date, '-infinity')
  AND (r.type, r.currency, r.lines, r.units, r.gross, r.discount, r.tax, r.included_tax, r.rounding, r.total)
    IS DISTINCT FROM
      (p.type, p.currency, p.lines, -p.units, -p.gross, -p.discount, -p.tax, -p.included_tax, -p.rounding, -p.total)
GROUP BY r.tenant_id

-- name: count_live_postings
-- Why: of every transaction at most the latest revision stands.
SELECT p.tenant_id, count(*) AS number
FROM silver.transactions p
WHERE p.kind = 'posting' AND p.tenant_id = ANY(%(tenant_ids)s::text[])
  AND p.books_date >= coalesce(%(since)s::date, '-infinity')
  AND NOT EXISTS (
    SELECT FROM silver.transactions r
    WHERE r.tenant_id = p.tenant_id AND r.transaction_id = p.transaction_id AND r.revision = p.revision
      AND r.kind = 'reversal' AND r.tenant_id = ANY(%(tenant_ids)s::text[]))
GROUP BY p.tenant_id

-- name: count_live_heads
-- Why: a head says what stands.
SELECT h.tenant_id, count(*) AS number
FROM silver.heads h
JOIN silver.transactions p
  ON p.tenant_id = h.tenant_id AND p.transaction_id = h.transaction_id AND p.revision = h.revision
 AND p.kind = 'posting' AND p.store_id = h.store_id AND p.txn_id = h.txn_id
 AND p.tenant_id = ANY(%(tenant_ids)s::text[])
WHERE h.state = 'live' AND h.tenant_id = ANY(%(tenant_ids)s::text[])
  AND p.books_date >= coalesce(%(since)s::date, '-infinity')
GROUP BY h.tenant_id

-- name: lost_references
-- Why: whatever was given back was sold.
SELECT r.tenant_id, count(*) AS number,
       (array_agg(format('%%s line %%s', r.transaction_id, r.line_no) ORDER BY r.transaction_id, r.line_no))[1:20]
         AS examples
FROM silver.references r
WHERE r.tenant_id = ANY(%(tenant_ids)s::text[])
  AND NOT EXISTS (
    SELECT FROM silver.line_items l
    WHERE l.tenant_id = r.tenant_id AND l.transaction_id = r.original_transaction_id
      AND l.line_no = r.original_line_no AND l.kind = 'posting'
      AND l.tenant_id = ANY(%(tenant_ids)s::text[]))
GROUP BY r.tenant_id

-- name: day_sums
-- Why: what lines and receipts say of every day of every store; ledger and gold must say the same. The ledger's accounts
-- hold amounts without included tax, and the tax of adjustments too: how much that is, is told beside.
WITH of_lines AS (
  SELECT t.tenant_id, t.store_id, t.books_date, t.currency,
         coalesce(sum(l.amount) FILTER (WHERE t.type = 'SALE'), 0) AS gross,
         coalesce(-sum(l.amount) FILTER (WHERE t.type = 'RETURN'), 0) AS returns
  FROM silver.transactions t
  JOIN silver.line_items l
    ON l.tenant_id = t.tenant_id AND l.transaction_id = t.transaction_id AND l.revision = t.revision AND l.kind = t.kind
  WHERE t.tenant_id = ANY(%(tenant_ids)s::text[]) AND t.type IN ('SALE', 'RETURN')
    AND t.books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  GROUP BY t.tenant_id, t.store_id, t.books_date, t.currency),
of_receipts AS (
  SELECT tenant_id, store_id, books_date, currency,
         coalesce(sum(CASE type WHEN 'SALE' THEN -discount WHEN 'RETURN' THEN discount END), 0) AS discounts,
         coalesce(sum(CASE type WHEN 'SALE' THEN tax WHEN 'RETURN' THEN -tax END), 0) AS tax,
         coalesce(sum(included_tax) FILTER (WHERE type = 'SALE'), 0) AS included_in_gross,
         coalesce(-sum(included_tax) FILTER (WHERE type = 'RETURN'), 0) AS included_in_returns,
         coalesce(sum(tax) FILTER (WHERE type = 'ADJUSTMENT'), 0) AS other_tax
  FROM silver.transactions
  WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND type <> 'STOCK_ADJUSTMENT'
    AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  GROUP BY tenant_id, store_id, books_date, currency)
SELECT r.tenant_id, r.store_id, r.books_date, r.currency, coalesce(l.gross, 0) AS gross,
       coalesce(l.returns, 0) AS returns, r.discounts, r.tax,
       coalesce(l.gross, 0) + coalesce(l.returns, 0) + r.discounts - r.included_in_gross - r.included_in_returns AS net,
       r.included_in_gross, r.included_in_returns, r.other_tax
FROM of_receipts r
LEFT JOIN of_lines l
  ON l.tenant_id = r.tenant_id AND l.store_id = r.store_id AND l.books_date = r.books_date AND l.currency = r.currency

-- name: tenants
-- Why: keyset page: verification goes from tenant to tenant; a loose scan costs one index probe each.
WITH RECURSIVE found AS (
  (SELECT tenant_id FROM silver.transactions WHERE tenant_id > %(after)s ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT t.tenant_id FROM silver.transactions t WHERE t.tenant_id > f.tenant_id ORDER BY t.tenant_id LIMIT 1)
  FROM found f
  WHERE f.tenant_id IS NOT NULL
)
SELECT tenant_id FROM found WHERE tenant_id IS NOT NULL LIMIT %(most)s

-- name: orphans
-- Why: no foreign key is asked again once a row is in; somebody with too many rights may have gone round it.
SELECT o.tenant_id, count(*) AS number,
       (array_agg(format('%%s of %%s revision %%s', o.part, o.transaction_id, o.revision)
                  ORDER BY o.part, o.transaction_id))[1:20] AS examples
FROM (
  SELECT 'line' AS part, tenant_id, transaction_id, revision, kind FROM silver.line_items
  UNION ALL
  SELECT 'tender', tenant_id, transaction_id, revision, kind FROM silver.tenders
  UNION ALL
  SELECT 'reference', tenant_id, transaction_id, revision, kind FROM silver.references) AS o
WHERE o.tenant_id = ANY(%(tenant_ids)s::text[]) AND NOT EXISTS (
  SELECT FROM silver.transactions t
  WHERE t.tenant_id = o.tenant_id AND t.transaction_id = o.transaction_id AND t.revision = o.revision
    AND t.kind = o.kind AND t.tenant_id = ANY(%(tenant_ids)s::text[]))
GROUP BY o.tenant_id

-- name: without_arrival
-- Why: nothing is in the books that did not arrive.
SELECT t.tenant_id, count(*) AS number, (array_agg(DISTINCT t.event_id))[1:20] AS examples
FROM silver.transactions t
WHERE t.tenant_id = ANY(%(tenant_ids)s::text[]) AND t.books_date >= coalesce(%(since)s::date, '-infinity')
  AND NOT EXISTS (
    SELECT FROM bronze.events_raw r
    WHERE r.tenant_id = t.tenant_id AND r.raw_id = t.raw_id AND r.tenant_id = ANY(%(tenant_ids)s::text[]))
GROUP BY t.tenant_id

-- name: out_of_batches
-- Why: gold adds what batches name; a posting that none names, or that two name, would be wrong there for ever.
SELECT f.tenant_id, count(*) AS number, (array_agg(f.what ORDER BY f.what))[1:20] AS examples
FROM (
  SELECT coalesce(t.tenant_id, k.tenant_id) AS tenant_id,
         format('%%s revision %%s (%%s)', coalesce(t.transaction_id, k.transaction_id),
                coalesce(t.revision, k.revision), coalesce(t.kind, k.kind)) AS what
  FROM (SELECT tenant_id, transaction_id, revision, kind
        FROM silver.transactions
        WHERE tenant_id = ANY(%(tenant_ids)s::text[])) AS t
  FULL JOIN (
    SELECT b.tenant_id, e.transaction_id, e.revision, e.kind, count(*) AS times
    FROM silver.batches b
    CROSS JOIN LATERAL unnest(b.transaction_ids, b.revisions, b.kinds) AS e (transaction_id, revision, kind)
    WHERE b.tenant_id = ANY(%(tenant_ids)s::text[])
    GROUP BY b.tenant_id, e.transaction_id, e.revision, e.kind) AS k
    ON k.tenant_id = t.tenant_id AND k.transaction_id = t.transaction_id AND k.revision = t.revision AND k.kind = t.kind
  WHERE t.tenant_id IS NULL OR k.times IS DISTINCT FROM 1) AS f
GROUP BY f.tenant_id

-- name: untrue_guards
-- Why: what a head says was given back, of its lines and in all, is what keeps anybody from giving back more. References
-- and totals of a reversal are negative: the sum over all is of what stands.
SELECT f.tenant_id, count(*) AS number, (array_agg(f.what ORDER BY f.what))[1:20] AS examples
FROM (
  SELECT coalesce(g.tenant_id, r.tenant_id) AS tenant_id,
         format('%%s line %%s', coalesce(g.transaction_id, r.transaction_id), coalesce(g.line_no, r.line_no)) AS what
  FROM (
    SELECT h.tenant_id, h.transaction_id, l.line_no, sum(l.quantity) AS quantity, sum(l.amount) AS amount
    FROM silver.heads h
    CROSS JOIN LATERAL unnest(h.returned_lines, h.returned_quantities, h.returned_amounts) AS l (line_no, quantity, amount)
    WHERE h.tenant_id = ANY(%(tenant_ids)s::text[])
    GROUP BY h.tenant_id, h.transaction_id, l.line_no) AS g
  FULL JOIN (
    SELECT tenant_id, original_transaction_id AS transaction_id, original_line_no AS line_no, sum(quantity) AS quantity,
           sum(amount) AS amount
    FROM silver.references
    WHERE tenant_id = ANY(%(tenant_ids)s::text[])
    GROUP BY tenant_id, original_transaction_id, original_line_no) AS r
    ON r.tenant_id = g.tenant_id AND r.transaction_id = g.transaction_id AND r.line_no = g.line_no
  WHERE coalesce(g.quantity, 0) <> coalesce(r.quantity, 0) OR coalesce(g.amount, 0) <> coalesce(r.amount, 0)
  UNION ALL
  SELECT coalesce(h.tenant_id, p.tenant_id), format('%%s in all', coalesce(h.transaction_id, p.transaction_id))
  FROM (
    SELECT tenant_id, transaction_id, returned_total, returned_rounding, returned_parts
    FROM silver.heads
    WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND (returned_total, returned_rounding, returned_parts) <> (0, 0, 0)) AS h
  FULL JOIN (
    SELECT t.tenant_id, o.transaction_id, sum(t.total) AS total, sum(t.rounding) AS rounding, sum(o.parts) AS parts
    FROM (
      SELECT tenant_id, transaction_id AS of_return, revision, kind, original_transaction_id AS transaction_id,
             sum(sign(amount)) AS parts
      FROM silver.references
      WHERE tenant_id = ANY(%(tenant_ids)s::text[])
      GROUP BY tenant_id, transaction_id, revision, kind, original_transaction_id) AS o
    JOIN silver.transactions t
      ON t.tenant_id = o.tenant_id AND t.transaction_id = o.of_return AND t.revision = o.revision AND t.kind = o.kind
     AND t.tenant_id = ANY(%(tenant_ids)s::text[])
    GROUP BY t.tenant_id, o.transaction_id) AS p
    ON p.tenant_id = h.tenant_id AND p.transaction_id = h.transaction_id
  WHERE coalesce(h.returned_total, 0) <> coalesce(p.total, 0) OR coalesce(h.returned_rounding, 0) <> coalesce(p.rounding, 0)
     OR coalesce(h.returned_parts, 0) <> coalesce(p.parts, 0)
) AS f
GROUP BY f.tenant_id

-- name: given_back_of_no_sale
-- Why: nothing can go back of what sold nothing, or does not stand. What went back of which is what the heads say, which
-- untrue_guards holds against the returns.
SELECT h.tenant_id, count(*) AS number, (array_agg(h.transaction_id::text ORDER BY h.transaction_id))[1:20] AS examples
FROM silver.heads h
WHERE h.tenant_id = ANY(%(tenant_ids)s::text[]) AND (h.returned_lines <> '{}' OR h.returned_total <> 0)
  AND NOT EXISTS (
    SELECT FROM silver.transactions t
    WHERE t.tenant_id = h.tenant_id AND t.transaction_id = h.transaction_id AND t.revision = h.revision
      AND t.kind = 'posting' AND h.state = 'live' AND t.type = ANY(%(selling)s::text[])
      AND t.tenant_id = ANY(%(tenant_ids)s::text[]))
GROUP BY h.tenant_id

-- name: untrue_to_references
-- Why: a return that names an original takes all that it gives back from lines of it; nothing else takes anything. A line
-- of nothing takes nothing: whether there are rows is no measure.
SELECT t.tenant_id, count(*) AS number,
       (array_agg(format('%%s revision %%s (%%s)', t.transaction_id, t.revision, t.kind)
                  ORDER BY t.transaction_id, t.revision, t.kind))[1:20] AS examples
FROM silver.transactions t
LEFT JOIN (
  SELECT tenant_id, transaction_id, revision, kind, sum(quantity) AS quantity, sum(amount) AS amount
  FROM silver.references
  WHERE tenant_id = ANY(%(tenant_ids)s::text[])
  GROUP BY tenant_id, transaction_id, revision, kind) AS r
  ON r.tenant_id = t.tenant_id AND r.transaction_id = t.transaction_id AND r.revision = t.revision AND r.kind = t.kind
WHERE t.tenant_id = ANY(%(tenant_ids)s::text[]) AND t.books_date >= coalesce(%(since)s::date, '-infinity')
  AND (r.tenant_id IS NOT NULL OR t.is_referenced)
  AND (NOT t.is_referenced OR coalesce(r.quantity, 0) <> t.units OR coalesce(r.amount, 0) <> t.gross)
GROUP BY t.tenant_id

-- name: untrue_to_tenders
-- Why: tenders less change pay the total, and the receipt names what it was paid with; where it names none, there is none.
-- A stock adjustment moves no money, whatever its tenders say.
SELECT t.tenant_id, count(*) AS number,
       (array_agg(format('%%s revision %%s (%%s)', t.transaction_id, t.revision, t.kind)
                  ORDER BY t.transaction_id, t.revision, t.kind))[1:20] AS examples
FROM silver.transactions t
LEFT JOIN (
  SELECT tenant_id, transaction_id, revision, kind, sum(amount) AS amount,
         CASE WHEN min(type) = max(type) THEN min(type) ELSE 'mixed' END AS payment
  FROM silver.tenders
  WHERE tenant_id = ANY(%(tenant_ids)s::text[])
  GROUP BY tenant_id, transaction_id, revision, kind) AS p
  ON p.tenant_id = t.tenant_id AND p.transaction_id = t.transaction_id AND p.revision = t.revision AND p.kind = t.kind
WHERE t.tenant_id = ANY(%(tenant_ids)s::text[]) AND t.books_date >= coalesce(%(since)s::date, '-infinity')
  AND (t.payment IS DISTINCT FROM p.payment OR (p.amount <> t.total AND t.type <> 'STOCK_ADJUSTMENT'))
GROUP BY t.tenant_id

-- name: receipt_sums
-- Why: what receipts come to by what they were paid with is what posting makes entries of; no two of a kind differ in it.
-- Tills name means of payment as they like: those that have no role of their own are one.
SELECT tenant_id, books_date, currency, type,
       CASE WHEN payment IS NULL OR payment = 'mixed' THEN payment
            WHEN lower(payment COLLATE "C") = ANY(%(known)s::text[]) THEN lower(payment COLLATE "C")
            ELSE 'other' END AS payment,
       sum(units) AS units, sum(gross) AS gross, sum(discount) AS discount, sum(tax) AS tax,
       sum(included_tax) AS included_tax, sum(rounding) AS rounding, sum(totals_difference) AS totals_difference,
       sum(total) AS total
FROM silver.transactions
WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND books_date >= coalesce(%(since)s::date, '-infinity')
GROUP BY 1, 2, 3, 4, 5

-- name: tender_sums
-- Why: receipts that were paid with several kinds: only their tenders say how much by which.
SELECT t.tenant_id, t.books_date, t.currency, t.type,
       CASE WHEN lower(p.type COLLATE "C") = ANY(%(known)s::text[]) THEN lower(p.type COLLATE "C")
            ELSE 'other' END AS payment,
       sum(p.amount) AS amount
FROM silver.transactions t
JOIN silver.tenders p
  ON p.tenant_id = t.tenant_id AND p.transaction_id = t.transaction_id AND p.revision = t.revision AND p.kind = t.kind
 AND p.tenant_id = ANY(%(tenant_ids)s::text[])
WHERE t.tenant_id = ANY(%(tenant_ids)s::text[]) AND t.books_date >= coalesce(%(since)s::date, '-infinity')
  AND t.payment = 'mixed'
GROUP BY 1, 2, 3, 4, 5

-- name: untrue_heads
-- Why: counts may agree while a head names another revision than the one that stands.
SELECT f.tenant_id, count(*) AS number, (array_agg(f.what ORDER BY f.what))[1:20] AS examples
FROM (
  SELECT coalesce(h.tenant_id, s.tenant_id) AS tenant_id,
         format('%%s revision %%s', coalesce(h.transaction_id, s.transaction_id), coalesce(h.revision, s.revision)) AS what
  FROM (
    SELECT tenant_id, store_id, txn_id, transaction_id, revision
    FROM silver.heads
    WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND state = 'live') AS h
  FULL JOIN (
    SELECT tenant_id, store_id, txn_id, transaction_id, revision
    FROM silver.transactions
    WHERE tenant_id = ANY(%(tenant_ids)s::text[])
    GROUP BY tenant_id, store_id, txn_id, transaction_id, revision
    HAVING bool_and(kind = 'posting')) AS s
    ON s.tenant_id = h.tenant_id AND s.transaction_id = h.transaction_id AND s.revision = h.revision
   AND s.store_id = h.store_id AND s.txn_id = h.txn_id
  WHERE h.tenant_id IS NULL OR s.tenant_id IS NULL) AS f
GROUP BY f.tenant_id

-- name: untrue_events
-- Why: what is in the books came of a key that is posted, and a posted key is in the books: under its own name.
SELECT f.tenant_id, count(*) AS number, (array_agg(f.event_id ORDER BY f.event_id))[1:20] AS examples
FROM (
  SELECT coalesce(t.tenant_id, k.tenant_id) AS tenant_id, coalesce(t.event_id, k.event_id) AS event_id
  FROM (SELECT DISTINCT tenant_id, event_id
        FROM silver.transactions
        WHERE tenant_id = ANY(%(tenant_ids)s::text[])) AS t
  FULL JOIN (
    SELECT tenant_id, idempotency_key AS event_id
    FROM gate.events_processed
    WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND posted_at IS NOT NULL) AS k
    ON k.tenant_id = t.tenant_id AND k.event_id = t.event_id
  WHERE t.tenant_id IS NULL OR k.tenant_id IS NULL) AS f
GROUP BY f.tenant_id

-- name: standing
-- Why: keyset page: what stands is held against the bodies that it was made of, so many at a time.
SELECT p.transaction_id::text AS transaction_id, p.revision, p.raw_id::text AS raw_id, p.event_id, p.event_type,
       p.store_id, p.txn_id, p.type, p.occurred_at, p.currency, p.lines, p.units, p.gross, p.discount, p.tax, p.included_tax, p.total
FROM silver.transactions p
WHERE p.tenant_id = %(tenant_id)s AND p.kind = 'posting' AND p.books_date >= coalesce(%(since)s::date, '-infinity')
  AND (p.transaction_id, p.revision) > (%(after_id)s::uuid, %(after_revision)s::integer)
  AND NOT EXISTS (
    SELECT FROM silver.transactions r
    WHERE r.tenant_id = p.tenant_id AND r.transaction_id = p.transaction_id AND r.revision = p.revision
      AND r.kind = 'reversal')
ORDER BY p.transaction_id, p.revision
LIMIT %(most)s

-- name: events_by_day
-- Why: whoever closes a day sees how many events are in the books for it. An event counts once: for the day of what it
-- posted last, or of what it took back where it posted nothing.
SELECT t.store_id, t.books_date, count(DISTINCT t.event_id) AS posted,
       count(DISTINCT t.event_id) FILTER (WHERE EXISTS (
         SELECT FROM bronze.events_raw r WHERE r.tenant_id = t.tenant_id AND r.raw_id = t.raw_id)) AS arrived
FROM silver.transactions t
WHERE t.tenant_id = %(tenant_id)s AND t.books_date BETWEEN %(since)s AND %(until)s
  AND (%(store_id)s::text IS NULL OR t.store_id = %(store_id)s)
  AND NOT EXISTS (
    SELECT FROM silver.transactions o
    WHERE o.event_id = t.event_id AND o.tenant_id = t.tenant_id
      AND (o.kind = 'posting', o.revision) > (t.kind = 'posting', t.revision))
GROUP BY t.store_id, t.books_date
