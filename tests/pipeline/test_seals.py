"""Seals: whole batches, once, in one chain; and whatever a superuser does to an old row is found and named."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline import seal as verb
from ledgersafe.pipeline.redact import redact_arrival
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.pipeline.seal import seal
from ledgersafe.pipeline.verify_seals import verify_seals
from tests.conftest import TestDatabase
from tests.pipeline.arrivals import ANYBODY
from tests.pipeline.sealing import (
    LONG_AGO,
    NOW,
    arrival_leaf,
    assert_clean,
    audit_leaf,
    check,
    forge,
    named,
    received,
    rows_of,
    sealed,
)

COPY = (
    "INSERT INTO bronze.events_raw SELECT tenant_id, %(new)s, received_at, door, 'planted', event_type, store_id, "
    "source_system, schema_version, occurred_at, source_event_id, txn_id, payload_hash, canonical_version, body, "
    "body_sha256, ce_headers, key_id FROM bronze.events_raw WHERE tenant_id = %(t)s AND raw_id = %(row)s"
)
ALTERED = [
    "body = replace(convert_from(body, 'UTF8'), '42.5', '42.6')::bytea",
    "body = set_byte(body, 7, get_byte(body, 7) # 1), body_sha256 = sha256(set_byte(body, 7, get_byte(body, 7) # 1))",
    "body_sha256 = sha256('x')",
    "received_at = received_at + interval '1 microsecond'",
    "received_at = 'infinity'",
    "door = 'scout'",
    "event_id = event_id || 'x'",
    "event_type = NULL",
    "store_id = 'elsewhere'",
    "source_system = 'other'",
    "schema_version = '2.0'",
    "occurred_at = occurred_at - interval '1 day'",
    "source_event_id = ''",
    "txn_id = 'null'",
    "payload_hash = sha256('x')",
    "canonical_version = 2",
    "ce_headers = '{}'",
    "key_id = 'other'",
]
ALTERED_AUDIT = [
    "occurred_at = occurred_at - interval '1 microsecond'",
    "actor = 'nobody'",
    "action = 'exception.closed'",
    "object_type = 'other'",
    "object_id = object_id || 'x'",
    "before_json = 'null'",
    "after_json = ' {}'",
    "notes = ''",
]


@pytest.fixture
def names(db: Database, tenant: str) -> dict[str, str]:
    """Two sealed batches and a third seal; by event, its raw_id."""
    found = received(db, tenant, ["a", "b", "faulty-1"]) | received(db, tenant, ["c", "faulty-2"])
    sealed(db, tenant, LONG_AGO + timedelta(hours=1))
    found |= received(db, tenant, ["d", "faulty-3"], LONG_AGO + timedelta(days=1))
    sealed(db, tenant)
    assert_clean(db, tenant)
    return found


Do = Callable[..., int]


@pytest.fixture
def do(superuser: psycopg.Connection, tenant: str) -> Do:
    """Runs a statement past every right; returns how many rows it met."""
    return lambda sql, **values: superuser.execute(sql, {"t": tenant, **values}).rowcount


def test_whole_batches_are_sealed_once(db: Database, tenant: str) -> None:
    received(db, tenant, ["a", "faulty-1", "b"])
    received(db, tenant, ["c"])
    assert check(db, tenant).pending == 4
    made = {each.chain.kind: (each.number, each.rows, each.batches) for each in sealed(db, tenant)}
    assert made == {"arrivals": (1, 4, 2), "audit": (1, 1, 1)}
    assert sealed(db, tenant) == []
    received(db, tenant, ["d"], NOW)
    assert [(each.chain.kind, each.number, each.rows) for each in sealed(db, tenant)] == [("arrivals", 2, 1)]
    found = check(db, tenant)
    assert (found.ok, found.seals, found.rows, found.pending) == (True, 2, 5, 0)


def test_what_is_of_lately_is_found_without_a_sweep(db: Database, tenant: str) -> None:
    received(db, tenant, ["a", "faulty"])
    clock = ManualClock(NOW)
    assert [each for each in seal(db, clock, since=NOW + timedelta(days=9_999)) if each.chain.tenant_id == tenant] == []
    made = seal(db, clock, since=LONG_AGO)
    assert {(each.chain.kind, each.rows) for each in made if each.chain.tenant_id == tenant} == {
        ("arrivals", 2),
        ("audit", 1),
    }


def test_a_backlog_is_sealed_in_steps_of_bounded_size(
    db: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_ROWS", 3), ("_BATCHES", 2), ("_WINDOW", 4), ("_PART_ROWS", 2)):
        monkeypatch.setattr(verb, name, value)
    for name in "abcdefg":
        received(db, tenant, [f"{name}{number}" for number in range(2)])
    received(db, tenant, [f"large-{number}" for number in range(9)])
    made = [each for each in sealed(db, tenant) if each.chain.kind == "arrivals"]
    assert sum(each.rows for each in made) == 23
    assert [each.number for each in made] == list(range(1, len(made) + 1))
    assert max(each.batches for each in made) <= 2
    assert_clean(db, tenant)
    assert seal(db, ManualClock(NOW), tenant_id=tenant, seconds=0) == []


def test_the_leaves_are_what_the_documentation_says(
    db: Database, superuser: psycopg.Connection, names: dict[str, str], tenant: str
) -> None:
    """Row by row, made again in Python."""
    kept: dict[UUID, bytes] = {}
    for ids, leaves in superuser.execute(
        "SELECT row_ids, leaf_hashes FROM audit.sealed_batches WHERE tenant_id = %s", [tenant]
    ):
        kept |= {one: leaves[at * 32 : at * 32 + 32] for at, one in enumerate(ids)}
    expected = {row["raw_id"]: arrival_leaf(row) for row in rows_of(superuser, "bronze.events_raw", tenant)}
    expected |= {row["audit_id"]: audit_leaf(row) for row in rows_of(superuser, "audit.audit_log", tenant)}
    assert kept == expected
    assert len(kept) == len(names) + 3


TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    texts=st.lists(TEXT, min_size=4, max_size=4), notes=st.none() | TEXT, facts=st.dictionaries(TEXT, TEXT, max_size=3)
)
def test_the_leaves_of_any_text_are_what_the_documentation_says(
    db: Database, superuser: psycopg.Connection, tenant: str, texts: list[str], notes: str | None, facts: dict[str, str]
) -> None:
    whose = f"{tenant}-{new_id()}"
    entry = audit.Entry(whose, NOW, texts[0], texts[1], texts[2], texts[3], None, facts, notes)
    with db.transaction() as tx:
        audit.insert(tx, [entry])
    sealed(db, whose)
    (row,) = rows_of(superuser, "audit.audit_log", whose)
    kept = superuser.execute("SELECT leaf_hashes FROM audit.sealed_batches WHERE tenant_id = %s", [whose]).fetchone()
    assert kept == (audit_leaf(row),)


@pytest.mark.parametrize("change", ALTERED, ids=[change.split(" = ")[0] for change in ALTERED])
def test_an_altered_arrival_is_named(db: Database, do: Do, names: dict[str, str], tenant: str, change: str) -> None:
    assert (
        do(f"UPDATE bronze.events_raw SET {change} WHERE tenant_id = %(t)s AND raw_id = %(row)s", row=names["b"]) == 1
    )
    assert named(check(db, tenant)) == [("ROW_ALTERED", names["b"])]
    assert check(db, tenant, "audit").ok


@pytest.mark.parametrize("change", ALTERED_AUDIT, ids=[change.split(" = ")[0] for change in ALTERED_AUDIT])
def test_an_altered_audit_row_is_named(
    db: Database, do: Do, superuser: psycopg.Connection, names: dict[str, str], tenant: str, change: str
) -> None:
    del names
    row = rows_of(superuser, "audit.audit_log", tenant)[1]["audit_id"]
    assert do(f"UPDATE audit.audit_log SET {change} WHERE tenant_id = %(t)s AND audit_id = %(row)s", row=row) == 1
    assert named(check(db, tenant, "audit")) == [("ROW_ALTERED", str(row))]
    assert check(db, tenant).ok


def test_a_deleted_arrival_is_named(db: Database, do: Do, names: dict[str, str], tenant: str) -> None:
    assert do("DELETE FROM bronze.events_raw WHERE tenant_id = %(t)s AND raw_id = %(row)s", row=names["c"]) == 1
    assert named(check(db, tenant)) == [("ROW_MISSING", names["c"])]


def test_a_deleted_audit_row_is_named(
    db: Database, do: Do, superuser: psycopg.Connection, names: dict[str, str], tenant: str
) -> None:
    del names
    row = rows_of(superuser, "audit.audit_log", tenant)[0]["audit_id"]
    assert do("DELETE FROM audit.audit_log WHERE tenant_id = %(t)s AND audit_id = %(row)s", row=row) == 1
    assert named(check(db, tenant, "audit")) == [("ROW_MISSING", str(row))]


def test_a_row_deleted_with_its_batch_is_named(db: Database, do: Do, names: dict[str, str], tenant: str) -> None:
    gone = "tenant_id = %(t)s AND %(row)s = ANY (ids)"
    assert (
        do("UPDATE bronze.batches SET ids = array_remove(ids, %(row)s::uuid) WHERE " + gone, row=UUID(names["a"])) == 1
    )
    assert do("DELETE FROM bronze.events_raw WHERE tenant_id = %(t)s AND raw_id = %(row)s", row=names["a"]) == 1
    assert {name for name, _ in named(check(db, tenant))} == {"ROW_MISSING", "BATCH_ALTERED"}
    assert do("DELETE FROM bronze.batches WHERE " + gone, row=UUID(names["b"])) == 1
    found = named(check(db, tenant))
    assert [name for name, _ in found] == ["BATCH_MISSING", "ROW_MISSING"]
    assert found[1] == ("ROW_MISSING", names["a"])


@pytest.mark.parametrize("when", ["of old", "pending"])
def test_an_inserted_arrival_is_named(db: Database, do: Do, names: dict[str, str], tenant: str, when: str) -> None:
    """In no batch; put into a sealed one; in a batch of its own, before it is sealed and afterwards."""
    new = UUID(new_id())
    assert do(COPY, new=new, row=names["b"]) == 1
    assert named(check(db, tenant)) == [("ROW_INSERTED", str(new))]
    if when == "of old":
        into = "UPDATE bronze.batches SET ids = ids || %(new)s::uuid WHERE tenant_id = %(t)s AND %(row)s = ANY (ids)"
        assert do(into, new=new, row=UUID(names["b"])) == 1
        assert named(check(db, tenant)) == [("ROW_INSERTED", str(new))]
        return
    assert do("INSERT INTO bronze.batches VALUES (%(t)s, %(new)s, ARRAY[%(new)s::uuid])", new=new) == 1
    assert named(check(db, tenant)) == [("ROW_INSERTED", str(new))]
    sealed(db, tenant)
    assert named(check(db, tenant)) == [("ROW_INSERTED", str(new))]


def test_an_inserted_audit_row_is_named(db: Database, do: Do, names: dict[str, str], tenant: str) -> None:
    del names
    new = UUID(new_id())
    columns = "(tenant_id, audit_id, occurred_at, actor, action, object_type, object_id)"
    plant = f"INSERT INTO audit.audit_log {columns} VALUES (%(t)s, %(new)s, %(at)s, 'ana', 'exception.resolved', 'exception', 'x')"
    assert do(plant, new=new, at=LONG_AGO) == 1
    assert named(check(db, tenant, "audit")) == [("ROW_INSERTED", str(new))]
    assert do("INSERT INTO audit.batches VALUES (%(t)s, %(new)s, ARRAY[%(new)s::uuid])", new=new) == 1
    sealed(db, tenant)
    assert named(check(db, tenant, "audit")) == [("ROW_INSERTED", str(new))]


def test_what_commits_late_but_is_of_lately_is_no_fault(db: Database, names: dict[str, str], tenant: str) -> None:
    del names
    received(db, tenant, ["late"], NOW - timedelta(hours=5))
    assert check(db, tenant).pending == 1
    sealed(db, tenant)
    assert_clean(db, tenant)


def test_what_waited_long_for_its_first_seal_is_no_fault(db: Database, tenant: str) -> None:
    """No sealer ran for a month; then the frequent walk comes before the sweep."""
    received(db, tenant, ["a"], LONG_AGO)
    seal(db, ManualClock(NOW), since=NOW + timedelta(days=9_999))
    received(db, tenant, ["b"], LONG_AGO + timedelta(days=3))
    sealed(db, tenant)
    assert_clean(db, tenant)


def test_a_row_altered_before_it_was_sealed_is_named(db: Database, do: Do, tenant: str) -> None:
    names = received(db, tenant, ["a", "b"])
    do("UPDATE bronze.events_raw SET body = 'x' WHERE tenant_id = %(t)s AND raw_id = %(row)s", row=names["a"])
    assert named(check(db, tenant)) == [("ROW_ALTERED", names["a"])]
    sealed(db, tenant)
    assert named(check(db, tenant)) == [("ROW_ALTERED", names["a"])]


def test_a_row_deleted_before_it_was_sealed_is_named(db: Database, do: Do, tenant: str) -> None:
    names = received(db, tenant, ["a", "b"])
    do("DELETE FROM bronze.events_raw WHERE tenant_id = %(t)s AND raw_id = %(row)s", row=names["a"])
    assert named(check(db, tenant)) == [("ROW_MISSING", names["a"])]
    sealed(db, tenant)
    assert named(check(db, tenant)) == [("ROW_MISSING", names["a"])]
    do("DELETE FROM bronze.events_raw WHERE tenant_id = %(t)s AND raw_id = %(row)s", row=names["b"])
    assert set(named(check(db, tenant))) == {("ROW_MISSING", names["a"]), ("ROW_MISSING", names["b"])}


WHERE = " WHERE tenant_id = %(t)s AND kind = 'arrivals' AND number = "
SEALS = [
    ("DELETE FROM audit.seals" + WHERE + "1", {("SEAL_MISSING", 1)}),
    ("DELETE FROM audit.seals" + WHERE + "2", {("SEAL_MISSING", 2)}),
    ("UPDATE audit.seals SET sealed_at = sealed_at - interval '1 day'" + WHERE + "1", {("SEAL_ALTERED", 1)}),
    ("UPDATE audit.seals SET swept_until = NULL" + WHERE + "2", {("SEAL_ALTERED", 2)}),
    ("UPDATE audit.seals SET rows = rows + 1" + WHERE + "2", {("SEAL_ALTERED", 2)}),
    ("UPDATE audit.seals SET format = 2" + WHERE + "2", {("SEAL_ALTERED", 2)}),
    ("UPDATE audit.seals SET merkle_root = sha256('x')" + WHERE + "1", {("SEAL_ALTERED", 1)}),
    ("UPDATE audit.seals SET seal_hash = sha256('x')" + WHERE + "1", {("SEAL_ALTERED", 1), ("CHAIN_BROKEN", 2)}),
    ("UPDATE audit.seals SET previous_hash = sha256('x')" + WHERE + "1", {("SEAL_ALTERED", 1), ("CHAIN_BROKEN", 1)}),
    (
        "UPDATE audit.sealed_batches SET leaf_hashes = sha256('x')" + WHERE + "2 AND cardinality(row_ids) = 1",
        {("SEAL_ALTERED", 2), ("ROW_ALTERED", "d")},
    ),
    ("DELETE FROM audit.sealed_batches" + WHERE + "2", {("SEAL_ALTERED", 2)}),
]


@pytest.mark.parametrize(("damage", "expected"), SEALS, ids=[damage[:60] for damage, _ in SEALS])
def test_an_altered_or_missing_seal_is_named(
    db: Database, do: Do, tenant: str, damage: str, expected: set[tuple[str, Any]]
) -> None:
    received(db, tenant, ["a", "b", "c"])
    sealed(db, tenant)
    names = received(db, tenant, ["d"], NOW)
    sealed(db, tenant, NOW + timedelta(minutes=1))
    assert_clean(db, tenant)
    assert do(damage) == 1
    assert set(named(check(db, tenant))) == {(name, names.get(what, what)) for name, what in expected}
    assert check(db, tenant, "audit").ok


def test_a_redacted_arrival_is_listed_and_still_verifies(
    db: Database, do: Do, names: dict[str, str], tenant: str
) -> None:
    by = Operator(ANYBODY, NOW, 600)
    for name in ("a", "d"):
        redact_arrival(db, tenant, UUID(names[name]), "asked for by law", by, even_if_not_posted=True)
    found = check(db, tenant)
    assert (found.ok, {str(one) for one in found.redacted}, found.redacted_count) == (True, {names["a"], names["d"]}, 2)
    sealed(db, tenant)
    assert_clean(db, tenant)
    do(
        "UPDATE bronze.events_raw SET body_sha256 = sha256('x') WHERE tenant_id = %(t)s AND raw_id = %(row)s",
        row=names["a"],
    )
    assert named(check(db, tenant)) == [("ROW_ALTERED", names["a"])]


def test_headers_are_sealed_and_outlive_a_redaction(db: Database, do: Do, tenant: str) -> None:
    names = received(db, tenant, ["a", "b", "c"])
    do("UPDATE bronze.events_raw SET ce_headers = '{\"ce-id\": \"é\"}' WHERE tenant_id = %(t)s AND event_id <> 'b'")
    sealed(db, tenant)
    assert_clean(db, tenant)
    redact_arrival(db, tenant, UUID(names["a"]), "law", Operator(ANYBODY, NOW, 600), even_if_not_posted=True)
    found = check(db, tenant)
    assert (found.ok, [str(one) for one in found.redacted]) == (True, [names["a"]])
    do("UPDATE bronze.events_raw SET ce_headers = '{}' WHERE tenant_id = %(t)s AND event_id = 'c'")
    assert named(check(db, tenant)) == [("ROW_ALTERED", names["c"])]


def test_a_redaction_that_nobody_owns_up_to_is_named(db: Database, do: Do, names: dict[str, str], tenant: str) -> None:
    blank = "UPDATE bronze.events_raw SET body = '{\"redacted\":true}' WHERE tenant_id = %(t)s AND raw_id = %(row)s"
    assert do(blank, row=names["a"]) == 1
    assert named(check(db, tenant)) == [("REDACTION_WITHOUT_AUDIT", names["a"])]


def test_a_body_that_only_looks_redacted_is_like_any_other(db: Database, do: Do, tenant: str) -> None:
    names = received(db, tenant, ["a"])
    body = "body = '{\"redacted\":true}', body_sha256 = sha256('{\"redacted\":true}')"
    do(f"UPDATE bronze.events_raw SET {body} WHERE tenant_id = %(t)s AND raw_id = %(row)s", row=names["a"])
    sealed(db, tenant)
    found = check(db, tenant)
    assert (found.ok, found.redacted) == (True, [])


def test_a_rewritten_chain_fits_and_has_another_head(
    db: Database, superuser: psycopg.Connection, do: Do, names: dict[str, str], tenant: str
) -> None:
    """Only a head that was exported before tells; tests/api/test_seals_door.py has it tell."""
    before = check(db, tenant).head_hash
    change = "body = 'x', body_sha256 = sha256('x')"
    do(f"UPDATE bronze.events_raw SET {change} WHERE tenant_id = %(t)s AND raw_id = %(row)s", row=names["a"])
    assert not check(db, tenant).ok
    forge(superuser, tenant)
    found = check(db, tenant)
    assert (found.ok, found.head_hash == before) == (True, False)


def test_many_faults_are_counted_and_the_first_are_named(db: Database, do: Do, tenant: str) -> None:
    received(db, tenant, [f"e{number}" for number in range(150)])
    sealed(db, tenant)
    do("UPDATE bronze.events_raw SET door = 'x' WHERE tenant_id = %(t)s")
    (found,) = (each for each in verify_seals(db, datetime.now(UTC), tenant, most=10) if each.kind == "arrivals")
    assert (found.fault_count, len(found.faults)) == (150, 10)


def test_the_application_can_neither_change_nor_delete_a_seal(books: TestDatabase) -> None:
    with psycopg.connect(books.app_url, autocommit=True, options="-c role=ledgersafe_app") as application:
        for table in ("audit.seals", "audit.sealed_batches", "audit.batches"):
            for statement in (f"UPDATE {table} SET tenant_id = 'x'", f"DELETE FROM {table}", f"TRUNCATE {table}"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    application.execute(statement)


def test_a_clock_that_was_ahead_accuses_nobody(db: Database, do: Do, tenant: str) -> None:
    """A sweep at a day ahead says that all until then was sealed. What honestly comes after it is no insertion."""
    received(db, tenant, ["a", "faulty-1"], NOW)
    sealed(db, tenant, NOW + timedelta(days=1))
    names = received(db, tenant, ["b", "faulty-2"], NOW + timedelta(minutes=1))
    soon = NOW + timedelta(minutes=2)
    assert [named(each) for each in verify_seals(db, soon, tenant)] == [[], []]
    seal(db, ManualClock(soon), tenant_id=tenant, since=NOW)
    assert_clean(db, tenant)
    received(db, tenant, ["c", "faulty-3"], NOW + timedelta(minutes=3))
    sealed(db, tenant, NOW + timedelta(minutes=4))
    received(db, tenant, ["d", "faulty-4"], NOW + timedelta(minutes=5))
    sealed(db, tenant, NOW + timedelta(minutes=6))
    assert_clean(db, tenant)
    new = UUID(new_id())
    assert do(COPY, new=new, row=names["b"]) == 1
    assert do("UPDATE bronze.events_raw SET received_at = %(at)s WHERE raw_id = %(new)s", new=new, at=LONG_AGO) == 1
    assert do("INSERT INTO bronze.batches VALUES (%(t)s, %(new)s, ARRAY[%(new)s::uuid])", new=new) == 1
    sealed(db, tenant, NOW + timedelta(minutes=7))
    assert named(check(db, tenant)) == [("ROW_INSERTED", str(new))], "sweeps count again"
