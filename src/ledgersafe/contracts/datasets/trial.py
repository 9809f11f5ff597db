"""Tries a contract out on rows that are made up, so that what would fail with its first file is told when it is put.

The rules of columns and events refuse what is foreseen, in words of their own. Here is found what only polars knows:
its regular expressions and formats are not those of Python; and whatever nobody has foreseen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import polars as pl
from polars.exceptions import PanicException

from ledgersafe.contracts.datasets.casting import cast, given_of, or_default
from ledgersafe.contracts.datasets.checking import ROW, check
from ledgersafe.contracts.datasets.column_rules import DIRECTIVE
from ledgersafe.contracts.datasets.event_kinds import agreements
from ledgersafe.contracts.datasets.events import EventMaker, Table
from ledgersafe.contracts.datasets.model import Column, Dataset
from ledgersafe.contracts.datasets.shape import DatasetShape
from ledgersafe.contracts.explain import escaped

_WRITTEN = {
    "Y": "2026", "y": "26", "m": "11", "b": "Nov", "B": "November", "h": "Nov", "d": "23", "e": "23", "j": "327",
    "F": "2026-11-23", "D": "11/23/26", "v": "23-Nov-2026", "a": "Mon", "A": "Monday", "H": "14", "k": "14", "I": "02",
    "l": " 2", "M": "05", "S": "06", "T": "14:05:06", "R": "14:05", "p": "PM", "P": "pm", "z": "+0000", ":z": "+00:00",
    "#z": "+00", ".f": ".5", ".3f": ".500", ".6f": ".500000", ".9f": ".500000000", "3f": "500", "6f": "500000",
    "9f": "500000000", "n": "\n", "t": "\t", "%": "%",
}  # fmt: skip
"""How an instant of November 2026 is written, by directive: all of them together are of the same one."""
_LONGEST = 200
_Wrong = Iterator[tuple[str, str]]


def column_trial(shape: DatasetShape, columns: Sequence[Column]) -> _Wrong:
    """(JSON Pointer, what is wrong) of columns that no value of a file can be held against."""
    alike = _alike(columns)
    skipped = [] if shape.source.skip_rows is None else list(_pattern_faults("skip_rows", shape.source.skip_rows))
    yield from ((f"/source/{member}", message) for member, message in skipped)
    found = [
        (f"/columns/{escaped(column.name)}/{member}", message)
        for same in alike
        for member, message in _faults(same[0])
        for column in same
    ]
    yield from found
    if not found and _fails(shape, [same[0] for same in alike]) is not None:
        for same in alike:
            if (told := _fails(shape, same[:1])) is not None:
                for column in same:
                    yield f"/columns/{escaped(column.name)}", f"no value can be held against it: {told}"


def _alike(columns: Sequence[Column]) -> list[list[Column]]:
    """Columns of which one stands for all: of a thousand, most often few differ in more than their names."""
    found: dict[object, list[Column]] = {}
    for column in columns:
        said = msgspec.structs.replace(column.shape, description=None, aliases=[], unique=False)
        marks = column.is_key, column.tells_events, column.has_one_spelling, column.booked_in, column.booked_by_event
        found.setdefault((msgspec.json.encode(said), marks), []).append(column)
    return [*found.values()]


def trial(dataset: Dataset) -> _Wrong:
    """(JSON Pointer, what is wrong) of a contract by which no row of a file can be checked, or no event be made.

    Each of its columns by itself has no fault (`column_trial`).
    """
    has_events = dataset.shape.events is not None
    together = dataset.columns if has_events else tuple(dataset.column(name) for name in dataset.primary_key)
    try:
        if together:
            check(replace(dataset, columns=together), _rows(together))
    except (Exception, PanicException) as error:  # noqa: BLE001 - whatever it is, it would be every file's end
        yield "", f"no row can be held against it: {_said(error)}"
        return
    try:
        if has_events:
            _make_events(dataset)
    except (Exception, PanicException) as error:  # noqa: BLE001 - as above
        yield "/events", f"no event can be made by it: {_said(error)}"


def _fails(shape: DatasetShape, columns: Sequence[Column]) -> str | None:
    """What is said where rows cannot be held against these columns."""
    plain = msgspec.structs.replace(shape, kind="table", events=None)
    try:
        check(Dataset(plain, tuple(columns), ()), _rows(columns))
    except (Exception, PanicException) as error:  # noqa: BLE001 - whatever it is, it would be every file's end
        return _said(error)
    return None


def _make_events(dataset: Dataset) -> None:
    values = {column.name: _good(dataset, column) for column in dataset.columns}
    rows = pl.DataFrame([*values.values()])
    for one in agreements(dataset):
        one.said(rows)
    table = Table(range(1, rows.height + 1), {name: of.to_list() for name, of in values.items()})
    EventMaker(dataset, "trial").make_all(table, [[at] for at in range(rows.height)] + [[*range(rows.height)]])


def _good(dataset: Dataset, column: Column) -> pl.Series:
    text = given_of(column, pl.Series(column.name, [sample(column), ""]), dataset.shape.source.nulls)
    return cast(column, or_default(column, text))


def _rows(columns: Sequence[Column]) -> pl.DataFrame:
    """One that may be good, one without values, and some that are not as they should be."""
    made = {column.name: [text := sample(column), "", "?", f"{text} EUR", f" -{text}"] for column in columns}
    return pl.DataFrame({ROW: [1, 2, 3, 4, 5], **made}, schema_overrides=dict.fromkeys(made, pl.String))


def sample(column: Column) -> str:
    """A text that a column of that type can have."""
    if column.shape.enum is not None:
        return _spelled(column.shape.enum[0])
    if column.type.is_time:
        return written(column.formats[0])
    if column.type.name == "decimal" and column.type.precision == column.type.scale:
        return f"0{column.shape.decimal}5"
    return {"string": "a", "boolean": "true"}.get(column.type.name, "5")


def written(form: str) -> str:
    """How a day of November 2026 stands in a file whose times are written so."""
    return DIRECTIVE.sub(lambda found: _WRITTEN[found[1].lstrip("-_0") or found[1]], form)


def _faults(column: Column) -> _Wrong:
    """(member, what is wrong)."""
    if column.shape.pattern is not None:
        yield from _pattern_faults("pattern", column.shape.pattern)
    if column.type.is_time and column.shape.format is not None:
        yield from (("format", message) for form in column.formats for message in _format_faults(column, form))
    if column.shape.enum is not None and column.type.name != "string":
        yield from _enum_faults(column, [_spelled(one) for one in column.shape.enum])


def _pattern_faults(member: str, pattern: str) -> _Wrong:
    try:
        pl.Series(["a"]).str.contains(f"^(?:{pattern})$")
    except (Exception, PanicException) as error:  # noqa: BLE001 - whatever it is, the pattern is at fault
        said = _said(error)
        if "size limit" in said:
            yield member, f"is too large ({said}): write + for a large {{m,n}}, and bound the length by min and max"
        else:
            meant = r"a bracket or brace that stands for itself is written \[ or \{"
            yield member, f"is no regular expression as they are written here (Rust's): {said}; {meant}"


def _format_faults(column: Column, form: str) -> Iterator[str]:
    alone = replace(column, shape=msgspec.structs.replace(column.shape, format=form))
    text = written(form)
    try:
        found = cast(alone, pl.Series([text]))
    except (Exception, PanicException) as error:  # noqa: BLE001 - whatever it is, the format is at fault
        yield f"{form!r} cannot be read by: {_said(error)}"
    else:
        if found.null_count():
            yield f"{form!r} reads nothing, not even {text!r}: write it as the values of the files are written"


def _enum_faults(column: Column, allowed: Sequence[str]) -> _Wrong:
    try:
        values = cast(column, pl.Series(allowed, dtype=pl.String))
    except (Exception, PanicException):  # noqa: BLE001 - told of the column as a whole
        return
    wrong = [text for text, value in zip(allowed, values, strict=True) if value is None]
    if wrong:
        as_written = f" written as {' or '.join(column.formats)}" if column.type.is_time else ""
        point = " with a decimal comma" if column.shape.decimal == "," else ""
        named = ", ".join(map(repr, wrong[:5]))
        said = f"write each as files do, a {column.type}{as_written}{point}"
        yield "enum", f"names {named}, which no value can be: {said}"


def _spelled(value: float | str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _said(error: BaseException) -> str:
    """What polars says, without where in itself it was."""
    lines = [line.strip() for line in str(error).partition("\n\nThis error occurred")[0].splitlines()]
    told = next((line.removeprefix("error: ") for line in reversed(lines) if line), type(error).__name__)
    return told.removeprefix("regex error: ").rstrip(".")[:_LONGEST]
