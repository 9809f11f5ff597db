"""Mixed traffic: the same for the same seed, of every kind, and with the outcomes that its own rules lead to."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledgersafe.contracts.envelope import is_usable_id
from ledgersafe.contracts.identity import fingerprint
from ledgersafe.contracts.judge import Expectations, judge
from ledgersafe.kernel.canonical import read_json
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.simulator.sender import Mix, Report, _streams
from ledgersafe.simulator.traffic import (
    DUPLICATE,
    PROCESSED,
    SHARES,
    Outcome,
    Planned,
    expected_counts,
    mixed_traffic,
)

BASE = datetime(2026, 2, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def traffic() -> list[Planned]:
    return mixed_traffic(7, 20_000, "tenant_stores", BASE)


class Gate:
    """The rules of the gate (spec, "Answers"), over a dictionary."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[bytes | None, set[bytes]]] = {}

    def answer(self, body: bytes, now: datetime) -> Outcome:
        try:
            document = read_json(body)
        except RequestRefused as refusal:
            return Outcome(refusal.reason.status, None, refusal.reason.code)
        event: dict[str, Any] = document.value
        key: Any = event.get("event_id")
        if not is_usable_id(key):
            return Outcome(422, None, "UNUSABLE_EVENT_ID")
        mark = fingerprint(event, document)
        if key in self.keys:
            accepted, seen = self.keys[key]
            if mark == accepted:
                return DUPLICATE
            reason = "ALREADY_QUARANTINED" if mark in seen else "IDEMPOTENCY_CONFLICT"
            seen.add(mark)
            return Outcome(202, "quarantined", reason)
        expectations = Expectations.at(now, currency=None, simulated=False, future_seconds=600)
        verdict = judge(event, exact=document.canonical is not None, expectations=expectations)
        assert not verdict.warnings
        reasons = {fault.reason.code for fault in verdict.faults}
        assert len(reasons) <= 1, f"one fault at a time, so that the answer is known: {verdict.faults}"
        self.keys[key] = (None if reasons else mark, {mark})
        return Outcome(202, "quarantined", reasons.pop()) if reasons else PROCESSED


def test_the_expected_outcomes_are_those_of_the_rules(traffic: list[Planned]) -> None:
    gate = Gate()
    wrong = [(event, actual) for event in traffic if (actual := gate.answer(event.body, BASE)) != event.expected]
    assert wrong == []


def test_lanes_may_overtake_each_other(traffic: list[Planned]) -> None:
    gate = Gate()
    by_lane = sorted(traffic, key=lambda event: hash(event.lane))
    assert [event for event in by_lane if gate.answer(event.body, BASE) != event.expected] == []


def test_the_counts_are_those_of_the_rules(traffic: list[Planned]) -> None:
    gate = Gate()
    kept, held = 0, set[str]()
    for event in traffic:
        outcome = gate.answer(event.body, BASE)
        kept += outcome.result is not None
        if outcome.result == "quarantined":
            held.add(str(event.key))
    assert expected_counts(traffic) == (kept, len(gate.keys) - len(held), len(held), len(held))


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert mixed_traffic(1, 3_000, "t", BASE) == mixed_traffic(1, 3_000, "t", BASE)
    assert mixed_traffic(1, 3_000, "t", BASE) != mixed_traffic(2, 3_000, "t", BASE)


def test_outcomes_do_not_depend_on_the_time_of_the_run() -> None:
    one = mixed_traffic(1, 3_000, "t", BASE)
    other = mixed_traffic(1, 3_000, "t", BASE + timedelta(days=100, seconds=17))
    assert [(event.kind, event.key, event.expected) for event in one] == [
        (event.kind, event.key, event.expected) for event in other
    ]


def test_every_kind_has_its_share(traffic: list[Planned]) -> None:
    found = Counter(event.kind for event in traffic)
    assert found.keys() == SHARES.keys()
    assert sum(SHARES.values()) == 1_000
    for kind, share in SHARES.items():
        expected = share * 20
        assert abs(found[kind] - expected) < 5 * expected**0.5 + 5, kind


def test_every_event_fits_a_line_of_ndjson(traffic: list[Planned]) -> None:
    assert all(event.body.strip() and not event.body.startswith(b"[") for event in traffic)
    assert not any(b"\n" in event.body for event in traffic)


def test_respelled_retries_are_spelled_otherwise(traffic: list[Planned]) -> None:
    first = {event.key: event.body for event in traffic if event.expected == PROCESSED}
    retries = [event for event in traffic if event.kind == "respelled retry"]
    assert all(event.body != first[event.key] for event in retries)
    assert any(b"e" in event.body and b".50," in event.body for event in retries)


def test_nothing_is_marked_as_simulated(traffic: list[Planned]) -> None:
    assert not any(b'"simulated"' in event.body for event in traffic)


def test_a_lane_stays_in_one_stream_and_in_order(traffic: list[Planned]) -> None:
    singles, batches = _streams(traffic, Mix())
    where: dict[str, int] = {}
    for number, stream in enumerate([*singles, *batches]):
        assert stream == sorted(stream)
        assert all(where.setdefault(traffic[position].lane, number) == number for position in stream)
    assert sorted(position for stream in [*singles, *batches] for position in stream) == list(range(len(traffic)))
    assert 0.2 < sum(map(len, singles)) / len(traffic) < 0.3


def test_a_report_names_what_was_answered_otherwise(traffic: list[Planned]) -> None:
    planned = traffic[:10]
    actual = [event.expected for event in planned]
    assert Report(planned, actual, 2.0).differences() == []
    assert Report(planned, actual, 2.0).rate() == 5.0
    actual[3] = Outcome(503, None, "QUEUE_FULL")
    (difference,) = Report(planned, actual, 2.0).differences()
    assert (difference.position, difference.planned, difference.actual) == (3, planned[3], actual[3])
    assert (actual[3], 0, 1) in Report(planned, actual, 2.0).by_outcome()
