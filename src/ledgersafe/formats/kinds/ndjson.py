"""NDJSON: one JSON object a line. Its columns are all members that any line has, so the file is read twice."""

import io
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ledgersafe.formats.packing import open_unpacked
from ledgersafe.formats.rows import (
    ROWS_AT_ONCE,
    Batch,
    Bounds,
    BrokenRow,
    Kind,
    Opened,
    UnreadableFile,
    Wishes,
    framed,
    unique_columns,
)
from ledgersafe.formats.text import look_through
from ledgersafe.formats.values import Raw, row_of

_KEPT_OF_A_ROW = 8_000
_decode = msgspec.json.Decoder(Raw).decode


def open_ndjson(path: Path, wishes: Wishes, bounds: Bounds) -> Opened:
    """A file of JSON objects, one a line. Raises UnreadableFile."""
    facts = look_through(path, wishes.encoding, bounds)
    columns: dict[str, None] = {}
    for _, line in _lines(path, facts.encoding, bounds):
        _read(line, columns)
    if not columns:
        raise UnreadableFile("UNREADABLE_TEXT", "No line of it is a JSON object.")
    names = unique_columns(list(columns))
    return Opened(names, _batches(path, facts.encoding, bounds, names), {"encoding": facts.encoding})


def _lines(path: Path, encoding: str, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """(number from 1, text) of every line that is not blank."""
    with io.TextIOWrapper(open_unpacked(path, bounds), encoding=encoding, newline="\n") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line.rstrip("\r\n")


def _read(line: str, columns: dict[str, None]) -> dict[str, str] | str:
    """The row of a line, or what is wrong with it."""
    try:
        return row_of(_decode(line), columns)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"is no JSON object: {error}"


def _batches(path: Path, encoding: str, bounds: Bounds, names: tuple[str, ...]) -> Iterator[Batch]:
    rows: list[tuple[int | str, ...]] = []
    broken: list[BrokenRow] = []
    known = dict.fromkeys(names)
    for number, line in _lines(path, encoding, bounds):
        row = _read(line, known)
        if isinstance(row, str):
            broken.append(BrokenRow(number, line[:_KEPT_OF_A_ROW], row))
        else:
            rows.append((number, *(row.get(name, "") for name in names)))
        if len(rows) + len(broken) >= ROWS_AT_ONCE:
            yield framed(rows, names, broken)
            rows, broken = [], []
    if rows or broken:
        yield framed(rows, names, broken)


KIND = Kind("ndjson", (".ndjson", ".jsonl"), open_ndjson)
