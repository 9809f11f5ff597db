"""A month is closed while events are posted into it: when the close has returned, nothing is posted there any more."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from random import Random
from threading import Event as Flag
from typing import Any

import psycopg
import pytest

from ledgersafe.pipeline.periods import set_period
from ledgersafe.pipeline.promote import Promoted, promote
from tests.attack.stand import fresh_seed
from tests.conftest import TestDatabase
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import operator
from tests.pipeline.posting import Till

FEW, ROUNDS = 3, 150 if os.environ.get("FULL") == "1" else 20
WORKERS, AT_ONCE = 3, 4
LOCKED = "PERIOD_LOCKED"
IN_THE_MONTH = """
SELECT transaction_id, revision, kind FROM silver.transactions WHERE tenant_id = %s AND date_trunc('month', books_date) = %s
UNION ALL
SELECT transaction_id, revision, 'entry of ' || kind FROM ledger.entries
WHERE tenant_id = %s AND date_trunc('month', books_date) = %s"""


@pytest.fixture(scope="module")
def of(new_database: Callable[[], TestDatabase]) -> TestDatabase:
    return new_database()


@pytest.fixture
def till(of: TestDatabase, tenant: str) -> Iterator[Till]:
    database = of.open(size=12)
    with psycopg.connect(of.superuser_url, autocommit=True) as superuser:
        yield Till(database, superuser, tenant, datetime.now(UTC))
    database.close()


class Month:
    """One month that is closed in the middle of its trade."""

    def __init__(self, till: Till, number: int, random: Random) -> None:
        self.till, self.number, self.random = till, number, random
        self.first = date(1980 + number // 12, number % 12 + 1, 1)  # all rounds end before today
        self.begun, self.ended = Flag(), Flag()

    def sale(self, name: str, **changes: Any) -> dict[str, Any]:
        day = self.first + timedelta(days=self.random.randrange(28))
        return self.till.sold(f"{self.number}-{name}", occurred_at=f"{day}T12:00:00Z", **changes)

    def about(self, kind: str, name: str, of: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Something later about a sale: the reversal counts for the month of the sale."""
        later = (self.first + timedelta(days=40)).isoformat()
        return self.till.amended(
            kind, f"{self.number}-{name}", of=of["txn_id"], occurred_at=f"{later}T12:00:00Z", **changes
        )

    def events(self) -> list[dict[str, Any]]:
        """Sales, cancellations, corrections out of the month and into it."""
        before = [self.sale(f"b{at}") for at in range(12)]
        self.till.send(*before)
        outside = self.first + timedelta(days=-9)
        others = [self.till.sold(f"{self.number}-o{at}", occurred_at=f"{outside}T12:00:00Z") for at in range(4)]
        self.till.send(*others)
        made = [self.sale(f"s{at}") for at in range(16)]
        made += [self.about("CANCEL", f"x{at}", before[at]) for at in range(4)]
        made += [self.about("CORRECTION", f"c{at}", before[at]) for at in range(4, 8)]
        made += [self.about("CORRECTION", f"out{at}", before[at], business_date=str(outside)) for at in range(8, 12)]
        made += [
            self.about("CORRECTION", f"in{at}", other, business_date=str(self.first)) for at, other in enumerate(others)
        ]
        self.random.shuffle(made)
        return made

    def work(self) -> Promoted:
        """A worker, a few events at a time."""
        total = Promoted()
        while True:
            is_last = self.ended.is_set()
            found = promote(self.till.db, self.till.tenant, self.till.now, AT_ONCE)
            total += found
            if found.posted:
                self.begun.set()
            if not found and is_last:
                return total

    def send(self, events: list[dict[str, Any]]) -> None:
        for at in range(0, len(events), 4):
            accepted(self.till.db, events[at : at + 4])
        self.ended.set()

    def close(self) -> tuple[list[Any], float]:
        """What is in the month when the close has returned, and how long that took."""
        assert self.begun.wait(60)
        time.sleep(self.random.uniform(0, 0.06))
        began = time.monotonic()
        closed = set_period(self.till.db, self.till.tenant, self.first, "closed", "the month is over", operator())
        assert closed.status == "closed"
        return self.there(), time.monotonic() - began

    def there(self) -> list[Any]:
        return sorted(self.till.rows(IN_THE_MONTH, self.first, self.till.tenant, self.first))


def run(till: Till, number: int, random: Random) -> tuple[int, int]:
    """One month; (posted before the close, parked because of it)."""
    month = Month(till, number, random)
    events = month.events()
    known = till.held().keys()
    with ThreadPoolExecutor(WORKERS + 3) as pool:
        closing = [pool.submit(month.close) for _ in range(2)]
        working = [pool.submit(month.work) for _ in range(WORKERS)]
        pool.submit(month.send, events).result(120)
        done = sum((one.result(120) for one in working), start=Promoted())
        (one_saw, took), (other_saw, _) = (one.result(120) for one in closing)
    assert took < 5
    held = {key: reason for key, reason in till.held().items() if key not in known}
    assert set(held.values()) <= {LOCKED}
    assert (done.posted, done.parked, done.put_off) == (len(events) - len(held), len(held), 0)
    assert one_saw == other_saw == month.there(), "something was posted after the close had returned"
    return done.posted, done.parked


def months(till: Till, rounds: int, random: Random) -> Counter[str]:
    """Some rounds, and in how many of them the close fell into the middle of the trade."""
    met: Counter[str] = Counter()
    for number in range(rounds):
        posted, parked = run(till, number * 3, random)
        met["in the middle" if posted and parked else "after it"] += 1
    closed = "SELECT count(*) FROM audit.audit_log WHERE tenant_id = %s AND action = 'period.closed'"
    assert till.rows(closed) == [(rounds,)], "of two who close it, one did"
    till.assert_sound()
    return met


def test_a_month_is_closed_while_it_is_posted_into(till: Till) -> None:
    assert months(till, FEW, Random(1)).total() == FEW  # noqa: S311 - a test must be repeatable


@pytest.mark.attack
@pytest.mark.timeout(900)
def test_a_month_is_closed_while_it_is_posted_into_many_times(till: Till) -> None:
    met = months(till, ROUNDS, Random(fresh_seed()))  # noqa: S311 - an attack must be repeatable
    print(dict(met))
    assert met["in the middle"] > ROUNDS / 4


@pytest.mark.attack
def test_closed_and_opened_again_and_again(till: Till) -> None:
    """What is posted is posted while the month was open: each posting lies between an opening and the next close."""
    month = Month(till, 1, Random(fresh_seed()))  # noqa: S311 - an attack must be repeatable
    ended = Flag()

    def toggle() -> int:
        changes, seen = 0, list[Any]()
        while not ended.is_set():
            set_period(till.db, till.tenant, month.first, "closed", "over", operator())
            seen = month.there()
            time.sleep(0.02)
            assert month.there() == seen, "something was posted into a closed month"
            set_period(till.db, till.tenant, month.first, "open", "not over", operator())
            time.sleep(0.02)
            changes += 2
        return changes

    events = [month.sale(f"s{at}") for at in range(240)]
    with ThreadPoolExecutor(WORKERS + 1) as pool:
        toggling = pool.submit(toggle)
        working = [pool.submit(month.work) for _ in range(WORKERS)]
        for at in range(0, len(events), 4):
            accepted(till.db, events[at : at + 4])
            time.sleep(0.01)
        month.ended.set()
        done = sum((one.result(60) for one in working), start=Promoted())
        ended.set()
        changes = toggling.result(120)
    print(f"{done}, {changes} changes")
    assert min(done.posted, done.parked) > 0
    assert done.posted + done.parked == len(events)
    assert set(till.held().values()) == {LOCKED}
    till.assert_sound()


def test_a_month_is_open_until_the_close_commits(till: Till, of: TestDatabase) -> None:
    """A close that waits for a posting under way, and a posting that waits for a close: neither for ever."""
    month = Month(till, 30, Random(2))  # noqa: S311 - a test must be repeatable
    till.send(month.sale("first"))
    with psycopg.connect(of.superuser_url) as posting, ThreadPoolExecutor(2) as pool:
        posting.execute("SELECT FROM ledger.periods WHERE tenant_id = %s FOR SHARE", [till.tenant])
        month.begun.set()
        closing = pool.submit(month.close)
        time.sleep(0.3)
        assert not closing.done(), "it waits for what is being posted"
        accepted(till.db, [month.sale("second")])
        promoting = pool.submit(promote, till.db, till.tenant, till.now)
        posting.rollback()
        seen, _ = closing.result(10)
        promoting.result(10)
    assert month.there() == seen
    assert till.held() in ({}, {"30-second": LOCKED})
    till.assert_sound()
