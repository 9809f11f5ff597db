"""Other people's vectors over HTTP: JSONTestSuite (what is JSON and what is not), RFC 8785 (when two texts are one)."""

from pathlib import Path
from random import Random
from typing import Any

import httpx
import orjson
import pytest

from ledgersafe.simulator.spelling import respelled
from tests.api.answers import items, refused, told
from tests.attack.hostile_wire import assert_well, with_value
from tests.attack.stand import FULL, fresh_seed
from tests.conftest import Api
from tests.events import sale
from tests.kernel.conftest import standards

__all__ = ["standards"]  # a fixture: pytest finds it here
pytestmark = [pytest.mark.shared, pytest.mark.together]

SPELLINGS = 1000 if FULL else 100
NOT_JSON = {"INVALID_JSON", "JSON_TOO_DEEP", "DUPLICATE_MEMBER_NAME"}
LINES = {"content-type": "application/x-ndjson"}


def texts(standards: Path, kind: str) -> dict[str, bytes]:
    files = sorted((standards / "JSONTestSuite" / "test_parsing").glob(f"{kind}_*.json"))
    assert len(files) > 30, "JSONTestSuite is incomplete"
    return {file.name: file.read_bytes() for file in files}


def between(tenant: str, name: str, text: bytes) -> list[bytes]:
    return [orjson.dumps(sale(tenant, f"before {name}")), text, orjson.dumps(sale(tenant, f"behind {name}"))]


def test_what_is_no_json_is_refused_alone(api: Api, tenant: str, standards: Path) -> None:
    with api.client() as client:
        for text in texts(standards, "n").values():
            response = client.post("/v1/events", content=text)
            refused(response, 400, response.json()["reason_code"])
            assert response.json()["reason_code"] in NOT_JSON
        assert_well(api, client, tenant)


def test_what_is_no_json_harms_no_line_beside_it(api: Api, tenant: str, standards: Path) -> None:
    tried = 0
    with api.client() as client:
        for name, text in texts(standards, "n").items():
            if b"\n" in text or not text.strip(b" \t\r"):
                continue  # these are two lines, or none
            tried += 1
            content = b"\n".join(between(tenant, name, text))
            before, of_it, behind = items(client.post("/v1/events:batch", content=content, headers=LINES))
            assert (before[0], of_it[0], behind[0]) == (201, 400, 201), name
            assert of_it[2] in NOT_JSON, name
        assert_well(api, client, tenant)
    assert tried > 170


@pytest.mark.attack
def test_an_array_with_what_is_no_json_is_refused_whole_or_only_there(api: Api, tenant: str, standards: Path) -> None:
    """It must never be read as other items than it has."""
    whole = 0
    with api.client() as client:
        for name, text in texts(standards, "n").items():
            response = client.post("/v1/events:batch", content=b"[" + b",".join(between(tenant, name, text)) + b"]")
            if response.status_code == 200:
                assert [status for status, _, _ in items(response)] == [201, 400, 201], name
            else:
                whole += 1
                refused(response, 400, "INVALID_JSON")
                trace = client.get(f"/v1/events/before {name}", params={"tenant_id": tenant})
                assert trace.status_code == 404, name
        assert_well(api, client, tenant)
    assert whole > 100


@pytest.mark.parametrize("kind", ["y", "i"])
def test_json_that_is_no_event_is_told_so(api: Api, tenant: str, standards: Path, kind: str) -> None:
    with api.client() as client:
        for name, text in texts(standards, kind).items():
            response = client.post("/v1/events", content=text)
            code = response.json()["reason_code"]
            assert response.status_code in (400, 422), name
            refused(response, response.status_code, code)
            assert code in NOT_JSON | {"NOT_AN_EVENT", "UNUSABLE_TENANT_ID"}, name
        assert_well(api, client, tenant)


def test_every_valid_text_is_kept_within_an_event(api: Api, tenant: str, standards: Path) -> None:
    """As a value of metadata it is nobody's business; a name told twice is still refused."""
    with api.client() as client:
        for name, text in texts(standards, "y").items():
            body = with_value(tenant, "metadata", '{"text":@@}', name).replace(b"@@", text)
            twice = told(client.post("/v1/events", content=body))
            expected = (400, None, "DUPLICATE_MEMBER_NAME") if "duplicated_key" in name else (201, "processed", None)
            assert twice == expected, name
        assert_well(api, client, tenant)


def test_the_vectors_of_rfc_8785_and_their_canonical_form_are_one_event(api: Api, tenant: str, standards: Path) -> None:
    vectors = standards / "jcs" / "testdata"
    with api.client() as client:
        for file in sorted((vectors / "input").glob("*.json")):
            canonical = (vectors / "output" / file.name).read_bytes()
            spelled = [one_with(tenant, file.stem, vector) for vector in (file.read_bytes(), canonical)]
            answers = [told(client.post("/v1/events", content=body)) for body in spelled]
            if file.stem == "values":  # it has more digits than a double holds
                conflict = (202, "quarantined", "IDEMPOTENCY_CONFLICT")
                assert answers == [(202, "quarantined", "NUMBER_NOT_EXACT"), conflict]
            else:
                assert answers == [(201, "processed", None), (200, "duplicate", None)], file.name
            assert client.post("/v1/events", content=canonical_of(client, tenant, file.stem)).status_code < 300
        assert_well(api, client, tenant)


def one_with(tenant: str, event_id: str, vector: bytes) -> bytes:
    return with_value(tenant, "metadata", '{"vector":@@}', event_id).replace(b"@@", vector)


def canonical_of(client: httpx.Client, tenant: str, event_id: str) -> bytes:
    """What the trace shows of an event's first payload: JSON again, that can be sent again."""
    trace = client.get(f"/v1/events/{event_id}", params={"tenant_id": tenant}).json()
    return orjson.dumps(trace["arrivals"][0]["payload_json"])


@pytest.mark.attack
def test_a_value_in_any_spelling_is_one_event(api: Api, tenant: str, standards: Path) -> None:
    seed = fresh_seed()
    random = Random(seed)  # noqa: S311
    vectors: dict[str, Any] = {
        file.stem: orjson.loads(file.read_bytes())
        for file in (standards / "jcs" / "testdata" / "output").glob("*.json")
    }
    del vectors["values"]  # its numbers have more digits than this speller knows
    with api.client() as client:
        for number in range(SPELLINGS):
            event = sale(tenant, f"e{number}", metadata=vectors)
            bodies = [respelled(random, event) for _ in range(10)]
            assert len(set(bodies)) == 10
            first = client.post("/v1/events", content=bodies[0])
            assert told(first) == (201, "processed", None), f"ATTACK_SEED={seed}: {bodies[0]!r}"
            batch = client.post("/v1/events:batch", content=b"\n".join(bodies[1:]), headers=LINES)
            assert items(batch) == [(200, "duplicate", None)] * 9, f"ATTACK_SEED={seed}: {bodies!r}"
