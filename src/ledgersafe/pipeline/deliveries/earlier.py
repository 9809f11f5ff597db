"""earlier: what is on record of a file's rows before an attempt sends of them, by its delivery or by another one.

By another setting, or after an upgrade, an attempt may find bad what an earlier one sent, or may make another event of
it. What was sent stays sent: it is not held, not counted as bad, and not sent as anything else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from ledgersafe.contracts.datasets.checking import ROW, Checked
from ledgersafe.db.database import Database
from ledgersafe.files import store as files
from ledgersafe.formats.rows import Batch
from ledgersafe.pipeline.arrival import Mapped
from ledgersafe.pipeline.deliveries.delivery import Tally, Work
from ledgersafe.pipeline.deliveries.event_groups import Gathered
from ledgersafe.pipeline.deliveries.sent_before import SentBefore, sent_before

REFUSED = "refused"
"""Among the outcomes: events that the database does not take, whose rows are held."""
_MOST_REFUSED = 100_000
_WITH_KEPT = "an event of others of its rows could not be stored, and those are held"


@dataclass(frozen=True, slots=True)
class Refused:
    """A group of whose event nothing can be kept: it has no usable id, or is too large."""

    rows: tuple[int, ...]
    why: str


@dataclass(slots=True)
class Chunk:
    """`rows`: of each event."""

    events: list[Mapped]
    rows: list[tuple[int, ...]]
    refused: list[Refused]


@dataclass(frozen=True, slots=True)
class Earlier:
    """`before`: the rows of which events were made. `kept`: by number, bad rows that earlier attempts wrote, as their
    events could not be stored.
    """

    before: SentBefore | None
    kept: Mapping[int, files.BadRow]

    def pass_by(self, gathered: Gathered, tally: Tally) -> None:
        """What of the bad rows and the held ones is on record already is not to be written again, and not counted."""
        if not self._knows_rows():
            return
        found: list[tuple[int, str | None, str]] = []
        for at, (batch, checked) in enumerate(gathered.batches):
            done = {row for row in checked.faults[ROW].unique() if self._is_done(row)}
            done |= {row.number for row in batch.broken if self._is_done(row.number)}
            if done:
                found += _faults_of(batch, checked, done)
                gathered.batches[at] = _without(batch, checked, done)
        held = {row for row in gathered.held[ROW] if self._is_done(row)}
        found += [(row, None, "group") for row in held]
        gathered.held = gathered.held.filter(~pl.col(ROW).is_in(list(held)))
        tally.take_back(found)

    def count_kept(self, tally: Tally) -> None:
        """The rows that an attempt before this one kept are bad rows of the delivery, too."""
        tally.rows_bad += len(self.kept)
        for row in self.kept.values():
            for fault in row.faults:
                tally.add_fault(row.row_number, None, "event", None, str(fault["message"]))

    def sift(self, database: Database, chunk: Chunk) -> None:
        """Take out of a chunk the events that are not to be sent: their rows are done, or are to be held."""
        out = self._second(database, chunk)
        for at, rows in enumerate(chunk.rows if self.kept else ()):
            if not self.kept.keys().isdisjoint(rows):
                out[at] = Refused(self._left(rows), _WITH_KEPT)
        for at in sorted(out, reverse=True):
            del chunk.events[at], chunk.rows[at]
        if self._knows_rows():
            chunk.refused = [replace(one, rows=self._left(one.rows)) for one in chunk.refused]
        chunk.refused = [one for one in [*chunk.refused, *out.values()] if one.rows]

    def _second(self, database: Database, chunk: Chunk) -> dict[int, Refused]:
        """By where they stand: events that would count rows twice, and those that this delivery sent (of no rows)."""
        if self.before is None:
            return {}
        events = [(event.event_id, rows) for event, rows in zip(chunk.events, chunk.rows, strict=True)]
        with database.snapshot() as tx:
            found = self.before.second(tx, events)
        out = {at: Refused(chunk.rows[at], why) for at, why in found.items()}
        own = self.before.own
        for at, rows in enumerate(chunk.rows if own else ()):
            if at not in out and all(row in own for row in rows):
                out[at] = Refused((), "")
        return out

    def _knows_rows(self) -> bool:
        return bool(self.kept) or (self.before is not None and bool(self.before.own))

    def _is_done(self, row: int) -> bool:
        return row in self.kept or (self.before is not None and row in self.before.own)

    def _left(self, rows: Sequence[int]) -> tuple[int, ...]:
        return tuple(row for row in rows if not self._is_done(row))


def earlier(database: Database, work: Work) -> Earlier:
    """Of a file that came for the first time, and that nobody has begun, nothing is on record: nothing is asked."""
    of = work.ingestion
    if of.replay_of is None and not of.events_done:
        return Earlier(None, {})
    with database.snapshot() as tx:
        before = sent_before(tx, of, work.opened.facts.get("sheet"))
        has_kept = (of.outcomes or {}).get(REFUSED)
        kept = files.bad_rows(tx, work.lease.name, None, 0, _MOST_REFUSED).all() if has_kept else []
    return Earlier(before, {row.row_number: row for row in kept})


def _faults_of(batch: Batch, checked: Checked, rows: set[int]) -> list[tuple[int, str | None, str]]:
    """Row, column and rule of what is wrong with these."""
    broken: list[tuple[int, str | None, str]] = [
        (row.number, None, "readable") for row in batch.broken if row.number in rows
    ]
    mine = checked.faults.filter(pl.col(ROW).is_in(list(rows)))
    return broken + mine.select(ROW, "column", "rule").rows()


def _without(batch: Batch, checked: Checked, rows: set[int]) -> tuple[Batch, Checked]:
    """The same, with nothing wrong with these rows."""
    broken = tuple(row for row in batch.broken if row.number not in rows)
    left = checked.faults.filter(~pl.col(ROW).is_in(list(rows)))
    return replace(batch, broken=broken), replace(checked, faults=left)
