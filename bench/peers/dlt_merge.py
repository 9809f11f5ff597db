"""dlt merges a CSV file into a table of Postgres, from arrow tables or from rows; in an environment of its own.

It is no part of ours: what it needs is pinned in dlt.lock, and installed for the measurement alone.
Usage inside of it: python dlt_merge.py arrow|rows URL FILE
"""

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from csv import DictReader
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

_LOCK = Path(__file__).with_name("dlt.lock")
_TYPES = {
    "line": "bigint", "sold_on": "date", "sold_at": "timestamp", "quantity": "bigint", "price": "decimal",
    "is_member": "bool",
}  # fmt: skip


@contextmanager
def environment(say: Callable[[str], object]) -> Generator[Path | None]:
    """A Python that has dlt; None where it cannot be installed."""
    with TemporaryDirectory(prefix="bench-dlt-") as folder:
        python = Path(folder, "bin", "python")
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
            command = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", str(_LOCK)]
            subprocess.run(command, check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            say(f"dlt cannot be installed, so it is not measured: {str(error.stderr).strip()[-300:]}")
            yield None
            return
        yield python


def load(python: Path, kind: str, url: str, file: Path) -> None:
    """One load, by a process of its own. `url`: of libpq, with the socket's folder among its parameters."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    where = f"{parts.netloc.rpartition('@')[0]}@{quote(options.pop('host'), safe='')}:{options.pop('port')}"
    url = urlunsplit(parts._replace(netloc=where, query=urlencode(options)))
    quiet = os.environ | {"RUNTIME__LOG_LEVEL": "ERROR", "RUNTIME__DLTHUB_TELEMETRY": "false"}
    subprocess.run(
        [str(python), "-I", __file__, kind, url, str(file)], check=True, stdout=subprocess.DEVNULL, env=quiet
    )


def _main() -> None:
    dlt: Any = import_module("dlt")
    postgres: Any = import_module("dlt.destinations").postgres
    kind, url, file = sys.argv[1:]
    hints: dict[str, Any] = {name: {"data_type": of} for name, of in _TYPES.items()}
    with TemporaryDirectory(prefix="bench-dlt-state-") as folder:
        pipeline = dlt.pipeline(
            "bench", pipelines_dir=folder, destination=postgres(url), dataset_name="dlt_bench", progress=None
        )
        source = dlt.resource(
            _tables(file) if kind == "arrow" else _rows(file),
            name="sales",
            write_disposition={"disposition": "merge", "strategy": "upsert"},
            primary_key=("receipt", "line"),
            columns=hints if kind == "rows" else {},
        )
        pipeline.run(source).raise_on_failed_jobs()


def _tables(file: str) -> Any:
    pa: Any = import_module("pyarrow")
    csv: Any = import_module("pyarrow.csv")
    types = {
        "line": pa.int64(), "sold_on": pa.date32(), "sold_at": pa.timestamp("us"), "quantity": pa.int64(),
        "price": pa.decimal128(12, 2), "is_member": pa.bool_(), "sku": pa.string(),
    }  # fmt: skip
    yield from (
        pa.Table.from_batches([batch])
        for batch in csv.open_csv(file, convert_options=csv.ConvertOptions(column_types=types))
    )


def _rows(file: str) -> Any:
    with Path(file).open(encoding="utf-8", newline="") as opened:
        yield from DictReader(opened)


if __name__ == "__main__":
    _main()
