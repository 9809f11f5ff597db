"""The OpenAPI document: sound in itself, and complete."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ledgersafe.api.app import make_app
from ledgersafe.bootstrap import Runtime
from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.settings import Settings
from tests.conftest import PLAIN, Api

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture(scope="module")
def document(api: Api) -> dict[str, Any]:
    """The document as it is served."""
    response = httpx.get(f"{api.url}/openapi.json", **PLAIN)
    assert response.status_code == 200
    return response.json()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_it_is_an_openapi_document(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "Ledgersafe"
    assert document["info"]["version"]
    assert document["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    assert document["security"] == [{"key": []}]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert len(found) > 10
    for reference in found:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in node, reference
            node = node[part]
    unused = set(document["components"]["schemas"]) - {reference.rsplit("/", 1)[1] for reference in found}
    assert unused == set()


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    named: list[str] = []
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert method in METHODS, where
        assert operation["summary"], where
        assert operation["responses"], where
        assert any(status.startswith("2") for status in operation["responses"]), where
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5](\d\d|XX)", status), where
            assert response["description"], where
        placeholders = set(re.findall(r"\{(\w+)\}", path))
        declared = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
        assert placeholders == declared, where
        if "operationId" in operation:
            named.append(operation["operationId"])
    assert len(named) == len(set(named))


def test_whoever_needs_a_key_may_be_refused(document: dict[str, Any]) -> None:
    public = {f"{method} {path}" for method, path, operation in operations(document) if operation.get("security") == []}
    assert public == {"get /livez", "get /readyz", "get /metrics"}
    for method, path, operation in operations(document):
        if operation.get("security") != []:
            refusal = operation["responses"]["4XX"]["content"]
            assert refusal, f"{method} {path}"


def routes(router: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every route that the framework holds, those of included routers too."""
    for route in router.routes:
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        if hasattr(route, "methods"):
            if getattr(route, "include_in_schema", True):
                for method in route.methods or ():
                    yield method.lower(), prefix + re.sub(r"\{(\w+):path\}", r"{\1}", route.path)
        elif inner is not None and hasattr(inner, "routes"):
            yield from routes(inner, prefix)


def test_every_route_of_the_application_is_in_it(document: dict[str, Any]) -> None:
    database = Database("postgresql://127.0.0.1:1/nowhere", size=1)
    try:
        edge = make_app(Runtime(Settings(), database, SystemClock()))
    finally:
        database.close()
    served = {(method.lower(), path) for method, path in edge._routes} | set(routes(edge._behind))
    served |= {("get", "/livez")}
    assert ("post", "/v1/events") in served
    assert ("get", "/v1/exceptions") in served
    assert ("post", "/v1/keys/{key_id}/revoke") in served
    documented = {(method, path) for method, path, _ in operations(document)}
    assert served == documented


def test_the_examples_of_the_document_are_accepted(document: dict[str, Any], api: Api, tenant: str) -> None:
    token = api.new_key(tenants=[tenant], scopes=["ingest"])
    tried = 0
    with api.client(token) as client:
        for method, path, operation in operations(document):
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                if "example" in content and method == "post" and "ingest" in operation["tags"]:
                    example = content["example"]
                    for event in example if isinstance(example, list) else [example]:
                        if "tenant_id" in event:
                            event["tenant_id"] = tenant
                    response = client.request(method, path, json=example, headers={"content-type": media_type})
                    assert response.status_code in (200, 201, 202), response.text
                    tried += 1
    assert tried == 3
