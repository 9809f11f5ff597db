"""The roles and the database inside a fresh cluster, said again at every start."""

from typing import Any

import psycopg

from ledgersafe.db.embedded.state import APP, OWNER, State
from ledgersafe.db.sql import Statements

_SQL = Statements("ledgersafe.db.embedded")
_CONNECT_SECONDS = 5


def ensure_roles_and_database(state: State) -> None:
    """Make what is missing, and set passwords and rights. Raises psycopg.Error."""
    with _connect(state, "postgres") as connection:
        _ensure_role(connection, OWNER, "create_owner", "bound_owner", state)
        _ensure_role(connection, APP, "create_app", "bound_app", state)
        if connection.execute(_SQL["database_exists"]).fetchone() is None:
            connection.execute(_SQL["create_database"])
        connection.execute(_SQL["close_databases"])
        connection.execute(_SQL["admit_app"])
    with _connect(state, "ledgersafe") as connection:
        connection.execute(_SQL["close_public_schema"])


def _connect(state: State, database: str) -> psycopg.Connection[Any]:
    # Parameters are put in by the client, as a utility statement takes none.
    return psycopg.connect(
        state.urls().superuser,
        dbname=database,
        autocommit=True,
        connect_timeout=_CONNECT_SECONDS,
        cursor_factory=psycopg.ClientCursor[Any],
    )


def _ensure_role(connection: psycopg.Connection[Any], role: str, create: str, bound: str, state: State) -> None:
    if connection.execute(_SQL["role_exists"], {"name": role}).fetchone() is None:
        connection.execute(_SQL[create])
    # The server writes failed statements to its log: it is told what verifies the password, not the password.
    verifier = connection.pgconn.encrypt_password(state.passwords[role].encode(), role.encode(), b"scram-sha-256")
    connection.execute(_SQL[bound], {"verifier": verifier.decode()})
