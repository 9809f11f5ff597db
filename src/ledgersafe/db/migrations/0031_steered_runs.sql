-- A bulk run may be stopped by one and gone on with by another, whose decisions the rest of it then are: the key of whoever
-- began it may be revoked by then.

ALTER TABLE quarantine.bulk_runs
  ADD COLUMN stopped_by text,
  ADD COLUMN resumed_by text;
COMMENT ON COLUMN quarantine.bulk_runs.actor IS 'Who began it; what it decides carries the same name in the audit log, until somebody else goes on with it.';
COMMENT ON COLUMN quarantine.bulk_runs.stopped_by IS 'Who stopped it last. NULL: nobody did, or it was before this was kept.';
COMMENT ON COLUMN quarantine.bulk_runs.resumed_by IS 'Who went on with it last; what it decided since carries this name. NULL: nobody did, or it was before this was kept.';
