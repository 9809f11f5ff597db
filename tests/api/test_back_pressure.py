"""A process that is asked for more than it can commit says so, and loses nothing that it took."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from tests.api.answers import refused, rows, told
from tests.conftest import PLAIN, Api, TestDatabase
from tests.events import sale

AT_ONCE, MOST_ROUNDS = 64, 20


@pytest.fixture(scope="module")
def narrow(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> Api:
    """An API process in which one event of a tenant may wait."""
    return start_api(new_database(), queue_events_per_tenant="1", commit_events="1")


async def post_at_once(api: Api, tenant: str, number: int) -> dict[str, httpx.Response]:
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    headers = {"Authorization": f"Bearer {api.key}"}
    names = [f"{number}-{index}" for index in range(AT_ONCE)]
    async with httpx.AsyncClient(base_url=api.url, limits=limits, headers=headers, timeout=30, **PLAIN) as client:
        responses = await asyncio.gather(*(client.post("/v1/events", json=sale(tenant, name)) for name in names))
    return dict(zip(names, responses, strict=True))


def test_more_than_can_wait_is_sent_back_and_nothing_taken_is_lost(narrow: Api, tenant: str) -> None:
    taken: set[str] = set()
    sent_back = 0
    for number in range(MOST_ROUNDS):
        for name, response in asyncio.run(post_at_once(narrow, tenant, number)).items():
            if response.status_code == 201:
                taken.add(name)
            else:
                refused(response, 503, "QUEUE_FULL")
                sent_back += 1
        if sent_back and taken:
            break
    assert sent_back, "the queue never was full"
    stored = rows(narrow.database, "SELECT event_id FROM bronze.events_raw WHERE tenant_id = %s", [tenant])
    assert {name for (name,) in stored} == taken
    with narrow.client() as client:
        assert told(client.post("/v1/events", json=sale(tenant, "after")))[0] == 201


def test_a_batch_beyond_the_queue_is_taken_or_refused_item_by_item(narrow: Api, tenant: str) -> None:
    events = [sale(tenant, f"e{number}") for number in range(2500)]
    with narrow.client() as client:
        answer = client.post("/v1/events:batch", json=events)
    results = answer.json()["results"]
    assert {item["status"] for item in results} <= {201, 503}
    assert (answer.headers.get("Retry-After") == "1") == any(item["status"] == 503 for item in results)
    taken = {events[item["index"]]["event_id"] for item in results if item["status"] == 201}
    assert taken
    stored = rows(narrow.database, "SELECT event_id FROM bronze.events_raw WHERE tenant_id = %s", [tenant])
    assert {name for (name,) in stored} == taken
