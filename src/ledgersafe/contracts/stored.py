"""Reading what was accepted once more: straight into its shape, in one pass in C, without judging it again.

It was judged when it came in. Plain Decimals are what msgspec reads by itself, from text and from numbers as they are
spelled. A tenth of what reading and judging cost.
"""

import re
from functools import cache
from typing import Any

import msgspec

from ledgersafe.contracts.doors import FILE, NATIVE
from ledgersafe.contracts.events import event_types
from ledgersafe.contracts.shapes import as_stored

_ODDLY_SPELLED = re.compile(rb"\.[0-9]{7}|[:,\[]\s*-?[0-9.]+[eE]")
"""More decimals than amounts have, or an exponent: these take the long road, which gives each number one spelling."""


def read_stored(door: str, event_type: str | None, body: bytes) -> Any | None:
    """An accepted event from its stored bytes; None where it takes the long road: another shape, or a redaction."""
    if door not in (NATIVE, FILE) or event_type is None or _ODDLY_SPELLED.search(body):
        return None
    try:
        return _decoder(event_type).decode(body)
    except (msgspec.MsgspecError, KeyError, ValueError):
        return None


@cache
def _decoder(event_type: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(as_stored(event_types()[event_type].shape))
