"""What can go wrong in the database, in three classes that callers act on differently; psycopg's stay in this room."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests


class DatabaseError(Exception):
    """The database did not do what was asked. `sqlstate` is PostgreSQL's error code where it gave one."""

    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class DatabaseUnavailable(DatabaseError):
    """No connection, no room, no disk, or too slow: nothing is wrong with the statement, try it again later."""


class TryAgain(DatabaseError):
    """A deadlock, a serialisation failure or a lock that was not had in time: try again at once."""


class StatementRefused(DatabaseError):
    """The statement or one of its values is at fault. `constraint` is the constraint's name where one was violated."""

    def __init__(self, message: str, sqlstate: str | None = None, constraint: str | None = None) -> None:
        super().__init__(message, sqlstate)
        self.constraint = constraint


# PostgreSQL's error classes (Appendix A of its manual): connection, resources, operator intervention, system.
_UNAVAILABLE = ("08", "53", "57", "58", "25006")
_TRY_AGAIN = ("40001", "40P01", "55P03")


@contextmanager
def translated() -> Generator[None]:
    """Raise psycopg's errors as this module's."""
    try:
        yield
    except (PoolTimeout, PoolClosed, TooManyRequests) as error:
        raise DatabaseUnavailable(str(error)) from error
    except psycopg.Error as error:
        raise _translate(error) from error


def _translate(error: psycopg.Error) -> DatabaseError:
    state, message = error.sqlstate, str(error).strip()
    if state is None:
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return DatabaseUnavailable(message) if lost else StatementRefused(message)
    if state.startswith(_TRY_AGAIN):
        return TryAgain(message, state)
    if state.startswith(_UNAVAILABLE):
        return DatabaseUnavailable(message, state)
    return StatementRefused(message, state, error.diag.constraint_name)
