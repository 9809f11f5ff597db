"""Sales that wait are posted: by one worker and by two, against binary COPY of exactly the rows that posting writes."""

import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial

from bench.machine import foreign_share, usage
from bench.runs import Contender, Lab, Run, costs
from bench.sales import bodies
from bench.table import Row, rate_row
from ledgersafe.contracts import doors
from ledgersafe.db.database import Database
from ledgersafe.pipeline.accept import accept
from ledgersafe.pipeline.arrival import Parcel, judged, read
from ledgersafe.pipeline.promote import promote
from ledgersafe.tenants.rules import SCOPES, Credential

PATH = "promote: {:,} sales of 1 to 7 lines that wait, posted in batches of up to 2,000"
ONE = "one worker"
TWO = "two workers"
COPY = "binary COPY, the same rows, tables and keys"
_TENANT, _WARM_UP = "bench", "quiet"
_WARM_UP_SALES = 1_000
_AT_ONCE = 1_000
_WAITING, _POSTED, _HERE = "promote_waiting", "promote_posted", "promote"
_SALES_A_SECOND = 5_000
"""How many are prepared for a run of so many seconds."""


def measure(lab: Lab) -> list[Row]:
    """The rows of this path."""
    sales = int(lab.seconds * _SALES_A_SECOND)
    _prepare(lab, sales)
    contenders: dict[str, Contender] = {
        ONE: partial(_run, lab, sales, [_promoter(lab)]),
        COPY: partial(_run, lab, sales, [_copier(lab)]),
        TWO: partial(_run, lab, sales, [_promoter(lab)] * 2),
    }
    runs = lab.interleaved(contenders)
    path = PATH.format(sales)
    for database in (_HERE, _POSTED, _WAITING):
        lab.postgres.drop(database)
    return [
        rate_row(path, (ONE, runs[ONE]), (COPY, runs[COPY]), 0.5),
        rate_row(path, (TWO, runs[TWO]), (ONE, runs[ONE]), 1.5),
    ]


def _prepare(lab: Lab, sales: int) -> None:
    """Have sales accepted and waiting in one database, and the same posted in another."""
    lab.postgres.clone(_WAITING)
    database = Database(lab.postgres.app_url(_WAITING), size=2, role="ledgersafe_app")
    try:
        wait_to_be_posted(database, _TENANT, sales)
        wait_to_be_posted(database, _WARM_UP, _WARM_UP_SALES)
    finally:
        database.close()
    with lab.postgres.superuser(_WAITING) as connection:
        connection.execute("VACUUM (ANALYZE)")
    lab.postgres.clone(_POSTED, _WAITING)
    database = Database(lab.postgres.app_url(_POSTED), size=2, role="ledgersafe_app")
    try:
        while promote(database, _TENANT, datetime.now(UTC)):
            pass
    finally:
        database.close()
    lab.say(f"  {sales:,} sales accepted, and posted once to be read back")


def wait_to_be_posted(database: Database, tenant: str, sales: int) -> None:
    """Accept so many sales of a tenant; all of them are new and valid."""
    anybody = Credential("bench", None, None, frozenset(SCOPES))
    now = datetime.now(UTC)
    waiting: list[bytes] = list(bodies(tenant, sales, now))
    for start in range(0, sales, _AT_ONCE):
        parcel = Parcel(doors.NATIVE, anybody, datetime.now(UTC))
        arrivals = [judged(read(parcel, body), None, 600) for body in waiting[start : start + _AT_ONCE]]
        outcomes = accept(database, arrivals, slot=1)
        assert {outcome.result for outcome in outcomes} == {"processed"}


def _promoter(lab: Lab) -> Sequence[str]:
    return ("bench.peers.promoter", lab.postgres.app_url(_HERE), _TENANT, _WARM_UP)


def _copier(lab: Lab) -> Sequence[str]:
    url = lab.postgres.app_url(_POSTED)
    return ("bench.peers.copy_books", url, lab.postgres.app_url(_HERE), _TENANT)


def _run(lab: Lab, sales: int, commands: Sequence[Sequence[str]]) -> Run:
    """All of them begin at once; the clock stops when the last has nothing left to do."""
    lab.postgres.drop(_HERE)
    lab.postgres.clone(_HERE, _WAITING)
    with ExitStack() as running:
        workers = [running.enter_context(_worker(command)) for command in commands]
        for worker in workers:
            _line(worker, "ready")
        with lab.postgres.superuser(_HERE) as connection:
            connection.execute("CHECKPOINT")
        trees = {"postgres": lab.postgres.pid} | {f"worker {at}": one.pid for at, one in enumerate(workers, 1)}
        log, before, started = lab.postgres.log_position(), usage(trees), time.perf_counter()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        done = sum(int(_line(worker)) for worker in workers)
        seconds, after = time.perf_counter() - started, usage(trees)
        log = lab.postgres.log_position() - log
    assert done == sales, f"{done} of {sales} were posted"
    by_tree = costs(before, after, sales / (after.at - before.at))
    spent = {"postgres": by_tree["postgres"], "client": sum(by_tree.values()) - by_tree["postgres"]}
    return Run(sales / seconds, None, None, spent, foreign_share(before, after), {"log_bytes": log / sales})


@contextmanager
def _worker(command: Sequence[str]) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.communicate()  # closes its input, which it waits for


def _line(worker: subprocess.Popen[str], expected: str | None = None) -> str:
    assert worker.stdout is not None
    said = worker.stdout.readline().strip()
    if not said or (expected is not None and said != expected):
        raise RuntimeError(f"a worker said {said!r}, not {expected or 'how many it posted'!r}")
    return said
