"""The judge sees what it is there to see: each of its checks, against a planted violation."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest

from tests.attack.clients import Answer, Load, Log
from tests.attack.judge import TABLE_CHECKS, broken, faults, faults_of_api
from tests.attack.traffic import Event, Traffic
from tests.conftest import Api, TestDatabase

TENANTS = ["north", "south"]
PLANTED: dict[str, str] = {
    "counter of events_raw": "UPDATE gate.counters SET events_raw = events_raw + 1",
    "counter of processed": "UPDATE gate.counters SET processed = processed - 1",
    "counter of quarantined": "UPDATE gate.counters SET quarantined = quarantined + 1",
    "counter of ignored": "DELETE FROM gate.counters; INSERT INTO gate.counters VALUES ('north', 9, 0, 0, 0, 1, 0)",
    "counter of exceptions_open": "UPDATE gate.counters SET exceptions_open = 0",
    "the hash of an arrival is that of its bytes": "UPDATE bronze.events_raw SET body = body || ' '",
    "every key that arrived has one state": "DELETE FROM gate.events_processed",
    "a key counts its arrivals": "UPDATE gate.events_processed SET arrivals = arrivals + 1",
    "every arrival is a key's first or a later one": "DELETE FROM gate.later_arrivals",
    "every arrival is in one batch": "INSERT INTO bronze.batches SELECT tenant_id, gen_random_uuid(), ids FROM bronze.batches",
    "every exception was opened in the audit log, once": "DELETE FROM audit.audit_log WHERE action = 'exception.opened'",
    "every decision is in the audit log, once": """
        UPDATE quarantine.exceptions SET status = 'resolved', resolution = 'ignored', resolved_at = created_at,
        resolution_actor = 'nobody'""",
    "one open exception a held key, none of the others": "UPDATE gate.events_processed SET status = 'quarantined'",
    "a key's state follows from what was decided of its payloads": "UPDATE gate.other_payloads SET decision = 'accepted'",
    "every payload that arrived is known, and no other": "DELETE FROM gate.other_payloads",
    "what counts waits to be posted or is posted, and nothing else waits": "DELETE FROM gate.to_post",
}


@pytest.fixture(scope="module")
def sent(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> tuple[Api, Log]:
    """Some traffic of every kind, all of it answered."""
    api, log = start_api(new_database()), Log()
    traffic = Traffic(1, TENANTS, "e")
    first = [traffic.request() for _ in range(60)]
    Load([int(api.url.rpartition(":")[2])], api.key, log, clients=4).start(first).drain()
    return api, log


@pytest.fixture
def planting(sent: tuple[Api, Log]) -> Iterator[psycopg.Connection]:
    """A transaction of the superuser that is rolled back."""
    with psycopg.connect(sent[0].database.superuser_url) as connection:
        yield connection
        connection.rollback()


def test_of_what_is_right_nothing_is_said(sent: tuple[Api, Log]) -> None:
    api, log = sent
    assert {told.status for told in log.told} == {200, 201, 202}
    assert log.refused
    assert faults(api.database, log) == []
    assert faults_of_api(api, TENANTS) == []


@pytest.mark.parametrize("name", PLANTED)
def test_each_check_of_the_tables_finds_its_violation(planting: psycopg.Connection, name: str) -> None:
    assert broken(planting, name) == []
    planting.execute(PLANTED[name].encode())
    assert broken(planting, name) != []


def test_every_check_has_a_planted_violation() -> None:
    assert TABLE_CHECKS.keys() == PLANTED.keys()


def changed(log: Log, number: int, **changes: object) -> Log:
    """The same log, with one acknowledgement of a first arrival written down otherwise."""
    told = [one for one in log.told if one.status == 201]
    others = [one for one in log.told if one is not told[number]]
    return replace(log, told=[*others, replace(told[number], **changes)])  # type: ignore[arg-type]


def twice(log: Log) -> Log:
    first = next(one for one in log.told if one.status == 201)
    return replace(log, told=[*log.told, first])


WRONG: dict[str, Callable[[Log], Log]] = {
    "acknowledged and not kept": lambda log: changed(log, 0, raw_id="01890000-0000-7000-8000-000000000000"),
    "kept otherwise than acknowledged": lambda log: changed(log, 1, body=b"{}"),
    "processed 2 times": twice,
    "one raw_id for 2 arrivals": twice,
    "held without an exception": lambda log: changed(log, 2, result="quarantined"),
    "an exception was named that is not there": lambda log: changed(
        log, 3, exception_id="01890000-0000-7000-8000-000000000000"
    ),
    "kept 1 times, acknowledged 1, sent 0": lambda log: replace(log, sent=type(log.sent)()),
    "refused 1 times, kept 0": lambda log: replace(log, refused=Counter([*log.refused, Event("north", None, b"no")])),
    "an answer that no client should get": lambda log: replace(log, odd=["500"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_clients_were_told_is_held_against_the_tables(sent: tuple[Api, Log], name: str) -> None:
    api, log = sent
    assert any(fault.startswith(name) for fault in faults(api.database, WRONG[name](log)))


@pytest.mark.parametrize("sql", ["DELETE FROM bronze.events_raw", "UPDATE bronze.events_raw SET body_sha256 = ''"])
def test_a_lost_and_a_changed_arrival_are_found(
    start_api: Callable[..., Api], new_database: Callable[[], TestDatabase], sql: str
) -> None:
    """In the database, not in the log; and the product's own answers are doubted too."""
    api, log = start_api(new_database()), Log()
    first = [Traffic(2, ["north"], "e").faulty(3)]
    Load([int(api.url.rpartition(":")[2])], api.key, log, clients=1).start(first).drain()
    with psycopg.connect(api.database.superuser_url, autocommit=True) as connection:
        connection.execute(f"{sql} WHERE event_id = 'e-1'")
        expected = "acknowledged and not kept" if "DELETE" in sql else "kept with another hash"
        assert any(fault.startswith(expected) for fault in faults(api.database, log))
        if "DELETE" in sql:
            found = faults_of_api(api, ["north"])
            assert [fault.split(":")[0] for fault in found] == ["verify", found[-1]]


@pytest.mark.parametrize(
    ("status", "item", "settled", "odd"),
    [
        (503, {}, False, 0),
        (500, {}, True, 1),
        (201, {"raw_id": None}, True, 1),
        (422, {}, True, 1),
        (201, {"result": "processed", "raw_id": "r", "reason_code": None, "exception_id": None}, True, 0),
    ],
)
def test_only_a_503_is_sent_again(status: int, item: dict[str, object], *, settled: bool, odd: int) -> None:
    log = Log()
    assert log.settle(Event("north", "e", b"{}"), status, item, 0.0) is settled
    assert (len(log.odd), len(log.told)) == (odd, int(settled and not odd))


def test_a_503_says_when_to_come_back() -> None:
    headers = {"content-type": "application/problem+json", "retry-after": "1"}
    assert Answer(503, headers, b"").is_a_proper_503()
    assert not Answer(503, headers | {"retry-after": "0"}, b"").is_a_proper_503()
    assert not Answer(503, {"retry-after": "1"}, b"").is_a_proper_503()
