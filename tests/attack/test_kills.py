"""kill -9 at random points under load: of API processes, the worker, Postgres, its sessions. The clients' log judges.

The worker posts and refreshes while traffic flows, and is killed in the middle of it; at the end the books and gold are
judged, too.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

import psycopg
import pytest

from tests.attack.clients import Flight, Load, Log
from tests.attack.judge import broken, faults, faults_of_api, recent_faults
from tests.attack.midway import kill_in
from tests.attack.stand import FULL, Stand, eventually, fresh_seed, standing
from tests.attack.traffic import Traffic
from tests.pipeline.operating import IGNORE, MENDS, REPLAY

ROUNDS = 102 if FULL else 12
TARGETS = ["api", "postgres", "worker", "session", "posting", "refreshing"]
CAUGHT_UP = ("gold: nothing is left to be posted", "gold: every batch is in every table of sums, and no other")
HELD = 600
TENANTS = ["north", "south", "west"]
DECISIONS: list[dict[str, Any]] = [
    {"action": IGNORE, "resolution_notes": "let go"},
    {"action": REPLAY, "resolution_notes": "mended", "canonical": "first", "override_patch": MENDS},
]
RUN = "SELECT status, planned - resolved - refused - skipped, planned FROM quarantine.bulk_runs WHERE run_id = %s"
RUN_IS_FREE = "SELECT FROM quarantine.bulk_runs WHERE run_id = %s FOR UPDATE SKIP LOCKED"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(tmp_path_factory.mktemp("kills")) as made:
        made.worker.start()
        yield made


class Attack:
    """The rounds of one test, and what they met."""

    def __init__(self, stand: Stand, seed: int) -> None:
        self.stand = stand
        self.random = Random(seed)  # noqa: S311 - an attack must be repeatable
        self.log = Log()
        self.met: Counter[str] = Counter()

    def round(self, number: int, target: str) -> None:
        """Load, a kill, a recovery under load; then every client has its answer, and this round is judged."""
        since = len(self.log.told)
        seed = self.random.randrange(1_000_000)
        traffic = Traffic(seed, TENANTS, f"k{number}", amends=0.08)
        pause = 0.1 if target == "worker" else 0.0  # a run is waited for: what comes meanwhile is the next one's work
        with self.stand.load(self.log, traffic, seed=seed, pause=pause) as load:
            time.sleep(self.random.uniform(0.1, 0.6))
            getattr(self, f"kill_{target}")(load, traffic)
            time.sleep(self.random.uniform(0.1, 0.4))
            load.drain()
        assert recent_faults(self.stand.of, self.log, since) == []

    def kill_api(self, load: Load, _: Traffic) -> None:
        port = self.random.choice(self.stand.ports)
        program = self.stand.apis[port]
        self.until_it_meets_a_request(load, port, program.kill, program.start)

    def kill_postgres(self, load: Load, _: Traffic) -> None:
        self.until_it_meets_a_request(load, None, self.stand.kill_postgres, self.stand.server.start)

    def kill_session(self, load: Load, _: Traffic) -> None:
        """One server process of a client's: Postgres ends all others, recovers, and needs nobody to start it."""
        self.until_it_meets_a_request(load, None, self.stand.kill_session, lambda: None)

    def until_it_meets_a_request(
        self, load: Load, port: int | None, kill: Callable[[], None], revive: Callable[[], object]
    ) -> None:
        """A kill that met no request does not count. The API processes that live recover by themselves."""
        for _ in range(10):
            eventually(partial(load.flying, port))
            flying, pids = load.flying(port), self.stand.pids()
            kill()
            time.sleep(self.random.choice([0, 0, self.random.uniform(0, 0.5)]))
            revive()
            is_met = self.has_met(flying)
            for other in self.stand.ports:
                self.stand.wait_for(other)
            assert port is not None or pids == self.stand.pids()
            if is_met:
                return
        raise AssertionError("no kill met a request")

    def kill_worker(self, load: Load, traffic: Traffic) -> None:
        """A run over what is open, retries and conflicts of it included; another worker takes it over."""
        for _ in range(10):
            Load(self.stand.ports, self.stand.key, self.log, clients=1).start([traffic.faulty(HELD)]).drain()
            run_id = self.plan(self.random.choice(TENANTS))
            eventually(partial(self.has_begun, run_id))
            time.sleep(self.random.uniform(0, 0.1))
            is_under_way = self.stop_and_kill_worker(run_id)
            eventually(load.flying)
            self.stand.worker.start()
            eventually(partial(self.has_ended, run_id), 180)
            if is_under_way:
                return
        raise AssertionError("no kill met a run under way")

    def kill_posting(self, _: Load, __: Traffic) -> None:
        self.until_midway("posting")

    def kill_refreshing(self, _: Load, __: Traffic) -> None:
        self.until_midway("refreshing")

    def until_midway(self, what: str) -> None:
        """A kill that met the worker doing something else does not count."""
        with psycopg.connect(self.stand.of.superuser_url, autocommit=True) as superuser:
            for _ in range(4):
                found = kill_in(self.stand.worker, superuser, what, 30)  # it starts, and has a lot to post first
                self.met.update(found)
                self.stand.worker.start()
                if found[f"in {what}"]:
                    return
        raise AssertionError(f"no kill met the worker {what}")

    def plan(self, tenant: str) -> str:
        """Start a run over all that is open of a tenant."""
        wish = self.random.choice(DECISIONS) | {"filter": {"tenant_id": tenant}, "max_replays": 100}
        with self.stand.api().client() as client:
            answer = client.post("/v1/exceptions:resolve", json=wish)
        assert answer.status_code == 202, answer.text
        return answer.json()["run_id"]

    def progress(self, run_id: str) -> tuple[Any, ...]:
        """(status, how many are left, how many there were)."""
        return self.stand.rows(RUN, run_id)[0]

    def has_begun(self, run_id: str) -> bool:
        _, left, planned = self.progress(run_id)
        return left < planned

    def has_ended(self, run_id: str) -> bool:
        return self.progress(run_id)[:2] == ("finished", 0)

    def stop_and_kill_worker(self, run_id: str) -> bool:
        """Hold the worker first, so that what it was doing when it was killed can be seen."""
        assert self.stand.worker.process is not None
        os.kill(self.stand.worker.process.pid, signal.SIGSTOP)
        status, left, _ = self.progress(run_id)
        is_free = self.stand.rows(RUN_IS_FREE, run_id)
        self.stand.worker.kill()
        self.met["run under way"] += status == "running"
        self.met["chunk under way"] += not is_free
        return status == "running" and left > 0

    def has_met(self, flying: list[Flight]) -> bool:
        """Whether a request that was under way at the kill had no good answer."""
        eventually(lambda: all(flight.fate is not None for flight in flying))
        fates = Counter(str(flight.fate) for flight in flying)
        self.met.update(fates)
        return fates.total() > fates["answered"]


@pytest.mark.attack
@pytest.mark.timeout(2400 if FULL else 600)
def test_nothing_acknowledged_is_lost_by_kills(stand: Stand) -> None:
    seed = fresh_seed()
    attack = Attack(stand, seed)
    targets = [TARGETS[number % len(TARGETS)] for number in range(ROUNDS)]
    attack.random.shuffle(targets)
    began = time.monotonic()
    for number, target in enumerate(targets):
        attack.round(number, target)
        print(f"round {number}: {target}, {time.monotonic() - began:.1f} s; {attack.log.summary()}")
    with psycopg.connect(stand.of.superuser_url, autocommit=True) as superuser:
        waited = eventually(lambda: not any(broken(superuser, name) for name in CAUGHT_UP), 120)
    stand.worker.stop()
    (kept,) = stand.rows("SELECT count(*) FROM bronze.events_raw")[0]
    posted = dict(stand.rows("SELECT event_type, count(*) FROM silver.transactions GROUP BY 1"))  # type: ignore[arg-type]
    print(
        f"met {dict(attack.met)}; kept {kept}, acknowledged {len(attack.log.told)}; caught up in {waited:.1f} s: {posted}"
    )
    assert posted.keys() == {"SALE", "RETURN", "CORRECTION", "VOID", "CANCEL"}
    assert min(attack.met["in posting"], attack.met["in refreshing"]) >= ROUNDS // len(TARGETS)
    assert faults(stand.of, attack.log, caught_up=True) == [], f"ATTACK_SEED={seed}"
    assert faults_of_api(stand.api(), TENANTS) == [], f"ATTACK_SEED={seed}"
