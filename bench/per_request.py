"""The peer of group commit: the same API, the same statements, but a transaction for every request.

Usage: python -m bench.per_request PORT (settings as for `ledgersafe serve`).
"""

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ledgersafe.api import server
from ledgersafe.api.app import make_app
from ledgersafe.api.group_commit import Decided, GroupCommit, Item, Limits
from ledgersafe.bootstrap import runtime
from ledgersafe.db.database import Database
from ledgersafe.pipeline.accept import accept
from ledgersafe.pipeline.arrival import Arrival


class TransactionPerRequest(GroupCommit):
    """Commits each request by itself, on as many connections as there are threads."""

    def __init__(self, database: Database, limits: Limits) -> None:
        super().__init__(database, limits)
        self._database = database
        self._threads = ThreadPoolExecutor(max_workers=8)

    def _put(self, lane: str, items: Sequence[Item]) -> "asyncio.Future[list[Decided]]":
        del lane
        return asyncio.get_running_loop().run_in_executor(self._threads, self._accept, items)

    def _accept(self, items: Sequence[Item]) -> list[Decided]:
        arrivals = [item for item in items if isinstance(item, Arrival)]
        return [*accept(self._database, arrivals, slot=self._slot)]


if __name__ == "__main__":
    server.make_app = lambda parts: make_app(parts, TransactionPerRequest)
    server.serve(runtime(), "127.0.0.1", int(sys.argv[1]))
