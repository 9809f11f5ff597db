"""Two workers at once: each has its events claimed before either may go on."""

from threading import Barrier, Thread
from typing import Any

from ledgersafe.db.database import Tx
from ledgersafe.gate import store as gate
from ledgersafe.pipeline import promote as promoting
from tests.pipeline.arrivals import accepted
from tests.pipeline.posting import Till


def race(till: Till, *groups: list[dict[str, Any]]) -> None:
    """Post groups of events at once, each by a worker of its own; what is released after that, too."""
    ids = [[outcome.raw_id for outcome in accepted(till.db, events)] for events in groups]
    start, failures = Barrier(len(groups)), list[BaseException]()

    def work(raw_ids: list[str]) -> None:
        try:
            start.wait(10)
            promoting._promote(till.db, till.tenant, till.now, 100, raw_ids)  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failures.append(error)

    threads = [Thread(target=work, args=[raw_ids]) for raw_ids in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for failure in failures:
        raise failure
    till.drain()


def held_open(till: Till, tx: Tx, raw_ids: list[str]) -> None:
    """Post these in a transaction that stays open."""
    claimed = gate.claim_to_post(tx, till.tenant, till.now, till.now, 100, [str(one) for one in raw_ids]).all()
    assert len(claimed) == len(raw_ids)
    promoting._post_claimed(tx, till.tenant, till.now, claimed)
