"""A database that is away, hangs, restarts, has no connection or no row to give: 503, nothing lost, back by itself."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import psycopg
import pytest

from tests.attack.clients import Load, Log
from tests.attack.outage import PATIENCE, RECOVERY_SECONDS, Scene, held
from tests.attack.stand import FULL, Stand, eventually, fresh_seed, standing
from tests.attack.traffic import Traffic

AWAY_SECONDS = 10.0
# A batch waits for four commits at most: one under way, its own, and the same for what of it is refused at the door.
REFUSAL_SECONDS = 4 * PATIENCE + 1.0
RESTARTS = 10 if FULL else 2
LOCK_SECONDS = 3 * PATIENCE

pytestmark = [pytest.mark.attack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("trouble")
    with standing(folder, apis=2, statement_timeout_seconds=str(PATIENCE)) as made:
        yield made


@pytest.fixture(scope="module")
def log() -> Log:
    """Of all clients of the stand."""
    return Log()


@pytest.fixture
def scene(stand: Stand, log: Log, request: pytest.FixtureRequest) -> Scene:
    return Scene(stand, log, fresh_seed(), request.node.name)


def test_stopped_for_ten_seconds(stand: Stand, scene: Scene) -> None:
    with scene.load():
        stand.server.stop()
        eventually(lambda: scene.log.unsure["503"])
        scene.stays_down(AWAY_SECONDS)
        stand.server.start()
        scene.comes_back()


def test_hanging(stand: Stand, scene: Scene) -> None:
    with scene.load():
        with held(stand):
            scene.stays_down(REFUSAL_SECONDS)
        scene.comes_back()
    assert scene.log.slowest_refusal < REFUSAL_SECONDS
    assert max(scene.slowest.values()) < REFUSAL_SECONDS


def test_restarted_again_and_again(stand: Stand, scene: Scene) -> None:
    with scene.load():
        for _ in range(RESTARTS):
            stand.server.stop()
            stand.server.start()
            scene.comes_back()


def test_out_of_connections(stand: Stand, scene: Scene) -> None:
    """Others have them all: of running processes and of one that starts."""
    with scene.load(), ExitStack() as others:
        take_every_connection(stand, others)
        scene.stays_down(3)
        with stand.late_api() as port:
            eventually(partial(listens, port))
            scene.is_down(port)
            others.close()
            scene.comes_back()
            eventually(lambda: scene.get("/readyz", port).status_code == 200, RECOVERY_SECONDS)


def test_a_locked_table(stand: Stand, scene: Scene) -> None:
    with scene.load():
        with psycopg.connect(stand.of.superuser_url) as other:
            other.execute("LOCK TABLE gate.events_processed IN ACCESS EXCLUSIVE MODE")
            scene.stays_down(LOCK_SECONDS, is_seen=False)
            assert all(scene.get("/livez", port).status_code == 200 for port in stand.ports)
        scene.comes_back()
    assert scene.log.slowest_refusal < REFUSAL_SECONDS


def test_a_locked_key(stand: Stand, scene: Scene) -> None:
    """Whoever sends that key is told to come again; all others are answered all the while, if late."""
    key = Traffic(scene.seed, ["locked"], f"locked-{scene.seed}").faulty(1)
    one = Load(stand.ports, stand.key, scene.log, clients=1).start([key])
    one.drain()
    with scene.load():
        with psycopg.connect(stand.of.superuser_url) as other:
            other.execute("SELECT FROM gate.events_processed WHERE tenant_id = 'locked' FOR UPDATE")
            with Load(stand.ports, stand.key, scene.log, clients=1, again=2).start([key]) as waiting:
                before = len(scene.log.told)
                time.sleep(LOCK_SECONDS)
                neighbours = scene.log.told[before:]
                print(f"{len(neighbours)} neighbours were answered")
                assert len(neighbours) > 100
                assert all(told.tenant != "locked" for told in neighbours)
                other.rollback()
                waiting.drain()
        assert scene.log.unsure["503"]
        scene.comes_back()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def take_every_connection(stand: Stand, others: ExitStack) -> None:
    """Connect until nothing is left, and end the sessions of the API for more; the superuser has a few of his own."""
    superuser = psycopg.connect(stand.of.superuser_url, autocommit=True)
    others.callback(superuser.close)
    mine = quiet = 0
    while True:
        try:
            others.callback(psycopg.connect(stand.of.app_url, application_name="others").close)
            mine += 1
        except psycopg.OperationalError:
            ending = (
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'ledgersafe'"
            )
            ended = superuser.execute(ending).fetchone()
            quiet = quiet + 1 if ended == (0,) else 0
            if quiet == 10:
                break
            time.sleep(0.05)
    assert mine > 50
