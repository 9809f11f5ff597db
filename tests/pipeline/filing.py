"""Deliveries in tests of the core: a file in the hands of one attempt, as a worker has it."""

import hashlib
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from ledgersafe.contracts.datasets.headers import matched
from ledgersafe.contracts.datasets.reading import checked
from ledgersafe.files import store as files
from ledgersafe.formats.kinds import kind_of
from ledgersafe.formats.rows import Bounds, Wishes
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.deliveries.deliver_events import Sending, Sent, send_events
from ledgersafe.pipeline.deliveries.delivery import Tally, Work
from tests.pipeline.posting import Till

CLOCK = SystemClock()


def put(till: Till, members: dict[str, Any]) -> None:
    """The first version of a dataset's contract."""
    with till.db.transaction() as tx:
        files.insert_contract(
            tx, till.tenant, members["dataset"], 1, orjson.dumps(members).decode(), CLOCK.now(), "test", None
        )


def received(till: Till, members: dict[str, Any], path: Path) -> str:
    """A delivery that waits; its id. The same bytes may come again."""
    sha256 = hashlib.sha256(path.read_bytes() + new_id().encode()).digest()
    new = files.NewIngestion(
        till.tenant, new_id(), members["dataset"], path.name, None, sha256, path.stat().st_size, str(path)
    )
    with till.db.transaction() as tx:
        files.insert_ingestion(tx, new, CLOCK.now(), "test")
    return new.ingestion_id


def taken(till: Till, members: dict[str, Any], path: Path, ingestion_id: str) -> Work:
    """An attempt at it; another one's lease is lost by it."""
    dataset = checked(members)
    lease = files.Lease(files.IngestionName(till.tenant, UUID(ingestion_id)), new_id())
    later = CLOCK.now() + timedelta(hours=1)
    with till.db.transaction() as tx:
        found = files.claim(tx, lease, later, later, later).one()
        files.begin_work(tx, lease, 1)
    open_it = partial(kind_of(path.name).open, path, Wishes(), Bounds())
    opened = open_it()
    return Work(lease, found, dataset, 1, matched(dataset, opened.columns), opened, open_it)


def sent(till: Till, work: Work, tally: Tally | None = None, **options: Any) -> Sent:
    """Its events sent, and the delivery ended with the bad rows that it has."""
    tally = tally or Tally()
    done = send_events(till.db, work, tally, Sending(CLOCK, 0, 600, 3_600, **options))
    with till.db.transaction() as tx:
        for lines in done.bad_lines():
            files.copy_bad_rows(tx, lines)
        ending = files.Ending("succeeded", rows_in=tally.rows_in, rows_ok=done.rows_ok, rows_bad=tally.rows_bad)
        files.finish(tx, work.lease, ending, CLOCK.now()).one()
    return done


def delivered(till: Till, members: dict[str, Any], path: Path) -> tuple[str, Sent]:
    """A file from its arrival to its end."""
    ingestion_id = received(till, members, path)
    return ingestion_id, sent(till, taken(till, members, path, ingestion_id))
