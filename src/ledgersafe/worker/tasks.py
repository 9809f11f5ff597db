"""Work that waits in the database and is claimed there, beside the schedule. To add a kind, add one line."""

from collections.abc import Callable

from ledgersafe.bootstrap import Runtime
from ledgersafe.pipeline import bulk

Task = Callable[[Runtime], bool]
"""runtime → whether anything was done."""


def bulk_runs(runtime: Runtime) -> bool:
    """A chunk of every bulk run that has work: none of them holds up another."""
    settings, clock = runtime.settings, runtime.clock
    done = [
        bulk.work_off(runtime.database, name, clock.now(), settings.future_seconds)
        for name in bulk.running(runtime.database)
    ]
    return any(done)


TASKS: tuple[Task, ...] = (bulk_runs,)
