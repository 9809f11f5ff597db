"""Every operation of the OpenAPI document, tried by those who must not: never others' data, never a 5xx."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from ledgersafe.tenants.rules import SCOPES
from tests.api.answers import rows
from tests.conftest import PLAIN, Api, TestDatabase
from tests.contracts.test_doors import SCOUT_EXAMPLE
from tests.events import sale

VICTIM, INTRUDER = "victim-books", "intruder-books"
MARKER = "what-only-the-victim-may-see"
OPEN_TO_ALL = {("get", "/livez"), ("get", "/readyz"), ("get", "/metrics")}
PERHAPS = ("get", "/v1/health")
DECISION = {"action": "mark_resolved_no_replay", "resolution_notes": "no"}
BODIES: dict[str, Any] = {
    "/v1/events": sale(VICTIM, "intruded"),
    "/v1/events:batch": [sale(VICTIM, "intruded")],
    "/functions/v1/ingest-transaction": SCOUT_EXAMPLE,
    "/v1/keys": {"label": "x", "scopes": ["admin"], "tenant_ids": [VICTIM]},
    "/v1/keys/{key_id}/rotate": {"overlap_seconds": 60},
    "/v1/exceptions/{exception_id}/assign": {"assigned_to": "x"},
    "/v1/exceptions/{exception_id}/resolve": DECISION,
    "/v1/exceptions:resolve": DECISION | {"filter": {"tenant_id": VICTIM}, "dry_run": True},
    "/v1/arrivals/{raw_id}/redact": {"notes": "x", "even_if_not_posted": True},
    "/v1/rejected/{rejected_id}/redact": {"notes": "x"},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, with the victim's own things in its path."""

    method: str
    path: str
    url: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def call(self, api: Api, token: str | None, *, name_the_tenant: bool = True) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        parameters = {"tenant_id": VICTIM} if name_the_tenant else {}
        body = BODIES.get(self.path, {}) if self.method in ("post", "put", "patch") else None
        return httpx.request(
            self.method, api.url + self.url, params=parameters, json=body, headers=headers, timeout=30, **PLAIN
        )


@pytest.fixture(scope="module")
def api(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> Api:
    """An API process of its own: what is tried here may end keys and decide on exceptions."""
    return start_api(new_database())


@pytest.fixture(scope="module")
def operations(api: Api) -> list[Operation]:
    """Every operation of the document, on things of the victim that exist."""
    with api.client(api.new_key(tenants=[VICTIM], scopes=list(SCOPES))) as client:
        held = client.post("/v1/events", json=sale(VICTIM, "e1", customer_id=MARKER, total_amount=1)).json()
        client.post("/v1/events", content=f"{MARKER} {{".encode())
        wish = {"label": MARKER, "scopes": ["admin"], "tenant_ids": [VICTIM]}
        key_id = client.post("/v1/keys", json=wish).json()["key"]["key_id"]
    ((rejected_id,),) = rows(api.database, "SELECT rejected_id FROM bronze.rejected WHERE tenant_id = %s", [VICTIM])
    things = {
        "event_id": "e1",
        "exception_id": held["exception_id"],
        "raw_id": held["raw_id"],
        "key_id": key_id,
        "rejected_id": str(rejected_id),
    }
    document = httpx.get(f"{api.url}/openapi.json", **PLAIN).json()
    return list(found(document, things))


def found(document: dict[str, Any], things: dict[str, str]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names = [item["name"] for item in operation.get("parameters", ()) if item["in"] == "path"]
            url = path
            for name in names:
                url = url.replace(f"{{{name}}}", things.get(name, str(uuid4())))
            yield Operation(method, path, url)


def test_without_a_key_or_with_one_that_is_ended(api: Api, operations: list[Operation]) -> None:
    revoked = api.new_key(tenants=[VICTIM], scopes=list(SCOPES))
    key_id = revoked.split("_")[1]
    rows(api.database, "UPDATE tenants.api_keys SET revoked_at = now() WHERE key_id = %s", [key_id])
    wrong: dict[str, int] = {}
    for operation in operations:
        for token in (None, revoked, revoked[:-1]):
            response = operation.call(api, token)
            is_open = (operation.method, operation.path) in OPEN_TO_ALL
            is_open |= token is None and (operation.method, operation.path) == PERHAPS
            if response.status_code != (200 if is_open else 401):
                wrong[f"{operation} {token and token[:6]}"] = response.status_code
            assert MARKER not in response.text, operation
            assert VICTIM not in response.text, operation
    assert wrong == {}
    assert len(operations) > 15


def test_with_the_key_of_another_tenant(api: Api, operations: list[Operation]) -> None:
    intruder = api.new_key(tenants=[INTRUDER], scopes=list(SCOPES))
    before = state(api)
    for operation in operations:
        for name_the_tenant in (True, False):
            response = operation.call(api, intruder, name_the_tenant=name_the_tenant)
            assert response.status_code < 500, (str(operation), response.text)
            assert MARKER not in response.text, operation
            if response.is_success:
                assert VICTIM not in response.text or operation.path == "/v1/events:batch", (
                    str(operation),
                    response.text,
                )
    assert state(api) == before


def state(api: Api) -> list[Any]:
    """All that is the victim's."""
    tables = ["bronze.events_raw", "gate.counters", "quarantine.exceptions", "audit.audit_log", "bronze.rejected"]
    counted = [rows(api.database, f"SELECT t::text FROM {table} t WHERE tenant_id = %s", [VICTIM]) for table in tables]
    ended = "SELECT key_id, revoked_at, expires_at FROM tenants.api_keys WHERE %s = ANY (tenant_ids) ORDER BY 1"
    return [*map(sorted, counted), rows(api.database, ended, [VICTIM])]


def test_without_the_scope(api: Api, operations: list[Operation]) -> None:
    """Each operation needs one scope: of four keys with one scope each, three are refused."""
    tokens = {scope: api.new_key(tenants=[VICTIM], scopes=[scope]) for scope in SCOPES}
    let_in: dict[str, list[str]] = {}
    for operation in operations:
        if (operation.method, operation.path) in OPEN_TO_ALL:
            continue
        for scope, token in tokens.items():
            response = operation.call(api, token)
            assert response.status_code < 500, (str(operation), response.text)
            refused = response.status_code == 403 and response.json()["reason_code"] == "SCOPE_MISSING"
            if not refused:
                let_in.setdefault(str(operation), []).append(scope)
    assert {name: scopes for name, scopes in let_in.items() if len(scopes) != 1} == {}
    locked = {str(operation) for operation in operations if (operation.method, operation.path) not in OPEN_TO_ALL}
    assert set(let_in) == locked
    for method, path, scope in (
        ("post", "/v1/events", "ingest"),
        ("post", "/v1/events:batch", "ingest"),
        ("get", "/v1/events/{event_id}", "read"),
        ("get", "/v1/exceptions", "read"),
        ("post", "/v1/keys", "admin"),
    ):
        assert let_in[f"{method} {path}"] == [scope]
    writing = {name for name in let_in if name.startswith(("post", "put", "patch", "delete"))}
    assert {name for name in writing if let_in[name] == ["read"]} == {"post /v1/contracts/validate"}
