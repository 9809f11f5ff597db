"""Connections and transactions. A transaction is a pipeline: statements are sent at once, answers fetched when needed.

Transactions are opened in `ledgersafe.pipeline` only (a house rule): a verb is one transaction.
"""

import select
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Generic, LiteralString, TypedDict, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import scalar_row
from psycopg_pool import ConnectionPool

from ledgersafe.db.errors import DatabaseError, DatabaseUnavailable
from ledgersafe.db.reading import read_into
from ledgersafe.db.translate import translated

Row = TypeVar("Row")
Parameters = Mapping[str, Any]
_TAKE_TIME = b"SELECT set_config('statement_timeout', %(milliseconds)s, true)"
_WAIT_FOR_LOCKS = b"SELECT set_config('lock_timeout', %(milliseconds)s, true)"
_PIPELINED = 6
"""How many statements of full length one wait may be for: a pipeline's answers are waited for together."""


class _Connection(psycopg.Connection[Any]):
    """Gives up a server that neither answers nor hangs up: it is not there to count its own statement_timeout.

    `patience`: seconds to wait for one answer.
    """

    patience: float | None = None

    def wait(self, gen: PQGen[Row], interval: float = 0.1, timeout: float | None = None) -> Row:
        """As its parent does, but not forever."""
        return super().wait(gen, interval, self.patience if timeout is None else timeout)


class ConnectionOptions(TypedDict):
    """How every connection is made."""

    autocommit: bool
    connect_timeout: int
    options: str


class Rows(ABC, Generic[Row]):
    """The rows that a statement will return; asking for them may wait for the server."""

    __slots__ = ()

    @abstractmethod
    def all(self) -> list[Row]:
        """Every row."""

    @abstractmethod
    def first(self) -> Row | None:
        """The first row, or None where there is none."""

    def types(self) -> dict[str, str]:
        """The columns and their types, as Postgres names them: also of no row. Raises NotImplementedError elsewhere."""
        raise NotImplementedError(type(self).__name__)

    def one(self) -> Row:
        """The only row. Raises LookupError where there is none."""
        row = self.first()
        if row is None:
            raise LookupError("a statement that always returns a row returned none")
        return row


class Tx(ABC):
    """An open transaction. Statements come from a `queries.sql`, parameters by name."""

    __slots__ = ("forgotten",)

    def __init__(self) -> None:
        self.forgotten = False

    @abstractmethod
    def execute(self, statement: bytes, parameters: Parameters | None = None) -> None:
        """Send a statement that returns no rows; what is wrong with it is raised later, at the latest at the commit."""

    @abstractmethod
    def copy(self, statement: bytes, rows: Sequence[str] | bytes) -> None:
        """Send rows to a COPY … FROM STDIN, and wait until they are stored.

        Lines are in the text format (`db.copying`); bytes are in the format that the statement names.
        """

    @abstractmethod
    def query(
        self, row: type[Row], statement: bytes, parameters: Parameters | None = None, *, binary: bool = False
    ) -> Rows[Row]:
        """Send a statement whose rows are read into the dataclass or struct `row` by column name.

        `binary`: have values come in Postgres's own format, which is cheaper where bytea is among them.
        """

    @abstractmethod
    def scalars(self, kind: type[Row], statement: bytes, parameters: Parameters | None = None) -> Rows[Row]:
        """Send a statement of one column, whose values are of type `kind`."""

    def look_up_by_index(self) -> None:
        """Have this transaction's statements find rows by index, never by reading a table through.

        For verbs that only look up keys: until a young table has been analysed, the planner takes it for empty, and a
        foreign key that was planned then reads all of it for every row that is inserted. Without bitmaps, sorted keys
        are met in their order, so that rows are locked in it.
        """
        self.execute(b"SET LOCAL enable_seqscan = off")
        self.execute(b"SET LOCAL enable_bitmapscan = off")

    def join_by_hash(self) -> None:
        """Have what follows in this transaction meet two tables in one pass over each, never row by row.

        For statements over all rows of some tenants: where statistics are of many small tenants, the planner takes an
        index, or an order, for as good by the tenant alone, and then reads all of a large one for every row of it.
        """
        self.execute(b"SET LOCAL enable_nestloop = off")
        self.execute(b"SET LOCAL enable_mergejoin = off")

    def take_time(self, seconds: float) -> None:
        """Let each statement of this transaction take so long: for verbs that read whole tables."""
        self.execute(_TAKE_TIME, {"milliseconds": str(int(seconds * 1000))})

    def wait_for_locks(self, seconds: float) -> None:
        """Let no statement of this transaction wait longer for a lock: TryAgain is raised then."""
        self.execute(_WAIT_FOR_LOCKS, {"milliseconds": str(int(seconds * 1000))})

    def forget(self) -> None:
        """Have the transaction rolled back, not committed, when its block ends: for dry runs."""
        self.forgotten = True


class _CursorRows(Rows[Row], Generic[Row]):
    __slots__ = ("_cursor",)

    def __init__(self, cursor: "psycopg.Cursor[Row]") -> None:
        self._cursor = cursor

    def all(self) -> list[Row]:
        return self._cursor.fetchall()

    def first(self) -> Row | None:
        return self._cursor.fetchone()

    def types(self) -> dict[str, str]:
        known = self._cursor.adapters.types
        found = {column.name: known.get(column.type_code) for column in self._cursor.description or ()}
        return {name: "text" if kind is None else kind.name for name, kind in found.items()}


class _ConnectionTx(Tx):
    """A transaction on a connection. Its pipeline is closed for a COPY, which Postgres takes by itself only."""

    __slots__ = ("_connection", "_is_piped", "_pipelines")

    def __init__(self, connection: _Connection, pipelines: ExitStack) -> None:
        super().__init__()
        self._connection = connection
        self._pipelines = pipelines
        self._is_piped = False

    def execute(self, statement: bytes, parameters: Parameters | None = None) -> None:
        self._piped().execute(statement, parameters)

    def copy(self, statement: bytes, rows: Sequence[str] | bytes) -> None:
        self._pipelines.close()
        self._is_piped = False
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(rows if isinstance(rows, bytes) else "".join(rows))

    def query(
        self, row: type[Row], statement: bytes, parameters: Parameters | None = None, *, binary: bool = False
    ) -> Rows[Row]:
        cursor = self._piped().cursor(row_factory=read_into(row), binary=binary)
        cursor.execute(statement, parameters)
        return _CursorRows(cursor)

    def take_time(self, seconds: float) -> None:
        super().take_time(seconds)
        self._connection.patience = _PIPELINED * seconds

    def scalars(self, kind: type[Row], statement: bytes, parameters: Parameters | None = None) -> Rows[Row]:
        cursor = self._piped().cursor(row_factory=scalar_row)
        cursor.execute(statement, parameters)
        return _CursorRows(cursor)

    def _piped(self) -> _Connection:
        if not self._is_piped:
            self._pipelines.enter_context(self._connection.pipeline())
            self._is_piped = True
        return self._connection


class Database:
    """A pool of connections to one database, all acting as one role.

    `url` and `options` say how it connects, for who needs a connection of another kind (`db.line`).
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
        self.url = url
        self.options = ConnectionOptions(
            autocommit=True,
            connect_timeout=5,
            options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
        )
        self._patience = _PIPELINED * statement_timeout
        self._pool: ConnectionPool[_Connection] = ConnectionPool(
            url,
            connection_class=_Connection,
            min_size=0,
            max_size=size,
            timeout=min(statement_timeout, 5),
            max_idle=300,
            reconnect_timeout=5,
            kwargs=dict(self.options),
            open=True,
        )

    def close(self) -> None:
        """Close every connection. Transactions under way are rolled back."""
        self._pool.close(timeout=5)

    @contextmanager
    def transaction(self, begin: LiteralString = "BEGIN", *, patience: float | None = None) -> Generator[Tx]:
        """One transaction: committed when the block ends, rolled back when it raises.

        `patience`: seconds to wait for a connection, and for each answer, where the usual ones are too many.
        Once this returns, what was written is durable (`synchronous_commit=on`). Raises DatabaseUnavailable, TryAgain
        or StatementRefused; a connection lost during the commit leaves the outcome unknown, and raises too.
        """
        with translated():
            connection = self._live_connection(patience)
        connection.patience = patience or self._patience
        try:
            with translated():
                with ExitStack() as pipelines:
                    tx = _ConnectionTx(connection, pipelines)
                    tx.execute(begin.encode())
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

    def _live_connection(self, patience: float | None) -> _Connection:
        """Of those that a restarted server left behind, each would fail one request."""
        for _ in range(self._pool.max_size):
            connection = self._pool.getconn(patience)
            if not hung_up(connection):
                return connection
            connection.close()
            self._pool.putconn(connection)
        return self._pool.getconn(patience)

    @contextmanager
    def snapshot(self, *, patience: float | None = None) -> Generator[Tx]:
        """A read-only transaction that sees one state of the database throughout. `patience`: as above."""
        with self.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", patience=patience) as tx:
            yield tx


def hung_up(connection: psycopg.BaseConnection[Any]) -> bool:
    """Whether the server has ended an open connection while nobody used it: an idle one has nothing else to say.

    No question is sent: the system is asked whether there is something to read, in microseconds and not a round trip.
    """
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


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
