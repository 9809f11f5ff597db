"""The database itself refuses an entry that does not balance."""

from collections.abc import Callable, Iterator
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
    ("{1,2}", "{NaN,-1}"),
    ("{1,2,3}", "{Infinity,-Infinity,0}"),
    ("{1,2}", "{Infinity,-1}"),
    ("{1,2}", "{0.1,-0.2}"),
    ("{1,2}", "{1e-30,-2e-30}"),
    ("{1,2,3}", "{99999999999999999999999999999999.01,-99999999999999999999999999999999,-0.02}"),
    ("{{1,2}}", "{{1,-1}}"),
    ("{{1,2}}", "{1,-1}"),
    ("{1,2}", "{{1},{-1}}"),
    ("{1,2}", "{}"),
    ("{}", "{1,-1}"),
    ("{NULL,NULL}", "{1,-1}"),
    ("[0:1]={1,2}", "[5:6]={1,1}"),
    ("[2:4]={1,2,3}", "{1,-1}"),
    ("[0:1]={NULL,2}", "[0:1]={1,-1}"),
    ("[-1:0]={1,2}", "[-1:0]={NULL,0}"),
]
REFUSAL = (psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation, psycopg.errors.FeatureNotSupported)
TAKEN = [
    ("{1,2}", "{1,-1}"),
    ("{1,2,3}", "{0.000001,-1000000000000000,999999999999999.999999}"),
    ("{1,1}", "{0,0}"),
    ("{1,2,3}", "{1e-30,-3e-30,2e-30}"),
    ("[0:1]={1,2}", "[5:6]={1,-1}"),
]


@pytest.fixture(scope="module")
def of(new_database: Callable[[], TestDatabase]) -> TestDatabase:
    """A database with one posted transaction of nothing, which has no entry."""
    of = new_database()
    with psycopg.connect(of.superuser_url, autocommit=True) as superuser:
        database = of.open(size=2)
        till = Till(database, superuser, "nothing", at("2026-03-01T00:00:00Z"))
        accepted(database, [sale("nothing", "s", total_amount=0, line_items=[{"sku": "A", "qty": 1, "amount": 0}])])
        assert till.drain().posted == 1
        database.close()
    return of


@pytest.fixture(scope="module")
def app(of: TestDatabase) -> Iterator[psycopg.Connection]:
    with psycopg.connect(of.app_url, autocommit=True) as connection:
        connection.execute("SET ROLE ledgersafe_app")
        yield connection


@pytest.fixture(scope="module", params=["app", "owner", "superuser"])
def anybody(of: TestDatabase, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """Whoever it is: a CHECK asks nobody for his rights. The last has foreign keys and triggers switched off, too."""
    urls = {"app": of.app_url, "owner": of.owner_url, "superuser": of.superuser_url}
    with psycopg.connect(urls[request.param], autocommit=True) as connection:
        if request.param == "superuser":
            connection.execute("SET session_replication_role = replica")
        yield connection


@pytest.mark.parametrize(("accounts", "amounts"), REFUSED)
def test_what_does_not_balance_is_refused(
    anybody: psycopg.Connection, accounts: str | None, amounts: str | None
) -> None:
    with pytest.raises(REFUSAL), anybody.transaction():
        anybody.execute(ENTRY.encode(), [uuid4(), accounts, amounts])


@pytest.mark.parametrize("url", ["owner_url", "superuser_url"])
@pytest.mark.parametrize(
    "change",
    [
        "amounts = ARRAY[1, 1]",
        "amounts = ARRAY['NaN', 'NaN']::numeric[]",
        "amounts[1] = 2",
        "amounts[3] = 1",
        "amounts[0] = 1",
        "accounts[1] = NULL",
        "accounts = accounts || 'c'::text",
        "accounts = '{}', amounts = '{}'",
    ],
)
def test_nor_can_an_entry_be_changed_into_one(of: TestDatabase, url: str, change: str) -> None:
    with psycopg.connect(getattr(of, url)) as connection:
        connection.execute(ENTRY.encode(), [uuid4(), "{a,b}", "{1,-1}"])
        with pytest.raises(REFUSAL):
            connection.execute(f"UPDATE ledger.entries SET {change}".encode())
        connection.rollback()


def test_nor_copied_in(of: TestDatabase) -> None:
    with psycopg.connect(of.superuser_url) as connection:
        connection.execute(ENTRY.encode(), [uuid4(), "{a,b}", "{1,-1}"])
        with connection.cursor().copy("COPY (SELECT * FROM ledger.entries) TO STDOUT") as copied:
            row = b"".join(bytes(part) for part in copied)
        connection.execute("DELETE FROM ledger.entries")
        with pytest.raises(REFUSAL), connection.cursor().copy("COPY ledger.entries FROM STDIN") as copying:
            copying.write(row.replace(b"{1,-1}", b"{1,1}"))
        connection.rollback()


def test_the_check_is_in_force(of: TestDatabase) -> None:
    """It was made with the table, holds for every row, and asks nothing that could change."""
    sql = """
    SELECT convalidated, conenforced, (SELECT provolatile FROM pg_proc WHERE proname = 'is_balanced')
    FROM pg_constraint WHERE conname = 'entry_is_balanced' AND conrelid = 'ledger.entries'::regclass"""
    with psycopg.connect(of.superuser_url) as connection:
        assert connection.execute(sql).fetchall() == [(True, True, "i")]


@pytest.mark.parametrize("bounds", ["[0:1]", "[1:2]", "[5:6]"])
def test_whatever_the_numbering_of_an_entry_its_lines_are_its_lines(app: psycopg.Connection, bounds: str) -> None:
    with app.transaction(force_rollback=True):
        app.execute(ENTRY.encode(), [uuid4(), f"{bounds}={{a,b}}", "{7,-7}"])
        lines = app.execute("SELECT line_no, account, debit, credit FROM ledger.lines").fetchall()
        assert lines == [(1, "a", 7, 0), (2, "b", 0, 7)]


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
