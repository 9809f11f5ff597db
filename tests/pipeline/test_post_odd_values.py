"""Values that are allowed and odd: they are posted, or held with a reason; none is refused for ever, or stops others."""

from typing import Any

import pytest

from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.refresh import refresh
from tests.pipeline.posting import Till

MANY_ZEROS = "0" * 17_000
FOUR_BYTES = "\U0001f6d2"


@pytest.mark.parametrize("offset", ["+16:00", "-23:59", "+15:59", "+00:00"])
def test_any_offset_of_iso_8601_is_taken(till: Till, offset: str) -> None:
    till.send(till.sold("s", occurred_at=f"2026-02-25T01:02:03{offset}"))
    assert till.rows("SELECT count(*) FROM silver.transactions WHERE tenant_id = %s") == [(1,)]


@pytest.mark.parametrize(
    "changes",
    [
        {"total_amount": f"99.5{MANY_ZEROS}"},
        {"line_items": [{"sku": "A", "qty": 1, "amount": f"42.5{MANY_ZEROS}"}]},
    ],
)
def test_a_number_that_no_column_holds_is_held(till: Till, changes: dict[str, Any]) -> None:
    till.send(till.sold("odd", **changes), till.sold("good"))
    assert till.held() == {"odd": "CONTRACT_VIOLATION"}
    assert till.rows("SELECT event_id FROM silver.transactions WHERE tenant_id = %s") == [("good",)]


def test_zeros_beyond_the_sixth_decimal_say_nothing(till: Till) -> None:
    till.send(till.sold("s", line_items=[{"sku": "A", "qty": "1.0000000000", "amount": "42.5000000000"}]))
    assert till.rows("SELECT scale(amount) <= 6, amount FROM silver.line_items WHERE tenant_id = %s") == [(True, 42.5)]


@pytest.mark.parametrize(
    "changes",
    [
        {"txn_id": FOUR_BYTES * 255, "store_id": FOUR_BYTES * 255, "tenant_id": FOUR_BYTES * 200},
        {"store_id": FOUR_BYTES * 255, "line_items": [{"sku": FOUR_BYTES * 255, "qty": 1, "amount": "42.5"}]},
        {"line_items": [{"sku": "A", "qty": 1, "amount": "42.5", "brand": "x" * 256}]},
    ],
)
def test_keys_that_no_index_holds_are_held(till: Till, changes: dict[str, Any]) -> None:
    if "tenant_id" in changes:
        till.tenant = changes["tenant_id"]
    till.send(till.sold("s", **changes))
    assert set(till.held().values()) == {"CONTRACT_VIOLATION"}


def test_a_country_that_is_none_stops_no_table(till: Till) -> None:
    till.send(
        till.sold("long", metadata={"country": FOUR_BYTES * 5_000}), till.sold("good", metadata={"country": "DE"})
    )
    done = refresh(till.db, SystemClock(), tenant_id=till.tenant)
    assert {one.error for one in done} == {None}
    sql = "SELECT country, transactions FROM gold.daily_country_sales WHERE tenant_id = %s ORDER BY 1"
    assert till.rows(sql) == [("", 1), ("DE", 1)]
