"""Reports as Parquet, and the commands that read several parts of the books."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import polars
import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.gold.rules import tables
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.pipeline.refresh import refresh
from tests.conftest import Api, TestDatabase
from tests.events import sale
from tests.gold.test_reports import Shop, run
from tests.gold.trade import NOW, Trade, post, set_up

TENANT = "files"
PARQUET = "application/vnd.apache.parquet"


@pytest.fixture(scope="module")
def shop(books: TestDatabase, db: Database, superuser: psycopg.Connection, start_api: Callable[..., Api]) -> Shop:
    trade = Trade(TENANT, 43)
    set_up(superuser, TENANT)
    post(db, TENANT, trade.some(80))
    refresh(db, ManualClock(NOW), tenant_id=TENANT)
    return Shop(start_api(books), trade)


@pytest.fixture
def client(shop: Shop) -> Iterator[httpx.Client]:
    with shop.api.client(shop.api.new_key(tenants=[TENANT], scopes=["read"])) as opened:
        yield opened


def parquet(client: httpx.Client, table: str, **parameters: Any) -> tuple[polars.DataFrame, str | None]:
    answer = client.get(f"/v1/reports/{table}", params={"format": "parquet", **parameters})
    assert answer.headers["Content-Type"] == PARQUET, answer.text
    return polars.read_parquet(io.BytesIO(answer.content)), answer.headers.get("Next-Cursor")


@pytest.mark.parametrize("name", list(tables()))
def test_parquet_says_what_json_says_to_the_last_digit(client: httpx.Client, name: str) -> None:
    whole = client.get(f"/v1/reports/{name}", params={"limit": 10_000}).json()
    frame, following = parquet(client, name, limit=10_000)
    assert (frame.columns, following) == (whole["columns"], None)
    assert frame.schema["books_date"] == polars.Date
    assert frame.schema["tenant_id" if "tenant_id" in frame.columns else frame.columns[0]] is not None
    for mine, theirs in zip(frame.to_dicts(), whole["items"], strict=True):
        for column, value in theirs.items():
            assert same(mine[column], value), (column, mine[column], value)
    parts, cursor = [], ""
    while cursor is not None:
        part, cursor = parquet(client, name, limit=9, **({"cursor": cursor} if cursor else {}))
        parts.append(part)
    assert polars.concat(parts).equals(frame), "the files of all pages are of one schema, and are the whole"
    empty, _ = parquet(client, name, until="2001-01-01")
    assert (empty.height, empty.schema) == (0, frame.schema)


def same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, Decimal):
        return mine == round(Decimal(theirs), 6)
    if hasattr(mine, "isoformat"):
        return mine.isoformat()[:10] == theirs[:10]
    return mine == theirs or str(mine) == str(theirs)


def test_amounts_are_decimals_and_the_header_accept_is_heard(client: httpx.Client) -> None:
    answer = client.get("/v1/reports/daily_store_sales", headers={"Accept": PARQUET})
    frame = polars.read_parquet(io.BytesIO(answer.content))
    assert frame.schema["gross"] == polars.Decimal(38, 6)
    assert frame.schema["transactions"] == polars.Int64
    assert frame.schema["store_id"] == polars.String
    assert not any(kind.is_float() for kind in frame.schema.values())


def test_without_polars_the_answer_says_what_to_install(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start_api: Callable[..., Api]
) -> None:
    (tmp_path / "polars.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    bare = start_api(shop.api.database)
    with bare.client() as client:
        answer = client.get("/v1/reports/payment_mix", params={"tenant_id": TENANT, "format": "parquet"})
        assert (answer.status_code, answer.json()["reason_code"]) == (406, "FORMAT_UNAVAILABLE")
        assert 'pip install "ledgersafe[files]"' in answer.json()["detail"]
        assert client.get("/v1/reports/payment_mix", params={"tenant_id": TENANT, "format": "csv"}).status_code == 200


def test_the_trial_balance_command(shop: Shop, client: httpx.Client) -> None:
    of = ("--tenant", TENANT)
    shown = run(shop, "report", "trial-balance", *of)
    assert shown.returncode == 0, shown.stderr
    totals = [line.split() for line in shown.stdout.splitlines() if line.split()[1:2] == ["all"]]
    assert {(line[0], line[-1]) for line in totals} == {("EUR", "0.00"), ("JPY", "0.00"), ("USD", "0.00")}
    answer = client.get("/v1/ledger/trial-balance", params={"by": "store"}).json()
    assert json.loads(run(shop, "report", "trial-balance", *of, "--by-store", "--json").stdout) == answer
    rows = list(csv.DictReader(io.StringIO(run(shop, "report", "trial-balance", *of, "--by-store", "--csv").stdout)))
    assert [row["balance"] for row in rows] == [row["balance"] for row in answer["items"]]
    nothing = run(shop, "report", "trial-balance", *of, "--as-of", "2001-01-01").stdout
    assert nothing == "Nothing is in the books for that.\n"


def test_the_completeness_command(shop: Shop, client: httpx.Client) -> None:
    of = ("--tenant", TENANT, "--limit", "1000")
    found = json.loads(run(shop, "report", "completeness", *of, "--json").stdout)
    assert found["items"] == client.get("/v1/reports/store_day_completeness").json()["items"]
    shown = run(shop, "report", "completeness", *of)
    assert shown.returncode == 0, shown.stderr
    assert all(row["store_id"] in shown.stdout for row in found["items"])


def test_the_reconciliation_command(shop: Shop, superuser: psycopg.Connection) -> None:
    days = ("--tenant", TENANT, "--since", "2026-02-01", "--until", "2026-03-10")
    good = run(shop, "report", "reconciliation", *days)
    assert good.returncode == 0, good.stdout + good.stderr
    assert good.stdout.splitlines()[-1].endswith("days of stores tie out; nothing is open.")
    answer = json.loads(run(shop, "report", "reconciliation", *days, "--json").stdout)
    assert sum(day["events"]["posted"] for day in answer["items"]) == 80
    assert run(shop, "report", "reconciliation", *days, "--only-off").stdout == "Every day ties out.\n"
    superuser.execute(
        "UPDATE gold.daily_store_sales SET gross = gross + 7 WHERE tenant_id = %s AND store_id = 's-tokyo'", [TENANT]
    )
    off = run(shop, "report", "reconciliation", *days, "--only-off")
    verified = run(shop, "verify", "--tenant", TENANT)
    since = run(shop, "verify", "--tenant", TENANT, "--since", "2026-04-01", "--json")
    superuser.execute(
        "UPDATE gold.daily_store_sales SET gross = gross - 7 WHERE tenant_id = %s AND store_id = 's-tokyo'", [TENANT]
    )
    assert off.returncode == 1
    assert {line.split()[1] for line in off.stdout.splitlines() if line.startswith("2026-")} == {"s-tokyo"}
    assert any(line.split()[:2] == ["difference", "7.00"] for line in off.stdout.splitlines())
    assert "do not tie out" in off.stdout
    assert verified.returncode == 1
    assert any("gross_in_gold_JPY" in line and "off: s-tokyo 2026-" in line for line in verified.stdout.splitlines())
    assert (since.returncode, json.loads(since.stdout)["ok"]) == (0, True)


def test_the_addresses_of_days_refuse_what_is_none(client: httpx.Client) -> None:
    page = client.get("/v1/reconciliation", params={"since": "2026-02-01", "until": "2026-02-10", "limit": 4}).json()
    assert (page["until"], page["next"], page["last"]) == ("2026-02-04", "2026-02-05", "2026-02-10")
    for wrong in ("since=12", "cursor=x", "limit=0", "limit=32", "since=2026-02-02&until=2026-02-01"):
        answer = client.get(f"/v1/reconciliation?{wrong}")
        assert (answer.status_code, answer.json()["reason_code"]) == (422, "INVALID_PARAMETER"), wrong
    for edge in ("until=0001-01-01", "since=9999-12-31&until=9999-12-31", "since=0001-01-01&until=9999-12-31"):
        assert client.get(f"/v1/reconciliation?{edge}").status_code == 200, edge


def test_verify_is_paged_and_the_command_shows_every_page(shop: Shop, db: Database) -> None:
    for number in range(3):
        post(db, f"{TENANT}-{number}", [sale(f"{TENANT}-{number}")])
    with shop.api.client() as almighty:
        whole = almighty.get("/v1/verify").json()
        assert whole["next"] is None
        pages, cursor = [], ""
        while cursor is not None:
            page = almighty.get("/v1/verify", params={"limit": 1, **({"cursor": cursor} if cursor else {})}).json()
            assert len(page["tenants"]) <= 1
            pages += page["tenants"]
            cursor = page["next"]
        assert pages == whole["tenants"]
        assert almighty.get("/v1/verify", params={"cursor": "%%"}).status_code == 422
    told = json.loads(run(shop, "verify", "--json").stdout)
    assert set(told) == {"ok", "tenants"}
    assert [one["tenant_id"] for one in told["tenants"]] == [one["tenant_id"] for one in pages]
    checks = [check for one in told["tenants"] for check in one["checks"]]
    assert {frozenset(check) for check in checks} == {frozenset({"name", "ok", "left", "right", "details"})}
    assert {type(check["left"]) for check in checks if check["name"][-3:].isupper()} == {str}
    assert {type(check["left"]) for check in checks if not check["name"][-3:].isupper()} == {int}


def test_the_trace_command_ends_at_gold(shop: Shop, db: Database) -> None:
    of = ("--tenant", f"{TENANT}-trace")
    post(db, of[1], [sale(of[1], "e1")])
    assert "store_001  currency USD  (pending)" in run(shop, "trace", "e1", *of).stdout
    refresh(db, ManualClock(NOW), tenant_id=of[1])
    shown = run(shop, "trace", "e1", *of).stdout
    assert "books_date 2026-02-25  store_id store_001  currency USD\n" in shown
    assert "daily_store_sales" in shown


def test_no_cell_of_csv_is_a_formula(shop: Shop, db: Database) -> None:
    """Names of senders are guarded as those of exports are; amounts stay numbers."""
    tenant, stores = f"{TENANT}-formulas", ["=1+1", "+x", "-2+3", "@x", "'quoted'", "＝1", "plain"]
    lines = [{"sku": "=cmd|'/c calc'!A1", "qty": 1, "amount": 5}]
    given: dict[str, Any] = {"line_items": lines, "total_amount": 5}
    post(db, tenant, [sale(tenant, f"s{at}", store_id=name, **given) for at, name in enumerate(stores)])
    post(db, tenant, [sale(tenant, "r", store_id="plain", event_type="RETURN", **given)])
    refresh(db, ManualClock(NOW), tenant_id=tenant)
    with shop.api.client() as almighty:
        wanted = {"tenant_id": tenant, "format": "csv"}
        of_api = almighty.get("/v1/reports/daily_store_sales", params=wanted).text
        products = almighty.get("/v1/reports/daily_product_sales", params=wanted).text
    of_cli = run(shop, "report", "daily-sales", "--tenant", tenant, "--csv").stdout
    assert of_cli == of_api
    rows = list(csv.DictReader(io.StringIO(of_api)))
    assert {row["store_id"] for row in rows} == {*(f"'{name}" for name in stores[:-1]), "plain"}
    assert {row["sku"] for row in csv.DictReader(io.StringIO(products))} == {f"'{lines[0]['sku']}"}
    assert {Decimal(row["returns"]) for row in rows} == {Decimal(0), Decimal(-5)}
