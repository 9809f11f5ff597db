"""Shapes made from those of the event types, for events of which something is known beforehand: nothing is said twice.

msgspec reads in C, but asks Python about each text that has a pattern and about each Amount. Where the answers are
known, that is half of what reading an event costs.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeGuard, Union, cast, get_args, get_origin

import msgspec

from ledgersafe.kernel.money import Amount

Remaking = Callable[[Any], Any]
"""How a type is made anew."""


@cache
def as_stored(kind: Any) -> Any:
    """A type without its limits and with Decimal for Amount: what was judged is read again, without being judged.

    Python's collector of cycles need not look at its structs: they are trees.
    """
    if kind is Amount:
        return Decimal
    if get_origin(kind) is Annotated:
        return as_stored(get_args(kind)[0])
    if _is_struct(kind):
        return msgspec.defstruct(kind.__name__, _fields(kind, as_stored), kw_only=True, gc=False)
    return _inside(kind, as_stored)


@cache
def of_plain_texts(kind: Any) -> Any:
    """A type without its patterns, which all refuse control characters: for texts that are known to hold none.

    Its structs are subclasses of those that they are made from.
    """
    if get_origin(kind) is Annotated:
        inner, *limits = get_args(kind)
        kept = [
            msgspec.Meta(min_length=one.min_length, max_length=one.max_length) if one.pattern else one for one in limits
        ]
        return Annotated[(inner, *kept)]  # type: ignore[return-value]  # of types only known here
    if _is_struct(kind):
        return msgspec.defstruct(kind.__name__, _fields(kind, of_plain_texts), bases=(kind,), kw_only=True)
    return _inside(kind, of_plain_texts)


def _is_struct(kind: Any) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _inside(kind: Any, remade: Remaking) -> Any:
    """A type whose parts are remade, if it has parts."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return Union[tuple(remade(one) for one in inner)]  # noqa: UP007 - of types that are only known here
    if origin is list:
        element: Any = remade(inner[0])
        return list[element]
    return cast("object", kind)


def _fields(kind: type[msgspec.Struct], remade: Remaking) -> list[tuple[str, Any] | tuple[str, Any, Any]]:
    return [
        (one.name, remade(one.type)) if one.required else (one.name, remade(one.type), one.default)
        for one in msgspec.structs.fields(kind)
    ]
