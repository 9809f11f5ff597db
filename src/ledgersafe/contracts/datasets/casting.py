"""Text to values, by the contract alone: each value comes out in the one spelling that Postgres reads, or as None.

Columns are cast whole (polars), so that a million rows take about a second. Numbers stay text: no double comes near an
amount.
"""

from collections.abc import Sequence

import polars as pl

from ledgersafe.contracts.datasets.model import Column
from ledgersafe.contracts.datasets.types import FALSE_WORDS, TRUE_WORDS

_PLAIN_NUMBER = r"^-?[0-9]{1,38}(\.[0-9]{1,38})?$"
_CURRENCY = r"(?:[$£€¥₹₱₩]|[A-Z]{3}\s|\s[A-Z]{3})"
_OFFSET = ("%z", "%:z", "%#z")


def nulls_of(column: pl.Series, nulls: Sequence[str]) -> pl.Series:
    """The column with what stands for no value as null: the empty text, and what the contract names."""
    absent = column.is_in(["", *nulls])
    return column.set(absent, None) if absent.any() else column


def cast(column: Column, values: pl.Series) -> pl.Series:
    """Values in the spelling of Postgres; null where there is none, and where it cannot be read."""
    if column.type.name == "string":
        return values
    if column.type.is_number:
        return _numbers(column, values)
    stripped = values.str.strip_chars()
    if column.type.name == "boolean":
        return _booleans(stripped)
    if column.type.name == "date":
        return _dates(column, stripped)
    return _instants(column, stripped)


def _numbers(column: Column, values: pl.Series) -> pl.Series:
    is_plain = column.shape.decimal == "." and _all(values.str.contains(_PLAIN_NUMBER))
    plain = values if is_plain else _plain_numbers(column, values)
    if column.type.name == "integer":
        whole = r"^(-?[0-9]{1,18})(?:\.0+)?$"
        return plain.str.extract(whole, 1)
    if column.type.name == "number":
        return plain
    precision, scale = column.type.precision or 0, column.type.scale or 0
    fits = rf"^(-?0*[0-9]{{0,{precision - scale}}}(?:\.[0-9]{{0,{scale}}})?)0*$" if scale else r"^(-?[0-9]+)(?:\.0+)?$"
    found = plain.str.extract(fits, 1)
    if scale:
        return found
    return _only(found, found.str.len_chars() <= precision + found.str.starts_with("-").cast(pl.UInt32))


def _plain_numbers(column: Column, values: pl.Series) -> pl.Series:
    """`(250.00)`, `468.60-`, `-468.60 `, `£1,234.50` as people write them: `-250.00`, `-468.60`, `1234.50`."""
    shape = column.shape
    text = values.str.replace_all("\u00a0", " ").str.strip_chars().str.replace("\u2212", "-")
    text = text.str.replace(_CURRENCY, "").str.strip_chars()
    in_brackets = text.str.contains(r"^\(.*\)$")
    text = text.str.replace(r"^\((.*)\)$", "$1").str.strip_chars().str.replace(_CURRENCY, "").str.strip_chars()
    text = text.str.replace(r"^\+\s*", "").str.replace(r"^-\s+", "-").str.replace(r"^([^-].*?)\s*-$", "-$1")
    if shape.thousands is not None:
        group = _escape(shape.thousands)
        point = _escape(shape.decimal)
        grouped = text.str.contains(rf"^-?[0-9]{{1,3}}({group}[0-9]{{3}})+({point}[0-9]+)?$")
        text = _where(grouped, text.str.replace_all(shape.thousands, "", literal=True), text)
    if shape.decimal != ".":
        text = _only(text, ~text.str.contains(".", literal=True)).str.replace(shape.decimal, ".", literal=True)
    text = text.str.replace(r"^(-?)\.", "${1}0.").str.replace(r"\.$", "")
    signed = _where(in_brackets & ~text.str.starts_with("-"), text.str.replace("^", "-"), text)
    twice = in_brackets & text.str.starts_with("-")
    return _only(signed, signed.str.contains(_PLAIN_NUMBER) & ~twice)


def _booleans(values: pl.Series) -> pl.Series:
    words = {**dict.fromkeys(TRUE_WORDS, "true"), **dict.fromkeys(FALSE_WORDS, "false")}
    return values.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.String)


def _dates(column: Column, values: pl.Series) -> pl.Series:
    found = pl.Series(values.name, [None] * len(values), dtype=pl.Date)
    for form in column.formats:
        found = _or(found, values.str.to_date(form, strict=False))
        if found.null_count() == values.null_count():
            break
    return _in_range(found).dt.to_string("%Y-%m-%d")


def _instants(column: Column, values: pl.Series) -> pl.Series:
    found = pl.Series(values.name, [None] * len(values), dtype=pl.Datetime("us", "UTC"))
    for form in _with_offsets(column):
        found = _or(found, _instant(column, values, form))
        if found.null_count() == values.null_count():
            break
    return _in_range(found).dt.to_string("%Y-%m-%dT%H:%M:%S%.6f+00:00")


def _instant(column: Column, values: pl.Series, form: str) -> pl.Series:
    if any(offset in form for offset in _OFFSET):
        return values.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
    naive = values.str.to_datetime(form, time_unit="us", strict=False)
    zone = column.shape.time_zone or "UTC"
    local = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _with_offsets(column: Column) -> list[str]:
    """Where the contract names no format, ISO 8601 with an offset is taken, too."""
    if column.shape.format is not None:
        return list(column.formats)
    return [*column.formats, "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"]


def _in_range(values: pl.Series) -> pl.Series:
    year = values.dt.year()
    return _only(values, (year >= 1) & (year <= 9999))


def _or(found: pl.Series, other: pl.Series) -> pl.Series:
    return pl.select(pl.coalesce(found, other)).to_series().alias(found.name)


def _where(condition: pl.Series, then: pl.Series, otherwise: pl.Series) -> pl.Series:
    return then.zip_with(condition.fill_null(value=False), otherwise)


def _only(values: pl.Series, condition: pl.Series) -> pl.Series:
    """Those values for which it holds; null for the others."""
    return values.zip_with(condition.fill_null(value=False), pl.Series(values.name, [None], dtype=values.dtype))


def _all(condition: pl.Series) -> bool:
    return bool(condition.all())


def _escape(character: str) -> str:
    return "\\" + character if character in ".|" else character
