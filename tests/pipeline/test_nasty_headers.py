"""Headers, currencies and kinds that change within a file: what comes after is not what it seems."""

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ledgersafe.cli.client import CliError
from ledgersafe.cli.contract_files import checked_file
from ledgersafe.contracts.datasets.reading import checked
from tests.pipeline.delivering import Desk

BILLS: dict[str, Any] = {
    "dataset": "bills",
    "primary_key": ["id"],
    "columns": {
        "id": {"required": True},
        "net": {"type": "decimal(9,2)", "required": True, "aliases": ["net amount"]},
        "vat": {"type": "decimal(9,2)", "required": True, "aliases": ["tax"]},
    },
}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.put(BILLS)
    return desk


def as_sheet(text: str) -> bytes:
    book = openpyxl.Workbook()
    for line in text.splitlines():
        book.worksheets[0].append(line.split(","))
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


@pytest.mark.parametrize("name", ["x.csv", "x.xlsx"])
@pytest.mark.parametrize("again", ["id,tax,net", "Id,TAX,Net Amount", "No,tax,net", "id,vat,net"])
def test_what_comes_after_another_header_is_not_loaded(desk: Desk, name: str, again: str) -> None:
    text = f"id,net,vat\n1,100.00,20.00\n{again}\n2,30.00,150.00\n"
    body = text.encode() if name == "x.csv" else as_sheet(text)
    found = desk.deliver("bills", name, body)
    assert (found.status, found.reason_code) == ("quarantined", "BAD_HEADER")
    assert "Row 3 is a header, too" in str(found.detail)
    desk.deliver("bills", "good.csv", b"id,net,vat\n9,1.00,0.20\n")
    assert desk.rows("bills", "id, net") == [("9", Decimal("1.00"))]
    path = desk.folder / name
    path.write_bytes(body)
    with pytest.raises(CliError, match="Row 3 is a header, too"):
        checked_file(checked(BILLS), path, 10)


@pytest.mark.parametrize("again", ["id,gross,paid", "id,VAT (GBP),Net (GBP)", "No,Net_Amount,Deposit"])
def test_a_header_is_one_if_it_says_one_name_alone(desk: Desk, again: str) -> None:
    found = desk.deliver("bills", "x.csv", f"id,net,vat\n1,100.00,20.00\n{again}\n2,99.00,3.00\n".encode())
    assert (found.status, found.reason_code, found.rows_ok) == ("quarantined", "BAD_HEADER", 0)
    assert f"Row 3 is a header, too, but of other columns ({again.replace(',', ', ')})" in str(found.detail)


def test_words_for_numbers_are_bad_rows_alone(desk: Desk) -> None:
    rows = ["1,100.00,20.00", "2,unknown,tbc", "Total,n/a,n/a", "id,,", "4,Net,5.00", "5,1.00,0.20"]
    found = desk.deliver("bills", "x.csv", "\n".join(["id,net,vat", *rows]).encode())
    assert (found.status, found.rows_ok, found.rows_bad) == ("succeeded", 2, 4), found.detail


def test_the_same_header_in_other_words_is_a_bad_row_alone(desk: Desk) -> None:
    found = desk.deliver("bills", "x.csv", b"id,net,vat\n1,100.00,20.00\nid,net amount,tax\n2,30.00,5.00\nno,tax,x\n")
    assert (found.status, found.rows_ok, found.rows_bad) == ("succeeded", 2, 2)


def test_a_currency_among_amounts_without_one_is_told(desk: Desk) -> None:
    found = desk.deliver("bills", "x.csv", "id,net,vat\n1,5.00,£1\n2,6.00,£1\n3,€900.00,£1\n".encode())
    assert found.rows_ok == 3
    told = "net: of 3 amounts, only 1 with a currency (€): say in the contract which it is (currency)."
    assert str(found.detail) == told


def test_another_currency_is_found_however_late_it_comes(desk: Desk, tmp_path: Path) -> None:
    many = "".join(f"{at},£1.00,£0.20\n" for at in range(31_000))
    body = f"id,net,vat\n{many}last,€900.00,£0.20\n".encode()
    found = desk.deliver("bills", "x.csv", body)
    assert (found.rows_ok, found.rows_bad) == (31_000, 1)
    (row,) = desk.bad_rows(found)
    assert [(fault["column"], fault["rule"], fault["value"]) for fault in row.faults] == [
        ("net", "currency", "€900.00")
    ]
    (tmp_path / "x.csv").write_bytes(body)
    assert checked_file(checked(BILLS), tmp_path / "x.csv", 10).bad == 1


def test_an_amount_that_a_sheet_shows_in_another_currency_is_held(desk: Desk) -> None:
    net = {"type": "decimal(9,2)", "currency": "GBP"}
    desk.put(BILLS | {"columns": BILLS["columns"] | {"net": net}})
    book = openpyxl.load_workbook(io.BytesIO(as_sheet("id,net,vat\n1,0,0\n2,0,0\n3,0,0\n")))
    for number, form in enumerate(("General", '"£"#,##0.00', "[$€-2] #,##0.00"), 2):
        cell = book.worksheets[0].cell(number, 2, 900)
        cell.number_format = form
    held = io.BytesIO()
    book.save(held)
    found = desk.deliver("bills", "x.xlsx", held.getvalue())
    assert [str(net) for _, net in desk.rows("bills", "id, net")] == ["900.00", "900.00"]
    (row,) = desk.bad_rows(found)
    assert [(fault["rule"], fault["value"]) for fault in row.faults] == [("currency", "€900")]


def test_of_texts_alone_a_row_of_names_is_a_row(desk: Desk) -> None:
    desk.put({"dataset": "games", "columns": {"winner": {}, "loser": {}}})
    assert desk.deliver("games", "x.csv", b"winner,loser\nloser,winner\n").rows_ok == 1
    desk.put({"dataset": "games", "columns": {"winner": {}, "loser": {"enum": ["loser", "Ann"]}}})
    found = desk.deliver("games", "y.csv", b"winner,loser\nBob,Ann\nloser,winner\n")
    assert (found.reason_code, found.rows_ok) == ("BAD_HEADER", 0), "it breaks a rule, so it is none"
