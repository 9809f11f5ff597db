-- Stored events, as Ledgersafe would have left them: with random keys, in the order of their arrival, posted since.
-- %(first)s to %(last)s of %(events)s, spread over the days before %(until)s; committed in batches of 64.
WITH numbers AS (
  SELECT number,
         %(until)s::timestamptz - make_interval(secs => %(seconds)s::float8 * (%(events)s - number) / %(events)s) AS seen_at,
         md5('key' || number) AS key,
         md5('id' || number) AS entropy
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
), arrivals AS MATERIALIZED (
  SELECT number, seen_at, key,
         (lpad(to_hex((extract(epoch FROM seen_at) * 1000)::bigint), 12, '0') || '7' || substr(entropy, 1, 3) || '8'
          || substr(entropy, 4, 15))::uuid AS raw_id,
         sha256(decode(entropy, 'hex')) AS fingerprint,
         convert_to(format(
           '{"schema_version":"1.0","tenant_id":"%%s","store_id":"store_001","source_system":"pos_sim","event_id":"%%s",'
           '"event_type":"SALE","occurred_at":"2026-02-25T00:00:00Z","txn_id":"%%s","currency":"USD",'
           '"total_amount":42.5,"line_items":[{"sku":"SKU-AAA","qty":1,"amount":30.0},{"sku":"SKU-BBB","qty":1,'
           '"amount":12.5}]}', %(tenant)s::text, key, key), 'UTF8') AS body
  FROM numbers
), raw AS (
  INSERT INTO bronze.events_raw (
    tenant_id, raw_id, received_at, door, event_id, event_type, store_id, source_system, schema_version, occurred_at,
    txn_id, payload_hash, canonical_version, body, body_sha256, key_id)
  SELECT %(tenant)s, raw_id, seen_at, 'native', key, 'SALE', 'store_001', 'pos_sim', '1.0', '2026-02-25T00:00:00Z',
         key, fingerprint, 1, body, sha256(body), 'stored'
  FROM arrivals
), batches AS (
  INSERT INTO bronze.batches (tenant_id, batch_id, ids)
  SELECT %(tenant)s, (array_agg(raw_id ORDER BY number))[1], array_agg(raw_id ORDER BY number)
  FROM arrivals
  GROUP BY number / 64
)
INSERT INTO gate.events_processed (
  tenant_id, idempotency_key, status, first_seen_at, last_seen_at, first_raw_id, last_raw_id, payload_hash_first,
  payload_hash_last, first_decision, processed_at, posted_at)
SELECT %(tenant)s, key, 'processed', seen_at, seen_at, raw_id, raw_id, fingerprint, fingerprint, 'accepted', seen_at,
       seen_at
FROM arrivals
