"""Sales and all that may follow them, in any order, late and repeatedly, over two workers that are killed: books and gold are right."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.gold.rules import tables
from ledgersafe.pipeline.gold_verify import verify_gold
from tests.attack.books_model import Author, End, accounts, lines_of, product_days, store_days, without_nothing
from tests.attack.midway import kill_in
from tests.attack.stand import FULL, Program, Stand, eventually, fresh_seed
from tests.pipeline.arrivals import accepted
from tests.pipeline.posting import Till

SEEDS = 200 if FULL else 20
STORIES = 25
LIVE = """
SELECT txn_id, l.sku, l.quantity, l.amount FROM silver.heads h JOIN silver.line_items l
USING (tenant_id, transaction_id, revision) WHERE tenant_id = %s AND h.state = 'live' AND l.kind = 'posting'"""
CAUSES = """
SELECT txn_id, event_id FROM silver.heads JOIN silver.transactions USING (tenant_id, store_id, txn_id, transaction_id, revision)
WHERE tenant_id = %s AND state = 'live' AND kind = 'posting'"""
GOLD = {
    accounts: """SELECT books_date, role, sum(balance) FROM gold.account_daily JOIN ledger.accounts USING (tenant_id, account)
        WHERE tenant_id = %s GROUP BY 1, 2""",
    store_days: """SELECT books_date, store_id, transactions, units, gross, returns, net, tax FROM gold.daily_store_sales
        WHERE tenant_id = %s""",
    product_days: """SELECT books_date, store_id, sku, units, gross, returns FROM gold.daily_product_sales
        WHERE tenant_id = %s AND sku <> ''""",
}
"""What the model reckons → the same, asked of gold."""
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

    def kill(self, superuser: psycopg.Connection, feed: Callable[[], object]) -> None:
        """One of them, in the middle of posting or of refreshing where it can be had."""
        self.met["kills"] += 1
        worker, what = self.random.choice(self.workers), self.random.choice(["posting", "refreshing"])
        self.met.update(kill_in(worker, superuser, what, 1, feed))
        worker.start()

    @staticmethod
    def pending(database: Database, tenant: str) -> dict[str, int]:
        """Batches that gold has yet to apply, by table; those on the schedule may wait for a killed worker's lease."""
        at_once = {name for name, table in tables().items() if table.follows_at_once}
        return {one.table: one.pending for one in verify_gold(database, tenant) if one.pending and one.table in at_once}

    def round(self, database: Database, superuser: psycopg.Connection, seed: int) -> None:
        """One tenant's stories, told in disorder."""
        till = Till(database, superuser, f"books-{seed}", datetime.now(UTC))
        author = Author(self.random, till.tenant)
        stories = [author.story() for _ in range(STORIES)]
        events = [event for story in stories for event in story.events]
        events += self.random.choices(events, k=len(events) // 5)
        self.random.shuffle(events)
        kills = sorted(self.random.randrange(len(events)) for _ in range(2))

        def feed() -> None:
            some = [events.pop() for _ in range(min(len(events), self.random.choice([1, 2, 5, 15])))]
            if some:
                accepted(database, some)

        while events:
            feed()
            if kills and len(events) <= kills[-1]:
                kills.pop()
                self.kill(superuser, feed)
            time.sleep(self.random.choice([0, 0, 0.02]))
        eventually(lambda: till.count("gate.to_post") == 0, 30)
        eventually(lambda: not self.pending(database, till.tenant), 60)
        assert_right(till, [story.ends for story in stories])


def assert_right(till: Till, stories: list[list[End]]) -> None:
    """Each story has come to one of its ends, and the accounts and gold are what these make, day by day."""
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
    stands = [event for end in chosen for event in end.values() if event]
    for reckon, sql in GOLD.items():
        rows = {tuple(row[: -len(measures)]): measures for row in till.rows(sql) for measures in [_measures(row)]}
        assert without_nothing(rows) == reckon(stands), reckon.__name__
    assert [one for one in verify_gold(till.db, till.tenant) if not one.ok] == []
    assert set(till.held().values()) <= PARKED
    assert {key for key, (_, posted) in till.keys().items() if not posted} == till.held().keys()
    till.assert_sound()


def _measures(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The numbers at its end."""
    return tuple(value for value in row if isinstance(value, int | Decimal))


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
    assert attack.met["in posting"] >= SEEDS / 4, "the kills met too little"
    assert attack.met["in refreshing"] >= SEEDS / 4, "the kills met too little"
