"""Postgres out of a wheel, in a folder: for one machine, with no other setup. Only the wheel's binaries are used."""

from ledgersafe.db.embedded.binaries import Version, psql_binary
from ledgersafe.db.embedded.errors import EmbeddedPostgresError, StartAbandoned
from ledgersafe.db.embedded.processes import die_with_parent
from ledgersafe.db.embedded.server import EmbeddedPostgres
from ledgersafe.db.embedded.state import EmbeddedUrls, connection_of, psql_environment

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "EmbeddedUrls",
    "StartAbandoned",
    "Version",
    "connection_of",
    "die_with_parent",
    "psql_binary",
    "psql_environment",
]
