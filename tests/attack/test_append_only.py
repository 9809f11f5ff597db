"""The application cannot rewrite the past: what is append-only is so by right, whatever statement it tries."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import psycopg
import pytest

from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.refresh import refresh
from tests.conftest import TestDatabase
from tests.pipeline.posting import Till

APPEND_ONLY = [
    "bronze.events_raw", "bronze.events_raw_default", "bronze.rejected", "bronze.batches", "silver.transactions",
    "silver.line_items", "silver.tenders", "silver.references", "silver.batches", "ledger.entries", "audit.audit_log",
    "audit.seals", "tenants.past_currencies",
]  # fmt: skip
SCHEMAS = "('tenants', 'bronze', 'gate', 'quarantine', 'silver', 'ledger', 'gold', 'platinum', 'files', 'quality', 'audit', 'jobs')"
REWRITES = [
    "UPDATE {t} SET tenant_id = tenant_id",
    "UPDATE {t} SET tenant_id = tenant_id WHERE false",
    "DELETE FROM {t}",
    "DELETE FROM {t} WHERE false",
    "TRUNCATE {t}",
    "TRUNCATE {t} CASCADE",
    "INSERT INTO {t} SELECT * FROM {t} ON CONFLICT ON CONSTRAINT {pk} DO UPDATE SET tenant_id = excluded.tenant_id",
    "MERGE INTO {t} USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
    "MERGE INTO {t} USING (SELECT 1) AS s ON true WHEN MATCHED THEN UPDATE SET tenant_id = 'x'",
    "WITH gone AS (DELETE FROM {t} RETURNING 1) SELECT count(*) FROM gone",
    "SELECT FROM {t} FOR UPDATE",
    "LOCK TABLE {t} IN ACCESS EXCLUSIVE MODE",
    "DROP TABLE {t}",
    "ALTER TABLE {t} DISABLE TRIGGER ALL",
    "ALTER TABLE {t} OWNER TO ledgersafe_app",
    "ALTER TABLE {t} DROP CONSTRAINT {pk} CASCADE",
    "ALTER TABLE {t} ADD COLUMN more text",
    "ALTER TABLE {t} SET SCHEMA public",
    "CREATE RULE away AS ON INSERT TO {t} DO INSTEAD NOTHING",
    "CREATE TRIGGER away BEFORE INSERT ON {t} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE POLICY away ON {t} USING (false)",
    "CREATE UNIQUE INDEX ON {t} (tenant_id)",
    "COMMENT ON TABLE {t} IS 'nothing'",
]
ESCAPES = [
    "SET ROLE ledgersafe_owner",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SET session_replication_role = replica",
    "ALTER ROLE ledgersafe_app SUPERUSER",
    "GRANT ledgersafe_owner TO ledgersafe_app",
    "CREATE ROLE another SUPERUSER",
    "ALTER SYSTEM SET fsync = off",
    "ALTER TABLE ledger.entries DROP CONSTRAINT entry_is_balanced",
    "ALTER TABLE ledger.entries ADD CONSTRAINT another CHECK (true)",
    "DROP FUNCTION ledger.is_balanced(text[], numeric[]) CASCADE",
    "ALTER FUNCTION ledger.is_balanced(text[], numeric[]) RENAME TO was_balanced",
    "CREATE OR REPLACE FUNCTION ledger.is_balanced(accounts text[], amounts numeric[]) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "CREATE FUNCTION silver.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE ledger.mine (one int)",
    "CREATE SCHEMA mine",
    "CREATE TABLE public.mine (one int)",
    "UPDATE pg_catalog.pg_class SET relowner = 'ledgersafe_app'::regrole",
    "DELETE FROM pg_catalog.pg_constraint WHERE conname = 'entry_is_balanced'",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('PG_VERSION')",
    "UPDATE bronze.events SET tenant_id = 'x'",
    "DELETE FROM ledger.lines",
    "DROP SCHEMA ledger CASCADE",
    "VACUUM FULL ledger.entries",
]  # fmt: skip
BACK_DOORS = {
    "bronze.ensure_partition",
    "bronze.redact_body",
    "bronze.redact_rejected_body",
    "files.ensure_curated",
}
"""What the application may call that runs with the owner's rights. Whoever adds one says here that it must be there."""
REFUSED = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)
"""The second: a view that cannot be written to at all."""


@pytest.fixture(scope="module")
def books(new_database: Callable[[], TestDatabase]) -> TestDatabase:
    """Something in nearly every table."""
    of = new_database()
    database = of.open(size=3)
    with psycopg.connect(of.superuser_url, autocommit=True) as superuser:
        till = Till(database, superuser, "north", datetime.now(UTC))
        till.send(till.sold(), till.returned("r"), till.amended("CANCEL", "early", of="txn-unknown"))
    with psycopg.connect(of.app_url, autocommit=True) as app:
        app.execute(
            """INSERT INTO bronze.rejected (tenant_id, rejected_id, received_at, door, reason_code, detail, body)
            VALUES ('north', gen_random_uuid(), now(), 'native', 'INVALID_JSON', 'no JSON', 'x')"""
        )
    refresh(database, SystemClock())
    database.close()
    return of


@pytest.fixture(scope="module")
def superuser(books: TestDatabase) -> Iterator[psycopg.Connection]:
    with psycopg.connect(books.superuser_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module", params=["the login", "the role"])
def app(books: TestDatabase, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """What the processes connect as, and what they then are."""
    with psycopg.connect(books.app_url, autocommit=True) as connection:
        if request.param == "the role":
            connection.execute("SET ROLE ledgersafe_app")
        yield connection


def there(superuser: psycopg.Connection) -> list[str]:
    """Of the append-only tables, and the partitions of them, those that there are by now."""
    sql = """
    SELECT a.t FROM unnest(%s::text[]) AS a (t) WHERE to_regclass(a.t) IS NOT NULL
    UNION SELECT i.inhrelid::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = ANY(ARRAY(SELECT to_regclass(t) FROM unnest(%s::text[]) AS a (t))) AND c.relkind = 'r'"""
    return [name for (name,) in superuser.execute(sql, [APPEND_ONLY, APPEND_ONLY]).fetchall()]


def digests(superuser: psycopg.Connection) -> dict[str, object]:
    """Table → (rows, a hash over all of them)."""
    sql = "SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM {} AS t"
    return {name: superuser.execute(sql.format(name).encode()).fetchone() for name in there(superuser)}


@pytest.mark.parametrize("statement", REWRITES)
def test_no_statement_rewrites_what_is_append_only(
    superuser: psycopg.Connection, app: psycopg.Connection, statement: str
) -> None:
    before = digests(superuser)
    assert len(before) >= len(APPEND_ONLY) - 1
    for name in before:
        sql = "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'"
        ((key,),) = superuser.execute(sql, [name]).fetchall()
        with pytest.raises(REFUSED), app.transaction():
            app.execute(statement.format(t=name, pk=key).encode())
    assert digests(superuser) == before


@pytest.mark.parametrize("statement", ESCAPES)
def test_no_statement_gets_it_more_rights(
    superuser: psycopg.Connection, app: psycopg.Connection, statement: str
) -> None:
    before = digests(superuser)
    sql = statement.encode()
    if statement.startswith("VACUUM"):  # Postgres only warns, and leaves the table out
        notices: list[str | None] = []
        app.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        app.execute(sql)
        assert notices == ['permission denied to vacuum "entries", skipping it']
    else:
        with pytest.raises(REFUSED):
            app.execute(sql)
    assert digests(superuser) == before


def test_it_cannot_give_itself_a_right(superuser: psycopg.Connection, app: psycopg.Connection) -> None:
    """Postgres warns, and grants nothing."""
    for name in there(superuser):
        with suppress(psycopg.errors.InsufficientPrivilege):  # of a partition it has no right at all
            app.execute(f"GRANT ALL ON {name} TO ledgersafe_app WITH GRANT OPTION".encode())
        with pytest.raises(REFUSED):
            app.execute(f"DELETE FROM {name}".encode())


def test_it_may_append_and_read_and_nothing_else(superuser: psycopg.Connection) -> None:
    """By the catalogue: rights on whole tables and on single columns, its own and everybody's."""
    found: dict[str, list[bool]] = {}
    for name in there(superuser):
        sql = """
        SELECT has_table_privilege('ledgersafe_app', %s, 'SELECT') AND has_table_privilege('ledgersafe_app', %s, 'INSERT'),
          has_table_privilege('ledgersafe_app', %s, 'UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES'),
          has_any_column_privilege('ledgersafe_app', %s, 'UPDATE, REFERENCES')"""
        found[name] = list(superuser.execute(sql, [name] * 4).fetchone() or ())
    partitions = [name for name in found if name.startswith("bronze.events_raw_")]
    assert {name: rights for name, rights in found.items() if name not in partitions} == {
        name: [True, False, False] for name in found if name not in partitions
    }
    assert [rights[1:] for name, rights in found.items() if name in partitions] == [[False, False]] * len(partitions)


def test_it_owns_nothing_and_is_nobody_else(superuser: psycopg.Connection) -> None:
    owned = f"""
    SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname IN {SCHEMAS} AND pg_has_role('ledgersafe_app', relowner, 'MEMBER')
    UNION ALL
    SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
    WHERE nspname IN {SCHEMAS} AND pg_has_role('ledgersafe_app', proowner, 'MEMBER')
    UNION ALL
    SELECT nspname FROM pg_namespace WHERE has_schema_privilege('ledgersafe_app', oid, 'CREATE') AND nspname !~ '^pg_temp'
    UNION ALL
    SELECT rolname FROM pg_roles WHERE rolname <> 'ledgersafe_app' AND pg_has_role('ledgersafe_app', oid, 'MEMBER')"""
    assert superuser.execute(owned.encode()).fetchall() == []
    can = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = 'ledgersafe_app'"
    assert superuser.execute(can).fetchall() == [(False,) * 5]


def test_its_back_doors_are_the_known_ones(superuser: psycopg.Connection) -> None:
    """What runs with the owner's rights: makes partitions, and redacts bodies on record. Each pins its search_path."""
    sql = f"""
    SELECT p.oid::regprocedure::text, proconfig FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
    WHERE nspname IN {SCHEMAS} AND prosecdef AND has_function_privilege('ledgersafe_app', p.oid, 'EXECUTE') ORDER BY 1"""
    found: dict[str, list[str] | None] = dict(superuser.execute(sql.encode()).fetchall())
    assert "bronze.ensure_partition(text,uuid,uuid)" in found
    assert all(any("search_path=pg_catalog, pg_temp" in one for one in settings or ()) for settings in found.values())
    assert {name.partition("(")[0] for name in found} <= BACK_DOORS


@pytest.mark.parametrize(
    ("table", "key", "kind", "function"),
    [
        ("bronze.events_raw", "raw_id", "arrival", "bronze.redact_body"),
        ("bronze.rejected", "rejected_id", "rejected", "bronze.redact_rejected_body"),
    ],
)
def test_a_redaction_needs_an_audit_row_and_chooses_no_text(
    books: TestDatabase, superuser: psycopg.Connection, table: str, key: str, kind: str, function: str
) -> None:
    """Without one it is refused; with one, the body is the fixed text, whatever the caller would like."""
    row = superuser.execute(f"SELECT tenant_id, {key} FROM {table} LIMIT 1".encode()).fetchone()
    assert row is not None, f"{table} has no rows to try it on"
    call = f"SELECT {function}(%s, %s)".encode()
    with psycopg.connect(books.app_url, autocommit=True) as app:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="does not say who redacts"):
            app.execute(call, row)
        with app.transaction(force_rollback=True):
            app.execute(
                """INSERT INTO audit.audit_log (tenant_id, audit_id, occurred_at, actor, action, object_type, object_id)
                VALUES (%s, gen_random_uuid(), now(), 'system', %s, %s, %s)""",
                [row[0], f"{kind}.redacted", kind, str(row[1])],
            )
            assert app.execute(call, row).fetchone() == (True,)
            body = app.execute(f"SELECT body FROM {table} WHERE tenant_id = %s AND {key} = %s".encode(), row).fetchone()
            assert body == (b'{"redacted":true}',)
