"""Cursors of keyset pages: where the page before ended, as text that senders hand back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from uuid import UUID

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER


def write_cursor(time: datetime, row_id: UUID) -> str:
    """The cursor after a row."""
    return urlsafe_b64encode(f"{time.isoformat()}|{row_id}".encode()).decode()


def read_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Where to go on; None for the first page. Raises RequestRefused(INVALID_PARAMETER)."""
    if cursor is None:
        return None
    try:
        time, _, row_id = urlsafe_b64decode(cursor.encode()).decode().partition("|")
        after = datetime.fromisoformat(time)
        if after.tzinfo is None:
            raise ValueError(time)
        return after, UUID(row_id)
    except ValueError:
        raise RequestRefused(INVALID_PARAMETER, "cursor is not one that a page gave as `next`.") from None
