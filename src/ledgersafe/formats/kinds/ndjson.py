"""NDJSON: one JSON object a line. Its columns are all members that any line has, so the file is read twice."""

import io
from collections.abc import Iterator
from pathlib import Path

from ledgersafe.formats.gathering import KEPT_OF_A_ROW, Gathering
from ledgersafe.formats.header import MOST_COLUMNS, unique_columns
from ledgersafe.formats.packing import open_unpacked
from ledgersafe.formats.rows import Batch, Bounds, BrokenRow, Kind, Opened, UnreadableFile, Wishes
from ledgersafe.formats.text import look_through
from ledgersafe.formats.values import read_object


def open_ndjson(path: Path, wishes: Wishes, bounds: Bounds) -> Opened:
    """A file of JSON objects, one a line. Raises UnreadableFile."""
    facts = look_through(path, wishes.encoding, bounds)
    columns: dict[str, None] = {}
    for _, line in _lines(path, facts.encoding, bounds):
        read_object(line, columns, wishes)
        if len(columns) > MOST_COLUMNS:
            break
    if not columns:
        raise UnreadableFile("UNREADABLE_TEXT", "No line of it is a JSON object.")
    names = unique_columns(list(columns))
    return Opened(names, _batches(path, facts.encoding, bounds, names, wishes), {"encoding": facts.encoding})


def _lines(path: Path, encoding: str, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """(number from 1, text) of every line that is not blank. A BOM may stand where files were put together."""
    with io.TextIOWrapper(open_unpacked(path, bounds), encoding=encoding) as file:
        try:
            for number, line in enumerate(file, 1):
                if text := line.strip("\ufeff\x1a \t\r\n"):
                    yield number, text
        except UnicodeDecodeError as error:
            raise UnreadableFile("UNREADABLE_TEXT", f"It is not {encoding}: {error.reason}.") from None


def _batches(path: Path, encoding: str, bounds: Bounds, names: tuple[str, ...], wishes: Wishes) -> Iterator[Batch]:
    batch = Gathering(names)
    known = dict.fromkeys(names)
    for number, line in _lines(path, encoding, bounds):
        row = read_object(line, known, wishes)
        if isinstance(row, str):
            batch.put_aside(BrokenRow(number, line[:KEPT_OF_A_ROW], row))
        else:
            batch.put(number, [row.get(name, "") for name in names], len(line))
        if batch.is_full:
            yield batch.taken()
    if len(batch):
        yield batch.taken()


KIND = Kind("ndjson", (".ndjson", ".jsonl"), open_ndjson)
