"""One decision over many exceptions: planned, worked off in chunks, cancelled, resumed, survived."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline import bulk
from ledgersafe.pipeline.resolve import Operator, Wish
from ledgersafe.quarantine.store import Filter, Run, RunName
from tests.conftest import TestDatabase, clean_environment, stop
from tests.events import sale
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import IGNORE, MENDS, REPLAY, decided, failed_checks, operator, refusal_of, wish

DECIDED_BY = """
SELECT object_id, (actor, after_json->>'claimed_actor') FROM audit.audit_log
WHERE tenant_id = %s AND action = 'exception.resolved'"""
"""Of each decided exception: who did it, and who they say they did it for."""

MANY = 100_000 if os.environ.get("FULL") == "1" else 10_000


def parked(db: Database, tenant: str, number: int, prefix: str = "e", **changes: Any) -> list[str]:
    """So many exceptions, in order."""
    found: list[str] = []
    for start in range(0, number, 1_000):
        names = [f"{prefix}{at}" for at in range(start, min(start + 1_000, number))]
        outcomes = accepted(db, [sale(tenant, name, **({"total_amount": 99} | changes)) for name in names])
        found += [str(outcome.exception_id) for outcome in outcomes]
    return found


def start(db: Database, tenant: str, wanted: Wish, *, max_replays: int = 3, **chosen: Any) -> Run:
    return bulk.start(db, tenant, Filter(tenant_ids=[tenant], status="open", **chosen), wanted, operator(), max_replays)


def work(db: Database, run: Run, chunks: int = 1_000_000) -> int:
    """Work a run off, at most so many chunks; returns how many there were."""
    done = 0
    while done < chunks and bulk.work_off(db, RunName(run.tenant_id, run.run_id), datetime.now(UTC), 600):
        done += 1
    return done


def found(db: Database, run: Run) -> tuple[str, int, int, int]:
    """(status, resolved, refused, skipped)."""
    now = bulk.find(db, operator().credential, run.run_id)
    return now.status, now.resolved, now.refused, now.skipped


def resolved_audit(connection: psycopg.Connection, tenant: str) -> Counter[str]:
    """How many audit rows each decided exception has."""
    sql = "SELECT object_id FROM audit.audit_log WHERE tenant_id = %s AND action = 'exception.resolved'"
    return Counter(row[0] for row in connection.execute(sql, [tenant]))


def each_once(connection: psycopg.Connection, tenant: str, exception_ids: list[str]) -> bool:
    return resolved_audit(connection, tenant) == Counter(exception_ids)


def test_plan_run_cancel_resume_finish(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    wanted, ids = wish(patch=MENDS, notes="a broken till"), parked(db, tenant, 700)
    planned = bulk.plan(db, tenant, Filter(tenant_ids=[tenant], status="open"), wanted, operator().now)
    assert (planned.count, [str(row.exception_id) for row in planned.sample]) == (700, ids[:10])
    run = start(db, tenant, wanted)
    assert (run.planned, run.status) == (700, "running")
    assert work(db, run, 2) == 2
    assert found(db, run) == ("running", 400, 0, 0)
    assert bulk.steer(db, run.run_id, "cancelled", operator()).status == "cancelled"
    assert work(db, run) == 0
    assert found(db, run) == ("cancelled", 400, 0, 0)
    late = parked(db, tenant, 5, "late")
    assert bulk.steer(db, run.run_id, "running", operator()).status == "running"
    assert work(db, run) == 2
    assert found(db, run) == ("finished", 700, 0, 0)
    with pytest.raises(RequestRefused) as refused:
        bulk.steer(db, run.run_id, "cancelled", operator())
    assert refused.value.reason.code == "RUN_ENDED"
    assert each_once(superuser, tenant, ids), "each event has an audit row of its own, and what came later has none"
    assert bulk.plan(db, tenant, Filter(tenant_ids=[tenant], status="open"), wanted, operator().now).count == len(late)
    sql = "SELECT action, after_json->>'resolved' FROM audit.audit_log WHERE object_id = %s ORDER BY audit_id"
    assert superuser.execute(sql, [str(run.run_id)]).fetchall() == [
        *[("bulk_run.started", None), ("bulk_run.cancelled", None), ("bulk_run.resumed", None)],
        ("bulk_run.finished", "700"),
    ]
    assert failed_checks(db, tenant) == []


def test_who_goes_on_with_a_run_decides_the_rest(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """The key of whoever began it may be revoked by then."""
    ids = parked(db, tenant, 450)
    anna, ben, olga = (operator(actor=f"key:{name}") for name in ("anna", "ben", "olga"))
    chosen = Filter(tenant_ids=[tenant], status="open")
    run = bulk.start(db, tenant, chosen, wish(IGNORE, claimed_actor="Anna at till 3"), anna, 3)

    def steered(to: Literal["running", "cancelled"], by: Operator) -> tuple[str, str | None, str | None]:
        now = bulk.steer(db, run.run_id, to, by)
        return now.actor, now.stopped_by, now.resumed_by

    assert work(db, run, 1) == 1
    assert steered("running", olga) == ("key:anna", None, None), "it ran: nobody went on with it"
    assert steered("cancelled", olga) == ("key:anna", "key:olga", None)
    assert steered("cancelled", ben) == ("key:anna", "key:olga", None), "it stood already"
    assert steered("running", ben) == ("key:anna", "key:olga", "key:ben")
    work(db, run)
    assert found(db, run) == ("finished", 450, 0, 0)
    of = dict(superuser.execute(DECIDED_BY, [tenant]).fetchall())
    assert Counter(of.values()) == {("key:anna", "Anna at till 3"): 200, ("key:ben", None): 250}
    assert of.keys() == set(ids)
    sql = "SELECT exception_id::text, resolution_actor FROM quarantine.exceptions WHERE tenant_id = %s"
    assert dict(superuser.execute(sql, [tenant]).fetchall()) == {one: actor for one, (actor, _) in of.items()}
    on_record = (
        "SELECT action, actor, after_json->>'before' FROM audit.audit_log WHERE object_id = %s ORDER BY audit_id"
    )
    assert superuser.execute(on_record, [str(run.run_id)]).fetchall() == [
        ("bulk_run.started", "key:anna", None),
        ("bulk_run.cancelled", "key:olga", "running"),
        ("bulk_run.resumed", "key:ben", "cancelled"),
        ("bulk_run.finished", "key:ben", None),
    ], "what changed nothing is not on record"


def test_of_many_who_stop_a_run_at_once_one_is_on_record(
    db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    parked(db, tenant, 1)
    run = start(db, tenant, wish(IGNORE))
    everybody = [operator(actor=f"key:{number}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        stopped = {
            one.stopped_by for one in pool.map(lambda by: bulk.steer(db, run.run_id, "cancelled", by), everybody)
        }
    sql = "SELECT actor FROM audit.audit_log WHERE object_id = %s AND action = 'bulk_run.cancelled'"
    assert {row[0] for row in superuser.execute(sql, [str(run.run_id)]).fetchall()} == stopped
    assert len(stopped) == 1


def test_what_is_refused_stays_open_and_is_listed(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    good = parked(db, tenant, 250, "good")
    bad = parked(db, tenant, 30, "bad", currency="XXY")
    gone = parked(db, tenant, 3, "gone")
    two = parked(db, tenant, 4, "two")
    accepted(db, [sale(tenant, f"two{number}") for number in range(4)])
    run = start(db, tenant, wish(patch=MENDS))
    for one in gone:
        decided(db, one, wish(IGNORE))
    work(db, run)
    assert found(db, run) == ("finished", 250, 34, 3)
    listed = {
        outcome: {str(item.exception_id): str(item.detail) for item in items_of(db, run, outcome)}
        for outcome in ("resolved", "refused", "skipped")
    }
    assert [set(listed[outcome]) for outcome in listed] == [set(good), {*bad, *two}, set(gone)]
    assert all(listed["refused"][one].startswith("REPLAY_REFUSED") for one in bad)
    assert all(listed["refused"][one].startswith("INVALID_PARAMETER") for one in two)
    assert all(listed["skipped"][one].startswith("ALREADY_RESOLVED") for one in gone)
    sql = (
        "SELECT exception_id::text, replay_attempts FROM quarantine.exceptions WHERE tenant_id = %s AND status = 'open'"
    )
    assert dict(superuser.execute(sql, [tenant]).fetchall()) == dict.fromkeys(bad, 1) | dict.fromkeys(two, 0)
    last = start(db, tenant, wish(REPLAY, canonical="last"), text="two")
    work(db, last)
    assert found(db, last) == ("finished", 4, 0, 0)
    assert each_once(superuser, tenant, [*good, *gone, *two])
    assert failed_checks(db, tenant) == []


def test_a_run_leaves_alone_what_got_another_payload_since(
    db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    """Also between its chunks: nobody has looked at that."""
    ids = parked(db, tenant, 250)
    run = start(db, tenant, wish(IGNORE))
    accepted(db, [sale(tenant, "e0"), sale(tenant, "e0", total_amount=99)])  # put right by its sender; and a repetition
    assert work(db, run, 1) == 1
    to_come = sorted({str(item.exception_id) for item in items_of(db, run, None) if item.outcome is None} - {ids[0]})
    late, again = ids.index(to_come[0]), ids.index(to_come[1])
    accepted(db, [sale(tenant, f"e{late}", total_amount="43.5"), sale(tenant, f"e{again}", total_amount=99)])
    work(db, run)
    assert found(db, run) == ("finished", 248, 2, 0)
    listed = {str(item.exception_id): str(item.detail) for item in items_of(db, run, "refused")}
    assert set(listed) == {ids[0], ids[late]}
    assert all(detail.startswith("EXCEPTION_CHANGED") for detail in listed.values())
    sql = "SELECT status, count(*) FROM quarantine.exceptions WHERE tenant_id = %s GROUP BY 1"
    assert dict(superuser.execute(sql, [tenant]).fetchall()) == {"open": 2, "resolved": 248}


def test_a_plan_is_kept_to(db: Database, tenant: str) -> None:
    """What comes later is left alone, and where it is not there any more as it was, nothing begins."""
    ids = parked(db, tenant, 5)
    chosen = Filter(tenant_ids=[tenant], status="open")

    def begin(plan: str) -> Run:
        return bulk.start(db, tenant, chosen, wish(IGNORE), operator(), 3, plan)

    def refused(plan: str) -> str:
        with pytest.raises(RequestRefused) as looked:
            bulk.plan(db, tenant, chosen, wish(IGNORE), operator().now, plan)
        with pytest.raises(RequestRefused) as found:
            begin(plan)
        assert looked.value.reason == found.value.reason
        return found.value.reason.code

    def plan() -> str:
        return bulk.plan(db, tenant, chosen, wish(IGNORE), operator().now).name

    first = plan()
    parked(db, tenant, 2, "later")
    assert bulk.plan(db, tenant, chosen, wish(IGNORE), operator().now, first).count == 5
    run = begin(first)
    assert run.planned == 5
    bulk.steer(db, run.run_id, "cancelled", operator())
    accepted(db, [sale(tenant, "e1")])
    assert refused(first) == "PLAN_CHANGED"
    second = plan()
    decided(db, ids[2], wish(IGNORE))
    assert refused(second) == "PLAN_CHANGED"
    third = plan()
    accepted(db, [sale(tenant, "e3", total_amount=99)])  # a repetition changes nothing
    assert begin(third).planned == 6
    assert [refused(name) for name in ("", "yesterday", "2026-01-01", "2026-01-01T00:00:00/1/2")] == [
        *["INVALID_PARAMETER"] * 3,
        "INVALID_PARAMETER",
    ]
    assert refused("2026-01-01T00:00:00+00:00/1/2") == "PLAN_CHANGED"


def items_of(db: Database, run: Run, outcome: str | None, size: int = 33) -> Iterator[Any]:
    """Every item of a run, a page at a time."""
    after = None
    while page := bulk.items(db, operator().credential, run.run_id, outcome, after, size):
        assert len(page) <= size
        yield from page
        after = page[-1].exception_id


def test_the_loop_guard_skips_what_was_replayed_often_enough(db: Database, tenant: str) -> None:
    (one, other) = parked(db, tenant, 2)
    for _ in range(2):
        assert refusal_of(db, one, wish(REPLAY)) == "REPLAY_REFUSED"
    run = start(db, tenant, wish(REPLAY), max_replays=2)
    work(db, run)
    assert found(db, run) == ("finished", 0, 1, 1)
    assert [(str(item.exception_id), item.detail) for item in items_of(db, run, "skipped")] == [
        (one, "replayed 2 times already")
    ]
    ignoring = start(db, tenant, wish(IGNORE), max_replays=1)
    work(db, ignoring)
    assert found(db, ignoring) == ("finished", 2, 0, 0), "letting go is no replay"
    assert failed_checks(db, tenant) == []
    assert other != one


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (wish(IGNORE, " "), "INVALID_PARAMETER"),
        (wish(patch={"event_id": "x"}), "PATCH_TOUCHES_IDENTITY"),
        (wish(canonical=uuid4()), "INVALID_PARAMETER"),
        (wish(expected_last_raw_id=uuid4()), "INVALID_PARAMETER"),
    ],
)
def test_a_wish_that_makes_no_sense(db: Database, tenant: str, wanted: Wish, code: str) -> None:
    by = operator()
    for step in (lambda *given: bulk.plan(*given, by.now), lambda *given: bulk.start(*given, by, 3)):
        with pytest.raises(RequestRefused) as refused:
            step(db, tenant, Filter(tenant_ids=[tenant], status="open"), wanted)
        assert refused.value.reason.code == code


def test_a_run_over_nothing_ends(db: Database, tenant: str) -> None:
    run = start(db, tenant, wish(IGNORE))
    assert work(db, run) == 1
    assert found(db, run) == ("finished", 0, 0, 0)


def test_filters_narrow_and_tenants_are_apart(db: Database, tenant: str) -> None:
    mine, others = parked(db, tenant, 3, store_id="s1"), parked(db, f"{tenant}-b", 3, store_id="s1")
    parked(db, tenant, 2, "x", store_id="s2")
    run = start(db, tenant, wish(IGNORE), store_id="s1")
    work(db, run)
    assert {str(item.exception_id) for item in items_of(db, run, None)} == set(mine)
    assert all(
        refusal_of(db, one, wish(IGNORE, expected_last_raw_id=run.run_id)) == "EXCEPTION_CHANGED" for one in others
    )
    with pytest.raises(RequestRefused) as refused:
        bulk.find(db, operator(f"{tenant}-b").credential, run.run_id)
    assert refused.value.reason.code == "NOT_FOUND"


@contextmanager
def worker(of: TestDatabase) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker process."""
    urls = {"LEDGERSAFE_DATABASE_URL": of.app_url, "LEDGERSAFE_LOG_LEVEL": "warning"}
    command = [sys.executable, "-m", "ledgersafe", "work"]
    process = subprocess.Popen(command, env=clean_environment() | urls, start_new_session=True)
    try:
        yield process
    finally:
        stop(process)


def wait_for(db: Database, run: Run, resolved: int, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while (now := bulk.find(db, operator().credential, run.run_id)).resolved < resolved:
        assert time.monotonic() < end, f"{now.resolved} of {resolved}"
        time.sleep(0.02)


def killed_half_way(of: TestDatabase, db: Database, superuser: psycopg.Connection, tenant: str, number: int) -> None:
    ids = parked(db, tenant, number)
    run = start(db, tenant, wish(patch=MENDS))
    with worker(of) as first:
        wait_for(db, run, 1)
        first.send_signal(signal.SIGKILL)
        first.wait()
    status, resolved, _, _ = found(db, run)
    assert (status, resolved % bulk.CHUNK) == ("running", 0), "a worker that dies leaves whole chunks behind"
    assert 0 < resolved < number
    assert sum(resolved_audit(superuser, tenant).values()) == resolved
    assert failed_checks(db, tenant) == []
    began = time.monotonic()
    with worker(of) as second:
        wait_for(db, run, number, 500)
        while found(db, run)[0] == "running":
            time.sleep(0.02)
        seconds, status_text = time.monotonic() - began, Path(f"/proc/{second.pid}/status").read_text()
    peak = next(line.split()[1] for line in status_text.splitlines() if line.startswith("VmHWM"))
    print(f"{number - resolved:,} exceptions in {seconds:.1f} s, start included; peak {int(peak) // 1024} MiB")
    assert found(db, run) == ("finished", number, 0, 0)
    assert each_once(superuser, tenant, ids)
    assert failed_checks(db, tenant) == []
    assert int(peak) < 300_000, "kB: a run of any length is worked off in chunks"


def test_another_worker_finishes_what_a_killed_one_began(
    books: TestDatabase, db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    killed_half_way(books, db, superuser, tenant, 2_000)


@pytest.mark.attack
@pytest.mark.timeout(900)
def test_a_very_long_run_survives_a_kill(
    books: TestDatabase, db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    killed_half_way(books, db, superuser, tenant, MANY)


def test_a_run_that_fails_holds_up_no_other(
    books: TestDatabase, db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    parked(db, tenant, 1)
    broken = start(db, tenant, wish(IGNORE))
    superuser.execute("UPDATE quarantine.bulk_runs SET wish = '{}' WHERE run_id = %s", [broken.run_id])
    parked(db, f"{tenant}-b", 2)
    sound = start(db, f"{tenant}-b", wish(IGNORE))
    with worker(books):
        wait_for(db, sound, 2, 20)
    assert found(db, sound)[0] == "finished"
    assert found(db, broken) == ("running", 0, 0, 0)
    bulk.steer(db, broken.run_id, "cancelled", operator())
