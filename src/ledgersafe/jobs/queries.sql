-- name: ensure_job
-- Why: a job that this version knows of is there from its first start; what is set of it stays.
INSERT INTO jobs.jobs (tenant_id, job_name, due_at)
VALUES (%(tenant_id)s, %(job_name)s, %(due_at)s)
ON CONFLICT (tenant_id, job_name) DO NOTHING

-- name: claim_due
-- Why: one worker at a time runs a job; a dead worker's lease ends by itself, so that no job stays stuck.
UPDATE jobs.jobs
SET leased_by = %(worker)s, leased_until = %(leased_until)s
WHERE tenant_id = %(tenant_id)s AND job_name = %(job_name)s AND NOT paused AND due_at <= %(now)s
  AND (leased_until IS NULL OR leased_until <= %(now)s)
RETURNING job_name, attempts

-- name: finish
-- Why: the lease ends with the run; a worker whose lease was taken over changes nothing.
UPDATE jobs.jobs
SET leased_by = NULL, leased_until = NULL, due_at = %(due_at)s, attempts = %(attempts)s
WHERE tenant_id = %(tenant_id)s AND job_name = %(job_name)s AND leased_by = %(worker)s

-- name: insert_run
-- Why: every run is on record, those that never came back too.
INSERT INTO jobs.runs (tenant_id, run_id, job_name, started_at)
VALUES (%(tenant_id)s, %(run_id)s, %(job_name)s, %(started_at)s)

-- name: end_run
-- Why: how it ended, and what it did.
UPDATE jobs.runs
SET finished_at = %(finished_at)s, outcome = %(outcome)s, summary = %(summary)s
WHERE tenant_id = %(tenant_id)s AND run_id = %(run_id)s

-- name: jobs
-- Why: the list that an operator sees.
SELECT job_name, due_at, paused, leased_by, leased_until, attempts
FROM jobs.jobs
WHERE tenant_id = %(tenant_id)s
ORDER BY job_name
