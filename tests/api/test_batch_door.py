"""POST /v1/events:batch: NDJSON, a JSON array, a CloudEvents batch; one bad item harms no other."""

import json
from typing import Any

import orjson
import pytest

from tests.api.answers import items, refused, rows
from tests.conftest import Api
from tests.contracts.test_doors import structured
from tests.events import sale

PROCESSED = (201, "processed", None)
MIXED_ANSWERS = [
    PROCESSED,
    (400, "refused", "INVALID_JSON"),
    (202, "quarantined", "TOTALS_MISMATCH"),
    (422, "refused", "NOT_AN_EVENT"),
    (200, "duplicate", None),
    (422, "refused", "UNUSABLE_EVENT_ID"),
    (202, "quarantined", "IDEMPOTENCY_CONFLICT"),
    (400, "refused", "DUPLICATE_MEMBER_NAME"),
    (422, "refused", "UNUSABLE_TENANT_ID"),
    (202, "quarantined", "ALREADY_QUARANTINED"),
    PROCESSED,
]


def mixed(tenant: str) -> list[bytes]:
    """Good and bad items; the broken one is no JSON, so it fits into NDJSON only."""
    good = orjson.dumps(sale(tenant, "good"))
    faulty = orjson.dumps(sale(tenant, "faulty", total_amount=1))
    return [
        good,
        b'{"broken":',
        faulty,
        b"[1]",
        good.replace(b"42.5", b"42.50"),
        orjson.dumps(sale(tenant) | {"event_id": 5}),
        orjson.dumps(sale(tenant, "good", total_amount=42.51)),
        b'{"a":1,"a":2}',
        b"{}",
        faulty,
        orjson.dumps(sale(tenant, "last")),
    ]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\n\n \n"])
@pytest.mark.parametrize("path", ["/v1/events:batch", "/v1/events"])
def test_ndjson(api: Api, tenant: str, ending: bytes, path: str) -> None:
    body = ending + ending.join(mixed(tenant)) + ending
    with api.client() as client:
        response = client.post(path, content=body, headers={"content-type": "application/x-ndjson; charset=utf-8"})
    assert items(response) == MIXED_ANSWERS
    results = response.json()["results"]
    assert results[2]["exception_id"] == results[9]["exception_id"]
    assert results[2]["details"][0]["path"] == "/total_amount"
    assert all(results[index]["detail"] for index in (1, 3, 5, 7, 8))
    assert [item["raw_id"] is None for item in results] == [item["result"] == "refused" for item in results]


def test_a_json_array(api: Api, tenant: str) -> None:
    parts = [part for part in mixed(tenant) if part != b'{"broken":']
    with api.client() as client:
        response = client.post("/v1/events:batch", content=b" \n[" + b" ,\n".join(parts) + b"]\r\n")
    assert items(response) == [answer for answer in MIXED_ANSWERS if answer[2] != "INVALID_JSON"]


@pytest.mark.parametrize("path", ["/v1/events:batch", "/v1/events"])
def test_a_cloudevents_batch(api: Api, tenant: str, path: str) -> None:
    events = [structured(sale(tenant, f"e{number}")) for number in range(3)]
    events[1]["specversion"] = "0.3"
    with api.client() as client:
        headers = {"content-type": "application/cloudevents-batch+json"}
        response = client.post(path, json=[*events, events[0]], headers=headers)
    unsupported = (422, "refused", "UNSUPPORTED_CLOUDEVENT")
    assert items(response) == [PROCESSED, unsupported, PROCESSED, (200, "duplicate", None)]
    doors = rows(api.database, "SELECT DISTINCT door FROM bronze.events_raw WHERE tenant_id = %s", [tenant])
    assert doors == [("cloudevents-structured",)]


@pytest.mark.parametrize("body", [b"", b"\n\r\n  ", b"[]", b" [ ] "])
def test_an_empty_batch(api: Api, body: bytes) -> None:
    with api.client() as client:
        refused(client.post("/v1/events:batch", content=body), 400, "EMPTY_BATCH")


@pytest.mark.parametrize("body", [b"[1,", b"[1 2]", b"[1]]", b"[" * 50_000, b'[{"a":\xff}]'])
def test_an_array_that_is_none(api: Api, body: bytes) -> None:
    with api.client() as client:
        refused(client.post("/v1/events:batch", content=body), 400, "INVALID_JSON")


@pytest.mark.parametrize("as_lines", [True, False])
def test_more_than_ten_thousand(api: Api, as_lines: bool) -> None:
    body = b"{}\n" * 10_001 if as_lines else b"[" + b",".join([b"{}"] * 10_001) + b"]"
    with api.client() as client:
        refused(client.post("/v1/events:batch", content=body), 413, "TOO_MANY_EVENTS")


def test_one_item_too_large(api: Api, tenant: str) -> None:
    large = sale(tenant, "large", customer_id="x" * 1_048_577)
    with api.client() as client:
        response = client.post("/v1/events:batch", json=[sale(tenant, "a"), large, sale(tenant, "b")])
    assert items(response) == [PROCESSED, (413, "refused", "TOO_LARGE"), PROCESSED]
    kept = rows(
        api.database,
        "SELECT length(body), body_bytes FROM bronze.rejected WHERE reason_code = 'TOO_LARGE' AND body LIKE %s",
        [f"%{tenant}%".encode()],
    )
    assert kept == [(65_536, len(json.dumps(large, separators=(",", ":"))))]


def test_duplicates_inside_a_batch_count_like_any_others(api: Api, tenant: str) -> None:
    events = [sale(tenant, f"e{number % 50}") for number in range(2500)]
    with api.client() as client:
        answers = items(client.post("/v1/events:batch", content=orjson.dumps(events)))
    assert answers == [PROCESSED] * 50 + [(200, "duplicate", None)] * 2450
    assert rows(
        api.database, "SELECT count(*), sum(arrivals) FROM gate.events_processed WHERE tenant_id = %s", [tenant]
    ) == [(50, 2500)]


def test_items_of_several_tenants_and_of_a_foreign_one(api: Api, tenant: str) -> None:
    names = [f"{tenant}-a", f"{tenant}-b", f"{tenant}-foreign"]
    token = api.new_key(tenants=names[:2], scopes=["ingest"])
    events: list[Any] = [sale(name, "e1") for name in (names[1], names[2], names[0])]
    with api.client(token) as client:
        response = client.post("/v1/events:batch", json=events)
    assert items(response) == [PROCESSED, (403, "refused", "FOREIGN_TENANT"), PROCESSED]
    assert rows(api.database, "SELECT 1 FROM bronze.events_raw WHERE tenant_id = %s", [names[2]]) == []


def test_refused_items_are_kept_one_by_one(api: Api, tenant: str) -> None:
    token = api.new_key(tenants=[tenant], scopes=["ingest"])
    with api.client(token) as client:
        client.post("/v1/events:batch", content=b"\n".join(mixed(tenant)))
    kept = rows(
        api.database,
        "SELECT reason_code, body FROM bronze.rejected WHERE tenant_id = %s AND key_id = %s AND door = 'native' "
        "ORDER BY rejected_id",
        [tenant, token.split("_")[1]],
    )
    expected = [
        (answer[2], part) for answer, part in zip(MIXED_ANSWERS, mixed(tenant), strict=True) if answer[0] >= 400
    ]
    assert [(code, body[:10]) for code, body in kept] == [(code, body[:10]) for code, body in expected]
