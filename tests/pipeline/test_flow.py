"""What flows and what lags: counted, by hand and on a large installation."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.files.store import Chosen
from ledgersafe.gate.store import Latency as Sample
from ledgersafe.gold.rules import ordered
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.pipeline.flow import MOST_WAITING, Flow, Latency, flow, latency_of
from ledgersafe.pipeline.land import deliveries
from ledgersafe.pipeline.promote import promote
from ledgersafe.pipeline.refresh import refresh
from ledgersafe.pipeline.seal import seal
from ledgersafe.tenants.rules import SYSTEM_TENANT
from tests.conftest import TestDatabase
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import IGNORE, decided, wish
from tests.pipeline.posting import Till

DELIVERY = """
INSERT INTO files.ingestions (tenant_id, ingestion_id, dataset, filename, sha256, size_bytes, raw_path, replay_of, status,
                              due_at, received_at, received_by, ended_at, reason_code, leased_by, rows_bad)
SELECT %(tenant)s, %(id)s, 'stock', 'f', sha256(%(bytes)s), 1, 'p', %(replay_of)s, %(status)s, now(), %(at)s, 'test',
       CASE WHEN %(status)s NOT IN ('received', 'processing') THEN now() END,
       CASE WHEN %(status)s IN ('quarantined', 'failed') THEN 'SCHEMA_DRIFT' END, NULL, 4
"""
BAD_ROW = """
INSERT INTO files.bad_rows (tenant_id, ingestion_id, row_number, row_text, faults, contract_version, status, decided_at,
                            decided_by)
SELECT %s, %s, %s, 'x', '[]', 1, %s, CASE WHEN %s <> 'open' THEN now() END, CASE WHEN %s <> 'open' THEN 'test' END
"""
WEBHOOK = """
INSERT INTO jobs.webhooks (tenant_id, webhook_id, url, kinds, secret, created_at, created_by, failing_since, disabled_at)
VALUES (%s, gen_random_uuid(), 'https://example.invalid', '{webhook.test}', '\\x00', now(), 'test', %s, %s)
"""


def sums(found: Flow) -> tuple[int, int, int, int]:
    """(arrivals, posted, reversed, parked) over all minutes."""
    return (
        sum(minute.arrivals for minute in found.minutes),
        sum(minute.posted for minute in found.minutes),
        sum(minute.reversed for minute in found.minutes),
        sum(minute.parked for minute in found.minutes),
    )


def lagging(found: Flow) -> set[str]:
    return {one.table for one in found.gold if one.behind_since is not None}


def of(till: Till, minutes: int = 60, later: timedelta = timedelta(0)) -> Flow:
    return flow(till.db, [till.tenant], minutes, datetime.now(UTC) + later)


def test_what_comes_in_goes_into_the_books_and_is_held(till: Till) -> None:
    till.send(till.sold("a"), till.sold("b"), till.sold("b"), till.sold("bad", total_amount=99))
    till.send(till.amended("CORRECTION", "c", of="txn-a"), till.amended("CANCEL", "x", of="txn-b"))
    found = of(till)
    assert sums(found) == (6, 3, 2, 1)
    assert [minute.at for minute in found.minutes] == sorted({minute.at for minute in found.minutes})
    assert (len(found.minutes), found.minutes[-1].at <= found.now < found.minutes[-1].at + timedelta(minutes=1)) == (
        60,
        True,
    )
    assert [(one.reason_code, one.number) for one in found.open_by_reason] == [("TOTALS_MISMATCH", 1)]
    assert found.oldest_open is not None
    assert (found.to_post, found.oldest_to_post) == (0, None)


def test_each_falls_into_its_own_minute(till: Till) -> None:
    """Batches of before are not counted, and those of the minute before the last are where they belong."""
    till.send(till.sold("a"))
    till.rows(
        "UPDATE silver.batches SET posted_at = posted_at - interval '70 minutes' WHERE tenant_id = %s RETURNING 1"
    )
    till.send(till.sold("b"), till.sold("c"))
    till.rows(
        "UPDATE silver.batches SET posted_at = posted_at - interval '1 minute' WHERE tenant_id = %s AND posted_at > now() - interval '1 hour' RETURNING 1"
    )
    now = till.now.replace(second=0, microsecond=0) + timedelta(seconds=59)
    found = flow(till.db, [till.tenant], 60, now)
    assert [minute.posted for minute in found.minutes[-2:]] == [2, 0]
    assert sum(minute.posted for minute in found.minutes) == 2
    assert [minute.posted for minute in flow(till.db, [till.tenant], 2, now).minutes] == [2, 0]
    assert sum(minute.posted for minute in flow(till.db, [till.tenant], 1_440, now).minutes) == 3


def test_arrivals_fall_into_the_minute_in_which_they_came(till: Till) -> None:
    accepted(till.db, [till.sold("a"), till.sold("b")])
    now = datetime.now(UTC)
    assert [sum(minute.arrivals for minute in of(till, later=timedelta(minutes=late)).minutes) for late in (0, 59)] == [
        2,
        2,
    ]
    assert sums(flow(till.db, [till.tenant], 60, now + timedelta(minutes=61)))[0] == 0
    assert flow(till.db, [till.tenant], 3, now + timedelta(minutes=1)).minutes[2].arrivals == 0


def test_what_waits_to_be_posted(till: Till) -> None:
    accepted(till.db, [till.sold("a"), till.sold("b")])
    found = of(till)
    assert found.to_post == 2
    ((first,),) = till.rows("SELECT min(received_at) FROM bronze.events_raw WHERE tenant_id = %s")
    assert found.oldest_to_post == first
    till.drain()
    assert (of(till).to_post, of(till).oldest_to_post) == (0, None)


def test_latency_is_of_what_nobody_had_to_decide_on(till: Till) -> None:
    accepted(till.db, [till.sold(str(number)) for number in range(10)])
    accepted(till.db, [till.sold("bad", total_amount=99)])
    ((exception_id,),) = till.rows("SELECT exception_id FROM quarantine.exceptions WHERE tenant_id = %s")
    ((received,),) = till.rows("SELECT max(received_at) FROM bronze.events_raw WHERE tenant_id = %s")
    promote(till.db, till.tenant, received + timedelta(seconds=5))
    decided(till.db, exception_id, wish(patch={"total_amount": "42.5"}))
    soon = timedelta(seconds=6)
    latency = of(till, later=soon).latency
    assert latency.sampled == 3
    assert latency.p50 is not None
    assert latency.p95 is not None
    assert 5 <= latency.p50 <= latency.p95 < 6
    (minute,) = [one for one in of(till, later=soon).minutes if one.latency.sampled]
    assert minute.latency == latency


def test_a_sample_stands_for_what_it_was_taken_of() -> None:
    few, many = Sample(1, 1, 9.0), Sample(1, 99, 1.0)
    assert latency_of([few, many]) == Latency(1.0, 1.0, 2)
    assert latency_of([Sample(1, 10, 9.0), Sample(1, 90, 1.0)]) == Latency(1.0, 9.0, 2)
    assert latency_of([]) == Latency(None, None, 0)


def test_how_far_gold_lags(till: Till) -> None:
    clock = ManualClock(datetime.now(UTC))
    till.send(till.sold("a"))
    found = of(till)
    assert lagging(found) == {table.name for table in ordered()}
    assert {one.behind_since for one in found.gold if one.table not in ("daily_arrivals", "ingestion_health")} == {
        till.now
    }
    refresh(till.db, clock, tenant_id=till.tenant, at_once=True)
    assert lagging(of(till)) == {table.name for table in ordered() if not table.follows_at_once}
    refresh(till.db, clock, tenant_id=till.tenant)
    assert lagging(of(till)) == set()
    till.now += timedelta(seconds=1)
    till.send(till.sold("b"))
    till.now += timedelta(seconds=1)
    till.send(till.sold("c"))
    since = {one.table: one.behind_since for one in of(till).gold}
    assert since["daily_store_sales"] == till.now - timedelta(seconds=1), "the oldest that is not applied"


def test_a_table_that_fails_is_named(till: Till) -> None:
    till.send(till.sold("a"))
    till.rows("INSERT INTO gold.state (tenant_id, table_name, failures) VALUES (%s, 'hourly_sales', 3) RETURNING 1")
    assert {one.table: one.failures for one in of(till).gold if one.failures} == {"hourly_sales": 3}


def test_files_and_webhooks_and_seals(till: Till) -> None:
    till.send(till.sold("a"), till.sold("bad", total_amount=99))
    ids = [f"0199aaaa-0000-7000-8000-00000000000{number}" for number in range(9)]
    now = datetime.now(UTC)
    files: list[tuple[str, bytes, str | None, str]] = [
        (ids[0], b"waits", None, "received"),
        (ids[1], b"held", None, "quarantined"),
        (ids[2], b"replayed", None, "quarantined"),
        (ids[3], b"replayed", ids[2], "succeeded"),
        (ids[4], b"held", ids[1], "failed"),
        (ids[5], b"open", None, "succeeded"),
        (ids[6], b"decided", None, "succeeded"),
        (ids[7], b"open and replayed", None, "succeeded"),
        (ids[8], b"open and replayed", ids[7], "succeeded"),
    ]
    for number, (ingestion_id, content, replay_of, status) in enumerate(files):
        row = {"id": ingestion_id, "bytes": content, "replay_of": replay_of, "status": status}
        at = now - timedelta(minutes=number)
        till.superuser.execute(DELIVERY, row | {"tenant": till.tenant, "at": at})
    rows = [(ids[5], 2, "open"), (ids[5], 3, "open"), (ids[5], 4, "ignored"), (ids[6], 2, "ignored")]
    for ingestion_id, row_number, status in [*rows, (ids[7], 2, "open"), (ids[1], 2, "open")]:
        till.superuser.execute(BAD_ROW, [till.tenant, ingestion_id, row_number, *[status] * 3])
    till.superuser.execute(WEBHOOK, [till.tenant, now - timedelta(hours=1), None])
    till.superuser.execute(WEBHOOK, [till.tenant, now - timedelta(days=6), now])
    till.superuser.execute(WEBHOOK, [till.tenant, None, None])
    seal(till.db, ManualClock(now), tenant_id=till.tenant)
    found = of(till)
    assert (found.files.waiting, found.files.oldest_waiting_at, found.files.held) == (1, now, 1)
    assert found.files.with_open_rows == 1, "not those that are decided, nor those of what was replayed or is held"
    chosen = Chosen(with_open_rows=True)
    assert {str(one.ingestion_id) for one in deliveries(till.db, till.tenant, chosen, None, 10)} == {ids[5]}
    webhooks = found.webhooks
    assert (webhooks.failing, webhooks.failing_since, webhooks.disabled) == (1, now - timedelta(hours=1), 1)
    assert [(one.kind, one.number, one.sealed_at) for one in found.seals] == [("arrivals", 1, now), ("audit", 1, now)]


def test_nothing_of_another_tenant_is_in_it(till: Till, tenant: str) -> None:
    till.send(till.sold("a"), till.sold("bad", total_amount=99))
    stranger = flow(till.db, [f"{tenant}-stranger"], 60, datetime.now(UTC))
    assert (sums(stranger), stranger.to_post, lagging(stranger)) == ((0, 0, 0, 0), 0, set())
    assert (stranger.open_by_reason, stranger.oldest_open, stranger.seals) == ([], None, [])
    assert (stranger.latency.sampled, stranger.files.waiting, stranger.files.held) == (0, 0, 0)
    everybody = flow(till.db, None, 60, datetime.now(UTC))
    assert all(mine <= theirs for mine, theirs in zip(sums(of(till)), sums(everybody), strict=True))
    assert sums(everybody)[3] >= 1


def test_a_resolved_exception_is_open_no_more_but_was_parked(till: Till) -> None:
    till.send(till.sold("bad", total_amount=99))
    ((exception_id,),) = till.rows("SELECT exception_id FROM quarantine.exceptions WHERE tenant_id = %s")
    decided(till.db, exception_id, wish(IGNORE))
    found = of(till)
    assert (sums(found)[3], found.open_by_reason, found.oldest_open) == (1, [], None)


# A large installation: an hour of a million events, and 100,000 open exceptions. What is asked is as quick as on a small one.

LARGE = "large-books"
QUICK = 0.2
PLANTED = """
INSERT INTO tenants.tenants (tenant_id, created_at, created_by)
SELECT 'large-books', now(), 'test' UNION ALL SELECT 'small-' || n, now(), 'test' FROM generate_series(1, 200) n;
INSERT INTO bronze.batches (tenant_id, batch_id, ids)
SELECT 'large-books', encode(decode(lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0'), 'hex') || '\\x7000800000000000'::bytea
         || decode(lpad(to_hex(n), 4, '0'), 'hex'), 'hex')::uuid,
       (SELECT array_agg(gen_random_uuid()) FROM generate_series(1, 32))
FROM generate_series(1, 31250) n CROSS JOIN LATERAL (SELECT now() - n * interval '115 milliseconds' AS t) AS t;
CREATE TEMP TABLE planted AS
SELECT b, n, gen_random_uuid() AS id, now() - b * interval '3.6 seconds' AS posted_at, 'e' || b || '-' || n AS event_id
FROM generate_series(1, 1000) b CROSS JOIN generate_series(1, 1000) n;
INSERT INTO silver.batches (tenant_id, batch_id, posted_at, transaction_ids, revisions, kinds)
SELECT 'large-books', gen_random_uuid(), posted_at, array_agg(id), array_agg(1), array_agg('posting'::text)
FROM planted GROUP BY b, posted_at;
INSERT INTO silver.transactions
SELECT 'large-books', id, 1, 'posting', 's', event_id, 'SALE', 'SALE', event_id, id, NULL, NULL, NULL, current_date,
       current_date, posted_at, posted_at, 'USD', 1, 1, 1, 0, 0, 0, 0, 0, 1, NULL, NULL, false, false
FROM planted WHERE n BETWEEN 150 AND 850 AND n % 167 < 4;
INSERT INTO bronze.events_raw (tenant_id, raw_id, received_at, door, event_id, payload_hash, canonical_version, body, body_sha256)
SELECT 'large-books', id, posted_at - interval '1 second', 'native', event_id, '\\x00', 1, '{}', '\\x00'
FROM planted WHERE n BETWEEN 150 AND 850 AND n % 167 < 4;
INSERT INTO gold.applied (tenant_id, table_name, batch_id)
SELECT 'large-books', t, batch_id FROM silver.batches CROSS JOIN unnest(%(tables)s::text[]) AS t;
INSERT INTO gate.to_post (tenant_id, raw_id, idempotency_key)
SELECT 'large-books', id, 'w' || n FROM planted WHERE b <= 30;
INSERT INTO quarantine.exceptions (tenant_id, exception_id, idempotency_key, status, reason_code, details_json, raw_id, last_raw_id,
                                   created_at, last_arrival_at)
SELECT 'large-books', gen_random_uuid(), 'k' || n, 'open', 'REASON_' || n %% 30, '[{"message": "what is wrong with it"}]',
       gen_random_uuid(), gen_random_uuid(), now() - n * interval '36 milliseconds', now()
FROM generate_series(1, 100000) n;
"""


@pytest.fixture(scope="module")
def large(new_database: Callable[[], TestDatabase]) -> TestDatabase:
    made = new_database()
    names = "{" + ",".join(table.name for table in ordered()) + "}"
    sql = PLANTED.replace("%(tables)s", f"'{names}'").replace("%%", "%")
    with psycopg.connect(made.superuser_url, autocommit=True) as connection:
        connection.execute(sql.encode())
        connection.execute("ANALYZE")
    return made


@pytest.mark.attack
@pytest.mark.parametrize("whose", [None, [LARGE]], ids=["all tenants", "one"])
@pytest.mark.parametrize("minutes", [60, 1_440])
def test_it_is_quick_on_a_large_installation(large: TestDatabase, whose: list[str] | None, minutes: int) -> None:
    database = large.open(size=1)
    now = datetime.now(UTC)
    took: list[float] = []
    while not took or (min(took) >= QUICK and len(took) < 30):  # who else is at the machine is no fault of ours
        began = time.monotonic()
        found = flow(database, whose, minutes, now)
        took.append(time.monotonic() - began)
    database.close()
    assert sum(minute.arrivals for minute in found.minutes) > 900_000
    assert sum(one.number for one in found.open_by_reason) == 100_000
    assert (found.to_post, len(found.open_by_reason)) == (MOST_WAITING, 30)
    assert found.latency.sampled > 100
    assert found.latency.p50 == pytest.approx(1)
    assert min(took) < QUICK, took


@pytest.mark.attack
def test_no_large_table_is_read_through(large: TestDatabase) -> None:
    """By the plans of the statements, as the application has them run."""
    with psycopg.connect(large.superuser_url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_reset()")
        database = large.open(size=1)
        flow(database, None, 60, datetime.now(UTC))
        flow(database, [LARGE], 60, datetime.now(UTC))
        database.close()
        connection.execute("SELECT pg_stat_force_next_flush()")
        time.sleep(0.2)
        read: list[Any] = connection.execute(
            "SELECT schemaname || '.' || relname, seq_tup_read FROM pg_stat_user_tables WHERE seq_tup_read > 500"
        ).fetchall()
    assert read == []


def test_seals_of_nobody_are_for_keys_of_all_tenants(till: Till) -> None:
    till.superuser.execute(
        "INSERT INTO audit.audit_log (tenant_id, audit_id, occurred_at, actor, action, object_type, object_id) "
        "VALUES (%s, gen_random_uuid(), now(), 'test', 'x', 'x', 'x')",
        [SYSTEM_TENANT],
    )
    till.superuser.execute(
        "INSERT INTO audit.batches SELECT tenant_id, audit_id, ARRAY[audit_id] FROM audit.audit_log a WHERE tenant_id = %s "
        "AND NOT EXISTS (SELECT FROM audit.batches b WHERE b.tenant_id = a.tenant_id AND b.batch_id = a.audit_id)",
        [SYSTEM_TENANT],
    )
    till.send(till.sold("a"))
    seal(till.db, ManualClock(datetime.now(UTC)))
    assert SYSTEM_TENANT in {one.tenant_id for one in flow(till.db, None, 1, datetime.now(UTC)).seals}
    assert {one.tenant_id for one in of(till).seals} == {till.tenant}


def test_the_database_is_any(database: Database) -> None:
    """A new installation has nothing to tell, and tells it."""
    found = flow(database, None, 5, datetime.now(UTC))
    assert (sums(found), found.seals, found.latency.p50, lagging(found)) == ((0, 0, 0, 0), [], None, set())
