"""The types that a column may have. Text is cast by the contract alone: nothing is guessed from values."""

import re
from dataclasses import dataclass
from typing import Literal

TypeName = Literal["string", "integer", "number", "decimal", "boolean", "date", "datetime"]

_DECIMAL = re.compile(r"decimal\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)")
_PLAIN: dict[str, TypeName] = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
}
_IN_POSTGRES: dict[TypeName, str] = {
    "string": "text",
    "integer": "bigint",
    "number": "numeric",
    "boolean": "boolean",
    "date": "date",
    "datetime": "timestamp with time zone",
}
MOST_DIGITS = 38
DATE_FORMATS = ("%Y-%m-%d",)
DATETIME_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
TRUE_WORDS = ("true", "t", "yes", "y", "1")
FALSE_WORDS = ("false", "f", "no", "n", "0")


class UnknownType(ValueError):
    """A type that columns do not have; the message says which there are."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type. `precision`, `scale`: digits altogether and after the point, of a decimal."""

    name: TypeName
    precision: int | None = None
    scale: int | None = None

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.name in ("integer", "number", "decimal")

    @property
    def is_time(self) -> bool:
        """Whether its values are dates or instants."""
        return self.name in ("date", "datetime")

    @property
    def in_postgres(self) -> str:
        """The type of its column in the curated table."""
        if self.name == "decimal":
            return f"numeric({self.precision},{self.scale})"
        return _IN_POSTGRES[self.name]

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})" if self.name == "decimal" else self.name


def parse_type(text: str) -> ColumnType:
    """A type of its name: `string`, `decimal(12,2)`. Raises UnknownType."""
    if (name := _PLAIN.get(text)) is not None:
        return ColumnType(name)
    if (match := _DECIMAL.fullmatch(text)) is None:
        raise UnknownType(f"{text!r} is no type: expected {', '.join(_PLAIN)} or decimal(precision,scale)")
    precision, scale = int(match[1]), int(match[2])
    if not (1 <= precision <= MOST_DIGITS and scale <= precision):
        raise UnknownType(f"{text!r}: the precision is 1 to {MOST_DIGITS}, the scale at most the precision")
    return ColumnType("decimal", precision, scale)
