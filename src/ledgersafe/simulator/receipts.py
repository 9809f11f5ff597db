"""Receipts of imaginary stores: valid events, with amounts that agree to the last centavo."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

Event = dict[str, Any]
"""An event as a JSON object; its amounts are all Decimals, or all decimal strings."""

CURRENCY = "PHP"
_STORES = tuple(f"store_{number:03}" for number in range(1, 9))
_PAYMENTS = ("cash", "card", "mobile", "gcash", "grabpay")
_VAT_PERCENT = 12
_TOTALS = frozenset({"total_amount", "discount_amount", "tax_amount", "tax_included", "rounding_amount"})
_BODY = _TOTALS | {"line_items", "tenders", "payment_method"}

_CATALOGUE: tuple[tuple[str, str, str, int], ...] = (
    ("SKU-1001", "Mineral water 500 ml", "beverages", 25_00),
    ("SKU-1002", "Kapeng barako ☕ 250 g", "beverages", 185_00),
    ("SKU-1003", "Calamansi juice 1 l", "beverages", 85_50),
    ("SKU-2001", "Señorita bread", "snacks", 45_00),
    ("SKU-2002", "せんべい rice crackers", "snacks", 62_75),
    ("SKU-2003", "Chicharrón 🐖 90 g", "snacks", 38_25),
    ("SKU-3001", "Shampoo “Süß & Mild”", "personal_care", 125_00),
    ("SKU-4001", "Dish soap 500 ml", "household", 95_95),
    ("SKU-5001", "Dinorado rice 5 kg", "food", 365_00),
    ("SKU-5002", "Bangus, per kg", "food", 219_00),
    ("SKU-5003", "Pancit canton 6×60 g", "food", 78_00),
    ("SKU-6001", "Cigarettes 20s", "tobacco", 125_00),
)
"""sku, name, category, price in centavos."""

Write = Callable[[int], Any]
"""Centavos → the JSON value of the amount."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes an event this one and no other: tenant, a number within the run, and when it happened."""

    tenant: str
    number: int
    occurred_at: datetime


def cents(amount: Decimal | str) -> int:
    """An amount of an event in centavos."""
    return int(Decimal(amount) * 100)


def instant(moment: datetime) -> str:
    """An instant as ISO 8601 with an offset."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def soon_after(original: Event) -> datetime:
    """Half a minute later, within the same minute: so the same business date wherever a day begins."""
    return datetime.fromisoformat(original["occurred_at"]) + timedelta(seconds=30)


def sale(random: Random, identity: Identity, event_type: str) -> Event:
    """A receipt with one to five lines; tax, discounts, rounding and tenders as they happen to be."""
    moment = identity.occurred_at
    within = moment.replace(second=moment.second % 30, microsecond=0)
    event = _envelope(random, identity, event_type, within, random.choice(_STORES))
    write: Write = _as_text if random.random() < 0.4 else _as_number
    tax_included = random.choice((True, False, None))
    lines = [_line(random, number, write, tax_included) for number in range(1, random.randint(1, 5) + 1)]
    event["line_items"] = lines
    total = _sum(lines, "amount")
    if tax_included is not None:
        tax = _sum(lines, "tax")
        event |= {"tax_amount": write(tax), "tax_included": tax_included}
        total += 0 if tax_included else tax
    if random.random() < 0.1:
        discount = total // 20
        event["discount_amount"] = write(discount)
        total -= discount
    if random.random() < 0.1:
        rounded = (total + 12) // 25 * 25
        event["rounding_amount"] = write(rounded - total)
        total = rounded
    event["total_amount"] = write(total)
    _pay(random, event, total, write)
    return event


def reference(random: Random, identity: Identity, event_type: str, original: Event) -> Event:
    """The envelope of an event that names an earlier sale."""
    event = _envelope(random, identity, event_type, identity.occurred_at, original["store_id"])
    return event | {"original_txn_id": original["txn_id"]}


def fill_return(random: Random, event: Event, original: Event) -> None:
    """One line of the original goes back, whole."""
    position = random.randrange(len(original["line_items"]))
    line: Event = {**original["line_items"][position], "original_line_no": position + 1}
    line.pop("line_no", None)
    event["line_items"] = [line]
    total = cents(line["amount"])
    if "tax" in line:
        event |= {"tax_amount": line["tax"], "tax_included": original["tax_included"]}
        total += 0 if original["tax_included"] else cents(line["tax"])
    if "discount_amount" in original:  # its share: no more goes back than was paid
        event["discount_amount"] = _write_like(original)(total // 20)
        total -= total // 20
    event["total_amount"] = _write_like(original)(total)
    event["payment_method"] = random.choice(_PAYMENTS)


def fill_correction(random: Random, event: Event, original: Event) -> None:
    """The whole receipt again, with one line that had been forgotten."""
    del random
    truth = with_another_line(original, 1)
    event |= {name: value for name, value in truth.items() if name in _BODY}


def fill_adjustment(random: Random, event: Event) -> None:
    """A debt that nobody will pay, or a goodwill credit taken back."""
    _replace_body(event, {"sku": "BAD-DEBT", "qty": 1}, random.choice((-1, 1)) * random.randrange(100, 50_000))


def fill_stock_adjustment(random: Random, event: Event) -> None:
    """Goods that a count found missing, or found."""
    quantity = random.choice((-3, -2, -1, 1, 2))
    sku, name, category, price = random.choice(_CATALOGUE)
    _replace_body(event, {"sku": sku, "name": name, "category": category, "qty": quantity}, quantity * price)


def with_another_line(event: Event, number: int) -> Event:
    """A copy with one more line and the total that goes with it; `number` makes it differ from other copies.

    Where the event has no lines or no total to change, a remark makes the difference.
    """
    copy = dict(event)
    if "line_items" not in event or "total_amount" not in event:
        return copy | {"metadata": {"sent_again": number}}
    price = number * 100
    line = {"sku": "SKU-9999", "name": "Carrier bag", "qty": 1, "amount": _write_like(event)(price)}
    if any("tax" in line for line in event["line_items"]):
        line["tax"] = _write_like(event)(0)
    copy["line_items"] = [*event["line_items"], line]
    charge(copy, cents(event["total_amount"]) + price)
    return copy


def charge(event: Event, total: int) -> None:
    """Set the total (centavos), and let one tender pay it."""
    amount = _write_like(event)(total)
    event["total_amount"] = amount
    if "tenders" in event:
        event["tenders"] = [{"type": "cash", "amount": amount}]


def add_negative_line(random: Random, event: Event) -> None:
    """A line that takes back more than it should: what a RETURN is for. The totals agree all the same."""
    total = cents(event["total_amount"])
    price = random.randrange(1, max(2, total // 2))
    write = _write_like(event)
    line = {"sku": "SKU-1001", "qty": -1, "unit_price": write(price), "amount": write(-price)}
    event["line_items"] = [*event["line_items"], line]
    charge(event, total - price)


def _envelope(random: Random, identity: Identity, event_type: str, moment: datetime, store: str) -> Event:
    number = f"{identity.number:07}"
    event: Event = {
        "schema_version": "1.0",
        "tenant_id": identity.tenant,
        "store_id": store,
        "source_system": "pos_sim",
        "event_id": f"evt-{number}",
        "source_event_id": f"src-{number}",
        "event_type": event_type,
        "occurred_at": instant(moment),
        "txn_id": f"txn-{number}",
        "currency": CURRENCY,
        "register_id": f"till-{random.randint(1, 4)}",
    }
    if random.random() < 0.3:
        event["customer_id"] = f"cust-{random.randrange(5_000)}"
    if random.random() < 0.2:
        event["metadata"] = {"cashier": random.choice(("Ana Peña", "José", "Zoë", "李雷")), "tags": ["app", "loyalty"]}
    return event


def _line(random: Random, number: int, write: Write, tax_included: bool | None) -> Event:
    """`tax_included` None: a line without tax."""
    sku, name, category, price = random.choice(_CATALOGUE)
    line: Event = {"sku": sku, "name": name, "category": category, "unit_price": write(price)}
    if random.random() < 0.7:
        line["line_no"] = number
    if random.random() < 0.05:
        grams = random.randrange(100, 3_000)
        line["qty"] = Decimal(grams).scaleb(-3)
        amount = (grams * price + 500) // 1_000
    else:
        line["qty"] = random.randint(1, 4)
        amount = line["qty"] * price
    if random.random() < 0.15:
        discount = amount // 10
        line["discount"] = write(discount)
        amount -= discount
    line["amount"] = write(amount)
    if tax_included is not None:
        taxed_by = 100 + _VAT_PERCENT if tax_included else 100
        line["tax"] = write((amount * _VAT_PERCENT + taxed_by // 2) // taxed_by)
    return line


def _pay(random: Random, event: Event, total: int, write: Write) -> None:
    way = random.random()
    if way < 0.5:
        event["payment_method"] = random.choice(_PAYMENTS)
    elif way < 0.65:
        event["tenders"] = [{"type": random.choice(_PAYMENTS), "amount": write(total)}]
    elif way < 0.8:
        handed_over = (total // 100_00 + 1) * 100_00
        event["tenders"] = [{"type": "cash", "amount": write(handed_over), "change": write(handed_over - total)}]
    elif way < 0.95:
        by_card = total // 3
        event["tenders"] = [
            {"type": "card", "amount": write(by_card)},
            {"type": "gcash", "amount": write(total - by_card)},
        ]


def _replace_body(event: Event, line: Event, total: int) -> None:
    write = _write_like(event)
    for name in _BODY:
        event.pop(name, None)
    event["line_items"] = [line | {"amount": write(total)}]
    event["total_amount"] = write(total)


def _sum(lines: list[Event], name: str) -> int:
    return sum(cents(line[name]) for line in lines)


def _write_like(event: Event) -> Write:
    """Amounts as this event writes them."""
    return _as_text if isinstance(event["total_amount"], str) else _as_number


def _as_number(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-2)


def _as_text(amount: int) -> str:
    return str(Decimal(amount).scaleb(-2))
