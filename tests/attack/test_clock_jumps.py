"""The machine's clock jumps, of one process or of all, while events are sent: nothing is lost, a retry stays a retry."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ledgersafe.pipeline.partition import make_partitions
from tests.api.answers import told
from tests.attack.clients import Log
from tests.attack.judge import faults, faults_of_api
from tests.attack.outage import TENANTS
from tests.attack.shifted import set_clock
from tests.attack.stand import FULL, Stand, fresh_seed, standing
from tests.attack.traffic import Traffic
from tests.events import sale

HOUR, DAY = 3600.0, 86400.0
JUMPS = [3 * HOUR, -3 * HOUR, DAY, -DAY, 200 * DAY, -200 * DAY, -400 * DAY, 0.0]
ROUNDS = 10 if FULL else 1
DEFAULT = "SELECT count(*) FROM bronze.events_raw_default"

pytestmark = [pytest.mark.attack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of two processes."""
    folder = tmp_path_factory.mktemp("clocks")
    made = [folder / "first", folder / "second"]
    for clock in made:
        set_clock(clock, 0)
    return made


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, clocks: list[Path]) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("jumps")
    with standing(folder, module=("tests.attack.shifted",), clocks=clocks) as made:
        yield made


@pytest.fixture
def right(clocks: list[Path]) -> Iterator[None]:
    """The clocks are right again afterwards."""
    yield
    for clock in clocks:
        set_clock(clock, 0)


def post(stand: Stand, event: dict[str, Any], process: int = 0) -> tuple[int, str, str | None]:
    with stand.api(process).client() as client:
        return told(client.post("/v1/events", json=event))


def in_time(seconds: float) -> str:
    """An instant by the true clock, as events name theirs."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.mark.usefixtures("right")
def test_jumps_under_load(stand: Stand, clocks: list[Path]) -> None:
    seed, log = fresh_seed(), Log()
    random = Random(seed)  # noqa: S311 - an attack must be repeatable
    traffic = Traffic(seed, TENANTS, f"jump-{seed}")
    with stand.load(log, traffic, clients=6, pause=0.01, seed=seed) as load:
        for _ in range(ROUNDS):
            for seconds in random.sample(JUMPS, len(JUMPS)):
                set_clock(random.choice(clocks), seconds)
                time.sleep(0.3)
                set_clock(random.choice(clocks), random.choice(JUMPS))
                time.sleep(0.3)
        load.drain()
    print(log.summary())
    (in_default,) = stand.rows(DEFAULT)[0]
    assert in_default, "no clock was beyond the partitions"
    assert faults(stand.of, log) == [], f"ATTACK_SEED={seed}"
    for clock in clocks:
        set_clock(clock, 0)
    assert faults_of_api(stand.api(), TENANTS) == [], f"ATTACK_SEED={seed}"
    database = stand.of.open(size=2)
    for seconds in (200 * DAY, -200 * DAY, -400 * DAY):
        assert make_partitions(database, datetime.now(UTC) + timedelta(seconds=seconds))
    database.close()
    assert stand.rows(DEFAULT) == [(0,)]
    assert faults(stand.of, log) == [], f"ATTACK_SEED={seed}"


@pytest.mark.usefixtures("right")
@pytest.mark.parametrize("seconds", JUMPS)
def test_a_retry_across_a_jump_is_a_retry(stand: Stand, clocks: list[Path], tenant: str, seconds: float) -> None:
    event = sale(tenant, "e", occurred_at="2020-01-01T00:00:00Z")
    assert post(stand, event) == (201, "processed", None)
    set_clock(clocks[0], seconds)
    assert [post(stand, event, process) for process in (0, 1)] == [(200, "duplicate", None)] * 2
    assert post(stand, event | {"register_id": "other"}) == (202, "quarantined", "IDEMPOTENCY_CONFLICT")
    with stand.api().client() as client:
        trace = client.get("/v1/events/e", params={"tenant_id": tenant}).json()
        assert client.get("/v1/verify", params={"tenant_id": tenant}).json()["ok"] is True
    assert len(trace["arrivals"]) == 4


@pytest.mark.usefixtures("right")
def test_the_future_is_what_our_clock_says(stand: Stand, clocks: list[Path], tenant: str) -> None:
    soon = sale(tenant, "soon", occurred_at=in_time(2 * HOUR))
    assert post(stand, soon) == (202, "quarantined", "FUTURE_EVENT_TIME")
    set_clock(clocks[0], 3 * HOUR)
    assert post(stand, soon) == (202, "quarantined", "ALREADY_QUARANTINED")
    later = sale(tenant, "later", occurred_at=in_time(2 * HOUR))
    assert post(stand, later) == (201, "processed", None)
    set_clock(clocks[0], 0)
    assert post(stand, later) == (200, "duplicate", None)
    set_clock(clocks[0], -DAY)
    assert post(stand, later) == (200, "duplicate", None)
    now = sale(tenant, "now", occurred_at=in_time(0))
    assert post(stand, now) == (202, "quarantined", "FUTURE_EVENT_TIME")
    set_clock(clocks[0], 0)
    assert post(stand, now) == (202, "quarantined", "ALREADY_QUARANTINED")
