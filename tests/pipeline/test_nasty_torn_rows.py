"""Rows that were torn, or run together: what may be of another receipt is believed to be of none."""

from pathlib import Path
from typing import Any

import pytest

from ledgersafe.formats.kinds import csv
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.delivering import Desk
from tests.pipeline.filing import put
from tests.pipeline.posting import Till
from tests.pipeline.test_deliver_events import WHEN, bad_rows
from tests.pipeline.test_nasty_receipts import contract, sent

HEADER = "Receipt,Item,Qty,Price,At"
OTHERS = [f"501,Mug,1,2.00,{WHEN}", f"502,Tea,1,1.00,{WHEN}", f"503,Tea,1,1.00,{WHEN}"]
LONG = "x" * 8_000


@pytest.mark.parametrize(
    "torn",
    [
        f"501,Pot,1,2.502,Kettle,1,30.00,{WHEN}",
        f"501,Pot,1,2. 502 ,Kettle,1,30.00,{WHEN}",
        f"501,P502,Kettle,1,30.00,{WHEN}",
        f"501,502,Kettle,1,30.00,{WHEN}",
        f"T1,501,Pot,1,30.00,{WHEN}",
        f"5,01,Pot,1,30.00,{WHEN}",
        f"501,Mug,1,2.00,{LONG}502,Pot,1,30.00,{WHEN}",
        f"501,P502,Kettle, large,1,30.00,{WHEN}",
        f",501,Pot,1,30.00,{WHEN}",
    ],
)
def test_a_row_with_another_receipt_in_it_holds_all(till: Till, tmp_path: Path, torn: str) -> None:
    put(till, CONTRACT)
    assert sent(till, CONTRACT, tmp_path, HEADER, torn, *OTHERS)[1] == {}
    found = bad_rows(till)
    assert (found[2], len(found), till.keys()) == ((None, ["readable"]), 4, {})


@pytest.mark.parametrize(
    "broken",
    [
        f"501,Pot, large,1,30.00,{WHEN}",
        f"501,Pot, large, for 2,1,30.00,{WHEN}",
        f"501,Pot,1,30.00,{WHEN},x",
        f"501,Pot,1,2.501,Kettle,1,30.00,{WHEN}",
        f'501,"Pot, large", blue,1,30.00,{WHEN}',
        f"501,Pot, no 502a,1,30.00,{WHEN}",
    ],
)
def test_a_field_too_many_holds_its_receipt_alone(till: Till, tmp_path: Path, broken: str) -> None:
    put(till, CONTRACT)
    assert sent(till, CONTRACT, tmp_path, HEADER, *OTHERS, broken)[1] == {"processed": 2}
    assert bad_rows(till) == {2: ("501", ["group"]), 5: ("501", ["readable"])}


def test_of_short_numbers_a_quantity_is_no_receipt(till: Till, tmp_path: Path) -> None:
    """Another row stands whole at the end of what it was appended to: so many fields come after its number."""
    put(till, CONTRACT)
    rows = [*(f"{number},Tea,1,1.00,{WHEN}" for number in range(1, 30)), f"2,Pot, large,1,30.00,{WHEN}"]
    assert sent(till, CONTRACT, tmp_path, HEADER, *rows, f"30,Tea,1,1.00,{WHEN}")[1] == {"processed": 29}
    assert bad_rows(till) == {3: ("2", ["group"]), 31: ("2", ["readable"])}


@pytest.mark.parametrize("footer", ["Total,29,,29.00,,", f"999,Pot, large,1,30.00,{WHEN}"])
def test_a_receipt_that_has_no_other_row_holds_none(till: Till, tmp_path: Path, footer: str) -> None:
    put(till, CONTRACT)
    assert sent(till, CONTRACT, tmp_path, HEADER, *OTHERS, footer, *OTHERS)[1] == {"processed": 3}
    assert bad_rows(till) == {5: (footer.split(",")[0], ["readable"])}


def test_where_a_file_breaks_off_a_row_need_not_be_whole(till: Till, tmp_path: Path) -> None:
    put(till, CONTRACT)
    torn = f"501,Pot,1,2.00,{WHEN.replace(':', '.')}502,Kettle"
    assert sent(till, CONTRACT, tmp_path, HEADER, *OTHERS, torn)[1] == {}
    assert len(bad_rows(till)) == 4


def test_of_a_receipt_whose_rows_are_all_bad_a_row_is_not_lost_either(till: Till, tmp_path: Path) -> None:
    """It is to be put right before them, as it may be theirs."""
    put(till, CONTRACT)
    rows = [OTHERS[0], f"502,Tea,x,1.00,{WHEN}", OTHERS[2], f"501,Pot,1,2.502,Kettle,1,30.00,{WHEN}"]
    assert sent(till, CONTRACT, tmp_path, HEADER, *rows)[1] == {}
    assert bad_rows(till)[5] == (None, ["readable"])


PRICED = ("Receipt", "At", "Item", "Qty", "Price")
US = ("3.00", "1249.00")
EU = ("3,00", "1.249,00")


def ending(*prices: str, end: str = "", mark: str = ",", **changes: Any) -> tuple[dict[str, Any], bytes]:
    """A contract whose last column has the prices, and a file of them that ends so."""
    members = contract({})
    members["columns"] = {name: CONTRACT["columns"][name] for name in PRICED}
    members["columns"]["Price"] = members["columns"]["Price"] | changes
    rows = [mark.join((f"B{at}", WHEN, "sofa", "1", price)) for at, price in enumerate(prices)]
    return members, ("\n".join([mark.join(PRICED), *rows]) + end).encode()


SPELLED_EU = {"decimal": ",", "thousands": "."}


@pytest.mark.parametrize("price", ["12", "1", "125.", "1249.0", "-12"])
def test_an_amount_that_breaks_off_at_the_end_holds_its_receipt(desk: Desk, till: Till, price: str) -> None:
    members, body = ending(*US, price)
    desk.put(members)
    done = desk.deliver("till_lines", "day.csv", body)
    assert (done.rows_ok, {row.row_number: row.group_key for row in desk.bad_rows(done)}) == (2, {4: "B2"})
    assert "no line break ends the file" in desk.bad_rows(done)[0].faults[0]["message"]
    assert set(till.keys()) == {"till-B0", "till-B1"}
    done = desk.deliver("till_lines", "day.csv", body + b"\n")
    assert done.rows_ok == (3 if price != "125." else done.rows_ok)


@pytest.mark.parametrize("prices", [(*EU, "1.234"), (*EU, "12"), (*EU, "12,5"), ("3,00 EUR", "4,50 EUR", "1.234,00")])
def test_with_a_decimal_comma_it_breaks_off_too(desk: Desk, prices: tuple[str, ...]) -> None:
    members, body = ending(*prices, mark=";", **SPELLED_EU)
    desk.put(members)
    assert desk.deliver("till_lines", "day.csv", body).rows_ok == 2


@pytest.mark.parametrize(
    "prices",
    [
        (*US, "3.00"),
        ("12",),
        ("3", "1249", "12"),
        ("3.5", "1249.00", "12"),
        ("3.00", "EUR 4.00", "EUR 12.50"),
        ("3.00", "4.00-", "5.00"),
        ("3.00", '"12"'),
        ("3.00", "12\n,,,,"),
        ("3.00", "12\n "),
    ],
)
def test_an_amount_at_the_end_is_believed_if_the_others_are_not_against_it(desk: Desk, prices: tuple[str, ...]) -> None:
    members, body = ending(*prices)
    desk.put(members)
    assert desk.deliver("till_lines", "day.csv", body).rows_ok == len(prices)


def test_amounts_of_all_blocks_tell_how_the_last_one_is_spelled(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "_BLOCK_BYTES", 400)
    for first, rows in (("2.00", 199), ("2", 200)):
        members, body = ending(first, *["3.00"] * 198, "12")
        desk.put(members)
        done = desk.deliver("till_lines", f"{rows}.csv", body)
        assert (done.rows_in, done.rows_ok) == (200, rows)


def of_stores() -> dict[str, Any]:
    columns = {"Store": {}, "Receipt": {"type": "integer", "required": True}}
    fields = CONTRACT["events"]["fields"] | {"event_id": {"template": "{Store}-{Receipt}"}}
    members = contract({}, group_by=["Store", "Receipt"], fields=fields)
    return members | {"columns": columns | {name: of for name, of in CONTRACT["columns"].items() if name != "Receipt"}}


@pytest.mark.parametrize(
    ("broken", "is_lost"),
    [
        (f"S1,501,Pot,1,2.S1,502,Kettle,1,30.00,{WHEN}", True),
        (f"S1,501,PS1,00502,Kettle,1,30.00,{WHEN}", True),
        (f"S1,501,PS2,501,Kettle,1,30.00,{WHEN}", True),
        (f"S1,5,01,Pot,1,30.00,{WHEN}", True),
        (f"S1,999,Pot, large,1,30.00,{WHEN}", True),
        (f"S1,501,Pot S1, large,1,30.00,{WHEN}", False),
        (f"S1,501,Pot, large,1,30.00,{WHEN}", False),
    ],
)
def test_a_receipt_of_two_columns_is_found_in_a_torn_row_too(
    till: Till, tmp_path: Path, broken: str, is_lost: bool
) -> None:
    put(till, members := of_stores())
    rows = [f"S1,501,Mug,1,2.00,{WHEN}", f"S1,0502,Tea,1,1.00,{WHEN}", f"S2,501,Tea,1,1.00,{WHEN}"]
    outcomes = sent(till, members, tmp_path, f"Store,{HEADER}", *rows, broken, f"S1,5,Hat,1,1.00,{WHEN}")[1]
    assert outcomes == ({} if is_lost else {"processed": 3})
    assert (bad_rows(till)[5][0] is None) is is_lost
