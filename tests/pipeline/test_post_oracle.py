"""A month of a real retailer through the core equals its exact sums, to the last digit; the year is in tests/attack."""

from pathlib import Path

import pytest

from tests.pipeline import oracle
from tests.pipeline.posting import Till

pytestmark = pytest.mark.shared
MONTH = "2010-02"
"""The one with the cancellation that is wrong at the source."""


def test_a_real_month_equals_the_oracle(till: Till, shared: Path) -> None:
    check(till, shared, MONTH)


def check(till: Till, shared: Path, month: str) -> None:
    """Everything that the oracle says of the days that begin with `month` ("": of the year)."""
    till.set(time_zone="Europe/London", currency="GBP")
    sent = oracle.events(shared, till.tenant, month)
    oracle.send_all(till, sent)
    assert till.count("gate.to_post") == 0
    assert till.count("quarantine.exceptions") == sum(event["event_id"] == oracle.ODD for event in sent)
    ((odd_day, odd_country),) = [
        (event["occurred_at"][:10], event["metadata"]["country"]) for event in sent if event["event_id"] == oracle.ODD
    ]
    odd = {
        "day": (odd_day,), "month": (odd_day[:7],), "country": (odd_country,), "month_country": (odd_day[:7], odd_country),
    }  # fmt: skip
    for group, key in odd.items():
        if group == "country" and month:
            continue
        wanted = oracle.expected(shared, group, month)
        gross, cancelled, bad_debt = wanted[key]
        wanted[key] = gross, cancelled - oracle.ODD_AMOUNT, bad_debt
        assert oracle.without_nothing(oracle.from_silver(till, group)) == oracle.without_nothing(wanted), group
        assert oracle.without_nothing(oracle.from_ledger(till, group)) == oracle.without_nothing(wanted), group
    _check_details(till, shared, month)
    before = oracle.digest(till)
    oracle.send_all(till, sent)
    assert oracle.digest(till) == before
    till.assert_sound()


def _check_details(till: Till, shared: Path, month: str) -> None:
    invoices = oracle.by_invoice(till)
    wanted = {
        row["Invoice"]: (int(row["lines"]), int(row["units"]), oracle.Decimal(row["total"]))
        for row in oracle.oracle(shared, "invoice")
        if row["first_ts"].startswith(month) and f"or-{row['Invoice']}" != oracle.ODD
    }
    assert invoices == wanted
    assert oracle.by_invoice_in_ledger(till) == {name: total for name, (_, _, total) in wanted.items() if total}
    if not month:
        codes = {
            row["StockCode"]: tuple(
                oracle.Decimal(row[name])
                for name in ("lines", "units_sold", "units_cancelled", "units_written_off", "gross", "cancel")
            )
            for row in oracle.oracle(shared, "stock_code")
        }
        codes["M"] = tuple(number - odd for number, odd in zip(codes["M"], oracle.ODD_LINE, strict=True))
        assert oracle.by_stock_code(till) == codes
