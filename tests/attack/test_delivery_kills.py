"""kill -9 at every stage of a delivery: of the worker, of the API amid an upload, of Postgres. Taken over, loaded once.

Files are sent all the time. A worker is held at a stage, seen to be there with a delivery in its hands, and killed; or it
is held until another has taken the delivery over, and then goes on. Its lease is brought forward: nobody waits for it.
"""

import os
import signal
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any
from urllib.parse import urlencode

import httpx
import psycopg
import pytest

from tests.attack.judge import broken, faults_of_api, faults_of_tables
from tests.attack.judge_files import ZoneWatch, faults_of_book, faults_of_files
from tests.attack.midfile import OF_SALES, STAGES, Victim, at_work, held
from tests.attack.recipes import CONTRACTS, HEADERS, TENANTS, Made, Plan, Recipe, make
from tests.attack.senders import Book, Senders
from tests.attack.stand import FULL, Stand, eventually, fresh_seed, standing
from tests.attack.test_kills import CAUGHT_UP

TARGETS = [*STAGES, "received", "frozen_loading", "frozen_sending", "api", "linked", "contract", "postgres"]
ROUNDS = 112 if FULL else 14
ROWS = 50_000 if FULL else 30_000
FROZEN_AT = {"loading": ("copying", "merging"), "sending": ("reading", "between")}
"""Where it may stop for long: elsewhere it holds its record locked, and nobody can take the delivery over."""
OVER = "SELECT filename FROM files.ingestions WHERE status NOT IN ('received', 'processing')"
WAITING = "SELECT count(*) FROM files.ingestions WHERE status IN ('received', 'processing')"
BRING_FORWARD = "UPDATE files.ingestions SET due_at = received_at WHERE status IN ('received', 'processing')"
BUGS = ("files_failed", "delivery_failed", "task_failed")
STATE = "SELECT status, attempts, leased_by::text FROM files.ingestions WHERE ingestion_id = %s"
UNCLAIMED = "SELECT ingestion_id::text FROM files.ingestions WHERE status = 'received' AND attempts = 0 LIMIT 1"
RECORDED = "SELECT count(*) FROM files.ingestions WHERE sha256 = %s"
RIVAL_FILE = """
INSERT INTO files.ingestions (tenant_id, ingestion_id, dataset, filename, sha256, size_bytes, raw_path, status, due_at,
  received_at, received_by)
VALUES (%s, gen_random_uuid(), %s, 'rival', %s, 0, 'nowhere', 'received', now(), now(), 'rival')"""
RIVAL_CONTRACT = """
INSERT INTO files.contracts (tenant_id, dataset, version, members, put_at, put_by)
VALUES (%s, %s, 1, '{}', now(), 'rival')"""
TABLE = "SELECT to_regclass(%s)::text"
WAITED_FOR = "SELECT count(*) FROM pg_stat_activity WHERE pg_blocking_pids(pid) @> ARRAY[%s::integer]"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("deliveries")
    with standing(folder, raw_zone=str(folder / "raw")) as made:
        made.worker.start()
        with made.api().client() as client:
            for tenant in TENANTS:
                for members in CONTRACTS:
                    path = f"/v1/datasets/{members['dataset']}/contract"
                    answer = client.put(path, params={"tenant_id": tenant}, json=members)
                    assert answer.status_code == 200, answer.text
        yield made


class Attack:
    """The rounds of one test, and what they met."""

    def __init__(self, stand: Stand, seed: int, zone: ZoneWatch) -> None:
        self.stand = stand
        self.zone = zone
        self.random = Random(seed)  # noqa: S311 - an attack must be repeatable
        self.book = Book()
        self.superuser: psycopg.Connection | None = None
        self.plan = Plan(seed, ROWS, self.are_over)
        urls = [stand.url(port) for port in stand.ports]
        self.senders = Senders(urls, stand.key, self.book, self.plan, self.waiting, seed)
        self.spare = stand._program("worker-2", "ledgersafe", "work")
        self.met: Counter[str] = Counter()

    def rows(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """What the superuser reads, or does; raises psycopg.OperationalError where Postgres is away."""
        superuser = self.superuser
        if superuser is None or superuser.closed:
            superuser = self.superuser = psycopg.connect(self.stand.of.superuser_url, autocommit=True)
        cursor = superuser.execute(sql.encode(), parameters)
        return cursor.fetchall() if cursor.description else []

    def are_over(self) -> set[object]:
        """The names of files that are worked off, as far as that can be seen."""
        try:
            return {filename for (filename,) in self.rows(OVER)}
        except psycopg.OperationalError:
            return set()

    def waiting(self) -> int:
        """How many are not; many, where that cannot be seen."""
        try:
            return int(str(self.rows(WAITING)[0][0]))
        except psycopg.OperationalError:
            return 999

    def round(self, target: str) -> None:
        """A kill, and what was met is taken over, to its end."""
        if target in STAGES:
            self.kill_at(target)
        else:
            getattr(self, f"kill_{target}")()
        assert self.zone.faults == []
        assert faults_of_book(self.so_far()) == []

    def so_far(self) -> Book:
        """What is answered; the rest is under way."""
        acks = {number: list(acks) for number, acks in list(self.book.acks.items()) if acks}
        recipes = {number: self.book.recipes[number] for number in acks}
        return Book(recipes, defaultdict(list, acks), odd=self.book.odd)

    def kill_at(self, stage: str, again: int = 2) -> None:
        """Of a worker, with a delivery in its hands; often the next one to take it over, too."""
        with self.held_at(stage) as victim:
            self.stand.worker.kill()
        self.met[stage] += 1
        self.give_up(victim)
        self.stand.worker.start()
        if again and self.random.random() < 0.3:
            stages = STAGES if victim.dataset == "sales" else [one for one in STAGES if one not in OF_SALES]
            self.kill_at(self.random.choice(stages), again - 1)
        self.ends(victim)

    @contextmanager
    def held_at(self, stage: str) -> Generator[Victim]:
        """The worker stands there for as long as the block lasts; meanwhile come files that get there."""
        with (
            self.plan.only(["sales"] if stage in OF_SALES else list(HEADERS)),
            held(self.stand.worker, self.stand.of.superuser_url, stage, 60, self.random) as victim,
        ):
            assert victim is not None, f"no delivery came to {stage}"
            yield victim

    def give_up(self, victim: Victim) -> None:
        """Its lease is over: the next worker to look has it."""
        status, _, lease = self.state(victim.ingestion_id)
        assert (status, lease) == ("processing", victim.lease), "it was not in its hands"
        self.rows(BRING_FORWARD)

    def state(self, ingestion_id: str) -> tuple[object, ...]:
        """(status, attempts, lease)."""
        return self.rows(STATE, ingestion_id)[0]

    def ends(self, victim: Victim) -> None:
        """It is worked off by another attempt."""
        waited = eventually(partial(self.has_ended, victim.ingestion_id), 90)
        attempts = self.state(victim.ingestion_id)[1]
        assert int(str(attempts)) > victim.attempts
        self.met["slowest take-over, ms"] = max(self.met["slowest take-over, ms"], round(waited * 1000))

    def has_ended(self, ingestion_id: str) -> bool:
        return self.state(ingestion_id)[0] not in ("received", "processing")

    def kill_received(self) -> None:
        """Before anybody has taken it; what the worker has instead, is taken over, too."""
        eventually(lambda: self.rows(UNCLAIMED), 40)
        assert self.stand.worker.process is not None
        os.kill(self.stand.worker.process.pid, signal.SIGSTOP)
        eventually(lambda: self.rows(UNCLAIMED))
        waits = str(self.rows(UNCLAIMED)[0][0])
        self.met["received"] += 1
        self.stand.worker.kill()
        self.rows(BRING_FORWARD)
        self.stand.worker.start()
        eventually(partial(self.has_ended, waits), 90)

    def kill_frozen_loading(self) -> None:
        self.kill_frozen(self.random.choice(FROZEN_AT["loading"]))

    def kill_frozen_sending(self) -> None:
        self.kill_frozen(self.random.choice(FROZEN_AT["sending"]))

    def kill_frozen(self, stage: str) -> None:
        """A worker stands still until another one has its delivery, then goes on: what it writes is not taken."""
        with self.held_at(stage) as victim:
            self.give_up(victim)
            self.spare.start()
            eventually(lambda: self.state(victim.ingestion_id)[2] != victim.lease, 30)
            time.sleep(self.random.choice([0, self.random.uniform(0, 3)]))
            assert self.stand.worker.process is not None
            os.kill(self.stand.worker.process.pid, signal.SIGCONT)
        self.ends(victim)
        time.sleep(self.random.uniform(0.2, 0.6))
        assert self.stand.worker.process.poll() is None
        self.stand.worker.kill()
        self.stand.worker, self.spare = self.spare, self.stand.worker
        self.rows(BRING_FORWARD)
        self.met[f"frozen while {stage}"] += 1

    def kill_api(self) -> None:
        """A kill after the answer does not count."""
        assert any(self.is_cut_off() for _ in range(10)), "no kill met an upload"

    def is_cut_off(self) -> bool:
        """Amid an upload, or between its last byte and the answer: whole or nothing is there, and it is sent again."""
        recipe = self.plan.next()
        made = make(recipe)
        port = self.random.choice(self.stand.ports)
        sent = self.random.choice([1.0, self.random.uniform(0.2, 0.95)])
        answer = self.cut_off(port, recipe, made, sent)
        recorded = self.rows(RECORDED, made.sha256)[0][0]
        kept = self.zone.named(made.sha256)
        assert sent == 1.0 or (recorded, kept) == (0, [])
        assert int(str(recorded)) <= len(kept) <= 1
        self.met["api after an upload" if sent == 1.0 else "api amid an upload"] += not answer
        self.met["api after the link"] += bool(kept) and not recorded
        self.stand.apis[port].start()
        self.stand.wait_for(port)
        self.senders.send(recipe, made.body)
        return not answer

    def kill_linked(self) -> None:
        """Of the API, with the file in the zone and not yet on record: it is sent again, and is there once."""
        recipe = self.plan.next()
        made, port = make(recipe), self.random.choice(self.stand.ports)
        with self.rival(RIVAL_FILE, recipe.tenant, recipe.dataset, made.sha256) as is_met:
            assert self.cut_off(port, recipe, made, 1.0, is_met) == b""
            (kept,) = self.zone.named(made.sha256)
            assert self.rows(RECORDED, made.sha256) == [(0,)]
        self.stand.apis[port].start()
        self.stand.wait_for(port)
        self.senders.send(recipe, made.body)
        assert self.rows(RECORDED, made.sha256) == [(1,)]
        assert (self.zone.named(made.sha256), kept.read_bytes()) == ([kept], made.body)
        self.met["api between link and record"] += 1

    def kill_contract(self) -> None:
        """Of the API, with a dataset's table made and its contract not yet on record: neither is there."""
        dataset = f"spare_{self.met['api amid a contract']}"
        at = self.random.randrange(len(self.stand.ports))
        port = self.stand.ports[at]
        with self.rival(RIVAL_CONTRACT, TENANTS[0], dataset) as is_met, ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.put_contract, at, dataset)
            eventually(is_met)
            self.stand.apis[port].kill()
            assert isinstance(answer.exception(30), httpx.HTTPError)
            assert self.rows(TABLE, f"files.curated_{dataset}") == [(None,)]
        self.stand.apis[port].start()
        self.stand.wait_for(port)
        put = self.put_contract(1 - at, dataset)
        assert (put["changed"], put["contract"]["version"]) == (True, 1)
        self.met["api amid a contract"] += 1

    def put_contract(self, at: int, dataset: str) -> dict[str, Any]:
        """What one of the API processes answers."""
        members = {"dataset": dataset, "columns": {"a": {}}}
        with self.stand.api(at).client() as client:
            answer = client.put(f"/v1/datasets/{dataset}/contract", params={"tenant_id": TENANTS[0]}, json=members)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @contextmanager
    def rival(self, sql: str, *parameters: object) -> Generator[Callable[[], object]]:
        """Somebody writes the same record and takes it back at the end of the block: who comes to it waits until then.

        Gives whether anybody waits.
        """
        with (
            psycopg.connect(self.stand.of.superuser_url, autocommit=True) as connection,
            connection.transaction(force_rollback=True),
        ):
            connection.execute(sql.encode(), parameters)
            yield lambda: self.rows(WAITED_FOR, connection.info.backend_pid) != [(0,)]

    def cut_off(
        self, port: int, recipe: Recipe, made: Made, sent: float, is_met: Callable[[], object] | None = None
    ) -> bytes:
        """Send a part of a file, and kill who takes it, soon or once it `is_met`. Returns what was answered."""
        asked = urlencode({"dataset": recipe.dataset, "filename": recipe.filename, "tenant_id": recipe.tenant})
        head = (
            f"POST /v1/ingestions?{asked} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.stand.key}\r\n"
            f"Content-Length: {len(made.body)}\r\n\r\n"
        )
        incoming = self.stand.folder / "raw" / ".incoming"
        before = set(incoming.glob("*.part"))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as upload:
            upload.sendall(head.encode() + made.body[: int(len(made.body) * sent)])
            if sent < 1.0:
                eventually(lambda: set(incoming.glob("*.part")) - before)
            if is_met is not None:
                eventually(is_met)
            time.sleep(self.random.choice([0, self.random.uniform(0, 0.05)]))
            self.stand.apis[port].kill()
            try:
                return upload.recv(10_000)
            except ConnectionResetError:
                return b""

    def kill_postgres(self) -> None:
        """While a worker has a delivery. It lives on, and tries again, or goes on where it has not noticed."""
        with psycopg.connect(self.stand.of.superuser_url, autocommit=True) as superuser:
            eventually(lambda: at_work(superuser), 40)
            time.sleep(self.random.uniform(0, 0.5))
            eventually(lambda: at_work(superuser), 40)
            victim = at_work(superuser)[0]
            self.stand.kill_postgres()
        time.sleep(self.random.choice([0, self.random.uniform(0, 1)]))
        self.stand.server.start()
        self.superuser = None
        for port in self.stand.ports:
            self.stand.wait_for(port)
        self.met[f"postgres while {victim.loading or 'at work'}"] += 1
        eventually(partial(self.has_ended_or_goes_on, victim), 90)

    def has_ended_or_goes_on(self, victim: Victim) -> bool:
        """Nobody waits for a lease, nor for the pause before it is tried again."""
        self.rows(BRING_FORWARD)
        return self.has_ended(victim.ingestion_id)

    @contextmanager
    def stopped(self) -> Generator[None]:
        """No worker of these is left when the block ends."""
        try:
            yield
        finally:
            self.spare.stop()

    def bugs(self) -> list[str]:
        """What workers say of themselves that none may have to say, whoever dies around them."""
        logs = [self.stand.folder / f"{name}.log" for name in ("worker", "worker-2")]
        lines = [line for log in logs if log.exists() for line in log.read_text().splitlines()]
        return [line for line in lines if any(name in line for name in BUGS)][:5]

    def work_off(self) -> None:
        """All that was sent, to its end."""
        self.senders.drain()
        eventually(lambda: self.waiting() == 0, 180)


@pytest.mark.attack
@pytest.mark.timeout(3600 if FULL else 400)
def test_a_delivery_is_loaded_once_whoever_dies(stand: Stand) -> None:
    seed = fresh_seed()
    began = time.monotonic()
    with ZoneWatch(stand.folder / "raw") as zone:
        attack = Attack(stand, seed, zone)
        targets = [TARGETS[number % len(TARGETS)] for number in range(ROUNDS)]
        attack.random.shuffle(targets)
        with attack.senders, attack.stopped():
            for number, target in enumerate(targets):
                attack.round(target)
                print(f"round {number}: {target}, {time.monotonic() - began:.1f} s, {len(attack.book.acks)} files")
            attack.work_off()
        with psycopg.connect(stand.of.superuser_url, autocommit=True) as superuser:
            waited = eventually(lambda: not any(broken(superuser, name) for name in CAUGHT_UP), 300)
            stand.worker.stop()
            print(f"met {dict(attack.met)}; unsure {dict(attack.book.unsure)}")
            print(f"caught up in {waited:.1f} s, after {time.monotonic() - began:.1f} s")
            print(
                stand.rows(
                    "SELECT dataset, status, reason_code, count(*), sum(rows_in) FROM files.ingestions GROUP BY 1, 2, 3"
                )
            )
            assert all(attack.met[stage] >= ROUNDS // len(TARGETS) for stage in STAGES)
            assert attack.bugs() == [], f"ATTACK_SEED={seed}"
            assert zone.ended(superuser) == [], f"ATTACK_SEED={seed}"
            assert faults_of_files(superuser, attack.book) == [], f"ATTACK_SEED={seed}"
            assert faults_of_tables(superuser, caught_up=True) == [], f"ATTACK_SEED={seed}"
    assert faults_of_api(stand.api(), TENANTS) == [], f"ATTACK_SEED={seed}"
    print(f"{time.monotonic() - began:.1f} s in all")
