-- name: claim_keys
-- Why: of any number of first arrivals racing for a key, exactly one row goes in; keys come sorted, so nobody deadlocks.
-- What follows from a claim in nearly every case is written along with it, so that most batches need nothing more: valid
-- ones go on promote's work list, and all are counted.
WITH claimed AS (
  INSERT INTO gate.events_processed (
    tenant_id, idempotency_key, status, first_seen_at, last_seen_at, first_raw_id, last_raw_id, payload_hash_first,
    payload_hash_last, first_decision, processed_at, last_error_code, last_exception_id)
  SELECT %(tenant_id)s, a.idempotency_key, a.status, a.seen_at, a.seen_at, a.raw_id, a.raw_id, a.fingerprint,
         a.fingerprint, a.first_decision, a.processed_at, a.error_code, a.exception_id
  FROM unnest(%(keys)s::text[], %(statuses)s::text[], %(first_seen_at)s::timestamptz[], %(first_raw_ids)s::uuid[],
              %(payload_hashes_first)s::bytea[], %(first_decisions)s::text[], %(processed_at)s::timestamptz[],
              %(error_codes)s::text[], %(exception_ids)s::uuid[])
    AS a (idempotency_key, status, seen_at, raw_id, fingerprint, first_decision, processed_at, error_code, exception_id)
  ON CONFLICT (tenant_id, idempotency_key) DO NOTHING
  RETURNING idempotency_key, status, first_raw_id
), listed AS (
  INSERT INTO gate.to_post (tenant_id, raw_id, idempotency_key)
  SELECT %(tenant_id)s, first_raw_id, idempotency_key
  FROM claimed
  WHERE status = 'processed'
), counted AS (
  INSERT INTO gate.counters AS c (tenant_id, slot, events_raw, processed, quarantined, ignored, exceptions_open)
  SELECT %(tenant_id)s, %(slot)s, %(events_raw)s, count(*) FILTER (WHERE status = 'processed'),
         count(*) FILTER (WHERE status = 'quarantined'), 0, count(*) FILTER (WHERE status = 'quarantined')
  FROM claimed
  ON CONFLICT (tenant_id, slot) DO UPDATE
  SET events_raw = c.events_raw + excluded.events_raw, processed = c.processed + excluded.processed,
      quarantined = c.quarantined + excluded.quarantined, exceptions_open = c.exceptions_open + excluded.exceptions_open
)
SELECT idempotency_key FROM claimed

-- name: lock_keys
-- Why: a separate statement after the claim, so that it sees the winner of a race; sorted, so nobody deadlocks.
SELECT idempotency_key, status, arrivals, first_seen_at, last_seen_at, first_raw_id, last_raw_id, payload_hash_first,
       payload_hash_last, first_decision, processed_at, posted_at, last_error_code, last_exception_id
FROM gate.events_processed
WHERE tenant_id = %(tenant_id)s AND idempotency_key = ANY(%(keys)s::text[])
ORDER BY idempotency_key
FOR UPDATE

-- name: arrivals_of_keys
-- Why: an event of rows that made one before is that one again, or would be counted beside it: its arrivals tell.
SELECT idempotency_key, first_raw_id AS raw_id
FROM gate.events_processed
WHERE tenant_id = %(tenant_id)s AND idempotency_key = ANY(%(keys)s::text[])
UNION ALL
SELECT idempotency_key, raw_id
FROM gate.later_arrivals
WHERE tenant_id = %(tenant_id)s AND idempotency_key = ANY(%(keys)s::text[])

-- name: other_payloads
-- Why: what was decided of every further payload answers its retries.
SELECT idempotency_key, fingerprint, raw_id, decision
FROM gate.other_payloads
WHERE tenant_id = %(tenant_id)s AND idempotency_key = ANY(%(keys)s::text[])

-- name: claim_source_events
-- Why: a source's own event id is taken only by a key that this very arrival has just claimed; sorted as above.
INSERT INTO gate.source_events (tenant_id, source_system, source_event_id, idempotency_key)
SELECT %(tenant_id)s, a.source_system, a.source_event_id, k.idempotency_key
FROM unnest(%(source_systems)s::text[], %(source_event_ids)s::text[], %(keys)s::text[], %(raw_ids)s::uuid[])
       WITH ORDINALITY AS a (source_system, source_event_id, idempotency_key, raw_id, position)
JOIN gate.events_processed k
  ON k.tenant_id = %(tenant_id)s AND k.idempotency_key = a.idempotency_key AND k.first_raw_id = a.raw_id
ORDER BY a.position
ON CONFLICT (tenant_id, source_system, source_event_id) DO NOTHING

-- name: source_owners
-- Why: a separate statement after the claim, so that it sees who won.
SELECT s.source_system, s.source_event_id, s.idempotency_key
FROM unnest(%(source_systems)s::text[], %(source_event_ids)s::text[]) AS a (source_system, source_event_id)
JOIN gate.source_events s
  ON s.tenant_id = %(tenant_id)s AND s.source_system = a.source_system AND s.source_event_id = a.source_event_id

-- name: update_keys
-- Why: what arrivals after the first, or an operator, made of keys that are locked and were read before.
UPDATE gate.events_processed k
SET status = a.status, arrivals = a.arrivals, last_seen_at = a.last_seen_at, last_raw_id = a.last_raw_id,
    payload_hash_last = a.payload_hash_last, first_decision = a.first_decision, processed_at = a.processed_at,
    last_error_code = a.error_code, last_exception_id = a.exception_id
FROM unnest(%(keys)s::text[], %(statuses)s::text[], %(arrivals)s::bigint[], %(last_seen_at)s::timestamptz[],
            %(last_raw_ids)s::uuid[], %(payload_hashes_last)s::bytea[], %(first_decisions)s::text[],
            %(processed_at)s::timestamptz[], %(error_codes)s::text[], %(exception_ids)s::uuid[])
  AS a (idempotency_key, status, arrivals, last_seen_at, last_raw_id, payload_hash_last, first_decision, processed_at,
        error_code, exception_id)
WHERE k.tenant_id = %(tenant_id)s AND k.idempotency_key = a.idempotency_key

-- name: insert_other_payloads
-- Why: every distinct payload of a key is remembered, so that a decision already made is never asked again.
INSERT INTO gate.other_payloads (tenant_id, idempotency_key, fingerprint, raw_id, decision)
SELECT %(tenant_id)s, a.idempotency_key, a.fingerprint, a.raw_id, 'open'
FROM unnest(%(keys)s::text[], %(fingerprints)s::bytea[], %(raw_ids)s::uuid[]) AS a (idempotency_key, fingerprint, raw_id)

-- name: insert_later_arrivals
-- Why: a trace finds every retry of a key without an index on bronze.
INSERT INTO gate.later_arrivals (tenant_id, idempotency_key, raw_id)
SELECT %(tenant_id)s, a.idempotency_key, a.raw_id
FROM unnest(%(keys)s::text[], %(raw_ids)s::uuid[]) AS a (idempotency_key, raw_id)

-- name: insert_to_post
-- Why: promote claims its work by state, never by "greater than the last id".
INSERT INTO gate.to_post (tenant_id, raw_id, idempotency_key)
SELECT %(tenant_id)s, a.raw_id, a.idempotency_key
FROM unnest(%(raw_ids)s::uuid[], %(keys)s::text[]) AS a (raw_id, idempotency_key)
ON CONFLICT (tenant_id, raw_id) DO NOTHING

-- name: add_to_counters
-- Why: health answers from a few rows at any number of events; each process has a row of its own to add to. This is for
-- what a claim has not counted.
INSERT INTO gate.counters AS c (tenant_id, slot, events_raw, processed, quarantined, ignored, exceptions_open)
VALUES (%(tenant_id)s, %(slot)s, %(events_raw)s, %(processed)s, %(quarantined)s, %(ignored)s, %(exceptions_open)s)
ON CONFLICT (tenant_id, slot) DO UPDATE
SET events_raw = c.events_raw + excluded.events_raw, processed = c.processed + excluded.processed,
    quarantined = c.quarantined + excluded.quarantined, ignored = c.ignored + excluded.ignored,
    exceptions_open = c.exceptions_open + excluded.exceptions_open

-- name: counters
-- Why: health and verify show the tenants that the credential may see.
SELECT tenant_id, sum(events_raw)::bigint AS events_raw, sum(processed)::bigint AS processed,
       sum(quarantined)::bigint AS quarantined, sum(ignored)::bigint AS ignored,
       sum(exceptions_open)::bigint AS exceptions_open
FROM gate.counters
WHERE %(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY tenant_id
ORDER BY tenant_id
LIMIT %(most)s

-- name: counter_totals
-- Why: with very many tenants, health lists some and counts all.
SELECT '' AS tenant_id, coalesce(sum(events_raw), 0)::bigint AS events_raw,
       coalesce(sum(processed), 0)::bigint AS processed, coalesce(sum(quarantined), 0)::bigint AS quarantined,
       coalesce(sum(ignored), 0)::bigint AS ignored, coalesce(sum(exceptions_open), 0)::bigint AS exceptions_open
FROM gate.counters
WHERE %(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[])

-- name: key
-- Why: the trace of one key begins here.
SELECT idempotency_key, status, arrivals, first_seen_at, last_seen_at, first_raw_id, last_raw_id, payload_hash_first,
       payload_hash_last, first_decision, processed_at, posted_at, last_error_code, last_exception_id
FROM gate.events_processed
WHERE tenant_id = %(tenant_id)s AND idempotency_key = %(key)s

-- name: later_arrivals
-- Why: the retries of one key.
SELECT raw_id
FROM gate.later_arrivals
WHERE tenant_id = %(tenant_id)s AND idempotency_key = %(key)s
ORDER BY raw_id
LIMIT %(most)s

-- name: is_waiting_to_post
-- Why: a trace tells whether promote has yet to post the key.
SELECT EXISTS (
  SELECT FROM gate.to_post
  WHERE tenant_id = %(tenant_id)s AND raw_id = ANY(%(raw_ids)s::uuid[])
)

-- name: count_keys
-- Why: the truth that the counters are held against.
SELECT tenant_id, coalesce(sum(arrivals), 0)::bigint AS events_raw,
       count(*) FILTER (WHERE status = 'processed') AS processed,
       count(*) FILTER (WHERE status = 'quarantined') AS quarantined,
       count(*) FILTER (WHERE status = 'ignored') AS ignored,
       count(*) FILTER (WHERE status = 'quarantined') AS exceptions_open
FROM gate.events_processed
WHERE tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY tenant_id
ORDER BY tenant_id

-- name: decide_other_payloads
-- Why: an operator's decision on payloads after the first of their key; the key is locked.
UPDATE gate.other_payloads p
SET decision = a.decision
FROM unnest(%(keys)s::text[], %(fingerprints)s::bytea[], %(decisions)s::text[]) AS a (idempotency_key, fingerprint, decision)
WHERE p.tenant_id = %(tenant_id)s AND p.idempotency_key = a.idempotency_key AND p.fingerprint = a.fingerprint

-- name: take_source_events
-- Why: a payload that an operator has accept takes its source's event id, unless another key has it; sorted.
INSERT INTO gate.source_events (tenant_id, source_system, source_event_id, idempotency_key)
SELECT %(tenant_id)s, a.source_system, a.source_event_id, a.idempotency_key
FROM unnest(%(source_systems)s::text[], %(source_event_ids)s::text[], %(keys)s::text[])
       AS a (source_system, source_event_id, idempotency_key)
ON CONFLICT (tenant_id, source_system, source_event_id) DO NOTHING

-- name: delete_to_post
-- Why: a payload that no longer counts and is not posted yet must not be.
DELETE FROM gate.to_post
WHERE tenant_id = %(tenant_id)s AND raw_id = ANY(%(raw_ids)s::uuid[])

-- name: tenants_to_post
-- Why: tenants take turns; the loose scan costs one index probe a tenant, however much waits.
WITH RECURSIVE waiting AS (
  (SELECT tenant_id FROM gate.to_post ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT p.tenant_id FROM gate.to_post p WHERE p.tenant_id > w.tenant_id ORDER BY p.tenant_id LIMIT 1)
  FROM waiting w
  WHERE w.tenant_id IS NOT NULL
)
SELECT tenant_id FROM waiting WHERE tenant_id IS NOT NULL

-- name: claim_to_post
-- Why: work is claimed by state; what another worker holds is left to it. The key is looked up row by row: joined, it is
-- read by tenant alone where statistics know of small tenants only, and the work grows with the square. What is put off
-- for longer than it ever is was put off by a clock that was wrong, and does not count.
SELECT p.raw_id::text AS raw_id, p.idempotency_key, p.attempts, coalesce((
         SELECT k.posted_at IS NOT NULL
         FROM gate.events_processed k
         WHERE k.tenant_id = p.tenant_id AND k.idempotency_key = p.idempotency_key), false) AS was_posted
FROM gate.to_post p
WHERE p.tenant_id = %(tenant_id)s AND (p.not_before IS NULL OR p.not_before <= %(now)s OR p.not_before > %(latest)s)
  AND (%(raw_ids)s::uuid[] IS NULL OR p.raw_id = ANY(%(raw_ids)s::uuid[]))
ORDER BY p.raw_id
LIMIT %(most)s
FOR UPDATE OF p SKIP LOCKED

-- name: note_posted
-- Why: what is posted is off the work list, and its key says so.
WITH done AS (
  DELETE FROM gate.to_post WHERE tenant_id = %(tenant_id)s AND raw_id = ANY(%(raw_ids)s::uuid[])
)
UPDATE gate.events_processed
SET posted_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND idempotency_key = ANY(%(keys)s::text[])

-- name: put_off
-- Why: what failed for a reason of ours comes back later, and not for ever.
UPDATE gate.to_post
SET attempts = attempts + 1, not_before = %(not_before)s
WHERE tenant_id = %(tenant_id)s AND raw_id = ANY(%(raw_ids)s::uuid[])

-- name: count_posted
-- Why: what the gate says is posted is what silver has.
SELECT tenant_id, count(*) AS number
FROM gate.events_processed
WHERE posted_at IS NOT NULL AND tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY tenant_id

-- name: count_to_post
-- Why: what is accepted and not posted yet is shown as such.
SELECT tenant_id, count(*) AS number
FROM gate.to_post
WHERE tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY tenant_id

-- name: tenants
-- Why: keyset page: verification goes from tenant to tenant; loose scans cost one index probe each.
WITH RECURSIVE of_keys AS (
  (SELECT tenant_id FROM gate.events_processed WHERE tenant_id > %(after)s ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT k.tenant_id FROM gate.events_processed k WHERE k.tenant_id > f.tenant_id ORDER BY k.tenant_id LIMIT 1)
  FROM of_keys f
  WHERE f.tenant_id IS NOT NULL
), of_counters AS (
  (SELECT tenant_id FROM gate.counters WHERE tenant_id > %(after)s ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT c.tenant_id FROM gate.counters c WHERE c.tenant_id > f.tenant_id ORDER BY c.tenant_id LIMIT 1)
  FROM of_counters f
  WHERE f.tenant_id IS NOT NULL
)
(SELECT tenant_id FROM of_keys WHERE tenant_id IS NOT NULL LIMIT %(most)s)
UNION
(SELECT tenant_id FROM of_counters WHERE tenant_id IS NOT NULL LIMIT %(most)s)

-- name: without_arrival
-- Why: no key was made by anything but an arrival; nor did anything else bring what is noted of it.
SELECT k.tenant_id, count(*) AS number, (array_agg(k.idempotency_key ORDER BY k.idempotency_key))[1:20] AS examples
FROM (
  SELECT tenant_id, idempotency_key, first_raw_id AS raw_id
  FROM gate.events_processed
  WHERE tenant_id = ANY(%(tenant_ids)s::text[])
  UNION ALL
  SELECT tenant_id, idempotency_key, raw_id FROM gate.later_arrivals WHERE tenant_id = ANY(%(tenant_ids)s::text[])
  UNION ALL
  SELECT tenant_id, idempotency_key, raw_id
  FROM gate.other_payloads
  WHERE tenant_id = ANY(%(tenant_ids)s::text[])) AS k
WHERE NOT EXISTS (
  SELECT FROM bronze.events_raw r
  WHERE r.tenant_id = k.tenant_id AND r.raw_id = k.raw_id AND r.tenant_id = ANY(%(tenant_ids)s::text[]))
GROUP BY k.tenant_id

-- name: lost
-- Why: an accepted key is posted, or it is on promote's work list: one that is neither would never be missed.
SELECT k.tenant_id, count(*) AS number, (array_agg(k.idempotency_key ORDER BY k.idempotency_key))[1:20] AS examples
FROM gate.events_processed k
WHERE k.tenant_id = ANY(%(tenant_ids)s::text[]) AND k.status = 'processed' AND k.posted_at IS NULL AND NOT EXISTS (
  SELECT FROM gate.to_post p
  WHERE p.tenant_id = k.tenant_id AND p.idempotency_key = k.idempotency_key
    AND p.tenant_id = ANY(%(tenant_ids)s::text[]))
GROUP BY k.tenant_id

-- name: to_post_again
-- Why: posting takes its payload off the work list: one that is there and in the books would be posted a second time.
SELECT p.tenant_id, count(*) AS number, (array_agg(p.idempotency_key ORDER BY p.idempotency_key))[1:20] AS examples
FROM gate.to_post p
WHERE p.tenant_id = ANY(%(tenant_ids)s::text[]) AND EXISTS (
  SELECT FROM silver.transactions t
  WHERE t.tenant_id = p.tenant_id AND t.event_id = p.idempotency_key AND t.raw_id = p.raw_id
    AND t.tenant_id = ANY(%(tenant_ids)s::text[]))
GROUP BY p.tenant_id

-- name: untrue_statuses
-- Why: whether a key waits for a person, counts or is forgotten follows from what was decided of its payloads.
SELECT k.tenant_id, count(*) AS number, (array_agg(k.idempotency_key ORDER BY k.idempotency_key))[1:20] AS examples
FROM (
  SELECT e.tenant_id, e.idempotency_key, e.status, array_prepend(e.first_decision, o.decisions) AS decisions
  FROM gate.events_processed e
  LEFT JOIN (
    SELECT tenant_id, idempotency_key, array_agg(decision) AS decisions
    FROM gate.other_payloads
    WHERE tenant_id = ANY(%(tenant_ids)s::text[])
    GROUP BY tenant_id, idempotency_key) AS o
    ON o.tenant_id = e.tenant_id AND o.idempotency_key = e.idempotency_key
  WHERE e.tenant_id = ANY(%(tenant_ids)s::text[])) AS k
WHERE k.status IS DISTINCT FROM CASE
  WHEN 'open' = ANY(k.decisions) THEN 'quarantined'
  WHEN k.decisions && ARRAY['accepted', 'patched-accepted'] THEN 'processed'
  WHEN 'ignored' = ANY(k.decisions) THEN 'ignored' END
GROUP BY k.tenant_id

-- name: untrue_payloads
-- Why: the payload that counts is in the books or waits to be posted, once, and no other is or does. In the books of an
-- event is what it posted and did not take back itself, as it does when another payload of it is chosen; an event that
-- posts nothing takes something back.
SELECT f.tenant_id, count(*) AS number, (array_agg(f.event_id ORDER BY f.event_id))[1:20] AS examples
FROM (
  SELECT DISTINCT u.tenant_id, u.event_id
  FROM (
    SELECT p.tenant_id, p.event_id, p.raw_id, 1 AS is_made, 0 AS counts
    FROM silver.transactions p
    WHERE p.kind = 'posting' AND p.tenant_id = ANY(%(tenant_ids)s::text[]) AND NOT EXISTS (
      SELECT FROM silver.transactions r
      WHERE r.tenant_id = p.tenant_id AND r.transaction_id = p.transaction_id AND r.revision = p.revision
        AND r.event_id = p.event_id AND r.kind = 'reversal' AND r.tenant_id = ANY(%(tenant_ids)s::text[]))
    UNION ALL
    SELECT r.tenant_id, r.event_id, r.raw_id, 1, 0
    FROM silver.transactions r
    WHERE r.kind = 'reversal' AND r.tenant_id = ANY(%(tenant_ids)s::text[]) AND NOT EXISTS (
      SELECT FROM silver.transactions p
      WHERE p.tenant_id = r.tenant_id AND p.event_id = r.event_id AND p.kind = 'posting'
        AND p.tenant_id = ANY(%(tenant_ids)s::text[]))
    UNION ALL
    SELECT tenant_id, idempotency_key, raw_id, 1, 0 FROM gate.to_post WHERE tenant_id = ANY(%(tenant_ids)s::text[])
    UNION ALL
    SELECT tenant_id, idempotency_key, raw_id, 0, 1
    FROM gate.payloads
    WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND decision IN ('accepted', 'patched-accepted')) AS u
  GROUP BY u.tenant_id, u.event_id, u.raw_id
  HAVING sum(u.is_made) <> 1 OR sum(u.counts) <> 1) AS f
GROUP BY f.tenant_id

-- name: unposted_by_day
-- Why: whoever closes a day sees what came for it and is not in the books: parked, ignored, or waiting to be posted. By
-- the store's own trading day. What bounds it is how much is open, and when exceptions were opened.
WITH unposted AS (
  SELECT DISTINCT ON (u.idempotency_key) u.idempotency_key, u.raw_id, u.seen_at, u.state
  FROM (
    SELECT 1 AS rank, 'waiting' AS state, idempotency_key, raw_id, NULL::timestamptz AS seen_at
    FROM gate.to_post
    WHERE tenant_id = %(tenant_id)s
    UNION ALL
    SELECT 2, 'parked', idempotency_key, raw_id, created_at
    FROM quarantine.exceptions
    WHERE tenant_id = %(tenant_id)s AND status = 'open'
    UNION ALL
    SELECT 3, 'ignored', idempotency_key, raw_id, created_at
    FROM quarantine.exceptions
    WHERE tenant_id = %(tenant_id)s AND status = 'resolved' AND resolution = 'ignored'
      AND created_at >= %(since)s::date - interval '3 days') AS u
  ORDER BY u.idempotency_key, u.rank, u.seen_at DESC
), dated AS (
  SELECT u.state, k.posted_at IS NOT NULL AS is_posted, r.raw_id IS NOT NULL AS has_arrived,
         coalesce(r.store_id, '') AS store_id,
         ((coalesce(r.occurred_at, r.received_at, u.seen_at) AT TIME ZONE coalesce(s.time_zone, t.time_zone, 'UTC'))
           - make_interval(hours => coalesce(s.day_starts_at, t.day_starts_at, 0)))::date AS day
  FROM unposted u
  JOIN gate.events_processed k ON k.tenant_id = %(tenant_id)s AND k.idempotency_key = u.idempotency_key
  LEFT JOIN bronze.events_raw r ON r.tenant_id = %(tenant_id)s AND r.raw_id = u.raw_id
  LEFT JOIN tenants.tenants t ON t.tenant_id = %(tenant_id)s
  LEFT JOIN tenants.stores s ON s.tenant_id = %(tenant_id)s AND s.store_id = r.store_id
  WHERE u.state <> 'ignored' OR k.status = 'ignored'
)
SELECT store_id, day AS books_date, count(*) FILTER (WHERE has_arrived AND NOT is_posted) AS arrived,
       count(*) FILTER (WHERE state = 'parked' AND NOT is_posted) AS parked,
       count(*) FILTER (WHERE state = 'waiting' AND NOT is_posted) AS waiting,
       count(*) FILTER (WHERE state = 'ignored' AND NOT is_posted) AS ignored,
       count(*) FILTER (WHERE state = 'parked' AND is_posted) AS disputed
FROM dated
WHERE day BETWEEN %(since)s AND %(until)s AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
GROUP BY store_id, day

-- name: posted_by_minute
-- Why: how much goes into the books, for a chart: counted by batches.
SELECT b.minute, (sum(b.size) - sum(b.reversals))::bigint AS postings, sum(b.reversals)::bigint AS reversals
FROM (
  SELECT width_bucket(c.posted_at, %(starts)s::timestamptz[]) AS minute, cardinality(c.kinds) AS size,
         cardinality(array_positions(c.kinds, 'reversal')) AS reversals
  FROM silver.batches c
  WHERE c.posted_at >= %(since)s AND c.posted_at < %(until)s
    AND (%(tenant_ids)s::text[] IS NULL OR c.tenant_id = ANY(%(tenant_ids)s::text[]))
  OFFSET 0) AS b
GROUP BY b.minute

-- name: latency
-- Why: how long it took from arrival to books, for a chart: of a few postings of a few batches of each minute, each looked
-- up by its key; one stands for `weight` of its batch. What had to be decided on first is left out: it waited for a person.
SELECT m.minute::integer AS minute, b.step AS weight,
       greatest(extract(epoch FROM b.posted_at - e.received_at), 0)::double precision AS seconds
FROM unnest(%(starts)s::timestamptz[]) WITH ORDINALITY AS m (began_at, minute)
CROSS JOIN LATERAL (
  SELECT c.tenant_id, c.posted_at, c.transaction_ids, c.revisions, c.kinds, cardinality(c.kinds) AS size,
         (cardinality(c.kinds) + 2) / 3 AS step
  FROM silver.batches c
  WHERE c.posted_at >= m.began_at AND c.posted_at < m.began_at + interval '1 minute'
    AND (%(tenant_ids)s::text[] IS NULL OR c.tenant_id = ANY(%(tenant_ids)s::text[]))
  ORDER BY c.posted_at DESC
  LIMIT %(batches)s) AS b
CROSS JOIN LATERAL generate_series((b.step + 1) / 2, b.size, b.step) AS p (place)
CROSS JOIN LATERAL (
  SELECT f.raw_id, f.event_id
  FROM silver.transactions f
  WHERE f.tenant_id = b.tenant_id AND f.transaction_id = b.transaction_ids[p.place]
    AND f.revision = b.revisions[p.place] AND f.kind = b.kinds[p.place]
  OFFSET 0) AS t
CROSS JOIN LATERAL (
  SELECT r.received_at
  FROM bronze.events_raw r
  WHERE r.tenant_id = b.tenant_id AND r.raw_id = t.raw_id
  OFFSET 0) AS e
WHERE NOT EXISTS (
  SELECT FROM quarantine.exceptions x WHERE x.tenant_id = b.tenant_id AND x.idempotency_key = t.event_id OFFSET 0)

-- name: oldest_to_post
-- Why: how far posting lags: the first of each tenant's list, by its key, and when that arrived.
SELECT e.received_at
FROM tenants.tenants t
CROSS JOIN LATERAL (
  SELECT p.raw_id FROM gate.to_post p WHERE p.tenant_id = t.tenant_id ORDER BY p.raw_id LIMIT 1) AS w
CROSS JOIN LATERAL (
  SELECT r.received_at FROM bronze.events_raw r WHERE r.tenant_id = t.tenant_id AND r.raw_id = w.raw_id OFFSET 0) AS e
WHERE %(tenant_ids)s::text[] IS NULL OR t.tenant_id = ANY(%(tenant_ids)s::text[])
ORDER BY e.received_at
LIMIT 1

-- name: count_waiting
-- Why: how much lags, as far as it is worth counting.
SELECT count(*)
FROM (
  SELECT FROM gate.to_post p
  WHERE %(tenant_ids)s::text[] IS NULL OR p.tenant_id = ANY(%(tenant_ids)s::text[])
  LIMIT %(most)s) AS w
