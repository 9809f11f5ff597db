"""/v1/jobs: what the workers do on a schedule. Jobs belong to no tenant: they are for keys of all tenants only."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field

from ledgersafe.api.cursors import one_page, read_cursor, write_cursor
from ledgersafe.api.dependencies import Administrator, HasParts, Parts, Reader
from ledgersafe.api.shapes import Shape, Wish
from ledgersafe.jobs.store import JobRun
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import FOREIGN_TENANT
from ledgersafe.pipeline import steer_jobs
from ledgersafe.tenants.rules import Credential

router = APIRouter(tags=["jobs"])

JobName = Annotated[str, Path(min_length=1, max_length=255, description="As the list has it, e.g. seals.")]


class JobRunShape(Shape):
    """A run. Without an outcome it is under way, or its worker died. `summary`: what it did, or why it failed."""

    run_id: UUID
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    outcome: Literal["succeeded", "failed"] | None
    summary: str | None


class JobShape(Shape):
    """A job of the schedule. `attempts`: how often it failed since its last good run; it waits longer each time.

    `every_seconds`: null where no worker has said how often. `running`: `leased_by` has it, until `leased_until` at
    the latest.
    """

    name: str
    every_seconds: float | None
    due_at: datetime
    paused: bool
    running: bool
    leased_by: str | None
    leased_until: datetime | None
    attempts: int
    last_run: JobRunShape | None


class JobList(Shape):
    """Every job that the database knows."""

    items: list[JobShape]


class JobRunPage(Shape):
    """Runs, latest first; `next` is the cursor of the next page, or null at the end."""

    items: list[JobRunShape]
    next: str | None


class JobWish(Wish):
    """Why; kept in the audit log."""

    notes: str = Field(min_length=1, max_length=10_000)


@router.get("/v1/jobs", summary="The jobs of the workers")
def get_jobs(parts: HasParts, credential: Reader) -> JobList:
    """How often each runs, when it is due, how its last run ended. One that no worker knows any more is here too."""
    _of_all_tenants(credential)
    return JobList(items=[_shape(seen) for seen in steer_jobs.listed(parts.database, parts.clock.now())])


@router.get("/v1/jobs/{job_name}/runs", summary="The runs of a job")
def get_runs(
    parts: HasParts,
    credential: Reader,
    job_name: JobName,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> JobRunPage:
    """One page, latest first."""
    _of_all_tenants(credential)
    rows = steer_jobs.runs_page(parts.database, job_name, read_cursor(cursor), limit + 1)
    kept, following = one_page(rows, limit, lambda row: write_cursor(row.started_at, row.run_id))
    return JobRunPage(items=[_run_shape(row) for row in kept], next=following)


@router.post("/v1/jobs/{job_name}/pause", summary="Pause a job")
def post_pause(parts: HasParts, credential: Administrator, job_name: JobName, wish: JobWish) -> JobShape:
    """No worker takes it any more; a run that is under way goes on to its end. To pause it twice is no error."""
    return _steer(parts, credential, job_name, "pause", wish)


@router.post("/v1/jobs/{job_name}/resume", summary="Have a job run again")
def post_resume(parts: HasParts, credential: Administrator, job_name: JobName, wish: JobWish) -> JobShape:
    """When it is due; at once, if it was meanwhile."""
    return _steer(parts, credential, job_name, "resume", wish)


@router.post("/v1/jobs/{job_name}/run", summary="Have a job run now", status_code=202)
def post_run(parts: HasParts, credential: Administrator, job_name: JobName, wish: JobWish) -> JobShape:
    """It is due now: the first worker that is free takes it. 409 JOB_PAUSED, or JOB_UNDER_WAY while it runs."""
    return _steer(parts, credential, job_name, "run", wish)


def _steer(parts: Parts, credential: Credential, name: str, what: steer_jobs.Wish, wish: JobWish) -> JobShape:
    _of_all_tenants(credential)
    return _shape(steer_jobs.steer(parts.database, name, what, wish.notes, parts.operator(credential)))


def _of_all_tenants(credential: Credential) -> None:
    """Raises RequestRefused(FOREIGN_TENANT)."""
    if credential.tenant_ids is not None:
        message = "Jobs work for all tenants, and tell of them: this needs a key that serves all tenants."
        raise RequestRefused(FOREIGN_TENANT, message)


def _shape(seen: steer_jobs.Seen) -> JobShape:
    job = seen.job
    last = job.last_run()
    return JobShape(
        name=job.job_name,
        every_seconds=None if job.runs_every is None else job.runs_every.total_seconds(),
        due_at=job.due_at,
        paused=job.paused,
        running=seen.running,
        leased_by=job.leased_by,
        leased_until=job.leased_until,
        attempts=job.attempts,
        last_run=None if last is None else _run_shape(last),
    )


def _run_shape(run: JobRun) -> JobRunShape:
    return JobRunShape(
        run_id=run.run_id,
        started_at=run.started_at,
        finished_at=run.finished_at,
        seconds=None if run.finished_at is None else round((run.finished_at - run.started_at).total_seconds(), 3),
        outcome=run.outcome,
        summary=run.summary,
    )
