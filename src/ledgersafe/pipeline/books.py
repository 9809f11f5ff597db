"""The books as one transaction sees and changes them: heads that it holds, what was posted, what it adds.

Everything is read and locked beforehand, set by set; deciding happens in memory; then all is written, set by set.
"""

from collections.abc import Collection, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from ledgersafe.contracts.items import Line
from ledgersafe.contracts.posting import Leg, Role
from ledgersafe.db.database import Tx
from ledgersafe.kernel.ids import new_id
from ledgersafe.ledger import store as ledger
from ledgersafe.ledger.rules import default_chart
from ledgersafe.silver import store as silver
from ledgersafe.silver.rules import Allocation, Left, Sold
from ledgersafe.silver.store import Head, Name, Revision
from ledgersafe.tenants import store as tenants
from ledgersafe.tenants.store import BookSettings, Store

ZERO = Decimal(0)


@dataclass(slots=True)
class Given:
    """What a return gave back of one original: by line, and what it was paid in all, of which rounding added a part."""

    original: Name
    original_transaction_id: str
    allocations: list[Allocation]
    total: Decimal
    rounding: Decimal

    def parts(self) -> int:
        """How many of its allocations come to something."""
        return sum(bool(one.amount) for one in self.allocations)


class Revised(msgspec.Struct, gc=False):
    """One posting, as far as later events must know it; in the books already, or about to be.

    What is about to be has `lines`; what it sold is made of them when somebody asks, which is rare. What was read says
    whether it `is_referenced`: books from before lines of nothing were written may not tell of which original.
    """

    type: str
    event_type: str
    event_id: str
    business_date: date
    books_date: date
    currency: str
    total: Decimal
    rounding: Decimal
    lines: Iterable[tuple[int, Line]] = ()
    given: Given | None = None
    read: list[Sold] = []
    is_referenced: bool = False

    def sold(self) -> list[Sold]:
        """Its lines, as far as returns must know."""
        return self.read or sold_by(self.lines)


def sold_by(lines: Iterable[tuple[int, Line]]) -> list[Sold]:
    """Numbered lines, as far as returns must know."""
    return [Sold(number, line.sku, line.qty, line.amount) for number, line in lines]


@dataclass(slots=True)
class Books:
    """See above. `closed`: the months, by their first day, that take no posting."""

    tenant_id: str
    now: datetime
    settings: BookSettings
    stores: dict[str, Store]
    accounts: dict[Role, str]
    past_currencies: list[tenants.PastCurrency]
    heads: dict[Name, Head] = field(default_factory=dict[Name, Head])
    revised: dict[Revision, Revised] = field(default_factory=dict[Revision, Revised])
    closed: set[date] = field(default_factory=set[date])
    fresh: set[Name] = field(default_factory=set[Name])
    changed: set[Name] = field(default_factory=set[Name])
    arrived: list[Name] = field(default_factory=list[Name])
    transactions: list[silver.Transaction] = field(default_factory=list[silver.Transaction])
    lines: list[silver.LineItem] = field(default_factory=list[silver.LineItem])
    tenders: list[silver.Tender] = field(default_factory=list[silver.Tender])
    references: list[silver.Reference] = field(default_factory=list[silver.Reference])
    entries: list[ledger.Entry] = field(default_factory=list[ledger.Entry])
    reversals: list[silver.Reversal] = field(default_factory=list[silver.Reversal])
    _before: dict[Name, Head] = field(default_factory=dict[Name, Head])
    _lengths: list[int] = field(default_factory=list[int])
    _posted: list[Name] = field(default_factory=list[Name])

    def current(self, name: Name) -> Revised | None:
        """The latest posting of a transaction; None where it is not in the books."""
        head = self.heads.get(name)
        if head is None or head.transaction_id is None or head.revision is None:
            return None
        return self.revised.get((head.transaction_id, head.revision))

    def returned(self, name: Name) -> dict[int, Left]:
        """What was given back of a transaction, by line."""
        head = self.heads[name]
        return {
            line: (quantity, amount)
            for line, quantity, amount in zip(
                head.returned_lines, head.returned_quantities, head.returned_amounts, strict=True
            )
        }

    def set_returned(self, name: Name, returned: dict[int, Left]) -> None:
        """Note what was given back of a transaction by now."""
        head = self.change(name)
        kept = {line: left for line, left in sorted(returned.items()) if left != (ZERO, ZERO)}
        head.returned_lines = list(kept)
        head.returned_quantities = [quantity for quantity, _ in kept.values()]
        head.returned_amounts = [amount for _, amount in kept.values()]

    def change(self, name: Name) -> Head:
        """The head of a transaction, to be changed: what it was can be had back with take_back()."""
        if name not in self._before:
            self._before[name] = self.heads[name]
            self.heads[name] = copy(self.heads[name])
        return self.heads[name]

    def is_posted(self, name: Name) -> None:
        """A head that was made beforehand stands for something now."""
        if name in self.fresh:
            self.fresh.discard(name)
            self._posted.append(name)

    def begin(self) -> None:
        """What is decided from here on can be taken back."""
        if self._before:
            self.changed |= {name for name, head in self._before.items() if head != self.heads[name]}
            self._before = {}
        self._lengths = [len(rows) for rows in self._rows()]
        self._posted = []

    def take_back(self) -> None:
        """Forget what was decided since begin()."""
        self.heads |= self._before
        self._before = {}
        for revision in self.transactions[self._lengths[0] :]:
            self.revised.pop((revision.transaction_id, revision.revision), None)
        for rows, length in zip(self._rows(), self._lengths, strict=True):
            del rows[length:]
        self.fresh.update(self._posted)

    def _rows(self) -> tuple[list[Any], ...]:
        return (
            self.transactions,
            self.lines,
            self.tenders,
            self.references,
            self.entries,
            self.reversals,
            self.arrived,
        )

    def is_closed(self, day: date) -> bool:
        """Whether nothing can be posted for this day."""
        return day.replace(day=1) in self.closed


def open_books(tx: Tx, tenant_id: str, now: datetime, store_ids: Collection[str], since: datetime) -> Books:
    """The books of a tenant, with the settings of these stores; a chart is made where there is none.

    `since`: when the first of the events came that are to be posted.
    """
    settings = tenants.book_settings(tx, tenant_id)
    known = tenants.stores(tx, tenant_id, sorted(store_ids))
    # After the settings: of a change that is committed in between, the old currency is seen twice, and never missed.
    replaced = tenants.past_currencies(tx, tenant_id, since)
    ledger.share_chart(tx, tenant_id)
    chart = ledger.accounts(tx, tenant_id).all()
    if not chart:
        ledger.ensure_accounts(tx, tenant_id, default_chart())
        chart = ledger.accounts(tx, tenant_id).all()
    accounts: dict[Role, str] = {account.role: account.account for account in chart}
    stores = {store.store_id: store for store in known.all()}
    return Books(tenant_id, now, settings.one(), stores, accounts, replaced.all())


def hold(tx: Tx, books: Books, heads: Iterable[Head]) -> None:
    """Hold these heads, and read what is known of their transactions. Those given as live are about to be."""
    wanted = {name: head for head in heads if (name := head.name()) not in books.heads}
    ordered = [wanted[name] for name in sorted(wanted)]
    if not ordered:
        return
    held = set(silver.lock_heads(tx, books.tenant_id, ordered).all())
    fresh = {
        name: head for name, head in wanted.items() if head.transaction_id is not None and head.transaction_id in held
    }
    others = [name for name in wanted if name not in fresh]
    found = {head.name(): head for head in silver.heads(tx, books.tenant_id, others).all()} if others else {}
    books.fresh |= fresh.keys()
    books.heads |= fresh | found
    read(
        tx,
        books,
        [
            (head.transaction_id, head.revision)
            for head in found.values()
            if head.transaction_id is not None and head.revision is not None
        ],
    )


def read(tx: Tx, books: Books, revisions: Sequence[Revision]) -> None:
    """Read postings, their lines, and what returns among them gave back."""
    unread = [revision for revision in revisions if revision not in books.revised]
    if not unread:
        return
    postings = silver.known(tx, books.tenant_id, unread)
    lines = silver.lines(tx, books.tenant_id, unread)
    references = silver.references(tx, books.tenant_id, unread)
    known = {(str(row.transaction_id), row.revision): row for row in postings.all()}
    books.revised |= {revision: _revised(row) for revision, row in known.items()}
    for line in lines.all():
        sold = Sold(line.line_no, line.sku, line.quantity, line.amount)
        books.revised[str(line.transaction_id), line.revision].read.append(sold)
    for row in references.all():
        revision = str(row.transaction_id), row.revision
        revised, of = books.revised[revision], known[revision]
        if revised.given is None:
            original = row.original_store_id, row.original_txn_id
            revised.given = Given(original, str(row.original_transaction_id), [], of.total, of.rounding)
        revised.given.allocations.append(Allocation(row.line_no, row.original_line_no, row.quantity, row.amount))


def _revised(row: silver.Known) -> Revised:
    return Revised(
        row.type,
        row.event_type,
        row.event_id,
        row.business_date,
        row.books_date,
        row.currency,
        row.total,
        row.rounding,
        is_referenced=row.is_referenced,
    )


def hold_periods(tx: Tx, books: Books, days: Collection[date]) -> None:
    """Hold the months of these days against being closed, and note which are."""
    months = sorted({day.replace(day=1) for day in days})
    known = ledger.share_periods(tx, books.tenant_id, months).all()
    if len(known) < len(months):
        ledger.ensure_periods(tx, books.tenant_id, months, books.now)
        known = ledger.share_periods(tx, books.tenant_id, months).all()
    books.closed |= {period.period for period in known if period.status == "closed"}


def entry(books: Books, transaction: silver.Transaction, legs: Sequence[Leg]) -> ledger.Entry:
    """The ledger's entry of a posting."""
    return ledger.Entry(
        entry_id=new_id(),
        transaction_id=transaction.transaction_id,
        revision=transaction.revision,
        store_id=transaction.store_id,
        business_date=transaction.business_date,
        books_date=transaction.books_date,
        currency=transaction.currency,
        accounts=tuple([books.accounts[role] for role, _ in legs]),
        amounts=[amount for _, amount in legs],
        raw_id=transaction.raw_id,
    )


def write(tx: Tx, books: Books) -> None:
    """Write what was decided. Postings go before reversals: a batch may correct what it has just posted."""
    tenant_id, now = books.tenant_id, books.now
    if books.transactions:
        silver.insert_transactions(tx, tenant_id, books.transactions, now)
    if books.lines:
        silver.insert_lines(tx, tenant_id, books.lines)
    if books.tenders:
        silver.insert_tenders(tx, tenant_id, books.tenders)
    if books.references:
        silver.insert_references(tx, tenant_id, books.references)
    if books.entries:
        ledger.insert_entries(tx, tenant_id, books.entries, now)
    undone_revisions = [(one.transaction_id, one.revision) for one in books.reversals]
    if books.reversals:
        silver.reverse_transactions(tx, tenant_id, books.reversals, now)
        silver.reverse_lines(tx, tenant_id, undone_revisions)
        silver.reverse_tenders(tx, tenant_id, undone_revisions)
        silver.reverse_references(tx, tenant_id, undone_revisions)
        undone = [
            ledger.Reversal(new_id(), one.transaction_id, one.revision, one.books_date, one.raw_id)
            for one in books.reversals
        ]
        ledger.reverse_entries(tx, tenant_id, undone, now)
    books.begin()
    for name in books.fresh:  # made for what was not posted after all: awaited, if by anybody
        books.heads[name] = Head(*name, "awaited")
    changed = sorted(books.changed | books.fresh)
    if changed:
        silver.update_heads(tx, tenant_id, [books.heads[name] for name in changed])
    made = [(one.transaction_id, one.revision) for one in books.transactions]
    if made or undone_revisions:
        silver.insert_batch(tx, tenant_id, new_id(), made, undone_revisions, now)
