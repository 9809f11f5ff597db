"""partition: make the months of bronze ahead of time, so that no arrival falls into the default partition."""

from datetime import datetime

from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database
from ledgersafe.kernel.ids import first_id_of

MONTHS_AHEAD = 2


def make_partitions(database: Database, now: datetime) -> list[str]:
    """Make this month's partition and those of the next two; returns those that were missing, as YYYYMM."""
    made: list[str] = []
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(MONTHS_AHEAD + 1):
        following = _next(month)
        with database.transaction() as tx:
            if bronze.ensure_partition(tx, f"{month:%Y%m}", first_id_of(month), first_id_of(following)):
                made.append(f"{month:%Y%m}")
        month = following
    return made


def _next(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
