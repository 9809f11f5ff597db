"""Reading what was accepted once more: straight into its shape, in one pass in C, without judging it again.

It was judged when it came in. The shapes here are made from those of the event types, so nothing is said twice: without
limits on lengths and characters, and with plain Decimals, which msgspec reads by itself from text and from numbers as
they are spelled. A tenth of what reading and judging cost. Python's collector of cycles need not look at them: they are
trees.
"""

import re
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

import msgspec

from ledgersafe.contracts.doors import FILE, NATIVE
from ledgersafe.contracts.events import event_types
from ledgersafe.kernel.money import Amount

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
    return msgspec.json.Decoder(_plain(event_types()[event_type].shape))


@cache
def _plain(kind: Any) -> Any:
    """A type without its limits, and with Decimal for Amount."""
    if kind is Amount:
        return Decimal
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _plain(inner[0])
    if origin in (Union, UnionType):
        return Union[tuple(_plain(one) for one in inner)]  # noqa: UP007 - of types that are only known here
    if origin is list:
        element: Any = _plain(inner[0])
        return list[element]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return msgspec.defstruct(
            kind.__name__, [_field(one) for one in msgspec.structs.fields(kind)], kw_only=True, gc=False
        )
    return cast("object", kind)


def _field(one: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    plain = _plain(one.type)
    return (one.name, plain) if one.required else (one.name, plain, one.default)
