"""The part of the demo that follows events into the books: what is posted, what is held, and the trial balance."""

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from ledgersafe.cli.demo_parts import SEED_EVENT, Part
from ledgersafe.cli.output import items_of, members_of
from ledgersafe.client.api import ApiClient, problem_parts

BOOKS = "tenant_books"
_PATIENCE_SECONDS = 30.0
_DAILY_SALES = "/v1/reports/daily_store_sales"


def _event(name: str, event_type: str, quantity: int, price: str, payment: str, **more: Any) -> dict[str, Any]:
    total = quantity * Decimal(price)
    line = {"sku": "SKU-AAA", "qty": quantity, "unit_price": price, "amount": str(total)}
    plain = {name: value for name, value in SEED_EVENT.items() if name not in ("line_items", "total_amount")}
    body = {"line_items": [line], "total_amount": str(total), "payment_method": payment} if quantity else {}
    names = {"event_id": f"evt-{name}", "source_event_id": f"src-{name}", "txn_id": f"txn-{name}"}
    return plain | {"tenant_id": BOOKS, "event_type": event_type} | names | body | more


STEPS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("a sale: 3 at 10.00, cash", _event("s1", "SALE", 3, "10.00", "cash"), "posted"),
    ("1 of them comes back", _event("r1", "RETURN", 1, "10.00", "cash", original_txn_id="txn-s1"), "posted"),
    (
        "3 more of them come back",
        _event("r2", "RETURN", 3, "10.00", "cash", original_txn_id="txn-s1"),
        "held: CANNOT_EXCEED_ORIGINAL",
    ),
    (
        "a return that comes before its sale",
        _event("r3", "RETURN", 1, "10.00", "card", original_txn_id="txn-s2"),
        "held: MISSING_REFERENCE",
    ),
    ("its sale: 2 at 10.00, by card", _event("s2", "SALE", 2, "10.00", "card"), "posted"),
    ("a sale: 5 at 10.00", _event("s3", "SALE", 5, "10.00", "cash"), "posted"),
    (
        "it was 9.00 each: a correction",
        _event("c1", "CORRECTION", 5, "9.00", "cash", original_txn_id="txn-s3"),
        "posted",
    ),
    ("a sale: 1 at 12.00", _event("s4", "SALE", 1, "12.00", "cash"), "posted"),
    ("it is voided", _event("v1", "VOID", 0, "0", "", original_txn_id="txn-s4"), "posted"),
    (
        "a sale of three weeks before: 1 at 7.00",
        _event("s5", "SALE", 1, "7.00", "cash", occurred_at="2026-02-04T12:00:00Z"),
        "posted",
    ),
)
"""What happens, in words; the event; where it is a moment later."""

_BALANCE = (("cash", "72.00"), ("card", "10.00"), ("sales", "-102.00"), ("returns", "20.00"))
"""What each account stands at in the end, debit positive."""

_DAYS = {
    "2026-02-04": "1 sale, gross 7.00, returns 0.00, net 7.00",
    SEED_EVENT["occurred_at"][:10]: "3 sales, gross 95.00, returns -20.00, net 75.00",
}
"""What the store sold on each day, when all is said: what was corrected, voided and brought back is taken off."""


def books(client: ApiClient) -> Part:
    """Part 3: events on their way into the ledger."""
    rows: list[tuple[Any, ...]] = []
    for words, event, expected in STEPS:
        actual = _sent(client, event) or _where(client, event["event_id"], expected)
        rows.append((words, expected, actual, actual == expected))
    released = _where(client, "evt-r3", "posted")
    rows.append(("the return that waited for its sale", "posted", released, released == "posted"))
    rows += _balance_rows(client)
    rows += _day_rows(client)
    return Part(
        "3. Into the books",
        "What is accepted is posted by the worker within a second, each event once and in balance. What cannot be is "
        "held with its reason; what only came too early goes on by itself. Then the trial balance, and daily sales.",
        ("step", "expected", "actual", ""),
        tuple(rows),
    )


def _sent(client: ApiClient, event: Mapping[str, Any]) -> str | None:
    """None where it was accepted, otherwise what was answered."""
    response = client.post_raw("/v1/events", orjson.dumps(event), "application/json")
    if not response.is_success:
        return f"{response.status_code} {problem_parts(response)[0]}"
    answer = members_of(orjson.loads(response.content))
    return None if answer["result"] == "processed" else f"{response.status_code} {answer['result']}"


def _where(client: ApiClient, event_id: str, expected: str) -> str:
    """Where an event is: as expected, or wherever it is when patience ends."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        key = members_of(members_of(client.get(f"/v1/events/{event_id}", {"tenant_id": BOOKS})).get("key"))
        if key["status"] == "quarantined":
            found = f"held: {key['last_error_code']}"
        else:
            found = "posted" if key["posted_at"] is not None else "accepted"
        if found == expected or time.monotonic() > end:
            return found
        time.sleep(0.05)


def _balance_rows(client: ApiClient) -> list[tuple[Any, ...]]:
    accounts = items_of(client.get("/v1/ledger/accounts", {"tenant_id": BOOKS}).get("items"))
    role_of = {account["account"]: account["role"] for account in accounts}
    balances = items_of(client.get("/v1/ledger/trial-balance", {"tenant_id": BOOKS}).get("items"))
    found = {role_of[row["account"]]: Decimal(row["balance"]) for row in balances}
    rows = [
        (f"account {role}", expected, _money(found.get(role)), found.get(role) == Decimal(expected))
        for role, expected in _BALANCE
    ]
    total = sum(found.values(), start=Decimal(0))
    only_these = found.keys() == {role for role, _ in _BALANCE}
    rows.append(("debits less credits", "0.00", _money(total), total == 0 and only_these))
    return rows


def _day_rows(client: ApiClient) -> list[tuple[Any, ...]]:
    """Daily sales, as soon as they are as expected, or as they are when patience ends."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while (found := _days(client)) != _DAYS and time.monotonic() < end:
        time.sleep(0.05)
    days = sorted(_DAYS.keys() | found.keys())
    return [
        (f"daily sales of {day}", expected := _DAYS.get(day, "-"), actual := found.get(day, "-"), expected == actual)
        for day in days
    ]


def _days(client: ApiClient) -> dict[str, str]:
    return {row["books_date"]: _day(row) for row in items_of(client.get(_DAILY_SALES, {"tenant_id": BOOKS})["items"])}


def _day(row: Mapping[str, Any]) -> str:
    sales = row["transactions"]
    parts = (f"{name} {_money(Decimal(row[name]))}" for name in ("gross", "returns", "net"))
    return ", ".join((f"{sales} sale{'' if sales == 1 else 's'}", *parts))


def _money(amount: Decimal | None) -> str:
    return "-" if amount is None else f"{amount:.2f}"
