"""Reading JSON strictly, and writing it canonically (RFC 8785), so that a retry can be told from a conflict.

The fast road is two passes in C: msgspec reads, orjson writes sorted. orjson's output is RFC 8785 only while no float
needs an exponent, no integer passes 2^53 and no member name lies beyond U+DFFF, so whatever could be otherwise takes
the slow road through the `rfc8785` library. Both roads give the same bytes; tests hold them against each other.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, NoReturn, cast

import msgspec
import orjson
import rfc8785

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import DUPLICATE_MEMBER_NAME, INVALID_JSON, INVALID_PARAMETER, JSON_TOO_DEEP

CANONICALISATION_VERSION = 1
"""Stored beside every fingerprint; a change of the rules below needs a new number."""

MAX_DEPTH = 100
_LARGEST_EXACT_INTEGER = 2**53 - 1
_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_DATACLASS
_BEYOND_UTF16_ORDER = re.compile(rb"[\xee-\xff]")
_DIGITS_A_DOUBLE_ALWAYS_HOLDS = 15
_MOST_TOLD = 60
"""Characters of a number, in what is said of it: it may be of any length."""


class _OddFloat(float):
    """An exact float whose shortest spelling may need an exponent: orjson refuses it, which leads to the slow road."""


_OddFloat.__name__ = "float"  # what senders are told of a wrong type names the type


@dataclass(frozen=True, slots=True)
class InexactNumber:
    """A JSON number that no double holds, as it was spelled. It should have been a string."""

    text: str


def _read_float(text: str) -> int | float | InexactNumber:
    """A JSON number with a fraction or an exponent; whole ones become int, as RFC 8785 writes 30.0 as 30."""
    number = float(text)
    if len(text) > _DIGITS_A_DOUBLE_ALWAYS_HOLDS or "e" in text or "E" in text:
        if not _is_spelling_of(text, number):
            return InexactNumber(text)
        if number.is_integer() and abs(number) <= _LARGEST_EXACT_INTEGER:
            return int(number)
        return _OddFloat(number)
    if number.is_integer():
        return int(number)
    return number if abs(number) > 1e-5 else _OddFloat(number)


def _is_spelling_of(text: str, number: float) -> bool:
    try:
        return Decimal(text) == Decimal(repr(number))
    except InvalidOperation:  # an exponent beyond what even Decimal reads
        return False


_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=_read_float)


class Document(msgspec.Struct, frozen=True):
    """One JSON text: its exact bytes, its value, and its canonical form (None where a number is not exact).

    `is_plain`: it is ASCII without escapes, so that none of its texts holds a control character, or any beyond ASCII.
    """

    body: bytes
    value: Any
    canonical: bytes | None
    is_plain: bool = False

    def fingerprint(self) -> bytes:
        """SHA-256 of the canonical form, or of the exact bytes where there is none."""
        return sha256(self.canonical if self.canonical is not None else self.body).digest()


def read_json(body: bytes) -> Document:
    """Parse one JSON text (RFC 8259).

    Raises RequestRefused: INVALID_JSON, JSON_TOO_DEEP, DUPLICATE_MEMBER_NAME.
    """
    try:
        value = _decoder.decode(body)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError as error:
        raise RequestRefused(INVALID_JSON, f"The body is not UTF-8: {error.reason}.") from None
    except msgspec.DecodeError as error:
        if "out of range" not in str(error):
            surrogate = b"\\ud" in body.lower() and "truncated" in str(error)
            raise _no_json("an escape such as \\ud800 alone is no character" if surrogate else str(error)) from None
        value = _read_with_huge_integers(body)
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise _too_deep()
    is_plain = _is_plain(body)
    canonical = canonicalise(value, may_need_care=not is_plain and _may_need_care(body))
    if not _surely_without_duplicates(body, canonical):
        json.loads(body, object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)
    return Document(body, value, canonical, is_plain)


def read_exactly(body: bytes) -> Any:
    """The value of a JSON text, whose numbers are Python's own and each what was written.

    Raises RequestRefused: as `read_json` does; INVALID_PARAMETER, a number that no double holds, with its place.
    """
    document = read_json(body)
    if document.canonical is None:
        place, number = next(_inexact(document.value, ""))
        told = f"{number[:_MOST_TOLD]}{'…' if len(number) > _MOST_TOLD else ''} ({place or 'all of it'})"
        raise RequestRefused(INVALID_PARAMETER, f"No double holds the number {told}: put it in quotation marks.")
    return orjson.loads(body)


def read_as_spelled(body: bytes) -> Any:
    """The same of any text, for showing: a number that no double holds is a text, spelled as it came.

    Raises RequestRefused as `read_json` does.
    """
    if read_json(body).canonical is not None:
        return orjson.loads(body)
    return json.loads(body, parse_int=_shown_integer, parse_float=_shown_float)


def written(value: Any) -> Document:
    """A value of ours as a JSON text in canonical form. It holds texts, booleans, lists and objects, and no numbers."""
    body = orjson.dumps(value, option=_SORTED)
    if _may_need_care(body):
        return read_json(body)  # where members stand, or how a character is escaped, may be another
    return Document(body, value, body, _is_plain(body))


def canonicalise(value: Any, *, may_need_care: bool = True) -> bytes | None:
    """The RFC 8785 form of a parsed value, or None where one of its numbers is not exact.

    `may_need_care=False` promises that no member name holds a character beyond U+DFFF.
    """
    if not may_need_care:
        try:
            return orjson.dumps(value, option=_SORTED)
        except TypeError:
            pass  # an odd float, a wide integer or an inexact number: the slow road tells which
    if not is_exact(value):
        return None
    return rfc8785.dumps(value)


def _is_plain(body: bytes) -> bool:
    return body.isascii() and b"\\" not in body and b"\x7f" not in body


def _may_need_care(body: bytes) -> bool:
    """Whether a member name of a JSON text may hold a character beyond U+DFFF: by itself, or as an escape."""
    return b"\\u" in body or not (body.isascii() or _BEYOND_UTF16_ORDER.search(body) is None)


def _surely_without_duplicates(body: bytes, canonical: bytes | None) -> bool:
    """Whether counting proves that no member name was lost in parsing.

    Every member has a colon, and so may texts. What parsing drops of a repeated member, its colon and those of its
    name and value, is missing in the canonical form; only `\\u003a` writes a colon otherwise.
    """
    return canonical is not None and body.count(b":") == canonical.count(b":") and b"\\u" not in body


def _refuse_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for name, value in members:
        if name in seen:
            raise RequestRefused(DUPLICATE_MEMBER_NAME, f"The member name {name[:100]!r} occurs twice in one object.")
        seen[name] = value
    return seen


def _read_with_huge_integers(body: bytes) -> Any:
    """The same, for a text with an integer so long that msgspec gives up on it."""
    try:
        value = json.loads(body, parse_int=_read_integer, parse_float=_read_float, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise _no_json(str(error)) from None
    return value


def _read_integer(text: str) -> int | InexactNumber:
    return InexactNumber(text) if len(text) > _DIGITS_A_DOUBLE_ALWAYS_HOLDS + 2 else int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise _no_json(f"{name} is no number")


def _no_json(why: str) -> RequestRefused:
    return RequestRefused(INVALID_JSON, f"The body is not JSON: {why}.")


def _too_deep() -> RequestRefused:
    return RequestRefused(JSON_TOO_DEEP, f"The JSON nests deeper than {MAX_DEPTH} levels.")


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return cast("dict[str, Any]", node).values()
    return cast("list[Any]", node) if isinstance(node, list) else ()


def _shown_integer(text: str) -> int | str:
    number = _read_integer(text)
    return number if isinstance(number, int) and abs(number) <= _LARGEST_EXACT_INTEGER else text


def _shown_float(text: str) -> float | str:
    number = float(text)
    return number if _is_spelling_of(text, number) else text


def _inexact(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """(JSON Pointer, spelling) of each number of a parsed value that no double holds."""
    if isinstance(value, dict):
        for name, child in cast("dict[str, Any]", value).items():
            yield from _inexact(child, f"{path}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, child in enumerate(cast("list[Any]", value)):
            yield from _inexact(child, f"{path}/{index}")
    elif not is_exact(value):
        yield path, value.text if isinstance(value, InexactNumber) else str(value)


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def is_exact(value: Any) -> bool:
    """Whether a double holds every number of a parsed value."""
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, InexactNumber) or (type(node) is int and abs(node) > _LARGEST_EXACT_INTEGER):
            return False
        pending.extend(_children(node))
    return True
