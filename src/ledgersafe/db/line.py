"""One asynchronous connection, for the one place that commits from the event loop (ADR 0004).

Handing batches to a thread cost a fifth of the rate: the two take turns at the interpreter's lock.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psycopg

from ledgersafe.db.database import ConnectionOptions, Tx, hung_up
from ledgersafe.db.errors import DatabaseError, DatabaseUnavailable
from ledgersafe.db.script import Script, Steps
from ledgersafe.db.translate import translated

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
        given_up = False

        def give_up() -> None:
            nonlocal given_up
            given_up = True
            self._hang_up()

        timer = asyncio.get_running_loop().call_later(self._patience, give_up)
        try:
            with translated():
                return await self._run(await self._connected(), steps)
        except BaseException as error:
            await self.close()
            if given_up and isinstance(error, DatabaseError):
                message = f"the database did not answer within {self._patience:g} seconds"
                raise DatabaseUnavailable(message) from None
            raise
        finally:
            timer.cancel()

    def _hang_up(self) -> None:
        """Break the line at once: of a wait that is cancelled, psycopg asks the hanging server to cancel, and waits."""
        if self._connection is not None and not self._connection.closed:
            with socket.socket(fileno=os.dup(self._connection.pgconn.socket)) as line, suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """Hang up. A transaction under way is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> "psycopg.AsyncConnection[Any]":
        if self._connection is not None and not self._connection.closed and hung_up(self._connection):
            await self.close()
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
