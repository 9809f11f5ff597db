"""Ledgersafe's API with another way to commit in it."""

from collections.abc import Callable

from ledgersafe.api import server
from ledgersafe.api.app import make_app
from ledgersafe.api.group_commit import GroupCommit, Limits
from ledgersafe.bootstrap import configure_logging, runtime
from ledgersafe.db.database import Database


def serve_with(queue_of: Callable[[Database, Limits], GroupCommit], port: int) -> None:
    """Serve on loopback until SIGTERM; settings as for `ledgersafe serve`."""
    parts = runtime()
    configure_logging(parts.settings)
    server.make_app = lambda parts: make_app(parts, queue_of)
    server.serve(parts, "127.0.0.1", port)
