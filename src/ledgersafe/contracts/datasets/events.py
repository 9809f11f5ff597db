"""Rows to events: rows of one group are one event, each of them one of its lines.

An event is the same whatever the order of its lines in the file: they are sorted by their JSON text. Lines that are
alike are genuine, and all stay. A group with a bad row makes no event: no part of a receipt is ever posted.

Rows are worked through column by column: a year of a shop is half a million lines, and few of their values differ.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Context, Decimal
from functools import lru_cache, reduce
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import orjson
import polars as pl

from ledgersafe.contracts.datasets.event_kinds import agreements, event_type
from ledgersafe.contracts.datasets.events_rules import TEMPLATE
from ledgersafe.contracts.datasets.model import Column, Dataset
from ledgersafe.contracts.datasets.shape import EventsShape, FieldShape

Row = Mapping[str, str | None]
"""A good row: its values, in the spelling of Postgres."""
Values = Sequence[Any]
"""What a member is in each of some rows."""

_EXACT = Context(prec=400)
"""Wide enough for what columns hold and for products of several: nothing is ever rounded."""
_REMEMBERED = 100_000
_DEEP = 50
_in_ascii = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Table:
    """Good rows, column by column. `numbers`: which rows of the file they are."""

    numbers: Sequence[int]
    columns: Mapping[str, Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class MadeEvent:
    """An event, and which rows of the file it was made of. `has_no_numbers`: it is made of texts and booleans.

    `fault`: why it must not be sent.
    """

    event: dict[str, Any]
    rows: tuple[int, ...]
    has_no_numbers: bool = False
    fault: str | None = None


class EventMaker:
    """Makes events of rows, by one contract and for one tenant."""

    def __init__(self, dataset: Dataset, tenant_id: str) -> None:
        events = dataset.shape.events
        assert events is not None, "a table's rows make no events"
        self._dataset = dataset
        self._events = events
        self._tenant_id = tenant_id
        self._source_system = dataset.name
        self._spell = {column.name: _speller(column) for column in dataset.columns}
        self._has_no_numbers = all(
            field.constant is msgspec.UNSET or isinstance(field.constant, str | bool)
            for field in (*events.fields.values(), *events.lines.values())
        ) and all(path.count(".") < _DEEP for path in events.fields)
        self._numbers = {column.name for column in dataset.columns if column.type.is_number}

    def make(self, rows: Sequence[tuple[int, Row]]) -> MadeEvent:
        """The event of one group's rows (number, values), in the order of the file; with its fault if they disagree."""
        columns = {name: [row[name] for _, row in rows] for name in self._spell}
        made = self.make_all(Table([number for number, _ in rows], columns), [range(len(rows))])[0]
        frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        apart = (one.message for one in agreements(self._dataset) if one.said(frame).n_unique() > 1)
        return replace(made, fault=next(apart, None))

    def make_all(self, table: Table, groups: Sequence[Sequence[int]]) -> list[MadeEvent]:
        """The events of groups: each is where its rows stand in the table, in the order of the file.

        Whether a group's rows agree (`agreements`) is for the caller to see.
        """
        kinds = [event_type(self._dataset, table.columns, group) for group in groups]
        lines = {
            turned: iter(
                self._lines(
                    table,
                    [at for group, kind in zip(groups, kinds, strict=True) if kind[1] is turned for at in group],
                    turned=turned,
                )
            )
            for turned in (False, True)
        }
        return [
            self._made(table, group, name, list(islice(lines[turned], len(group))), turned=turned)
            for group, (name, turned) in zip(groups, kinds, strict=True)
        ]

    def _made(
        self, table: Table, group: Sequence[int], name: str, lines: list[dict[str, Any]], *, turned: bool
    ) -> MadeEvent:
        event: dict[str, Any] = {"tenant_id": self._tenant_id, "event_type": name}
        for path, field in self._events.fields.items():
            found = self._of_group(field, table, group, lines, turned=turned)
            if found is not None:
                _put(event, path, found)
        event.setdefault("schema_version", "1.0")
        event.setdefault("source_system", self._source_system)
        if self._events.lines:
            event["line_items"] = _in_order(lines)
        return MadeEvent(event, tuple([table.numbers[at] for at in group]), self._has_no_numbers)

    def _lines(self, table: Table, rows: Sequence[int], *, turned: bool) -> list[dict[str, Any]]:
        """A line a row: members that have no value are left out."""
        if not rows:
            return []
        columns = {name: [values[at] for at in rows] for name, values in table.columns.items()}
        members: dict[str, Values] = {}
        for name, field in self._events.lines.items():
            if field.product:
                parts = [self._factor(part, columns, members, len(rows)) for part in field.product]
                members[name] = list(map(_product, *parts))
            else:
                members[name] = self._of_rows(field, columns, len(rows), turned=turned)
        names = tuple(members)
        return [
            {name: value for name, value in zip(names, values, strict=True) if value is not None}
            if None in values
            else dict(zip(names, values, strict=True))
            for values in zip(*members.values(), strict=True)
        ]

    def _factor(self, part: str, columns: Mapping[str, Values], members: Mapping[str, Values], rows: int) -> Values:
        """Of a product: a member that the lines have by now, or a column."""
        if part in self._events.lines:
            return members.get(part, [None] * rows)
        return columns[part]

    def _of_rows(self, field: FieldShape, columns: Mapping[str, Values], rows: int, *, turned: bool) -> Values:
        if field.constant is not msgspec.UNSET:
            return [field.constant] * rows
        if field.template is not None:
            names = TEMPLATE.findall(field.template)
            return [_filled(field.template, {name: columns[name][at] for name in names}) for at in range(rows)]
        name = field.column or ""
        if field.signed and turned:
            return [None if value is None else _negated(value) for value in columns[name]]
        spell = self._spell[name]
        return columns[name] if spell is None else [None if value is None else spell(value) for value in columns[name]]

    def _of_group(
        self, field: FieldShape, table: Table, group: Sequence[int], lines: Sequence[Mapping[str, Any]], *, turned: bool
    ) -> Any:
        if field.constant is not msgspec.UNSET:
            return field.constant
        if field.sum is not None:
            return _sum([line[field.sum] for line in lines if field.sum in line])
        if field.product is not None:
            parts = [None if part in self._events.lines else table.columns[part][group[0]] for part in field.product]
            return _product(*parts)
        if field.template is not None:
            row = {name: table.columns[name][group[0]] for name in TEMPLATE.findall(field.template)}
            return _filled(field.template, row)
        name = field.column or ""
        value = self._chosen(field, name, table, group)
        if value is None:
            return None
        spell = _negated if field.signed and turned else self._spell[name]
        return value if spell is None else spell(value)

    def _chosen(self, field: FieldShape, name: str, table: Table, group: Sequence[int]) -> str | None:
        """From which of the rows a member is taken."""
        values = table.columns[name]
        if field.take in (None, "first"):
            return values[group[0]]
        if field.take == "last":
            return values[group[-1]]
        there = {value for at in group if (value := values[at])}
        if not there:
            return values[group[0]]
        pick = min if field.take == "min" else max
        return pick(there, key=Decimal) if name in self._numbers else pick(there)


def group_key(events: EventsShape, row: Row) -> tuple[str, ...]:
    """Which group a row belongs to."""
    return tuple(row[name] or "" for name in events.group_by)


def _speller(column: Column) -> Callable[[str], Any] | None:
    """How events spell its values: exact decimals as text, instants with their zone's offset; None: as they are."""
    if column.type.is_number:
        return _plain_text
    if column.type.name == "datetime":
        return _local(ZoneInfo(column.shape.time_zone or "UTC"))
    if column.type.name == "boolean":
        return lambda value: value == "true"
    return None


def _local(zone: ZoneInfo) -> Callable[[str], str]:
    @lru_cache(_REMEMBERED)
    def spelled(value: str) -> str:
        instant = datetime.fromisoformat(value)
        try:
            return instant.astimezone(zone).isoformat()
        except OverflowError:  # the calendar's first day, which that zone has not reached
            return instant.isoformat()

    return spelled


def plain(number: Decimal) -> str:
    """The shortest exact spelling: no exponent, no zeros at the end."""
    return format(number.normalize(_EXACT), "f") if number else "0"


@lru_cache(_REMEMBERED)
def _plain_text(value: str) -> str:
    return plain(Decimal(value))


@lru_cache(_REMEMBERED)
def _negated(value: str) -> str:
    return plain(Decimal(value).copy_negate())


@lru_cache(_REMEMBERED)
def _product(*factors: str | float | None) -> str | None:
    """None where one of them has no value."""
    if None in factors:
        return None
    return plain(reduce(_EXACT.multiply, [_exact(factor) for factor in factors if factor is not None]))


def _sum(values: Iterable[Any]) -> str:
    return plain(reduce(_EXACT.add, map(_exact, values), Decimal(0)))


def _exact(value: str | float) -> Decimal:
    """A number as it is written: of a constant such as 1.19 YAML makes a double, which is a little less."""
    return Decimal(value if isinstance(value, str) else str(value))


def _filled(template: str, row: Row) -> str | None:
    if None in row.values():
        return None
    return TEMPLATE.sub(lambda match: row[match[1]] or "", template)


def _put(event: dict[str, Any], path: str, value: Any) -> None:
    *above, name = path.split(".")
    holder = event
    for part in above:
        holder = holder.setdefault(part, {})
    holder[name] = value


def _in_order(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sorted by their JSON text, in ASCII. Where all of it is ASCII, the quick spelling gives the same order."""
    if len(lines) < 2:
        return lines
    texts: Sequence[str | bytes] = [orjson.dumps(line, option=orjson.OPT_SORT_KEYS) for line in lines]
    together = b"".join(texts)  # pyright: ignore[reportArgumentType]
    if not together.isascii() or b"\x7f" in together:
        texts = [_in_ascii(line) for line in lines]
    return [lines[at] for at in sorted(range(len(lines)), key=texts.__getitem__)]


def groups(events: EventsShape, rows: Iterator[tuple[int, Row]]) -> dict[tuple[str, ...], list[tuple[int, Row]]]:
    """Rows by group, groups in the order in which they begin."""
    found: dict[tuple[str, ...], list[tuple[int, Row]]] = {}
    for number, row in rows:
        found.setdefault(group_key(events, row), []).append((number, row))
    return found
