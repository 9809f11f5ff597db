"""What goes wrong with the embedded Postgres: one class, since nobody can do anything but read the message."""

from ledgersafe.kernel.errors import ToldPlainly


class EmbeddedPostgresError(ToldPlainly):
    """The embedded Postgres cannot be had. The message says what, where and what to do."""


class StartAbandoned(EmbeddedPostgresError):
    """The caller wanted to stop while the start was still going on."""
