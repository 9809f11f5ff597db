"""Reading what was accepted once more, the short way, gives what the long way gives; and what it cannot read, it leaves."""

from typing import Any

import msgspec
import orjson
import pytest

from ledgersafe.contracts.doors import NATIVE, SCOUT
from ledgersafe.contracts.envelope import read_special
from ledgersafe.contracts.events import event_types
from ledgersafe.contracts.stored import read_stored
from ledgersafe.kernel.canonical import read_json
from tests.events import sale

LINE = {"sku": 'A "b" \\ c ü 🛒', "qty": "1.500", "amount": "30.00", "unit_price": 20, "name": "tab\there"}
FULL: dict[str, Any] = {
    "line_items": [LINE, {"sku": "B", "qty": 1, "amount": 12.5, "line_no": 7, "discount": 0, "tax": 0.1}],
    "business_date": "2026-02-24",
    "occurred_at": "2026-02-25T01:02:03.456789+05:30",
    "metadata": {"country": "DE", "deep": [1, 2.5, None]},
    "tenders": [{"type": "cash", "amount": 50, "change": "7.5"}],
    "simulated": True,
    "not_ours": {"a": [1.5, 12345678901234567890]},
    "customer_id": "c",
}


def long_way(body: bytes) -> Any:
    event = read_json(body).value
    shape: Any = event_types()[event["event_type"]].shape
    return msgspec.convert(event, shape, dec_hook=read_special)


@pytest.mark.parametrize("event_type", sorted(event_types()))
@pytest.mark.parametrize("changes", [{}, FULL, {"original_txn_id": "o", "original_store_id": "s"}])
def test_both_ways_read_the_same(event_type: str, changes: dict[str, Any]) -> None:
    event = sale("t", "e", original_txn_id="o", event_type=event_type) | changes
    body = orjson.dumps(event)
    found = read_stored(NATIVE, event_type, body)
    assert msgspec.structs.asdict(found).keys() == msgspec.structs.asdict(long_way(body)).keys()
    assert msgspec.to_builtins(found, enc_hook=str) is not None
    assert _plain(found) == _plain(long_way(body))


@pytest.mark.parametrize("spelled", ["1e1", "1.0E+1", "0e-20000", "42.5" + "0" * 7, '"42.5' + "0" * 7 + '"'])
def test_odd_spellings_take_the_long_way(spelled: str) -> None:
    """It gives each number one spelling, with no more decimals than amounts have."""
    body = orjson.dumps(sale("t", "e", total_amount="X")).replace(b'"X"', spelled.encode())
    assert read_stored(NATIVE, "SALE", body) is None
    assert long_way(body).total_amount.as_tuple().exponent >= -6


@pytest.mark.parametrize("spelled", ["10", "10.0", '"10.00"', "0.1", "-3.25"])
def test_numbers_are_read_as_they_are_spelled(spelled: str) -> None:
    body = orjson.dumps(sale("t", "e", total_amount="X")).replace(b'"X"', spelled.encode())
    found = read_stored(NATIVE, "SALE", body)
    assert found.total_amount == long_way(body).total_amount


@pytest.mark.parametrize(
    ("door", "event_type", "body"),
    [
        (SCOUT, "SALE", orjson.dumps(sale("t", "e"))),
        (NATIVE, None, orjson.dumps(sale("t", "e"))),
        (NATIVE, "SALEX", orjson.dumps(sale("t", "e"))),
        (NATIVE, "SALE", b'{"redacted":true}'),
        (NATIVE, "SALE", b"{"),
        (NATIVE, "SALE", b"\xff"),
    ],
)
def test_what_takes_the_long_way_is_left(door: str, event_type: str | None, body: bytes) -> None:
    assert read_stored(door, event_type, body) is None


def _plain(one: Any) -> Any:
    """Structs as dictionaries, all the way down; Decimals stay, and are equal by value."""
    if isinstance(one, msgspec.Struct):
        return {name: _plain(value) for name, value in msgspec.structs.asdict(one).items()}
    return [_plain(each) for each in one] if isinstance(one, list) else one
