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
COMMENT ON TABLE audit.audit_log IS 'Every decision, of a person or of the system, in the transaction that carries it out.';
COMMENT ON COLUMN audit.audit_log.tenant_id IS 'Whose; _system for what concerns several tenants.';
COMMENT ON COLUMN audit.audit_log.actor IS '"system", "key:<id>" or "user:<subject>": always the credential''s, never what a request claims.';
COMMENT ON COLUMN audit.audit_log.action IS 'What was done, as object.verb, e.g. exception.resolved.';
COMMENT ON COLUMN audit.audit_log.object_type IS 'What it was done to: exception, bulk_run, arrival, rejected, key.';
COMMENT ON COLUMN audit.audit_log.object_id IS 'Which one.';
COMMENT ON COLUMN audit.audit_log.before_json IS 'What was so before, as far as it matters.';
COMMENT ON COLUMN audit.audit_log.after_json IS 'What is so now: the choice, which members were patched (their values are with the exception), the faults of a refusal.';
COMMENT ON COLUMN audit.audit_log.notes IS 'Why, in the actor''s words.';

CREATE INDEX audit_by_object ON audit.audit_log (tenant_id, object_type, object_id);

GRANT SELECT, INSERT ON audit.audit_log TO ledgersafe_app;
