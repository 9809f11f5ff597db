"""Every state of a key × every arrival."""

from typing import get_args

import pytest

from ledgersafe.gate.rules import Answer, Decision, answer, decision_after

SAME, OTHER, NEW = b"same", b"other", b"new"

OF_A_KNOWN_PAYLOAD = {
    "accepted": Answer.DUPLICATE,
    "patched-accepted": Answer.DUPLICATE,
    "superseded": Answer.SUPERSEDED,
    "ignored": Answer.IGNORED,
    "open": Answer.ALREADY_HELD,
}


def test_the_table_below_names_every_decision() -> None:
    assert set(OF_A_KNOWN_PAYLOAD) == set(get_args(Decision))


@pytest.mark.parametrize(("valid", "expected"), [(True, Answer.PROCESSED), (False, Answer.PARKED)])
def test_the_first_arrival_of_a_key(valid: bool, expected: Answer) -> None:
    assert answer(None, NEW, valid=valid) is expected


@pytest.mark.parametrize("valid", [True, False])
@pytest.mark.parametrize("other", [None, *OF_A_KNOWN_PAYLOAD])
@pytest.mark.parametrize(("decision", "expected"), OF_A_KNOWN_PAYLOAD.items())
def test_a_known_payload_is_answered_from_what_was_decided(
    decision: Decision, expected: Answer, other: Decision | None, valid: bool
) -> None:
    known: dict[bytes, Decision] = {SAME: decision} | ({OTHER: other} if other else {})
    assert answer(known, SAME, valid=valid) is expected


@pytest.mark.parametrize("valid", [True, False])
@pytest.mark.parametrize("decision", OF_A_KNOWN_PAYLOAD)
def test_an_unknown_payload_of_a_known_key_is_a_conflict(decision: Decision, valid: bool) -> None:
    assert answer({SAME: decision}, NEW, valid=valid) is Answer.CONFLICT


def test_only_a_valid_first_arrival_is_accepted() -> None:
    assert [given for given in Answer if decision_after(given) == "accepted"] == [Answer.PROCESSED]
