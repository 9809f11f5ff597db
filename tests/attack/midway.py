"""Killing a worker in the middle of a transaction, and knowing that it was: it is held first, and what it holds is looked at."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable

import psycopg

from tests.attack.stand import Program

_OPEN = b"""
SELECT a.pid, a.backend_xid::text, max(CASE l.relation::regclass::text WHEN 'silver.heads' THEN 'posting'
  WHEN 'gold.applied' THEN 'refreshing' WHEN 'quarantine.bulk_runs' THEN 'deciding' END)
FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock'
WHERE a.application_name = 'ledgersafe' AND a.backend_xid IS NOT NULL GROUP BY 1, 2"""
_PATIENCE = 0.4
"""Seconds: an idle worker looks four times a second."""
Open = set[tuple[int, str, str]]
"""(server process, transaction, what it does) of each that has written something."""


def under_way(superuser: psycopg.Connection) -> Open:
    """The transactions that post or refresh at this moment."""
    return {(pid, xid, doing) for pid, xid, doing in superuser.execute(_OPEN).fetchall() if doing}


def kill_in(
    worker: Program, superuser: psycopg.Connection, what: str, seconds: float, feed: Callable[[], object] | None = None
) -> Counter[str]:
    """Kill a worker, and if it can be within so many seconds, in the middle of posting or refreshing.

    `feed` gives the workers something to do, where no traffic flows by itself.
    Returns what it was in the middle of: "in posting", "in refreshing", or nothing.
    """
    assert worker.process is not None
    end = time.monotonic() + seconds
    while True:
        if feed is not None:
            feed()
        _wait_for(superuser, what, min(end, time.monotonic() + _PATIENCE))
        os.kill(worker.process.pid, signal.SIGSTOP)
        held = _held(superuser)
        if any(doing == what for _, _, doing in held) or time.monotonic() > end:
            worker.kill()
            return Counter(f"in {doing}" for _, _, doing in held)
        os.kill(worker.process.pid, signal.SIGCONT)


def _wait_for(superuser: psycopg.Connection, what: str, end: float) -> None:
    """Until somebody does that, or it is too late."""
    while time.monotonic() < end and all(doing != what for _, _, doing in under_way(superuser)):
        time.sleep(0.001)


def _held(superuser: psycopg.Connection) -> Open:
    """What is open, and does not move: it is the held worker's. Another's transaction would be another by now."""
    first = under_way(superuser)
    time.sleep(0.05)
    return first & under_way(superuser) if first else first
