"""The whole year of a real retailer through the core equals its exact sums, before and after an operator's decision."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from tests.conftest import TestDatabase
from tests.pipeline.operating import REPLAY, decided, wish
from tests.pipeline.oracle import from_ledger
from tests.pipeline.posting import Till
from tests.pipeline.test_post_oracle import check

pytestmark = [pytest.mark.attack, pytest.mark.shared, pytest.mark.timeout(900)]


def totals(till: Till) -> tuple[Decimal, Decimal, Decimal]:
    """(gross, returns, net) of the year."""
    rows = from_ledger(till, "month").values()
    gross, returns = sum((row[0] for row in rows), Decimal(0)), sum((row[1] for row in rows), Decimal(0))
    return gross, returns, gross + returns


def test_a_real_year_equals_the_oracle(test_database: TestDatabase, tenant: str, shared: Path) -> None:
    database = test_database.open()
    with psycopg.connect(test_database.superuser_url, autocommit=True) as superuser:
        till = Till(database, superuser, tenant, datetime.now(UTC))
        check(till, shared, "")
        assert totals(till)[:2] == (Decimal("9867039.374"), Decimal("-568864.740"))
        zero = "SELECT type, count(*) FROM silver.transactions WHERE tenant_id = %s AND total = 0 GROUP BY 1 ORDER BY 1"
        assert till.rows(zero) == [("SALE", 1_095), ("STOCK_ADJUSTMENT", 2_057)]
        ((exception_id, body),) = till.rows(
            """SELECT exception_id, body FROM quarantine.exceptions JOIN bronze.events_raw USING (tenant_id, raw_id)
            WHERE tenant_id = %s"""
        )
        del body
        line = {"sku": "M", "qty": "1", "unit_price": "373.57", "amount": "373.57", "name": "Manual"}
        patch = {"event_type": "SALE", "line_items": [line], "total_amount": "373.57"}
        decided(database, exception_id, wish(REPLAY, patch=patch))
        till.drain()
        assert totals(till) == (Decimal("9867412.944"), Decimal("-568864.740"), Decimal("9298548.204"))
        till.assert_sound()
    database.close()
