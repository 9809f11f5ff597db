"""sent_before: a row of a file makes one event, whatever contract reads it, in whichever of its deliveries.

By another contract, or by rules that came since, the same rows may make an event of another id: beside the first it
would count them twice. Such an event is not sent, and its rows are held; also where the id is known, as that of other
rows: a person who decides between the two would count these twice.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from ledgersafe.db.database import Tx
from ledgersafe.files import store as files
from ledgersafe.gate import store as gate

SENT_BEFORE = (
    "another event was made of its rows before, by a delivery of this file: as {!r} they would count twice where that "
    "one counts, or is yet to. If it does, ignore them; if it was let go, send them in a file of their own"
)
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class _Rest:
    """Rows from `after` on that a delivery sent, but for those that it held: it has no list of them."""

    after: int
    held: frozenset[int]


class _Spans:
    """Rows of a file, as spans of them."""

    def __init__(self, spans: Iterable[files.RowSpan | files.ArrivalSpan]) -> None:
        self._first, self._until = list[int](), list[int]()
        for first, until in sorted((span.first, span.until) for span in spans):
            if self._until and first <= self._until[-1]:
                self._until[-1] = max(self._until[-1], until)
            else:
                self._first.append(first)
                self._until.append(until)

    def __contains__(self, row: int) -> bool:
        at = bisect_right(self._first, row) - 1
        return at >= 0 and row < self._until[at]


@dataclass(frozen=True, slots=True)
class SentBefore:
    """The rows of a file, or of a sheet of it, of which events were made, by any delivery or a person.

    `own`: by the delivery that asks. `listed`: those of which arrivals is on record.
    """

    of: files.Ingestion
    sheet: str | None
    every: _Spans
    own: _Spans
    listed: _Spans
    rests: tuple[_Rest, ...]

    def second(self, tx: Tx, events: Sequence[tuple[str, Sequence[int]]]) -> dict[int, str]:
        """Of events (id, rows), those that would count rows twice: where they stand, and what is wrong.

        An event is none if its id is known, and all of its rows that were sent were sent as that id: it is a duplicate,
        or is parked. As which id rows were sent that are not listed is not known: the id is enough.
        """
        again = {at: name for at, (name, rows) in enumerate(events) if any(map(self._has, rows))}
        sent_as = self._sent_as(tx, set(again.values())) if again else dict[str, _Spans]()
        return {
            at: SENT_BEFORE.format(name[:_SHOWN])
            for at, name in again.items()
            if (same := sent_as.get(name)) is None
            or any(row in self.listed and row not in same for row in events[at][1])
        }

    def _sent_as(self, tx: Tx, names: Iterable[str]) -> Mapping[str, _Spans]:
        """By id, if it is known: the rows that were sent as it."""
        arrivals = gate.arrivals_of_keys(tx, self.of.tenant_id, sorted(names)).all()
        ids = {one.raw_id: one.idempotency_key for one in arrivals}
        spans: dict[str, list[files.ArrivalSpan]] = {name: [] for name in ids.values()}
        for span in files.rows_of_arrivals(tx, self.of, self.sheet, [*ids]).all():
            spans[ids[span.raw_id]].append(span)
        return {name: _Spans(found) for name, found in spans.items()}

    def _has(self, row: int) -> bool:
        return row in self.every or any(row > rest.after and row not in rest.held for rest in self.rests)


def sent_before(
    tx: Tx, of: files.Ingestion, sheet: str | None, among: Sequence[int] | None = None
) -> SentBefore | None:
    """By any delivery of the same bytes, and of the same sheet (None: the file has none); None: no row.

    `among`: which rows are asked for; None: all. Ask while no other delivery of the file is under way.
    """
    spans = files.rows_sent(tx, of, sheet, among).all()
    rests = [_rest(tx, of, one.ingestion_id, one.rest_after) for one in files.unlisted_senders(tx, of, sheet).all()]
    if not spans and not rests:
        return None
    own, listed = (one for one in spans if one.is_own), (one for one in spans if one.is_listed)
    return SentBefore(of, sheet, _Spans(spans), _Spans(own), _Spans(listed), tuple(rests))


def _rest(tx: Tx, of: files.Ingestion, sender: UUID, after: int) -> _Rest:
    held = files.rows_not_sent(tx, files.IngestionName(of.tenant_id, sender), after)
    return _Rest(after, frozenset(held.all()))
