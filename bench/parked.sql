-- Parked events, as Ledgersafe would have left them: each with its arrival, its key and its open exception.
-- %(first)s to %(last)s of %(events)s, spread over the days before %(until)s, in %(stores)s stores.
WITH numbers AS (
  SELECT number,
         %(until)s::timestamptz - make_interval(secs => %(seconds)s::float8 * (%(events)s - number) / %(events)s) AS seen_at,
         md5('parked key' || number) AS key,
         md5('parked id' || number) AS entropy,
         format('store_%%s', lpad((number %% %(stores)s)::text, 3, '0')) AS store_id,
         CASE number %% 10 WHEN 0 THEN 'MISSING_REFERENCE' WHEN 1 THEN 'NEGATIVE_AMOUNT' ELSE 'TOTALS_MISMATCH' END AS code
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
), arrivals AS MATERIALIZED (
  SELECT number, seen_at, key, store_id, code,
         (lpad(to_hex((extract(epoch FROM seen_at) * 1000)::bigint), 12, '0') || '7' || substr(entropy, 1, 3) || '8'
          || substr(entropy, 4, 15))::uuid AS raw_id,
         (lpad(to_hex((extract(epoch FROM seen_at) * 1000)::bigint), 12, '0') || '7' || substr(entropy, 4, 3) || '9'
          || substr(entropy, 7, 15))::uuid AS exception_id,
         sha256(decode(entropy, 'hex')) AS fingerprint,
         convert_to(format(
           '{"schema_version":"1.0","tenant_id":"%%s","store_id":"%%s","source_system":"pos_sim","event_id":"%%s",'
           '"event_type":"SALE","occurred_at":"2026-02-25T00:00:00Z","txn_id":"%%s","currency":"USD",'
           '"total_amount":99,"line_items":[{"sku":"SKU-AAA","qty":1,"amount":42.5}]}',
           %(tenant)s::text, store_id, key, key), 'UTF8') AS body
  FROM numbers
), raw AS (
  INSERT INTO bronze.events_raw (
    tenant_id, raw_id, received_at, door, event_id, event_type, store_id, source_system, schema_version, occurred_at,
    txn_id, payload_hash, canonical_version, body, body_sha256, key_id)
  SELECT %(tenant)s, raw_id, seen_at, 'native', key, 'SALE', store_id, 'pos_sim', '1.0', '2026-02-25T00:00:00Z',
         key, fingerprint, 1, body, sha256(body), 'stored'
  FROM arrivals
), batches AS (
  INSERT INTO bronze.batches (tenant_id, batch_id, ids)
  SELECT %(tenant)s, (array_agg(raw_id ORDER BY number))[1], array_agg(raw_id ORDER BY number)
  FROM arrivals
  GROUP BY number / 64
), parked AS (
  INSERT INTO quarantine.exceptions (
    tenant_id, exception_id, idempotency_key, status, reason_code, details_json, raw_id, last_raw_id, store_id,
    source_system, event_type, amount, currency, created_at, last_arrival_at)
  SELECT %(tenant)s, exception_id, key, 'open', code,
         jsonb_build_array(jsonb_build_object(
           'reason_code', code, 'path', '/total_amount',
           'message', 'the lines are 42.50, no tax, no discount and no rounding are given, and the total is 99.00')),
         raw_id, raw_id, store_id, 'pos_sim', 'SALE', 99, 'USD', seen_at, seen_at
  FROM arrivals
)
INSERT INTO gate.events_processed (
  tenant_id, idempotency_key, status, first_seen_at, last_seen_at, first_raw_id, last_raw_id, payload_hash_first,
  payload_hash_last, first_decision, last_error_code, last_exception_id)
SELECT %(tenant)s, key, 'quarantined', seen_at, seen_at, raw_id, raw_id, fingerprint, fingerprint, 'open', code,
       exception_id
FROM arrivals
