"""Any number of processes may receive the same key at once: exactly one `processed`, one open exception, right counts."""

import os
from collections.abc import Callable

import pytest

from tests.conftest import Api, TestDatabase
from tests.races import racing
from tests.races.racing import Scene

AT_ONCE = 64
ROUNDS = 30 if os.environ.get("FULL") == "1" else 3
SCENES = [
    racing.identical_posts,
    racing.two_payloads,
    racing.faulty_and_valid,
    racing.one_source_event_id,
    racing.batches_in_opposite_orders,
]


@pytest.fixture(scope="module")
def pair(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> list[Api]:
    """Two API processes on one database."""
    of = new_database()
    return [start_api(of), start_api(of)]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_races(pair: list[Api], tenant: str, scene: Scene) -> None:
    scene(pair, tenant, ROUNDS, AT_ONCE)


@pytest.mark.attack
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_races_thirty_rounds(pair: list[Api], tenant: str, scene: Scene) -> None:
    scene(pair, tenant, 30, AT_ONCE)
