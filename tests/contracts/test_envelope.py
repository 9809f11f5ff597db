"""What every event has in common, and that every fault is told, not just the first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from tests.contracts.judging import NOW, faults, reason_codes, verdict
from tests.events import sale

REQUIRED = ["schema_version", "store_id", "source_system", "occurred_at", "txn_id", "line_items", "total_amount"]
NAMES = ["store_id", "source_system", "txn_id", "source_event_id", "register_id", "cashier_id", "customer_id"]

THE_EXAMPLE_OF_THE_SPECIFICATION = (
    b'{"schema_version":"1.0","tenant_id":"tenant_demo","store_id":"store_001","source_system":"pos_sim",'
    b'"event_id":"evt-1001","source_event_id":"src-1001","event_type":"SALE","occurred_at":"2026-02-25T00:00:00Z",'
    b'"txn_id":"txn-9001","currency":"USD","total_amount":42.5,'
    b'"line_items":[{"sku":"SKU-AAA","qty":1,"amount":30.0},{"sku":"SKU-BBB","qty":1,"amount":12.5}]}'
)


def test_the_example_of_the_specification_passes_as_it_stands() -> None:
    given = verdict(THE_EXAMPLE_OF_THE_SPECIFICATION)
    assert (given.faults, given.warnings) == ((), ())
    assert (str(given.amount), given.currency) == ("42.5", "USD")


@pytest.mark.parametrize("name", REQUIRED)
def test_each_required_field_is_missed(name: str) -> None:
    assert faults(sale("t", **{name: None})) == [("CONTRACT_VIOLATION", f"/{name}")]


def test_every_fault_is_listed_not_just_the_first() -> None:
    event = sale(
        "t",
        store_id="",
        occurred_at="yesterday",
        txn_id=None,
        business_date="2026-02-30",
        total_amount="1e3",
        line_items=[{"qty": 1, "amount": "x"}, "line", {"sku": "s", "qty": None, "amount": 1, "line_no": 0}],
    )
    assert sorted(path for _, path in faults(event)) == [
        "/business_date",
        "/line_items/0/amount",
        "/line_items/0/sku",
        "/line_items/1",
        "/line_items/2/line_no",
        "/line_items/2/qty",
        "/occurred_at",
        "/store_id",
        "/total_amount",
        "/txn_id",
    ]


def test_faults_of_several_kinds_are_listed_together() -> None:
    event = sale(
        "t", currency="XXY", simulated=True, occurred_at="2030-01-01T00:00:00Z", schema_version="9", total_amount=-1
    ) | {"tenders": [{"type": "cash", "amount": 7}]}
    assert set(reason_codes(event)) == {
        "UNSUPPORTED_SCHEMA_VERSION",
        "FUTURE_EVENT_TIME",
        "CURRENCY_UNKNOWN",
        "SUSPECTED_TEST_DATA",
        "NEGATIVE_AMOUNT",
        "TOTALS_MISMATCH",
        "TENDERS_MISMATCH",
    }


def test_the_list_of_faults_has_an_end() -> None:
    assert len(faults(sale("t", line_items=[{"sku": 1}] * 1000))) == 100
    negative = [{"sku": "s", "qty": -1, "amount": -1}] * 1000
    assert len(faults(sale("t", line_items=negative, total_amount=0))) == 100


def test_envelope_faults_are_told_of_a_malformed_body_too() -> None:
    event = sale("t", line_items=[], currency="XXY", occurred_at="2030-01-01T00:00:00Z")
    assert set(faults(event)) == {
        ("CONTRACT_VIOLATION", "/line_items"),
        ("CURRENCY_UNKNOWN", "/currency"),
        ("FUTURE_EVENT_TIME", "/occurred_at"),
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["", "x" * 256, "a\nb", "a\n", "\x00", "a\x7f", 5, True, ["a"]])
def test_names_are_text_of_1_to_255_characters_without_control_characters(name: str, value: Any) -> None:
    assert faults(sale("t", **{name: value})) == [("CONTRACT_VIOLATION", f"/{name}")]


@pytest.mark.parametrize("value", ["x" * 255, "Ünïcödé 😀", " ", "a/b?c%20d"])
def test_any_other_text_is_a_name(value: str) -> None:
    given = verdict(sale("t", store_id=value, customer_id=value))
    assert (given.faults, given.columns.store_id) == ((), value)


@pytest.mark.parametrize("event_type", ["NOPE", "sale", "", "SALE "])
def test_an_unknown_type_is_named_with_those_that_are_known(event_type: str) -> None:
    given = verdict(sale("t", event_type=event_type))
    assert given.faults[0].reason.code == "UNKNOWN_EVENT_TYPE"
    assert "CORRECTION" in given.faults[0].message


def test_an_unknown_type_keeps_its_other_columns() -> None:
    columns = verdict(sale("t", event_type="GIFT", source_event_id="s-1")).columns
    assert (columns.event_type, columns.store_id, columns.source_event_id) == ("GIFT", "store_001", "s-1")
    assert columns.occurred_at == datetime(2026, 2, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    "occurred_at",
    [
        "2026-02-25T00:00:00",
        "2026-02-25",
        "25.02.2026",
        "",
        1771977600,
        None,
        "2026-02-30T00:00:00Z",
        "2026-02-25T25:00:00Z",
    ],
)
def test_what_is_no_instant(occurred_at: Any) -> None:
    event = sale("t") | {"occurred_at": occurred_at}
    given = verdict(event)
    assert [(fault.reason.code, fault.path) for fault in given.faults] == [("CONTRACT_VIOLATION", "/occurred_at")]
    assert given.columns.occurred_at is None


@pytest.mark.parametrize(
    "occurred_at", ["2026-02-25T01:00:00+01:00", "2026-02-24T16:00:00.000-08:00", "2026-02-25T00:00:00Z"]
)
def test_an_instant_has_an_offset(occurred_at: str) -> None:
    given = verdict(sale("t", occurred_at=occurred_at))
    assert (given.faults, given.columns.occurred_at) == ((), datetime(2026, 2, 25, tzinfo=UTC))


def test_an_event_may_be_a_little_ahead_of_our_clock() -> None:
    late = (NOW + timedelta(seconds=601)).isoformat()
    soon = (NOW + timedelta(seconds=599)).isoformat()
    assert faults(sale("t", occurred_at=soon)) == []
    assert faults(sale("t", occurred_at=late)) == [("FUTURE_EVENT_TIME", "/occurred_at")]
    assert faults(sale("t", occurred_at=late), future_seconds=700) == []


@pytest.mark.parametrize(
    ("occurred_at", "code"),
    [
        ("0001-01-01T00:00:00+23:59", "CONTRACT_VIOLATION"),
        ("1969-12-31T23:59:59Z", "CONTRACT_VIOLATION"),
        ("9999-12-31T23:59:59-12:00", "FUTURE_EVENT_TIME"),
    ],
)
def test_absurd_instants_are_parked_and_stay_out_of_the_column(occurred_at: str, code: str) -> None:
    given = verdict(sale("t", occurred_at=occurred_at))
    assert [fault.reason.code for fault in given.faults] == [code]
    assert given.columns.occurred_at is None


@pytest.mark.parametrize(
    ("own", "default", "code", "counts_as"),
    [
        ("EUR", "USD", None, "EUR"),
        (None, "USD", None, "USD"),
        (None, None, "CURRENCY_MISSING", None),
        ("XXY", "USD", "CURRENCY_UNKNOWN", "XXY"),
        ("eur", "USD", "CURRENCY_UNKNOWN", "eur"),
        ("", "USD", "CONTRACT_VIOLATION", "USD"),
    ],
)
def test_currency(own: str | None, default: str | None, code: str | None, counts_as: str | None) -> None:
    given = verdict(sale("t", currency=own), currency=default)
    assert [fault.reason.code for fault in given.faults] == ([code] if code else [])
    assert given.currency == counts_as


@pytest.mark.parametrize(
    ("event", "tenant", "expected"),
    [(True, True, []), (True, False, ["SUSPECTED_TEST_DATA"]), (False, True, []), (False, False, []), (None, True, [])],
)
def test_simulated_events_belong_into_made_up_books(event: bool | None, tenant: bool, expected: list[str]) -> None:
    assert reason_codes(sale("t", simulated=event), simulated=tenant) == expected


@pytest.mark.parametrize("simulated", ["true", 1, "yes"])
def test_simulated_is_a_boolean(simulated: Any) -> None:
    assert faults(sale("t", simulated=simulated), simulated=True) == [("CONTRACT_VIOLATION", "/simulated")]


@pytest.mark.parametrize(
    ("business_date", "expected"),
    [("2026-02-25", []), ("2026-02-30", ["/business_date"]), (20260225, ["/business_date"])],
)
def test_business_date(business_date: Any, expected: list[str]) -> None:
    assert [path for _, path in faults(sale("t", business_date=business_date))] == expected


def test_fields_that_nobody_knows_are_allowed_everywhere() -> None:
    event = sale("t", loyalty={"points": [1, None]}, metadata={"a": {"b": 1}})
    event["line_items"][0]["colour"] = "red"
    assert faults(event) == []


@pytest.mark.parametrize(
    "place", ["total_amount", "store_id", "currency", "event_type", "metadata", "simulated", "anything"]
)
@pytest.mark.parametrize("number", ["0.1000000000000000055", "1e400", "9007199254740993"])
def test_a_number_that_is_not_exact_is_parked_wherever_it_stands(place: str, number: str) -> None:
    body = orjson.dumps(sale("t") | {place: "@"}).replace(b'"@"', number.encode())
    assert reason_codes(body)[0] == "NUMBER_NOT_EXACT"
    assert "CONTRACT_VIOLATION" not in reason_codes(body) or number == "9007199254740993" or place == "metadata"


def test_a_number_that_is_not_exact_is_told_once() -> None:
    body = orjson.dumps(sale("t", line_items=[{"sku": "s", "qty": 1, "amount": "@"}])).replace(
        b'"@"', b"42.500000000000000001"
    )
    assert faults(body) == [("NUMBER_NOT_EXACT", "")]
