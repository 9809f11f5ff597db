"""The tables over HTTP and at the command line: filters, pages that fit together, JSON and CSV that say the same."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.gold.rules import tables
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.pipeline.refresh import refresh
from tests.conftest import Api, TestDatabase, clean_environment
from tests.events import sale
from tests.gold.trade import NOW, Trade, expected, post, set_up

TENANT = "reports"
FEW = {name for name, table in tables().items() if table.follows_arrivals or table.schema == "platinum"}
"""Tables that hold a row or none: all of the trade arrives on one day, by one source."""


@dataclass
class Shop:
    """An API process whose tables hold some generated trade."""

    api: Api
    trade: Trade

    def client(self) -> httpx.Client:
        return self.api.client(self.api.new_key(tenants=[TENANT], scopes=["read"]))


@pytest.fixture(scope="module")
def shop(books: TestDatabase, db: Database, superuser: psycopg.Connection, start_api: Callable[..., Api]) -> Shop:
    trade = Trade(TENANT, 41)
    set_up(superuser, TENANT)
    post(db, TENANT, trade.some(120))
    refresh(db, ManualClock(NOW))
    return Shop(start_api(books), trade)


@pytest.fixture
def client(shop: Shop) -> Iterator[httpx.Client]:
    with shop.client() as opened:
        yield opened


def pages(client: httpx.Client, table: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        page = client.get(f"/v1/reports/{table}", params=parameters | ({"cursor": cursor} if cursor else {})).json()
        yield from page["items"]
        cursor = page["next"]
        if cursor is None:
            return


@pytest.mark.parametrize("name", list(tables()))
def test_pages_and_csv_say_what_one_page_says(client: httpx.Client, name: str) -> None:
    whole = client.get(f"/v1/reports/{name}").json()
    assert whole["next"] is None
    assert whole["columns"] == list(tables()[name].columns)
    most = min(7, max(len(whole["items"]) - 1, 1))
    assert len(whole["items"]) > most or name in FEW
    assert list(pages(client, name, limit=most)) == whole["items"]
    keys = [tuple(row[key] for key in tables()[name].cursor) for row in whole["items"]]
    assert keys == sorted(set(keys))
    lines, cursor = [], ""
    while cursor is not None:
        more = {"cursor": cursor} if cursor else {}
        answer = client.get(f"/v1/reports/{name}", params={"format": "csv", "limit": most, **more})
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        lines += list(csv.DictReader(io.StringIO(answer.text)))
        cursor = answer.headers.get("Next-Cursor")
    assert lines == [
        {column: "" if value is None else str(value) for column, value in row.items()} for row in whole["items"]
    ]
    accepted = client.get(f"/v1/reports/{name}", headers={"Accept": "text/csv"})
    assert accepted.text.splitlines()[0] == ",".join(whole["columns"])


def test_the_filters(shop: Shop, client: httpx.Client) -> None:
    due = expected(shop.trade)["daily_store_sales"]
    day = sorted(due)[len(due) // 2][0].isoformat()
    found = list(pages(client, "daily_store_sales", since=day, until=day, store_id="s-euro"))
    assert [(row["books_date"], row["store_id"]) for row in found] == [(day, "s-euro")] * len(found)
    since = {row["books_date"] for row in pages(client, "daily_store_sales", since=day)}
    until = {row["books_date"] for row in pages(client, "daily_store_sales", until=day)}
    assert min(since) >= day >= max(until)
    assert since | until == {row["books_date"] for row in pages(client, "daily_store_sales")}
    gross = {
        (row["books_date"], row["store_id"], row["currency"]): row["gross"]
        for row in pages(client, "daily_store_sales")
        if row["transactions"]
    }
    assert all(gross[key[0].isoformat(), *key[1:]] == str(row[2]) for key, row in due.items() if row[0])


@pytest.mark.parametrize(
    ("address", "status", "reason"),
    [
        ("runs", 404, "NOT_FOUND"),
        ("applied", 404, "NOT_FOUND"),
        ("daily_country_sales?store_id=s-euro", 422, "INVALID_PARAMETER"),
        ("daily_store_sales?since=12", 422, "INVALID_PARAMETER"),
        ("daily_store_sales?limit=0", 422, "INVALID_PARAMETER"),
        ("daily_store_sales?cursor=x", 422, "INVALID_PARAMETER"),
        ("daily_store_sales?cursor=WyJhIl0=", 422, "INVALID_PARAMETER"),
        ("daily_store_sales?cursor=e30=", 422, "INVALID_PARAMETER"),
        ("hourly_sales?cursor=WyIyMDI2LTAyLTI1IiwgInMiLCAieCIsICJVU0QiXQ==", 422, "INVALID_PARAMETER"),
        ("daily_store_sales?cursor=WyIyMDI2LTAyLTI1IiwgIlx1MDAwMCIsICJVU0QiXQ==", 422, "INVALID_PARAMETER"),
        ("daily_store_sales?cursor=WyIyMDI2LTAyLTI1IiwgMSwgIlVTRCJd", 422, "INVALID_PARAMETER"),
        ("daily_store_sales?cursor=WyIyMDI2LTAyLTI1IiwgeyJhIjogMX0sICJVU0QiXQ==", 422, "INVALID_PARAMETER"),
        ("daily_store_sales?cursor=WyIyMDI2LTAyLTI1IiwgWyJhIl0sICJVU0QiXQ==", 422, "INVALID_PARAMETER"),
        ("daily_store_sales?tenant_id=another", 403, "FOREIGN_TENANT"),
    ],
)
def test_what_is_refused(client: httpx.Client, address: str, status: int, reason: str) -> None:
    answer = client.get(f"/v1/reports/{address}")
    assert (answer.status_code, answer.json()["reason_code"]) == (status, reason)


def test_nothing_in_the_books(shop: Shop) -> None:
    with shop.api.client() as almighty:
        assert almighty.get("/v1/reports/return_rates").json()["reason_code"] == "TENANT_REQUIRED"
        empty = {"tenant_id": "nobody"}
        assert almighty.get("/v1/reports/return_rates", params=empty).json()["items"] == []
        text = almighty.get("/v1/reports/return_rates", params=empty | {"format": "csv"}).text
    assert text == ",".join(tables()["return_rates"].columns) + "\n"


def test_books_that_are_made_up_are_shown_to_who_asks_for_them(
    shop: Shop, db: Database, superuser: psycopg.Connection, tenant: str
) -> None:
    set_up(superuser, tenant)
    post(db, tenant, [sale(tenant)])
    refresh(db, ManualClock(NOW), tenant_id=tenant)
    superuser.execute("UPDATE tenants.tenants SET simulated = true WHERE tenant_id = %s", [tenant])
    address, of = "/v1/reports/daily_store_sales", {"tenant_id": tenant}
    with shop.api.client() as almighty:
        refused = almighty.get(address, params=of)
        assert (refused.status_code, refused.json()["reason_code"]) == (422, "INVALID_PARAMETER")
        assert "simulated=true" in refused.json()["detail"]
        assert len(almighty.get(address, params=of | {"simulated": "true"}).json()["items"]) == 1
        assert almighty.get(address, params={"tenant_id": TENANT, "simulated": "true"}).json()["items"] != []
    assert "42.5" in run(shop, "report", "daily-sales", "--tenant", tenant, "--simulated").stdout
    assert run(shop, "report", "daily-sales", "--tenant", tenant).returncode != 0


def run(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {"URL": shop.api.url, "API_KEY": shop.api.key, "DATABASE_URL": shop.api.database.app_url}
    environment = clean_environment() | {f"LEDGERSAFE_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "ledgersafe", *arguments]
    return subprocess.run(command, env=environment | {"COLUMNS": "200"}, capture_output=True, text=True, check=False)


def test_the_report_commands(shop: Shop, client: httpx.Client) -> None:
    of = ("--tenant", TENANT)
    whole = client.get("/v1/reports/daily_store_sales", params={"limit": 5}).json()
    shown = run(shop, "report", "daily-sales", *of, "--limit", "5")
    assert shown.returncode == 0, shown.stderr
    assert "gross" in shown.stdout
    assert all(row["gross"] in shown.stdout for row in whole["items"])
    assert "--limit 50" in shown.stderr
    found = json.loads(run(shop, "report", "daily-sales", *of, "--limit", "5", "--json").stdout)
    assert found == {"table": "daily_store_sales", "columns": whole["columns"], "items": whole["items"], "more": True}
    for by, name in (("country", "daily_country_sales"), ("product", "daily_product_sales"), ("hour", "hourly_sales")):
        text = run(shop, "report", "daily-sales", *of, "--by", by, "--limit", "2000", "--csv").stdout
        assert text == client.get(f"/v1/reports/{name}", params={"format": "csv", "limit": 10_000}).text
    text = run(shop, "report", "returns", *of, "--csv", "--limit", "1000").stdout
    assert text == client.get("/v1/reports/return_rates", params={"format": "csv", "limit": 10_000}).text
    assert run(shop, "report", "returns", "--tenant", "nobody").stdout == "Nothing is in the books for that.\n"


def test_the_gold_commands(shop: Shop, db: Database, superuser: psycopg.Connection, tenant: str) -> None:
    of = ("--tenant", tenant)
    post(db, tenant, [sale(tenant), sale(tenant)])
    pending = run(shop, "gold", "verify", *of)
    assert pending.returncode == 0, pending.stderr
    done = json.loads(run(shop, "gold", "refresh", *of, "--json").stdout)["refreshed"]
    assert {(one["table"], one["result"]) for one in done} == {(name, "ok") for name in tables()}
    assert run(shop, "gold", "refresh", *of).stdout == "Every table is up to date.\n"
    assert json.loads(run(shop, "gold", "verify", *of, "--json").stdout)["ok"] is True
    superuser.execute("UPDATE gold.payment_mix SET received = received + 1 WHERE tenant_id = %s", [tenant])
    off = run(shop, "gold", "verify", *of)
    assert off.returncode == 1
    assert "86.0" in off.stdout
    answer = json.loads(run(shop, "gold", "verify", *of, "--json").stdout)
    rows = next(one for one in answer["tables"] if one["table"] == "payment_mix")["differences"]
    assert [(row["side"], row["received"]) for row in rows] == [("is", "86.0"), ("should be", "85.0")]
    assert run(shop, "gold", "rebuild", "nothing", *of).returncode == 2
    rebuilt = json.loads(run(shop, "gold", "rebuild", "payment_mix", *of, "--json").stdout)["rebuilt"]
    assert ("payment_mix", "ok") in {(one["table"], one["result"]) for one in rebuilt}
    assert json.loads(run(shop, "gold", "verify", *of, "--json").stdout)["ok"] is True
