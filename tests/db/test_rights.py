"""What the application may do in a database that is closed to everybody, as the embedded one is."""

import psycopg

from ledgersafe.db.embedded import EmbeddedUrls


def test_temporary_tables_may_be_made(postgres: EmbeddedUrls) -> None:
    """Files are loaded through them. Databases that tests clone do not show it: what is taken from PUBLIC comes back."""
    with psycopg.connect(postgres.app) as connection:
        closed = connection.execute("SELECT has_database_privilege('public', current_database(), 'TEMPORARY')")
        assert closed.fetchone() == (False,)
        connection.execute("CREATE TEMP TABLE staging (a integer)")
