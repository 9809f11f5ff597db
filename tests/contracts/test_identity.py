"""What makes two arrivals the same: reading, mapping and fingerprinting together."""

import base64
import json
import random
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgersafe.contracts import doors
from ledgersafe.pipeline.arrival import Arrival, Parcel, judged, read
from ledgersafe.tenants.rules import SCOPES, Credential
from ledgersafe.tenants.store import Tenant
from tests.contracts.test_doors import SCOUT_EXAMPLE, binary_headers, structured
from tests.events import sale

ANYBODY = Credential("test", None, None, frozenset(SCOPES))
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def arrival(
    body: bytes | dict[str, Any],
    door: str = doors.NATIVE,
    *,
    headers: dict[str, str] | None = None,
    tenant: Tenant | None = None,
) -> Arrival:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return judged(read(Parcel(door, ANYBODY, NOW, headers), raw, "t"), tenant, 600)


def known_tenant(volatile: dict[str, list[str]] | None = None, **changes: Any) -> Tenant:
    fields: dict[str, Any] = {"currency": "EUR", "simulated": False, "store_currencies": {"chf-store": "CHF"}}
    return Tenant(tenant_id="t", volatile_fields=volatile or {}, **(fields | changes))


def test_the_same_event_through_every_door_has_one_fingerprint() -> None:
    event = sale("t")
    message = structured(event)
    encoded = {name: value for name, value in message.items() if name != "data"}
    encoded["data_base64"] = base64.b64encode(orjson.dumps(message["data"])).decode()
    prints = {
        arrival(event).fingerprint,
        arrival(message, doors.CLOUDEVENTS_STRUCTURED).fingerprint,
        arrival(encoded, doors.CLOUDEVENTS_STRUCTURED).fingerprint,
        arrival(message["data"], doors.CLOUDEVENTS_BINARY, headers=binary_headers(event)).fingerprint,
    }
    assert len(prints) == 1


def test_a_scout_transaction_has_the_fingerprint_of_the_sale_that_it_is() -> None:
    scout = read(Parcel(doors.SCOUT, ANYBODY, NOW), orjson.dumps(SCOUT_EXAMPLE), "t")
    assert arrival(SCOUT_EXAMPLE, doors.SCOUT).fingerprint == arrival(scout.event).fingerprint
    assert [fault.reason.code for fault in arrival(SCOUT_EXAMPLE, doors.SCOUT).faults] == [
        "TOTALS_MISMATCH",
        "CURRENCY_MISSING",
    ]
    of_a_tenant = arrival(SCOUT_EXAMPLE, doors.SCOUT, tenant=known_tenant())
    assert [fault.reason.code for fault in of_a_tenant.faults] == ["TOTALS_MISMATCH"]


@given(seed=st.integers(0, 2**32), indent=st.sampled_from([None, 0, 3]), as_ascii=st.booleans())
def test_member_order_white_space_and_escapes_make_no_conflict(seed: int, indent: int | None, as_ascii: bool) -> None:
    event = sale("t", "e", customer_id="Zoë 😀", metadata={"b": [1, {"y": 1, "x": 2}], "a": None})
    shuffled = shuffle(event, random.Random(seed))  # noqa: S311 - no secret
    body = json.dumps(shuffled, indent=indent, ensure_ascii=as_ascii).encode()
    assert arrival(body).fingerprint == arrival(event).fingerprint


def shuffle(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        members = list(value.items())
        chance.shuffle(members)
        return {name: shuffle(child, chance) for name, child in members}
    return [shuffle(child, chance) for child in value] if isinstance(value, list) else value


def spelled(number: str) -> bytes:
    return orjson.dumps(sale("t", "e", total_amount="@")).replace(b'"@"', number.encode())


@pytest.mark.parametrize("number", ["42.5", "42.50", "4.25e1", "425E-1", "42.500000000000000000000"])
def test_number_spelling_makes_no_conflict(number: str) -> None:
    assert arrival(spelled(number)).fingerprint == arrival(sale("t", "e")).fingerprint


@pytest.mark.parametrize("number", ['"42.5"', '"42.50"', "42.51", "42"])
def test_strings_count_as_written_and_other_numbers_are_other_numbers(number: str) -> None:
    assert arrival(spelled(number)).fingerprint != arrival(sale("t", "e")).fingerprint
    assert arrival(spelled('"42.5"')).fingerprint != arrival(spelled('"42.50"')).fingerprint


@pytest.mark.parametrize(
    "change", [{"txn_id": "x"}, {"loyalty": 1}, {"metadata": {}}, {"line_items": []}, {"currency": None}]
)
def test_any_other_difference_makes_another_payload(change: dict[str, Any]) -> None:
    assert arrival(sale("t", "e", **change)).fingerprint != arrival(sale("t", "e")).fingerprint


def test_the_order_of_lines_counts() -> None:
    event = sale("t", "e")
    turned = event | {"line_items": event["line_items"][::-1]}
    assert arrival(turned).fingerprint != arrival(event).fingerprint


def test_tracing_names_the_delivery_not_the_event() -> None:
    event = sale("t", "e")
    traced = event | {"traceparent": "00-1", "tracestate": "a=b", "baggage": "c=d"}
    assert arrival(traced).fingerprint == arrival(event).fingerprint
    message = structured(event, traceparent="00-2", tracestate="x")
    assert arrival(message, doors.CLOUDEVENTS_STRUCTURED).fingerprint == arrival(event).fingerprint
    assert arrival(event | {"metadata": {"traceparent": "00-1"}}).fingerprint != arrival(event).fingerprint


def test_volatile_fields_are_those_of_the_source() -> None:
    tenant = known_tenant({"pos_sim": ["/sent_at", "/metadata/attempt", "/a~1b/~0c", "/nowhere/at/all"]})
    once = sale("t", "e", sent_at=1, metadata={"attempt": 1, "till": 3}, **{"a/b": {"~c": 1}})
    again = sale("t", "e", sent_at=2, metadata={"attempt": 2, "till": 3}, **{"a/b": {"~c": 2}})
    other = again | {"metadata": {"attempt": 2, "till": 4}}
    assert arrival(once, tenant=tenant).fingerprint == arrival(again, tenant=tenant).fingerprint
    assert arrival(once, tenant=tenant).fingerprint != arrival(other, tenant=tenant).fingerprint
    assert arrival(once).fingerprint != arrival(again).fingerprint
    elsewhere = known_tenant({"another_source": ["/sent_at"]})
    assert arrival(once, tenant=elsewhere).fingerprint == arrival(once).fingerprint
    assert once["sent_at"] == 1


def test_what_is_not_exact_is_fingerprinted_by_its_bytes() -> None:
    body = spelled("42.500000000000000001")
    assert arrival(body).fingerprint == arrival(body).fingerprint
    assert arrival(body + b" ").fingerprint != arrival(body).fingerprint


@pytest.mark.parametrize("number", ["42.500000000000000001", "1e400", "9007199254740993"])
@pytest.mark.parametrize("place", ["total_amount", "metadata"])
def test_inexact_numbers_are_found_in_data_base64_too(number: str, place: str) -> None:
    event = sale("t", "e") | {place: "@" if place == "total_amount" else {"n": "@"}}
    message = structured(event)
    data = orjson.dumps(message.pop("data")).replace(b'"@"', number.encode())
    message["data_base64"] = base64.b64encode(data).decode()
    found = arrival(message, doors.CLOUDEVENTS_STRUCTURED)
    assert found.faults[0].reason.code == "NUMBER_NOT_EXACT"


@pytest.mark.parametrize(
    ("tenant", "store", "own", "expected"),
    [
        (known_tenant(), "store_001", "USD", "USD"),
        (known_tenant(), "store_001", None, "EUR"),
        (known_tenant(), "chf-store", None, "CHF"),
        (known_tenant(currency=None), "chf-store", None, "CHF"),
        (known_tenant(currency=None), "store_001", None, None),
        (None, "store_001", None, None),
    ],
)
def test_the_currency_is_the_events_the_stores_or_the_tenants(
    tenant: Tenant | None, store: str, own: str | None, expected: str | None
) -> None:
    found = arrival(sale("t", store_id=store, currency=own), tenant=tenant)
    assert found.currency == expected
    assert [fault.reason.code for fault in found.faults] == ([] if expected else ["CURRENCY_MISSING"])


@pytest.mark.parametrize("simulated", [True, False])
def test_simulated_is_held_against_the_tenants_flag(simulated: bool) -> None:
    found = arrival(sale("t", simulated=True), tenant=known_tenant(simulated=simulated))
    assert [fault.reason.code for fault in found.faults] == ([] if simulated else ["SUSPECTED_TEST_DATA"])
