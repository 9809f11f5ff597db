"""/v1/ingestions/{id}/bad_rows: rows that were not loaded are shown, put right or left out, by people who may."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.answers import refused, rows
from tests.api.deliveries import delivery_with_bad_rows
from tests.conftest import Api, clean_environment


@pytest.fixture
def client(api: Api, tenant: str) -> Iterator[httpx.Client]:
    with api.client(api.new_key(tenants=[tenant], scopes=["read", "operate"])) as opened:
        yield opened


@pytest.fixture
def path(api: Api, tenant: str) -> str:
    return f"/v1/ingestions/{delivery_with_bad_rows(api.database, tenant)}/bad_rows"


def numbers(answer: dict[str, Any]) -> list[int]:
    return [row["row_number"] for row in answer["items"]]


def test_rows_are_listed_page_by_page(client: httpx.Client, path: str) -> None:
    first = client.get(path, params={"limit": 2}).json()
    rest = client.get(path, params={"limit": 2, "cursor": first["next"]}).json()
    assert (numbers(first), numbers(rest), rest["next"]) == ([2, 3], [4], None)
    row = first["items"][0]
    assert row["row_values"] == {"Item": "item-2", "Left": "x"}
    assert row["faults"] == [{"column": "Left", "rule": "type", "value": "x", "message": "is no integer"}]
    client.post(f"{path}/ignore", json={"row_numbers": [3], "notes": "a test"}).raise_for_status()
    assert numbers(client.get(path, params={"status": "open"}).json()) == [2, 4]


def test_a_delivery_says_how_its_bad_rows_stand_now(client: httpx.Client, path: str) -> None:
    """Its own report stays as it was."""
    client.post(f"{path}/ignore", json={"row_numbers": [3], "notes": "a test"}).raise_for_status()
    wish = {"rows": [{"row_number": 2, "patch": {"Left": "5"}}], "notes": "counted"}
    client.post(f"{path}/replay", json=wish).raise_for_status()
    found = client.get(path.removesuffix("/bad_rows")).json()
    assert (found["rows_bad"], found["bad_rows"]) == (3, {"open": 1, "replayed": 1, "ignored": 1})


def test_rows_are_put_right_or_all_stay(api: Api, client: httpx.Client, path: str, tenant: str) -> None:
    wish: dict[str, Any] = {"rows": [{"row_number": 2, "patch": {"Left": "5"}}, {"row_number": 3}], "notes": "counted"}
    problem = refused(client.post(f"{path}/replay", json=wish), 409, "ROWS_STILL_BAD")
    assert [fault["path"] for fault in problem["details"]] == ["/3/Left"]
    wish["rows"][1]["patch"] = {"Left": "6", "Item": "jam"}
    answer = client.post(f"{path}/replay", json=wish).json()
    assert answer == {
        "status": "replayed", "rows": [2, 3], "inserted": 2, "replaced": 0, "unchanged": 0, "older": 0, "outcomes": {},
        "changed": True,
    }  # fmt: skip
    assert client.post(f"{path}/replay", json=wish).json()["changed"] is False
    refused(client.post(f"{path}/ignore", json={"row_numbers": [2], "notes": "n"}), 409, "ROWS_DECIDED")
    loaded = rows(api.database, 'SELECT item, "left" FROM files.curated_stock_levels WHERE tenant_id = %s', [tenant])
    assert sorted(loaded) == [("item-2", 5), ("jam", 6)]
    ((after,),) = rows(
        api.database,
        "SELECT after_json FROM audit.audit_log WHERE tenant_id = %s AND object_type = 'ingestion'",
        [tenant],
    )
    assert after == {"rows": [2, 3], "patched": {"2": ["Left"], "3": ["Item", "Left"]}, "inserted": 2, "outcomes": {}}


@pytest.mark.parametrize(
    "body",
    [
        {"rows": [], "notes": "n"},
        {"rows": [{"row_number": 2}], "notes": " "},
        {"rows": [{"row_number": 2}, {"row_number": 2}], "notes": "n"},
        {"rows": [{"row_number": 2, "patch": {"Left": 5}}], "notes": "n"},
        {"rows": [{"row_number": 2, "patch": {"Nope": "5"}}], "notes": "n"},
        {"rows": [{"row_number": number} for number in range(1, 1_002)], "notes": "n"},
    ],
)
def test_wishes_that_make_no_sense_are_refused(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    refused(client.post(f"{path}/replay", json=body), 422, "INVALID_PARAMETER")


def test_nobody_elses_rows(api: Api, path: str) -> None:
    with api.client(api.new_key(tenants=["somebody-else"], scopes=["read", "operate"])) as stranger:
        refused(stranger.get(path), 404, "NOT_FOUND")
        refused(stranger.post(f"{path}/ignore", json={"row_numbers": [2], "notes": "n"}), 404, "NOT_FOUND")


def test_the_same_from_the_terminal(api: Api, path: str, tenant: str) -> None:
    environment = clean_environment() | {"LEDGERSAFE_URL": api.url, "LEDGERSAFE_API_KEY": api.key}
    which = path.split("/")[3]

    def run(*said: str) -> Any:
        command = [sys.executable, "-m", "ledgersafe", "files", *said, "--tenant", tenant, "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    assert numbers(run("bad-rows", which)) == [2, 3, 4]
    assert run("replay-rows", which, "--row", "2", "--set", "Left=1", "--notes", "n")["inserted"] == 1
    assert run("ignore-rows", which, "--row", "3", "--row", "4", "--notes", "n")["rows"] == [3, 4]
    assert numbers(run("bad-rows", which, "--status", "open")) == []
    assert run("show", which)["bad_rows"] == {"open": 0, "replayed": 1, "ignored": 2}
    assert "COLUMN=VALUE" in run("replay-rows", which, "--row", "2", "--set", "Left", "--notes", "n")
