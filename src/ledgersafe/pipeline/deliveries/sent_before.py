"""sent_before: a row of a file makes one event, whatever contract reads it.

By another contract, or by rules that came since, the same rows may make an event of another id: beside the first it
would count them twice. Such an event is not sent, and its rows are held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ledgersafe.db.database import Tx
from ledgersafe.files import store as files
from ledgersafe.gate import store as gate

SENT_BEFORE = (
    "an earlier delivery of this file made another event of its rows: as {!r} they would count twice. If what was sent "
    "counts, ignore them; if not, send them in a file of their own"
)
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class _Rest:
    """Rows from `after` on that a delivery sent, but for those that it held: it has no list of them."""

    after: int
    held: frozenset[int]


@dataclass(frozen=True, slots=True)
class SentBefore:
    """The rows of a file of which its earlier deliveries made events."""

    tenant_id: str
    rows: frozenset[int]
    rests: tuple[_Rest, ...]

    def second(self, tx: Tx, events: Sequence[tuple[str, Sequence[int]]]) -> dict[int, str]:
        """Of events (id, rows), those that would count rows twice: where they stand, and what is wrong.

        An event whose id is known is none: it is a duplicate, or is parked.
        """
        again = {at: name for at, (name, rows) in enumerate(events) if any(map(self._has, rows))}
        known = set(gate.known_keys(tx, self.tenant_id, sorted(set(again.values()))).all()) if again else set[str]()
        return {at: SENT_BEFORE.format(name[:_SHOWN]) for at, name in again.items() if name not in known}

    def _has(self, row: int) -> bool:
        return row in self.rows or any(row > rest.after and row not in rest.held for rest in self.rests)


def sent_before(tx: Tx, of: files.Ingestion, sheet: str | None) -> SentBefore | None:
    """By earlier deliveries of the same bytes, and of the same sheet (None: the file has none); None: no row."""
    others = files.senders(tx, of, sheet).all()
    if not others:
        return None
    rows = files.rows_sent(tx, of.tenant_id, [one.ingestion_id for one in others]).all()
    rests = [_rest(tx, of, one.ingestion_id, one.rest_after) for one in others if one.rest_after is not None]
    return SentBefore(of.tenant_id, frozenset(rows), tuple(rests))


def _rest(tx: Tx, of: files.Ingestion, sender: UUID, after: int) -> _Rest:
    held = files.rows_not_sent(tx, files.IngestionName(of.tenant_id, sender), after)
    return _Rest(after, frozenset(held.all()))
