"""Identifiers made by the application: UUIDv7 (RFC 9562), so that keys are time-ordered and indexes stay local."""

import os
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils

_MAX_MILLISECONDS = (1 << 48) - 1


def new_id() -> str:
    """A fresh UUIDv7 as 36 characters of text; within one process each is greater than the one before.

    It carries the machine's clock only as a hint for locality: no code may order or select by it. Deliveries are the
    exception (`id_after`): which of two files is older (files.curated), and which page comes next. So are charts
    (pipeline.flow).
    """
    return str(uuid_utils.uuid7())


def id_after(latest: UUID | None) -> str:
    """A fresh UUIDv7 that is greater than one which is there already, whatever the clock said when that was made."""
    fresh = UUID(new_id())
    if latest is None or fresh > latest:
        return str(fresh)
    return str(UUID(int=((latest.int >> 80) + 1 << 80) | (fresh.int & ((1 << 80) - 1))))


def first_id_of(instant: datetime) -> UUID:
    """The smallest UUIDv7 of an instant (to the millisecond): a bound for partitions and ranges."""
    milliseconds = int(instant.astimezone(UTC).timestamp() * 1000)
    if not 0 <= milliseconds <= _MAX_MILLISECONDS:
        raise ValueError(f"{instant} cannot be the time of a UUIDv7")
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (0b10 << 62))


def random_slot(slots: int) -> int:
    """A number below `slots`, at random: which counter row a process writes to."""
    return int.from_bytes(os.urandom(4), "big") % slots
