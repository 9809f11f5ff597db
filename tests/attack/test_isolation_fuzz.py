"""Every id of one tenant in every place of every operation, with another tenant's key: nothing is learnt or changed."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from ledgersafe.tenants.rules import SCOPES
from tests.attack.hostile_isolation import (
    KEEP_THEIR_QUERY,
    Attempt,
    Operation,
    Victim,
    bodies,
    operations,
    system_belongings,
    tenants_named,
    with_each_text_replaced,
)
from tests.attack.hostile_things import Belongings, furnish
from tests.attack.stand import FULL, fresh_seed
from tests.conftest import Api, TestDatabase

pytestmark = [pytest.mark.attack, pytest.mark.together]

INTRUDER, ALSO_INTRUDERS, VICTIM = "intruder-books", "more-intruder-books", "victim-books"
EXAMPLES = 20_000 if FULL else 2_000
REFUSED = {400, 403, 404, 409, 422}


@dataclass(frozen=True, slots=True)
class Scene:
    """Two tenants and what belongs to none, on an API process of their own; and what each operation was told."""

    api: Api
    operations: list[Operation]
    own: Belongings
    victims: list[Victim]
    answers: dict[str, Counter[int]]

    def attempt(self, client: httpx.Client, attempt: Attempt) -> httpx.Response:
        """Try it: whatever comes back is no failure of ours and tells nothing of others."""
        response = attempt.send(client)
        self.answers.setdefault(str(attempt.operation), Counter())[response.status_code] += 1
        shown = f"{attempt}\n{response.status_code} {response.text[:20000]}"
        assert response.status_code < 500, shown
        for victim in self.victims:
            assert victim.learnt(attempt, response) == [], shown
        if response.is_success and response.headers["content-type"] == "application/json":
            assert set(tenants_named(response.json())) <= {INTRUDER, ALSO_INTRUDERS}, shown
        return response

    def assert_unchanged(self) -> None:
        assert [table for victim in self.victims for table in victim.changed()] == []

    def own_path(self, operation: Operation) -> dict[str, str]:
        """The first thing of each kind, of the intruder's own."""
        return {name: self.own.by_name[name][0] for name in operation.in_path}

    def bodies_of(self, operation: Operation, tenant: str) -> list[Any]:
        return bodies(tenant)[str(operation)] if operation.takes_body else [None]


NOBODYS = {"dataset", "job_name", "number", "period", "table", "store_id"}
"""What a path may name that belongs to nobody: whose it is, the tenant says."""

KEEPS_ITS_PATH = "put /v1/stores/{store_id}"
"""What is named there is stored as the sender's own, and comes back."""


@pytest.fixture(scope="module")
def scene(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> Scene:
    """The intruder has one of everything, too: so that its requests do not fail for want of something."""
    api = start_api(new_database())
    own = furnish(api, INTRUDER, "own")
    belongings = [furnish(api, VICTIM, "victim"), system_belongings(api)]
    document = httpx.get(f"{api.url}/openapi.json", trust_env=False).json()
    victims = [Victim(api.database, has) for has in belongings]
    return Scene(api, operations(document), own, victims, {})


@pytest.fixture(params=[[INTRUDER], [INTRUDER, ALSO_INTRUDERS]], ids=["key of one", "key of two"])
def client(scene: Scene, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """With a key of the intruder that may do everything; afterwards, the victims' rows are as they were."""
    with scene.api.client(scene.api.new_key(tenants=request.param, scopes=list(SCOPES))) as opened:
        yield opened
    scene.assert_unchanged()


def test_every_operation_was_thought_of(scene: Scene) -> None:
    assert len(scene.operations) >= 27
    assert {str(one) for one in scene.operations if one.takes_body} == set(bodies("x"))
    for operation in scene.operations:
        assert set(operation.in_path) <= set(scene.victims[0].has.by_name), f"{operation}: nothing is prepared"
    victim, system = scene.victims
    assert len(victim.secrets) > 60
    assert len(system.secrets) > 3


def test_the_watchman_is_awake(scene: Scene) -> None:
    """A key of all tenants learns and changes things, and that is noticed."""
    get_keys = next(one for one in scene.operations if str(one) == "get /v1/keys")
    with scene.api.client() as almighty, pytest.raises(AssertionError, match="victim"):
        scene.attempt(almighty, Attempt(get_keys, {}))
    watchman = Victim(scene.api.database, scene.own)
    assert watchman.changed() == []
    with scene.api.client(scene.api.new_key(tenants=[INTRUDER], scopes=["operate"])) as owner:
        exception_id = scene.own.by_name["exception_id"][-1]
        owner.post(f"/v1/exceptions/{exception_id}/assign", json={"assigned_to": "x"}).raise_for_status()
    changed = {"audit.audit_log", "audit.batches", "quarantine.exceptions", "tenants.api_keys"}
    assert set(watchman.changed()) == changed


def test_foreign_ids_in_the_path(scene: Scene, client: httpx.Client) -> None:
    for operation in (one for one in scene.operations if one.in_path):
        for victim in scene.victims:
            for name in (one for one in operation.in_path if one not in NOBODYS):
                right = victim.has.by_name.get(name, [])
                for thing in victim.has.all():
                    for body in scene.bodies_of(operation, INTRUDER):
                        for tenant in (None, INTRUDER, victim.has.tenant):
                            query = {"tenant_id": tenant} if tenant and "tenant_id" in operation.in_query else {}
                            path = scene.own_path(operation) | {name: thing}
                            response = scene.attempt(client, Attempt(operation, path, query, body=body))
                            refused = {400, 403, 404} if thing in right else REFUSED
                            assert response.status_code in refused, (str(operation), thing, response.text)


def test_foreign_ids_in_the_query(scene: Scene, client: httpx.Client) -> None:
    for operation in scene.operations:
        for victim in scene.victims:
            for name in operation.in_query:
                is_kept = str(operation) in KEEP_THEIR_QUERY and name != "tenant_id"
                for thing in victim.decoys if is_kept else victim.has.all():
                    if name in ("status", "outcome", "limit", "min_age_seconds", "since", "until") and thing.count("-"):
                        continue  # these take no text
                    for body in scene.bodies_of(operation, INTRUDER)[:1]:
                        attempt = Attempt(operation, scene.own_path(operation), {name: thing}, body=body)
                        response = scene.attempt(client, attempt)
                        if name == "tenant_id":
                            assert response.status_code in REFUSED, (str(operation), thing, response.text)


def test_foreign_ids_in_the_body(scene: Scene, client: httpx.Client) -> None:
    """In place of each text of a body that works; and where the body names the tenant, it is refused."""
    for operation in (one for one in scene.operations if one.takes_body):
        for victim in scene.victims:
            foreign = bodies(victim.has.tenant)[str(operation)]
            replaced = [
                changed
                for body in scene.bodies_of(operation, INTRUDER)
                for changed in with_each_text_replaced(body, victim.decoys)
            ]
            for body in [*foreign, *replaced]:
                if "/keys/" not in operation.path:  # its own would be ended
                    scene.attempt(client, Attempt(operation, scene.own_path(operation), body=body))


@pytest.mark.parametrize("who", [0, 1], ids=["another tenant's", "nobody's"])
def test_a_foreign_tenant_in_the_body_is_refused(scene: Scene, client: httpx.Client, who: int) -> None:
    tenant = scene.victims[who].has.tenant
    with_tenant: dict[str, list[Any]] = {
        "/v1/events": bodies(tenant)["post /v1/events"],
        "/v1/exceptions:resolve": bodies(tenant)["post /v1/exceptions:resolve"],
        "/v1/tenants:import": bodies(tenant)["post /v1/tenants:import"],
        "/v1/keys": [
            {"label": "eve", "scopes": ["read"], "tenant_ids": tenants}
            for tenants in ([tenant], [INTRUDER, tenant], None)
        ],
    }
    for path, tried in with_tenant.items():
        for body in tried:
            assert client.post(path, json=body).status_code in (403, 422), (path, body)
    batch = client.post("/v1/events:batch", json=bodies(tenant)["post /v1/events:batch"][0]).json()["results"]
    assert {item["status"] for item in batch} <= {403, 422}


@pytest.mark.timeout(900)
def test_any_mixture(scene: Scene, client: httpx.Client) -> None:
    """Ids of the intruder's own, of others and of nobody, in any place of any operation."""
    fresh = fresh_seed()
    pool = [*scene.own.all(), *(thing for victim in scene.victims for thing in victim.has.all())]
    decoys = [thing for victim in scene.victims for thing in victim.decoys]
    nothings = ["", "*", "%", "null", "'", "00000000-0000-0000-0000-000000000000"]
    things, to_be_kept = st.sampled_from([*pool, *nothings]), st.sampled_from([*decoys, *nothings])

    @seed(fresh)
    @settings(max_examples=EXAMPLES // 2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def fuzz(data: st.DataObject) -> None:
        operation = data.draw(st.sampled_from(scene.operations))
        named = to_be_kept if str(operation) == KEEPS_ITS_PATH else things
        path = {name: data.draw(named) or "-" for name in operation.in_path}
        chosen = {
            place: data.draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else []
            for place, names in (("query", operation.in_query), ("header", operation.in_header))
        }
        told = to_be_kept if str(operation) in KEEP_THEIR_QUERY else things
        query = {name: data.draw(told) for name in chosen["query"]}
        headers = {name: data.draw(to_be_kept) for name in chosen["header"]}
        body = None
        if operation.takes_body:
            whose = data.draw(st.sampled_from([INTRUDER, VICTIM, "_system"]))
            body = data.draw(st.sampled_from(bodies(whose)[str(operation)]))
            if data.draw(st.booleans()):
                changes = list(with_each_text_replaced(body, [data.draw(to_be_kept)]))
                body = data.draw(st.sampled_from(changes or [body]))
        scene.attempt(client, Attempt(operation, path, query, headers, body))

    fuzz()
    assert {operation.path for operation in scene.operations} == {name.split(" ")[1] for name in scene.answers}
    print({name: dict(told) for name, told in scene.answers.items()})


def test_what_was_found_is_still_whole(scene: Scene) -> None:
    """Last: after all that, every tenant's books tie out."""
    scene.assert_unchanged()
    with scene.api.client() as almighty:
        assert almighty.get("/v1/verify").json()["ok"] is True
