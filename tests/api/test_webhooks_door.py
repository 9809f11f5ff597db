"""/v1/webhooks and `ledgersafe webhooks`, with a real worker and a real receiver."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.api.answers import refused
from tests.conftest import Api, clean_environment
from tests.events import sale
from tests.worker.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def ledgersafe(api: Api, *words: str) -> subprocess.CompletedProcess[bytes]:
    environment = clean_environment() | {"LEDGERSAFE_URL": api.url, "LEDGERSAFE_API_KEY": api.key}
    command = [sys.executable, "-m", "ledgersafe", "webhooks", *words]
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)


def test_from_the_command_line_to_the_receiver(api: Api, tenant: str, receiver: Receiver) -> None:
    added = ledgersafe(api, "add", f"{receiver.url}/in", "--tenant", tenant)
    assert added.returncode == 0, added.stderr
    receiver.secret = added.stdout.decode().strip()
    assert receiver.secret.startswith("whsec_")
    environment = clean_environment() | {"LEDGERSAFE_DATABASE_URL": api.database.app_url}
    environment["LEDGERSAFE_WEBHOOK_PRIVATE_ADDRESSES"] = "on"
    with api.client() as client:
        of = {"tenant_id": tenant}
        (listed,) = client.get("/v1/webhooks", params=of).json()["items"]
        assert "secret" not in listed
        held = client.post("/v1/events", json=sale(tenant, "e1", total_amount=1)).json()
        assert b"on its way" in ledgersafe(api, "test", listed["webhook_id"], "--tenant", tenant).stdout
        worker = subprocess.Popen([sys.executable, "-m", "ledgersafe", "work"], env=environment)
        try:
            receiver.wait_for(2, seconds=40)
            wish = {"action": "mark_resolved_no_replay", "resolution_notes": "test"}
            client.post(f"/v1/exceptions/{held['exception_id']}/resolve", json=wish).raise_for_status()
            receiver.wait_for(3)
            time.sleep(0.3)
        finally:
            worker.terminate()
            worker.wait(20)
        assert sorted(told["type"] for _, told, _ in receiver.got) == [
            "exception.opened",
            "exception.resolved",
            "webhook.test",
        ]
        assert receiver.refused == []
        assert b"removed" in ledgersafe(api, "remove", listed["webhook_id"], "--tenant", tenant).stdout
        assert b"There is no webhook" in ledgersafe(api, "list", "--tenant", tenant).stdout
        audited = client.get("/v1/audit", params=of | {"object_type": "webhook"})
        assert [row["action"] for row in audited.json()["items"]] == [
            "webhook.added",
            "webhook.tested",
            "webhook.removed",
        ]
        assert receiver.secret.removeprefix("whsec_") not in audited.text


@pytest.mark.parametrize("url", [r"https://exa\tmple.com/", "https://2130706433:8499/"])
def test_a_host_that_cannot_be_is_refused_when_it_is_added(api: Api, tenant: str, url: str) -> None:
    added = ledgersafe(api, "add", url, "--tenant", tenant)
    assert added.returncode == 1
    assert added.stdout == b""
    assert b"expected a DNS name" in b" ".join(added.stderr.split())
    assert b"There is no webhook" in ledgersafe(api, "list", "--tenant", tenant).stdout


def test_another_tenant_sees_nothing(api: Api, tenant: str) -> None:
    with api.client(api.new_key(tenants=[tenant], scopes=["admin"])) as mine:
        made = mine.post("/v1/webhooks", json={"url": "https://example.invalid/x"}).json()
        webhook_id = made["webhook"]["webhook_id"]
    with api.client(api.new_key(tenants=[f"{tenant}-other"], scopes=["admin"])) as stranger:
        assert stranger.get("/v1/webhooks").json()["items"] == []
        refused(stranger.delete(f"/v1/webhooks/{webhook_id}"), 404, "NOT_FOUND")
        refused(stranger.post(f"/v1/webhooks/{webhook_id}/test"), 404, "NOT_FOUND")
        refused(stranger.get("/v1/webhooks", params={"tenant_id": tenant}), 403, "FOREIGN_TENANT")
        refused(stranger.post("/v1/webhooks", json={"url": "http://example.com/"}), 422, "INVALID_PARAMETER")
        refused(
            stranger.post("/v1/webhooks", json={"url": "https://x.invalid/", "kinds": []}), 422, "INVALID_PARAMETER"
        )
