"""From YAML to a checked contract: every fault found, each with its path."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ledgersafe.contracts.datasets.column_rules import column_faults, source_faults
from ledgersafe.contracts.datasets.events_rules import amount_columns, currency_of, event_faults, spelled_columns
from ledgersafe.contracts.datasets.model import Column, Dataset
from ledgersafe.contracts.datasets.names import LINEAGE, normal_name, sql_name
from ledgersafe.contracts.datasets.shape import DatasetShape
from ledgersafe.contracts.datasets.types import parse_type
from ledgersafe.contracts.explain import escaped, structural_faults
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.reasons import INVALID_CONTRACT
from ledgersafe.kernel.strict_yaml import NotYamlError, read_yaml

LONGEST_BYTES = 1_000_000


class InvalidContract(Exception):
    """A contract that cannot be used; `faults` says everything that is wrong with it, each with its JSON Pointer."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        return "; ".join(f"{fault.path or '/'}: {fault.message}" for fault in self.faults)


def read_dataset(text: str) -> Dataset:
    """A contract of its YAML (or JSON, which is YAML). Raises InvalidContract."""
    return checked(parsed(text))


def checked(members: Any) -> Dataset:
    """A contract of its parsed members. Raises InvalidContract."""
    faults = [_as_ours(fault) for fault in structural_faults(members, DatasetShape)]
    if faults:
        raise InvalidContract(tuple(faults))
    shape = msgspec.convert(members, DatasetShape)
    found = list(_faults(shape))
    if found:
        raise InvalidContract(tuple(found))
    key = (shape.primary_key,) if isinstance(shape.primary_key, str) else tuple(shape.primary_key)
    return Dataset(shape, tuple(_columns(shape, key)), key)


def _columns(shape: DatasetShape, key: Sequence[str]) -> Iterator[Column]:
    events = shape.events
    group = events.group_by if events is not None else []
    spelled = {*group, *spelled_columns(events)} if events is not None else ()
    amounts, currency = (amount_columns(events), currency_of(events)) if events is not None else ((), None)
    for name, column in shape.columns.items():
        kind = parse_type(column.type)
        yield Column(
            name,
            kind,
            column,
            is_key=name in key,
            is_group=name in group,
            has_one_spelling=kind.is_number and name in spelled,
            booked_in=currency if kind.is_number and name in amounts else None,
        )


def parsed(text: str) -> Any:
    """The members that YAML (or JSON) says. Raises InvalidContract."""
    if len(text.encode()) > LONGEST_BYTES:
        raise InvalidContract((_fault("", f"is larger than {LONGEST_BYTES:,} bytes"),))
    try:
        return read_yaml(text)
    except NotYamlError as error:
        raise InvalidContract((_fault("", f"is no YAML: {error}"),)) from None


def _faults(shape: DatasetShape) -> Iterator[Fault]:
    yield from _name_faults(shape)
    for name, column in shape.columns.items():
        path = f"/columns/{escaped(name)}"
        for member, message in column_faults(column):
            yield _fault(f"{path}/{member}", message)
    for member, message in source_faults(shape.source):
        yield _fault(f"/source/{member}", message)
    key = [shape.primary_key] if isinstance(shape.primary_key, str) else shape.primary_key
    for name in key:
        if name not in shape.columns:
            yield _fault("/primary_key", f"{name!r} is no column")
    for name in shape.quality.max_null_fraction:
        if name not in shape.columns:
            yield _fault(f"/quality/max_null_fraction/{escaped(name)}", "is no column")
    if (shape.kind == "events") != (shape.events is not None):
        yield _fault("/events", "belongs to kind: events, and to it alone")
    if shape.events is not None:
        yield from (_fault(f"/events{path}", message) for path, message in event_faults(shape.events, shape.columns))


def _name_faults(shape: DatasetShape) -> Iterator[Fault]:
    """Whatever a file may call a column must lead to one column only."""
    known: dict[str, str] = {}
    in_table: dict[str, str] = {}
    for name, column in shape.columns.items():
        other = in_table.setdefault(sql_name(name), name)
        if shape.kind == "table" and other != name and normal_name(other) != normal_name(name):
            message = f"has the same name as {other!r} in the table, which is {sql_name(name)!r}"
            yield _fault(f"/columns/{escaped(name)}", message)
        if name.lower() in LINEAGE:
            yield _fault(f"/columns/{escaped(name)}", "is the name of a column that Ledgersafe adds")
        for said in (name, *column.aliases):
            other = known.setdefault(normal_name(said), name)
            if other != name:
                message = f"{said!r} reads like {other!r}: names are compared without case, blanks and punctuation"
                yield _fault(f"/columns/{escaped(name)}", message)


def _as_ours(fault: Fault) -> Fault:
    return _fault(fault.path, fault.message)


def _fault(path: str, message: str) -> Fault:
    return Fault(INVALID_CONTRACT, path, message)
