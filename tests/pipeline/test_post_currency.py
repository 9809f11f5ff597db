"""The currency of an event that names none: the one that was set when it came, however late it is posted."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from ledgersafe.contracts import doors
from ledgersafe.db.database import Rows, Tx
from ledgersafe.ledger import store as ledger
from ledgersafe.pipeline.accept import Outcome, accept
from ledgersafe.pipeline.arrival import Parcel, judged, read
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.pipeline.set_up import import_tenants, set_store, set_tenant
from ledgersafe.tenants import store as tenants
from ledgersafe.tenants.rules import OF_TENANT, PastCurrency, currency_then
from tests.pipeline.arrivals import ANYBODY
from tests.pipeline.operating import decided, wish
from tests.pipeline.posting import Till

STORE = "store_001"


def by(till: Till, seconds: float) -> Operator:
    """Somebody who acts so many seconds after the till's time."""
    return Operator(ANYBODY, till.now + timedelta(seconds=seconds), 600)


def came(till: Till, seconds: float, *events: dict[str, Any]) -> list[Outcome]:
    """Accepted at that time, by what was set for the tenant then; not posted yet."""
    with till.db.snapshot() as tx:
        tenant = tenants.tenants(tx, [till.tenant]).first()
    parcel = Parcel(doors.NATIVE, ANYBODY, by(till, seconds).now)
    return accept(till.db, [judged(read(parcel, orjson.dumps(one)), tenant, 600) for one in events], slot=0)


def bare(till: Till, event_id: str, **changes: Any) -> dict[str, Any]:
    """A sale that names no currency."""
    return till.sold(event_id, **({"currency": None} | changes))


def currencies(till: Till) -> dict[str, str]:
    """Event → currency that it is posted in; in the ledger as in silver."""
    sql = "SELECT event_id, currency FROM silver.transactions WHERE tenant_id = %s AND kind = 'posting'"
    entries = """SELECT t.event_id, e.currency FROM ledger.entries e JOIN silver.transactions t
        USING (tenant_id, transaction_id, revision, kind) WHERE tenant_id = %s AND kind = 'posting'"""
    assert dict(till.rows(sql)) == dict(till.rows(entries))
    return dict(till.rows(sql))


def test_a_store_that_is_given_another_currency_changes_nothing_that_came_before(till: Till) -> None:
    till.set(currency="USD")
    came(till, 1, bare(till, "of the tenant"))
    set_store(till.db, till.tenant, STORE, {"currency": "EUR"}, by(till, 2))
    came(till, 3, bare(till, "of the store"))
    set_store(till.db, till.tenant, STORE, {"currency": "GBP"}, by(till, 4))
    came(till, 5, bare(till, "of now"), bare(till, "elsewhere", store_id="two"))
    till.drain()
    assert till.held() == {}
    assert currencies(till) == {"of the tenant": "USD", "of the store": "EUR", "of now": "GBP", "elsewhere": "USD"}
    till.assert_sound()


def test_nor_does_a_tenant_that_is_given_another_or_none(till: Till) -> None:
    till.set(currency="USD")
    came(till, 1, bare(till, "a"))
    set_tenant(till.db, till.tenant, {"currency": "EUR"}, by(till, 2))
    set_store(till.db, till.tenant, STORE, {"currency": "GBP"}, by(till, 3))
    came(till, 4, bare(till, "b"))
    set_store(till.db, till.tenant, STORE, {"currency": None}, by(till, 5))
    came(till, 6, bare(till, "c"))
    set_tenant(till.db, till.tenant, {"currency": None}, by(till, 7))
    till.drain()
    assert till.held() == {}
    assert currencies(till) == {"a": "USD", "b": "GBP", "c": "EUR"}
    till.assert_sound()


def test_nor_does_a_change_amid_posting(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    till.set(currency="USD")
    came(till, 1, bare(till, "a"))
    real = tenants.book_settings

    def changed_before(tx: Tx, tenant_id: str) -> Rows[tenants.BookSettings]:
        ledger.accounts(tx, tenant_id).all()  # whatever was asked before has its answer now
        set_tenant(till.db, till.tenant, {"currency": "EUR"}, by(till, 2))
        return real(tx, tenant_id)

    monkeypatch.setattr(tenants, "book_settings", changed_before)
    till.drain()
    assert currencies(till) == {"a": "USD"}


def test_what_waits_for_its_original_keeps_it_too(till: Till) -> None:
    till.set(currency="EUR")
    came(till, 1, till.returned("r", currency=None))
    till.drain()
    set_tenant(till.db, till.tenant, {"currency": "USD"}, by(till, 2))
    came(till, 3, till.sold("s", currency="EUR"))
    till.drain()
    assert till.held() == {}
    assert currencies(till) == {"s": "EUR", "r": "EUR"}
    till.assert_sound()


def test_what_was_held_has_it_when_an_operator_decides(till: Till) -> None:
    """As when it came; and what was held for lack of one has the one that there is by now."""
    till.set(currency=None)
    (missing,) = came(till, 1, bare(till, "missing"))
    set_tenant(till.db, till.tenant, {"currency": "EUR"}, by(till, 2))
    (wrong,) = came(till, 3, bare(till, "wrong", total_amount="1"))
    set_tenant(till.db, till.tenant, {"currency": "USD"}, by(till, 4))
    set_store(till.db, till.tenant, STORE, {"currency": "GBP"}, by(till, 5))
    assert [one.result for one in (missing, wrong)] == ["quarantined"] * 2
    decided(till.db, str(missing.exception_id), wish())
    decided(till.db, str(wrong.exception_id), wish(patch={"total_amount": "42.50"}))
    assert currencies(till) == {"missing": "GBP", "wrong": "EUR"}
    set_tenant(till.db, till.tenant, {"currency": "EUR"}, by(till, 6))
    set_store(till.db, till.tenant, STORE, {"currency": None}, by(till, 7))
    (again,) = came(till, 8, bare(till, "again", total_amount="1"))
    set_tenant(till.db, till.tenant, {"currency": None}, by(till, 9))
    decided(till.db, str(again.exception_id), wish(patch={"total_amount": "42.50"}))
    assert currencies(till)["again"] == "EUR", "it is judged by what it is posted by"
    till.assert_sound()


def test_only_what_is_replaced_is_kept(till: Till) -> None:
    """Not what a new tenant begins with, nor a dry run, nor a change of something else."""
    part = {"tenant_id": till.tenant, "currency": "EUR", "stores": [{"store_id": STORE, "currency": "GBP"}]}
    kept = "SELECT store_id, currency FROM tenants.past_currencies WHERE tenant_id = %s ORDER BY until, store_id"
    import_tenants(till.db, [part], by(till, 1))
    import_tenants(till.db, [part | {"currency": "USD"}], by(till, 2), dry_run=True)
    set_tenant(till.db, till.tenant, {"time_zone": "Asia/Tokyo"}, by(till, 3))
    set_store(till.db, till.tenant, STORE, {"currency": "GBP", "name": "One"}, by(till, 4))
    set_store(till.db, till.tenant, "without", {"name": "Two"}, by(till, 5))
    assert till.rows(kept) == []
    import_tenants(
        till.db, [part | {"currency": "USD", "stores": [{"store_id": "new", "currency": "CHF"}]}], by(till, 6)
    )
    set_store(till.db, till.tenant, STORE, {"currency": "JPY"}, by(till, 7))
    set_store(till.db, till.tenant, STORE, {"currency": "USD"}, by(till, 7))
    assert till.rows(kept) == [("", "EUR"), ("new", None), (STORE, "GBP")]


@pytest.mark.parametrize(
    ("second", "store", "expected"),
    [(0, "s", "AAA"), (1, "s", "BBB"), (2, "s", "CCC"), (3, "s", "CCC"), (0, "t", "TTT"), (3, "t", "NOW"), (9, "t", "NOW")],
)  # fmt: skip
def test_the_currency_of_an_instant(till: Till, second: int, store: str, expected: str) -> None:
    """What is replaced at an instant is replaced for what comes at that instant."""
    past = [
        PastCurrency(OF_TENANT, by(till, 3).now, "TTT"),
        PastCurrency("s", by(till, 1).now, "AAA"),
        PastCurrency("s", by(till, 2).now, "BBB"),
    ]
    now = "CCC" if store == "s" else None
    assert currency_then(past, by(till, second).now, store, now, "NOW") == expected
