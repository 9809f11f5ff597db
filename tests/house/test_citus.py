"""The SQL runs unchanged on Citus, and each rule about it catches what it is there to catch."""

from pathlib import Path

import pytest

from . import citus, citus_tables
from .citus import RULES, Rule, check
from .minitree import make
from .source import PACKAGE, numbered

TENANT = 'tenant_id text COLLATE "C" NOT NULL'


def test_the_sql_runs_on_citus() -> None:
    findings = check(PACKAGE)
    assert not findings, "\n" + "\n".join(findings)


BAD_TABLES: list[tuple[Rule, str]] = [
    (citus_tables.keys_contain_the_tenant, f"CREATE TABLE gate.a ({TENANT}, id uuid PRIMARY KEY)"),
    (citus_tables.keys_contain_the_tenant, f"CREATE TABLE gate.a ({TENANT}, id uuid UNIQUE)"),
    (citus_tables.keys_contain_the_tenant, f"CREATE TABLE gate.a ({TENANT}, id uuid, UNIQUE (id))"),
    (citus_tables.keys_contain_the_tenant, "ALTER TABLE gate.a ADD CONSTRAINT k UNIQUE (id)"),
    (citus_tables.keys_contain_the_tenant, "CREATE UNIQUE INDEX ON gate.events_processed (key)"),
    (citus_tables.keys_contain_the_tenant, "CREATE UNIQUE INDEX ON gold.a_view (lower(tenant_id), key)"),
    (citus_tables.keys_contain_the_tenant, "ALTER TABLE gate.a ADD EXCLUDE USING gist (span WITH &&)"),
    (citus_tables.tables_have_the_tenant, "CREATE TABLE gate.a (id uuid)"),
    (citus_tables.tables_have_the_tenant, "CREATE TABLE gate.a (tenant_id text)"),
    (citus_tables.tables_have_the_tenant, 'CREATE TABLE gate.a (tenant_id varchar(9) COLLATE "C")'),
    (citus_tables.tables_have_the_tenant, f"CREATE TEMPORARY TABLE a ({TENANT})"),
    (
        citus_tables.foreign_keys_stay_on_one_shard,
        f"CREATE TABLE gate.a ({TENANT}, k text REFERENCES gate.events_processed (key))",
    ),
    (
        citus_tables.foreign_keys_stay_on_one_shard,
        f"CREATE TABLE gate.a ({TENANT}, k text, FOREIGN KEY (k, tenant_id) REFERENCES gate.events_processed (key, tenant_id))",
    ),
    (
        citus_tables.foreign_keys_stay_on_one_shard,
        "ALTER TABLE gate.a ADD FOREIGN KEY (tenant_id, k) REFERENCES gate.events_processed (tenant_id, key) ON DELETE SET NULL",
    ),
    (
        citus_tables.foreign_keys_stay_on_one_shard,
        "ALTER TABLE tenants.a ADD FOREIGN KEY (tenant_id, k) REFERENCES gate.events_processed",
    ),
    (citus_tables.no_triggers, "CREATE TRIGGER t BEFORE UPDATE ON gate.events_processed EXECUTE FUNCTION gate.f()"),
    (citus_tables.no_triggers, "CREATE RULE r AS ON UPDATE TO gate.events_processed DO INSTEAD NOTHING"),
    (citus_tables.no_sequences, f"CREATE TABLE gate.a ({TENANT}, n bigint GENERATED ALWAYS AS IDENTITY)"),
    (citus_tables.no_sequences, f"CREATE TABLE gate.a ({TENANT}, n bigserial)"),
    (citus_tables.no_sequences, "CREATE SEQUENCE gate.s"),
    (citus_tables.no_sequences, f"CREATE TABLE gate.a ({TENANT}, n bigint DEFAULT nextval('gate.s'))"),
    (citus_tables.partitions_are_one_level_by_range, f"CREATE TABLE bronze.a ({TENANT}) PARTITION BY HASH (tenant_id)"),
    (
        citus_tables.partitions_are_one_level_by_range,
        "CREATE TABLE bronze.b PARTITION OF bronze.a FOR VALUES FROM (1) TO (2) PARTITION BY RANGE (at)",
    ),
    (citus_tables.partitions_are_one_level_by_range, f"CREATE TABLE gate.a ({TENANT}, k text) PARTITION BY RANGE (k)"),
    (
        citus.written_values_are_passed_in,
        "CREATE FUNCTION gate.f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE gate.events_processed SET at = now(); END $$",
    ),
    (
        citus.written_values_are_passed_in,
        "CREATE FUNCTION gate.f() RETURNS void LANGUAGE sql AS $$ DELETE FROM gate.events_processed WHERE random() < 1 $$",
    ),
    (
        citus.locks_stay_within_a_tenant,
        (
            "CREATE FUNCTION gate.f(p text) RETURNS void LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM FROM gate.events_processed WHERE key = p FOR UPDATE; END $$"
        ),
    ),
]

GOOD_TABLES = [
    f"CREATE TABLE gate.a ({TENANT}, id uuid, PRIMARY KEY (tenant_id, id), UNIQUE (id, tenant_id))",
    f"CREATE TABLE gate.a ({TENANT} PRIMARY KEY REFERENCES tenants.tenants)",
    "CREATE TABLE tenants.a (id uuid PRIMARY KEY, other uuid UNIQUE)",
    "CREATE TABLE ops.migrations (number integer PRIMARY KEY)",
    "CREATE UNIQUE INDEX ON gate.events_processed (tenant_id, lower(key)) WHERE seen_at IS NULL",
    "CREATE INDEX ON gate.events_processed (key)",
    f"CREATE TABLE gate.a ({TENANT}, FOREIGN KEY (tenant_id, k) REFERENCES gate.b (tenant_id, k) ON DELETE CASCADE)",
    "ALTER TABLE gate.a ADD FOREIGN KEY (tenant_id, k) REFERENCES gate.events_processed",
    "ALTER TABLE gate.a ADD EXCLUDE USING gist (tenant_id WITH =, span WITH &&)",
    f"CREATE TABLE bronze.a ({TENANT}, at timestamptz, PRIMARY KEY (tenant_id, at)) PARTITION BY RANGE (at)",
    "CREATE TABLE bronze.b PARTITION OF bronze.a FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
    (
        "CREATE FUNCTION gate.f(p text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); "
        "PERFORM FROM gate.events_processed WHERE tenant_id = p FOR UPDATE; UPDATE gate.events_processed SET key = upper(p); END $$"
    ),
]

BAD_QUERIES: list[tuple[Rule, str]] = [
    (
        citus.written_values_are_passed_in,
        "INSERT INTO gate.events_processed VALUES (%s, %s) ON CONFLICT (tenant_id, key) DO UPDATE SET seen_at = now()",
    ),
    (
        citus.written_values_are_passed_in,
        "INSERT INTO gate.events_processed VALUES (%s, %s) ON CONFLICT (tenant_id, key) DO UPDATE SET seen_at = CURRENT_TIMESTAMP",
    ),
    (
        citus.written_values_are_passed_in,
        "UPDATE gate.events_processed SET id = gen_random_uuid() WHERE tenant_id = %(t)s",
    ),
    (
        citus.written_values_are_passed_in,
        "UPDATE gate.events_processed SET key = gate.made_up(key) WHERE tenant_id = %(t)s",
    ),
    (citus.written_values_are_passed_in, "UPDATE gate.events_processed SET n = 1 WHERE seen_at < clock_timestamp()"),
    (citus.written_values_are_passed_in, "DELETE FROM gate.events_processed WHERE seen_at < statement_timestamp()"),
    (citus.written_values_are_passed_in, "DELETE FROM gate.events_processed WHERE seen_at::date = %(day)s"),
    (citus.written_values_are_passed_in, "UPDATE gate.events_processed SET body = to_jsonb(key)"),
    (citus.returning_is_plain, "INSERT INTO gate.events_processed VALUES (%s) RETURNING random()"),
    (citus.returning_is_plain, "INSERT INTO gate.events_processed VALUES (%s) RETURNING (SELECT 1)"),
    (
        citus.locks_stay_within_a_tenant,
        "SELECT 1 FROM gate.events_processed WHERE key = %(key)s FOR UPDATE SKIP LOCKED",
    ),
    (
        citus.locks_stay_within_a_tenant,
        "SELECT 1 FROM gate.events_processed WHERE tenant_id = ANY(%(tenants)s) FOR SHARE",
    ),
    (
        citus.locks_stay_within_a_tenant,
        "SELECT 1 FROM gate.events_processed WHERE tenant_id = %(t)s OR key = '' FOR UPDATE",
    ),
    (
        citus.locks_stay_within_a_tenant,
        "DELETE FROM gate.events_processed WHERE key IN (SELECT key FROM gate.events_processed LIMIT 5 FOR UPDATE SKIP LOCKED)",
    ),
    (
        citus.modified_tables_are_not_read_again,
        "WITH gone AS (DELETE FROM gate.events_processed RETURNING key) SELECT count(*) FROM gate.events_processed",
    ),
    (
        citus.modified_tables_are_not_read_again,
        "WITH new AS (INSERT INTO gate.events_processed VALUES (%s) RETURNING key) UPDATE gate.events_processed SET n = 1",
    ),
    (citus.advisory_locks_stand_alone, "SELECT pg_advisory_xact_lock(1) FROM gate.events_processed"),
    (citus.advisory_locks_stand_alone, "SELECT 1 WHERE pg_try_advisory_lock(%s)"),
    (
        citus.work_is_not_claimed_by_cursor,
        "SELECT raw_id FROM bronze.events_raw WHERE tenant_id = %(t)s AND raw_id > %(last)s ORDER BY raw_id LIMIT 9",
    ),
    (
        citus.work_is_not_claimed_by_cursor,
        "SELECT 1 FROM bronze.a e WHERE (e.received_at, e.raw_id) >= (%s, %s) ORDER BY 1, e.received_at LIMIT %s",
    ),
    (
        citus.work_is_not_claimed_by_cursor,
        "SELECT 1 FROM gate.events_processed WHERE %(last)s::uuid < batch_id ORDER BY batch_id FETCH FIRST 5 ROWS ONLY",
    ),
]

GOOD_QUERIES = [
    (
        "INSERT INTO gate.events_processed AS k VALUES (%s, %s) ON CONFLICT (tenant_id, key) DO UPDATE "
        "SET n = k.n + excluded.n, at = greatest(k.at, excluded.at), key = lower(excluded.key) RETURNING *"
    ),
    (
        "UPDATE gate.events_processed k SET seen_at = %(at)s::timestamptz, n = a.n "
        "FROM unnest(%(keys)s::text[], %(n)s::int[]) AS a (key, n) WHERE k.tenant_id = %(t)s RETURNING k.key"
    ),
    "DELETE FROM gate.events_processed WHERE tenant_id = %(t)s AND seen_at < %(before)s AND key LIKE 'a%%'",
    "INSERT INTO gate.events_processed VALUES (%s, gen_random_uuid(), now()) RETURNING key, n + 1, coalesce(key, '')",
    "SELECT 1 FROM gate.events_processed WHERE tenant_id = %(t)s AND key = ANY(%(keys)s::text[]) ORDER BY 1 FOR UPDATE SKIP LOCKED",
    "SELECT number FROM ops.migrations FOR UPDATE",
    "WITH gone AS (DELETE FROM gate.to_post WHERE tenant_id = %(t)s RETURNING key) SELECT key FROM gone",
    "SELECT pg_advisory_xact_lock(%(key)s)",
    "SELECT raw_id FROM bronze.events_raw WHERE raw_id > %(first)s AND raw_id < %(last)s",
    "SELECT key FROM gate.events_processed WHERE n > %(n)s ORDER BY n LIMIT 5",
]


def _plant(tmp_path: Path, sql: str, reason: str = "Why: a reason.") -> Path:
    if sql.startswith(("CREATE", "ALTER")):
        return make(tmp_path, {"db/migrations/0002_planted.sql": sql + ";\n"}, bare=True)
    return make(tmp_path, {"gate/queries.sql": f"-- name: planted\n-- {reason}\n{sql}\n"}, bare=True)


@pytest.mark.parametrize(("rule", "sql"), BAD_TABLES + BAD_QUERIES)
def test_a_planted_violation_is_caught(tmp_path: Path, rule: Rule, sql: str) -> None:
    findings = check(_plant(tmp_path, sql), (rule,))
    assert findings
    assert all("fix: " in finding and (":1: " in finding) for finding in findings), findings


@pytest.mark.parametrize("sql", GOOD_TABLES + GOOD_QUERIES)
def test_what_is_allowed_passes(tmp_path: Path, sql: str) -> None:
    assert check(_plant(tmp_path, sql)) == []


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, _ in BAD_TABLES + BAD_QUERIES} == set(RULES)


def test_a_list_for_people_may_go_on_from_its_last_row(tmp_path: Path) -> None:
    _, sql = BAD_QUERIES[-1]
    assert check(_plant(tmp_path, sql, "Why: keyset page: operators read on.")) == []


def test_a_function_declared_immutable_may_be_called_in_an_update(tmp_path: Path) -> None:
    made = "CREATE FUNCTION gate.next(n int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT n + 1 $$;\n"
    query = "-- name: a\n-- Why: a.\nUPDATE gate.events_processed SET n = gate.next(n) WHERE tenant_id = %(t)s\n"
    assert check(make(tmp_path, {"db/migrations/0002_next.sql": made, "gate/queries.sql": query})) == []


def test_what_cannot_be_parsed_is_a_finding(tmp_path: Path) -> None:
    assert "not PostgreSQL" in "".join(check(_plant(tmp_path, "SELEC 1")))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("%(a)s, %(b)s, %(a)s", "$1, $2, $1"),
        ("%s, %s", "$1, $2"),
        ("%(a)b LIKE 'x%%'", "$1 LIKE 'x%'"),
        ("LIKE 'x%'", "LIKE 'x%'"),
    ],
)
def test_placeholders_become_postgres_s(sql: str, expected: str) -> None:
    assert numbered(sql) == expected
