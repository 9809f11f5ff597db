"""Each event type: what is valid, what is not."""

from typing import Any

import pytest

from ledgersafe.contracts.events import event_types
from tests.contracts.judging import faults
from tests.events import sale


def event(event_type: str, **changes: Any) -> dict[str, Any]:
    """A valid event of a type."""
    if event_type in ("VOID", "CANCEL"):
        changes = {"line_items": None, "total_amount": None, "original_txn_id": "txn-1"} | changes
    if event_type == "CORRECTION":
        changes = {"original_txn_id": "txn-1"} | changes
    return sale("t", event_type=event_type, **changes)


TYPES = ["SALE", "RETURN", "CORRECTION", "CANCEL", "VOID", "ADJUSTMENT", "STOCK_ADJUSTMENT"]
WITH_LINES = [name for name in TYPES if name not in ("CANCEL", "VOID")]
SIGNED = ["ADJUSTMENT", "STOCK_ADJUSTMENT", "CORRECTION"]


def test_these_are_the_types() -> None:
    assert sorted(event_types()) == sorted(TYPES)
    assert {kind.schema_version for kind in event_types().values()} == {"1.0"}
    assert all(name == kind.name and kind.summary for name, kind in event_types().items())


@pytest.mark.parametrize("event_type", TYPES)
def test_a_valid_one(event_type: str) -> None:
    assert faults(event(event_type)) == []


@pytest.mark.parametrize("event_type", WITH_LINES)
def test_lines_and_total_are_required(event_type: str) -> None:
    assert faults(event(event_type, line_items=None)) == [("CONTRACT_VIOLATION", "/line_items")]
    assert faults(event(event_type, line_items=[])) == [("CONTRACT_VIOLATION", "/line_items")]
    assert faults(event(event_type, total_amount=None)) == [("CONTRACT_VIOLATION", "/total_amount")]


@pytest.mark.parametrize("event_type", ["VOID", "CANCEL"])
def test_void_and_cancel_name_their_original_and_carry_no_lines(event_type: str) -> None:
    assert faults(event(event_type, original_txn_id=None)) == [("CONTRACT_VIOLATION", "/original_txn_id")]
    lines = [{"sku": "s", "qty": 1, "amount": 1}]
    assert faults(event(event_type, line_items=lines)) == [("CONTRACT_VIOLATION", "/line_items")]
    assert faults(event(event_type, line_items=[], total_amount="42.50", original_store_id="store_2")) == []


def test_a_correction_names_its_original_and_a_return_may() -> None:
    assert faults(event("CORRECTION", original_txn_id=None)) == [("CONTRACT_VIOLATION", "/original_txn_id")]
    assert faults(event("CORRECTION", original_txn_id="")) == [("CONTRACT_VIOLATION", "/original_txn_id")]
    assert faults(event("RETURN", original_txn_id="txn-1", original_store_id="store_2")) == []


def test_a_return_may_name_the_lines_of_its_original() -> None:
    line = {"sku": "s", "qty": 1, "amount": 42.5, "original_line_no": 2}
    assert faults(event("RETURN", line_items=[line])) == []
    line["original_line_no"] = 0
    assert faults(event("RETURN", line_items=[line])) == [("CONTRACT_VIOLATION", "/line_items/0/original_line_no")]


@pytest.mark.parametrize("event_type", [name for name in WITH_LINES if name not in SIGNED])
def test_where_the_type_gives_the_direction_nothing_is_negative(event_type: str) -> None:
    given = event(
        event_type,
        total_amount=-6,
        discount_amount=-1,
        tax_amount=-1,
        tax_included=True,
        line_items=[{"sku": "s", "qty": -1, "amount": -7, "unit_price": -9, "discount": -1, "tax": -1}],
        tenders=[{"type": "cash", "amount": -6, "change": -0.0}],
    )
    negative = [path for code, path in faults(given) if code == "NEGATIVE_AMOUNT"]
    assert sorted(negative) == [
        "/discount_amount",
        "/line_items/0/amount",
        "/line_items/0/discount",
        "/line_items/0/qty",
        "/line_items/0/tax",
        "/line_items/0/unit_price",
        "/tax_amount",
        "/tenders/0/amount",
        "/total_amount",
    ]


@pytest.mark.parametrize("event_type", SIGNED)
def test_adjustments_keep_their_signs_and_so_may_what_corrects_them(event_type: str) -> None:
    lines = [{"sku": "s", "qty": -3, "amount": -42.5}]
    assert faults(event(event_type, total_amount=-42.5, line_items=lines)) == []


@pytest.mark.parametrize("event_type", ["SALE", "RETURN", "CORRECTION", "ADJUSTMENT"])
def test_tenders_are_checked_where_money_moves(event_type: str) -> None:
    assert faults(event(event_type, tenders=[{"type": "cash", "amount": 42}])) == [("TENDERS_MISMATCH", "/tenders")]


@pytest.mark.parametrize("event_type", WITH_LINES)
def test_no_type_hides_its_total_in_rounding_or_tax(event_type: str) -> None:
    assert faults(event(event_type, total_amount=0, rounding_amount="-42.5")) == [
        ("TOTALS_MISMATCH", "/rounding_amount")
    ]
    assert faults(event(event_type, tax_included=True, tax_amount="100")) == [("TOTALS_MISMATCH", "/tax_amount")]


def test_rounding_may_be_negative() -> None:
    assert faults(event("SALE", total_amount="42.45", rounding_amount="-0.05")) == []
