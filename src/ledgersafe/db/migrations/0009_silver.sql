-- Typed, valid, counted once. Insert-only but for the heads: what was posted is never edited, only reversed.

CREATE SCHEMA silver;
CREATE SCHEMA ledger;
GRANT USAGE ON SCHEMA silver, ledger TO ledgersafe_app;

ALTER TABLE tenants.tenants
  ADD COLUMN day_starts_at smallint NOT NULL DEFAULT 0 CHECK (day_starts_at BETWEEN 0 AND 23),
  ADD COLUMN unreferenced_returns text NOT NULL DEFAULT 'allow' CHECK (unreferenced_returns IN ('allow', 'park')),
  ADD COLUMN unknown_stores text NOT NULL DEFAULT 'allow' CHECK (unknown_stores IN ('allow', 'park')),
  ADD COLUMN correction_days integer CHECK (correction_days >= 0);
COMMENT ON COLUMN tenants.tenants.day_starts_at IS 'The hour of local time at which a business date begins; what happens before it counts for the day before.';
COMMENT ON COLUMN tenants.tenants.unreferenced_returns IS 'What becomes of returns that name no original: allow posts them, park holds them (UNREFERENCED_RETURN).';
COMMENT ON COLUMN tenants.tenants.unknown_stores IS 'What becomes of events of stores that nobody has set up: allow makes the store, unverified; park holds them (UNKNOWN_STORE).';
COMMENT ON COLUMN tenants.tenants.correction_days IS 'How many days after its business date a transaction may still be corrected or undone; NULL: any number.';

ALTER TABLE tenants.stores
  ADD COLUMN name text,
  ADD COLUMN country text,
  ADD COLUMN region text,
  ADD COLUMN day_starts_at smallint CHECK (day_starts_at BETWEEN 0 AND 23),
  ADD COLUMN is_verified boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN tenants.stores.name IS 'What people call it.';
COMMENT ON COLUMN tenants.stores.country IS 'Where it is; the country of its sales where an event names none (metadata.country).';
COMMENT ON COLUMN tenants.stores.region IS 'Which region it reports to.';
COMMENT ON COLUMN tenants.stores.day_starts_at IS 'As of the tenant; NULL: the tenant''s.';
COMMENT ON COLUMN tenants.stores.is_verified IS 'False: made by its first event, and nobody has looked at it yet.';

CREATE TABLE silver.transactions (
  tenant_id text COLLATE "C" NOT NULL,
  transaction_id uuid NOT NULL,
  revision integer NOT NULL CHECK (revision > 0),
  kind text NOT NULL CHECK (kind IN ('posting', 'reversal')),
  store_id text COLLATE "C" NOT NULL,
  txn_id text COLLATE "C" NOT NULL,
  type text NOT NULL,
  event_type text NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  raw_id uuid NOT NULL,
  register_id text,
  cashier_id text,
  customer_id text,
  business_date date NOT NULL,
  books_date date NOT NULL,
  occurred_at timestamptz NOT NULL,
  posted_at timestamptz NOT NULL,
  currency text NOT NULL,
  lines integer NOT NULL,
  units numeric NOT NULL,
  gross numeric NOT NULL,
  discount numeric NOT NULL,
  tax numeric NOT NULL,
  included_tax numeric NOT NULL,
  rounding numeric NOT NULL,
  totals_difference numeric NOT NULL,
  total numeric NOT NULL,
  payment text,
  country text,
  is_referenced boolean NOT NULL,
  simulated boolean NOT NULL,
  PRIMARY KEY (tenant_id, transaction_id, revision, kind)
);
COMMENT ON TABLE silver.transactions IS 'Every posting of every transaction. A correction adds a reversal of the revision before it and a new revision; so sums over all rows are always the truth.';
COMMENT ON COLUMN silver.transactions.transaction_id IS 'One business transaction over all its revisions.';
COMMENT ON COLUMN silver.transactions.revision IS 'Counts from 1; a posting with a higher revision supersedes the one below it, which is reversed.';
COMMENT ON COLUMN silver.transactions.kind IS 'posting, or the reversal of the posting of the same revision: the same with every amount and quantity negated.';
COMMENT ON COLUMN silver.transactions.txn_id IS 'As the till numbers it: one transaction a (store, txn_id).';
COMMENT ON COLUMN silver.transactions.type IS 'What it is in the books: SALE, RETURN, ADJUSTMENT, STOCK_ADJUSTMENT.';
COMMENT ON COLUMN silver.transactions.event_type IS 'The type of the event that caused this row: a reversal may come of a CORRECTION, VOID or CANCEL.';
COMMENT ON COLUMN silver.transactions.event_id IS 'The event that caused this row.';
COMMENT ON COLUMN silver.transactions.raw_id IS 'The arrival that caused this row.';
COMMENT ON COLUMN silver.transactions.business_date IS 'The trading day of the store.';
COMMENT ON COLUMN silver.transactions.books_date IS 'The day it counts for in ledger and gold: the business date, unless a closed period moved it.';
COMMENT ON COLUMN silver.transactions.occurred_at IS 'By the producer''s clock.';
COMMENT ON COLUMN silver.transactions.posted_at IS 'By ours.';
COMMENT ON COLUMN silver.transactions.lines IS 'How many lines it has.';
COMMENT ON COLUMN silver.transactions.units IS 'Sum of the lines'' quantities. Quantities and amounts of a RETURN are positive: the type gives the direction.';
COMMENT ON COLUMN silver.transactions.gross IS 'Sum of the lines'' amounts.';
COMMENT ON COLUMN silver.transactions.discount IS 'The discount of the whole receipt; discounts of lines are in their amounts.';
COMMENT ON COLUMN silver.transactions.tax IS 'Tax, included in the amounts or on top.';
COMMENT ON COLUMN silver.transactions.included_tax IS 'The part of tax that is in the amounts.';
COMMENT ON COLUMN silver.transactions.rounding IS 'Rounding as stated, and differences of up to one minor unit a line.';
COMMENT ON COLUMN silver.transactions.totals_difference IS 'What the total differs by beyond rounding, within the contract''s tolerance.';
COMMENT ON COLUMN silver.transactions.payment IS 'The means of payment; mixed where there are several, NULL where none is stated.';
COMMENT ON COLUMN silver.transactions.country IS 'metadata.country of the event, or the store''s.';
COMMENT ON COLUMN silver.transactions.is_referenced IS 'Whether it names an original.';
COMMENT ON COLUMN silver.transactions.simulated IS 'As the event says.';
-- The event first: an index that begins with the tenant would be taken, on a young table that the planner knows nothing
-- of, for the look-ups of the foreign keys below, and all of a tenant's rows be read for each.
CREATE INDEX transactions_by_event ON silver.transactions (event_id, tenant_id);

CREATE TABLE silver.line_items (
  tenant_id text COLLATE "C" NOT NULL,
  transaction_id uuid NOT NULL,
  revision integer NOT NULL,
  kind text NOT NULL,
  line_no integer NOT NULL,
  sku text COLLATE "C" NOT NULL,
  name text,
  brand text,
  category text,
  gtin text,
  quantity numeric NOT NULL,
  unit_price numeric,
  discount numeric,
  tax numeric,
  amount numeric NOT NULL,
  product_key uuid NOT NULL,
  PRIMARY KEY (tenant_id, transaction_id, revision, kind, line_no),
  FOREIGN KEY (tenant_id, transaction_id, revision, kind) REFERENCES silver.transactions
);
COMMENT ON TABLE silver.line_items IS 'The lines of every posting.';
COMMENT ON COLUMN silver.line_items.line_no IS 'As sent; lines without a number take the next free ones.';
COMMENT ON COLUMN silver.line_items.amount IS 'quantity × unit_price − discount.';
COMMENT ON COLUMN silver.line_items.product_key IS 'Hash of sku, gtin, name and brand: the same for every line that describes a product in the same words.';

CREATE TABLE silver.tenders (
  tenant_id text COLLATE "C" NOT NULL,
  transaction_id uuid NOT NULL,
  revision integer NOT NULL,
  kind text NOT NULL,
  tender_no integer NOT NULL,
  type text NOT NULL,
  amount numeric NOT NULL,
  PRIMARY KEY (tenant_id, transaction_id, revision, kind, tender_no),
  FOREIGN KEY (tenant_id, transaction_id, revision, kind) REFERENCES silver.transactions
);
COMMENT ON TABLE silver.tenders IS 'How every posting was paid, less change.';

CREATE TABLE silver.references (
  tenant_id text COLLATE "C" NOT NULL,
  transaction_id uuid NOT NULL,
  revision integer NOT NULL,
  kind text NOT NULL,
  line_no integer NOT NULL,
  original_transaction_id uuid NOT NULL,
  original_line_no integer NOT NULL,
  quantity numeric NOT NULL,
  amount numeric NOT NULL,
  PRIMARY KEY (tenant_id, transaction_id, revision, kind, line_no, original_line_no),
  FOREIGN KEY (tenant_id, transaction_id, revision, kind) REFERENCES silver.transactions
);
COMMENT ON TABLE silver.references IS 'Which line of which original every returned line gives back, and how much of it.';

CREATE TABLE silver.heads (
  tenant_id text COLLATE "C" NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  txn_id text COLLATE "C" NOT NULL,
  state text NOT NULL CHECK (state IN ('awaited', 'live', 'voided')),
  transaction_id uuid,
  revision integer,
  returned_lines integer[] NOT NULL DEFAULT '{}',
  returned_quantities numeric[] NOT NULL DEFAULT '{}',
  returned_amounts numeric[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (tenant_id, store_id, txn_id),
  CHECK ((state = 'awaited') = (transaction_id IS NULL) AND (transaction_id IS NULL) = (revision IS NULL)),
  CHECK (cardinality(returned_lines) = cardinality(returned_quantities)
         AND cardinality(returned_lines) = cardinality(returned_amounts))
) WITH (fillfactor = 90);
COMMENT ON TABLE silver.heads IS 'Where each transaction stands: the one mutable row that posting locks.';
COMMENT ON COLUMN silver.heads.state IS 'awaited: an event names it that came first, and waits for it. live. voided: its last revision is reversed.';
COMMENT ON COLUMN silver.heads.revision IS 'The latest revision.';
COMMENT ON COLUMN silver.heads.returned_lines IS 'Which lines were given back, wholly or in part; how much of each stands in parallel.';

CREATE TABLE silver.waiting (
  tenant_id text COLLATE "C" NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  txn_id text COLLATE "C" NOT NULL,
  exception_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, store_id, txn_id, exception_id)
);
COMMENT ON TABLE silver.waiting IS 'Which exceptions wait for which original (MISSING_REFERENCE); its posting releases them.';

CREATE TABLE silver.batches (
  tenant_id text COLLATE "C" NOT NULL,
  batch_id uuid NOT NULL,
  posted_at timestamptz NOT NULL,
  transaction_ids uuid[] NOT NULL,
  revisions integer[] NOT NULL,
  kinds text[] NOT NULL,
  PRIMARY KEY (tenant_id, batch_id)
);
COMMENT ON TABLE silver.batches IS 'Which postings one transaction committed: gold applies whole batches, each once.';
COMMENT ON COLUMN silver.batches.transaction_ids IS 'The rows of silver.transactions; revisions and kinds go in parallel.';

GRANT SELECT, INSERT ON silver.transactions, silver.line_items, silver.tenders, silver.references, silver.batches
  TO ledgersafe_app;
GRANT SELECT, INSERT, UPDATE ON silver.heads TO ledgersafe_app;
GRANT SELECT, INSERT, DELETE ON silver.waiting TO ledgersafe_app;

ALTER TABLE gate.to_post
  ADD COLUMN attempts smallint NOT NULL DEFAULT 0,
  ADD COLUMN not_before timestamptz;
COMMENT ON COLUMN gate.to_post.attempts IS 'How often posting it failed for a reason of ours.';
COMMENT ON COLUMN gate.to_post.not_before IS 'When it is tried again; NULL: at once.';
GRANT UPDATE ON gate.to_post TO ledgersafe_app;

-- The posting of an original resolves what waited for it, without a person.
ALTER TABLE quarantine.exceptions DROP CONSTRAINT exceptions_resolution_check;
ALTER TABLE quarantine.exceptions ADD CONSTRAINT exceptions_resolution_check
  CHECK (resolution IN ('replayed', 'ignored', 'dismissed', 'released'));
COMMENT ON COLUMN quarantine.exceptions.resolution IS
  'replayed: a payload was chosen and accepted. ignored: nothing of the key counts. dismissed: the accepted payload stays, the others do not count. released: the original that it waited for was posted.';
