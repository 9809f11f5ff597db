"""API keys: none makes more than itself, and each is on record."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.keys import OWNER, Wish, create_key, list_keys, revoke_key
from ledgersafe.tenants.rules import Credential

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MANAGER = Credential("key:manager", "manager", ("mine", "also-mine"), frozenset({"admin", "read"}))


def refusal(db: Database, wish: Wish, by: Credential = OWNER) -> str:
    before = len(list_keys(db, OWNER))
    with pytest.raises(RequestRefused) as refused:
        create_key(db, wish, by, NOW)
    assert len(list_keys(db, OWNER)) == before
    return refused.value.reason.code


@pytest.mark.parametrize(
    ("tenants", "scopes", "code"),
    [
        (None, ["read"], "FOREIGN_TENANT"),
        (["foreign"], ["read"], "FOREIGN_TENANT"),
        (["mine", "foreign"], ["read"], "FOREIGN_TENANT"),
        (["mine"], ["ingest"], "SCOPE_MISSING"),
        (["mine"], ["read", "operate"], "SCOPE_MISSING"),
    ],
)
def test_a_key_cannot_make_more_than_itself(db: Database, tenants: Any, scopes: list[str], code: str) -> None:
    assert refusal(db, Wish("x", tenants, scopes), MANAGER) == code


def test_a_key_may_make_as_much_as_itself_or_less(db: Database) -> None:
    for tenants, scopes in ((["mine", "also-mine"], ["admin", "read"]), (["mine"], ["read"])):
        made = create_key(db, Wish("x", tenants, scopes), MANAGER, NOW)
        assert (made.key.tenant_ids, made.key.scopes, made.key.created_by) == (tenants, scopes, "key:manager")


@pytest.mark.parametrize(
    "wish",
    [
        Wish("", ["t"], ["read"]),
        Wish("  ", ["t"], ["read"]),
        Wish("a\x00", ["t"], ["read"]),
        Wish("x", [], ["read"]),
        Wish("x", ["t", " "], ["read"]),
        Wish("x", ["a\x00"], ["read"]),
        Wish("x", ["y" * 256], ["read"]),
        Wish("x", ["t"], []),
        Wish("x", ["t"], ["read", "root"]),
        Wish("x", ["t"], ["read"], NOW),
        Wish("x", ["t"], ["read"], datetime(2030, 1, 1)),  # noqa: DTZ001 - that it is naive is the point
    ],
    ids=str,
)
def test_a_wish_that_makes_no_sense(db: Database, wish: Wish) -> None:
    assert refusal(db, wish) == "INVALID_PARAMETER"


def test_a_key_is_on_record_and_its_secret_nowhere(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    made = create_key(db, Wish("till", [tenant], ["ingest"], NOW + timedelta(days=1)), OWNER, NOW)
    secret = made.token.removeprefix(f"ls_{made.key.key_id}_")
    assert len(secret) >= 43
    revoke_key(db, made.key.key_id, OWNER, NOW)
    revoke_key(db, made.key.key_id, OWNER, NOW + timedelta(days=1))
    rows = superuser.execute(
        "SELECT action, actor, object_type, object_id, after_json FROM audit.audit_log WHERE tenant_id = %s "
        "ORDER BY action",
        [tenant],
    ).fetchall()
    assert [row[:4] for row in rows] == [
        ("key.created", "owner", "key", made.key.key_id),
        ("key.revoked", "owner", "key", made.key.key_id),
    ]
    assert rows[0][4]["scopes"] == ["ingest"]
    everything = superuser.execute("SELECT k::text FROM tenants.api_keys k UNION SELECT a::text FROM audit.audit_log a")
    assert not [row for (row,) in everything.fetchall() if secret in row or secret.encode().hex() in row]


def test_a_key_of_several_tenants_is_on_the_systems_record(db: Database, superuser: psycopg.Connection) -> None:
    made = create_key(db, Wish("both", ["mine", "also-mine"], ["read"]), MANAGER, NOW)
    row = superuser.execute("SELECT tenant_id FROM audit.audit_log WHERE object_id = %s", [made.key.key_id]).fetchone()
    assert row == ("_system",)


def test_a_manager_sees_and_ends_only_keys_of_his_tenants(db: Database) -> None:
    foreign = [
        create_key(db, Wish("x", tenants, ["read"]), OWNER, NOW).key.key_id for tenants in (None, ["f"], ["mine", "f"])
    ]
    own = create_key(db, Wish("x", ["mine"], ["read"]), OWNER, NOW).key.key_id
    seen = {key.key_id for key in list_keys(db, MANAGER)}
    assert own in seen
    assert not seen & set(foreign)
    for key_id in [*foreign, "unknown"]:
        with pytest.raises(RequestRefused) as refused:
            revoke_key(db, key_id, MANAGER, NOW)
        assert refused.value.reason.code == "NOT_FOUND"
    assert revoke_key(db, own, MANAGER, NOW).revoked_at == NOW
    assert {key.key_id for key in list_keys(db, OWNER) if key.revoked_at is not None} & {own, *foreign} == {own}
