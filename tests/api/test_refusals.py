"""What is refused at the door, and what is kept of it."""

import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from tests.api.answers import refused, rows
from tests.conftest import PLAIN, Api, TestDatabase
from tests.events import sale

NOBODY = "00000000-0000-7000-8000-000000000000"
HOT = ["/v1/events", "/v1/events:batch"]


@pytest.fixture(scope="module")
def impatient(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> Api:
    """An API process that waits a second for a body."""
    return start_api(new_database(), body_timeout_seconds="1")


@pytest.mark.parametrize("path", [*HOT, "/v1/keys"])
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic eDp5", "Bearer x", "Bearer ls_a_b", "ls_a_b"])
def test_401_without_a_credential_that_is_known(api: Api, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    before = rows(api.database, "SELECT count(*) FROM bronze.rejected")
    refused(httpx.post(api.url + path, content=b"{", headers=headers, **PLAIN), 401, "UNAUTHENTICATED")
    assert rows(api.database, "SELECT count(*) FROM bronze.rejected") == before


def test_403_with_a_foreign_tenant_or_without_the_scope(api: Api, tenant: str) -> None:
    with api.client(api.new_key(tenants=[tenant], scopes=["ingest"])) as client:
        refused(client.post("/v1/events", json=sale(f"{tenant}-2")), 403, "FOREIGN_TENANT")
        refused(client.get("/v1/events/e1"), 403, "SCOPE_MISSING")
    with api.client(api.new_key(tenants=[tenant], scopes=["read", "operate", "admin"])) as client:
        refused(client.post("/v1/events", json=sale(tenant)), 403, "SCOPE_MISSING")
        refused(client.get("/v1/events/e1", params={"tenant_id": f"{tenant}-2"}), 403, "FOREIGN_TENANT")
    assert rows(api.database, "SELECT 1 FROM bronze.events_raw WHERE tenant_id LIKE %s", [f"{tenant}%"]) == []


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/event", "/v1/exceptions/0/1", "/functions/v1/other"])
def test_404_where_there_is_nothing(api: Api, path: str) -> None:
    with api.client() as client:
        refused(client.get(path), 404, "NOT_FOUND")
        refused(client.post(path, json={}), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/events", "POST"),
        ("DELETE", "/v1/events", "POST"),
        ("PUT", "/v1/events:batch", "POST"),
        ("GET", "/functions/v1/ingest-transaction", "POST, OPTIONS"),
        ("POST", "/livez", "GET, HEAD"),
        ("POST", "/v1/health", "GET"),
        ("DELETE", "/v1/keys", None),
    ],
)
def test_405_with_the_methods_that_are_taken(api: Api, method: str, path: str, allowed: str | None) -> None:
    with api.client() as client:
        response = client.request(method, path)
    refused(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"]
    assert allowed in (None, response.headers["allow"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "INVALID_JSON"),
        (b"not json", "INVALID_JSON"),
        (b'{"a":"\xff"}', "INVALID_JSON"),
        (b"\xef\xbb\xbf{}", "INVALID_JSON"),
        (b'{"a":"\\ud800"}', "INVALID_JSON"),
        (b"[" + b"9" * 5000 + b",NaN]", "INVALID_JSON"),
        (b'{"event_id":"a","event_\\u0069d":"b"}', "DUPLICATE_MEMBER_NAME"),
        (b"[" * 200 + b"]" * 200, "JSON_TOO_DEEP"),
    ],
)
def test_400_and_the_body_is_kept(api: Api, tenant: str, body: bytes, code: str) -> None:
    token = api.new_key(tenants=[tenant], scopes=["ingest"])
    with api.client(token) as client:
        detail = refused(client.post("/v1/events", content=body), 400, code)["detail"]
    kept = rows(
        api.database,
        "SELECT body, body_bytes, door, key_id, reason_code, detail FROM bronze.rejected WHERE tenant_id = %s",
        [tenant],
    )
    expected = (body, len(body), "native", token.split("_")[1], code, detail)
    assert kept == ([expected] if body else [])
    counts = rows(api.database, "SELECT 1 FROM gate.counters WHERE tenant_id = %s", [tenant])
    assert counts == [], "a refused body is outside all counts"


@pytest.mark.parametrize("value", [[], "text", 5, None, True])
def test_422_what_is_no_event(api: Api, value: object) -> None:
    with api.client() as client:
        refused(client.post("/v1/events", content=orjson.dumps(value)), 422, "NOT_AN_EVENT")


def test_413_twenty_megabytes_that_are_no_json(api: Api, tenant: str) -> None:
    token = api.new_key(tenants=[tenant], scopes=["ingest"])
    with api.client(token) as client:
        refused(client.post("/v1/events", content=b"x" * 20_000_000), 413, "TOO_LARGE")
        refused(client.post("/v1/events", content=b"x" * 1_048_577), 413, "TOO_LARGE")
        refused(client.post("/v1/events", content=b"x" * 1_048_576), 400, "INVALID_JSON")
    kept = rows(
        api.database,
        "SELECT length(body), body_bytes, reason_code FROM bronze.rejected WHERE tenant_id = %s ORDER BY rejected_id",
        [tenant],
    )
    assert kept == [
        (65_536, 20_000_000, "TOO_LARGE"),
        (65_536, 1_048_577, "TOO_LARGE"),
        (65_536, 1_048_576, "INVALID_JSON"),
    ]


def test_413_a_chunked_body_of_unknown_length(api: Api) -> None:
    with api.client() as client:
        refused(client.post("/v1/events", content=(b"x" * 100_000 for _ in range(30))), 413, "TOO_LARGE")


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
def test_415_a_packed_body(api: Api, tenant: str, path: str, encoding: str) -> None:
    with api.client() as client:
        response = client.post(path, json=sale(tenant), headers={"content-encoding": encoding})
    refused(response, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/exceptions?limit=0",
        "/v1/exceptions?limit=1001",
        "/v1/exceptions?limit=x",
        "/v1/exceptions?status=closed",
        "/v1/exceptions?cursor=x",
        "/v1/exceptions?cursor=%C3%A9",
        "/v1/exceptions?min_age_seconds=-1",
        "/v1/exceptions?min_age_seconds=nan",
        "/v1/exceptions/no-uuid",
        "/v1/exceptions?store_id=%00",
        "/v1/events/a%00b?tenant_id=t",
        "/v1/events/a?tenant_id=%00",
        "/v1/events/a?tenant_id=",
        "/v1/events/?tenant_id=t",
        "/v1/verify?tenant_id=%00",
    ],
)
def test_422_a_parameter_that_makes_no_sense(api: Api, path: str) -> None:
    with api.client() as client:
        refused(client.get(path), 422, "INVALID_PARAMETER")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/keys", {"label": "a\x00", "scopes": ["read"]}),
        (f"/v1/exceptions/{NOBODY}/assign", {"assigned_to": "a\x00"}),
        (
            f"/v1/exceptions/{NOBODY}/resolve",
            {"action": "override_and_replay", "resolution_notes": "n", "override_patch": {"name": "\x00"}},
        ),
    ],
)
def test_422_a_text_that_no_database_holds(api: Api, path: str, body: dict[str, object]) -> None:
    with api.client() as client:
        refused(client.post(path, json=body), 422, "INVALID_PARAMETER")


def test_408_a_body_that_never_ends(impatient: Api, tenant: str) -> None:
    token = impatient.new_key(tenants=[tenant], scopes=["ingest"])
    url = urlsplit(impatient.url)
    head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n"
    started = time.monotonic()
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.sendall(head.encode() + b'{"begun":')
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert 0.9 < time.monotonic() - started < 5
    status, _, rest = answer.partition(b"\r\n")
    assert status.startswith(b"HTTP/1.1 408")
    assert b"content-type: application/problem+json" in rest
    assert b"REQUEST_TIMEOUT" in rest
    kept = rows(impatient.database, "SELECT body, body_bytes FROM bronze.rejected WHERE tenant_id = %s", [tenant])
    assert kept == [(b'{"begun":', None)]


def test_a_client_that_hangs_up_leaves_nothing_behind(impatient: Api, tenant: str) -> None:
    url = urlsplit(impatient.url)
    body = orjson.dumps(sale(tenant))
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {impatient.key}\r\nContent-Length: 9999\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
    with impatient.client() as client:
        assert client.post("/v1/events", json=sale(tenant)).status_code == 201
    assert rows(impatient.database, "SELECT count(*) FROM bronze.events_raw WHERE tenant_id = %s", [tenant]) == [(1,)]


def test_rejected_bodies_of_a_key_of_many_tenants_belong_to_none(api: Api) -> None:
    with api.client() as client:
        refused(client.post("/v1/events", content=b"many tenants {"), 400, "INVALID_JSON")
    kept = rows(api.database, "SELECT tenant_id FROM bronze.rejected WHERE body = %s", [b"many tenants {"])
    assert kept == [("_system",)]
