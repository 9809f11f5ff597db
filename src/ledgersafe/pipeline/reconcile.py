"""reconcile: the days of the stores, as lines and receipts, the accounts and gold say them, held against each other."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ledgersafe.db.database import Database, Tx
from ledgersafe.db.rows import Bounds, Days, DaySums
from ledgersafe.gate import store as gate
from ledgersafe.gold import store as gold
from ledgersafe.ledger import store as ledger
from ledgersafe.silver import store as silver

MEASURES = ("gross", "returns", "discounts", "tax", "net")
_SECONDS = 60.0


class Place(NamedTuple):
    """A day of a store, in one currency, as tables are sorted by it."""

    tenant_id: str
    books_date: date
    store_id: str
    currency: str


@dataclass(frozen=True, slots=True)
class Sums:
    """What sales and returns come to: returns and discounts are negative; net is without included tax."""

    gross: Decimal = Decimal(0)
    returns: Decimal = Decimal(0)
    discounts: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    net: Decimal = Decimal(0)

    def __add__(self, other: "Sums") -> "Sums":
        """Measure by measure."""
        return Sums(*(a + b for a, b in zip(self.values(), other.values(), strict=True)))

    def __sub__(self, other: "Sums") -> "Sums":
        """Measure by measure."""
        return Sums(*(a - b for a, b in zip(self.values(), other.values(), strict=True)))

    def values(self) -> tuple[Decimal, ...]:
        """In the order of MEASURES."""
        return self.gross, self.returns, self.discounts, self.tax, self.net


NOTHING = Sums()


@dataclass(frozen=True, slots=True)
class Day:
    """What a day of a store comes to, by who says so. `pending`: what gold has yet to add.

    The accounts are brought to the terms of the lines: with the tax that amounts include, without that of adjustments.
    """

    place: Place
    lines: Sums
    accounts: Sums
    gold: Sums
    pending: Sums

    @property
    def off_in_accounts(self) -> Sums:
        """What the accounts have more than the lines."""
        return self.accounts - self.lines

    @property
    def off_in_gold(self) -> Sums:
        """What gold has more than the lines, with what it has yet to add."""
        return self.gold + self.pending - self.lines

    @property
    def ok(self) -> bool:
        """Whether all say the same, to the last digit."""
        return not any(self.off_in_accounts.values()) and not any(self.off_in_gold.values())


@dataclass(frozen=True, slots=True)
class Events:
    """What came for a trading day of a store, and where it is.

    `posted`: in the books on this day; `disputed` of them have another payload that waits for a decision. `arrived`:
    those whose arrival is there; so it is the sum of posted, parked, waiting and ignored.
    """

    arrived: int = 0
    posted: int = 0
    parked: int = 0
    waiting: int = 0
    ignored: int = 0
    disputed: int = 0

    @property
    def ok(self) -> bool:
        """Whether every event that is anywhere has arrived."""
        return self.arrived == self.posted + self.parked + self.waiting + self.ignored


@dataclass(frozen=True, slots=True)
class StoreDay:
    """A day of a store: its events, and its sums by currency."""

    books_date: date
    store_id: str
    events: Events
    sums: tuple[Day, ...]

    @property
    def ok(self) -> bool:
        """Whether it ties out."""
        return self.events.ok and all(one.ok for one in self.sums)


def read_days(tx: Tx, bounds: Bounds) -> list[Day]:
    """Every day of every store within the bounds of which anybody says anything, in order."""
    of_lines = silver.day_sums(tx, bounds)
    of_accounts = ledger.day_sums(tx, bounds)
    of_gold = gold.store_sums(tx, bounds)
    of_batches = gold.pending_store_sums(tx, bounds)
    lines = {_place(row): row for row in of_lines.all()}
    accounts = {_place(row): _sums(row) for row in of_accounts.all()}
    held = {_place(row): _sums(row) for row in of_gold.all()}
    pending = {_place(row): _sums(row) for row in of_batches.all()}
    return [
        Day(
            place,
            _sums(lines[place]) if place in lines else NOTHING,
            accounts.get(place, NOTHING) + (_not_in_accounts(lines[place]) if place in lines else NOTHING),
            held.get(place, NOTHING),
            pending.get(place, NOTHING),
        )
        for place in sorted(lines.keys() | accounts.keys() | held.keys() | pending.keys())
    ]


def reconciliation(database: Database, tenant_id: str, days: Days) -> list[StoreDay]:
    """Days of the stores of a tenant: what came, what is in the books, and what each part of the books says."""
    with database.snapshot() as tx:
        tx.take_time(_SECONDS)
        posted = silver.events_by_day(tx, tenant_id, days)
        unposted = gate.unposted_by_day(tx, tenant_id, days)
        sums = read_days(tx, Bounds([tenant_id], days.since, days.until))
        return _store_days(posted.all(), unposted.all(), sums, days.store_id)


def _store_days(
    posted: Iterable[silver.PostedEvents],
    unposted: Iterable[gate.UnpostedEvents],
    sums: Iterable[Day],
    store_id: str | None,
) -> list[StoreDay]:
    by_day: dict[tuple[date, str], list[Day]] = defaultdict(list)
    for day in sums:
        if store_id in (None, day.place.store_id):
            by_day[day.place.books_date, day.place.store_id].append(day)
    of_books = {(row.books_date, row.store_id): row for row in posted}
    of_others = {(row.books_date, row.store_id): row for row in unposted}
    return [
        StoreDay(*key, _events(of_books.get(key), of_others.get(key)), tuple(by_day.get(key, ())))
        for key in sorted(by_day.keys() | of_books.keys() | of_others.keys())
    ]


def _events(posted: silver.PostedEvents | None, unposted: gate.UnpostedEvents | None) -> Events:
    there = Events() if posted is None else Events(arrived=posted.arrived, posted=posted.posted)
    if unposted is None:
        return there
    return Events(
        arrived=there.arrived + unposted.arrived,
        posted=there.posted,
        parked=unposted.parked,
        waiting=unposted.waiting,
        ignored=unposted.ignored,
        disputed=unposted.disputed,
    )


def _place(row: DaySums) -> Place:
    return Place(row.tenant_id, row.books_date, row.store_id, row.currency)


def _sums(row: DaySums) -> Sums:
    return Sums(row.gross, row.returns, row.discounts, row.tax, row.net)


def _not_in_accounts(row: DaySums) -> Sums:
    """What lines say and accounts do not: included tax, which is on the account of tax; less the tax of adjustments."""
    return Sums(gross=row.included_in_gross, returns=row.included_in_returns, tax=-row.other_tax)
