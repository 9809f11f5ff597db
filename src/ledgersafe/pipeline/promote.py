"""promote: what was accepted is posted. A batch of one tenant is one transaction, and one bad event stops no other.

Workers claim by state and leave each other's claims alone, so any number of them may run. A fault that only the books
can show holds the key for an operator, or until the original comes that it waits for. What fails for a reason of ours
is tried again, and parked as INTERNAL_ERROR after some attempts, so that it blocks nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import stamina
import structlog

from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database, Tx
from ledgersafe.db.errors import DatabaseUnavailable, TryAgain
from ledgersafe.gate import store as gate
from ledgersafe.gate.store import ToPost
from ledgersafe.kernel.clock import CLOCKS_DIFFER
from ledgersafe.kernel.errors import Fault, RequestRefused
from ledgersafe.kernel.reasons import CONTRACT_VIOLATION, INTERNAL_ERROR
from ledgersafe.pipeline.books import Books, open_books
from ledgersafe.pipeline.candidate import Accepted, Candidate, candidate, typed
from ledgersafe.pipeline.park import Parked, keys_of, park, unpark
from ledgersafe.pipeline.post import Unposted, post
from ledgersafe.pipeline.release import take_waiting
from ledgersafe.quarantine import store as quarantine
from ledgersafe.silver.store import Name
from ledgersafe.tenants import store as tenants

BATCH = 2_000
_MOST_BYTES = 4 * 2**20
"""How much of a batch is posted at once: 2,000 receipts of usual length, or some of very many lines."""
_MOST_ATTEMPTS = 5
_FEW = 50
_TOO_SLOW = "57014"  # statement_timeout: less at once may do
_FIRST_BACK_OFF = timedelta(seconds=1)
_LONGEST_BACK_OFF = _FIRST_BACK_OFF * 2 ** (_MOST_ATTEMPTS - 2)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Promoted:
    """What one batch came to."""

    posted: int = 0
    parked: int = 0
    put_off: int = 0

    def __add__(self, other: "Promoted") -> "Promoted":
        return Promoted(self.posted + other.posted, self.parked + other.parked, self.put_off + other.put_off)

    def __bool__(self) -> bool:
        return bool(self.posted or self.parked or self.put_off)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of posting: how many were tried (a worker is at the others), why which could not be posted, and the
    transactions that others may have been waiting for.
    """

    tried: int
    unposted: Sequence[Unposted]
    arrived: Sequence[Name]


def tenants_to_post(database: Database) -> list[str]:
    """The tenants with something to post. Raises DatabaseUnavailable."""
    with database.snapshot() as tx:
        return gate.tenants_to_post(tx).all()


def promote(database: Database, tenant_id: str, now: datetime, most: int = BATCH) -> Promoted:
    """Post a batch of what one tenant has to post. Raises DatabaseUnavailable, TryAgain."""
    return _promote(database, tenant_id, now, most, None)


def _promote(database: Database, tenant_id: str, now: datetime, most: int, only: Sequence[str] | None) -> Promoted:
    claimed: list[ToPost] = []
    try:
        return _promote_once(database, tenant_id, now, most, only, claimed)
    except TryAgain:
        raise
    except Exception as error:
        if isinstance(error, DatabaseUnavailable) and error.sqlstate != _TOO_SLOW:
            raise
        if not claimed:
            if isinstance(error, DatabaseUnavailable) and most > _FEW:
                return _promote(database, tenant_id, now, _FEW, only)  # claiming itself took too long
            raise
        if len(claimed) > 1:
            return _promote_halves(database, tenant_id, now, most, claimed)
        one = claimed[0]
        _log.error("posting_failed", tenant=tenant_id, raw_id=one.raw_id, attempts=one.attempts, exc_info=error)
        return _put_off(database, tenant_id, one, now, error)


def _promote_halves(
    database: Database, tenant_id: str, now: datetime, most: int, claimed: Sequence[ToPost]
) -> Promoted:
    ids = [one.raw_id for one in claimed]
    half = len(ids) // 2
    parts = (ids[:half], ids[half:])
    return sum((_promote(database, tenant_id, now, most, part) for part in parts), start=Promoted())


@stamina.retry(on=TryAgain, attempts=8, wait_initial=0.01, wait_max=0.5, timeout=None)
def _promote_once(
    database: Database, tenant_id: str, now: datetime, most: int, only: Sequence[str] | None, claimed: list[ToPost]
) -> Promoted:
    with database.transaction() as tx:
        tx.look_up_by_index()
        claimed[:] = gate.claim_to_post(tx, tenant_id, now, _latest(now), most, only).all()
        return _post_claimed(tx, tenant_id, now, claimed) if claimed else Promoted()


def _post_claimed(tx: Tx, tenant_id: str, now: datetime, claimed: Sequence[ToPost]) -> Promoted:
    accepted = _accepted(tx, tenant_id, claimed)
    parked, arrived = _post_accepted(tx, tenant_id, now, accepted)
    left_out = {one.raw_id for one in parked}
    posted = {raw_id: one.stored.event_id for raw_id, one in accepted.items() if raw_id not in left_out}
    waiting = take_waiting(tx, tenant_id, arrived)
    if parked or waiting:
        names = {*posted.values(), *(one.event_id for one in parked), *keys_of(tx, tenant_id, waiting)}
        gate.lock_keys(tx, tenant_id, sorted(names))  # all at once, as accept does: else the two would deadlock
    if parked:
        park(tx, tenant_id, now, parked)
        waiting += take_waiting(tx, tenant_id, arrived)  # of the same batch
    if posted:
        gate.note_posted(tx, tenant_id, sorted(posted.values()), list(posted), now)
    if waiting:
        unpark(tx, tenant_id, waiting, now)
    return Promoted(posted=len(posted), parked=len(parked))


def _accepted(tx: Tx, tenant_id: str, claimed: Sequence[ToPost]) -> dict[str, Accepted]:
    """What of the claimed is posted at once, by raw_id: as much as one transaction should take; the rest comes next."""
    raw_ids = [one.raw_id for one in claimed]
    decided = quarantine.decisions(tx, tenant_id, raw_ids)
    bodies = bronze.bodies(tx, tenant_id, raw_ids, _MOST_BYTES).all()
    overlaid = {str(row.raw_id): row for row in decided.all()}
    was_posted = {one.raw_id for one in claimed if one.was_posted}
    accepted: dict[str, Accepted] = {}
    for body in bodies:
        over = overlaid.get(body.raw_id)
        patch, books_date = (None, None) if over is None else (over.patch, over.books_date)
        accepted[body.raw_id] = Accepted(body, patch, books_date, body.raw_id in was_posted)
    return accepted


def post_accepted(
    tx: Tx, tenant_id: str, now: datetime, accepted: Sequence[Accepted]
) -> tuple[dict[str, Fault], list[Name]]:
    """Post payloads that an operator has count, in the transaction of the decision.

    Returns the faults of those that cannot be posted, by raw_id, and the transactions others may be waiting for.
    """
    tx.look_up_by_index()
    parked, arrived = _post_accepted(tx, tenant_id, now, {one.stored.raw_id: one for one in accepted})
    return {one.raw_id: one.unposted.fault for one in parked}, arrived


def post_waiting(tx: Tx, tenant_id: str, now: datetime, raw_ids: Sequence[str]) -> Tried:
    """Post what waits on the work list for its turn, for who wants to see what comes of it and forgets it all."""
    tx.look_up_by_index()
    latest = _latest(now)  # also what is put off
    claimed = gate.claim_to_post(tx, tenant_id, latest, latest, len(raw_ids), raw_ids).all()
    if not claimed:
        return Tried(0, (), ())
    accepted = _accepted(tx, tenant_id, claimed)
    parked, arrived = _post_accepted(tx, tenant_id, now, accepted)
    return Tried(len(accepted), [one.unposted for one in parked], arrived)


def _post_accepted(
    tx: Tx, tenant_id: str, now: datetime, accepted: Mapping[str, Accepted]
) -> tuple[list[Parked], list[Name]]:
    books, candidates, parked = _read(tx, tenant_id, now, list(accepted.values()))
    for one, found in zip(candidates, post(tx, books, candidates), strict=True):
        if found is not None:
            event_id, amount = accepted[one.raw_id].stored.event_id, getattr(one.event, "total_amount", None)
            parked.append(Parked(one.raw_id, event_id, found, amount, one.currency or None))
    return parked, books.arrived


def _read(
    tx: Tx, tenant_id: str, now: datetime, accepted: Sequence[Accepted]
) -> tuple[Books, list[Candidate], list[Parked]]:
    """The books, opened for what these arrivals say, and what of them can be read; the rest with why not."""
    events: list[tuple[Accepted, Any]] = []
    parked: list[Parked] = []
    for one in accepted:
        try:
            events.append((one, typed(one, tenant_id)))
        except RequestRefused as refusal:
            parked.append(_unreadable(one, Fault(refusal.reason, "", refusal.detail)))
        except (msgspec.ValidationError, KeyError) as error:
            message = f"its contract has changed since it was accepted: {error}"
            parked.append(_unreadable(one, Fault(CONTRACT_VIOLATION, "", message)))
    store_ids = {event.store_id for _, event in events}
    since = min((one.stored.received_at for one in accepted), default=now)
    books = open_books(tx, tenant_id, now, store_ids, since)
    if books.settings.unknown_stores == "allow" and (unknown := sorted(store_ids - books.stores.keys())):
        tenants.ensure_stores(tx, tenant_id, unknown)
    past = books.past_currencies
    return books, [candidate(one, event, books.settings, books.stores, past) for one, event in events], parked


def _unreadable(one: Accepted, fault: Fault) -> Parked:
    return Parked(one.stored.raw_id, one.stored.event_id, Unposted(fault))


def _put_off(database: Database, tenant_id: str, one: ToPost, now: datetime, error: Exception) -> Promoted:
    """Try again later; after some attempts, hold it for us to look at."""
    with database.transaction() as tx:
        if one.attempts + 1 < _MOST_ATTEMPTS:
            gate.put_off(tx, tenant_id, [one.raw_id], now + _FIRST_BACK_OFF * 2**one.attempts)
            return Promoted(put_off=1)
        if not gate.claim_to_post(tx, tenant_id, now, _latest(now), 1, [one.raw_id]).all():
            return Promoted()
        fault = Fault(INTERNAL_ERROR, "", f"posting failed {_MOST_ATTEMPTS} times: {type(error).__name__}")
        park(tx, tenant_id, now, [Parked(one.raw_id, one.idempotency_key, Unposted(fault))])
        return Promoted(parked=1)


def _latest(now: datetime) -> datetime:
    """The latest instant that anything is put off until by a clock that is right."""
    return now + _LONGEST_BACK_OFF + CLOCKS_DIFFER
