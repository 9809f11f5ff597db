"""verify finds what was changed of export runs: their claims, their pages, and what became of them."""

import psycopg
import pytest

from ledgersafe.db.database import Database
from tests.pipeline.verifying import assert_found_where_no_day_bounds

OF_EXPORTS = [
    ("DELETE FROM ledger.exported WHERE tenant_id = %(t)s AND number = 2", {"exports_are_claimed"}),
    ("UPDATE ledger.exported SET number = 1 WHERE tenant_id = %(t)s", {"exports_are_claimed"}),
    ("UPDATE ledger.exported SET number = 3 WHERE tenant_id = %(t)s", {"exports_are_claimed"}),
    ("INSERT INTO ledger.exported VALUES (%(t)s, gen_random_uuid(), 2)", {"exports_are_claimed"}),
    (
        "UPDATE ledger.export_pages SET entry_ids = entry_ids[2:] WHERE tenant_id = %(t)s AND number = 2",
        {"exports_are_claimed"},
    ),
    (
        "UPDATE ledger.export_pages SET entry_ids = entry_ids || entry_ids[1] WHERE tenant_id = %(t)s AND number = 2",
        {"exports_are_claimed"},
    ),
    ("DELETE FROM ledger.export_pages WHERE tenant_id = %(t)s AND number = 1", {"exports_are_claimed"}),
    (
        "UPDATE ledger.export_runs SET status = 'voided', voided_at = now(), voided_by = 'x', void_reason = 'x' WHERE tenant_id = %(t)s AND number = 2",
        {"exports_are_on_record"},
    ),
    (
        "UPDATE ledger.export_runs SET status = 'made', voided_at = NULL, voided_by = NULL, void_reason = NULL WHERE tenant_id = %(t)s AND number = 1",
        {"exports_are_on_record", "exports_are_claimed"},
    ),
    (
        "UPDATE ledger.export_runs SET void_reason = 'x' WHERE tenant_id = %(t)s AND number = 1",
        {"exports_are_on_record"},
    ),
    ("UPDATE ledger.export_runs SET voided_by = 'x' WHERE tenant_id = %(t)s AND number = 1", {"exports_are_on_record"}),
    (
        "UPDATE ledger.export_runs SET started_by = 'x' WHERE tenant_id = %(t)s AND number = 2",
        {"exports_are_on_record"},
    ),
    (
        "UPDATE ledger.export_runs SET status = 'making', made_at = NULL, accounts = NULL WHERE tenant_id = %(t)s AND number = 2",
        {"exports_are_on_record"},
    ),
    (
        "WITH p AS (UPDATE ledger.export_pages SET entry_ids = entry_ids[2:] WHERE tenant_id = %(t)s AND number = 2), c AS (DELETE FROM ledger.exported x USING ledger.export_pages g WHERE x.tenant_id = %(t)s AND g.tenant_id = %(t)s AND g.number = 2 AND x.entry_id = g.entry_ids[1]) UPDATE ledger.export_runs SET entries = entries - 1 WHERE tenant_id = %(t)s AND number = 2",
        {"exports_are_on_record"},
    ),
    (
        "WITH p AS (DELETE FROM ledger.export_pages WHERE tenant_id = %(t)s AND number = 2), c AS (DELETE FROM ledger.exported WHERE tenant_id = %(t)s) DELETE FROM ledger.export_runs WHERE tenant_id = %(t)s AND number = 2",
        {"exports_are_on_record"},
    ),
    ("DELETE FROM audit.audit_log WHERE tenant_id = %(t)s AND action = 'export.made'", {"exports_are_on_record"}),
    ("DELETE FROM audit.audit_log WHERE tenant_id = %(t)s AND action = 'export.voided'", {"exports_are_on_record"}),
]
"""What was handed on to a general ledger."""


@pytest.mark.parametrize(("damage", "expected"), OF_EXPORTS, ids=[damage[:90] for damage, _ in OF_EXPORTS])
def test_what_was_changed_of_export_runs_is_found_and_named(
    db: Database, superuser: psycopg.Connection, tenant: str, damage: str, expected: set[str]
) -> None:
    assert_found_where_no_day_bounds(db, superuser, tenant, damage, expected)
