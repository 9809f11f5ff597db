-- Runs that decide on many exceptions at once, rotation of keys, redaction of bodies.

CREATE TABLE quarantine.bulk_runs (
  tenant_id text COLLATE "C" NOT NULL,
  run_id uuid NOT NULL,
  status text NOT NULL CHECK (status IN ('running', 'cancelled', 'finished')),
  filter json NOT NULL,
  wish json NOT NULL,
  max_replays integer NOT NULL CHECK (max_replays > 0),
  actor text NOT NULL,
  notes text NOT NULL,
  planned bigint NOT NULL DEFAULT 0,
  resolved bigint NOT NULL DEFAULT 0,
  refused bigint NOT NULL DEFAULT 0,
  skipped bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, run_id)
);
COMMENT ON TABLE quarantine.bulk_runs IS 'One decision over many exceptions: planned once, worked off a chunk at a time, cancelled and resumed at will.';
COMMENT ON COLUMN quarantine.bulk_runs.filter IS 'Which open exceptions it was planned over.';
COMMENT ON COLUMN quarantine.bulk_runs.wish IS 'What is to be decided of each: action, choice, patch, books date.';
COMMENT ON COLUMN quarantine.bulk_runs.max_replays IS 'The loop guard: an exception that was replayed so often is skipped.';
COMMENT ON COLUMN quarantine.bulk_runs.actor IS 'Who started it; its decisions carry the same name in the audit log.';
COMMENT ON COLUMN quarantine.bulk_runs.planned IS 'How many exceptions it was planned over.';
COMMENT ON COLUMN quarantine.bulk_runs.resolved IS 'How many are closed.';
COMMENT ON COLUMN quarantine.bulk_runs.refused IS 'How many stay open, each with its detail in quarantine.bulk_items.';
COMMENT ON COLUMN quarantine.bulk_runs.skipped IS 'Not open any more, or replayed too often already (the loop guard).';

CREATE TABLE quarantine.bulk_items (
  tenant_id text COLLATE "C" NOT NULL,
  run_id uuid NOT NULL,
  exception_id uuid NOT NULL,
  outcome text CHECK (outcome IN ('resolved', 'refused', 'skipped')),
  detail text,
  PRIMARY KEY (tenant_id, run_id, exception_id)
);
COMMENT ON TABLE quarantine.bulk_items IS 'What a run was planned over, and what became of each.';
COMMENT ON COLUMN quarantine.bulk_items.outcome IS 'NULL: still to come.';
COMMENT ON COLUMN quarantine.bulk_items.detail IS 'Why it was refused or skipped.';
CREATE INDEX bulk_items_to_do ON quarantine.bulk_items (tenant_id, run_id, exception_id) WHERE outcome IS NULL;

GRANT SELECT, INSERT, UPDATE ON quarantine.bulk_runs, quarantine.bulk_items TO ledgersafe_app;

ALTER TABLE tenants.api_keys ADD COLUMN rotated_to text;
COMMENT ON COLUMN tenants.api_keys.rotated_to IS 'The key that takes its place; it lives on until expires_at, so that senders can change over.';

CREATE INDEX audit_by_time ON audit.audit_log (tenant_id, occurred_at, audit_id);

-- Privacy law: a body can be made unreadable, once, and nothing else of its row. Its hash stays, so that the seal holds.
CREATE FUNCTION bronze.redact_body(of_tenant text, of_raw_id uuid, replacement bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  changed boolean;
BEGIN
  UPDATE bronze.events_raw SET body = replacement, ce_headers = NULL
  WHERE tenant_id = of_tenant AND raw_id = of_raw_id AND body <> replacement;
  changed := FOUND;
  UPDATE quarantine.exceptions SET override_patch = NULL
  WHERE tenant_id = of_tenant AND canonical_raw_id = of_raw_id AND override_patch IS NOT NULL;
  RETURN changed;
END
$$;
CREATE FUNCTION bronze.redact_rejected_body(of_tenant text, of_rejected_id uuid, replacement bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE bronze.rejected SET body = replacement
  WHERE tenant_id = of_tenant AND rejected_id = of_rejected_id AND body <> replacement;
  RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION bronze.redact_body(text, uuid, bytea), bronze.redact_rejected_body(text, uuid, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bronze.redact_body(text, uuid, bytea), bronze.redact_rejected_body(text, uuid, bytea) TO ledgersafe_app;
