"""Values that are allowed and odd: they are posted, or held with a reason; none is refused for ever, or stops others."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from ledgersafe.contracts import doors
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.accept import accept
from ledgersafe.pipeline.arrival import Parcel, judged, read
from ledgersafe.pipeline.refresh import refresh
from ledgersafe.tenants.store import Tenant
from tests.pipeline.arrivals import ANYBODY, told
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


def test_money_is_never_posted_without_a_currency(till: Till) -> None:
    """It was accepted by the tenant's currency, which somebody took away before it was posted."""
    till.set(currency="EUR")
    parcel = Parcel(doors.NATIVE, ANYBODY, datetime.now(UTC))
    tenant = Tenant(till.tenant, "EUR", simulated=False, store_currencies={}, volatile_fields={})
    events = [till.sold("s"), till.sold("bare", currency=None), till.amended("CANCEL", "undone", currency=None)]
    arrivals = [judged(read(parcel, orjson.dumps(event)), tenant, 600) for event in events]
    assert told(accept(till.db, arrivals, slot=0)) == [("processed", None)] * 3
    till.set(currency=None)
    till.drain()
    assert till.held() == {"bare": "CURRENCY_MISSING"}
    assert till.rows("SELECT DISTINCT currency FROM ledger.entries WHERE tenant_id = %s") == [("USD",)]
    assert till.states()["txn-s"] == ("voided", 1)
    till.assert_sound()
