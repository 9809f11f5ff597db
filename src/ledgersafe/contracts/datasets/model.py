"""A dataset's contract, checked and ready for use."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from ledgersafe.contracts.datasets.shape import ColumnShape, DatasetShape, TypeRuleShape
from ledgersafe.contracts.datasets.types import DATE_FORMATS, DATETIME_FORMATS, ColumnType

ROW = "_row_number"
"""The number of a row in its file, in frames of rows."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, and what its shape says of it.

    `tells_events`: it says which event a row is of, in what money, or of what kind. `has_one_spelling`: its numbers
    tell events apart, so that 007 and 7 must be one. `booked_in`: the currency of the events that its amounts go into,
    where all have the same one; `booked_by_event`: where each has its own.
    """

    name: str
    type: ColumnType
    shape: ColumnShape
    is_key: bool = False
    tells_events: bool = False
    has_one_spelling: bool = False
    booked_in: str | None = None
    booked_by_event: bool = False

    @property
    def required(self) -> bool:
        """Whether a row without a value is bad: what is part of the key is required, too."""
        return self.shape.required or self.is_key

    @property
    def currency(self) -> str | None:
        """In which its amounts are; None where that is not said."""
        return self.shape.currency or self.booked_in

    @property
    def is_in_unnamed_currency(self) -> bool:
        """Whether its amounts must be in one currency, and nothing says in which."""
        return self.currency is None and not self.booked_by_event

    @property
    def may_be_missing(self) -> bool:
        """Whether a file without this column can have good rows."""
        return not self.required or self.shape.default is not None

    @property
    def formats(self) -> tuple[str, ...]:
        """How its dates are written, in the order in which they are tried."""
        if isinstance(self.shape.format, str):
            return (self.shape.format,)
        if self.shape.format:
            return tuple(self.shape.format)
        return DATE_FORMATS if self.type.name == "date" else DATETIME_FORMATS

    def bound(self, value: float | str | None) -> Decimal | None:
        """A bound of a number, exactly as written. Raises ValueError."""
        if value is None:
            return None
        try:
            return Decimal(format(Decimal(str(value)), "f"))  # polars reads 1E+3 as one
        except InvalidOperation:
            raise ValueError(f"{value!r} is no number") from None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A contract: as it was written (`shape`), and what it means.

    `type_rules`: the rules of `event_type`, if there are any, which look for values as the columns spell them.
    """

    shape: DatasetShape
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    type_rules: tuple[TypeRuleShape, ...] = ()

    @property
    def name(self) -> str:
        """The dataset that it is for."""
        return self.shape.dataset

    def column(self, name: str) -> Column:
        """A column by name. Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def too_many(self, bad: int, rows: int) -> bool:
        """Whether so many bad rows of so many are more than the contract lets pass."""
        limit = self.shape.bad_rows_limit
        by_number = limit.rows is not None and bad > limit.rows
        by_fraction = limit.fraction is not None and bad > limit.fraction * rows
        return by_number or by_fraction
