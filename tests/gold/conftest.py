"""A database a module, for tests that keep to tenants of their own."""

from tests.pipeline.conftest import books, db, superuser

__all__ = ["books", "db", "superuser"]
