-- Whose books these are. Small tables that everything refers to: on Citus they are reference tables.

CREATE TABLE tenants.tenants (
  tenant_id text COLLATE "C" PRIMARY KEY CHECK (length(tenant_id) BETWEEN 1 AND 255),
  currency text CHECK (currency ~ '^[A-Z]{3}$'),
  time_zone text NOT NULL DEFAULT 'UTC',
  simulated boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL
);
COMMENT ON TABLE tenants.tenants IS 'Whose books these are. _system is no tenant: it holds what belongs to none.';
COMMENT ON COLUMN tenants.tenants.tenant_id IS 'As senders write it: the first column of every key. What begins with _ is refused from senders.';
COMMENT ON COLUMN tenants.tenants.time_zone IS 'IANA name; what business dates are reckoned in where a store has none of its own.';
COMMENT ON COLUMN tenants.tenants.created_by IS 'Who made it: "key:<id>" where its first event did.';
COMMENT ON COLUMN tenants.tenants.currency IS 'Default of events that name none; NULL parks them as CURRENCY_MISSING.';
COMMENT ON COLUMN tenants.tenants.simulated IS 'Its books are made up: simulated events are welcome, and real dashboards leave it out.';

CREATE TABLE tenants.stores (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants.tenants,
  store_id text NOT NULL,
  currency text CHECK (currency ~ '^[A-Z]{3}$'),
  time_zone text,
  PRIMARY KEY (tenant_id, store_id)
);
COMMENT ON TABLE tenants.stores IS 'What is set for one store; a store without a row has its tenant''s settings.';
COMMENT ON COLUMN tenants.stores.currency IS 'Default of its events that name none; NULL: the tenant''s.';
COMMENT ON COLUMN tenants.stores.time_zone IS 'IANA name; NULL: the tenant''s.';

CREATE TABLE tenants.sources (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants.tenants,
  source_system text NOT NULL,
  volatile_fields text[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (tenant_id, source_system)
);
COMMENT ON TABLE tenants.sources IS 'What is set for one source of events; a source without a row has no volatile fields.';
COMMENT ON COLUMN tenants.sources.source_system IS 'As senders write it, or the CloudEvents source.';
COMMENT ON COLUMN tenants.sources.volatile_fields IS
  'JSON Pointers of fields that change from one delivery of an event to the next (a send time): left out of its fingerprint.';

CREATE TABLE tenants.api_keys (
  key_id text PRIMARY KEY,
  secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
  label text NOT NULL,
  tenant_ids text[] CHECK (cardinality(tenant_ids) > 0),
  scopes text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ '{ingest,operate,read,admin}'::text[]),
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);
COMMENT ON TABLE tenants.api_keys IS 'Who may send and ask, and for whom. Ended keys stay, so that the audit log can be read.';
COMMENT ON COLUMN tenants.api_keys.key_id IS 'The middle part of its token ls_<id>_<secret>; no secret.';
COMMENT ON COLUMN tenants.api_keys.label IS 'What it is for, in its maker''s words.';
COMMENT ON COLUMN tenants.api_keys.scopes IS 'ingest: send events. read: see everything. operate: decide on exceptions. admin: keys, redaction.';
COMMENT ON COLUMN tenants.api_keys.created_by IS 'Who made it: owner (the command line), key:<id> or user:<subject>.';
COMMENT ON COLUMN tenants.api_keys.expires_at IS 'When it ends by itself; NULL: never.';
COMMENT ON COLUMN tenants.api_keys.revoked_at IS 'When it was ended; every process refuses it within five seconds.';
COMMENT ON COLUMN tenants.api_keys.last_used_at IS 'Written in batches: up to some seconds late.';
COMMENT ON COLUMN tenants.api_keys.tenant_ids IS 'The tenants it serves; NULL is all of them.';
COMMENT ON COLUMN tenants.api_keys.secret_sha256 IS 'The secret has 256 random bits, so one round of SHA-256 is enough; it is stored nowhere.';

GRANT SELECT, INSERT, UPDATE ON tenants.tenants, tenants.stores, tenants.sources, tenants.api_keys TO ledgersafe_app;

-- Rows that belong to no tenant (a rejected body of an all-tenants key, a job of the worker) carry this one.
INSERT INTO tenants.tenants (tenant_id, created_at, created_by) VALUES ('_system', '2026-01-01T00:00:00Z', 'migration');
