"""Export runs: every entry is in exactly one run that stands, whoever makes runs, dies or voids meanwhile."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from threading import Event, Thread
from uuid import UUID

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.ledger.store import ExportName, ExportRun
from ledgersafe.pipeline import export
from ledgersafe.pipeline.resolve import Operator
from tests.conftest import TestDatabase
from tests.pipeline.arrivals import ANYBODY, accepted
from tests.pipeline.posting import Till
from tests.pipeline.racing import held_open

CLOCK = SystemClock()
FILL = """
    WITH made AS (
      SELECT gen_random_uuid() AS id, n FROM generate_series(1, %(entries)s) AS n
    ), chart AS (
      INSERT INTO ledger.accounts (tenant_id, account, role, name, type) VALUES
        (%(tenant)s, '1000', 'cash', 'Cash drawer', 'asset'), (%(tenant)s, '4000', 'sales', 'Sales revenue', 'income')
      ON CONFLICT DO NOTHING
    ), posted AS (
      INSERT INTO silver.transactions (
        tenant_id, transaction_id, revision, kind, store_id, txn_id, type, event_type, event_id, raw_id, business_date,
        books_date, occurred_at, posted_at, currency, lines, units, gross, discount, tax, included_tax, rounding,
        totals_difference, total, is_referenced, simulated)
      SELECT %(tenant)s, id, 1, 'posting', 's' || n %% 7, 't' || n, 'SALE', 'SALE', 'e' || n, id, d, d, now(), now(),
        'USD', 1, 1, 5, 0, 0, 0, 0, 0, 5, false, false
      FROM made, LATERAL (SELECT date '2026-01-01' + (n %% 90)::integer AS d) AS of)
    INSERT INTO ledger.entries (
      tenant_id, entry_id, transaction_id, revision, kind, store_id, business_date, books_date, posted_at, currency,
      accounts, amounts, raw_id)
    SELECT %(tenant)s, id, id, 1, 'posting', 's' || n %% 7, d, d, now(), 'USD', '{1000,4000}', '{5.00,-5.00}', id
    FROM made, LATERAL (SELECT date '2026-01-01' + (n %% 90)::integer AS d) AS of"""
"""Sales of 5.00, as posting would have left them, but for the keys of arrivals."""


def fill(connection: psycopg.Connection, tenant: str, entries: int) -> None:
    """So many entries at once."""
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(FILL, {"tenant": tenant, "entries": entries})


def by() -> Operator:
    return Operator(ANYBODY, CLOCK.now(), 600)


def made(db: Database, tenant: str, as_of: date | None = None) -> ExportRun:
    """A run, complete."""
    run = export.begin(db, tenant, as_of, None, by())
    return export.go_on(db, ExportName(tenant, run.number), CLOCK, 60)


def members(till: Till) -> dict[int, list[UUID]]:
    """What was put into each run, as it is on record."""
    sql = "SELECT number, unnest(entry_ids) FROM ledger.export_pages WHERE tenant_id = %s ORDER BY number, page"
    found: dict[int, list[UUID]] = {}
    for number, entry_id in till.rows(sql):
        found.setdefault(number, []).append(entry_id)
    return found


def assert_exact(till: Till) -> None:
    """No entry is in two runs that stand; claims and what is on record agree; counts are true; no number is missing."""
    runs = export.runs(till.db, till.tenant, None, 1000)
    on_record = members(till)
    standing = [entry for run in runs if run.status != "voided" for entry in on_record.get(run.number, [])]
    assert len(standing) == len(set(standing))
    valid = {run.number for run in runs if run.status != "voided"}
    claims = dict(till.rows("SELECT entry_id, number FROM ledger.exported WHERE tenant_id = %s"))
    assert {entry: number for entry, number in claims.items() if number in valid} == {
        entry: number for number in valid for entry in on_record.get(number, [])
    }
    assert [run.number for run in runs] == list(range(len(runs), 0, -1))
    assert {run.number: run.entries for run in runs} == {run.number: len(on_record.get(run.number, [])) for run in runs}


def all_entries(till: Till) -> set[UUID]:
    return {row[0] for row in till.rows("SELECT entry_id FROM ledger.entries WHERE tenant_id = %s")}


def in_standing_runs(till: Till) -> set[UUID]:
    runs = {run.number for run in export.runs(till.db, till.tenant, None, 1000) if run.status == "made"}
    return {entry for number, entries in members(till).items() if number in runs for entry in entries}


def whole(db: Database, tenant: str, number: int, form: export.Format = "csv") -> str:
    return "".join(export.file(db, tenant, number, form, by())[1])


def test_each_run_has_what_no_run_had(till: Till) -> None:
    till.send(*(till.sold(f"a{n}") for n in range(5)))
    first = made(till.db, till.tenant)
    assert (first.number, first.status, first.entries) == (1, "made", 5)
    till.send(till.sold("b"), till.amended("VOID", "v", of="txn-a0"))
    second, third = made(till.db, till.tenant), made(till.db, till.tenant)
    assert [(run.number, run.entries) for run in (second, third)] == [(2, 2), (3, 0)]
    assert_exact(till)
    assert in_standing_runs(till) == all_entries(till)


def test_up_to_a_day_of_the_books(till: Till) -> None:
    for day in (24, 25, 26):
        till.send(till.sold(f"d{day}", occurred_at=f"2026-02-{day}T12:00:00Z"))
    assert made(till.db, till.tenant, date(2026, 2, 25)).entries == 2
    assert made(till.db, till.tenant, date(2026, 2, 25)).entries == 0
    assert made(till.db, till.tenant).entries == 1
    assert_exact(till)


def test_a_void_frees_its_entries_and_stays_on_record(till: Till) -> None:
    till.send(*(till.sold(f"e{n}") for n in range(4)))
    first = made(till.db, till.tenant)
    before = whole(till.db, till.tenant, 1)
    voided = export.void(till.db, till.tenant, 1, "wrong books", by())
    assert (voided.status, voided.entries, voided.void_reason) == ("voided", 4, "wrong books")
    assert export.void(till.db, till.tenant, 1, "again", by()) == voided
    till.send(till.sold("later"))
    second = made(till.db, till.tenant)
    assert (second.number, second.entries) == (2, 5)
    assert set(members(till)[1]) < set(members(till)[2])
    assert whole(till.db, till.tenant, first.number) == before
    assert_exact(till)
    export.void(till.db, till.tenant, 2, "again", by())
    assert made(till.db, till.tenant).entries == 5
    assert made(till.db, till.tenant).entries == 0
    assert_exact(till)
    actions = [
        row[0]
        for row in till.rows(
            "SELECT action FROM audit.audit_log WHERE tenant_id = %s AND object_type = 'export_run' ORDER BY audit_id"
        )
    ]
    assert actions == [
        *("export.begun", "export.made", "export.fetched", "export.voided", "export.begun", "export.made"),
        *("export.fetched", "export.voided", "export.begun", "export.made", "export.begun", "export.made"),
    ]  # fmt: skip


def test_what_commits_late_is_in_the_next_run(till: Till) -> None:
    """Its entry has an older id and an older time than those of the run before, which could not see it."""
    till.send(till.sold("first", occurred_at="2026-01-26T12:00:00Z"))  # the chart is there, the late one holds nothing
    with ExitStack() as stack:
        (late,) = accepted(till.db, [till.sold("late")])
        other = stack.enter_context(till.db.transaction())
        held_open(till, other, [late.raw_id])
        till.send(till.sold("early", occurred_at="2026-03-26T12:00:00Z"))
        assert made(till.db, till.tenant).entries == 2
    assert made(till.db, till.tenant).entries == 1
    (late_id,) = members(till)[2]
    assert late_id < max(members(till)[1])
    assert_exact(till)
    assert in_standing_runs(till) == all_entries(till)


def test_a_run_is_asked_for_twice(till: Till) -> None:
    """Whoever asks while one is made gets that one; with another day, he is told to wait."""
    till.send(till.sold())
    first = export.begin(till.db, till.tenant, None, None, by())
    assert export.begin(till.db, till.tenant, None, None, by()).number == first.number
    with pytest.raises(RequestRefused, match="EXPORT_UNDER_WAY"):
        export.begin(till.db, till.tenant, date(2026, 2, 1), None, by())
    with pytest.raises(RequestRefused, match="EXPORT_UNDER_WAY"):
        export.file(till.db, till.tenant, first.number, "csv", by())
    export.void(till.db, till.tenant, first.number, "not now", by())
    assert export.step(till.db, ExportName(till.tenant, first.number), CLOCK)
    with pytest.raises(RequestRefused, match="NOT_FOUND"):
        export.file(till.db, till.tenant, first.number, "csv", by())
    assert made(till.db, till.tenant).entries == 1
    assert_exact(till)


def test_many_at_once_while_events_are_posted(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 7)
    stop, failures = Event(), list[BaseException]()

    def guarded(work: object, *arguments: object) -> None:
        try:
            work(*arguments)  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failures.append(error)

    def sell(mark: str) -> None:
        for number in range(25):
            till.send(*(till.sold(f"{mark}-{number}-{n}", store_id=f"{mark}{n}") for n in range(4)))

    def export_again_and_again(voids: bool) -> None:
        while not stop.is_set():
            run = made(till.db, till.tenant)
            if voids and run.number % 3 == 0:
                export.void(till.db, till.tenant, run.number, "to try", by())

    sellers = [Thread(target=guarded, args=(sell, mark)) for mark in "ab"]
    exporters = [Thread(target=guarded, args=(export_again_and_again, voids)) for voids in (False, True, False)]
    for thread in (*sellers, *exporters):
        thread.start()
    for thread in sellers:
        thread.join(90)
    stop.set()
    for thread in exporters:
        thread.join(30)
    assert failures == []
    till.drain()
    last = made(till.db, till.tenant)
    assert last.number > 4
    assert len(all_entries(till)) == 200
    assert in_standing_runs(till) == all_entries(till)
    assert_exact(till)


_DIES = """
import sys
from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.ledger.store import ExportName
from ledgersafe.pipeline import export
from tests.pipeline.test_export import by

export.PAGE, export._PAGES_A_STEP = 50, 1
database = Database(sys.argv[1], size=2, role="ledgersafe_app")
run = export.begin(database, sys.argv[2], None, None, by())
print(run.number, flush=True)
export.go_on(database, ExportName(sys.argv[2], run.number), SystemClock(), 60)
"""


def test_a_killed_maker_leaves_whole_steps_and_another_goes_on(till: Till, books: TestDatabase) -> None:
    fill(till.superuser, till.tenant, 6_000)
    for _ in range(3):
        maker = subprocess.Popen([sys.executable, "-c", _DIES, books.app_url, till.tenant], stdout=subprocess.PIPE)
        assert maker.stdout is not None
        assert maker.stdout.readline().strip() == b"1"
        before = export.find(till.db, till.tenant, 1).entries
        while export.find(till.db, till.tenant, 1).entries < before + 150:
            time.sleep(0.005)
        os.kill(maker.pid, signal.SIGKILL)
        maker.wait()
        maker.stdout.close()
        half = export.find(till.db, till.tenant, 1)
        assert half.status == "making"
        assert 0 < half.entries < 6_000
    assert ExportName(till.tenant, 1) in export.under_way(till.db)
    assert export.go_on(till.db, ExportName(till.tenant, 1), CLOCK, 60).entries == 6_000
    assert in_standing_runs(till) == all_entries(till)
    assert_exact(till)


def test_tenants_do_not_meet(till: Till, superuser: psycopg.Connection) -> None:
    other = Till(till.db, superuser, f"{till.tenant}-other", datetime.now(UTC))
    till.send(till.sold("mine"))
    other.send(other.sold("theirs"), other.sold("theirs-too"))
    export.begin(other.db, other.tenant, None, None, by())
    assert made(till.db, till.tenant).entries == 1
    with pytest.raises(RequestRefused, match="NOT_FOUND"):
        export.find(till.db, till.tenant, 2)
    assert made(other.db, other.tenant).entries == 2
    assert "theirs" not in whole(till.db, till.tenant, 1)
    assert_exact(till)
    assert_exact(other)


def test_the_keys_refuse_what_the_statements_would_not_do(till: Till) -> None:
    """Two claims of one entry, two runs of one number, two being made, a change of what was put into a run."""
    till.send(till.sold("a"), till.sold("b"))
    made(till.db, till.tenant)
    wrong: Sequence[str] = (
        "INSERT INTO ledger.exported SELECT tenant_id, entry_id, 9 FROM ledger.entries WHERE tenant_id = %s",
        "INSERT INTO ledger.export_runs SELECT * FROM ledger.export_runs WHERE tenant_id = %s",
        "INSERT INTO ledger.export_runs (tenant_id, number, status, started_at, started_by) SELECT %s, n, 'making', now(), 'x' FROM unnest('{8,9}'::int[]) AS n",
    )
    for sql in wrong:
        with pytest.raises(psycopg.errors.UniqueViolation):
            till.superuser.execute(sql.encode(), [till.tenant])
    for sql in (
        "UPDATE ledger.export_pages SET page = 2",
        "DELETE FROM ledger.exported",
        "DELETE FROM ledger.export_runs",
    ):
        with till.superuser.transaction(force_rollback=True):
            till.superuser.execute("SET LOCAL ROLE ledgersafe_app")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                till.superuser.execute(sql.encode())
