"""/v1/jobs, /v1/flow and `ledgersafe jobs`, with a real worker."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ledgersafe.tenants.rules import SCOPES
from tests.api.answers import refused
from tests.conftest import Api, clean_environment, stop
from tests.events import sale

NOTES = {"notes": "asked for"}
SOON = 20.0


@pytest.fixture(scope="module")
def worker(api: Api) -> Iterator[None]:
    environment = clean_environment() | {"LEDGERSAFE_DATABASE_URL": api.database.app_url}
    process = subprocess.Popen([sys.executable, "-m", "ledgersafe", "work"], env=environment)
    with api.client() as client:
        happens(lambda: any(job["last_run"] for job in client.get("/v1/jobs").json()["items"]))
    yield
    stop(process)


def happens(what: Callable[[], object]) -> None:
    end = time.monotonic() + SOON
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def ledgersafe(api: Api, *words: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment() | {"LEDGERSAFE_URL": api.url, "LEDGERSAFE_API_KEY": api.key}
    command = [sys.executable, "-m", "ledgersafe", "jobs", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def job_of(client: Any, name: str) -> dict[str, Any]:
    (found,) = [job for job in client.get("/v1/jobs").json()["items"] if job["name"] == name]
    return found


@pytest.mark.usefixtures("worker")
def test_a_worker_runs_what_it_is_asked_to(api: Api) -> None:
    with api.client() as client:
        happens(lambda: (job_of(client, "partitions-ahead")["last_run"] or {}).get("outcome"))
        job = job_of(client, "partitions-ahead")
        assert (job["every_seconds"], job["paused"], job["last_run"]["outcome"]) == (3600, False, "succeeded")
        answer = client.post("/v1/jobs/partitions-ahead/run", json=NOTES)
        assert answer.status_code == 202
        happens(lambda: job_of(client, "partitions-ahead")["last_run"]["run_id"] != job["last_run"]["run_id"])
        page = client.get("/v1/jobs/partitions-ahead/runs", params={"limit": 1}).json()
        assert (page["items"][0]["summary"], page["items"][0]["seconds"] >= 0) == ("all there", True)
        after = client.get("/v1/jobs/partitions-ahead/runs", params={"limit": 1, "cursor": page["next"]}).json()
        assert after["items"][0]["run_id"] != page["items"][0]["run_id"]
        (entry,) = client.get("/v1/audit", params={"object_type": "job", "action": "job.made_due"}).json()["items"]
        assert (entry["tenant_id"], entry["object_id"], entry["notes"]) == ("_system", "partitions-ahead", "asked for")


@pytest.mark.usefixtures("worker")
def test_from_the_command_line(api: Api) -> None:
    listed = ledgersafe(api, "list")
    assert listed.returncode == 0, listed.stderr
    assert all(name in listed.stdout for name in ("partitions-ahead", "seals-sweep", "3600", "succeeded"))
    paused = ledgersafe(api, "pause", "gold-sweep", "--notes", "the machine is slow", "--json")
    assert json.loads(paused.stdout)["paused"] is True
    again = ledgersafe(api, "run", "gold-sweep", "--notes", "now")
    assert (again.returncode, "JOB_PAUSED" in again.stderr) == (1, True)
    assert "no" in ledgersafe(api, "resume", "gold-sweep", "--notes", "quick again").stdout
    assert json.loads(ledgersafe(api, "runs", "gold-sweep", "--limit", "1", "--json").stdout)["items"]
    assert "There is no job" in ledgersafe(api, "pause", "nonsense", "--notes", "x").stderr


def test_jobs_are_for_keys_of_all_tenants(api: Api, tenant: str) -> None:
    with api.client(api.new_key(tenants=[tenant], scopes=list(SCOPES))) as client:
        refused(client.get("/v1/jobs"), 403, "FOREIGN_TENANT")
        refused(client.get("/v1/jobs/seals/runs"), 403, "FOREIGN_TENANT")
        for wish in ("pause", "resume", "run"):
            refused(client.post(f"/v1/jobs/seals/{wish}", json=NOTES), 403, "FOREIGN_TENANT")
    with api.client(api.new_key(tenants=None, scopes=["read", "operate", "ingest"])) as client:
        assert client.get("/v1/jobs").status_code == 200
        for wish in ("pause", "resume", "run"):
            refused(client.post(f"/v1/jobs/seals/{wish}", json=NOTES), 403, "SCOPE_MISSING")
    with api.client() as client:
        refused(client.post("/v1/jobs/nonsense/run", json=NOTES), 404, "NOT_FOUND")
        refused(client.get("/v1/jobs/nonsense/runs"), 404, "NOT_FOUND")
        refused(client.post("/v1/jobs/seals/run", json={}), 422, "INVALID_PARAMETER")
        refused(client.get("/v1/jobs/seals/runs", params={"cursor": "x"}), 422, "INVALID_PARAMETER")


@pytest.mark.usefixtures("worker")
def test_how_it_flows(api: Api, tenant: str) -> None:
    with api.client(api.new_key(tenants=[tenant], scopes=["read", "ingest"])) as client:
        client.post("/v1/events:batch", json=[sale(tenant, "a"), sale(tenant, "b"), sale(tenant, "c", total_amount=1)])

        def flow(**of: object) -> dict[str, Any]:
            return client.get("/v1/flow", params=of).raise_for_status().json()

        def shown() -> tuple[int, ...]:
            minutes = flow()["minutes"]
            return tuple(sum(minute[name] for minute in minutes) for name in ("arrivals", "posted", "parked"))

        happens(lambda: shown() == (3, 2, 1))
        found = flow(minutes=5)
        assert (len(found["minutes"]), found["posting"]["waiting"]) == (5, 0)
        assert found["exceptions"]["by_reason"] == [{"reason_code": "TOTALS_MISMATCH", "open": 1}]
        assert 0 <= found["exceptions"]["oldest_seconds"] < 60
        assert 0 <= found["latency"]["p50"] <= found["latency"]["p95"] < 10
        assert {table["table"] for table in found["gold"]} >= {"daily_store_sales", "ingestion_health"}
        for minutes in (0, 1441, "x"):
            refused(client.get("/v1/flow", params={"minutes": minutes}), 422, "INVALID_PARAMETER")
        refused(client.get("/v1/flow", params={"tenant_id": "somebody-else"}), 403, "FOREIGN_TENANT")
    with api.client() as client:
        everybody = client.get("/v1/flow").json()
        assert everybody["exceptions"]["open"] >= 1
