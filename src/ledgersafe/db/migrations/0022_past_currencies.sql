-- What was accepted keeps the currency that was set when it came, however long it takes to be posted.

CREATE TABLE tenants.past_currencies (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants.tenants,
  store_id text NOT NULL,
  until timestamptz NOT NULL,
  currency text CHECK (currency ~ '^[A-Z]{3}$'),
  PRIMARY KEY (tenant_id, store_id, until)
);
COMMENT ON TABLE tenants.past_currencies IS 'Currencies that were set before the ones that are: an event that names none has the one of when it came. Written only where one changes.';
COMMENT ON COLUMN tenants.past_currencies.store_id IS 'The store; empty: the tenant itself.';
COMMENT ON COLUMN tenants.past_currencies.until IS 'When it was replaced.';
COMMENT ON COLUMN tenants.past_currencies.currency IS 'What was set until then; NULL: nothing.';

GRANT SELECT, INSERT ON tenants.past_currencies TO ledgersafe_app;
