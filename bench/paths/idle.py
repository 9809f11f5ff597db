"""One connection, nobody else: what a single till waits for its answer."""

from functools import partial

from bench.load import Spec
from bench.runs import Lab, Run, median
from bench.servers import Api, api
from bench.table import Row, Side

PATH = "single POST, 1 connection, idle otherwise"
OURS = "Ledgersafe"
_SECONDS = 2.0


def measure(lab: Lab) -> list[Row]:
    """The row of this path."""
    database = "idle"
    lab.postgres.clone(database)
    with api(lab.postgres.app_url(database)) as server:
        runs = lab.interleaved({OURS: partial(_run, lab, server)})[OURS]
    p50 = [run.p50_ms or 0.0 for run in runs]
    noisy = sum(run.is_noisy for run in runs)
    return [Row(PATH, Side.of(OURS, runs), None, median(p50), "ms p50", p50, None, noisy=noisy)]


def _run(lab: Lab, server: Api) -> Run:
    return lab.load(Spec(server.url, lab.postgres.keys["bench"], connections=1, seconds=_SECONDS), server)
