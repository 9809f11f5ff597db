"""A pool of connections, and a server that ends them."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

import psycopg
from tests.conftest import TestDatabase

from ledgersafe.db.database import Tx
from ledgersafe.db.line import Line
from ledgersafe.db.script import Steps


class _One(NamedTuple):
    number: int


def test_connections_that_the_server_ended_fail_nobody(new_database: Callable[[], TestDatabase]) -> None:
    """A server that was started anew has ended all that were idle: each would have failed one request."""
    of, size = new_database(), 5
    database = of.open(size)
    with ExitStack() as all_at_once:
        for tx in [all_at_once.enter_context(database.transaction()) for _ in range(size)]:
            assert tx.query(_One, b"SELECT 1 AS number").one() == _One(1)
    assert _end_all(of) == size, "some were not there: nothing is shown"
    for _ in range(2 * size):
        with database.transaction() as tx:
            assert tx.query(_One, b"SELECT 1 AS number").one() == _One(1)
    database.close()


def test_a_line_that_the_server_ended_fails_nobody(new_database: Callable[[], TestDatabase]) -> None:
    """The next batch of events is committed over another."""
    asyncio.run(_a_line_is_ended(new_database()))


async def _a_line_is_ended(of: TestDatabase) -> None:
    database = of.open(1)
    line = Line(database.url, database.options, patience=10)

    def ask(tx: Tx) -> Steps[int]:
        found = tx.query(_One, b"SELECT 1 AS number")
        yield
        return found.one().number

    assert await line.run(ask) == 1
    assert _end_all(of) == 1
    assert await line.run(ask) == 1
    await line.close()
    database.close()


def _end_all(of: TestDatabase) -> int:
    """How many connections of the application there were."""
    with psycopg.connect(of.superuser_url, autocommit=True) as superuser:
        rows = superuser.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'ledgersafe'"
        )
        return len(rows.fetchall())
