"""One asynchronous connection, for the one place that commits from the event loop (ADR 0004).

Handing batches to a thread cost a fifth of the rate: the two take turns at the interpreter's lock.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from ledgersafe.db.database import ConnectionOptions, Tx
from ledgersafe.db.errors import DatabaseUnavailable, translated
from ledgersafe.db.script import Script, Steps

Result = TypeVar("Result")


class Line:
    """A connection that is made at the first use, and made anew after any failure. One transaction at a time.

    `patience`: seconds that a transaction may take altogether; a server that hangs is given up then.
    """

    def __init__(self, url: str, options: ConnectionOptions, *, patience: float) -> None:
        self._url = url
        self._options = options
        self._patience = patience
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def run(self, steps: Callable[[Tx], Steps[Result]]) -> Result:
        """Run a verb in one transaction, committed at its end, rolled back when it raises.

        Once this returns, what was written is durable. Raises DatabaseUnavailable, TryAgain or StatementRefused; a
        connection lost during the commit leaves the outcome unknown, and raises too.
        """
        try:
            with translated():
                async with asyncio.timeout(self._patience):
                    return await self._run(await self._connected(), steps)
        except TimeoutError:
            await self.close()
            raise DatabaseUnavailable(f"the database did not answer within {self._patience:g} seconds") from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Hang up. A transaction under way is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> "psycopg.AsyncConnection[Any]":
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url,
                autocommit=self._options["autocommit"],
                connect_timeout=self._options["connect_timeout"],
                options=self._options["options"],
            )
        return self._connection

    async def _run(self, connection: "psycopg.AsyncConnection[Any]", steps: Callable[[Tx], Steps[Result]]) -> Result:
        script = Script()
        async with connection.pipeline():
            await connection.execute("BEGIN")
            running = steps(script)
            while True:
                try:
                    next(running)
                except StopIteration as end:
                    result: Result = end.value
                    break
                await script.play(connection)
            await script.play(connection)
            ended = await connection.execute("COMMIT")
        if ended.statusmessage != "COMMIT":
            raise DatabaseUnavailable(f"the transaction ended as {ended.statusmessage}, not as COMMIT")
        return result
