-- Answers: rebuildable from silver and the ledger at any time. Additive tables move by what each batch adds or takes back.

CREATE SCHEMA gold;
CREATE SCHEMA platinum;
GRANT USAGE ON SCHEMA gold, platinum TO ledgersafe_app;

CREATE INDEX batches_by_time ON silver.batches (posted_at);

CREATE TABLE gold.applied (
  tenant_id text COLLATE "C" NOT NULL,
  table_name text COLLATE "C" NOT NULL,
  batch_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, table_name, batch_id)
);
COMMENT ON TABLE gold.applied IS 'Which batch of silver is in which table. Its key is why no batch is ever counted twice.';
COMMENT ON COLUMN gold.applied.table_name IS 'The gold table, without its schema.';
COMMENT ON COLUMN gold.applied.batch_id IS 'A row of silver.batches.';

CREATE TABLE gold.runs (
  tenant_id text COLLATE "C" NOT NULL,
  run_id uuid NOT NULL,
  table_name text COLLATE "C" NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL,
  batches integer NOT NULL,
  rows integer NOT NULL,
  error text,
  PRIMARY KEY (tenant_id, run_id)
);
COMMENT ON TABLE gold.runs IS 'Every refresh of a table that had something to do, kept for a week.';
COMMENT ON COLUMN gold.runs.batches IS 'How many batches of silver it was to apply.';
COMMENT ON COLUMN gold.runs.rows IS 'How many rows of the table it touched.';
COMMENT ON COLUMN gold.runs.error IS 'Why it failed, and so applied nothing; NULL: it did not.';
CREATE INDEX runs_by_time ON gold.runs (finished_at);

CREATE VIEW gold.posted AS
SELECT b.tenant_id, b.batch_id, k.transaction_id, k.revision, k.kind
FROM silver.batches b
CROSS JOIN LATERAL unnest(b.transaction_ids, b.revisions, b.kinds) AS k (transaction_id, revision, kind);
COMMENT ON VIEW gold.posted IS 'Which postings and reversals each batch of silver committed, one a row.';

-- net is what the ledger's accounts of sales, returns and discounts come to, with the sign turned.
CREATE VIEW gold.sales AS
SELECT t.tenant_id, t.transaction_id, t.revision, t.kind, t.store_id, t.books_date, t.currency,
       coalesce(t.country, '') AS country,
       CASE WHEN t.type = 'RETURN' THEN 0 WHEN t.kind = 'posting' THEN 1 ELSE -1 END AS transactions,
       CASE WHEN t.type = 'SALE' THEN 0 WHEN t.kind = 'posting' THEN 1 ELSE -1 END AS return_transactions,
       CASE WHEN t.type = 'SALE' THEN t.units ELSE 0 END AS units,
       CASE WHEN t.type = 'RETURN' THEN t.units ELSE 0 END AS returned_units,
       CASE WHEN t.type = 'SALE' THEN t.gross ELSE 0 END AS gross,
       CASE WHEN t.type = 'SALE' THEN -t.discount ELSE t.discount END AS discounts,
       CASE WHEN t.type = 'RETURN' THEN -t.gross ELSE 0 END AS returns,
       CASE WHEN t.type = 'SALE' THEN t.gross - t.discount - t.included_tax
            ELSE t.discount + t.included_tax - t.gross END AS net,
       CASE WHEN t.type = 'SALE' THEN t.tax ELSE -t.tax END AS tax,
       CASE WHEN t.type = 'SALE' THEN t.included_tax ELSE -t.included_tax END AS included_tax,
       CASE WHEN t.type = 'SALE' THEN t.total ELSE -t.total END AS total,
       t.type, t.is_referenced
FROM silver.transactions t
WHERE t.type IN ('SALE', 'RETURN');
COMMENT ON VIEW gold.sales IS 'What every posting and reversal of a sale or a return adds: summed up, the truth. Adjustments stay outside.';
COMMENT ON COLUMN gold.sales.transactions IS 'Sales: 1, and -1 for a reversal.';
COMMENT ON COLUMN gold.sales.return_transactions IS 'Returns: 1, and -1 for a reversal.';
COMMENT ON COLUMN gold.sales.units IS 'Sold, not less what came back.';
COMMENT ON COLUMN gold.sales.gross IS 'Amounts of the lines of sales.';
COMMENT ON COLUMN gold.sales.discounts IS 'Of whole receipts: negative for sales, given back for returns.';
COMMENT ON COLUMN gold.sales.returns IS 'Amounts of the lines of returns, negative.';
COMMENT ON COLUMN gold.sales.net IS 'gross + returns + discounts - included tax.';
COMMENT ON COLUMN gold.sales.tax IS 'Of sales, less that of returns; included in the amounts or on top.';

CREATE TABLE gold.daily_store_sales (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  transactions bigint NOT NULL,
  units numeric NOT NULL,
  gross numeric NOT NULL,
  discounts numeric NOT NULL,
  returns numeric NOT NULL,
  net numeric NOT NULL,
  tax numeric NOT NULL,
  PRIMARY KEY (tenant_id, books_date, store_id, currency)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.daily_store_sales IS 'What each store sold on each day of the books.';
COMMENT ON COLUMN gold.daily_store_sales.transactions IS 'Sales less those reversed.';
COMMENT ON COLUMN gold.daily_store_sales.units IS 'Sold, not less what came back.';
COMMENT ON COLUMN gold.daily_store_sales.gross IS 'Amounts of the lines of sales.';
COMMENT ON COLUMN gold.daily_store_sales.discounts IS 'Of whole receipts, negative; less those of returns.';
COMMENT ON COLUMN gold.daily_store_sales.returns IS 'Amounts of the lines of returns, negative.';
COMMENT ON COLUMN gold.daily_store_sales.net IS 'gross + returns + discounts - included tax: what the ledger says, turned.';
COMMENT ON COLUMN gold.daily_store_sales.tax IS 'Of sales, less that of returns; included in the amounts or on top.';

CREATE TABLE gold.daily_country_sales (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  country text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  transactions bigint NOT NULL,
  units numeric NOT NULL,
  gross numeric NOT NULL,
  discounts numeric NOT NULL,
  returns numeric NOT NULL,
  net numeric NOT NULL,
  tax numeric NOT NULL,
  PRIMARY KEY (tenant_id, books_date, country, currency)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.daily_country_sales IS 'What was sold to each country on each day of the books; measures as in daily_store_sales.';
COMMENT ON COLUMN gold.daily_country_sales.country IS 'As the event says, or the store''s; empty where neither is known.';

CREATE TABLE gold.daily_product_sales (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  sku text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  transactions bigint NOT NULL,
  units numeric NOT NULL,
  gross numeric NOT NULL,
  discounts numeric NOT NULL,
  returns numeric NOT NULL,
  net numeric NOT NULL,
  tax numeric NOT NULL,
  PRIMARY KEY (tenant_id, books_date, store_id, sku, currency)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.daily_product_sales IS 'What each store sold of each product on each day of the books. Its products come to daily_store_sales, to the last digit.';
COMMENT ON COLUMN gold.daily_product_sales.sku IS 'Empty: what is of no line, that is discounts of whole receipts and tax that lines do not state.';
COMMENT ON COLUMN gold.daily_product_sales.transactions IS 'Sales that hold the product, less those reversed.';

CREATE TABLE gold.hourly_sales (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  hour smallint NOT NULL CHECK (hour BETWEEN 0 AND 23),
  currency text COLLATE "C" NOT NULL,
  transactions bigint NOT NULL,
  units numeric NOT NULL,
  gross numeric NOT NULL,
  discounts numeric NOT NULL,
  returns numeric NOT NULL,
  net numeric NOT NULL,
  tax numeric NOT NULL,
  PRIMARY KEY (tenant_id, books_date, store_id, hour, currency)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.hourly_sales IS 'What each store sold in each hour; its hours come to daily_store_sales.';
COMMENT ON COLUMN gold.hourly_sales.hour IS 'Of the store''s local time, when the transaction was first posted: a correction or reversal counts for the hour of what it corrects.';

CREATE TABLE gold.payment_mix (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  payment text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  payments bigint NOT NULL,
  received numeric NOT NULL,
  refunded numeric NOT NULL,
  PRIMARY KEY (tenant_id, books_date, store_id, payment, currency)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.payment_mix IS 'By what sales were paid, and returns refunded.';
COMMENT ON COLUMN gold.payment_mix.payment IS 'Type of tender in lower case; empty where none is stated.';
COMMENT ON COLUMN gold.payment_mix.payments IS 'Tenders of sales, less those reversed.';
COMMENT ON COLUMN gold.payment_mix.received IS 'Paid for sales, less change.';
COMMENT ON COLUMN gold.payment_mix.refunded IS 'Paid out for returns, negative.';

CREATE TABLE gold.return_rates (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  sales bigint NOT NULL,
  returns bigint NOT NULL,
  unreferenced_returns bigint NOT NULL,
  units numeric NOT NULL,
  returned_units numeric NOT NULL,
  gross numeric NOT NULL,
  returned numeric NOT NULL,
  PRIMARY KEY (tenant_id, books_date, store_id, currency)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.return_rates IS 'How much came back on each day, beside what was sold on it. Rates are made when it is read.';
COMMENT ON COLUMN gold.return_rates.sales IS 'Sales less those reversed.';
COMMENT ON COLUMN gold.return_rates.returns IS 'Returns less those reversed.';
COMMENT ON COLUMN gold.return_rates.unreferenced_returns IS 'Those of them that name no original.';
COMMENT ON COLUMN gold.return_rates.returned IS 'Amounts of the lines of returns, positive.';

CREATE TABLE gold.account_daily (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  account text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  debit numeric NOT NULL,
  credit numeric NOT NULL,
  balance numeric NOT NULL,
  PRIMARY KEY (tenant_id, books_date, account, currency)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.account_daily IS 'What moved on each account of the ledger on each day.';
COMMENT ON COLUMN gold.account_daily.debit IS 'Debits of the day.';
COMMENT ON COLUMN gold.account_daily.credit IS 'Credits of the day, positive.';
COMMENT ON COLUMN gold.account_daily.balance IS 'debit - credit: the movement of the day, not what the account stands at.';

GRANT SELECT ON gold.posted, gold.sales TO ledgersafe_app;
GRANT SELECT, INSERT, DELETE ON gold.applied, gold.runs TO ledgersafe_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON gold.daily_store_sales, gold.daily_country_sales, gold.daily_product_sales,
  gold.hourly_sales, gold.payment_mix, gold.return_rates, gold.account_daily TO ledgersafe_app;
