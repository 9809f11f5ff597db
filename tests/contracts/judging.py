"""Judging events in tests, without a door and without a database."""

from datetime import UTC, datetime
from typing import Any

import orjson

from ledgersafe.contracts.judge import Expectations, Verdict, judge
from ledgersafe.kernel.canonical import read_json

NOW = datetime(2026, 2, 26, 12, tzinfo=UTC)


def verdict(
    event: dict[str, Any] | bytes, *, currency: str | None = "USD", simulated: bool = False, future_seconds: float = 600
) -> Verdict:
    """What the contract says of an event, as it would be read from its bytes, looking at its texts one by one or not."""
    document = read_json(event if isinstance(event, bytes) else orjson.dumps(event))
    expectations = Expectations.at(NOW, currency=currency, simulated=simulated, future_seconds=future_seconds)
    exact = document.canonical is not None
    found = judge(document.value, exact=exact, expectations=expectations, is_plain=document.is_plain)
    assert found == judge(document.value, exact=exact, expectations=expectations)
    return found


def faults(event: dict[str, Any] | bytes, **options: Any) -> list[tuple[str, str]]:
    """(reason code, JSON Pointer) of every fault."""
    return [(fault.reason.code, fault.path) for fault in verdict(event, **options).faults]


def reason_codes(event: dict[str, Any] | bytes, **options: Any) -> list[str]:
    """The reason codes alone."""
    return [code for code, _ in faults(event, **options)]
