"""The worker's loop: take what is due, do it, repeat, until it is told to stop."""

from threading import Event

import structlog

from ledgersafe.bootstrap import Runtime
from ledgersafe.db.errors import DatabaseUnavailable, TryAgain
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.schedule import begin, end, ensure_jobs
from ledgersafe.worker.deliveries import Deliveries
from ledgersafe.worker.schedule import SCHEDULE, Job
from ledgersafe.worker.tasks import TASKS, Task

IDLE_SECONDS = 0.25
"""How long to wait when there was nothing to do: what is accepted meanwhile is posted within a second."""
_log = structlog.get_logger()


def work(runtime: Runtime, stop: Event, *, jobs: tuple[Job, ...] = SCHEDULE) -> None:
    """Run what is due until `stop` is set. A database that is away is waited for."""
    worker = new_id()
    _log.info("working", worker=worker, jobs=[job.name for job in jobs])
    Deliveries(runtime, stop).start()
    known = False
    while not stop.is_set():
        try:
            if not known:
                ensure_jobs(runtime.database, [job.name for job in jobs], runtime.clock.now())
                known = True
            busy = [job.name for job in jobs if not stop.is_set() and run_if_due(runtime, job, worker)]
            busy += [task.__name__ for task in TASKS if not stop.is_set() and _attempt(task, runtime)]
        except (DatabaseUnavailable, TryAgain) as error:
            _log.warning("database_unavailable", error=str(error))
            busy = []
        if not busy:
            stop.wait(IDLE_SECONDS)


def _attempt(task: Task, runtime: Runtime) -> bool:
    """Do a task; a bug in it is logged and waits for the next round, so that it stops nothing else."""
    try:
        return task(runtime)
    except (DatabaseUnavailable, TryAgain):
        raise
    except Exception as error:  # noqa: BLE001 - the next round tries again, and other work goes on
        _log.error("task_failed", task=task.__name__, exc_info=error)
        return False


def run_if_due(runtime: Runtime, job: Job, worker: str) -> bool:
    """Run a job if it is due and nobody runs it. Returns whether it ran."""
    run = begin(runtime.database, job.name, worker, job.timing, runtime.clock.now())
    if run is None:
        return False
    failure, summary = None, ""
    try:
        summary = job.run(runtime)
    except Exception as error:  # noqa: BLE001 - a failing job must not end the others; it is on record and comes back
        failure = f"{type(error).__name__}: {error}"
        _log.error("job_failed", job=job.name, attempts=run.attempts + 1, exc_info=error)
    end(runtime.database, run, job.timing, runtime.clock.now(), failure=failure, summary=summary)
    _log.info("job_ended", job=job.name, failure=failure, summary=summary)
    return True
