"""Health for people, readiness for orchestrators, metrics for Prometheus, and authentication switched off."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.answers import refused, told
from tests.conftest import PLAIN, Api, TestDatabase, clean_environment, free_port, stop, wait_until_ready
from tests.events import sale


def get(api: Api, path: str, **headers: str) -> httpx.Response:
    return httpx.get(api.url + path, headers=headers, **PLAIN)


def test_health_tells_strangers_only_the_status(api: Api) -> None:
    response = get(api, "/v1/health")
    body = response.json()
    assert (response.status_code, body["status"], body["db"]) == (200, "ok", "up")
    assert body["db_time"]
    assert not body.get("counts")
    assert not body.get("tenants")
    assert "tenant-" not in response.text


def test_health_tells_a_key_the_counts_of_its_tenants(api: Api, tenant: str) -> None:
    other = f"{tenant}-2"
    with api.client() as client:
        for event in (sale(tenant, "a"), sale(tenant, "a"), sale(tenant, "b", total_amount=1), sale(other)):
            client.post("/v1/events", json=event)
    with api.client(api.new_key(tenants=[tenant], scopes=["read"])) as client:
        body = client.get("/v1/health").json()
    counts = {
        "events_raw": 3,
        "exceptions_open": 1,
        "idempotency": {"processed": 1, "quarantined": 1, "ignored": 0},
    }
    assert body["counts"] == counts
    assert body["tenants"] == [counts | {"tenant_id": tenant}]
    with api.client(api.new_key(tenants=[tenant, other], scopes=["read"])) as client:
        assert client.get("/v1/health").json()["counts"]["events_raw"] == 4


def test_health_refuses_a_key_that_is_none(api: Api, tenant: str) -> None:
    refused(get(api, "/v1/health", authorization="Bearer ls_a_b"), 401, "UNAUTHENTICATED")
    ingest = api.new_key(tenants=[tenant], scopes=["ingest"])
    refused(get(api, "/v1/health", authorization=f"Bearer {ingest}"), 403, "SCOPE_MISSING")


def test_probes_need_no_key(api: Api) -> None:
    assert get(api, "/livez").json() == {"status": "live"}
    assert get(api, "/readyz").status_code == 200
    assert httpx.head(api.url + "/livez", **PLAIN).status_code == 200


def test_a_database_that_is_gone_is_503_and_comes_back(
    start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]
) -> None:
    of = new_database()
    own = start_api(of, statement_timeout_seconds="1")
    name = of.superuser_url.split("?")[0].rsplit("/", 1)[1]
    with own.client() as client:
        client.post("/v1/events", json=sale("known", "e0")).raise_for_status()
    with psycopg.connect(of.superuser_url.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        for path in ("/v1/health", "/readyz"):
            response = get(own, path)
            assert (response.status_code, response.json()["status"]) == (503, "unavailable")
            assert response.headers["retry-after"]
        assert get(own, "/livez").status_code == 200
        with own.client() as client:
            refused(client.get("/v1/exceptions"), 503, "DATABASE_UNAVAILABLE")
            refused(client.post("/v1/events", json=sale("t", "e1")), 503, "DATABASE_UNAVAILABLE")
            both = [sale("known", "e1"), sale("known", "e2")]
            refused(client.post("/v1/events:batch", json=both), 503, "CANNOT_COMMIT")
        connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
    wait_until_ready(own.url, own.process)
    with own.client() as client:
        assert told(client.post("/v1/events", json=sale("t", "e1"))) in [
            (201, "processed", None),
            (200, "duplicate", None),
        ]


def test_metrics_are_prometheus_text_without_tenants(api: Api, tenant: str) -> None:
    with api.client() as client:
        client.post("/v1/events", json=sale(tenant, total_amount=1))
        client.post("/v1/events", content=b"{")
    response = get(api, "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert {"ledgersafe_arrivals", "ledgersafe_requests_refused", "ledgersafe_commit_seconds"} <= set(families)
    totals = [sample for sample in families["ledgersafe_arrivals"].samples if sample.name.endswith("_total")]
    counted = {(sample.labels["result"], sample.labels["reason"]): sample.value for sample in totals}
    assert counted["quarantined", "TOTALS_MISMATCH"] >= 1
    assert families["ledgersafe_last_commit_timestamp_seconds"].samples[0].value > 1.7e9
    assert "tenant-" not in response.text
    own = [family for name, family in families.items() if name.startswith("ledgersafe_")]
    assert [family.name for family in own if not family.documentation] == []


def test_each_arrival_is_counted_once_by_what_became_of_it(api: Api, tenant: str) -> None:
    before = _counted(api)
    with api.client() as client:
        for event in (
            sale(tenant, "a"),
            sale(tenant, "a"),
            sale(tenant, "b", total_amount=1),
            sale(tenant, "a\nb"),
        ):
            client.post("/v1/events", json=event)
        client.post("/v1/events:batch", json=[sale(tenant, "a"), sale(tenant, "c"), sale(tenant, "d"), 5])
    assert _counted(api) - before == {
        ("processed", ""): 3,
        ("duplicate", ""): 2,
        ("quarantined", "TOTALS_MISMATCH"): 1,
        ("refused", "UNUSABLE_EVENT_ID"): 1,
        ("refused", "NOT_AN_EVENT"): 1,
    }


def _counted(api: Api) -> Counter[tuple[str, str]]:
    """How many arrivals there were by (result, reason), refused ones among them."""
    families = {family.name: family for family in text_string_to_metric_families(get(api, "/metrics").text)}
    samples = [*families["ledgersafe_arrivals"].samples, *families["ledgersafe_requests_refused"].samples]
    return Counter(
        {
            (sample.labels.get("result", "refused"), sample.labels["reason"]): int(sample.value)
            for sample in samples
            if sample.name.endswith("_total")
        }
    )


@pytest.fixture(scope="module")
def open_api(new_database: Callable[[], TestDatabase]) -> Iterator[str]:
    """The URL of an API process that asks for no key."""
    of, port = new_database(), free_port()
    settings = {"LEDGERSAFE_DATABASE_URL": of.app_url, "LEDGERSAFE_AUTH": "off", "LEDGERSAFE_LOG_LEVEL": "error"}
    command = [sys.executable, "-m", "ledgersafe", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=clean_environment() | settings, start_new_session=True)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def test_without_authentication_loopback_is_served_without_a_key(open_api: str) -> None:
    with httpx.Client(base_url=open_api, **PLAIN) as client:
        assert told(client.post("/v1/events", json=sale("t", "e1"))) == (201, "processed", None)
        assert client.get("/v1/events/e1", params={"tenant_id": "t"}).json()["key"]["status"] == "processed"
        assert client.get("/v1/health").json()["counts"]["events_raw"] == 1
        made = client.post("/v1/keys", json={"label": "x", "scopes": ["read"]})
    assert made.status_code == 201


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - that it is refused is the point
def test_without_authentication_no_other_address_is_served(test_database: TestDatabase, host: str) -> None:
    settings = {"LEDGERSAFE_DATABASE_URL": test_database.app_url, "LEDGERSAFE_AUTH": "off", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "ledgersafe", "serve", "--host", host, "--port", str(free_port())]
    ended = subprocess.run(
        command, env=clean_environment() | settings, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode not in (0, -15)
    assert "loopback" in ended.stdout + ended.stderr
