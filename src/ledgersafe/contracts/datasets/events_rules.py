"""What must hold of the part of a contract that makes events of rows. Pure."""

import re
from collections.abc import Collection, Iterator

import msgspec

from ledgersafe.contracts.datasets.shape import EventsShape, FieldShape
from ledgersafe.contracts.events import event_types

TEMPLATE = re.compile(r"\{([^{}]*)\}")
_NEEDED = ("event_id", "occurred_at", "store_id", "txn_id")
_GIVEN = {"tenant_id": "it is the delivery's", "event_type": "it is what event_type says", "line_items": "see lines"}
_SOURCES = ("constant", "column", "template", "sum", "product")


def event_faults(events: EventsShape, columns: Collection[str]) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) of every fault."""
    for name in events.group_by:
        if name not in columns:
            yield "/group_by", f"{name!r} is no column"
    for name in _NEEDED:
        if name not in events.fields:
            yield "/fields", f"says nothing of {name}, which every event has"
    for name, field in events.fields.items():
        if (why := _GIVEN.get(name)) is not None:
            yield f"/fields/{name}", f"is not to be said here: {why}"
        yield from _field_faults(f"/fields/{name}", field, columns, events.lines)
    for name, field in events.lines.items():
        yield from _field_faults(f"/lines/{name}", field, columns, events.lines)
        if field.sum is not None:
            yield f"/lines/{name}/sum", "is for the event's own members"
    yield from _type_faults(events, columns)


def _field_faults(
    path: str, field: FieldShape, columns: Collection[str], lines: Collection[str]
) -> Iterator[tuple[str, str]]:
    said = [name for name in _SOURCES if getattr(field, name) not in (None, msgspec.UNSET)]
    if len(said) != 1:
        yield path, f"needs one of {', '.join(_SOURCES)}, and has {len(said) or 'none'}"
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
