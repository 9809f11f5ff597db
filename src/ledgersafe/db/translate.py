"""psycopg's errors become this project's; they stay in this room."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from ledgersafe.db.errors import DatabaseError, DatabaseUnavailable, StatementRefused, TryAgain

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
