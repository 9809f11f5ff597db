"""post: accepted events go into the books, by the rules that only the books can check.

One call posts a batch of one tenant, in the caller's transaction. What cannot be posted is told with its faults, and
left out; its neighbours are posted.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from ledgersafe.contracts.events import event_types
from ledgersafe.contracts.items import Line
from ledgersafe.contracts.posting import merged, payment_of, sums, tenders
from ledgersafe.db.database import Tx
from ledgersafe.kernel import reasons
from ledgersafe.kernel.clock import FIRST_DAY, last_day, trading_day
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.books import Books, Revised, entry, hold, hold_periods, read, write
from ledgersafe.pipeline.candidate import Candidate, Dated, Refused, Unposted, numbered, product_key
from ledgersafe.pipeline.give_back import (
    Lines,
    count_given,
    give_back,
    nothing_given_back,
    original,
    original_name,
    remaining,
)
from ledgersafe.silver import store as silver
from ledgersafe.silver.store import Head, Name

_A_DAY = timedelta(days=1)


def post(tx: Tx, books: Books, candidates: Sequence[Candidate]) -> list[Unposted | None]:
    """Post candidates (of the books' tenant, each of another key); for each why not, or None where it is posted.

    Originals go before what names them, whatever their order. Afterwards `books.arrived` names the transactions that
    others may have been waiting for.
    """
    results: list[Unposted | None] = [None] * len(candidates)
    dated: dict[int, Dated] = {}
    for index, one in enumerate(candidates):
        found = _dated(books, one)
        if isinstance(found, Unposted):
            results[index] = found
        else:
            dated[index] = found
    _gather(tx, books, list(dated.values()))
    for index in sorted(dated, key=lambda at: (original_name(dated[at].of) is not None, at)):
        if _is_plain(books, dated[index]):
            _add_plain(books, dated[index])
            continue
        books.begin()
        try:
            _post_one(books, dated[index])
        except Refused as refused:
            results[index] = refused.unposted
            books.take_back()
    write(tx, books)
    return results


def _dated(books: Books, one: Candidate) -> Dated | Unposted:
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
        return Dated(one, computed)
    if abs(stated - computed) > _A_DAY:
        message = f"business_date is {stated}, but {one.event.occurred_at.isoformat()} is of {computed} in {zone}"
        return Unposted(Fault(reasons.BUSINESS_DATE_MISMATCH, "/business_date", message))
    return Dated(one, stated)


def _gather(tx: Tx, books: Books, dated: Sequence[Dated]) -> None:
    """Hold and read all that deciding will need."""
    replaced = [one.of.event_id for one in dated if one.of.was_posted]
    before = silver.postings_of_events(tx, books.tenant_id, replaced).all() if replaced else []
    wanted: dict[Name, Head] = {}
    for one in dated:
        name = (one.of.event.store_id, one.of.event.txn_id)
        original = original_name(one.of)
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


def _post_one(books: Books, one: Dated) -> None:
    if one.of.contract.effect == "originates":
        _originate(books, one)
    else:
        _amend(books, one)


def _is_plain(books: Books, one: Dated) -> bool:
    """Whether it is a new transaction that touches no other: nothing can speak against it any more."""
    contract, event = one.of.contract, one.of.event
    return (
        (event.store_id, event.txn_id) in books.fresh
        and contract.effect == "originates"
        and not one.of.was_posted
        and not contract.gives_back
        and not books.is_closed(one.of.books_date or one.day)
    )


def _add_plain(books: Books, one: Dated) -> None:
    head = books.heads[one.of.event.store_id, one.of.event.txn_id]
    _add(books, one, head, one.of.contract.name, one.day, one.of.books_date or one.day)
    books.fresh.discard(head.name())


def _originate(books: Books, one: Dated) -> None:
    """A transaction of its own: SALE, RETURN, ADJUSTMENT, STOCK_ADJUSTMENT."""
    event, name = one.of.event, (one.of.event.store_id, one.of.event.txn_id)
    lines = _take_back(books, one) if one.of.was_posted else None
    head = books.change(name)
    posted = books.current(name)
    if posted is not None and not (one.of.was_posted and posted.event_id == one.of.event_id):
        message = f"event {posted.event_id!r} has posted transaction {event.txn_id!r} of store {event.store_id!r}"
        raise Refused(reasons.DUPLICATE_TRANSACTION, "/txn_id", message)
    day = one.of.books_date or one.day
    _open_day(books, day, "/occurred_at")
    if head.transaction_id is None or head.revision is None:
        head.transaction_id, head.revision = new_id(), 1
        books.arrived.append(name)
    elif posted is not None:
        head.revision += 1
    head.state = "live"
    _add(books, one, head, one.of.contract.name, one.day, day, lines)


def _take_back(books: Books, one: Dated) -> Lines | None:
    """What another payload of the same key posted is reversed; where it bears another name now, it is void.

    The new lines, numbered so that what was given back of the old ones stays given back; None where any number will do.
    """
    for name in list(books.heads):
        before = books.current(name)
        if before is None or before.event_id != one.of.event_id or books.heads[name].state != "live":
            continue
        if before.event_type != before.type:
            break  # it was a correction: what it corrected would have to come back
        same = name == (one.of.event.store_id, one.of.event.txn_id)
        lines = None
        if same and one.of.contract.sells:
            lines = remaining(books, one, name)
        else:
            nothing_given_back(books, name)
        _reverse(books, one, name, one.of.books_date or before.books_date)
        if not same:
            books.change(name).state = "voided"
        return lines
    message = "what the event posted was corrected or undone since, or changed another: send a CORRECTION"
    raise Refused(reasons.POSTED_AND_CHANGED, "", message)


def _amend(books: Books, one: Dated) -> None:
    """An earlier transaction gets a new truth, or is taken back: CORRECTION, VOID, CANCEL."""
    name, before = original(books, one.of)
    undoes = one.of.contract.effect == "undoes"
    if one.of.was_posted and (undoes or before.event_id != one.of.event_id):
        message = "the books have moved on since the event was posted"
        raise Refused(reasons.POSTED_AND_CHANGED, "/original_txn_id", message)
    _keeps_to_type(one, before.type)
    _in_window(books, one, before)
    if one.of.contract.same_day and one.day != before.business_date:
        message = f"the original is of {before.business_date}, the void of {one.day}: a CANCEL undoes it later"
        raise Refused(reasons.VOID_AFTER_CLOSE, "/original_txn_id", message)
    lines = None
    if undoes:
        nothing_given_back(books, name)
    else:
        lines = remaining(books, one, name)
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
        raise Refused(reasons.BUSINESS_DATE_MISMATCH, "/business_date", message)
    business_date = stated if stated is not None and is_moved else before.business_date
    books_date = one.of.books_date or (business_date if is_moved else before.books_date)
    _open_day(books, books_date, "/business_date")
    head.revision += 1
    _add(books, one, head, before.type, business_date, books_date, lines)


def _keeps_to_type(one: Dated, as_type: str) -> None:
    """What a correction makes of a transaction keeps the rules of its type, which the door did not know."""
    if one.of.contract.effect != "corrects":
        return
    for check in event_types()[as_type].checks:
        if check in one.of.contract.checks:
            continue
        for fault in check(one.of.event, one.of.coins):
            raise Refused(fault.reason, fault.path, f"{fault.message}: it corrects a {as_type}")


def _in_window(books: Books, one: Dated, before: Revised) -> None:
    days = books.settings.correction_days
    if days is not None and one.of.books_date is None and one.day - before.business_date > timedelta(days=days):
        message = f"the original is of {before.business_date}, corrections are allowed for {days} days"
        raise Refused(reasons.LATE_EVENT_OUTSIDE_WINDOW, "/occurred_at", message)


def _open_day(books: Books, day: date, path: str) -> None:
    if books.is_closed(day):
        raise Refused(reasons.PERIOD_LOCKED, path, f"{day:%Y-%m} is closed, and {day} lies in it")


def _reverse(books: Books, one: Dated, name: Name, day: date) -> None:
    """Take the latest posting of a transaction back, and what it gave back of another with it."""
    head, before = books.heads[name], books.current(name)
    if before is None or head.transaction_id is None or head.revision is None:
        raise RuntimeError(f"there is no posting of {name} to take back")
    _open_day(books, day, "/original_txn_id")
    if before.given is not None:
        count_given(books, before.given, -1)
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


def _add(
    books: Books, one: Dated, head: Head, as_type: str, day: date, books_date: date, lines: Lines | None = None
) -> None:
    """One posting: a transaction with its lines (numbered as given), tenders, references and its entry."""
    event = one.of.event
    if head.transaction_id is None or head.revision is None:
        raise RuntimeError(f"{head.name()} has no transaction to add to")
    revision = (head.transaction_id, head.revision)
    of, paid = sums(event, one.of.coins), tenders(event)
    earlier = books.revised.get((head.transaction_id, head.revision - 1))
    given = give_back(books, one, as_type, of, earlier)
    if lines is None:
        lines = numbered(event)
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
        as_type,
        one.of.contract.name,
        one.of.event_id,
        day,
        books_date,
        one.of.currency,
        of.total,
        of.rounding,
        lines,
        given,
        is_referenced=given is not None,
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
