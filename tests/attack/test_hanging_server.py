"""A server that neither answers nor goes away is given up in time: a thread that waits for it is not lost."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from ledgersafe.db.database import Database
from ledgersafe.db.errors import DatabaseUnavailable
from tests.conftest import TestDatabase

STATEMENT_TIMEOUT = 0.3


@pytest.fixture
def hanging(test_database: TestDatabase) -> Iterator[Database]:
    """A pool of one connection, whose server process is held."""
    database = Database(test_database.app_url, size=1, role="ledgersafe_app", statement_timeout=STATEMENT_TIMEOUT)
    with database.snapshot() as tx:
        pid = tx.scalars(int, b"SELECT pg_backend_pid()").one()
    os.kill(pid, signal.SIGSTOP)
    yield database
    os.kill(pid, signal.SIGCONT)
    database.close()


def ask(database: Database, patience: float | None) -> int:
    with database.snapshot(patience=patience) as tx:
        return tx.scalars(int, b"SELECT 1").one()


@pytest.mark.parametrize(("patience", "most"), [(0.5, 2.0), (None, 12 * STATEMENT_TIMEOUT + 1)])
def test_it_is_given_up_and_the_next_connection_serves(hanging: Database, patience: float | None, most: float) -> None:
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        ask(hanging, patience)
    assert time.monotonic() - began < most
    assert ask(hanging, 5) == 1


def test_a_connection_is_patient_again_after_it_was_asked_in_a_hurry(test_database: TestDatabase) -> None:
    database = Database(test_database.app_url, size=1, role="ledgersafe_app", statement_timeout=2)
    try:
        assert ask(database, 0.2) == 1
        with database.snapshot() as tx:
            tx.execute(b"SELECT pg_sleep(0.5)")
            assert tx.scalars(int, b"SELECT 1").one() == 1
    finally:
        database.close()
