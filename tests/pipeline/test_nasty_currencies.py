"""Amounts that bear the sign of a currency, in files whose rows say the currency of their event, or nothing does."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ledgersafe.contracts.datasets.reading import InvalidContract, checked
from ledgersafe.files import store as files
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.replay_rows import replay
from ledgersafe.pipeline.resolve import Operator
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.arrivals import ANYBODY
from tests.pipeline.filing import CLOCK, put
from tests.pipeline.posting import Till
from tests.pipeline.test_deliver_events import WHEN, bad_rows
from tests.pipeline.test_nasty_receipts import contract, sent

HEADER = "Receipt,Item,Qty,Price,At,Cur"
PRICE = {"type": "decimal(12,2)", "required": True}


def said_by(currency: dict[str, Any] | None, **lines: Any) -> dict[str, Any]:
    fields = {name: field for name, field in CONTRACT["events"]["fields"].items() if name != "currency"}
    fields |= {"currency": currency} if currency is not None else {}
    return contract({"Cur": {}}, fields=fields, lines=CONTRACT["events"]["lines"] | lines)


def amounts(till: Till) -> dict[str, str]:
    """Event → its amount and currency in the books."""
    till.drain()
    sql = "SELECT event_id, gross::numeric(12,2)::text || ' ' || currency FROM silver.transactions WHERE tenant_id = %s"
    return dict(till.rows(sql))


def by() -> Operator:
    return Operator(ANYBODY, CLOCK.now(), 600)


@pytest.mark.parametrize("currency", [{"column": "Cur"}, {"template": "{Cur}"}, {"column": "Cur", "take": "first"}])
def test_rows_may_be_in_currencies_of_their_own(till: Till, tmp_path: Path, currency: dict[str, str]) -> None:
    put(till, members := said_by(currency))
    rows = [
        f"B1,tea,1,€2.00,{WHEN},EUR", f"B2,tea,1,£2.00,{WHEN},GBP", f"B3,tea,1,$3.00,{WHEN},USD",
        f"B4,tea,1,$4.00,{WHEN},CAD", f"B5,tea,1,5.00,{WHEN},EUR", f"B6,tea,1,CHF 6.00,{WHEN},CHF ",
    ]  # fmt: skip
    sent(till, members, tmp_path, HEADER, *rows)
    assert bad_rows(till) == {}
    assert amounts(till) == {
        "till-B1": "2.00 EUR", "till-B2": "2.00 GBP", "till-B3": "3.00 USD",
        "till-B4": "4.00 CAD", "till-B5": "5.00 EUR", "till-B6": "6.00 CHF",
    }  # fmt: skip


@pytest.mark.parametrize("lines", [{}, {"unit_price": {"template": "{Price}"}, "amount": {"template": "{Price}"}}])
def test_an_amount_in_another_currency_than_its_row_is_held(till: Till, tmp_path: Path, lines: dict[str, Any]) -> None:
    members = said_by({"column": "Cur"}, **lines)
    if lines:
        del members["events"]["fields"]["total_amount"]
    put(till, members)
    rows = [f"B1,tea,1,€2.00,{WHEN},GBP", f"B1,jam,1,£2.00,{WHEN},GBP", f"B2,jam,1,€2.00 GBP,{WHEN},EUR"]
    found, outcomes = sent(till, members, tmp_path, HEADER, *rows, f"B3,jam,1,€2.00,{WHEN},EUR")
    assert outcomes.keys() <= {"processed", "quarantined"}
    assert sum(outcomes.values()) == 1
    assert bad_rows(till) == {2: ("B1", ["currency"]), 3: ("B1", ["group"]), 4: ("B2", ["currency"])}
    name = files.IngestionName(till.tenant, UUID(found))
    with pytest.raises(RequestRefused, match=re.escape("Row 2, Price: is in another currency than its event, which")):
        replay(till.db, name, {2: {}}, "it is only a sign", by())
    assert replay(till.db, name, {2: {"Price": "1.75"}}, "asked the shop", by()).rows == [2, 3]
    assert replay(till.db, name, {4: {"Price": "2.00"}}, "asked the shop", by()).rows == [4]


@pytest.mark.parametrize(
    ("take", "held"), [("first", {"B2"}), ("last", {"B1"}), ("min", {"B2"}), ("max", {"B1"}), (None, {"B1", "B2"})]
)
def test_of_rows_of_which_one_counts_for_all_it_does_for_amounts_too(
    till: Till, tmp_path: Path, take: str | None, held: set[str]
) -> None:
    """As where a receipt says its currency in its first row alone."""
    put(till, members := said_by({"column": "Cur"} | ({"take": take} if take else {})))
    rows = [f"B1,tea,1,€2.00,{WHEN},EUR", f"B1,jam,1,€2.00,{WHEN},GBP"]
    rows += [f"B2,tea,1,£2.00,{WHEN},EUR", f"B2,jam,1,£2.00,{WHEN},GBP", f"B3,tea,1,€2.00,{WHEN},EUR"]
    sent(till, members, tmp_path, HEADER, *rows, f"B3,jam,1,€2.00,{WHEN},{'' if take == 'first' else 'EUR'}")
    assert {group for group, _ in bad_rows(till).values()} == held
    assert amounts(till).get("till-B3") == "4.00 EUR"


@pytest.mark.parametrize("currency", [None, {"column": "Cur"}, {"template": "{Cur}"}])
def test_where_nothing_says_the_currency_it_is_the_tenants(
    till: Till, tmp_path: Path, currency: dict[str, Any] | None
) -> None:
    till.set(currency="GBP")
    put(till, members := said_by(currency))
    rows = [f"B1,tea,1,£2.00,{WHEN},", f"B2,tea,1,€2.00,{WHEN},", f"B2,tea,1,3.00,{WHEN},", f"B3,tea,1,2.00,{WHEN},"]
    found, _ = sent(till, members, tmp_path, HEADER, *rows)
    assert bad_rows(till) == {3: ("B2", ["event"]), 4: ("B2", ["event"])}
    assert amounts(till) == {"till-B1": "2.00 GBP", "till-B3": "2.00 GBP"}
    name = files.IngestionName(till.tenant, UUID(found))
    with pytest.raises(RequestRefused, match="in another currency than its store, which has GBP"):
        replay(till.db, name, {3: {}}, "it is only a sign", by())
    assert replay(till.db, name, {3: {"Price": "£1.75"}}, "asked the shop", by()).rows == [3, 4]


def test_where_nothing_at_all_says_a_currency_amounts_that_bear_one_are_held(till: Till, tmp_path: Path) -> None:
    """Else they would be in whatever the tenant is given later."""
    put(till, members := said_by(None))
    sent(till, members, tmp_path, HEADER, f"B1,tea,1,£2.00,{WHEN},", f"B2,tea,1,2.00,{WHEN},")
    assert bad_rows(till) == {2: ("B1", ["event"])}


@pytest.mark.parametrize(("of_tenant", "is_held"), [("EUR", True), ("GBP", False)])
def test_a_column_that_is_in_a_currency_needs_no_sign(
    till: Till, tmp_path: Path, of_tenant: str, is_held: bool
) -> None:
    till.set(currency=of_tenant)
    members = said_by({"column": "Cur"})
    members["columns"] = members["columns"] | {"Price": PRICE | {"currency": "GBP"}}
    put(till, members)
    rows = [f"B1,tea,1,2.00,{WHEN},GBP", f"B2,tea,1,2.00,{WHEN},EUR", f"B3,tea,1,2.00,{WHEN},"]
    sent(till, members, tmp_path, HEADER, *rows)
    assert bad_rows(till) == {3: ("B2", ["currency"])} | ({4: ("B3", ["event"])} if is_held else {})


def test_a_contract_that_puts_dollars_into_events_of_euros_is_refused() -> None:
    members = CONTRACT | {"columns": CONTRACT["columns"] | {"Price": PRICE | {"currency": "USD"}}}
    with pytest.raises(InvalidContract, match="/events/fields/currency: is EUR, and the amounts of column 'Price'"):
        checked(members)


def test_signs_of_a_file_are_not_asked_for_where_its_rows_say_the_currency(till: Till, tmp_path: Path) -> None:
    """The first of 30,000 rows and those after them say others, and a receipt number has none."""
    put(till, members := said_by({"column": "Cur"}))
    rows = [f"B{at},tea,1,£2.00,{WHEN},GBP" for at in range(40)]
    sent(till, members, tmp_path, HEADER, *rows, f"C1,tea,1,-,{WHEN},EUR", f"C2,tea,1,€2.00,{WHEN},EUR")
    assert bad_rows(till) == {42: ("C1", ["type"])}
