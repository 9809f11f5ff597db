"""resolve, beyond the table: what is refused, what is put on record, and that nobody decides on others' events."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest

from ledgersafe.contracts import doors
from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline import bulk
from ledgersafe.pipeline.accept import Outcome, accept
from ledgersafe.pipeline.arrival import Parcel, judged, read
from ledgersafe.pipeline.assign import assign
from ledgersafe.pipeline.promote import promote
from ledgersafe.pipeline.redact import redact_arrival
from ledgersafe.pipeline.trace import exception_detail, exception_page
from ledgersafe.quarantine.store import ExceptionRow, Filter
from tests.contracts.test_doors import SCOUT_EXAMPLE, binary_headers, structured
from tests.events import sale
from tests.pipeline.arrivals import ANYBODY, accepted, told
from tests.pipeline.operating import IGNORE, MENDS, REPLAY, decided, failed_checks, operator, refusal_of, wish


def parked(db: Database, tenant: str, event_id: str = "e", **changes: Any) -> Outcome:
    """A faulty event, held."""
    (outcome,) = accepted(db, [sale(tenant, event_id, **({"total_amount": 99} | changes))])
    assert outcome.exception_id is not None
    return outcome


def row(db: Database, exception_id: str | None) -> ExceptionRow:
    found = exception_detail(db, None, UUID(exception_id))
    assert found is not None
    return found.exception


def entries(connection: psycopg.Connection, exception_id: str | None, action: str) -> list[tuple[Any, ...]]:
    sql = "SELECT actor, before_json, after_json, notes FROM audit.audit_log WHERE object_id = %s AND action = %s"
    return connection.execute(sql, [exception_id, action]).fetchall()


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (wish(IGNORE, ""), "INVALID_PARAMETER"),
        (wish(IGNORE, " \t\n"), "INVALID_PARAMETER"),
        (wish(REPLAY, "", patch=MENDS), "INVALID_PARAMETER"),
        (wish(IGNORE, patch=MENDS), "INVALID_PARAMETER"),
        (wish(IGNORE, canonical="first"), "INVALID_PARAMETER"),
        (wish(REPLAY, patch=MENDS | {"tenant_id": "other"}), "PATCH_TOUCHES_IDENTITY"),
        (wish(REPLAY, patch=MENDS | {"event_id": "other"}), "PATCH_TOUCHES_IDENTITY"),
        (wish(REPLAY, patch=MENDS | {"event_id": None}), "PATCH_TOUCHES_IDENTITY"),
        (wish(REPLAY, canonical=uuid4(), patch=MENDS), "INVALID_PARAMETER"),
        (wish(IGNORE, expected_last_raw_id=uuid4()), "EXCEPTION_CHANGED"),
    ],
)
def test_a_wish_that_is_refused_leaves_no_trace(db: Database, tenant: str, wanted: Any, code: str) -> None:
    held = parked(db, tenant)
    before = exception_detail(db, None, UUID(held.exception_id))
    assert refusal_of(db, str(held.exception_id), wanted) == code
    assert exception_detail(db, None, UUID(held.exception_id)) == before


def test_the_raw_id_of_another_key_is_not_chosen(db: Database, tenant: str) -> None:
    held, other = parked(db, tenant, "e1"), parked(db, tenant, "e2")
    wanted = wish(canonical=UUID(other.raw_id), patch=MENDS)
    assert refusal_of(db, str(held.exception_id), wanted) == "INVALID_PARAMETER"


def test_a_payload_that_came_since_is_looked_at_first(db: Database, tenant: str) -> None:
    held = parked(db, tenant)
    seen = wish(IGNORE, expected_last_raw_id=UUID(held.raw_id))
    accepted(db, [sale(tenant, "e", total_amount=99)])  # a retry is no other payload
    (newer,) = accepted(db, [sale(tenant, "e")])
    assert refusal_of(db, str(held.exception_id), seen) == "EXCEPTION_CHANGED"
    assert refusal_of(db, str(held.exception_id), wish(IGNORE, expected_last_raw_id=UUID(newer.raw_id))) == ""


def test_every_fault_is_told_and_every_attempt_counted(
    db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    held = parked(db, tenant)
    patch = {"total_amount": 1, "currency": "XXY", "tenders": [{"type": "cash", "amount": 2}]}
    for attempt in (1, 2):
        with pytest.raises(RequestRefused) as refused:
            decided(db, str(held.exception_id), wish(patch=patch, notes=f"attempt {attempt}"))
        faults = {(fault.reason.code, fault.path) for fault in refused.value.faults}
        assert {code for code, _ in faults} == {"CURRENCY_UNKNOWN", "TOTALS_MISMATCH", "TENDERS_MISMATCH"}
        found = row(db, held.exception_id)
        assert (found.status, found.replay_attempts, found.last_replay_status) == ("open", attempt, "refused")
    recorded = entries(superuser, held.exception_id, "exception.replay_refused")
    assert sorted(entry[3] for entry in recorded) == ["attempt 1", "attempt 2"]
    assert {fault["reason_code"] for fault in recorded[0][2]["details"]} == {code for code, _ in faults}
    decided(db, str(held.exception_id), wish(patch=MENDS))
    found = row(db, held.exception_id)
    assert (found.replay_attempts, found.last_replay_status, found.override_patch) == (3, "accepted", MENDS)
    assert found.last_replay_at == found.resolved_at
    assert failed_checks(db, tenant) == []


def test_the_audit_log_names_the_credential_and_keeps_the_claim(
    db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    held = parked(db, tenant)
    by = operator(tenant, actor="user:ana")
    decided(db, str(held.exception_id), wish(patch=MENDS, notes="till 3 was broken", claimed_actor="the boss"), by)
    (entry,) = entries(superuser, held.exception_id, "exception.resolved")
    assert entry == (
        "user:ana",
        {"status": "open", "reason_code": "TOTALS_MISMATCH", "payloads": 1},
        {
            "event_id": "e",
            "resolution": "replayed",
            "key_status": "processed",
            "canonical_raw_id": held.raw_id,
            "patched": sorted(MENDS),
            "books_date": None,
            "patch_sha256": sha256(orjson.dumps(MENDS)).hexdigest(),
            "claimed_actor": "the boss",
        },
        "till 3 was broken",
    )
    found = row(db, held.exception_id)
    assert (found.resolution_actor, found.resolution_notes) == ("user:ana", "till 3 was broken")
    assert refusal_of(db, str(held.exception_id), wish(IGNORE)) == "ALREADY_RESOLVED"
    with pytest.raises(RequestRefused) as refused:
        assign(db, UUID(held.exception_id), "ana", by)
    assert refused.value.reason.code == "ALREADY_RESOLVED"


def test_assigning_is_on_record(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    held = parked(db, tenant)
    for whom in ("ana", "ben", None):
        assert assign(db, UUID(held.exception_id), whom, operator(tenant)).assigned_to == whom
    changes = [(entry[1], entry[2]) for entry in entries(superuser, held.exception_id, "exception.assigned")]
    names = [(before["assigned_to"], after["assigned_to"]) for before, after in changes]
    assert sorted(names, key=str) == sorted([(None, "ana"), ("ana", "ben"), ("ben", None)], key=str)


def test_a_tenant_decides_on_its_own_events_only(db: Database, tenant: str) -> None:
    held = parked(db, tenant)
    stranger = operator("somebody-else")
    before = exception_detail(db, None, UUID(held.exception_id))
    for wanted in (wish(IGNORE), wish(patch=MENDS)):
        assert refusal_of(db, str(held.exception_id), wanted, stranger) == "NOT_FOUND"
    with pytest.raises(RequestRefused) as refused:
        assign(db, UUID(held.exception_id), "me", stranger)
    assert refused.value.reason.code == "NOT_FOUND"
    assert refusal_of(db, uuid4(), wish(IGNORE)) == "NOT_FOUND"
    assert exception_detail(db, None, UUID(held.exception_id)) == before


def test_a_source_event_id_that_another_event_has_is_refused_at_replay(db: Database, tenant: str) -> None:
    accepted(db, [sale(tenant, "e1", source_event_id="s1")])
    (held,) = accepted(db, [sale(tenant, "e2", source_event_id="s1")])
    assert told([held]) == [("quarantined", "DUPLICATE_SOURCE_EVENT_ID")]
    with pytest.raises(RequestRefused) as refused:
        decided(db, str(held.exception_id), wish(REPLAY))
    assert [(fault.reason.code, fault.path) for fault in refused.value.faults] == [
        ("DUPLICATE_SOURCE_EVENT_ID", "/source_event_id")
    ]
    assert row(db, held.exception_id).replay_attempts == 1
    assert decided(db, str(held.exception_id), wish(patch={"source_event_id": "s2"})).key_status == "processed"
    # What a replay took is taken.
    late = accepted(db, [sale(tenant, "e3", source_event_id="s2")])
    assert told(late) == [("quarantined", "DUPLICATE_SOURCE_EVENT_ID")]
    assert failed_checks(db, tenant) == []


def test_a_refused_replay_takes_no_source_event_id(db: Database, tenant: str) -> None:
    held = parked(db, tenant, "e1", source_event_id="s1")
    assert refusal_of(db, str(held.exception_id), wish(REPLAY)) == "REPLAY_REFUSED"
    assert told(accepted(db, [sale(tenant, "e2", source_event_id="s1")])) == [("processed", None)]
    assert refusal_of(db, str(held.exception_id), wish(patch=MENDS)) == "REPLAY_REFUSED"


def test_a_redacted_payload_is_not_replayed_but_may_be_ignored(db: Database, tenant: str) -> None:
    held = parked(db, tenant, customer_id="Ada Lovelace")
    with pytest.raises(RequestRefused, match="is of a parked event") as refused:
        redact_arrival(db, tenant, UUID(held.raw_id), "article 17", operator(tenant))
    assert refused.value.reason.code == "NOT_POSTED_YET"
    by = operator(tenant)
    assert redact_arrival(db, tenant, UUID(held.raw_id), "article 17", by, even_if_not_posted=True) is True
    assert redact_arrival(db, tenant, UUID(held.raw_id), "article 17", by) is False
    with pytest.raises(RequestRefused) as replayed:
        decided(db, str(held.exception_id), wish(patch=MENDS))
    assert [fault.reason.code for fault in replayed.value.faults] == ["REDACTED"]
    for patch in (None, MENDS, sale(tenant, "e") | {"tenant_id": None, "event_id": None}):
        wanted = wish(
            patch=patch and {name: value for name, value in patch.items() if name not in ("tenant_id", "event_id")}
        )
        assert refusal_of(db, str(held.exception_id), wanted) == "REPLAY_REFUSED"
    assert row(db, held.exception_id).replay_attempts == 4
    assert decided(db, str(held.exception_id), wish(IGNORE)).key_status == "ignored"
    retry = accepted(db, [sale(tenant, "e", total_amount=99, customer_id="Ada Lovelace")])
    assert told(retry) == [("ignored", "IGNORED_BY_OPERATOR")]


def test_a_patch_goes_with_the_body_that_is_redacted(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    held = parked(db, tenant)
    decided(db, str(held.exception_id), wish(patch=MENDS | {"customer_id": "Ada Lovelace"}))
    assert redact_arrival(db, tenant, UUID(held.raw_id), "17", operator(tenant)) is True
    assert row(db, held.exception_id).override_patch is None
    sql = "SELECT body FROM bronze.events_raw WHERE tenant_id = %s"
    assert superuser.execute(sql, [tenant]).fetchall() == [(b'{"redacted":true}',)]


def test_what_waits_to_be_posted_is_redacted_only_on_demand(db: Database, tenant: str) -> None:
    (held,) = accepted(db, [sale(tenant, "e")])
    with pytest.raises(RequestRefused) as refused:
        redact_arrival(db, tenant, UUID(held.raw_id), "article 17", operator(tenant))
    assert refused.value.reason.code == "NOT_POSTED_YET"
    assert redact_arrival(db, tenant, UUID(held.raw_id), "17", operator(tenant), even_if_not_posted=True) is True


def test_what_waits_for_its_original_is_redacted_only_on_demand_and_is_told_so(db: Database, tenant: str) -> None:
    """A return that came first would be released by its sale, and could not be read then."""
    till = (db, tenant, datetime.now(UTC))
    returned = sale(tenant, "r", event_type="RETURN", original_txn_id="txn-s")
    (early,) = accepted(db, [returned])
    promote(*till)
    with pytest.raises(RequestRefused, match="is of a parked event") as refused:
        redact_arrival(db, tenant, UUID(early.raw_id), "article 17", operator(tenant))
    assert refused.value.reason.code == "NOT_POSTED_YET"
    assert redact_arrival(db, tenant, UUID(early.raw_id), "17", operator(tenant), even_if_not_posted=True) is True
    accepted(db, [sale(tenant, "s", txn_id="txn-s")])
    while promote(*till):
        pass
    chosen = Filter(tenant_ids=[tenant], status="open")
    (held,) = exception_page(db, chosen, 10)
    assert (held.idempotency_key, held.reason_code) == ("r", "REDACTED")
    assert decided(db, str(held.exception_id), wish(IGNORE)).key_status == "ignored"
    assert failed_checks(db, tenant) == []


def test_what_is_posted_is_redacted_while_nothing_of_it_is_parked(db: Database, tenant: str) -> None:
    """A decision between two payloads needs both to be read."""
    (first,) = accepted(db, [sale(tenant, "e")])
    promote(db, tenant, datetime.now(UTC))
    (other,) = accepted(db, [sale(tenant, "e", customer_id="Ada Lovelace")])
    for raw_id in (first.raw_id, other.raw_id):
        with pytest.raises(RequestRefused, match="is of a parked event"):
            redact_arrival(db, tenant, UUID(raw_id), "article 17", operator(tenant))
    decided(db, str(other.exception_id), wish(IGNORE))
    for raw_id in (first.raw_id, other.raw_id):
        assert redact_arrival(db, tenant, UUID(raw_id), "article 17", operator(tenant)) is True


@pytest.mark.parametrize("door", [doors.SCOUT, doors.CLOUDEVENTS_STRUCTURED, doors.CLOUDEVENTS_BINARY])
def test_a_patch_lies_over_the_event_whatever_its_door(db: Database, tenant: str, door: str) -> None:
    event = sale(tenant, "e", total_amount=99)
    body = {doors.SCOUT: SCOUT_EXAMPLE, doors.CLOUDEVENTS_STRUCTURED: structured(event)}.get(
        door, structured(event)["data"]
    )
    headers = binary_headers(event) if door == doors.CLOUDEVENTS_BINARY else None
    mapped = read(Parcel(door, ANYBODY, datetime.now(UTC), headers), orjson.dumps(body), tenant)
    (held,) = accept(db, [judged(mapped, None, 600)], slot=0)
    assert held.result == "quarantined"
    patch = {"total_amount": "50.00", "currency": "USD"} if door == doors.SCOUT else MENDS
    assert decided(db, str(held.exception_id), wish(patch=patch)).key_status == "processed"
    assert failed_checks(db, tenant) == []


def test_a_return_that_was_a_sale(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    """As the one parked event of a retailer's real year: a cancellation with the wrong sign, patched to a SALE of 1."""
    lines = [{"sku": "M", "qty": -1, "amount": "373.57", "unit_price": "373.57"}]
    event = sale(tenant, "or-C496350", event_type="RETURN", total_amount="373.57", line_items=lines)
    (held,) = accepted(db, [event])
    assert held.result == "quarantined"
    assert refusal_of(db, str(held.exception_id), wish(patch={"event_type": "SALE"})) == "REPLAY_REFUSED"
    patch = {"event_type": "SALE", "line_items": [lines[0] | {"qty": 1}]}
    assert decided(db, str(held.exception_id), wish(patch=patch)).key_status == "processed"
    sql = "SELECT raw_id, type, units, total FROM silver.transactions WHERE tenant_id = %s"
    assert superuser.execute(sql, [tenant]).fetchall() == [(UUID(held.raw_id), "SALE", 1, Decimal("373.57"))]
    assert row(db, held.exception_id).override_patch == patch


@pytest.mark.parametrize(
    ("ahead", "code"), [(-1_000_000, "INVALID_PARAMETER"), (0, ""), (1, ""), (2, "INVALID_PARAMETER"), (36_500, "INVALID_PARAMETER")]
)  # fmt: skip
def test_a_day_of_the_books_is_one_that_a_sale_could_be_of(db: Database, tenant: str, ahead: int, code: str) -> None:
    """A wrong century would make gold keep a row for each day until then. A dry run and a bulk run say so too."""
    (outcome,) = accepted(db, [sale(tenant, "s", total_amount=1)])
    by = operator()
    day = by.now.date() + timedelta(days=ahead) if ahead > -1_000_000 else date(1969, 12, 29)
    wanted = wish(patch=MENDS, books_date=day)
    chosen = Filter(tenant_ids=[tenant], status="open")
    for asked in (
        lambda: bulk.plan(db, tenant, chosen, wanted, by.now),
        lambda: bulk.start(db, tenant, chosen, wanted, by, 1),
    ):
        if code:
            with pytest.raises(RequestRefused, match=f"books_date is {day}; it can be a day from 1969-12-30 to "):
                asked()
    assert refusal_of(db, str(outcome.exception_id), wanted, by) == code


def test_the_first_day_of_the_books(db: Database, tenant: str) -> None:
    (outcome,) = accepted(db, [sale(tenant, "s", total_amount=1)])
    assert refusal_of(db, str(outcome.exception_id), wish(patch=MENDS, books_date=date(1969, 12, 30))) == ""
