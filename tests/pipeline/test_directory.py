"""Credentials and tenants, held for a moment."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.directory import REFRESH_SECONDS, Directory
from ledgersafe.pipeline.keys import OWNER, Wish, create_key, is_alive, revoke_key

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def directory(db: Database) -> Directory:
    return Directory(db, ManualClock(NOW))


def refusal(directory: Directory, token: str, now: datetime = NOW) -> str:
    with pytest.raises(RequestRefused) as refused:
        directory.load_credential(token, now)
    assert refused.value.reason.status == 401
    return refused.value.reason.code


def test_a_revoked_key_ends_with_the_next_refresh(db: Database, directory: Directory, tenant: str) -> None:
    made = create_key(db, Wish("till", [tenant], ["ingest"]), OWNER, NOW)
    assert directory.held_credential(made.token, NOW) is None
    credential = directory.load_credential(made.token, NOW)
    assert (credential.actor, credential.tenant_ids, credential.scopes) == (
        f"key:{made.key.key_id}",
        (tenant,),
        {"ingest"},
    )
    revoke_key(db, made.key.key_id, OWNER, NOW)
    assert directory.held_credential(made.token, NOW) == credential
    directory.refresh()
    assert directory.held_credential(made.token, NOW) is None
    assert refusal(directory, made.token) == "KEY_REVOKED"
    assert not is_alive(db, made.token, NOW)
    assert REFRESH_SECONDS < 5


def test_a_key_ends_at_its_time_without_a_refresh(db: Database, directory: Directory, tenant: str) -> None:
    expires_at = NOW + timedelta(hours=1)
    made = create_key(db, Wish("guest", [tenant], ["read"], expires_at), OWNER, NOW)
    directory.load_credential(made.token, NOW)
    just_before = expires_at - timedelta(microseconds=1)
    assert directory.held_credential(made.token, just_before) is not None
    assert is_alive(db, made.token, just_before)
    with pytest.raises(RequestRefused) as refused:
        directory.held_credential(made.token, expires_at)
    assert refused.value.reason.code == "KEY_EXPIRED"
    assert refusal(Directory(db, ManualClock(expires_at)), made.token, expires_at) == "KEY_EXPIRED"
    assert not is_alive(db, made.token, expires_at)


def test_a_token_that_is_none(db: Database, directory: Directory, tenant: str) -> None:
    made = create_key(db, Wish("till", [tenant], ["ingest"]), OWNER, NOW)
    directory.load_credential(made.token, NOW)
    key_id = made.key.key_id
    wrong = [made.token[:-1], made.token + "x", f"ls_{key_id}_", f"ls_{key_id}", "ls__x", "ls_0_0", "", "x", "ls_é_ü"]
    assert {refusal(directory, token) for token in [*wrong, made.token.replace("ls_", "sk_", 1)]} == {"UNAUTHENTICATED"}
    assert not any(is_alive(db, token, NOW) for token in wrong)


def test_a_key_keeps_what_it_may_do_up_to_date(
    db: Database, superuser: psycopg.Connection, directory: Directory, tenant: str
) -> None:
    made = create_key(db, Wish("till", [tenant], ["ingest", "read"]), OWNER, NOW)
    directory.load_credential(made.token, NOW)
    superuser.execute("UPDATE tenants.api_keys SET scopes = '{read}' WHERE key_id = %s", [made.key.key_id])
    directory.refresh()
    credential = directory.held_credential(made.token, NOW)
    assert credential is not None
    assert credential.scopes == {"read"}


def test_the_last_use_is_noted_in_batches_and_never_goes_back(
    db: Database, superuser: psycopg.Connection, directory: Directory, tenant: str
) -> None:
    made = create_key(db, Wish("till", [tenant], ["ingest"]), OWNER, NOW)
    query = "SELECT last_used_at FROM tenants.api_keys WHERE key_id = %s"
    directory.load_credential(made.token, NOW)
    for used_at in (NOW + timedelta(minutes=5), NOW + timedelta(minutes=1)):
        directory.held_credential(made.token, used_at)
        directory.refresh()
        assert superuser.execute(query, [made.key.key_id]).fetchone() == (NOW + timedelta(minutes=5),)


def test_a_tenant_is_known_after_the_next_refresh(
    superuser: psycopg.Connection, directory: Directory, tenant: str
) -> None:
    assert directory.held_tenant(tenant) == (False, None)
    assert directory.load_tenant(tenant) is None
    superuser.execute("INSERT INTO tenants.tenants VALUES (%s, 'EUR', 'UTC', true, now(), 'test')", [tenant])
    superuser.execute("INSERT INTO tenants.stores VALUES (%s, 's1', 'CHF'), (%s, 's2', NULL)", [tenant, tenant])
    superuser.execute("INSERT INTO tenants.sources VALUES (%s, 'till', '{/sent_at}')", [tenant])
    assert directory.held_tenant(tenant) == (True, None)
    directory.refresh()
    is_held, known = directory.held_tenant(tenant)
    assert is_held
    assert known is not None
    assert (known.currency, known.simulated) == ("EUR", True)
    assert (known.store_currencies, known.volatile_fields) == ({"s1": "CHF"}, {"till": ["/sent_at"]})
