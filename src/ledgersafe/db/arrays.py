"""Array parameters, packed for speed: a batch is sent as one array a column.

psycopg writes a list element by element, in text with escapes, and bytea as hex. These halve what a batch costs the
client: text and bytea go in PostgreSQL's binary array format; what needs no escapes goes as one text literal, whose
type the statement names (`%(raw_ids)s::uuid[]`).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from psycopg import adapters
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_TEXT, _BYTEA = 25, 17
_NULL = (-1).to_bytes(4, "big", signed=True)


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


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Packed) -> Buffer:
        return obj.data


class _TextsDumper(_PackedDumper):
    oid = 1009


class _ByteasDumper(_PackedDumper):
    oid = 1001


adapters.register_dumper(_Texts, _TextsDumper)
adapters.register_dumper(_Byteas, _ByteasDumper)


def texts(values: Sequence[str | None]) -> Packed:
    """A text[]."""
    return _Texts(len(values), _pack(_TEXT, [None if value is None else value.encode() for value in values]))


def byteas(values: Sequence[bytes]) -> Packed:
    """A bytea[]."""
    return _Byteas(len(values), _pack(_BYTEA, values))


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


def instants(values: Iterable[datetime | None]) -> str:
    """The literal of a timestamptz[]. In UTC: Postgres takes no offset of 16 hours and more, ISO 8601 does."""
    return "{" + ",".join(["NULL" if value is None else value.astimezone(UTC).isoformat() for value in values]) + "}"


def _pack(element: int, values: Sequence[bytes | None]) -> bytes:
    head = (1, 1, element, len(values), 1) if values else (0, 0, element)
    parts = [number.to_bytes(4, "big") for number in head]
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            parts.append(len(value).to_bytes(4, "big"))
            parts.append(value)
    return b"".join(parts)
