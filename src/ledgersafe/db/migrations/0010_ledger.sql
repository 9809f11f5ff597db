-- Balanced entries. An entry is one row, so that a CHECK can see whether it balances, on one node as on many.

-- A loop, not a query: it is asked for every entry, and a query would cost several times as much.
CREATE FUNCTION ledger.is_balanced(accounts text[], amounts numeric[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  balance numeric := 0;
  amount numeric;
BEGIN
  IF cardinality(accounts) < 2 OR cardinality(accounts) <> cardinality(amounts)
     OR array_position(accounts, NULL) IS NOT NULL OR array_ndims(accounts) <> 1 OR array_ndims(amounts) <> 1 THEN
    RETURN false;
  END IF;
  FOREACH amount IN ARRAY amounts LOOP
    balance := balance + amount;
  END LOOP;
  RETURN balance = 0;
END
$$;

CREATE TABLE ledger.accounts (
  tenant_id text COLLATE "C" NOT NULL,
  account text COLLATE "C" NOT NULL,
  role text NOT NULL,
  name text NOT NULL,
  type text NOT NULL CHECK (type IN ('asset', 'liability', 'equity', 'income', 'expense')),
  PRIMARY KEY (tenant_id, account),
  UNIQUE (tenant_id, role)
);
COMMENT ON TABLE ledger.accounts IS 'A tenant''s chart of accounts: which account plays which role in postings.';
COMMENT ON COLUMN ledger.accounts.account IS 'Its number or code, as the general ledger knows it.';
COMMENT ON COLUMN ledger.accounts.role IS 'What posting rules call it; one account a role.';
COMMENT ON COLUMN ledger.accounts.type IS 'asset and expense grow on the debit side, the others on the credit side.';

CREATE TABLE ledger.periods (
  tenant_id text COLLATE "C" NOT NULL,
  period date NOT NULL CHECK (extract(day FROM period) = 1),
  status text NOT NULL CHECK (status IN ('open', 'closed')),
  changed_at timestamptz NOT NULL,
  changed_by text NOT NULL,
  PRIMARY KEY (tenant_id, period)
);
COMMENT ON TABLE ledger.periods IS 'Months of a tenant''s books. One without a row is open.';
COMMENT ON COLUMN ledger.periods.period IS 'The first day of the month.';
COMMENT ON COLUMN ledger.periods.status IS 'closed: nothing is posted with a books date in it any more.';
COMMENT ON COLUMN ledger.periods.changed_at IS 'When it was last closed or opened.';

CREATE TABLE ledger.entries (
  tenant_id text COLLATE "C" NOT NULL,
  entry_id uuid NOT NULL,
  transaction_id uuid NOT NULL,
  revision integer NOT NULL,
  kind text NOT NULL,
  store_id text COLLATE "C" NOT NULL,
  business_date date NOT NULL,
  books_date date NOT NULL,
  posted_at timestamptz NOT NULL,
  currency text NOT NULL,
  accounts text[] NOT NULL,
  amounts numeric[] NOT NULL,
  reverses uuid,
  raw_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, entry_id),
  UNIQUE (tenant_id, transaction_id, revision, kind),
  FOREIGN KEY (tenant_id, transaction_id, revision, kind) REFERENCES silver.transactions,
  CONSTRAINT entry_is_balanced CHECK (ledger.is_balanced(accounts, amounts) IS TRUE)
);
COMMENT ON TABLE ledger.entries IS 'One row is one balanced posting. Never changed: an error is reversed by another entry.';
COMMENT ON COLUMN ledger.entries.kind IS 'posting or reversal, as in silver.transactions.';
COMMENT ON COLUMN ledger.entries.accounts IS 'The accounts of its lines.';
COMMENT ON COLUMN ledger.entries.amounts IS 'Their amounts in parallel, debit positive; they sum to zero.';
COMMENT ON COLUMN ledger.entries.reverses IS 'The entry that this one takes back.';
COMMENT ON COLUMN ledger.entries.raw_id IS 'The arrival that caused it.';
CREATE INDEX entries_by_date ON ledger.entries (tenant_id, books_date, entry_id);

CREATE VIEW ledger.lines AS
SELECT e.tenant_id, e.entry_id, l.line_no::integer AS line_no, l.account, l.amount, greatest(l.amount, 0) AS debit,
       greatest(-l.amount, 0) AS credit, e.currency, e.store_id, e.business_date, e.books_date, e.posted_at,
       e.transaction_id, e.revision, e.kind, e.reverses, e.raw_id
FROM ledger.entries e
CROSS JOIN LATERAL unnest(e.accounts, e.amounts) WITH ORDINALITY AS l (account, amount, line_no);
COMMENT ON VIEW ledger.lines IS 'The entries, line by line.';

GRANT SELECT, INSERT ON ledger.entries TO ledgersafe_app;
GRANT SELECT, INSERT, UPDATE ON ledger.accounts, ledger.periods TO ledgersafe_app;
GRANT SELECT ON ledger.lines TO ledgersafe_app;
