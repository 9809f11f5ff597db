"""post: accepted events go into the books, by the rules that only the books can check.

One call posts a batch of one tenant, in the caller's transaction. What cannot be posted is told with its faults, and
left out; its neighbours are posted.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal

import msgspec

from ledgersafe.contracts.events import event_types
from ledgersafe.contracts.items import Line
from ledgersafe.contracts.posting import merged, payment_of, sums, tenders
from ledgersafe.db.database import Tx
from ledgersafe.kernel import reasons
from ledgersafe.kernel.clock import FIRST_DAY, last_day, trading_day
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.books import Books, Given, Revised, entry, hold, hold_periods, read, sold_by, write
from ledgersafe.pipeline.candidate import Candidate, numbered, product_key
from ledgersafe.silver import store as silver
from ledgersafe.silver.rules import Exceeded, GivenBack, Sold, allocate, below_returned
from ledgersafe.silver.store import Head, Name

_A_DAY = timedelta(days=1)


class Unposted(msgspec.Struct, frozen=True):
    """What cannot be posted: why, and what it waits for if it only came too early."""

    fault: Fault
    waits_for: Name | None = None


class _Dated(msgspec.Struct, frozen=True, gc=False):
    """A candidate with the trading day of its store."""

    of: Candidate
    day: date


class _Refused(Exception):
    """A candidate that cannot be posted."""

    def __init__(self, reason: reasons.Reason, path: str, message: str, waits_for: Name | None = None) -> None:
        super().__init__(message)
        self.unposted = Unposted(Fault(reason, path, message), waits_for)


def post(tx: Tx, books: Books, candidates: Sequence[Candidate]) -> list[Unposted | None]:
    """Post candidates (of the books' tenant, each of another key); for each why not, or None where it is posted.

    Originals go before what names them, whatever their order. Afterwards `books.arrived` names the transactions that
    others may have been waiting for.
    """
    results: list[Unposted | None] = [None] * len(candidates)
    dated: dict[int, _Dated] = {}
    for index, one in enumerate(candidates):
        found = _dated(books, one)
        if isinstance(found, Unposted):
            results[index] = found
        else:
            dated[index] = found
    _gather(tx, books, list(dated.values()))
    for index in sorted(dated, key=lambda at: (_original_name(dated[at].of) is not None, at)):
        if _is_plain(books, dated[index]):
            _add_plain(books, dated[index])
            continue
        books.begin()
        try:
            _post_one(books, dated[index])
        except _Refused as refused:
            results[index] = refused.unposted
            books.take_back()
    write(tx, books)
    return results


def _dated(books: Books, one: Candidate) -> _Dated | Unposted:
    store, settings = one.store, books.settings
    if not one.currency and one.contract.effect != "undoes":  # it had one, by settings that have changed since
        message = "the event names no currency, and neither its store nor its tenant has one any more"
        return Unposted(Fault(reasons.CURRENCY_MISSING, "/currency", message))
    if store is None and settings.unknown_stores == "park":
        message = f"store {one.event.store_id!r} has not been set up"
        return Unposted(Fault(reasons.UNKNOWN_STORE, "/store_id", message))
    zone = store.time_zone if store is not None and store.time_zone is not None else settings.time_zone
    begins = store.day_starts_at if store is not None and store.day_starts_at is not None else settings.day_starts_at
    computed = trading_day(one.event.occurred_at, zone, begins)
    stated: date | None = one.event.business_date
    if stated is None or one.contract.effect == "corrects":
        return _Dated(one, computed)
    if abs(stated - computed) > _A_DAY:
        message = f"business_date is {stated}, but {one.event.occurred_at.isoformat()} is of {computed} in {zone}"
        return Unposted(Fault(reasons.BUSINESS_DATE_MISMATCH, "/business_date", message))
    return _Dated(one, stated)


def _gather(tx: Tx, books: Books, dated: Sequence[_Dated]) -> None:
    """Hold and read all that deciding will need."""
    replaced = [one.of.event_id for one in dated if one.of.was_posted]
    before = silver.postings_of_events(tx, books.tenant_id, replaced).all() if replaced else []
    wanted: dict[Name, Head] = {}
    for one in dated:
        name = (one.of.event.store_id, one.of.event.txn_id)
        original = _original_name(one.of)
        if one.of.contract.effect == "originates" and name not in wanted:
            is_plain = original is None and not one.of.was_posted
            wanted[name] = Head(*name, "live", new_id(), 1) if is_plain else Head(*name, "awaited")
        if original is not None:
            wanted.setdefault(original, Head(*original, "awaited"))
    for row in before:
        wanted.setdefault((row.store_id, row.txn_id), Head(row.store_id, row.txn_id, "awaited"))
    hold(tx, books, wanted.values())
    read(tx, books, [(str(row.transaction_id), row.revision) for row in before if row.kind == "posting"])
    givers = [revised.given.original for revised in books.revised.values() if revised.given is not None]
    hold(tx, books, [Head(*name, "awaited") for name in givers])
    days = {one.of.books_date or one.day for one in dated}
    days |= {one.of.event.business_date for one in dated if one.of.event.business_date is not None}
    days |= {revised.business_date for revised in books.revised.values()}
    days |= {revised.books_date for revised in books.revised.values()}
    hold_periods(tx, books, days)


def _post_one(books: Books, one: _Dated) -> None:
    if one.of.contract.effect == "originates":
        _originate(books, one)
    else:
        _amend(books, one)


def _is_plain(books: Books, one: _Dated) -> bool:
    """Whether it is a new transaction that touches no other: nothing can speak against it any more."""
    contract, event = one.of.contract, one.of.event
    return (
        (event.store_id, event.txn_id) in books.fresh
        and contract.effect == "originates"
        and not one.of.was_posted
        and not contract.gives_back
        and not books.is_closed(one.of.books_date or one.day)
    )


def _add_plain(books: Books, one: _Dated) -> None:
    head = books.heads[one.of.event.store_id, one.of.event.txn_id]
    _add(books, one, head, one.of.contract.name, one.day, one.of.books_date or one.day)
    books.fresh.discard(head.name())


def _originate(books: Books, one: _Dated) -> None:
    """A transaction of its own: SALE, RETURN, ADJUSTMENT, STOCK_ADJUSTMENT."""
    event, name = one.of.event, (one.of.event.store_id, one.of.event.txn_id)
    if one.of.was_posted:
        _take_back(books, one)
    head = books.change(name)
    posted = books.current(name)
    if posted is not None and not (one.of.was_posted and posted.event_id == one.of.event_id):
        message = f"event {posted.event_id!r} has posted transaction {event.txn_id!r} of store {event.store_id!r}"
        raise _Refused(reasons.DUPLICATE_TRANSACTION, "/txn_id", message)
    day = one.of.books_date or one.day
    _open_day(books, day, "/occurred_at")
    if head.transaction_id is None or head.revision is None:
        head.transaction_id, head.revision = new_id(), 1
        books.arrived.append(name)
    elif posted is not None:
        head.revision += 1
    head.state = "live"
    _add(books, one, head, one.of.contract.name, one.day, day)


def _take_back(books: Books, one: _Dated) -> None:
    """What another payload of the same key posted is reversed; where it bears another name now, it is void."""
    for name in list(books.heads):
        before = books.current(name)
        if before is None or before.event_id != one.of.event_id or books.heads[name].state != "live":
            continue
        if before.event_type != before.type:
            break  # it was a correction: what it corrected would have to come back
        same = name == (one.of.event.store_id, one.of.event.txn_id)
        _not_below_returned(books, one, name, sold_by(numbered(one.of.event)) if same else [])
        _reverse(books, one, name, one.of.books_date or before.books_date)
        if not same:
            books.change(name).state = "voided"
        return
    message = "what the event posted was corrected or undone since, or changed another: send a CORRECTION"
    raise _Refused(reasons.POSTED_AND_CHANGED, "", message)


def _amend(books: Books, one: _Dated) -> None:
    """An earlier transaction gets a new truth, or is taken back: CORRECTION, VOID, CANCEL."""
    name, before = _original(books, one.of)
    undoes = one.of.contract.effect == "undoes"
    if one.of.was_posted and (undoes or before.event_id != one.of.event_id):
        message = "the books have moved on since the event was posted"
        raise _Refused(reasons.POSTED_AND_CHANGED, "/original_txn_id", message)
    _in_window(books, one, before)
    if one.of.contract.same_day and one.day != before.business_date:
        message = f"the original is of {before.business_date}, the void of {one.day}: a CANCEL undoes it later"
        raise _Refused(reasons.VOID_AFTER_CLOSE, "/original_txn_id", message)
    _not_below_returned(books, one, name, [] if undoes else sold_by(numbered(one.of.event)))
    _reverse(books, one, name, one.of.books_date or before.books_date)
    head = books.change(name)
    if undoes or head.revision is None:
        head.state = "voided"
        return
    stated: date | None = one.of.event.business_date
    is_moved = stated is not None and stated != before.business_date
    latest = last_day(books.now)
    if stated is not None and is_moved and not FIRST_DAY <= stated <= latest:
        message = f"business_date is {stated}: a sale can be moved to a day from {FIRST_DAY} to {latest}"
        raise _Refused(reasons.BUSINESS_DATE_MISMATCH, "/business_date", message)
    business_date = stated if stated is not None and is_moved else before.business_date
    books_date = one.of.books_date or (business_date if is_moved else before.books_date)
    _open_day(books, books_date, "/business_date")
    head.revision += 1
    _add(books, one, head, before.type, business_date, books_date)


def _original(books: Books, one: Candidate) -> tuple[Name, Revised]:
    """The transaction that an event names, live and in the books."""
    name = _original_name(one)
    if name is None or (before := books.current(name)) is None:
        message = f"transaction {one.event.original_txn_id!r} is not posted yet"
        raise _Refused(reasons.MISSING_REFERENCE, "/original_txn_id", message, name)
    if books.heads[name].state == "voided":
        message = f"transaction {one.event.original_txn_id!r} was voided or cancelled before"
        raise _Refused(reasons.ORIGINAL_ALREADY_VOIDED, "/original_txn_id", message)
    return name, before


def _original_name(one: Candidate) -> Name | None:
    """How tills name the original of an event; None where it acts on none."""
    if one.contract.original == "none":
        return None
    txn_id: str | None = one.event.original_txn_id
    return None if txn_id is None else (one.event.original_store_id or one.event.store_id, txn_id)


def _in_window(books: Books, one: _Dated, before: Revised) -> None:
    days = books.settings.correction_days
    if days is not None and one.of.books_date is None and one.day - before.business_date > timedelta(days=days):
        message = f"the original is of {before.business_date}, corrections are allowed for {days} days"
        raise _Refused(reasons.LATE_EVENT_OUTSIDE_WINDOW, "/occurred_at", message)


def _open_day(books: Books, day: date, path: str) -> None:
    if books.is_closed(day):
        raise _Refused(reasons.PERIOD_LOCKED, path, f"{day:%Y-%m} is closed, and {day} lies in it")


def _not_below_returned(books: Books, one: _Dated, name: Name, sold: Sequence[Sold]) -> None:
    before, returned = books.current(name), books.returned(name)
    if before is None or not returned:
        return
    line_no = below_returned(sold, before.sold(), returned)
    if line_no is not None:
        message = f"more of line {line_no} was given back already than would remain"
        raise _Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/line_items", message)
    if one.of.currency != before.currency:
        message = f"a part was given back in {before.currency} already"
        raise _Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/currency", message)


def _reverse(books: Books, one: _Dated, name: Name, day: date) -> None:
    """Take the latest posting of a transaction back, and what it gave back of another with it."""
    head, before = books.heads[name], books.current(name)
    if before is None or head.transaction_id is None or head.revision is None:
        raise RuntimeError(f"there is no posting of {name} to take back")
    _open_day(books, day, "/original_txn_id")
    if before.given is not None:
        _count_given(books, before.given, -1)
    event = one.of.event
    books.reversals.append(
        silver.Reversal(
            transaction_id=head.transaction_id,
            revision=head.revision,
            event_type=one.of.contract.name,
            event_id=one.of.event_id,
            raw_id=one.of.raw_id,
            books_date=day,
            occurred_at=event.occurred_at,
        )
    )


def _give_back(books: Books, one: _Dated, as_type: str) -> Given | None:
    """What a return takes of its original; None for what is no return, or names no original."""
    event = one.of.event
    if not event_types()[as_type].gives_back:
        return None
    if event.original_txn_id is None or one.of.contract.effect == "corrects":
        if one.of.contract.gives_back and books.settings.unreferenced_returns == "park":
            message = "the return names no original"
            raise _Refused(reasons.UNREFERENCED_RETURN, "/original_txn_id", message)
        return None
    name, _ = _original(books, one.of)
    return _allocated(books, one, name)


def _allocated(books: Books, one: _Dated, name: Name) -> Given:
    """What the lines of a return take of an original, counted there."""
    event, head, before = one.of.event, books.change(name), books.current(name)
    if before is None or head.transaction_id is None:
        raise RuntimeError(f"there is no posting of {name} to give back of")
    if not event_types()[before.type].sells:
        message = f"the original is a {before.type}: it sold nothing that could be given back"
        raise _Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/original_txn_id", message)
    if before.currency != one.of.currency:
        message = f"the original was paid in {before.currency}, not in {one.of.currency}"
        raise _Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/currency", message)
    lines = [
        GivenBack(number, line.sku, line.qty, line.amount, line.original_line_no) for number, line in numbered(event)
    ]
    try:
        allocations, after = allocate(lines, before.sold(), books.returned(name))
    except Exceeded as exceeded:
        at = next(index for index, line in enumerate(lines) if line is exceeded.line)
        raise _Refused(reasons.CANNOT_EXCEED_ORIGINAL, f"/line_items/{at}", str(exceeded)) from None
    books.set_returned(name, after)
    return Given(name, head.transaction_id, allocations)


def _count_given(books: Books, given: Given, sign: int) -> None:
    """Count to its original what a return gives back, or gives free again."""
    returned = books.returned(given.original)
    for one in given.allocations:
        quantity, amount = returned.get(one.original_line_no, (Decimal(0), Decimal(0)))
        returned[one.original_line_no] = quantity + sign * one.quantity, amount + sign * one.amount
    books.set_returned(given.original, returned)


def _add(books: Books, one: _Dated, head: Head, as_type: str, day: date, books_date: date) -> None:
    """One posting: a transaction with its lines, tenders, references and its entry."""
    event = one.of.event
    if head.transaction_id is None or head.revision is None:
        raise RuntimeError(f"{head.name()} has no transaction to add to")
    revision = (head.transaction_id, head.revision)
    given = _give_back(books, one, as_type)
    earlier = books.revised.get((head.transaction_id, head.revision - 1))
    if one.of.contract.effect == "corrects" and earlier is not None and earlier.given is not None:
        given = _allocated(books, one, earlier.given.original)
    of, paid, lines = sums(event, one.of.unit), tenders(event), numbered(event)
    transaction = silver.Transaction(
        transaction_id=head.transaction_id,
        revision=head.revision,
        store_id=head.store_id,
        txn_id=head.txn_id,
        type=as_type,
        event_type=one.of.contract.name,
        event_id=one.of.event_id,
        raw_id=one.of.raw_id,
        register_id=event.register_id,
        cashier_id=event.cashier_id,
        customer_id=event.customer_id,
        business_date=day,
        books_date=books_date,
        occurred_at=event.occurred_at,
        currency=one.of.currency,
        lines=len(event.line_items),
        units=of.units,
        gross=of.gross,
        discount=of.discount,
        tax=of.tax,
        included_tax=of.included_tax,
        rounding=of.rounding,
        totals_difference=of.totals_difference,
        total=of.total,
        payment=payment_of(paid),
        country=one.of.country,
        is_referenced=given is not None,
        simulated=event.simulated,
    )
    books.transactions.append(transaction)
    books.lines += _lines(lines, revision)
    books.tenders += [silver.Tender(*revision, number, one.type, one.amount) for number, one in enumerate(paid, 1)]
    if given is not None:
        original = given.original_transaction_id
        books.references += [
            silver.Reference(*revision, one.line_no, original, one.original_line_no, one.quantity, one.amount)
            for one in given.allocations
        ]
    posts = event_types()[as_type].posts
    if posts is not None and (legs := merged(posts(of, paid))):
        books.entries.append(entry(books, transaction, legs))
    books.is_posted(head.name())
    books.revised[revision] = Revised(
        as_type, one.of.contract.name, one.of.event_id, day, books_date, one.of.currency, lines, given
    )


def _lines(lines: Iterable[tuple[int, Line]], revision: silver.Revision) -> list[silver.LineItem]:
    return [
        silver.LineItem(  # by position, as it is by far the most that is made here
            *revision,
            number,
            line.sku,
            line.name,
            line.brand,
            line.category,
            line.gtin,
            line.qty,
            line.unit_price,
            line.discount,
            line.tax,
            line.amount,
            product_key(line.sku, line.gtin, line.name, line.brand),
        )
        for number, line in lines
    ]
