"""file_rows: rows of a received file once more, as the file has them, for whoever decides on what was made of them.

The file is read from its beginning to the last row that is wanted. It is bounded in size and time: the same process
serves others.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import monotonic

import polars as pl

from ledgersafe.db.database import Database
from ledgersafe.files import store as files
from ledgersafe.formats.kinds import kind_of
from ledgersafe.formats.rows import ROW, Batch, Bounds, Opened, UnreadableFile, Wishes
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import FILE_TOO_LARGE, RAW_ZONE_UNAVAILABLE, ROWS_UNREADABLE
from ledgersafe.pipeline.bad_rows import delivery_of
from ledgersafe.pipeline.datasets import dataset_of
from ledgersafe.pipeline.deliveries.wishes import wishes_of
from ledgersafe.storage.zone import RawZone, ZoneDamaged, ZoneUnavailable

MOST_ROWS = files.MOST_ROWS_NAMED
"""How many rows are shown at once."""
MOST_BYTES = 200_000_000
"""Of a file, unpacked. One that becomes events has fewer."""
_MOST_HELD_BYTES = 50_000_000
_HELD_WHOLE = frozenset({"json", "xlsx"})
"""Formats whose files are held in memory whole, or nearly so."""
_MOST_SHOWN = 4_000_000
"""How many characters all rows of an answer may have, where they are several."""
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: these numbers, or, where there are none, `most` from number `start` on."""

    numbers: frozenset[int]
    start: int = 1
    most: int = MOST_ROWS


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row as the file has it. `values`: by the file's own names of columns; None where only its text can be told."""

    row_number: int
    values: dict[str, str | None] | None
    text: str | None


@dataclass(frozen=True, slots=True)
class FileRows:
    """Rows of a delivery's file, in its order; a number of which the file has no row is not among them."""

    ingestion: files.Ingestion
    columns: tuple[str, ...]
    rows: list[FileRow]


def read_rows(database: Database, zone: RawZone, name: files.IngestionName, wanted: Wanted) -> FileRows:
    """These rows, read as the delivery was: by the contract that it was judged by.

    Raises RequestRefused: NOT_FOUND; FILE_TOO_LARGE; ROWS_UNREADABLE, which says why; RAW_ZONE_UNAVAILABLE.
    """
    with database.snapshot() as tx:
        of = delivery_of(tx, name)
        stored = files.contract(tx, of.tenant_id, of.dataset, of.contract_version).first()
    wishes = Wishes() if stored is None else replace(wishes_of(dataset_of(stored)), skip_rows=None)
    try:
        most = _MOST_HELD_BYTES if kind_of(of.filename).name in _HELD_WHOLE else MOST_BYTES
        if of.size_bytes > most:
            raise _too_large(of, f"it has {of.size_bytes:,} bytes, and up to {most:,} are looked into")
        with zone.open_local(of.raw_path) as path:
            opened = kind_of(of.filename).open(path, wishes, Bounds(unpacked_bytes=MOST_BYTES))
            rows = _rows(of, opened, wanted)
    except UnreadableFile as error:
        if error.code == FILE_TOO_LARGE.code:
            raise _too_large(of, f"it is too much to be looked into: {error}") from None
        raise RequestRefused(ROWS_UNREADABLE, f"{of.filename}: {error}") from None
    except ZoneDamaged as error:
        message = f"In the raw zone, {error}. Put the file that was received back from a backup."
        raise RequestRefused(ROWS_UNREADABLE, message) from error
    except ZoneUnavailable as error:
        message = f"The raw zone does not give {of.filename} now. Ask again."
        raise RequestRefused(RAW_ZONE_UNAVAILABLE, message, {"Retry-After": "5"}) from error
    return FileRows(of, opened.columns, rows)


def _rows(of: files.Ingestion, opened: Opened, wanted: Wanted) -> list[FileRow]:
    """In the file's order. Raises UnreadableFile, RequestRefused."""
    until, found = monotonic() + _SECONDS, list[FileRow]()
    for batch in opened.batches:
        found += _of_batch(batch, wanted)
        if _is_enough(batch, wanted, len(found)):
            break
        if monotonic() > until:
            last = f"{batch.frame[ROW][-1]:,}" if batch.frame.height else "…"
            raise _too_large(of, f"to come to row {last} took {_SECONDS:.0f} seconds")
    found.sort(key=lambda row: row.row_number)
    shown = found if wanted.numbers else found[: wanted.most]
    if len(shown) > 1 and sum(map(_length, shown)) > _MOST_SHOWN:
        message = f"These rows of {of.filename} have over {_MOST_SHOWN:,} characters: ask for fewer at once."
        raise RequestRefused(FILE_TOO_LARGE, message)
    return shown


def _of_batch(batch: Batch, wanted: Wanted) -> Iterator[FileRow]:
    number = pl.col(ROW)
    if wanted.numbers:
        rows = batch.frame.filter(number.is_in(pl.Series(list(wanted.numbers), dtype=pl.Int64).implode()))
    else:
        rows = batch.frame.filter(number >= wanted.start).head(wanted.most)
    for row in rows.iter_rows(named=True):
        yield FileRow(row.pop(ROW), row, None)
    for broken in batch.broken:
        if broken.number in wanted.numbers or (not wanted.numbers and broken.number >= wanted.start):
            yield FileRow(broken.number, None, broken.text)


def _is_enough(batch: Batch, wanted: Wanted, found: int) -> bool:
    """Whether no batch after this one has any of them."""
    if not wanted.numbers:
        return found >= wanted.most
    return bool(batch.frame.height) and batch.frame[ROW][-1] >= max(wanted.numbers)


def _length(row: FileRow) -> int:
    return len(row.text or "") + sum(len(value or "") for value in (row.values or {}).values())


def _too_large(of: files.Ingestion, why: str) -> RequestRefused:
    told = f"The rows of {of.filename} are not shown: {why}"
    return RequestRefused(FILE_TOO_LARGE, f"{told}. Take the file itself out of the raw zone: {of.raw_path}")
