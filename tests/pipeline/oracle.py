"""A real year of a retailer through the core, and its exact sums: see shared/data/README.md."""

import csv
import io
import runpy
import tarfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import zstandard

from tests.pipeline.arrivals import accepted
from tests.pipeline.posting import Till

ODD = "or-C496350"
"""A cancellation with a positive quantity: wrong at the source, and parked."""
ODD_AMOUNT = Decimal("373.57")
ODD_LINE = tuple(map(Decimal, (1, 0, 1, 0, 0, ODD_AMOUNT)))
"""What it adds to its stock code, M, in the terms of by_stock_code()."""
Sums = dict[tuple[str, ...], tuple[Decimal, ...]]

GROUPS = {
    "day": "t.business_date::text",
    "month": "to_char(t.books_date, 'YYYY-MM')",
    "country": "t.country",
    "month_country": "to_char(t.books_date, 'YYYY-MM'), t.country",
}
_SILVER = """
SELECT {by}, coalesce(sum(l.amount) FILTER (WHERE type = 'SALE'), 0),
  coalesce(-sum(l.amount) FILTER (WHERE type = 'RETURN'), 0), coalesce(sum(l.amount) FILTER (WHERE type = 'ADJUSTMENT'), 0)
FROM silver.transactions t JOIN silver.line_items l USING (tenant_id, transaction_id, revision, kind)
WHERE tenant_id = %s GROUP BY {keys}"""
_LEDGER = """
SELECT {by}, coalesce(-sum(amount) FILTER (WHERE role = 'sales'), 0), coalesce(-sum(amount) FILTER (WHERE role = 'returns'), 0),
  coalesce(-sum(amount) FILTER (WHERE role = 'bad_debt'), 0), coalesce(sum(amount) FILTER (WHERE role = 'receivable'), 0)
FROM ledger.lines AS l JOIN ledger.accounts AS a USING (tenant_id, account)
RIGHT JOIN silver.transactions t USING (tenant_id, transaction_id, revision, kind)
WHERE tenant_id = %s GROUP BY {keys}"""


def events(shared: Path, tenant: str, month: str) -> list[dict[str, Any]]:
    """The events of the days that begin with `month`, in time order."""
    event = runpy.run_path(str(shared / "tools/online_retail_events.py"))["event"]
    packed = (shared / "data/online_retail/daily.tar.zst").read_bytes()
    content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)).read()
    found: list[dict[str, Any]] = []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = sorted(name for name in archive.getnames() if name.endswith(".csv") and month in Path(name).name)
        for name in names:
            invoices: dict[str, list[dict[str, str]]] = {}
            text = io.TextIOWrapper(archive.extractfile(name), encoding="utf-8", newline="")  # type: ignore[arg-type]
            for row in csv.DictReader(text):
                invoices.setdefault(row["Invoice"], []).append(row)
            found += [event(tenant, invoice, rows) for invoice, rows in invoices.items()]
    return found


def send_all(till: Till, sent: list[dict[str, Any]]) -> None:
    """In batches, as a door does."""
    for begin in range(0, len(sent), 1_000):
        accepted(till.db, sent[begin : begin + 1_000])
        till.drain()


def oracle(shared: Path, name: str) -> Iterator[dict[str, str]]:
    """The rows of one of its files."""
    plain = shared / f"data/online_retail/oracle/dev_{name}.csv"
    if plain.exists():
        text = plain.read_text(encoding="utf-8")
    else:
        packed = plain.with_suffix(".csv.zst").read_bytes()
        text = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)).read().decode()
    return csv.DictReader(io.StringIO(text, newline=""))


def from_silver(till: Till, group: str) -> Sums:
    """(gross, returns, bad debt) by group, from the lines."""
    return _grouped(till, _SILVER, group)


def from_ledger(till: Till, group: str) -> Sums:
    """The same from the accounts."""
    found = _grouped(till, _LEDGER, group)
    assert all(sums[3] == sum(sums[:3]) for sums in found.values()), "all is owed by customers"
    return {key: sums[:3] for key, sums in found.items()}


def _grouped(till: Till, sql: str, group: str) -> Sums:
    by = GROUPS[group]
    columns = by.count(", t.") + 1
    keys = ", ".join(str(number) for number in range(1, columns + 1))
    return {row[:columns]: row[columns:] for row in till.rows(sql.format(by=by, keys=keys))}


def expected(shared: Path, group: str, month: str) -> Sums:
    """What they must be, but for the odd one."""
    names = {
        "day": ["day"],
        "month": ["year_month"],
        "country": ["Country"],
        "month_country": ["year_month", "Country"],
    }
    return {
        tuple(row[name] for name in names[group]): tuple(Decimal(row[name]) for name in ("gross", "cancel", "bad_debt"))
        for row in oracle(shared, group)
        if group == "country" or row[names[group][0]].startswith(month)
    }


def without_nothing(sums: Sums) -> Sums:
    return {key: values for key, values in sums.items() if any(values)}


def by_invoice(till: Till) -> dict[str, tuple[int, Decimal, Decimal]]:
    """Invoice → (lines, units, total), signed as the source signs them."""
    sql = """SELECT txn_id, lines, CASE type WHEN 'RETURN' THEN -units ELSE units END,
        CASE type WHEN 'RETURN' THEN -total ELSE total END FROM silver.transactions WHERE tenant_id = %s"""
    return {txn: (lines, units, total) for txn, lines, units, total in till.rows(sql)}


def by_invoice_in_ledger(till: Till) -> dict[str, Decimal]:
    """Invoice → what it makes owed; without those of nothing."""
    sql = """SELECT txn_id, sum(amount) FROM ledger.lines JOIN ledger.accounts USING (tenant_id, account)
        JOIN silver.transactions USING (tenant_id, transaction_id, revision, kind)
        WHERE tenant_id = %s AND role = 'receivable' GROUP BY 1"""
    return dict(till.rows(sql))


def by_stock_code(till: Till) -> dict[str, tuple[Decimal, ...]]:
    """Stock code → (lines, units sold, units cancelled, units written off, gross, cancelled)."""
    sql = """SELECT sku, count(*), coalesce(sum(quantity) FILTER (WHERE type = 'SALE'), 0),
        coalesce(-sum(quantity) FILTER (WHERE type = 'RETURN'), 0),
        coalesce(sum(quantity) FILTER (WHERE type = 'STOCK_ADJUSTMENT'), 0),
        coalesce(sum(amount) FILTER (WHERE type = 'SALE'), 0), coalesce(-sum(amount) FILTER (WHERE type = 'RETURN'), 0)
        FROM silver.line_items JOIN silver.transactions USING (tenant_id, transaction_id, revision, kind)
        WHERE tenant_id = %s GROUP BY 1"""
    return {sku: tuple(map(Decimal, rest)) for sku, *rest in till.rows(sql)}


def by_stock_code_of_csv(sent: list[dict[str, Any]]) -> dict[str, tuple[Decimal, ...]]:
    """The same, reckoned from the events alone."""
    found: dict[str, list[Decimal]] = {}
    places = {"SALE": (1, 4), "RETURN": (2, 5), "STOCK_ADJUSTMENT": (3, None), "ADJUSTMENT": (None, None)}
    for event in (event for event in sent if event["event_id"] != ODD):
        units, money = places[event["event_type"]]
        sign = -1 if event["event_type"] == "RETURN" else 1
        for line in event["line_items"]:
            row = found.setdefault(line["sku"], [Decimal(0)] * 6)
            row[0] += 1
            if units is not None:
                row[units] += sign * Decimal(line["qty"])
            if money is not None:
                row[money] += sign * Decimal(line["amount"])
    return {sku: tuple(row) for sku, row in found.items()}


_GOLD = {
    "day": "SELECT books_date::text, {sums} FROM gold.daily_store_sales WHERE tenant_id = %s GROUP BY 1",
    "month": "SELECT to_char(books_date, 'YYYY-MM'), {sums} FROM gold.daily_store_sales WHERE tenant_id = %s GROUP BY 1",
    "country": "SELECT country, {sums} FROM gold.daily_country_sales WHERE tenant_id = %s GROUP BY 1",
    "month_country": """SELECT to_char(books_date, 'YYYY-MM'), country, {sums} FROM gold.daily_country_sales
        WHERE tenant_id = %s GROUP BY 1, 2""",
}


def from_gold(till: Till, group: str) -> Sums:
    """(gross, returns) by group; adjustments stay outside of these tables."""
    found = till.rows(_GOLD[group].format(sums="sum(gross), sum(returns), sum(net)"))
    assert all(row[-1] == row[-2] + row[-3] for row in found), "net is gross and returns: there is no tax, no discount"
    return {row[:-3]: row[-3:-1] for row in found}


def by_stock_code_in_gold(till: Till) -> dict[str, tuple[Decimal, ...]]:
    """Stock code → (units sold, gross, cancelled); without those of nothing."""
    sql = """SELECT sku, sum(units), sum(gross), sum(returns) FROM gold.daily_product_sales WHERE tenant_id = %s
        GROUP BY 1 HAVING (sum(units), sum(gross), sum(returns)) <> (0, 0, 0)"""
    return {sku: tuple(rest) for sku, *rest in till.rows(sql)}


def totals(till: Till) -> dict[str, tuple[Decimal, Decimal]]:
    """(gross, returns) of everything, as silver, the ledger and each table of gold have them."""
    by_gold = "SELECT sum(gross), sum(returns) FROM gold.{} WHERE tenant_id = %s"
    found = {table: till.rows(by_gold.format(table))[0] for table in SALES_TABLES}
    for name, rows in (("silver", from_silver(till, "month")), ("ledger", from_ledger(till, "month"))):
        found[name] = (
            sum((row[0] for row in rows.values()), Decimal(0)),
            sum((row[1] for row in rows.values()), Decimal(0)),
        )
    return found


SALES_TABLES = ("daily_store_sales", "daily_country_sales", "daily_product_sales", "hourly_sales")
SUMS = {
    *SALES_TABLES, "payment_mix", "return_rates", "account_daily", "region_daily", "daily_brand_sales", "basket_pairs",
}  # fmt: skip
"""The tables of gold that move with what is posted, and with nothing else. Others tell what came in and when, or are
made anew on a schedule."""


def digest(till: Till, schemas: tuple[str, ...] = ("silver", "ledger")) -> dict[str, tuple[int, str]]:
    """Table → (rows, a hash over all of them): every table of these schemas; of gold, the tables of sums."""
    listed = """SELECT schemaname, tablename FROM pg_tables WHERE %s <> '' AND schemaname = ANY(%s) ORDER BY 1, 2"""
    tables = [(schema, name) for schema, name in till.rows(listed, list(schemas)) if schema != "gold" or name in SUMS]
    sql = "SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {} t WHERE tenant_id = %s"
    found = {f"{schema}.{name}": till.rows(sql.format(f"{schema}.{name}"))[0] for schema, name in tables}
    if "gold" in schemas:
        found["gold.applied"] = till.rows(f"{sql.format('gold.applied')} AND table_name = ANY(%s)", sorted(SUMS))[0]
    return found
