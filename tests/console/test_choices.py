"""What the page of an exception offers for each fault, and its patches."""

from html import escape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgersafe.console.parts.choices import Choice, choices, on_open_day
from ledgersafe.console.parts.patches import NotAPatch, patch_between, patched, read_patch, to_begin_with, touched
from ledgersafe.console.parts.payloads import no_difference
from ledgersafe.console.parts.pretty import json_html, json_lines, short
from ledgersafe.console.parts.queue import Chosen
from ledgersafe.console.parts.runs import decision
from tests.events import sale

_VALUES = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)
_EVENTS = st.dictionaries(st.text(max_size=2), _VALUES, max_size=4)


def offered(event: dict[str, Any], *codes: str, door: str = "native") -> dict[str, Choice]:
    """The choices for an event parked for these reasons, by name."""
    arrival = {"raw_id": "r1", "door": door, "payload_json": event, "received_at": "2026-02-25T10:00:00Z"}
    faults = [{"reason_code": code, "path": "", "message": ""} for code in codes]
    answer = {
        "exception": {"reason_code": codes[0], "details_json": faults},
        "payloads": [{"raw_id": "r1", "decision": "open"}],
        "first_raw_event": arrival,
        "last_raw_event": arrival,
    }
    return {choice.name: choice for choice in choices(answer)}


def test_a_negative_return_may_be_a_sale() -> None:
    line = {"sku": "M", "qty": "-1", "unit_price": "373.57", "amount": "-373.57"}
    found = offered(sale("t", event_type="RETURN", total_amount="-373.57", line_items=[line]), "NEGATIVE_AMOUNT")
    assert list(found) == ["turned", "unsigned", "patch", "replay", "ignore"]
    mended = {"sku": "M", "qty": "1", "unit_price": "373.57", "amount": "373.57"}
    assert found["unsigned"].patch == {"total_amount": "373.57", "line_items": [mended]}
    assert found["turned"].patch == {"event_type": "SALE", "total_amount": "373.57", "line_items": [mended]}


@pytest.mark.parametrize("amount", ["1e999999999", "NaN", "Infinity", True, None, [], {}, "9" * 5_000])
def test_amounts_that_are_none_are_left_alone(amount: object) -> None:
    """One with an exponent would be spelled out digit by digit."""
    lines = [{"sku": "A", "qty": 1, "amount": amount}]
    event = sale("t") | {"total_amount": amount, "line_items": lines, "discount_amount": amount}
    for code in ("TOTALS_MISMATCH", "NEGATIVE_AMOUNT"):
        assert all(len(choice.title) < 100 for choice in offered(event, code).values())


def test_the_total_is_what_the_lines_make() -> None:
    event = sale("t", total_amount="99.00", discount_amount="2.50", tax_amount="1.00", rounding_amount="0.02")
    assert offered(event, "TOTALS_MISMATCH")["total"].patch == {"total_amount": "41.02"}
    included = offered(event | {"tax_included": True}, "TOTALS_MISMATCH")
    assert included["total"].patch == {"total_amount": "40.02"}


def test_the_total_alone_is_the_last_that_is_offered() -> None:
    found = offered(sale("t", total_amount="-99.00"), "TOTALS_MISMATCH", "NEGATIVE_AMOUNT")
    assert list(found) == ["turned", "unsigned", "patch", "replay", "ignore", "total"]
    assert "Only if the receipt shows" in found["total"].meaning


def test_an_open_day_is_a_choice_of_its_own() -> None:
    found = offered(sale("t"), "PERIOD_LOCKED")
    assert list(found) == ["replay", "patch", "ignore"]
    made = on_open_day(found["replay"])
    assert (made.name, made.title, made.on_open_day) == ("replay-open-day", "Book it on an open day", True)
    assert on_open_day(found["ignore"]).title == "Let it go, booked on an open day"


def test_a_body_that_is_no_event_is_offered_the_plain_ways() -> None:
    assert list(offered({"data": {}}, "NEGATIVE_AMOUNT", door="cloudevents-structured")) == [
        "patch",
        "replay",
        "ignore",
    ]


@given(_EVENTS, _EVENTS)
def test_a_patch_between_two_events_makes_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    patch = patch_between(before, after)
    assert patched(before, patch) == after
    assert bool(touched(patch)) == (before != after)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "line 1"),
        ("[]", "a JSON object"),
        ('{"a": NaN}', "not JSON"),
        ('{"a": [{"b/c": 90071992547409.93}]}', r"90071992547409\.93 \(/a/0/b~1c\): put it in quotation marks"),
        ('{"a": 1e400}', r"1e400 \(/a\)"),
        ('{"a": 9007199254740993}', r"9007199254740993 \(/a\)"),
        (f'{{"a": {"9" * 7_000}}}', r"9{60}… \(/a\)"),
        ('{"a": "99.00", "a": "10.00"}', "'a' occurs twice"),
        ('{"a": ' + "[" * 2_000 + "]" * 2_000 + "}", "deeper than 100 levels"),
        ('{"a": "\ud800"}', "not JSON|not UTF-8"),
        ('{"a": "\\ud800"}', "not JSON"),
    ],
)
def test_what_is_no_patch_says_why(text: str, why: str) -> None:
    with pytest.raises(NotAPatch, match=why):
        read_patch(text)


def test_a_patch_begins_with_what_is_at_fault() -> None:
    event = {"tenant_id": "t", "a/b": 1, "lines": [1, 2], "x": 3}
    paths = ["/lines/0/qty", "/a~1b", "", "/tenant_id", "/gone"]
    begun = read_patch(to_begin_with(event, paths))
    assert begun == {"lines": [1, 2], "a/b": 1, "gone": None}
    assert patched(event, begun) == event
    assert read_patch(to_begin_with(None, paths)) == {"lines": "", "a/b": "", "gone": ""}


def test_a_patch_is_what_was_typed() -> None:
    typed = read_patch('{"a": 30.0, "b": 0.1, "c": 9007199254740991, "d": "90071992547409.93", "e": 1e2}')
    assert typed == {"a": 30.0, "b": 0.1, "c": 9007199254740991, "d": "90071992547409.93", "e": 100.0}
    assert {type(value) for value in typed.values()} == {int, float, str}, "such as the client can send"


@given(_EVENTS)
def test_pretty_json_is_the_same_json(event: dict[str, Any]) -> None:
    assert read_patch("\n".join(line.text for line in json_lines(event))) == event


def test_what_turns_letters_round_is_shown_by_its_number() -> None:
    """A name could make up an amount beside the one that is there; what is shown is the same JSON still."""
    event = {"na\u2066me": "\u202e00.01 latot\x7f\u200f", "plain": "é €\t1.00"}
    spelled = r'"na\u2066me": "\u202e00.01 latot\u007f\u200f"'
    html = json_html(event, (), "x")
    assert escape(spelled) in html
    assert "é €" in html
    begun = to_begin_with(event, ["/na\u2066me"])
    assert spelled in begun
    assert read_patch(begun) == {"na\u2066me": event["na\u2066me"]}
    assert short(event["na\u2066me"]) == r'"\u202e00.01 latot\u007f\u200f"'


def test_the_same_is_only_what_has_one_fingerprint() -> None:
    sides = {f"{name}_raw_event": {"raw_id": name} for name in ("first", "last")}
    alike = [{"raw_id": name, "fingerprint": "f1"} for name in ("first", "last")]
    other = [alike[0], {"raw_id": "last", "fingerprint": "f2"}]
    assert no_difference(sides | {"payloads": alike}) == "FIRST and LAST are the same."
    assert "**not** the same" in no_difference(sides | {"payloads": other})


def test_marks_and_markup() -> None:
    html = json_html({"<b>": {"x": "</pre><script>"}, "lines": [1, 2]}, ["/<b>", "/lines/1"], 'a "name"')
    assert html.count("<mark") == 4
    assert "<script>" not in html
    assert "<b>" not in html
    assert 'aria-label="a &quot;name&quot;"' in html


def test_what_a_bulk_run_decides_is_said_in_words() -> None:
    replay = {"action": "override_and_replay", "canonical": "last", "patch": {"currency": "EUR"}}
    assert decision(replay | {"books_date": "2026-02-01"}) == "LAST counts, patched, booked on 2026-02-01"
    assert decision(replay | {"patch": None, "books_date": None}) == "LAST counts"


def test_the_filters_of_a_queue_are_said_as_their_fields_are_called() -> None:
    chosen = Chosen("open", "PERIOD_LOCKED", None, None, "1 hour", "q-")
    assert chosen.in_words() == "Reason: PERIOD_LOCKED · Older than: 1 hour · Text: q-"
    assert Chosen("open", None, None, None, None, None).in_words() == "all that were open"
