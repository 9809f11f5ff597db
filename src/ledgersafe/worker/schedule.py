"""Every job of the worker: its name, how often it runs, and what it does. To add one, add one line."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from ledgersafe.bootstrap import Runtime
from ledgersafe.pipeline.partition import make_partitions
from ledgersafe.pipeline.refresh import sweep as sweep_gold
from ledgersafe.pipeline.release import sweep
from ledgersafe.pipeline.schedule import Timing


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `run` does it once and says what it did."""

    name: str
    timing: Timing
    run: Callable[[Runtime], str]


def _partitions_ahead(runtime: Runtime) -> str:
    made = make_partitions(runtime.database, runtime.clock.now())
    return f"made {', '.join(made)}" if made else "all there"


def _release(runtime: Runtime) -> str:
    return f"released {sweep(runtime.database, runtime.clock.now())}"


def _gold(runtime: Runtime) -> str:
    return f"applied {sweep_gold(runtime.database, runtime.clock)}"


SCHEDULE: tuple[Job, ...] = (
    Job("release-waiting", Timing(every=timedelta(minutes=1), lease=timedelta(minutes=5)), _release),
    Job("gold-sweep", Timing(every=timedelta(minutes=15), lease=timedelta(minutes=10)), _gold),
    Job("partitions-ahead", Timing(every=timedelta(hours=1), lease=timedelta(minutes=5)), _partitions_ahead),
)
