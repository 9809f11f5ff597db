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
        *("telephone", "customer", "supplier", "store", "shop", "till", "terminal", "branch", "site", "location"),
        *("department", "category", "cashier", "employee", "user", "company", "account", "vat", "tax"),
        *("line", "row", "page", "position", "pos", "week", "month", "period", "item", "product", "cost", "centre"),
        *("center", "nominal", "sort", "budget", "project", "staff"),
    }
)
"""Whose number it is, if it is not the row's own: the next file has the same ones for other rows."""
_FEWEST_FOR_A_KEY = 30
"""Rows in which a name like `Order code` differs: fewer of them differ by chance."""
_TOTAL = re.compile(r"(?i)(?:grand |sub)?-?totals?\b|summe\b|gesamt|sum\b|overall\b")
_FEWEST_BEFORE_A_TOTAL = 3
_MOST_NAMED = 10


def infer(dataset: str, columns: Iterable[str], rows: pl.DataFrame) -> dict[str, Any]:
    """The members of a contract for a file of such rows (text columns); to be written as YAML.

    A total at the end is no row: it has values in few columns.
    """
    rows = _without_total(rows)
    found = {name: _column(name, nulls_of(rows[name], [])) for name in columns}
    key = _key(found, rows)
    key = None if key is None or _may_be_chance(key, rows) else key
    return {
        "dataset": dataset,
        "kind": "table",
        **({"primary_key": [key]} if key else {}),
        "columns": found,
        "drift_policy": "warn",
    }


def guesses(members: dict[str, Any], rows: pl.DataFrame) -> list[str]:
    """What `infer` made of these rows and cannot know, in sentences: for who corrects it."""
    whole, rows = rows, _without_total(rows)
    counted = "1 row" if rows.height == 1 else f"{rows.height:,} rows"
    told = [f"guessed from {counted}: they need not show all that is meant. Correct it before you use it."]
    if rows.height < whole.height:
        told.append("The last row is taken for a total, which is no row of its own.")
    columns: dict[str, dict[str, Any]] = members["columns"]
    told.append(_told_of_key(members.get("primary_key"), _key(columns, rows)))
    if required := [name for name, described in columns.items() if described.get("required")]:
        told.append(f"required: {_named(required, len(columns))} a value in every row.")
    return told + [other for name, of in columns.items() if (other := _other_reading(name, of, rows)) is not None]


def _told_of_key(keys: list[str] | None, could_be: str | None) -> str:
    if keys:
        return f"primary_key: {keys[0]} is named like a key, and differs in every row."
    if could_be is not None:
        return (
            f"No primary_key: {could_be} is named like one, but in so few rows it may differ by chance. "
            f"If it tells one row from all others, say primary_key: [{could_be}]. So far no row replaces another."
        )
    return "No primary_key: no column is named like one and differs in every row. So no row replaces another."


def _named(names: list[str], of: int) -> str:
    if len(names) == of:
        return "each column has"
    shown = ", ".join(names[:_MOST_NAMED]) + (
        f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    )
    return f"{shown} {'has' if len(names) == 1 else 'have'}"


def _other_reading(name: str, described: dict[str, Any], rows: pl.DataFrame) -> str | None:
    """How else every value of a column could be meant: as other days, or other amounts."""
    kind = described["type"].partition("(")[0]
    if kind not in ("decimal", "date", "datetime"):
        return None
    there = nulls_of(rows[name], []).drop_nulls().unique(maintain_order=True)
    was = cast(_as_column(name, {**described, "type": kind}), there)
    for other in _candidates(there):
        if other["type"] == kind and _could_be(other, str(there[0]).strip()) and _fits(name, other, there):
            read = cast(_as_column(name, other), there)
            if not read.equals(was):
                at = (read != was).to_list().index(True)
                return f"{name}: {there[at]} is read as {was[at]}; it could mean {read[at]}."
    return None


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


def _may_be_chance(name: str, rows: pl.DataFrame) -> bool:
    """Whether a key's name says of something that it is the key (`Stock code`), and the rows are few."""
    return rows.height < _FEWEST_FOR_A_KEY and not _KEYS.issuperset(_words(name))


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORDS.findall(name.casefold() if name.isupper() else name)]


def _is_named_like_a_key(name: str) -> bool:
    words = _words(name)
    said = {*words}
    last = words[-1] if words else ""
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
