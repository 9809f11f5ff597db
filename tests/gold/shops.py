"""Generated trade of several stores in several currencies over months, with customers who are named, or are not.

As in tests.gold.trade, but that stores share currencies, days go back far enough for windows of four weeks and months,
and that every day on which a store's books ever moved is known: what they were moved on keeps a row of zeros.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.events import sale
from tests.gold.trade import NOW, Trade, Truth, expected

STORES = {f"shop-{number}": currency for number, currency in enumerate(["EUR", "EUR", "EUR", "USD", "USD"], 1)}
BEGIN = datetime(2025, 11, 3, 9, tzinfo=UTC)
DAYS = 110


@dataclass
class Shops(Trade):
    """The events of one tenant, and on which days they moved the books."""

    moved: set[tuple[str, str, date]] = field(default_factory=set)
    sold: set[tuple[str, str, date]] = field(default_factory=set)
    """(store, currency, day) and (sku, currency, day): also of what was corrected away since."""

    def _next(self) -> dict[str, Any]:
        event = super()._next()
        for truth in self.truths:
            if truth.event["event_type"] in ("SALE", "RETURN"):
                of = truth.event
                self.moved.add((of["store_id"], of["currency"], truth.day))
                self.sold |= {(line["sku"], of["currency"], truth.day) for line in of["line_items"]}
        return event

    def _at(self) -> datetime:
        """More in the later part, and none in a part of it: stores have quiet months."""
        day = int(DAYS * self.random.random() ** 0.7)
        return BEGIN + timedelta(days=day - 45 if 50 < day < 90 else day, minutes=self.random.randint(0, 600))

    def _originate(self, kind: str) -> dict[str, Any]:
        store, currency = self.random.choice(list(STORES.items()))
        event = sale(self.tenant, **self._name(), event_type=kind, store_id=store, currency=currency)
        event |= {"occurred_at": self._at().isoformat()} | self._goods(currency) | self._customer()
        at = datetime.fromisoformat(event["occurred_at"])
        self.truths.append(Truth(event, at.date(), at.hour))
        return event

    def _customer(self) -> dict[str, str]:
        if self.random.random() < 0.2:
            return {}
        return {"customer_id": f"c-{int(25 * self.random.random() ** 2)}"}

    def _return(self, of: Truth) -> dict[str, Any]:
        of.returned = True
        goods = {name: of.event[name] for name in ("line_items", "total_amount", "tax_included")}
        also = {name: of.event[name] for name in ("tax_amount", "discount_amount") if name in of.event}
        event = self._about(of, "RETURN", **goods, **also, **self._customer())
        at = datetime.fromisoformat(event["occurred_at"])
        self.truths.append(Truth(event, at.date(), at.hour))
        return event

    def _correct(self, of: Truth, **changes: Any) -> dict[str, Any]:
        customer = self._customer()
        event = super()._correct(of, **changes, **customer)
        if not customer:
            of.event.pop("customer_id", None)
        return event


def set_up(superuser: Any, tenant: str) -> None:
    """The stores, all in UTC."""
    superuser.execute(
        "INSERT INTO tenants.tenants (tenant_id, created_at, created_by) VALUES (%s, %s, 'test')", [tenant, NOW]
    )
    for store, currency in STORES.items():
        superuser.execute(
            "INSERT INTO tenants.stores (tenant_id, store_id, time_zone, currency) VALUES (%s, %s, 'UTC', %s)",
            [tenant, store, currency],
        )


def of_customer(shops: Shops, customer: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """daily_store_sales as it would be if nobody else had bought anything."""
    truths = [truth for truth in shops.truths if truth.event.get("customer_id") == customer]
    return expected(Trade(shops.tenant, 0, truths)).get("daily_store_sales", {})
