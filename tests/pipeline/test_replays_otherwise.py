"""Files replayed by a contract that reads them otherwise: no half a receipt, no sale twice, no row of another sheet lost."""

import io
from typing import Any

import openpyxl
import pytest

from ledgersafe.files import store as files
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline import replay_rows
from ledgersafe.pipeline.bad_rows import Decided
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.delivering import Desk
from tests.pipeline.posting import Till
from tests.pipeline.prices import BY, again, counts, rules
from tests.pipeline.test_deliver_events import WHEN

HEADER = "Receipt,Till,Item,Qty,Price,At"
AN_INTEGER = {"type": "integer", "required": True}
A_TEXT = {"required": True}


def contract(receipt: dict[str, Any] = A_TEXT, group_by: tuple[str, ...] = ("Receipt",), **more: Any) -> dict[str, Any]:
    """`more`: of the columns."""
    columns = CONTRACT["columns"] | {"Till": {}, "Receipt": receipt} | more
    return CONTRACT | {"columns": columns, "events": CONTRACT["events"] | {"group_by": list(group_by)}}


def by_till() -> dict[str, Any]:
    """A till's receipts, each with an id that says the till, too."""
    members, of_both = contract(group_by=("Receipt", "Till")), {"template": "till-{Receipt}-{Till}"}
    fields = members["events"]["fields"] | {"event_id": of_both, "txn_id": of_both}
    return members | {"events": members["events"] | {"fields": fields}}


def csv(*rows: str) -> bytes:
    return "\n".join([HEADER, *rows, ""]).encode()


def workbook(**sheets: list[list[Any]]) -> bytes:
    book, held = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(held)
    return held.getvalue()


def put_right(desk: Desk, of: files.Ingestion, patches: replay_rows.Patches) -> Decided:
    return replay_rows.replay(desk.db, files.IngestionName(desk.tenant, of.ingestion_id), patches, "asked", BY)


def refused(desk: Desk, of: files.Ingestion, patches: replay_rows.Patches) -> RequestRefused:
    with pytest.raises(RequestRefused) as found:
        put_right(desk, of, patches)
    return found.value


def sales(till: Till) -> object:
    till.drain()
    till.assert_sound()
    return -till.balances().get("sales", 0)


SPLIT = csv(f"501,T1,Mug,x,2.00,{WHEN}", f"501,T2,Pot,y,30.00,{WHEN}")


def test_rows_that_are_grouped_otherwise_by_now_go_with_their_whole_file(desk: Desk, till: Till) -> None:
    desk.put(contract(group_by=("Receipt", "Till")))
    first = desk.deliver("till_lines", "day.csv", SPLIT)
    desk.put(contract())
    refusal = refused(desk, first, {2: {"Qty": "1"}})
    assert refusal.reason.code == "INVALID_PARAMETER"
    assert "Version 2 of the contract groups rows otherwise than version 1" in refusal.detail
    assert "Replay the whole delivery" in refusal.detail
    assert till.keys() == {}
    second = again(desk, first)
    assert refused(desk, second, {2: {"Qty": "1"}}).reason.code == "ROWS_STILL_BAD", "row 3 is of the same receipt"
    done = put_right(desk, second, {2: {"Qty": "1"}, 3: {"Qty": "1"}})
    assert (done.rows, done.outcomes) == ([2, 3], {"processed": 1})
    assert sales(till) == 32


def test_rows_of_a_table_do_not_become_parts_of_events(desk: Desk, till: Till) -> None:
    """The good rows of the receipt are in the table: what was held of it would be posted alone."""
    members = contract()
    desk.put({name: value for name, value in members.items() if name not in ("kind", "events")})
    first = desk.deliver("till_lines", "day.csv", csv(f"1,T,Mug,1,2.00,{WHEN}", f"1,T,Pot,x,30.00,{WHEN}"))
    desk.put(members)
    assert refused(desk, first, {3: {"Qty": "1"}}).reason.code == "INVALID_PARAMETER"
    assert again(desk, first).outcomes is None
    assert till.keys() == {}


@pytest.mark.parametrize(
    "corrected",
    [
        contract(Qty={"type": "decimal(9,2)", "required": True}),
        contract({"required": True, "pattern": "[0-9]+[AB]?"}),
        contract(Note={}),
    ],
)
def test_a_corrected_rule_that_groups_alike_has_them_put_right(
    desk: Desk, till: Till, corrected: dict[str, Any]
) -> None:
    desk.put(contract({"required": True, "pattern": "[0-9]+"}))
    first = desk.deliver("till_lines", "day.csv", csv(f"1,T,Mug,1,2.00,{WHEN}", f"2,T,Pot,x,30.00,{WHEN}"))
    desk.put(corrected)
    assert put_right(desk, first, {3: {"Qty": "1"}}).outcomes == {"processed": 1}
    assert sales(till) == 32


@pytest.mark.parametrize("origins", [True, False])
def test_a_receipt_that_would_be_another_one_by_now_is_not_posted_again(desk: Desk, till: Till, origins: bool) -> None:
    """Whether or not its delivery is from before it was kept of which rows an event was made."""
    desk.put(contract())
    rows = [f"007,T,Mug,1,2.00,{WHEN}", f"8,T,Pot,1,30.00,{WHEN}", f"9,T,Jam,x,4.00,{WHEN}"]
    first = desk.deliver("till_lines", "day.csv", csv(*rows))
    if not origins:
        till.superuser.execute("DELETE FROM files.origins WHERE tenant_id = %s", [till.tenant])
    desk.put(contract(AN_INTEGER))
    second = again(desk, first)
    assert (second.status, second.outcomes) == ("succeeded", {"duplicate": 1})
    assert rules(desk.bad_rows(second)) == {2: [(None, "event")], 4: [("Qty", "type")]}
    assert "would count" in desk.bad_rows(second)[0].faults[0]["message"]
    assert "'till-7'" in desk.bad_rows(second)[0].faults[0]["message"]
    assert put_right(desk, second, {4: {"Qty": "1"}}).outcomes == {"processed": 1}, "what was never sent goes"
    assert refused(desk, second, {2: {}}).reason.code == "ROWS_STILL_BAD"
    assert sales(till) == 36
    assert {*till.keys()} == {"till-007", "till-8", "till-9"}


def test_rows_that_another_delivery_of_the_file_sent_meanwhile_are_not_sent_again(desk: Desk, till: Till) -> None:
    desk.put(contract({"required": True, "pattern": "[1-9]+"}))
    first = desk.deliver("till_lines", "day.csv", csv(f"007,T,Mug,1,2.00,{WHEN}"))
    desk.put(contract(AN_INTEGER))
    assert again(desk, first).outcomes == {"processed": 1}
    desk.put(contract())
    refusal = refused(desk, first, {2: {}})
    assert refusal.reason.code == "ROWS_STILL_BAD"
    assert "would count" in refusal.detail
    assert sales(till) == 2


@pytest.mark.parametrize("receipt", [A_TEXT, AN_INTEGER])
def test_a_replay_that_makes_the_same_events_is_a_duplicate(desk: Desk, till: Till, receipt: dict[str, Any]) -> None:
    """By a contract that spells them alike, too."""
    desk.put(contract())
    first = desk.deliver("till_lines", "day.csv", csv(*(f"{n},T,Mug,1,2.00,{WHEN}" for n in range(1, 6))))
    desk.put(contract(receipt, Note={}))
    second = again(desk, first)
    assert (second.outcomes, second.rows_bad) == ({"duplicate": 5}, 0)
    assert sales(till) == 10


def test_the_last_lines_of_a_long_receipt_are_not_posted_again(desk: Desk, till: Till) -> None:
    """Of which only the first lines are listed; what was held of its file goes in."""
    desk.put(contract())
    lines = [f"1,{'T1' if at < 70 else 'T2'},Mug,1,1.00,{WHEN}" for at in range(90)]
    first = desk.deliver("till_lines", "day.csv", csv(*lines, f"2,T3,Pot,1,Z,{WHEN}"))
    desk.put(by_till())
    second = again(desk, first)
    assert second.outcomes is None
    assert second.rows_bad == 91
    assert put_right(desk, second, {92: {"Price": "5.00"}}).outcomes == {"processed": 1}
    assert sales(till) == 95


HEAD = ["Receipt", "Till", "Item", "Qty", "Price", "At"]
TWO_SHEETS = workbook(Jan=[HEAD, ["1", "T", "Mug", 1, 2, WHEN]], Feb=[HEAD, ["2", "T", "Pot", 1, 30, WHEN]])


def of_sheet(members: dict[str, Any], name: str) -> dict[str, Any]:
    return members | {"source": {"sheet": name}}


def test_the_receipts_of_each_sheet_are_posted(desk: Desk, till: Till) -> None:
    """The row of that number on another sheet is another one."""
    desk.put(of_sheet(contract(), "Jan"))
    first = desk.deliver("till_lines", "months.xlsx", TWO_SHEETS)
    desk.put(of_sheet(contract(), "Feb"))
    assert again(desk, first).outcomes == {"processed": 1}
    desk.put(of_sheet(contract(), "Jan"))
    assert again(desk, first).outcomes == {"duplicate": 1}
    assert sales(till) == 32


LIST: dict[str, Any] = {"dataset": "paid", "columns": {"id": {}, "net": {"type": "decimal(9,2)", "required": True}}}
MONTHS = workbook(Jan=[["id", "net"], ["a", 1]], Feb=[["id", "net"], ["b", 2]])


def test_without_a_key_a_sheet_does_not_replace_another(desk: Desk) -> None:
    desk.put(LIST)
    first = desk.deliver("paid", "months.xlsx", MONTHS)
    assert first.reason_code == "BAD_HEADER"
    desk.put(of_sheet(LIST, "Jan"))
    assert counts(again(desk, first))["inserted"] == 1
    desk.put(of_sheet(LIST, "Feb"))
    second = again(desk, first)
    assert (second.status, second.reason_code) == ("quarantined", "OTHER_SHEET")
    assert "'Jan'" in (second.detail or "")
    assert "Send 'Feb' as a file of its own" in (second.detail or "")
    assert [(name, str(net)) for name, net in desk.rows("paid", "id, net")] == [("a", "1.00")]
    desk.put(of_sheet(LIST, "Jan"))
    assert counts(again(desk, first))["unchanged"] == 1
    assert desk.deliver("paid", "feb.xlsx", workbook(Jan=[["id", "net"], ["b", 2]])).status == "succeeded"
    assert len(desk.rows("paid")) == 2


def test_with_a_key_the_rows_of_both_sheets_are_loaded(desk: Desk) -> None:
    keyed = LIST | {"dataset": "paid_by_id", "primary_key": ["id"]}
    desk.put(of_sheet(keyed, "Jan"))
    first = desk.deliver("paid_by_id", "months.xlsx", MONTHS)
    desk.put(of_sheet(keyed, "Feb"))
    assert counts(again(desk, first))["inserted"] == 1
    assert len(desk.rows("paid_by_id")) == 2
