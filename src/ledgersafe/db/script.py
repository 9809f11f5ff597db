"""A transaction as a script: statements are written down first, and played to the server where the script pauses.

A verb that must serve both the event loop and plain callers is written once, as a generator that pauses (`yield`)
before it looks at rows. `run_through` runs it in a synchronous transaction, `Line.run` in an asynchronous one.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import psycopg
from psycopg.rows import AsyncRowFactory, class_row, scalar_row

from ledgersafe.db.database import Parameters, Rows, Tx

Row = TypeVar("Row")
Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""A verb that pauses: what it has written down must be played before it goes on."""


def run_through(steps: Steps[Result]) -> Result:
    """Run a verb whose transaction answers at once, and return its result."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


class PlayedRows(Rows[Row], Generic[Row]):
    """The rows of a statement of a script; they are there once it has been played."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: list[Row] | None = None

    def all(self) -> list[Row]:
        """Every row. Raises RuntimeError where the script did not pause before it looked."""
        if self.rows is None:
            raise RuntimeError("a script must pause (yield) before it looks at rows")
        return self.rows

    def first(self) -> Row | None:
        """The first row, or None where there is none."""
        rows = self.all()
        return rows[0] if rows else None


@dataclass(frozen=True, slots=True)
class _Written:
    statement: bytes
    parameters: Parameters | None
    factory: AsyncRowFactory[Any] | None
    rows: PlayedRows[Any] | None


class Script(Tx):
    """A transaction that writes statements down, to be played."""

    __slots__ = ("_written",)

    def __init__(self) -> None:
        super().__init__()
        self._written: list[_Written] = []

    def execute(self, statement: bytes, parameters: Parameters | None = None) -> None:
        """Write down a statement that returns no rows."""
        self._written.append(_Written(statement, parameters, None, None))

    def copy(self, statement: bytes, rows: Sequence[str] | bytes) -> None:
        """Raises NotImplementedError: no verb that serves the event loop copies."""
        raise NotImplementedError(statement, rows)

    def query(
        self, row: type[Row], statement: bytes, parameters: Parameters | None = None, *, binary: bool = False
    ) -> Rows[Row]:
        """Write down a statement whose rows are read into the dataclass `row` by column name, as text."""
        if binary:
            raise NotImplementedError(statement)
        return self._write(statement, parameters, class_row(row))

    def scalars(self, kind: type[Row], statement: bytes, parameters: Parameters | None = None) -> Rows[Row]:
        """Write down a statement of one column, whose values are of type `kind`."""
        del kind  # it only tells the type checker
        return self._write(statement, parameters, scalar_row)

    def _write(self, statement: bytes, parameters: Parameters | None, factory: AsyncRowFactory[Row]) -> PlayedRows[Row]:
        rows: PlayedRows[Row] = PlayedRows()
        self._written.append(_Written(statement, parameters, factory, rows))
        return rows

    async def play(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        """Send what was written down since the last time, and fetch its rows."""
        written, self._written = self._written, []
        asked: list[tuple[PlayedRows[Any], psycopg.AsyncCursor[Any]]] = []
        for one in written:
            cursor = connection.cursor() if one.factory is None else connection.cursor(row_factory=one.factory)
            await cursor.execute(one.statement, one.parameters)
            if one.rows is not None:
                asked.append((one.rows, cursor))
        for rows, cursor in asked:
            rows.rows = await cursor.fetchall()
