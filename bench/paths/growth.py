"""Millions of stored events and a whole checkpoint cycle, against an empty database of the same server; health there.

A cycle is what lies between two checkpoints: the writing of what was changed before, and the images of whole pages that
the log needs of each page touched for the first time since. With the shipped settings it lasts a quarter of an hour;
here it is as short as a run, so its price is counted many times over.
"""

import threading
from functools import partial

from bench.events import Keys
from bench.fill import fill
from bench.load import Spec
from bench.paths.batch import batch_spec
from bench.runs import Contender, Lab, Run, median
from bench.servers import Api, api
from bench.table import Row, Side, rate_row

_BARS: dict[Keys, float] = {"ordered": 0.85, "random": 0.5}
_HEALTH = "GET /v1/health"
_HEALTH_BAR_MS = 10.0
_SECONDS_SINGLE = 15.0
_SECONDS_BATCH = 10.0
_LEAD_IN = 3.0
_TENANT = "bench"


def measure(lab: Lab) -> list[Row]:
    """The rows of this path."""
    for database in ("full", "empty"):
        lab.postgres.clone(database)
    fill(lab, "full", _TENANT, lab.growth_events)
    stored = f"{lab.growth_events / 1e6:g} million stored events"
    with api(lab.postgres.app_url("full")) as full, api(lab.postgres.app_url("empty")) as empty:
        health = lab.interleaved({_HEALTH: partial(_health, lab, full)})[_HEALTH]
        contenders: dict[str, Contender] = {}
        for keys in _BARS:
            for batch in (False, True):
                contenders[_name(stored, keys, batch=batch)] = partial(_run, lab, "full", full, keys, batch=batch)
                contenders[_name("empty", keys, batch=batch)] = partial(_run, lab, "empty", empty, keys, batch=batch)
        runs = lab.interleaved(contenders)
    rows: list[Row] = []
    for batch in (False, True):
        path = f"{stored}, a checkpoint cycle: {':batch of 1,000' if batch else 'single POST, 64 connections'}"
        for keys, bar in _BARS.items():
            ours, base = _name(stored, keys, batch=batch), _name("empty", keys, batch=batch)
            rows.append(rate_row(path, (ours, runs[ours]), (base, runs[base]), bar))
    return [*rows, *_health_rows(f"/v1/health at {stored}", health)]


def _name(state: str, keys: Keys, *, batch: bool) -> str:
    return f"{state}, {'time-ordered' if keys == 'ordered' else 'random'} keys{', batches' if batch else ''}"


def _run(lab: Lab, database: str, server: Api, keys: Keys, *, batch: bool) -> Run:
    """A lead-in that leaves changed pages behind, then a checkpoint as the clock starts, which has to write them."""
    if database == "empty":
        lab.postgres.empty(database)
    else:
        _checkpoint(lab)
    if batch:
        spec = batch_spec(lab, server, seconds=_SECONDS_BATCH, keys=keys, lead_in=_LEAD_IN)
    else:
        key = lab.postgres.keys[_TENANT]
        spec = Spec(server.url, key, tenant=_TENANT, keys=keys, seconds=_SECONDS_SINGLE, lead_in=_LEAD_IN)
    checkpoint = threading.Thread(target=_checkpoint, args=(lab,))
    run = lab.load(spec, server, expected="200" if batch else "201", on_measuring=checkpoint.start)
    checkpoint.join()
    return run


def _checkpoint(lab: Lab) -> None:
    with lab.postgres.superuser("postgres") as connection:
        connection.execute("CHECKPOINT")


def _health(lab: Lab, server: Api) -> Run:
    """One asker, again and again."""
    key = lab.postgres.keys["all"]
    spec = Spec(server.url, key, path="/v1/health", connections=1, seconds=min(lab.seconds, 2.0), pause=0.01)
    return lab.load(spec, server, expected="200")


def _health_rows(path: str, runs: list[Run]) -> list[Row]:
    side, noisy, rows = Side.of(_HEALTH, runs), sum(run.is_noisy for run in runs), list[Row]()
    for name in ("p50", "p99"):
        times = [getattr(run, f"{name}_ms") for run in runs]
        unit = f"ms {name}"
        rows.append(Row(path, side, None, median(times), unit, times, _HEALTH_BAR_MS, at_most=True, noisy=noisy))
    return rows
