"""What must hold of any books, whatever was sent and whoever was killed: of silver, of the ledger, and of gold.

Each check is a query for what must not be there, made past every right and every statement of the product; it returns
(tenant, what). test_judge_books.py plants a violation of each.
"""

_ACCEPTED = "('accepted', 'patched-accepted')"
_MADE = """
  SELECT p.tenant_id, p.event_id, p.raw_id, p.event_type, p.kind FROM silver.transactions p
  WHERE NOT EXISTS (
    SELECT FROM silver.transactions r WHERE r.kind <> p.kind AND r.event_id = p.event_id
    AND (r.tenant_id, r.transaction_id, r.revision) = (p.tenant_id, p.transaction_id, p.revision))"""
"""What each event has done to the books, less what it took back itself when another payload of it was chosen."""

BOOKS_CHECKS: dict[str, str] = {
    "what counts is posted exactly once, and nothing else is": f"""
        SELECT tenant_id, event_id || format(': %s postings, %s reversals', postings, reversals) AS what FROM (
          SELECT p.tenant_id, p.idempotency_key AS event_id, p.raw_id FROM gate.payloads p
          LEFT JOIN gate.to_post t USING (tenant_id, idempotency_key, raw_id)
          WHERE p.decision IN {_ACCEPTED} AND t.raw_id IS NULL) AS c
        FULL JOIN (
          SELECT tenant_id, event_id, max(event_type) AS event_type, count(*) FILTER (WHERE kind = 'posting') AS postings,
            count(*) FILTER (WHERE kind = 'reversal') AS reversals FROM ({_MADE}) AS m GROUP BY 1, 2
        ) AS m USING (tenant_id, event_id)
        WHERE c.raw_id IS NULL OR (postings, reversals) IS DISTINCT FROM CASE
          WHEN event_type = 'CORRECTION' THEN (1::bigint, 1::bigint)
          WHEN event_type IN ('VOID', 'CANCEL') THEN (0::bigint, 1::bigint) ELSE (1::bigint, 0::bigint) END""",
    "what is posted is the payload that counts": f"""
        SELECT m.tenant_id, m.event_id AS what FROM ({_MADE}) AS m LEFT JOIN gate.payloads p
        ON p.tenant_id = m.tenant_id AND p.idempotency_key = m.event_id AND p.raw_id = m.raw_id
          AND p.decision IN {_ACCEPTED}
        WHERE m.kind = 'posting' AND p.raw_id IS NULL""",
    "a revision is posted once, and reversed at most once after it": """
        SELECT tenant_id, format('%s %s', transaction_id, revision) AS what FROM silver.transactions
        GROUP BY tenant_id, transaction_id, revision HAVING count(*) FILTER (WHERE kind = 'posting') <> 1""",
    "only the last revision may stand": """
        SELECT t.tenant_id, format('%s %s', t.transaction_id, t.revision) AS what FROM silver.transactions t
        JOIN silver.heads h USING (tenant_id, transaction_id)
        GROUP BY t.tenant_id, t.transaction_id, t.revision, h.revision, h.state
        HAVING (count(*) = 1) <> (t.revision = h.revision AND h.state = 'live')""",
    "a transaction has one head, of its name": """
        SELECT tenant_id, transaction_id::text AS what FROM silver.transactions t LEFT JOIN silver.heads h
        USING (tenant_id, transaction_id, store_id, txn_id) WHERE h.revision IS NULL""",
    "a head that is not awaited has its posting": """
        SELECT h.tenant_id, h.txn_id AS what FROM silver.heads h LEFT JOIN silver.transactions t
        USING (tenant_id, transaction_id, revision) WHERE h.state <> 'awaited' AND t.kind IS NULL""",
    "a reversal is its posting negated": """
        SELECT tenant_id, transaction_id::text AS what FROM silver.transactions
        GROUP BY tenant_id, transaction_id, revision
        HAVING count(*) = 2 AND (sum(units), sum(gross), sum(discount), sum(tax), sum(included_tax), sum(rounding),
          sum(totals_difference), sum(total)) <> (0, 0, 0, 0, 0, 0, 0, 0)""",
    "lines and tenders make their transaction": """
        SELECT t.tenant_id, t.transaction_id::text AS what FROM silver.transactions t
        LEFT JOIN LATERAL (SELECT count(*) AS n, sum(quantity) AS units, sum(amount) AS gross FROM silver.line_items l
          WHERE (l.tenant_id, l.transaction_id, l.revision, l.kind) = (t.tenant_id, t.transaction_id, t.revision, t.kind)
        ) AS l ON true
        LEFT JOIN LATERAL (SELECT sum(amount) AS paid FROM silver.tenders p
          WHERE (p.tenant_id, p.transaction_id, p.revision, p.kind) = (t.tenant_id, t.transaction_id, t.revision, t.kind)
        ) AS p ON true
        WHERE (n, l.units, l.gross) IS DISTINCT FROM (t.lines, t.units, t.gross) OR coalesce(paid, total) <> total
           OR total <> t.gross - discount + tax - included_tax + rounding + totals_difference""",
    "what moves money has an entry": """
        SELECT t.tenant_id, t.transaction_id::text AS what FROM silver.transactions t LEFT JOIN ledger.entries e
        USING (tenant_id, transaction_id, revision, kind)
        WHERE e.entry_id IS NULL AND (t.total <> 0 OR (t.gross <> 0 AND t.type <> 'STOCK_ADJUSTMENT'))""",
    "an entry is its transaction's": """
        SELECT e.tenant_id, e.entry_id::text AS what FROM ledger.entries e LEFT JOIN silver.transactions t
        USING (tenant_id, transaction_id, revision, kind, store_id, business_date, books_date, currency, raw_id, posted_at)
        WHERE t.type IS NULL OR (e.kind = 'reversal') <> (e.reverses IS NOT NULL)""",
    "a reversal takes its entry back": """
        SELECT r.tenant_id, r.entry_id::text AS what FROM ledger.entries r JOIN ledger.entries e
        ON e.tenant_id = r.tenant_id AND e.entry_id = r.reverses
        WHERE r.accounts <> e.accounts OR r.amounts <> ARRAY(SELECT -a FROM unnest(e.amounts) AS a)
           OR (r.transaction_id, r.revision, e.kind) <> (e.transaction_id, e.revision, 'posting')""",
    "entries balance, over known accounts": """
        SELECT tenant_id, entry_id::text AS what FROM ledger.lines LEFT JOIN ledger.accounts USING (tenant_id, account)
        GROUP BY tenant_id, entry_id HAVING sum(amount) IS DISTINCT FROM 0 OR count(role) <> count(*)""",
    "what silver sells is what the accounts say": """
        SELECT tenant_id, format('%s %s: %s more', store_id, books_date, sum(amount)) AS what FROM (
          SELECT tenant_id, store_id, books_date, currency,
            CASE type WHEN 'SALE' THEN 1 ELSE -1 END * (gross - discount - included_tax) AS amount
          FROM silver.transactions WHERE type IN ('SALE', 'RETURN')
          UNION ALL
          SELECT tenant_id, store_id, books_date, currency, amount FROM ledger.lines
          JOIN ledger.accounts USING (tenant_id, account) WHERE role IN ('sales', 'returns', 'discounts')) AS both_sides
        GROUP BY tenant_id, store_id, books_date, currency HAVING sum(amount) <> 0""",
    "a head knows what was given back": """
        SELECT tenant_id, txn_id AS what FROM (
          SELECT h.tenant_id, h.txn_id, u.line, u.quantity, u.amount FROM silver.heads h CROSS JOIN LATERAL
            unnest(returned_lines, returned_quantities, returned_amounts) AS u (line, quantity, amount)
        ) AS k FULL JOIN (
          SELECT r.tenant_id, h.txn_id, original_line_no AS line, sum(quantity) AS quantity, sum(amount) AS amount
          FROM silver.references r JOIN silver.heads h
          ON h.tenant_id = r.tenant_id AND h.transaction_id = r.original_transaction_id GROUP BY 1, 2, 3
          HAVING (sum(quantity), sum(amount)) <> (0, 0)
        ) AS r USING (tenant_id, txn_id, line)
        WHERE k.quantity IS DISTINCT FROM r.quantity OR k.amount IS DISTINCT FROM r.amount""",
    "no more was given back than was sold": """
        SELECT h.tenant_id, h.txn_id AS what FROM silver.heads h CROSS JOIN LATERAL
          unnest(returned_lines, returned_quantities, returned_amounts) AS u (line_no, quantity, amount)
        LEFT JOIN silver.line_items l ON l.line_no = u.line_no AND l.kind = 'posting'
          AND l.tenant_id = h.tenant_id AND l.transaction_id = h.transaction_id AND l.revision = h.revision
        WHERE h.state <> 'live' OR u.quantity < 0 OR u.amount < 0 OR u.quantity > l.quantity OR u.amount > l.amount
           OR l.line_no IS NULL""",
    "a head knows what was paid back": """
        SELECT tenant_id, txn_id AS what FROM silver.heads h LEFT JOIN (
          SELECT r.tenant_id, r.original_transaction_id AS transaction_id, sum(parts) AS parts, sum(t.total) AS total,
            sum(t.rounding) AS rounding
          FROM (SELECT tenant_id, transaction_id, revision, kind, original_transaction_id,
              count(*) FILTER (WHERE amount > 0) - count(*) FILTER (WHERE amount < 0) AS parts
            FROM silver.references GROUP BY 1, 2, 3, 4, 5) AS r
          JOIN silver.transactions t USING (tenant_id, transaction_id, revision, kind) GROUP BY 1, 2
        ) AS r USING (tenant_id, transaction_id)
        WHERE returned_total <> coalesce(r.total, 0) OR returned_parts <> coalesce(r.parts, 0)
           OR returned_rounding <> coalesce(r.rounding, 0)""",
    "no more was paid back than was paid": """
        SELECT h.tenant_id, h.txn_id AS what FROM silver.heads h LEFT JOIN silver.transactions t
        ON t.kind = 'posting' AND (t.tenant_id, t.transaction_id, t.revision) = (h.tenant_id, h.transaction_id, h.revision)
          AND h.state = 'live' AND t.type = 'SALE',
        LATERAL (SELECT coalesce(sum(a), 0) AS goods FROM unnest(h.returned_amounts) AS a) AS g
        WHERE h.returned_total > 0 AND h.returned_total > coalesce(t.total, 0)
          + least(goods, CASE t.currency WHEN 'SEK' THEN 1 ELSE 0.1 END, greatest(h.returned_rounding - t.rounding, 0))
          + least(h.returned_parts * 0.01, greatest(0.1, goods / 100))""",
    "every posting is in one batch": """
        SELECT tenant_id, transaction_id::text AS what FROM silver.transactions FULL JOIN (
          SELECT tenant_id, u.*, 1 AS noted FROM silver.batches, unnest(transaction_ids, revisions, kinds)
            AS u (transaction_id, revision, kind)
        ) AS b USING (tenant_id, transaction_id, revision, kind)
        GROUP BY tenant_id, transaction_id, revision, kind
        HAVING count(*) <> 1 OR count(lines) <> 1 OR count(noted) <> 1""",
    "who waits, waits in an open exception": """
        SELECT w.tenant_id, w.txn_id AS what FROM silver.waiting w JOIN silver.heads h USING (tenant_id, store_id, txn_id)
        JOIN quarantine.exceptions e USING (tenant_id, exception_id) WHERE h.state <> 'awaited' AND e.status = 'open'""",
}

_SALES = """
  SELECT t.*, CASE kind WHEN 'posting' THEN 1 ELSE -1 END AS sign, coalesce(country, '') AS place,
    (type = 'SALE')::int AS is_sale, (type = 'RETURN')::int AS is_return
  FROM silver.transactions t WHERE type IN ('SALE', 'RETURN')"""
_LINES = f"""
  SELECT s.*, l.sku, l.quantity, l.amount FROM ({_SALES}) AS s
  JOIN silver.line_items l USING (tenant_id, transaction_id, revision, kind)"""
_NET = """
  SELECT l.* FROM ledger.lines l JOIN ledger.accounts USING (tenant_id, account)
  WHERE role IN ('sales', 'returns', 'discounts')"""

_SUMS = """ARRAY['daily_store_sales', 'daily_country_sales', 'daily_product_sales', 'hourly_sales', 'payment_mix',
  'return_rates', 'account_daily']"""


def _same(table: str, keys: str, measures: tuple[str, ...], *truths: str) -> str:
    """A query for the rows of a gold table, by `keys`, whose measures are not the sums over the rows of `truths`."""
    held = f"SELECT tenant_id, {keys}, {', '.join(f'-{one} AS {one}' for one in measures)} FROM gold.{table}"
    every = " UNION ALL ".join([held, *truths])
    off = " OR ".join(f"sum({one}) <> 0" for one in measures)
    return (
        f"SELECT tenant_id, concat_ws(' ', {keys}) AS what FROM ({every}) AS u GROUP BY tenant_id, {keys} HAVING {off}"
    )


GOLD_CHECKS: dict[str, str] = {
    "gold: nothing is left to be posted": """
        SELECT tenant_id, idempotency_key AS what FROM gate.to_post""",
    "gold: every batch is in every table of sums, and no other": f"""
        SELECT tenant_id, format('%s in %s', batch_id, table_name) AS what FROM (
          SELECT tenant_id, batch_id, table_name, 1 AS there FROM silver.batches, unnest({_SUMS}) AS t (table_name)
        ) AS b FULL JOIN (
          SELECT *, 1 AS noted FROM gold.applied WHERE table_name = ANY({_SUMS})
        ) AS a USING (tenant_id, batch_id, table_name) WHERE noted IS NULL OR there IS NULL""",
    "gold: a store's day is what silver and the accounts say": _same(
        "daily_store_sales",
        "books_date, store_id, currency",
        ("transactions", "units", "gross", "returns", "discounts", "tax", "net"),
        f"""SELECT tenant_id, books_date, store_id, currency, sign * is_sale, 0, 0, 0,
            (is_return - is_sale) * discount, (is_sale - is_return) * tax, 0 FROM ({_SALES}) AS s""",
        f"""SELECT tenant_id, books_date, store_id, currency, 0, is_sale * quantity, is_sale * amount,
            -is_return * amount, 0, 0, 0 FROM ({_LINES}) AS l""",
        f"SELECT tenant_id, books_date, store_id, currency, 0, 0, 0, 0, 0, 0, -amount FROM ({_NET}) AS n",
    ),
    "gold: a country's day is what silver says": _same(
        "daily_country_sales",
        "books_date, country, currency",
        ("transactions", "units", "gross", "returns"),
        f"SELECT tenant_id, books_date, place, currency, sign * is_sale, 0, 0, 0 FROM ({_SALES}) AS s",
        f"""SELECT tenant_id, books_date, place, currency, 0, is_sale * quantity, is_sale * amount, -is_return * amount
            FROM ({_LINES}) AS l""",
    ),
    "gold: a product's day is what the lines say": _same(
        "daily_product_sales",
        "books_date, store_id, sku, currency",
        ("units", "gross", "returns"),
        f"""SELECT tenant_id, books_date, store_id, sku, currency, is_sale * quantity, is_sale * amount,
            -is_return * amount FROM ({_LINES}) AS l""",
    ),
    "gold: the hours make the day": _same(
        "hourly_sales",
        "books_date, store_id, currency",
        ("transactions", "gross", "returns", "net"),
        "SELECT tenant_id, books_date, store_id, currency, transactions, gross, returns, net FROM gold.daily_store_sales",
    ),
    "gold: what was paid is what was owed": _same(
        "payment_mix",
        "books_date, store_id, currency",
        ("received", "refunded"),
        f"""SELECT tenant_id, books_date, store_id, currency, is_sale * total, -is_return * total
            FROM ({_SALES}) AS s""",
    ),
    "gold: what came back is what silver says": _same(
        "return_rates",
        "books_date, store_id, currency",
        ("sales", "returns", "units", "returned_units"),
        f"SELECT tenant_id, books_date, store_id, currency, sign * is_sale, sign * is_return, 0, 0 FROM ({_SALES}) AS s",
        f"""SELECT tenant_id, books_date, store_id, currency, 0, 0, is_sale * quantity, is_return * quantity
            FROM ({_LINES}) AS l""",
    ),
    "gold: an account's day is what the entries say": _same(
        "account_daily",
        "books_date, account, currency",
        ("debit", "credit", "balance"),
        "SELECT tenant_id, books_date, account, currency, debit, credit, amount FROM ledger.lines",
    ),
}
"""These hold once the worker has posted and refreshed all there was."""
