"""POST /v1/events at 64 connections: against the door without a database, and against other ways to commit."""

from contextlib import ExitStack
from functools import partial

from bench.load import Spec
from bench.peers import pgbench
from bench.runs import Lab, Run, median
from bench.servers import Api, api
from bench.table import Row, Side, rate_row

PATH = "single POST, 64 connections"
OURS = "Ledgersafe"
PAIR = "Ledgersafe, two processes"
NOOP = "no-op: the same door, no database"
ON_THE_LOOP = "a transaction a request, psycopg on the loop"
IN_THREADS = "a transaction a request, psycopg in threads"
SINGLE = "the same in one statement, in threads"
ORM = "FastAPI + SQLAlchemy async ORM"
PGBENCH = "pgbench, one function, 64 clients"
_PER_REQUEST = "bench.peers.per_request"
_PROGRAMS = {
    OURS: (),
    PAIR: ("bench.peers.pair",),
    NOOP: ("bench.peers.noop",),
    ON_THE_LOOP: (_PER_REQUEST, "loop", "statements", "8"),
    IN_THREADS: (_PER_REQUEST, "threads", "statements", "8"),
    SINGLE: (_PER_REQUEST, "threads", "single", "16"),
    ORM: ("bench.peers.orm",),
}


def measure(lab: Lab) -> list[Row]:
    """The rows of this path."""
    database = "single"
    lab.postgres.clone(database)
    pgbench.install(lab, database)
    url = lab.postgres.app_url(database)
    with ExitStack() as running:
        servers = {name: running.enter_context(api(url, *program)) for name, program in _PROGRAMS.items()}
        contenders = {name: partial(_run, lab, database, server) for name, server in servers.items()}
        contenders[PGBENCH] = partial(_run_pgbench, lab, database)
        for server in servers.values():
            lab.load(Spec(server.url, lab.postgres.keys["bench"], seconds=0.5), server)
        runs = lab.interleaved(contenders)
    better, worse = sorted((ON_THE_LOOP, IN_THREADS), key=lambda name: -median([run.rate for run in runs[name]]))
    bars = {NOOP: 0.4, better: 4.0, worse: None, SINGLE: None, ORM: 12.0, PGBENCH: 1.2}
    rows = [rate_row(PATH, (OURS, runs[OURS]), (peer, runs[peer]), bar) for peer, bar in bars.items()]
    rows += [rate_row(PATH, (PAIR, runs[PAIR]), (peer, runs[peer]), None) for peer in (OURS, PGBENCH)]
    p99 = [run.p99_ms or 0.0 for run in runs[OURS]]
    ours = Side.of(OURS, runs[OURS])
    return [*rows, Row(PATH, ours, None, median(p99), "ms p99", p99, None)]


def _run(lab: Lab, database: str, server: Api) -> Run:
    lab.postgres.empty(database)
    return lab.load(Spec(server.url, lab.postgres.keys["bench"], seconds=lab.seconds), server)


def _run_pgbench(lab: Lab, database: str) -> Run:
    lab.postgres.empty(database)
    return pgbench.run(lab, database)
