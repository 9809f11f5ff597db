"""The days of the accounts: what entries say, held against gold, and against what receipts and tenders come to."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ledgersafe.contracts.events import event_types
from ledgersafe.contracts.posting import KNOWN_TENDERS, Paid, Role, Sums
from ledgersafe.db.database import Tx
from ledgersafe.db.rows import AccountSums, Bounds
from ledgersafe.gold import store as gold
from ledgersafe.ledger import store as ledger
from ledgersafe.silver import store as silver

_BY_STORE: tuple[Role, ...] = ("sales", "returns", "discounts", "tax")
"""Roles that are held against the lines elsewhere, store by store: see `reconcile`."""
_MIXED = "mixed"
"""What a receipt says of its payment where it names several."""


class RolePlace(NamedTuple):
    """A role on a day, in one currency."""

    tenant_id: str
    currency: str
    role: str
    books_date: date


@dataclass(frozen=True, slots=True)
class RoleDay:
    """What moved in a role on a day, debit positive: by receipts and tenders, and by the entries."""

    place: RolePlace
    receipts: Decimal
    entries: Decimal


def read_account_days(tx: Tx, bounds: Bounds) -> list[tuple[AccountSums, AccountSums]]:
    """What entries say of every account and day, and what gold says with what it has yet to add; in order."""
    entries = ledger.account_sums(tx, bounds)
    parts = (gold.account_sums(tx, bounds), gold.pending_account_sums(tx, bounds))
    left = {_account_day(row): row for row in entries.all()}
    right: dict[tuple[str, date, str, str], AccountSums] = {}
    for row in (row for rows in parts for row in rows.all()):
        before = right.get(_account_day(row))
        right[_account_day(row)] = row if before is None else _added(before, row.debit, row.credit)
    return [_pair(left.get(key), right.get(key)) for key in sorted(left.keys() | right.keys())]


def read_role_days(tx: Tx, bounds: Bounds, entries: Iterable[AccountSums]) -> list[RoleDay]:
    """The same days by role, as the receipts have it and as `entries` have it; in order.

    Of an account that nobody knows the role is not known either, and what it took is missed in another.
    """
    receipts: dict[RolePlace, Decimal] = defaultdict(Decimal)
    for place, amount in _legs(tx, bounds):
        receipts[place] += amount
    roles = {(row.tenant_id, row.account): row.role for row in ledger.roles(tx, bounds.tenant_ids).all()}
    posted: dict[RolePlace, Decimal] = defaultdict(Decimal)
    for row in entries:
        role = roles.get((row.tenant_id, row.account))
        if role is not None and role not in _BY_STORE:
            posted[RolePlace(row.tenant_id, row.currency, role, row.books_date)] += row.debit - row.credit
    places = sorted(receipts.keys() | posted.keys())
    return [RoleDay(place, receipts[place], posted[place]) for place in places]


def _legs(tx: Tx, bounds: Bounds) -> Iterator[tuple[RolePlace, Decimal]]:
    """What posting makes of a day's receipts of one type that were paid alike: by the rule that made their entries."""
    receipts = silver.receipt_sums(tx, bounds, KNOWN_TENDERS)
    tenders = silver.tender_sums(tx, bounds, KNOWN_TENDERS)
    several: dict[tuple[str, date, str, str], list[Paid]] = defaultdict(list)
    for row in tenders.all():
        several[row.tenant_id, row.books_date, row.currency, row.type].append(Paid(row.payment, row.amount))
    types = event_types()
    for row in receipts.all():
        posts = types[row.type].posts if row.type in types else None
        if posts is None:
            continue
        paid = _paid(row, several)
        for role, amount in posts(_sums(row), paid):
            if amount and role not in _BY_STORE:
                yield RolePlace(row.tenant_id, row.currency, role, row.books_date), amount


def _paid(row: silver.ReceiptSums, several: Mapping[tuple[str, date, str, str], Sequence[Paid]]) -> Sequence[Paid]:
    if row.payment is None:
        return ()
    if row.payment == _MIXED:
        return several.get((row.tenant_id, row.books_date, row.currency, row.type), ())
    return [Paid(row.payment, row.total)]


def _sums(row: silver.ReceiptSums) -> Sums:
    return Sums(
        units=row.units,
        gross=row.gross,
        discount=row.discount,
        tax=row.tax,
        included_tax=row.included_tax,
        rounding=row.rounding,
        totals_difference=row.totals_difference,
        total=row.total,
    )


def _pair(of_entries: AccountSums | None, of_gold: AccountSums | None) -> tuple[AccountSums, AccountSums]:
    """Both; of who says nothing, nothing of the same account and day."""
    some = of_entries or of_gold
    if some is None:
        raise LookupError("an account and day of which nobody says anything")
    nothing = _added(some, -some.debit, -some.credit)
    return of_entries or nothing, of_gold or nothing


def _account_day(row: AccountSums) -> tuple[str, date, str, str]:
    return row.tenant_id, row.books_date, row.account, row.currency


def _added(row: AccountSums, debit: Decimal, credit: Decimal) -> AccountSums:
    return AccountSums(row.tenant_id, row.account, row.books_date, row.currency, row.debit + debit, row.credit + credit)
