"""Store very many events quickly, so that a database is as it would be after months."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.machine import CORES
from bench.runs import Lab
from bench.servers import STORED_DAYS

_STATEMENT = Path(__file__).with_suffix(".sql").read_bytes()
_PARKED = Path(__file__).with_name("parked.sql").read_bytes()
_COUNT = """
INSERT INTO gate.counters (tenant_id, slot, events_raw, processed, quarantined, ignored, exceptions_open)
VALUES (%(tenant)s, 0, %(events)s, %(events)s, 0, 0, 0)
"""
_COUNT_PARKED = """
UPDATE gate.counters
SET events_raw = events_raw + %(events)s, quarantined = %(events)s, exceptions_open = %(events)s
WHERE tenant_id = %(tenant)s AND slot = 0
"""
_CHUNK = 50_000


def fill(lab: Lab, database: str, tenant: str, events: int) -> None:
    """Store so many events of a tenant, then tidy up as autovacuum would have."""
    until = datetime.now(UTC) - timedelta(minutes=1)
    seconds = timedelta(days=STORED_DAYS - 1).total_seconds()
    fixed = {"tenant": tenant, "events": events, "until": until, "seconds": seconds}

    def store(first: int) -> None:
        with lab.postgres.superuser(database) as connection:
            connection.execute("SET synchronous_commit = off")  # the loading only: nobody is told that it is durable
            connection.execute(_STATEMENT, fixed | {"first": first, "last": min(first + _CHUNK - 1, events)})

    with ThreadPoolExecutor(CORES) as threads:
        for number, _ in enumerate(threads.map(store, range(1, events + 1, _CHUNK)), 1):
            if number * _CHUNK % 500_000 == 0:
                lab.say(f"  stored {number * _CHUNK:,} of {events:,}")
    with lab.postgres.superuser(database) as connection:
        connection.execute(_COUNT, fixed)
        for statement in _tidying():
            connection.execute(statement)


def park(lab: Lab, database: str, tenant: str, events: int, stores: int) -> None:
    """Have so many open exceptions of a tenant, in so many stores, whose other events are stored already."""
    until = datetime.now(UTC) - timedelta(minutes=1)
    seconds = timedelta(days=STORED_DAYS - 1).total_seconds()
    fixed = {"tenant": tenant, "events": events, "stores": stores, "until": until, "seconds": seconds}
    with lab.postgres.superuser(database) as connection:
        connection.execute("SET synchronous_commit = off")
        for first in range(1, events + 1, _CHUNK):
            connection.execute(_PARKED, fixed | {"first": first, "last": min(first + _CHUNK - 1, events)})
        connection.execute(_COUNT_PARKED, fixed)
        for statement in (*_tidying(), "VACUUM (ANALYZE) quarantine.exceptions"):
            connection.execute(statement)


def _tidying() -> Iterator[str]:
    for table in ("bronze.events_raw", "bronze.batches", "gate.events_processed", "gate.counters"):
        yield f"VACUUM (ANALYZE) {table}"
    yield "CHECKPOINT"
