-- How often each job runs is known beside its state, and files that are held are counted without reading every delivery.

ALTER TABLE jobs.jobs ADD COLUMN runs_every interval;
COMMENT ON COLUMN jobs.jobs.runs_every IS 'How often, as the worker that started last has it; NULL: no worker has said.';

-- Of the same bytes the latest delivery says whether they are held; replays are few.
CREATE INDEX ingestions_held ON files.ingestions (dataset, tenant_id, ingestion_id)
  WHERE status IN ('quarantined', 'failed');
CREATE INDEX ingestions_replays ON files.ingestions (sha256, dataset, tenant_id, ingestion_id)
  WHERE replay_of IS NOT NULL;
