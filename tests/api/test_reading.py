"""GET: the trace of one event, the queue of exceptions."""

import time
from typing import Any

import httpx
import orjson
import pytest

from tests.api.answers import refused
from tests.conftest import Api
from tests.events import sale


@pytest.fixture
def reader(api: Api, tenant: str) -> httpx.Client:
    """A client with a key that reads one tenant."""
    return api.client(api.new_key(tenants=[tenant], scopes=["read"]))


def send(api: Api, *events: dict[str, Any]) -> list[dict[str, Any]]:
    with api.client() as client:
        return [client.post("/v1/events", json=event).json() for event in events]


def test_a_trace_is_the_whole_chain(api: Api, reader: httpx.Client, tenant: str) -> None:
    event, other = sale(tenant, "e1"), sale(tenant, "e1", total_amount=42.51)
    answers = send(api, event, event, other, other)
    trace = reader.get("/v1/events/e1").json()
    assert (trace["tenant_id"], trace["event_id"]) == (tenant, "e1")
    key = trace["key"]
    assert (key["status"], key["arrivals"], key["first_raw_id"]) == ("quarantined", 4, answers[0]["raw_id"])
    assert key["first_seen_at"] == trace["arrivals"][0]["received_at"]
    assert trace["waiting_to_post"] is True
    assert [arrival["raw_id"] for arrival in trace["arrivals"]] == [answer["raw_id"] for answer in answers]
    assert [arrival["payload_json"] for arrival in trace["arrivals"]] == [event, event, other, other]
    assert [payload["decision"] for payload in trace["payloads"]] == ["accepted", "open"]
    assert [row["exception_id"] for row in trace["exceptions"]] == [answers[2]["exception_id"]]
    assert [row["action"] for row in trace["audit"]] == ["exception.opened"]
    assert len({arrival["payload_hash"] for arrival in trace["arrivals"]}) == 2


def test_what_was_never_sent(reader: httpx.Client) -> None:
    refused(reader.get("/v1/events/never"), 404, "NOT_FOUND")


def test_a_key_of_several_tenants_says_whose_event_it_means(api: Api, tenant: str) -> None:
    names = [f"{tenant}-a", f"{tenant}-b"]
    send(api, sale(names[0], "e1"), sale(names[1], "e1", total_amount=1))
    for token in (api.key, api.new_key(tenants=names, scopes=["read"])):
        with api.client(token) as client:
            refused(client.get("/v1/events/e1"), 400, "TENANT_REQUIRED")
            found = [client.get("/v1/events/e1", params={"tenant_id": name}).json() for name in names]
        assert [(trace["tenant_id"], trace["key"]["status"]) for trace in found] == [
            (names[0], "processed"),
            (names[1], "quarantined"),
        ]


def faulty(tenant: str, number: int, **changes: Any) -> dict[str, Any]:
    return sale(tenant, f"e{number}", **({"total_amount": 1, "store_id": f"s{number % 2}"} | changes))


def ids(page: dict[str, Any]) -> list[str]:
    return [row["idempotency_key"] for row in page["items"]]


def test_exceptions_come_in_pages_oldest_first(api: Api, reader: httpx.Client, tenant: str) -> None:
    send(api, *(faulty(tenant, number) for number in range(5)))
    seen: list[list[str]] = []
    cursor = None
    while True:
        parameters = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = reader.get("/v1/exceptions", params=parameters).json()
        seen.append(ids(page))
        if len(seen) == 1:
            send(api, faulty(tenant, 5))  # pages stay right while exceptions come
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [["e0", "e1"], ["e2", "e3"], ["e4", "e5"]]


def test_exceptions_are_filtered(api: Api, reader: httpx.Client, tenant: str) -> None:
    send(api, *(faulty(tenant, number) for number in range(3)), faulty(tenant, 3, total_amount=42.5, currency="XXY"))

    def found(**filters: Any) -> list[str]:
        return ids(reader.get("/v1/exceptions", params=filters).json())

    assert found() == found(status="open") == found(tenant_id=tenant) == ["e0", "e1", "e2", "e3"]
    assert found(status="resolved") == []
    assert found(store_id="s1") == ["e1", "e3"]
    assert found(reason_code="CURRENCY_UNKNOWN") == ["e3"]
    assert found(reason_code="CURRENCY_UNKNOWN", store_id="s0") == []
    assert found(min_age_seconds=3600) == []
    time.sleep(0.05)
    assert found(min_age_seconds=0.01) == ["e0", "e1", "e2", "e3"]


def test_an_exception_with_its_payloads_and_where_they_differ(api: Api, reader: httpx.Client, tenant: str) -> None:
    first = sale(tenant, "e1", metadata={"a/b": 1, "same": [1]}, simulated=False)
    lines = [{"sku": "SKU-AAA", "qty": 1, "amount": 42.5}]
    last = first | {"line_items": lines, "metadata": {"a/b": True, "same": [1]}, "loyalty": {"points": 1}}
    del last["simulated"]
    answers = send(api, first, last)
    found = reader.get(f"/v1/exceptions/{answers[1]['exception_id']}").json()
    assert (found["first_raw_event"]["payload_json"], found["last_raw_event"]["payload_json"]) == (first, last)
    assert found["raw_event"]["raw_id"] in {answer["raw_id"] for answer in answers}
    assert [payload["decision"] for payload in found["payloads"]] == ["accepted", "open"]
    assert (found["exception"]["reason_code"], found["exception"]["status"]) == ("IDEMPOTENCY_CONFLICT", "open")
    assert found["exception"]["amount"] == "42.5"
    assert {row["path"]: (row["first"], row["last"]) for row in found["diff"]} == {
        "/line_items/0/amount": (30.0, 42.5),
        "/line_items/1": ({"sku": "SKU-BBB", "qty": 1, "amount": 12.5}, None),
        "/metadata/a~1b": (1, True),
        "/simulated": (False, None),
        "/loyalty": (None, {"points": 1}),
    }


def test_what_arrived_is_shown_as_it_was_spelled(api: Api, reader: httpx.Client, tenant: str) -> None:
    """A double rounds: what is looked at before a decision is what came, or nobody sees what differs."""
    wide = "123456789012345678901234567890"
    first = sale(tenant, "e1", metadata={"n": "@", "whole": 30.0, "least": 5e-324, "text": "1.50"})
    with api.client() as client:
        for number in (b"10.000000000000000001", b"10.0"):
            body = orjson.dumps(first | {"total_amount": "#"}).replace(b'"@"', wide.encode()).replace(b'"#"', number)
            assert client.post("/v1/events", content=body).status_code == 202
    (held,) = reader.get("/v1/exceptions").json()["items"]
    found = reader.get(f"/v1/exceptions/{held['exception_id']}").json()
    one, other = (found[f"{name}_raw_event"]["payload_json"] for name in ("first", "last"))
    assert (one["total_amount"], other["total_amount"]) == ("10.000000000000000001", 10.0)
    assert one["metadata"] == {"n": wide, "whole": 30.0, "least": 5e-324, "text": "1.50"}
    assert [row["path"] for row in found["diff"]] == ["/total_amount"]
    trace = reader.get("/v1/events/e1").json()
    assert [arrival["payload_json"] for arrival in trace["arrivals"]] == [one, other]


def test_one_open_exception_of_one_payload_has_no_difference(api: Api, reader: httpx.Client, tenant: str) -> None:
    (answer,) = send(api, faulty(tenant, 1))
    found = reader.get(f"/v1/exceptions/{answer['exception_id']}").json()
    assert found["diff"] == []
    assert found["exception"]["details_json"][0]["path"] == "/total_amount"


def test_exceptions_of_other_tenants_are_not_there(api: Api, reader: httpx.Client, tenant: str) -> None:
    (foreign,) = send(api, faulty(f"{tenant}-2", 1))
    assert reader.get("/v1/exceptions").json() == {"items": [], "next": None, "total": None}
    refused(reader.get(f"/v1/exceptions/{foreign['exception_id']}"), 404, "NOT_FOUND")
    refused(reader.get("/v1/exceptions", params={"tenant_id": f"{tenant}-2"}), 403, "FOREIGN_TENANT")
    with api.client(api.new_key(tenants=[tenant, f"{tenant}-2"], scopes=["read"])) as both:
        assert ids(both.get("/v1/exceptions").json()) == ["e1"]
        assert ids(both.get("/v1/exceptions", params={"tenant_id": tenant}).json()) == []


def test_verify_over_http(api: Api, reader: httpx.Client, tenant: str) -> None:
    send(api, sale(tenant), faulty(tenant, 1), sale(f"{tenant}-2"))
    found = reader.get("/v1/verify").json()
    assert found["ok"] is True
    assert [checks["tenant_id"] for checks in found["tenants"]] == [tenant]
    refused(reader.get("/v1/verify", params={"tenant_id": f"{tenant}-2"}), 403, "FOREIGN_TENANT")
    with api.client(api.new_key(tenants=[tenant, f"{tenant}-2"], scopes=["read"])) as both:
        refused(both.get("/v1/verify"), 400, "TENANT_REQUIRED")
    with api.client() as everybody:
        named = {checks["tenant_id"] for checks in everybody.get("/v1/verify").json()["tenants"]}
    assert {tenant, f"{tenant}-2"} <= named
