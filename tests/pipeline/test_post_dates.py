"""Which day an event counts for, and whether its store is known."""

from datetime import date, timedelta

import pytest

from tests.pipeline.posting import Till

MISMATCH = "BUSINESS_DATE_MISMATCH"
DAYS = [
    ("UTC", 0, "2026-02-25T23:59:59.999999Z", "2026-02-25"),
    ("UTC", 0, "2026-02-26T00:00:00Z", "2026-02-26"),
    ("UTC", 4, "2026-02-26T03:59:59Z", "2026-02-25"),
    ("UTC", 4, "2026-02-26T04:00:00Z", "2026-02-26"),
    ("UTC", 23, "2026-02-26T22:59:59Z", "2026-02-25"),
    ("Pacific/Kiritimati", 0, "2026-02-25T10:00:00Z", "2026-02-26"),
    ("Pacific/Pago_Pago", 0, "2026-02-25T10:59:59Z", "2026-02-24"),
    ("America/New_York", 0, "2026-02-25T23:00:00-05:00", "2026-02-25"),
    ("America/New_York", 0, "2026-02-26T04:30:00Z", "2026-02-25"),
    ("Asia/Kathmandu", 0, "2026-02-25T18:15:00Z", "2026-02-26"),
    # Clocks went forward in Berlin at 01:00Z of 30 March 2025, from 02:00 to 03:00, and back at 01:00Z of 26 October.
    ("Europe/Berlin", 3, "2025-03-30T00:59:59Z", "2025-03-29"),
    ("Europe/Berlin", 3, "2025-03-30T01:00:00Z", "2025-03-30"),
    ("Europe/Berlin", 2, "2025-03-30T00:59:59Z", "2025-03-29"),
    ("Europe/Berlin", 2, "2025-03-30T01:00:00Z", "2025-03-30"),
    ("Europe/Berlin", 3, "2025-10-26T00:30:00Z", "2025-10-25"),
    ("Europe/Berlin", 3, "2025-10-26T01:30:00Z", "2025-10-25"),
    ("Europe/Berlin", 3, "2025-10-26T02:00:00Z", "2025-10-26"),
    ("Europe/Berlin", 0, "2025-10-25T22:00:00Z", "2025-10-26"),
]


def day_of(till: Till, event_id: str = "s") -> date:
    sql = "SELECT business_date FROM silver.transactions WHERE tenant_id = %s AND event_id = %s"
    ((found,),) = till.rows(sql, event_id)
    return found


@pytest.mark.parametrize("of", ["tenant", "store"])
@pytest.mark.parametrize(("zone", "begins", "occurred_at", "expected"), DAYS)
def test_the_day_is_the_stores(till: Till, zone: str, begins: int, occurred_at: str, expected: str, of: str) -> None:
    till.set(time_zone=zone if of == "tenant" else "Asia/Tokyo", day_starts_at=begins if of == "tenant" else 7)
    if of == "store":
        sql = "INSERT INTO tenants.stores (tenant_id, store_id, time_zone, day_starts_at) VALUES (%s, 'store_001', %s, %s) RETURNING 1"
        till.rows(sql, zone, begins)
    till.send(till.sold(occurred_at=occurred_at))
    assert day_of(till) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [("2026-02-23", MISMATCH), ("2026-02-24", None), ("2026-02-26", None), ("2026-02-27", MISMATCH),
     ("0001-01-01", MISMATCH), ("9999-12-31", MISMATCH)],
)  # fmt: skip
def test_a_stated_day_is_near_the_stores(till: Till, stated: str, reason: str | None) -> None:
    till.send(till.sold(occurred_at="2026-02-25T23:30:00Z", business_date=stated))
    assert till.held() == ({"s": reason} if reason else {})
    if reason is None:
        assert day_of(till) == date.fromisoformat(stated)
    till.assert_sound()


def test_the_first_and_last_of_instants_have_a_day(till: Till) -> None:
    till.set(time_zone="Pacific/Pago_Pago", day_starts_at=23)
    till.send(till.sold("s", occurred_at="1970-01-01T00:00:00Z"))
    assert day_of(till) == date(1969, 12, 30)
    tomorrow = till.now.date() + timedelta(days=1)
    till.send(till.amended("CORRECTION", "c", business_date=str(tomorrow)))
    till.send(till.amended("CORRECTION", "c2", business_date="1969-12-30"))
    assert till.states() == {"txn-s": ("live", 3)}
    till.assert_sound()


@pytest.mark.parametrize("stated", ["0001-01-01", "0226-02-25", "1969-12-29", "2062-02-25", "9999-12-31"])
def test_a_wrong_century_moves_no_sale(till: Till, stated: str) -> None:
    """Gold keeps a row for each day between a store's first and its last."""
    till.send(till.sold("s"), till.amended("CORRECTION", "c", business_date=stated))
    assert till.held() == {"c": MISMATCH}
    assert till.states() == {"txn-s": ("live", 1)}
    till.assert_sound()


def test_unknown_stores_are_made_or_their_events_held(till: Till) -> None:
    till.send(till.sold("a"), till.sold("b", store_id="two"))
    sql = "SELECT store_id, is_verified FROM tenants.stores WHERE tenant_id = %s ORDER BY 1"
    assert till.rows(sql) == [("store_001", False), ("two", False)]
    till.set(unknown_stores="park")
    till.send(
        till.sold("c"),
        till.sold("d", store_id="three"),
        till.amended("CANCEL", "e", store_id="four", original_store_id="two", of="txn-b"),
    )
    assert till.held() == dict.fromkeys(["d", "e"], "UNKNOWN_STORE")
    assert till.rows(sql) == [("store_001", False), ("two", False)]
    till.assert_sound()
