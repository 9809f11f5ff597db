"""Sales as tills send them: one to seven lines with prices and tax, one or two tenders, some hundred products."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

_PRODUCTS = 400
_STORES = 20
_LINES = (1, 2, 3, 4, 5, 6, 7)
_HOW_OFTEN = (25, 22, 18, 14, 10, 7, 4)
_CENT = Decimal("0.01")


def bodies(tenant: str, number: int, until: datetime, seed: int = 1) -> Iterator[bytes]:
    """The bodies of so many sales of the hours before `until`: the same for the same seed, but for their times."""
    chance = random.Random(seed)  # noqa: S311 - a load that can be made again, no secret
    for index in range(number):
        yield orjson.dumps(_sale(chance, tenant, f"{chance.getrandbits(128):032x}", index, until))


def _sale(chance: random.Random, tenant: str, key: str, index: int, until: datetime) -> dict[str, Any]:
    lines = [_line(chance, line_no) for line_no in range(1, chance.choices(_LINES, _HOW_OFTEN)[0] + 1)]
    total = sum((Decimal(str(line["amount"])) for line in lines), Decimal(0))
    store = index % _STORES
    return {
        "schema_version": "1.0",
        "tenant_id": tenant,
        "store_id": f"store_{store:03}",
        "register_id": f"r{chance.randrange(4)}",
        "cashier_id": f"c{chance.randrange(30):02}",
        "source_system": "pos",
        "event_id": key,
        "event_type": "SALE",
        "occurred_at": (until - timedelta(seconds=chance.randrange(7200))).isoformat(),
        "txn_id": f"{store:03}-{index:09}",
        "currency": "EUR",
        "customer_id": f"k{chance.randrange(5000)}" if chance.random() < 0.3 else None,
        "line_items": lines,
        "tax_included": True,
        "tax_amount": float((total * 19 / 119).quantize(_CENT)),
        "total_amount": float(total),
        "tenders": _tenders(chance, total),
        "metadata": {"country": "DE"},
    }


def _line(chance: random.Random, line_no: int) -> dict[str, Any]:
    product, qty = chance.randrange(_PRODUCTS), chance.choices((1, 2, 3), (80, 15, 5))[0]
    price = Decimal(product * 37 % 9_000 + 99) / 100
    return {
        "line_no": line_no,
        "sku": f"SKU-{product:05}",
        "name": f"Product number {product}",
        "brand": f"Brand {product % 23}",
        "category": f"Category {product % 11}",
        "qty": qty,
        "unit_price": float(price),
        "amount": float(price * qty),
    }


def _tenders(chance: random.Random, total: Decimal) -> list[dict[str, Any]]:
    kind = chance.random()
    if kind < 0.6:
        return [{"type": "card", "amount": float(total)}]
    if kind < 0.9:
        return [{"type": "cash", "amount": float(total + 5), "change": 5.0}]
    voucher = (total / 3).quantize(_CENT)
    return [{"type": "voucher", "amount": float(voucher)}, {"type": "card", "amount": float(total - voucher)}]
