"""`ledgersafe tenants`, `stores` and `ledger chart`: processes of their own, against a real API."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.api.answers import rows
from tests.api.test_settings_door import post_all
from tests.cli.test_decisions import Terminal
from tests.conftest import TestDatabase
from tests.docs import markdown
from tests.events import sale
from tests.pipeline.test_chart import numbered
from tests.pipeline.test_set_up import filed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tenants.md"


@pytest.fixture(scope="module")
def terminal(start_api: Callable[..., object], new_database: Callable[[], TestDatabase]) -> Terminal:
    """An API process of its own: its tenants are listed."""
    return Terminal(start_api(new_database()))


def test_tenants_from_a_file(terminal: Terminal, tenant: str, tmp_path: Path) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text(yaml.safe_dump({"tenants": [filed(tenant)]}))
    dry = terminal.json("tenants", "import", str(file), "--dry-run")
    assert (dry["dry_run"], len(dry["changes"])) == (True, 4)
    assert "There is no tenant" in terminal.fails("tenants", "show", tenant)
    shown = terminal.run("tenants", "import", str(file))
    assert "berlin-1" in shown.stdout, shown.stderr
    assert "Nothing changes" in terminal.run("tenants", "import", str(file)).stdout
    assert terminal.json("tenants", "show", tenant)["time_zone"] == "Europe/Berlin"
    exported = terminal.run("tenants", "export", "--tenant", tenant)
    file.write_text(exported.stdout)
    assert yaml.safe_load(exported.stdout)["tenants"][0]["stores"][0]["country"] == "NO"
    assert terminal.json("tenants", "import", str(file))["changes"] == []
    assert tenant in {item["tenant_id"] for item in terminal.json("tenants", "list")["items"]}
    assert "Europe/Berlin" in terminal.run("tenants", "list").stdout


def test_a_file_with_faults(terminal: Terminal, tenant: str, tmp_path: Path) -> None:
    file = tmp_path / "tenants.yaml"
    written = (
        f"tenants:\n- tenant_id: {tenant}\n  time_zone: Europe/Berln\n  stores:\n  - {{store_id: 0100, country: NO}}\n"
    )
    file.write_text(written)
    told = terminal.fails("tenants", "import", str(file))
    for path in ("/tenants/0/time_zone", "/tenants/0/stores/0/store_id", "/tenants/0/stores/0/country"):
        assert path in told
    assert "put it in quotes" in told
    for text, what in (
        ("tenants: [\n", "not YAML"),
        (f"tenants:\n- tenant_id: {tenant}\n  currency: EUR\n  currency: USD\n", "'currency' is there twice"),
        ("tenants: []\nmore: 1\n", "expected one list named tenants"),
        ("tenants: !!binary aGk=\n", "not YAML"),
        ("- x\n", "expected one list"),
    ):
        file.write_text(text)
        assert what in terminal.fails("tenants", "import", str(file))
    assert "Cannot read" in terminal.fails("tenants", "import", str(tmp_path / "none.yaml"))
    assert "NOT_FOUND" in terminal.fails("tenants", "show", tenant)


def test_settings_one_by_one(terminal: Terminal, tenant: str, tmp_path: Path) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text(f"tenants: [{{tenant_id: {tenant}}}]")
    terminal.json("tenants", "import", str(file))
    wish = ("--currency", "GBP", "--time-zone", "Europe/London", "--day-starts-at", "5", "--unknown-stores", "park")
    wish += ("--unreferenced-returns", "park", "--correction-days", "30", "--simulated")
    found = terminal.json("tenants", "set", tenant, *wish)
    assert (found["day_starts_at"], found["correction_days"], found["simulated"]) == (5, 30, True)
    found = terminal.json("tenants", "set", tenant, "--correction-days", "none", "--currency", "none", "--real")
    assert (found["correction_days"], found["currency"], found["simulated"]) == (None, None, False)
    assert (found["time_zone"], found["unknown_stores"]) == ("Europe/London", "park")
    assert "/currency" in terminal.fails("tenants", "set", tenant, "--currency", "XXQ")
    assert "expected a number of days" in terminal.fails("tenants", "set", tenant, "--correction-days", "soon")
    assert "what is to be set" in terminal.fails("tenants", "set", tenant)
    store = terminal.json("stores", "set", "1/A", "--tenant", tenant, "--name", "First", "--day-starts-at", "3")
    assert (store["store_id"], store["name"], store["day_starts_at"], store["is_verified"]) == ("1/A", "First", 3, True)
    store = terminal.json("stores", "set", "1/A", "--tenant", tenant, "--day-starts-at", "none", "--region", "N")
    assert (store["name"], store["day_starts_at"], store["region"]) == ("First", None, "N")
    assert "Name the tenant" in terminal.fails("stores", "set", "1/A", "--name", "x")


def test_stores_that_nobody_has_looked_at(terminal: Terminal, tenant: str) -> None:
    with terminal.api.client() as client:
        client.post("/v1/events:batch", json=[sale(tenant, store_id=f"s{n}") for n in range(3)]).raise_for_status()
    post_all(terminal.api, tenant)
    of = ("--tenant", tenant)
    listed = terminal.json("stores", "list", "--unverified", *of)["items"]
    assert [item["store_id"] for item in listed] == ["s0", "s1", "s2"]
    assert "2 verified" in terminal.run("stores", "verify", "s0", "s2", *of).stdout
    assert [item["store_id"] for item in terminal.json("stores", "list", "--unverified", *of)["items"]] == ["s1"]
    assert "s9" in terminal.fails("stores", "verify", "s1", "s9", *of)
    assert len(terminal.json("stores", "list", *of)["items"]) == 3


def test_a_chart_of_ones_own(terminal: Terminal, tenant: str, tmp_path: Path) -> None:
    of, file = ("--tenant", tenant), tmp_path / "chart.yaml"
    with terminal.api.client() as client:
        client.post("/v1/events", json=sale(tenant, payment_method="cash")).raise_for_status()
        post_all(terminal.api, tenant)
        file.write_text(terminal.run("ledger", "chart", "show", "--yaml", *of).stdout)
        assert "Nothing changes" in terminal.run("ledger", "chart", "import", str(file), *of).stdout
        file.write_text(yaml.safe_dump(numbered("6")))
        assert len(terminal.json("ledger", "chart", "import", str(file), "--dry-run", *of)["changes"]) == 30
        assert "61000" in terminal.run("ledger", "chart", "import", str(file), *of).stdout
        client.post("/v1/events", json=sale(tenant, payment_method="cash")).raise_for_status()
        post_all(terminal.api, tenant)
    balance = {row["account"]: row["balance"] for row in terminal.json("ledger", "trial-balance", *of)["items"]}
    assert balance == {"1000": "42.5", "4000": "-42.5", "61000": "42.5", "64000": "-42.5"}
    assert "64000" in terminal.run("ledger", "chart", "show", *of).stdout
    assert len(terminal.json("ledger", "accounts", *of)["items"]) == 30
    file.write_text("accounts:\n- {account: 1000, role: cash, type: asset, name: Cash}\n")
    told = terminal.fails("ledger", "chart", "import", str(file), *of)
    assert "/accounts/0/account" in told
    assert "missing: card" in told
    assert terminal.run("verify", "--tenant", tenant).returncode == 0


def test_the_examples_of_the_page_can_be_imported(terminal: Terminal, tmp_path: Path) -> None:
    """And what the page says becomes of them, does."""
    examples = [block.text for block in markdown.blocks(PAGE.read_text(encoding="utf-8")) if block.kind == "yaml"]
    for name, text in zip(("tenants.yaml", "chart.yaml"), examples, strict=True):
        (tmp_path / name).write_text(text)
    changes = terminal.json("tenants", "import", str(tmp_path / "tenants.yaml"))["changes"]
    assert [change["object_id"] for change in changes] == ["acme", "berlin-1", "tokyo-1", "pos_gateway"]
    done = terminal.json("ledger", "chart", "import", str(tmp_path / "chart.yaml"), "--tenant", "acme")
    assert len(done["changes"]) == 30
    with terminal.api.client() as client:
        night = {"occurred_at": "2026-02-25T01:30:00Z", "payment_method": "cash", "currency": None}
        client.post("/v1/events", json=sale("acme", "a", store_id="berlin-1", **night)).raise_for_status()
        client.post("/v1/events", json=sale("acme", "b", store_id="unheard-of", **night)).raise_for_status()
    post_all(terminal.api, "acme")
    sql = "SELECT business_date::text, currency, accounts FROM ledger.entries WHERE tenant_id = 'acme'"
    assert rows(terminal.api.database, sql) == [("2026-02-24", "EUR", ["11000", "40000"])]
    held = terminal.json("exceptions", "list", "--tenant", "acme")["items"]
    assert [item["reason_code"] for item in held] == ["UNKNOWN_STORE"]
    assert json.dumps(terminal.json("tenants", "import", str(tmp_path / "tenants.yaml"))["changes"]) == "[]"
