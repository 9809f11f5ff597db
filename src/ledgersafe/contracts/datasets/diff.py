"""What a new contract changes for those who send files by it, and for those who read its table. Pure.

backward: files sent by the old contract are still taken. forward: readers of the old table still find what they read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from ledgersafe.contracts.datasets.model import Column, Dataset
from ledgersafe.contracts.datasets.shape import DatasetShape
from ledgersafe.contracts.datasets.types import ColumnType

Mode = Literal["backward", "forward", "full"]
Level = Literal["ERROR", "WARN", "INFO"]
Breaks = Literal["backward", "forward", "both", "neither"]
_ORDER: dict[Level, int] = {"ERROR": 0, "WARN": 1, "INFO": 2}


@dataclass(frozen=True, slots=True)
class Change:
    """One change: where (a JSON Pointer), what, and for whom it may break something."""

    level: Level
    path: str
    message: str


def diff(old: Dataset, new: Dataset, mode: Mode) -> list[Change]:
    """Every change, the gravest first. ERROR: breaks what `mode` promises. WARN: may change what comes of a file."""
    found = [
        Change(_level(breaks, mode, graver=graver), path, message)
        for breaks, graver, path, message in _changes(old, new)
    ]
    return sorted(found, key=lambda change: (_ORDER[change.level], change.path))


def _level(breaks: Breaks, mode: Mode, *, graver: bool) -> Level:
    if breaks == "both" or (breaks != "neither" and mode in ("full", breaks)):
        return "ERROR"
    return "WARN" if breaks != "neither" or graver else "INFO"


_Found = tuple[Breaks, bool, str, str]


def _changes(old: Dataset, new: Dataset) -> Iterator[_Found]:
    if old.name != new.name:
        yield "both", True, "/dataset", f"{old.name} → {new.name}: another dataset"
    if old.shape.kind != new.shape.kind:
        yield "both", True, "/kind", f"{old.shape.kind} → {new.shape.kind}"
    if old.primary_key != new.primary_key:
        yield "both", True, "/primary_key", f"{_listed(old.primary_key)} → {_listed(new.primary_key)}"
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    for name in before.keys() - after.keys():
        yield "forward", True, f"/columns/{name}", "is gone: files that have it drift, the table keeps it empty"
    for name in after.keys() - before.keys():
        breaks: Breaks = "backward" if after[name].required else "neither"
        yield breaks, False, f"/columns/{name}", "is new, and required" if after[name].required else "is new"
    for name in before.keys() & after.keys():
        yield from _column_changes(before[name], after[name])
    yield from _settings(old.shape, new.shape)


def _column_changes(old: Column, new: Column) -> Iterator[_Found]:
    path = f"/columns/{old.name}"
    if old.type != new.type:
        breaks: Breaks = "forward" if widens(old.type, new.type) else "both"
        yield breaks, True, f"{path}/type", f"{old.type} → {new.type}"
    if old.required != new.required:
        yield "backward" if new.required else "forward", True, f"{path}/required", _turned("required", new.required)
    if old.shape.unique != new.shape.unique:
        yield "backward" if new.shape.unique else "neither", True, f"{path}/unique", _turned("unique", new.shape.unique)
    for member, narrower in _NARROWER.items():
        was, now = getattr(old.shape, member), getattr(new.shape, member)
        if was != now:
            breaks = "backward" if narrower(was, now) else "neither"
            yield breaks, True, f"{path}/{member}", f"{_said(was)} → {_said(now)}"
    for member in ("decimal", "thousands", "currency", "time_zone", "default"):
        was, now = getattr(old.shape, member), getattr(new.shape, member)
        if was != now:
            yield (
                "backward",
                True,
                f"{path}/{member}",
                f"{_said(was)} → {_said(now)}: the same text means another value",
            )
    if lost := set(old.formats) - set(new.formats):
        yield "backward", True, f"{path}/format", f"{_listed(sorted(lost))} is not taken any more"
    if lost := set(old.shape.aliases) - set(new.shape.aliases):
        yield "backward", True, f"{path}/aliases", f"{_listed(sorted(lost))} is not taken any more"


def _size(bound: float | str) -> tuple[bool, Any]:
    """What orders bounds: a number may be written as a text, and a day as a day or as an instant."""
    try:
        return False, Decimal(str(bound))
    except InvalidOperation:
        return True, str(bound)


def _narrower_bound(grows: bool) -> Callable[[Any, Any], bool]:
    def narrower(was: Any, now: Any) -> bool:
        if now is None:
            return False
        return was is None or (_size(now) > _size(was) if grows else _size(now) < _size(was))

    return narrower


_NARROWER: dict[str, Callable[[Any, Any], bool]] = {
    "min": _narrower_bound(grows=True),
    "max": _narrower_bound(grows=False),
    "pattern": lambda was, now: now is not None,
    "enum": lambda was, now: now is not None and (was is None or bool(set(was) - set(now))),
}


def _settings(old: DatasetShape, new: DatasetShape) -> Iterator[_Found]:
    strictness = {"allow": 0, "warn": 1, "fail": 2}
    if old.drift_policy != new.drift_policy:
        stricter = strictness[new.drift_policy] > strictness[old.drift_policy]
        message = f"{old.drift_policy} → {new.drift_policy}"
        yield "backward" if stricter and new.drift_policy == "fail" else "neither", True, "/drift_policy", message
    for member in ("on_bad_rows", "bad_rows_limit", "quality", "source", "events"):
        if getattr(old, member) != getattr(new, member):
            yield "neither", True, f"/{member}", "is another: the same file may fare otherwise"
    if old.description != new.description:
        yield "neither", False, "/description", "is another"


def widens(old: ColumnType, new: ColumnType) -> bool:
    """Whether every value of the old type is one of the new."""
    if new.name == "string":
        return True
    if old.name == "integer":
        return new.name == "number" or (new.name == "decimal" and (new.precision or 0) - (new.scale or 0) >= 18)
    if old.name == "decimal" and new.name == "decimal":
        whole = (new.precision or 0) - (new.scale or 0) >= (old.precision or 0) - (old.scale or 0)
        return whole and (new.scale or 0) >= (old.scale or 0)
    return (old.name, new.name) in {("decimal", "number"), ("date", "datetime")}


def _turned(what: str, on: bool) -> str:
    return f"{what} now" if on else f"no longer {what}"


def _said(value: object) -> str:
    return "nothing" if value is None else str(value) or "''"


def _listed(names: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    return ", ".join(names) or "nothing"
