"""What can go wrong in the database, in three classes that callers act on differently."""


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
