"""Health says that all is well only where it is: whoever believes it looks no further."""

from collections.abc import Callable

import psycopg
import pytest

from tests.conftest import Api, TestDatabase
from tests.console.conftest import Console
from tests.console.deliveries import DRIFTED, GOOD, STOCK, deliver, put, send
from tests.console.desk import Desk
from tests.events import sale

WELL = "All is well"
_AGE = "UPDATE files.ingestions SET received_at = received_at - interval '5 hours'"
_PAUSE = "INSERT INTO jobs.jobs (tenant_id, job_name, due_at, paused) VALUES ('_system', 'seals', now(), true)"
_OVERDUE = "INSERT INTO jobs.jobs (tenant_id, job_name, due_at) VALUES ('_system', 'verify', now() - interval '1 hour')"
_FAILS = "INSERT INTO jobs.jobs (tenant_id, job_name, due_at, attempts) VALUES ('_system', 'sweep', now() + interval '1 hour', 3)"


@pytest.fixture(scope="module")
def idle(
    new_database: Callable[[], TestDatabase],
    start_api: Callable[..., Api],
    start_console: Callable[..., Console],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Api, Console]:
    """An API without a worker, and its console."""
    folder = str(tmp_path_factory.mktemp("idle"))
    api = start_api(new_database(), data=folder, raw_zone=f"{folder}/raw")
    return api, start_console(api.url)


def test_rows_that_wait_are_told_and_found(desk: Desk) -> None:
    """The rest of their file is loaded."""
    put(desk, STOCK | {"drift_policy": "allow"})
    desk.send(sale(desk.tenant, "a"))
    deliver(desk, "stock.csv", GOOD)
    desk.open("/")
    desk.wait_until(lambda: WELL in desk.text(), "what was sent is not in the books", seconds=30)
    held = deliver(desk, "spoilt.csv", DRIFTED)
    desk.open("/")
    assert WELL not in desk.text()
    (row,) = desk.table("Waiting for a decision")
    assert row[:2] == ["1 file with bad rows", "The rest of it is loaded; those rows wait."]
    desk.follow("1 file with bad rows")
    assert [row[1] for row in desk.table("Deliveries")] == ["spoilt.csv"]
    with desk.client() as client:
        where = f"/v1/ingestions/{held}/bad_rows/ignore"
        answer = client.post(
            where, params={"tenant_id": desk.tenant}, json={"row_numbers": [3, 4], "notes": "no stock"}
        )
    assert answer.status_code == 200, answer.text
    desk.open("/")
    desk.sees(WELL)


def test_what_nobody_works_off_is_told(idle: tuple[Api, Console], sit_down: Callable[..., Desk]) -> None:
    desk = sit_down(*idle, all_tenants=True)
    desk.send(sale(desk.tenant, "a"))
    desk.open("/")
    desk.sees("All is well: nothing waits for a person, and what arrived a moment ago is being posted.")
    send(desk, "stock.csv", GOOD)
    with psycopg.connect(idle[0].database.superuser_url, autocommit=True) as superuser:
        for sql in (_AGE, _PAUSE, _OVERDUE, _FAILS):
            superuser.execute(sql)
    desk.open("/")
    for told in (
        "1 file waits for a worker, the oldest for 5 h: does the worker run?",
        "1 job is paused by somebody: seals.",
        "1 job is failing: sweep.",
        "1 job is overdue: verify.",
    ):
        desk.sees(told)
    assert WELL not in desk.text()
    alone = desk.second(scopes=("read",))
    alone.open("/")
    alone.sees("1 file waits for a worker")
    assert "seals" not in alone.text(), "jobs belong to no tenant"
