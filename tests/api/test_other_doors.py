"""CloudEvents and the Scout shape, over HTTP."""

import base64
from typing import Any

import httpx
import orjson
import pytest

from tests.api.answers import refused, rows, told
from tests.conftest import PLAIN, Api
from tests.contracts.test_doors import SCOUT_EXAMPLE, binary_headers, structured
from tests.events import sale

SCOUT = "/functions/v1/ingest-transaction"


def test_one_event_through_all_doors_is_one_event(api: Api, tenant: str) -> None:
    event = sale(tenant, "e ü/1", txn_id="t1")
    message = structured(event)
    encoded = {name: value for name, value in message.items() if name != "data"}
    encoded["data_base64"] = base64.b64encode(orjson.dumps(message["data"])).decode()
    binary = binary_headers(event) | {"ce-id": "e%20%C3%BC/1", "content-type": "application/json"}
    as_structured = {"content-type": "application/cloudevents+json; charset=UTF-8"}
    with api.client() as client:
        answers = [
            client.post("/v1/events", json=message["data"], headers=binary),
            client.post("/v1/events", json=message | {"traceparent": "00-1"}, headers=as_structured),
            client.post("/v1/events", json=encoded, headers=as_structured),
            client.post("/v1/events", json=event),
        ]
    assert [told(answer) for answer in answers] == [(201, "processed", None)] + [(200, "duplicate", None)] * 3
    stored = rows(
        api.database, "SELECT door, ce_headers FROM bronze.events_raw WHERE tenant_id = %s ORDER BY raw_id", [tenant]
    )
    assert [door for door, _ in stored] == [
        "cloudevents-binary",
        "cloudevents-structured",
        "cloudevents-structured",
        "native",
    ]
    assert stored[0][1]["ce-id"] == "e%20%C3%BC/1"
    assert "authorization" not in stored[0][1]
    assert stored[1][1] is None


@pytest.mark.parametrize("attribute", ["store_id", "a\x00"])
def test_a_cloudevent_that_contradicts_itself_is_refused_and_kept(api: Api, tenant: str, attribute: str) -> None:
    token = api.new_key(tenants=[tenant], scopes=["ingest"])
    message = structured(sale(tenant)) | {"a\x00": 1}
    message["data"] |= {attribute: "other"}
    with api.client(token) as client:
        response = client.post("/v1/events", json=message, headers={"content-type": "application/cloudevents+json"})
    refused(response, 422, "UNSUPPORTED_CLOUDEVENT")
    kept = rows(api.database, "SELECT door, body FROM bronze.rejected WHERE tenant_id = %s", [tenant])
    assert [(door, orjson.loads(body)) for door, body in kept] == [("cloudevents-structured", message)]


def test_a_binary_cloudevent_without_version_is_refused(api: Api, tenant: str) -> None:
    headers = binary_headers(sale(tenant))
    del headers["ce-specversion"]
    with api.client() as client:
        refused(client.post("/v1/events", json={}, headers=headers), 422, "UNSUPPORTED_CLOUDEVENT")


@pytest.mark.parametrize("attribute", ["ce-id", "ce-subject", "ce-anything"])
@pytest.mark.parametrize("value", ["a%ff", "a%fe", "%C3", "%ed%a0%80"])
def test_headers_that_are_no_text_are_refused(api: Api, tenant: str, attribute: str, value: str) -> None:
    """Were each such byte read as the same sign, two ids would be one, and the second event a duplicate."""
    event = sale(tenant)
    headers = binary_headers(event) | {attribute: value}
    with api.client() as client:
        response = client.post("/v1/events", json=structured(event)["data"], headers=headers)
    refused(response, 422, "UNSUPPORTED_CLOUDEVENT")
    assert attribute in response.json()["detail"]


def scout(transaction_id: str, **changes: Any) -> dict[str, Any]:
    """A valid transaction in the Scout shape."""
    return SCOUT_EXAMPLE | {"transaction_id": transaction_id, "total_amount": 50.0} | changes


def scout_client(api: Api, tenant: str) -> httpx.Client:
    rows(api.database, "INSERT INTO tenants.tenants VALUES (%s, 'PHP', 'UTC', false, now(), 'test')", [tenant])
    return api.client(api.new_key(tenants=[tenant], scopes=["ingest"]))


def test_the_answers_of_the_scout_door(api: Api, tenant: str) -> None:
    with scout_client(api, tenant) as client:
        first = client.post(SCOUT, json=scout("s1"))
        again = client.post(SCOUT, json=scout("s1"))
        conflict = client.post(SCOUT, json=scout("s1", customer_id="c-2"))
        example = client.post(SCOUT, json=SCOUT_EXAMPLE)
        wrong = client.post(SCOUT, json={"transaction_id": "s2"})
        no_json = client.post(SCOUT, content=b"{")
    assert (first.status_code, first.json()) == (201, {"ok": True, "id": first.json()["id"]})
    repeated = again.json()
    assert (again.status_code, repeated.pop("message") != "") == (200, True)
    assert repeated == {"ok": True, "duplicateDetected": True, "id": first.json()["id"]}
    for held, code in ((conflict, "IDEMPOTENCY_CONFLICT"), (example, "TOTALS_MISMATCH")):
        body = held.json()
        assert set(body) == {"ok", "quarantined", "id", "exception_id", "reason_code", "message"}
        assert (held.status_code, body["ok"], body["quarantined"], body["reason_code"]) == (202, True, True, code)
    for refusal in (wrong, no_json):
        assert (refusal.status_code, refusal.json()["ok"]) == (400, False)
        assert refusal.json()["error"]
    for answer in (first, again, conflict, example, wrong, no_json):
        assert answer.headers["access-control-allow-origin"] == "*"
    event_types = rows(
        api.database, "SELECT DISTINCT event_type, store_id FROM bronze.events_raw WHERE tenant_id = %s", [tenant]
    )
    assert event_types == [("SALE", "s-1")]


def test_a_browser_may_ask_first(api: Api) -> None:
    preflight = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    response = httpx.options(api.url + SCOUT, headers=preflight, **PLAIN)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "authorization" in response.headers["access-control-allow-headers"]


def test_whose_transaction_it_is(api: Api, tenant: str) -> None:
    names = [f"{tenant}-a", f"{tenant}-b"]
    with api.client(api.new_key(tenants=names, scopes=["ingest"])) as client:
        unsaid = client.post(SCOUT, json=scout("s1"))
        foreign = client.post(SCOUT, params={"tenant_id": tenant}, json=scout("s1"))
        own = client.post(SCOUT, params={"tenant_id": names[1]}, json=scout("s1"))
    assert (unsaid.status_code, unsaid.json()["reason_code"]) == (400, "TENANT_REQUIRED")
    assert (foreign.status_code, foreign.json()["reason_code"]) == (403, "FOREIGN_TENANT")
    assert (own.status_code, own.json()["reason_code"]) == (202, "CURRENCY_MISSING")
    found = rows(api.database, "SELECT tenant_id FROM bronze.events_raw WHERE tenant_id LIKE %s", [f"{tenant}%"])
    assert found == [(names[1],)]


def test_the_scout_door_has_a_lock_too(api: Api) -> None:
    response = httpx.post(api.url + SCOUT, json=scout("s1"), **PLAIN)
    assert (response.status_code, response.json()["ok"]) == (401, False)
    assert response.headers["access-control-allow-origin"] == "*"
