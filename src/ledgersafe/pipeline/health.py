"""health: whether the database answers, and the counts that a credential may see, from a few rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database
from ledgersafe.gate import store as gate


@dataclass(frozen=True, slots=True)
class Health:
    """The database's own time, and the counts of each tenant."""

    db_time: datetime
    tenants: list[gate.Counts]


def health(database: Database, tenant_ids: Sequence[str] | None) -> Health:
    """The counts of these tenants, or of all. Raises DatabaseUnavailable."""
    with database.snapshot() as tx:
        time = bronze.db_time(tx)
        counts = gate.counters(tx, tenant_ids)
        return Health(time.one(), counts.all())


def is_up(database: Database) -> None:
    """Return if the database answers. Raises DatabaseUnavailable if not."""
    with database.snapshot() as tx:
        bronze.db_time(tx).one()
