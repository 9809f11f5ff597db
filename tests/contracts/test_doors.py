"""How the shape of each door becomes the one event."""

import base64
from typing import Any

import orjson
import pytest

from ledgersafe.contracts import doors
from ledgersafe.contracts.doors import map_event
from ledgersafe.contracts.explain import structural_faults
from ledgersafe.kernel.canonical import read_json
from ledgersafe.kernel.errors import RequestRefused
from tests.events import sale

ENVELOPE = [
    "schema_version",
    "tenant_id",
    "store_id",
    "source_system",
    "event_id",
    "event_type",
    "occurred_at",
    "txn_id",
]


def mapped(door: str, value: Any, headers: dict[str, str] | None = None, tenant_id: str = "") -> dict[str, Any]:
    return map_event(door, read_json(orjson.dumps(value)), headers or {}, tenant_id)


def refusal(door: str, value: Any, headers: dict[str, str] | None = None) -> str:
    with pytest.raises(RequestRefused) as refused:
        mapped(door, value, headers)
    assert len(refused.value.detail) < 1000
    return refused.value.reason.code


def structured(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The same event as a structured CloudEvent."""
    attributes = {
        "specversion": "1.0",
        "id": event["event_id"],
        "source": event["source_system"],
        "type": event["event_type"],
        "time": event["occurred_at"],
        "subject": event["txn_id"],
        "tenantid": event["tenant_id"],
        "storeid": event["store_id"],
    }
    data = {name: value for name, value in event.items() if name not in ENVELOPE}
    return attributes | {"datacontenttype": "application/json", "data": data} | changes


def binary_headers(event: dict[str, Any]) -> dict[str, str]:
    attributes = {name: value for name, value in structured(event).items() if name not in ("data", "datacontenttype")}
    return {f"ce-{name}": value for name, value in attributes.items()}


def test_the_native_shape_is_the_event() -> None:
    event = sale("t")
    assert mapped(doors.NATIVE, event) == event


@pytest.mark.parametrize("value", [None, [], "SALE", 1, True])
@pytest.mark.parametrize("door", [doors.NATIVE, doors.CLOUDEVENTS_STRUCTURED, doors.SCOUT])
def test_what_is_no_object_is_no_event(door: str, value: Any) -> None:
    assert refusal(door, value) == "NOT_AN_EVENT"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("1", "a number"),
        ("42.5", "a number"),
        ("4.25e1", "a number"),
        ("1e999", "a number"),
        ('"x"', "a string"),
        ("true", "true"),
        ("false", "false"),
        ("null", "null"),
        ("[]", "an array"),
    ],
)
def test_a_sender_is_told_in_the_words_of_json_what_came(body: str, kind: str) -> None:
    with pytest.raises(RequestRefused, match=f"NOT_AN_EVENT: The JSON is {kind}; an event must be an object"):
        map_event(doors.NATIVE, read_json(body.encode()), {}, "t")


def test_a_number_is_called_the_same_however_it_is_spelled() -> None:
    """Those that need an exponent are of a class of ours, which is nobody's business."""
    told = {
        str([*structural_faults(read_json(f'{{"a":{number}}}'.encode()).value["a"], str)])
        for number in ("42.5", "4.25e1", "0.000001")
    }
    assert len(told) == 1
    assert "float" in told.pop()


def test_a_structured_cloudevent_is_the_same_event() -> None:
    event = sale("t")
    assert mapped(doors.CLOUDEVENTS_STRUCTURED, structured(event)) == event
    assert mapped(doors.CLOUDEVENTS_STRUCTURED, structured(event, dataschema="urn:x", schemaversion="1.0")) == event


def test_data_base64_is_read_as_json() -> None:
    event = sale("t")
    message = structured(event)
    message["data_base64"] = base64.b64encode(orjson.dumps(message.pop("data"))).decode()
    assert mapped(doors.CLOUDEVENTS_STRUCTURED, message) == event


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("***", "UNSUPPORTED_CLOUDEVENT"),
        ("é", "UNSUPPORTED_CLOUDEVENT"),
        (5, "UNSUPPORTED_CLOUDEVENT"),
        (None, "UNSUPPORTED_CLOUDEVENT"),
        ("eA==", "INVALID_JSON"),
        (base64.b64encode(b'{"a":1,"a":2}').decode(), "DUPLICATE_MEMBER_NAME"),
        (base64.b64encode(b"[]").decode(), "NOT_AN_EVENT"),
    ],
)
def test_data_base64_that_cannot_be_read(data: Any, code: str) -> None:
    message = structured(sale("t"), data_base64=data)
    del message["data"]
    assert refusal(doors.CLOUDEVENTS_STRUCTURED, message) == code


def test_a_binary_cloudevent_is_the_same_event() -> None:
    event = sale("t")
    data = structured(event)["data"]
    assert mapped(doors.CLOUDEVENTS_BINARY, data, binary_headers(event)) == event
    shouted = {name.upper(): value for name, value in binary_headers(event).items()}
    assert mapped(doors.CLOUDEVENTS_BINARY, data, shouted | {"content-type": "application/json"}) == event


def test_headers_are_percent_encoded() -> None:
    event = sale("t", event_id="a b/ü€", txn_id="100%")
    headers = binary_headers(event) | {
        "ce-id": "a%20b/%C3%BC%E2%82%AC",
        "ce-subject": "100%25",
        "ce-dataschema": "urn:x",
    }
    assert mapped(doors.CLOUDEVENTS_BINARY, structured(event)["data"], headers) == event


@pytest.mark.parametrize("value", ["a%ff", "a%fe", "%C3", "%ed%a0%80"])
def test_stored_headers_that_are_no_text_are_read_as_ever(value: str) -> None:
    """None arrives any more; those that did are posted, and held against the books, as they were read then."""
    event = sale("t")
    assert mapped(doors.CLOUDEVENTS_BINARY, structured(event)["data"], binary_headers(event) | {"ce-subject": value})


@pytest.mark.parametrize("version", [None, "0.3", "1", 1.0, "1.0 "])
def test_other_versions_of_cloudevents_are_refused(version: Any) -> None:
    assert refusal(doors.CLOUDEVENTS_STRUCTURED, structured(sale("t"), specversion=version)) == "UNSUPPORTED_CLOUDEVENT"
    headers = binary_headers(sale("t"))
    if isinstance(version, str):
        headers["ce-specversion"] = version
    else:
        del headers["ce-specversion"]
    assert refusal(doors.CLOUDEVENTS_BINARY, {}, headers) == "UNSUPPORTED_CLOUDEVENT"


def test_an_attribute_that_the_data_contradicts_is_refused() -> None:
    event = sale("t")
    message = structured(event)
    message["data"] |= {"store_id": "another"}
    assert refusal(doors.CLOUDEVENTS_STRUCTURED, message) == "UNSUPPORTED_CLOUDEVENT"
    message["data"] |= {"store_id": event["store_id"], "tenant_id": "t"}
    assert mapped(doors.CLOUDEVENTS_STRUCTURED, message) == event
    long_name = {"x\x00" + "y" * 5000: 1}
    contradicting = structured(event) | long_name | {"data": dict.fromkeys(long_name, 2)}
    assert refusal(doors.CLOUDEVENTS_STRUCTURED, contradicting) == "UNSUPPORTED_CLOUDEVENT"


def test_extensions_and_optional_fields_are_kept() -> None:
    message = structured(sale("t", source_event_id="s-1"), partitionkey="p", schemaversion="2.0")
    event = mapped(doors.CLOUDEVENTS_STRUCTURED, message)
    assert (event["partitionkey"], event["schema_version"], event["source_event_id"]) == ("p", "2.0", "s-1")


def test_a_cloudevent_without_data_is_an_event_without_body() -> None:
    message = structured(sale("t", event_type="VOID", line_items=None, total_amount=None))
    del message["data"]
    assert "line_items" not in mapped(doors.CLOUDEVENTS_STRUCTURED, message)


SCOUT_EXAMPLE = {
    "transaction_id": "scout-1",
    "store_id": "s-1",
    "ts": "2026-02-25T10:00:00Z",
    "total_amount": 245.50,
    "customer_id": "c-1",
    "payment_method": "card",
    "items": [
        {"product_id": "p-1", "product_name": "Coffee", "brand": "B", "qty": 1, "unit_price": 50.0, "line_amount": 50.0}
    ],
    "metadata": {"device": "d"},
}


def test_the_scout_shape_is_a_sale_of_the_keys_tenant() -> None:
    assert mapped(doors.SCOUT, SCOUT_EXAMPLE | {"tenant_id": "foreign", "event_type": "VOID"}, tenant_id="mine") == {
        "schema_version": "1.0",
        "tenant_id": "mine",
        "source_system": "scout",
        "event_type": "SALE",
        "event_id": "scout-1",
        "txn_id": "scout-1",
        "store_id": "s-1",
        "occurred_at": "2026-02-25T10:00:00Z",
        "total_amount": 245.5,
        "customer_id": "c-1",
        "payment_method": "card",
        "metadata": {"device": "d"},
        "line_items": [
            {"sku": "p-1", "name": "Coffee", "brand": "B", "qty": 1, "unit_price": 50.0, "amount": 50.0},
        ],
    }


@pytest.mark.parametrize("lack", ["transaction_id", "items"])
def test_a_scout_body_without_its_essentials(lack: str) -> None:
    body = {name: value for name, value in SCOUT_EXAMPLE.items() if name != lack}
    assert refusal(doors.SCOUT, body) == "SCOUT_SHAPE"
    assert refusal(doors.SCOUT, SCOUT_EXAMPLE | {"items": {}}) == "SCOUT_SHAPE"


def test_there_is_no_other_door() -> None:
    with pytest.raises(ValueError, match="no door"):
        mapped("window", {})
