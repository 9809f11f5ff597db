"""Generated trade, and what the tables must say of it: reckoned from the events alone, in Python, by the definitions.

A generator keeps what is true of each transaction. Its events are sent in any order that a till could send them in.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ledgersafe.db.database import Database
from ledgersafe.gold.rules import tables
from ledgersafe.gold.store import Wanted
from ledgersafe.pipeline.promote import promote
from ledgersafe.pipeline.report import report_page
from tests.events import sale
from tests.pipeline.arrivals import accepted

FIRST_DAY = datetime(2026, 2, 2, tzinfo=UTC)
NOW = datetime(2026, 3, 15, tzinfo=UTC)
ZERO = Decimal(0)
BRANDS = {"A": "Acme", "B": "Acme", "C": "Bolt"}
REGIONS = {"s-utc": "north", "s-euro": "north"}
STORES = (("s-utc", "UTC", "USD"), ("s-tokyo", "Asia/Tokyo", "JPY"), ("s-euro", "UTC", "EUR"))
Key = tuple[Any, ...]
Rows = dict[Key, tuple[Decimal, ...]]


@dataclass
class Truth:
    """A transaction as it stands now."""

    event: dict[str, Any]
    day: date
    hour: int
    voided: bool = False
    returned: bool = False


@dataclass
class Trade:
    """The events of one tenant so far, and what is true after them."""

    tenant: str
    seed: int
    truths: list[Truth] = field(default_factory=list)
    days: set[tuple[date, str]] = field(default_factory=set)
    """(day, currency) of every sale and return that was ever in the books, also where it is no more."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - the same trade for the same seed
        self.number = 0

    def some(self, many: int) -> list[dict[str, Any]]:
        """The next events: sales, most of them, and what happens to earlier ones."""
        return [self._next() for _ in range(many)]

    def _next(self) -> dict[str, Any]:
        live = [one for one in self.truths if not one.voided and not one.returned and one.event["event_type"] == "SALE"]
        kind = self.random.choices(
            ["sale", "return", "loose", "correct", "move", "void", "adjust"], [12, 2, 1, 2, 2, 2, 1]
        )[0]
        if kind in ("sale", "loose", "adjust") or not live:
            return self._originate({"loose": "RETURN", "adjust": "ADJUSTMENT"}.get(kind, "SALE"))
        chosen = self.random.choice(live)
        return {"return": self._return, "correct": self._correct, "move": self._move, "void": self._cancel}[kind](
            chosen
        )

    def _name(self) -> dict[str, str]:
        self.number += 1
        return {"event_id": f"{self.seed}-{self.number}", "txn_id": f"t-{self.seed}-{self.number}"}

    def _goods(self, currency: str) -> dict[str, Any]:
        unit = Decimal(1) if currency == "JPY" else Decimal("0.01")
        lines = [
            {
                "sku": self.random.choice(["A", "B", "C", "D"]),
                "qty": str(self.random.randint(1, 4)),
                "amount": str(self.random.randint(1, 9_999) * unit),
            }
            | ({"tax": str(self.random.randint(0, 99) * unit)} if self.random.random() < 0.5 else {})
            for _ in range(self.random.randint(1, 4))
        ]
        for line in lines:
            line |= {"brand": BRANDS[line["sku"]]} if line["sku"] in BRANDS else {}
        gross = sum(Decimal(line["amount"]) for line in lines)
        tax = sum((Decimal(line.get("tax", 0)) for line in lines), ZERO)
        goods: dict[str, Any] = {"line_items": lines, "tax_included": self.random.random() < 0.5}
        if not any("tax" in line for line in lines) and self.random.random() < 0.5:
            tax = self.random.randint(1, 50) * unit
            goods["tax_amount"] = str(tax)
        discount = min(gross, self.random.randint(1, 20) * unit) if self.random.random() < 0.3 else ZERO
        if discount:
            goods["discount_amount"] = str(discount)
        total = gross - discount + (ZERO if goods["tax_included"] else tax)
        goods["total_amount"] = str(total)
        return goods | self._paid(total)

    def _paid(self, total: Decimal) -> dict[str, Any]:
        how = self.random.choice(["none", "one", "split"])
        if how == "one":
            return {"payment_method": self.random.choice(["cash", "Card"])}
        if how == "split" and total > 1:
            return {
                "tenders": [
                    {"type": "CASH", "amount": str(total + 4), "change": "5"},
                    {"type": "voucher", "amount": "1"},
                ]
            }
        return {}

    def _at(self) -> datetime:
        return FIRST_DAY + timedelta(minutes=self.random.randint(0, 60 * 24 * 28))

    def _originate(self, kind: str) -> dict[str, Any]:
        store, zone, currency = self.random.choice(STORES)
        at = self._at()
        place = {"metadata": {"country": self.random.choice(["DE", "FR"])}} if self.random.random() < 0.7 else {}
        event = sale(self.tenant, **self._name(), event_type=kind, store_id=store, currency=currency)
        event |= {"occurred_at": at.isoformat()} | self._goods(currency) | place
        local = at.astimezone(ZoneInfo(zone))
        self._note(Truth(event, local.date(), local.hour))
        return event

    def _note(self, truth: Truth) -> None:
        self.truths.append(truth)
        if truth.event["event_type"] != "ADJUSTMENT":
            self.days.add((truth.day, truth.event["currency"]))

    def _about(self, of: Truth, kind: str, **changes: Any) -> dict[str, Any]:
        event = of.event
        later = datetime.fromisoformat(event["occurred_at"]) + timedelta(days=1, hours=3)
        return {
            "schema_version": "1.0",
            "tenant_id": self.tenant,
            "store_id": event["store_id"],
            "source_system": "pos_sim",
            "event_type": kind,
            "occurred_at": later.isoformat(),
            "original_txn_id": event["txn_id"],
            "currency": event["currency"],
            **self._name(),
            **changes,
        }

    def _return(self, of: Truth) -> dict[str, Any]:
        of.returned = True
        goods = {name: of.event[name] for name in ("line_items", "total_amount", "tax_included")}
        also = {name: of.event[name] for name in ("tax_amount", "discount_amount") if name in of.event}
        event = self._about(of, "RETURN", **goods, **also, metadata={"country": "IT"})
        local = datetime.fromisoformat(event["occurred_at"]).astimezone(ZoneInfo(_zone(event["store_id"])))
        self._note(Truth(event, local.date(), local.hour))
        return event

    def _correct(self, of: Truth, **changes: Any) -> dict[str, Any]:
        event = self._about(of, "CORRECTION", **self._goods(of.event["currency"]), **changes)
        place = {"metadata": of.event["metadata"]} if "metadata" in of.event else {}
        event |= place
        kept = {name: of.event[name] for name in ("event_type", "occurred_at", "txn_id", "event_id")}
        of.event = event | kept | ({} if place else {"metadata": {}})
        return event

    def _move(self, of: Truth) -> dict[str, Any]:
        of.day += timedelta(days=self.random.choice([-1, 1, 9]))
        self.days.add((of.day, of.event["currency"]))
        return self._correct(of, business_date=of.day.isoformat())

    def _cancel(self, of: Truth) -> dict[str, Any]:
        of.voided = True
        return self._about(of, "CANCEL")


def _zone(store_id: str) -> str:
    return next(zone for name, zone, _ in STORES if name == store_id)


def set_up(superuser: Any, tenant: str) -> None:
    """Stores with time zones of their own."""
    superuser.execute(
        "INSERT INTO tenants.tenants (tenant_id, created_at, created_by) VALUES (%s, %s, 'test')", [tenant, NOW]
    )
    for store, zone, currency in STORES:
        superuser.execute(
            "INSERT INTO tenants.stores (tenant_id, store_id, time_zone, currency, region) VALUES (%s, %s, %s, %s, %s)",
            [tenant, store, zone, currency, REGIONS.get(store)],
        )


def post(db: Database, tenant: str, events: Sequence[dict[str, Any]], most: int = 2_000) -> None:
    """Accept and post these events, in this order."""
    outcomes = accepted(db, events)
    assert {outcome.result for outcome in outcomes} <= {"processed"}, [one for one in outcomes if one.faults]
    while promote(db, tenant, NOW, most):
        pass


def held(db: Database, tenant: str, name: str) -> Rows:
    """What a table says, without rows of nothing: {its keys: its measures}."""
    table = tables()[name]
    rows = report_page(db, table, Wanted(tenant), 100_000)
    found = {
        tuple(row[key] for key in table.cursor): tuple(
            Decimal(value) if isinstance(value, int | Decimal) else value
            for column, value in row.items()
            if column not in table.cursor and not column.endswith("_percent")
        )
        for row in rows
    }
    return {key: measures for key, measures in found.items() if any(measures)}


def expected(trade: Trade) -> dict[str, Rows]:
    """What every table of sales must say."""
    made: dict[str, dict[Key, list[Decimal]]] = defaultdict(dict)
    for truth in trade.truths:
        if not truth.voided and truth.event["event_type"] in ("SALE", "RETURN"):
            for name, key, measures in _rows(truth):
                row = made[name].setdefault(key, [ZERO] * len(measures))
                row[:] = [a + b for a, b in zip(row, measures, strict=True)]
    return {name: {key: tuple(row) for key, row in sorted(rows.items()) if any(row)} for name, rows in made.items()}


def _rows(truth: Truth) -> Iterable[tuple[str, Key, list[Decimal]]]:
    event = truth.event
    day, store, currency = truth.day, event["store_id"], event["currency"]
    country = event.get("metadata", {}).get("country", "")
    is_sale = event["event_type"] == "SALE"
    lines = event["line_items"]
    gross = _sum(line["amount"] for line in lines)
    units = _sum(line["qty"] for line in lines)
    discount = Decimal(event.get("discount_amount", 0))
    line_tax = _sum(line.get("tax", 0) for line in lines)
    tax = Decimal(event["tax_amount"]) if "tax_amount" in event else line_tax
    sales = _sales(is_sale, Decimal(int(is_sale)), units, gross, discount, tax, event["tax_included"])
    yield "daily_store_sales", (day, store, currency), sales
    yield "daily_country_sales", (day, country, currency), sales
    yield "hourly_sales", (day, store, truth.hour, currency), sales
    for sku in {line["sku"] for line in lines}:
        of = [line for line in lines if line["sku"] == sku]
        parts = [_sum(line[name] for line in of) for name in ("qty", "amount")]
        taxed = _sum(line.get("tax", 0) for line in of)
        measures = _sales(is_sale, Decimal(int(is_sale)), *parts, ZERO, taxed, event["tax_included"])
        yield "daily_product_sales", (day, store, sku, currency), measures
    rest = _sales(is_sale, ZERO, ZERO, ZERO, discount, tax - line_tax, event["tax_included"])
    yield "daily_product_sales", (day, store, "", currency), rest
    is_loose = not is_sale and "original_txn_id" not in event
    counts = [Decimal(int(value)) for value in (is_sale, not is_sale, is_loose)]
    goods = [units, ZERO, gross, ZERO] if is_sale else [ZERO, units, ZERO, gross]
    yield "return_rates", (day, store, currency), [*counts, *goods]
    paid = [
        (one["type"].lower(), Decimal(one["amount"]) - Decimal(one.get("change", 0)))
        for one in event.get("tenders", ())
    ]
    if not paid:
        paid = [(event.get("payment_method", "").lower(), Decimal(event["total_amount"]))]
    for kind, amount in paid:
        received = [Decimal(1), amount, ZERO] if is_sale else [ZERO, ZERO, -amount]
        yield "payment_mix", (day, store, kind, currency), received


def _sales(
    is_sale: bool, number: Decimal, units: Decimal, gross: Decimal, discount: Decimal, tax: Decimal, included: bool
) -> list[Decimal]:
    """[transactions, units, gross, discounts, returns, net, tax]."""
    of_tax = tax if included else ZERO
    if is_sale:
        return [number, units, gross, -discount, ZERO, gross - discount - of_tax, tax]
    return [ZERO, ZERO, ZERO, discount, -gross, discount + of_tax - gross, -tax]


def _sum(values: Iterable[Any]) -> Decimal:
    return sum((Decimal(value) for value in values), ZERO)
