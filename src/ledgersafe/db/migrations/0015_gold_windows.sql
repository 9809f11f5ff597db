-- Gold tables whose measures do not add, in what order they are made, and what a table must remember to be made again.

CREATE TABLE gold.state (
  tenant_id text COLLATE "C" NOT NULL,
  table_name text COLLATE "C" NOT NULL,
  as_of date,
  made_at timestamptz,
  failures integer NOT NULL DEFAULT 0,
  not_before timestamptz,
  PRIMARY KEY (tenant_id, table_name)
);
COMMENT ON TABLE gold.state IS 'How it stands with a table of a tenant: what time it was made for, and whether it failed lately.';
COMMENT ON COLUMN gold.state.table_name IS 'The table, without its schema.';
COMMENT ON COLUMN gold.state.as_of IS 'Of a recomputed table: the tenant''s day when it last changed.';
COMMENT ON COLUMN gold.state.made_at IS 'Of a recomputed table: when it last changed.';
COMMENT ON COLUMN gold.state.failures IS 'How often it failed in a row.';
COMMENT ON COLUMN gold.state.not_before IS 'When the worker tries it again; NULL: at once.';
CREATE INDEX state_resting ON gold.state (not_before) WHERE not_before IS NOT NULL;

CREATE TABLE gold.made_with (
  tenant_id text COLLATE "C" NOT NULL,
  table_name text COLLATE "C" NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  setting text NOT NULL CHECK (setting IN ('time_zone', 'region')),
  value text NOT NULL,
  PRIMARY KEY (tenant_id, table_name, store_id, setting)
);
COMMENT ON TABLE gold.made_with IS 'Which settings of a store a table of sums was made with. It keeps to them until it is rebuilt, so that it stays exact.';
COMMENT ON COLUMN gold.made_with.table_name IS 'The table, without its schema.';
COMMENT ON COLUMN gold.made_with.value IS 'As it was when the table first met the store; another one now has the table rebuilt on the schedule.';

CREATE VIEW gold.store_settings AS
SELECT s.tenant_id, s.store_id, v.setting, v.value
FROM tenants.stores s
JOIN tenants.tenants t ON t.tenant_id = s.tenant_id
CROSS JOIN LATERAL (
  VALUES ('time_zone', coalesce(s.time_zone, t.time_zone)), ('region', coalesce(s.region, ''))) AS v (setting, value);
COMMENT ON VIEW gold.store_settings IS 'The settings of stores that tables of sums are made with, as they are now.';

-- What was applied before this migration went by the settings of today.
INSERT INTO gold.made_with (tenant_id, table_name, store_id, setting, value)
SELECT DISTINCT h.tenant_id, 'hourly_sales', h.store_id, s.setting, s.value
FROM gold.hourly_sales h
JOIN gold.store_settings s ON s.tenant_id = h.tenant_id AND s.store_id = h.store_id AND s.setting = 'time_zone';

-- The tables of one kind differ by their name only, and names are no parameters of a statement.
CREATE FUNCTION gold.empty_table(of_schema text, of_table text, of_tenant text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  emptied bigint;
BEGIN
  IF of_schema NOT IN ('gold', 'platinum') THEN
    RAISE EXCEPTION '% is no schema of answers', of_schema;
  END IF;
  EXECUTE format('DELETE FROM %I.%I WHERE tenant_id = $1', of_schema, of_table) USING of_tenant;
  GET DIAGNOSTICS emptied = ROW_COUNT;
  RETURN emptied;
END
$$;
REVOKE ALL ON FUNCTION gold.empty_table(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gold.empty_table(text, text, text) TO ledgersafe_app;

CREATE TABLE gold.region_daily (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  region text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  transactions bigint NOT NULL,
  units numeric NOT NULL,
  gross numeric NOT NULL,
  discounts numeric NOT NULL,
  returns numeric NOT NULL,
  net numeric NOT NULL,
  tax numeric NOT NULL,
  PRIMARY KEY (tenant_id, books_date, region, currency)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.region_daily IS 'What was sold in each region on each day of the books; measures as in daily_store_sales.';
COMMENT ON COLUMN gold.region_daily.region IS 'The store''s; empty where it has none. A store that is given another one takes its sales along, on the schedule.';

CREATE TABLE gold.daily_brand_sales (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  brand text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  transactions bigint NOT NULL,
  units numeric NOT NULL,
  gross numeric NOT NULL,
  discounts numeric NOT NULL,
  returns numeric NOT NULL,
  net numeric NOT NULL,
  tax numeric NOT NULL,
  PRIMARY KEY (tenant_id, books_date, brand, currency)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.daily_brand_sales IS 'What was sold of each brand on each day of the books. Its brands come to the day, to the last digit.';
COMMENT ON COLUMN gold.daily_brand_sales.brand IS 'As the lines say; empty: lines without one, and what is of no line (discounts of whole receipts, tax that lines do not state).';
COMMENT ON COLUMN gold.daily_brand_sales.transactions IS 'Sales that hold the brand, less those reversed.';

CREATE TABLE gold.brand_share_30d (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  brand text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  net numeric NOT NULL,
  net_of_all numeric NOT NULL,
  PRIMARY KEY (tenant_id, books_date, brand, currency)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.brand_share_30d IS 'The share of each brand in net sales over the 30 days up to each day that has sales. Shares are made when it is read.';
COMMENT ON COLUMN gold.brand_share_30d.books_date IS 'The last of the 30 days.';
COMMENT ON COLUMN gold.brand_share_30d.brand IS 'As in daily_brand_sales.';
COMMENT ON COLUMN gold.brand_share_30d.net IS 'Of the brand, over the 30 days.';
COMMENT ON COLUMN gold.brand_share_30d.net_of_all IS 'Of all brands, over the 30 days.';

CREATE TABLE gold.basket_pairs (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL CHECK (extract(day FROM books_date) = 1),
  store_id text COLLATE "C" NOT NULL,
  sku text COLLATE "C" NOT NULL,
  other_sku text COLLATE "C" NOT NULL CHECK (other_sku > sku),
  baskets bigint NOT NULL,
  sku_baskets bigint NOT NULL,
  other_baskets bigint NOT NULL,
  all_baskets bigint NOT NULL,
  PRIMARY KEY (tenant_id, books_date, store_id, sku, other_sku)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.basket_pairs IS 'Which products were sold together: of each month and store the 200 pairs that most baskets hold, at least two. Sales that were taken back do not count.';
COMMENT ON COLUMN gold.basket_pairs.books_date IS 'The first day of the month of the books.';
COMMENT ON COLUMN gold.basket_pairs.other_sku IS 'The one that comes later in the alphabet.';
COMMENT ON COLUMN gold.basket_pairs.baskets IS 'Sales that hold both.';
COMMENT ON COLUMN gold.basket_pairs.sku_baskets IS 'Sales that hold the first, alone or not.';
COMMENT ON COLUMN gold.basket_pairs.other_baskets IS 'Sales that hold the other, alone or not.';
COMMENT ON COLUMN gold.basket_pairs.all_baskets IS 'Sales of the store in the month. Those of more than 100 products are in no count: they are no baskets.';

CREATE TABLE gold.store_day_completeness (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  transactions bigint NOT NULL,
  last_reported date NOT NULL,
  PRIMARY KEY (tenant_id, books_date, store_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.store_day_completeness IS 'Which store has reported on which finished trading day, and which has not. A store is expected for 28 days after a day on which it reported.';
COMMENT ON COLUMN gold.store_day_completeness.transactions IS 'Sales and returns that stand; none: it has not reported.';
COMMENT ON COLUMN gold.store_day_completeness.last_reported IS 'The latest day up to this one on which it has.';

CREATE TABLE gold.daily_arrivals (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  source_system text COLLATE "C" NOT NULL,
  arrivals bigint NOT NULL,
  duplicates bigint NOT NULL,
  PRIMARY KEY (tenant_id, books_date, source_system)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.daily_arrivals IS 'What arrived of each source on each day. Each arrival is looked up once, when its batch is applied.';
COMMENT ON COLUMN gold.daily_arrivals.books_date IS 'The day on which it was received, in UTC.';
COMMENT ON COLUMN gold.daily_arrivals.source_system IS 'As sent; empty where none is stated.';
COMMENT ON COLUMN gold.daily_arrivals.arrivals IS 'All of them, retries and faulty ones included.';
COMMENT ON COLUMN gold.daily_arrivals.duplicates IS 'Of keys that had arrived before, with whatever payload.';

CREATE TABLE gold.ingestion_health (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  source_system text COLLATE "C" NOT NULL,
  arrivals bigint NOT NULL,
  duplicates bigint NOT NULL,
  quarantined bigint NOT NULL,
  PRIMARY KEY (tenant_id, books_date, source_system)
) WITH (fillfactor = 80);
COMMENT ON TABLE gold.ingestion_health IS 'How well each source delivered on each day: what arrived, what was there before, what had to be parked.';
COMMENT ON COLUMN gold.ingestion_health.books_date IS 'The day in UTC on which it was received, or parked.';
COMMENT ON COLUMN gold.ingestion_health.source_system IS 'As sent; empty where none is stated.';
COMMENT ON COLUMN gold.ingestion_health.arrivals IS 'As in daily_arrivals.';
COMMENT ON COLUMN gold.ingestion_health.duplicates IS 'As in daily_arrivals.';
COMMENT ON COLUMN gold.ingestion_health.quarantined IS 'Exceptions that were opened, whatever became of them.';

GRANT SELECT ON gold.store_settings TO ledgersafe_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON gold.state, gold.made_with, gold.region_daily, gold.daily_brand_sales,
  gold.brand_share_30d, gold.basket_pairs, gold.store_day_completeness, gold.daily_arrivals, gold.ingestion_health
  TO ledgersafe_app;
