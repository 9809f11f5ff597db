"""Bodies made to break something, each with the one answer that is right: (name, how it is made, status, reason)."""

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.attack.hostile_wire import with_member, with_value
from tests.events import sale

ASTRAL = "\U0001f9fe"
Answer = tuple[int, str | None]

PROCESSED: Answer = (201, None)
NOT_JSON: Answer = (400, "INVALID_JSON")
TWICE: Answer = (400, "DUPLICATE_MEMBER_NAME")
TOO_DEEP: Answer = (400, "JSON_TOO_DEEP")
NO_EVENT: Answer = (422, "NOT_AN_EVENT")
NO_EVENT_ID: Answer = (422, "UNUSABLE_EVENT_ID")
NO_TENANT_ID: Answer = (422, "UNUSABLE_TENANT_ID")
INEXACT: Answer = (202, "NUMBER_NOT_EXACT")
VIOLATION: Answer = (202, "CONTRACT_VIOLATION")
FUTURE: Answer = (202, "FUTURE_EVENT_TIME")


class Hostile(NamedTuple):
    """One body, given the tenant that sends it, and what it must be told."""

    name: str
    body: Callable[[str], bytes]
    answer: Answer
    is_json: bool = True


def _value(name: str, value: str, answer: Answer, *, is_json: bool = True) -> Hostile:
    return Hostile(f"{name}={value[:60]}", lambda tenant: with_value(tenant, name, value), answer, is_json)


def _member(what: str, spelled: str, answer: Answer, *, is_json: bool = True) -> Hostile:
    return Hostile(what, lambda tenant: with_member(tenant, spelled), answer, is_json)


def _plain(what: str, body: bytes, answer: Answer, *, is_json: bool = False) -> Hostile:
    return Hostile(what, lambda _: body, answer, is_json)


def _encoded(encoding: str) -> Hostile:
    return Hostile(encoding, lambda tenant: json.dumps(sale(tenant)).encode(encoding), NOT_JSON, is_json=False)


def _text(characters: str) -> str:
    return json.dumps(characters, ensure_ascii=False)


def numbers() -> Iterator[Hostile]:
    """Numbers at and beyond what a double holds. In a batch's array they count as JSON, too."""
    exact = ["9007199254740991", "-9007199254740991", "-0.0", "-0", "1E+2", "5e-324", "1.7976931348623157e308", "1e22"]
    inexact = ["9007199254740992", "9007199254740993", "-9007199254740993", "9" * 400, "-" + "9" * 400, "9" * 5000]
    inexact += ["1e400", "-1e400", "1e-400", "1e999999999999", "0.1234567890123456789", "1" + "0" * 400 + ".5"]
    for number in exact:
        yield _value("metadata", f'{{"n":{number}}}', PROCESSED)
    for number in inexact:
        yield _value("metadata", f'{{"n":{number}}}', INEXACT)
        yield _value("total_amount", number, INEXACT)
    for amount in ("4.25E+1", "425e-1", "42.50000000000000", "0.425e+2", '"42.5000000"'):
        yield _value("total_amount", amount, PROCESSED)
    yield _value("total_amount", "4.25E+30", VIOLATION)
    yield _value("total_amount", '"42.5000001"', VIOLATION)
    yield _value("total_amount", '"1e400"', VIOLATION)
    yield _value("total_amount", '"NaN"', VIOLATION)
    yield _value("total_amount", _text("9" * 5000), VIOLATION)
    for number in ("NaN", "Infinity", "-Infinity", "0x10", "01", "+1", "1.", ".5", "1_000"):
        yield _value("total_amount", number, NOT_JSON, is_json=False)


def names_told_twice() -> Iterator[Hostile]:
    """Which one counts cannot be known."""
    yield _member("event_id twice", '"event_id":"other"', TWICE)
    yield _member("event_id twice, escaped", '"event_\\u0069d":"other"', TWICE)
    yield _member("twice, nested", '"metadata":{"a":{"b":1,"b":1}}', TWICE)
    yield _member("twice, escaped and nested", '"metadata":{"a":[{"a":1,"\\u0061":2}]}', TWICE)
    yield _member("twice, spaced", '"metadata":{"a" :1,"a"\\t:2}'.replace("\\t", "\t"), TWICE)
    yield _member("twice, beside an inexact number", '"metadata":{"a":1e400,"a":1}', TWICE)


def broken_texts() -> Iterator[Hostile]:
    """Surrogates without their other half, NUL and other bytes that are no text."""
    for half in ("\\ud800", "\\udc00", "\\udc00\\ud800", "\\ud800x"):
        for name in ("tenant_id", "event_id", "customer_id", "event_type"):
            yield _value(name, f'"{half}"', NOT_JSON, is_json=False)
        yield _member(f"name {half}", f'"{half}":1', NOT_JSON, is_json=False)
        yield _member(f"name within {half}", f'"metadata":{{"{half}":1}}', NOT_JSON, is_json=False)
    for raw in ("\ud800", "\udfff"):  # ED A0 80 and ED BF BF on the wire
        yield _value("customer_id", f'"{raw}"', NOT_JSON, is_json=False)
        yield _member("name of raw bytes", f'"{raw}":1', NOT_JSON, is_json=False)
    yield _value("customer_id", '"\x00"', NOT_JSON, is_json=False)
    yield _value("customer_id", '"\x1f"', NOT_JSON, is_json=False)
    for bad in (b"\xff", b"\xc0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"):
        yield Hostile(f"bytes {bad!r}", lambda tenant, bad=bad: _holding(tenant, bad), NOT_JSON, is_json=False)


def _holding(tenant: str, bad: bytes) -> bytes:
    return with_value(tenant, "customer_id", '"@@"').replace(b"@@", bad)


def nul_and_controls() -> Iterator[Hostile]:
    """What no text of Postgres holds, and what no identifier may."""
    for character in ("\\u0000", "\\u0001", "\\n", "\\u007f", "\\u0085"):
        yield _value("event_id", f'"a{character}"', NO_EVENT_ID)
        yield _value("tenant_id", f'"a{character}"', NO_TENANT_ID)
        for name in ("store_id", "source_system", "txn_id", "customer_id", "schema_version", "source_event_id"):
            yield _value(name, f'"a{character}"', VIOLATION)
    yield _value("event_type", '"SALE\\u0000"', (202, "UNKNOWN_EVENT_TYPE"))
    yield _value("metadata", '{"a\\u0000":"b\\u0000"}', PROCESSED)
    yield _member("an unknown name of NUL", '"\\u0000":"\\u0000"', PROCESSED)
    yield _value("customer_id", '"\\u202egnp.exe\\u200f"', PROCESSED)


def lengths() -> Iterator[Hostile]:
    """255 characters are taken and 256 are not, however many bytes one takes."""
    for one in ("x", "é", ASTRAL):
        yield _value("event_id", _text(one * 255), PROCESSED)
        yield _value("event_id", _text(one * 256), NO_EVENT_ID)
        yield _value("tenant_id", _text(one * 256), NO_TENANT_ID)
        for name in ("store_id", "txn_id", "source_event_id", "customer_id"):
            yield _value(name, _text(one * 255), PROCESSED)
            yield _value(name, _text(one * 256), VIOLATION)
    yield _value("event_id", _text("k" * 3_000), NO_EVENT_ID)
    yield _value("tenant_id", _text("k" * 3_000), NO_TENANT_ID)
    yield _value("event_id", '""', NO_EVENT_ID)
    yield _value("tenant_id", '""', NO_TENANT_ID)
    yield _value("tenant_id", '"_system"', NO_TENANT_ID)
    for no_text in ("5", "null", "true", "[]", '{"a":1}'):
        yield _value("event_id", no_text, NO_EVENT_ID)
        yield _value("tenant_id", no_text, NO_TENANT_ID)


def times() -> Iterator[Hostile]:
    """Instants that are none, or beyond what can be kept."""
    none = ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", "2026-02-25T24:00:01Z", ""]
    none += ["2026-02-25T00:00:00+99:99", "2026-02-25T00:00:00", "2026-02-25", "-2026-02-25T00:00:00Z", "now"]
    none += ["1969-12-31T23:59:59Z", "99999-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-02-25T00:60:00Z"]
    for text in none:
        yield _value("occurred_at", _text(text), VIOLATION)
    for text in ("3000-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999Z"):
        yield _value("occurred_at", _text(text), FUTURE)
    for number in ("0", "1e12", "null", "[]"):
        yield _value("occurred_at", number, VIOLATION)
    yield _value("business_date", '"2026-02-30"', VIOLATION)
    yield _value("business_date", '"0000-00-00"', VIOLATION)


def shapes() -> Iterator[Hostile]:
    """Nests, heaps, and what is no object at all."""
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        inner = "1" if opening != "[" else ""
        for depth in (100, 101, 10_000, 100_000):
            nest = opening * depth + inner + closing * depth
            fits = depth <= 100
            # The event is a level of its own. An array is read no deeper than some 1,000 levels: see below.
            nest = nest[len(opening) : -len(closing)] if fits else nest
            answer = PROCESSED if fits else TOO_DEEP
            yield _member(f"{depth} of {opening}", f'"nest":{nest}', answer, is_json=depth < 1_000)
    yield _plain("a nest without end", b"[" * 50_000, TOO_DEEP)
    yield _value("metadata", '{"a":[' + "null," * 200_000 + "null]}", PROCESSED)
    yield _value("line_items", "[" + "null," * 100_000 + "null]", VIOLATION)
    yield _plain("an array of nulls", b"[" + b"null," * 100_000 + b"null]", NO_EVENT, is_json=True)
    for text in (b"null", b"5", b'"text"', b"true", b"[[]]"):
        yield _plain(f"only {text!r}", text, NO_EVENT, is_json=True)
    yield _plain("an empty object", b"{}", NO_TENANT_ID, is_json=True)
    yield Hostile("a mark of byte order", lambda t: b"\xef\xbb\xbf" + json.dumps(sale(t)).encode(), NOT_JSON, False)
    yield from (_encoded(encoding) for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"))
    yield Hostile("two in one", lambda t: json.dumps(sale(t)).encode() * 2, NOT_JSON, False)
    yield Hostile("half of one", lambda t: json.dumps(sale(t)).encode()[:-20], NOT_JSON, False)
    yield Hostile("over 1 MiB", lambda t: with_value(t, "x", _text("x" * 1_048_576)), (413, "TOO_LARGE"))


KINDS = (numbers, names_told_twice, broken_texts, nul_and_controls, lengths, times, shapes)
