"""JSON: an array of objects, or one object that holds such an array. It is read whole, so it may not be large."""

from collections.abc import Iterator, Sequence
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

LARGEST_BYTES = 200_000_000
_KEPT_OF_A_ROW = 8_000


def open_json(path: Path, wishes: Wishes, bounds: Bounds) -> Opened:
    """A file of one JSON array. Raises UnreadableFile."""
    with open_unpacked(path, bounds) as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        message = f"JSON of over {LARGEST_BYTES:,} bytes is not read: send NDJSON, one object a line."
        raise UnreadableFile("FILE_TOO_LARGE", message)
    facts = look_through(path, wishes.encoding, Bounds(row_bytes=LARGEST_BYTES))
    items = _items(data.decode(facts.encoding))
    columns: dict[str, None] = {}
    read = [_read(item, columns) for item in items]
    if not columns:
        raise UnreadableFile("EMPTY_FILE", "It holds no objects.")
    return Opened(unique_columns(list(columns)), _batches(items, read, tuple(columns)), {"encoding": facts.encoding})


def _items(text: str) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(text, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableFile("UNREADABLE_TEXT", f"It is no JSON: {error}.") from None
    arrays: list[list[msgspec.Raw]] = []
    for value in _members(text).values():
        try:
            arrays.append(msgspec.json.decode(value, type=list[msgspec.Raw]))
        except msgspec.DecodeError:
            continue
    if len(arrays) != 1:
        raise UnreadableFile("UNREADABLE_TEXT", "It is neither an array of objects, nor an object with one such array.")
    return arrays[0]


def _members(text: str) -> Raw:
    try:
        return msgspec.json.decode(text, type=Raw)
    except msgspec.DecodeError as error:
        raise UnreadableFile("UNREADABLE_TEXT", f"It is no JSON array of objects: {error}.") from None


def _read(item: msgspec.Raw, columns: dict[str, None]) -> dict[str, str] | str:
    try:
        return row_of(msgspec.json.decode(item, type=Raw), columns)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"is no JSON object: {error}"


def _batches(
    items: Sequence[msgspec.Raw], read: Sequence[dict[str, str] | str], names: tuple[str, ...]
) -> Iterator[Batch]:
    for start in range(0, len(read), ROWS_AT_ONCE):
        rows: list[tuple[int | str, ...]] = []
        broken: list[BrokenRow] = []
        for number, row in enumerate(read[start : start + ROWS_AT_ONCE], start + 1):
            if isinstance(row, str):
                broken.append(
                    BrokenRow(number, bytes(items[number - 1])[:_KEPT_OF_A_ROW].decode(errors="replace"), row)
                )
            else:
                rows.append((number, *(row.get(name, "") for name in names)))
        yield framed(rows, names, broken)


KIND = Kind("json", (".json",), open_json)
