"""How files end: totals, counts and notes below the last receipt, blank rows, broken rows. No receipt goes out in half."""

import io
from typing import Any
from uuid import UUID

import openpyxl
import polars as pl
import pytest

from ledgersafe.contracts.datasets.reading import InvalidContract, checked
from ledgersafe.files import store as files
from ledgersafe.pipeline import land, replay_rows
from ledgersafe.pipeline.bad_rows import ignore
from ledgersafe.pipeline.deliveries import event_groups
from ledgersafe.pipeline.resolve import Operator
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.arrivals import ANYBODY
from tests.pipeline.delivering import Desk
from tests.pipeline.filing import CLOCK
from tests.pipeline.posting import Till
from tests.pipeline.test_deliver_events import HEADER, WHEN

LINES = [f"B1,tea,2,1.50,{WHEN}", f"B2,jam,1,3.25,{WHEN}", f"B1,cup,1,2.00,{WHEN}"]
QTY = 4
LOOSE = CONTRACT | {"columns": {name: column | {"required": False} for name, column in CONTRACT["columns"].items()}}


def members(**changes: Any) -> dict[str, Any]:
    return CONTRACT | changes


def _bytes(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def _workbook(*rows: list[Any]) -> bytes:
    book, held = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)  # pyright: ignore[reportOptionalMemberAccess]
    book.save(held)
    return held.getvalue()


def _sheet(*rows: list[Any]) -> bytes:
    """The lines as a sheet, and rows below them."""
    cells = [[first, item, int(qty), float(price), at] for first, item, qty, price, at in (s.split(",") for s in LINES)]
    return _workbook(HEADER.split(","), *cells, *rows)


FOOTERS = [
    f",Total,{QTY},8.25,",
    f"Total,{QTY},8.25",
    f",,Grand total:,{QTY},",
    "(3 rows affected)",
    "3 rows selected.",
    "Records: 3",
    ",,(3 rows),,",
    "End of the report",
    "*** printed by the till ***",
    f"Total (EUR),{QTY},8.25",
    f",,Total EUR:,{QTY},",
    "2 receipts",
    "EOF",
    "*** Ende ***",
    "-----",
]


@pytest.mark.parametrize("footer", FOOTERS)
def test_what_says_that_a_file_ends_holds_itself_alone(desk: Desk, till: Till, footer: str) -> None:
    desk.put(CONTRACT)
    done = desk.deliver("till_lines", "day.csv", _bytes(*LINES, "", footer))
    assert (done.status, done.rows_ok, done.outcomes) == ("succeeded", 3, {"processed": 2})
    (row,) = desk.bad_rows(done)
    assert (row.row_number, row.status, row.group_key) == (6, "open", None)
    assert "source.skip_rows" in " ".join(str(fault["message"]) for fault in row.faults)
    till.drain()
    assert till.balances()["sales"] == -8.25


def test_several_of_them_end_a_file_together(desk: Desk) -> None:
    desk.put(CONTRACT)
    done = desk.deliver("till_lines", "day.csv", _bytes(*LINES, f",Total,{QTY},,", "(3 rows affected)", "End of file"))
    assert (done.rows_ok, done.rows_bad, done.outcomes) == (3, 3, {"processed": 2})


TOTAL = f"Total,,{QTY},8.25,"
"""Its word stands where the receipt's number would."""


@pytest.mark.parametrize(
    "footers",
    [
        (TOTAL, "3 rows"),
        ("-----", TOTAL),
        ("-----", TOTAL, "=====", "(3 rows)"),
        ("2 receipts", TOTAL),
        (f"Subtotal,,{QTY},,", TOTAL, "End of the report"),
    ],
)
def test_a_total_in_the_place_of_a_receipt_is_no_row_that_others_count(
    desk: Desk, till: Till, footers: tuple[str, ...]
) -> None:
    desk.put(CONTRACT)
    done = desk.deliver("till_lines", "day.csv", _bytes(*LINES, *footers))
    assert (done.rows_ok, done.rows_bad, done.outcomes) == (3, len(footers), {"processed": 2})
    till.drain()
    assert till.balances()["sales"] == -8.25


@pytest.mark.parametrize(
    "footers",
    [
        ("Total,,5,9.25,", "2 rows"),
        ("-----", "Total,,1,3.00,"),
        (f"Total,pot,{QTY},8.25,", "3 rows"),
        (TOTAL, "2 rows"),
        (TOTAL, f",milk,1,1.00,{WHEN}"),
        ("-----", f"B3,milk,x,1.00,{WHEN}", TOTAL),
    ],
)
def test_with_a_total_in_the_place_of_a_receipt_all_must_be_borne_out(desk: Desk, footers: tuple[str, ...]) -> None:
    desk.put(CONTRACT)
    done = desk.deliver("till_lines", "day.csv", _bytes(*LINES, *footers))
    assert (done.rows_ok, done.outcomes or {}) == (0, {})


NO_FOOTERS = [
    pytest.param(f",milk,1,1.00,{WHEN}", id="a line without its number"),
    pytest.param(",milk,1,1.00,", id="a line without its number and day"),
    pytest.param(f",Total,{QTY},8.25,{WHEN}", id="a line whose item is called Total"),
    pytest.param(",Total,1,3.00,", id="an item called Total, below its receipt"),
    pytest.param(",Total 0%,4,2.00,", id="an item whose name begins with Total"),
    pytest.param(f",Total,{QTY},8.25,B1", id="a total with a receipt's number"),
    pytest.param(f"milk,1,1.00,{WHEN}", id="a field too few"),
    pytest.param("B", id="the beginning of a number"),
    pytest.param("B1", id="a row that breaks off after its number"),
    pytest.param("(4 rows affected)", id="a count of rows that are not there"),
    pytest.param("(2 rows affected)", id="a count of fewer rows"),
    pytest.param("3 receipts", id="a count of receipts that are not there"),
    pytest.param("-", id="the minus of an amount"),
    pytest.param("--5", id="a number in a line that is drawn"),
    pytest.param(".50", id="the rest of an amount"),
    pytest.param("CR", id="the rest of an amount that is a credit"),
    pytest.param("milk for B1 later", id="a note about a receipt"),
    pytest.param("B1;milk;1;1.00", id="a line with other delimiters"),
    pytest.param(f"Total,{QTY},8.25\nmilk,1,1.00,{WHEN}", id="a line below a total"),
    pytest.param(f"milk,1,1.00,{WHEN}\nTotal,{QTY},8.25", id="a line above a total"),
]


@pytest.mark.parametrize("end", NO_FOOTERS)
@pytest.mark.parametrize("contract", [CONTRACT, LOOSE], ids=["required", "loose"])
def test_what_may_be_a_line_of_a_receipt_holds_them_all(desk: Desk, till: Till, end: str, contract: Any) -> None:
    desk.put(contract)
    done = desk.deliver("till_lines", "day.csv", _bytes(*LINES, end))
    assert (done.rows_ok, done.outcomes or {}, till.keys()) == (0, {}, {})


def test_a_footer_between_receipts_holds_them_all(desk: Desk) -> None:
    desk.put(CONTRACT)
    for at in (0, 1, 2):
        done = desk.deliver("till_lines", "day.csv", _bytes(*LINES[:at], "(3 rows affected)", *LINES[at:], "x" * at))
        assert (done.rows_ok, done.outcomes or {}) == (0, {})


def test_a_text_alone_may_be_the_rest_of_a_row_that_ends_with_a_text(desk: Desk) -> None:
    columns = {name: CONTRACT["columns"][name] for name in ("Receipt", "Qty", "Price", "At", "Item")}
    desk.put(members(columns=columns))
    lines = [f"B1,2,1.50,{WHEN},tea", f"B2,1,3.25,{WHEN},jam with"]
    header = "Receipt,Qty,Price,At,Item"
    done = desk.deliver("till_lines", "day.csv", _bytes(*lines, "red cherries", header=header))
    assert (done.rows_ok, done.outcomes or {}) == (0, {})
    done = desk.deliver("till_lines", "day.csv", _bytes(*lines, "(2 rows)", header=header))
    assert (done.rows_ok, done.outcomes) == (2, {"processed": 2})


def test_a_note_is_not_believed_where_the_number_stands_further_behind(desk: Desk) -> None:
    columns = {name: CONTRACT["columns"][name] for name in ("Item", "Receipt", "Qty", "Price", "At")}
    desk.put(members(columns=columns))
    lines, header = [f"tea,B1,2,1.50,{WHEN}", f"green tea,B2,1,3.25,{WHEN}"], "Item,Receipt,Qty,Price,At"
    for end in ("green", "green tea"):
        done = desk.deliver("till_lines", "day.csv", _bytes(*lines, end, header=header))
        assert (done.rows_ok, done.outcomes or {}) == (0, {}), "a row that breaks off before its number"


ENDS = ["EOF", "-----", "=====\n END", "*** Ende ***", "2 Belege", "Fin,,,,", "---,-----,---,-----,---"]


@pytest.mark.parametrize("end", ENDS)
def test_what_can_be_no_line_is_believed_wherever_the_number_stands(desk: Desk, end: str) -> None:
    columns = {name: CONTRACT["columns"][name] for name in ("Qty", "Receipt", "Price", "At", "Item")}
    desk.put(members(columns=columns))
    lines, header = [f"2,B1,1.50,{WHEN},tea", f"1,B2,3.25,{WHEN},jam"], ",".join(columns)
    done = desk.deliver("till_lines", "day.csv", _bytes(*lines, end, header=header))
    assert (done.rows_ok, done.outcomes) == (2, {"processed": 2})


def test_a_word_for_the_end_as_which_a_row_begins_is_believed_by_none(desk: Desk) -> None:
    columns = {name: CONTRACT["columns"][name] for name in ("Item", "Receipt", "Qty", "Price", "At")}
    desk.put(members(columns=columns))
    lines = [f"Fine salt,B1,2,1.50,{WHEN}", f"jam,B2,1,3.25,{WHEN}"]
    done = desk.deliver("till_lines", "day.csv", _bytes(*lines, "Fin", header=",".join(columns)))
    assert (done.rows_ok, done.outcomes or {}) == (0, {})


@pytest.mark.parametrize(
    ("end", "rows"),
    [("Fine", 0), ("End", 0), ("Fin", 0), ("(End", 0), ("End\n", 2), ("EOF", 2), ("*** Ende ***", 2), ("-----", 2)],
)
def test_a_word_for_the_end_is_believed_if_its_line_ends(desk: Desk, till: Till, end: str, rows: int) -> None:
    """Else it may be the beginning of `Fine sea salt,B1,…`."""
    columns = {name: CONTRACT["columns"][name] for name in ("Item", "Receipt", "Qty", "Price", "At")}
    desk.put(members(columns=columns))
    lines = [",".join(columns), f"mug,B1,2,1.50,{WHEN}", f"jam,B2,1,3.25,{WHEN}", end]
    done = desk.deliver("till_lines", "day.csv", "\n".join(lines).encode())
    assert (done.rows_ok, len(till.keys())) == (rows, rows)


@pytest.mark.parametrize("end", ["End", "Fin"])
def test_a_word_for_the_end_needs_no_line_break_where_the_number_stands_first(desk: Desk, end: str) -> None:
    desk.put(CONTRACT)
    assert desk.deliver("till_lines", "day.csv", _bytes(*LINES, end).rstrip()).rows_ok == 3


def test_rows_that_the_contract_calls_none_are_passed_over(desk: Desk, till: Till) -> None:
    desk.put(members(source={"skip_rows": r"(?i)total|\([0-9]+ rows affected\)|page [0-9]+"}))
    body = _bytes(LINES[0], "Page 1", "", LINES[1], ",TOTAL,9,9.99,x", LINES[2], "(7 rows affected)")
    done = desk.deliver("till_lines", "day.csv", body)
    assert (done.rows_in, done.rows_ok, done.rows_bad, done.outcomes) == (3, 3, 0, {"processed": 2})
    assert done.facts is not None
    assert done.facts["rows_passed_over"] == 3
    assert "3 rows were passed over: by source.skip_rows of the contract they are none." in (done.detail or "")
    till.drain()
    assert till.balances()["sales"] == -8.25


@pytest.mark.parametrize(
    "line", [f"Total 0%,milk,1,1.00,{WHEN}", f",Total 0%,1,1.00,{WHEN}", f"B1,Total,1,1.00,{WHEN}"]
)
def test_a_line_is_passed_over_only_by_the_whole_of_its_first_value(desk: Desk, line: str) -> None:
    desk.put(members(source={"skip_rows": "Total"}))
    done = desk.deliver("till_lines", "day.csv", _bytes(*LINES, line))
    assert (done.rows_in, done.facts and done.facts.get("rows_passed_over")) == (4, None)


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"\d{3", ".{1,20000}", ""])
def test_a_pattern_of_such_rows_that_no_file_can_be_held_to_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidContract) as refused:
        checked(members(source={"skip_rows": pattern}))
    assert refused.value.faults[0].path == "/source/skip_rows"


def test_sheets_and_json_have_rows_that_are_none_too(desk: Desk) -> None:
    desk.put(members(source={"skip_rows": "Total|End"}))
    done = desk.deliver("till_lines", "day.xlsx", _sheet([None, "Total", QTY, 8.25], ["End"]))
    assert (done.rows_in, done.rows_ok, done.outcomes) == (3, 3, {"processed": 2})
    line = '{"Receipt":"C1","Item":"tea","Qty":1,"Price":"1.00","At":"2026-02-25 10:00"}'
    done = desk.deliver("till_lines", "day.ndjson", f'{line}\n{{"Item":"Total","Qty":1}}\n'.encode())
    assert (done.rows_in, done.rows_ok, done.outcomes) == (1, 1, {"processed": 1})


def test_a_row_of_blanks_holds_nothing(desk: Desk) -> None:
    desk.put(CONTRACT)
    for name, body in {
        "day.csv": _bytes(*LINES, "  , , , ,", "\u00a0,,,,", "\t,,\t,,", "\u00a0,,"),
        "day.xlsx": _sheet([None, " "], ["\u00a0", None, "\t"]),
    }.items():
        done = desk.deliver("till_lines", name, body)
        assert (done.rows_in, done.rows_ok, done.rows_bad) == (3, 3, 0), name


def test_a_cell_says_of_which_receipt_a_broken_row_is(desk: Desk, till: Till) -> None:
    """An error in a cell, or a note beside the table: its receipt is held, the others go out."""
    desk.put(members(columns=CONTRACT["columns"] | {"Shelf": {}}))
    head = [*HEADER.split(","), "Shelf"]
    rows = [["B1", "tea", 2, 1.5, WHEN, None], ["B2", "jam", 1, 3.25, WHEN, "#N/A"], ["B3", "cup", 1, 2, WHEN, None]]
    done = desk.deliver("till_lines", "day.xlsx", _workbook(head, *rows, ["B3", "pot", 1, 30, WHEN, "x", "look here"]))
    assert (done.rows_ok, done.outcomes) == (1, {"processed": 1})
    assert {row.row_number: row.group_key for row in desk.bad_rows(done)} == {3: "B2", 4: "B3", 5: "B3"}
    assert set(till.keys()) == {"till-B1"}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(["#N/A", "pot", 1, 30, WHEN], id="the number itself is an error"),
        pytest.param([None, "B1", "pot", 1, 30, WHEN], id="cells moved from the number on"),
        pytest.param([None, "pot", 1, 30, WHEN, "look here"], id="no number, and a note"),
        pytest.param(["b1", "pot", 1, 30, WHEN, "look here"], id="a number in other letters"),
    ],
)
def test_a_cell_that_may_have_moved_says_nothing(desk: Desk, row: list[Any]) -> None:
    desk.put(members(events=CONTRACT["events"] | {"event_type": "SALE"}))
    done = desk.deliver("till_lines", "day.xlsx", _sheet(row, ["B9", "hat", 1, 1, WHEN]))
    assert (done.rows_ok, done.outcomes or {}) == (0, {})


def test_cells_moved_before_the_number_say_nothing(desk: Desk) -> None:
    """Of `tea, , 2, B1` moved by one, B1 stands in the next column: what stands where it stood is another value."""
    columns = {name: CONTRACT["columns"][name] for name in ("Item", "Qty", "Receipt", "Price", "At")}
    desk.put(members(columns=columns))
    head = ["Item", "Qty", "Receipt", "Price", "At"]
    good = [["tea", 1, 2, 1.5, WHEN], ["cup", 1, 3, 1.5, WHEN]]
    for moved in (["pot", None, 2, 3, 30, WHEN], [None, "pot", 2, 3, 30, WHEN]):
        done = desk.deliver("till_lines", "day.xlsx", _workbook(head, *good, moved))
        assert (done.rows_ok, done.outcomes or {}) == (0, {})


def test_a_replay_passes_over_a_row_that_was_ignored(desk: Desk, till: Till) -> None:
    desk.put(CONTRACT)
    held = desk.deliver("till_lines", "day.csv", _bytes(*LINES, ",Totals by hand,7,7.00,"))
    assert (held.rows_ok, held.rows_bad) == (0, 4)
    ignore(desk.db, _name(held), [5], "no line of any", _by())
    done = desk.work_off(_replayed(desk, held))
    assert (done.rows_ok, done.rows_bad, done.outcomes) == (3, 1, {"processed": 2})
    assert "On 1 of them a person had decided before" in (done.detail or "")
    till.drain()
    assert till.balances()["sales"] == -8.25


def test_a_replay_holds_all_while_another_such_row_is_not_decided_on(desk: Desk) -> None:
    desk.put(CONTRACT)
    held = desk.deliver("till_lines", "day.csv", _bytes(*LINES, ",Totals by hand,7,7.00,", f",milk,1,1.00,{WHEN}"))
    ignore(desk.db, _name(held), [5], "no line of any", _by())
    done = desk.work_off(_replayed(desk, held))
    assert (done.rows_ok, done.rows_bad, done.outcomes or {}) == (0, 5, {})


def test_what_was_decided_of_a_row_is_nothing_to_that_of_another_sheet(desk: Desk, till: Till) -> None:
    desk.put(CONTRACT | {"source": {"sheet": "Jan"}})
    book, held = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.worksheets[0])
    for title, qty in {"Jan": "one", "Feb": 1}.items():
        sheet = book.create_sheet(title)
        for row in (HEADER.split(","), *([f"{title}-{at}", "tea", qty, 1, WHEN] for at in (1, 2, 3))):
            sheet.append(row)
    book.save(held)
    first = desk.deliver("till_lines", "day.xlsx", held.getvalue())
    ignore(desk.db, _name(first), [2], "a test sale", _by())
    replay_rows.replay(desk.db, _name(first), {3: {"Qty": "1"}}, "asked", _by())
    desk.put(CONTRACT | {"source": {"sheet": "Feb"}})
    second = desk.work_off(_replayed(desk, first))
    assert (second.rows_bad, second.outcomes) == (0, {"processed": 3})
    desk.put(CONTRACT | {"source": {"sheet": "Jan"}})
    assert desk.work_off(_replayed(desk, first)).rows_bad == 3
    assert set(till.keys()) == {"till-Jan-2", "till-Feb-1", "till-Feb-2", "till-Feb-3"}


def test_an_ignored_row_of_another_sheet_is_another_row(desk: Desk) -> None:
    desk.put(CONTRACT | {"source": {"sheet": "Jan"}})
    book, held = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.worksheets[0])
    for title, last in (("Jan", [None, "Sum by hand", 1, 1, None]), ("Feb", [None, "milk", 1, 1, None])):
        sheet = book.create_sheet(title)
        for row in (HEADER.split(","), ["B1", "tea", 2, 1.5, WHEN], last):
            sheet.append(row)
    book.save(held)
    jan = desk.deliver("till_lines", "day.xlsx", held.getvalue())
    ignore(desk.db, _name(jan), [3], "no line of any", _by())
    assert desk.work_off(_replayed(desk, jan)).rows_ok == 1
    desk.put(CONTRACT | {"source": {"sheet": "Feb"}})
    assert desk.work_off(_replayed(desk, jan)).rows_ok == 0


def _replayed(desk: Desk, of: files.Ingestion) -> files.IngestionName:
    """The same file once more."""
    again = land.replay(desk.db, desk.tenant, UUID(str(of.ingestion_id)), "once more", _by())
    return _name(again)


def _by() -> Operator:
    return Operator(ANYBODY, CLOCK.now(), 600)


def _name(of: files.Ingestion) -> files.IngestionName:
    return files.IngestionName(of.tenant_id, UUID(str(of.ingestion_id)))


def test_rows_that_cannot_be_read_count_for_the_size_of_a_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put(CONTRACT)
    body = _bytes(*(line for _ in range(300) for line in (LINES[0], f"B1,{'x' * 3_000},1,1,{WHEN},more")))
    assert desk.deliver("till_lines", "day.csv", body).status == "succeeded"
    monkeypatch.setattr(event_groups, "MOST_BYTES", 500_000)
    done = desk.deliver("till_lines", "day2.csv", body + b"B2,jam,1,1,\n")
    assert (done.status, done.reason_code) == ("quarantined", "FILE_TOO_LARGE")


def test_a_number_is_one_receipt_however_json_spells_it(desk: Desk, till: Till) -> None:
    """Pandas writes 501.0 where another row of the file has no number."""
    desk.put(CONTRACT)
    rows = [f'{{"Receipt":{n},"Item":"tea","Qty":1.0,"Price":2.0,"At":"{WHEN}"}}' for n in ("501", "501.0", "5.010e2")]
    for name, text in {"day.ndjson": "\n".join(rows), "day.json": f"[{','.join(rows)}]"}.items():
        done = desk.deliver("till_lines", name, text.encode())
        assert (done.rows_ok, sum((done.outcomes or {}).values())) == (3, 1), name
    held = io.BytesIO()
    pl.DataFrame({"Receipt": [501.0] * 3, "Item": "tea", "Qty": 1, "Price": 2.0, "At": WHEN}).write_parquet(held)
    assert desk.deliver("till_lines", "day.parquet", held.getvalue()).outcomes == {"duplicate": 1}
    till.drain()
    assert till.keys() == {"till-501": ("processed", True)}
    assert till.balances()["sales"] == -6


def test_texts_that_look_like_numbers_are_two_receipts(desk: Desk, till: Till) -> None:
    desk.put(CONTRACT)
    rows = [f'{{"Receipt":{n},"Item":"tea","Qty":1,"Price":2,"At":"{WHEN}"}}' for n in ('"501"', '"501.0"', "501.5")]
    assert desk.deliver("till_lines", "day.ndjson", "\n".join(rows).encode()).outcomes == {"processed": 3}
    assert set(till.keys()) == {"till-501", "till-501.0", "till-501.5"}


@pytest.mark.parametrize("rate", [1.19, "1.19", 0.1, 3])
def test_a_constant_is_reckoned_with_as_it_is_written(desk: Desk, till: Till, rate: Any) -> None:
    kept = {name: CONTRACT["events"]["lines"][name] for name in ("sku", "qty", "unit_price")}
    lines = kept | {"rate": {"constant": rate}, "amount": {"product": ["qty", "unit_price", "rate"]}}
    fields = CONTRACT["events"]["fields"] | {"metadata.rates": {"sum": "rate"}}
    desk.put(members(events=CONTRACT["events"] | {"lines": lines, "fields": fields}))
    desk.deliver("till_lines", "day.csv", _bytes(f"B1,tea,10,9.00,{WHEN}", f"B1,jam,1,1.00,{WHEN}"))
    ((event,),) = till.rows("SELECT payload_json FROM bronze.events WHERE tenant_id = %s")
    assert sorted(str(line["amount"]) for line in event["line_items"]) == sorted(
        {"1.19": ["107.1", "1.19"], "0.1": ["9", "0.1"], "3": ["270", "3"]}[str(rate)]
    )
    assert event["metadata"]["rates"] == {"1.19": "2.38", "0.1": "0.2", "3": "6"}[str(rate)]
