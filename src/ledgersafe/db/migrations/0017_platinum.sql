-- Features, rankings and forecasts: what does not add, made anew for the days, months, customers and stores that are touched.

CREATE TABLE platinum.store_features (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  transactions bigint NOT NULL,
  net numeric NOT NULL,
  transactions_7d bigint NOT NULL,
  net_7d numeric NOT NULL,
  net_week_before numeric NOT NULL,
  transactions_28d bigint NOT NULL,
  net_28d numeric NOT NULL,
  days smallint NOT NULL CHECK (days BETWEEN 1 AND 28),
  rank_28d integer NOT NULL CHECK (rank_28d > 0),
  PRIMARY KEY (tenant_id, books_date, store_id, currency)
);
COMMENT ON TABLE platinum.store_features IS 'How each store does on each day beside its own weeks and the other stores. A day without sales is a row of zeros: from the store''s first day in the books to 27 days after its last, as far as the tenant''s books go. Sums are held, means and rates made when it is read.';
COMMENT ON COLUMN platinum.store_features.transactions IS 'Sales of the day, as in daily_store_sales.';
COMMENT ON COLUMN platinum.store_features.net IS 'Net of the day, as in daily_store_sales.';
COMMENT ON COLUMN platinum.store_features.transactions_7d IS 'Of the day and the 6 before it. transactions_mean_7d is this by least(days, 7).';
COMMENT ON COLUMN platinum.store_features.net_7d IS 'Of the day and the 6 before it. net_mean_7d is this by least(days, 7).';
COMMENT ON COLUMN platinum.store_features.net_week_before IS 'Of the 7 days before those. week_over_week is net_7d by this, less 1; NULL where this is not above zero, or the store has fewer than 14 days.';
COMMENT ON COLUMN platinum.store_features.transactions_28d IS 'Of the day and the 27 before it. transactions_mean_28d is this by days.';
COMMENT ON COLUMN platinum.store_features.net_28d IS 'Of the day and the 27 before it. net_mean_28d is this by days; momentum is net_mean_7d by it, less 1, NULL where it is not above zero.';
COMMENT ON COLUMN platinum.store_features.days IS 'How many of those 28 days lie in the store''s history: what means are divided by.';
COMMENT ON COLUMN platinum.store_features.rank_28d IS 'Place among the tenant''s stores that have a row of this day and currency, by net_28d, the most first; equals share a place.';
CREATE INDEX store_features_by_store ON platinum.store_features (tenant_id, store_id, currency, books_date) INCLUDE (days);

CREATE TABLE platinum.product_performance (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL CHECK (extract(day FROM books_date) = 1),
  sku text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  transactions bigint NOT NULL,
  units numeric NOT NULL,
  gross numeric NOT NULL,
  returns numeric NOT NULL,
  net numeric NOT NULL,
  net_before numeric NOT NULL,
  net_of_all numeric NOT NULL,
  rank integer NOT NULL CHECK (rank > 0),
  class text NOT NULL CHECK (class IN ('A', 'B', 'C')),
  PRIMARY KEY (tenant_id, books_date, sku, currency)
);
COMMENT ON TABLE platinum.product_performance IS 'How each product does in each month, over all stores, beside the others. Discounts of whole receipts are of no product and left out.';
COMMENT ON COLUMN platinum.product_performance.books_date IS 'The month, as its first day.';
COMMENT ON COLUMN platinum.product_performance.transactions IS 'Sales that hold the product, less those reversed.';
COMMENT ON COLUMN platinum.product_performance.units IS 'Sold, not less what came back.';
COMMENT ON COLUMN platinum.product_performance.gross IS 'Amounts of its lines in sales.';
COMMENT ON COLUMN platinum.product_performance.returns IS 'Amounts of its lines in returns, negative. return_percent is this by gross, with the sign turned; NULL where gross is not above zero.';
COMMENT ON COLUMN platinum.product_performance.net IS 'gross + returns - included tax that lines state.';
COMMENT ON COLUMN platinum.product_performance.net_before IS 'Its net of the whole month before; 0 where it did not move. trend_percent is net by this, less 1; NULL where this is not above zero.';
COMMENT ON COLUMN platinum.product_performance.net_of_all IS 'Net of all products of the month that is above zero, summed. share_percent is net by this.';
COMMENT ON COLUMN platinum.product_performance.rank IS 'Place among the products of the month and currency by net, the most first; equals share a place.';
COMMENT ON COLUMN platinum.product_performance.class IS 'ABC: products by net, the most first, then by sku; A while those before it have under 80 % of net_of_all, B under 95 %, else C. What has no net above zero is C.';

CREATE VIEW platinum.customer_sales AS
SELECT t.tenant_id, t.customer_id, t.currency, t.books_date,
       CASE WHEN t.type = 'RETURN' THEN 0 WHEN t.kind = 'posting' THEN 1 ELSE -1 END AS transactions,
       CASE WHEN t.type = 'SALE' THEN t.gross - t.discount - t.included_tax
            ELSE t.discount + t.included_tax - t.gross END AS net
FROM silver.transactions t
WHERE t.type IN ('SALE', 'RETURN') AND t.customer_id IS NOT NULL;
COMMENT ON VIEW platinum.customer_sales IS 'What every posting and reversal of a named customer adds; measures as in gold.sales.';
-- The customer first, as in transactions_by_event: an index that begins with the tenant would be taken for other look-ups.
CREATE INDEX transactions_by_customer ON silver.transactions (customer_id COLLATE "C", tenant_id)
  WHERE customer_id IS NOT NULL;

-- The table of rules, first match first: scores of recency, frequency and monetary, 5 the best fifth.
CREATE FUNCTION platinum.segment(recency integer, frequency integer, monetary integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE
  WHEN recency >= 4 AND frequency >= 4 AND monetary >= 4 THEN 'champion'
  WHEN recency >= 3 AND frequency >= 4 THEN 'loyal'
  WHEN recency <= 2 AND monetary = 5 THEN 'cannot lose'
  WHEN recency <= 2 AND frequency >= 3 THEN 'at risk'
  WHEN recency >= 3 AND monetary >= 4 THEN 'big spender'
  WHEN recency = 5 AND frequency <= 2 THEN 'new'
  WHEN recency >= 4 THEN 'promising'
  WHEN recency = 3 THEN 'needs attention'
  WHEN recency = 2 THEN 'about to sleep'
  ELSE 'lost'
END
$$;
COMMENT ON FUNCTION platinum.segment IS 'What a customer with these scores is called: the one place where segments are defined.';

CREATE TABLE platinum.customer_segments (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  frequency bigint NOT NULL CHECK (frequency > 0),
  monetary numeric NOT NULL,
  recency_score integer NOT NULL CHECK (recency_score BETWEEN 1 AND 5),
  frequency_score integer NOT NULL CHECK (frequency_score BETWEEN 1 AND 5),
  monetary_score integer NOT NULL CHECK (monetary_score BETWEEN 1 AND 5),
  segment text NOT NULL GENERATED ALWAYS AS (platinum.segment(recency_score, frequency_score, monetary_score)) STORED,
  counted_from date NOT NULL,
  PRIMARY KEY (tenant_id, books_date, customer_id, currency),
  UNIQUE (tenant_id, customer_id, currency)
) WITH (fillfactor = 80);
COMMENT ON TABLE platinum.customer_segments IS 'Who buys: recency, frequency and monetary value over the 365 days that end on the last day of the tenant''s books, and the segment they make. The calendar does not move it: a tenant that sells nothing keeps its segments.';
COMMENT ON COLUMN platinum.customer_segments.books_date IS 'The last day with a sale that stands. recency_days is from it to the last day of the tenant''s books.';
COMMENT ON COLUMN platinum.customer_segments.frequency IS 'Sales, less those reversed. A customer without any has no row.';
COMMENT ON COLUMN platinum.customer_segments.monetary IS 'Net of sales and returns that name the customer.';
COMMENT ON COLUMN platinum.customer_segments.recency_score IS '1 + (5 × how many customers of the currency bought last before it) / (all of them), rounded down: 5 for the latest fifth; equals score the same.';
COMMENT ON COLUMN platinum.customer_segments.frequency_score IS 'The same of frequency.';
COMMENT ON COLUMN platinum.customer_segments.monetary_score IS 'The same of monetary.';
COMMENT ON COLUMN platinum.customer_segments.segment IS 'By the rules of platinum.segment().';
COMMENT ON COLUMN platinum.customer_segments.counted_from IS 'The first of the 365 days on which anything of the customer was posted: when it leaves them, the row is made anew.';
CREATE INDEX customer_segments_by_age ON platinum.customer_segments (tenant_id, counted_from);

CREATE TABLE platinum.demand_forecast_14d (
  tenant_id text COLLATE "C" NOT NULL,
  books_date date NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  made_on date NOT NULL,
  horizon smallint NOT NULL CHECK (horizon BETWEEN 1 AND 14),
  method text NOT NULL CHECK (method IN ('weekday_level', 'last_week')),
  forecast numeric NOT NULL,
  lower numeric,
  upper numeric,
  PRIMARY KEY (tenant_id, books_date, store_id, currency)
);
COMMENT ON TABLE platinum.demand_forecast_14d IS 'What each store is to sell, net, on each of the 14 days after the last that is over. Only the latest forecast is held. A store needs a week of history, and a day in the books within the last 28.';
COMMENT ON COLUMN platinum.demand_forecast_14d.books_date IS 'The day that is forecast: made_on + horizon.';
COMMENT ON COLUMN platinum.demand_forecast_14d.made_on IS 'The last day it knows of: the day before the last of the tenant''s books, which may be under way.';
COMMENT ON COLUMN platinum.demand_forecast_14d.horizon IS 'How many days ahead.';
COMMENT ON COLUMN platinum.demand_forecast_14d.method IS 'weekday_level: the level of the last 6 weeks (weights 0.8 to the power of their age) by the share of the weekday in the last 16; last_week: the same weekday of the only week there is.';
COMMENT ON COLUMN platinum.demand_forecast_14d.forecast IS 'Net of the day; 0 for a weekday that sold nothing in the last 4 weeks.';
COMMENT ON COLUMN platinum.demand_forecast_14d.lower IS 'Below it lies one day in ten: forecast by the tenth percentile of actual by forecast, of the forecasts that would have been made in the 12 weeks before. NULL while there are fewer than 14 of them.';
COMMENT ON COLUMN platinum.demand_forecast_14d.upper IS 'Above it lies one day in ten, likewise.';

GRANT SELECT ON platinum.customer_sales TO ledgersafe_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON platinum.store_features, platinum.product_performance,
  platinum.customer_segments, platinum.demand_forecast_14d TO ledgersafe_app;
