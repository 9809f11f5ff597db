"""accept and the group commit: all of a batch or none of it, and one bad event fails no neighbour."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson
import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql
from structlog.testing import capture_logs

from ledgersafe.api.group_commit import Decided, Item, commit
from ledgersafe.bronze.store import Rejected
from ledgersafe.db.database import Database
from ledgersafe.db.errors import StatementRefused
from ledgersafe.db.line import Line
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.accept import Outcome, accept
from ledgersafe.pipeline.arrival import Arrival
from ledgersafe.pipeline.verify import verify
from tests.conftest import TestDatabase
from tests.events import sale
from tests.pipeline.arrivals import accepted, arrival, told


def committed(db: Database, items: Sequence[Item]) -> list[Decided]:
    """What the group commit makes of one batch."""

    async def run() -> list[Decided]:
        line = Line(db.url, db.options, patience=10)
        try:
            return await commit(line, items, 0)
        finally:
            await line.close()

    return asyncio.run(run())


def poisoned(event: dict[str, Any]) -> Arrival:
    """An arrival that Postgres refuses: the doors let none such through."""
    sound = arrival(event)
    return replace(sound, columns=replace(sound.columns, store_id="a\x00b"))


def rejected(tenant: str, **changes: Any) -> Rejected:
    fields = {"door": "native", "key_id": "k", "reason_code": "INVALID_JSON", "detail": "d", "body": b"\x00\xff{"}
    always = {"tenant_id": tenant, "rejected_id": new_id(), "received_at": datetime.now(UTC), "body_bytes": 3}
    return Rejected(**always | fields | changes)


def count(connection: psycopg.Connection, table: str, tenant: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table} WHERE tenant_id = %s", [tenant]).fetchone()
    return row[0] if row else -1


def ties_out(db: Database, tenant: str) -> bool:
    found = verify(db, tenant)
    return bool(found) and all(check.ok for checks in found for check in checks.checks)


def test_an_arrival_that_cannot_be_stored_fails_no_neighbour(
    db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    batch = [arrival(sale(tenant, f"e{number}")) for number in range(9)]
    batch[4] = poisoned(sale(tenant, "e4"))
    batch[7] = poisoned(sale(tenant, "e7"))
    with capture_logs() as logged:
        decided = committed(db, [*batch, rejected(tenant)])
    assert [(line["event"], line["kind"], line["events"]) for line in logged] == [("commit_failed", "refused", 1)] * 2
    assert [type(outcome) for outcome in decided] == [
        RequestRefused if number in (4, 7) else Outcome for number in range(9)
    ] + [type(None)]
    for outcome in decided:
        if isinstance(outcome, RequestRefused):
            assert (outcome.reason.code, outcome.headers) == ("CANNOT_COMMIT", {"Retry-After": "1"})
    assert [outcome.event_id for outcome in decided if isinstance(outcome, Outcome)] == [
        f"e{number}" for number in range(9) if number not in (4, 7)
    ]
    assert count(superuser, "bronze.events_raw", tenant) == count(superuser, "gate.events_processed", tenant) == 7
    assert count(superuser, "bronze.rejected", tenant) == 1
    assert ties_out(db, tenant)


def test_a_key_whose_first_arrival_could_not_be_stored_is_still_free(db: Database, tenant: str) -> None:
    with capture_logs():
        (refused,) = committed(db, [poisoned(sale(tenant, "e1"))])
    assert isinstance(refused, RequestRefused)
    assert told(accepted(db, [sale(tenant, "e1")])) == [("processed", None)]


def test_a_connection_that_saw_failures_is_sound_after_them(books: TestDatabase, tenant: str) -> None:
    """Statements are prepared after a few uses; one that failed in a pipeline must not pass for prepared."""
    only_one = books.open(size=1)
    try:
        for number in range(12):
            with pytest.raises(StatementRefused, match="invalid byte sequence"):
                accept(only_one, [poisoned(sale(tenant, f"bad-{number}"))], slot=0)
            assert told(accepted(only_one, [sale(tenant, f"good-{number}")])) == [("processed", None)]
        assert ties_out(only_one, tenant)
    finally:
        only_one.close()


def test_a_transaction_is_all_or_nothing(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    batch = [arrival(sale(tenant, "e1")), poisoned(sale(tenant, "e2"))]
    with pytest.raises(StatementRefused):
        accept(db, batch, slot=0, rejected=[rejected(tenant)])
    for table in (
        "bronze.events_raw",
        "bronze.batches",
        "bronze.rejected",
        "gate.events_processed",
        "gate.counters",
        "gate.to_post",
    ):
        assert count(superuser, table, tenant) == 0, table
    assert count(superuser, "tenants.tenants", tenant) == 0


def test_refused_bodies_are_kept_along_with_arrivals(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    rows = [rejected(tenant), rejected(tenant, body=b"", body_bytes=None, key_id=None)]
    assert told(accept(db, [arrival(sale(tenant))], slot=0, rejected=rows)) == [("processed", None)]
    kept = superuser.execute(
        "SELECT door, key_id, reason_code, detail, body, body_bytes FROM bronze.rejected WHERE tenant_id = %s "
        "ORDER BY body_bytes NULLS LAST",
        [tenant],
    ).fetchall()
    assert kept == [
        ("native", "k", "INVALID_JSON", "d", b"\x00\xff{", 3),
        ("native", None, "INVALID_JSON", "d", b"", None),
    ]
    assert count(superuser, "bronze.events_raw", tenant) == 1


def test_refused_bodies_alone_and_nothing_at_all(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    assert accept(db, [], slot=0, rejected=[rejected(tenant)]) == []
    assert accept(db, [], slot=0) == []
    assert count(superuser, "bronze.rejected", tenant) == 1
    assert count(superuser, "gate.counters", tenant) == 0


def test_what_is_stored_is_what_came(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    event = sale(tenant, 'Zoë 😀 \\ " {},NULL', source_event_id="NULL", store_id='{"a",b}', txn_id="\\x41")
    came = arrival(event)
    (outcome,) = accept(db, [came], slot=0)
    row = superuser.execute(
        "SELECT body, body_sha256, payload_hash, event_id, source_event_id, store_id, txn_id, occurred_at, "
        "received_at, door, event_type, schema_version, source_system FROM bronze.events_raw WHERE tenant_id = %s",
        [tenant],
    ).fetchone()
    assert row == (
        orjson.dumps(event),
        sha256(orjson.dumps(event)).digest(),
        came.fingerprint,
        event["event_id"],
        "NULL",
        '{"a",b}',
        "\\x41",
        datetime(2026, 2, 25, tzinfo=UTC),
        came.received_at,
        "native",
        "SALE",
        "1.0",
        "pos_sim",
    )
    shown = superuser.execute("SELECT payload_json FROM bronze.events WHERE raw_id = %s", [outcome.raw_id]).fetchone()
    assert shown == (event,)


def test_outcomes_come_in_the_order_of_the_arrivals_whatever_their_tenants(db: Database, tenant: str) -> None:
    names = [(f"{tenant}-{'zab'[number % 3]}", f"e{9 - number}") for number in range(9)]
    outcomes = accepted(db, [sale(*name) for name in names])
    assert [(outcome.tenant_id, outcome.event_id) for outcome in outcomes] == names
    assert len({outcome.raw_id for outcome in outcomes}) == 9


def test_the_same_key_of_two_tenants_is_two_keys(db: Database, tenant: str) -> None:
    events = [sale(tenant, "e1"), sale(f"{tenant}-2", "e1")]
    assert told(accepted(db, events)) == [("processed", None)] * 2


def test_a_source_event_id_is_accepted_once_inside_a_batch_and_across(db: Database, tenant: str) -> None:
    taken = ("quarantined", "DUPLICATE_SOURCE_EVENT_ID")
    inside = [sale(tenant, "z", source_event_id="s"), sale(tenant, "a", source_event_id="s")]
    assert told(accepted(db, inside)) == [("processed", None), taken]
    (across,) = accepted(db, [sale(tenant, "b", source_event_id="s")])
    assert told([across]) == [taken]
    assert [(fault.path, "'z'" in fault.message) for fault in across.faults] == [("/source_event_id", True)]
    assert told(accepted(db, inside)) == [("duplicate", None), ("quarantined", "ALREADY_QUARANTINED")]
    assert ties_out(db, tenant)


def test_other_sources_and_other_tenants_have_ids_of_their_own(db: Database, tenant: str) -> None:
    events = [
        sale(tenant, "a", source_event_id="s"),
        sale(tenant, "b", source_event_id="s", source_system="other"),
        sale(f"{tenant}-2", "a", source_event_id="s"),
    ]
    assert told(accepted(db, events)) == [("processed", None)] * 3


def test_a_faulty_or_conflicting_arrival_takes_no_source_event_id(db: Database, tenant: str) -> None:
    accepted(db, [sale(tenant, "faulty", source_event_id="s1", total_amount=1), sale(tenant, "k")])
    accepted(db, [sale(tenant, "k", source_event_id="s2")])
    later = [sale(tenant, "x", source_event_id="s1"), sale(tenant, "y", source_event_id="s2")]
    assert told(accepted(db, later)) == [("processed", None)] * 2


def test_of_a_large_batch_the_earlier_arrival_keeps_the_source_event_id(db: Database, tenant: str) -> None:
    events = [sale(tenant, f"e{2000 - number:05}", source_event_id=f"s{number % 1000}") for number in range(2000)]
    outcomes = accepted(db, events)
    assert {outcome.result for outcome in outcomes[:1000]} == {"processed"}
    assert {str(outcome.reason) for outcome in outcomes[1000:]} == {"DUPLICATE_SOURCE_EVENT_ID"}
    assert ties_out(db, tenant)


def test_a_batch_is_written_down_for_those_who_follow(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    outcomes = accepted(db, [sale(tenant, "a"), sale(tenant, "a"), sale(tenant, "b", total_amount=1)])
    rows = superuser.execute("SELECT ids FROM bronze.batches WHERE tenant_id = %s", [tenant]).fetchall()
    assert [[str(raw_id) for raw_id in ids] for (ids,) in rows] == [[outcome.raw_id for outcome in outcomes]]
    to_post = superuser.execute("SELECT raw_id::text FROM gate.to_post WHERE tenant_id = %s", [tenant]).fetchall()
    assert to_post == [(outcomes[0].raw_id,)]
    opened = superuser.execute("SELECT actor, action, object_id FROM audit.audit_log WHERE tenant_id = %s", [tenant])
    assert opened.fetchall() == [("system", "exception.opened", outcomes[2].exception_id)]


def test_the_application_can_neither_change_nor_delete_an_arrival(db: Database, tenant: str) -> None:
    accepted(db, [sale(tenant)])
    for table in ("bronze.events_raw", "bronze.rejected", "bronze.batches", "audit.audit_log"):
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET tenant_id = 'x'", f"TRUNCATE {table}"):
            with pytest.raises(StatementRefused) as refused, db.transaction() as tx:
                tx.execute(statement.encode())
            assert refused.value.sqlstate == "42501", statement


DEADLOCKS = """
    CREATE SEQUENCE public.attempts;
    GRANT USAGE ON SEQUENCE public.attempts TO PUBLIC;
    CREATE FUNCTION public.give_way() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('public.attempts') <= {} THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER give_way AFTER INSERT ON bronze.batches FOR EACH STATEMENT EXECUTE FUNCTION public.give_way();
"""
"""The first attempts to commit end as the losers of deadlocks do."""


@pytest.mark.parametrize(("number", "is_kept"), [(1, True), (4, True), (5, False)])
def test_the_loser_of_a_deadlock_is_committed_again(
    test_database: TestDatabase, tenant: str, number: int, is_kept: bool
) -> None:
    with psycopg.connect(test_database.superuser_url, autocommit=True) as superuser:
        superuser.execute(sql.SQL(DEADLOCKS).format(sql.Literal(number)))
        db = test_database.open(size=1)
        with capture_logs() as logged:
            decided = committed(db, [arrival(sale(tenant, "e1")), arrival(sale(tenant, "e2"))])
        db.close()
        assert [isinstance(one, Outcome) for one in decided] == [is_kept] * 2
        told_of = ["tries_again"] * (min(number, 4) - 1) + ([] if is_kept else ["commit_failed"])
        assert [line["event"] for line in logged] == told_of
        assert "e1" not in str([line for line in logged if line["event"] == "tries_again"]), "no payload is in a log"
        assert superuser.execute("SELECT last_value FROM public.attempts").fetchone() == (min(number + 1, 5),)
        assert count(superuser, "bronze.events_raw", tenant) == (2 if is_kept else 0)
