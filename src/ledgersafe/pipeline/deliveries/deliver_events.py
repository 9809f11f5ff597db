"""A delivery's rows become events, and go through the same accept as events of the API, chunk by chunk.

All of a file is read and judged before the first event is sent. Each chunk commits together with which events were
sent, under the lease: who takes the delivery over makes events of all of the file again, and sends those that were not
sent. They are known by what they say and by their rows, not by their number: by another setting, or after an upgrade,
others may be held (earlier.py).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice

import orjson
import polars as pl
import stamina

from ledgersafe.contracts.datasets.checking import FAULT_COLUMNS, ROW
from ledgersafe.contracts.datasets.event_currencies import codes_by_row, codes_of, fault_of
from ledgersafe.contracts.datasets.events import EventMaker, MadeEvent
from ledgersafe.contracts.doors import FILE
from ledgersafe.db.database import Database, Tx
from ledgersafe.db.errors import StatementRefused, TryAgain
from ledgersafe.db.script import run_through
from ledgersafe.files import store as files
from ledgersafe.kernel.canonical import read_json, written
from ledgersafe.kernel.clock import Clock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import ROWS_STILL_BAD, TOO_LARGE
from ledgersafe.pipeline.accept import accept_steps
from ledgersafe.pipeline.arrival import Mapped, Parcel, default_currency, judged, read_document
from ledgersafe.pipeline.deliveries.ahead import ahead
from ledgersafe.pipeline.deliveries.delivery import (
    KEPT_OF_REJECTED,
    LeaseLost,
    Rejected,
    Tally,
    Work,
    bad_row_line,
    judge_file,
)
from ledgersafe.pipeline.deliveries.earlier import REFUSED, Chunk, Refused, earlier
from ledgersafe.pipeline.deliveries.event_groups import Gathered, gather, stored_key
from ledgersafe.tenants import store as tenants
from ledgersafe.tenants.rules import Credential
from ledgersafe.tenants.store import Tenant

ROWS_AT_ONCE = 10_000
"""How many rows become events in one transaction: some hundreds of events."""
_MARK_BYTES = 16
"""How much of an event's hash tells it from the others of its delivery."""
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
    """What became of a file. `bad_lines`: for `files.copy_bad_rows`, part by part, as there may be very many.

    `outcomes`: of all attempts together.
    """

    bad_lines: Callable[[], Iterator[list[str]]]
    outcomes: dict[str, int]
    rows_ok: int


def send_events(database: Database, work: Work, tally: Tally, sending: Sending, kept: list[str] | None = None) -> Sent:
    """Send the events of a file's whole groups; its other rows are held.

    `kept`: takes the bad rows of a file that is rejected as a whole.
    Raises UnreadableFile, Rejected (nothing was sent); LeaseLost, DatabaseError (what was sent is on record).
    """
    gathered, known = gather(work, tally), earlier(database, work)
    known.pass_by(gathered, tally)
    try:
        judge_file(work, tally)
    except Rejected:
        if kept is not None:
            kept.extend(islice(chain.from_iterable(gathered.bad_lines()), KEPT_OF_REJECTED))
        raise
    gathered.hold(tally)
    known.pass_by(gathered, tally)
    known.count_kept(tally)
    done = _Progress(database, work, sending, lambda rows, why: _held_lines(gathered, rows, why, tally))
    refused: list[Refused] = []
    for chunk in ahead(_chunks(gathered, sending, _tenant(database, work))):
        done.leave_out_sent(chunk)
        known.sift(database, chunk)
        refused += chunk.refused
        done.send(chunk.events, chunk.rows)
    if refused:
        _hold_refused(gathered, refused, tally)
    return Sent(gathered.bad_lines, dict(done.outcomes), tally.rows_in - tally.rows_bad)


class _Progress:
    """Which of the file's events are sent, by this attempt and those before it, and what became of them."""

    def __init__(self, database: Database, work: Work, sending: Sending, hold: "_Hold | None" = None) -> None:
        self._database, self._work, self._sending, self._hold = database, work, sending, hold
        self._done = work.ingestion.events_done
        self._sent = _sent_before(database, work) if self._done else Counter[bytes]()
        self.outcomes = Counter(work.ingestion.outcomes or {})

    def leave_out_sent(self, chunk: Chunk) -> None:
        """Take out of a chunk the events that another attempt sent."""
        if self._sent:
            left = [at for at, event in enumerate(chunk.events) if not self._was_sent(event)]
            chunk.events, chunk.rows = [chunk.events[at] for at in left], [chunk.rows[at] for at in left]

    def send(self, events: Sequence[Mapped], rows: Sequence[tuple[int, ...]]) -> None:
        """Accept the next events of the file. `rows`: of each of them."""
        if events:
            self._send_parts(events, rows)

    def _was_sent(self, event: Mapped) -> bool:
        """Whether another attempt sent it. Of events that are alike, it may have sent some."""
        mark = _mark(event)
        if not self._sent[mark]:
            return False
        self._sent[mark] -= 1
        return True

    def _send_parts(self, events: Sequence[Mapped], rows: Sequence[tuple[int, ...]]) -> None:
        """If they cannot be stored, they are halved until the culprit stands alone: its rows are held."""
        try:
            self._accept(events, rows)
        except StatementRefused as error:
            if not _is_of_a_value(error):
                raise
            if len(events) > 1:
                half = len(events) // 2
                self._send_parts(events[:half], rows[:half])
                self._send_parts(events[half:], rows[half:])
            elif self._hold is None:
                raise
            else:
                said = str(error).partition("\n")[0]
                self._refuse(events[0], self._hold(rows[0], f"its event cannot be stored: {said}"))

    @stamina.retry(on=TryAgain, attempts=5, wait_initial=0.01, wait_max=0.2, timeout=None)
    def _accept(self, events: Sequence[Mapped], rows: Sequence[tuple[int, ...]]) -> None:
        sending, outcomes = self._sending, self.outcomes.copy()
        tenant = _tenant(self._database, self._work)
        arrivals = [judged(event, tenant, sending.future_seconds) for event in events]
        with self._database.transaction() as tx:
            accepted = run_through(accept_steps(tx, arrivals, slot=sending.slot, rejected=()))
            outcomes.update(outcome.result for outcome in accepted)
            self._note(tx, events, outcomes)
            files.insert_origins(tx, self._work.lease.name, [outcome.raw_id for outcome in accepted], rows)
        self._done, self.outcomes = self._done + len(events), outcomes

    def _refuse(self, event: Mapped, lines: list[str]) -> None:
        """Keep an event's rows as bad rows now: who takes over passes it by."""
        outcomes = self.outcomes + Counter({REFUSED: 1})
        with self._database.transaction() as tx:
            files.copy_bad_rows(tx, lines)
            self._note(tx, [event], outcomes)
        self._done, self.outcomes = self._done + 1, outcomes

    def _note(self, tx: Tx, events: Sequence[Mapped], outcomes: Counter[str]) -> None:
        until = self._sending.clock.now() + timedelta(seconds=self._sending.lease_seconds)
        if files.note_events(tx, self._work.lease, self._done + len(events), outcomes, until).first() is None:
            raise LeaseLost
        files.insert_sent(tx, self._work.lease.name, self._done, b"".join(map(_mark, events)))


def _mark(event: Mapped) -> bytes:
    """What an event is known by, however its text is spelled and whatever its tenant takes for volatile."""
    return event.document.fingerprint()[:_MARK_BYTES]


def _sent_before(database: Database, work: Work) -> Counter[bytes]:
    """The marks of the events that other attempts sent."""
    with database.snapshot() as tx:
        parts = files.sent(tx, work.lease.name).all()
    return Counter(part[at : at + _MARK_BYTES] for part in parts for at in range(0, len(part), _MARK_BYTES))


def _is_of_a_value(error: StatementRefused) -> bool:
    """Whether a value is at fault: data, a constraint, a limit. What fails whatever the event is not held by events."""
    return error.sqlstate is None or error.sqlstate[:2] in ("22", "23", "54")


_Hold = Callable[[tuple[int, ...], str], list[str]]
"""(rows of an event, what is wrong) → lines for `files.copy_bad_rows`; they are counted."""


def _held_lines(gathered: Gathered, rows: tuple[int, ...], why: str, tally: Tally) -> list[str]:
    fault = {"column": None, "rule": "event", "value": None, "message": why}
    wanted = pl.Series(rows, dtype=pl.Int64).implode()
    keys = dict(gathered.good.filter(pl.col(ROW).is_in(wanted)).select(ROW, "_group").rows())
    lines: list[str] = []
    for batch, _ in gathered.batches:
        for row in batch.frame.filter(batch.frame[ROW].is_in(wanted)).to_dicts():
            number = row.pop(ROW)
            lines.append(bad_row_line(gathered.work, number, row, [fault], stored_key(keys[number])))
            tally.add_fault(number, None, "event", None, why)
    tally.rows_bad += len(lines)
    return lines


def _tenant(database: Database, work: Work) -> Tenant | None:
    with database.snapshot() as tx:
        return tenants.tenants(tx, [work.lease.name.tenant_id]).first()


def parcel_of(ingestion: files.Ingestion, now: datetime) -> Parcel:
    """What a file's events come in: on behalf of who delivered it, for its tenant alone."""
    actor = ingestion.received_by
    key_id = actor.removeprefix("key:") if actor.startswith("key:") else None
    credential = Credential(actor, key_id, (ingestion.tenant_id,), frozenset({"ingest"}))
    return Parcel(FILE, credential, now)


def read_made(parcel: Parcel, made: MadeEvent, most_bytes: int) -> Mapped:
    """An event that was made of rows, as one that came in through a door. Raises RequestRefused."""
    if made.fault is not None:
        raise RequestRefused(ROWS_STILL_BAD, made.fault)
    document = written(made.event) if made.has_no_numbers else read_json(orjson.dumps(made.event))
    if (size := len(document.body)) > most_bytes:
        message = f"Its event would have {size:,} bytes, {most_bytes:,} are taken."
        raise RequestRefused(TOO_LARGE, message)
    return read_document(parcel, document)


def refuse_foreign(tenant: Tenant | None, event: Mapped, codes: frozenset[str] | None) -> None:
    """Of an event that names no currency: its amounts (`codes`) must be in its store's. Raises RequestRefused."""
    why = fault_of(codes, default_currency(tenant, event.event.get("store_id")))
    if why is not None:
        raise RequestRefused(ROWS_STILL_BAD, why)


def _chunks(gathered: Gathered, sending: Sending, tenant: Tenant | None = None) -> Iterator[Chunk]:
    work, unsaid = gathered.work, codes_by_row(gathered.unsaid)
    maker = EventMaker(work.dataset, work.lease.name.tenant_id)
    for table, groups in gathered.tables(ROWS_AT_ONCE):
        parcel = parcel_of(work.ingestion, sending.clock.now())
        chunk = Chunk([], [], [])
        for made in maker.make_all(table, groups):
            try:
                event = read_made(parcel, made, sending.most_event_bytes)
                refuse_foreign(tenant, event, codes_of(unsaid, made.rows) if unsaid else None)
            except RequestRefused as refusal:
                chunk.refused.append(Refused(made.rows, refusal.detail))
            else:
                chunk.events.append(event)
                chunk.rows.append(made.rows)
        yield chunk


def _hold_refused(gathered: Gathered, refused: Sequence[Refused], tally: Tally) -> None:
    """Their rows are kept as bad rows: what is wrong is what they make together."""
    keys = dict(zip(gathered.good[ROW].to_list(), gathered.good["_group"].to_list(), strict=True))
    rows = [(number, one.why) for one in refused for number in one.rows]
    gathered.groups |= {number: keys[number] for number, _ in rows}
    found = [(number, None, "event", None, why) for number, why in rows]
    gathered.add_faults(pl.DataFrame(found, schema=FAULT_COLUMNS, orient="row"))
    tally.rows_bad += len(rows)
    for number, why in rows:
        tally.add_fault(number, None, "event", None, why)
