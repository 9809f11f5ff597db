"""What operators decide from the terminal: the commands as processes of their own, against a real API."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Api, TestDatabase, clean_environment, stop
from tests.events import sale

RETURNED = {"sku": "M", "qty": -1, "amount": "373.57", "unit_price": "373.57"}
MENDED = {"event_type": "SALE", "line_items": [RETURNED | {"qty": 1}]}


@dataclass(frozen=True, slots=True)
class Terminal:
    """Somebody at a terminal, with a key and the address of the API."""

    api: Api

    def environment(self) -> dict[str, str]:
        urls = {"DATABASE_URL": self.api.database.app_url, "OWNER_DATABASE_URL": self.api.database.owner_url}
        settings = urls | {"URL": self.api.url, "API_KEY": self.api.key, "LOG_LEVEL": "warning"}
        return clean_environment() | {f"LEDGERSAFE_{name}": value for name, value in settings.items()}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ledgersafe", *arguments]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=60, check=False)

    def json(self, *arguments: str) -> Any:
        """The one JSON value that a command prints, and nothing else."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def fails(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert (done.returncode != 0, done.stdout, "Traceback" in done.stderr) == (True, "", False), done.stderr
        return done.stderr

    def parked(self, tenant: str, event_id: str, **changes: Any) -> str:
        with self.api.client() as client:
            answer = client.post("/v1/events", json=sale(tenant, event_id, **({"total_amount": 99} | changes)))
        assert answer.status_code == 202, answer.text
        return answer.json()["exception_id"]

    @contextmanager
    def worker(self) -> Iterator[None]:
        process = subprocess.Popen([sys.executable, "-m", "ledgersafe", "work"], env=self.environment())
        try:
            yield
        finally:
            stop(process)


@pytest.fixture(scope="module")
def terminal(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> Terminal:
    """An API process of its own: its audit log and its runs are counted."""
    return Terminal(start_api(new_database()))


def test_a_return_that_was_a_sale_is_patched(terminal: Terminal, tenant: str, tmp_path: Path) -> None:
    """The one parked event of a retailer's real year: a cancellation with the wrong sign."""
    event = {"event_type": "RETURN", "total_amount": "373.57", "line_items": [RETURNED]}
    held = terminal.parked(tenant, "or-C496350", **event)
    patch = tmp_path / "patch.json"
    patch.write_text(json.dumps(MENDED))
    wish = ("exceptions", "resolve", held, "--notes", "a sale after all", "--patch")
    assert "REPLAY_REFUSED" in terminal.fails(*wish, '{"event_type": "SALE"}')
    dry = terminal.json(*wish, f"@{patch}", "--dry-run")
    assert (dry["dry_run"], dry["resolution"]) == (True, "replayed")
    shown = terminal.run(*wish, f"@{patch}", "--dry-run").stdout
    assert "What it would do to the ledger" in shown
    assert {line["credit"] for line in dry.pop("effect")["entries"]} == {"0", "373.57"}
    done = terminal.json(*wish, f"@{patch}")
    assert done == dry | {"dry_run": False}
    assert done["key_status"] == "processed"
    shown = terminal.json("exceptions", "show", held)["exception"]
    assert (shown["status"], shown["override_patch"], shown["replay_attempts"]) == ("resolved", MENDED, 2)


def test_resolving_in_other_ways(terminal: Terminal, tenant: str) -> None:
    ignored, chosen = terminal.parked(tenant, "e1"), terminal.parked(tenant, "e2")
    assert terminal.json("exceptions", "resolve", ignored, "--notes", "x", "--ignore")["resolution"] == "ignored"
    with terminal.api.client() as client:
        newer = client.post("/v1/events", json=sale(tenant, "e2")).json()
    stale = ("--choose", "last", "--expect-last", ignored)
    assert "EXCEPTION_CHANGED" in terminal.fails("exceptions", "resolve", chosen, "--notes", "x", *stale)
    fresh = ("--choose", newer["raw_id"], "--expect-last", newer["raw_id"])
    done = terminal.run("exceptions", "resolve", chosen, "--notes", "x", *fresh)
    assert (done.returncode, "processed" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--ignore", "--replay"),
        ("--patch", "[]"),
        ("--patch", "@/no/such/file"),
        ("--choose", "middle"),
        ("--patch", '{"total_amount": 90071992547409.93}'),
        ("--patch", '{"total_amount": "99.00", "total_amount": "10.00"}'),
    ],
    ids=str,
)
def test_a_wish_that_makes_no_sense(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    nobody = "01900000-0000-7000-8000-000000000000"
    assert terminal.fails("exceptions", "resolve", nobody, "--notes", "x", *arguments).strip()


def test_assigning(terminal: Terminal, tenant: str) -> None:
    held = terminal.parked(tenant, "e")
    assert terminal.json("exceptions", "assign", held, "--to", "ana")["assigned_to"] == "ana"
    listed = terminal.json("exceptions", "list", "--tenant", tenant, "--assigned-to", "ana")["items"]
    assert [item["exception_id"] for item in listed] == [held]
    assert terminal.json("exceptions", "assign", held)["assigned_to"] is None


def test_a_bulk_run(terminal: Terminal, tenant: str) -> None:
    ids = {terminal.parked(tenant, f"e{number}") for number in range(5)}
    wish = ("exceptions", "bulk", "--notes", "x", "--tenant", tenant, "--reason", "totals_mismatch")
    wish += ("--patch", '{"total_amount": 42.5}')
    planned = terminal.json(*wish)
    assert (planned["count"], {row["exception_id"] for row in planned["sample"]}) == (5, ids)
    assert terminal.json("exceptions", "runs")["items"] == [], "a plan is no run"
    waiting = terminal.json(*wish, "--yes", "--no-wait")
    assert (waiting["status"], waiting["planned"]) == ("running", 5)
    assert terminal.json("exceptions", "runs", waiting["run_id"], "--cancel")["status"] == "cancelled"
    with terminal.worker():
        done = terminal.json(*wish, "--yes")
    assert (done["status"], done["resolved"], done["refused"], done["skipped"]) == ("finished", 5, 0, 0)
    assert len(terminal.json("exceptions", "runs")["items"]) == 2
    assert "RUN_ENDED" in terminal.fails("exceptions", "runs", done["run_id"], "--cancel")


def test_the_audit_log_and_rejected_bodies(terminal: Terminal, tenant: str) -> None:
    held = terminal.parked(tenant, "e")
    terminal.json("exceptions", "resolve", held, "--notes", "let go", "--ignore")
    found = terminal.json("audit", "--tenant", tenant, "--object", held)
    assert ([entry["action"] for entry in found["items"]], found["more"]) == (
        ["exception.opened", "exception.resolved"],
        False,
    )
    assert found["items"][1]["notes"] == "let go"
    first = terminal.json("audit", "--tenant", tenant, "--object", held, "--limit", "1")
    assert (len(first["items"]), first["more"]) == (1, True)
    assert "let go" in terminal.run("audit", "--tenant", tenant, "--object", held).stdout
    with terminal.api.client(terminal.api.new_key(tenants=[tenant], scopes=["ingest", "read"])) as client:
        client.post("/v1/events", content=b"{ this is no JSON")
        while not client.get("/v1/rejected").json()["items"]:  # kept with the next commit
            pass
    rejected = terminal.json("rejected", "--tenant", tenant, "--reason", "invalid_json")["items"]
    assert [item["body_text"] for item in rejected] == ["{ this is no JSON"]


def test_rotating_a_key(terminal: Terminal, tenant: str) -> None:
    old = terminal.api.new_key(tenants=[tenant], scopes=["read"])
    made = terminal.json("keys", "rotate", old.split("_")[1], "--overlap-hours", "1")
    assert (made["tenant_ids"], made["scopes"]) == ([tenant], ["read"])
    for token in (old, made["token"]):
        with terminal.api.client(token) as client:
            assert client.get("/v1/exceptions").status_code == 200
    assert "KEY_REVOKED" in terminal.fails("keys", "rotate", old.split("_")[1])
    listed = {key["key_id"]: key for key in terminal.json("keys", "list")}
    assert listed[old.split("_")[1]]["rotated_to"] == made["key_id"]
