"""POST /v1/events: the whole table of answers."""

import hashlib
from typing import Any

import orjson
import pytest

from tests.api.answers import refused, rows, told
from tests.conftest import Api
from tests.events import sale

PROCESSED = (201, "processed", None)
DUPLICATE = (200, "duplicate", None)
CONFLICT = (202, "quarantined", "IDEMPOTENCY_CONFLICT")
ALREADY = (202, "quarantined", "ALREADY_QUARANTINED")


def test_the_answer_to_a_first_valid_event(api: Api, tenant: str) -> None:
    with api.client() as client:
        response = client.post("/v1/events", json=sale(tenant, "a b/ü"))
    body = response.json()
    assert told(response) == PROCESSED
    assert response.headers["content-type"] == "application/json"
    assert set(body) == {
        "tenant_id",
        "idempotency_key",
        "raw_id",
        "result",
        "exception_id",
        "reason_code",
        "first_seen_at",
        "links",
    }
    assert (body["tenant_id"], body["idempotency_key"], body["exception_id"]) == (tenant, "a b/ü", None)
    assert body["links"] == {"event": f"/v1/events/a%20b%2F%C3%BC?tenant_id={tenant}"}


def test_the_links_lead_somewhere(api: Api, tenant: str) -> None:
    with api.client() as client:
        for event_id in ("e1", "a/b", "a b?c#d%", "ü😀", ".", "a/../b"):
            links = client.post("/v1/events", json=sale(tenant, event_id, total_amount=1)).json()["links"]
            assert client.get(links["exception"]).json()["exception"]["idempotency_key"] == event_id
            if event_id != "a/../b" and event_id != ".":  # clients resolve dots before they send
                assert client.get(links["event"]).json()["event_id"] == event_id


def test_a_faulty_event_is_held_with_every_fault(api: Api, tenant: str) -> None:
    faulty = sale(tenant, "e1", total_amount=1, currency="XXY", tenders=[{"type": "cash", "amount": 2}])
    with api.client() as client:
        response = client.post("/v1/events", json=faulty)
        again = client.post("/v1/events", json=faulty)
        conflict = client.post("/v1/events", json=sale(tenant, "e1"))
        conflict_again = client.post("/v1/events", json=sale(tenant, "e1"))
    assert told(response) == (202, "quarantined", "CURRENCY_UNKNOWN")
    assert {fault["reason_code"] for fault in response.json()["details"]} == {
        "CURRENCY_UNKNOWN",
        "TOTALS_MISMATCH",
        "TENDERS_MISMATCH",
    }
    assert (told(again), told(conflict), told(conflict_again)) == (ALREADY, CONFLICT, ALREADY)
    answers = [answer.json() for answer in (response, again, conflict, conflict_again)]
    assert len({answer["exception_id"] for answer in answers}) == 1
    assert len({answer["raw_id"] for answer in answers}) == 4
    assert len({answer["first_seen_at"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"event_type": "GIFT"}, "UNKNOWN_EVENT_TYPE"),
        ({"schema_version": "7"}, "UNSUPPORTED_SCHEMA_VERSION"),
        ({"store_id": None}, "CONTRACT_VIOLATION"),
        ({"currency": None}, "CURRENCY_MISSING"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "FUTURE_EVENT_TIME"),
        ({"occurred_at": "9999-12-31T23:59:59-12:00"}, "FUTURE_EVENT_TIME"),
        ({"simulated": True}, "SUSPECTED_TEST_DATA"),
        ({"total_amount": 9007199254740993}, "NUMBER_NOT_EXACT"),
        ({"name": "\x00"}, None),
    ],
)
def test_every_fault_of_an_event_parks_it_and_its_trace_can_be_read(
    api: Api, tenant: str, changes: dict[str, Any], code: str | None
) -> None:
    with api.client() as client:
        response = client.post("/v1/events", json=sale(tenant, "e1", **changes))
        trace = client.get("/v1/events/e1", params={"tenant_id": tenant})
    assert told(response) == ((202, "quarantined", code) if code else PROCESSED)
    assert trace.status_code == 200, trace.text


@pytest.mark.parametrize("place", ["total_amount", "store_id", "currency", "event_type", "metadata"])
@pytest.mark.parametrize(
    "number", ["1e400", "1e999999999999999999999", "9" * 5000, "12345678901234567890", "0.10000000000000000555"]
)
def test_numbers_that_no_double_holds(api: Api, tenant: str, place: str, number: str) -> None:
    body = orjson.dumps(sale(tenant, "e1") | {place: "@"}).replace(b'"@"', number.encode())
    with api.client() as client:
        first, again = (client.post("/v1/events", content=body) for _ in range(2))
        trace = client.get("/v1/events/e1", params={"tenant_id": tenant})
    assert (told(first), told(again)) == ((202, "quarantined", "NUMBER_NOT_EXACT"), ALREADY)
    assert trace.json()["arrivals"][0]["payload_json"][place] == number


def test_source_event_ids_are_accepted_once(api: Api, tenant: str) -> None:
    with api.client() as client:
        assert told(client.post("/v1/events", json=sale(tenant, source_event_id="s"))) == PROCESSED
        response = client.post("/v1/events", json=sale(tenant, source_event_id="s"))
    assert told(response) == (202, "quarantined", "DUPLICATE_SOURCE_EVENT_ID")


def test_what_an_operator_decided_is_never_asked_again(api: Api, tenant: str) -> None:
    """The decisions are planted: resolving comes with its own tests."""
    accepted, other, third = (sale(tenant, "kept", total_amount=total) for total in (42.5, 42.51, 42.49))
    faulty = sale(tenant, "ignored", total_amount=1)
    with api.client() as client:
        for event in (accepted, other, faulty):
            client.post("/v1/events", json=event)
        change = "WHERE tenant_id = %s AND idempotency_key = %s"
        rows(api.database, f"UPDATE gate.other_payloads SET decision = 'superseded' {change}", [tenant, "kept"])
        rows(api.database, f"UPDATE gate.events_processed SET status = 'processed' {change}", [tenant, "kept"])
        rows(
            api.database,
            f"UPDATE gate.events_processed SET status = 'ignored', first_decision = 'ignored' {change}",
            [tenant, "ignored"],
        )
        rows(api.database, "DELETE FROM quarantine.exceptions WHERE tenant_id = %s", [tenant])
        assert told(client.post("/v1/events", json=accepted)) == DUPLICATE
        superseded = client.post("/v1/events", json=other)
        assert (told(superseded), superseded.json()["superseded"]) == (DUPLICATE, True)
        assert told(client.post("/v1/events", json=third)) == CONFLICT
        assert told(client.post("/v1/events", json=accepted)) == DUPLICATE
        assert told(client.post("/v1/events", json=faulty)) == (200, "ignored", "IGNORED_BY_OPERATOR")
        assert told(client.post("/v1/events", json=sale(tenant, "ignored"))) == CONFLICT


@pytest.mark.parametrize(
    ("event_id", "code"),
    [(None, "UNUSABLE_EVENT_ID"), ("", "UNUSABLE_EVENT_ID"), ("x" * 256, "UNUSABLE_EVENT_ID")]
    + [(value, "UNUSABLE_EVENT_ID") for value in ("a\n", "\x00", 5, True, ["a"], {"a": 1})],
)
def test_no_usable_event_id(api: Api, tenant: str, event_id: Any, code: str) -> None:
    event = sale(tenant) | {"event_id": event_id}
    with api.client() as client:
        refused(client.post("/v1/events", json=event), 422, code)


@pytest.mark.parametrize("tenant_id", [None, "", "x" * 256, "a\tb", "_system", "_x", 5])
def test_no_usable_tenant_id(api: Api, tenant_id: Any) -> None:
    with api.client() as client:
        refused(client.post("/v1/events", json=sale("t") | {"tenant_id": tenant_id}), 422, "UNUSABLE_TENANT_ID")


def test_the_exact_bytes_are_stored_with_their_hash_door_and_key(api: Api, tenant: str) -> None:
    body = b" \n" + orjson.dumps(sale(tenant, "e1"), option=orjson.OPT_INDENT_2).replace(b"42.5", b"42.50") + b"\r\n"
    token = api.new_key(tenants=[tenant], scopes=["ingest"])
    with api.client(token) as client:
        assert told(client.post("/v1/events", content=body)) == PROCESSED
        assert told(client.post("/v1/events", json=sale(tenant, "e1"))) == DUPLICATE
    stored = rows(
        api.database,
        "SELECT body, body_sha256, door, key_id FROM bronze.events_raw WHERE tenant_id = %s ORDER BY raw_id",
        [tenant],
    )
    assert stored[0] == (body, hashlib.sha256(body).digest(), "native", token.split("_")[1])
    assert len(stored) == 2


def test_tolerated_totals_are_accepted_with_a_warning(api: Api, tenant: str) -> None:
    with api.client() as client:
        response = client.post("/v1/events", json=sale(tenant, total_amount="42.80"))
    assert told(response) == PROCESSED
    assert "0.30" in response.json()["warnings"][0]


def test_a_request_id_is_taken_over_where_it_is_plain(api: Api, tenant: str) -> None:
    with api.client() as client:
        for given, expected in (("abc123", True), ("a b", False), ("x" * 129, False)):
            response = client.post("/v1/events", json=sale(tenant), headers={"X-Request-Id": given})
            assert (response.headers["x-request-id"] == given) is expected
