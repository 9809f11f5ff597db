"""Receipts whose rows contradict each other, or are spelled in several ways: each is one event, or held."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.files import store as files
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.replay_rows import replay
from ledgersafe.pipeline.resolve import Operator
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.arrivals import ANYBODY
from tests.pipeline.delivering import Desk
from tests.pipeline.filing import CLOCK, delivered, put
from tests.pipeline.posting import Till
from tests.pipeline.test_deliver_events import WHEN, bad_rows

KINDS = [{"when": {"column": "Kind", "equals": "REFUND"}, "type": "RETURN", "turn_signs": True}, {"type": "SALE"}]


def contract(columns: dict[str, Any], **events: Any) -> dict[str, Any]:
    return CONTRACT | {"columns": CONTRACT["columns"] | columns, "events": CONTRACT["events"] | events}


def sent(till: Till, members: dict[str, Any], folder: Path, *lines: str) -> tuple[str, dict[str, int]]:
    path = folder / "day.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    ingestion_id, found = delivered(till, members, path)
    return ingestion_id, found.outcomes


@pytest.mark.parametrize("turned", [False, True])
def test_a_receipt_of_two_kinds_is_held_whichever_comes_first(till: Till, tmp_path: Path, turned: bool) -> None:
    members = contract({"Kind": {}}, event_type=KINDS)
    put(till, members)
    rows = [f"B1,tea,1,10.00,{WHEN},SALE", f"B1,jam,1,4.00,{WHEN},REFUND"]
    rows = [*(rows[::-1] if turned else rows), f"B2,cup,1,2.00,{WHEN},SALE", f"B2,cup,1,2.00,{WHEN},GIFT"]
    _, outcomes = sent(till, members, tmp_path, "Receipt,Item,Qty,Price,At,Kind", *rows)
    assert outcomes == {"processed": 1}
    assert bad_rows(till) == {2: ("B1", ["event"]), 3: ("B1", ["event"])}


def test_a_receipt_is_one_however_its_number_is_spelled(till: Till, tmp_path: Path) -> None:
    members = contract({"Receipt": {"type": "integer", "required": True}})
    put(till, members)
    header = "Receipt,Item,Qty,Price,At"
    rows = [f"007,tea,1,4.00,{WHEN}", f"7,jam,1,5.00,{WHEN}", f"07.0,cup,1,6.00,{WHEN}"]
    assert sent(till, members, tmp_path, header, *rows)[1] == {"processed": 1}
    assert sent(till, members, tmp_path, header, *(row.replace("007", "7") for row in rows))[1] == {"duplicate": 1}
    till.drain()
    assert till.keys() == {"till-7": ("processed", True)}
    assert till.balances()["sales"] == -15


def test_a_receipt_whose_number_has_a_delimiter_holds_itself_alone(till: Till, tmp_path: Path) -> None:
    put(till, CONTRACT)
    rows = [f"A,tea,1,4.00,{WHEN},", f'"A,1",jam,1,5.00,{WHEN},', f'"A,1",cup,1,6.00,{WHEN},']
    _, outcomes = sent(till, CONTRACT, tmp_path, "Receipt,Item,Qty,Price,At,", *rows * 30, f'"A,1",pot,1,7.00,{WHEN},x')
    assert outcomes == {"processed": 1}
    assert {group for group, _ in bad_rows(till).values()} == {"A,1"}, "whoever replays it has the broken row, too"


def test_an_amount_in_another_currency_than_the_events_is_held(till: Till, tmp_path: Path) -> None:
    put(till, CONTRACT)
    rows = [f"B1,tea,1,€10.00,{WHEN}", f"B2,jam,1,£4.00,{WHEN}", f"B3,cup,1,2.00,{WHEN}"]
    assert sent(till, CONTRACT, tmp_path, "Receipt,Item,Qty,Price,At", *rows)[1] == {"processed": 2}
    assert bad_rows(till) == {3: ("B2", ["currency"])}


LEVELS: dict[str, Any] = {
    "dataset": "levels",
    "primary_key": ["sku"],
    "columns": {"sku": {"required": True}, "worth": {"type": "decimal(9,2)"}, "left": {"type": "integer"}},
}


def test_an_amount_held_for_its_currency_goes_in_once_somebody_says_which_it_is(
    db: Database, superuser: psycopg.Connection, tenant: str, tmp_path: Path
) -> None:
    desk = Desk(db, superuser, tenant, tmp_path)
    desk.put(LEVELS)
    found = desk.deliver("levels", "x.csv", "sku,worth,left\na,£1.00,1\nb,£2.00,x\nc,£2.00,1\nd,€9.00,1\n".encode())
    assert [(row.row_number, row.faults[0]["rule"]) for row in desk.bad_rows(found)] == [
        *[(2, "currency"), (3, "currency"), (4, "currency"), (5, "currency")]
    ]
    name, by = files.IngestionName(tenant, UUID(str(found.ingestion_id))), Operator(ANYBODY, CLOCK.now(), 600)
    with pytest.raises(RequestRefused, match=re.escape("Row 5, worth: others of the column are in another currency")):
        replay(db, name, {5: {}}, "it is only a sign", by)
    assert replay(db, name, {5: {"worth": "9.50"}, 2: {"worth": "£1.00"}}, "asked the shop", by).inserted == 2
    desk.put(LEVELS | {"columns": LEVELS["columns"] | {"worth": {"type": "decimal(9,2)", "currency": "GBP"}}})
    assert replay(db, name, {4: {}}, "all of it is in pounds", by).inserted == 1
    assert [tuple(map(str, row)) for row in desk.rows("levels", "sku, worth")] == [
        ("a", "1.00"),
        ("c", "2.00"),
        ("d", "9.50"),
    ]
