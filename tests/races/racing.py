"""Scenes of many senders at once, each with its exact answers and counts: (the API processes, a tenant, rounds, posts)."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx

from tests.api.answers import rows, told
from tests.conftest import Api
from tests.events import sale

Scene = Callable[[list[Api], str, int, int], None]
_CREW = 16


async def race(pair: list[Api], events: list[dict[str, Any]]) -> list[httpx.Response]:
    """Post all at once, in turn to each process, each over a connection of its own."""
    async with AsyncExitStack() as stack:
        crews = [await stack.enter_async_context(_crew(pair[0].key)) for _ in range(0, len(events), _CREW)]
        await asyncio.gather(
            *(crews[at // _CREW].get(f"{pair[at % 2].url}/livez") for at in range(len(events)))
        )  # every connection is there before the first post
        return await asyncio.gather(
            *(crews[at // _CREW].post(f"{pair[at % 2].url}/v1/events", json=event) for at, event in enumerate(events))
        )


def _crew(key: str) -> httpx.AsyncClient:
    """A client for a few posts: one pool of hundreds of connections spends its time looking through them.

    Its connections do not expire: where the machine is slow, the pool may close one that a request is about to use.
    """
    headers = {"Authorization": f"Bearer {key}"}
    limits = httpx.Limits(max_connections=_CREW, max_keepalive_connections=_CREW, keepalive_expiry=None)
    return httpx.AsyncClient(headers=headers, limits=limits, verify=False, trust_env=False, timeout=60)  # noqa: S501


def run(pair: list[Api], events: list[dict[str, Any]]) -> Counter[tuple[int, str, str | None]]:
    """What the posts were told, counted."""
    responses = asyncio.run(race(pair, events))
    assert max(response.status_code for response in responses) < 500
    return Counter(told(response) for response in responses)


def counts(pair: list[Api], tenant: str) -> dict[str, Any]:
    """The tenant's counts, which tie out."""
    with pair[0].client() as client:
        assert client.get("/v1/verify", params={"tenant_id": tenant}).json()["ok"] is True
        found = client.get("/v1/health").json()["tenants"]
    return next(of_tenant for of_tenant in found if of_tenant["tenant_id"] == tenant)


def open_exceptions(pair: list[Api], tenant: str) -> int:
    """How many exceptions of the tenant are open."""
    sql = "SELECT count(*) FROM quarantine.exceptions WHERE tenant_id = %s AND status = 'open'"
    return rows(pair[0].database, sql, [tenant])[0][0]


def identical_posts(pair: list[Api], tenant: str, rounds: int, posts: int) -> None:
    """One counts, the others are duplicates."""
    for number in range(rounds):
        event = sale(tenant, f"e{number}")
        assert run(pair, [event] * posts) == {(201, "processed", None): 1, (200, "duplicate", None): posts - 1}
    found = counts(pair, tenant)
    assert (found["events_raw"], found["exceptions_open"]) == (rounds * posts, 0)
    assert found["idempotency"] == {"processed": rounds, "quarantined": 0, "ignored": 0}


def two_payloads(pair: list[Api], tenant: str, rounds: int, posts: int) -> None:
    """One counts, the other opens an exception."""
    _several_payloads(pair, tenant, rounds, posts, payloads=2)


def ten_payloads(pair: list[Api], tenant: str, rounds: int, posts: int) -> None:
    """One counts, nine are conflicts that share one exception."""
    _several_payloads(pair, tenant, rounds, posts, payloads=10)


def _several_payloads(pair: list[Api], tenant: str, rounds: int, posts: int, payloads: int) -> None:
    """As many of each, and each process gets all of them."""
    each = posts // payloads
    for number in range(rounds):
        key = f"e{number}"
        known = [sale(tenant, key, total_amount=42.5 + cent / 100) for cent in range(payloads)]
        answers = run(pair, [known[at // 2 % payloads] for at in range(each * payloads)])
        assert answers == {
            (201, "processed", None): 1,
            (200, "duplicate", None): each - 1,
            (202, "quarantined", "IDEMPOTENCY_CONFLICT"): payloads - 1,
            (202, "quarantined", "ALREADY_QUARANTINED"): (payloads - 1) * (each - 1),
        }
        assert open_exceptions(pair, tenant) == number + 1
        assert _decisions(pair, tenant, key) == {"accepted": 1, "open": payloads - 1}
    found = counts(pair, tenant)
    assert (found["events_raw"], found["exceptions_open"]) == (rounds * each * payloads, rounds)
    assert found["idempotency"] == {"processed": 0, "quarantined": rounds, "ignored": 0}


def _decisions(pair: list[Api], tenant: str, key: str) -> Counter[str]:
    with pair[1].client() as client:
        trace = client.get(f"/v1/events/{key}", params={"tenant_id": tenant}).json()
    return Counter(payload["decision"] for payload in trace["payloads"])


def faulty_and_valid(pair: list[Api], tenant: str, rounds: int, posts: int) -> None:
    """Whichever comes first, the other is a conflict."""
    for number in range(rounds):
        payloads = [sale(tenant, f"e{number}"), sale(tenant, f"e{number}", total_amount=1)]
        answers = run(pair, [payloads[at // 2 % 2] for at in range(posts)])
        assert answers[(201, "processed", None)] + answers[(202, "quarantined", "TOTALS_MISMATCH")] == 1
        assert answers[(202, "quarantined", "IDEMPOTENCY_CONFLICT")] == 1
        assert open_exceptions(pair, tenant) == number + 1
    assert counts(pair, tenant)["exceptions_open"] == rounds


def one_source_event_id(pair: list[Api], tenant: str, rounds: int, posts: int) -> None:
    """Many keys that say they are the same event of the source: one counts."""
    for number in range(rounds):
        events = [sale(tenant, f"e{number}-{at}", source_event_id=f"s{number}") for at in range(posts)]
        assert run(pair, events) == {
            (201, "processed", None): 1,
            (202, "quarantined", "DUPLICATE_SOURCE_EVENT_ID"): posts - 1,
        }
    assert counts(pair, tenant)["idempotency"]["processed"] == rounds


def batches_in_opposite_orders(pair: list[Api], tenant: str, rounds: int, posts: int) -> None:
    """Eight batches of the same 500 keys, half of them backwards: none waits for another for ever."""
    del posts

    async def both(batches: list[list[dict[str, Any]]]) -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {pair[0].key}"}
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as client:
            sent = (client.post(f"{pair[at % 2].url}/v1/events:batch", json=batch) for at, batch in enumerate(batches))
            return await asyncio.gather(*sent)

    for number in range(rounds):
        events = [sale(tenant, f"e{number}-{at}") for at in range(500)]
        responses = asyncio.run(both([events, events[::-1]] * 4))
        answers = Counter(item["result"] for response in responses for item in response.json()["results"])
        assert answers == {"processed": 500, "duplicate": 3500}
    assert counts(pair, tenant)["events_raw"] == rounds * 4000
