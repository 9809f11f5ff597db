"""verify finds what was changed of decisions: what the gate says of payloads, and what is read of exceptions."""

from uuid import UUID

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.pipeline.redact import redact_arrival
from tests.pipeline.operating import operator
from tests.pipeline.posting import Till
from tests.pipeline.verifying import assert_found_where_no_day_bounds, broken, damage_rows, some_decisions

OF_DECISIONS = [
    ("DELETE FROM gate.later_arrivals WHERE tenant_id = %(t)s AND idempotency_key = 'plain'", {"arrivals_have_a_key"}),
    (
        "UPDATE gate.later_arrivals SET raw_id = gen_random_uuid() WHERE tenant_id = %(t)s AND idempotency_key = 'plain'",
        {"arrivals_have_a_key", "keys_have_arrived"},
    ),
    (
        "DELETE FROM gate.other_payloads WHERE tenant_id = %(t)s",
        {"arrivals_have_a_key", "keys_follow_decisions", "what_counts_is_posted"},
    ),
    ("UPDATE gate.other_payloads SET fingerprint = 'x' WHERE tenant_id = %(t)s", {"arrivals_have_a_key"}),
    (
        "UPDATE gate.other_payloads SET raw_id = gen_random_uuid() WHERE tenant_id = %(t)s",
        {"keys_have_arrived", "what_counts_is_posted"},
    ),
    (
        "UPDATE gate.events_processed SET first_decision = 'superseded' WHERE tenant_id = %(t)s AND idempotency_key = 'plain'",
        {"keys_follow_decisions", "what_counts_is_posted"},
    ),
    (
        "UPDATE gate.events_processed SET first_decision = 'open' WHERE tenant_id = %(t)s AND idempotency_key = 'let-go'",
        {"keys_follow_decisions"},
    ),
    (
        "UPDATE gate.events_processed SET status = 'ignored' WHERE tenant_id = %(t)s AND idempotency_key = 'plain'",
        {"keys_follow_decisions", "counter_processed", "counter_ignored"},
    ),
    (
        "WITH o AS (UPDATE gate.other_payloads SET decision = 'superseded' WHERE tenant_id = %(t)s) UPDATE gate.events_processed SET first_decision = 'accepted' WHERE tenant_id = %(t)s AND idempotency_key = 'changed'",
        {"what_counts_is_posted"},
    ),
    (
        "WITH k AS (SELECT * FROM gate.payloads WHERE tenant_id = %(t)s AND idempotency_key = 'changed'), e AS (UPDATE ledger.entries e SET raw_id = a.raw_id FROM k a, k b WHERE e.tenant_id = %(t)s AND e.raw_id = b.raw_id AND a.decision = 'superseded') UPDATE silver.transactions t SET raw_id = a.raw_id FROM k a WHERE t.tenant_id = %(t)s AND event_id = 'changed' AND a.decision = 'superseded'",
        {"what_counts_is_posted"},
    ),
    (
        "UPDATE gate.other_payloads SET decision = 'accepted' WHERE tenant_id = %(t)s AND idempotency_key = 'as-it-is'",
        {"what_counts_is_posted"},
    ),
    (
        "INSERT INTO gate.to_post (tenant_id, raw_id, idempotency_key) SELECT tenant_id, raw_id, idempotency_key FROM gate.other_payloads WHERE tenant_id = %(t)s AND idempotency_key = 'as-it-is'",
        {"what_counts_is_posted"},
    ),
    (
        "UPDATE quarantine.exceptions SET override_patch = '{\"total_amount\":1}' WHERE tenant_id = %(t)s AND idempotency_key = 'faulty'",
        {"decisions_are_on_record"},
    ),
    (
        "UPDATE quarantine.exceptions SET override_patch = '{}' WHERE tenant_id = %(t)s AND idempotency_key = 'as-it-is'",
        {"decisions_are_on_record"},
    ),
    (
        "UPDATE quarantine.exceptions SET override_patch = NULL WHERE tenant_id = %(t)s AND idempotency_key = 'faulty'",
        {"decisions_are_on_record"},
    ),
    (
        "UPDATE quarantine.exceptions SET resolution = 'dismissed' WHERE tenant_id = %(t)s AND idempotency_key = 'let-go'",
        {"decisions_are_on_record"},
    ),
    (
        "UPDATE quarantine.exceptions SET canonical_raw_id = last_raw_id, books_date = '2026-02-01' WHERE tenant_id = %(t)s AND idempotency_key = 'as-it-is'",
        {"decisions_are_on_record"},
    ),
    (
        "DELETE FROM audit.audit_log WHERE tenant_id = %(t)s AND action = 'exception.resolved'",
        {"decisions_are_on_record"},
    ),
    *(
        (
            f"UPDATE quarantine.exceptions SET {column} WHERE tenant_id = %(t)s AND idempotency_key = '{key}'",
            {"decisions_are_on_record"},
        )
        for key, column in [
            ("faulty", "resolution_actor = 'key:somebody'"),
            ("let-go", "resolution_notes = 'because of somebody else'"),
            ("let-go", "resolution_notes = NULL"),
            ("let-go", "resolution_action = 'override_and_replay'"),
            ("changed", "resolution_action = NULL"),
            ("faulty", "resolved_at = resolved_at - interval '1 day'"),
        ]
    ),
]
"""What was noted of arrivals and decided by operators."""


@pytest.mark.parametrize(("damage", "expected"), OF_DECISIONS, ids=[damage[:90] for damage, _ in OF_DECISIONS])
def test_what_was_changed_of_decisions_is_found_and_named(
    db: Database, superuser: psycopg.Connection, tenant: str, damage: str, expected: set[str]
) -> None:
    assert_found_where_no_day_bounds(db, superuser, tenant, damage, expected)


@pytest.mark.parametrize("column", ["resolution_actor", "resolution_notes", "resolution_action"])
def test_what_is_read_of_a_release_is_on_record(till: Till, column: str) -> None:
    till.send(till.returned())
    till.send(till.sold())
    assert (till.held(), till.count("quarantine.exceptions")) == ({}, 1)
    assert broken(till.db, till.tenant) == {till.tenant: set()}
    said = "'mark_resolved_no_replay'" if column == "resolution_action" else "'somebody'"
    damage_rows(
        till.superuser, till.tenant, f"UPDATE quarantine.exceptions SET {column} = {said} WHERE tenant_id = %(t)s"
    )
    assert broken(till.db, till.tenant) == {till.tenant: {"decisions_are_on_record"}}


def test_a_release_from_before_its_notes_were_on_record_is_true(till: Till) -> None:
    till.send(till.returned())
    till.send(till.sold())
    damage_rows(till.superuser, till.tenant, "UPDATE audit.audit_log SET notes = NULL WHERE tenant_id = %(t)s")
    assert broken(till.db, till.tenant) == {till.tenant: set()}


def test_a_patch_that_a_redaction_took_away_is_not_missed(
    db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    faulty = some_decisions(db, tenant)["faulty"]
    assert redact_arrival(db, tenant, UUID(faulty.raw_id), "article 17", operator(tenant)) is True
    (patch,) = superuser.execute(
        "SELECT override_patch FROM quarantine.exceptions WHERE tenant_id = %s AND idempotency_key = 'faulty'", [tenant]
    )
    assert patch == (None,)
    assert broken(db, tenant) == {tenant: set()}


def test_a_decision_from_before_digests_were_kept_is_true(
    db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    some_decisions(db, tenant)
    superuser.execute(
        "UPDATE audit.audit_log SET after_json = (after_json::jsonb - 'patch_sha256')::json WHERE tenant_id = %s",
        [tenant],
    )
    assert broken(db, tenant) == {tenant: set()}
