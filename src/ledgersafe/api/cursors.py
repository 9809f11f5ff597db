"""Cursors of keyset pages: where the page before ended, as text that senders hand back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER

When = TypeVar("When", bound=date)
Row = TypeVar("Row")
Cursor = TypeVar("Cursor")


def one_page(rows: Sequence[Row], limit: int, cursor: Callable[[Row], Cursor]) -> tuple[Sequence[Row], Cursor | None]:
    """The rows of a page, and the cursor of the following one: None where this is the last.

    `rows`: as read with a bound of `limit + 1`. `cursor`: of the row after which the following page begins.
    """
    kept = rows[:limit]
    return kept, cursor(kept[-1]) if len(rows) > limit else None


def write_cursor(when: date, row_id: UUID) -> str:
    """The cursor after a row: by its time, or by its day."""
    return urlsafe_b64encode(f"{when.isoformat()}|{row_id}".encode()).decode()


def read_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Where to go on, by time; None for the first page. Raises RequestRefused(INVALID_PARAMETER)."""
    return _read(cursor, _instant)


def read_day_cursor(cursor: str | None) -> tuple[date, UUID] | None:
    """The same, by day."""
    return _read(cursor, date.fromisoformat)


def _read(cursor: str | None, parse: Callable[[str], When]) -> tuple[When, UUID] | None:
    if cursor is None:
        return None
    try:
        when, _, row_id = urlsafe_b64decode(cursor.encode()).decode().partition("|")
        return parse(when), UUID(row_id)
    except ValueError:
        raise RequestRefused(INVALID_PARAMETER, "cursor is not one that a page gave as `next`.") from None


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found
