"""`ledgersafe files` and `contracts put`: processes of their own, against a real API and a real worker."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.test_decisions import Terminal
from tests.conftest import TestDatabase

CONTRACT = {"dataset": "stock", "primary_key": ["sku"], "columns": {"sku": {}, "qty": {"type": "integer"}}}
CSV = "sku,qty\nA,1\nB,2\n"


class Shop(Terminal):
    """Somebody whose raw zone is shared by the API and the worker."""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"LEDGERSAFE_RAW_ZONE": str(self.raw)}

    @property
    def raw(self) -> Path:
        return RAW[0]


RAW: list[Path] = []


@pytest.fixture(scope="module")
def terminal(
    start_api: Callable[..., Any], new_database: Callable[[], TestDatabase], tmp_path_factory: pytest.TempPathFactory
) -> Shop:
    RAW[:] = [tmp_path_factory.mktemp("raw")]
    return Shop(start_api(new_database(), raw_zone=str(RAW[0])))


def until(happens: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_from_a_contract_to_rows(terminal: Shop, tenant: str, tmp_path: Path) -> None:
    contract, day, bad = tmp_path / "stock.yaml", tmp_path / "day 1.csv", tmp_path / "day 2.csv"
    contract.write_text(yaml.safe_dump(CONTRACT))
    day.write_text(CSV)
    bad.write_text("sku,qty\nC,three\n")
    assert (
        "Version 1 of stock is in force now."
        in terminal.run("contracts", "put", str(contract), "--tenant", tenant).stdout
    )
    assert terminal.json("contracts", "put", str(contract), "--tenant", tenant)["changed"] is False
    assert yaml.safe_load(terminal.run("contracts", "show", "stock", "--tenant", tenant).stdout) == CONTRACT
    whose = ["--tenant", tenant]
    with terminal.worker():
        found = terminal.json("files", "ingest", str(day), str(bad), "--dataset", "stock", "--wait", *whose)["items"]
    assert [(one["status"], one["rows_ok"], one["rows_bad"]) for one in found] == [
        ("succeeded", 2, 0),
        ("succeeded", 0, 1),
    ]
    again = terminal.json("files", "ingest", str(day), "--dataset", "stock", *whose)["items"]
    assert (again[0]["duplicate"], again[0]["ingestion_id"]) == (True, found[0]["ingestion_id"])
    listed = terminal.json("files", "list", "--dataset", "stock", "--status", "succeeded", *whose)["items"]
    assert [one["filename"] for one in listed] == ["day 2.csv", "day 1.csv"]
    shown = terminal.run("files", "show", found[1]["ingestion_id"], *whose).stdout
    assert "day 2.csv" in shown
    assert "type" in shown
    replayed = terminal.json("files", "replay", found[0]["ingestion_id"], "--notes", "again", *whose)
    assert replayed["replay_of"] == found[0]["ingestion_id"]
    assert [one["contract_version"] for one in terminal.json("contracts", "list", *whose)["items"]] == [1]


def test_what_is_not_taken_is_told_and_the_rest_goes_on(terminal: Shop, tenant: str, tmp_path: Path) -> None:
    (tmp_path / "run.exe").write_text("x")
    (tmp_path / "day.csv").write_text(CSV)
    paths = [str(tmp_path / name) for name in ("run.exe", "nothing.csv", "day.csv")]
    done = terminal.run("files", "ingest", *paths, "--dataset", "stock", "--tenant", tenant, "--json")
    items = json.loads(done.stdout)["items"]
    assert done.returncode == 1
    assert [one.get("status", "error") for one in items] == ["error", "error", "received"]
    assert items[0]["reason_code"] == "UNSUPPORTED_FORMAT"
    assert "--tenant" in terminal.fails("files", "ingest", paths[2], "--dataset", "stock")


def test_a_file_that_grows_is_not_sent(terminal: Shop, tenant: str, tmp_path: Path) -> None:
    path = tmp_path / "grows.csv"
    writing = "import sys\nwith open(sys.argv[1], 'ab', 0) as f:\n    while True: f.write(b'A,1\\n' * 100)"
    process = subprocess.Popen([sys.executable, "-c", writing, str(path)])
    try:
        until(lambda: path.exists() and path.stat().st_size > 3_000_000)
        done = terminal.run("files", "ingest", str(path), "--dataset", "stock", "--tenant", tenant, "--json")
    finally:
        process.kill()
        process.wait()
    assert done.returncode == 1, done.stderr
    assert "changed while it was read" in json.loads(done.stdout)["items"][0]["error"]
    assert terminal.json("files", "list", "--tenant", tenant)["items"] == []


def test_a_drop_folder(terminal: Shop, tenant: str, tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "day.csv").write_text(CSV)
    (folder / "odd.exe").write_text("x")
    (folder / "half.csv.part").write_text("sku")
    words = ["files", "watch", str(folder), "--dataset", "stock", "--tenant", tenant, "--settle", "0.3"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ledgersafe", *words], env=terminal.environment(), stdout=subprocess.PIPE
    )
    try:
        with (folder / "open.csv").open("w") as written:  # held open: not complete, however long it stands still
            written.write("sku,qty\nZ,1\n")
            written.flush()
            until(lambda: (folder / "taken" / "day.csv").exists() and (folder / "refused" / "odd.exe").exists())
            time.sleep(0.8)
            assert (folder / "open.csv").exists()
        until(lambda: (folder / "taken" / "open.csv").exists())
        (folder / "day.csv").write_text(CSV)  # again: a restart that sent it and died before it moved it
        until(lambda: (folder / "taken" / "day-2.csv").exists())
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "UNSUPPORTED_FORMAT" in (folder / "refused" / "odd.exe.reason.txt").read_text()
    assert (folder / "half.csv.part").exists()
    assert b"day.csv: taken: received" in output
    assert b"day.csv: taken: duplicate" in output
    listed = terminal.json("files", "list", "--tenant", tenant)["items"]
    assert sorted(one["filename"] for one in listed) == ["day.csv", "open.csv"]


def test_a_folder_is_emptied_once(terminal: Shop, tenant: str, tmp_path: Path) -> None:
    for at in range(3):
        (tmp_path / f"{at}.csv").write_text(f"sku,qty\nA,{at}\n")
    words = ["files", "watch", str(tmp_path), "--dataset", "stock", "--settle", "0.1", "--once"]
    done = terminal.run(*words, "--tenant", tenant)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3), done.stderr
    assert len(list((tmp_path / "taken").iterdir())) == 3
    (tmp_path / "more.csv").write_text(CSV)
    assert "--tenant" in terminal.fails(*words)
    assert (tmp_path / "more.csv").exists()
