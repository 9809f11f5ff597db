"""Gold follows in a thread of its own: it holds up no posting, and does not run after every batch."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import pytest

from ledgersafe.bootstrap import Runtime
from ledgersafe.db.database import Database
from ledgersafe.gate import store as gate
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.settings import Settings
from ledgersafe.worker import loop
from tests.events import sale
from tests.gold.trade import held
from tests.pipeline.arrivals import accepted


@contextmanager
def working(database: Database) -> Generator[None]:
    """A worker without a schedule, as long as the block lasts."""
    stop = Event()
    runtime = Runtime(Settings(), database, SystemClock())
    thread = Thread(target=loop.work, args=[runtime, stop], kwargs={"jobs": ()}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def in_time(happened: Any, seconds: float = 15) -> bool:
    """Whether it happens soon."""
    give_up = monotonic() + seconds
    while not happened():
        if monotonic() > give_up:
            return False
        sleep(0.05)
    return True


def is_posted(database: Database, tenant: str) -> bool:
    """Whether nothing waits to be posted."""
    with database.snapshot() as tx:
        return tenant not in gate.tenants_to_post(tx).all()


def test_posting_goes_on_while_gold_takes_its_time(
    database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_it, real = Event(), loop.refreshing
    may_go_on = Event()

    def slow(runtime: Runtime) -> bool:
        at_it.set()
        return may_go_on.wait(30) and real(runtime)

    monkeypatch.setattr(loop, "refreshing", slow)
    with working(database):
        assert at_it.wait(10)
        accepted(database, [sale(tenant, occurred_at=datetime.now(UTC).isoformat())])
        assert in_time(lambda: is_posted(database, tenant)), "gold holds up posting"
        assert held(database, tenant, "daily_store_sales") == {}
        may_go_on.set()
        assert in_time(lambda: len(held(database, tenant, "daily_store_sales")) == 1), "gold does not follow"


def test_gold_rests_between_its_rounds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is to do: what comes meanwhile is added up together."""
    rounds: list[float] = []

    def busy(_: Runtime) -> bool:
        rounds.append(monotonic())
        return True

    monkeypatch.setattr(loop, "refreshing", busy)
    with working(database):
        assert in_time(lambda: len(rounds) >= 4)
    assert all(after - before >= 0.8 * loop.IDLE_SECONDS for before, after in pairwise(rounds))
