"""Every job of the worker: its name, how often it runs, and what it does. To add one, add one line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ledgersafe.bootstrap import Runtime
from ledgersafe.pipeline.partition import make_partitions
from ledgersafe.pipeline.rebuild import rebuild_outdated
from ledgersafe.pipeline.refresh import refresh
from ledgersafe.pipeline.refresh import sweep as sweep_gold
from ledgersafe.pipeline.release import sweep
from ledgersafe.pipeline.schedule import Timing
from ledgersafe.pipeline.seal import LATELY, Sealed, seal


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `run` does it once and says what it did. Jobs of one `lane` wait for each other, and for no others."""

    name: str
    timing: Timing
    run: Callable[[Runtime], str]
    lane: str = "common"


def _partitions_ahead(runtime: Runtime) -> str:
    made = make_partitions(runtime.database, runtime.clock.now())
    return f"made {', '.join(made)}" if made else "all there"


def _release(runtime: Runtime) -> str:
    return f"released {sweep(runtime.database, runtime.clock.now())}"


def _gold(runtime: Runtime) -> str:
    return f"applied {sweep_gold(runtime.database, runtime.clock)}"


_GOLD_LATELY = timedelta(days=1)
"""How far back the frequent refresh looks; the sweep looks at everything."""


def _gold_windows(runtime: Runtime) -> str:
    rebuilt = rebuild_outdated(runtime.database, runtime.clock)
    since = runtime.clock.now() - _GOLD_LATELY
    done = refresh(runtime.database, runtime.clock, since=since, in_background=True)
    failed = sum(one.error is not None for one in [*rebuilt, *done])
    told = f"refreshed {len({(one.table, one.tenant_id) for one in done})} tables, rebuilt {len(rebuilt)}"
    return told + (f"; {failed} failed" if failed else "")


_SEALING_SECONDS = 10.0
"""How long one run may seal: the other jobs of its lane wait meanwhile. What is left is for the next run."""


def _seal_all(runtime: Runtime) -> str:
    return _sealed(seal(runtime.database, runtime.clock, seconds=_SEALING_SECONDS))


def _seal_latest(runtime: Runtime) -> str:
    since = runtime.clock.now() - LATELY
    return _sealed(seal(runtime.database, runtime.clock, since=since, seconds=_SEALING_SECONDS))


def _sealed(made: Sequence[Sealed]) -> str:
    failed = sum(one.error is not None for one in made)
    rows = sum(one.rows for one in made)
    return f"{len(made) - failed} seals over {rows} rows" + (f"; {failed} chains failed" if failed else "")


SCHEDULE: tuple[Job, ...] = (
    Job("release-waiting", Timing(every=timedelta(minutes=1), lease=timedelta(minutes=5)), _release),
    # A table may take minutes where much changed; one run at a time is enough.
    Job("smart-gold-refresh", Timing(every=timedelta(minutes=5), lease=timedelta(minutes=30)), _gold_windows, "gold"),
    Job("gold-sweep", Timing(every=timedelta(minutes=15), lease=timedelta(minutes=30)), _gold, "gold"),
    # The sweep goes first where both are due: only its seals tell until when everything is sealed.
    Job("seals-sweep", Timing(every=timedelta(minutes=10), lease=timedelta(minutes=10)), _seal_all),
    Job("seals", Timing(every=timedelta(minutes=1), lease=timedelta(minutes=5)), _seal_latest),
    Job("partitions-ahead", Timing(every=timedelta(hours=1), lease=timedelta(minutes=5)), _partitions_ahead),
)
