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
CREATE INDEX runs_of_a_job ON jobs.runs (tenant_id, job_name, started_at DESC);

GRANT SELECT, INSERT, UPDATE ON jobs.jobs, jobs.runs TO ledgersafe_app;
