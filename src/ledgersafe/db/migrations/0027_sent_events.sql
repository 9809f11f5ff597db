-- Which events a delivery has sent is known by the events, not by their number: who takes it over may make others of the same
-- file, by another setting or after an upgrade, and sends exactly those that are not sent.

CREATE TABLE files.sent_events (
  tenant_id text COLLATE "C" NOT NULL,
  ingestion_id uuid NOT NULL,
  events_before bigint NOT NULL,
  marks bytea NOT NULL,
  PRIMARY KEY (tenant_id, ingestion_id, events_before),
  FOREIGN KEY (tenant_id, ingestion_id) REFERENCES files.ingestions
);
COMMENT ON TABLE files.sent_events IS 'The events that a delivery has sent, a row each transaction: what is here is not sent again by who takes it over.';
COMMENT ON COLUMN files.sent_events.events_before IS 'How many events of the delivery were sent before these.';
COMMENT ON COLUMN files.sent_events.marks IS 'Of each event the first 16 bytes of the SHA-256 of its canonical JSON, one after the other.';
ALTER TABLE files.sent_events ALTER COLUMN marks SET STORAGE EXTERNAL;
GRANT SELECT, INSERT ON files.sent_events TO ledgersafe_app;

COMMENT ON COLUMN files.ingestions.events_done IS 'How many events it has sent; which ones stands in files.sent_events: who takes it over sends the others.';
