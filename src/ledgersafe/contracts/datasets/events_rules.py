"""What must hold of the part of a contract that makes events of rows. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, cast

import msgspec

from ledgersafe.contracts.datasets.shape import ColumnShape, ConditionShape, EventsShape, FieldShape, TypeRuleShape
from ledgersafe.contracts.datasets.types import UnknownType, parse_type
from ledgersafe.contracts.events import event_types
from ledgersafe.kernel.money import is_currency

TEMPLATE = re.compile(r"\{([^{}]*)\}")
_NEEDED = ("event_id", "occurred_at", "store_id", "txn_id")
_GIVEN = {"tenant_id": "it is the delivery's", "event_type": "it is what event_type says", "line_items": "see lines"}
ONE_FOR_ALL = ("event_id", "txn_id", "store_id", "business_date", "currency")
"""Members that say which event it is, and in what money: rows that say otherwise are of another event."""
_TELLING = (*ONE_FOR_ALL, "source_event_id", "source_system", "original_txn_id")
"""With those that say which other event it is about."""
_NO_BEGINNING = re.compile(r"-?0[0-9]*")
_SOURCES = ("constant", "column", "template", "sum", "product")


def event_faults(events: EventsShape, columns: Mapping[str, ColumnShape]) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) of every fault."""
    for name in events.group_by:
        if name not in columns:
            yield "/group_by", f"{name!r} is no column"
    for name in _NEEDED:
        if name not in events.fields:
            yield "/fields", f"says nothing of {name}, which every event has"
    for name, field in events.fields.items():
        if any(name.startswith(f"{other}.") for other in events.fields):
            yield f"/fields/{name}", "is said within a member that is said as a whole"
        if (why := _GIVEN.get(name)) is not None:
            yield f"/fields/{name}", f"is not to be said here: {why}"
        yield from _field_faults(f"/fields/{name}", field, columns, events.lines)
    for name, field in events.lines.items():
        yield from _field_faults(f"/lines/{name}", field, columns, events.lines)
        if field.sum is not None:
            yield f"/lines/{name}/sum", "is for the event's own members"
    yield from _type_faults(events, columns)
    yield from _number_faults(events, {name for name, column in columns.items() if _is_number(column)})
    said = currency_of(events)
    for name in sorted(amount_columns(events) & columns.keys()):
        if said is not None and (other := columns[name].currency) not in (None, said):
            yield "/fields/currency", f"is {said}, and the amounts of column {name!r}, which go in, are in {other}"


def spelled_columns(events: EventsShape) -> set[str]:
    """Columns whose text stands in another one."""
    every = (*events.fields.values(), *events.lines.values())
    return {name for field in every for name in TEMPLATE.findall(field.template or "")}


def telling_columns(events: EventsShape) -> set[str]:
    """Columns whose text says which event a row is of, in what money, or of what kind."""
    said = [field for name in _TELLING if (field := events.fields.get(name)) is not None]
    kinds = {rule.when.column for rule in type_rules(events) if rule.when is not None and says_text(rule.when)}
    return {*events.group_by, *kinds}.union(*map(_columns_of, said))


def type_rules(events: EventsShape) -> list[TypeRuleShape]:
    """The rules of its event type; none where it is always the same."""
    return [] if isinstance(events.event_type, str) else events.event_type


def says_text(condition: ConditionShape) -> bool:
    """Whether it looks at a row's text, not at all numbers of a group."""
    return condition.all is None and condition.any is None


def _columns_of(field: FieldShape) -> set[str]:
    return {*TEMPLATE.findall(field.template or ""), *([] if field.column is None else [field.column])}


def amount_columns(events: EventsShape) -> set[str]:
    """Columns that no amount in another currency may stand in, as it would be booked in the event's: all that members
    are made of, but for what is only noted (`metadata`).
    """
    booked = [field for name, field in events.fields.items() if name.partition(".")[0] != "metadata"]
    every = (*booked, *events.lines.values())
    return {name for field in every for name in (*_columns_of(field), *(field.product or ()))}


def currency_of(events: EventsShape) -> str | None:
    """The currency that all events of the contract are in; None where it says none, or the rows do."""
    field = events.fields.get("currency")
    said = None if field is None else field.constant
    return said if isinstance(said, str) and is_currency(said) else None


def _number_faults(events: EventsShape, numbers: set[str]) -> Iterator[tuple[str, str]]:
    """What is reckoned with must be numbers."""
    reckoned: set[str] = set()
    for name, field in events.lines.items():
        path = f"/lines/{name}"
        if field.column in numbers or field.product or _is_constant_number(field):
            reckoned.add(name)
        yield from _wrong_parts(path, field, {*numbers - events.lines.keys(), *reckoned})
    for name, field in events.fields.items():
        yield from _wrong_parts(f"/fields/{name}", field, {*numbers, *reckoned})
        if field.sum in events.lines and field.sum not in reckoned:
            yield f"/fields/{name}/sum", f"{field.sum!r} is no number"
    for at, rule in enumerate(type_rules(events)):
        if rule.when is not None and (rule.when.all or rule.when.any) and rule.when.column not in numbers:
            yield f"/event_type/{at}/when/column", f"{rule.when.column!r} is no number, and has no sign"
        begin = None if rule.when is None or rule.when.column not in numbers else rule.when.starts_with
        if begin is not None and _NO_BEGINNING.fullmatch(begin):
            message = f"{begin!r} begins no number, since zeros in front of it say nothing: make the column a string"
            yield f"/event_type/{at}/when/starts_with", message


def _wrong_parts(path: str, field: FieldShape, numbers: Collection[str]) -> Iterator[tuple[str, str]]:
    for part in field.product or ():
        if part not in numbers:
            yield f"{path}/product", f"{part!r} is no number, or stands further below"
    if field.signed and field.column not in numbers:
        yield f"{path}/signed", f"{field.column!r} is no number, and has no sign"


def _is_number(column: ColumnShape) -> bool:
    try:
        return parse_type(column.type).is_number
    except UnknownType:
        return True  # which is told where it stands


def _is_constant_number(field: FieldShape) -> bool:
    try:
        return not isinstance(field.constant, bool) and Decimal(str(field.constant)).is_finite()
    except InvalidOperation:
        return False


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_json, cast("dict[str, Any]", value).values()))
    if isinstance(value, list):
        return all(map(_is_json, cast("list[Any]", value)))
    return not isinstance(value, float) or isfinite(value)


def _field_faults(
    path: str, field: FieldShape, columns: Collection[str], lines: Collection[str]
) -> Iterator[tuple[str, str]]:
    said = [name for name in _SOURCES if getattr(field, name) not in (None, msgspec.UNSET)]
    if len(said) != 1:
        yield path, f"needs one of {', '.join(_SOURCES)}, and has {len(said) or 'none'}"
    if field.constant is not msgspec.UNSET and not _is_json(field.constant):
        yield f"{path}/constant", "holds what JSON has no number for"
    if field.column is not None and field.column not in columns:
        yield f"{path}/column", f"{field.column!r} is no column"
    for name in TEMPLATE.findall(field.template or ""):
        if name not in columns:
            yield f"{path}/template", f"{name!r} is no column"
    if field.sum is not None and field.sum not in lines:
        yield f"{path}/sum", f"{field.sum!r} is no member of the lines"
    for name in field.product or ():
        if name not in lines and name not in columns:
            yield f"{path}/product", f"{name!r} is neither a member of the lines nor a column"


def _type_faults(events: EventsShape, columns: Collection[str]) -> Iterator[tuple[str, str]]:
    rules = events.event_type
    if isinstance(rules, str):
        yield from _unknown_type("/event_type", rules)
        return
    for at, rule in enumerate(rules):
        yield from _unknown_type(f"/event_type/{at}/type", rule.type)
        if rule.when is None:
            if at + 1 < len(rules):
                yield f"/event_type/{at}", "holds always, so the rules after it never come to bear"
            continue
        if rule.when.column not in columns:
            yield f"/event_type/{at}/when/column", f"{rule.when.column!r} is no column"
        names = ("equals", "starts_with", "one_of", "all", "any")
        if sum(getattr(rule.when, name) is not None for name in names) != 1:
            yield f"/event_type/{at}/when", f"needs one of {', '.join(names)}"
    if not rules or rules[-1].when is not None:
        yield "/event_type", "needs a last rule without a condition, for the rows that none of the others is for"


def _unknown_type(path: str, name: str) -> Iterator[tuple[str, str]]:
    if name not in event_types():
        yield path, f"{name!r} is none of {', '.join(sorted(event_types()))}"
