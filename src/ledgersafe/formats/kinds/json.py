"""JSON: an array of objects, or one object that holds such an array. It is read whole, so it may not be large."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from ledgersafe.formats.gathering import KEPT_OF_A_ROW, Gathering
from ledgersafe.formats.header import MOST_COLUMNS, unique_columns
from ledgersafe.formats.packing import open_unpacked
from ledgersafe.formats.rows import Batch, Bounds, BrokenRow, Kind, Opened, UnreadableFile, Wishes
from ledgersafe.formats.text import look_through
from ledgersafe.formats.values import Raw, decode_every, read_object

LARGEST_BYTES = 200_000_000
MOST_OBJECTS = 3_000_000
"""However small they are, each takes some memory of its own."""
_MOST_BRACES = 10_000_000
_LARGEST_OTHER = 20_000_000
_SHOWN = 60


class _Object(msgspec.Struct, gc=False):
    """Any object: for counting them in little memory."""


def open_json(path: Path, wishes: Wishes, bounds: Bounds) -> Opened:
    """A file of one JSON array. Raises UnreadableFile."""
    if path.stat().st_size > LARGEST_BYTES:
        raise _too_large()
    facts = look_through(path, wishes.encoding, replace(bounds, row_bytes=LARGEST_BYTES))
    if facts.size > LARGEST_BYTES:
        raise _too_large()
    with open_unpacked(path, bounds) as file:
        data = file.read(LARGEST_BYTES)
    if facts.encoding not in ("utf-8", "utf-8-sig"):
        data = _as_utf8(data, facts.encoding)
    items = _items(data.removeprefix(b"\xef\xbb\xbf"))
    if len(items) > MOST_OBJECTS:
        raise _too_large()
    del data  # the items lie in it; it goes with them
    columns: dict[str, None] = {}
    for item in items:
        read_object(item, columns, wishes)
        if len(columns) > MOST_COLUMNS:
            break
    if not columns:
        raise UnreadableFile("EMPTY_FILE", "It holds no objects: an array of them is expected, one a row.")
    names = unique_columns(list(columns))
    return Opened(names, _batches(items, names, wishes), {"encoding": facts.encoding})


def _too_large() -> UnreadableFile:
    most = f"{LARGEST_BYTES:,} bytes or {MOST_OBJECTS:,} objects"
    message = f"JSON of over {most} is not read: send NDJSON, one object a line."
    return UnreadableFile("FILE_TOO_LARGE", message)


def _as_utf8(data: bytes, encoding: str) -> bytes:
    try:
        return data.decode(encoding).encode()
    except UnicodeError as error:
        raise UnreadableFile("UNREADABLE_TEXT", f"It is not {encoding}: {error}.") from None


def _items(text: bytes) -> list[msgspec.Raw]:
    """The rows. What is no array of objects is taken apart only if it is small: each of its parts takes memory."""
    if text.count(b"{") > _MOST_BRACES:
        raise _too_large()
    try:
        if msgspec.json.decode(text, type=list[_Object]):
            return msgspec.json.decode(text, type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        if len(text) > _LARGEST_OTHER:
            told = f"It is no array of objects alone: {error}. What is another is read up to {_LARGEST_OTHER:,} bytes"
            raise UnreadableFile("UNREADABLE_TEXT", f"{told}: send NDJSON, one object a line.") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _no_json(text, error) from None
    return _items_of_other(text)


def _items_of_other(text: bytes) -> list[msgspec.Raw]:
    """Of an array that holds something else, too, or an object that holds an array."""
    if (items := _array(text)) is not None:
        return items
    arrays = [items for value in _members(text).values() if (items := _array(value)) is not None]
    if len(arrays) != 1:
        raise UnreadableFile("UNREADABLE_TEXT", "It is neither an array of objects, nor an object with one such array.")
    return arrays[0]


def _array(text: bytes | msgspec.Raw) -> list[msgspec.Raw] | None:
    try:
        return msgspec.json.decode(text, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _no_json(bytes(text), error) from None


def _members(text: bytes) -> Raw:
    """Of an object, each there once. Raises UnreadableFile."""
    found: Raw = {}
    try:
        for name, value in decode_every(text).items():
            if name.text in found:
                told = f"It has the member {name.text[:_SHOWN]!r} twice: which of them counts is not known."
                raise UnreadableFile("UNREADABLE_TEXT", f"{told} Ask its sender for a file that has it once.")
            found[name.text] = value
    except (msgspec.DecodeError, RecursionError) as error:
        raise _no_json(text, error) from None
    return found


def _no_json(text: bytes, error: Exception) -> UnreadableFile:
    if not text.strip():
        return UnreadableFile("EMPTY_FILE", "There is nothing in it: ask its sender for the file.")
    breaks_off = "truncated" in str(error)
    code, hint = ("TRUNCATED_FILE", "It breaks off") if breaks_off else ("UNREADABLE_TEXT", "It is no JSON")
    return UnreadableFile(code, f"{hint}: {error}. One object a line is NDJSON: name it .ndjson.")


def _batches(items: Sequence[msgspec.Raw], names: tuple[str, ...], wishes: Wishes) -> Iterator[Batch]:
    batch = Gathering(names)
    known = dict.fromkeys(names)
    for number, item in enumerate(items, 1):
        row = read_object(item, known, wishes)
        raw = bytes(item)
        if isinstance(row, str):
            batch.put_aside(BrokenRow(number, raw[:KEPT_OF_A_ROW].decode(errors="replace"), row))
        else:
            batch.put(number, [row.get(name, "") for name in names], len(raw))
        if batch.is_full:
            yield batch.taken()
    if len(batch):
        yield batch.taken()


KIND = Kind("json", (".json",), open_json)
