-- Who decides on an event that came out of a file wants to see the file's own rows, not only what was made of them. It
-- stands beside the arrival, not in it: other doors write nothing, and what a seal covers of an arrival stays the same.

CREATE TABLE files.origins (
  tenant_id text COLLATE "C" NOT NULL,
  raw_id uuid NOT NULL,
  ingestion_id uuid NOT NULL,
  row_numbers bigint[] NOT NULL,
  rows_in_all bigint NOT NULL,
  PRIMARY KEY (tenant_id, raw_id),
  FOREIGN KEY (tenant_id, ingestion_id) REFERENCES files.ingestions
);
COMMENT ON TABLE files.origins IS 'Of which rows of a delivered file an arrival was made, written with the arrival. Arrivals from before this table have none.';
COMMENT ON COLUMN files.origins.raw_id IS 'The arrival: bronze.events_raw.';
COMMENT ON COLUMN files.origins.ingestion_id IS 'The delivery that made it; of a replayed one, the replay.';
COMMENT ON COLUMN files.origins.row_numbers IS 'The first 50 of its rows, in their order, as people count: the header is row 1 where there is one.';
COMMENT ON COLUMN files.origins.rows_in_all IS 'How many rows it was made of.';
GRANT SELECT, INSERT ON files.origins TO ledgersafe_app;
