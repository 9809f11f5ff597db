"""What returns give back of sales: never more than was sold, never more money than was paid, and never too late."""

from collections.abc import Collection
from decimal import Decimal

from ledgersafe.contracts.events import event_types
from ledgersafe.contracts.items import Line
from ledgersafe.contracts.posting import Sums, sums
from ledgersafe.kernel import reasons
from ledgersafe.pipeline.books import Books, Given, Revised, sold_by
from ledgersafe.pipeline.candidate import Candidate, Dated, Refused, numbered
from ledgersafe.silver.rules import (
    ZERO,
    Exceeded,
    GivenBack,
    Left,
    allocate,
    below_returned,
    kept_numbers,
    most_back,
)
from ledgersafe.silver.store import Name

Lines = Collection[tuple[int, Line]]
"""Lines with their numbers."""


def original(books: Books, one: Candidate) -> tuple[Name, Revised]:
    """The transaction that an event names, live and in the books. Raises Refused."""
    name = original_name(one)
    if name is None or (before := books.current(name)) is None:
        message = f"transaction {one.event.original_txn_id!r} is not posted yet"
        raise Refused(reasons.MISSING_REFERENCE, "/original_txn_id", message, name)
    _not_voided(books, name)
    return name, before


def original_name(one: Candidate) -> Name | None:
    """How tills name the original of an event; None where it acts on none."""
    if one.contract.original == "none":
        return None
    txn_id: str | None = one.event.original_txn_id
    return None if txn_id is None else (one.event.original_store_id or one.event.store_id, txn_id)


def give_back(books: Books, one: Dated, as_type: str, of: Sums, earlier: Revised | None) -> Given | None:
    """What a return takes of its original, counted there; None for what is no return, or names no original.

    `of`: its sums. `earlier`: its revision before, whose original a correction keeps. Raises Refused.
    """
    if not event_types()[as_type].gives_back:
        return None
    if one.of.contract.effect == "corrects":
        if earlier is not None and earlier.given is not None:
            return _allocated(books, one, earlier.given.original, of)
        if earlier is not None and earlier.is_referenced:  # from before lines of nothing were written
            message = "the return gave nothing back, and of which sale is not known: cancel it, and send another RETURN"
            raise Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/original_txn_id", message)
        return None
    if one.of.event.original_txn_id is None:
        if one.of.contract.gives_back and books.settings.unreferenced_returns == "park":
            raise Refused(reasons.UNREFERENCED_RETURN, "/original_txn_id", "the return names no original")
        return None
    name, _ = original(books, one.of)
    return _allocated(books, one, name, of)


def count_given(books: Books, given: Given, sign: int) -> None:
    """Count to its original what a return gives back (1), or gives free again (-1)."""
    returned = books.returned(given.original)
    for one in given.allocations:
        quantity, amount = returned.get(one.original_line_no, (ZERO, ZERO))
        returned[one.original_line_no] = quantity + sign * one.quantity, amount + sign * one.amount
    books.set_returned(given.original, returned)
    _count_in_all(books, given, sign)


def nothing_given_back(books: Books, name: Name) -> None:
    """Raises Refused where a part of a transaction was given back: it cannot be undone."""
    returned, total = books.returned(name), books.heads[name].returned_total
    if returned or total:
        which = f"line {min(returned)}" if returned else f"the total, {total},"
        message = f"a part of it, of {which} was given back already"
        raise Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/original_txn_id", message)


def remaining(books: Books, one: Dated, name: Name) -> Lines:
    """The lines of what a transaction becomes, numbered so that what was given back of it stays given back.

    Raises Refused where more was given back than remains.
    """
    lines, before, returned = numbered(one.of.event), books.current(name), books.returned(name)
    if before is None or not (returned or books.heads[name].returned_total):
        return lines
    if one.of.currency != before.currency:
        message = f"a part was given back in {before.currency} already"
        raise Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/currency", message)
    if below_returned(sold_by(lines), before.sold(), returned) is not None:
        lines = _numbered_as_before(one, lines, before, returned)
    _still_paid(books, one, name, before)
    return lines


def _numbered_as_before(one: Dated, lines: Lines, before: Revised, returned: dict[int, Left]) -> Lines:
    """Lines that were sent without a number, under the one by which something of them was given back."""
    sent = {line.line_no for line in one.of.event.line_items}
    free = {number for number, line in lines if line.line_no != number}
    numbers = kept_numbers(sold_by(lines), free, before.sold(), returned)
    lines = [(numbers.get(number, number), line) for number, line in lines]
    line_no = below_returned(sold_by(lines), before.sold(), returned)
    if line_no is not None:
        message = f"more of line {line_no} was given back already than would remain"
        if None in sent:
            message += ": if it is among the lines, say which one it is (line_no)"
        raise Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/line_items", message)
    return lines


def _still_paid(books: Books, one: Dated, name: Name, before: Revised) -> None:
    """No correction leaves less paid than was given back; one that does not lower it may leave it as it was."""
    head, of = books.heads[name], sums(one.of.event, one.of.coins)
    most = _most_back(books, one, name, of.total, of.rounding)
    is_lower = most < _most_back(books, one, name, before.total, before.rounding)
    if is_lower and head.returned_total > most:
        message = (
            f"{head.returned_total} was given back in all already, which is more than the {of.total} that would remain"
        )
        raise Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/total_amount", message)


def _allocated(books: Books, one: Dated, name: Name, of: Sums) -> Given:
    """What the lines of a return take of an original, counted there."""
    head, before = books.change(name), books.current(name)
    if before is None or head.transaction_id is None:
        raise RuntimeError(f"there is no posting of {name} to give back of")
    _not_voided(books, name)
    if not event_types()[before.type].sells:
        message = f"the original is a {before.type}: it sold nothing that could be given back"
        raise Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/original_txn_id", message)
    if before.currency != one.of.currency:
        message = f"the original was paid in {before.currency}, not in {one.of.currency}"
        raise Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/currency", message)
    lines = [
        GivenBack(number, line.sku, line.qty, line.amount, line.original_line_no)
        for number, line in numbered(one.of.event)
    ]
    try:
        allocations, after = allocate(lines, before.sold(), books.returned(name))
    except Exceeded as exceeded:
        at = next(index for index, line in enumerate(lines) if line is exceeded.line)
        raise Refused(reasons.CANNOT_EXCEED_ORIGINAL, f"/line_items/{at}", str(exceeded)) from None
    books.set_returned(name, after)
    given = Given(name, head.transaction_id, allocations, of.total, of.rounding)
    _count_in_all(books, given, 1)
    if head.returned_total > _most_back(books, one, name, before.total, before.rounding):
        message = f"{head.returned_total} would be given back in all, of {before.total} that was paid"
        raise Refused(reasons.CANNOT_EXCEED_ORIGINAL, "/total_amount", message)
    return given


def _count_in_all(books: Books, given: Given, sign: int) -> None:
    head = books.change(given.original)
    head.returned_total += sign * given.total
    head.returned_rounding += sign * given.rounding
    head.returned_parts += sign * given.parts()


def _most_back(books: Books, one: Dated, name: Name, paid: Decimal, rounding: Decimal) -> Decimal:
    """The most that may go back of a sale that was paid so, with what goes back of it by now."""
    head = books.heads[name]
    return most_back(paid, rounding, books.returned(name), head.returned_parts, head.returned_rounding, one.of.coins)


def _not_voided(books: Books, name: Name) -> None:
    if books.heads[name].state == "voided":
        message = f"transaction {name[1]!r} was voided or cancelled before"
        raise Refused(reasons.ORIGINAL_ALREADY_VOIDED, "/original_txn_id", message)
