"""Sales and all that may follow them, in any order and repeatedly, over two workers that are killed: the books are right."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import psycopg
import pytest

from ledgersafe.db.database import Database
from tests.attack.books_model import Author, End, balances, lines_of
from tests.attack.stand import FULL, Program, Stand, eventually, fresh_seed
from tests.pipeline.arrivals import accepted
from tests.pipeline.posting import Till

SEEDS = 200 if FULL else 20
STORIES = 25
OPEN = b"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ledgersafe' AND backend_xid IS NOT NULL"
LIVE = """
SELECT txn_id, l.sku, l.quantity, l.amount FROM silver.heads h JOIN silver.line_items l
USING (tenant_id, transaction_id, revision) WHERE tenant_id = %s AND h.state = 'live' AND l.kind = 'posting'"""
CAUSES = """
SELECT txn_id, event_id FROM silver.heads JOIN silver.transactions USING (tenant_id, store_id, txn_id, transaction_id, revision)
WHERE tenant_id = %s AND state = 'live' AND kind = 'posting'"""
PARKED = {"MISSING_REFERENCE", "ORIGINAL_ALREADY_VOIDED", "CANNOT_EXCEED_ORIGINAL", "DUPLICATE_TRANSACTION"}


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    made = Stand(tmp_path_factory.mktemp("books"), apis=0)
    try:
        yield made
    finally:
        made.stop()


class Attack:
    """The workers, and what the kills met."""

    def __init__(self, stand: Stand, random: Random) -> None:
        self.random = random
        self.workers: list[Program] = [stand.worker, stand._program("worker-2", "ledgersafe", "work")]
        self.met: Counter[str] = Counter()

    def kill(self, superuser: psycopg.Connection) -> None:
        """One of them, as soon as anybody is posting; held first, so that what it was doing can be seen."""
        worker = self.random.choice(self.workers)
        assert worker.process is not None
        self.met["kills"] += 1
        end = time.monotonic() + self.random.uniform(0, 0.5)
        while time.monotonic() < end and not superuser.execute(OPEN).fetchall()[0][0]:
            time.sleep(0.001)
        os.kill(worker.process.pid, signal.SIGSTOP)
        self.met["met a transaction"] += superuser.execute(OPEN).fetchall()[0][0]
        worker.kill()
        worker.start()

    def round(self, database: Database, superuser: psycopg.Connection, seed: int) -> None:
        """One tenant's stories, told in disorder."""
        till = Till(database, superuser, f"books-{seed}", datetime.now(UTC))
        author = Author(self.random, till.tenant)
        stories = [author.story() for _ in range(STORIES)]
        events = [event for story in stories for event in story.events]
        events += self.random.choices(events, k=len(events) // 5)
        self.random.shuffle(events)
        kills = {self.random.randrange(len(events)) for _ in range(2)}
        at = 0
        while at < len(events):
            size = self.random.choice([1, 2, 5, 15])
            accepted(database, events[at : at + size])
            if any(at <= kill < at + size for kill in kills):
                self.kill(superuser)
            at += size
            time.sleep(self.random.choice([0, 0, 0.02]))
        eventually(lambda: till.count("gate.to_post") == 0, 30)
        assert_right(till, [story.ends for story in stories])


def assert_right(till: Till, stories: list[list[End]]) -> None:
    """Each story has come to one of its ends, and the accounts are what these make."""
    live: dict[str, Counter[Any]] = {}
    for txn, *line in till.rows(LIVE):
        live.setdefault(txn, Counter())[tuple(line)] += 1
    standing = []
    for ends in stories:
        names = {txn for end in ends for txn in end}
        found = {txn: live.pop(txn) for txn in names if txn in live}
        fits = [end for end in ends if {txn: lines_of(event) for txn, event in end.items() if event} == found]
        assert fits, f"{found} is none of {ends}"
        standing.append(fits)
    assert live == {}
    causes = dict(till.rows(CAUSES))
    chosen = [
        next(
            end for end in fits if all(event is None or causes[txn] == event["event_id"] for txn, event in end.items())
        )
        for fits in standing
    ]
    assert till.balances() == balances(event for end in chosen for event in end.values() if event)
    assert set(till.held().values()) <= PARKED
    assert {key for key, (_, posted) in till.keys().items() if not posted} == till.held().keys()
    till.assert_sound()


@pytest.mark.attack
@pytest.mark.timeout(2400 if FULL else 400)
def test_the_books_are_right_whatever_the_order_and_whoever_dies(stand: Stand) -> None:
    seed = fresh_seed()
    attack = Attack(stand, Random(seed))  # noqa: S311 - an attack must be repeatable
    for worker in attack.workers:
        worker.start()
    database = stand.of.open(size=2)
    with psycopg.connect(stand.of.superuser_url, autocommit=True) as superuser:
        for number in range(SEEDS):
            attack.round(database, superuser, number)
    for worker in attack.workers:
        worker.stop()
    database.close()
    print(f"{SEEDS} rounds, {dict(attack.met)}")
