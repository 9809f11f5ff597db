"""Arrivals as they are shown: what came, through which door, and of which rows of a file it was made."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from ledgersafe.api.shapes import Difference, ExceptionShape, KeyShape, Shape


class OriginShape(Shape):
    """The delivered file that an arrival came out of. `rows`: the numbers of its first rows, of `rows_in_all`."""

    ingestion_id: UUID
    filename: str
    dataset: str
    rows: list[int] = Field(description="As people count: the header is row 1 where there is one. At most 50.")
    rows_in_all: int


class ArrivalShape(Shape):
    """One arrival; `payload_json` is its body as it was received, parsed: a number that no double holds is a text,
    spelled as it came. `origin`: null where it came through another door than a file, or before that was kept.
    """

    raw_id: UUID
    received_at: datetime
    door: str
    event_type: str | None
    store_id: str | None
    source_system: str | None
    occurred_at: datetime | None
    txn_id: str | None
    key_id: str | None
    payload_hash: str
    body_sha256: str
    payload_json: Any
    origin: OriginShape | None


class PayloadShape(Shape):
    """One distinct payload of a key, and what was decided of it. Of an exception, with its content and its origin."""

    raw_id: UUID
    fingerprint: str
    decision: str
    payload_json: Any = None
    origin: OriginShape | None = None


class ExceptionAnswer(Shape):
    """One exception, with every payload of its key."""

    exception: ExceptionShape
    raw_event: ArrivalShape
    events_processed: KeyShape
    first_raw_event: ArrivalShape
    last_raw_event: ArrivalShape
    payloads: list[PayloadShape]
    diff: list[Difference]
