"""Every operation of the OpenAPI document: once with a right key, and again with every wrong one.

tests/api/test_isolation.py tries what a stranger may learn; here each operation has a request that is known to work,
so that a refusal is one of the key, and not of the request.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest

from ledgersafe.ledger.rules import default_chart
from ledgersafe.pipeline.promote import promote
from ledgersafe.tenants.rules import SCOPES
from tests.api.answers import refused, rows
from tests.api.deliveries import delivery_with_bad_rows
from tests.conftest import PLAIN, Api, TestDatabase
from tests.contracts.test_doors import SCOUT_EXAMPLE
from tests.events import sale

MINE, OTHERS = "authorised-books", "somebody-elses-books"
PUBLIC = {"get /livez", "get /readyz", "get /metrics"}
NOTES = {"notes": "asked for"}
DECISION = {"action": "mark_resolved_no_replay", "resolution_notes": "asked for"}
NEEDS: dict[str, str] = {
    "post /v1/events": "ingest",
    "post /v1/events:batch": "ingest",
    "post /functions/v1/ingest-transaction": "ingest",
    "post /v1/exceptions/{exception_id}/assign": "operate",
    "post /v1/exceptions/{exception_id}/resolve": "operate",
    "post /v1/exceptions:resolve": "operate",
    "post /v1/bulk-runs/{run_id}/cancel": "operate",
    "post /v1/bulk-runs/{run_id}/resume": "operate",
    "post /v1/rejected/{rejected_id}/redact": "admin",
    "post /v1/arrivals/{raw_id}/redact": "admin",
    "post /v1/keys": "admin",
    "get /v1/keys": "admin",
    "post /v1/keys/{key_id}/revoke": "admin",
    "post /v1/keys/{key_id}/rotate": "admin",
    "get /v1/whoami": "read",
    "get /v1/actors": "read",
    "get /v1/events/{event_id}": "read",
    "get /v1/receipts/{txn_id}": "read",
    "get /v1/exceptions": "read",
    "get /v1/exceptions/{exception_id}": "read",
    "get /v1/bulk-runs": "read",
    "get /v1/bulk-runs/{run_id}": "read",
    "get /v1/bulk-runs/{run_id}/items": "read",
    "get /v1/ingestions/{ingestion_id}/bad_rows": "read",
    "post /v1/ingestions/{ingestion_id}/bad_rows/replay": "operate",
    "post /v1/ingestions/{ingestion_id}/bad_rows/ignore": "operate",
    "post /v1/ledger/periods/{period}/close": "operate",
    "post /v1/ledger/periods/{period}/reopen": "operate",
    "post /v1/ledger/exports": "operate",
    "post /v1/ledger/exports/{number}/void": "operate",
    "get /v1/ledger/exports": "read",
    "get /v1/ledger/exports/{number}": "read",
    "get /v1/ledger/exports/{number}/file": "read",
    "post /v1/webhooks": "admin",
    "get /v1/webhooks": "admin",
    "post /v1/webhooks/{webhook_id}/test": "admin",
    "delete /v1/webhooks/{webhook_id}": "admin",
    "get /v1/ledger/accounts": "read",
    "get /v1/ledger/chart": "read",
    "put /v1/ledger/chart": "admin",
    "get /v1/tenants": "read",
    "get /v1/tenants/{tenant_id}": "read",
    "patch /v1/tenants/{tenant_id}": "admin",
    "post /v1/tenants:import": "admin",
    "get /v1/tenants:export": "read",
    "get /v1/stores": "read",
    "put /v1/stores/{store_id}": "admin",
    "post /v1/stores:verify": "admin",
    "get /v1/ledger/entries": "read",
    "get /v1/ledger/trial-balance": "read",
    "get /v1/ledger/periods": "read",
    "get /v1/audit": "read",
    "get /v1/rejected": "read",
    "get /v1/verify": "read",
    "get /v1/seals": "read",
    "get /v1/seals/head": "read",
    "get /v1/seals/verify": "read",
    "get /v1/reports/{table}": "read",
    "get /v1/reconciliation": "read",
    "get /v1/health": "read",
    "get /v1/flow": "read",
    "get /v1/jobs": "read",
    "get /v1/jobs/{job_name}/runs": "read",
    "post /v1/jobs/{job_name}/pause": "admin",
    "post /v1/jobs/{job_name}/resume": "admin",
    "post /v1/jobs/{job_name}/run": "admin",
    "post /v1/ingestions": "ingest",
    "post /v1/ingestions/from_path": "ingest",
    "get /v1/ingestions": "read",
    "get /v1/ingestions/{ingestion_id}": "read",
    "get /v1/ingestions/{ingestion_id}/rows": "read",
    "post /v1/ingestions/{ingestion_id}/replay": "operate",
    "get /v1/datasets": "read",
    "get /v1/datasets/{dataset}/contract": "read",
    "put /v1/datasets/{dataset}/contract": "admin",
    "get /v1/datasets/{dataset}/curated/sample": "read",
    "get /v1/datasets/{dataset}/schema_history": "read",
    "get /v1/datasets/{dataset}/trends": "read",
    "post /v1/contracts/validate": "read",
}
"""The scope that each operation needs. A new operation is put here, and gets a body below if it takes one."""

OF_ANY_KEY = ("post /functions/v1/ingest-transaction", "get /v1/keys", "get /v1/tenants")
OF_ANY_KEY += ("post /v1/contracts/validate", "get /v1/whoami", "get /v1/actors")
"""Operations that any key may ask: they are of its own tenants, whatever the query says."""
OF_ALL_TENANTS = tuple(name for name in NEEDS if "/v1/jobs" in name)
"""Operations on what belongs to no tenant: a key of some tenants is refused, whatever its scopes."""
RENUMBERED = [msgspec.structs.asdict(one) | {"account": f"9{one.account}"} for one in default_chart()]

CONTRACT = {"dataset": "stock", "columns": {"sku": {}}, "primary_key": "sku"}
BODIES: dict[str, Any] = {
    "post /v1/events": sale(MINE, "new"),
    "post /v1/events:batch": [sale(MINE, "newer")],
    "post /functions/v1/ingest-transaction": SCOUT_EXAMPLE,
    "post /v1/exceptions/{exception_id}/assign": {"assigned_to": "ana"},
    "post /v1/exceptions/{exception_id}/resolve": DECISION,
    "post /v1/exceptions:resolve": DECISION | {"filter": {"tenant_id": MINE}},
    "post /v1/ingestions/{ingestion_id}/bad_rows/replay": NOTES | {"rows": [{"row_number": 2, "patch": {"Left": "1"}}]},
    "post /v1/ingestions/{ingestion_id}/bad_rows/ignore": NOTES | {"row_numbers": [3]},
    "post /v1/ledger/periods/{period}/close": NOTES,
    "post /v1/ledger/periods/{period}/reopen": NOTES,
    "put /v1/ledger/chart": {"accounts": RENUMBERED},
    "patch /v1/tenants/{tenant_id}": {"time_zone": "Asia/Tokyo"},
    "post /v1/tenants:import": {"tenants": [{"tenant_id": MINE, "currency": "EUR"}]},
    "put /v1/stores/{store_id}": {"name": "Corner shop"},
    "post /v1/stores:verify": {"store_ids": ["shop-1"]},
    "post /v1/webhooks": {"url": "https://example.invalid/hook"},
    "post /v1/jobs/{job_name}/pause": NOTES,
    "post /v1/jobs/{job_name}/resume": NOTES,
    "post /v1/jobs/{job_name}/run": NOTES,
    "post /v1/ledger/exports": {},
    "post /v1/ledger/exports/{number}/void": {"reason": "asked for"},
    "post /v1/rejected/{rejected_id}/redact": NOTES,
    "post /v1/arrivals/{raw_id}/redact": NOTES | {"even_if_not_posted": True},
    "post /v1/keys": {"label": "new", "scopes": ["admin"], "tenant_ids": [MINE]},
    "post /v1/keys/{key_id}/rotate": {"overlap_seconds": 60},
    "post /v1/ingestions": [{"sku": "A"}],
    "post /v1/ingestions/{ingestion_id}/replay": NOTES,
    "put /v1/datasets/{dataset}/contract": CONTRACT,
    "post /v1/contracts/validate": CONTRACT,
}
QUERIES = {"post /v1/ingestions": {"dataset": "stock", "filename": "new.json"}}
"""What else the query must say."""


@dataclass(frozen=True, slots=True)
class Things:
    """What a tenant has, so that paths lead to something."""

    api: Api
    by_name: dict[str, str]
    documented: dict[str, set[str]]

    def call(self, name: str, token: str | None) -> httpx.Response:
        method, path = name.split(" ")
        for placeholder, thing in self.by_name.items():
            path = path.replace(f"{{{placeholder}}}", thing)
        assert "{" not in path, f"{name} has a placeholder that no thing is prepared for"
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        whose = {} if path in ("/v1/events", "/v1/events:batch") else {"tenant_id": MINE} | QUERIES.get(name, {})
        address = self.api.url + path
        options: dict[str, Any] = {"json": BODIES[name]} if name in BODIES else {}
        return httpx.request(method, address, params=whose, headers=headers, timeout=30, **options, **PLAIN)


@pytest.fixture(scope="module")
def things(
    start_api: Callable[..., Api], new_database: Callable[[], TestDatabase], tmp_path_factory: pytest.TempPathFactory
) -> Things:
    """An API process of its own, and one thing of each kind."""
    drop = tmp_path_factory.mktemp("drop")
    api = start_api(new_database(), files_from=str(drop))
    with api.client(api.new_key(tenants=[MINE], scopes=list(SCOPES))) as client:
        held = client.post("/v1/events", json=sale(MINE, "e1", total_amount=1)).json()
        arrival = client.post("/v1/events", json=sale(MINE, "e2")).json()
        client.post("/v1/events", content=b"{")
        run = client.post("/v1/exceptions:resolve", json=DECISION | {"filter": {"text": "nothing has this"}}).json()
        key = client.post("/v1/keys", json={"label": "x", "scopes": ["admin"], "tenant_ids": [MINE]}).json()["key"]
        rejected: list[dict[str, Any]] = []
        client.put("/v1/stores/shop-1", json={}).raise_for_status()
        while not rejected:  # kept with the next commit
            rejected = client.get("/v1/rejected").json()["items"]
    database = api.database.open(size=2)
    promote(database, MINE, datetime.now(UTC))
    database.close()
    names = {"exception_id": held["exception_id"], "raw_id": arrival["raw_id"], "event_id": "e1", "txn_id": "txn-e2"}
    names |= {"table": "daily_store_sales", "job_name": "seals"}
    rows(api.database, "INSERT INTO jobs.jobs (tenant_id, job_name, due_at) VALUES ('_system', 'seals', now())")
    names |= {"run_id": run["run_id"], "key_id": key["key_id"], "rejected_id": rejected[0]["rejected_id"]}
    names["ingestion_id"] = delivery_with_bad_rows(api.database, MINE)
    _give_it_a_file(api, names["ingestion_id"])
    names |= {"period": "2026-01", "tenant_id": MINE, "store_id": "shop-1"}
    with api.client(api.new_key(tenants=[MINE], scopes=["operate", "admin"])) as client:
        names["number"] = str(client.post("/v1/ledger/exports", json={}).json()["number"])
        hook = client.post("/v1/webhooks", json={"url": "https://example.invalid/hook"}).json()
        names["webhook_id"] = hook["webhook"]["webhook_id"]
    with api.client(api.new_key(tenants=[MINE], scopes=["admin"])) as client:
        client.put("/v1/datasets/stock/contract", json=CONTRACT).raise_for_status()
    names["dataset"] = "stock"
    (drop / "here.csv").write_bytes(b"sku\nB\n")
    BODIES["post /v1/ingestions/from_path"] = {"path": str(drop / "here.csv"), "dataset": "stock"}
    paths = httpx.get(f"{api.url}/openapi.json", **PLAIN).json()["paths"]
    documented = {f"{method} {path}": set(it["responses"]) for path, of in paths.items() for method, it in of.items()}
    return Things(api, names, documented)


def _give_it_a_file(api: Api, ingestion_id: str) -> None:
    """A delivery of this id has the file of another one, so that it can be read."""
    asked = {"dataset": "stock_levels", "filename": "s.csv"}
    with api.client(api.new_key(tenants=[MINE], scopes=["ingest"])) as client:
        made = client.post("/v1/ingestions", params=asked, content=b"Item,Left\na,x\n").raise_for_status().json()
    sql = "UPDATE files.ingestions SET raw_path = of.raw_path FROM files.ingestions of WHERE of.ingestion_id = %s "
    rows(api.database, f"{sql} AND ingestions.ingestion_id = %s", [made["ingestion"]["ingestion_id"], ingestion_id])


def test_every_operation_has_a_prepared_request(things: Things) -> None:
    assert set(things.documented) == set(NEEDS) | PUBLIC
    assert set(BODIES) <= set(NEEDS)


Wrong = tuple[str, str | None, set[int]]
"""(what is wrong with a key, its token, the statuses that may come of it)."""


@pytest.fixture(scope="module")
def wrong_keys(things: Things) -> dict[str, list[Wrong]]:
    """By scope, every key that must not do what needs it."""
    api = things.api
    ended: list[Wrong] = [("none", None, {401}), ("no key", "ls_nobody_secret", {401})]
    for what, column in (("revoked", "revoked_at"), ("expired", "expires_at")):
        token = api.new_key(tenants=[MINE], scopes=list(SCOPES))
        rows(api.database, f"UPDATE tenants.api_keys SET {column} = now() WHERE key_id = %s", [token.split("_")[1]])
        ended.append((what, token, {401}))
    ended.append(("of another tenant", api.new_key(tenants=[OTHERS], scopes=list(SCOPES)), {400, 403, 404, 422}))
    lacking = {scope: [one for one in SCOPES if one != scope] for scope in SCOPES}
    without = {scope: api.new_key(tenants=[MINE], scopes=scopes) for scope, scopes in lacking.items()}
    return {scope: [*ended, ("without the scope", token, {403})] for scope, token in without.items()}


def everything_of_mine(api: Api) -> list[Any]:
    """Every row of the tenant."""
    tables = ("bronze.events_raw", "bronze.rejected", "gate.events_processed", "gate.counters", "quarantine.exceptions")
    tables += (
        "quarantine.bulk_runs",
        "audit.audit_log",
        "tenants.tenants",
        "tenants.stores",
        "ledger.accounts",
        "files.bad_rows",
        "files.contracts",
        "files.ingestions",
        "files.curated_stock",
    )
    return [
        sorted(rows(api.database, f"SELECT t::text FROM {table} t WHERE tenant_id = %s", [MINE])) for table in tables
    ]


@pytest.mark.parametrize("name", NEEDS)
def test_a_wrong_key_is_refused_and_changes_nothing(
    things: Things, wrong_keys: dict[str, list[Wrong]], name: str
) -> None:
    before = everything_of_mine(things.api)
    for what, token, allowed in wrong_keys[NEEDS[name]]:
        response = things.call(name, token)
        if name == "get /v1/health" and what in ("none", "of another tenant"):
            assert response.status_code == 200
            assert not response.json().get("tenants"), what
        elif (name, what) == ("post /v1/events:batch", "of another tenant"):
            assert [item["status"] for item in response.json()["results"]] == [403]
        elif response.is_success:
            assert what == "of another tenant", (what, response.text)
            assert name in OF_ANY_KEY, response.text
            assert MINE not in response.text
        elif name.endswith("ingest-transaction"):
            assert response.json()["ok"] is False
            assert response.status_code in allowed, what
        else:
            assert response.status_code in allowed, (what, response.text)
            refused(response, response.status_code, response.json()["reason_code"])
        assert not any(inside in response.text for inside in ("TOTALS_MISMATCH", "store_001", "pos_sim")), what
    assert everything_of_mine(things.api) == before


def test_a_right_key_gets_what_the_document_says(things: Things) -> None:
    """Last, because it changes things; reading first, then deciding."""
    for name in sorted(
        [*NEEDS, *PUBLIC],
        key=lambda name: (not name.startswith("get"), "revoke" in name, name.startswith("delete"), name),
    ):
        scopes = [NEEDS[name]] if name in NEEDS else ["read"]
        tenants = None if name in OF_ALL_TENANTS else [MINE]
        response = things.call(name, things.api.new_key(tenants=tenants, scopes=scopes))
        assert response.is_success, (name, response.text)
        assert str(response.status_code) in things.documented[name], name
