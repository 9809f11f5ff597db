"""sent_before: a row of a file makes one event, whatever contract reads it, in whichever of its deliveries.

By another contract, or by rules that came since, the same rows may make an event of another id: beside the first it
would count them twice. Such an event is not sent, and its rows are held.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ledgersafe.db.database import Tx
from ledgersafe.files import store as files
from ledgersafe.gate import store as gate

SENT_BEFORE = (
    "another event was made of its rows before, by a delivery of this file: as {!r} they would count twice. If what "
    "was sent counts, ignore them; if not, send them in a file of their own"
)
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class _Rest:
    """Rows from `after` on that a delivery sent, but for those that it held: it has no list of them."""

    after: int
    held: frozenset[int]


class _Spans:
    """Rows of a file, as spans of them that do not overlap."""

    def __init__(self, spans: Sequence[files.RowSpan]) -> None:
        ordered = sorted((span.first, span.until) for span in spans)
        self._first, self._until = [first for first, _ in ordered], [until for _, until in ordered]

    def __contains__(self, row: int) -> bool:
        at = bisect_right(self._first, row) - 1
        return at >= 0 and row < self._until[at]


@dataclass(frozen=True, slots=True)
class SentBefore:
    """The rows of a file of which events were made. `own`: by the delivery that asks; `others`: by its other ones."""

    tenant_id: str
    own: _Spans
    others: _Spans
    rests: tuple[_Rest, ...]

    def second(self, tx: Tx, events: Sequence[tuple[str, Sequence[int]]]) -> dict[int, str]:
        """Of events (id, rows), those that would count rows twice: where they stand, and what is wrong.

        An event whose id is known is none: it is a duplicate, or is parked.
        """
        again = {at: name for at, (name, rows) in enumerate(events) if any(map(self._has, rows))}
        known = set(gate.known_keys(tx, self.tenant_id, sorted(set(again.values()))).all()) if again else set[str]()
        return {at: SENT_BEFORE.format(name[:_SHOWN]) for at, name in again.items() if name not in known}

    def _has(self, row: int) -> bool:
        return (
            row in self.own
            or row in self.others
            or any(row > rest.after and row not in rest.held for rest in self.rests)
        )


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
    own, others = ([span for span in spans if span.is_own is is_own] for is_own in (True, False))
    return SentBefore(of.tenant_id, _Spans(own), _Spans(others), tuple(rests))


def _rest(tx: Tx, of: files.Ingestion, sender: UUID, after: int) -> _Rest:
    held = files.rows_not_sent(tx, files.IngestionName(of.tenant_id, sender), after)
    return _Rest(after, frozenset(held.all()))
