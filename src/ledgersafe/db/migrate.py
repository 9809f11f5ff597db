"""Numbered, forward-only migrations with checksums: what was applied once may never change afterwards."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.resources import files

import psycopg
from psycopg.rows import class_row

from ledgersafe.db.translate import translated
from ledgersafe.kernel.errors import ToldPlainly

_FILE_NAME = re.compile(r"(?P<number>[0-9]{4})_(?P<name>[a-z0-9_]+)\.sql")
_LOCK = 0x6C656467_65727361  # "ledgersa": one migration at a time in a database

_MAKE_TABLE = """
CREATE SCHEMA IF NOT EXISTS ops;
CREATE TABLE IF NOT EXISTS ops.migrations (
  number integer PRIMARY KEY,
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamptz NOT NULL
);
"""


class MigrationError(ToldPlainly):
    """The database and the migrations of this version do not fit; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `db/migrations`."""

    number: int
    name: str
    sql: bytes

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hex."""
        return sha256(self.sql).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """One row of `ops.migrations`."""

    number: int
    name: str
    checksum: str
    applied_at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """What a database has, and what it lacks."""

    applied: tuple[Applied, ...]
    pending: tuple[Migration, ...]


def known_migrations() -> tuple[Migration, ...]:
    """The migrations of this version, in order. Raises MigrationError where a number is missing or twice."""
    found: list[Migration] = []
    for file in files("ledgersafe.db").joinpath("migrations").iterdir():
        if match := _FILE_NAME.fullmatch(file.name):
            found.append(Migration(int(match["number"]), match["name"], file.read_bytes()))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError("db/migrations is not numbered 0001, 0002, … without gaps")
    return tuple(found)


def status(owner_url: str) -> Status:
    """What is applied and what is pending. Raises MigrationError where the two do not fit, DatabaseError otherwise."""
    with translated(), psycopg.connect(owner_url, autocommit=True, connect_timeout=5) as connection:
        return _compare(known_migrations(), _applied(connection))


def migrate(owner_url: str, applied_at: datetime) -> tuple[Migration, ...]:
    """Apply what is pending, each in a transaction of its own, and return it. Safe to call at the same time twice."""
    with translated(), psycopg.connect(owner_url, autocommit=True, connect_timeout=5) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        connection.execute(_MAKE_TABLE)
        pending = _compare(known_migrations(), _applied(connection)).pending
        for migration in pending:
            _apply(connection, migration, applied_at)
        return pending


def _applied(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[Applied, ...]:
    made = connection.execute("SELECT to_regclass('ops.migrations') IS NOT NULL").fetchone()
    if made is None or not made[0]:
        return ()
    with connection.cursor(row_factory=class_row(Applied)) as cursor:
        cursor.execute("SELECT number, name, checksum, applied_at FROM ops.migrations ORDER BY number")
        return tuple(cursor.fetchall())


def _compare(known: Sequence[Migration], applied: Sequence[Applied]) -> Status:
    if len(applied) > len(known):
        raise MigrationError(
            f"The database is at migration {applied[-1].number}, this version of Ledgersafe knows {len(known)}: "
            "it was migrated by a newer version. Run that version."
        )
    for ours, theirs in zip(known, applied, strict=False):
        if ours.number != theirs.number or ours.checksum != theirs.checksum:
            raise MigrationError(
                f"Migration {ours.number:04} ({ours.name}) was changed after it was applied to this database on "
                f"{theirs.applied_at:%Y-%m-%d}. Restore the file; put the change into a new migration."
            )
    return Status(tuple(applied), tuple(known[len(applied) :]))


def _apply(connection: psycopg.Connection[tuple[object, ...]], migration: Migration, applied_at: datetime) -> None:
    with connection.transaction():
        # On Citus, DDL that touches reference and distributed tables in one transaction must run shard after shard.
        connection.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")
        connection.execute(migration.sql)
        connection.execute(
            "INSERT INTO ops.migrations (number, name, checksum, applied_at) VALUES (%s, %s, %s, %s)",
            [migration.number, migration.name, migration.checksum, applied_at],
        )


def reset(owner_url: str) -> None:
    """Drop every schema of Ledgersafe, with everything in it. There is no way back."""
    statement = files("ledgersafe.db").joinpath("reset.sql").read_bytes()
    with translated(), psycopg.connect(owner_url, connect_timeout=5) as connection:
        connection.execute(statement)
