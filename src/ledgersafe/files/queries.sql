-- name: insert_contract
-- Why: versions have no gaps; of two who put one at once, one is told to look again.
INSERT INTO files.contracts (tenant_id, dataset, version, members, put_at, put_by, notes)
VALUES (%(tenant_id)s, %(dataset)s, %(version)s, %(members)s::json, %(now)s, %(actor)s, %(notes)s)
ON CONFLICT DO NOTHING
RETURNING version

-- name: contract
-- Why: the contract in force, or a version of it.
SELECT dataset, version, members::text AS members, put_at, put_by, notes
FROM files.contracts
WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s AND (%(version)s::integer IS NULL OR version = %(version)s)
ORDER BY version DESC
LIMIT 1

-- name: contracts
-- Why: keyset page of the versions of a contract, latest first.
SELECT dataset, version, members::text AS members, put_at, put_by, notes
FROM files.contracts
WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s
  AND (%(before)s::integer IS NULL OR version < %(before)s)
ORDER BY version DESC
LIMIT %(most)s

-- name: datasets
-- Why: keyset page of what a tenant has contracts for, or received files of. Of several deliveries of the same bytes, the
-- latest says whether they are held.
SELECT d.dataset, c.version, c.members::text AS members, i.deliveries, i.last_received_at, i.waiting, h.quarantined,
       o.with_open_rows
FROM (SELECT dataset FROM files.contracts WHERE tenant_id = %(tenant_id)s
      UNION SELECT dataset FROM files.ingestions WHERE tenant_id = %(tenant_id)s) d
LEFT JOIN LATERAL (
  SELECT version, members FROM files.contracts
  WHERE tenant_id = %(tenant_id)s AND dataset = d.dataset ORDER BY version DESC LIMIT 1) c ON true
CROSS JOIN LATERAL (
  SELECT count(*) AS deliveries, max(received_at) AS last_received_at,
         count(*) FILTER (WHERE status IN ('received', 'processing')) AS waiting
  FROM files.ingestions WHERE tenant_id = %(tenant_id)s AND dataset = d.dataset) i
CROSS JOIN LATERAL (
  SELECT count(*) AS quarantined
  FROM files.ingestions q
  WHERE q.tenant_id = %(tenant_id)s AND q.dataset = d.dataset AND q.status IN ('quarantined', 'failed')
    AND NOT EXISTS (
      SELECT FROM files.ingestions r
      WHERE r.replay_of IS NOT NULL AND r.sha256 = q.sha256 AND r.dataset = q.dataset AND r.tenant_id = q.tenant_id
        AND r.ingestion_id > q.ingestion_id)) h
CROSS JOIN LATERAL (
  SELECT count(*) AS with_open_rows
  FROM files.ingestions w
  WHERE w.tenant_id = %(tenant_id)s AND w.dataset = d.dataset AND w.status = 'succeeded' AND w.rows_bad > 0
    AND EXISTS (
      SELECT FROM files.bad_rows b
      WHERE b.tenant_id = w.tenant_id AND b.ingestion_id = w.ingestion_id AND b.status = 'open')
    AND NOT EXISTS (
      SELECT FROM files.ingestions r
      WHERE r.replay_of IS NOT NULL AND r.sha256 = w.sha256 AND r.dataset = w.dataset AND r.tenant_id = w.tenant_id
        AND r.ingestion_id > w.ingestion_id)) o
WHERE d.dataset > %(after)s COLLATE "C"
ORDER BY d.dataset
LIMIT %(most)s

-- name: insert_ingestion
-- Why: the same bytes are one delivery, whoever brings them and however often; a replay is one of its own.
INSERT INTO files.ingestions (tenant_id, ingestion_id, dataset, filename, source, sha256, size_bytes, raw_path, replay_of,
                              contract_version, status, due_at, received_at, received_by)
VALUES (%(tenant_id)s, %(ingestion_id)s, %(dataset)s, %(filename)s, %(source)s, %(sha256)s, %(size_bytes)s, %(raw_path)s,
        %(replay_of)s, NULL, 'received', %(now)s, %(now)s, %(actor)s)
ON CONFLICT (tenant_id, dataset, sha256) WHERE replay_of IS NULL DO NOTHING
RETURNING ingestion_id

-- name: ingestion
-- Why: one delivery.
SELECT tenant_id, ingestion_id, dataset, filename, source, sha256, size_bytes, raw_path, replay_of, contract_version, status,
       attempts, due_at, leased_by, received_at, received_by, started_at, ended_at, rows_in, rows_ok, rows_bad,
       events_done, outcomes, reason_code, detail, facts, quality, drift, lineage
FROM files.ingestions
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s

-- name: ingestion_of_bytes
-- Why: the same bytes again are answered with the delivery that brought them.
SELECT tenant_id, ingestion_id, dataset, filename, source, sha256, size_bytes, raw_path, replay_of, contract_version, status,
       attempts, due_at, leased_by, received_at, received_by, started_at, ended_at, rows_in, rows_ok, rows_bad,
       events_done, outcomes, reason_code, detail, facts, quality, drift, lineage
FROM files.ingestions
WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s AND sha256 = %(sha256)s AND replay_of IS NULL

-- name: lock_bytes
-- Why: whoever begins another delivery of these bytes, or puts rows of them right, goes one after the other.
SELECT ingestion_id
FROM files.ingestions
WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s AND sha256 = %(sha256)s AND replay_of IS NULL
FOR NO KEY UPDATE

-- name: under_way
-- Why: while a delivery of these bytes may send rows, nobody else does.
SELECT ingestion_id, status
FROM files.ingestions
WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s AND sha256 = %(sha256)s AND status IN ('received', 'processing')
ORDER BY ingestion_id
LIMIT 1

-- name: ingestions
-- Why: keyset page of deliveries, latest first.
SELECT tenant_id, ingestion_id, dataset, filename, source, sha256, size_bytes, raw_path, replay_of, contract_version, status,
       attempts, due_at, leased_by, received_at, received_by, started_at, ended_at, rows_in, rows_ok, rows_bad,
       events_done, outcomes, reason_code, detail, facts, quality, drift, lineage
FROM files.ingestions
WHERE tenant_id = %(tenant_id)s
  AND (%(dataset)s::text IS NULL OR dataset = %(dataset)s)
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(before)s::uuid IS NULL OR ingestion_id < %(before)s)
  AND (NOT %(with_open_rows)s::boolean OR EXISTS (
    SELECT FROM files.bad_rows b
    WHERE b.tenant_id = ingestions.tenant_id AND b.ingestion_id = ingestions.ingestion_id AND b.status = 'open'))
  AND (NOT (%(with_open_rows)s::boolean OR %(only_latest)s::boolean) OR NOT EXISTS (
    SELECT FROM files.ingestions r
    WHERE r.replay_of IS NOT NULL AND r.sha256 = ingestions.sha256 AND r.dataset = ingestions.dataset
      AND r.tenant_id = ingestions.tenant_id AND r.ingestion_id > ingestions.ingestion_id))
ORDER BY ingestion_id DESC
LIMIT %(most)s

-- name: standings
-- Why: how deliveries stand by now is no part of their own counts: of the same bytes a later one may count, and rows that
-- were held are decided on.
SELECT i.ingestion_id, l.ingestion_id AS replayed_as, o.rows_open
FROM files.ingestions i
LEFT JOIN LATERAL (
  SELECT r.ingestion_id
  FROM files.ingestions r
  WHERE r.replay_of IS NOT NULL AND r.sha256 = i.sha256 AND r.dataset = i.dataset AND r.tenant_id = i.tenant_id
    AND r.ingestion_id > i.ingestion_id
  ORDER BY r.ingestion_id DESC
  LIMIT 1) l ON true
CROSS JOIN LATERAL (
  SELECT count(*) AS rows_open
  FROM files.bad_rows b
  WHERE i.status = 'succeeded' AND i.rows_bad > 0
    AND b.tenant_id = i.tenant_id AND b.ingestion_id = i.ingestion_id AND b.status = 'open') o
WHERE i.tenant_id = %(tenant_id)s AND i.ingestion_id = ANY(%(ingestion_ids)s::uuid[])

-- name: due
-- Why: what waits for a worker, longest first: also what a dead one had. What lies further ahead than any clock that is
-- right could have set was set by one that was wrong, and does not count. What waits for an earlier one of its bytes is not.
SELECT tenant_id, ingestion_id
FROM files.ingestions
WHERE status IN ('received', 'processing') AND (due_at <= %(now)s OR due_at > %(latest)s)
  AND NOT EXISTS (
    SELECT FROM files.ingestions e
    WHERE e.tenant_id = ingestions.tenant_id AND e.dataset = ingestions.dataset AND e.sha256 = ingestions.sha256
      AND e.ingestion_id < ingestions.ingestion_id AND e.status IN ('received', 'processing'))
ORDER BY due_at, tenant_id, ingestion_id
LIMIT %(most)s

-- name: claim
-- Why: one worker has it; of several that look at once, one gets the row. Of the same bytes, the earlier one goes first, to its
-- end: what one of them sent is asked before the next sends. `latest`: as for `due`.
UPDATE files.ingestions
SET status = 'processing', attempts = attempts + 1, due_at = %(until)s, leased_by = %(lease)s,
    started_at = coalesce(started_at, %(now)s)
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s
  AND status IN ('received', 'processing') AND (due_at <= %(now)s OR due_at > %(latest)s)
  AND NOT EXISTS (
    SELECT FROM files.ingestions e
    WHERE e.tenant_id = ingestions.tenant_id AND e.dataset = ingestions.dataset AND e.sha256 = ingestions.sha256
      AND e.ingestion_id < ingestions.ingestion_id AND e.status IN ('received', 'processing'))
RETURNING tenant_id, ingestion_id, dataset, filename, source, sha256, size_bytes, raw_path, replay_of, contract_version, status,
          attempts, due_at, leased_by, received_at, received_by, started_at, ended_at, rows_in, rows_ok, rows_bad,
          events_done, outcomes, reason_code, detail, facts, quality, drift, lineage

-- name: extend
-- Why: who is at work keeps it; who lost it is told by no row.
UPDATE files.ingestions
SET due_at = %(until)s
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s AND leased_by = %(lease)s
RETURNING ingestion_id

-- name: begin_work
-- Why: by which contract it is judged stays the same through all attempts, so that what was done is gone on with.
UPDATE files.ingestions
SET contract_version = %(version)s
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s AND leased_by = %(lease)s
RETURNING ingestion_id

-- name: note_events
-- Why: events, and that they are sent, commit together: who takes it over sends none of them again.
UPDATE files.ingestions
SET events_done = %(events_done)s, outcomes = %(outcomes)s::json, due_at = %(until)s
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s AND leased_by = %(lease)s
RETURNING ingestion_id

-- name: insert_sent
-- Why: which events were sent is known by each of them, whatever the next attempt makes of the file.
INSERT INTO files.sent_events (tenant_id, ingestion_id, events_before, marks)
VALUES (%(tenant_id)s, %(ingestion_id)s, %(events_before)s, %(marks)s)

-- name: sent
-- Why: who takes a delivery over sends what was not sent.
SELECT marks
FROM files.sent_events
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s

-- name: insert_origins
-- Why: who decides on an event that came out of a file looks at the rows that it was made of.
INSERT INTO files.origins (tenant_id, raw_id, ingestion_id, row_numbers, rows_in_all, all_rows)
SELECT %(tenant_id)s, o.raw_id, %(ingestion_id)s, o.row_numbers::bigint[], o.rows_in_all, o.all_rows::int8multirange
FROM unnest(%(raw_ids)s::uuid[], %(row_numbers)s::text[], %(rows_in_all)s::bigint[], %(all_rows)s::text[])
  AS o (raw_id, row_numbers, rows_in_all, all_rows)

-- name: origins
-- Why: an exception and a trace say of each arrival which file and which rows it came out of.
SELECT o.raw_id, o.ingestion_id, i.dataset, i.filename, o.row_numbers AS rows, o.rows_in_all
FROM files.origins o
JOIN files.ingestions i ON i.tenant_id = o.tenant_id AND i.ingestion_id = o.ingestion_id
WHERE o.tenant_id = %(tenant_id)s AND o.raw_id = ANY(%(raw_ids)s::uuid[])

-- name: rows_sent
-- Why: of these rows of a file events were made, whichever of its deliveries sent them, or a person: no others are made of them.
SELECT d.is_own, d.is_listed, lower(r.span) AS first, upper(r.span) AS until
FROM (
  SELECT s.is_own, s.is_listed, range_agg(s.of_rows) AS of_rows
  FROM (
    SELECT o.ingestion_id = %(ingestion_id)s AS is_own, true AS is_listed,
           coalesce(o.all_rows, (SELECT range_agg(int8range(n, n, '[]')) FROM unnest(o.row_numbers) AS n)) AS of_rows
    FROM files.ingestions i
    JOIN files.origins o ON o.tenant_id = i.tenant_id AND o.ingestion_id = i.ingestion_id
    WHERE i.tenant_id = %(tenant_id)s AND i.dataset = %(dataset)s AND i.sha256 = %(sha256)s
      AND (i.facts IS NULL OR i.facts ->> 'sheet' IS NOT DISTINCT FROM %(sheet)s)
      AND (%(among)s::bigint[] IS NULL OR o.row_numbers && %(among)s::bigint[] OR o.all_rows IS NOT NULL)
    UNION ALL
    SELECT b.ingestion_id = %(ingestion_id)s, false, int8range(b.row_number, b.row_number, '[]')::int8multirange
    FROM files.ingestions i
    JOIN files.bad_rows b ON b.tenant_id = i.tenant_id AND b.ingestion_id = i.ingestion_id
    WHERE i.tenant_id = %(tenant_id)s AND i.dataset = %(dataset)s AND i.sha256 = %(sha256)s
      AND (i.facts IS NULL OR i.facts ->> 'sheet' IS NOT DISTINCT FROM %(sheet)s)
      AND i.quality ->> 'events' IS NOT NULL AND b.status = 'replayed') s
  GROUP BY s.is_own, s.is_listed) d
CROSS JOIN LATERAL unnest(d.of_rows) AS r (span)

-- name: rows_of_arrivals
-- Why: an event that is known already is the one that was made of these rows, or another that has its id.
SELECT o.raw_id, lower(r.span) AS first, upper(r.span) AS until
FROM files.origins o
JOIN files.ingestions i ON i.tenant_id = o.tenant_id AND i.ingestion_id = o.ingestion_id
CROSS JOIN LATERAL unnest(coalesce(
  o.all_rows, (SELECT range_agg(int8range(n, n, '[]')) FROM unnest(o.row_numbers) AS n))) AS r (span)
WHERE o.tenant_id = %(tenant_id)s AND o.raw_id = ANY(%(raw_ids)s::uuid[])
  AND i.dataset = %(dataset)s AND i.sha256 = %(sha256)s
  AND (i.facts IS NULL OR i.facts ->> 'sheet' IS NOT DISTINCT FROM %(sheet)s)

-- name: unlisted_senders
-- Why: of deliveries from before all rows of an event were kept, and from before any were, it is not known which rows they sent:
-- one that was done sent all that it did not hold. What persons sent of it is known, and does not count as its own.
SELECT i.ingestion_id,
       CASE WHEN count(o.raw_id) < i.events_done - coalesce((i.outcomes ->> 'refused')::bigint, 0) THEN 0
            ELSE min(o.row_numbers[cardinality(o.row_numbers)])
                   FILTER (WHERE o.all_rows IS NULL AND o.rows_in_all > cardinality(o.row_numbers))
       END AS rest_after
FROM files.ingestions i
LEFT JOIN files.origins o ON o.tenant_id = i.tenant_id AND o.ingestion_id = i.ingestion_id
  AND NOT EXISTS (
    SELECT FROM files.bad_rows b
    WHERE b.tenant_id = o.tenant_id AND b.ingestion_id = o.ingestion_id AND b.row_number = o.row_numbers[1]
      AND b.status = 'replayed')
WHERE i.tenant_id = %(tenant_id)s AND i.dataset = %(dataset)s AND i.sha256 = %(sha256)s
  AND i.ingestion_id <> %(ingestion_id)s AND i.status = 'succeeded' AND i.events_done > 0
  AND (i.facts IS NULL OR i.facts ->> 'sheet' IS NOT DISTINCT FROM %(sheet)s)
GROUP BY i.tenant_id, i.ingestion_id
HAVING count(o.raw_id) < i.events_done - coalesce((i.outcomes ->> 'refused')::bigint, 0)
    OR bool_or(o.all_rows IS NULL AND o.rows_in_all > cardinality(o.row_numbers))

-- name: rows_not_sent
-- Why: what a delivery held, and nobody put right, it did not send.
SELECT row_number
FROM files.bad_rows
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s AND row_number > %(after)s AND status <> 'replayed'

-- name: other_sheet
-- Why: without a key a row is told by its number in its file: two sheets have the same ones.
SELECT facts ->> 'sheet'
FROM files.ingestions
WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s AND sha256 = %(sha256)s AND status = 'succeeded'
  AND facts ->> 'sheet' <> %(sheet)s
ORDER BY ingestion_id
LIMIT 1

-- name: finish
-- Why: what is loaded and how it ended commit together; who lost the lease meanwhile finds no row, and writes nothing.
UPDATE files.ingestions
SET status = %(status)s, ended_at = %(now)s, leased_by = NULL, rows_in = %(rows_in)s, rows_ok = %(rows_ok)s,
    rows_bad = %(rows_bad)s, reason_code = %(reason_code)s, detail = %(detail)s, facts = %(facts)s::json,
    quality = %(quality)s::json, drift = %(drift)s::json, lineage = %(lineage)s::json
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s AND leased_by = %(lease)s
RETURNING ingestion_id

-- name: give_back
-- Why: what failed for a moment is tried again later.
UPDATE files.ingestions
SET status = 'received', leased_by = NULL, due_at = %(due_at)s, reason_code = %(reason_code)s, detail = %(detail)s
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s AND leased_by = %(lease)s
RETURNING ingestion_id

-- name: last_succeeded
-- Why: how long ago the last good file of a dataset came, and what it was like.
SELECT tenant_id, ingestion_id, dataset, filename, source, sha256, size_bytes, raw_path, replay_of, contract_version, status,
       attempts, due_at, leased_by, received_at, received_by, started_at, ended_at, rows_in, rows_ok, rows_bad,
       events_done, outcomes, reason_code, detail, facts, quality, drift, lineage
FROM files.ingestions
WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s AND status = 'succeeded' AND ingestion_id < %(before)s
ORDER BY ingestion_id DESC
LIMIT 1

-- name: last_counting
-- Why: whether a file came later than one that is loaded or waits, or sent again: what the later one says counts.
SELECT i.ingestion_id, i.status = 'succeeded' OR EXISTS (
    SELECT FROM files.ingestions r
    WHERE r.tenant_id = i.tenant_id AND r.dataset = i.dataset AND r.sha256 = i.sha256 AND r.replay_of IS NOT NULL
      AND r.status = 'succeeded') AS is_loaded
FROM files.ingestions i
WHERE i.tenant_id = %(tenant_id)s AND i.dataset = %(dataset)s AND i.replay_of IS NULL
  AND (i.status IN ('received', 'processing', 'succeeded') OR EXISTS (
    SELECT FROM files.ingestions r
    WHERE r.tenant_id = i.tenant_id AND r.dataset = i.dataset AND r.sha256 = i.sha256 AND r.replay_of IS NOT NULL
      AND r.status IN ('received', 'processing', 'succeeded')))
ORDER BY i.ingestion_id DESC
LIMIT 1

-- name: latest_id
-- Why: what is received now is later than all that was, also where a clock was ahead when that came.
SELECT ingestion_id
FROM files.ingestions
WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s
ORDER BY ingestion_id DESC
LIMIT 1

-- name: copy_bad_rows
-- Why: a file may have many.
COPY files.bad_rows (tenant_id, ingestion_id, row_number, group_key, row_values, row_text, faults, contract_version)
FROM STDIN

-- name: bad_rows
-- Why: keyset page of the bad rows of a delivery, in the order of the file.
SELECT row_number, group_key, row_values, row_text, faults, contract_version, status, patch, decided_at, decided_by, notes
FROM files.bad_rows
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s AND row_number > %(after)s
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(at_fault)s::boolean IS NULL OR (faults -> 0 ->> 'rule' IS DISTINCT FROM 'group') = %(at_fault)s)
ORDER BY row_number
LIMIT %(most)s

-- name: open_of_groups
-- Why: who mends a row wants to know how many wait with it.
SELECT group_key, count(*) AS rows_open
FROM files.bad_rows
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s AND group_key = ANY(%(groups)s) AND status = 'open'
GROUP BY group_key

-- name: count_bad_rows
-- Why: what was decided of them since is no part of the delivery's report.
SELECT count(*) FILTER (WHERE status = 'open') AS open, count(*) FILTER (WHERE status = 'replayed') AS replayed,
       count(*) FILTER (WHERE status = 'ignored') AS ignored
FROM files.bad_rows
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s

-- name: lock_bad_rows
-- Why: these rows and what is held with them are decided on by one operator at a time.
SELECT row_number, group_key, row_values, row_text, faults, contract_version, status, patch, decided_at, decided_by, notes
FROM files.bad_rows
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s
  AND (row_number = ANY (%(row_numbers)s) OR group_key = ANY (%(groups)s)
       OR group_key IN (SELECT b.group_key FROM files.bad_rows b
                        WHERE b.tenant_id = %(tenant_id)s AND b.ingestion_id = %(ingestion_id)s
                          AND b.row_number = ANY (%(row_numbers)s)))
ORDER BY row_number
FOR UPDATE

-- name: open_groupless
-- Why: an open row that may be of any group may be of one that is to be loaded; of rows that hold no data, none is.
SELECT row_number
FROM files.bad_rows
WHERE tenant_id = %(tenant_id)s AND ingestion_id = %(ingestion_id)s AND status = 'open' AND group_key IS NULL
  AND row_number <> ALL (%(besides)s) AND coalesce(faults -> 0 ->> 'is_data', 'true') = 'true'
ORDER BY row_number
LIMIT 1

-- name: decide_bad_rows
-- Why: who decided what, and with which values in place of the file's.
UPDATE files.bad_rows b
SET status = %(status)s, patch = d.patch::json, decided_at = %(now)s, decided_by = %(actor)s, notes = %(notes)s
FROM unnest(%(row_numbers)s::bigint[], %(patches)s::text[]) AS d (row_number, patch)
WHERE b.tenant_id = %(tenant_id)s AND b.ingestion_id = %(ingestion_id)s AND b.row_number = d.row_number

-- name: decided_rows
-- Why: what people decided of a file's rows is not undone by its replays; of a row, the last decision counts. Another sheet's rows have the
-- same numbers.
SELECT DISTINCT ON (b.row_number) b.row_number, b.status, b.patch, b.decided_at, b.decided_by
FROM files.ingestions i
JOIN files.bad_rows b ON b.tenant_id = i.tenant_id AND b.ingestion_id = i.ingestion_id
WHERE i.tenant_id = %(tenant_id)s AND i.dataset = %(dataset)s AND i.sha256 = %(sha256)s AND b.status <> 'open'
  AND (i.facts IS NULL OR i.facts ->> 'sheet' IS NOT DISTINCT FROM %(sheet)s)
ORDER BY b.row_number, b.decided_at DESC, b.ingestion_id DESC

-- name: ignored_groupless
-- Why: a row that is no line of any group, as a person said last of it, holds none of them when the file is replayed.
SELECT d.row_number, d.row_text, d.row_values
FROM (SELECT DISTINCT ON (b.row_number) b.row_number, b.row_text, b.row_values, b.group_key, b.status
      FROM files.ingestions i
      JOIN files.bad_rows b ON b.tenant_id = i.tenant_id AND b.ingestion_id = i.ingestion_id
      WHERE i.tenant_id = %(tenant_id)s AND i.dataset = %(dataset)s AND i.sha256 = %(sha256)s AND b.status <> 'open'
        AND (i.facts IS NULL OR i.facts ->> 'sheet' IS NOT DISTINCT FROM %(sheet)s)
      ORDER BY b.row_number, b.decided_at DESC, b.ingestion_id DESC) AS d
WHERE d.status = 'ignored' AND d.group_key IS NULL

-- name: see_schema
-- Why: which columns files have, and since when.
INSERT INTO files.schema_history (tenant_id, dataset, schema_hash, columns, first_ingestion_id, first_seen_at,
                                  last_ingestion_id, last_seen_at, deliveries)
VALUES (%(tenant_id)s, %(dataset)s, %(schema_hash)s, %(columns)s::json, %(ingestion_id)s, %(now)s, %(ingestion_id)s, %(now)s, 1)
ON CONFLICT (tenant_id, dataset, schema_hash) DO UPDATE
SET last_ingestion_id = excluded.last_ingestion_id, last_seen_at = excluded.last_seen_at,
    deliveries = schema_history.deliveries + 1

-- name: schemas
-- Why: every header that the files of a dataset had, latest first.
SELECT schema_hash, columns, first_ingestion_id, first_seen_at, last_ingestion_id, last_seen_at, deliveries
FROM files.schema_history
WHERE tenant_id = %(tenant_id)s AND dataset = %(dataset)s
ORDER BY last_seen_at DESC, schema_hash
LIMIT %(most)s

-- name: ensure_curated
-- Why: a dataset's table, made by the owner of the schema; what stands against it is told.
SELECT coalesce(files.ensure_curated(%(dataset)s, %(columns)s::text[], %(types)s::text[], %(keys)s::text[]), '')
