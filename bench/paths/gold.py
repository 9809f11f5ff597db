"""Gold follows the books: what 10,000 new sales cost it, few or many posted; how soon an acknowledged sale is seen."""

import json
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from bench.load import Spec
from bench.machine import CORES, foreign_share, usage
from bench.runs import Contender, Lab, Run, median
from bench.servers import Api, api, worker
from bench.table import Row, Side, rate_row
from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.refresh import refresh

PATH = "gold: {} follows 10,000 new sales, at {:g} and at {:g} million transactions"
VISIBLE = "an acknowledged sale is in daily_store_sales, at {:,} events/s"
REFRESH = "Ledgersafe at {:g} million"
VIEW = "REFRESH MATERIALIZED VIEW CONCURRENTLY at {:g} million"
_TABLES = ("daily_store_sales", "account_daily")
_SMALL = 0.02  # of the large one: 0.1 million of 5
_NEW, _IN_A_BATCH = 10_000, 2_000
_CHUNK = 100_000
_TENANT = "bench"
_RATE, _CONNECTIONS, _PAUSE = 1_000, 64, 0.056
"""So many events a second, where an answer takes 8 ms; the rate that was had stands in the table."""
_STATEMENT = Path(__file__).parents[1].joinpath("books.sql").read_bytes()
_VIEWS: dict[str, LiteralString] = {
    "daily_store_sales": """
        SELECT tenant_id, books_date, store_id, currency, sum(transactions) AS transactions, sum(units) AS units,
               sum(gross) AS gross, sum(discounts) AS discounts, sum(returns) AS returns, sum(net) AS net,
               sum(tax) AS tax
        FROM gold.sales
        GROUP BY tenant_id, books_date, store_id, currency""",
    "account_daily": """
        SELECT e.tenant_id, e.books_date, l.account, e.currency, sum(greatest(l.amount, 0)) AS debit,
               sum(greatest(-l.amount, 0)) AS credit, sum(l.amount) AS balance
        FROM ledger.entries e
        CROSS JOIN LATERAL unnest(e.accounts, e.amounts) AS l (account, amount)
        GROUP BY e.tenant_id, e.books_date, l.account, e.currency""",
}
_KEYS: dict[str, LiteralString] = {
    "daily_store_sales": "tenant_id, books_date, store_id, currency",
    "account_daily": "tenant_id, books_date, account, currency",
}
_MEASURES: dict[str, LiteralString] = {
    "daily_store_sales": "transactions, units, gross, discounts, returns, net, tax",
    "account_daily": "debit, credit, balance",
}
_BEGIN: tuple[LiteralString, ...] = (
    "CREATE MATERIALIZED VIEW {view} AS {query}",
    "CREATE UNIQUE INDEX ON {view} ({keys})",
    "INSERT INTO {table} ({keys}, {measures}) TABLE {view}",
)
_BATCH = """
INSERT INTO silver.batches (tenant_id, batch_id, posted_at, transaction_ids, revisions, kinds)
SELECT %(tenant)s, %(batch)s, %(now)s, array_agg(transaction_id), array_agg(revision), array_agg(kind)
FROM silver.transactions
WHERE tenant_id = %(tenant)s AND event_id = ANY(%(events)s)
"""
_TOOK = """
SELECT sum(extract(epoch FROM finished_at - started_at)), sum(batches)::integer FROM gold.runs
WHERE tenant_id = %(tenant)s AND table_name = %(table)s AND started_at >= %(since)s AND error IS NULL
"""
_SEEN = "SELECT EXISTS (SELECT FROM gold.daily_store_sales WHERE tenant_id = %s AND store_id = %s)"


@dataclass(slots=True)
class _Books:
    """A database with so many posted sales, and how long its tables took to follow the newest."""

    database: str
    sales: int
    posted: int = 0
    took: dict[str, list[float]] = field(default_factory=lambda: {table: [] for table in _TABLES})


def measure(lab: Lab) -> list[Row]:
    """The rows of this path."""
    small = _Books("gold_small", int(lab.growth_events * _SMALL))
    large = _Books("gold_large", lab.growth_events)
    for books in (small, large):
        _fill(lab, books)
    contenders: dict[str, Contender] = {}
    for table in _TABLES:
        for books in (small, large):
            contenders[_name(table, REFRESH, books)] = partial(_follow, lab, books, table)
        contenders[_name(table, VIEW, large)] = partial(_refresh_view, lab, large, table)
    runs = lab.interleaved(contenders)
    rows: list[Row] = []
    for table in _TABLES:
        path = PATH.format(table, small.sales / 1e6, large.sales / 1e6)
        few, many, view = (_name(table, *one) for one in ((REFRESH, small), (REFRESH, large), (VIEW, large)))
        ratios = [a.rate / b.rate for a, b in zip(runs[few], runs[many], strict=True)]
        noisy = sum(run.is_noisy for run in (*runs[few], *runs[many]))
        sides = Side.of(many, runs[many]), Side.of(few, runs[few])
        rows.append(Row(path, *sides, median(ratios), "× as long", ratios, 2.0, at_most=True, noisy=noisy))
        rows.append(rate_row(path, (many, runs[many]), (view, runs[view]), 20.0))
    for books in (small, large):
        lab.postgres.drop(books.database)
    return [*rows, _visible(lab)]


def _name(table: str, what: str, books: _Books) -> str:
    return f"{table}, {what.format(books.sales / 1e6)}"


def _fill(lab: Lab, books: _Books) -> None:
    """Post so many sales, have gold tables that know them, and views of the same queries."""
    lab.postgres.clone(books.database)
    with ThreadPoolExecutor(CORES) as threads:
        starts = range(1, books.sales + 1, _CHUNK)
        list(threads.map(lambda first: _post(lab, books, first, min(first + _CHUNK - 1, books.sales)), starts))
    books.posted = books.sales
    with lab.postgres.superuser(books.database) as connection:
        for table, query in _VIEWS.items():
            parts = {
                "view": sql.Identifier(f"{table}_view"),
                "query": sql.SQL(query),
                "table": sql.Identifier("gold", table),
                "measures": sql.SQL(_MEASURES[table]),
                "keys": sql.SQL(_KEYS[table]),
            }
            for statement in _BEGIN:
                connection.execute(sql.SQL(statement).format(**parts))
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    lab.say(f"  {books.sales:,} sales posted")


def _post(lab: Lab, books: _Books, first: int, last: int) -> None:
    now = datetime.now(UTC)
    numbers = {"tenant": _TENANT, "first": first, "last": last, "sales": books.sales, "until": now.date()}
    with lab.postgres.superuser(books.database) as connection:
        connection.execute("SET synchronous_commit = off")  # the loading only: nobody is told that it is durable
        connection.execute(_STATEMENT, numbers | {"posted_at": now})


def _post_new(lab: Lab, books: _Books) -> None:
    """10,000 more, of the last day, in batches as promote leaves them."""
    first = books.posted + 1
    books.posted += _NEW
    _post(lab, books, first, books.posted)
    with lab.postgres.superuser(books.database) as connection:
        for start in range(first, books.posted, _IN_A_BATCH):
            events = [str(number) for number in range(start, start + _IN_A_BATCH)]
            batch = {"tenant": _TENANT, "batch": new_id(), "now": datetime.now(UTC), "events": events}
            connection.execute(_BATCH, batch)


def _follow(lab: Lab, books: _Books, table: str) -> Run:
    """How long one table takes: its own transaction, of all that follow. Others' times are left out."""
    database = Database(lab.postgres.app_url(books.database), size=2, role="ledgersafe_app")
    try:
        refresh(database, SystemClock(), tenant_id=_TENANT)  # what was posted for the view to be refreshed
        _post_new(lab, books)
        since, before = datetime.now(UTC), usage({})
        refresh(database, SystemClock(), tenant_id=_TENANT)
        after = usage({})
    finally:
        database.close()
    with lab.postgres.superuser(books.database) as connection:
        found = connection.execute(_TOOK, {"tenant": _TENANT, "table": table, "since": since}).fetchone()
    assert found is not None
    assert found[1] == _NEW // _IN_A_BATCH, f"{table} followed {found[1]} batches"
    return Run(_NEW / float(str(found[0])), None, None, {}, foreign_share(before, after))


def _refresh_view(lab: Lab, books: _Books, table: str) -> Run:
    _post_new(lab, books)
    with lab.postgres.superuser(books.database) as connection:
        before, started = usage({}), time.perf_counter()
        view = sql.Identifier(f"{table}_view")
        connection.execute(sql.SQL("REFRESH MATERIALIZED VIEW CONCURRENTLY {}").format(view))
        seconds, after = time.perf_counter() - started, usage({})
    return Run(_NEW / seconds, None, None, {}, foreign_share(before, after))


def _visible(lab: Lab) -> Row:
    """Sales of a store of their own, one at a time, among the others' load: from the answer to being in the table."""
    name, database = VISIBLE.format(_RATE), "visible"
    lab.postgres.clone(database)
    url = lab.postgres.app_url(database)
    with api(url) as server, worker(url):
        runs = lab.interleaved({name: partial(_probe, lab, database, server)})[name]
    lab.postgres.drop(database)
    p95 = [float(run.more["p95_s"]) for run in runs]
    noisy = sum(run.is_noisy for run in runs)
    return Row(name, Side.of(name, runs), None, median(p95), "s p95", p95, 2.0, at_most=True, noisy=noisy)


def _probe(lab: Lab, database: str, server: Api) -> Run:
    """A load of so many events a second, and one who sells and looks. p50 and p99 of the run are the load's answers."""
    seconds = 5 * lab.seconds
    spec = Spec(
        server.url, lab.postgres.keys[_TENANT], connections=_CONNECTIONS, pause=_PAUSE, seconds=seconds, lead_in=1.0
    )
    waits: list[float] = []
    with (
        lab.postgres.superuser(database) as connection,
        _looking(partial(_sell_and_look, lab, server, connection), waits) as go,
    ):
        run = lab.load(spec, server, on_measuring=go.set)
    waits.sort()
    assert len(waits) >= 5, f"only {len(waits)} sales were seen in {seconds:g} seconds"
    return replace(run, more={**run.more, "p95_s": waits[int(len(waits) * 0.95)], "p50_s": median(waits)})


@contextmanager
def _looking(look: Callable[[], float], waits: list[float]) -> Generator[threading.Event]:
    """A thread that looks again and again once it may, until the block ends."""
    go, stop = threading.Event(), threading.Event()

    def run() -> None:
        go.wait()
        while not stop.wait(random.uniform(0, 0.3)):  # noqa: S311 - so that it does not fall into step with the worker
            waits.append(look())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield go
    finally:
        stop.set()
        go.set()
        thread.join()


def _sell_and_look(lab: Lab, server: Api, connection: psycopg.Connection[tuple[object, ...]]) -> float:
    """Seconds from the answer of a sale to its row."""
    key = new_id()
    sale = {
        "schema_version": "1.0",
        "tenant_id": "quiet",
        "store_id": key,
        "source_system": "pos",
        "event_id": key,
        "event_type": "SALE",
        "occurred_at": datetime.now(UTC).isoformat(),
        "txn_id": key,
        "currency": "EUR",
        "total_amount": 1,
        "line_items": [{"sku": "A", "qty": 1, "amount": 1}],
    }
    headers = {"Authorization": f"Bearer {lab.postgres.keys['quiet']}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}/v1/events", json.dumps(sale).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own loopback address
        assert answer.status == 201
    started = time.perf_counter()
    while time.perf_counter() - started < 30:
        found = connection.execute(_SEEN, ("quiet", key)).fetchone()
        if found is not None and found[0]:
            return time.perf_counter() - started
        time.sleep(0.01)
    raise AssertionError("a sale was not seen within 30 seconds")
