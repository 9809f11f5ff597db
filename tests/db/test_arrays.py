"""Arrays as Postgres reads them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
from tests.conftest import TestDatabase

from ledgersafe.db import arrays

INSTANT = datetime(2026, 2, 25, 12, 3, 4, 123456, tzinfo=UTC)
FAR_EAST = datetime(2026, 2, 26, 11, 3, 4, 123456, tzinfo=timezone(timedelta(hours=23)))

INSTANTS: list[list[datetime | None]] = [
    [],
    [INSTANT],
    [None, None, INSTANT, None],
    [INSTANT, INSTANT, FAR_EAST, None, INSTANT],
    [datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, 23, 59, 59, tzinfo=UTC)],
    [datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)],
]
TEXTS: list[list[str | None]] = [
    [],
    ["a", "a", "b"],
    [None, None, "", "", None],
    ['"{,}\\', "NULL", "é🛒\n\t'"],
    ["x" * 70_000] * 3,
]
BYTEAS = [[], [b""], [b"a", b"a", b"\x00\xff"], [b"x" * 70_000] * 3]


def test_they_are_read_as_they_were_meant(new_database: Callable[[], TestDatabase]) -> None:
    with psycopg.connect(new_database().owner_url) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for instants in INSTANTS:
            assert _told(connection, "timestamptz", arrays.instants(instants)) == instants
        for texts in TEXTS:
            assert _told(connection, "text", arrays.texts(texts)) == texts
        for byteas in BYTEAS:
            assert _told(connection, "bytea", arrays.byteas(byteas)) == byteas


def _told(connection: "psycopg.Connection[Any]", kind: str, packed: arrays.Packed) -> list[Any]:
    """The elements, in order, as Postgres takes them from an array of this type."""
    statement = f"SELECT a FROM unnest(%s::{kind}[]) WITH ORDINALITY AS e (a, n) ORDER BY n"
    return [element for (element,) in connection.execute(statement, [packed]).fetchall()]
