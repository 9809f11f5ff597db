"""A transaction a request, behind our own door: the same reading, the same rows, the same answers.

As well as it can be done: plain statements for one event, prepared, all pipelined into one round trip, and counters in
a slot for each connection, so that none waits for another's row.

Usage: python -m bench.peers.per_request loop|threads statements|single CONNECTIONS PORT. `loop`: an asynchronous pool
on the event loop; `threads`: a thread a connection. `statements`: BEGIN, a statement a table, COMMIT; `single`: one
statement with a CTE for each table, which is its own transaction.
"""

import asyncio
import itertools
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from bench.peers import one_event
from bench.peers.serving import serve_with
from ledgersafe.api.group_commit import GroupCommit, Limits
from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.accept import Outcome
from ledgersafe.pipeline.arrival import Arrival

_PREPARED = {"prepare_threshold": 0}


class OnTheLoop(GroupCommit):
    """Commits each request by itself, on connections of the event loop."""

    def __init__(self, database: Database, limits: Limits, *, form: str, connections: int) -> None:
        super().__init__(database, limits)
        self._write = _single if form == "single" else _statements
        self._slots: dict[int, int] = {}
        self._pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]](
            database.url,
            kwargs={**database.options, **_PREPARED},
            min_size=connections,
            max_size=connections,
            open=False,
        )

    def start(self) -> None:
        """Open the connections."""
        self._opening = asyncio.create_task(self._pool.open(wait=True))

    async def stop(self) -> None:
        """Close them."""
        await self._pool.close()

    async def submit(self, arrivals: Sequence[Arrival]) -> list[Outcome | RequestRefused]:
        """Commit one event."""
        (arrival,), raw_id = arrivals, new_id()
        async with self._pool.connection() as connection:
            slot = self._slots.setdefault(id(connection), len(self._slots))
            await self._write(connection, one_event.parameters(arrival, raw_id, slot))
        return [one_event.processed(arrival, raw_id)]


async def _statements(connection: psycopg.AsyncConnection[Any], parameters: Mapping[str, Any]) -> None:
    async with connection.pipeline():
        await connection.execute("BEGIN")
        await connection.execute(one_event.RAW, parameters)
        await connection.execute(one_event.BATCH, parameters)
        claimed = await connection.execute(one_event.CLAIM, parameters)
        await connection.execute(one_event.TO_POST, parameters)
        await connection.execute(one_event.COUNT, parameters)
        ended = await connection.execute("COMMIT")
    one_event.check(claimed.rowcount, committed=ended.statusmessage == "COMMIT")


async def _single(connection: psycopg.AsyncConnection[Any], parameters: Mapping[str, Any]) -> None:
    claimed = await connection.execute(one_event.SINGLE, parameters)
    one_event.check(claimed.rowcount, committed=True)


class InThreads(GroupCommit):
    """Commits each request by itself, in threads that have a connection each."""

    def __init__(self, database: Database, limits: Limits, *, form: str, connections: int) -> None:
        super().__init__(database, limits)
        self._database = database
        self._write = _single_in_thread if form == "single" else _statements_in_thread
        self._threads = ThreadPoolExecutor(connections)
        self._mine = threading.local()
        self._slots = itertools.count()

    def start(self) -> None:
        """There is nothing to start."""

    async def stop(self) -> None:
        """Let the threads end."""
        self._threads.shutdown()

    async def submit(self, arrivals: Sequence[Arrival]) -> list[Outcome | RequestRefused]:
        """Commit one event."""
        return [await asyncio.get_running_loop().run_in_executor(self._threads, self._commit, arrivals[0])]

    def _commit(self, arrival: Arrival) -> Outcome:
        mine = self._mine
        if not hasattr(mine, "connection"):
            mine.connection = psycopg.connect(self._database.url, **self._database.options, **_PREPARED)
            mine.slot = next(self._slots)
        raw_id = new_id()
        self._write(mine.connection, one_event.parameters(arrival, raw_id, mine.slot))
        return one_event.processed(arrival, raw_id)


def _statements_in_thread(connection: psycopg.Connection[Any], parameters: Mapping[str, Any]) -> None:
    with connection.pipeline():
        connection.execute("BEGIN")
        connection.execute(one_event.RAW, parameters)
        connection.execute(one_event.BATCH, parameters)
        claimed = connection.execute(one_event.CLAIM, parameters)
        connection.execute(one_event.TO_POST, parameters)
        connection.execute(one_event.COUNT, parameters)
        ended = connection.execute("COMMIT")
    one_event.check(claimed.rowcount, committed=ended.statusmessage == "COMMIT")


def _single_in_thread(connection: psycopg.Connection[Any], parameters: Mapping[str, Any]) -> None:
    one_event.check(connection.execute(one_event.SINGLE, parameters).rowcount, committed=True)


if __name__ == "__main__":
    how, form, connections, port = sys.argv[1:]
    kind = InThreads if how == "threads" else OnTheLoop
    serve_with(partial(kind, form=form, connections=int(connections)), int(port))
