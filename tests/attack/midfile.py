"""Holding a worker at a chosen stage of a delivery, and knowing that it is there: it is held first, then looked at."""

import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import psycopg

from tests.attack.stand import Program

STAGES = ("claimed", "reading", "copying", "merging", "chunk", "between", "ending")
OF_SALES = ("reading", "chunk", "between")
"""Stages that only deliveries of events have."""
_LOOK_SECONDS = 0.005
_SETTLED_SECONDS = 0.05
_LOCK_SECONDS = 8.0
"""A record is locked so long at most: its worker must be able to extend its lease."""
_AT_WORK = b"""
SELECT tenant_id, ingestion_id::text, dataset, attempts, leased_by::text, events_done, contract_version IS NOT NULL,
  (SELECT max(CASE WHEN query LIKE 'WITH merged AS%' THEN 'merging' WHEN query LIKE 'COPY "_staging"%' THEN 'copying' END)
   FROM pg_stat_activity WHERE application_name = 'ledgersafe' AND state <> 'idle')
FROM files.ingestions WHERE status = 'processing'"""
_LOCKED = b"""
SELECT FROM files.ingestions WHERE tenant_id = %s AND ingestion_id = %s AND leased_by = %s FOR NO KEY UPDATE"""
_HELD_UP = b"""
SELECT CASE WHEN query LIKE '%SET events_done%' THEN 'chunk' WHEN query LIKE '%rows_bad = %' THEN 'ending'
  WHEN query LIKE '%attempts + 1%' THEN 'claim' END
FROM pg_stat_activity WHERE application_name = 'ledgersafe' AND pg_blocking_pids(pid) @> ARRAY[pg_backend_pid()]"""


@dataclass(frozen=True, slots=True)
class Victim:
    """A delivery that a worker has. `lease`: the attempt's. `loading`: what a transaction is doing for it, if any."""

    tenant: str
    ingestion_id: str
    dataset: str
    attempts: int
    lease: str
    events_done: int
    is_begun: bool
    loading: str | None

    def is_at(self, stage: str) -> bool:
        """Whether it is there."""
        match stage:
            case "copying" | "merging":
                return self.loading == stage
            case "between":
                return self.events_done > 0
            case "reading":
                return self.dataset == "sales" and self.is_begun and self.events_done == 0
            case _:
                return self.loading is None and self.events_done == 0


def at_work(superuser: psycopg.Connection) -> list[Victim]:
    """What workers have at this moment."""
    return [Victim(*row) for row in superuser.execute(_AT_WORK).fetchall()]


@contextmanager
def held(worker: Program, superuser_url: str, stage: str, seconds: float, random: Random) -> Generator[Victim | None]:
    """A worker that is stopped at that stage for as long as the block lasts, and then whatever the block made of it.

    None where no delivery came to it within so many seconds.
    """
    with psycopg.connect(superuser_url, autocommit=True) as superuser:
        catch = _caught_at_a_lock if stage in ("chunk", "ending") else _caught
        yield catch(worker, superuser, stage, time.monotonic() + seconds, random)


def _caught(worker: Program, superuser: psycopg.Connection, stage: str, end: float, random: Random) -> Victim | None:
    """As it comes by: stopped, and looked at again. A third of those that come by go on for a while first."""
    known = {victim.lease for victim in at_work(superuser)}
    while time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
        met = [victim for victim in at_work(superuser) if victim.is_at(stage)]
        if not met or (stage == "claimed" and met[0].lease in known):
            continue
        if stage != "claimed":
            time.sleep(random.choice([0, 0, random.uniform(0, 0.3)]))
        _signal(worker, signal.SIGSTOP)
        time.sleep(_SETTLED_SECONDS)
        for victim in at_work(superuser):
            if victim.is_at(stage) and victim.lease == met[0].lease:
                return victim
        known.add(met[0].lease)
        _signal(worker, signal.SIGCONT)
    return None


def _caught_at_a_lock(
    worker: Program, superuser: psycopg.Connection, stage: str, end: float, random: Random
) -> Victim | None:
    """Its record is locked, and it waits there with all that it has written, ready to commit."""
    passing = random.randrange(2)
    while time.monotonic() < end:
        for victim in at_work(superuser):
            if not victim.is_begun or (stage == "chunk" and victim.dataset != "sales"):
                continue
            with superuser.transaction(force_rollback=True):
                if not superuser.execute(_LOCKED, [victim.tenant, victim.ingestion_id, victim.lease]).rowcount:
                    continue
                found = _waited_for(superuser, min(end, time.monotonic() + _LOCK_SECONDS))
                if found == stage and (stage == "ending" or passing == 0):
                    _signal(worker, signal.SIGSTOP)
                    time.sleep(_SETTLED_SECONDS)
                    return victim
                passing -= found == "chunk"
        time.sleep(_LOOK_SECONDS)
    return None


def _waited_for(superuser: psycopg.Connection, end: float) -> str | None:
    """What comes to the lock."""
    while time.monotonic() < end:
        superuser.execute(b"SELECT pg_stat_clear_snapshot()")
        for (found,) in superuser.execute(_HELD_UP).fetchall():
            if found is not None:
                return found
        time.sleep(_LOOK_SECONDS)
    return None


def _signal(worker: Program, number: int) -> None:
    assert worker.process is not None
    os.kill(worker.process.pid, number)
