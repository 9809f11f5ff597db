"""An operator chooses another payload of an event that is posted already: what stands is taken back, or it is refused."""

from typing import Any

import pytest

from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import REPLAY, decided, wish
from tests.pipeline.posting import Till, legs

LESS: dict[str, Any] = {"line_items": [{"sku": "A", "qty": 2, "amount": 20}], "total_amount": 20}


def choose(till: Till, which: str = "last", **options: Any) -> list[str]:
    """Have one payload of the open exception count; the reason codes that speak against it."""
    sql = "SELECT exception_id FROM quarantine.exceptions WHERE tenant_id = %s AND reason_code = 'IDEMPOTENCY_CONFLICT' AND status = 'open'"
    ((exception_id,),) = till.rows(sql)
    try:
        decided(till.db, exception_id, wish(REPLAY, canonical=which, **options))
    except RequestRefused as refusal:
        return [fault.reason.code for fault in refusal.faults]
    finally:
        till.drain()
    return []


def test_another_payload_of_the_same_transaction(till: Till) -> None:
    till.send(till.sold())
    till.send(till.sold(**LESS))
    assert till.balances() == legs(cash="42.5", sales="-42.5"), "until somebody decides, what was posted stands"
    assert choose(till) == []
    assert till.states() == {"txn-s": ("live", 2)}
    assert till.balances() == legs(cash="20", sales="-20")
    sql = "SELECT revision, kind, event_type, event_id FROM silver.transactions WHERE tenant_id = %s ORDER BY 1, 2"
    assert till.rows(sql) == [(1, "posting", "SALE", "s"), (1, "reversal", "SALE", "s"), (2, "posting", "SALE", "s")]
    till.assert_sound()


def test_the_first_payload_stays(till: Till) -> None:
    till.send(till.sold())
    till.send(till.sold(**LESS))
    assert choose(till, "first") == []
    assert till.states() == {"txn-s": ("live", 1)}
    till.assert_sound()


def test_both_payloads_before_any_was_posted(till: Till, db: Database) -> None:
    accepted(db, [till.sold(), till.sold(**LESS)])
    assert choose(till) == []
    assert till.balances() == legs(cash="20", sales="-20")
    assert till.states() == {"txn-s": ("live", 1)}
    till.assert_sound()


def test_another_payload_of_another_transaction_and_back(till: Till) -> None:
    till.send(till.sold())
    till.send(till.sold(txn_id="other", store_id="b", **LESS))
    assert choose(till) == []
    assert till.states() == {"txn-s": ("voided", 1), "other": ("live", 1)}
    assert till.balances() == legs(cash="20", sales="-20")
    till.assert_sound()
    till.send(till.sold(txn_id="third"))
    assert choose(till, "first") == []
    assert till.states() == {"txn-s": ("live", 2), "other": ("voided", 1)}
    assert till.balances() == legs(cash="42.5", sales="-42.5")
    till.assert_sound()


def test_another_payload_is_of_another_type(till: Till) -> None:
    till.send(till.sold())
    till.send(till.sold(event_type="RETURN"))
    assert choose(till) == []
    assert till.balances() == legs(cash="-42.5", returns="42.5")
    till.assert_sound()


def test_another_payload_names_a_transaction_that_another_event_posted(till: Till) -> None:
    till.send(till.sold(), till.sold("t"))
    till.send(till.sold(txn_id="txn-t"))
    assert choose(till) == ["DUPLICATE_TRANSACTION"]
    assert till.states() == {"txn-s": ("live", 1), "txn-t": ("live", 1)}
    till.assert_sound()


def test_the_awaited_transaction_comes_as_another_payload(till: Till) -> None:
    till.send(till.sold(), till.amended("CANCEL", "x", of="later"))
    till.send(till.sold(txn_id="later"))
    assert choose(till) == []
    assert till.states() == {"txn-s": ("voided", 1), "later": ("voided", 1)}
    assert till.held() == {}
    till.assert_sound()


@pytest.mark.parametrize("kind", ["CORRECTION", "CANCEL"])
def test_what_moved_on_since_is_not_replaced(till: Till, kind: str) -> None:
    till.send(till.sold(), till.amended(kind, "x"))
    till.send(till.sold(**LESS))
    assert choose(till) == ["POSTED_AND_CHANGED"]
    till.assert_sound()


def test_what_was_given_back_is_not_replaced_by_less(till: Till) -> None:
    till.send(till.sold(), till.returned(qty=3, amount=30))
    till.send(till.sold(**LESS))
    assert choose(till) == ["CANNOT_EXCEED_ORIGINAL"]
    till.assert_sound()


def test_another_payload_of_a_return_counts_anew(till: Till) -> None:
    till.send(till.sold(), till.returned(qty=3, amount=30))
    till.send(till.returned(qty=2, amount=20))
    assert choose(till) == []
    assert till.balances() == legs(cash="22.5", sales="-42.5", returns="20")
    till.send(till.returned("r2"))
    assert till.held() == {}
    till.assert_sound()


def test_another_payload_of_a_return_is_too_much(till: Till) -> None:
    till.send(till.sold(), till.returned(qty=3, amount=30))
    till.send(till.returned(qty=4, amount=40))
    assert choose(till) == ["CANNOT_EXCEED_ORIGINAL"]
    assert till.balances() == legs(cash="12.5", sales="-42.5", returns="30")
    till.assert_sound()


def test_another_payload_of_a_return_gives_back_of_another_sale(till: Till) -> None:
    till.send(till.sold(), till.sold("t"), till.returned(qty=3, amount=30))
    till.send(till.returned(qty=3, amount=30, of="txn-t"))
    assert choose(till) == []
    till.send(till.returned("r2", qty=3, amount=30))
    assert till.held() == {}
    till.assert_sound()


def test_another_payload_of_a_correction(till: Till) -> None:
    till.send(till.sold(), till.amended("CORRECTION", "c", **LESS))
    till.send(till.amended("CORRECTION", "c"))
    assert choose(till) == []
    assert till.states() == {"txn-s": ("live", 3)}
    assert till.balances() == legs(cash="42.5", sales="-42.5")
    till.assert_sound()


def test_a_correction_is_not_replaced_by_one_of_another_sale(till: Till) -> None:
    till.send(till.sold(), till.sold("t"), till.amended("CORRECTION", "c", **LESS))
    till.send(till.amended("CORRECTION", "c", of="txn-t", **LESS))
    assert choose(till) == ["POSTED_AND_CHANGED"]
    till.assert_sound()


@pytest.mark.parametrize("kind", ["CORRECTION", "CANCEL"])
def test_what_changed_a_sale_is_not_replaced_by_a_sale(till: Till, kind: str) -> None:
    """The sale that it changed would have to come back as it was: that is a correction of its own."""
    till.send(till.sold(), till.amended(kind, "c", **(LESS if kind == "CORRECTION" else {})))
    before = till.balances()
    till.send(till.sold("c", txn_id="new"))
    assert choose(till) == ["POSTED_AND_CHANGED"]
    assert till.balances() == before
    till.assert_sound()


@pytest.mark.parametrize("kind", ["CANCEL", "VOID"])
def test_an_undoing_is_not_replaced(till: Till, kind: str) -> None:
    till.send(till.sold(), till.sold("t"), till.amended(kind, "x"))
    till.send(till.amended(kind, "x", of="txn-t"))
    assert choose(till) == ["POSTED_AND_CHANGED"]
    till.assert_sound()


def test_a_patched_payload_replaces_its_own(till: Till) -> None:
    till.send(till.sold())
    till.send(till.sold(**LESS))
    assert choose(till, "first", patch={"register_id": "9"}) == []
    assert till.states() == {"txn-s": ("live", 2)}
    assert till.balances() == legs(cash="42.5", sales="-42.5")
    assert till.rows("SELECT register_id FROM silver.transactions WHERE tenant_id = %s AND revision = 2") == [("9",)]
    till.assert_sound()
