"""Identifiers and time."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgersafe.kernel.clock import ManualClock, SystemClock
from ledgersafe.kernel.ids import first_id_of, new_id, random_slot

instants = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given


def test_ids_are_uuid7_and_grow_within_a_process() -> None:
    ids = [new_id() for _ in range(5_000)]
    assert ids == sorted(set(ids))
    assert {(UUID(text).version, UUID(text).variant) for text in ids} == {(7, RFC_4122)}


def test_an_id_lies_between_the_bounds_of_its_time() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    made = UUID(new_id())
    after = datetime.now(UTC) + timedelta(milliseconds=2)
    assert first_id_of(before) <= made < first_id_of(after)


@given(one=instants, other=instants)
def test_bounds_are_in_the_order_of_their_instants(one: datetime, other: datetime) -> None:
    first, second = first_id_of(one), first_id_of(other)
    assert (first.version, first.variant) == (7, RFC_4122)
    milliseconds = [int(instant.timestamp() * 1000) for instant in (one, other)]
    assert (first < second) == (milliseconds[0] < milliseconds[1])
    assert first.int >> 80 == milliseconds[0]


def test_bounds_do_not_depend_on_the_zone_and_have_limits() -> None:
    noon = datetime(2026, 2, 25, 12, tzinfo=UTC)
    assert first_id_of(noon) == first_id_of(noon.astimezone(timezone(timedelta(hours=5, minutes=30))))
    with pytest.raises(ValueError, match="UUIDv7"):
        first_id_of(datetime(1969, 12, 31, tzinfo=UTC))


def test_slots_are_spread() -> None:
    assert {random_slot(4) for _ in range(500)} == {0, 1, 2, 3}


def test_the_system_clock_tells_the_time_in_utc() -> None:
    told = SystemClock().now()
    assert told.tzinfo is UTC
    assert abs(told - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_manual_clock_stands_until_it_is_moved() -> None:
    start = datetime(2026, 2, 25, 10, tzinfo=timezone(timedelta(hours=2)))
    clock = ManualClock(start)
    assert clock.now() == clock.now() == start
    assert clock.now().tzinfo is UTC
    clock.move_to(start - timedelta(days=1))
    assert clock.now() == start - timedelta(days=1)
    with pytest.raises(ValueError, match="aware"):
        ManualClock(start.replace(tzinfo=None))
