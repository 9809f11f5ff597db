-- name: open_exceptions
-- Why: one statement for all keys of a batch that came to be held.
INSERT INTO quarantine.exceptions (
  tenant_id, exception_id, idempotency_key, status, reason_code, details_json, raw_id, last_raw_id, arrivals, store_id,
  source_system, event_type, amount, currency, created_at, last_arrival_at)
SELECT %(tenant_id)s, a.exception_id, a.idempotency_key, 'open', a.reason_code, a.details_json::jsonb, a.raw_id,
       a.last_raw_id, a.arrivals, a.store_id, a.source_system, a.event_type, a.amount, a.currency, a.created_at,
       a.last_arrival_at
FROM unnest(
  %(exception_ids)s::uuid[], %(keys)s::text[], %(reason_codes)s::text[], %(details_json)s::text[], %(raw_ids)s::uuid[],
  %(last_raw_ids)s::uuid[], %(arrivals)s::bigint[], %(store_ids)s::text[], %(source_systems)s::text[],
  %(event_types)s::text[], %(amounts)s::numeric[], %(currencies)s::text[], %(created_at)s::timestamptz[],
  %(last_arrival_at)s::timestamptz[]
) AS a (exception_id, idempotency_key, reason_code, details_json, raw_id, last_raw_id, arrivals, store_id,
        source_system, event_type, amount, currency, created_at, last_arrival_at)

-- name: join_exceptions
-- Why: operators see that more came, and decide on the last they have seen.
UPDATE quarantine.exceptions e
SET last_raw_id = coalesce(a.last_raw_id, e.last_raw_id), arrivals = e.arrivals + a.arrivals, last_arrival_at = a.last_arrival_at
FROM unnest(%(exception_ids)s::uuid[], %(last_raw_ids)s::uuid[], %(arrivals)s::bigint[], %(last_arrival_at)s::timestamptz[])
  AS a (exception_id, last_raw_id, arrivals, last_arrival_at)
WHERE e.tenant_id = %(tenant_id)s AND e.exception_id = a.exception_id

-- name: page
-- Why: keyset page: operators page through a queue of any length, oldest first.
SELECT tenant_id, exception_id, idempotency_key, status, reason_code, details_json, raw_id, last_raw_id, arrivals,
       store_id, source_system, event_type, amount, currency, created_at, last_arrival_at, assigned_to, replay_attempts,
       last_replay_at, last_replay_status, resolved_at, resolution, resolution_action, resolution_notes,
       resolution_actor, canonical_raw_id, override_patch, books_date
FROM quarantine.exceptions
WHERE (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (%(reason_code)s::text IS NULL OR reason_code = %(reason_code)s)
  AND (%(created_before)s::timestamptz IS NULL OR created_at <= %(created_before)s)
  AND (%(assigned_to)s::text IS NULL OR assigned_to = %(assigned_to)s)
  AND (%(text)s::text IS NULL OR strpos(lower(concat_ws(' ', idempotency_key, store_id, source_system, event_type,
       reason_code, details_json::text)), lower(%(text)s)) > 0)
  AND (%(after_created_at)s::timestamptz IS NULL
       OR (created_at, exception_id) > (%(after_created_at)s::timestamptz, %(after_id)s::uuid))
ORDER BY created_at, exception_id
LIMIT %(most)s

-- name: count_page
-- Why: how long the queue is that somebody pages through. Bounded: of what is resolved there are years.
SELECT count(*) AS number
FROM (
  SELECT exception_id
  FROM quarantine.exceptions
  WHERE (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
    AND (%(reason_code)s::text IS NULL OR reason_code = %(reason_code)s)
    AND (%(created_before)s::timestamptz IS NULL OR created_at <= %(created_before)s)
    AND (%(assigned_to)s::text IS NULL OR assigned_to = %(assigned_to)s)
    AND (%(text)s::text IS NULL OR strpos(lower(concat_ws(' ', idempotency_key, store_id, source_system, event_type,
         reason_code, details_json::text)), lower(%(text)s)) > 0)
  LIMIT %(most)s) AS x

-- name: exception
-- Why: the detail page of one.
SELECT tenant_id, exception_id, idempotency_key, status, reason_code, details_json, raw_id, last_raw_id, arrivals,
       store_id, source_system, event_type, amount, currency, created_at, last_arrival_at, assigned_to, replay_attempts,
       last_replay_at, last_replay_status, resolved_at, resolution, resolution_action, resolution_notes,
       resolution_actor, canonical_raw_id, override_patch, books_date
FROM quarantine.exceptions
WHERE exception_id = %(exception_id)s
  AND (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))

-- name: exceptions_of_key
-- Why: a trace shows every time that the key was held.
SELECT tenant_id, exception_id, idempotency_key, status, reason_code, details_json, raw_id, last_raw_id, arrivals,
       store_id, source_system, event_type, amount, currency, created_at, last_arrival_at, assigned_to, replay_attempts,
       last_replay_at, last_replay_status, resolved_at, resolution, resolution_action, resolution_notes,
       resolution_actor, canonical_raw_id, override_patch, books_date
FROM quarantine.exceptions
WHERE tenant_id = %(tenant_id)s AND idempotency_key = %(key)s
ORDER BY created_at, exception_id

-- name: count_open
-- Why: the truth that the counters are held against.
SELECT tenant_id, count(*) AS number
FROM quarantine.exceptions
WHERE status = 'open' AND tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY tenant_id

-- name: count_all
-- Why: no exception without an audit row: the other side of that sum.
SELECT tenant_id, count(*) AS number
FROM quarantine.exceptions
WHERE tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY tenant_id

-- name: exceptions_by_id
-- Why: what a decision is about, read again once its keys are locked.
SELECT tenant_id, exception_id, idempotency_key, status, reason_code, details_json, raw_id, last_raw_id, arrivals,
       store_id, source_system, event_type, amount, currency, created_at, last_arrival_at, assigned_to, replay_attempts,
       last_replay_at, last_replay_status, resolved_at, resolution, resolution_action, resolution_notes,
       resolution_actor, canonical_raw_id, override_patch, books_date
FROM quarantine.exceptions
WHERE tenant_id = %(tenant_id)s AND exception_id = ANY(%(exception_ids)s::uuid[])

-- name: close_exceptions
-- Why: the lock on the key admits one operator; "still open" is asked all the same, because money hangs on it.
UPDATE quarantine.exceptions e
SET status = 'resolved', resolution = a.resolution, canonical_raw_id = a.canonical_raw_id,
    resolution_action = %(action)s, resolution_notes = %(notes)s, resolution_actor = %(actor)s,
    resolved_at = %(resolved_at)s, override_patch = %(patch)s::json, books_date = %(books_date)s::date,
    replay_attempts = e.replay_attempts + %(replays)s,
    last_replay_at = CASE WHEN %(replays)s = 1 THEN %(resolved_at)s ELSE e.last_replay_at END,
    last_replay_status = CASE WHEN %(replays)s = 1 THEN 'accepted' ELSE e.last_replay_status END
FROM unnest(%(exception_ids)s::uuid[], %(resolutions)s::text[], %(canonical_raw_ids)s::uuid[])
  AS a (exception_id, resolution, canonical_raw_id)
WHERE e.tenant_id = %(tenant_id)s AND e.exception_id = a.exception_id AND e.status = 'open'

-- name: count_refused_replays
-- Why: a replay that was refused is counted, so that a run cannot try the same event without end.
UPDATE quarantine.exceptions
SET replay_attempts = replay_attempts + 1, last_replay_at = %(now)s, last_replay_status = 'refused'
WHERE tenant_id = %(tenant_id)s AND exception_id = ANY(%(exception_ids)s::uuid[])

-- name: assign
-- Why: two operators do not work on the same one by chance.
UPDATE quarantine.exceptions
SET assigned_to = %(assigned_to)s
WHERE tenant_id = %(tenant_id)s AND exception_id = %(exception_id)s AND status = 'open'
RETURNING exception_id

-- name: plan_run
-- Why: a run decides on what was there when it was planned, and on nothing that comes later.
INSERT INTO quarantine.bulk_items (tenant_id, run_id, exception_id, last_raw_id)
SELECT tenant_id, %(run_id)s, exception_id, last_raw_id
FROM quarantine.exceptions
WHERE tenant_id = %(tenant_id)s AND status = 'open'
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (%(reason_code)s::text IS NULL OR reason_code = %(reason_code)s)
  AND (%(created_before)s::timestamptz IS NULL OR created_at <= %(created_before)s)
  AND (%(assigned_to)s::text IS NULL OR assigned_to = %(assigned_to)s)
  AND (%(text)s::text IS NULL OR strpos(lower(concat_ws(' ', idempotency_key, store_id, source_system, event_type,
       reason_code, details_json::text)), lower(%(text)s)) > 0)

-- name: extent
-- Why: a dry run tells how many a run would decide on, and which payloads in all: by the digest it is known again.
SELECT count(*) AS number, coalesce(bit_xor(hashtextextended(exception_id::text || last_raw_id::text, 0)), 0) AS digest
FROM quarantine.exceptions
WHERE tenant_id = %(tenant_id)s AND status = 'open'
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (%(reason_code)s::text IS NULL OR reason_code = %(reason_code)s)
  AND (%(created_before)s::timestamptz IS NULL OR created_at <= %(created_before)s)
  AND (%(assigned_to)s::text IS NULL OR assigned_to = %(assigned_to)s)
  AND (%(text)s::text IS NULL OR strpos(lower(concat_ws(' ', idempotency_key, store_id, source_system, event_type,
       reason_code, details_json::text)), lower(%(text)s)) > 0)

-- name: at_stake
-- Why: whoever decides on many sees how much money that is.
SELECT currency, trim_scale(sum(amount)) AS amount, count(*) AS exceptions
FROM quarantine.exceptions
WHERE tenant_id = %(tenant_id)s AND status = 'open'
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (%(reason_code)s::text IS NULL OR reason_code = %(reason_code)s)
  AND (%(created_before)s::timestamptz IS NULL OR created_at <= %(created_before)s)
  AND (%(assigned_to)s::text IS NULL OR assigned_to = %(assigned_to)s)
  AND (%(text)s::text IS NULL OR strpos(lower(concat_ws(' ', idempotency_key, store_id, source_system, event_type,
       reason_code, details_json::text)), lower(%(text)s)) > 0)
GROUP BY currency
ORDER BY exceptions DESC, currency

-- name: extent_of_run
-- Why: how many a run decides on, and on which payloads, known once it is planned.
SELECT count(*) AS number, coalesce(bit_xor(hashtextextended(exception_id::text || last_raw_id::text, 0)), 0) AS digest
FROM quarantine.bulk_items
WHERE tenant_id = %(tenant_id)s AND run_id = %(run_id)s

-- name: insert_run
-- Why: a run is a thing of its own: it can be watched, cancelled, resumed, and found again after a crash.
INSERT INTO quarantine.bulk_runs (
  tenant_id, run_id, status, filter, wish, max_replays, actor, notes, planned, created_at, updated_at)
VALUES (%(tenant_id)s, %(run_id)s, 'running', %(filter)s::json, %(wish)s::json, %(max_replays)s, %(actor)s, %(notes)s,
        %(planned)s, %(created_at)s, %(created_at)s)

-- name: run
-- Why: its progress.
SELECT tenant_id, run_id, status, filter, wish, max_replays, actor, stopped_by, resumed_by, notes,
       planned, resolved, refused, skipped, created_at, updated_at
FROM quarantine.bulk_runs
WHERE run_id = %(run_id)s AND (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))

-- name: runs
-- Why: keyset page: the list of runs, latest first.
SELECT tenant_id, run_id, status, filter, wish, max_replays, actor, stopped_by, resumed_by, notes,
       planned, resolved, refused, skipped, created_at, updated_at
FROM quarantine.bulk_runs
WHERE (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))
  AND (%(before_created_at)s::timestamptz IS NULL
       OR (created_at, run_id) < (%(before_created_at)s::timestamptz, %(before_id)s::uuid))
ORDER BY created_at DESC, run_id DESC
LIMIT %(most)s

-- name: hold_run
-- Why: whoever steers a run waits for the chunk under way, and sees what the run has come to by then.
SELECT tenant_id, run_id, status, filter, wish, max_replays, actor, stopped_by, resumed_by, notes,
       planned, resolved, refused, skipped, created_at, updated_at
FROM quarantine.bulk_runs
WHERE tenant_id = %(tenant_id)s AND run_id = %(run_id)s
FOR UPDATE

-- name: set_run_status
-- Why: cancelling and resuming, by who did it.
UPDATE quarantine.bulk_runs
SET status = %(status)s, updated_at = %(now)s,
    stopped_by = CASE %(status)s WHEN 'cancelled' THEN %(by)s ELSE stopped_by END,
    resumed_by = CASE %(status)s WHEN 'running' THEN %(by)s ELSE resumed_by END
WHERE tenant_id = %(tenant_id)s AND run_id = %(run_id)s

-- name: running_runs
-- Why: what there is to do, of every tenant; taking one is a statement of its own, within its tenant.
SELECT tenant_id, run_id
FROM quarantine.bulk_runs
WHERE status = 'running'
ORDER BY updated_at
LIMIT 100

-- name: lock_run
-- Why: one worker at a time works on a run; the lock ends with its transaction, also when the worker dies.
SELECT tenant_id, run_id, status, filter, wish, max_replays, actor, stopped_by, resumed_by, notes,
       planned, resolved, refused, skipped, created_at, updated_at
FROM quarantine.bulk_runs
WHERE tenant_id = %(tenant_id)s AND run_id = %(run_id)s AND status = 'running'
FOR UPDATE SKIP LOCKED

-- name: next_items
-- Why: the next chunk; the lock on the run keeps others away from it.
SELECT exception_id, last_raw_id
FROM quarantine.bulk_items
WHERE tenant_id = %(tenant_id)s AND run_id = %(run_id)s AND outcome IS NULL
ORDER BY exception_id
LIMIT %(most)s

-- name: end_items
-- Why: each item's fate, in the transaction that decided it.
UPDATE quarantine.bulk_items i
SET outcome = a.outcome, detail = a.detail
FROM unnest(%(exception_ids)s::uuid[], %(outcomes)s::text[], %(details)s::text[]) AS a (exception_id, outcome, detail)
WHERE i.tenant_id = %(tenant_id)s AND i.run_id = %(run_id)s AND i.exception_id = a.exception_id

-- name: advance_run
-- Why: progress moves with the items, in the same transaction; the last chunk ends the run.
UPDATE quarantine.bulk_runs
SET resolved = resolved + %(resolved)s, refused = refused + %(refused)s, skipped = skipped + %(skipped)s,
    updated_at = %(now)s, status = CASE WHEN %(is_over)s THEN 'finished' ELSE status END
WHERE tenant_id = %(tenant_id)s AND run_id = %(run_id)s

-- name: items
-- Why: keyset page: what became of the items of a run, by the names that operators know them by.
SELECT i.exception_id, e.idempotency_key, i.outcome, i.detail
FROM quarantine.bulk_items i
JOIN quarantine.exceptions e ON e.tenant_id = i.tenant_id AND e.exception_id = i.exception_id
WHERE i.tenant_id = %(tenant_id)s AND i.run_id = %(run_id)s
  AND (%(outcome)s::text IS NULL OR i.outcome = %(outcome)s)
  AND (%(after_id)s::uuid IS NULL OR i.exception_id > %(after_id)s::uuid)
ORDER BY i.exception_id
LIMIT %(most)s

-- name: decisions
-- Why: what is posted is the payload with the patch that an operator laid over it, and nothing else.
SELECT DISTINCT ON (canonical_raw_id) canonical_raw_id AS raw_id, override_patch AS patch, books_date
FROM quarantine.exceptions
WHERE tenant_id = %(tenant_id)s AND canonical_raw_id = ANY(%(raw_ids)s::uuid[]) AND resolution = 'replayed'
ORDER BY canonical_raw_id, resolved_at DESC

-- name: open_of_keys
-- Why: a key has one open exception: what else is found of it belongs there.
SELECT exception_id, idempotency_key
FROM quarantine.exceptions
WHERE tenant_id = %(tenant_id)s AND idempotency_key = ANY(%(keys)s::text[]) AND status = 'open'

-- name: release
-- Why: the original that these waited for is posted; nobody need decide.
UPDATE quarantine.exceptions e
SET status = 'resolved', resolution = 'released', canonical_raw_id = e.raw_id, resolution_actor = %(actor)s,
    resolution_notes = %(notes)s, resolved_at = %(now)s
WHERE e.tenant_id = %(tenant_id)s AND e.exception_id = ANY(%(exception_ids)s::uuid[]) AND e.status = 'open'

-- name: orphans
-- Why: an exception is about a key and an arrival that are there.
SELECT e.tenant_id, count(*) AS number, (array_agg(e.exception_id::text ORDER BY e.exception_id))[1:20] AS examples
FROM quarantine.exceptions e
WHERE e.tenant_id = ANY(%(tenant_ids)s::text[])
  AND NOT (EXISTS (
    SELECT FROM gate.events_processed k WHERE k.tenant_id = e.tenant_id AND k.idempotency_key = e.idempotency_key)
  AND EXISTS (
    SELECT FROM bronze.events_raw r WHERE r.tenant_id = e.tenant_id AND r.raw_id = e.raw_id))
GROUP BY e.tenant_id

-- name: untrue_decisions
-- Why: what was decided, by whom, when and why, is on record when it is decided, and sealed there; the row that posting and
-- people go by must say the same. What became of it tells what was asked for. A patch is on record by its digest; what was
-- decided before digests were kept has none, nor has a release from then any notes. A redaction, which is on record too,
-- takes the patch away.
SELECT e.tenant_id, count(*) AS number, (array_agg(e.exception_id::text ORDER BY e.exception_id))[1:20] AS examples
FROM quarantine.exceptions e
LEFT JOIN audit.audit_log a
  ON a.tenant_id = e.tenant_id AND a.object_id = e.exception_id::text AND a.object_type = 'exception'
 AND a.action = 'exception.resolved' AND a.tenant_id = ANY(%(tenant_ids)s::text[])
LEFT JOIN audit.audit_log d
  ON d.tenant_id = e.tenant_id AND d.object_id = e.canonical_raw_id::text AND d.object_type = 'arrival'
 AND d.action = 'arrival.redacted' AND d.tenant_id = ANY(%(tenant_ids)s::text[])
WHERE e.tenant_id = ANY(%(tenant_ids)s::text[]) AND e.status = 'resolved'
  AND ((a.after_json->>'resolution', a.actor, a.occurred_at)
      IS DISTINCT FROM (e.resolution, e.resolution_actor, e.resolved_at)
    OR (a.notes IS DISTINCT FROM e.resolution_notes AND NOT (e.resolution = 'released' AND a.notes IS NULL))
    OR e.resolution_action IS DISTINCT FROM CASE e.resolution
      WHEN 'replayed' THEN 'override_and_replay' WHEN 'released' THEN NULL ELSE 'mark_resolved_no_replay' END
    OR (e.resolution = 'replayed' AND (
      (a.after_json->>'canonical_raw_id', a.after_json->>'books_date')
        IS DISTINCT FROM (e.canonical_raw_id::text, to_char(e.books_date, 'YYYY-MM-DD'))
      OR (a.after_json->'patch_sha256' IS NOT NULL AND NOT (e.override_patch IS NULL AND d.tenant_id IS NOT NULL)
        AND a.after_json->>'patch_sha256'
          IS DISTINCT FROM encode(sha256(convert_to(e.override_patch::text, 'UTF8')), 'hex')))))
GROUP BY e.tenant_id

-- name: parked_by_minute
-- Why: how much is held, for a chart: by index, whatever became of it since.
SELECT x.minute, count(*) AS number
FROM tenants.tenants t
CROSS JOIN unnest(ARRAY['open', 'resolved']) AS s (status)
CROSS JOIN LATERAL (
  SELECT width_bucket(e.created_at, %(starts)s::timestamptz[]) AS minute
  FROM quarantine.exceptions e
  WHERE e.tenant_id = t.tenant_id AND e.status = s.status AND e.created_at >= %(since)s AND e.created_at < %(until)s
  OFFSET 0) AS x
WHERE %(tenant_ids)s::text[] IS NULL OR t.tenant_id = ANY(%(tenant_ids)s::text[])
GROUP BY x.minute

-- name: open_by_reason
-- Why: what the queue is made of. What is open is found by its own index, however much was resolved before: counting it
-- costs less than an index more would cost those that are parked.
SELECT reason_code, count(*) AS number
FROM quarantine.exceptions
WHERE status = 'open' AND (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))
GROUP BY reason_code

-- name: oldest_open
-- Why: how long the queue has not been looked at.
SELECT x.created_at
FROM tenants.tenants t
CROSS JOIN LATERAL (
  SELECT e.created_at
  FROM quarantine.exceptions e
  WHERE e.tenant_id = t.tenant_id AND e.status = 'open'
  ORDER BY e.created_at
  LIMIT 1) AS x
WHERE %(tenant_ids)s::text[] IS NULL OR t.tenant_id = ANY(%(tenant_ids)s::text[])
ORDER BY x.created_at
LIMIT 1
