"""Retries come in while their events are posted, parked and released: neither the door nor the worker is turned away."""

from random import Random
from threading import Event, Thread

from ledgersafe.db.errors import TryAgain
from ledgersafe.pipeline.promote import promote
from tests.pipeline.arrivals import accepted
from tests.pipeline.posting import Till


def test_retries_do_not_deadlock_with_posting(till: Till) -> None:
    sales = [till.sold(f"s{number:03}") for number in range(150)]
    voids = [till.amended("VOID", f"{'az'[number % 2]}{number:03}", of=f"txn-s{number:03}") for number in range(150)]
    random, stop, failures = Random(1), Event(), list[TryAgain]()  # noqa: S311 - a test must be repeatable

    def work() -> None:
        while not stop.is_set():
            promote(till.db, till.tenant, till.now, 20)

    workers = [Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    events = sales + voids
    random.shuffle(events)
    for begin in range(0, len(events), 30):
        accepted(till.db, events[begin : begin + 30])
        for _ in range(3):
            try:
                accepted(till.db, random.sample(events[: begin + 30], 25))
            except TryAgain as error:
                failures.append(error)
    stop.set()
    for worker in workers:
        worker.join(30)
    till.drain()
    assert failures == []
    assert till.held() == {}
    assert {state for state, _ in till.states().values()} == {"voided"}
    till.assert_sound()
