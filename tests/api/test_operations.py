"""What operators do over HTTP: the shapes of answers and refusals, pages, rotation, redaction."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.answers import refused, rows, told
from tests.conftest import Api
from tests.events import sale

IGNORE = {"action": "mark_resolved_no_replay", "resolution_notes": "test data"}
REPLAY = {"action": "override_and_replay", "resolution_notes": "mended", "override_patch": {"total_amount": "42.50"}}


def parked(client: httpx.Client, tenant: str, event_id: str = "e") -> dict[str, Any]:
    """A faulty event, held."""
    response = client.post("/v1/events", json=sale(tenant, event_id, total_amount=99))
    assert told(response) == (202, "quarantined", "TOTALS_MISMATCH")
    return response.json()


def resolve(client: httpx.Client, held: dict[str, Any], wish: dict[str, Any]) -> httpx.Response:
    return client.post(f"/v1/exceptions/{held['exception_id']}/resolve", json=wish)


def test_a_decision_and_how_it_reads_afterwards(api: Api, tenant: str) -> None:
    with api.client() as client:
        held = parked(client, tenant)
        dry = resolve(client, held, REPLAY | {"dry_run": True}).json()
        effect = dry.pop("effect")
        assert [float(line["debit"]) - float(line["credit"]) for line in effect["entries"]] == [42.5, -42.5]
        assert ([float(one["total"]) for one in effect["transactions"]], effect["note"]) == ([42.5], None)
        real = resolve(client, held, REPLAY | {"actor": "the boss", "expected_last_raw_id": held["raw_id"]}).json()
        assert dry == real | {"dry_run": True}
        assert real == {
            "exception_id": held["exception_id"],
            "dry_run": False,
            "resolution": "replayed",
            "canonical_raw_id": held["raw_id"],
            "key_status": "processed",
            "released": 0,
        }
        refused(resolve(client, held, IGNORE), 409, "ALREADY_RESOLVED")
        found = client.get(f"/v1/exceptions/{held['exception_id']}").json()["exception"]
        assert (found["status"], found["resolution"], found["replay_attempts"]) == ("resolved", "replayed", 1)
        assert found["override_patch"] == {"total_amount": "42.50"}
        assert found["resolution_actor"] == f"key:{api.key.split('_')[1]}"
        trace = client.get("/v1/events/e", params={"tenant_id": tenant}).json()
        assert [entry["action"] for entry in trace["audit"]] == ["exception.opened", "exception.resolved"]
        assert trace["audit"][1]["after_json"]["claimed_actor"] == "the boss"
        assert client.post("/v1/events", json=sale(tenant, "e", total_amount=99)).json()["result"] == "duplicate"


def test_a_refused_replay_lists_every_fault(api: Api, tenant: str) -> None:
    with api.client() as client:
        held = parked(client, tenant)
        problem = refused(
            resolve(client, held, REPLAY | {"override_patch": {"currency": "XXY"}}), 409, "REPLAY_REFUSED"
        )
        assert {(fault["reason_code"], fault["path"]) for fault in problem["details"]} == {
            ("CURRENCY_UNKNOWN", "/currency"),
            ("TOTALS_MISMATCH", "/total_amount"),
        }
        assert all(fault["message"] for fault in problem["details"])
        problem = refused(
            resolve(client, held, REPLAY | {"override_patch": {"event_id": "x"}}), 422, "PATCH_TOUCHES_IDENTITY"
        )
        assert "details" not in problem


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"action":"mark_resolved_no_replay"}', 422),
        (b'{"action":"mark_resolved_no_replay","resolution_notes":""}', 422),
        (b'{"action":"mark_resolved_no_replay","resolution_notes":" "}', 422),
        (b'{"action":"delete","resolution_notes":"x"}', 422),
        (b'{"action":"mark_resolved_no_replay","resolution_notes":"x","typo":1}', 422),
        (b'{"action":"mark_resolved_no_replay","resolution_notes":"\\u0000"}', 422),
        (b'{"action":"mark_resolved_no_replay","resolution_notes":"\\ud800"}', 400),
        (b'{"action":"override_and_replay","resolution_notes":"x","canonical_raw_id":"middle"}', 422),
        (b'{"action":"override_and_replay","resolution_notes":"x","books_date":"2026-13-01"}', 422),
        (b'{"action":"override_and_replay","resolution_notes":"x","override_patch":[]}', 422),
        (b'{"action":"override_and_replay","resolution_notes":"x","override_patch":{"n":NaN}}', 400),
        (b'{"action":"override_and_replay","resolution_notes":"x","override_patch":{"n":1e999}}', 422),
        (
            b'{"action":"override_and_replay","resolution_notes":"x","override_patch":{"n":12345678901234567890123}}',
            422,
        ),
        (b'{"action":"override_and_replay","resolution_notes":"x","override_patch":{"n":0.12345678901234567890}}', 422),
        (b'{"action":"override_and_replay","resolution_notes":"x","override_patch":{"n":1,"n":2}}', 400),
        (b'{"action":"override_and_replay","resolution_notes":"x","override_patch":{"\\ud800":1}}', 400),
        (
            b'{"action":"override_and_replay","resolution_notes":"x","override_patch":'
            + b'{"a":' * 400
            + b"1"
            + b"}" * 401,
            400,
        ),
    ],
)
def test_a_wish_that_makes_no_sense(api: Api, tenant: str, body: bytes, status: int) -> None:
    with api.client() as client:
        held = parked(client, tenant)
        address = f"/v1/exceptions/{held['exception_id']}"
        before = client.get(address).json()
        response = client.post(f"{address}/resolve", content=body, headers={"content-type": "application/json"})
        code = response.json()["reason_code"]
        refused(response, status, code)
        assert code in ("INVALID_PARAMETER", "INVALID_JSON", "JSON_TOO_DEEP", "DUPLICATE_MEMBER_NAME")
        assert client.get(address).json() == before


def test_assigning(api: Api, tenant: str) -> None:
    with api.client() as client:
        held = parked(client, tenant)
        address = f"/v1/exceptions/{held['exception_id']}/assign"
        assert client.post(address, json={"assigned_to": "ana"}).json()["assigned_to"] == "ana"
        listed = client.get("/v1/exceptions", params={"tenant_id": tenant, "assigned_to": "ana"}).json()["items"]
        assert [item["exception_id"] for item in listed] == [held["exception_id"]]
        assert client.post(address, json={"assigned_to": None}).json()["assigned_to"] is None
        refused(client.post(address, json={}), 422, "INVALID_PARAMETER")
        refused(client.post(f"/v1/exceptions/{uuid4()}/assign", json={"assigned_to": "a"}), 404, "NOT_FOUND")
        resolve(client, held, IGNORE)
        refused(client.post(address, json={"assigned_to": "ana"}), 409, "ALREADY_RESOLVED")


def test_a_bulk_run_from_plan_to_cancel(api: Api, tenant: str) -> None:
    """No worker runs here: what is started waits, and is steered."""
    with api.client() as client:
        for number in range(12):
            parked(client, tenant, f"e{number}")
        wish = IGNORE | {"filter": {"tenant_id": tenant, "reason_code": "TOTALS_MISMATCH"}}
        planned = client.post("/v1/exceptions:resolve", json=wish | {"dry_run": True})
        assert (planned.status_code, planned.json()["count"], len(planned.json()["sample"])) == (200, 12, 10)
        assert planned.json()["at_stake"] == [{"currency": "USD", "amount": "1188", "exceptions": 12}]
        refused(client.post("/v1/exceptions:resolve", json=IGNORE | {"filter": {}}), 400, "TENANT_REQUIRED")
        refused(client.post("/v1/exceptions:resolve", json=wish | {"plan": "mine"}), 422, "INVALID_PARAMETER")
        changed = planned.json()["plan"].replace("/12/", "/11/")
        refused(client.post("/v1/exceptions:resolve", json=wish | {"plan": changed}), 409, "PLAN_CHANGED")
        refused(client.post("/v1/exceptions:resolve", json=IGNORE), 422, "INVALID_PARAMETER")
        parked(client, tenant, "after the plan")
        started = client.post("/v1/exceptions:resolve", json=wish | {"plan": planned.json()["plan"]})
        run = started.json()
        assert (started.status_code, run["status"], run["planned"], run["resolved"]) == (202, "running", 12, 0)
        address = f"/v1/bulk-runs/{run['run_id']}"
        assert client.get(address).json() == run
        assert run["run_id"] in [one["run_id"] for one in client.get("/v1/bulk-runs").json()["items"]]
        page = client.get(f"{address}/items", params={"limit": 7}).json()
        rest = client.get(f"{address}/items", params={"limit": 7, "cursor": page["next"]}).json()
        assert (len(page["items"]), len(rest["items"]), rest["next"]) == (7, 5, None)
        keys = {(item["exception_id"], item["idempotency_key"]) for item in page["items"] + rest["items"]}
        assert {key for _, key in keys} == {f"e{number}" for number in range(12)}
        assert len({one for one, _ in keys}) == 12
        assert client.post(f"{address}/cancel").json()["status"] == "cancelled"
        assert (run["stopped_by"], run["resumed_by"]) == (None, None)
        other = api.new_key(tenants=[tenant], scopes=["operate"])
        with api.client(other) as colleague:
            resumed = colleague.post(f"{address}/resume").json()
        assert (resumed["status"], resumed["actor"]) == ("running", run["actor"])
        assert (resumed["stopped_by"], resumed["resumed_by"]) == (run["actor"], f"key:{other.split('_')[1]}")
        assert client.post(f"{address}/cancel").json()["status"] == "cancelled"
        refused(client.post(f"/v1/bulk-runs/{uuid4()}/cancel"), 404, "NOT_FOUND")
        found = client.get("/v1/audit", params={"tenant_id": tenant, "object_id": run["run_id"]}).json()["items"]
        assert [entry["action"].removeprefix("bulk_run.") for entry in found] == [
            *("started", "cancelled", "resumed", "cancelled")
        ]


def test_a_bulk_run_names_its_tenant_in_the_address_or_in_the_filter(api: Api, tenant: str) -> None:
    """A key of all tenants must name one; where both do, they must agree."""
    of_one = api.new_key(tenants=[tenant], scopes=["read", "operate"])
    with api.client() as client, api.client(of_one) as narrow:
        parked(client, tenant)
        plan = IGNORE | {"dry_run": True}
        in_filter, bare = plan | {"filter": {"tenant_id": tenant}}, plan | {"filter": {}}

        def asked(by: httpx.Client, wish: dict[str, Any], **address: str) -> httpx.Response:
            return by.post("/v1/exceptions:resolve", json=wish, params=address)

        refused(asked(client, bare), 400, "TENANT_REQUIRED")
        for answer in (
            asked(client, bare, tenant_id=tenant),
            asked(client, in_filter),
            asked(client, in_filter, tenant_id=tenant),
            asked(narrow, bare),
        ):
            assert (answer.status_code, answer.json()["count"]) == (200, 1)
        other = asked(client, in_filter, tenant_id="another")
        refused(other, 422, "INVALID_PARAMETER")
        assert f"'another' in the address and {tenant!r} in the filter" in other.json()["detail"]
        refused(asked(narrow, in_filter, tenant_id="another"), 403, "FOREIGN_TENANT")
        refused(asked(narrow, bare, tenant_id="another"), 403, "FOREIGN_TENANT")
        started = client.post("/v1/exceptions:resolve", json=IGNORE | {"filter": {}}, params={"tenant_id": tenant})
        assert (started.status_code, started.json()["tenant_id"]) == (202, tenant)


def test_bulk_runs_of_one_tenant(api: Api, tenant: str) -> None:
    """With a key of several tenants: those of the one that is named, however many others there are."""
    other = f"{tenant}-other"
    with api.client() as client:
        for one in (tenant, other, other):
            parked(client, one, f"e-{uuid4()}")
            wish = IGNORE | {"filter": {"tenant_id": one}}
            assert client.post("/v1/exceptions:resolve", json=wish).status_code == 202

        def whose(of: httpx.Client, **parameters: Any) -> list[str]:
            answer = of.get("/v1/bulk-runs", params=parameters)
            return [run["tenant_id"] for run in answer.raise_for_status().json()["items"]]

        assert whose(client, tenant_id=tenant, limit=1) == [tenant]
        assert whose(client, tenant_id=other) == [other, other]
        assert whose(client, limit=3) == [other, other, tenant]
    with api.client(api.new_key(tenants=[tenant], scopes=["read"])) as client:
        assert whose(client) == whose(client, tenant_id=tenant) == [tenant]
        refused(client.get("/v1/bulk-runs", params={"tenant_id": other}), 403, "FOREIGN_TENANT")


def test_a_queue_is_counted_where_that_is_asked_for(api: Api, tenant: str) -> None:
    """All that the filters name, on whatever page; of what the key serves."""
    with api.client() as all_mighty:
        for number in range(5):
            parked(all_mighty, tenant, f"e{number}")
        parked(all_mighty, f"{tenant}-other", "e0")
    with api.client(api.new_key(tenants=[tenant], scopes=["read", "operate"])) as client:

        def total(**parameters: Any) -> int | None:
            return client.get("/v1/exceptions", params=parameters).raise_for_status().json()["total"]

        first = client.get("/v1/exceptions", params={"limit": 2}).json()
        assert (len(first["items"]), first["total"]) == (2, None)
        assert total(count=True, limit=2) == total(count=True, limit=1, cursor=first["next"]) == 5
        assert total(count=True, text="E3") == total(count=True, text="e3", status="open") == 1
        assert total(count=True, reason_code="CURRENCY_UNKNOWN") == total(count=True, status="resolved") == 0
        refused(client.get("/v1/exceptions", params={"count": "often"}), 422, "INVALID_PARAMETER")


def test_bulk_runs_in_pages(api: Api, tenant: str) -> None:
    """A run that is begun meanwhile moves nothing from a page to another."""
    wish = IGNORE | {"filter": {"tenant_id": tenant}}
    with api.client(api.new_key(tenants=[tenant], scopes=["ingest", "read", "operate"])) as client:
        parked(client, tenant)

        def begun() -> str:
            return client.post("/v1/exceptions:resolve", json=wish).json()["run_id"]

        made = [begun() for _ in range(5)]
        found: list[str] = []
        cursor: str | None = None
        for _ in range(3):
            page = client.get("/v1/bulk-runs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
            found += [run["run_id"] for run in page["items"]]
            cursor = page["next"]
            begun()
        assert (found, cursor) == (made[::-1], None)
        refused(client.get("/v1/bulk-runs", params={"cursor": "x"}), 422, "INVALID_PARAMETER")


def test_the_audit_log_by_object_actor_action_and_time_in_pages(api: Api, tenant: str) -> None:
    token = api.new_key(tenants=[tenant], scopes=["ingest", "read", "operate"])
    with api.client(token) as client:
        held = [parked(client, tenant, f"e{number}") for number in range(5)]
        between = datetime.now(UTC)
        for one in held:
            resolve(client, one, IGNORE)

        def audit(**filters: Any) -> list[dict[str, Any]]:
            return client.get("/v1/audit", params=filters).json()["items"]

        everything = audit()
        assert len([entry for entry in everything if entry["object_type"] == "exception"]) == 10
        assert {entry["tenant_id"] for entry in everything} == {tenant}
        assert len(audit(action="exception.resolved")) == 5
        assert len(audit(actor=f"key:{token.split('_')[1]}")) == 5
        assert len(audit(actor="system", object_type="exception")) == 5
        assert [entry["action"] for entry in audit(object_id=held[2]["exception_id"])] == [
            *("exception.opened", "exception.resolved")
        ]
        assert audit(since=between.isoformat()) == audit(action="exception.resolved")
        assert audit(until=between.isoformat()) == [entry for entry in everything if entry not in audit(since=between)]
        for order, wanted in (("oldest", everything), ("latest", everything[::-1])):
            paged, cursor = [], None
            while True:
                asked = {"limit": 3, "order": order} | ({"cursor": cursor} if cursor else {})
                page = client.get("/v1/audit", params=asked).json()
                assert len(page["items"]) <= 3
                paged, cursor = paged + page["items"], page["next"]
                if cursor is None:
                    break
            assert paged == wanted
        refused(client.get("/v1/audit", params={"cursor": "x"}), 422, "INVALID_PARAMETER")
        refused(client.get("/v1/audit", params={"since": "2026-01-01T00:00:00"}), 422, "INVALID_PARAMETER")
        refused(client.get("/v1/audit", params={"tenant_id": "other"}), 403, "FOREIGN_TENANT")


def test_rejected_bodies_are_listed_and_made_unreadable(api: Api, tenant: str) -> None:
    token = api.new_key(tenants=[tenant], scopes=["ingest", "read", "admin"])
    with api.client(token) as client:
        for number in range(3):
            client.post("/v1/events", content=b'{"customer":"Ada %d' % number)
        items: list[dict[str, Any]] = []
        while len(items) < 3:  # kept with the next commit
            items = client.get("/v1/rejected", params={"reason_code": "INVALID_JSON"}).json()["items"]
        assert [item["body_text"] for item in items] == [f'{{"customer":"Ada {number}' for number in (2, 1, 0)]
        assert client.get("/v1/rejected", params={"reason_code": "TOO_LARGE"}).json()["items"] == []
        page = client.get("/v1/rejected", params={"limit": 2}).json()
        rest = client.get("/v1/rejected", params={"limit": 2, "cursor": page["next"]}).json()
        assert (page["items"] + rest["items"], rest["next"]) == (items, None)
        address = f"/v1/rejected/{items[0]['rejected_id']}/redact"
        refused(client.post(address, json={"notes": " "}), 422, "INVALID_PARAMETER")
        assert client.post(address, json={"notes": "law"}).json() == {"redacted": True, "changed": True}
        assert client.post(address, json={"notes": "law"}).json() == {"redacted": True, "changed": False}
        assert "Ada 2" not in client.get("/v1/rejected").text
        refused(client.post(f"/v1/rejected/{uuid4()}/redact", json={"notes": "x"}), 404, "NOT_FOUND")


def test_an_arrival_is_made_unreadable(api: Api, tenant: str) -> None:
    with api.client() as client:
        event = sale(tenant, "e", customer_id="Ada Lovelace")
        sent = client.post("/v1/events", json=event).json()
        address, whose = f"/v1/arrivals/{sent['raw_id']}/redact", {"tenant_id": tenant}
        refused(client.post(address, json={"notes": "law"}, params=whose), 409, "NOT_POSTED_YET")
        wish = {"notes": "law", "even_if_not_posted": True}
        refused(client.post(address, json=wish, params={"tenant_id": "other"}), 404, "NOT_FOUND")
        assert client.post(address, json=wish, params=whose).json() == {"redacted": True, "changed": True}
        assert "Ada" not in client.get("/v1/events/e", params=whose).text
        assert told(client.post("/v1/events", json=event)) == (200, "duplicate", None)
        stored = rows(
            api.database, "SELECT body_sha256 = sha256(body) FROM bronze.events_raw WHERE raw_id = %s", [sent["raw_id"]]
        )
        assert stored == [(False,)], "the hash of what arrived stays"


def test_both_keys_work_during_the_overlap_and_the_old_one_ends_after_it(api: Api, tenant: str) -> None:
    old = api.new_key(tenants=[tenant], scopes=["read", "admin"])
    with api.client() as admin, api.client(old) as before:
        address = f"/v1/keys/{old.split('_')[1]}/rotate"
        made = admin.post(address, json={"overlap_seconds": 3})
        ends = time.monotonic() + 3
        assert made.status_code == 201
        assert (made.json()["key"]["tenant_ids"], made.json()["key"]["scopes"]) == ([tenant], ["read", "admin"])
        refused(admin.post(address, json={"overlap_seconds": 3}), 401, "KEY_REVOKED")
        with api.client(made.json()["token"]) as after:
            assert (before.get("/v1/exceptions").status_code, after.get("/v1/exceptions").status_code) == (200, 200)
            listed = {key["key_id"]: key for key in admin.get("/v1/keys").json()["items"]}
            assert listed[old.split("_")[1]]["rotated_to"] == made.json()["key"]["key_id"]
            time.sleep(max(0, ends - time.monotonic()) + 0.1)
            refused(before.get("/v1/exceptions"), 401, "KEY_EXPIRED")
            assert after.get("/v1/exceptions").status_code == 200
        refused(admin.post("/v1/keys/nobody/rotate", json={}), 404, "NOT_FOUND")
        refused(admin.post(address, json={"overlap_seconds": -1}), 422, "INVALID_PARAMETER")


def test_a_key_may_not_end_beyond_what_can_be_read_back(api: Api) -> None:
    wish = {"label": "x", "scopes": ["read"], "expires_at": "9999-12-31T23:59:59-10:00"}
    with api.client() as admin:
        refused(admin.post("/v1/keys", json=wish), 422, "INVALID_PARAMETER")
        sooner = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        assert admin.post("/v1/keys", json=wish | {"expires_at": sooner}).status_code == 201
        assert admin.get("/v1/keys").status_code == 200
