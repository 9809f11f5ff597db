"""Work that waits in the database and is claimed there, beside the schedule. To add a kind, add one line."""

from collections.abc import Callable
from datetime import timedelta

import structlog

from ledgersafe.bootstrap import Runtime
from ledgersafe.db.errors import DatabaseUnavailable, TryAgain
from ledgersafe.ledger.store import ExportName
from ledgersafe.pipeline import bulk, export
from ledgersafe.pipeline.promote import promote, tenants_to_post
from ledgersafe.pipeline.refresh import refresh
from ledgersafe.quarantine.store import RunName

Task = Callable[[Runtime], bool]
"""runtime → whether anything was done."""
_LATELY = timedelta(minutes=5)
_log = structlog.get_logger()


def bulk_runs(runtime: Runtime) -> bool:
    """A chunk of every bulk run that has work: none of them holds up another, not even by failing."""
    done = [_work_off(runtime, name) for name in bulk.running(runtime.database)]
    return any(done)


def _work_off(runtime: Runtime, name: RunName) -> bool:
    """A chunk of one run; where a bug stops it, the others go on, and the next round tries it again."""
    try:
        return bulk.work_off(runtime.database, name, runtime.clock.now(), runtime.settings.future_seconds)
    except (DatabaseUnavailable, TryAgain):
        raise
    except Exception as error:  # noqa: BLE001 - it is logged, and the run stays where it is
        _log.error("bulk_run_failed", run=str(name.run_id), exc_info=error)
        return False


def posting(runtime: Runtime) -> bool:
    """A batch of every tenant that has something to post, in turn."""
    now = runtime.clock.now
    return sum(bool(promote(runtime.database, tenant_id, now())) for tenant_id in tenants_to_post(runtime.database)) > 0


def refreshing(runtime: Runtime) -> bool:
    """Gold tables of sums follow what was posted; what is older than a moment, and the others, are on the schedule."""
    since = runtime.clock.now() - _LATELY
    done = refresh(runtime.database, runtime.clock, since=since, at_once=True, in_background=True)
    return any(one.error is None for one in done)


def exporting(runtime: Runtime) -> bool:
    """A step of every export run that is under way: large ones, and those whose maker died."""
    done = [_export_on(runtime, name) for name in export.under_way(runtime.database)]
    return any(done)


def _export_on(runtime: Runtime, name: ExportName) -> bool:
    """A step of one run; where a bug stops it, the others go on, and the next round tries it again."""
    try:
        export.step(runtime.database, name, runtime.clock)
    except (DatabaseUnavailable, TryAgain):
        raise
    except Exception as error:  # noqa: BLE001 - it is logged, and the run stays where it is
        _log.error("export_failed", run=name.number, exc_info=error)
        return False
    return True


TASKS: tuple[Task, ...] = (posting, bulk_runs, exporting)
"""What takes turns; `refreshing` has a thread of its own."""
