"""A database for the tests of a module that keep to tenants of their own."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from ledgersafe.db.database import Database
from tests.conftest import TestDatabase
from tests.pipeline.delivering import Desk
from tests.pipeline.posting import Till


@pytest.fixture(scope="module")
def books(new_database: Callable[[], TestDatabase]) -> TestDatabase:
    """One database a module: cheaper than one a test."""
    return new_database()


@pytest.fixture(scope="module")
def db(books: TestDatabase) -> Iterator[Database]:
    """The same, opened as the application's role."""
    opened = books.open()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def superuser(books: TestDatabase) -> Iterator[psycopg.Connection]:
    """The same, past every right: to look, and to plant what the application cannot do."""
    with psycopg.connect(books.superuser_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def desk(db: Database, superuser: psycopg.Connection, tenant: str, tmp_path: Path) -> Desk:
    """A desk of the test's own, where files are brought."""
    return Desk(db, superuser, tenant, tmp_path)


@pytest.fixture
def till(db: Database, superuser: psycopg.Connection, tenant: str) -> Till:
    """A tenant of the test's own, to be posted for."""
    return Till(db, superuser, tenant, datetime.now(UTC))
