"""The worker's loop: take what is due, do it, repeat, until it is told to stop."""

import time
from collections.abc import Callable, Sequence
from threading import Event, Thread

import structlog

from ledgersafe.bootstrap import Runtime
from ledgersafe.db.errors import DatabaseUnavailable, TryAgain
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.schedule import begin, end, ensure_jobs
from ledgersafe.worker.deliveries import Deliveries
from ledgersafe.worker.filing import Filing
from ledgersafe.worker.schedule import SCHEDULE, Job
from ledgersafe.worker.tasks import TASKS, Task, refreshing

IDLE_SECONDS = 0.25
"""How long to wait when there was nothing to do: what is accepted meanwhile is posted within a second."""
_SCHEDULE_SECONDS = 1.0
_PARTING_SECONDS = 2.0
"""How long a job that is under way is waited for in the end; its lease, or the database, ends what is left of it."""
_log = structlog.get_logger()


def work(runtime: Runtime, stop: Event, *, jobs: tuple[Job, ...] = SCHEDULE) -> None:
    """Run what is due until `stop` is set. A database that is away is waited for.

    Each lane of the schedule has a thread of its own, and gold has one: what takes its time there holds up neither
    posting nor the jobs of other lanes.
    """
    worker = new_id()
    _log.info("working", worker=worker, jobs=[job.name for job in jobs])
    Deliveries(runtime, stop).start()
    Filing(runtime, stop).start()
    lanes = [_keep_lane(runtime, stop, lane, worker) for lane in _lanes(jobs)]
    lanes.append(_follow(runtime, stop))
    _repeat(stop, lambda: _do_tasks(runtime, stop), IDLE_SECONDS)
    deadline = time.monotonic() + _PARTING_SECONDS
    for lane in lanes:
        lane.join(max(deadline - time.monotonic(), 0))


def _lanes(jobs: Sequence[Job]) -> list[list[Job]]:
    """The jobs by lane, in their order."""
    return [[job for job in jobs if job.lane == lane] for lane in dict.fromkeys(job.lane for job in jobs)]


def _keep_lane(runtime: Runtime, stop: Event, jobs: Sequence[Job], worker: str) -> Thread:
    name = f"schedule-{jobs[0].lane}"
    thread = Thread(target=_keep_schedule, args=[runtime, stop, jobs, worker], name=name, daemon=True)
    thread.start()
    return thread


def _follow(runtime: Runtime, stop: Event) -> Thread:
    """Have gold follow beside posting. It rests after each round: what is posted meanwhile is added up together."""

    def round_() -> bool:
        _attempt(refreshing, runtime)
        return False

    thread = Thread(target=_repeat, args=[stop, round_, IDLE_SECONDS], name="gold", daemon=True)
    thread.start()
    return thread


def _keep_schedule(runtime: Runtime, stop: Event, jobs: Sequence[Job], worker: str) -> None:
    known = False

    def run_due() -> bool:
        nonlocal known
        if not known:
            ensure_jobs(runtime.database, {job.name: job.timing for job in jobs}, runtime.clock.now())
            known = True
        return sum(run_if_due(runtime, job, worker) for job in jobs if not stop.is_set()) > 0

    _repeat(stop, run_due, _SCHEDULE_SECONDS)


def _do_tasks(runtime: Runtime, stop: Event) -> bool:
    return sum(_attempt(task, runtime) for task in TASKS if not stop.is_set()) > 0


def _repeat(stop: Event, do: Callable[[], bool], idle_seconds: float) -> None:
    """Do it until `stop` is set, with a pause where there was nothing to do or the database is away."""
    while not stop.is_set():
        try:
            busy = do()
        except (DatabaseUnavailable, TryAgain) as error:
            _log.warning("database_unavailable", error=str(error))
            busy = False
        except Exception as error:  # noqa: BLE001 - a thread that ended here would never come back, and nobody see it
            _log.error("round_failed", exc_info=error)
            busy = False
        if not busy:
            stop.wait(idle_seconds)


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
