"""The members that a dataset's contract may have, as its YAML writes them. What they mean together is in model.py."""

from typing import Annotated, Any, Literal

import msgspec

ColumnName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
DatasetName = Annotated[str, msgspec.Meta(max_length=40, pattern=r"^[a-z][a-z0-9_]*\Z")]
"""Also the end of a table's name: files.curated_<dataset>."""
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Bound = int | float | str

DriftPolicy = Literal["allow", "warn", "fail"]
OnBadRows = Literal["quarantine_rows", "reject_file"]
Kind = Literal["table", "events"]


class ColumnShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One column.

    `type`: string, integer, number, decimal(p,s), boolean, date, datetime. `min`, `max`: of the value, or of the
    length of a string. `format`: of dates (strptime), tried in order. `decimal`, `thousands`: separators of numbers.
    `currency`: of amounts, whose sign or code they may bear. `time_zone`: of datetimes that state none. `aliases`:
    other names that files give it. `default`: the text of rows (strings alone) that have no value, and of files
    without the column; with "", a part of the key may be blank.
    """

    type: str = "string"
    description: str | None = None
    required: bool = False
    unique: bool = False
    min: Bound | None = None
    max: Bound | None = None
    pattern: str | None = None
    enum: Annotated[list[Bound | bool], msgspec.Meta(min_length=1)] | None = None
    format: str | list[str] | None = None
    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'"] | None = None
    currency: str | None = None
    time_zone: str | None = None
    default: str | None = None
    aliases: list[ColumnName] = []


class RowCountShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How many rows a file has."""

    min: Annotated[int, msgspec.Meta(ge=0)] | None = None
    max: Annotated[int, msgspec.Meta(ge=0)] | None = None


class QualityShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a whole file must keep. `max_null_fraction`: by column. `freshness`: hours between two deliveries."""

    max_null_fraction: dict[ColumnName, Fraction] = {}
    row_count: RowCountShape | None = None
    freshness: Annotated[float, msgspec.Meta(gt=0)] | None = None


class BadRowsLimit(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """From how many bad rows on a file is rejected altogether."""

    rows: Annotated[int, msgspec.Meta(ge=0)] | None = None
    fraction: Fraction | None = None


class SourceShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the bytes are to be read, where that is not to be found out: for files that say it wrongly or not at all.

    `skip_rows`: a pattern of the whole first value of lines that are no rows, such as totals.
    """

    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] | None = None
    encoding: str | None = None
    header_row: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 1
    sheet: str | None = None
    nulls: list[str] = []
    skip_rows: Annotated[str, msgspec.Meta(min_length=1)] | None = None


class ConditionShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A condition over a group of rows: on the first row's text, or on all its numbers."""

    column: ColumnName
    equals: str | None = None
    starts_with: str | None = None
    one_of: list[str] | None = None
    all: Literal["negative", "positive", "zero"] | None = None
    any: Literal["negative", "positive", "zero"] | None = None


class TypeRuleShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule for the event type; the first whose condition holds is taken. `turn_signs`: negative is meant."""

    type: str
    when: ConditionShape | None = None
    turn_signs: bool = False


class FieldShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a member of an event comes from: one of constant, column, template, sum, product.

    `take`: which of the group's rows; the first where it is not said, if they agree where they must (see
    `event_kinds.agreements`). `sum`: of a member of the lines. `product`: of members of the same line, or columns.
    `signed`: turned where the event type turns signs.
    """

    constant: Any = msgspec.UNSET
    column: ColumnName | None = None
    template: str | None = None
    sum: str | None = None
    product: Annotated[list[str], msgspec.Meta(min_length=2)] | None = None
    take: Literal["first", "last", "min", "max"] | None = None
    signed: bool = False


class EventsShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How rows become events: those with the same `group_by` are one event, each row one of its lines.

    `max_hours`: how far the times of one event's rows may lie apart, where no day is part of `group_by`.
    """

    group_by: Annotated[list[ColumnName], msgspec.Meta(min_length=1)]
    max_hours: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 12
    event_type: list[TypeRuleShape] | str
    fields: dict[str, FieldShape]
    lines: dict[str, FieldShape] = {}


class DatasetShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A contract. `primary_key`: which rows are the same row; without one, each row of each delivery is its own."""

    dataset: DatasetName
    columns: Annotated[dict[ColumnName, ColumnShape], msgspec.Meta(min_length=1, max_length=1_500)]
    kind: Kind = "table"
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    description: str | None = None
    primary_key: list[ColumnName] | str = []
    quality: QualityShape = QualityShape()
    drift_policy: DriftPolicy = "warn"
    on_bad_rows: OnBadRows = "quarantine_rows"
    bad_rows_limit: BadRowsLimit = BadRowsLimit()
    source: SourceShape = SourceShape()
    events: EventsShape | None = None
