"""A real year of a retailer, 299 daily CSV files, from a folder into every table of gold that follows at once.

The processes are those that `ledgersafe up` starts, with the settings that are shipped; the files are sent by the
command that people use. Opening a fresh database is before the clock, as is putting the contract.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import zstandard

from bench.machine import foreign_share, usage
from bench.runs import Lab, Run, median
from bench.table import Row, Side
from ledgersafe.db.embedded import connection_of, die_with_parent
from ledgersafe.gold.rules import tables

PATH = "a real year: {} daily CSV files, {:,} lines, from a folder to gold"
OURS = "ledgersafe up, and files ingest"
_HOME = Path(__file__).parents[2]
_FILES = _HOME.parent / "shared" / "data" / "online_retail" / "daily.tar.zst"
_CONTRACT = _HOME / "tests" / "contracts" / "online_retail.yaml"
_NAME = "online_retail"
_GROSS = Decimal("9867039.374")
"""Of the sales of that year: what the set's own oracle says, less one invoice that is wrong at the source."""
_BAR, _REPEATS = 60.0, 3
_START_SECONDS, _PATIENCE = 120.0, 900.0
_DONE = """
SELECT (SELECT count(*) FROM files.ingestions WHERE status = 'succeeded') AS done,
       (SELECT count(*) FROM files.ingestions WHERE status IN ('quarantined', 'failed')) AS held,
       NOT EXISTS (SELECT FROM gate.to_post) AND NOT EXISTS (
         SELECT FROM silver.batches b CROSS JOIN unnest(%s::text[]) AS t (name)
         WHERE NOT EXISTS (
           SELECT FROM gold.applied a
           WHERE a.tenant_id = b.tenant_id AND a.table_name = t.name AND a.batch_id = b.batch_id)) AS is_caught_up"""
_SOLD = "SELECT sum(gross) FROM gold.daily_store_sales"


def measure(lab: Lab) -> list[Row]:
    """The row of this path; none where the files are not there."""
    if not _FILES.exists():
        lab.say(f"  skipped: there is no {_FILES}")
        return []
    few = Lab(lab.postgres, min(lab.repeats, _REPEATS), lab.seconds, lab.growth_events, 1)
    with TemporaryDirectory(prefix="bench-year-") as folder:
        year = _Year(Path(folder))
        runs = few.interleaved({OURS: lambda: _once(lab, year)})[OURS]
    lab.runs += few.runs
    lab.flushes += few.flushes
    seconds = [float(run.more["seconds"]) for run in runs]
    noisy = sum(run.is_noisy for run in runs)
    path = PATH.format(len(year.files), year.lines)
    return [Row(path, Side.of(OURS, runs), None, median(seconds), "s", seconds, _BAR, at_most=True, noisy=noisy)]


class _Year:
    """The files, unpacked."""

    def __init__(self, folder: Path) -> None:
        content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(_FILES.read_bytes())).read()
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(folder, filter="data")
        self.files = sorted(folder.rglob("*.csv"))
        self.lines = sum(file.read_bytes().count(b"\n") - 1 for file in self.files)


@dataclass(frozen=True, slots=True)
class _Up:
    """What `ledgersafe up` has started. `pids`: its processes, by name."""

    environment: Mapping[str, str]
    pids: Mapping[str, int]
    superuser: str

    def run(self, *words: str) -> None:
        """A command, as a person gives it."""
        done = subprocess.run(_command(*words), env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words[:2]}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def _once(lab: Lab, year: _Year) -> Run:
    """From files and an empty database to gold."""
    with (
        TemporaryDirectory(prefix="bench-year-up-") as folder,
        _up(Path(folder)) as up,
        psycopg.connect(up.superuser, autocommit=True) as connection,
    ):
        up.run("contracts", "put", str(_CONTRACT), "--tenant", _NAME)
        before = usage(up.pids)
        up.run("files", "ingest", *map(str, year.files), "--dataset", _NAME, "--tenant", _NAME)
        landed = time.monotonic() - before.at
        _wait(connection, len(year.files))
        after = usage(up.pids)
        assert connection.execute(_SOLD).fetchone() == (_GROSS,)
    seconds = after.at - before.at
    spent = {name: after.trees[name] - before.trees[name] for name in up.pids}
    told = ", ".join(f"{name} {of:.1f} s" for name, of in spent.items())
    lab.say(f"  {seconds:.1f} s, all landed after {landed:.1f} s; CPU {told}")
    costs = {name: 1e6 * of / year.lines for name, of in spent.items()}
    return Run(year.lines / seconds, None, None, costs, foreign_share(before, after), {"seconds": seconds})


def _wait(connection: psycopg.Connection[Any], files: int) -> None:
    """Until everything is worked off, posted, and in the tables that follow at once."""
    at_once = [name for name, table in tables().items() if table.follows_at_once]
    give_up = time.monotonic() + _PATIENCE
    while time.monotonic() < give_up:
        row = connection.execute(_DONE, [at_once]).fetchone()
        assert row is not None
        assert row[1] == 0, f"{row[1]} files are held"
        if row[0] == files and row[2]:
            return
        time.sleep(0.1)
    raise AssertionError(f"the year was not done in {_PATIENCE:g} seconds")


@contextmanager
def _up(folder: Path) -> Generator[_Up]:
    """All of it on a fresh folder, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.chmod(0o755)
    data, log = folder / "data", folder / "log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEDGERSAFE_")}
    environment = kept | {"LEDGERSAFE_DATA": str(data), "LEDGERSAFE_LOG_FORMAT": "json"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            _command("up", "--no-console", "--port", str(port)), env=environment, stdout=out, stderr=out,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )  # fmt: skip
    try:
        pids = _started(log, process)
        urls = connection_of(data)
        assert urls is not None
        key = (data / "key").read_text().strip()
        asks = environment | {"LEDGERSAFE_URL": f"http://127.0.0.1:{port}", "LEDGERSAFE_API_KEY": key}
        yield _Up(asks, pids, urls.superuser)
    finally:
        process.terminate()
        process.wait(30)


def _started(log: Path, process: subprocess.Popen[bytes]) -> dict[str, int]:
    """The processes, once all are there and the API answers."""
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        said = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        up = next((one for one in said if one["event"] == "up"), None)
        if up is not None and _answers(int(str(up["url"]).rpartition(":")[2])):
            return {one["process"]: one["pid"] for one in said if one["event"] == "started"}
        time.sleep(0.1)
    raise AssertionError(f"ledgersafe up did not come up: {log.read_text()[-2000:]}")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "ledgersafe", *words]
