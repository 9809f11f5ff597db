"""Canonical JSON: one form for every spelling, and no form at all for what no double holds."""

import json
import math
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgersafe.kernel.canonical import (
    MAX_DEPTH,
    canonicalise,
    is_exact,
    read_as_spelled,
    read_exactly,
    read_json,
    written,
)
from ledgersafe.kernel.errors import RequestRefused

TRICKY_NAMES = [
    "",
    "a",
    "b",
    ":",
    'a":',
    '":',
    "\\",
    '\\"',
    "é",
    "\ue000",
    "\uffff",
    "\U0001f600",
    "\U00010000",
    "\x00",
]
names = st.sampled_from(TRICKY_NAMES) | st.text(max_size=5)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | st.text(max_size=8) | st.sampled_from([*TRICKY_NAMES, ":x", '":x'])
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=20
)
spaces = st.sampled_from(["", "", " ", "\t", "\n", "\r", " \r\n"])


def reference(value: Any) -> bytes | None:
    """RFC 8785 by the book: the library alone, or None where an integer is beyond what a double surely holds."""
    try:
        return rfc8785.dumps(value)
    except rfc8785.IntegerDomainError:
        return None


@settings(max_examples=300, deadline=None)
@given(value=values, as_ascii=st.booleans(), indent=st.none() | st.integers(0, 2))
def test_reading_gives_the_form_of_rfc_8785(value: Any, as_ascii: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=as_ascii, indent=indent).encode()
    assert read_json(body).canonical == reference(value)


@settings(max_examples=300, deadline=None)
@given(value=values)
def test_the_fast_road_gives_what_the_slow_road_gives(value: Any) -> None:
    parsed = read_json(json.dumps(value).encode()).value
    slow = canonicalise(parsed, may_need_care=True)
    if all(name < "\ue000" for name in member_names(value)):
        assert canonicalise(parsed, may_need_care=False) == slow
    assert slow == reference(value)


def member_names(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(name for child in value.values() for name in member_names(child))]
    return [name for child in value for name in member_names(child)] if isinstance(value, list) else []


@settings(max_examples=300, deadline=None)
@given(value=values)
def test_the_canonical_form_is_its_own_canonical_form(value: Any) -> None:
    canonical = read_json(json.dumps(value).encode()).canonical
    if canonical is not None:
        # A whole float beyond 2^53 is written as an integer, which, read as one, is no longer exact.
        assert read_json(canonical).canonical in (canonical, None)
        assert read_json(canonical).canonical == canonical or holds_a_wide_whole_number(value)


def holds_a_wide_whole_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(holds_a_wide_whole_number(child) for child in value.values())
    if isinstance(value, list):
        return any(holds_a_wide_whole_number(child) for child in value)
    return isinstance(value, float) and value.is_integer() and abs(value) >= 2**53


@st.composite
def spelled_strings(draw: st.DrawFn, text: str) -> str:
    """A JSON string: each character as it is, or as an escape."""
    written = []
    for character in text:
        if draw(st.booleans()) or character in '"\\' or character < " ":
            units = character.encode("utf-16-be")
            written += [f"\\u{units[at]:02x}{units[at + 1]:02X}" for at in range(0, len(units), 2)]
        else:
            written.append(character)
    return '"' + "".join(written) + '"'


@st.composite
def spelled_texts(draw: st.DrawFn, depth: int = 3) -> tuple[str, bool]:
    """(a JSON text in some odd spelling, whether one of its objects names a member twice)."""
    kind = draw(st.sampled_from(["leaf", "array", "object", "object"] if depth else ["leaf"]))
    if kind == "leaf":
        return draw(
            st.sampled_from(TRICKY_NAMES).flatmap(spelled_strings) | st.sampled_from(["1", "1.50", "1e400"])
        ), False
    children = draw(st.lists(spelled_texts(depth=depth - 1), max_size=3))
    twice = any(duplicated for _, duplicated in children)
    texts = [text for text, _ in children]
    if kind == "object":
        chosen = [draw(st.sampled_from(TRICKY_NAMES)) for _ in children]
        twice |= len(set(chosen)) < len(chosen)
        texts = [
            draw(spaces) + draw(spelled_strings(name)) + draw(spaces) + ":" + draw(spaces) + text
            for name, text in zip(chosen, texts, strict=True)
        ]
    opening, closing = "{}" if kind == "object" else "[]"
    return draw(spaces) + opening + ",".join(texts) + draw(spaces) + closing, twice


@settings(max_examples=500, deadline=None)
@given(spelled=spelled_texts())
def test_a_name_given_twice_is_found_however_it_is_spelled(spelled: tuple[str, bool]) -> None:
    text, named_twice = spelled
    if not named_twice:
        read_json(text.encode())
        return
    with pytest.raises(RequestRefused) as refused:
        read_json(text.encode())
    assert refused.value.reason.code == "DUPLICATE_MEMBER_NAME"


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a" :1,"a":2}',
        '{"a"\n:1,"a"\t:2}',
        r'{"a":1,"\u0061":2}',
        r'{"\":":1,"\":":1}',
        r'{"x":[{"y":{"a":1,"b":2,"a":3}}]}',
        '{"x":":","x":1}',
        '{"😀":1,"\\ud83d\\ude00":2}',
        '{"a":1e400,"a":2}',
        '{"a":' + "9" * 5000 + ',"a":2}',
        '{"":0,"":0}',
    ],
)
def test_these_duplicates_are_refused(text: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_json(text.encode())
    assert refused.value.reason.code == "DUPLICATE_MEMBER_NAME"


@pytest.mark.parametrize(
    "text",
    ['{"a":{"a":{"a":1}}}', '[{"a":1},{"a":1}]', '{"a":"\\"a\\":","b":":"}', '{"é":1,"e\u0301":2}', '{"A":1,"a":2}'],
)
def test_these_only_look_like_duplicates(text: str) -> None:
    assert read_json(text.encode()).value == json.loads(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("12.50", "12.5"),
        ("30.0", "30"),
        ("1E2", "100"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("1e21", "1e+21"),
        ("100000000000000000000.0", "100000000000000000000"),
        ("9007199254740991", "9007199254740991"),
        ("5e-324", "5e-324"),
        ('{"b":1,"a":2,"\\u20ac":3,"\\ud83d\\ude00":4,"\\ufb33":5}', '{"a":2,"b":1,"€":3,"😀":4,"\ufb33":5}'),
        ('"\\u0007\\b\\/\\u007f"', '"\\u0007\\b/\x7f"'),
    ],
)
def test_these_have_this_form(text: str, canonical: str) -> None:
    assert read_json(text.encode()).canonical == canonical.encode()


@pytest.mark.parametrize(
    "number",
    [
        "9007199254740992",
        "-9007199254740993",
        "12345678901234567890123",
        "9" * 5000,
        "0.1000000000000000055",
        "1e400",
        "-1e400",
        "4.9e-324",
        "1e-400",
        "1e999999999999999999999",
        "1e-999999999999999999999",
        "0.30000000000000004440892098500626",
    ],
)
def test_a_number_that_no_double_holds_is_read_but_has_no_form(number: str) -> None:
    body = f'{{"a":[{number}]}}'.encode()
    document = read_json(body)
    assert document.canonical is None
    assert not is_exact(document.value)
    assert document.fingerprint() == sha256(body).digest()


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_in_its_shortest_spelling_is_exact(number: float) -> None:
    document = read_json(repr(number).encode())
    assert document.canonical is not None
    assert math.isclose(float(document.canonical), number, rel_tol=0, abs_tol=0)


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_depth(brackets: str) -> None:
    opening, closing = ("[", "]") if brackets == "[]" else ('{"a":', "}")
    innermost = brackets
    deep = opening * (MAX_DEPTH - 1) + innermost + closing * (MAX_DEPTH - 1)
    assert read_json(deep.encode()).canonical == deep.encode()
    for levels in (MAX_DEPTH, 1_000, 100_000):
        with pytest.raises(RequestRefused) as refused:
            read_json((opening * levels + innermost + closing * levels).encode())
        assert refused.value.reason.code == "JSON_TOO_DEEP"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'["\\udc00\\ud800"]',
        b'["\x00"]',
        b"NaN",
        b"[1] x",
        b"{}{}",
        b"'a'",
        b"[01]",
        b"[" + b"9" * 5000 + b",NaN]",
        b"[" + b"9" * 5000 + b",-Infinity]",
        b"[" + b"9" * 5000 + b',"\\ud800"]',
        "{}".encode("utf-16"),
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_json(body)
    assert refused.value.reason.code == "INVALID_JSON"


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=40) | st.text('{}[]",:\\u0123eE+-. ntfalsr', max_size=25).map(str.encode))
def test_any_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        document = read_json(body)
    except RequestRefused:
        with pytest.raises(ValueError):
            json.loads(body.decode("utf-8"), object_pairs_hook=strictly, parse_constant=strictly)
    else:
        assert document.canonical is None or json.loads(body) == document.value


def strictly(members: Any) -> dict[str, Any]:
    """What json.loads lets pass and we do not."""
    if isinstance(members, str) or len(dict(members)) < len(members):
        raise ValueError(members)
    return dict(members)


texts = st.recursive(
    st.booleans() | st.text(max_size=8) | st.sampled_from(TRICKY_NAMES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(names, texts, max_size=4))
def test_what_we_write_is_what_we_would_read(value: dict[str, Any]) -> None:
    found, read = written(value), read_json(json.dumps(value, ensure_ascii=False).encode())
    assert (found.value, found.canonical) == (read.value, read.canonical)
    assert read_json(found.body) == found


@settings(max_examples=300, deadline=None)
@given(value=values)
def test_what_is_shown_is_what_was_written(value: Any) -> None:
    """Each number as it is, or as the text that it came as."""
    body = json.dumps(value).encode()
    shown = read_as_spelled(body)
    assert shown == json.loads(body, parse_int=lambda text: int(text) if abs(int(text)) < 2**53 else text)
    if shown == value:
        assert read_exactly(body) == value
    else:
        with pytest.raises(RequestRefused) as refused:
            read_exactly(body)
        assert refused.value.reason.code == "INVALID_PARAMETER"


@pytest.mark.parametrize(
    "number", ["1e400", "90071992547409.93", "10.000000000000000001", "9" * 5_000, "-9007199254740992"]
)
def test_a_number_that_no_double_holds(number: str) -> None:
    body = b'{"a~b": [1, %s]}' % number.encode()
    assert read_as_spelled(body) == {"a~b": [1, number]}
    with pytest.raises(RequestRefused, match=r"\(/a~0b/1\): put it in quotation marks"):
        read_exactly(body)
