"""The envelope that every event has, whatever its type and whichever door it came through."""

import re
from datetime import date, datetime
from typing import Annotated, Any, TypeGuard

import msgspec

from ledgersafe.kernel.money import Amount, parse_amount

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z")]
"""An identifier or a short text that is stored in a column and an index: 1 to 255 characters, none of them control."""

Text = Annotated[str, msgspec.Meta(max_length=4_000, pattern=r"^[^\x00]*\Z")]
"""A free text. Postgres holds no NUL."""

ShortText = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^\x00]*\Z")]
"""A free text that stands in keys of reports."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""ISO 8601 with an offset; a naive timestamp is no instant."""


class Envelope(msgspec.Struct, kw_only=True):
    """The fields of an event that Ledgersafe understands at the top; others are allowed and kept."""

    schema_version: Name
    tenant_id: Name
    store_id: Name
    source_system: Name
    event_id: Name
    event_type: Name
    occurred_at: Instant
    txn_id: Name
    source_event_id: Name | None = None
    register_id: Name | None = None
    cashier_id: Name | None = None
    business_date: date | None = None
    currency: Name | None = None
    customer_id: Name | None = None
    metadata: dict[str, Any] | None = None
    simulated: bool = False


def is_usable_id(value: object) -> TypeGuard[str]:
    """Whether it can serve as tenant_id or event_id: 1 to 255 characters, none of them control."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= 255
        and (value.isalnum() or CONTROL_CHARACTER.search(value) is None)
    )


def read_special(kind: type, value: object) -> object:
    """msgspec's hook for the one type of ours that it does not know."""
    if kind is Amount:
        return parse_amount(value)
    raise NotImplementedError(kind)
