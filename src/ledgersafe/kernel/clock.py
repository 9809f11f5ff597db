"""The clock is handed in. This is the only file that asks the machine for the time of day."""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo


def trading_day(instant: datetime, time_zone: str, day_starts_at: int) -> date:
    """The local date of an instant, where what happens before an hour of the day (0 to 23) counts for the day before.

    Raises ZoneInfoNotFoundError.
    """
    return (instant.astimezone(ZoneInfo(time_zone)) - timedelta(hours=day_starts_at)).date()


FIRST_DAY = date(1969, 12, 30)
"""The day of the earliest instant that an event may name, wherever its store is. A wrong year would make gold keep a
row for each day of the centuries between."""

CLOCKS_DIFFER = timedelta(hours=2)
"""By how much the clocks of two machines may. What is set further ahead than work is ever put off, and by more than
this, was set by a clock that was wrong."""


def last_day(now: datetime) -> date:
    """The last day that anything may count for: tomorrow, which it is already where some stores are."""
    return now.date() + timedelta(days=1)


class Clock(Protocol):
    """Anything that knows the time."""

    def now(self) -> datetime:
        """The present instant, timezone-aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, timezone-aware, in UTC, to the microsecond."""
        return datetime.fromtimestamp(time.time(), UTC)


class ManualClock:
    """A clock that stands until it is moved: for tests and for seeded runs."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware datetime, e.g. datetime(2026, 2, 25, tzinfo=UTC)")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The instant it was set to."""
        return self._now

    def move_to(self, instant: datetime) -> None:
        """Set the clock, forwards or backwards."""
        self._now = instant.astimezone(UTC)
