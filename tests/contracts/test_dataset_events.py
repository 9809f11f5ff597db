"""Rows to events: a receipt's lines make one event, the same whatever their order."""

import json
import random
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from ledgersafe.contracts.datasets.checking import ROW, check
from ledgersafe.contracts.datasets.events import EventMaker, Table, groups, plain
from ledgersafe.contracts.datasets.reading import InvalidContract, checked

CONTRACT: dict[str, Any] = {
    "dataset": "till_lines",
    "kind": "events",
    "columns": {
        "Receipt": {"required": True},
        "Item": {"required": True},
        "Qty": {"type": "integer", "required": True},
        "Price": {"type": "decimal(12,2)", "required": True, "decimal": ","},
        "At": {"type": "datetime", "time_zone": "Europe/Berlin", "format": "%d.%m.%Y %H:%M", "required": True},
        "Customer": {},
    },
    "events": {
        "group_by": ["Receipt"],
        "event_type": [
            {"when": {"column": "Receipt", "starts_with": "R"}, "type": "RETURN", "turn_signs": True},
            {"when": {"column": "Qty", "all": "negative"}, "type": "STOCK_ADJUSTMENT"},
            {"type": "SALE"},
        ],
        "fields": {
            "event_id": {"template": "till-{Receipt}"},
            "txn_id": {"column": "Receipt"},
            "store_id": {"constant": "berlin"},
            "occurred_at": {"column": "At", "take": "min"},
            "currency": {"constant": "EUR"},
            "total_amount": {"sum": "amount"},
            "customer_id": {"column": "Customer"},
            "metadata.source.kind": {"constant": "till"},
        },
        "lines": {
            "sku": {"column": "Item"},
            "qty": {"column": "Qty", "signed": True},
            "unit_price": {"column": "Price"},
            "amount": {"product": ["qty", "unit_price"]},
        },
    },
}
ROWS = [
    ("B1", "tea", "2", "1,50", "25.10.2026 10:00", "c-1"),
    ("B1", "jam", "1", "3,25", "25.10.2026 09:59", ""),
    ("R7", "jam", "-1", "3,25", "01.07.2026 12:00", ""),
    ("B1", "tea", "2", "1,50", "25.10.2026 10:00", ""),
    ("B2", "cup", "-3", "0,00", "25.10.2026 10:00", ""),
]


def made(rows: list[tuple[str, ...]]) -> dict[str, Any]:
    dataset = checked(CONTRACT)
    frame = pl.DataFrame(rows, schema=list(CONTRACT["columns"]), orient="row").insert_column(
        0, pl.Series(ROW, range(2, 2 + len(rows)))
    )
    found = check(dataset, frame)
    assert found.faults.is_empty()
    maker = EventMaker(dataset, "tenant")
    events = CONTRACT["events"]
    assert events
    assert dataset.shape.events is not None
    of = groups(dataset.shape.events, ((row[ROW], row) for row in found.good.iter_rows(named=True)))
    return {one.event["event_id"]: one for one in map(maker.make, of.values())}


def test_a_receipt_is_one_event() -> None:
    found = made(ROWS)
    assert list(found) == ["till-B1", "till-R7", "till-B2"]
    assert found["till-B1"].rows == (2, 3, 5)
    assert found["till-B1"].event == {
        "schema_version": "1.0",
        "tenant_id": "tenant",
        "source_system": "till_lines",
        "event_id": "till-B1",
        "event_type": "SALE",
        "txn_id": "B1",
        "store_id": "berlin",
        "occurred_at": "2026-10-25T09:59:00+01:00",
        "currency": "EUR",
        "total_amount": "9.25",
        "customer_id": "c-1",
        "metadata": {"source": {"kind": "till"}},
        "line_items": [
            {"sku": "tea", "qty": "2", "unit_price": "1.5", "amount": "3"},
            {"sku": "tea", "qty": "2", "unit_price": "1.5", "amount": "3"},
            {"sku": "jam", "qty": "1", "unit_price": "3.25", "amount": "3.25"},
        ],
    }


def test_the_type_follows_the_rules_and_turns_signs() -> None:
    found = made(ROWS)
    returned = found["till-R7"].event
    assert (returned["event_type"], returned["line_items"][0]["qty"], returned["total_amount"]) == (
        "RETURN",
        "1",
        "3.25",
    )
    assert returned["occurred_at"] == "2026-07-01T12:00:00+02:00"
    adjusted = found["till-B2"].event
    assert (adjusted["event_type"], adjusted["line_items"][0]["qty"]) == ("STOCK_ADJUSTMENT", "-3")


def test_a_product_of_columns_works_with_one_plain_event_type() -> None:
    lines = CONTRACT["events"]["lines"] | {"amount": {"product": ["Qty", "Price"]}}
    dataset = checked(CONTRACT | {"events": CONTRACT["events"] | {"event_type": "SALE", "lines": lines}})
    columns = {"Receipt": ["B1"], "Item": ["tea"], "Qty": ["2"], "Price": ["1.50"], "At": ["2026-10-25"]}
    (made,) = EventMaker(dataset, "tenant").make_all(Table([2], columns | {"Customer": [None]}), [range(1)])
    assert made.event["line_items"][0]["amount"] == "3"


@pytest.mark.parametrize(
    ("field", "agree"),
    [
        ({"column": "Customer"}, False),
        ({"template": "{Receipt}-{Customer}"}, False),
        ({"column": "Customer", "take": "first"}, True),
        ({"column": "Receipt"}, True),
    ],
)
@pytest.mark.parametrize("member", ["event_id", "txn_id", "store_id", "business_date", "currency"])
def test_rows_must_agree_in_what_tells_the_event(member: str, field: dict[str, str], agree: bool) -> None:
    fields = CONTRACT["events"]["fields"] | {member: field}
    dataset = checked(CONTRACT | {"events": CONTRACT["events"] | {"fields": fields}})
    rows = [{"Receipt": "B1", "Item": "a", "Qty": "1", "Price": "1", "At": "2026-10-25", "Customer": of} for of in "xy"]
    made = EventMaker(dataset, "tenant").make(list(enumerate(rows, 2)))
    assert (made.fault is None) is agree
    assert agree or f"differ in Customer, of which {member} is made" in str(made.fault)


KINDS = [
    {"when": {"column": "Receipt", "starts_with": "R"}, "type": "RETURN", "turn_signs": True},
    {"when": {"column": "Customer", "equals": "refund"}, "type": "RETURN", "turn_signs": True},
    {"when": {"column": "Customer", "one_of": ["back", "again"]}, "type": "RETURN", "turn_signs": True},
    {"when": {"column": "Customer", "starts_with": "count"}, "type": "ADJUSTMENT"},
    {"type": "SALE"},
]


@pytest.mark.parametrize(
    ("receipt", "kinds", "agree"),
    [
        ("B1", ["sale", "refund"], False),
        ("B1", ["refund", "sale"], False),
        ("B1", ["sale", "counted"], False),
        ("B1", [None, "again"], False),
        ("B1", ["sale", None], True),
        ("B1", ["refund", "back"], True),
        ("R1", ["sale", "counted"], True),
    ],
)
def test_rows_must_agree_what_type_of_event_they_are(receipt: str, kinds: list[str | None], agree: bool) -> None:
    dataset = checked(CONTRACT | {"events": CONTRACT["events"] | {"event_type": KINDS}})
    row = {"Receipt": receipt, "Item": "a", "Qty": "1", "Price": "1", "At": "2026-10-25"}
    made = EventMaker(dataset, "tenant").make(list(enumerate((row | {"Customer": of} for of in kinds), 2)))
    assert (made.fault is None) is agree
    assert agree or "are of different types, by Customer" in str(made.fault)


def test_the_order_of_lines_is_that_of_their_text_in_ascii() -> None:
    """However it is found: it is part of what tells a retry from a conflict."""
    items = ["é", "z", "a\x7f", "ab", 'q"', "q\\", "€", "😀", "a b"]
    rows = [("B1", item, "1", "1,00", "25.10.2026 10:00", "") for item in items]
    lines = made(rows)["till-B1"].event["line_items"]
    assert lines == sorted(lines, key=lambda line: json.dumps(line, sort_keys=True))


def test_wide_numbers_are_not_rounded() -> None:
    """A Decimal of Python's keeps 28 digits unless it is told otherwise."""
    assert plain(Decimal("12345678901234567890123456789012345678.10")) == "12345678901234567890123456789012345678.1"


def test_the_order_of_lines_does_not_matter() -> None:
    order = random.Random(1)  # noqa: S311 - not for secrets
    first = {name: one.event for name, one in made(ROWS).items()}
    for _ in range(5):
        shuffled = order.sample(ROWS, len(ROWS))
        for name, one in made(shuffled).items():
            assert one.event | {"customer_id": ""} == first[name] | {"customer_id": ""}


@pytest.mark.parametrize(
    ("number", "spelled"), [("1.500", "1.5"), ("0.00", "0"), ("-0", "0"), ("100", "100"), ("1E+2", "100")]
)
def test_numbers_have_one_spelling(number: str, spelled: str) -> None:
    assert plain(Decimal(number)) == spelled


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"group_by": ["nope"]}, "/events/group_by"),
        ({"event_type": "NOPE"}, "/events/event_type"),
        ({"event_type": [{"type": "SALE", "when": {"column": "Qty"}}]}, "/events/event_type/0/when"),
        ({"event_type": [{"type": "SALE"}, {"type": "VOID"}]}, "/events/event_type/0"),
        ({"event_type": []}, "/events/event_type"),
        ({"fields": {}}, "/events/fields"),
        ({"lines": {"sku": {"column": "nope"}}}, "/events/lines/sku/column"),
        ({"lines": {"sku": {"column": "Item", "constant": 1}}}, "/events/lines/sku"),
        ({"lines": {"sku": {}}}, "/events/lines/sku"),
        ({"lines": {"sku": {"sum": "sku"}}}, "/events/lines/sku/sum"),
        ({"lines": {"sku": {"constant": [float("nan")]}}}, "/events/lines/sku/constant/0"),
        ({"fields": {"metadata": {"constant": {}}, "metadata.a": {"constant": 1}}}, "/events/fields/metadata.a"),
        ({"lines": {"amount": {"product": ["qty", "nope"]}}}, "/events/lines/amount/product"),
        ({"lines": {"amount": {"product": ["Qty", "Item"]}}}, "/events/lines/amount/product"),
        ({"lines": {"amount": {"product": ["Qty", "qty"]}, "qty": {"column": "Qty"}}}, "/events/lines/amount/product"),
        ({"lines": {"amount": {"column": "Item"}}}, "/events/fields/total_amount/sum"),
        ({"lines": {"qty": {"column": "Item", "signed": True}}}, "/events/lines/qty/signed"),
        (
            {"event_type": [{"type": "VOID", "when": {"column": "Item", "all": "zero"}}]},
            "/events/event_type/0/when/column",
        ),
        (
            {"event_type": [{"type": "VOID", "when": {"column": "Qty", "starts_with": "00"}}, {"type": "SALE"}]},
            "/events/event_type/0/when/starts_with",
        ),
        ({"fields": CONTRACT["events"]["fields"] | {"event_type": {"constant": "SALE"}}}, "/events/fields/event_type"),
        (
            {"fields": CONTRACT["events"]["fields"] | {"event_id": {"template": "{x}"}}},
            "/events/fields/event_id/template",
        ),
    ],
)
def test_what_cannot_make_events_is_named(change: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidContract) as refused:
        checked(CONTRACT | {"events": CONTRACT["events"] | change})
    assert path in {fault.path for fault in refused.value.faults}
