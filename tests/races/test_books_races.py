"""Events that meet in the books, each with a worker of its own: one of them wins, the other is told why not, none is lost."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.pipeline.resolve import decide
from tests.attack.stand import Program, eventually, fresh_seed
from tests.conftest import TestDatabase, clean_environment
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import MENDS, REPLAY, operator, wish
from tests.pipeline.posting import Till
from tests.pipeline.racing import race
from tests.races.books_racing import SCENES, Scene, Story

FULL = os.environ.get("FULL") == "1"
FEW, ROUNDS = 4, 200 if FULL else 25
OF_EACH = 120 if FULL else 20
SENDERS = 4
PAUSE = 0.03
"""Seconds between two stories, so that the workers keep on finding something, and never much at once."""


@pytest.fixture(scope="module")
def of(new_database: Callable[[], TestDatabase]) -> TestDatabase:
    return new_database()


@pytest.fixture(scope="module")
def db(of: TestDatabase) -> Iterator[Database]:
    opened = of.open(size=12)
    yield opened
    opened.close()


@pytest.fixture
def till(of: TestDatabase, db: Database, tenant: str) -> Iterator[Till]:
    with psycopg.connect(of.superuser_url, autocommit=True) as superuser:
        yield Till(db, superuser, tenant, datetime.now(UTC))


def run(till: Till, scene: Scene, rounds: int) -> Counter[str]:
    """Each rival is claimed by a worker of its own, at once; how often the scene came to which end."""
    stories = [scene(till, str(number)) for number in range(rounds)]
    till.send(*(event for story in stories for event in story.before))
    for story in stories:
        race(till, *([event] for event in story.rivals))
    assert till.count("silver.waiting") == 0
    till.assert_sound()
    return Counter(story.end(till) for story in stories)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_what_meets_in_the_books(till: Till, scene: Scene) -> None:
    assert run(till, scene, FEW).total() == FEW


@pytest.mark.attack
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_what_meets_in_the_books_many_rounds(till: Till, scene: Scene) -> None:
    met = run(till, scene, ROUNDS)
    print(f"{scene.__name__}: {dict(met)}")
    assert met.total() == ROUNDS
    possible = len(scene(till, "again").ends)
    assert not FULL or len(met) > possible / 2, f"the race is none: of {possible} ends only {dict(met)}"


@pytest.fixture
def workers(of: TestDatabase, tmp_path: Path) -> Iterator[list[Program]]:
    """Two real worker processes."""
    environment = clean_environment() | {"LEDGERSAFE_DATABASE_URL": of.app_url, "LEDGERSAFE_LOG_LEVEL": "warning"}
    made = [Program(("ledgersafe", "work"), environment, tmp_path / f"worker-{at}.log") for at in range(2)]
    for one in made:
        one.start()
    yield made
    for one in made:
        one.stop()
    assert [(tmp_path / f"worker-{at}.log").read_text() for at in range(2)] == ["", ""]


@pytest.mark.attack
@pytest.mark.timeout(900)
def test_all_of_it_over_two_worker_processes(till: Till, workers: list[Program]) -> None:
    """Every scene many times, by several senders, one event at a time: the workers take what is there as it comes."""
    del workers
    random = Random(fresh_seed())  # noqa: S311 - an attack must be repeatable
    stories = [scene(till, f"{at}-{number}") for at, scene in enumerate(SCENES) for number in range(OF_EACH)]
    accepted(till.db, [event for story in stories for event in story.before])
    eventually(lambda: till.count("gate.to_post") == 0, 60)
    random.shuffle(stories)
    tellers: list[list[Story]] = [stories[at::2] for at in range(2)]
    with ThreadPoolExecutor(SENDERS) as pool:
        telling = [pool.submit(tell, till, told, at + 2 * half) for at, told in enumerate(tellers) for half in (0, 1)]
        for one in telling:
            one.result()
    eventually(lambda: till.count("gate.to_post") == 0, 120)
    met = Counter(story.end(till) for story in stories)
    print(dict(met))
    assert till.count("silver.waiting") == 0
    till.assert_sound()
    print(f"{till.count('silver.batches')} batches")
    assert till.count("silver.batches") > 10, "nobody met: all was posted in a few batches"


def tell(till: Till, stories: list[Story], sender: int) -> None:
    """Every second rival of these stories; another sender has the others, at the same time."""
    for story in stories:
        for event in story.rivals[sender // 2 :: 2]:
            accepted(till.db, [event], slot=sender)
        time.sleep(PAUSE)


def test_one_decision_on_an_original_and_on_who_waits_for_it(till: Till) -> None:
    """Who waits is released by the original that the decision posts, and replayed by the decision: one of the two."""
    till.send(till.sold("s", total_amount=1), till.amended("CANCEL", "x"), till.amended("CANCEL", "y", of="txn-t"))
    sql = "SELECT idempotency_key, exception_id FROM quarantine.exceptions WHERE tenant_id = %s"
    held = dict(till.rows(sql))
    with till.db.transaction() as tx:
        found = decide(tx, till.tenant, [held["s"], held["x"], held["y"]], wish(REPLAY, patch=MENDS), operator())
    assert [result.refusal is None for result in found.results] == [True, True, False]
    assert till.drain().posted == 0
    assert till.held() == {"y": "MISSING_REFERENCE"}
    assert till.states()["txn-s"] == ("voided", 1)
    assert till.count("gate.to_post") == 0
    till.assert_sound()
