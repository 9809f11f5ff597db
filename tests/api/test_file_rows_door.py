"""/v1/ingestions/{id}/rows, and what exceptions and traces say of the file that an arrival came out of."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from ledgersafe.api import file_rows
from ledgersafe.db.database import Database
from ledgersafe.files.store import IngestionName
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline import deliver
from ledgersafe.storage.local import LocalZone
from tests.api.answers import refused
from tests.conftest import Api, TestDatabase, clean_environment
from tests.contracts.till_lines import CONTRACT

HEADER = "Receipt,Item,Qty,Price,At"
WHEN = "2026-02-25 10:00"
FIRST = f"{HEADER}\nB1,tea,2,1.50,{WHEN}\nB2,jam,1,3.25,{WHEN}\nB1,jam,1,3.25,{WHEN}\n".encode()
LAST = f"{HEADER}\nB1,tea,2,1.75,{WHEN}\n".encode()


@dataclass(frozen=True, slots=True)
class Shop:
    """A tenant whose files are worked through at once."""

    api: Api
    tenant: str
    client: httpx.Client
    desk: deliver.Desk

    def deliver(self, filename: str, content: bytes) -> str:
        asked = {"dataset": "till_lines", "filename": filename}
        made = self.client.post("/v1/ingestions", params=asked, content=content).raise_for_status().json()
        found = made["ingestion"]["ingestion_id"]
        taken = deliver.claim(self.desk.database, IngestionName(self.tenant, UUID(found)), SystemClock())
        assert taken is not None
        assert deliver.deliver(self.desk, *taken) == "succeeded"
        return found

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, params=query).raise_for_status().json()

    def run(self, *arguments: str) -> str:
        """A command of an operator with a key of the tenant."""
        environment = clean_environment() | {
            "LEDGERSAFE_URL": self.api.url,
            "LEDGERSAFE_API_KEY": self.api.new_key(tenants=[self.tenant], scopes=["read"]),
        }
        command = [sys.executable, "-m", "ledgersafe", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("raw")


@pytest.fixture(scope="module")
def own_api(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase], raw: Path) -> Api:
    return start_api(new_database(), raw_zone=str(raw))


@pytest.fixture
def opened(own_api: Api) -> Iterator[Database]:
    database = own_api.database.open(size=2)
    yield database
    database.close()


@pytest.fixture
def shop(own_api: Api, opened: Database, raw: Path, tenant: str) -> Iterator[Shop]:
    desk = deliver.Desk(opened, LocalZone(raw).open_local, SystemClock(), slot=1, future_seconds=600)
    token = own_api.new_key(tenants=[tenant], scopes=["ingest", "read", "operate", "admin"])
    with own_api.client(token) as client:
        client.put("/v1/datasets/till_lines/contract", json=CONTRACT).raise_for_status()
        yield Shop(own_api, tenant, client, desk)


def test_an_exception_and_a_trace_say_where_each_payload_is_from(shop: Shop) -> None:
    first, last = shop.deliver("monday.csv", FIRST), shop.deliver("tuesday.csv", LAST)
    by_http = {**shop.get("/v1/events/till-B1")["arrivals"][0]["payload_json"], "cashier_id": "c-1"}
    exception_id = shop.client.post("/v1/events", json=by_http).json()["exception_id"]
    found = shop.get(f"/v1/exceptions/{exception_id}")
    of_first = {
        "ingestion_id": first,
        "filename": "monday.csv",
        "dataset": "till_lines",
        "rows": [2, 4],
        "rows_in_all": 2,
    }
    of_last = of_first | {"ingestion_id": last, "filename": "tuesday.csv", "rows": [2], "rows_in_all": 1}
    assert (found["first_raw_event"]["origin"], found["last_raw_event"]["origin"]) == (of_first, None)
    assert [one["origin"] for one in sorted(found["payloads"], key=lambda one: one["raw_id"])] == [
        of_first,
        of_last,
        None,
    ]
    traced = shop.get("/v1/events/till-B1")["arrivals"]
    assert [one["origin"] for one in traced] == [of_first, of_last, None]


def test_the_rows_are_as_the_file_has_them(shop: Shop) -> None:
    name = shop.deliver("monday.csv", FIRST)
    found = shop.get(f"/v1/ingestions/{name}/rows", numbers=[4, 2])
    columns = HEADER.split(",")
    assert (found["ingestion_id"], found["filename"], found["dataset"]) == (name, "monday.csv", "till_lines")
    assert found["columns"] == columns
    assert [(row["row_number"], row["text"]) for row in found["rows"]] == [(2, None), (4, None)]
    assert found["rows"][1]["values"] == dict(zip(columns, ["B1", "jam", "1", "3.25", WHEN], strict=True))
    numbers = [row["row_number"] for row in shop.get(f"/v1/ingestions/{name}/rows", **{"from": 3, "limit": 1})["rows"]]
    assert numbers == [3]
    assert len(shop.get(f"/v1/ingestions/{name}/rows")["rows"]) == 3


@pytest.mark.parametrize(
    "query", [{"numbers": [0]}, {"numbers": ["x"]}, {"numbers": list(range(1, 52))}, {"from": 0}, {"limit": 51}]
)
def test_what_cannot_be_asked(shop: Shop, query: dict[str, Any]) -> None:
    name = shop.deliver("monday.csv", FIRST)
    refused(shop.client.get(f"/v1/ingestions/{name}/rows", params=query), 422, "INVALID_PARAMETER")


def test_no_more_than_two_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_rows, "_WAITS_SECONDS", 0.01)
    held = [file_rows._reading.acquire() for _ in range(2)]  # pyright: ignore[reportPrivateUsage]
    try:
        with pytest.raises(RequestRefused, match="being read") as refusal, file_rows.one_reader():
            pass
        assert refusal.value.reason.status == 503
    finally:
        for _ in held:
            file_rows._reading.release()  # pyright: ignore[reportPrivateUsage]
    with file_rows.one_reader():
        pass


def test_the_commands_say_it_too(shop: Shop) -> None:
    first = shop.deliver("monday.csv", FIRST)
    shop.deliver("tuesday.csv", LAST)
    assert "monday.csv, rows 2, 4" in shop.run("trace", "till-B1")
    assert "monday.csv, row 3" in shop.run("trace", "till-B2")
    exception_id = shop.get("/v1/exceptions")["items"][0]["exception_id"]
    told = shop.run("exceptions", "show", exception_id)
    assert f"made of monday.csv, rows 2, 4 (delivery {first})" in told
    assert "made of tuesday.csv, row 2 (delivery" in told
