"""Requests made out of the OpenAPI document, fitting it and not: no 5xx, and every answer is one that it describes."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ledgersafe.tenants.rules import SCOPES
from tests.api.test_authorisation import MINE, NEEDS, OF_ALL_TENANTS, PUBLIC, Things, things
from tests.attack.hostile_things import Belongings, furnish
from tests.attack.stand import FULL, fresh_seed
from tests.conftest import Api, TestDatabase

__all__ = ["things"]  # a fixture: pytest finds it here

SEED = fresh_seed()
EXAMPLES = 200 if FULL else 20
DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "docs" / "openapi.json").read_text())
OPERATIONS = {f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}
HOT = {"/v1/events", "/v1/events:batch", "/functions/v1/ingest-transaction"}
JUDGED_LATER = HOT | {"/v1/contracts/validate", "/v1/ingestions"}
"""Whose bodies are told to be bad in a good answer, or taken as they are: any bytes may be a file."""
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/x-ndjson")
def as_lines(_: Any, value: Any) -> bytes:
    """Text goes out as it is made up; what is no text, as one line of JSON."""
    return value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()


schema = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=SEED))


class Target:
    """An API process, what it holds, and what it answered to the requests made up here."""

    def __init__(self, api: Api, has: Belongings) -> None:
        self.api = api
        self.has = has
        self.keys = [api.key, api.new_key(tenants=[has.tenant], scopes=list(SCOPES))]
        self.answers: dict[str, Counter[int]] = {}

    def aim(self, case: Any) -> str:
        """Let most requests name things that there are (of ids made up none is ever met); with which key to send it."""
        throw = 0
        for container in (case.path_parameters, case.query):
            for name, value in list((container or {}).items()):
                throw = crc32(repr(value).encode())
                known = [self.a_key()] if name == "key_id" else self.has.by_name.get(name)
                if known and throw % 4:
                    container[name] = known[throw // 4 % len(known)]
        return self.keys[(throw + sum(self.answers.get(case.operation.label, Counter()).values())) % 2]

    def a_key(self) -> str:
        """A key to be ended: none that was ended can be replaced."""
        wish = {"label": "x", "scopes": ["read"], "tenant_ids": [self.has.tenant]}
        with self.api.client() as client:
            return client.post("/v1/keys", json=wish).json()["key"]["key_id"]


@pytest.fixture(scope="module")
def target(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> Iterator[Target]:
    """A process of its own; at the end it still is what it was."""
    print(f"ATTACK_SEED={SEED}")
    api = start_api(new_database())
    made = Target(api, furnish(api, "schema-books"))
    yield made
    assert api.process.poll() is None
    print(made.answers)


def test_the_document_is_the_one_that_is_served(target: Target) -> None:
    assert httpx.get(f"{target.api.url}/openapi.json", trust_env=False).json() == DOCUMENT


def has_a_bad_body(case: Any) -> bool:
    """Whether the body was made up so as not to fit; what is in an event is judged by its contract, and held."""
    components = {} if case.meta is None else {place.name: of.mode for place, of in case.meta.components.items()}
    return components.get("BODY") is GenerationMode.NEGATIVE and case.operation.path not in JUDGED_LATER


@pytest.mark.attack  # and not `together`: all operations' tests have one name, and xdist would run one of them
@pytest.mark.timeout(900)
@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_no_request_breaks_it(case: Any, target: Target) -> None:
    headers = {"Authorization": f"Bearer {target.aim(case)}"}
    response = case.call(base_url=target.api.url, headers=headers, timeout=30)
    target.answers.setdefault(case.operation.label, Counter())[response.status_code] += 1
    shown = f"ATTACK_SEED={SEED}\n{case.as_curl_command()}\n{response.status_code} {response.content!r}"
    assert response.status_code < 500 or (response.status_code == 503 and "retry-after" in response.headers), shown
    case.validate_response(response, checks=CHECKS)
    if has_a_bad_body(case):
        assert response.status_code >= 400, shown


@pytest.mark.attack
def test_every_operation_was_met_and_did_what_it_is_for(target: Target) -> None:
    """Last: of what was made up, some fits every operation."""
    assert set(target.answers) == OPERATIONS
    assert sum(any(200 <= status < 300 for status in told) for told in target.answers.values()) > 20
    assert sum(sum(told.values()) for told in target.answers.values()) > EXAMPLES * len(OPERATIONS)


@pytest.mark.parametrize(
    "name", sorted([*NEEDS, *PUBLIC], key=lambda name: (name.startswith("delete ") or "revoke" in name, name))
)
def test_a_prepared_request_is_answered_as_the_document_says(things: Things, name: str) -> None:
    """Each operation once, on things that there are: a 2xx, and of the shape that is written down."""
    method, path = name.split(" ")
    tenants = None if name in OF_ALL_TENANTS else [MINE]
    response = things.call(name, things.api.new_key(tenants=tenants, scopes=list(SCOPES)))
    assert response.is_success, response.text
    schema[path][method].validate_response(response)
    content = DOCUMENT["paths"][path][method]["responses"][str(response.status_code)].get("content", {})
    assert response.headers["content-type"].split(";")[0] in content or not content
