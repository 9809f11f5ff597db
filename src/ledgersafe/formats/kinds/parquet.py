"""Parquet (Apache). Its values have types; they become text all the same: one contract is for every format."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from ledgersafe.formats.arrow import pa, parquet
from ledgersafe.formats.packing import is_packed
from ledgersafe.formats.rows import (
    ROW,
    ROWS_AT_ONCE,
    Batch,
    Bounds,
    Kind,
    Opened,
    UnreadableFile,
    Wishes,
    unique_columns,
)
from ledgersafe.formats.values import spelled


def open_parquet(path: Path, wishes: Wishes, bounds: Bounds) -> Opened:
    """A Parquet file. Raises UnreadableFile."""
    del wishes
    if is_packed(path):
        raise UnreadableFile("UNSUPPORTED_FORMAT", "Parquet is packed in itself: send it without .gz or .zst.")
    try:
        file = parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile("TRUNCATED_FILE", f"It is no whole Parquet file: {error}.") from None
    metadata = file.metadata
    unpacked = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
    if unpacked > bounds.unpacked_bytes:
        raise UnreadableFile("FILE_TOO_LARGE", f"Unpacked it has {unpacked:,} bytes.")
    if metadata.num_columns == 0:
        raise UnreadableFile("EMPTY_FILE", "It has no columns.")
    names = unique_columns(list(file.schema_arrow.names))
    return Opened(names, _batches(file, names), {"types": {one.name: str(one.type) for one in file.schema_arrow}})


def _batches(file: Any, names: tuple[str, ...]) -> Iterator[Batch]:
    number = 1
    try:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
            columns = [_text(name, batch.column(at)) for at, name in enumerate(names)]
            rows = pl.Series(ROW, range(number, number + batch.num_rows), dtype=pl.Int64)
            number += batch.num_rows
            yield Batch(pl.DataFrame([rows, *columns]))
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile("TRUNCATED_FILE", f"It cannot be read past row {number - 1:,}: {error}.") from None


def _text(name: str, values: Any) -> pl.Series:
    """Arrow's own casts where they are exact, Python's spelling for the rest."""
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pl.Series(name, values.cast(pa.large_string()).fill_null("").to_pylist(), dtype=pl.String)
    return pl.Series(name, [spelled(value) for value in values.to_pylist()], dtype=pl.String)


KIND = Kind("parquet", (".parquet", ".pq"), open_parquet)
