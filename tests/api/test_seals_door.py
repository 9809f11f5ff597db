"""Seals over HTTP and at the command line: lists, verification, and heads that catch a rewritten chain."""

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from ledgersafe.kernel.clock import ManualClock
from ledgersafe.pipeline.seal import seal
from tests.api.answers import refused
from tests.conftest import Api, TestDatabase, clean_environment
from tests.events import sale
from tests.pipeline.sealing import forge

NOW = datetime.now(UTC)


class Desk:
    """A tenant with an API process, and the command line beside it."""

    def __init__(self, api: Api, tenant: str, folder: Path) -> None:
        self.api = api
        self.tenant = tenant
        self.folder = folder
        self.key = api.new_key(tenants=[tenant], scopes=["ingest", "read"])

    def send(self, *names: str) -> list[str]:
        with self.api.client(self.key) as client:
            return [client.post("/v1/events", json=sale(self.tenant, name)).json()["raw_id"] for name in names]

    def seal(self, minutes: int = 0) -> None:
        database = self.api.database.open(size=2)
        assert seal(database, ManualClock(NOW + timedelta(minutes=minutes)), tenant_id=self.tenant)
        database.close()

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        with self.api.client(self.key) as client:
            return client.get(path, params=parameters)

    def run(self, *arguments: str, data: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = clean_environment() | {
            "LEDGERSAFE_URL": self.api.url,
            "LEDGERSAFE_API_KEY": self.key,
            "LEDGERSAFE_DATA": str(data or self.folder),
        }
        command = [sys.executable, "-m", "ledgersafe", *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def superuser(self, sql: str, **values: Any) -> None:
        with psycopg.connect(self.api.database.superuser_url, autocommit=True) as connection:
            assert connection.execute(sql, {"t": self.tenant, **values}).rowcount == 1


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def sealing_api(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase], data: Path) -> Api:
    return start_api(new_database(), data=str(data))


@pytest.fixture
def desk(sealing_api: Api, tenant: str, data: Path) -> Desk:
    return Desk(sealing_api, tenant, data)


def test_seals_are_listed_page_by_page(desk: Desk) -> None:
    assert desk.get("/v1/seals").json() == {"items": [], "next": None}
    for number in range(3):
        desk.send(f"e{number}")
        desk.seal(number)
    first = desk.get("/v1/seals", limit=2).json()
    second = desk.get("/v1/seals", limit=2, cursor=first["next"]).json()
    items = [*first["items"], *second["items"]]
    assert ([one["number"] for one in items], second["next"]) == ([3, 2, 1], None)
    assert items[0]["previous_hash"] == items[1]["seal_hash"]
    assert desk.get("/v1/seals", number=2).json()["items"] == [items[1]]
    assert desk.get("/v1/seals", number=4).json()["items"] == []
    of_the_key = desk.get("/v1/seals", kind="audit").json()["items"]
    assert [(one["number"], one["rows"]) for one in of_the_key] == [(1, 1)]
    for wrong in ("x", "4pyT", "eA==", "LTE=", "AA==", "wrI="):
        refused(desk.get("/v1/seals", cursor=wrong), 422, "INVALID_PARAMETER")
    assert "seal_hash" in desk.run("seals", "list").stdout
    assert json.loads(desk.run("seals", "list", "--json", "--limit", "1").stdout)["more"] is True


def test_verification_names_what_is_off_and_exits_with_1(desk: Desk) -> None:
    ids = desk.send("a", "b")
    assert desk.get("/v1/seals/verify").json()["chains"][0]["pending"] == 2
    desk.seal()
    assert desk.get("/v1/seals/verify").json()["ok"] is True
    done = desk.run("verify", "--seals")
    assert (done.returncode, "OFF" in done.stdout) == (0, False), done.stdout + done.stderr
    desk.superuser(
        "UPDATE bronze.events_raw SET body = body || ' ' WHERE tenant_id = %(t)s AND raw_id = %(id)s", id=ids[0]
    )
    chain = next(one for one in desk.get("/v1/seals/verify").json()["chains"] if one["kind"] == "arrivals")
    assert [(one["name"], one["row_id"], one["seal"]) for one in chain["faults"]] == [("ROW_ALTERED", ids[0], 1)]
    done = desk.run("verify", "--seals")
    assert done.returncode == 1
    assert f"arrival {ids[0]} was altered, after seal 1: its body is not the one that arrived" in done.stdout
    assert json.loads(desk.run("verify", "--seals", "--json").stdout)["ok"] is False


def test_every_tenant_page_by_page(desk: Desk) -> None:
    desk.send("a")
    desk.seal()
    with desk.api.client() as client:
        first = client.get("/v1/seals/verify", params={"limit": 1}).json()
        assert len({chain["tenant_id"] for chain in first["chains"]}) == 1
        assert first["next"] is not None
        seen: set[str] = set()
        cursor: str | None = None
        while True:
            page = client.get("/v1/seals/verify", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
            assert not seen & {chain["tenant_id"] for chain in page["chains"]}
            seen |= {chain["tenant_id"] for chain in page["chains"]}
            cursor = page["next"]
            if cursor is None:
                break
        assert {desk.tenant, "_system"} <= seen
        refused(client.get("/v1/seals"), 400, "TENANT_REQUIRED")
        refused(client.get("/v1/seals/verify", params={"cursor": "AA=="}), 422, "INVALID_PARAMETER")


def test_a_rewritten_chain_is_caught_by_an_exported_head_alone(desk: Desk, tmp_path: Path) -> None:
    ids = desk.send("a")
    desk.seal()
    head, key = tmp_path / "head.jws", tmp_path / "key.json"
    assert desk.run("seals", "key", "--out", str(key)).returncode == 0
    done = desk.run("seals", "head", "--out", str(head))
    assert "arrivals up to seal 1" in done.stdout, done.stderr
    desk.send("b")
    desk.seal(1)
    elsewhere = tmp_path / "auditor"
    check = ("--public-key", str(key))
    assert desk.run("verify", "--seals", "--head", str(head), *check, data=elsewhere).returncode == 0
    assert "it holds" in desk.run("seals", "verify-head", str(head), *check, data=elsewhere).stdout
    assert not elsewhere.exists()
    rewrite = (
        "UPDATE bronze.events_raw SET body = 'x', body_sha256 = sha256('x') WHERE tenant_id = %(t)s AND raw_id = %(id)s"
    )
    desk.superuser(rewrite, id=ids[0])
    with psycopg.connect(desk.api.database.superuser_url, autocommit=True) as connection:
        forge(connection, desk.tenant)
    assert desk.run("verify", "--seals").returncode == 0
    done = desk.run("verify", "--seals", "--head", str(head), *check, data=elsewhere)
    assert done.returncode == 1
    assert "seal 1 of arrivals is not the one in the exported head" in done.stdout
    assert desk.run("seals", "verify-head", str(head), *check).returncode == 1


def test_a_chain_that_was_cut_is_caught_by_an_exported_head(desk: Desk, tmp_path: Path) -> None:
    for number in range(2):
        desk.send(f"e{number}")
        desk.seal(number)
    head = tmp_path / "head.jws"
    desk.run("seals", "head", "--out", str(head))
    for table in ("seals", "sealed_batches"):
        desk.superuser(f"DELETE FROM audit.{table} WHERE tenant_id = %(t)s AND number = 2")
    assert desk.run("verify", "--seals").returncode == 0
    done = desk.run("verify", "--seals", "--head", str(head))
    assert (done.returncode, "not in the database" in done.stdout) == (1, True)


def test_a_head_is_signed_and_never_written_over(desk: Desk, tmp_path: Path) -> None:
    desk.send("a")
    desk.seal()
    answer = desk.get("/v1/seals/head").json()
    assert answer["statement"]["tenant_id"] == desk.tenant
    assert (answer["public_key"]["crv"], "d" in answer["public_key"]) == ("Ed25519", False)
    private = desk.folder / "seal-key.json"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert "d" in json.loads(private.read_bytes())
    assert json.loads(desk.run("seals", "key").stdout)["x"] == answer["public_key"]["x"]
    head = tmp_path / "head.jws"
    assert desk.run("seals", "head", "--out", str(head)).returncode == 0
    assert "is there already" in desk.run("seals", "head", "--out", str(head)).stderr
    signed = head.read_text()
    first, payload, last = signed.split(".")
    for wrong in (f"{first}.{payload[:-2]}AA.{last}", f"{first}..{last}", "x", ""):
        (tmp_path / "wrong.jws").write_text(wrong)
        done = desk.run("seals", "verify-head", str(tmp_path / "wrong.jws"))
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    another = desk.run("seals", "key", data=tmp_path / "another")
    (tmp_path / "another.json").write_text(another.stdout)
    done = desk.run("seals", "verify-head", str(head), "--public-key", str(tmp_path / "another.json"))
    assert (done.returncode, "not signed with this key" in done.stderr) == (1, True)
    assert desk.run("seals", "verify-head", str(head), "--public-key", "nowhere.json").returncode == 1


def test_a_key_that_cannot_be_used_is_told(
    start_api: Callable[..., Api], test_database: TestDatabase, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    (tmp_path / "file").write_text("")
    for path, status, reason in (
        (broken, 503, "SEAL_KEY_UNUSABLE"),
        (tmp_path / "file" / "key.json", 503, "SEAL_KEY_UNUSABLE"),
    ):
        api = start_api(test_database, seal_key=str(path))
        with api.client() as client:
            refused(client.get("/v1/seals/head", params={"tenant_id": "x"}), status, reason)
