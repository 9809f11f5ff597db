-- name: ensure_job
-- Why: a job that this version knows of is there from its first start; what is set of it stays. How often it runs is the
-- worker's to say, and told here to whoever asks; a worker that says the same writes nothing.
INSERT INTO jobs.jobs AS j (tenant_id, job_name, due_at, runs_every)
VALUES (%(tenant_id)s, %(job_name)s, %(due_at)s, %(runs_every)s)
ON CONFLICT (tenant_id, job_name) DO UPDATE
SET runs_every = excluded.runs_every
WHERE j.runs_every IS DISTINCT FROM excluded.runs_every

-- name: claim_due
-- Why: one worker at a time runs a job; a dead worker's lease ends by itself, so that no job stays stuck. What lies
-- further ahead than any clock that is right could have set was set by one that was wrong, and does not count.
UPDATE jobs.jobs
SET leased_by = %(worker)s, leased_until = %(leased_until)s
WHERE tenant_id = %(tenant_id)s AND job_name = %(job_name)s AND NOT paused
  AND (due_at <= %(now)s OR due_at > %(latest)s)
  AND (leased_until IS NULL OR leased_until <= %(now)s OR leased_until > %(latest)s)
RETURNING job_name, attempts

-- name: finish
-- Why: the lease ends with the run; a worker whose lease was taken over changes nothing.
UPDATE jobs.jobs
SET leased_by = NULL, leased_until = NULL, due_at = %(due_at)s, attempts = %(attempts)s
WHERE tenant_id = %(tenant_id)s AND job_name = %(job_name)s AND leased_by = %(worker)s

-- name: insert_run
-- Why: every run is on record, those that never came back too.
INSERT INTO jobs.runs (tenant_id, run_id, job_name, started_at)
VALUES (%(tenant_id)s, %(run_id)s, %(job_name)s, %(started_at)s)

-- name: end_run
-- Why: how it ended, and what it did.
UPDATE jobs.runs
SET finished_at = %(finished_at)s, outcome = %(outcome)s, summary = %(summary)s
WHERE tenant_id = %(tenant_id)s AND run_id = %(run_id)s

-- name: jobs
-- Why: the list that an operator sees, each with the latest of its runs.
SELECT j.job_name, j.runs_every, j.due_at, j.paused, j.leased_by, j.leased_until, j.attempts, r.run_id, r.started_at,
       r.finished_at, r.outcome, r.summary
FROM jobs.jobs j
LEFT JOIN LATERAL (
  SELECT l.run_id, l.started_at, l.finished_at, l.outcome, l.summary
  FROM jobs.runs l
  WHERE l.tenant_id = j.tenant_id AND l.job_name = j.job_name
  ORDER BY l.started_at DESC
  LIMIT 1) AS r ON true
WHERE j.tenant_id = %(tenant_id)s AND (%(job_name)s::text IS NULL OR j.job_name = %(job_name)s)
ORDER BY j.job_name

-- name: lock_job
-- Why: what is set of a job is set by one at a time, and not while a worker takes it.
SELECT paused, leased_until
FROM jobs.jobs
WHERE tenant_id = %(tenant_id)s AND job_name = %(job_name)s
FOR UPDATE

-- name: set_paused
-- Why: no worker takes a job that is paused; a run that is under way goes on to its end.
UPDATE jobs.jobs
SET paused = %(paused)s
WHERE tenant_id = %(tenant_id)s AND job_name = %(job_name)s

-- name: make_due
-- Why: whoever has mended something need not wait until the next run is due.
UPDATE jobs.jobs
SET due_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND job_name = %(job_name)s

-- name: runs
-- Why: keyset page of the runs of a job, latest first.
SELECT run_id, started_at, finished_at, outcome, summary
FROM jobs.runs
WHERE tenant_id = %(tenant_id)s AND job_name = %(job_name)s
  AND (%(after_time)s::timestamptz IS NULL OR (started_at, run_id) < (%(after_time)s::timestamptz, %(after_id)s::uuid))
ORDER BY started_at DESC, run_id DESC
LIMIT %(most)s

-- name: file_deliveries
-- Why: files that wait for a worker, and those of which nothing, or not every row, is loaded until a person decides: of
-- several deliveries of the same bytes, the latest says so.
SELECT w.waiting, w.oldest_waiting_at, h.held, o.with_open_rows
FROM (
  SELECT count(*) AS waiting, min(i.received_at) AS oldest_waiting_at
  FROM files.ingestions i
  WHERE i.status IN ('received', 'processing')
    AND (%(tenant_ids)s::text[] IS NULL OR i.tenant_id = ANY(%(tenant_ids)s::text[]))) AS w
CROSS JOIN (
  SELECT count(*) AS held
  FROM files.ingestions i
  WHERE i.status IN ('quarantined', 'failed')
    AND (%(tenant_ids)s::text[] IS NULL OR i.tenant_id = ANY(%(tenant_ids)s::text[]))
    AND NOT EXISTS (
      SELECT FROM files.ingestions r
      WHERE r.replay_of IS NOT NULL AND r.sha256 = i.sha256 AND r.dataset = i.dataset AND r.tenant_id = i.tenant_id
        AND r.ingestion_id > i.ingestion_id)) AS h
CROSS JOIN (
  SELECT count(*) AS with_open_rows
  FROM files.ingestions i
  WHERE i.status = 'succeeded' AND i.rows_bad > 0
    AND (%(tenant_ids)s::text[] IS NULL OR i.tenant_id = ANY(%(tenant_ids)s::text[]))
    AND EXISTS (
      SELECT FROM files.bad_rows b
      WHERE b.tenant_id = i.tenant_id AND b.ingestion_id = i.ingestion_id AND b.status = 'open')
    AND NOT EXISTS (
      SELECT FROM files.ingestions r
      WHERE r.replay_of IS NOT NULL AND r.sha256 = i.sha256 AND r.dataset = i.dataset AND r.tenant_id = i.tenant_id
        AND r.ingestion_id > i.ingestion_id)) AS o

-- name: webhooks_in_trouble
-- Why: who is not told what should be told is seen where everything is looked at.
SELECT count(*) FILTER (WHERE failing_since IS NOT NULL AND disabled_at IS NULL) AS failing,
       min(failing_since) FILTER (WHERE disabled_at IS NULL) AS failing_since,
       count(*) FILTER (WHERE disabled_at IS NOT NULL) AS disabled
FROM jobs.webhooks
WHERE removed_at IS NULL AND (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))

-- name: insert_webhook
-- Why: the secret is kept as it is, because it has to sign; a tenant has so many webhooks and no more.
INSERT INTO jobs.webhooks (tenant_id, webhook_id, url, kinds, secret, created_at, created_by)
SELECT %(tenant_id)s, %(webhook_id)s::uuid, %(url)s, %(kinds)s::text[], %(secret)s::bytea, %(now)s::timestamptz, %(actor)s
WHERE (SELECT count(*) FROM jobs.webhooks w WHERE w.tenant_id = %(tenant_id)s AND w.removed_at IS NULL) < %(most)s
RETURNING webhook_id

-- name: webhooks
-- Why: the list that an administrator sees; no secret is in it.
SELECT w.webhook_id, w.url, w.kinds, w.created_at, w.created_by, w.failing_since, w.last_error, w.disabled_at,
       (SELECT count(*) FROM jobs.deliveries d
        WHERE d.tenant_id = w.tenant_id AND d.webhook_id = w.webhook_id AND d.state = 'pending') AS pending
FROM jobs.webhooks w
WHERE w.tenant_id = %(tenant_id)s AND w.removed_at IS NULL
ORDER BY w.created_at, w.webhook_id

-- name: remove_webhook
-- Why: with the webhook its secret goes; that it was there stays.
UPDATE jobs.webhooks
SET removed_at = %(now)s, secret = NULL
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s::uuid AND removed_at IS NULL
RETURNING webhook_id

-- name: give_up_deliveries
-- Why: nobody wants, or takes, what was still to be told.
UPDATE jobs.deliveries
SET state = 'given_up', ended_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s::uuid AND state = 'pending'

-- name: queue_deliveries
-- Why: who wants to be told is looked up in the transaction of what is told: nothing is lost, nothing waits for an answer.
INSERT INTO jobs.deliveries (tenant_id, message_id, webhook_id, kind, body, created_at, due_at, state)
SELECT w.tenant_id, a.message_id, w.webhook_id, %(kind)s, a.body, a.at, a.at, 'pending'
FROM jobs.webhooks w
CROSS JOIN unnest(%(message_ids)s::uuid[], %(bodies)s::text[], %(at)s::timestamptz[]) AS a (message_id, body, at)
WHERE w.tenant_id = %(tenant_id)s AND %(kind)s = ANY(w.kinds) AND w.disabled_at IS NULL AND w.removed_at IS NULL

-- name: queue_test
-- Why: whether a webhook works is seen before something happens.
INSERT INTO jobs.deliveries (tenant_id, message_id, webhook_id, kind, body, created_at, due_at, state)
SELECT w.tenant_id, %(message_id)s::uuid, w.webhook_id, 'webhook.test', %(body)s, %(now)s::timestamptz,
       %(now)s::timestamptz, 'pending'
FROM jobs.webhooks w
WHERE w.tenant_id = %(tenant_id)s AND w.webhook_id = %(webhook_id)s::uuid AND w.disabled_at IS NULL
  AND w.removed_at IS NULL
RETURNING message_id

-- name: due_webhooks
-- Why: who has something to be told now; most tenants have no webhook, and cost nothing here. What is due later than an
-- attempt of its number is ever put off (`latest`) was set by a clock that was wrong, and does not count; the first of
-- these spares walking over what honestly waits.
SELECT w.tenant_id, w.webhook_id
FROM jobs.webhooks w
WHERE w.disabled_at IS NULL AND w.removed_at IS NULL
  AND (EXISTS (
    SELECT FROM jobs.deliveries d
    WHERE d.tenant_id = w.tenant_id AND d.webhook_id = w.webhook_id AND d.state = 'pending' AND d.due_at <= %(now)s)
  OR EXISTS (
    SELECT FROM jobs.deliveries d
    WHERE d.tenant_id = w.tenant_id AND d.webhook_id = w.webhook_id AND d.state = 'pending'
      AND d.due_at > (%(latest)s::timestamptz[])[1]
      AND d.due_at > (%(latest)s::timestamptz[])[least(d.attempts + 1, cardinality(%(latest)s::timestamptz[]))]))
ORDER BY w.tenant_id, w.webhook_id

-- name: lock_webhook
-- Why: what becomes of messages is noted in turn; who queues one (and so refers to the webhook) does not wait for it.
SELECT webhook_id, url, secret, failing_since, disabled_at
FROM jobs.webhooks
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s::uuid AND disabled_at IS NULL AND removed_at IS NULL
FOR NO KEY UPDATE

-- name: next_delivery
-- Why: the one that is due longest; what a wrong clock set (as above) after these.
SELECT message_id, kind, body, created_at, attempts
FROM jobs.deliveries
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s::uuid AND state = 'pending'
  AND (due_at <= %(now)s
    OR due_at > (%(latest)s::timestamptz[])[least(attempts + 1, cardinality(%(latest)s::timestamptz[]))])
ORDER BY due_at
LIMIT 1

-- name: take_delivery
-- Why: nobody else sends it meanwhile; if the sender dies, it is due again.
UPDATE jobs.deliveries
SET due_at = %(due_at)s, attempts = attempts + 1
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s::uuid AND message_id = %(message_id)s

-- name: end_delivery
-- Why: it was taken, or is tried again later, or was tried often enough.
UPDATE jobs.deliveries
SET state = %(state)s, due_at = %(due_at)s, last_error = %(error)s, ended_at = %(ended_at)s
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s::uuid AND message_id = %(message_id)s
  AND state = 'pending'

-- name: postpone_deliveries
-- Why: a receiver that is down is not asked for every message that waits for it, nor for what a wrong clock set.
UPDATE jobs.deliveries
SET due_at = %(until)s
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s::uuid AND state = 'pending'
  AND (due_at < %(until)s
    OR due_at > (%(latest)s::timestamptz[])[least(attempts + 1, cardinality(%(latest)s::timestamptz[]))])

-- name: note_webhook
-- Why: how it is, and since when; days of failure disable it.
UPDATE jobs.webhooks
SET failing_since = %(failing_since)s, last_error = %(error)s, disabled_at = %(disabled_at)s
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s::uuid AND removed_at IS NULL
