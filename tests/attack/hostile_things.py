"""A tenant that has one of everything, so that the paths of the OpenAPI document lead somewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.promote import promote
from ledgersafe.pipeline.seal import seal
from ledgersafe.tenants.rules import SCOPES
from tests.api.answers import rows
from tests.api.deliveries import delivery_with_bad_rows
from tests.conftest import Api
from tests.events import sale

IGNORE = {"action": "mark_resolved_no_replay", "resolution_notes": "test data"}


@dataclass(frozen=True, slots=True)
class Belongings:
    """What a tenant has, by the name that the OpenAPI document gives to such a thing in a path or a query."""

    tenant: str
    by_name: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, name: str, *things: str) -> None:
        self.by_name.setdefault(name, []).extend(things)

    def all(self) -> list[str]:
        """Every id."""
        return [thing for things in self.by_name.values() for thing in things]


STOCK = "stock"
"""A dataset that everybody has: whose files and contracts are meant, the tenant says."""


def furnish(api: Api, tenant: str, mark: str = "plain") -> Belongings:
    """Events, exceptions (open, assigned, decided), a bulk run, keys, audit rows and rejected bodies.

    `mark` is part of every id and text of the tenant's own choosing.
    """
    has = Belongings(tenant)
    has.add("tenant_id", tenant)
    with api.client(api.new_key(tenants=[tenant], scopes=list(SCOPES))) as client:
        _send_events(client, has, mark)
        _post(api, client, has)
        _decide(client, has, mark)
        _make_keys(client, has, mark)
        _make_webhooks(client, has, mark)
        _deliver(api, client, has, mark)
        _be_refused(client, has, mark)
        page = client.get("/v1/exceptions", params={"limit": 1}).json()
        has.add("ingestion_id", delivery_with_bad_rows(api.database, tenant, mark))
        client.put(f"/v1/stores/{mark}-store", json={"name": f"{mark}-name"}).raise_for_status()
        has.add("cursor", page["next"], client.get("/v1/audit", params={"limit": 1}).json()["next"])
    return has


def _send_events(client: httpx.Client, has: Belongings, mark: str) -> None:
    also: dict[str, Any] = {
        "store_id": f"{mark}-store",
        "customer_id": f"{mark}-person",
        "source_system": f"{mark}-till",
    }
    good = [sale(has.tenant, f"{mark}-good-{number}", **also) for number in range(3)]
    faulty = [sale(has.tenant, f"{mark}-faulty-{number}", total_amount=number, **also) for number in range(6)]
    conflict = {**good[0], "total_amount": 43.5}
    answers = client.post("/v1/events:batch", json=[*good, *faulty, conflict]).json()["results"]
    assert [item["status"] for item in answers] == [201] * 3 + [202] * 7
    has.add("event_id", *(event["event_id"] for event in (*good, *faulty)))
    has.add("txn_id", *(str(event["txn_id"]) for event in good))
    has.add("raw_id", *(item["raw_id"] for item in answers))
    has.add("exception_id", *(item["exception_id"] for item in answers if item["exception_id"]))


def _post(api: Api, client: httpx.Client, has: Belongings) -> None:
    database = api.database.open(size=2)
    promote(database, has.tenant, datetime.now(UTC))
    seal(database, SystemClock(), tenant_id=has.tenant)
    database.close()
    entry, *_ = client.get("/v1/ledger/entries").json()["items"]
    has.add("transaction_id", entry["transaction_id"])
    has.add("store_id", entry["store_id"])
    has.add("account", entry["lines"][0]["account"])
    has.add("period", "2026-02")
    has.add("table", "daily_store_sales")
    has.add("job_name", "seals")
    has.add("number", str(client.post("/v1/ledger/exports", json={}).raise_for_status().json()["number"]))


def _decide(client: httpx.Client, has: Belongings, mark: str) -> None:
    ids = has.by_name["exception_id"]
    client.post(f"/v1/exceptions/{ids[0]}/assign", json={"assigned_to": f"{mark}-ana"}).raise_for_status()
    client.post(f"/v1/exceptions/{ids[1]}/resolve", json=IGNORE).raise_for_status()
    wish = IGNORE | {"resolution_notes": f"{mark}-notes", "filter": {"text": f"{mark}-faulty-2"}}
    runs = [client.post("/v1/exceptions:resolve", json=wish).raise_for_status().json() for _ in range(2)]
    assert runs[0]["planned"] == 1
    has.add("run_id", *(run["run_id"] for run in runs))


def _make_keys(client: httpx.Client, has: Belongings, mark: str) -> None:
    for scopes in (["ingest"], ["read", "admin"], ["operate"]):
        wish = {"label": f"{mark}-key", "scopes": scopes, "tenant_ids": [has.tenant]}
        has.add("key_id", client.post("/v1/keys", json=wish).raise_for_status().json()["key"]["key_id"])


def _make_webhooks(client: httpx.Client, has: Belongings, mark: str) -> None:
    for number in range(2):
        wish = {"url": f"https://{mark}-{number}.invalid/hook"}
        made = client.post("/v1/webhooks", json=wish).raise_for_status().json()
        has.add("webhook_id", made["webhook"]["webhook_id"])


def _deliver(api: Api, client: httpx.Client, has: Belongings, mark: str) -> None:
    """A contract, two files that wait, and a row of the table that the tenants share."""
    contract = {"dataset": STOCK, "description": f"{mark}-goods", "columns": {"sku": {}}, "primary_key": "sku"}
    client.put(f"/v1/datasets/{STOCK}/contract", json=contract).raise_for_status()
    has.add("dataset", STOCK)
    for number in range(2):
        asked = {"dataset": STOCK, "filename": f"{mark}-{number}.csv", "source": f"{mark}-clerk"}
        made = client.post("/v1/ingestions", params=asked, content=f"sku\n{mark}-{number}\n".encode())
        has.add("filename", asked["filename"])
        has.add("ingestion_id", made.raise_for_status().json()["ingestion"]["ingestion_id"])
    values = "gen_random_uuid(), now(), decode('00', 'hex'), 2"
    rows(api.database, f"INSERT INTO files.curated_{STOCK} VALUES (%s, %s, {values})", [has.tenant, f"{mark}-sku"])


def _be_refused(client: httpx.Client, has: Belongings, mark: str) -> None:
    for number in range(3):
        client.post("/v1/events", content=f'{{"refused": "{mark}-{number}'.encode())
    items: Sequence[dict[str, Any]] = ()
    while len(items) < 3:  # kept with the next commit
        items = client.get("/v1/rejected").json()["items"]
    has.add("rejected_id", *(item["rejected_id"] for item in items))
