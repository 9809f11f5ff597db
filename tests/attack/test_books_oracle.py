"""A real year of a retailer through the HTTP door and real workers equals its exact sums, and sending it again changes nothing."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.attack.judge import broken, faults_of_tables
from tests.attack.stand import FULL, Stand, eventually, standing
from tests.pipeline import oracle
from tests.pipeline.posting import Till

pytestmark = [pytest.mark.together, pytest.mark.attack, pytest.mark.shared, pytest.mark.timeout(1800 if FULL else 400)]

TENANT = "online_retail"
MONTH = "" if FULL else "2010-02"
"""All of it; or the month of the cancellation that is wrong at the source."""
BOOKS = ("silver", "ledger", "gold")
GROSS, RETURNS = Decimal("9867039.374"), Decimal("-568864.740")
ALL_OF_GROSS, NET = Decimal("9867412.944"), Decimal("9298548.204")
SOME_ROWS = {
    *(
        "silver.transactions",
        "silver.line_items",
        "silver.heads",
        "silver.batches",
        "ledger.entries",
        "ledger.accounts",
    ),
    *("gold.applied", "gold.daily_store_sales", "gold.daily_country_sales", "gold.daily_product_sales"),
}
"""Whose rows are among those that must not change."""
CAUGHT_UP = ("gold: nothing is left to be posted", "gold: every batch is in every table of sums, and no other")


class Shop:
    """A whole Ledgersafe, and the year as a file."""

    def __init__(self, stand: Stand, till: Till, shared: Path, folder: Path) -> None:
        self.stand, self.till, self.shared, self.folder = stand, till, shared, folder
        self.sent = oracle.events(shared, TENANT, MONTH)
        self.file = folder / "events.ndjson"
        lines = (json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in self.sent)
        self.file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def run(self, *command: str) -> Any:
        """One of our commands as a person runs it; it must end well. Returns what it prints as JSON."""
        environment = self.stand.worker.environment | {
            "LEDGERSAFE_URL": self.stand.url(self.stand.ports[0]),
            "LEDGERSAFE_API_KEY": self.stand.key,
            "XDG_STATE_HOME": str(self.folder),
        }
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "ledgersafe", *command, "--json"], env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        print(f"{' '.join(command)[:100]}: {time.monotonic() - began:.1f} s")
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return json.loads(done.stdout)

    def send(self) -> dict[tuple[str, str | None], int]:
        """All of the file; (result, reason) → how many; the workers have done with it when this returns."""
        answer = self.run("events", "send", str(self.file), "--restart")
        waited = eventually(lambda: not any(broken(self.till.superuser, name) for name in CAUGHT_UP), 600)
        print(f"{answer['events']} events in {answer['seconds']:.1f} s, posted and in gold {waited:.1f} s later")
        return {(one["result"], one["reason_code"]): one["count"] for one in answer["by_result"]}

    def digest(self) -> dict[str, tuple[int, str]]:
        """Of the books, with those tables of gold brought up to date which the worker makes anew now and then."""
        self.run("gold", "refresh", "--tenant", TENANT)
        return oracle.digest(self.till, BOOKS)

    def verified(self) -> None:
        """By the product itself, and past it."""
        assert self.run("verify", "--tenant", TENANT)["ok"] is True
        told = self.run("gold", "verify", "--tenant", TENANT)
        assert told["ok"] is True
        assert faults_of_tables(self.till.superuser, caught_up=True) == []


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("oracle")
    with standing(folder) as stand, psycopg.connect(stand.of.superuser_url, autocommit=True) as superuser:
        database = stand.of.open(size=2)
        till = Till(database, superuser, TENANT, datetime.now(UTC))
        till.set(time_zone="Europe/London", currency="GBP")
        workers = [stand.worker, stand._program("worker-2", "ledgersafe", "work")]
        for worker in workers:
            worker.start()
        yield Shop(stand, till, shared, folder)
        workers[1].stop()
        database.close()


def test_a_real_year_through_the_door(shop: Shop) -> None:
    """In this order: sent, equal, sent again, the parked one mended, sent once more."""
    assert shop.send() == {("processed", None): len(shop.sent) - 1, ("quarantined", "NEGATIVE_AMOUNT"): 1}
    assert_equal(shop)
    shop.verified()
    before = shop.digest()
    assert all(before[name][0] for name in SOME_ROWS)
    results = {("duplicate", None): len(shop.sent) - 1, ("quarantined", "ALREADY_QUARANTINED"): 1}
    assert shop.send() == results
    assert shop.digest() == before
    mend(shop)
    assert_mended(shop)
    shop.verified()
    after = shop.digest()
    assert shop.send() == {("duplicate", None): len(shop.sent)}
    assert shop.digest() == after
    shop.verified()


def assert_equal(shop: Shop) -> None:
    """Everything that the oracle says, but for the odd one; from silver, from the ledger, from gold."""
    till, odd = shop.till, next(event for event in shop.sent if event["event_id"] == oracle.ODD)
    day, country = odd["occurred_at"][:10], odd["metadata"]["country"]
    keys = {"day": (day,), "month": (day[:7],), "country": (country,), "month_country": (day[:7], country)}
    if MONTH:
        del keys["country"]
    for group, key in keys.items():
        wanted = oracle.expected(shop.shared, group, MONTH)
        gross, cancelled, bad_debt = wanted[key]
        wanted[key] = (gross, cancelled - oracle.ODD_AMOUNT, bad_debt)
        wanted = oracle.without_nothing(wanted)
        assert oracle.without_nothing(oracle.from_silver(till, group)) == wanted, group
        assert oracle.without_nothing(oracle.from_ledger(till, group)) == wanted, group
        of_sales = oracle.without_nothing({name: sums[:2] for name, sums in wanted.items()})
        assert oracle.without_nothing(oracle.from_gold(till, group)) == of_sales, group
    assert_details(shop)
    if not MONTH:
        assert oracle.totals(till) == dict.fromkeys([*oracle.SALES_TABLES, "silver", "ledger"], (GROSS, RETURNS))
        zero = "SELECT type, count(*) FROM silver.transactions WHERE tenant_id = %s AND total = 0 GROUP BY 1 ORDER BY 1"
        assert till.rows(zero) == [("SALE", 1_095), ("STOCK_ADJUSTMENT", 2_057)]


def assert_details(shop: Shop) -> None:
    """By invoice and by stock code."""
    till = shop.till
    invoices = {
        row["Invoice"]: (int(row["lines"]), int(row["units"]), Decimal(row["total"]))
        for row in oracle.oracle(shop.shared, "invoice")
        if row["first_ts"].startswith(MONTH) and f"or-{row['Invoice']}" != oracle.ODD
    }
    assert oracle.by_invoice(till) == invoices
    owed = {name: total for name, (_, _, total) in invoices.items() if total}
    assert oracle.by_invoice_in_ledger(till) == owed
    codes = oracle.by_stock_code_of_csv(shop.sent)
    if not MONTH:
        names = ("lines", "units_sold", "units_cancelled", "units_written_off", "gross", "cancel")
        listed = oracle.oracle(shop.shared, "stock_code")
        known = {row["StockCode"]: tuple(Decimal(row[name]) for name in names) for row in listed}
        known["M"] = tuple(number - odd for number, odd in zip(known["M"], oracle.ODD_LINE, strict=True))
        assert codes == known
    assert oracle.by_stock_code(till) == codes
    sold = {sku: (units, gross, returned) for sku, (_, units, _, _, gross, returned) in codes.items()}
    assert oracle.by_stock_code_in_gold(till) == oracle.without_nothing(sold)  # type: ignore[arg-type]


def mend(shop: Shop) -> None:
    """An operator says, over the API, that the odd one was a sale of one."""
    line = {"sku": "M", "qty": "1", "unit_price": "373.57", "amount": "373.57", "name": "Manual"}
    patch = {"event_type": "SALE", "line_items": [line], "total_amount": "373.57"}
    wanted = {"action": "override_and_replay", "resolution_notes": "a sale of one", "override_patch": patch}
    with shop.stand.api().client() as client:
        listed = client.get("/v1/exceptions", params={"tenant_id": TENANT, "status": "open"}).json()
        (held,) = listed["items"]
        answer = client.post(f"/v1/exceptions/{held['exception_id']}/resolve", json=wanted)
        assert answer.status_code == 200, answer.text
    eventually(lambda: not any(broken(shop.till.superuser, name) for name in CAUGHT_UP), 60)


def assert_mended(shop: Shop) -> None:
    """Its money has come in, everywhere, and is all that has."""
    found = oracle.totals(shop.till)
    assert set(found.values()) == {next(iter(found.values()))}, found
    gross, returns = found["silver"]
    by_day = oracle.expected(shop.shared, "day", MONTH).values()
    assert (gross, returns) == (
        sum((row[0] for row in by_day), Decimal(0)) + oracle.ODD_AMOUNT,
        sum((row[1] for row in by_day), Decimal(0)) - oracle.ODD_AMOUNT,
    )
    if not MONTH:
        assert (gross, returns, gross + returns) == (ALL_OF_GROSS, RETURNS, NET)
