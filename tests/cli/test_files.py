"""`ledgersafe files` and `contracts put`: processes of their own, against a real API and a real worker."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
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


def incoming_bytes(terminal: Shop) -> int:
    found = 0
    for path in (terminal.raw / ".incoming").glob("*.part"):
        with suppress(FileNotFoundError):
            found += path.stat().st_size
    return found


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
    shown = terminal.run("files", "show", found[1]["ingestion_id"], *whose).stdout.split()
    assert {"day", "2.csv", "three", "Values", "Drift", "ledgersafe/files/curated_stock"} <= {*shown}
    table = terminal.json("files", "sample", "stock", *whose)["rows"]
    assert [(row["sku"], row["qty"], row["_row_number"]) for row in table] == [("A", 1, 2), ("B", 2, 3)]
    assert found[0]["ingestion_id"] in terminal.run("files", "sample", "stock", *whose).stdout
    replayed = terminal.json("files", "replay", found[0]["ingestion_id"], "--notes", "again", *whose)
    assert replayed["replay_of"] == found[0]["ingestion_id"]
    assert [one["contract_version"] for one in terminal.json("contracts", "list", *whose)["items"]] == [1]


def test_what_is_not_taken_is_told_and_the_rest_goes_on(terminal: Shop, tenant: str, tmp_path: Path) -> None:
    (tmp_path / "run.exe").write_text("x")
    (tmp_path / "day.csv").write_text(CSV)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "odd\n.csv").write_text(CSV)
    paths = [str(tmp_path / name) for name in ("run.exe", "nothing.csv", "folder.csv", "odd\n.csv", "day.csv")]
    done = terminal.run("files", "ingest", *paths, "--dataset", "stock", "--tenant", tenant, "--json")
    items = json.loads(done.stdout)["items"]
    assert done.returncode == 1
    assert [one.get("status", "error") for one in items] == ["error", "error", "error", "error", "received"]
    assert [items[0]["reason_code"], items[3]["reason_code"]] == ["UNSUPPORTED_FORMAT", "INVALID_PARAMETER"]
    assert "`ledgersafe files watch`" in items[2]["error"]
    assert "--tenant" in terminal.fails("files", "ingest", paths[4], "--dataset", "stock")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--dataset", "Stock 1"), "'Stock 1' cannot be a dataset"),
        (("--dataset", "stock", "--source", ""), "--source has 0 characters"),
        (("--dataset", "stock", "--source", "x" * 256), "--source has 256 characters"),
    ],
    ids=str,
)
def test_what_no_file_can_have_is_told_once(
    terminal: Shop, tenant: str, tmp_path: Path, wrong: tuple[str, ...], told: str
) -> None:
    """A drop folder is left as it is: it is not the files that are at fault."""
    (tmp_path / "day.csv").write_text(CSV)
    assert told in terminal.fails("files", "ingest", str(tmp_path / "day.csv"), *wrong, "--tenant", tenant)
    assert told in terminal.fails("files", "watch", str(tmp_path), *wrong, "--tenant", tenant)
    assert (tmp_path / "day.csv").exists()


def test_where_sending_stopped_is_told(terminal: Shop, tenant: str, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.csv", "b.csv")]
    for path in paths:
        path.write_text(CSV + f"{path.name},1\n")
    words = ["files", "ingest", *map(str, paths), "--dataset", "stock", "--tenant", tenant]
    wrong_key = terminal.environment() | {"LEDGERSAFE_API_KEY": "lsk_nobody_x"}
    refused = subprocess.run(
        [sys.executable, "-m", "ledgersafe", *words], env=wrong_key, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "LEDGERSAFE_API_KEY" in refused.stderr
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(3_000_000_000)
    words = ["files", "ingest", str(paths[0]), str(large), "--dataset", "stock", "--tenant", tenant]
    process = subprocess.Popen(
        [sys.executable, "-m", "ledgersafe", *words], env=terminal.environment(), stderr=subprocess.PIPE, text=True
    )
    until(lambda: incoming_bytes(terminal) > len(CSV) * 100)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert f"Stopped at {large}. 1 of 2 files were sent before it." in told
    assert [one["filename"] for one in terminal.json("files", "list", "--tenant", tenant)["items"]] == ["a.csv"]


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


def test_files_go_in_the_order_of_their_writing(terminal: Shop, tenant: str, tmp_path: Path) -> None:
    """The one received last counts: that of the tenth is it, not that of the ninth. What a person names stays in order."""
    names = ["9.csv", "10.csv", "11.csv", "1.csv"]
    for at, name in enumerate(names):
        (tmp_path / name).write_text(f"sku,qty\nA,{name}\n")
        os.utime(tmp_path / name, (1_000 + at // 2, 1_000 + at // 2))  # 9 and 10 at once, then 1 and 11
    by_name = [str(path) for path in sorted(tmp_path.glob("*.csv"))]
    to = ["--dataset", "stock", "--tenant", tenant]
    found = [terminal.json("files", "ingest", *given, *to)["items"] for given in (by_name, by_name[::-1])]
    assert [one["filename"] for one in found[0]] == ["9.csv", "10.csv", "1.csv", "11.csv"]
    assert [one["filename"] for one in found[1]] == ["9.csv", "11.csv", "10.csv", "1.csv"]
    watched = terminal.run("files", "watch", str(tmp_path), *to, "--settle", "0.1", "--once")
    assert [line.partition(":")[0] for line in watched.stdout.splitlines()] == ["9.csv", "10.csv", "1.csv", "11.csv"]
