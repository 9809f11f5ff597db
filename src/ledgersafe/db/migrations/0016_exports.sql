-- Runs that hand entries on to a general ledger: numbered, and an entry is in one run that stands, never in two.

CREATE TABLE ledger.export_runs (
  tenant_id text COLLATE "C" NOT NULL,
  number integer NOT NULL CHECK (number > 0),
  status text NOT NULL CHECK (status IN ('making', 'made', 'voided')),
  as_of date,
  entries integer NOT NULL DEFAULT 0,
  pages integer NOT NULL DEFAULT 0,
  accounts json,
  at_date date,
  at_entry uuid,
  started_at timestamptz NOT NULL,
  started_by text NOT NULL,
  notes text,
  made_at timestamptz,
  voided_at timestamptz,
  voided_by text,
  void_reason text,
  PRIMARY KEY (tenant_id, number),
  CHECK ((at_date IS NULL) = (at_entry IS NULL)),
  CHECK ((status = 'voided') = (voided_at IS NOT NULL AND voided_by IS NOT NULL AND void_reason IS NOT NULL)),
  CHECK ((made_at IS NULL) = (accounts IS NULL)),
  CHECK (status <> 'made' OR made_at IS NOT NULL)
);
COMMENT ON TABLE ledger.export_runs IS 'Runs that hand entries on to a general ledger, one row a run, numbered per tenant without gaps.';
COMMENT ON COLUMN ledger.export_runs.number IS '1, 2, 3 …; never given twice.';
COMMENT ON COLUMN ledger.export_runs.status IS 'making: entries are still being claimed. made: complete. voided: it does not count, its entries are free for another run.';
COMMENT ON COLUMN ledger.export_runs.as_of IS 'Only entries with a books date up to this day; NULL: all.';
COMMENT ON COLUMN ledger.export_runs.entries IS 'How many entries are in it.';
COMMENT ON COLUMN ledger.export_runs.pages IS 'How many pages of ledger.export_pages hold them.';
COMMENT ON COLUMN ledger.export_runs.accounts IS 'The tenant''s accounts as they were when it was complete (account, type, name): a new chart must not change its files.';
COMMENT ON COLUMN ledger.export_runs.at_date IS 'How far this run has looked, while it is being made: the books date of the last entry seen. The next run looks from the start.';
COMMENT ON COLUMN ledger.export_runs.at_entry IS 'The entry itself.';
COMMENT ON COLUMN ledger.export_runs.made_at IS 'When it was complete; NULL if it never was.';
COMMENT ON COLUMN ledger.export_runs.notes IS 'What it was made for, in the operator''s words.';
COMMENT ON COLUMN ledger.export_runs.voided_at IS 'When it was voided; that cannot be undone.';
COMMENT ON COLUMN ledger.export_runs.void_reason IS 'Why, in the operator''s words.';

-- One run of a tenant at a time: they would only wait for each other's claims.
CREATE UNIQUE INDEX one_run_is_made ON ledger.export_runs (tenant_id) WHERE status = 'making';

-- No foreign key to the entry: the statement that claims takes it from there, entries are never deleted, and the check
-- would more than double what a claim costs.
CREATE TABLE ledger.exported (
  tenant_id text COLLATE "C" NOT NULL,
  entry_id uuid NOT NULL,
  number integer NOT NULL,
  PRIMARY KEY (tenant_id, entry_id)
);
COMMENT ON TABLE ledger.exported IS 'Which run has an entry: the key lets there be one. A claim of a voided run is void with it, and is taken over by the next run.';
COMMENT ON COLUMN ledger.exported.number IS 'The run.';

CREATE TABLE ledger.export_pages (
  tenant_id text COLLATE "C" NOT NULL,
  number integer NOT NULL,
  page integer NOT NULL,
  entry_ids uuid[] NOT NULL CHECK (cardinality(entry_ids) > 0),
  PRIMARY KEY (tenant_id, number, page),
  FOREIGN KEY (tenant_id, number) REFERENCES ledger.export_runs
);
COMMENT ON TABLE ledger.export_pages IS 'What was put into a run, page by page; it stays when the run is voided. Never changed.';
COMMENT ON COLUMN ledger.export_pages.page IS '0, 1, 2 …: pages follow each other by books date and entry.';
COMMENT ON COLUMN ledger.export_pages.entry_ids IS 'Its entries, in no order of their own.';

GRANT SELECT, INSERT, UPDATE ON ledger.export_runs, ledger.exported TO ledgersafe_app;
GRANT SELECT, INSERT ON ledger.export_pages TO ledgersafe_app;
