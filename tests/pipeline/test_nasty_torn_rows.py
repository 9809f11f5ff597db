"""Rows that were torn, or run together: what may be of another receipt is believed to be of none."""

from pathlib import Path
from typing import Any

import pytest

from tests.contracts.till_lines import CONTRACT
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
