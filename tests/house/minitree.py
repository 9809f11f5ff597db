"""A small package in a repository of its own, in which the tests plant violations."""

import subprocess
from pathlib import Path

CLEAN: dict[str, str] = {
    "__init__.py": '"""A small house."""\n',
    "kernel/__init__.py": '"""Pure."""\n',
    "kernel/clock.py": "import time\n\n\ndef now() -> float:\n    return time.time()\n",
    "kernel/reasons.py": (
        "class Reason: ...\n\n\ndef _reason(code): return Reason()\n\n\nTOO_LARGE = _reason('TOO_LARGE')\n"
    ),
    "settings.py": "import os\n\n\nclass Settings:\n    url = os.environ.get('URL')\n",
    "bootstrap.py": "from ledgersafe.settings import Settings\n\n\ndef start():\n    return Settings()\n",
    "contracts/__init__.py": '"""What a valid event is."""\n',
    "contracts/event_type.py": "class EventType: ...\n",
    "contracts/events/__init__.py": '"""One file per event type."""\n',
    "contracts/events/sale.py": (
        "from ledgersafe.contracts.event_type import EventType\n\nEVENT_TYPE = EventType(name='SALE')\n"
    ),
    "db/__init__.py": '"""Postgres."""\n',
    "db/database.py": "def run(connection):\n    connection.execute('COMMIT')\n    connection.rollback()\n",
    "db/migrations/0001_gate.sql": (
        "-- Keys.\nCREATE TABLE gate.events_processed (\n"
        '  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants.tenants,\n'
        "  key text NOT NULL,\n  seen_at timestamptz,\n  PRIMARY KEY (tenant_id, key)\n);\n"
        "GRANT SELECT, INSERT, UPDATE ON gate.events_processed TO ledgersafe_app;\n"
    ),
    "gate/__init__.py": '"""Which keys were seen; and what became of them."""\n',
    "gate/store.py": (
        "SQL = {}\n\n\ndef claim(tx, keys):\n"
        '    """Update the keys; select from them later."""\n    return tx.query(SQL["claim"], {"keys": keys})\n'
    ),
    "gate/queries.sql": (
        "-- name: claim\n-- Why: one row goes in.\n"
        "INSERT INTO gate.events_processed (tenant_id, key) VALUES (%(tenant_id)s, %(key)s)\nON CONFLICT DO NOTHING\n"
    ),
    "pipeline/__init__.py": '"""The flow."""\n',
    "pipeline/accept.py": "def accept(database):\n    with database.transaction() as tx:\n        return tx\n",
    "api/__init__.py": '"""HTTP."""\n',
    "api/events.py": (
        "from fastapi import Depends\n\n\ndef database():\n    return 1\n\n\n"
        "async def post(database=Depends(database)):\n    try:\n        return database\n"
        "    except ValueError:\n        pass\n"
    ),
    "simulator/__init__.py": '"""Fake stores."""\n',
    "simulator/store.py": "from ledgersafe.kernel.clock import now\n\nhelp = 'Select a store from the list.'\n",
    "cli/__init__.py": "import os\n\n\ndef main():\n    print(dict(os.environ))\n",
}


def make(folder: Path, plants: dict[str, str], *, bare: bool = False) -> Path:
    """A clean tree with some files put in: named from the package, or from the repository with a leading "/".

    A plant that begins with "+" is added to the end of the clean file. `bare`: the plants alone, which is quicker.
    """
    tree = folder / "src" / "ledgersafe"
    for name, text in (plants if bare else {**CLEAN, **plants}).items():
        path = folder / name[1:] if name.startswith("/") else tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CLEAN.get(name, "") + text[1:] if text.startswith("+") else text, encoding="utf-8")
    if any(name.startswith("/") for name in plants):
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    return tree
