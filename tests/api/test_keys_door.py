"""/v1/keys over HTTP."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.answers import refused, told
from tests.conftest import Api
from tests.events import sale


def test_the_life_of_a_key(api: Api, tenant: str) -> None:
    wish = {"label": "till 1", "tenant_ids": [tenant], "scopes": ["ingest", "read"]}
    with api.client() as admin:
        made = admin.post("/v1/keys", json=wish)
        token, key = made.json()["token"], made.json()["key"]
        assert made.status_code == 201
        assert (key["label"], key["tenant_ids"], key["scopes"], key["revoked_at"]) == (
            "till 1",
            [tenant],
            wish["scopes"],
            None,
        )
        assert "secret" not in made.text.replace(token, "")
        with api.client(token) as till:
            assert told(till.post("/v1/events", json=sale(tenant))) == (201, "processed", None)
            listed = {item["key_id"]: item for item in admin.get("/v1/keys").json()["items"]}
            assert listed[key["key_id"]]["label"] == "till 1"
            assert token not in str(listed)
            ended = admin.post(f"/v1/keys/{key['key_id']}/revoke")
            assert ended.json()["revoked_at"] is not None
            assert admin.post(f"/v1/keys/{key['key_id']}/revoke").json() == ended.json()
            started = time.monotonic()
            while (response := till.post("/v1/events", json=sale(tenant))).status_code == 201:
                assert time.monotonic() - started < 5, "a revoked key ends within five seconds"
                time.sleep(0.1)
            refused(response, 401, "KEY_REVOKED")
            refused(till.get("/v1/exceptions"), 401, "KEY_REVOKED")


def test_a_key_ends_at_its_time(api: Api, tenant: str) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=1.0)
    wish = {"label": "guest", "tenant_ids": [tenant], "scopes": ["read"], "expires_at": expires_at.isoformat()}
    with api.client() as admin, api.client(admin.post("/v1/keys", json=wish).json()["token"]) as guest:
        assert guest.get("/v1/exceptions").status_code == 200
        time.sleep(max(0, (expires_at - datetime.now(UTC)).total_seconds()) + 0.05)
        refused(guest.get("/v1/exceptions"), 401, "KEY_EXPIRED")


def test_an_administrator_of_one_tenant_stays_in_it(api: Api, tenant: str) -> None:
    with api.client() as almighty:
        foreign = almighty.post("/v1/keys", json={"label": "f", "scopes": ["read"], "tenant_ids": ["other"]}).json()[
            "key"
        ]
    with api.client(api.new_key(tenants=[tenant], scopes=["admin", "read"])) as admin:
        assert {tuple(item["tenant_ids"]) for item in admin.get("/v1/keys").json()["items"]} == {(tenant,)}
        refused(admin.post(f"/v1/keys/{foreign['key_id']}/revoke"), 404, "NOT_FOUND")
        for tenants, scopes, code in (
            (None, ["read"], "FOREIGN_TENANT"),
            (["other"], ["read"], "FOREIGN_TENANT"),
            ([tenant], ["operate"], "SCOPE_MISSING"),
        ):
            wish = {"label": "x", "scopes": scopes} | ({"tenant_ids": tenants} if tenants else {})
            refused(admin.post("/v1/keys", json=wish), 403, code)
        own = admin.post("/v1/keys", json={"label": "x", "scopes": ["read"], "tenant_ids": [tenant]}).json()["key"]
        assert admin.post(f"/v1/keys/{own['key_id']}/revoke").json()["key_id"] == own["key_id"]


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"label": "x"},
        {"label": "", "scopes": ["read"]},
        {"label": " ", "scopes": ["read"]},
        {"label": "a\x00", "scopes": ["read"]},
        {"label": "x", "scopes": []},
        {"label": "x", "scopes": ["root"]},
        {"label": "x", "scopes": ["read"], "tenant_ids": []},
        {"label": "x", "scopes": ["read"], "tenant_ids": ["\x00"]},
        {"label": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"label": "x", "scopes": ["read"], "expires_at": "2999-01-01T00:00:00"},
        {"label": "x", "scopes": ["read"], "tenants": ["misspelled"]},
    ],
)
def test_a_wish_that_makes_no_sense(api: Api, wish: dict[str, object]) -> None:
    with api.client() as admin:
        refused(admin.post("/v1/keys", json=wish), 422, "INVALID_PARAMETER")
