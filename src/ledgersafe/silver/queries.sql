-- name: lock_heads
-- Why: whoever posts or awaits a transaction meets at its head: new ones are made, those that are there locked, and what
-- they are is read, in one sorted statement, so that nobody deadlocks and no wake-up is lost.
INSERT INTO silver.heads AS h (tenant_id, store_id, txn_id, state, transaction_id, revision)
SELECT %(tenant_id)s, a.store_id, a.txn_id, a.state, a.transaction_id, a.revision
FROM unnest(%(store_ids)s::text[], %(txn_ids)s::text[], %(states)s::text[], %(transaction_ids)s::uuid[],
            %(revisions)s::integer[])
  AS a (store_id, txn_id, state, transaction_id, revision)
ON CONFLICT (tenant_id, store_id, txn_id) DO UPDATE SET state = h.state
RETURNING store_id, txn_id, state, transaction_id, revision, returned_lines, returned_quantities, returned_amounts

-- name: update_heads
-- Why: what posting made of transactions whose heads it holds.
UPDATE silver.heads h
SET state = a.state, transaction_id = a.transaction_id, revision = a.revision, returned_lines = a.lines::integer[],
    returned_quantities = a.quantities::numeric[], returned_amounts = a.amounts::numeric[]
FROM unnest(%(store_ids)s::text[], %(txn_ids)s::text[], %(states)s::text[], %(transaction_ids)s::uuid[],
            %(revisions)s::integer[], %(lines)s::text[], %(quantities)s::text[], %(amounts)s::text[])
  AS a (store_id, txn_id, state, transaction_id, revision, lines, quantities, amounts)
WHERE h.tenant_id = %(tenant_id)s AND h.store_id = a.store_id AND h.txn_id = a.txn_id

-- name: postings
-- Why: what a posted transaction says decides whether it may be given back, corrected or undone.
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

-- name: lines
-- Why: how much of each line there is to give back.
SELECT l.transaction_id, l.revision, l.line_no, l.sku, l.quantity, l.amount
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[]) AS a (transaction_id, revision)
JOIN silver.line_items l
  ON l.tenant_id = %(tenant_id)s AND l.transaction_id = a.transaction_id AND l.revision = a.revision
 AND l.kind = 'posting'
ORDER BY l.transaction_id, l.revision, l.line_no

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
-- Why: one statement of a whole batch; a key that is there already is a bug, and must fail.
INSERT INTO silver.transactions (
  tenant_id, transaction_id, revision, kind, store_id, txn_id, type, event_type, event_id, raw_id, register_id,
  cashier_id, customer_id, business_date, books_date, occurred_at, posted_at, currency, lines, units, gross, discount,
  tax, included_tax, rounding, totals_difference, total, payment, country, is_referenced, simulated)
SELECT %(tenant_id)s, a.transaction_id, a.revision, 'posting', a.store_id, a.txn_id, a.type, a.event_type, a.event_id,
       a.raw_id, a.register_id, a.cashier_id, a.customer_id, a.business_date, a.books_date, a.occurred_at,
       %(posted_at)s, a.currency, a.lines, a.units, a.gross, a.discount, a.tax, a.included_tax, a.rounding,
       a.totals_difference, a.total, a.payment, a.country, a.is_referenced, a.simulated
FROM unnest(
  %(transaction_ids)s::uuid[], %(revisions)s::integer[], %(store_ids)s::text[], %(txn_ids)s::text[], %(types)s::text[],
  %(event_types)s::text[], %(event_ids)s::text[], %(raw_ids)s::uuid[], %(register_ids)s::text[],
  %(cashier_ids)s::text[], %(customer_ids)s::text[], %(business_dates)s::date[], %(books_dates)s::date[],
  %(occurred_at)s::timestamptz[], %(currencies)s::text[], %(lines)s::integer[], %(units)s::numeric[],
  %(gross)s::numeric[], %(discounts)s::numeric[], %(taxes)s::numeric[], %(included_taxes)s::numeric[],
  %(roundings)s::numeric[], %(totals_differences)s::numeric[], %(totals)s::numeric[], %(payments)s::text[],
  %(countries)s::text[], %(are_referenced)s::boolean[], %(simulated)s::boolean[]
) AS a (transaction_id, revision, store_id, txn_id, type, event_type, event_id, raw_id, register_id, cashier_id,
        customer_id, business_date, books_date, occurred_at, currency, lines, units, gross, discount, tax, included_tax,
        rounding, totals_difference, total, payment, country, is_referenced, simulated)

-- name: insert_lines
-- Why: the lines of a batch; each belongs to a posting just inserted.
INSERT INTO silver.line_items (
  tenant_id, transaction_id, revision, kind, line_no, sku, name, brand, category, gtin, quantity, unit_price, discount,
  tax, amount, product_key)
SELECT %(tenant_id)s, a.transaction_id, a.revision, 'posting', a.line_no, a.sku, a.name, a.brand, a.category, a.gtin,
       a.quantity, a.unit_price, a.discount, a.tax, a.amount, a.product_key
FROM unnest(
  %(transaction_ids)s::uuid[], %(revisions)s::integer[], %(line_nos)s::integer[], %(skus)s::text[], %(names)s::text[],
  %(brands)s::text[], %(categories)s::text[], %(gtins)s::text[], %(quantities)s::numeric[], %(unit_prices)s::numeric[],
  %(discounts)s::numeric[], %(taxes)s::numeric[], %(amounts)s::numeric[], %(product_keys)s::uuid[]
) AS a (transaction_id, revision, line_no, sku, name, brand, category, gtin, quantity, unit_price, discount, tax, amount,
        product_key)

-- name: insert_tenders
-- Why: how the postings of a batch were paid.
INSERT INTO silver.tenders (tenant_id, transaction_id, revision, kind, tender_no, type, amount)
SELECT %(tenant_id)s, a.transaction_id, a.revision, 'posting', a.tender_no, a.type, a.amount
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[], %(tender_nos)s::integer[], %(types)s::text[],
            %(amounts)s::numeric[])
  AS a (transaction_id, revision, tender_no, type, amount)

-- name: insert_references
-- Why: which lines of which originals the returns of a batch give back.
INSERT INTO silver.references (
  tenant_id, transaction_id, revision, kind, line_no, original_transaction_id, original_line_no, quantity, amount)
SELECT %(tenant_id)s, a.transaction_id, a.revision, 'posting', a.line_no, a.original_transaction_id, a.original_line_no,
       a.quantity, a.amount
FROM unnest(%(transaction_ids)s::uuid[], %(revisions)s::integer[], %(line_nos)s::integer[],
            %(original_transaction_ids)s::uuid[], %(original_line_nos)s::integer[], %(quantities)s::numeric[],
            %(amounts)s::numeric[])
  AS a (transaction_id, revision, line_no, original_transaction_id, original_line_no, quantity, amount)

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
WHERE %(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s
GROUP BY tenant_id

-- name: count_transactions
-- Why: the left side of checks over all of them.
SELECT tenant_id, count(*) AS number
FROM silver.transactions
WHERE %(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s
GROUP BY tenant_id

-- name: count_true_to_lines
-- Why: what a transaction says of itself is what its lines say.
SELECT t.tenant_id, count(*) AS number
FROM silver.transactions t
JOIN (SELECT tenant_id, transaction_id, revision, kind, count(*) AS lines, sum(quantity) AS units, sum(amount) AS gross
      FROM silver.line_items
      WHERE %(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s
      GROUP BY tenant_id, transaction_id, revision, kind) l
  ON l.tenant_id = t.tenant_id AND l.transaction_id = t.transaction_id AND l.revision = t.revision AND l.kind = t.kind
WHERE (%(tenant_id)s::text IS NULL OR t.tenant_id = %(tenant_id)s)
  AND l.lines = t.lines AND l.units = t.units AND l.gross = t.gross
  AND t.total = t.gross - t.discount + t.tax - t.included_tax + t.rounding + t.totals_difference
GROUP BY t.tenant_id

-- name: count_reversals
-- Why: the left side of the next.
SELECT tenant_id, count(*) AS number
FROM silver.transactions
WHERE kind = 'reversal' AND (%(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s)
GROUP BY tenant_id

-- name: count_true_reversals
-- Why: a reversal takes back exactly what was posted.
SELECT r.tenant_id, count(*) AS number
FROM silver.transactions r
JOIN silver.transactions p
  ON p.tenant_id = r.tenant_id AND p.transaction_id = r.transaction_id AND p.revision = r.revision AND p.kind = 'posting'
WHERE r.kind = 'reversal' AND (%(tenant_id)s::text IS NULL OR r.tenant_id = %(tenant_id)s)
  AND (r.type, r.currency, r.lines, r.units, r.gross, r.discount, r.tax, r.included_tax, r.rounding, r.total)
    = (p.type, p.currency, p.lines, -p.units, -p.gross, -p.discount, -p.tax, -p.included_tax, -p.rounding, -p.total)
GROUP BY r.tenant_id

-- name: count_live_postings
-- Why: of every transaction at most the latest revision stands.
SELECT p.tenant_id, count(*) AS number
FROM silver.transactions p
WHERE p.kind = 'posting' AND (%(tenant_id)s::text IS NULL OR p.tenant_id = %(tenant_id)s)
  AND NOT EXISTS (
    SELECT FROM silver.transactions r
    WHERE r.tenant_id = p.tenant_id AND r.transaction_id = p.transaction_id AND r.revision = p.revision
      AND r.kind = 'reversal')
GROUP BY p.tenant_id

-- name: count_live_heads
-- Why: a head says what stands.
SELECT h.tenant_id, count(*) AS number
FROM silver.heads h
JOIN silver.transactions p
  ON p.tenant_id = h.tenant_id AND p.transaction_id = h.transaction_id AND p.revision = h.revision
 AND p.kind = 'posting' AND p.store_id = h.store_id AND p.txn_id = h.txn_id
WHERE h.state = 'live' AND (%(tenant_id)s::text IS NULL OR h.tenant_id = %(tenant_id)s)
GROUP BY h.tenant_id

-- name: count_lost_references
-- Why: whatever was given back was sold.
SELECT r.tenant_id, count(*) AS number
FROM silver.references r
WHERE (%(tenant_id)s::text IS NULL OR r.tenant_id = %(tenant_id)s)
  AND NOT EXISTS (
    SELECT FROM silver.line_items l
    WHERE l.tenant_id = r.tenant_id AND l.transaction_id = r.original_transaction_id
      AND l.line_no = r.original_line_no AND l.kind = 'posting')
GROUP BY r.tenant_id

-- name: day_sums
-- Why: silver and ledger say the same of every day of every store, each by its own rows.
SELECT tenant_id, store_id, books_date, currency,
       coalesce(sum(gross - included_tax) FILTER (WHERE type = 'SALE'), 0) AS sales,
       coalesce(sum(included_tax - gross) FILTER (WHERE type = 'RETURN'), 0) AS returns,
       coalesce(sum(CASE type WHEN 'SALE' THEN -discount WHEN 'RETURN' THEN discount END), 0) AS discounts,
       coalesce(sum(CASE type WHEN 'SALE' THEN tax WHEN 'RETURN' THEN -tax WHEN 'ADJUSTMENT' THEN tax END), 0) AS tax
FROM silver.transactions
WHERE %(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s
GROUP BY tenant_id, store_id, books_date, currency
