"""Commas and quotation marks that are one too many: ordinary files go in whole, and what they may hide is held."""

from copy import deepcopy
from typing import Any

import pytest

from ledgersafe.files import store as files
from ledgersafe.formats import running_over
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.delivering import Desk
from tests.pipeline.posting import Till
from tests.pipeline.test_deliver_events import HEADER, WHEN

MORE: dict[str, Any] = {"SKU": {}, "Note": {}, "Discount": {"type": "decimal(12,2)"}, "Place": {}}


def contract(*names: str, **changes: Any) -> dict[str, Any]:
    """The till's, with the columns in that order, and more of them. `changes`: of the receipt's column."""
    members = deepcopy(CONTRACT)
    members["columns"] = {name: (members["columns"] | MORE)[name] for name in names or members["columns"]}
    members["columns"]["Receipt"] |= changes
    return members


def delivered(desk: Desk, members: dict[str, Any], header: str, *lines: str) -> files.Ingestion:
    desk.put(members)
    return desk.deliver(members["dataset"], "day.csv", "\n".join([header, *lines, ""]).encode())


def held(desk: Desk, of: files.Ingestion) -> dict[int, str | None]:
    return {row.row_number: row.group_key for row in desk.bad_rows(of)}


FURNITURE = [f"R1,sofa,1,899.00,{WHEN},", f"R2,table,2,249.00,{WHEN},", f"R3,chair,4,129.95,{WHEN},"]


@pytest.mark.parametrize(
    ("lines", "total"),
    [(FURNITURE, 1916.8), (FURNITURE[:2], 1397), ([line.replace(".00", "") for line in FURNITURE], 1916.8)],
)
def test_a_quantity_before_a_price_is_no_amount_that_is_cut(
    desk: Desk, till: Till, lines: list[str], total: float
) -> None:
    done = delivered(desk, contract(), HEADER, *lines)
    assert (done.rows_ok, done.rows_bad) == (len(lines), 0)
    till.drain()
    assert float(till.balances()["sales"]) == -total


@pytest.mark.parametrize(("line", "rows"), [(FURNITURE[0], 1), (FURNITURE[2] + ",", 1), ("R1,sofa,1,1,899.00,", 0)])
def test_an_only_row_is_believed_where_the_contract_shows_that_it_is_whole(desk: Desk, line: str, rows: int) -> None:
    assert delivered(desk, contract(), HEADER, line).rows_ok == rows


@pytest.mark.parametrize("end", ["", ","])
def test_a_code_after_a_price_is_no_end_of_it(desk: Desk, end: str) -> None:
    names = ("Receipt", "Item", "Price", "SKU", "Qty", "At")
    lines = [f"R{at},mug,{price},{sku},1,{WHEN}," for at, price, sku in ((1, 5, 101), (2, 12, 102))]
    assert delivered(desk, contract(*names), ",".join(names) + end, *lines).rows_ok == 2


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        ("Receipt,Item,At,Qty,Price,Discount", [f"R1,sofa,{WHEN},1,1,899.00,", f"R2,bed,{WHEN},1,2,499.00,"]),
        ("Receipt,Item,At,Qty,Price,Note", [f"R1,sofa,{WHEN},1,1,899.00,", f"R2,bed,{WHEN},1,2,499.00,"]),
        ("Receipt,Item,Qty,Price,At", [f"R1,sofa,1,1,899.00,{WHEN},", f"R2,bed,1,2,499.00,{WHEN},"]),
    ],
)
@pytest.mark.parametrize("end", ["", ","])
def test_what_the_contract_does_not_disprove_is_held(
    desk: Desk, till: Till, names: str, lines: list[str], end: str
) -> None:
    done = delivered(desk, contract(*names.split(",")), names + end, *(line + end for line in lines))
    assert (done.rows_ok, till.keys()) == (0, {})


@pytest.mark.parametrize(
    "stray",
    [
        '"B1,"jam, red",1,2.00,{}',
        '""B2",tea,1,1.00,{}',
        'B2",tea,1,1.00,{}',
        'B2"",tea,1,1.00,{}',
        'B"2",tea,1,1.00,{}',
    ],
)
@pytest.mark.parametrize("more", ["", ",x"])
def test_a_stray_quotation_mark_in_a_number_holds_all(desk: Desk, till: Till, stray: str, more: str) -> None:
    lines = [f'B1,"jam, red",2,1.50,{WHEN}', f"B2,tea,1,1.00,{WHEN}", stray.format(WHEN) + more]
    done = delivered(desk, contract(), HEADER, *lines, f'B3,"a ""cup""",1,2.00,{WHEN}')
    assert (done.rows_ok, held(desk, done)[4], till.keys()) == (0, None, {})


def test_where_every_row_is_put_aside_each_says_what_to_do(desk: Desk) -> None:
    done = delivered(desk, contract(), HEADER, f'B"1,tea,1,4.00,{WHEN}')
    assert (done.reason_code, held(desk, done)) == (None, {2: None})
    done = delivered(desk, contract(*NOTED), ",".join(NOTED), f"B0,{WHEN},sofa,2,4,221.50")
    assert (done.reason_code, held(desk, done)) == (None, {2: "B0"})
    assert "put amounts with commas in quotes" in desk.bad_rows(done)[0].faults[0]["message"]


def test_after_its_number_a_stray_quotation_mark_holds_the_receipt_alone(desk: Desk) -> None:
    members = contract("Receipt", "Place", "Item", "Qty", "Price", "At")
    members["events"]["fields"]["store_id"] = {"column": "Place"}
    lines = [f"B1,north,tea,1,1.00,{WHEN}", f'B2,""north",tea,1,1.00,{WHEN}', f"B2,north,jam,1,1.00,{WHEN}"]
    done = delivered(desk, members, ",".join(members["columns"]), *lines)
    assert (done.rows_ok, held(desk, done)) == (1, {3: "B2", 4: "B2"})


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        ('"B, 1"', {}),
        ('"the ""big"" one"', {}),
        ('"""B1"""', {}),
        ('B"1', {"pattern": "B.*"}),
        ('"B1,"', {"pattern": "B.*"}),
    ],
)
def test_a_number_that_is_quoted_as_a_whole_is_believed(desk: Desk, number: str, changes: dict[str, Any]) -> None:
    lines = [f"{number},tea,1,1.00,{WHEN}", f"{number},cup,1,1.00,{WHEN}", f"B2,jam,1,1.00,{WHEN}"]
    done = delivered(desk, contract(**changes), HEADER, *lines)
    assert (done.rows_ok, done.outcomes) == (3, {"processed": 2})


NOTED = ("Receipt", "At", "Item", "Qty", "Price", "Note")


def test_an_amount_that_runs_over_into_a_note_is_held(desk: Desk, till: Till) -> None:
    lines = [f"R1,{WHEN},mug,1,4.50,gift", f"R2,{WHEN},sofa,1,1,234.50", f"R3,{WHEN},bed,1,2,499"]
    done = delivered(desk, contract(*NOTED), ",".join(NOTED), *lines)
    assert (done.rows_ok, held(desk, done)) == (1, {3: "R2", 4: "R3"})
    assert "put amounts with commas in quotes" in desk.bad_rows(done)[0].faults[0]["message"]
    till.drain()
    assert till.balances()["sales"] == -4.5


def test_an_amount_that_moves_another_one_into_a_note_is_held(desk: Desk) -> None:
    names = ("Receipt", "At", "Item", "Qty", "Price", "Discount", "Note")
    lines = [f"R1,{WHEN},mug,1,4.50,0.50,gift", f"R2,{WHEN},sofa,1,1,234.50,19.00", f"R3,{WHEN},bed,1,2,1.00,12"]
    done = delivered(desk, contract(*names), ",".join(names), *lines)
    assert (done.rows_ok, held(desk, done)) == (2, {3: "R2"})


def test_cents_after_a_decimal_comma_run_over_too(desk: Desk) -> None:
    members = contract(*NOTED)
    members["columns"]["Price"]["decimal"] = ","
    lines = [f'R1,{WHEN},mug,1,"4,50",gift', f"R2,{WHEN},sofa,1,4,50", f"R3,{WHEN},bed,1,7,"]
    done = delivered(desk, members, ",".join(NOTED), *lines)
    assert (done.rows_ok, held(desk, done)) == (2, {3: "R2"})


@pytest.mark.parametrize(
    "notes",
    [
        ["101", "A-12", "85123A", "102"],  # codes
        ["101", "", "", "102"],  # nothing else says that it is none
        ["030 123 456", "101", "0301234", "110"],  # telephones
        ["110.00", "12.00", "4.50", "9.00"],  # amounts as texts
        ["gift", "", "2 of 3", "12"],
    ],
)
def test_numbers_in_a_column_of_texts_that_has_more_of_them_are_read(desk: Desk, notes: list[str]) -> None:
    lines = [f"R{at},{WHEN},mug,1,5,{note}" for at, note in enumerate(notes)]
    done = delivered(desk, contract(*NOTED), ",".join(NOTED), *lines)
    assert (done.rows_ok, done.rows_bad) == (4, 0)


def test_a_blank_before_a_quotation_mark_makes_no_other_receipt(desk: Desk, till: Till) -> None:
    """`"tea", "B1"` is `tea,B1`: a receipt that is sent again so counts once."""
    members = contract("Item", "Receipt", "Qty", "Price", "At")
    lines = [f"tea,B1,1,10.00,{WHEN}", f"jam,B2,1,5.00,{WHEN}"]
    delivered(desk, members, ",".join(members["columns"]), *lines)
    for gap in (" ", "  ", "\t"):
        quoted = (f",{gap}".join(f'"{cell}"' for cell in line.split(",")) for line in lines)
        done = delivered(desk, members, ",".join(members["columns"]), *quoted)
        assert (done.rows_bad, done.outcomes) == (0, {"duplicate": 2})
    till.drain()
    assert till.balances()["sales"] == -15


COLUMNS = ("Receipt", "At", "Price", "Qty", "Item", "Discount", "Note")


@pytest.mark.parametrize(
    "prices",
    [
        ["1,250,000", "3,499,000", "2,100,000"],
        ["1,250,000.00", "3,499,000.00"],
        ["1,250,000"],
        ["1,250,000,000", "2,100,000,000"],
        ["1 , 250 , 000", "3, 499, 000"],
        ["12,50,000", "1,05,000"],
    ],
)
def test_millions_that_their_commas_cut_are_held(desk: Desk, till: Till, prices: list[str]) -> None:
    """Under a header whose last fields no row fills."""
    members = contract(*COLUMNS)
    members["columns"]["Price"]["type"] = "decimal(14,2)"
    lines = [f"R{at},{WHEN},{price},2,sofa,," for at, price in enumerate(prices)]
    done = delivered(desk, members, ",".join(COLUMNS), *lines)
    assert (done.rows_ok, done.rows_bad, till.keys()) == (0, len(lines), {})
    assert delivered(desk, members, ",".join(COLUMNS), f"R9,{WHEN},250.00,2,sofa,,").rows_ok == 1


WHOLE: dict[str, Any] = {"type": "integer", "required": True}
PLACED = (*NOTED, "Place")
TAKEN_OFF = ("Receipt", "At", "Item", "Qty", "Price", "Discount")


@pytest.mark.parametrize(
    ("names", "price", "cut", "whole"),
    [
        (NOTED, WHOLE, ["bed,1,2,499", "sofa,1,12,800"], ["mug,1,500,gift", "cup,1,300,"]),
        (("Receipt", "At", "Item", "Price", "Qty", "Note"), {}, ["nail,0.05,2,500"], ["mug,5.00,2,gift", "x,5.00,2,"]),
        (PLACED, {}, ["bed,1,1,05,000.00", "hut,12,34,567.00,"], ["mug,1,5.00,gift,north", "cup,1,5,,south"]),
        (TAKEN_OFF, {}, ["bed,1,1,234.50", "sofa,1,2,499"], ["mug,1,5.00,0.50", "cup,1,250.00,125.00", "x,1,5.00,"]),
        ((*TAKEN_OFF, "Note"), {}, ["bed,1,1,234.50,", "sofa,1,2,499.00,19.00"], ["mug,1,5.00,120.00,gift"]),
    ],
    ids=["yen", "quantities", "lakhs", "discounts", "discounts before notes"],
)
def test_amounts_that_run_over_are_held_and_the_others_read(
    desk: Desk, names: tuple[str, ...], price: dict[str, Any], cut: list[str], whole: list[str]
) -> None:
    members = contract(*names)
    members["columns"]["Price"] |= price
    lines = [f"R{at},{WHEN},{line}" for at, line in enumerate([*whole, *cut])]
    done = delivered(desk, members, ",".join(names), *lines)
    held_rows = range(len(whole), len(lines))
    assert (done.rows_ok, held(desk, done)) == (len(whole), {at + 2: f"R{at}" for at in held_rows})


def test_where_most_rows_leave_out_their_last_fields_whole_amounts_are_seen_to_run_over(desk: Desk) -> None:
    members = contract(*TAKEN_OFF)
    members["columns"]["Price"] |= WHOLE
    short = [f"S{at},{WHEN},mug,1,500" for at in range(3)]
    done = delivered(desk, members, ",".join(TAKEN_OFF), *short, f"R1,{WHEN},bed,1,2,499", f"R2,{WHEN},cup,1,50,20")
    faults = {row.group_key: row.faults[0] for row in desk.bad_rows(done)}
    assert "'Price' runs on to 'Discount'" in faults["R1"]["message"]
    assert faults["R2"]["rule"] == "group", "it waits for the rows that are too short, and is good itself"


BOOKS = ["Emma", "Dune", "Ulysses", "Kim", "The Trial", "Middlemarch", "Momo", "It", "Ich", "She", "Nana"]


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (
            ("Qty", "Price", "Item"),
            ["1,12,101 Dalmatians", "1,15,365 Bedtime Stories", *(f"1,9.5,{it}" for it in BOOKS)],
        ),
        (("Qty", "Item", "Price"), ["2,300,12.50", "1,101,5", *(f"1,{it},9.50" for it in BOOKS)]),
        (("Price", "Qty", "Item"), ["12.50,2,300", *(f"9.50,1,{it}" for it in BOOKS)]),
        (("Item", "Qty", "Price", "Discount", "Note"), ["it,2,500,100,Room 5", *(f"{it},1,7,,{it}" for it in BOOKS)]),
        (("Item", "Qty", "Price", "Discount"), ["it,1,500,100", "she,2,250.00,125.00", "ich,1,60,6.5"]),
        (("Item", "Qty", "Price", "Discount"), ["it,1,12,120", "she,2,9.99,9.99", "ich,1,60,6.5"]),
        (("Item", "Price", "Note", "Qty"), ["it,5,101,1", *(f"{it},5,gift,1" for it in BOOKS)]),
    ],
)
def test_whole_prices_before_numbers_that_end_none_are_read(
    desk: Desk, names: tuple[str, ...], lines: list[str]
) -> None:
    names = ("Receipt", "At", *names)
    rows = [f"R{at},{WHEN},{line}" for at, line in enumerate(lines)]
    done = delivered(desk, contract(*names), ",".join(names), *rows)
    assert (done.rows_ok, held(desk, done)) == (len(rows), {})


def test_what_a_pattern_says_of_a_text_is_no_end_of_an_amount(desk: Desk) -> None:
    members = contract(*NOTED)
    members["columns"]["Note"]["pattern"] = "[0-9]{3}|[a-z]*"
    lines = [f"R{at},{WHEN},mug,1,5,{note}" for at, note in enumerate(["gift", "101", "loan", "lost"])]
    assert delivered(desk, members, ",".join(NOTED), *lines).rows_ok == 4


def test_what_begins_with_zeros_is_no_discount(desk: Desk) -> None:
    """Also where no other row tells how prices are written."""
    members = contract(*TAKEN_OFF)
    assert delivered(desk, members, ",".join(TAKEN_OFF), f"R1,{WHEN},bed,1,489,001.42").rows_ok == 0
    assert delivered(desk, members, ",".join(TAKEN_OFF), f"R2,{WHEN},bed,1,489,0.42").rows_ok == 1


TAXED = ("Receipt", "At", "Item", "Qty", "Price", "Tax")
TAX: dict[str, Any] = {"type": "decimal(12,2)"}
TOO_WIDE = "sofa,3,96,185.39,9,618.53"


@pytest.mark.parametrize("wide", [TOO_WIDE, "sofa,3,96,185.39,9.50", "sofa,3,96,185.39,9,618.53,,"])
@pytest.mark.parametrize("prices", [["1,565,353.55", "2,661,408.97"], ["1,565,353.55", "2,45,3.20"]])
def test_a_row_that_amounts_have_made_too_wide_tells_of_the_others(desk: Desk, wide: str, prices: list[str]) -> None:
    members = contract(*TAXED[:-1])
    members["columns"]["Tax"] = TAX
    lines = [f"B{at},{WHEN},{line}" for at, line in enumerate([wide, f"chair,{prices[0]}", f"tea,{prices[1]}"])]
    done = delivered(desk, members, ",".join(TAXED), *lines)
    faults = {row.row_number: str(row.faults[0]["message"]) for row in desk.bad_rows(done)}
    assert "'Price' runs on to 'Tax'" in faults[3]
    assert (4 in faults) is (prices[1] == "2,661,408.97")


@pytest.mark.parametrize(
    "wide",
    [
        "tea,1,7,119.50,gift, red",
        "tea, green,1,7,119.50,gift",
        "tea,1,7,119.50,200, 300",
        "tea,,1,7,119.50,gift",
        "tea,1,7,119.50,gift,",
        "tea,1,7,119.50,gift,2",
    ],
)
def test_a_row_that_is_too_wide_otherwise_tells_of_none(desk: Desk, wide: str) -> None:
    members = contract(*TAXED[:-1])
    members["columns"] |= {"Tax": TAX, "Note": {}}
    lines = [
        f"B{at},{WHEN},{line}"
        for at, line in enumerate([wide, "bed,1,565,120.00,", "cup,2,45,110.20,", "tea,1,9,1.20,red"])
    ]
    done = delivered(desk, members, ",".join([*TAXED, "Note"]), *lines)
    assert (done.rows_ok, [*held(desk, done)]) == (3, [2])


def test_a_row_is_asked_once_if_an_amount_runs_over_in_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever one may begin: to ask is slow, and where half the rows are short all that look so are asked."""
    asked: list[int] = []
    really = running_over.can_run_over

    def counting(names: Any, rows: Any, *more: Any) -> list[bool]:
        asked.append(len(rows))
        return really(names, rows, *more)

    monkeypatch.setattr(running_over, "can_run_over", counting)
    names = (*TAXED, "Discount", "Cost", "Total", "Note")
    members = contract(*TAXED[:-1])
    members["columns"] |= dict.fromkeys(names[5:-1], TAX) | {"Note": {}}
    full = [f"B{at},{WHEN},tea,1,{at},{100 + at},{200 + at},{300 + at},{400 + at}," for at in range(1, 100)]
    done = delivered(desk, members, ",".join(names), *full, *(line.rsplit(",", 3)[0] for line in full))
    assert (done.rows_ok, sum(asked)) == (0, len(full))


def test_a_row_as_wide_as_a_file_takes_no_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that lost its line breaks: no amount has cut it into so many fields, and none of them is looked at."""
    looked: list[int] = []
    really = running_over.may_have_amounts

    def counting(cells: Any) -> bool:
        looked.append(len(cells))
        return really(cells)

    monkeypatch.setattr(running_over, "may_have_amounts", counting)
    members = contract()
    lost = ",".join(f"B{at},tea,1,2.00,{WHEN}" for at in range(20_000))
    done = delivered(desk, members, HEADER, f"A1,tea,1,2.00,{WHEN}", lost, f"A2,tea,1,2.00,{WHEN},,")
    assert (done.rows_bad, looked) == (3, [7]), "of which receipt the wide one is, nobody knows"
