-- The limit of Postgres where each event is a transaction: one function keeps the arrival and passes the gate.
-- It does less than Ledgersafe: nothing is parsed or judged, and no row of bronze.batches is written.
CREATE SCHEMA peer;

CREATE FUNCTION peer.accept_one(of_tenant text, of_slot smallint, key text, of_body bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  new_raw_id uuid := uuidv7();
  seen_at timestamptz := clock_timestamp();
  fingerprint bytea := sha256(of_body);
  is_new boolean;
BEGIN
  INSERT INTO bronze.events_raw (
    tenant_id, raw_id, received_at, door, event_id, event_type, store_id, source_system, schema_version, occurred_at,
    txn_id, payload_hash, canonical_version, body, body_sha256, key_id)
  VALUES (of_tenant, new_raw_id, seen_at, 'native', key, 'SALE', 'store_001', 'pos_sim', '1.0', '2026-02-25T00:00:00Z',
          key, fingerprint, 1, of_body, fingerprint, 'pgbench');
  INSERT INTO gate.events_processed (
    tenant_id, idempotency_key, status, first_seen_at, last_seen_at, first_raw_id, last_raw_id, payload_hash_first,
    payload_hash_last, first_decision, processed_at)
  VALUES (of_tenant, key, 'processed', seen_at, seen_at, new_raw_id, new_raw_id, fingerprint, fingerprint, 'accepted',
          seen_at)
  ON CONFLICT (tenant_id, idempotency_key) DO NOTHING;
  is_new := FOUND;
  IF is_new THEN
    INSERT INTO gate.to_post (tenant_id, raw_id, idempotency_key) VALUES (of_tenant, new_raw_id, key);
  END IF;
  INSERT INTO gate.counters AS c (tenant_id, slot, events_raw, processed, quarantined, ignored, exceptions_open)
  VALUES (of_tenant, of_slot, 1, is_new::int, 0, 0, 0)
  ON CONFLICT (tenant_id, slot) DO UPDATE
  SET events_raw = c.events_raw + excluded.events_raw, processed = c.processed + excluded.processed;
  RETURN is_new;
END
$$;

GRANT USAGE ON SCHEMA peer TO ledgersafe_app;
