"""Addresses, methods and ids of any characters: each leads where it should, or nowhere."""

from collections.abc import Iterator
from urllib.parse import quote

import httpx
import orjson
import pytest

from tests.api.answers import refused, rows, told
from tests.attack.hostile_wire import Wire, assert_well
from tests.conftest import Api
from tests.events import sale

SMUGGLED = "smuggled-in-disguise"


@pytest.fixture(autouse=True)
def well(api: Api, tenant: str) -> Iterator[None]:
    """After each test the API is well."""
    yield
    with api.client() as client:
        assert_well(api, client, tenant)


ADDRESSES = {
    "POST //v1/events": {404},
    "POST /v1//events": {404},
    "POST /v1/events/": {404, 405},
    "POST /v1/./events": {404},
    "POST /v1/../v1/events": {404},
    "POST /V1/EVENTS": {404},
    "POST /v1/events;a=b": {404},
    "POST /v1/events%00": {404, 422},
    "POST /v1/events%2F": {404, 405},
    "POST /v1/events%2e": {404, 405},
    "POST /v1/events%": {400, 404},
    "POST /v1/events%zz": {404},
    "POST /v1/events\\": {400, 404},
    "POST events": {400, 404},
    "POST *": {400, 404},
    "POST http://elsewhere/v1/event": {400, 404},
    "GET /v1/events": {405},
    "HEAD /v1/events": {405},
    "TRACE /v1/events": {405},
    "PATCH /v1/events:batch": {405},
    "DELETE /v1/exceptions": {405},
    "CONNECT x:80": {400, 404, 405},
    "post /v1/events": {400, 405},
    "BREW /v1/events": {400, 405},
    "GET /v1/exceptions%2f..%2fkeys": {404, 422},
    "GET /v1/events/..%2f..%2f?tenant_id=x": {404},
    "GET /v1/events/%ff?tenant_id=x": {404, 422},
    "GET /v1/events/%ED%A0%80?tenant_id=x": {404, 422},
    "GET /v1/events/x?tenant_id=%ff": {404, 422},
    "GET /v1/exceptions?text=%ED%A0%80": {200, 422},
    "GET /v1/exceptions?text=%": {200},
    "GET /v1/exceptions?limit=1&limit=2": {200, 422},
    "GET /v1/exceptions?tenant_id[]=a": {200},
    "GET /v1/exceptions?text=" + "x" * 60_000: {422},
    "GET /v1/exceptions?" + "&".join(["a=b"] * 15_000): {200},
    "GET /livez?" + "x" * 200_000: {400, 414, 431},
    "GET /openapi.json": {200},
    "GET /docs": {404},
    "GET /redoc": {404},
}


@pytest.mark.parametrize("line", ADDRESSES, ids=lambda line: line[:40])
def test_addresses(api: Api, line: str) -> None:
    with Wire(api) as wire:
        wire.send(wire.head(f"{line} HTTP/1.1", "Content-Length: 2", "Connection: close"), b"{}")
        replies = wire.replies()
    assert replies, "it hung up without a word"
    assert replies[0].status in ADDRESSES[line], replies[0]
    if replies[0].status in (404, 405, 422) and not line.startswith("HEAD"):
        assert replies[0].reason() in ("NOT_FOUND", "METHOD_NOT_ALLOWED", "INVALID_PARAMETER")


def test_no_header_makes_another_method_or_address_of_it(api: Api, tenant: str) -> None:
    disguises = {
        "X-HTTP-Method-Override": "POST",
        "X-Method-Override": "POST",
        "X-Original-URL": "/v1/events",
        "X-Rewrite-URL": "/v1/events",
        "X-Forwarded-Prefix": "/v1/events",
    }
    with api.client() as client:
        client.headers.update(disguises)
        refused(client.request("GET", "/v1/events", json=sale(tenant, SMUGGLED)), 405, "METHOD_NOT_ALLOWED")
        refused(client.post("/v1/nothing", json=sale(tenant, SMUGGLED)), 404, "NOT_FOUND")
    assert rows(api.database, "SELECT 1 FROM bronze.events_raw WHERE event_id = %s", [SMUGGLED]) == []


IDS = [
    *("a/b", "/", "..%2f", "../../etc/passwd", "%", "%2F", "100%", "a?b", "a#b", "&tenant_id=other", "a b", "+", "a;b"),
    *("' OR 1=1 --", '"; DROP TABLE bronze.events_raw; --', "$1", "{event_id}", "%s", "\\", "<script>", "${jndi:x}"),
    *(
        "\u202egnp",
        "\u200b",
        "\ufeff",
        "e\u0301",
        "\u00e9",
        "\U0001f9fe" * 255,
        "ﬀ",
        "İ",
        "\ufffe",
        "\U0010ffff",
        "null",
        " ",
    ),
]


def test_ids_of_any_characters_lead_back_to_their_event(api: Api, tenant: str) -> None:
    with api.client() as client:
        for number, event_id in enumerate(IDS):
            sent = client.post("/v1/events", json=sale(tenant, event_id, total_amount=1))
            assert told(sent)[:2] == (202, "quarantined"), event_id
            links = sent.json()["links"]
            by_hand = f"/v1/events/{quote(event_id, safe='/' if event_id == 'a/b' else '')}?tenant_id={tenant}"
            for address in (links["event"], by_hand):
                found = client.get(address)
                assert (found.status_code, found.json()["event_id"]) == (200, event_id), address
            assert client.get(links["exception"]).json()["exception"]["idempotency_key"] == event_id
            listed = client.get("/v1/exceptions", params={"tenant_id": tenant, "text": event_id, "limit": 1000})
            assert event_id in [one["idempotency_key"] for one in listed.json()["items"]]
            assert len(client.get("/v1/exceptions", params={"tenant_id": tenant}).json()["items"]) == number + 1


def test_attributes_in_headers(api: Api, tenant: str) -> None:
    """Of a binary CloudEvent: percent-encoded, so that any text may be in them."""
    event = sale(tenant)
    body = orjson.dumps({"total_amount": event["total_amount"], "line_items": event["line_items"], "currency": "USD"})
    plain = {"ce-specversion": "1.0", "ce-source": "s", "ce-type": "SALE", "ce-time": event["occurred_at"]}
    plain |= {"ce-subject": "t", "ce-tenantid": tenant, "ce-storeid": "s1"}
    with api.client() as client:

        def send(**changes: str) -> httpx.Response:
            named = {f"ce-{name}": value for name, value in changes.items()}
            return client.post("/v1/events", content=body, headers=plain | named)

        assert told(send(id="%F0%9F%A7%BE")) == (201, "processed", None)
        for bad in ("", "a%00", "a%0Ab", "x" * 256, "%C2%85"):
            refused(send(id=bad), 422, "UNUSABLE_EVENT_ID")
        refused(send(id="e", tenantid="_system"), 422, "UNUSABLE_TENANT_ID")
        refused(send(id="e", specversion="2"), 422, "UNSUPPORTED_CLOUDEVENT")
        assert told(send(id="e1", storeid="a%00")) == (202, "quarantined", "CONTRACT_VIOLATION")
        assert told(send(id="e2", time="0000-00-00")) == (202, "quarantined", "CONTRACT_VIOLATION")
        refused(send(id="e3", subject="%ED%A0%80"), 422, "UNSUPPORTED_CLOUDEVENT")
        assert told(send(id="e4", **{"a%00b": "c%00"}))[0] < 500
