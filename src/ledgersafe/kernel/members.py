"""Objects that people write (settings, charts of accounts), checked member by member: every fault with its path."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from ledgersafe.kernel.errors import Fault, RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER

Check = Callable[[object], str | None]
"""What is wrong with a value, for the person who wrote it; None: nothing."""


_LONGEST = 255
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def identifier(value: object) -> str | None:
    """A check for what an event may name: 1 to 255 characters, none of them control."""
    if not isinstance(value, str):
        return f"must be text{'; in YAML, put it in quotes' if value is not None else ''}"
    if not 0 < len(value) <= _LONGEST or _CONTROL_CHARACTER.search(value) is not None:
        return f"must be 1 to {_LONGEST} characters, none of them a control character"
    return None


def text(value: object) -> str | None:
    """The same, and not blank."""
    if isinstance(value, str) and value and not value.strip():
        return "must not be blank"
    return identifier(value)


def whole_number(least: int, most: int) -> Check:
    """A check for a whole number of a range."""

    def check(value: object) -> str | None:
        if type(value) is not int or not least <= value <= most:
            return f"must be a whole number from {least} to {most}"
        return None

    return check


def one_of(*names: str) -> Check:
    """A check for one of some words."""

    def check(value: object) -> str | None:
        return None if value in names else f"must be one of {', '.join(names)}"

    return check


def yes_or_no(value: object) -> str | None:
    """A check for true or false."""
    return None if isinstance(value, bool) else "must be true or false"


def or_nothing(check: Check) -> Check:
    """The same check, of a value that may also be null."""
    return lambda value: None if value is None else check(value)


def fault(path: str, message: str) -> Fault:
    """A fault of what a person wrote."""
    return Fault(INVALID_PARAMETER, path, message)


def check_object(
    value: object, path: str, checks: Mapping[str, Check], required: Collection[str] = ()
) -> Iterator[Fault]:
    """Every fault of an object: what is no object, unknown and missing members, values that fail their check."""
    if not isinstance(value, dict):
        yield fault(path, "must be an object: names with values")
        return
    given = cast("dict[str, Any]", value)
    for name in given.keys() - checks.keys():
        yield fault(f"{path}/{_escaped(name)}", f"is not known here; there are: {', '.join(checks)}")
    for name in required:
        if name not in given:
            yield fault(f"{path}/{name}", "is missing")
    for name, check in checks.items():
        if name in given and (message := check(given[name])) is not None:
            yield fault(f"{path}/{name}", message)


def items(value: object, path: str) -> tuple[list[Any], list[Fault]]:
    """(the items of an array, no fault), or no items and what is wrong with what is none."""
    return (cast("list[Any]", value), []) if isinstance(value, list) else ([], [fault(path, "must be a list")])


def members(listed: Sequence[object], path: str, name: str) -> list[tuple[str, str]]:
    """(path, value) of this member of each item that has it as text."""
    objects = ((at, cast("dict[str, object]", item)) for at, item in enumerate(listed) if isinstance(item, dict))
    return [(f"{path}/{at}/{name}", value) for at, item in objects if isinstance(value := item.get(name), str)]


def repeated(values: Iterable[tuple[str, str]], what: str) -> Iterator[Fault]:
    """A fault for each value, by its path, that was there before."""
    seen: set[str] = set()
    for path, value in values:
        if value in seen:
            yield fault(path, f"{what} {value!r} is there twice")
        seen.add(value)


def refuse(faults: Collection[Fault], what: str) -> None:
    """Raise RequestRefused(INVALID_PARAMETER) where there is any fault; it carries all of them, in order of path."""
    if faults:
        ordered = tuple(sorted(faults, key=lambda one: one.path))
        first = ordered[0]
        message = f"{what}: {len(ordered)} {'fault' if len(ordered) == 1 else 'faults'}, nothing was changed."
        raise RequestRefused(INVALID_PARAMETER, f"{message} {first.path}: {first.message}.", faults=ordered)


def _escaped(name: object) -> str:
    """A member's name within a JSON Pointer (RFC 6901)."""
    return str(name).replace("~", "~0").replace("/", "~1")
