-- name: open_exceptions
-- Why: one statement for all keys of a batch that came to be held.
INSERT INTO quarantine.exceptions (
  tenant_id, exception_id, idempotency_key, status, reason_code, details, first_raw_id, last_raw_id, arrivals, store_id,
  source_system, event_type, amount, currency, opened_at, last_arrival_at)
SELECT %(tenant_id)s, a.exception_id, a.idempotency_key, 'open', a.reason_code, a.details::jsonb, a.first_raw_id,
       a.last_raw_id, a.arrivals, a.store_id, a.source_system, a.event_type, a.amount, a.currency, a.opened_at,
       a.last_arrival_at
FROM unnest(
  %(exception_ids)s::uuid[], %(keys)s::text[], %(reason_codes)s::text[], %(details)s::text[], %(first_raw_ids)s::uuid[],
  %(last_raw_ids)s::uuid[], %(arrivals)s::bigint[], %(store_ids)s::text[], %(source_systems)s::text[],
  %(event_types)s::text[], %(amounts)s::numeric[], %(currencies)s::text[], %(opened_at)s::timestamptz[],
  %(last_arrival_at)s::timestamptz[]
) AS a (exception_id, idempotency_key, reason_code, details, first_raw_id, last_raw_id, arrivals, store_id,
        source_system, event_type, amount, currency, opened_at, last_arrival_at)

-- name: open_of_keys
-- Why: an arrival for a held key joins the exception that is open for it; the gate's lock on the key protects it.
SELECT idempotency_key, exception_id, reason_code
FROM quarantine.exceptions
WHERE tenant_id = %(tenant_id)s AND idempotency_key = ANY(%(keys)s::text[]) AND status = 'open'

-- name: join_exceptions
-- Why: operators see that more came, and decide on the last they have seen.
UPDATE quarantine.exceptions e
SET last_raw_id = coalesce(a.last_raw_id, e.last_raw_id), arrivals = e.arrivals + a.more, last_arrival_at = a.last_arrival_at
FROM unnest(%(exception_ids)s::uuid[], %(last_raw_ids)s::uuid[], %(more)s::bigint[], %(last_arrival_at)s::timestamptz[])
  AS a (exception_id, last_raw_id, more, last_arrival_at)
WHERE e.tenant_id = %(tenant_id)s AND e.exception_id = a.exception_id

-- name: page
-- Why: keyset page: operators page through a queue of any length, oldest first.
SELECT tenant_id, exception_id, idempotency_key, status, reason_code, details, first_raw_id, last_raw_id, arrivals,
       store_id, source_system, event_type, amount, currency, opened_at, last_arrival_at, assigned_to, replay_attempts,
       resolved_at
FROM quarantine.exceptions
WHERE (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(store_id)s::text IS NULL OR store_id = %(store_id)s)
  AND (%(reason_code)s::text IS NULL OR reason_code = %(reason_code)s)
  AND (%(opened_before)s::timestamptz IS NULL OR opened_at <= %(opened_before)s)
  AND (%(after_opened_at)s::timestamptz IS NULL
       OR (opened_at, exception_id) > (%(after_opened_at)s::timestamptz, %(after_id)s::uuid))
ORDER BY opened_at, exception_id
LIMIT %(most)s

-- name: exception
-- Why: the detail page of one.
SELECT tenant_id, exception_id, idempotency_key, status, reason_code, details, first_raw_id, last_raw_id, arrivals,
       store_id, source_system, event_type, amount, currency, opened_at, last_arrival_at, assigned_to, replay_attempts,
       resolved_at
FROM quarantine.exceptions
WHERE exception_id = %(exception_id)s
  AND (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))

-- name: exceptions_of_key
-- Why: a trace shows every time that the key was held.
SELECT tenant_id, exception_id, idempotency_key, status, reason_code, details, first_raw_id, last_raw_id, arrivals,
       store_id, source_system, event_type, amount, currency, opened_at, last_arrival_at, assigned_to, replay_attempts,
       resolved_at
FROM quarantine.exceptions
WHERE tenant_id = %(tenant_id)s AND idempotency_key = %(key)s
ORDER BY opened_at, exception_id

-- name: count_open
-- Why: the truth that the counters are held against.
SELECT tenant_id, count(*) AS number
FROM quarantine.exceptions
WHERE status = 'open' AND (%(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s)
GROUP BY tenant_id

-- name: count_all
-- Why: no exception without an audit row: the other side of that sum.
SELECT tenant_id, count(*) AS number
FROM quarantine.exceptions
WHERE %(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s
GROUP BY tenant_id
