"""The statements of schema jobs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.sql import Statements

SQL = Statements(__package__ or "")

Outcome = Literal["succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that is ours to run. `attempts`: failed runs since the last good one."""

    job_name: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Job:
    """A row of jobs.jobs."""

    job_name: str
    due_at: datetime
    paused: bool
    leased_by: str | None
    leased_until: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Lease:
    """Who runs which job of whom."""

    tenant_id: str
    job_name: str
    worker: str


def ensure_job(tx: Tx, tenant_id: str, job_name: str, due_at: datetime) -> None:
    """Make a job, if it is not there."""
    tx.execute(SQL["ensure_job"], {"tenant_id": tenant_id, "job_name": job_name, "due_at": due_at})


def claim_due(tx: Tx, lease: Lease, now: datetime, leased_until: datetime) -> Rows[Claimed]:
    """Take a job that is due and that nobody runs; no row where it is not to be had."""
    parameters = {
        "tenant_id": lease.tenant_id,
        "job_name": lease.job_name,
        "worker": lease.worker,
        "now": now,
        "leased_until": leased_until,
    }
    return tx.query(Claimed, SQL["claim_due"], parameters)


def finish(tx: Tx, lease: Lease, due_at: datetime, attempts: int) -> None:
    """End the lease; the job is due again then."""
    parameters = {
        "tenant_id": lease.tenant_id,
        "job_name": lease.job_name,
        "worker": lease.worker,
        "due_at": due_at,
        "attempts": attempts,
    }
    tx.execute(SQL["finish"], parameters)


def insert_run(tx: Tx, tenant_id: str, run_id: str, job_name: str, started_at: datetime) -> None:
    """Note that a run began."""
    parameters = {"tenant_id": tenant_id, "run_id": run_id, "job_name": job_name, "started_at": started_at}
    tx.execute(SQL["insert_run"], parameters)


def end_run(tx: Tx, tenant_id: str, run_id: str, finished_at: datetime, outcome: Outcome, summary: str) -> None:
    """Note how a run ended."""
    parameters = {
        "tenant_id": tenant_id,
        "run_id": run_id,
        "finished_at": finished_at,
        "outcome": outcome,
        "summary": summary,
    }
    tx.execute(SQL["end_run"], parameters)


def jobs(tx: Tx, tenant_id: str) -> Rows[Job]:
    """Every job of a tenant."""
    return tx.query(Job, SQL["jobs"], {"tenant_id": tenant_id})
