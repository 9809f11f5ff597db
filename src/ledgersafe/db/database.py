"""Connections and transactions. A transaction is a pipeline: statements are sent at once, answers fetched when needed.

Transactions are opened in `ledgersafe.pipeline` only (a house rule): a verb is one transaction.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row, scalar_row
from psycopg_pool import ConnectionPool

from ledgersafe.db.errors import DatabaseError, DatabaseUnavailable, translated

Row = TypeVar("Row")
Parameters = Mapping[str, Any]
_Connection = psycopg.Connection[Any]


class Rows(Generic[Row]):
    """The rows that a statement will return; asking for them waits for the server."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: "psycopg.Cursor[Row]") -> None:
        self._cursor = cursor

    def all(self) -> list[Row]:
        """Every row."""
        return self._cursor.fetchall()

    def first(self) -> Row | None:
        """The first row, or None where there is none."""
        return self._cursor.fetchone()

    def one(self) -> Row:
        """The only row. Raises LookupError where there is none."""
        row = self._cursor.fetchone()
        if row is None:
            raise LookupError("a statement that always returns a row returned none")
        return row


class Tx:
    """An open transaction. Statements come from a `queries.sql`, parameters by name."""

    __slots__ = ("_connection", "forgotten")

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self.forgotten = False

    def forget(self) -> None:
        """Have the transaction rolled back, not committed, when its block ends: for dry runs."""
        self.forgotten = True

    def execute(self, statement: bytes, parameters: Parameters | None = None) -> None:
        """Send a statement that returns no rows; what is wrong with it is raised later, at the latest at the commit."""
        self._connection.execute(statement, parameters)

    def query(self, row: type[Row], statement: bytes, parameters: Parameters | None = None) -> Rows[Row]:
        """Send a statement whose rows are read into the dataclass `row` by column name."""
        cursor = self._connection.cursor(row_factory=class_row(row))
        cursor.execute(statement, parameters)
        return Rows(cursor)

    def scalars(self, kind: type[Row], statement: bytes, parameters: Parameters | None = None) -> Rows[Row]:
        """Send a statement of one column, whose values are of type `kind`."""
        del kind  # it only tells the type checker
        cursor = self._connection.cursor(row_factory=scalar_row)
        cursor.execute(statement, parameters)
        return Rows(cursor)


class Database:
    """A pool of connections to one database, all acting as one role.

    `role`: what every connection acts as (SET ROLE at connect), or None to stay the login of the URL.
    `statement_timeout`: seconds. Opening it makes no connection: a database that is away is met at the first use.
    """

    def __init__(self, url: str, *, size: int, role: str | None = None, statement_timeout: float = 10) -> None:
        settings = {
            "statement_timeout": str(int(statement_timeout * 1000)),
            "idle_in_transaction_session_timeout": "60000",
            "synchronous_commit": "on",
            "timezone": "UTC",
            "application_name": "ledgersafe",
        }
        if role is not None:
            settings["role"] = role
        self._pool: ConnectionPool[_Connection] = ConnectionPool(
            url,
            min_size=0,
            max_size=size,
            timeout=min(statement_timeout, 5),
            max_idle=300,
            reconnect_timeout=5,
            kwargs={
                "autocommit": True,
                "connect_timeout": 5,
                "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            },
            open=True,
        )

    def close(self) -> None:
        """Close every connection. Transactions under way are rolled back."""
        self._pool.close(timeout=5)

    @contextmanager
    def transaction(self, begin: LiteralString = "BEGIN", *, patience: float | None = None) -> Generator[Tx]:
        """One transaction: committed when the block ends, rolled back when it raises.

        `patience`: seconds to wait for a connection, where the pool's own are too many.
        Once this returns, what was written is durable (`synchronous_commit=on`). Raises DatabaseUnavailable, TryAgain
        or StatementRefused; a connection lost during the commit leaves the outcome unknown, and raises too.
        """
        with translated():
            connection = self._pool.getconn(patience)
        try:
            with translated():
                with connection.pipeline():
                    connection.execute(begin)
                    tx = Tx(connection)
                    yield tx
                    end = "ROLLBACK" if tx.forgotten else "COMMIT"
                    ended = connection.execute(end)
                if ended.statusmessage != end:
                    raise DatabaseUnavailable(f"the transaction ended as {ended.statusmessage}, not as {end}")
        except BaseException as error:
            _leave_behind(connection, error)
            raise
        finally:
            self._pool.putconn(connection)

    @contextmanager
    def snapshot(self, *, patience: float | None = None) -> Generator[Tx]:
        """A read-only transaction that sees one state of the database throughout. `patience`: as above."""
        with self.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", patience=patience) as tx:
            yield tx


def _leave_behind(connection: _Connection, error: BaseException) -> None:
    """Leave the connection usable, or closed: the pool replaces a closed one.

    Of a pipeline that failed, psycopg takes statements for prepared that the server skipped; such a connection would
    refuse them from then on, so it is not used again.
    """
    status = connection.info.transaction_status
    if isinstance(error, DatabaseError) or status == psycopg.pq.TransactionStatus.INERROR:
        connection.close()
        return
    try:
        if not connection.closed and status != psycopg.pq.TransactionStatus.IDLE:
            connection.execute("ROLLBACK")
    except psycopg.Error:
        connection.close()
