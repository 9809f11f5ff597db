"""Rows to events: rows of one group are one event, each of them one of its lines.

An event is the same whatever the order of its lines in the file: they are sorted by their JSON text. Lines that are
alike are genuine, and all stay. A group with a bad row makes no event: no part of a receipt is ever posted.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ledgersafe.contracts.datasets.events_rules import TEMPLATE
from ledgersafe.contracts.datasets.model import Column, Dataset
from ledgersafe.contracts.datasets.shape import ConditionShape, EventsShape, FieldShape

Row = Mapping[str, str | None]
"""A good row: its values, in the spelling of Postgres."""


@dataclass(frozen=True, slots=True)
class MadeEvent:
    """An event, and which rows of the file it was made of."""

    event: dict[str, Any]
    rows: tuple[int, ...]


class EventMaker:
    """Makes events of rows, by one contract and for one tenant."""

    def __init__(self, dataset: Dataset, tenant_id: str) -> None:
        events = dataset.shape.events
        assert events is not None, "a table's rows make no events"
        self._events = events
        self._tenant_id = tenant_id
        self._source_system = dataset.name
        self._spell = {column.name: _speller(column) for column in dataset.columns}
        self._numbers = {column.name for column in dataset.columns if column.type.is_number}

    def make(self, rows: Sequence[tuple[int, Row]]) -> MadeEvent:
        """The event of one group's rows (number, values), in the order of the file."""
        values = [row for _, row in rows]
        name, turned = _event_type(self._events, values)
        lines = [self._line(row, turned) for row in values]
        event: dict[str, Any] = {"tenant_id": self._tenant_id, "event_type": name}
        for path, field in self._events.fields.items():
            found = self._of_group(field, values, lines, turned)
            if found is not None:
                _put(event, path, found)
        event.setdefault("schema_version", "1.0")
        event.setdefault("source_system", self._source_system)
        if self._events.lines:
            event["line_items"] = sorted(lines, key=_as_text)
        return MadeEvent(event, tuple(number for number, _ in rows))

    def _line(self, row: Row, turned: bool) -> dict[str, Any]:
        line: dict[str, Any] = {}
        for name, field in self._events.lines.items():
            found = self._product(field.product, row, line) if field.product else self._of_row(field, row, turned)
            if found is not None:
                line[name] = found
        return line

    def _product(self, parts: Sequence[str], row: Row, line: Mapping[str, Any]) -> str | None:
        """Of members that the line has by now, and of columns; None where one of them has no value."""
        found = Decimal(1)
        for part in parts:
            factor = line.get(part) if part in self._events.lines else row[part]
            if factor is None:
                return None
            found *= Decimal(factor)
        return plain(found)

    def _of_row(self, field: FieldShape, row: Row, turned: bool) -> Any:
        if field.constant is not msgspec.UNSET:
            return field.constant
        if field.template is not None:
            return _filled(field.template, row)
        name = field.column or ""
        value = row[name]
        if value is None:
            return None
        return plain(-Decimal(value)) if field.signed and turned else self._spell[name](value)

    def _of_group(
        self, field: FieldShape, rows: Sequence[Row], lines: Sequence[Mapping[str, Any]], turned: bool
    ) -> Any:
        if field.sum is not None:
            return plain(sum((Decimal(line[field.sum]) for line in lines if field.sum in line), start=Decimal(0)))
        if field.product is not None:
            return self._product(field.product, rows[0], {})
        return self._of_row(field, self._chosen(field, rows), turned)

    def _chosen(self, field: FieldShape, rows: Sequence[Row]) -> Row:
        """Which of the rows a member is taken from."""
        name = field.column
        if name is None or field.take == "first":
            return rows[0]
        if field.take == "last":
            return rows[-1]
        there = [(Decimal(value) if name in self._numbers else value, row) for row in rows if (value := row[name])]
        pick = min if field.take == "min" else max
        return pick(there, key=itemgetter(0))[1] if there else rows[0]


def group_key(events: EventsShape, row: Row) -> tuple[str, ...]:
    """Which group a row belongs to."""
    return tuple(row[name] or "" for name in events.group_by)


def _event_type(events: EventsShape, rows: Sequence[Row]) -> tuple[str, bool]:
    if isinstance(events.event_type, str):
        return events.event_type, False
    for rule in events.event_type:
        if rule.when is None or _holds(rule.when, rows):
            return rule.type, rule.turn_signs
    raise AssertionError("the last rule holds always")


def _holds(condition: ConditionShape, rows: Sequence[Row]) -> bool:
    first = rows[0][condition.column] or ""
    if condition.equals is not None:
        return first == condition.equals
    if condition.starts_with is not None:
        return first.startswith(condition.starts_with)
    if condition.one_of is not None:
        return first in condition.one_of
    signs = {_sign(row[condition.column]) for row in rows}
    if condition.all is not None:
        return signs == {condition.all}
    return condition.any in signs


def _sign(value: str | None) -> str:
    number = Decimal(value or 0)
    return "negative" if number < 0 else "positive" if number > 0 else "zero"


def _speller(column: Column) -> Callable[[str], Any]:
    """How events spell its values: exact decimals as text, instants with the offset of their zone."""
    if column.type.is_number:
        return lambda value: plain(Decimal(value))
    if column.type.name == "datetime":
        zone = ZoneInfo(column.shape.time_zone or "UTC")
        return lambda value: datetime.fromisoformat(value).astimezone(zone).isoformat()
    if column.type.name == "boolean":
        return lambda value: value == "true"
    return lambda value: value


def plain(number: Decimal) -> str:
    """The shortest exact spelling: no exponent, no zeros at the end."""
    return format(number.normalize(), "f") if number else "0"


def _filled(template: str, row: Row) -> str | None:
    names = TEMPLATE.findall(template)
    if any(row[name] is None for name in names):
        return None
    return TEMPLATE.sub(lambda match: row[match[1]] or "", template)


def _put(event: dict[str, Any], path: str, value: Any) -> None:
    *above, name = path.split(".")
    holder = event
    for part in above:
        holder = holder.setdefault(part, {})
    holder[name] = value


def _as_text(line: Mapping[str, Any]) -> str:
    return json.dumps(line, sort_keys=True)


def groups(events: EventsShape, rows: Iterator[tuple[int, Row]]) -> dict[tuple[str, ...], list[tuple[int, Row]]]:
    """Rows by group, groups in the order in which they begin."""
    found: dict[tuple[str, ...], list[tuple[int, Row]]] = {}
    for number, row in rows:
        found.setdefault(group_key(events, row), []).append((number, row))
    return found
