"""Measure Ledgersafe against limits and peers on this machine, and print the table. See docs/performance.md.

Usage: python -m bench [--only NAME …] [--repeats N] [--seconds S] [--json FILE] [--quick] [--strict]
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import table
from bench.machine import description
from bench.runs import MOST_FOREIGN, Lab, median
from bench.servers import postgres
from bench.table import Row
from ledgersafe import __version__

PATHS = ("single", "idle", "batch", "fairness", "growth", "promote", "gold", "files", "year", "console")
_LATEST = Path(__file__).parent / "results" / "latest.json"


def main() -> int:
    """Measure; 1 where a bar is missed and --strict asks for it."""
    asked = _arguments()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # so that everything started is ended, and the folder removed
    started = time.monotonic()
    rows: list[Row] = []
    with postgres() as server:
        lab = Lab(server, asked.repeats, asked.seconds, asked.growth_events, asked.tries)
        machine = {"at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "version": _version()} | description()
        machine |= server.settings()
        for name in asked.only:
            lab.say(f"{name}:")
            rows += import_module(f"bench.paths.{name}").measure(lab)
            header = machine | _summary(lab) | {"minutes": round((time.monotonic() - started) / 60, 1)}
            _write(asked.json, header, rows, lab)  # after each path: what is measured is not lost with what follows
    print(table.heading(header) + "\n" + table.text(rows))
    return int(asked.strict and any(row.is_missed for row in rows))


def _summary(lab: Lab) -> dict[str, Any]:
    flushes = sorted(lab.flushes)
    return {
        "flush_p50_ms": 1000 * flushes[len(flushes) // 2],
        "flush_p99_ms": 1000 * flushes[int(len(flushes) * 0.99)],
        "repeats": lab.repeats,
        "runs": len(lab.runs),
        "noisy_runs": sum(run.is_noisy for _, run in lab.runs),
        "most_foreign": MOST_FOREIGN,
        "foreign": median([run.foreign for _, run in lab.runs]),
    }


def _write(file: Path, header: Mapping[str, Any], rows: Sequence[Row], lab: Lab) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "header": header,
        "rows": [asdict(row) | {"verdict": row.verdict} for row in rows],
        "runs": [{"contender": name} | asdict(run) for name, run in lab.runs],
    }
    file.write_text(json.dumps(found, indent=1) + "\n")


def _version() -> str:
    """Ledgersafe's, with the commit where this is a checkout of one."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__} ({commit})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", nargs="+", choices=PATHS, default=list(PATHS), metavar="NAME", help=", ".join(PATHS))
    parser.add_argument("--repeats", type=int, help="how often each contender runs (5)")
    parser.add_argument("--seconds", type=float, help="how long each run lasts (4)")
    parser.add_argument(
        "--growth-events", type=int, help="how many events are stored for growth, and posted for gold (5,000,000)"
    )
    parser.add_argument("--tries", type=int, help="how often a run is tried while others use the machine (3)")
    parser.add_argument("--json", type=Path, default=_LATEST, help="where the result goes")
    parser.add_argument("--quick", action="store_true", help="short and few: to see that it works, not to quote")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a bar is missed")
    asked = parser.parse_args()
    asked.repeats = asked.repeats or (2 if asked.quick else 5)
    asked.seconds = asked.seconds or (2.0 if asked.quick else 4.0)
    asked.growth_events = asked.growth_events or (200_000 if asked.quick else 5_000_000)
    asked.tries = asked.tries or (1 if asked.quick else 3)
    return asked


if __name__ == "__main__":
    sys.exit(main())
