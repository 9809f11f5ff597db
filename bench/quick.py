"""The first measurement: single POST at 64 connections, group commit against a transaction a request; idle latency.

Both run the same statements on the same database, interleaved; medians of the repeats.
Usage: python -m bench.quick [--json]
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledgersafe.db.database import Database
from ledgersafe.db.embedded import EmbeddedPostgres
from ledgersafe.db.migrate import migrate
from ledgersafe.pipeline.keys import OWNER, Wish, create_key
from ledgersafe.pipeline.partition import make_partitions

REPEATS = 5
SECONDS = 4.0


def main() -> None:
    """Run it and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    wants_json = arguments.parse_args().json
    with (
        tempfile.TemporaryDirectory() as folder,
        _postgres(Path(folder)) as (url, key),
        _server(url, "ledgersafe", "serve", "--port") as ours,
        _server(url, "bench.per_request") as peer,
    ):
        found = _measure(ours, peer, key)
    print(json.dumps(found, indent=2) if wants_json else _table(found))


def _measure(ours: str, peer: str, key: str) -> dict[str, Any]:
    for url in (ours, peer):
        _load(url, key, 64, 1.0)  # warm up
    runs: dict[str, list[dict[str, Any]]] = {"group commit": [], "a transaction a request": [], "idle": []}
    for _ in range(REPEATS):
        runs["group commit"].append(_load(ours, key, 64, SECONDS))
        runs["a transaction a request"].append(_load(peer, key, 64, SECONDS))
        runs["idle"].append(_load(ours, key, 1, 1.0))
    found = {
        name: {k: statistics.median(run[k] for run in each) for k in ("rate", "p50_ms", "p99_ms")}
        for name, each in runs.items()
    }
    pairs = zip(runs["group commit"], runs["a transaction a request"], strict=True)
    found["ratio"] = {"rate": statistics.median(a["rate"] / b["rate"] for a, b in pairs)}
    return found


def _table(found: dict[str, Any]) -> str:
    lines = [f"{'single POST':<28}{'events/s':>10}{'p50 ms':>9}{'p99 ms':>9}"]
    for name in ("group commit", "a transaction a request", "idle"):
        row = found[name]
        lines.append(f"{name:<28}{row['rate']:>10.0f}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}")
    lines.append(f"group commit is {found['ratio']['rate']:.1f} x a transaction a request (median of {REPEATS} pairs)")
    return "\n".join(lines)


def _load(url: str, key: str, connections: int, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.load", url, key, str(connections), str(seconds)]
    result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert set(result["codes"]) == {"201"}, f"errors are fast, and do not count: {result['codes']}"
    return result


@contextmanager
def _postgres(folder: Path) -> Iterator[tuple[str, str]]:
    server = EmbeddedPostgres(folder)
    urls = server.start()
    try:
        now = datetime.now(UTC)
        migrate(urls.owner, now)
        database = Database(urls.app, size=2, role="ledgersafe_app")
        make_partitions(database, now)
        token = create_key(database, Wish("bench", None, ["ingest"]), OWNER, now).token
        database.close()
        yield urls.app, token
    finally:
        server.stop()


@contextmanager
def _server(database_url: str, module: str, *arguments: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"LEDGERSAFE_DATABASE_URL": database_url, "LEDGERSAFE_LOG_LEVEL": "warning"}
    process = subprocess.Popen([sys.executable, "-m", module, *arguments, str(port)], env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=5)  # noqa: S310 - our own loopback address
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{url} did not become ready")


if __name__ == "__main__":
    main()
