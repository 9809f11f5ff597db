-- Posted sales, as promote would have left them: transactions and entries number %(first)s to %(last)s, over 20 stores and the 365
-- days before %(until)s, each day's the same share; the newest ones are of the last days.
WITH numbers AS (
  SELECT number, md5('sale' || number) AS entropy, 1 + number %% 5 AS units, (number * 37 %% 9000 + 99)::numeric / 100 AS gross,
         %(until)s::date - 364 + (365 * (number - 1) / greatest(%(sales)s, number))::integer AS day
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
), sales AS MATERIALIZED (
  SELECT number, units, gross, round(gross * 19 / 119, 2) AS tax, day, 'store_' || lpad((number %% 20)::text, 3, '0') AS store_id,
         (lpad(to_hex((extract(epoch FROM day) * 1000)::bigint + number %% 86400000), 12, '0') || '7' || substr(entropy, 1, 3) || '8'
          || substr(entropy, 4, 15))::uuid AS id
  FROM numbers
), transactions AS (
  INSERT INTO silver.transactions (
    tenant_id, transaction_id, revision, kind, store_id, txn_id, type, event_type, event_id, raw_id, business_date, books_date,
    occurred_at, posted_at, currency, lines, units, gross, discount, tax, included_tax, rounding, totals_difference, total,
    payment, country, is_referenced, simulated)
  SELECT %(tenant)s, id, 1, 'posting', store_id, number::text, 'SALE', 'SALE', number::text, id, day, day, day, %(posted_at)s,
         'EUR', 3, units, gross, 0, tax, tax, 0, 0, gross, 'cash', 'DE', false, false
  FROM sales
)
INSERT INTO ledger.entries (
  tenant_id, entry_id, transaction_id, revision, kind, store_id, business_date, books_date, posted_at, currency, accounts, amounts,
  raw_id)
SELECT %(tenant)s, id, id, 1, 'posting', store_id, day, day, %(posted_at)s, 'EUR', '{1000,4000,2200}', ARRAY[gross, tax - gross, -tax],
       id
FROM sales
