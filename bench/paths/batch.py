"""POST /v1/events:batch of 1,000 events as NDJSON, against binary COPY of the same rows."""

from functools import partial

from bench.load import Spec
from bench.runs import Lab, Run
from bench.servers import Api, api
from bench.table import Row, rate_row

PATH = ":batch of 1,000, NDJSON, 4 connections"
OURS = "Ledgersafe"
COPY = "binary COPY, the same rows and tables"
BATCH = 1_000
CONNECTIONS = 4
# Made before the clock starts, as many as are needed at these events a second; beyond them they are made on the way.
_PREPARED_EVENTS_PER_SECOND = 40_000
_PREPARED_ROWS_PER_SECOND = 110_000


def measure(lab: Lab) -> list[Row]:
    """The row of this path."""
    database = "batch"
    lab.postgres.clone(database)
    with api(lab.postgres.app_url(database)) as server:
        lab.load(batch_spec(lab, server, seconds=0.5), server, expected="200")
        runs = lab.interleaved({OURS: partial(_run, lab, database, server), COPY: partial(_copy, lab, database)})
    return [rate_row(PATH, (OURS, runs[OURS]), (COPY, runs[COPY]), 0.3)]


def batch_spec(lab: Lab, server: Api, *, seconds: float, **more: object) -> Spec:
    """What a sender of batches does."""
    prepared = int(_PREPARED_EVENTS_PER_SECOND * seconds / BATCH)
    fixed = {
        "url": server.url,
        "key": lab.postgres.keys["bench"],
        "path": "/v1/events:batch",
        "connections": CONNECTIONS,
        "batch": BATCH,
        "prepared": prepared,
    }
    return Spec(seconds=seconds, **(fixed | more))  # type: ignore[arg-type]


def _run(lab: Lab, database: str, server: Api) -> Run:
    lab.postgres.empty(database)
    return lab.load(batch_spec(lab, server, seconds=lab.seconds), server, expected="200")


def _copy(lab: Lab, database: str) -> Run:
    lab.postgres.empty(database)
    prepared = int(_PREPARED_ROWS_PER_SECOND * (lab.seconds + 0.5) / BATCH)
    spec = Spec(lab.postgres.app_url(database), "", batch=BATCH, prepared=prepared, seconds=lab.seconds)
    return lab.load(spec, None, program="bench.peers.copy")
