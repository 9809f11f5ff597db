-- Whoever replays a file asks which of its rows made events before: what a delivery sent is found without reading all of its
-- tenant's arrivals.

CREATE INDEX origins_of_deliveries ON files.origins (ingestion_id, tenant_id);
