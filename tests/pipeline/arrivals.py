"""Arrivals for tests of the core: read and judged as a door would, without one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from ledgersafe.contracts import doors
from ledgersafe.db.database import Database
from ledgersafe.pipeline.accept import Outcome, accept
from ledgersafe.pipeline.arrival import Arrival, Parcel, judged, read
from ledgersafe.tenants.rules import SCOPES, Credential

ANYBODY = Credential("test", None, None, frozenset(SCOPES))


def arrival(event: dict[str, Any], *, received_at: datetime | None = None) -> Arrival:
    """An event as an arrival of a tenant of which nothing is known."""
    parcel = Parcel(doors.NATIVE, ANYBODY, received_at or datetime.now(UTC))
    return judged(read(parcel, orjson.dumps(event)), None, 600)


def accepted(database: Database, events: Sequence[dict[str, Any]], *, slot: int = 0) -> list[Outcome]:
    """What became of a batch."""
    return accept(database, [arrival(event) for event in events], slot=slot)


def told(outcomes: Sequence[Outcome]) -> list[tuple[str, str | None]]:
    """(result, reason code) of each."""
    return [(outcome.result, outcome.reason.code if outcome.reason else None) for outcome in outcomes]
