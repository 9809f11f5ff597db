"""pgbench, calling one function an event with 64 clients: Postgres without HTTP and without Python."""

import os
import re
import subprocess
import time
from pathlib import Path

from bench.events import body_maker
from bench.machine import foreign_share, usage
from bench.runs import Lab, Run, costs
from ledgersafe.db.embedded import psql_environment

_CLIENTS = 64
_THREADS = 2
_LEAD_IN = 1.0
_FUNCTION = Path(__file__).with_name("accept_one.sql")


def install(lab: Lab, database: str) -> None:
    """Make the function."""
    with lab.postgres.superuser(database) as connection:
        connection.execute(_FUNCTION.read_bytes())


def run(lab: Lab, database: str) -> Run:
    """Run it for as long as the others. The lead-in is left out of the costs: it has the logging in of 64 clients."""
    command = [str(lab.postgres.install / "bin" / "pgbench"), "--no-vacuum", "--protocol=prepared"]
    command += [f"--client={_CLIENTS}", f"--jobs={_THREADS}", f"--time={int(lab.seconds + 2 * _LEAD_IN)}"]
    script = lab.postgres.folder / "accept_one.bench"
    script.write_text(_script())
    environment = os.environ | psql_environment(lab.postgres.app_url(database))
    process = subprocess.Popen(
        [*command, f"--file={script}"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    trees = {"postgres": lab.postgres.pid, "load": process.pid}
    time.sleep(_LEAD_IN)
    before = usage(trees)
    time.sleep(lab.seconds)
    after = usage(trees)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    assert _number("number of failed transactions: ", said) == 0, said
    rate = _number("tps = ", said)
    return Run(
        rate, _number("latency average = ", said), None, costs(before, after, rate), foreign_share(before, after)
    )


def _script() -> str:
    body = body_maker("bench", "random")().hex()
    key = "replace(gen_random_uuid()::text, '-', '')"
    return f"SELECT peer.accept_one('bench', (:client_id)::smallint, {key}, '\\x{body}'::bytea);\n"


def _number(label: str, text: str) -> float:
    found = re.search(re.escape(label) + r"([0-9.]+)", text)
    assert found is not None, text
    return float(found.group(1))
