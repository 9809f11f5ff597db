-- Who did what. Insert-only.

CREATE TABLE audit.audit_log (
  tenant_id text COLLATE "C" NOT NULL,
  audit_id uuid NOT NULL,
  occurred_at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  object_type text NOT NULL,
  object_id text COLLATE "C" NOT NULL,
  before_json json,
  after_json json,
  notes text,
  PRIMARY KEY (tenant_id, audit_id)
);
COMMENT ON COLUMN audit.audit_log.actor IS '"system", "key:<id>" or "user:<subject>": always the credential''s, never what a request claims.';

CREATE INDEX audit_by_object ON audit.audit_log (tenant_id, object_type, object_id);

GRANT SELECT, INSERT ON audit.audit_log TO ledgersafe_app;
