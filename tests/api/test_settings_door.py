"""/v1/tenants, /v1/stores and /v1/ledger/chart: what is set is seen by senders and obeyed by postings."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from ledgersafe.pipeline.directory import REFRESH_SECONDS
from ledgersafe.pipeline.promote import promote
from ledgersafe.tenants.rules import SCOPES
from tests.api.answers import refused, rows, told
from tests.conftest import Api
from tests.events import sale
from tests.pipeline.test_chart import numbered
from tests.pipeline.test_set_up import filed

LATER = REFRESH_SECONDS + 3


def make(client: httpx.Client, *tenants: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    answer = client.post("/v1/tenants:import", json={"tenants": list(tenants)} | options)
    assert answer.status_code == 200, answer.text
    return answer.json()["changes"]


def walked(client: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """Every item of a list that comes in pages, two at a time."""
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(path, params=query | {"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        assert len(page["items"]) <= 2
        items += page["items"]
        cursor = page["next"]
    return items


def post_all(api: Api, tenant: str) -> None:
    database = api.database.open(size=2)
    while promote(database, tenant, datetime.now(UTC)):
        pass
    database.close()


def test_the_settings_of_a_tenant(api: Api, tenant: str) -> None:
    with api.client() as client:
        assert len(make(client, filed(tenant), dry_run=True)) == 4
        refused(client.get(f"/v1/tenants/{tenant}"), 404, "NOT_FOUND")
        assert len(make(client, filed(tenant))) == 4
        assert make(client, filed(tenant)) == []
        found = client.get(f"/v1/tenants/{tenant}").json()
        assert (found["time_zone"], found["stores"], found["unverified_stores"]) == ("Europe/Berlin", 2, 0)
        assert found["sources"] == filed(tenant)["sources"]
        changed = client.patch(f"/v1/tenants/{tenant}", json={"correction_days": None, "simulated": True}).json()
        assert (changed["correction_days"], changed["simulated"], changed["currency"]) == (None, True, "EUR")
        exported = client.get("/v1/tenants:export", params={"tenant_id": tenant}).json()
        assert make(client, *exported["tenants"]) == []
        audited = client.get("/v1/audit", params={"tenant_id": tenant, "object_type": "tenant"}).json()["items"]
        assert [(row["action"], row["before_json"]) for row in audited] == [
            ("tenant.created", None),
            ("tenant.changed", {"correction_days": 90, "simulated": False}),
        ]
        refused(client.patch(f"/v1/tenants/{tenant}-nobody", json={}), 404, "NOT_FOUND")
        refused(client.patch("/v1/tenants/_system", json={"currency": "EUR"}), 404, "NOT_FOUND")
        refused(client.get("/v1/tenants/_system"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "wish",
    [
        {"currency": "XXQ"},
        {"currency": 5},
        {"time_zone": None},
        {"time_zone": "../../etc/passwd"},
        {"time_zone": "europe/berlin"},
        {"day_starts_at": 24},
        {"day_starts_at": "4"},
        {"day_starts_at": True},
        {"unknown_stores": "refuse"},
        {"correction_days": -1},
        {"correction_days": 10**12},
        {"simulated": 1},
        {"zone": "UTC"},
        [],
    ],
)
def test_a_setting_that_cannot_be(api: Api, wish: Any) -> None:
    with api.client() as client:
        make(client, {"tenant_id": "faulty-settings"})
        refused(client.patch("/v1/tenants/faulty-settings", json=wish), 422, "INVALID_PARAMETER")
        assert rows(api.database, "SELECT count(*) FROM audit.audit_log WHERE tenant_id = 'faulty-settings'") == [(1,)]


def test_a_file_with_faults_is_refused_with_all_of_them(api: Api, tenant: str) -> None:
    with api.client() as client:
        wanted = [filed(tenant), {"tenant_id": f"{tenant}-b", "day_starts_at": 99, "stores": [{"store_id": ""}]}]
        problem = refused(client.post("/v1/tenants:import", json={"tenants": wanted}), 422, "INVALID_PARAMETER")
        assert [fault["path"] for fault in problem["details"]] == [
            "/tenants/1/day_starts_at",
            "/tenants/1/stores/0/store_id",
        ]
        for odd in (
            {},
            {"tenants": "x"},
            {"tenants": [1]},
            {"tenants": [], "dryrun": True},
            {"tenants": [], "dry_run": "y"},
        ):
            refused(client.post("/v1/tenants:import", json=odd), 422, "INVALID_PARAMETER")
        refused(client.get(f"/v1/tenants/{tenant}"), 404, "NOT_FOUND")


def test_nobody_sees_or_sets_what_is_of_others(api: Api, tenant: str) -> None:
    other = f"{tenant}-other"
    with api.client() as almighty, api.client(api.new_key(tenants=[tenant], scopes=list(SCOPES))) as client:
        make(almighty, filed(other))
        assert make(client, filed(tenant))
        assert [row["tenant_id"] for row in walked(client, "/v1/tenants")] == [tenant]
        assert {row["tenant_id"] for row in walked(client, "/v1/stores")} == {tenant}
        assert [row["tenant_id"] for row in client.get("/v1/tenants:export").json()["tenants"]] == [tenant]
        of = {"tenant_id": other}
        for method, path, body in (
            ("GET", f"/v1/tenants/{other}", None),
            ("PATCH", f"/v1/tenants/{other}", {"currency": "USD"}),
            ("GET", f"/v1/tenants:export?tenant_id={other}", None),
            ("POST", "/v1/tenants:import", {"tenants": [filed(tenant), filed(other) | {"currency": "USD"}]}),
            ("GET", f"/v1/stores?tenant_id={other}", None),
            ("PUT", f"/v1/stores/berlin-1?tenant_id={other}", {"name": "Mine"}),
            ("POST", f"/v1/stores:verify?tenant_id={other}", {"store_ids": ["berlin-1"]}),
            ("GET", f"/v1/ledger/chart?tenant_id={other}", None),
            ("PUT", f"/v1/ledger/chart?tenant_id={other}", {"accounts": numbered("9")}),
        ):
            refused(client.request(method, path, json=body), 403, "FOREIGN_TENANT")
        assert make(almighty, filed(other)) == []
        assert almighty.get("/v1/ledger/chart", params=of).json()["accounts"][0]["account"] == "1000"
        assert "_system" not in {row["tenant_id"] for row in walked(almighty, "/v1/tenants")}


def test_stores_are_listed_page_by_page_made_and_verified(api: Api, tenant: str) -> None:
    of = {"tenant_id": tenant}
    with api.client() as client:
        events = [sale(tenant, f"e{number}", store_id=f"s{number}") for number in range(5)]
        client.post("/v1/events:batch", json=events).raise_for_status()
        post_all(api, tenant)
        listed = walked(client, "/v1/stores", **of)
        assert [(row["store_id"], row["is_verified"]) for row in listed] == [(f"s{n}", False) for n in range(5)]
        made = client.put("/v1/stores/s1", params=of, json={"name": "One", "region": "South"}).json()
        assert made == listed[1] | {"name": "One", "region": "South", "is_verified": True}
        kept = client.put("/v1/stores/s1", params=of, json={"name": None}).json()
        assert (kept["name"], kept["region"]) == (None, "South")
        new = client.put("/v1/stores/a%2Fb%20%C3%A9", params=of, json={"currency": "EUR"}).json()
        assert (new["store_id"], new["currency"], new["is_verified"]) == ("a/b é", "EUR", True)
        assert client.post("/v1/stores:verify", params=of, json={"store_ids": ["s0", "s2"]}).json()["items"][1][
            "is_verified"
        ]
        unverified = walked(client, "/v1/stores", is_verified="false", **of)
        assert [row["store_id"] for row in unverified] == ["s3", "s4"]
        refused(client.post("/v1/stores:verify", params=of, json={"store_ids": ["s3", "no"]}), 404, "NOT_FOUND")
        for odd in ({}, {"store_ids": []}, {"store_ids": "s3"}, {"store_ids": [3]}):
            refused(client.post("/v1/stores:verify", params=of, json=odd), 422, "INVALID_PARAMETER")
        for odd in ({"time_zone": "Nowhere"}, {"day_starts_at": -1}, {"city": "Rome"}, {"name": "\n"}, {"name": " "}):
            refused(client.put("/v1/stores/s1", params=of, json=odd), 422, "INVALID_PARAMETER")
        half = client.put("/v1/stores/s1", params=of, content=b'{"name": "\\ud800"}')
        refused(half, half.status_code, "INVALID_JSON")
        for cursor in ("x", "W10=", "WyJhIiwgMV0=", "bnVsbA=="):
            refused(client.get("/v1/stores", params=of | {"cursor": cursor}), 422, "INVALID_PARAMETER")
        assert len(walked(client, "/v1/stores", is_verified="false", **of)) == 2


def test_two_imports_at_once(api: Api, tenant: str) -> None:
    """Each is whole: what stands at the end is one of them, and the audit log tells how it came about."""
    zones = ("Asia/Tokyo", "Europe/Paris")

    def wanted(zone: str, *, backwards: bool) -> list[dict[str, Any]]:
        stores = [{"store_id": f"s{number}", "time_zone": zone} for number in range(30)]
        names = [f"{tenant}-{number}" for number in range(3)]
        return [
            {"tenant_id": name, "time_zone": zone, "stores": stores} for name in (names[::-1] if backwards else names)
        ]

    with api.client() as client, ThreadPoolExecutor(6) as pool:
        changes = sum(
            pool.map(lambda number: len(make(client, *wanted(zones[number % 2], backwards=number % 3 == 0))), range(12))
        )
        exported = client.get("/v1/tenants:export").json()["tenants"]
    mine = [one for one in exported if one["tenant_id"].startswith(tenant)]
    assert len({(one["time_zone"], *(store["time_zone"] for store in one["stores"])) for one in mine}) == 1
    assert len(mine[0]["stores"]) == 30
    sql = "SELECT count(*) FROM audit.audit_log WHERE tenant_id LIKE %s AND object_type IN ('tenant', 'store')"
    assert rows(api.database, sql, [f"{tenant}-%"]) == [(changes,)]


def test_what_is_set_is_seen_by_the_running_api_within_a_moment(api: Api, tenant: str) -> None:
    """The door asks for the currency, and knows what a source sends anew each time."""
    with api.client() as client:
        first = sale(tenant, "e0", currency=None)
        assert told(client.post("/v1/events", json=first))[2] == "CURRENCY_MISSING"
        client.patch(f"/v1/tenants/{tenant}", json={"currency": "EUR"}).raise_for_status()
        source = {"source_system": "pos_sim", "volatile_fields": ["/metadata/sent_at"]}
        make(client, {"tenant_id": tenant, "sources": [source]})
        end, number = time.monotonic() + LATER, 1
        while told(client.post("/v1/events", json=sale(tenant, f"e{number}", currency=None)))[0] != 201:
            assert time.monotonic() < end, "a changed setting holds within the directory's refresh"
            number += 1
            time.sleep(0.1)
        volatile = [sale(tenant, "v", txn_id="t", metadata={"sent_at": sent}) for sent in ("now", "later")]
        assert [told(client.post("/v1/events", json=event))[1] for event in volatile] == ["processed", "duplicate"]


def test_a_chart_of_ones_own(api: Api, tenant: str) -> None:
    of = {"tenant_id": tenant}
    with api.client() as client:
        refused(client.put("/v1/ledger/chart", params=of, json={"accounts": numbered("7")}), 404, "NOT_FOUND")
        client.post("/v1/events", json=sale(tenant, "a", payment_method="cash")).raise_for_status()
        post_all(api, tenant)
        begun = client.get("/v1/ledger/chart", params=of).json()
        assert len(begun["accounts"]) == 15
        assert client.put("/v1/ledger/chart", params=of, json=begun).json() == {"dry_run": False, "changes": []}
        dry = client.put("/v1/ledger/chart", params=of, json={"accounts": numbered("7"), "dry_run": True}).json()
        assert client.get("/v1/ledger/chart", params=of).json() == begun
        done = client.put("/v1/ledger/chart", params=of, json={"accounts": numbered("7")}).json()
        assert done == dry | {"dry_run": False}
        assert len(done["changes"]) == 30
        client.post("/v1/events", json=sale(tenant, "b", payment_method="cash")).raise_for_status()
        post_all(api, tenant)
        balance = client.get("/v1/ledger/trial-balance", params=of).json()["items"]
        assert {row["account"]: (row["name"], row["balance"]) for row in balance} == {
            "1000": ("Cash drawer", "42.5"),
            "4000": ("Sales revenue", "-42.5"),
            "71000": ("Cash drawer", "42.5"),
            "74000": ("Sales revenue", "-42.5"),
        }
        on_record = client.get("/v1/ledger/accounts", params=of).json()["items"]
        assert len([one for one in on_record if one["retired_at"] is None]) == 15
        assert len(on_record) == 30
        swapped = numbered("7", cash="74000", sales="71000")
        problem = refused(
            client.put("/v1/ledger/chart", params=of, json={"accounts": swapped}), 422, "INVALID_PARAMETER"
        )
        assert [fault["path"] for fault in problem["details"]] == ["/accounts/0", "/accounts/7"]
        for odd in ({}, {"accounts": {}}, {"accounts": []}, {"accounts": [None]}, {"accounts": numbered("7"), "x": 1}):
            refused(client.put("/v1/ledger/chart", params=of, json=odd), 422, "INVALID_PARAMETER")
        assert client.get("/v1/verify", params=of).json()["ok"] is True
