"""rereading: texts of rows that one version of a contract has read, and that the one in force reads as something else.

Of formats that know numbers and times, the text of a cell is our own: spelled as the contract says at that moment. Read
by another contract, 1.234 kg may be 1,234 of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import polars as pl

from ledgersafe.contracts.datasets.casting import cast, given_of
from ledgersafe.contracts.datasets.headers import matched
from ledgersafe.contracts.datasets.model import Column, Dataset
from ledgersafe.files import store as files

TYPED_FORMATS = ("json", "ndjson", "parquet", "xlsx")


def read_otherwise(was: Dataset, now: Dataset, rows: Mapping[int, files.BadRow]) -> Iterator[tuple[int, str, str]]:
    """Row, column by its name now, and text, of what had a value by the older contract and has another by the newer.

    A text that had no value is not among them: that the new contract reads it is why it was put.
    """
    known = {column.name: column for column in was.columns}
    for names in {tuple(row.row_values or ()) for row in rows.values()}:
        alike = {number: row.row_values or {} for number, row in rows.items() if tuple(row.row_values or ()) == names}
        for theirs, ours in matched(now, list(names)).renamed.items() if names else ():
            column = now.column(ours)
            if theirs not in known or _reads_alike(known[theirs], column):
                continue
            texts = [values[theirs] for values in alike.values()]
            before, after = _read(known[theirs], was, texts), _read(column, now, texts)
            are_numbers = known[theirs].type.is_number and column.type.is_number
            for number, text, one, other in zip(alike, texts, before, after, strict=True):
                if one is not None and text and not _same(one, other, are_numbers=are_numbers):
                    yield number, ours, text


def _reads_alike(was: Column, now: Column) -> bool:
    return was.type == now.type and was.shape == now.shape


def _same(one: str, other: str | None, *, are_numbers: bool) -> bool:
    return one == other or (are_numbers and other is not None and Decimal(one) == Decimal(other))


def _read(column: Column, dataset: Dataset, texts: Sequence[str | None]) -> list[str | None]:
    given = given_of(column, pl.Series(column.name, texts, dtype=pl.String), dataset.shape.source.nulls)
    return cast(column, given).to_list()
