"""The schedule's lanes: a job that takes its time holds up its own lane, and nothing else."""

import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread

import psycopg

from ledgersafe.bootstrap import Runtime
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.schedule import Timing
from ledgersafe.settings import Settings
from ledgersafe.worker.loop import work
from ledgersafe.worker.schedule import SCHEDULE, Job
from tests.conftest import TestDatabase
from tests.events import sale
from tests.pipeline.arrivals import accepted

SOON = 15.0


def happens(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + SOON
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return what()


def test_a_slow_job_of_gold_holds_up_neither_other_jobs_nor_posting(test_database: TestDatabase, tenant: str) -> None:
    database = test_database.open()
    runtime = Runtime(Settings(), database, SystemClock())
    stop, begun, goes_on = Event(), Event(), Event()
    ran: list[str] = []

    def slow(_: Runtime) -> str:
        begun.set()
        goes_on.wait(60)
        return ""

    def noted(name: str) -> Callable[[Runtime], str]:
        return lambda _: ran.append(name) or ""

    def job(name: str, run: Callable[[Runtime], str], lane: str) -> Job:
        return Job(
            f"{name}-{new_id()}", Timing(every=timedelta(milliseconds=100), lease=timedelta(minutes=5)), run, lane
        )

    jobs = (job("slow", slow, "gold"), job("behind", noted("behind"), "gold"), job("other", noted("other"), "common"))
    worker = Thread(target=work, args=[runtime, stop], kwargs={"jobs": jobs})
    worker.start()
    try:
        assert begun.wait(SOON)
        accepted(database, [sale(tenant, "s")])
        sql = "SELECT count(*) FROM gold.daily_store_sales WHERE tenant_id = %s"
        assert happens(lambda: ran.count("other") >= 2)
        assert happens(lambda: _count(test_database, sql, tenant) == 1), "what is posted is in gold"
        assert "behind" not in ran
        goes_on.set()
        assert happens(lambda: "behind" in ran)
    finally:
        goes_on.set()
        stop.set()
        worker.join(30)
        database.close()
    assert not worker.is_alive()


def test_a_lane_outlives_a_statement_that_is_refused(test_database: TestDatabase) -> None:
    database, stop, ran = test_database.open(), Event(), Event()
    runtime = Runtime(Settings(), database, SystemClock())
    timing = Timing(every=timedelta(milliseconds=100), lease=timedelta(minutes=5))
    jobs = (Job(f"any-{new_id()}", timing, lambda _: str(ran.set())),)
    with psycopg.connect(test_database.superuser_url, autocommit=True) as superuser:
        superuser.execute("REVOKE UPDATE ON jobs.jobs FROM ledgersafe_app")
        thread = Thread(target=work, args=[runtime, stop], kwargs={"jobs": jobs})
        thread.start()
        try:
            assert not ran.wait(2)
            superuser.execute("GRANT UPDATE ON jobs.jobs TO ledgersafe_app")
            assert ran.wait(SOON)
        finally:
            superuser.execute("GRANT UPDATE ON jobs.jobs TO ledgersafe_app")
            stop.set()
            thread.join()


def test_what_may_take_minutes_is_in_a_lane_of_its_own() -> None:
    assert {job.name for job in SCHEDULE if job.lane == "gold"} == {"smart-gold-refresh", "gold-sweep"}
    assert [job.name for job in SCHEDULE if job.name.startswith("seals") and job.lane == "common"] == [
        "seals-sweep",
        "seals",
    ]


def _count(of: TestDatabase, sql: str, tenant: str) -> int:
    with psycopg.connect(of.superuser_url) as connection:
        row = connection.execute(sql.encode(), [tenant]).fetchone()
    return row[0] if row else 0
