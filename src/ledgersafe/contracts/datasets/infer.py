"""A first contract, made of a file: what its values could be, as narrowly as all of them allow.

It is a proposal for a person to read: a column that happens to hold digits only may be a code all the same. Codes with
leading zeros stay text.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from ledgersafe.contracts.datasets.casting import cast, nulls_of
from ledgersafe.contracts.datasets.checking import ROW
from ledgersafe.contracts.datasets.model import Column
from ledgersafe.contracts.datasets.shape import ColumnShape
from ledgersafe.contracts.datasets.types import parse_type

_LIKE_A_NUMBER = r"^[^A-Za-z]*[0-9][^A-Za-z]*$|^(?:[A-Za-z]{2,3})?[^A-Za-z]+(?:[A-Za-z]{2,3}[^A-Za-z]*)?$"
"""Digits, signs and blanks, and perhaps a currency or CR at one of its ends: one pass that spares dear ones."""
_LIKE_AN_INSTANT = re.compile(r"[0-9]{1,4}-")
_LEADING_ZERO = r"^-?0[0-9]"
_SPELLINGS: tuple[dict[str, Any], ...] = (
    {},
    {"thousands": ","},
    {"decimal": ",", "thousands": "."},
    {"decimal": ",", "thousands": " "},
)
_DATES = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y%m%d", "%d-%b-%Y", "%d %b %Y")
_TIMES = ("", " %H:%M:%S", " %H:%M", "T%H:%M:%S")
_FEWEST_FOR_DATES_OF_DIGITS = 8
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")
_KEYS = frozenset(
    {
        *("id", "ids", "no", "nr", "num", "number", "nummer", "code", "key", "ref", "reference", "guid", "uuid"),
        *("sku", "ean", "gtin", "upc", "isbn", "barcode", "invoice", "receipt"),
    }
)
_ENDINGS_OF_KEYS = ("code", "number", "nummer", "sku", "guid", "uuid")
_KEYS_OF_OTHERS = frozenset(
    {
        *("zip", "zipcode", "post", "postal", "postcode", "country", "state", "region", "currency", "phone"),
        *("telephone", "customer", "supplier", "store", "shop"),
    }
)
"""Whose number it is, if it is not the row's own."""
_TOTAL = re.compile(r"(?i)(?:grand |sub)?-?totals?\b|summe\b|gesamt|sum\b|overall\b")
_FEWEST_BEFORE_A_TOTAL = 3


def infer(dataset: str, columns: Iterable[str], rows: pl.DataFrame) -> dict[str, Any]:
    """The members of a contract for a file of such rows (text columns); to be written as YAML.

    A total at the end is no row: it has values in few columns.
    """
    rows = _without_total(rows)
    found = {name: _column(name, nulls_of(rows[name], [])) for name in columns}
    key = _key(found, rows)
    return {
        "dataset": dataset,
        "kind": "table",
        **({"primary_key": [key]} if key else {}),
        "columns": found,
        "drift_policy": "warn",
    }


def _column(name: str, values: pl.Series) -> dict[str, Any]:
    there = values.drop_nulls().unique(maintain_order=True)
    described: dict[str, Any] = {"type": "string"}
    if len(there):
        first = str(there[0]).strip()
        fitting = (one for one in _candidates(there) if _could_be(one, first) and _fits(name, one, there))
        described = next(fitting, described)
    if described["type"] == "decimal":
        described = _sized(name, described, there)
    if len(there) and not values.null_count():
        described["required"] = True
    return described


def _candidates(there: pl.Series) -> Iterator[dict[str, Any]]:
    """From the narrowest on."""
    if there.str.to_lowercase().is_in(["true", "false", "yes", "no"]).all():
        yield {"type": "boolean"}
    stripped = there.str.strip_chars()
    if stripped.str.contains(_LIKE_A_NUMBER).all() and not stripped.str.contains(_LEADING_ZERO).any():
        yield {"type": "integer"}
        yield from ({"type": "decimal", **spelling} for spelling in _SPELLINGS)
    for day in _DATES:
        if day != "%Y%m%d" or there.str.len_chars().min() == _FEWEST_FOR_DATES_OF_DIGITS:
            yield {"type": "date", "format": day}
    for day in _DATES:
        yield from ({"type": "datetime", "format": day + time} for time in _TIMES if time)
    yield {"type": "datetime"}


def _could_be(described: dict[str, Any], first: str) -> bool:
    """Whether one value could be read so: asked before all of them, since most candidates fail at once."""
    if described["type"] == "datetime" and "format" not in described:
        return _LIKE_AN_INSTANT.match(first) is not None
    if "format" not in described:
        return True
    try:
        datetime.strptime(first, described["format"])  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True


def _fits(name: str, described: dict[str, Any], there: pl.Series) -> bool:
    return not cast(_as_column(name, described), there).null_count()


def _as_column(name: str, described: dict[str, Any]) -> Column:
    kind = "number" if described["type"] == "decimal" else described["type"]
    return Column(name, parse_type(kind), msgspec.convert({**described, "type": kind}, ColumnShape))


def _sized(name: str, described: dict[str, Any], there: pl.Series) -> dict[str, Any]:
    """A decimal with room: the decimals that were seen (2 at least), and 18 digits altogether at least."""
    values = cast(_as_column(name, described), there)
    scale = max(2, int(str(values.str.extract(r"\.([0-9]+)$", 1).str.len_chars().max() or 0)))
    whole = int(str(values.str.extract(r"^-?([0-9]+)", 1).str.len_chars().max() or 0))
    return {**described, "type": f"decimal({max(18, whole + scale)},{scale})"}


def _key(columns: dict[str, dict[str, Any]], rows: pl.DataFrame) -> str | None:
    """The first column that is named like a key, has a value in every row, and another one in each.

    Of another name it would be chance: three suppliers in three rows, of which the next file has more.
    """
    for name, described in columns.items():
        exact = not described["type"].startswith(("decimal", "datetime", "boolean"))
        if (
            exact
            and _is_named_like_a_key(name)
            and described.get("required")
            and rows[name].n_unique() == rows.height > 1
        ):
            return name
    return None


def _is_named_like_a_key(name: str) -> bool:
    words = _WORDS.findall(name.casefold() if name.isupper() else name)
    said = {word.casefold() for word in words}
    last = words[-1].casefold() if words else ""
    return not said & _KEYS_OF_OTHERS and (not said.isdisjoint(_KEYS) or last.endswith(_ENDINGS_OF_KEYS))


def _without_total(rows: pl.DataFrame) -> pl.DataFrame:
    if rows.height < _FEWEST_BEFORE_A_TOTAL:
        return rows
    cells = [str(cell or "").strip() for cell in rows.row(-1)]
    is_total = "" in cells and any(_TOTAL.match(cell) for cell in cells)
    return rows.head(-1) if is_total else rows


def sample_of(batches: Iterable[pl.DataFrame], most: int) -> pl.DataFrame:
    """The first rows of a file, without their numbers."""
    parts: list[pl.DataFrame] = []
    have = 0
    for batch in batches:
        parts.append(batch.drop(ROW).head(most - have))
        have += parts[-1].height
        if have >= most:
            break
    return pl.concat(parts) if parts else pl.DataFrame()
