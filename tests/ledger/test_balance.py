"""The database itself refuses an entry that does not balance."""

from uuid import uuid4

import psycopg
import pytest

from ledgersafe.ledger.rules import InvalidChart, default_chart, read_chart
from tests.conftest import TestDatabase
from tests.events import sale
from tests.pipeline.arrivals import accepted
from tests.pipeline.posting import Till, at

ENTRY = """
INSERT INTO ledger.entries (tenant_id, entry_id, transaction_id, revision, kind, store_id, business_date, books_date,
  posted_at, currency, accounts, amounts, raw_id)
SELECT tenant_id, %s, transaction_id, revision, kind, store_id, business_date, books_date, posted_at, currency,
  %s::text[], %s::numeric[], raw_id
FROM silver.transactions WHERE tenant_id = 'nothing'"""
REFUSED = [
    ("{1,2}", "{1,-2}"),
    ("{1,2}", "{1,1}"),
    ("{1,2}", "{NULL,NULL}"),
    ("{1,2}", "{0,NULL}"),
    ("{1,2}", "{NaN,NaN}"),
    ("{1,2}", "{Infinity,-Infinity}"),
    ("{1,2}", "{NaN,0}"),
    ("{1,2,3}", "{1,-1}"),
    ("{1}", "{1,-1}"),
    ("{1}", "{0}"),
    ("{}", "{}"),
    ("{1,NULL}", "{1,-1}"),
    ("{{1,2},{3,4}}", "{{1,-1},{1,-1}}"),
    ("{1,2,3,4}", "{{1,-1},{1,-1}}"),
    (None, "{1,-1}"),
    ("{1,2}", None),
    (None, None),
]
REFUSAL = (psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation, psycopg.errors.FeatureNotSupported)
TAKEN = [("{1,2}", "{1,-1}"), ("{1,2,3}", "{0.000001,-1000000000000000,999999999999999.999999}"), ("{1,1}", "{0,0}")]


@pytest.fixture(scope="module")
def app(new_database: object) -> psycopg.Connection:
    """The application's role, with one posted transaction of nothing, which has no entry."""
    of: TestDatabase = new_database()  # type: ignore[operator]
    with psycopg.connect(of.superuser_url, autocommit=True) as superuser:
        database = of.open(size=2)
        till = Till(database, superuser, "nothing", at("2026-03-01T00:00:00Z"))
        accepted(database, [sale("nothing", "s", total_amount=0, line_items=[{"sku": "A", "qty": 1, "amount": 0}])])
        assert till.drain().posted == 1
        database.close()
    with psycopg.connect(of.app_url, autocommit=True) as connection:
        connection.execute("SET ROLE ledgersafe_app")
        yield connection  # type: ignore[misc]


@pytest.mark.parametrize(("accounts", "amounts"), REFUSED)
def test_what_does_not_balance_is_refused(app: psycopg.Connection, accounts: str | None, amounts: str | None) -> None:
    with pytest.raises(REFUSAL):
        app.execute(ENTRY.encode(), [uuid4(), accounts, amounts])


@pytest.mark.parametrize(("accounts", "amounts"), TAKEN)
def test_what_balances_is_taken_once(app: psycopg.Connection, accounts: str, amounts: str) -> None:
    with app.transaction(force_rollback=True):
        app.execute(ENTRY.encode(), [uuid4(), accounts, amounts])
        with pytest.raises(psycopg.errors.UniqueViolation):
            app.execute(ENTRY.encode(), [uuid4(), accounts, amounts])


def test_an_entry_belongs_to_a_transaction(app: psycopg.Connection) -> None:
    orphan = ENTRY.replace("SELECT tenant_id, %s, transaction_id", "SELECT tenant_id, %s, gen_random_uuid()")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        app.execute(orphan.encode(), [uuid4(), "{1,2}", "{1,-1}"])


def test_a_chart_plays_every_role_once() -> None:
    assert len(default_chart()) == 15
    for text in (
        "- {account: '1', role: cash, type: asset, name: Cash}",
        "nothing: of the kind",
        "[",
        "- {account: 1}",
    ):
        with pytest.raises(InvalidChart):
            read_chart(text)
