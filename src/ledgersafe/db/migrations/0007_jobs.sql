-- The schedule's state: which job is due, who runs it, how its last run ended.

CREATE TABLE jobs.jobs (
  tenant_id text COLLATE "C" NOT NULL,
  job_name text COLLATE "C" NOT NULL,
  due_at timestamptz NOT NULL,
  paused boolean NOT NULL DEFAULT false,
  leased_by text,
  leased_until timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, job_name)
);
COMMENT ON TABLE jobs.jobs IS 'What the workers do by themselves, one row a job.';
COMMENT ON COLUMN jobs.jobs.tenant_id IS '_system: jobs belong to no tenant.';
COMMENT ON COLUMN jobs.jobs.due_at IS 'When it runs next.';
COMMENT ON COLUMN jobs.jobs.paused IS 'Set by hand: no worker takes it.';
COMMENT ON COLUMN jobs.jobs.leased_by IS 'The worker that runs it now.';
COMMENT ON COLUMN jobs.jobs.leased_until IS 'When another worker may take it over: a dead one cannot keep it.';
COMMENT ON COLUMN jobs.jobs.attempts IS 'Failed runs since the last good one; they wait longer each time.';

CREATE TABLE jobs.runs (
  tenant_id text COLLATE "C" NOT NULL,
  run_id uuid NOT NULL,
  job_name text COLLATE "C" NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  outcome text CHECK (outcome IN ('succeeded', 'failed')),
  summary text,
  PRIMARY KEY (tenant_id, run_id)
);
COMMENT ON TABLE jobs.runs IS 'Every run of a job; one without an outcome is under way, or its worker died.';
COMMENT ON COLUMN jobs.runs.summary IS 'What it did, or why it failed.';
CREATE INDEX runs_of_a_job ON jobs.runs (tenant_id, job_name, started_at DESC);

GRANT SELECT, INSERT, UPDATE ON jobs.jobs, jobs.runs TO ledgersafe_app;
