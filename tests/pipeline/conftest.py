"""A database for the tests of a module that keep to tenants of their own."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from ledgersafe.db.database import Database
from tests.conftest import TestDatabase


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
