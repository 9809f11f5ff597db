"""schedule: which job runs when, by whom. A lease and a run row around each job; jobs themselves open their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledgersafe.db.database import Database
from ledgersafe.jobs import store as jobs
from ledgersafe.kernel.clock import CLOCKS_DIFFER
from ledgersafe.kernel.ids import new_id
from ledgersafe.tenants.rules import SYSTEM_TENANT

_LONGEST_BACK_OFF = timedelta(minutes=15)
_FIRST_BACK_OFF = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Timing:
    """How often a job runs, and how long one run may take before another worker takes it over."""

    every: timedelta
    lease: timedelta


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is under way."""

    lease: jobs.Lease
    run_id: str
    attempts: int


def ensure_jobs(database: Database, timings: Mapping[str, Timing], now: datetime) -> None:
    """Make the rows of the jobs, by name, that this version knows of, and note how often each runs."""
    with database.transaction() as tx:
        for name in sorted(timings):
            jobs.ensure_job(tx, SYSTEM_TENANT, name, timings[name].every, now)


def begin(database: Database, name: str, worker: str, timing: Timing, now: datetime) -> Run | None:
    """Take a job that is due; None where it is not to be had."""
    lease = jobs.Lease(SYSTEM_TENANT, name, worker)
    latest = now + max(timing.every, timing.lease, _LONGEST_BACK_OFF) + CLOCKS_DIFFER
    with database.transaction() as tx:
        claimed = jobs.claim_due(tx, lease, now, now + timing.lease, latest).first()
        if claimed is None:
            return None
        run = Run(lease, new_id(), claimed.attempts)
        jobs.insert_run(tx, SYSTEM_TENANT, run.run_id, name, now)
        return run


def end(database: Database, run: Run, timing: Timing, now: datetime, *, failure: str | None, summary: str) -> None:
    """Note how a run ended. A failed job comes back sooner, and later each time it fails again."""
    attempts = 0 if failure is None else run.attempts + 1
    wait = timing.every if failure is None else min(_FIRST_BACK_OFF * 2 ** (attempts - 1), _LONGEST_BACK_OFF)
    with database.transaction() as tx:
        outcome: jobs.Outcome = "succeeded" if failure is None else "failed"
        jobs.end_run(tx, SYSTEM_TENANT, run.run_id, now, outcome, failure or summary)
        jobs.finish(tx, run.lease, now + wait, attempts)
