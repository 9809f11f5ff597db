"""Taking a batch apart: each item with its exact bytes, in bounded memory."""

import json
import re

import msgspec

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import EMPTY_BATCH, INVALID_JSON, TOO_MANY_EVENTS

LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
"""Media types whose items are lines, whatever the first of them begins with."""

_COMMAS_IN_MEMORY = 1_000_000
_BLANK_LINES = 4
_SPACE = re.compile(r"[ \t\r\n]*")
_raw_items = msgspec.json.Decoder(list[msgspec.Raw])


def items_of(body: bytes, media_type: str, most: int) -> list[bytes]:
    """The items of a batch, each with its exact bytes: of a JSON array, or the lines of NDJSON; `most` at most.

    Raises RequestRefused, and before it has taken more memory than a batch of that many may.
    """
    if media_type not in LINES and body.lstrip(b" \t\r\n")[:1] == b"[":
        items = _array_items(body, most)
    else:
        if body.count(b"\n") > _BLANK_LINES * most:
            raise _too_many(most)
        items = [line for line in (line.strip(b" \t\r") for line in body.split(b"\n")) if line]
    if not items:
        raise RequestRefused(EMPTY_BATCH, "The batch holds no event.")
    if len(items) > most:
        raise _too_many(most)
    return items


def _array_items(body: bytes, most: int) -> list[bytes]:
    try:
        if body.count(b",") < _COMMAS_IN_MEMORY:
            return [bytes(item) for item in _raw_items.decode(body)]
        return _array_items_one_by_one(body, most)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise RequestRefused(INVALID_JSON, f"The batch is no JSON array: {error}.") from None


def _array_items_one_by_one(body: bytes, most: int) -> list[bytes]:
    """For bodies that may hold millions of items: stops at the first that is too many.

    Read as Latin-1, positions in the text are positions in the bytes; each item is read properly later.
    """
    text, decoder, items = body.decode("latin-1"), json.JSONDecoder(), list[bytes]()
    position = _SPACE.match(text, text.index("[") + 1).end()  # type: ignore[union-attr]  # it matches nothing, too
    while text[position : position + 1] != "]":
        _, end = decoder.raw_decode(text, position)
        items.append(body[position:end])
        if len(items) > most:
            raise _too_many(most)
        position = _SPACE.match(text, end).end()  # type: ignore[union-attr]
        if text[position : position + 1] == ",":
            position = _SPACE.match(text, position + 1).end()  # type: ignore[union-attr]
        elif text[position : position + 1] != "]":
            raise ValueError(f"a comma is missing at byte {position}")
    if text[position + 1 :].strip(" \t\r\n"):
        raise ValueError(f"something follows the array at byte {position + 1}")
    return items


def _too_many(most: int) -> RequestRefused:
    return RequestRefused(TOO_MANY_EVENTS, f"The batch holds more than {most} events; send fewer at a time.")
