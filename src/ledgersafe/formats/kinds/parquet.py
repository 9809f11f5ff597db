"""Parquet (Apache). Its values have types; they become text all the same: one contract is for every format."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from ledgersafe.formats.arrow import compute, pa, parquet
from ledgersafe.formats.gathering import rows_at_once
from ledgersafe.formats.header import unique_columns
from ledgersafe.formats.packing import is_packed
from ledgersafe.formats.rows import ROW, Batch, Bounds, Kind, Opened, Spelling, UnreadableFile, Wishes
from ledgersafe.formats.values import number_text, spelled

_MAGIC = 4
_READ_AT_ONCE = 1 << 20
_TEXT_AT_ONCE = 64_000_000
_CELLS_OF_SMALL_FILES = 100_000_000
"""What a file may have in any case: rows that are alike take next to no room in it."""


def open_parquet(path: Path, wishes: Wishes, bounds: Bounds) -> Opened:
    """A Parquet file. Raises UnreadableFile."""
    _look_at(path)
    try:
        file = parquet.ParquetFile(path, buffer_size=_READ_AT_ONCE, pre_buffer=False)
        texts = [one.name for one in file.schema_arrow if _is_text(one.type)]
        file = parquet.ParquetFile(path, buffer_size=_READ_AT_ONCE, pre_buffer=False, read_dictionary=texts)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableFile("TRUNCATED_FILE", f"It is no whole Parquet file: {error}.") from None
    metadata = file.metadata
    if metadata.num_columns == 0:
        raise UnreadableFile("EMPTY_FILE", "It has no columns.")
    _refuse_bomb(metadata, path.stat().st_size, bounds)
    names = unique_columns(list(schema.names))
    spellings = [wishes.spelling_of(name) for name in names]
    return Opened(
        names, _batches(file, names, spellings, bounds), {"types": {one.name: str(one.type) for one in schema}}
    )


def _look_at(path: Path) -> None:
    if is_packed(path):
        raise UnreadableFile("UNSUPPORTED_FORMAT", "Parquet is packed in itself: send it without .gz or .zst.")
    with path.open("rb") as file:
        head = file.read(_MAGIC)
    if not head:
        raise UnreadableFile("EMPTY_FILE", "There is nothing in it: ask its sender for the file.")
    if head == b"PARE":
        raise UnreadableFile("UNSUPPORTED_FORMAT", "It is encrypted: send it in the clear.")
    if head != b"PAR1":
        raise UnreadableFile("UNSUPPORTED_FORMAT", "By its content it is no Parquet: send it under its right name.")


def _refuse_bomb(metadata: Any, packed: int, bounds: Bounds) -> None:
    unpacked = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
    if unpacked > bounds.unpacked_bytes:
        raise UnreadableFile("FILE_TOO_LARGE", f"Unpacked it has {unpacked:,} bytes: send it in parts.")
    cells = metadata.num_rows * metadata.num_columns
    if cells > max(_CELLS_OF_SMALL_FILES, packed * bounds.unpacked_ratio):
        told = f"In {packed:,} bytes it has {metadata.num_rows:,} rows"
        raise UnreadableFile("FILE_TOO_LARGE", f"{told}, more than such a file can rightly have.")


def _batches(file: Any, names: tuple[str, ...], spellings: list[Spelling], bounds: Bounds) -> Iterator[Batch]:
    number = 1
    try:
        for batch in file.iter_batches(batch_size=rows_at_once(len(names))):
            for part in _parts(batch, bounds):
                columns = [
                    _text(name, part.column(at), spelling)
                    for at, (name, spelling) in enumerate(zip(names, spellings, strict=True))
                ]
                rows = pl.Series(ROW, range(number, number + part.num_rows), dtype=pl.Int64)
                number += part.num_rows
                yield Batch(pl.DataFrame([rows, *columns]))
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile("TRUNCATED_FILE", f"It cannot be read past row {number - 1:,}: {error}.") from None
    except (ValueError, OverflowError, TypeError) as error:
        told = f"A value after row {number - 1:,} cannot be read: {error}"
        raise UnreadableFile("UNREADABLE_TEXT", f"{told}. Send it in a plainer type.") from None


def _parts(batch: Any, bounds: Bounds) -> Iterator[Any]:
    """The batch, cut until its texts take little: one text that stands in every row takes no room in the file."""
    size = sum(_size(column, bounds) for column in batch.columns)
    if size <= _TEXT_AT_ONCE or batch.num_rows == 1:
        yield batch
        return
    half = batch.num_rows // 2
    for part in (batch.slice(0, half), batch.slice(half)):
        yield from _parts(part, bounds)


def _size(values: Any, bounds: Bounds) -> int:
    """Of a column's texts, once each stands for itself. Raises UnreadableFile: one is too long."""
    if not pa.types.is_dictionary(values.type):
        return values.nbytes
    lengths = compute.take(compute.binary_length(values.dictionary), values.indices)
    longest = compute.max(lengths).as_py() or 0
    if longest > bounds.row_bytes:
        raise UnreadableFile("ROW_TOO_LONG", f"A value of it has {longest:,} bytes, {bounds.row_bytes:,} are taken.")
    return compute.sum(lengths).as_py() or 0


def _is_text(kind: Any) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)


def _text(name: str, values: Any, spelling: Spelling) -> pl.Series:
    """Arrow's own casts where they are exact, Python's spelling for the rest."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pl.Series(name, values.cast(pa.large_string()).fill_null("").to_pylist(), dtype=pl.String)
    if pa.types.is_floating(kind):  # the shortest text that is this number: 0.1 in 32 bits, too
        texts = values.cast(pa.large_string()).fill_null("").to_pylist()
        return pl.Series(name, [number_text(text, spelling) for text in texts], dtype=pl.String)
    if pa.types.is_timestamp(kind):
        values = values.cast(pa.timestamp("us", kind.tz), safe=False)  # Postgres knows no nanoseconds
    return pl.Series(name, [spelled(value, spelling) for value in values.to_pylist()], dtype=pl.String)


KIND = Kind("parquet", (".parquet", ".pq"), open_parquet)
