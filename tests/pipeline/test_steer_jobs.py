"""What operators do to the jobs of the schedule, and what the workers make of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.pipeline.schedule import Timing, begin, end, ensure_jobs
from ledgersafe.pipeline.steer_jobs import Seen, listed, runs_page, steer
from ledgersafe.tenants.rules import SCOPES, SYSTEM_TENANT, Credential

NOW = datetime(2026, 2, 25, 12, tzinfo=UTC)
TIMING = Timing(every=timedelta(minutes=10), lease=timedelta(minutes=5))


@pytest.fixture
def job(db: Database) -> str:
    """A job of the test's own, that has run at NOW, and so is due in ten minutes."""
    name = f"job-{new_id()}"
    ensure_jobs(db, {name: TIMING}, NOW)
    assert ran(db, name, NOW, summary="sealed 3")
    return name


def by(seconds: float = 0) -> Operator:
    return Operator(Credential("key:boss", "boss", None, frozenset(SCOPES)), NOW + timedelta(seconds=seconds), 600)


def ran(db: Database, job: str, now: datetime, summary: str = "", failure: str | None = None) -> bool:
    """Whether the job was to be had; if so, it ran for two seconds."""
    run = begin(db, job, "worker", TIMING, now)
    if run is not None:
        end(db, run, TIMING, now + timedelta(seconds=2), failure=failure, summary=summary)
    return run is not None


def seen(db: Database, job: str, now: datetime = NOW) -> Seen:
    (found,) = [one for one in listed(db, now) if one.job.job_name == job]
    return found


def audited(superuser: psycopg.Connection, job: str) -> list[tuple[Any, ...]]:
    sql = "SELECT tenant_id, actor, action, after_json, notes FROM audit.audit_log WHERE object_type = 'job' AND object_id = %s ORDER BY audit_id"
    return superuser.execute(sql, [job]).fetchall()


def test_the_list_tells_how_often_when_and_how_it_went(db: Database, job: str) -> None:
    found = seen(db, job)
    last = found.job.last_run()
    assert last is not None
    assert (found.job.runs_every, found.job.due_at) == (TIMING.every, NOW + timedelta(minutes=10, seconds=2))
    assert (last.outcome, last.summary, last.finished_at) == ("succeeded", "sealed 3", NOW + timedelta(seconds=2))
    assert (found.running, found.job.paused, found.job.attempts) == (False, False, 0)
    ensure_jobs(db, {job: Timing(every=timedelta(hours=1), lease=TIMING.lease)}, NOW)
    assert seen(db, job).job.runs_every == timedelta(hours=1), "a newer version says something else"
    assert seen(db, job).job.due_at == found.job.due_at


def test_one_that_never_ran_has_no_run(db: Database) -> None:
    name = f"new-{new_id()}"
    ensure_jobs(db, {name: TIMING}, NOW)
    assert seen(db, name).job.last_run() is None


def test_a_paused_job_is_taken_by_nobody(db: Database, superuser: psycopg.Connection, job: str) -> None:
    due = NOW + timedelta(minutes=11)
    assert steer(db, job, "pause", "the disk is full", by()).job.paused
    assert not ran(db, job, due)
    assert steer(db, job, "pause", "again", by()).job.paused
    assert not steer(db, job, "resume", "there is room", by()).job.paused
    assert ran(db, job, due)
    assert audited(superuser, job) == [
        (SYSTEM_TENANT, "key:boss", "job.paused", {"paused": True}, "the disk is full"),
        (SYSTEM_TENANT, "key:boss", "job.resumed", {"paused": False}, "there is room"),
    ]


def test_a_run_that_is_under_way_ends_and_the_job_stays_paused(db: Database, job: str) -> None:
    due = NOW + timedelta(minutes=11)
    run = begin(db, job, "worker", TIMING, due)
    assert run is not None
    assert seen(db, job, due).running
    steer(db, job, "pause", "enough", by())
    end(db, run, TIMING, due, failure=None, summary="done")
    assert (seen(db, job, due).running, seen(db, job, due).job.paused) == (False, True)
    assert not ran(db, job, due + timedelta(hours=1))


def test_it_runs_when_it_is_asked_to(db: Database, superuser: psycopg.Connection, job: str) -> None:
    soon = NOW + timedelta(seconds=60)
    assert not ran(db, job, soon)
    assert steer(db, job, "run", "mended", by(60)).job.due_at == soon
    assert ran(db, job, soon)
    assert [row[2:] for row in audited(superuser, job)] == [("job.made_due", {"paused": False}, "mended")]


def test_a_job_that_failed_is_asked_before_its_time(db: Database, job: str) -> None:
    due = NOW + timedelta(minutes=11)
    for _ in range(6):
        steer(db, job, "run", "try", by(660))
        assert ran(db, job, due, failure="OSError: no space")
    found = seen(db, job, due)
    last = found.job.last_run()
    assert last is not None
    assert (found.job.attempts, last.outcome, last.summary) == (6, "failed", "OSError: no space")


@pytest.mark.parametrize(
    ("wish", "notes", "code"),
    [("pause", "x", "NOT_FOUND"), ("run", "x", "NOT_FOUND"), ("resume", " ", "INVALID_PARAMETER")],
)
def test_what_makes_no_sense_is_refused(db: Database, wish: Any, notes: str, code: str) -> None:
    with pytest.raises(RequestRefused, match=code):
        steer(db, "no such job", wish, notes, by())


def test_what_cannot_run_now_says_why(db: Database, superuser: psycopg.Connection, job: str) -> None:
    steer(db, job, "pause", "x", by())
    with pytest.raises(RequestRefused, match=r"JOB_PAUSED.*Resume it"):
        steer(db, job, "run", "x", by())
    steer(db, job, "resume", "x", by())
    assert begin(db, job, "worker", TIMING, NOW + timedelta(minutes=11)) is not None
    with pytest.raises(RequestRefused, match="JOB_UNDER_WAY"):
        steer(db, job, "run", "x", by(700))
    assert seen(db, job).job.due_at == NOW + timedelta(minutes=10, seconds=2)
    assert len(audited(superuser, job)) == 2
    assert steer(db, job, "run", "its worker died", by(3_600)).job.due_at == NOW + timedelta(hours=1)


def test_the_runs_of_a_job_page_by_page(db: Database, job: str) -> None:
    for number in range(1, 6):
        assert ran(db, job, NOW + number * timedelta(minutes=11), summary=str(number))
    whole = runs_page(db, job, None, 100)
    assert [run.summary for run in whole] == ["5", "4", "3", "2", "1", "sealed 3"]
    assert runs_page(db, job, (whole[1].started_at, whole[1].run_id), 2) == whole[2:4]
    with pytest.raises(RequestRefused, match="NOT_FOUND"):
        runs_page(db, "no such job", None, 10)
