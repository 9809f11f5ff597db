"""The import contracts of pyproject.toml hold, and each of them catches what it is there to catch."""

import os
import subprocess
import sys
from pathlib import Path

from .minitree import make
from .source import REPOSITORY

_RUN = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def _lint_imports(root: Path) -> tuple[int, str]:
    """The outcome of the contracts over the package below `root`/src, the blanks of the report folded."""
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "NO_COLOR": "1", "COLUMNS": "300"}
    done = subprocess.run([sys.executable, "-c", _RUN], cwd=root, env=environment, capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def _make(folder: Path, plants: dict[str, str]) -> Path:
    make(folder, {"/pyproject.toml": (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"), **plants})
    return folder


def test_the_contracts_hold() -> None:
    code, report = _lint_imports(REPOSITORY)
    assert code == 0, report


def test_a_clean_tree_passes(tmp_path: Path) -> None:
    allowed = {
        "db/pool.py": "import psycopg\nimport psycopg_pool.errors\n",
        "gate/rules.py": "from ledgersafe.db import database\nfrom ledgersafe.contracts import event_type\n",
        "pos/app.py": "import fastapi\n",
        "pos/__init__.py": "",
        "cli/serve.py": "import uvicorn\nfrom ledgersafe import bootstrap\nfrom ledgersafe.api import events\n",
    }
    code, report = _lint_imports(_make(tmp_path, allowed))
    assert code == 0, report


def test_planted_imports_are_caught(tmp_path: Path) -> None:
    planted = {
        "bronze/__init__.py": "",
        "bronze/store.py": "from ledgersafe.gate import store\n",
        "kernel/money.py": "from ledgersafe.db import database\n",
        "contracts/judge.py": "from ledgersafe.db import database\n",
        "worker/__init__.py": "from ledgersafe.api import events\n",
        "shed/__init__.py": "",
        "gate/rules.py": "from psycopg.rows import class_row\n",
        "pipeline/seal.py": "import psycopg_pool\nfrom starlette.requests import Request\n",
        "simulator/run.py": "from ledgersafe.settings import Settings\n",
        "console/__init__.py": "",
        "console/page.py": "from ledgersafe.pipeline import accept\n",
    }
    code, report = _lint_imports(_make(tmp_path, planted))
    assert code == 1
    for line in (
        "ledgersafe.bronze is not allowed to import ledgersafe.gate",
        "ledgersafe.kernel is not allowed to import ledgersafe.db",
        "ledgersafe.contracts is not allowed to import ledgersafe.db",
        "ledgersafe.worker is not allowed to import ledgersafe.api",
        "shed",
        "ledgersafe.gate.rules -> psycopg",
        "ledgersafe.pipeline.seal -> psycopg_pool",
        "ledgersafe.pipeline.seal -> starlette",
        "ledgersafe.simulator.run -> ledgersafe.settings",
        "ledgersafe.console.page -> ledgersafe.pipeline",
    ):
        assert line in report, f"{line} was not caught:\n{report}"
