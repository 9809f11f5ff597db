-- A bulk run decides on the payloads that were there when it was planned: what came later, nobody has looked at.

ALTER TABLE quarantine.bulk_items ADD COLUMN last_raw_id uuid;
COMMENT ON COLUMN quarantine.bulk_items.last_raw_id IS
  'The latest payload when it was planned: where there is another by now, it is left open. NULL: any.';

-- Rows that wait for a person are told on the first page.
CREATE INDEX ingestions_with_bad_rows ON files.ingestions (dataset, tenant_id, ingestion_id)
  WHERE status = 'succeeded' AND rows_bad > 0;
CREATE INDEX bad_rows_open ON files.bad_rows (ingestion_id, tenant_id) WHERE status = 'open';
