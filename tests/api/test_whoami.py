"""/v1/whoami: as whom the API sees who asks, and nothing more."""

from collections.abc import Callable

import pytest

from tests.api.answers import refused
from tests.conftest import Api


@pytest.mark.parametrize("scopes", [["read"], ["read", "operate"], ["ingest", "read", "operate", "admin"]], ids=str)
def test_a_key_learns_what_it_may(api: Api, tenant: str, scopes: list[str]) -> None:
    for tenants in ([tenant], [tenant, f"{tenant}-too"], None):
        key = api.new_key(tenants=tenants, scopes=scopes)
        with api.client(key) as client:
            answer = client.get("/v1/whoami")
        assert (answer.status_code, answer.json()) == (
            200,
            {"actor": f"key:{key.split('_')[1]}", "tenant_ids": tenants, "scopes": sorted(scopes)},
        )
        assert key.split("_", 2)[2] not in answer.text


def test_who_may_not_ask(api: Api, tenant: str) -> None:
    for key, status, code in (
        ("ls_nobody", 401, "UNAUTHENTICATED"),
        (api.new_key(tenants=[tenant], scopes=["ingest"]), 403, "SCOPE_MISSING"),
    ):
        with api.client(key) as client:
            refused(client.get("/v1/whoami"), status, code)


def test_without_authentication_everybody_is_everything(api: Api, start_api: Callable[..., Api]) -> None:
    with start_api(api.database, auth="off").client("") as client:
        answer = client.get("/v1/whoami", headers={"Authorization": ""}).json()
    assert answer["tenant_ids"] is None
    assert {"read", "operate", "admin"} <= {*answer["scopes"]}


def test_whoever_does_things_has_a_name(api: Api, tenant: str) -> None:
    """Of the keys of one's own tenants, those that serve others besides too; and of nobody else, but for those of all."""
    others = f"{tenant}-other"
    with api.client() as client:
        for label, tenants in (("Anna", [tenant]), ("Bo", [tenant, others]), ("Cy", [others]), ("Dee", None)):
            wish = {"label": f"{label} of {tenant}", "scopes": ["read"], "tenant_ids": tenants}
            client.post("/v1/keys", json=wish).raise_for_status()
    for whose, seen in (([tenant], {"Anna", "Bo"}), (None, {"Anna", "Bo", "Cy", "Dee"})):
        with api.client(api.new_key(tenants=whose, scopes=["read"])) as client:
            items = client.get("/v1/actors").raise_for_status().json()["items"]
        mine = {one["label"].split(" ")[0]: one["actor"] for one in items if one["label"].endswith(f" of {tenant}")}
        assert set(mine) == seen
        assert all(actor.startswith("key:") for actor in mine.values())
