"""Reports as files: CSV, and Parquet where polars is installed (the extra `files`)."""

import csv
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from ledgersafe.kernel.cells import guarded
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import FORMAT_UNAVAILABLE

if TYPE_CHECKING:
    import polars

PARQUET = "application/vnd.apache.parquet"
SCALE = 6
"""Decimals of a decimal column: amounts and quantities have no more. Sums then fit as they are, never as floats."""
_DIGITS = 38


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows, under a line of the columns' names. No text is a formula to a spreadsheet."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value


def as_parquet(columns: Sequence[str], types: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows as one Parquet file. `types`: of the columns, as Postgres names them.

    The types of a file follow from the table alone, so that the files of all pages are of one schema. Numbers that are
    numeric in the database are decimal(38, 6), rounded to that where they are shares or means and have more.
    Raises RequestRefused(FORMAT_UNAVAILABLE).
    """
    try:
        import polars
    except ImportError:
        detail = 'Parquet needs polars: pip install "ledgersafe[files]" where the API runs; or ask for CSV.'
        raise RequestRefused(FORMAT_UNAVAILABLE, detail) from None
    schema = {name: _type(polars, types[name]) for name in columns}
    series = [
        polars.Series(name, [_value(row[name], kind) for row in rows], dtype=kind) for name, kind in schema.items()
    ]
    file = BytesIO()
    polars.DataFrame(series).write_parquet(file)
    return file.getvalue()


def _type(package: Any, name: str) -> "polars.DataType":
    known: dict[str, Any] = {
        "numeric": package.Decimal(_DIGITS, SCALE),
        "date": package.Date(),
        "int8": package.Int64(),
        "int4": package.Int64(),
        "int2": package.Int64(),
        "bool": package.Boolean(),
        "float8": package.Float64(),
        "timestamptz": package.Datetime("us", "UTC"),
    }
    return known.get(name, package.String())


def _value(value: Any, kind: "polars.DataType") -> Any:
    """Text where the column is text: lists and what else a table may come to hold."""
    return str(value) if value is not None and str(kind) == "String" else value
