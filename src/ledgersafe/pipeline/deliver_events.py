"""A delivery's rows become events, and go through the same accept as events of the API, chunk by chunk.

All of a file is read and judged before the first event is sent. Each chunk commits together with how far it got, under
the lease: who takes the delivery over makes the same events again, and goes on after those that are accepted.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import polars as pl
import stamina

from ledgersafe.contracts.datasets.checking import FAULT_COLUMNS, ROW
from ledgersafe.contracts.datasets.events import EventMaker, MadeEvent
from ledgersafe.contracts.doors import FILE
from ledgersafe.db.database import Database
from ledgersafe.db.errors import TryAgain
from ledgersafe.db.script import run_through
from ledgersafe.files import store as files
from ledgersafe.kernel.clock import Clock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import TOO_LARGE
from ledgersafe.pipeline.accept import accept_steps
from ledgersafe.pipeline.ahead import ahead
from ledgersafe.pipeline.arrival import Mapped, Parcel, judged, read
from ledgersafe.pipeline.delivery import LeaseLost, Rejected, Tally, Work, judge_file
from ledgersafe.pipeline.event_groups import Gathered, gather
from ledgersafe.tenants import store as tenants
from ledgersafe.tenants.rules import Credential

ROWS_AT_ONCE = 10_000
"""How many rows become events in one transaction: some hundreds of events."""
MOST_EVENT_BYTES = 1_048_576
"""The largest event that is made of rows: as large as one that the API takes by default."""


@dataclass(frozen=True, slots=True)
class Sending:
    """What sending needs. `slot`: this writer's row of the counters. `future_seconds`: allowed clock skew."""

    clock: Clock
    slot: int
    future_seconds: float
    lease_seconds: float
    most_event_bytes: int = MOST_EVENT_BYTES


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a file. `bad_lines`: for `files.copy_bad_rows`. `outcomes`: of all attempts together."""

    bad_lines: list[str]
    outcomes: dict[str, int]
    rows_ok: int


@dataclass(frozen=True, slots=True)
class _Refused:
    """A group of whose event nothing can be kept: it has no usable id, or is too large."""

    rows: tuple[int, ...]
    why: str


@dataclass(frozen=True, slots=True)
class _Chunk:
    events: list[Mapped]
    refused: list[_Refused]


def send_events(database: Database, work: Work, tally: Tally, sending: Sending, kept: list[str] | None = None) -> Sent:
    """Send the events of a file's whole groups; its other rows are held.

    `kept`: takes the bad rows of a file that is rejected as a whole.
    Raises UnreadableFile, Rejected (nothing was sent); LeaseLost, DatabaseError (what was sent is on record).
    """
    gathered = gather(work, tally)
    try:
        judge_file(work, tally)
    except Rejected:
        if kept is not None:
            kept.extend(gathered.bad_lines())
        raise
    gathered.hold(tally)
    done = _Progress(database, work, sending)
    refused: list[_Refused] = []
    for chunk in ahead(_chunks(gathered, sending)):
        refused += chunk.refused
        done.send(chunk.events)
    if refused:
        _hold_refused(gathered, refused, tally)
    return Sent(gathered.bad_lines(), dict(done.outcomes), tally.rows_in - tally.rows_bad)


class _Progress:
    """How many of the file's events are accepted, and what became of them."""

    def __init__(self, database: Database, work: Work, sending: Sending) -> None:
        self._database, self._work, self._sending = database, work, sending
        self._to_skip = self._done = work.ingestion.events_done
        self.outcomes = Counter(work.ingestion.outcomes or {})

    def send(self, events: Sequence[Mapped]) -> None:
        """Accept the next events of the file, but for those that another attempt sent."""
        skipped = min(self._to_skip, len(events))
        self._to_skip -= skipped
        if events[skipped:]:
            self._accept(events[skipped:])

    @stamina.retry(on=TryAgain, attempts=5, wait_initial=0.01, wait_max=0.2, timeout=None)
    def _accept(self, events: Sequence[Mapped]) -> None:
        lease, sending = self._work.lease, self._sending
        done, outcomes = self._done + len(events), self.outcomes.copy()
        with self._database.snapshot() as tx:
            tenant = tenants.tenants(tx, [lease.name.tenant_id]).first()
        arrivals = [judged(event, tenant, sending.future_seconds) for event in events]
        with self._database.transaction() as tx:
            for outcome in run_through(accept_steps(tx, arrivals, slot=sending.slot, rejected=())):
                outcomes[outcome.result] += 1
            until = sending.clock.now() + timedelta(seconds=sending.lease_seconds)
            if files.note_events(tx, lease, done, outcomes, until).first() is None:
                raise LeaseLost
        self._done, self.outcomes = done, outcomes


def parcel_of(ingestion: files.Ingestion, now: datetime) -> Parcel:
    """What a file's events come in: on behalf of who delivered it, for its tenant alone."""
    actor = ingestion.received_by
    key_id = actor.removeprefix("key:") if actor.startswith("key:") else None
    credential = Credential(actor, key_id, (ingestion.tenant_id,), frozenset({"ingest"}))
    return Parcel(FILE, credential, now)


def read_made(parcel: Parcel, made: MadeEvent, most_bytes: int) -> Mapped:
    """An event that was made of rows, as one that came in through a door. Raises RequestRefused."""
    body = orjson.dumps(made.event)
    if len(body) > most_bytes:
        message = f"Its event would have {len(body):,} bytes, {most_bytes:,} are taken."
        raise RequestRefused(TOO_LARGE, message)
    return read(parcel, body)


def _chunks(gathered: Gathered, sending: Sending) -> Iterator[_Chunk]:
    work = gathered.work
    maker = EventMaker(work.dataset, work.lease.name.tenant_id)
    for table, groups in gathered.tables(ROWS_AT_ONCE):
        parcel = parcel_of(work.ingestion, sending.clock.now())
        chunk = _Chunk([], [])
        for made in maker.make_all(table, groups):
            try:
                chunk.events.append(read_made(parcel, made, sending.most_event_bytes))
            except RequestRefused as refusal:
                chunk.refused.append(_Refused(made.rows, refusal.detail))
        yield chunk


def _hold_refused(gathered: Gathered, refused: Sequence[_Refused], tally: Tally) -> None:
    """Their rows are kept as bad rows: what is wrong is what they make together."""
    keys = dict(zip(gathered.good[ROW].to_list(), gathered.good["_group"].to_list(), strict=True))
    rows = [(number, one.why) for one in refused for number in one.rows]
    gathered.groups |= {number: keys[number] for number, _ in rows}
    found = [(number, None, "event", None, why) for number, why in rows]
    gathered.add_faults(pl.DataFrame(found, schema=FAULT_COLUMNS, orient="row"))
    tally.rows_bad += len(rows)
    for number, why in rows:
        tally.add_fault(number, None, "event", None, why)
