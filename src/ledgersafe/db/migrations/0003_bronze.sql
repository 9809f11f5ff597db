-- Exactly what arrived, forever. Insert-only: the application may neither change nor delete a row.

CREATE TABLE bronze.events_raw (
  tenant_id text COLLATE "C" NOT NULL,
  raw_id uuid NOT NULL,
  received_at timestamptz NOT NULL,
  door text NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  event_type text,
  store_id text,
  source_system text,
  schema_version text,
  occurred_at timestamptz,
  source_event_id text,
  txn_id text,
  payload_hash bytea NOT NULL,
  canonical_version smallint NOT NULL,
  body bytea NOT NULL,
  body_sha256 bytea NOT NULL,
  ce_headers json,
  key_id text,
  PRIMARY KEY (tenant_id, raw_id)
) PARTITION BY RANGE (raw_id);
COMMENT ON TABLE bronze.events_raw IS 'One row an arrival, retries and faulty ones included; columns are NULL where the event had no usable value.';
COMMENT ON COLUMN bronze.events_raw.raw_id IS 'This arrival, UUIDv7 by the time it was received; each retry has its own.';
COMMENT ON COLUMN bronze.events_raw.received_at IS 'Our clock, when the body was read.';
COMMENT ON COLUMN bronze.events_raw.door IS 'How it came in: native, cloudevents-structured, cloudevents-binary, scout.';
COMMENT ON COLUMN bronze.events_raw.event_id IS 'The idempotency key within the tenant.';
COMMENT ON COLUMN bronze.events_raw.occurred_at IS 'The producer''s clock: when it happened.';
COMMENT ON COLUMN bronze.events_raw.source_event_id IS 'The source''s own id of the event, if it sent one; accepted once a source.';
COMMENT ON COLUMN bronze.events_raw.txn_id IS 'The receipt or transaction that the event is about.';
COMMENT ON COLUMN bronze.events_raw.payload_hash IS 'The fingerprint: SHA-256 of the canonical JSON (RFC 8785) of the mapped event.';
COMMENT ON COLUMN bronze.events_raw.body IS 'The bytes as received; text is kept exact and costs a quarter less than jsonb.';
COMMENT ON COLUMN bronze.events_raw.canonical_version IS 'Which rules the fingerprint was made by: older fingerprints stay as they are.';
COMMENT ON COLUMN bronze.events_raw.body_sha256 IS 'SHA-256 of the body as received. It stays when the body is redacted: what was received can still be proven.';
COMMENT ON COLUMN bronze.events_raw.ce_headers IS 'The ce-* headers of a binary CloudEvent; NULL for the other doors.';
COMMENT ON COLUMN bronze.events_raw.key_id IS 'The API key that sent it; NULL for a person''s token, or with authentication off.';

-- Where a row falls whose month has no partition yet; the worker moves such rows when it makes the partition.
CREATE TABLE bronze.events_raw_default PARTITION OF bronze.events_raw DEFAULT;

CREATE VIEW bronze.events AS
SELECT tenant_id, raw_id, received_at, door, event_id, event_type, store_id, source_system, schema_version, occurred_at,
       source_event_id, txn_id, payload_hash, body_sha256, ce_headers, key_id,
       convert_from(body, 'UTF8')::json AS payload_json
FROM bronze.events_raw;
COMMENT ON VIEW bronze.events IS 'Every arrival with its body as JSON; the columns are those of bronze.events_raw.';
COMMENT ON COLUMN bronze.events.payload_json IS 'The body, parsed; {"redacted":true} where it was made unreadable.';

CREATE TABLE bronze.rejected (
  tenant_id text COLLATE "C" NOT NULL,
  rejected_id uuid NOT NULL,
  received_at timestamptz NOT NULL,
  door text NOT NULL,
  key_id text,
  reason_code text NOT NULL,
  detail text NOT NULL,
  body bytea NOT NULL,
  body_bytes bigint,
  PRIMARY KEY (tenant_id, rejected_id)
);
COMMENT ON TABLE bronze.rejected IS 'Bodies of authenticated requests that were refused at the door; no event, outside all counts.';
COMMENT ON COLUMN bronze.rejected.tenant_id IS 'The tenant of the key; _system where the key serves several.';
COMMENT ON COLUMN bronze.rejected.door IS 'Where it was sent to: as for bronze.events_raw, or batch.';
COMMENT ON COLUMN bronze.rejected.key_id IS 'The API key that sent it.';
COMMENT ON COLUMN bronze.rejected.reason_code IS 'Why it was refused, as the sender was told.';
COMMENT ON COLUMN bronze.rejected.detail IS 'The same for people.';
COMMENT ON COLUMN bronze.rejected.body IS 'The bytes as received, at most the first 64 KiB.';
COMMENT ON COLUMN bronze.rejected.body_bytes IS 'Size of the whole body where it is known; `body` holds at most its first 64 KiB.';

CREATE TABLE bronze.batches (
  tenant_id text COLLATE "C" NOT NULL,
  batch_id uuid NOT NULL,
  ids uuid[] NOT NULL,
  PRIMARY KEY (tenant_id, batch_id)
);
COMMENT ON TABLE bronze.batches IS 'Which arrivals one transaction committed: seals claim whole batches, never an id range.';
COMMENT ON COLUMN bronze.batches.batch_id IS 'One transaction''s part of one tenant.';
COMMENT ON COLUMN bronze.batches.ids IS 'The raw_id of each arrival in it.';

GRANT SELECT, INSERT ON bronze.events_raw, bronze.rejected, bronze.batches TO ledgersafe_app;
GRANT SELECT ON bronze.events TO ledgersafe_app;

-- The application makes partitions through this door alone; it owns no table.
CREATE FUNCTION bronze.ensure_partition(suffix text, lower_id uuid, upper_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  partition_name text := 'events_raw_' || suffix;
BEGIN
  IF suffix !~ '^[0-9]{6}$' OR lower_id >= upper_id THEN
    RAISE EXCEPTION 'a partition is named YYYYMM and has a lower bound below its upper bound, not %, %, %', suffix, lower_id, upper_id;
  END IF;
  IF to_regclass('bronze.' || partition_name) IS NOT NULL THEN
    RETURN false;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('bronze.ensure_partition'));
  IF to_regclass('bronze.' || partition_name) IS NOT NULL THEN
    RETURN false;
  END IF;
  IF EXISTS (SELECT FROM bronze.events_raw_default WHERE raw_id >= lower_id AND raw_id < upper_id) THEN
    LOCK TABLE bronze.events_raw IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE bronze.%I (LIKE bronze.events_raw INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name);
    EXECUTE format(
      'WITH moved AS (DELETE FROM bronze.events_raw_default WHERE raw_id >= %L AND raw_id < %L RETURNING *) '
      'INSERT INTO bronze.%I SELECT * FROM moved', lower_id, upper_id, partition_name);
    EXECUTE format('ALTER TABLE bronze.events_raw ATTACH PARTITION bronze.%I FOR VALUES FROM (%L) TO (%L)',
                   partition_name, lower_id, upper_id);
  ELSE
    EXECUTE format('CREATE TABLE bronze.%I PARTITION OF bronze.events_raw FOR VALUES FROM (%L) TO (%L)',
                   partition_name, lower_id, upper_id);
  END IF;
  RETURN true;
END
$$;
REVOKE ALL ON FUNCTION bronze.ensure_partition(text, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bronze.ensure_partition(text, uuid, uuid) TO ledgersafe_app;
