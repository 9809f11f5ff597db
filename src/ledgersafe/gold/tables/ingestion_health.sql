-- table: ingestion_health
-- kind: recomputed
-- calendar: yes
-- summary: How well each source delivered on each day: arrivals, duplicates, and what had to be parked.
-- grain: a row a day (UTC) and source
-- reads: bronze.batches, gold.daily_arrivals, quarantine.exceptions
-- keys: tenant_id, books_date, source_system
-- columns: books_date, source_system, arrivals, duplicates, quarantined, duplicates_percent, quarantined_percent
--
-- Posting may park what arrived long before, and that is no batch of arrivals: so the last days are looked at each time,
-- by index, and everything at the first time.

-- name: clear
-- Why: nothing that arrived or was parked goes away again, so only what never was is deleted.
DELETE FROM gold.ingestion_health t
WHERE t.tenant_id = %(tenant_id)s AND t.books_date = ANY(%(days)s::date[])
  AND NOT EXISTS (
    SELECT FROM gold.daily_arrivals a
    WHERE a.tenant_id = t.tenant_id AND a.books_date = t.books_date AND a.source_system = t.source_system)
  AND t.quarantined = 0

-- name: fill
-- Why: days since the one before the last look, and since the first that a batch touches; only what changed is written.
WITH looked AS (
  SELECT least(coalesce(%(before)s::date - 2, '-infinity'),
               (SELECT coalesce(min(d.day), 'infinity') FROM unnest(%(days)s::date[]) AS d (day))) AS since),
arrived AS (
  SELECT a.books_date, a.source_system, a.arrivals, a.duplicates
  FROM gold.daily_arrivals a
  WHERE a.tenant_id = %(tenant_id)s AND a.books_date >= (SELECT since FROM looked)),
parked AS (
  SELECT (e.created_at AT TIME ZONE 'UTC')::date AS books_date, coalesce(e.source_system, '') COLLATE "C" AS source_system,
         count(*) AS quarantined
  FROM quarantine.exceptions e
  WHERE e.tenant_id = %(tenant_id)s AND e.status IN ('open', 'resolved')
    AND e.created_at >= (SELECT since::timestamp AT TIME ZONE 'UTC' FROM looked)
  GROUP BY 1, 2)
INSERT INTO gold.ingestion_health AS t (tenant_id, books_date, source_system, arrivals, duplicates, quarantined)
SELECT %(tenant_id)s, books_date, source_system, coalesce(a.arrivals, 0), coalesce(a.duplicates, 0),
       coalesce(p.quarantined, 0)
FROM arrived a
FULL JOIN parked p USING (books_date, source_system)
ORDER BY books_date, source_system
ON CONFLICT (tenant_id, books_date, source_system) DO UPDATE
SET arrivals = excluded.arrivals, duplicates = excluded.duplicates, quarantined = excluded.quarantined
WHERE (t.arrivals, t.duplicates, t.quarantined)
  IS DISTINCT FROM (excluded.arrivals, excluded.duplicates, excluded.quarantined)
RETURNING books_date

-- name: differences
-- Why: every day made anew, against the table as it is, less the days that pending batches touch. What was parked since
-- the table was made is not in it yet: the last days are compared by their arrivals only.
WITH parked AS (
  SELECT (e.created_at AT TIME ZONE 'UTC')::date AS books_date, coalesce(e.source_system, '') COLLATE "C" AS source_system,
         count(*) AS quarantined
  FROM quarantine.exceptions e
  WHERE e.tenant_id = %(tenant_id)s
  GROUP BY 1, 2),
truth AS (
  SELECT books_date, source_system, coalesce(a.arrivals, 0) AS arrivals, coalesce(a.duplicates, 0) AS duplicates,
         CASE WHEN books_date < %(as_of)s::date - 1 THEN coalesce(p.quarantined, 0) END AS quarantined
  FROM (SELECT * FROM gold.daily_arrivals WHERE tenant_id = %(tenant_id)s) AS a
  FULL JOIN parked p USING (books_date, source_system)
  WHERE a.arrivals IS NOT NULL OR books_date < %(as_of)s::date - 1),
held AS (
  SELECT books_date, source_system, arrivals, duplicates,
         CASE WHEN books_date < %(as_of)s::date - 1 THEN quarantined END AS quarantined
  FROM gold.ingestion_health
  WHERE tenant_id = %(tenant_id)s AND (arrivals > 0 OR books_date < %(as_of)s::date - 1))
SELECT o.*
FROM (
  SELECT 'should be' AS side, %(tenant_id)s::text AS tenant_id, a.*
  FROM (SELECT * FROM truth EXCEPT SELECT * FROM held) AS a
  UNION ALL
  SELECT 'is', %(tenant_id)s::text, b.*
  FROM (SELECT * FROM held EXCEPT SELECT * FROM truth) AS b) AS o
WHERE o.books_date <> ALL(%(pending_days)s::date[])
ORDER BY o.books_date, o.source_system, o.side
LIMIT %(most)s

-- name: page
-- Why: a keyset page of the report, in the order of its keys.
SELECT books_date, source_system, arrivals, duplicates, quarantined,
       round(100.0 * duplicates / nullif(arrivals, 0), 2) AS duplicates_percent,
       round(100.0 * quarantined / nullif(arrivals, 0), 2) AS quarantined_percent
FROM gold.ingestion_health
WHERE tenant_id = %(tenant_id)s
  AND books_date BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
  AND (books_date, source_system) > (coalesce(%(after_books_date)s::date, '-infinity'),
       coalesce(%(after_source_system)s::text, ''))
ORDER BY books_date, source_system
LIMIT %(most)s
