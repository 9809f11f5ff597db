"""Amounts that say their currency, held against the currency of the event that they go into, where rows say that.

`€2.00` in a row of pounds is neither two pounds nor, for certain, two euros. What events' rows do not say at all is the
currency of their store or tenant, which is known only where they are sent.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
import polars as pl

from ledgersafe.contracts.datasets.casting import meant_by
from ledgersafe.contracts.datasets.events_rules import TEMPLATE
from ledgersafe.contracts.datasets.model import ROW, Column, Dataset
from ledgersafe.kernel.money import is_currency

MARKED_COLUMNS = {ROW: pl.Int64, "column": pl.String, "value": pl.String, "codes": pl.String}
"""Amounts that say in which currency they are: in one of these `codes`; in none, where they say several."""
_SAY_IT = "have the contract say it (events.fields.currency)"
_KEY = "_key"
_SAID = "_said"
Codes = Mapping[int, frozenset[str]]
"""By row: the currencies of which one is that of its amounts."""


def marked_amounts(column: Column, rows: pl.Series, text: pl.Series, marks: pl.Series | None) -> pl.DataFrame:
    """A column's amounts that say a currency, or whose column does (MARKED_COLUMNS). `marks`: of each."""
    said = column.shape.currency
    if said is None and marks is None:
        return pl.DataFrame(schema=MARKED_COLUMNS)
    if said is not None:
        codes = pl.Series([said]).new_from_index(0, len(text))
        mask = text.is_not_null()
    else:
        assert marks is not None, "else there is nothing to be told"
        codes, mask = _codes(marks), (marks.list.len() > 0).fill_null(value=False)
    frame = pl.DataFrame({ROW: rows, "value": text, "codes": codes}).filter(mask)
    return frame.select(pl.col(ROW).cast(pl.Int64), pl.lit(column.name).alias("column"), "value", "codes")


def _codes(marks: pl.Series) -> pl.Series:
    joined = marks.list.unique().list.sort().list.join(" ")
    texts = [str(text) for text in joined.drop_nulls().unique()]
    meant = [" ".join(sorted(_common([meant_by(mark) for mark in text.split()]))) for text in texts]
    return joined.replace_strict(texts, meant, default=None, return_dtype=pl.String)


def currencies(dataset: Dataset, rows: pl.DataFrame, keys: pl.Series) -> pl.Series:
    """The currency of each row's event, as its rows say it; null where they do not.

    `rows`: good ones by column, in the order of the file; `keys`: which event each is of.
    """
    events = dataset.shape.events
    field = events.fields.get("currency") if events is not None else None
    nothing = pl.Series(_SAID, [None], dtype=pl.String).new_from_index(0, rows.height)
    if field is None:
        return nothing
    if field.constant is not msgspec.UNSET:
        return nothing if not field.constant else pl.Series(_SAID, [str(field.constant)]).new_from_index(0, rows.height)
    if field.template is not None:
        first = pl.concat_str([_part(part) for part in _parts(field.template)]).first()
    else:
        value = pl.col(field.column or "")
        there = value.filter(value != "")
        taken = {"last": value.last(), "min": there.min(), "max": there.max()}
        first = taken.get(field.take or "first", value.first())
    said = rows.with_columns(keys.alias(_KEY)).select(first.over(_KEY).alias(_SAID))[_SAID]
    return said.set((said == "").fill_null(value=False), None)


def _parts(template: str) -> list[tuple[str, bool]]:
    """What it is made of, one after the other, and whether that is a column."""
    return [(part, at % 2 == 1) for at, part in enumerate(TEMPLATE.split(template))]


def _part(part: tuple[str, bool]) -> pl.Expr:
    text, is_column = part
    return pl.col(text) if is_column else pl.lit(text)


def foreign(
    dataset: Dataset, rows: pl.DataFrame, keys: pl.Series, marked: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Marked amounts of these rows that are not in the currency of their event (ROW, column, value, message), and those
    of events whose rows say no currency (MARKED_COLUMNS).
    """
    if not marked.height:
        return marked.select(ROW, "column", "value", pl.col("codes").alias("message")), marked
    said = pl.DataFrame([rows[ROW], currencies(dataset, rows, keys)])
    found = marked.join(said, on=ROW, maintain_order="left")
    known = [str(code) for code in found[_SAID].drop_nulls().unique() if is_currency(str(code))]
    other = pl.col(_SAID).is_in(known) & ~pl.col("codes").str.split(" ").list.contains(pl.col(_SAID))
    message = pl.format("is in another currency than its event, which is in {}", _SAID).alias("message")
    unsaid = found.filter(pl.col(_SAID).is_null()).select(*MARKED_COLUMNS)
    return found.filter(other).select(ROW, "column", "value", message), unsaid


def codes_by_row(marked: pl.DataFrame) -> dict[int, frozenset[str]]:
    """The currencies that all amounts of a row may be in."""
    known = {str(text): frozenset(str(text).split()) for text in marked["codes"].unique()}
    found: dict[int, frozenset[str]] = {}
    for number, text in marked.select(ROW, "codes").rows():
        found[number] = found[number] & known[text] if number in found else known[text]
    return found


def codes_of(codes: Codes, rows: Iterable[int]) -> frozenset[str] | None:
    """The currencies that all amounts of some rows may be in; None where they say none."""
    found = [codes[number] for number in rows if number in codes]
    return _common(found) if found else None


def _common(codes: Sequence[frozenset[str]]) -> frozenset[str]:
    """Those that stand in each."""
    return frozenset[str]() if not codes else codes[0].intersection(*codes[1:])


def fault_of(codes: Collection[str] | None, currency: str | None) -> str | None:
    """What is wrong with amounts in these currencies in an event that names none. `currency`: its store's."""
    if codes is None or currency in codes:
        return None
    if currency is None:
        return f"its amounts bear a currency, and nothing says in which its event is: {_SAY_IT}, or set the tenant's"
    return f"its amounts are in another currency than its store, which has {currency}: put them right, or {_SAY_IT}"
