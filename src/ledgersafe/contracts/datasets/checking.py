"""Rows of a file against the contract: the good rows as values, and every fault of the others.

Rows come in batches (polars), every column as text; `ROW` is each row's number in the file. What concerns several rows
(uniqueness) or the whole file (its share of nulls) is counted over all batches by whoever calls.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from ledgersafe.contracts.datasets.casting import Borne, cast, given_of, or_default
from ledgersafe.contracts.datasets.event_currencies import MARKED_COLUMNS, marked_amounts
from ledgersafe.contracts.datasets.event_kinds import doubts
from ledgersafe.contracts.datasets.model import ROW, Column, Dataset

FAULT_COLUMNS = {ROW: pl.Int64, "column": pl.String, "rule": pl.String, "value": pl.String, "message": pl.String}
ROWS_AT_ONCE = 30_000
"""So many are checked at once: what they take fits a processor's cache, and they are stored while others are read."""
LONGEST_KEY_BYTES = 1_500
"""What a key's texts may take together: an index of Postgres takes 2,704, with the tenant's id."""
_IN_ANOTHER = "is in another currency: the column's is {} (currency)"
IN_WHICH_CURRENCY = "others of the column are in another currency: name the column's (currency)"
_LONGEST_VALUE = 500
"""How much of a value stands with its fault; the row is kept whole."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One batch. `good`: ROW and the contract's columns, in the spelling of Postgres. `faults`: FAULT_COLUMNS.

    `nulls`: by column, how many rows had no value. `marked`: amounts that must be in their event's currency
    (MARKED_COLUMNS).
    """

    good: pl.DataFrame
    faults: pl.DataFrame
    nulls: dict[str, int]
    rows: int
    marked: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MARKED_COLUMNS))


@dataclass(frozen=True, slots=True)
class _Finding:
    """Rows that break one rule; `mask` holds for them."""

    column: str
    rule: str
    message: str
    mask: pl.Series


def check(dataset: Dataset, batch: pl.DataFrame, *, borne: dict[str, Borne] | None = None) -> Checked:
    """Hold a batch against its contract. `batch`: ROW, and of the contract's columns those that the file has.

    `borne`: of each column, in the batches before this one of the same file; this one's is added.
    """
    values: list[pl.Series] = []
    found: list[_Finding] = []
    texts: dict[str, pl.Series] = {}
    nulls: dict[str, int] = {}
    marked: list[pl.DataFrame] = []
    borne = {} if borne is None else borne
    for column in dataset.columns:
        given = given_of(column, _text(batch, column.name), dataset.shape.source.nulls)
        text = or_default(column, given)
        bore = borne.setdefault(column.name, Borne())
        value = cast(column, text, borne=bore)
        if column.type.name != "string" and value.null_count() > text.null_count():
            given = text = _without_blanks(text, value)
        nulls[column.name] = given.null_count()
        texts[column.name] = text
        values.append(value)
        found.extend(finding for finding in _findings(column, text, value, bore.foreign) if finding.mask.any())
        if column.booked_by_event:
            marked.append(marked_amounts(column, batch[ROW], text, bore.of_each))
    found.extend(_long_keys(dataset, texts))
    whole = pl.DataFrame([batch[ROW], *values])
    found.extend(_Finding(one.column, "event", one.message, one.mask) for one in doubts(dataset, whole))
    good = whole
    if found:
        bad = pl.DataFrame([finding.mask.alias(str(at)) for at, finding in enumerate(found)])
        good = whole.filter(~bad.select(pl.any_horizontal(pl.all())).to_series())
    return Checked(
        good, _faults(batch[ROW], texts, found), nulls, batch.height, *([pl.concat(marked)] if marked else [])
    )


def _without_blanks(text: pl.Series, value: pl.Series) -> pl.Series:
    """Numbers and times that are nothing but blanks are no values; strings keep theirs."""
    blank = (value.is_null() & (text.str.strip_chars() == "")).fill_null(value=False)
    return text.set(blank, None) if blank.any() else text


def _long_keys(dataset: Dataset, texts: dict[str, pl.Series]) -> Iterator[_Finding]:
    """Keys that no index of the database takes."""
    names = [name for name in dataset.primary_key if dataset.column(name).type.name == "string"]
    if not names:
        return
    size = sum((texts[name].str.len_bytes().fill_null(0) for name in names[1:]), texts[names[0]].str.len_bytes())
    mask = _true(size > LONGEST_KEY_BYTES)
    if mask.any():
        yield _Finding(names[0], "max", f"the key is longer than {LONGEST_KEY_BYTES:,} bytes", mask)


def _text(batch: pl.DataFrame, name: str) -> pl.Series:
    if name in batch.columns:
        return batch[name]
    return pl.Series(name, [None], dtype=pl.String).new_from_index(0, batch.height)


def _findings(
    column: Column, text: pl.Series, value: pl.Series, foreign: pl.Series | None = None
) -> Iterator[_Finding]:
    """`foreign`: which are amounts in another currency."""
    if column.required:
        yield _Finding(column.name, "required", "has no value", text.is_null())
    if column.type.name != "string":
        message = f"is no {column.type}" + _as_written(column)
        wrong = text.is_not_null() & value.is_null()
        if foreign is not None:
            other = wrong & foreign
            wrong &= ~other
            told = IN_WHICH_CURRENCY if column.currency is None else _IN_ANOTHER.format(column.currency)
            yield _Finding(column.name, "currency", told, other)
        yield _Finding(column.name, "type", message, wrong)
    else:
        yield _Finding(column.name, "type", "holds a NUL character", _true(text.str.contains("\x00", literal=True)))
    if column.shape.min is not None or column.shape.max is not None:
        yield from _outside(column, value)
    if column.shape.pattern is not None:
        message = f"does not match {column.shape.pattern}"
        matches = text.str.contains(f"^(?:{column.shape.pattern})$")
        yield _Finding(column.name, "pattern", message, _true(~matches))
    if column.shape.enum is not None:
        allowed = [str(one).lower() if isinstance(one, bool) else str(one) for one in column.shape.enum]
        message = f"is none of {', '.join(allowed[:20])}"
        yield _Finding(
            column.name, "enum", message, _true(~_comparable(column, value).is_in(_enum(column, allowed).implode()))
        )


def _outside(column: Column, value: pl.Series) -> Iterator[_Finding]:
    measured = value.str.len_chars().cast(pl.Int64) if column.type.name == "string" else _comparable(column, value)
    what = "its length is " if column.type.name == "string" else "is "
    for rule, bound in (("min", column.shape.min), ("max", column.shape.max)):
        if bound is None:
            continue
        limit = _limit(column, bound)
        mask = measured < limit if rule == "min" else measured > limit
        words = "less" if rule == "min" else "more"
        yield _Finding(column.name, rule, f"{what}{words} than {bound}", _true(mask))


def _comparable(column: Column, value: pl.Series) -> pl.Series:
    """Values as numbers where they are numbers; dates and instants compare as they are spelled."""
    if column.type.name == "integer":
        return value.cast(pl.Int64)
    if column.type.name == "decimal":
        return value.cast(pl.Decimal(38, column.type.scale or 0))
    if column.type.name == "number":
        return value.cast(pl.Float64)
    return value


def _enum(column: Column, allowed: Sequence[str]) -> pl.Series:
    return _comparable(column, cast(column, pl.Series(column.name, list(allowed), dtype=pl.String))).drop_nulls()


def _limit(column: Column, bound: float | str) -> object:
    if column.type.is_number or column.type.name == "string":
        return column.bound(bound)
    instant = datetime.fromisoformat(str(bound))
    if column.type.name == "date":
        return instant.date().isoformat()
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def _faults(rows: pl.Series, texts: dict[str, pl.Series], found: Sequence[_Finding]) -> pl.DataFrame:
    """One row a fault, in the order of the file."""
    if not found:
        return pl.DataFrame(schema=FAULT_COLUMNS)
    parts = [
        pl.DataFrame({ROW: rows.filter(one.mask), "value": texts[one.column].filter(one.mask)}).select(
            pl.col(ROW).cast(pl.Int64),
            pl.lit(one.column).alias("column"),
            pl.lit(one.rule).alias("rule"),
            pl.col("value").str.slice(0, _LONGEST_VALUE),
            pl.lit(one.message).alias("message"),
        )
        for one in found
    ]
    return pl.concat(parts).sort(ROW, maintain_order=True)


def _true(mask: pl.Series) -> pl.Series:
    return mask.fill_null(value=False) if mask.null_count() else mask


def _as_written(column: Column) -> str:
    return f" written as {' or '.join(column.formats)}" if column.type.is_time and column.shape.format else ""
