"""Bodies made to break something: a clear answer alone and in a batch, whose other items are none the worse for it."""

from collections.abc import Callable, Iterator

import httpx
import orjson
import pytest

from tests.api.answers import items, refused, rows, told
from tests.attack.hostile_bodies import KINDS, Hostile
from tests.attack.hostile_wire import assert_well
from tests.conftest import Api
from tests.events import sale

PROCESSED = (201, "processed", None)
LEAST = {"numbers": 40, "broken_texts": 30, "nul_and_controls": 40, "lengths": 40, "times": 20, "shapes": 20}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_alone(api: Api, tenant: str, kind: Callable[[], Iterator[Hostile]]) -> None:
    wrong: dict[str, object] = {}
    tried = 0
    with api.client() as client:
        for number, hostile in enumerate(kind()):
            tried += 1
            response = client.post("/v1/events", content=hostile.body(f"{tenant}-{number}"))
            assert response.status_code < 500, (hostile.name, response.text)
            if (response.status_code, response.json()["reason_code"]) != hostile.answer:
                wrong[hostile.name] = (hostile.answer, response.status_code, response.text[:300])
            elif response.status_code >= 400:
                refused(response, response.status_code, response.json()["reason_code"])
            assert_well(api, client, tenant)
    assert wrong == {}
    assert tried >= LEAST.get(kind.__name__, 5)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_between_neighbours(api: Api, tenant: str, kind: Callable[[], Iterator[Hostile]]) -> None:
    """As a line, and, where it is JSON, as an item of an array."""
    wrong: dict[str, object] = {}
    with api.client() as client:
        for number, hostile in enumerate(kind()):
            for told_as in ("lines", "array") if hostile.is_json else ("lines",):
                own = f"{tenant}-{number}-{told_as}"
                found = told_between(client, own, hostile.body(own), told_as)
                if found != [(201, None), hostile.answer, (201, None)]:
                    wrong[f"{hostile.name} in {told_as}"] = (hostile.answer, found)
        assert_well(api, client, tenant)
    assert wrong == {}


def told_between(client: httpx.Client, tenant: str, body: bytes, told_as: str) -> list[tuple[int, str | None]]:
    parts = [orjson.dumps(sale(tenant, "before")), body, orjson.dumps(sale(tenant, "behind"))]
    if told_as == "array":
        response = client.post("/v1/events:batch", content=b"[" + b",".join(parts) + b"]")
    else:
        headers = {"content-type": "application/x-ndjson"}
        response = client.post("/v1/events:batch", content=b"\n".join(parts), headers=headers)
    return [(status, reason) for status, _, reason in items(response)]


@pytest.mark.together
@pytest.mark.attack
def test_what_was_taken_in_can_be_read_back(api: Api, tenant: str) -> None:
    """Also an event whose texts no column of Postgres could hold."""
    with api.client() as client:
        for kind in KINDS:
            for number, hostile in enumerate(kind()):
                if hostile.answer[0] < 300:
                    body = hostile.body(f"{tenant}-{kind.__name__}-{number}")
                    sent = client.post("/v1/events", content=body).json()
                    found = client.get(sent["links"]["event"])
                    assert found.status_code == 200, (hostile.name, found.text)
                    if sent["exception_id"] is not None:
                        found = client.get(sent["links"]["exception"])
                        assert found.status_code == 200, (hostile.name, found.text)
        assert client.get("/v1/verify").json()["ok"] is True
        assert len(client.get("/v1/exceptions", params={"limit": 1000}).json()["items"]) > 90
        assert client.get("/v1/rejected", params={"limit": 1000}).status_code == 200
        assert client.get("/v1/audit", params={"limit": 1000}).status_code == 200


@pytest.mark.parametrize("nest", ["[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000])
def test_an_array_with_a_bottomless_item_is_refused_whole(api: Api, tenant: str, nest: str) -> None:
    """Where its items begin and end is not known; sent as lines, the neighbours of such an item are taken in."""
    neighbour = orjson.dumps(sale(tenant, "one")).decode()
    with api.client() as client:
        refused(client.post("/v1/events:batch", content=f"[{neighbour},{nest}]".encode()), 400, "INVALID_JSON")
        assert client.get("/v1/events/one", params={"tenant_id": tenant}).status_code == 404
        assert_well(api, client, tenant)


def test_batches_at_their_bounds(api: Api, tenant: str) -> None:
    with api.client() as client:
        one = orjson.dumps(sale(tenant, "one"))
        refused(client.post("/v1/events:batch", content=b"\n".join([one] * 10_001)), 413, "TOO_MANY_EVENTS")
        refused(client.post("/v1/events:batch", content=b"\n" * 100_000), 413, "TOO_MANY_EVENTS")
        refused(client.post("/v1/events:batch", content=b"\n" * 30_000), 400, "EMPTY_BATCH")
        spaced = b"\n" * 10_000 + one + b"\n" * 10_000 + one + b"\n \r\n" * 5_000
        assert items(client.post("/v1/events:batch", content=spaced)) == [PROCESSED, (200, "duplicate", None)]
        refused(client.post("/v1/events:batch", content=b"x" * 67_108_865), 413, "TOO_LARGE")
        full = b"\n".join([one] * 9_999 + [orjson.dumps(sale(tenant, "last"))])
        answers = items(client.post("/v1/events:batch", content=full))
        assert (len(answers), set(answers[:-1]), answers[-1]) == (10_000, {(200, "duplicate", None)}, PROCESSED)
        assert_well(api, client, tenant)
    counted = rows(api.database, "SELECT count(*) FROM bronze.events_raw WHERE tenant_id = %s", [tenant])
    assert counted == [(10_003,)]


def test_empty_and_twenty_megabytes(api: Api, tenant: str) -> None:
    with api.client() as client:
        for path, code in (("/v1/events", "INVALID_JSON"), ("/v1/events:batch", "EMPTY_BATCH")):
            refused(client.post(path, content=b""), 400, code)
            refused(client.post(path, content=b" \r\n\t"), 400, code)
        large = orjson.dumps(sale(tenant, "large", metadata={"text": "x" * 20_000_000}))
        refused(client.post("/v1/events", content=large), 413, "TOO_LARGE")
        neighbours = [orjson.dumps(sale(tenant, name)) for name in ("before", "behind")]
        body = b"\n".join([neighbours[0], large, neighbours[1]])
        answers = items(client.post("/v1/events:batch", content=body))
        assert answers == [PROCESSED, (413, "refused", "TOO_LARGE"), PROCESSED]
        assert told(client.post("/v1/events", content=neighbours[0])) == (200, "duplicate", None)
        assert_well(api, client, tenant)
