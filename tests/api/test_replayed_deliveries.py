"""How deliveries stand by now: of the same bytes the latest counts, and rows that are decided on wait no more."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.answers import rows
from tests.api.deliveries import delivery_with_bad_rows
from tests.conftest import Api

HELD = "UPDATE files.ingestions SET status = 'quarantined', reason_code = 'SCHEMA_DRIFT' WHERE ingestion_id = %s"
GROUPED = """UPDATE files.bad_rows SET group_key = 'r1' WHERE ingestion_id = %s AND row_number IN (2, 3)"""
OF_GROUP = """UPDATE files.bad_rows SET faults = '[{"column": null, "rule": "group", "value": null, "message": "m"}]'
WHERE ingestion_id = %s AND row_number = 3"""


@pytest.fixture
def client(api: Api, tenant: str) -> Iterator[httpx.Client]:
    with api.client(api.new_key(tenants=[tenant], scopes=["read", "operate"])) as opened:
        yield opened


@pytest.fixture
def delivery(api: Api, tenant: str) -> str:
    return delivery_with_bad_rows(api.database, tenant)


def listed(client: httpx.Client, **asked: Any) -> list[tuple[str, str | None]]:
    items = client.get("/v1/ingestions", params=asked).json()["items"]
    return [(one["ingestion_id"], one["replayed_as"]) for one in items]


def dataset(client: httpx.Client) -> dict[str, Any]:
    (one,) = client.get("/v1/datasets").json()["items"]
    return one


def test_of_a_delivery_that_was_replayed_the_latest_counts(api: Api, client: httpx.Client, delivery: str) -> None:
    rows(api.database, HELD, [delivery])
    assert listed(client, status="quarantined", only_latest="true") == [(delivery, None)]
    assert (dataset(client)["deliveries"], dataset(client)["quarantined"]) == (1, 1)
    made = client.post(f"/v1/ingestions/{delivery}/replay", json={"notes": "a test"}).json()
    latest = made["ingestion_id"]
    assert (made["replayed_as"], made["replay_of"]) == (None, delivery)
    assert listed(client) == [(latest, None), (delivery, latest)]
    assert listed(client, only_latest="true") == [(latest, None)]
    assert listed(client, status="quarantined") == [(delivery, latest)]
    assert listed(client, status="quarantined", only_latest="true") == []
    assert client.get(f"/v1/ingestions/{delivery}").json()["replayed_as"] == latest
    assert (dataset(client)["deliveries"], dataset(client)["quarantined"]) == (2, 0)
    assert [one["replayed_as"] for one in client.get("/v1/datasets/stock_levels/trends").json()["items"]] == [
        None,
        latest,
    ]


def test_rows_that_are_decided_on_wait_no_more(client: httpx.Client, delivery: str) -> None:
    for numbers, waiting in (([], 3), ([3], 2), ([2, 4], 0)):
        if numbers:
            wish = {"row_numbers": numbers, "notes": "a test"}
            client.post(f"/v1/ingestions/{delivery}/bad_rows/ignore", json=wish).raise_for_status()
        (one,) = client.get("/v1/ingestions").json()["items"]
        (trend,) = client.get("/v1/datasets/stock_levels/trends").json()["items"]
        found = client.get(f"/v1/ingestions/{delivery}").json()
        assert [(of["rows_bad"], of["rows_open"]) for of in (one, trend, found)] == [(3, waiting)] * 3
        assert dataset(client)["with_open_rows"] == (waiting > 0)


def test_open_rows_of_what_was_replayed_do_not_count(client: httpx.Client, delivery: str) -> None:
    assert dataset(client)["with_open_rows"] == 1
    client.post(f"/v1/ingestions/{delivery}/replay", json={"notes": "a test"}).raise_for_status()
    assert dataset(client)["with_open_rows"] == 0


def test_rows_at_fault_are_told_from_those_that_they_hold(api: Api, client: httpx.Client, delivery: str) -> None:
    rows(api.database, GROUPED, [delivery])
    rows(api.database, OF_GROUP, [delivery])
    path = f"/v1/ingestions/{delivery}/bad_rows"

    def numbers(**asked: str) -> list[tuple[int, int | None]]:
        items = client.get(path, params=asked).json()["items"]
        return [(one["row_number"], one["group_open"]) for one in items]

    assert numbers() == [(2, 2), (3, 2), (4, None)]
    assert numbers(at_fault="true") == [(2, 2), (4, None)]
    assert numbers(at_fault="false") == [(3, 2)]
    assert numbers(at_fault="true", status="ignored") == []
    client.post(f"{path}/ignore", json={"row_numbers": [2], "notes": "a test"}).raise_for_status()
    assert numbers(at_fault="false") == [(3, 1)]
    first = client.get(path, params={"at_fault": "true", "limit": 1}).json()
    assert ([one["row_number"] for one in first["items"]], first["next"]) == ([2], 2)
