"""Months of bronze: made ahead, and made good where a row was there first."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database
from ledgersafe.db.errors import StatementRefused
from ledgersafe.kernel.ids import first_id_of
from ledgersafe.pipeline.partition import make_partitions

INSERT = """
INSERT INTO bronze.events_raw (tenant_id, raw_id, received_at, door, event_id, payload_hash, canonical_version, body,
                               body_sha256)
VALUES (%s, %s, %s, 'native', 'e', '', 1, '{}', '')
"""
WHERE = "SELECT tableoid::regclass::text FROM bronze.events_raw WHERE tenant_id = %s ORDER BY raw_id"


def partitions(connection: psycopg.Connection, sql: str, *parameters: Any) -> list[str]:
    return [row[0] for row in connection.execute(sql, parameters).fetchall()]


def test_rows_in_the_default_move_when_their_month_is_made(
    db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    for instant in (
        datetime(2031, 5, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2031, 6, 1, tzinfo=UTC),
        datetime(2035, 1, 1, tzinfo=UTC),
    ):
        superuser.execute(INSERT, [tenant, first_id_of(instant), instant])
    assert partitions(superuser, WHERE, tenant) == ["bronze.events_raw_default"] * 3
    now = datetime(2031, 5, 17, 8, tzinfo=UTC)
    assert make_partitions(db, now) == ["203105", "203106", "203107"]
    moved = ["bronze.events_raw_203105", "bronze.events_raw_203106", "bronze.events_raw_default"]
    assert partitions(superuser, WHERE, tenant) == moved
    assert make_partitions(db, now) == []
    assert partitions(superuser, WHERE, tenant) == moved


def test_a_month_that_was_made_good_is_like_any_other(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    instant = datetime(2041, 5, 3, tzinfo=UTC)
    superuser.execute(INSERT, [tenant, first_id_of(instant), instant])
    make_partitions(db, instant)
    later = datetime(2041, 5, 4, tzinfo=UTC)
    superuser.execute("SET ROLE ledgersafe_app")
    try:
        superuser.execute(INSERT, [tenant, first_id_of(later), later])
        with pytest.raises(psycopg.errors.UniqueViolation):
            superuser.execute(INSERT, [tenant, first_id_of(instant), instant])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            superuser.execute("DELETE FROM bronze.events_raw_204105")
    finally:
        superuser.execute("RESET ROLE")
    assert partitions(superuser, WHERE, tenant) == ["bronze.events_raw_204105"] * 2


def test_the_year_turns(db: Database) -> None:
    assert make_partitions(db, datetime(2051, 11, 30, 23, tzinfo=UTC)) == ["205111", "205112", "205201"]
    assert make_partitions(db, datetime(2051, 12, 31, 23, tzinfo=UTC)) == ["205202"]


@pytest.mark.parametrize("suffix", ["2061", "20610", "x; DROP", "206101 "])
def test_a_partition_has_a_proper_name(db: Database, suffix: str) -> None:
    lower, upper = first_id_of(datetime(2061, 1, 1, tzinfo=UTC)), first_id_of(datetime(2061, 2, 1, tzinfo=UTC))
    with pytest.raises(StatementRefused), db.transaction() as tx:
        bronze.ensure_partition(tx, suffix, lower, upper)
    with pytest.raises(StatementRefused), db.transaction() as tx:
        bronze.ensure_partition(tx, "206101", upper, lower)


def test_todays_arrivals_are_not_in_the_default(superuser: psycopg.Connection) -> None:
    """The template made this month's partition, as the worker does."""
    made = partitions(superuser, "SELECT relname FROM pg_class WHERE relname LIKE 'events_raw_2%%' AND relkind = 'r'")
    assert f"events_raw_{datetime.now(UTC):%Y%m}" in made
