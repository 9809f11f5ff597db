"""Array parameters, packed for speed: a batch is sent as one array a column.

psycopg writes a list element by element, in text with escapes, and bytea as hex. These halve what a batch costs the
client: text, bytea and timestamptz go in PostgreSQL's binary array format; what needs no escapes goes as one text
literal, whose type the statement names (`%(raw_ids)s::uuid[]`).
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from psycopg import adapters
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_TEXT, _BYTEA, _TIMESTAMPTZ = 25, 17, 1184
_HEAD, _EMPTY_HEAD, _LENGTH = struct.Struct(">5i"), struct.Struct(">3i"), struct.Struct(">i")
_NULL = _LENGTH.pack(-1)
_INSTANT, _INSTANT_BYTES = struct.Struct(">iq"), 8
Value = TypeVar("Value", str, datetime)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Packed:
    """An array in PostgreSQL's binary format."""

    __slots__ = ("data", "elements")

    def __init__(self, elements: int, data: bytes) -> None:
        self.elements = elements
        self.data = data


class _Texts(Packed):
    __slots__ = ()


class _Byteas(Packed):
    __slots__ = ()


class _Instants(Packed):
    __slots__ = ()


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Packed) -> Buffer:
        return obj.data


class _TextsDumper(_PackedDumper):
    oid = 1009


class _ByteasDumper(_PackedDumper):
    oid = 1001


class _InstantsDumper(_PackedDumper):
    oid = 1185


adapters.register_dumper(_Texts, _TextsDumper)
adapters.register_dumper(_Byteas, _ByteasDumper)
adapters.register_dumper(_Instants, _InstantsDumper)


def texts(values: Iterable[str | None]) -> Packed:
    """A text[]."""
    return _Texts(*_run(_TEXT, values, _text))


def byteas(values: Sequence[bytes]) -> Packed:
    """A bytea[]."""
    parts = [_head(_BYTEA, len(values))]
    for value in values:
        parts.append(_LENGTH.pack(len(value)))
        parts.append(value)
    return _Byteas(len(values), b"".join(parts))


def plain(values: Iterable[object]) -> str:
    """The literal of an array whose elements need no quotes: uuid[], bigint[], numeric[], boolean[]."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def quoted(values: Iterable[str]) -> str:
    """The literal of a text[] that is itself an element of an array of texts; none of its elements is NULL."""
    return "{" + ",".join(['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]) + "}"


def ids(values: Iterable[str]) -> str:
    """The literal of a uuid[]."""
    return "{" + ",".join(values) + "}"


def packed_ids(ids_in_bytes: bytes) -> str:
    """The literal of a uuid[], of ids of 16 bytes each, one after the other."""
    digits = ids_in_bytes.hex()
    return "{" + ",".join([digits[start : start + 32] for start in range(0, len(digits), 32)]) + "}"


def instants(values: Iterable[datetime | None]) -> Packed:
    """A timestamptz[]."""
    return _Instants(*_run(_TIMESTAMPTZ, values, _instant))


def _run(kind: int, values: Iterable[Value | None], packed: Callable[[Value], bytes]) -> tuple[int, bytes]:
    """How many elements, and the array. What came together has much in common, so the value before is remembered."""
    elements: list[bytes] = []
    before, element = None, _NULL
    for value in values:
        if value != before:
            before, element = value, _NULL if value is None else packed(value)
        elements.append(element)
    return len(elements), _head(kind, len(elements)) + b"".join(elements)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def _instant(instant: datetime) -> bytes:
    """Microseconds since the epoch of Postgres."""
    since = instant - _EPOCH
    return _INSTANT.pack(_INSTANT_BYTES, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _head(kind: int, elements: int) -> bytes:
    """One dimension, nulls allowed, the type of the elements, how many, and that the first is number 1."""
    return _HEAD.pack(1, 1, kind, elements, 1) if elements else _EMPTY_HEAD.pack(0, 0, kind)
