"""steer_jobs: operators see the jobs of the schedule and their runs, pause them, and have one run now. On record."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Database, Tx
from ledgersafe.jobs import store as jobs
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER, JOB_PAUSED, JOB_UNDER_WAY, NOT_FOUND
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.tenants.rules import SYSTEM_TENANT

Wish = Literal["pause", "resume", "run"]
_DONE = {"pause": "job.paused", "resume": "job.resumed", "run": "job.made_due"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as of an instant. `running`: a worker has it."""

    job: jobs.Job
    running: bool


def listed(database: Database, now: datetime) -> list[Seen]:
    """Every job that the database knows, those too that this version does not."""
    with database.snapshot() as tx:
        return [_seen(job, now) for job in jobs.jobs(tx, SYSTEM_TENANT).all()]


def runs_page(database: Database, name: str, after: tuple[datetime, UUID] | None, most: int) -> list[jobs.JobRun]:
    """One page of the runs of a job, latest first. Raises RequestRefused(NOT_FOUND)."""
    with database.snapshot() as tx:
        known = jobs.jobs(tx, SYSTEM_TENANT, name)
        found = jobs.runs(tx, SYSTEM_TENANT, name, after, most)
        if known.first() is None:
            raise _unknown(name)
        return found.all()


def steer(database: Database, name: str, wish: Wish, notes: str, by: Operator) -> Seen:
    """Pause a job, have it taken again, or make it due now; to pause what is paused changes nothing.

    Raises RequestRefused: no such job, no notes; to run: it is paused, or under way.
    """
    if not notes.strip():
        raise RequestRefused(INVALID_PARAMETER, "notes is required: say why.")
    with database.transaction() as tx:
        state = jobs.lock_job(tx, SYSTEM_TENANT, name).first()
        if state is None:
            raise _unknown(name)
        if wish == "run":
            _make_due(tx, name, state, by)
        elif state.paused != (wish == "pause"):
            jobs.set_paused(tx, SYSTEM_TENANT, name, paused=wish == "pause")
        else:
            return _seen(jobs.jobs(tx, SYSTEM_TENANT, name).one(), by.now)
        facts: dict[str, Any] = {"paused": wish == "pause"}
        entry = audit.Entry(
            SYSTEM_TENANT, by.now, by.credential.actor, _DONE[wish], "job", name, after=facts, notes=notes
        )
        audit.insert(tx, [entry])
        return _seen(jobs.jobs(tx, SYSTEM_TENANT, name).one(), by.now)


def _make_due(tx: Tx, name: str, state: jobs.JobState, by: Operator) -> None:
    if state.paused:
        raise RequestRefused(JOB_PAUSED, f"Job {name} is paused. Resume it; it runs then once it is due.")
    if state.leased_until is not None and state.leased_until > by.now:
        detail = f"Job {name} is running. Once it has ended, ask again."
        raise RequestRefused(JOB_UNDER_WAY, detail, {"Retry-After": "5"})
    jobs.make_due(tx, SYSTEM_TENANT, name, by.now)


def _seen(job: jobs.Job, now: datetime) -> Seen:
    return Seen(job, job.leased_until is not None and job.leased_until > now)


def _unknown(name: str) -> RequestRefused:
    return RequestRefused(NOT_FOUND, f"There is no job {name!r}. A worker makes its jobs when it starts.")
