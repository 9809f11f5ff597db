"""Random events about transactions, and every end that the books may come to, whatever their order."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tests.events import sale

Event = dict[str, Any]
End = dict[str, Event | None]
"""txn_id → the event whose lines stand, with the type (`is`) and the day of the transaction; None: voided."""
Row = tuple[Decimal, ...]

FIRST_DAY = date(2026, 1, 15)
STORES = ["store_001", "store_002"]
_ROLES = {"cash": "cash", "card": "card", "invoice": "receivable", "gift": "other_tenders", None: "suspense"}


@dataclass(slots=True)
class Story:
    """What was sent about some transactions, and the ends that are right."""

    events: list[Event]
    ends: list[End]


class Author:
    """Writes stories of one tenant."""

    def __init__(self, random: Random, tenant: str) -> None:
        self._random = random
        self._tenant = tenant
        self._number = 0
        self._day, self._store = FIRST_DAY, STORES[0]

    def story(self) -> Story:
        """One of a random kind."""
        kinds: list[Callable[[], Story]] = [
            self._plain, self._corrected, self._undone, self._parts, self._race, self._of_a_return, self._twice,
            self._two_corrections, self._undone_or_returned, self._loose,
        ]  # fmt: skip
        self._day = FIRST_DAY + timedelta(days=self._random.randrange(21))
        self._store = self._random.choice(STORES)
        return self._random.choice(kinds)()

    def _later(self) -> date:
        """On the same day, or up to three weeks after it; as stories are told in disorder, most of it comes late."""
        return self._day + timedelta(days=self._random.choice([0, 0, 1, 9, 21]))

    def _event(self, kind: str, *, lines: list[Event] | None = None, on: date | None = None, **changes: Any) -> Event:
        self._number += 1
        name = f"e{self._number}"
        day = on or (self._day if kind in ("SALE", "VOID") else self._later())
        changes |= {"occurred_at": f"{day}T12:00:00Z", "store_id": self._store}
        if kind in ("VOID", "CANCEL"):
            return sale(self._tenant, name, event_type=kind, line_items=None, total_amount=None, **changes)
        made = lines or self._lines()
        gross = sum((Decimal(line["amount"]) for line in made), Decimal(0))
        tax = self._random.choice([None, Decimal("1.25")])
        included = self._random.random() < 0.5
        total = gross + (tax if tax is not None and not included else 0)
        return sale(
            self._tenant, name, event_type=kind, line_items=made, total_amount=str(total), tax_included=included,
            tax_amount=None if tax is None else str(tax),
            payment_method=self._random.choice(list(_ROLES)), **changes,
        )  # fmt: skip

    def _lines(self) -> list[Event]:
        return [
            {
                "sku": f"S{number}",
                "qty": self._random.randint(1, 4),
                "amount": f"{self._random.randint(200, 999) / 100:.2f}",
            }
            for number in range(self._random.randint(1, 4))
        ]

    def _part(self, sold: Event, **changes: Any) -> Event:
        """A return of the whole first line."""
        line = dict(sold["line_items"][0])
        if self._random.random() < 0.5:
            line["original_line_no"] = 1
        return self._event("RETURN", lines=[line], original_txn_id=sold["txn_id"], **changes)

    def _corrects(self, sold: Event, *, lines: list[Event] | None = None, moved: bool = True) -> Event:
        """The truth about a transaction; some say that it was of another day."""
        moves = {}
        if moved and self._random.random() < 0.4:
            moves["business_date"] = str(FIRST_DAY + timedelta(days=self._random.randrange(40)))
        return self._event("CORRECTION", lines=lines, original_txn_id=sold["txn_id"], **moves)

    def _plain(self) -> Story:
        sold = self._event("SALE")
        return Story([sold], [{sold["txn_id"]: sold}])

    def _corrected(self) -> Story:
        sold = self._event("SALE")
        truth = self._corrects(sold)
        return Story([sold, truth], [{sold["txn_id"]: standing(truth, sold)}])

    def _undone(self) -> Story:
        sold = self._event(self._random.choice(["SALE", "RETURN", "ADJUSTMENT"]))
        of = {"original_txn_id": sold["txn_id"]}
        others = [
            self._event("VOID", on=day_of(sold), **of), self._event("CANCEL", **of), self._corrects(sold, moved=False),
        ]  # fmt: skip
        return Story([sold, *others[: self._random.randint(1, 3)]], [{sold["txn_id"]: None}])

    def _parts(self) -> Story:
        sold = self._event(
            "SALE", lines=[{"sku": "A", "qty": 4, "amount": "40"}, {"sku": "A", "qty": 1, "amount": "12"}]
        )
        of = {"original_txn_id": sold["txn_id"]}
        parts = [self._event("RETURN", lines=[{"sku": "A", "qty": 1, "amount": "10"}], **of) for _ in range(4)]
        return Story([sold, *parts], [{sold["txn_id"]: sold} | {part["txn_id"]: part for part in parts}])

    def _race(self) -> Story:
        sold = self._event("SALE")
        rivals = [self._part(sold) for _ in range(self._random.randint(2, 4))]
        ends: list[End] = [{sold["txn_id"]: sold, rival["txn_id"]: rival} for rival in rivals if fits(sold, rival)]
        return Story([sold, *rivals], ends or [{sold["txn_id"]: sold}])

    def _of_a_return(self) -> Story:
        sold = self._event("SALE")
        back = self._part(sold)
        truth = self._corrects(back, lines=back["line_items"])
        undone = self._event("CANCEL", original_txn_id=back["txn_id"])
        end: End = {sold["txn_id"]: sold}
        if fits(sold, back):
            end[back["txn_id"]] = standing(truth, back) if fits(sold, truth) else back
        if self._random.random() < 0.5:
            return Story([sold, back, truth], [end])
        return Story([sold, back, truth, undone], [end | {back["txn_id"]: None}])

    def _twice(self) -> Story:
        first, second = self._event("SALE"), self._event("SALE")
        second["txn_id"] = first["txn_id"]
        return Story([first, second], [{first["txn_id"]: first}, {first["txn_id"]: second}])

    def _two_corrections(self) -> Story:
        sold = self._event("SALE")
        one, two = self._corrects(sold), self._corrects(sold)
        ends = [standing(one, standing(two, sold)), standing(two, standing(one, sold))]
        return Story([sold, one, two], [{sold["txn_id"]: end} for end in ends])

    def _undone_or_returned(self) -> Story:
        sold = self._event("SALE")
        back, undone = self._part(sold), self._event("CANCEL", original_txn_id=sold["txn_id"])
        given: list[End] = [{sold["txn_id"]: sold, back["txn_id"]: back}] if fits(sold, back) else []
        return Story([sold, back, undone], [*given, {sold["txn_id"]: None}])

    def _loose(self) -> Story:
        one = self._event(self._random.choice(["RETURN", "ADJUSTMENT", "STOCK_ADJUSTMENT"]))
        lost = self._event("CORRECTION", original_txn_id="nobody sold this")
        return Story([one, lost], [{one["txn_id"]: one}])


def fits(sold: Event, back: Event) -> bool:
    """Whether a return refunds no more than was paid; it may round by a cent a line."""
    return Decimal(back["total_amount"]) <= Decimal(sold["total_amount"]) + len(back["line_items"]) * Decimal("0.01")


def lines_of(event: Event) -> Counter[tuple[str, Decimal, Decimal]]:
    """Its lines, without their order."""
    return Counter((line["sku"], Decimal(line["qty"]), Decimal(line["amount"])) for line in event["line_items"])


def day_of(event: Event) -> date:
    """The day that what stands counts for."""
    return date.fromisoformat(event.get("day") or event["occurred_at"][:10])


def standing(truth: Event, before: Event) -> Event:
    """A correction as it stands: of the type of what it corrects, and of its day, unless it names another."""
    day = truth.get("business_date") or str(day_of(before))
    return truth | {"is": before.get("is", before["event_type"]), "day": day}


def _legs(event: Event) -> dict[str, Decimal]:
    """Role → what the event moves there."""
    kind = event.get("is", event["event_type"])
    gross = sum((Decimal(line["amount"]) for line in event["line_items"]), Decimal(0))
    total, tax = Decimal(event["total_amount"]), Decimal(event.get("tax_amount", 0))
    paid = _ROLES[event.get("payment_method")]
    sign = -1 if kind == "RETURN" else 1
    if kind == "STOCK_ADJUSTMENT":
        legs = {"inventory": total, "cost_of_goods": -total}
    elif kind == "ADJUSTMENT":
        legs = {"receivable" if paid == "suspense" else paid: total, "tax": -tax, "bad_debt": tax - total}
    else:
        net = gross - (tax if event["tax_included"] else 0)
        legs = {paid: total, "returns" if kind == "RETURN" else "sales": -net, "tax": -tax}
    return {role: sign * amount for role, amount in legs.items()}


def accounts(events: Iterable[Event]) -> dict[tuple[date, str], Row]:
    """(day, role) → (balance,) of what stands, reckoned without the product."""
    found: dict[tuple[date, str], Row] = {}
    for event in events:
        for role, amount in _legs(event).items():
            _add(found, (day_of(event), role), (amount,))
    return without_nothing(found)


def store_days(events: Iterable[Event]) -> dict[tuple[date, str], Row]:
    """(day, store) → (transactions, units, gross, returns, net, tax) of the sales and returns that stand."""
    found: dict[tuple[date, str], Row] = {}
    for event, sold, returned, lines in _sales(events):
        tax = Decimal(event.get("tax_amount", 0)) * (sold - returned)
        units, gross = (sum((line[at] for line in lines), Decimal(0)) for at in (1, 2))
        net = gross * (sold - returned) - (tax if event["tax_included"] else 0)
        row = (Decimal(sold), sold * units, sold * gross, -returned * gross, net, tax)
        _add(found, (day_of(event), event["store_id"]), row)
    return without_nothing(found)


def product_days(events: Iterable[Event]) -> dict[tuple[date, str, str], Row]:
    """(day, store, sku) → (units, gross, returns)."""
    found: dict[tuple[date, str, str], Row] = {}
    for event, sold, returned, lines in _sales(events):
        for sku, quantity, amount in lines:
            row = (sold * quantity, sold * amount, -returned * amount)
            _add(found, (day_of(event), event["store_id"], sku), row)
    return without_nothing(found)


def _sales(events: Iterable[Event]) -> Iterable[tuple[Event, int, int, list[tuple[str, Decimal, Decimal]]]]:
    """Each sale and return: whether it is the one or the other, and its lines."""
    for event in events:
        kind = event.get("is", event["event_type"])
        if kind in ("SALE", "RETURN"):
            yield event, int(kind == "SALE"), int(kind == "RETURN"), list(lines_of(event).elements())


def _add(found: dict[Any, Row], key: Any, row: Row) -> None:
    found[key] = tuple(map(sum, zip(found.get(key, (Decimal(0),) * len(row)), row, strict=True)))


def without_nothing(rows: dict[Any, Row]) -> dict[Any, Row]:
    """The rows that say something."""
    return {key: row for key, row in rows.items() if any(row)}
