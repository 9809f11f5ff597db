"""health: whether the database answers, and the counts that a credential may see, from a few rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database
from ledgersafe.gate import store as gate

MOST_TENANTS = 1_000
_PATIENCE = 1.0
"""Seconds: who asks whether all is well wants to be told soon that it is not."""


@dataclass(frozen=True, slots=True)
class Health:
    """The database's own time, the counts of all tenants together, and those of the first MOST_TENANTS each."""

    db_time: datetime
    total: gate.Counts
    tenants: list[gate.Counts]


def health(database: Database, tenant_ids: Sequence[str] | None) -> Health:
    """The counts of these tenants, or of all. Raises DatabaseUnavailable."""
    with database.snapshot(patience=_PATIENCE) as tx:
        time = bronze.db_time(tx)
        total = gate.counter_totals(tx, tenant_ids)
        counts = gate.counters(tx, tenant_ids, MOST_TENANTS)
        return Health(time.one(), total.one(), counts.all())


def is_ready(database: Database) -> None:
    """Return if the database answers and has the schema. Raises DatabaseUnavailable, StatementRefused if not."""
    with database.snapshot(patience=_PATIENCE) as tx:
        gate.counters(tx, []).all()
