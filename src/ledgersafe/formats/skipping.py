"""Rows that are none: a contract may say how totals, counts and notes among the rows begin (source.skip_rows)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from ledgersafe.formats.delimited import fields_of
from ledgersafe.formats.rows import ROW, Batch, Bounds, Opened, Wishes

Open = Callable[[Path, Wishes, Bounds], Opened]


def skipping(open_it: Open) -> Open:
    """The same format, without such rows. How many there were stands in `facts` once all batches are read."""

    def opened(path: Path, wishes: Wishes, bounds: Bounds) -> Opened:
        found = open_it(path, wishes, bounds)
        return found if wishes.skip_rows is None else replace(found, batches=_others(found, wishes.skip_rows))

    return opened


def _others(opened: Opened, pattern: str) -> Iterator[Batch]:
    """`pattern`: of the whole of a row's first value, without the blanks around it."""
    whole, delimiter = f"^(?:{pattern})$", opened.facts.get("delimiter", "\t")
    for batch in opened.batches:
        frame = batch.frame.filter(~_first_values(batch.frame).str.contains(whole))
        texts = pl.Series([_first_of(row.text, delimiter) for row in batch.broken], dtype=pl.String)
        broken = tuple(row for row, none in zip(batch.broken, texts.str.contains(whole), strict=True) if not none)
        skipped = batch.frame.height - frame.height + len(batch.broken) - len(broken)
        if skipped:
            opened.facts["rows_passed_over"] = opened.facts.get("rows_passed_over", 0) + skipped
        yield Batch(frame, broken)


def _first_values(frame: pl.DataFrame) -> pl.Series:
    """What stands in each row's first column that is not blank."""
    first, *others = (name for name in frame.columns if name != ROW)
    found = frame[first].str.strip_chars()
    blank = found == ""
    if not others or not blank.any():
        return found
    bare = [pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name).str.strip_chars()) for name in others]
    rest = frame.filter(blank).select(pl.coalesce(*bare, pl.lit(""))).to_series()
    return found.scatter(blank.arg_true(), rest)


def _first_of(text: str, delimiter: str) -> str:
    return next((bare for field in fields_of(text, delimiter) if (bare := field.strip())), "")
