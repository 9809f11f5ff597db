-- name: insert
-- Why: every decision, of a person or of the system, is on record with the transaction that made it.
INSERT INTO audit.audit_log (
  tenant_id, audit_id, occurred_at, actor, action, object_type, object_id, before_json, after_json, notes)
SELECT a.tenant_id, a.audit_id, a.occurred_at, a.actor, a.action, a.object_type, a.object_id, a.before_json::json,
       a.after_json::json, a.notes
FROM unnest(
  %(tenant_ids)s::text[], %(audit_ids)s::uuid[], %(occurred_at)s::timestamptz[], %(actors)s::text[],
  %(actions)s::text[], %(object_types)s::text[], %(object_ids)s::text[], %(before)s::text[], %(after)s::text[],
  %(notes)s::text[]
) AS a (tenant_id, audit_id, occurred_at, actor, action, object_type, object_id, before_json, after_json, notes)

-- name: of_objects
-- Why: a trace shows what was decided of one key and its exceptions.
SELECT tenant_id, audit_id, occurred_at, actor, action, object_type, object_id, before_json, after_json, notes
FROM audit.audit_log
WHERE tenant_id = %(tenant_id)s AND object_type = %(object_type)s AND object_id = ANY(%(object_ids)s::text[])
ORDER BY audit_id

-- name: count_of_action
-- Why: no exception without an audit row: one side of that sum.
SELECT tenant_id, count(*) AS number
FROM audit.audit_log
WHERE action = %(action)s AND (%(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s)
GROUP BY tenant_id

-- name: page
-- Why: keyset page: who did what, by object, actor, action and time, oldest first.
SELECT tenant_id, audit_id, occurred_at, actor, action, object_type, object_id, before_json, after_json, notes
FROM audit.audit_log
WHERE (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))
  AND (%(object_type)s::text IS NULL OR object_type = %(object_type)s)
  AND (%(object_id)s::text IS NULL OR object_id = %(object_id)s)
  AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR occurred_at < %(until)s)
  AND (%(after_time)s::timestamptz IS NULL
       OR (occurred_at, audit_id) > (%(after_time)s::timestamptz, %(after_id)s::uuid))
ORDER BY occurred_at, audit_id
LIMIT %(most)s
