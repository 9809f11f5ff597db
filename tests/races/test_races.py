"""Any number of processes may receive the same key at once: exactly one `processed`, one open exception, right counts."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.answers import rows, told
from tests.conftest import Api, TestDatabase
from tests.events import sale

AT_ONCE = 64
ROUNDS = 30 if os.environ.get("FULL") == "1" else 3


@pytest.fixture(scope="module")
def pair(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> list[Api]:
    """Two API processes on one database."""
    of = new_database()
    return [start_api(of), start_api(of)]


async def race(pair: list[Api], events: list[dict[str, Any]]) -> list[httpx.Response]:
    """Post all at once, in turn to each process."""
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    headers = {"Authorization": f"Bearer {pair[0].key}"}
    async with httpx.AsyncClient(limits=limits, headers=headers, trust_env=False, timeout=60) as client:
        await asyncio.gather(*(client.get(f"{api.url}/livez") for api in pair for _ in range(AT_ONCE // 2)))
        posts = (client.post(f"{pair[at % 2].url}/v1/events", json=event) for at, event in enumerate(events))
        return await asyncio.gather(*posts)


def run(pair: list[Api], events: list[dict[str, Any]]) -> Counter[tuple[int, str, str | None]]:
    responses = asyncio.run(race(pair, events))
    assert max(response.status_code for response in responses) < 500
    return Counter(told(response) for response in responses)


def counts(pair: list[Api], tenant: str) -> dict[str, Any]:
    with pair[0].client() as client:
        assert client.get("/v1/verify", params={"tenant_id": tenant}).json()["ok"] is True
        found = client.get("/v1/health").json()["tenants"]
    return next(of_tenant for of_tenant in found if of_tenant["tenant_id"] == tenant)


def open_exceptions(pair: list[Api], tenant: str) -> int:
    sql = "SELECT count(*) FROM quarantine.exceptions WHERE tenant_id = %s AND status = 'open'"
    return rows(pair[0].database, sql, [tenant])[0][0]


def identical_posts(pair: list[Api], tenant: str, rounds: int) -> None:
    for number in range(rounds):
        event = sale(tenant, f"e{number}")
        assert run(pair, [event] * AT_ONCE) == {(201, "processed", None): 1, (200, "duplicate", None): AT_ONCE - 1}
    found = counts(pair, tenant)
    assert (found["events_raw"], found["exceptions_open"]) == (rounds * AT_ONCE, 0)
    assert found["idempotency"] == {"processed": rounds, "quarantined": 0, "ignored": 0}


def two_payloads(pair: list[Api], tenant: str, rounds: int) -> None:
    for number in range(rounds):
        payloads = [sale(tenant, f"e{number}"), sale(tenant, f"e{number}", total_amount=42.51)]
        # Half and half, and each process gets both.
        answers = run(pair, [payloads[at // 2 % 2] for at in range(AT_ONCE)])
        assert answers == {
            (201, "processed", None): 1,
            (200, "duplicate", None): AT_ONCE // 2 - 1,
            (202, "quarantined", "IDEMPOTENCY_CONFLICT"): 1,
            (202, "quarantined", "ALREADY_QUARANTINED"): AT_ONCE // 2 - 1,
        }
        assert open_exceptions(pair, tenant) == number + 1
    found = counts(pair, tenant)
    assert (found["events_raw"], found["exceptions_open"]) == (rounds * AT_ONCE, rounds)
    assert found["idempotency"] == {"processed": 0, "quarantined": rounds, "ignored": 0}


def faulty_and_valid(pair: list[Api], tenant: str, rounds: int) -> None:
    for number in range(rounds):
        payloads = [sale(tenant, f"e{number}"), sale(tenant, f"e{number}", total_amount=1)]
        answers = run(pair, [payloads[at // 2 % 2] for at in range(AT_ONCE)])
        assert answers[(201, "processed", None)] + answers[(202, "quarantined", "TOTALS_MISMATCH")] == 1
        assert answers[(202, "quarantined", "IDEMPOTENCY_CONFLICT")] == 1
        assert open_exceptions(pair, tenant) == number + 1
    assert counts(pair, tenant)["exceptions_open"] == rounds


def one_source_event_id(pair: list[Api], tenant: str, rounds: int) -> None:
    for number in range(rounds):
        events = [sale(tenant, f"e{number}-{at}", source_event_id=f"s{number}") for at in range(AT_ONCE)]
        assert run(pair, events) == {
            (201, "processed", None): 1,
            (202, "quarantined", "DUPLICATE_SOURCE_EVENT_ID"): AT_ONCE - 1,
        }
    assert counts(pair, tenant)["idempotency"]["processed"] == rounds


def batches_in_opposite_orders(pair: list[Api], tenant: str, rounds: int) -> None:
    async def both(batches: list[list[dict[str, Any]]]) -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {pair[0].key}"}
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as client:
            posts = (client.post(f"{pair[at % 2].url}/v1/events:batch", json=batch) for at, batch in enumerate(batches))
            return await asyncio.gather(*posts)

    for number in range(rounds):
        events = [sale(tenant, f"e{number}-{at}") for at in range(500)]
        responses = asyncio.run(both([events, events[::-1]] * 4))
        answers = Counter(item["result"] for response in responses for item in response.json()["results"])
        assert answers == {"processed": 500, "duplicate": 3500}
    assert counts(pair, tenant)["events_raw"] == rounds * 4000


SCENES = [identical_posts, two_payloads, faulty_and_valid, one_source_event_id, batches_in_opposite_orders]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_races(pair: list[Api], tenant: str, scene: Callable[[list[Api], str, int], None]) -> None:
    scene(pair, tenant, ROUNDS)


@pytest.mark.attack
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_races_thirty_rounds(pair: list[Api], tenant: str, scene: Callable[[list[Api], str, int], None]) -> None:
    scene(pair, tenant, 30)
