"""One tenant floods, another sends now and then: how much longer the other's slowest answers take than in quiet."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bench.load import Spec
from bench.paths.batch import batch_spec
from bench.runs import Lab, Run, load, median
from bench.servers import Api, api
from bench.table import Row, Side

PATH = "fairness: a quiet tenant's p99 (4 connections, 50 posts/s) while another floods"
QUIET = "in quiet"
SINGLES = "during a flood of single events, 64 connections"
BATCHES = "during a flood of batches of 1,000, 4 connections"
_BAR = 5.0
_CONNECTIONS = 4
_PAUSE = 0.08
_SECONDS = 8.0
_HEAD_START = 3.0


def measure(lab: Lab) -> list[Row]:
    """The rows of this path."""
    database = "fairness"
    lab.postgres.clone(database)
    flooding = lab.postgres.keys["flood"]
    seconds = _HEAD_START + _SECONDS
    with api(lab.postgres.app_url(database)) as server:
        singles = Spec(server.url, flooding, tenant="flood", seconds=seconds, lead_in=0)
        batches = batch_spec(lab, server, seconds=seconds, tenant="flood", key=flooding, lead_in=0)
        contenders: dict[str, Callable[[], Run]] = {
            QUIET: partial(_quiet, lab, server),
            SINGLES: partial(_flooded, lab, database, server, singles),
            BATCHES: partial(_flooded, lab, database, server, batches),
        }
        runs = lab.interleaved(contenders)
    rows: list[Row] = []
    for flood in (SINGLES, BATCHES):
        pairs = list(zip(runs[flood], runs[QUIET], strict=True))
        ratios = [(a.p99_ms or 0.0) / (b.p99_ms or 1.0) for a, b in pairs]
        noisy = sum(run.is_noisy for pair in pairs for run in pair)
        ours, quiet = Side.of(flood, runs[flood]), Side.of(QUIET, runs[QUIET])
        rows.append(Row(PATH, ours, quiet, median(ratios), "×", ratios, _BAR, at_most=True, noisy=noisy))
    return rows


def _quiet(lab: Lab, server: Api) -> Run:
    key = lab.postgres.keys["quiet"]
    spec = Spec(server.url, key, tenant="quiet", connections=_CONNECTIONS, pause=_PAUSE, seconds=_SECONDS)
    return lab.load(spec, server)


def _flooded(lab: Lab, database: str, server: Api, flood: Spec) -> Run:
    """The flood begins before and ends after what is measured."""
    lab.postgres.empty(database)
    with load(flood) as flooder:
        flooder.begin()
        run = _quiet(lab, server)
        flooder.expect("measured")
        result = flooder.result()
    assert len(result.codes) == 1, result.codes
    return replace(run, costs={}, more={"flood_rate": result.rate})
