"""preview: what a decision would do, to the ledger too. It is really made, in a transaction that is then forgotten.

So it cannot differ from the real thing. It leaves nothing behind, and it does not queue for long behind who is at work
on the same event: an operator asks at every change of a patch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import stamina

from ledgersafe.db.database import Database, Tx
from ledgersafe.db.errors import TryAgain
from ledgersafe.gate import store as gate
from ledgersafe.kernel.errors import Fault, RequestRefused
from ledgersafe.kernel.reasons import EVENT_IN_USE
from ledgersafe.ledger import store as ledger
from ledgersafe.pipeline.park import Released
from ledgersafe.pipeline.post import Unposted
from ledgersafe.pipeline.promote import post_waiting
from ledgersafe.pipeline.release import release_waiting
from ledgersafe.pipeline.resolve import Operator, Result, Wish, check_wish, decide, find
from ledgersafe.quarantine.store import ExceptionRow
from ledgersafe.silver import store as silver

_PATIENCE = 0.2
"""Seconds to wait for a lock, twice: a decision under way takes some milliseconds, a batch that is posted longer."""

MOST_FOLLOWERS = 100
"""Of the events that wait for one, what so many would post is told; the others are counted."""

NOTHING_POSTED = "Nothing is posted: the ledger stays as it is."
IN_THE_LEDGER = "The chosen payload is in the ledger already: nothing more is posted."
BEING_POSTED = "A worker is posting the chosen payload at this moment: the ledger will show it."
HELD_AGAIN = "It could not be posted, and would be held again."
NO_ENTRY = "Its total is zero: it makes a transaction and no entry."


@dataclass(frozen=True, slots=True)
class EntryLine:
    """A line of an entry of the ledger, with what its transaction is called; one of debit and credit is zero."""

    transaction_id: UUID
    store_id: str
    txn_id: str
    revision: int
    kind: Literal["posting", "reversal"]
    business_date: date
    books_date: date
    currency: str
    account: str
    account_name: str | None
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True, slots=True)
class Effect:
    """What would be added to the books: postings and reversals, and the lines of their entries, reversals first.

    `faults`: why it could not be posted. `released`: how many events that wait for it would go on with it; what those
    post is among the rest. `note`: in words, what is not plain from the rest.
    """

    transactions: Sequence[silver.Posted] = ()
    entries: Sequence[EntryLine] = ()
    faults: Sequence[Fault] = ()
    released: int = 0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of an exception, and what that would do to the ledger."""

    result: Result
    effect: Effect


def preview(database: Database, exception_id: UUID, wish: Wish, operator: Operator) -> Preview:
    """What would become of one exception. Nothing is written, and no attempt is counted.

    Raises RequestRefused, as `resolve` does; with EVENT_IN_USE where others are at work on the event, or on what it
    names.
    """
    check_wish(wish, operator.now)
    try:
        return _preview(database, exception_id, wish, operator)
    except TryAgain as error:
        message = "Others are at work on this event, or on what it names. Ask again."
        raise RequestRefused(EVENT_IN_USE, message, {"Retry-After": "1"}) from error


@stamina.retry(on=TryAgain, attempts=2, wait_initial=0.01, wait_max=0.05, timeout=None)
def _preview(database: Database, exception_id: UUID, wish: Wish, operator: Operator) -> Preview:
    with database.transaction() as tx:
        tx.forget()
        tx.wait_for_locks(_PATIENCE)
        row = find(tx, exception_id, operator)
        gate.lock_keys(tx, row.tenant_id, [row.idempotency_key])  # what is posted from here on, is posted here
        books = _Watched(tx, row.tenant_id)
        books.watch([row.idempotency_key])
        outcome = decide(tx, row.tenant_id, [exception_id], wish, operator)
        result = outcome.of_one()
        return Preview(result, _effect(books, row, result, outcome.released, operator))


class _Watched:
    """The books, as far as what events add to them is to be told."""

    def __init__(self, tx: Tx, tenant_id: str) -> None:
        self.tx, self.tenant_id = tx, tenant_id
        self._event_ids: list[str] = []
        self._before: set[silver.Posted] = set()

    def watch(self, event_ids: Sequence[str]) -> None:
        """From now on, these events too."""
        self._event_ids += event_ids
        self._before |= set(silver.postings_of_events(self.tx, self.tenant_id, event_ids).all())

    def made(self) -> list[silver.Posted]:
        """What they have posted and reversed since; what is taken back first."""
        found = silver.postings_of_events(self.tx, self.tenant_id, self._event_ids).all()
        new = [one for one in found if one not in self._before]
        return sorted(new, key=lambda one: (one.kind == "posting", one.store_id, one.txn_id, one.revision))


def _effect(
    books: _Watched, row: ExceptionRow, result: Result, released: Sequence[Released], operator: Operator
) -> Effect:
    tx, tenant_id, now = books.tx, row.tenant_id, operator.now
    chosen = None if result.closed is None else result.closed.canonical_raw_id
    if chosen is None:
        return Effect(note=NOTHING_POSTED)
    if gate.is_waiting_to_post(tx, tenant_id, [chosen]).one():
        tried = post_waiting(tx, tenant_id, now, [str(chosen)])
        if not tried.tried:
            return Effect(note=BEING_POSTED)
        if tried.unposted:
            return Effect(faults=[one.fault for one in tried.unposted], note=_why_not(tried.unposted[0]))
        released = [*released, *release_waiting(tx, tenant_id, tried.arrived, now)]
    if not books.made():
        return Effect(note=IN_THE_LEDGER)
    followed, held = _follow(books, released, now)
    made = books.made()
    entries = _entries(tx, tenant_id, made)
    note = _who_follows(followed, held) if followed else None if entries else NO_ENTRY
    return Effect(made, entries, released=followed, note=note)


def _follow(books: _Watched, released: Sequence[Released], now: datetime) -> tuple[int, int]:
    """Post what waited for it, and what waited for that: how many, and how many of them would be held again."""
    followed = held = 0
    while released:
        shown = released[: max(MOST_FOLLOWERS - followed, 0)]
        followed += len(released)
        if not shown:
            break
        books.watch([one.event_id for one in shown])
        tried = post_waiting(books.tx, books.tenant_id, now, [one.raw_id for one in shown])
        held += len(tried.unposted)
        released = release_waiting(books.tx, books.tenant_id, tried.arrived, now)
    return followed, held


def _who_follows(followed: int, held: int) -> str:
    note = "1 event that waits for it goes" if followed == 1 else f"{followed} events that wait for it go"
    note += " on with it"
    note += f"; {held} of them would be held again" if held else ""
    return note + (f"; what the first {MOST_FOLLOWERS} post is shown." if followed > MOST_FOLLOWERS else ".")


def _why_not(unposted: Unposted) -> str:
    if unposted.waits_for is None:
        return HELD_AGAIN
    store_id, txn_id = unposted.waits_for
    return f"It would wait for transaction {txn_id} of store {store_id}, and be posted after it."


def _entries(tx: Tx, tenant_id: str, made: Iterable[silver.Posted]) -> list[EntryLine]:
    """The lines of the entries of these, in their order."""
    by_key = {(one.transaction_id, one.revision, one.kind): one for one in made}
    found = ledger.entries_of(tx, tenant_id, by_key)
    names = {account.account: account.name for account in ledger.known_accounts(tx, tenant_id).all()}
    entries = {(one.transaction_id, one.revision, one.kind): one for one in found.all()}
    return [line for key, posted in by_key.items() if key in entries for line in _lines(posted, entries[key], names)]


def _lines(posted: silver.Posted, entry: ledger.StoredEntry, names: dict[str, str]) -> list[EntryLine]:
    return [
        EntryLine(
            transaction_id=posted.transaction_id,
            store_id=posted.store_id,
            txn_id=posted.txn_id,
            revision=posted.revision,
            kind=posted.kind,
            business_date=entry.business_date,
            books_date=entry.books_date,
            currency=entry.currency,
            account=account,
            account_name=names.get(account),
            debit=max(amount, Decimal(0)),
            credit=max(-amount, Decimal(0)),
        )
        for account, amount in zip(entry.accounts, entry.amounts, strict=True)
    ]
