"""What must hold of the part of a contract that makes events, so that an event can be made at all: each name once,
members that can hold others, and numbers that can be reckoned with exactly. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import msgspec

from ledgersafe.contracts.datasets.events_rules import type_rules
from ledgersafe.contracts.datasets.shape import ColumnShape, EventsShape, FieldShape
from ledgersafe.contracts.datasets.types import UnknownType, parse_type
from ledgersafe.contracts.explain import escaped

MOST_DIGITS = 400
"""Of what is reckoned: to so many, it is exact."""
_DEEPEST = 20
_OURS = ("tenant_id", "event_type", "line_items")
_OF_AN_INTEGER, _OF_A_NUMBER = 18, 76


def limit_faults(events: EventsShape, columns: Mapping[str, ColumnShape]) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) of every fault."""
    for name in twice(events.group_by):
        yield "/group_by", f"names {name!r} twice: once is enough"
    for name in events.fields:
        yield from ((f"/fields/{escaped(name)}", message) for message in _path_faults(name.split(".")))
    for at, rule in enumerate(type_rules(events)):
        if rule.when is not None and rule.when.one_of == []:
            yield f"/event_type/{at}/when/one_of", "names nothing, so that the rule never holds: leave the rule out"
    yield from _digit_faults(events, columns)


def twice(names: Sequence[str]) -> list[str]:
    """Those that come again."""
    return [*dict.fromkeys(name for at, name in enumerate(names) if name in names[:at])]


def _path_faults(parts: Sequence[str]) -> Iterator[str]:
    if not all(parts):
        yield "names a member without a name: write names, with one dot between two of them"
    if len(parts) > _DEEPEST:
        yield f"is nested deeper than {_DEEPEST} levels"
    if len(parts) > 1 and parts[0] in _OURS:
        yield f"is to stand within {parts[0]!r}, which is made without it: name another member, such as metadata"


def _digit_faults(events: EventsShape, columns: Mapping[str, ColumnShape]) -> Iterator[tuple[str, str]]:
    """Of products whose digits grow with each factor, and of constants that are written with an exponent."""
    digits = {name: _digits(column) for name, column in columns.items()}
    lines: dict[str, int] = {}
    for name, field in events.lines.items():
        lines[name] = _digits_of(field, digits | lines)
        if field.product and lines[name] > MOST_DIGITS:
            yield f"/lines/{escaped(name)}/product", _told(lines[name])
    for name, field in events.fields.items():
        size = lines.get(field.sum, 0) if field.sum is not None else _digits_of(field, digits)
        if (field.product or field.sum is not None) and size > MOST_DIGITS:
            member = "product" if field.product else "sum"
            yield f"/fields/{escaped(name)}/{member}", _told(size)


def _told(size: int) -> str:
    return f"may have {size:,} digits, {MOST_DIGITS} are reckoned with exactly: name fewer factors, or shorter ones"


def _digits_of(field: FieldShape, known: Mapping[str, int]) -> int:
    if field.product:
        return sum(known.get(part, 0) for part in field.product)
    if field.constant is msgspec.UNSET:
        return known.get(field.column or "", 0)
    try:
        number = Decimal(str(field.constant))
    except InvalidOperation:
        return 0
    return len(number.as_tuple().digits) + abs(int(number.as_tuple().exponent)) if number.is_finite() else 0


def _digits(column: ColumnShape) -> int:
    try:
        kind = parse_type(column.type)
    except UnknownType:
        return 0
    if kind.name == "decimal":
        return kind.precision or 0
    return _OF_AN_INTEGER if kind.name == "integer" else _OF_A_NUMBER
