-- name: ensure_tenant
-- Why: an all-tenants key creates an unknown tenant by its first event.
INSERT INTO tenants.tenants (tenant_id, created_at, created_by)
VALUES (%(tenant_id)s, %(created_at)s, %(created_by)s)
ON CONFLICT (tenant_id) DO NOTHING

-- name: tenants
-- Why: what the contract needs to know of a tenant, read once and kept for a moment.
SELECT t.tenant_id, t.currency, t.simulated,
       coalesce((SELECT json_object_agg(s.store_id, s.currency) FROM tenants.stores s
                 WHERE s.tenant_id = t.tenant_id AND s.currency IS NOT NULL), '{}') AS store_currencies,
       coalesce((SELECT json_object_agg(s.source_system, s.volatile_fields) FROM tenants.sources s
                 WHERE s.tenant_id = t.tenant_id), '{}') AS volatile_fields
FROM tenants.tenants t
WHERE t.tenant_id = ANY(%(tenant_ids)s::text[])

-- name: api_keys
-- Why: the credentials in use, re-read every moment, so that a revoked one ends soon.
SELECT key_id, secret_sha256, label, tenant_ids, scopes, created_at, created_by, expires_at, revoked_at, last_used_at,
       rotated_to
FROM tenants.api_keys
WHERE key_id = ANY(%(key_ids)s::text[])

-- name: labels
-- Why: people know each other by the names that their keys were given, also where a key serves other tenants besides.
-- Keys of all tenants are nobody's colleagues but their own.
SELECT key_id, label
FROM tenants.api_keys
WHERE label <> '' AND (%(tenant_ids)s::text[] IS NULL OR tenant_ids && %(tenant_ids)s::text[])
ORDER BY created_at DESC, key_id
LIMIT %(most)s

-- name: all_api_keys
-- Why: the list that an administrator sees: keys whose tenants all are his.
SELECT key_id, secret_sha256, label, tenant_ids, scopes, created_at, created_by, expires_at, revoked_at, last_used_at,
       rotated_to
FROM tenants.api_keys
WHERE %(tenant_ids)s::text[] IS NULL OR tenant_ids <@ %(tenant_ids)s::text[]
ORDER BY created_at, key_id

-- name: insert_api_key
-- Why: only the hash of the secret is stored.
INSERT INTO tenants.api_keys (key_id, secret_sha256, label, tenant_ids, scopes, created_at, created_by, expires_at)
VALUES (%(key_id)s, %(secret_sha256)s, %(label)s, %(tenant_ids)s::text[], %(scopes)s::text[], %(created_at)s,
        %(created_by)s, %(expires_at)s)

-- name: revoke_api_key
-- Why: a second revocation changes nothing, and tells so by returning no row.
UPDATE tenants.api_keys
SET revoked_at = %(revoked_at)s
WHERE key_id = %(key_id)s AND revoked_at IS NULL
  AND (%(tenant_ids)s::text[] IS NULL OR tenant_ids <@ %(tenant_ids)s::text[])
RETURNING key_id

-- name: note_use
-- Why: batched, so that using a key costs no write of its own.
UPDATE tenants.api_keys k
SET last_used_at = a.last_used_at
FROM unnest(%(key_ids)s::text[], %(last_used_at)s::timestamptz[]) AS a (key_id, last_used_at)
WHERE k.key_id = a.key_id AND (k.last_used_at IS NULL OR k.last_used_at < a.last_used_at)

-- name: rotate_api_key
-- Why: the old key lives on for the overlap, never longer than it would have.
UPDATE tenants.api_keys
SET rotated_to = %(rotated_to)s, expires_at = least(coalesce(expires_at, %(ends_at)s), %(ends_at)s)
WHERE key_id = %(key_id)s AND revoked_at IS NULL AND rotated_to IS NULL
RETURNING key_id

-- name: book_settings
-- Why: posting needs to know a tenant's day and policies.
SELECT tenant_id, currency, time_zone, day_starts_at, unreferenced_returns, unknown_stores, correction_days
FROM tenants.tenants
WHERE tenant_id = %(tenant_id)s

-- name: stores
-- Why: a store may have a day and a currency of its own.
SELECT store_id, currency, time_zone, day_starts_at, country
FROM tenants.stores
WHERE tenant_id = %(tenant_id)s AND store_id = ANY(%(store_ids)s::text[])

-- name: past_currencies
-- Why: what came before a currency was changed keeps the one before; nearly always there is none of so late.
SELECT store_id, until, currency
FROM tenants.past_currencies
WHERE tenant_id = %(tenant_id)s AND until > %(since)s::timestamptz
ORDER BY store_id, until

-- name: keep_currencies
-- Why: two changes at the same instant leave the one that was set before both.
INSERT INTO tenants.past_currencies (tenant_id, store_id, until, currency)
SELECT %(tenant_id)s, a.store_id, %(until)s, a.currency
FROM unnest(%(store_ids)s::text[], %(currencies)s::text[]) AS a (store_id, currency)
ORDER BY a.store_id
ON CONFLICT (tenant_id, store_id, until) DO NOTHING

-- name: ensure_stores
-- Why: the first event of a store makes it, so that somebody can look at it and set it up.
INSERT INTO tenants.stores (tenant_id, store_id, is_verified)
SELECT %(tenant_id)s, a.store_id, false
FROM unnest(%(store_ids)s::text[]) AS a (store_id)
ORDER BY a.store_id
ON CONFLICT (tenant_id, store_id) DO NOTHING

-- name: make_tenant
-- Why: a tenant may be set up before its first event; of two who make it, one does.
INSERT INTO tenants.tenants (tenant_id, created_at, created_by)
VALUES (%(tenant_id)s, %(created_at)s, %(created_by)s)
ON CONFLICT (tenant_id) DO NOTHING
RETURNING tenant_id

-- name: lock_tenant
-- Why: who changes settings, stores or sources of a tenant goes one after the other; senders do not wait for them.
SELECT tenant_id
FROM tenants.tenants
WHERE tenant_id = %(tenant_id)s
FOR NO KEY UPDATE

-- name: settings
-- Why: keyset page of tenants with all that is set, and how many stores wait to be looked at. What begins with _ is none.
SELECT t.tenant_id, t.currency, t.time_zone, t.day_starts_at, t.unreferenced_returns, t.unknown_stores,
       t.correction_days, t.simulated, t.created_at, t.created_by,
       (SELECT count(*) FROM tenants.stores s WHERE s.tenant_id = t.tenant_id) AS stores,
       (SELECT count(*) FROM tenants.stores s WHERE s.tenant_id = t.tenant_id AND NOT s.is_verified)
         AS unverified_stores
FROM tenants.tenants t
WHERE (%(tenant_ids)s::text[] IS NULL OR t.tenant_id = ANY(%(tenant_ids)s::text[])) AND left(t.tenant_id, 1) <> '_'
  AND (%(after)s::text IS NULL OR t.tenant_id > %(after)s)
ORDER BY t.tenant_id
LIMIT %(most)s

-- name: set_tenant
-- Why: all settings of a tenant at once, as they were decided while it was held.
UPDATE tenants.tenants
SET currency = %(currency)s, time_zone = %(time_zone)s, day_starts_at = %(day_starts_at)s,
    unreferenced_returns = %(unreferenced_returns)s, unknown_stores = %(unknown_stores)s,
    correction_days = %(correction_days)s, simulated = %(simulated)s
WHERE tenant_id = %(tenant_id)s

-- name: store_settings
-- Why: keyset page of stores with all that is set.
SELECT tenant_id, store_id, name, country, region, currency, time_zone, day_starts_at, is_verified
FROM tenants.stores
WHERE (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[]))
  AND (%(store_ids)s::text[] IS NULL OR store_id = ANY(%(store_ids)s::text[]))
  AND (%(is_verified)s::boolean IS NULL OR is_verified = %(is_verified)s)
  AND (%(after_tenant)s::text IS NULL OR (tenant_id, store_id) > (%(after_tenant)s, %(after_store)s))
ORDER BY tenant_id, store_id
LIMIT %(most)s

-- name: put_stores
-- Why: a store is made or changed as it was decided while its tenant was held.
INSERT INTO tenants.stores AS t (
  tenant_id, store_id, name, country, region, currency, time_zone, day_starts_at, is_verified)
SELECT %(tenant_id)s, a.store_id, a.name, a.country, a.region, a.currency, a.time_zone, a.day_starts_at, a.is_verified
FROM unnest(%(store_ids)s::text[], %(names)s::text[], %(countries)s::text[], %(regions)s::text[],
            %(currencies)s::text[], %(time_zones)s::text[], %(hours)s::smallint[], %(verified)s::boolean[])
  AS a (store_id, name, country, region, currency, time_zone, day_starts_at, is_verified)
ORDER BY a.store_id
ON CONFLICT (tenant_id, store_id) DO UPDATE
SET name = excluded.name, country = excluded.country, region = excluded.region, currency = excluded.currency,
    time_zone = excluded.time_zone, day_starts_at = excluded.day_starts_at, is_verified = excluded.is_verified

-- name: sources
-- Why: what is set for sources of events.
SELECT tenant_id, source_system, volatile_fields
FROM tenants.sources
WHERE %(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s::text[])
ORDER BY tenant_id, source_system

-- name: put_source
-- Why: volatile fields decide what is a retry, so they change under audit only.
INSERT INTO tenants.sources (tenant_id, source_system, volatile_fields)
VALUES (%(tenant_id)s, %(source_system)s, %(volatile_fields)s::text[])
ON CONFLICT (tenant_id, source_system) DO UPDATE
SET volatile_fields = excluded.volatile_fields
