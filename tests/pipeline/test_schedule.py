"""When a job is to be had, and that a clock which was wrong for a while stops none."""

from datetime import UTC, datetime, timedelta

import pytest

from ledgersafe.db.database import Database
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.schedule import Timing, begin, end, ensure_jobs

NOW = datetime(2026, 2, 25, 12, tzinfo=UTC)
TIMING = Timing(every=timedelta(minutes=1), lease=timedelta(minutes=5))


@pytest.fixture
def job(db: Database) -> str:
    """A job of the test's own, due now."""
    name = f"job-{new_id()}"
    ensure_jobs(db, {name: TIMING}, NOW)
    return name


def ran(db: Database, job: str, now: datetime) -> bool:
    """Whether the job was to be had; if so, it was run."""
    run = begin(db, job, "worker", TIMING, now)
    if run is not None:
        end(db, run, TIMING, now, failure=None, summary="")
    return run is not None


def test_a_job_runs_when_it_is_due(db: Database, job: str) -> None:
    minutes = [ran(db, job, NOW + timedelta(seconds=seconds)) for seconds in (0, 1, 59, 60, 119, 120)]
    assert minutes == [True, False, False, True, False, True]


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=200)])
def test_a_clock_that_was_ahead_stops_no_job(db: Database, job: str, ahead: timedelta) -> None:
    assert ran(db, job, NOW + ahead)
    assert [ran(db, job, NOW + timedelta(seconds=seconds)) for seconds in (1, 2, 61)] == [True, False, True]


def test_a_lease_of_a_clock_that_was_ahead_ends(db: Database, job: str) -> None:
    assert begin(db, job, "dead", TIMING, NOW + timedelta(days=200)) is not None
    assert ran(db, job, NOW + timedelta(seconds=1))


def test_clocks_that_differ_a_little_take_no_lease_over(db: Database, job: str) -> None:
    assert begin(db, job, "ahead", TIMING, NOW + timedelta(minutes=90)) is not None
    assert not ran(db, job, NOW)
    assert ran(db, job, NOW + timedelta(minutes=95))
