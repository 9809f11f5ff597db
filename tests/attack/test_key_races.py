"""Five hundred posts of one key at once, over two API processes."""

import os
from collections.abc import Callable

import pytest

from tests.conftest import Api, TestDatabase
from tests.races.racing import Scene, identical_posts, ten_payloads, two_payloads

pytestmark = [pytest.mark.attack, pytest.mark.timeout(900)]

AT_ONCE = 500
ROUNDS = 50 if os.environ.get("FULL") == "1" else 5


@pytest.fixture(scope="module")
def pair(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> list[Api]:
    """Two API processes on one database."""
    of = new_database()
    return [start_api(of), start_api(of)]


@pytest.mark.parametrize("scene", [identical_posts, two_payloads, ten_payloads], ids=lambda scene: scene.__name__)
def test_five_hundred_posts_of_one_key(pair: list[Api], tenant: str, scene: Scene) -> None:
    scene(pair, tenant, ROUNDS, AT_ONCE)
