"""From YAML to a checked contract: every fault found, each with its path."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import msgspec

from ledgersafe.contracts.datasets.column_rules import column_faults, source_faults
from ledgersafe.contracts.datasets.events_limits import limit_faults, twice
from ledgersafe.contracts.datasets.events_rules import (
    amount_columns,
    currency_of,
    event_faults,
    spelled_columns,
    telling_columns,
)
from ledgersafe.contracts.datasets.model import Column, Dataset
from ledgersafe.contracts.datasets.names import LINEAGE, WITHIN, normal_name, sql_name
from ledgersafe.contracts.datasets.shape import DatasetShape
from ledgersafe.contracts.datasets.storable import unstorable
from ledgersafe.contracts.datasets.types import parse_type
from ledgersafe.contracts.datasets.writing import from_odcs
from ledgersafe.contracts.explain import escaped, structural_faults
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.reasons import INVALID_CONTRACT
from ledgersafe.kernel.strict_yaml import NotYamlError, read_yaml

LONGEST_BYTES = 1_000_000
_MOST_KEYS = 31
"""An index of Postgres takes 32 columns; the tenant's is one of them."""
_MOST_HOURS = 100 * 366 * 24


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
    _refuse(_fault(path, message) for path, message in unstorable(members))
    _refuse(_as_ours(fault) for fault in structural_faults(members, DatasetShape))
    shape = msgspec.convert(members, DatasetShape)
    _refuse(_faults(shape))
    key = (shape.primary_key,) if isinstance(shape.primary_key, str) else tuple(shape.primary_key)
    return _tried(Dataset(shape, tuple(_columns(shape, key)), key))


def ours(members: Any) -> Any:
    """Our members, of those of the Open Data Contract Standard, too. Raises InvalidContract."""
    if not isinstance(members, dict) or "apiVersion" not in members:
        return cast("Any", members)
    try:
        return from_odcs(cast("dict[str, Any]", members))
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        message = f"is a contract of the standard that cannot be taken over: {error}"
        raise InvalidContract((_fault("", message),)) from None


def _tried(dataset: Dataset) -> Dataset:
    """The contract, once it was tried out on made-up rows. Raises InvalidContract.

    Where polars is not installed no file is loaded: the worker that loads them tries it.
    """
    try:
        from ledgersafe.contracts.datasets import event_kinds, trial
    except ModuleNotFoundError as lacking:
        if lacking.name != "polars":
            raise
        return dataset
    _refuse(_fault(path, message) for path, message in trial.column_trial(dataset.shape, dataset.columns))
    found = replace(dataset, type_rules=event_kinds.rules_of(dataset.shape, dataset.columns))
    _refuse(_fault(path, message) for path, message in trial.trial(found))
    return found


def _refuse(faults: Iterable[Fault]) -> None:
    """Raises InvalidContract, if there are any."""
    if found := tuple(faults):
        raise InvalidContract(found)


def _columns(shape: DatasetShape, key: Sequence[str]) -> Iterator[Column]:
    events = shape.events
    telling = telling_columns(events) if events is not None else set[str]()
    spelled = telling | spelled_columns(events) if events is not None else telling
    amounts, currency = (amount_columns(events), currency_of(events)) if events is not None else ((), None)
    for name, column in shape.columns.items():
        kind = parse_type(column.type)
        yield Column(
            name,
            kind,
            column,
            is_key=name in key,
            tells_events=name in telling,
            has_one_spelling=kind.is_number and name in spelled,
            booked_in=currency if kind.is_number and name in amounts else None,
            booked_by_event=currency is None and kind.is_number and name in amounts,
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
    yield from _key_faults(shape)
    for name in shape.quality.max_null_fraction:
        if name not in shape.columns:
            yield _fault(f"/quality/max_null_fraction/{escaped(name)}", "is no column")
    if (shape.quality.freshness or 0) > _MOST_HOURS:
        yield _fault("/quality/freshness", "is more than a hundred years, in hours: leave it out")
    if (shape.kind == "events") != (shape.events is not None):
        yield _fault("/events", "belongs to kind: events, and to it alone")
    if shape.events is not None:
        yield from (_fault(f"/events{path}", message) for path, message in event_faults(shape.events, shape.columns))
        yield from (_fault(f"/events{path}", message) for path, message in limit_faults(shape.events, shape.columns))


def _key_faults(shape: DatasetShape) -> Iterator[Fault]:
    key = [shape.primary_key] if isinstance(shape.primary_key, str) else shape.primary_key
    for name in key:
        if name not in shape.columns:
            yield _fault("/primary_key", f"{name!r} is no column")
    for name in twice(key):
        yield _fault("/primary_key", f"names {name!r} twice: once is enough")
    if len({*key}) > _MOST_KEYS:
        message = f"has {len({*key})} columns, and {_MOST_KEYS} at most can be a key: name those that tell rows apart"
        yield _fault("/primary_key", message)


def _name_faults(shape: DatasetShape) -> Iterator[Fault]:
    """Whatever a file may call a column must lead to one column only."""
    known: dict[str, str] = {}
    in_table: dict[str, str] = {}
    for name, column in shape.columns.items():
        other = in_table.setdefault(sql_name(name), name)
        if shape.kind == "table" and other != name and normal_name(other) != normal_name(name):
            message = f"has the same name as {other!r} in the table, which is {sql_name(name)!r}"
            yield _fault(f"/columns/{escaped(name)}", message)
        if shape.kind == "events" and name in WITHIN:
            message = "is a name that Ledgersafe gives a column of its own: call it otherwise, and put it into aliases"
            yield _fault(f"/columns/{escaped(name)}", message)
        if name.lower() in LINEAGE:
            yield _fault(f"/columns/{escaped(name)}", "is the name of a column that Ledgersafe adds")
        for said in (name, *column.aliases):
            if (plain := normal_name(said)) == "*" or (plain.startswith("^") and plain.endswith("$")):
                message = f"{said!r} reads like a pattern of names: call it otherwise in the file, and here"
                yield _fault(f"/columns/{escaped(name)}", message)
            other = known.setdefault(normal_name(said), name)
            if other != name:
                message = f"{said!r} reads like {other!r}: names are compared without case, blanks and punctuation"
                yield _fault(f"/columns/{escaped(name)}", message)


def _as_ours(fault: Fault) -> Fault:
    return _fault(fault.path, fault.message)


def _fault(path: str, message: str) -> Fault:
    return Fault(INVALID_CONTRACT, path, message)
