"""verify goes from tenant to tenant: page by page, each by itself, and knows whom there is not."""

import subprocess
import sys

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.verify import Wanted, verify, verify_page
from tests.api.answers import refused
from tests.conftest import Api, clean_environment
from tests.pipeline.verifying import ONE_ARRIVAL, broken, some_traffic


def test_pages_of_tenants_fit_together(db: Database, tenant: str) -> None:
    names = [f"{tenant}-{number}" for number in range(5)]
    for name in names:
        some_traffic(db, name)
    found: list[str] = []
    after: str | None = f"{tenant}-"
    while after is not None:
        page, after = verify_page(db, Wanted(after=after, most=2))
        assert len(page) <= 2
        found += [one.tenant_id for one in page if one.tenant_id.startswith(f"{tenant}-")]
    assert found == names
    assert [one.tenant_id for one in verify(db) if one.tenant_id in names] == names


def test_the_fault_of_one_tenant_is_not_anothers(db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    other = f"{tenant}-2"
    some_traffic(db, tenant)
    some_traffic(db, other)
    superuser.execute(ONE_ARRIVAL, {"t": tenant})
    everybody = broken(db, None)
    assert (everybody[tenant], everybody[other]) == ({"every_arrival_is_counted", "keys_have_arrived"}, set())
    assert broken(db, other) == {other: set()}
    with pytest.raises(RequestRefused, match="no tenant 'nobody'"):
        verify(db, "nobody")


def test_a_tenant_that_is_unknown_is_refused(api: Api, tenant: str) -> None:
    with api.client() as client:
        for path in ("/v1/verify", "/v1/seals/verify"):
            refused(client.get(path, params={"tenant_id": f"{tenant}-typo"}), 404, "NOT_FOUND")
            assert client.get(path, params={"tenant_id": "_system"}).json()["ok"] is True
    with api.client(api.new_key(tenants=[f"{tenant}-new"], scopes=["read"])) as of_a_new_one:
        assert of_a_new_one.get("/v1/verify").json()["tenants"] == []
        assert of_a_new_one.get("/v1/seals/verify").json()["ok"] is True


@pytest.mark.parametrize("words", [("verify",), ("verify", "--bodies"), ("verify", "--seals"), ("gold", "verify")])
def test_the_command_fails_where_a_tenant_is_unknown(api: Api, tenant: str, words: tuple[str, ...]) -> None:
    environment = clean_environment() | {
        "LEDGERSAFE_URL": api.url,
        "LEDGERSAFE_API_KEY": api.key,
        "LEDGERSAFE_DATABASE_URL": api.database.app_url,
    }
    command = [sys.executable, "-m", "ledgersafe", *words, "--tenant"]
    said = [
        subprocess.run([*command, name], env=environment, capture_output=True, text=True, timeout=60, check=False)
        for name in (f"{tenant}-typo", "_system")
    ]
    assert [done.returncode for done in said] == [1, 0], said
    assert f"no tenant '{tenant}-typo'" in " ".join(said[0].stderr.split())
