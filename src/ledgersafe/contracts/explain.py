"""Every structural fault of an event, not just the first: the same shapes, walked field by field.

Decoding stops at the first fault, which is right for the good road. This is the other road, taken only by events that
failed there; the shapes are the one definition for both.
"""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, cast, get_args, get_origin

import msgspec

from ledgersafe.contracts.envelope import read_special
from ledgersafe.kernel.canonical import InexactNumber
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.reasons import CONTRACT_VIOLATION

MOST_FAULTS = 100
_UNIONS = (Union, types.UnionType)


def structural_faults(value: Any, shape: Any, path: str = "") -> Iterator[Fault]:
    """What keeps `value` (parsed JSON) from being a `shape`, each with its JSON Pointer."""
    shape = _present(shape) if value is not None else shape
    plain = _bare(shape)
    if isinstance(value, InexactNumber):
        return  # judged as NUMBER_NOT_EXACT, once for the whole event
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct) and isinstance(value, dict):
        yield from _faults_of_members(cast("dict[str, Any]", value), plain, path)
    elif get_origin(plain) is list and isinstance(value, list):
        yield from _faults_of_items(cast("list[Any]", value), shape, get_args(plain)[0], path)
    elif get_origin(plain) is dict and isinstance(value, dict) and get_args(plain)[1] is not Any:
        yield from _faults_of_map(cast("dict[str, Any]", value), shape, get_args(plain), path)
    elif (message := _refusal(value, shape)) is not None:
        yield Fault(CONTRACT_VIOLATION, path, message)


def _faults_of_members(value: dict[str, Any], shape: type[msgspec.Struct], path: str) -> Iterator[Fault]:
    for field in msgspec.structs.fields(shape):
        where = f"{path}/{field.encode_name}"
        if field.encode_name in value:
            yield from structural_faults(value[field.encode_name], field.type, where)
        elif field.required:
            yield Fault(CONTRACT_VIOLATION, where, "is required")
    if shape.__struct_config__.forbid_unknown_fields:
        known = {field.encode_name for field in msgspec.structs.fields(shape)}
        for name in value.keys() - known:
            message = f"is not known here; there are {', '.join(sorted(known))}"
            yield Fault(CONTRACT_VIOLATION, f"{path}/{escaped(str(name))}", message)


def _faults_of_map(value: dict[str, Any], shape: Any, of: tuple[Any, ...], path: str) -> Iterator[Fault]:
    for name, member in value.items():
        where = f"{path}/{escaped(str(name))}"
        if (message := _refusal(name, of[0])) is not None:
            yield Fault(CONTRACT_VIOLATION, where, f"as a name: {message}")
        yield from structural_faults(member, of[1], where)
    for bound in get_args(shape)[1:] if get_origin(shape) is Annotated else ():  # how many members it has
        if (message := _refusal(value, Annotated[dict[Any, Any], bound])) is not None:
            yield Fault(CONTRACT_VIOLATION, path, message)


def _faults_of_items(value: list[Any], shape: Any, item: Any, path: str) -> Iterator[Fault]:
    sound = True
    for index, element in enumerate(value):
        for fault in structural_faults(element, item, f"{path}/{index}"):
            sound = False
            yield fault
    bounds: tuple[Any, ...] = get_args(shape)[1:] if get_origin(shape) is Annotated else ()
    for bound in bounds if sound else ():  # the list's own length
        if (message := _refusal(value, Annotated[list[Any], bound])) is not None:
            yield Fault(CONTRACT_VIOLATION, path, message)


def escaped(name: str) -> str:
    """A member's name in a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _refusal(value: Any, shape: Any) -> str | None:
    try:
        msgspec.convert(value, shape, dec_hook=read_special)
    except msgspec.ValidationError as error:
        return str(error).split(" - at `$", 1)[0]
    return None


def _present(shape: Any) -> Any:
    """The shape of a value that is there: `Amount | None` → `Amount`."""
    if get_origin(_bare(shape)) in _UNIONS:
        kinds = [kind for kind in get_args(_bare(shape)) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else shape
    return shape


def _bare(shape: Any) -> Any:
    return get_args(shape)[0] if get_origin(shape) is Annotated else shape
