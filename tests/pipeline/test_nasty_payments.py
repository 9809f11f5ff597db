"""Monthly payment files of public bodies, as they are published: one contract, and every month written otherwise."""

import io
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from tests.pipeline.delivering import Desk

PAYMENTS: dict[str, Any] = {
    "dataset": "payments",
    "primary_key": ["Transaction Number"],
    "columns": {
        "Transaction Number": {"required": True, "aliases": ["Trans No", "Transaction No.", "Document Number"]},
        "Date": {"type": "date", "format": ["%d/%m/%Y", "%d/%m/%y", "%d-%b-%y"], "aliases": ["Payment Date"]},
        "Supplier": {"required": True, "aliases": ["Supplier Name", "Vendor", "Beneficiary"]},
        "Amount": {
            "type": "decimal(14,2)",
            "thousands": ",",
            "required": True,
            "aliases": ["Amount (£)", "Amount £", "Net Amount", "Value GBP"],
        },
        "Description": {},
    },
}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.put(PAYMENTS)
    return desk


def months() -> dict[str, bytes]:
    """The same two payments, nine times."""
    accents = "Café Müller – “Zürich”"
    plain = ["T1,03/04/2026,Café Müller – “Zürich”,-468.60 ,", 'T2,03/04/2026,"Smith, Jones & Co","£1,234.50",']
    return {
        "01-utf8.csv": "\n".join(["Transaction Number,Date,Supplier,Amount,Description", *plain]).encode(),
        "02-western.csv": "\r\n".join(
            ["Trans No,Payment Date,Supplier Name,Amount (£),Description", plain[0].replace("-468.60", "(468.60)"), plain[1]]
        ).encode("cp1252"),
        "03-title.csv": "\r\n".join(
            ["Payments over £500,,,,", ",,,,", "", "Date,Vendor,Transaction No.,Amount £,Description",
             f'03/04/26,{accents},T1,"(£468.60)",', '03/04/26,"Smith, Jones & Co",T2," 1,234.50 ",', ",,,,", "",
            ]
        ).encode("cp1252"),
        "04-trailing.csv": "\r\n".join(
            ["Transaction Number,Date,Supplier,Amount,Description,,,",
             f"T1,03-Apr-26,{accents},468.60-,,,,", 'T2,03-Apr-26,"Smith, Jones & Co","1,234.50",,,,', ",,,,,,,"]
        ).encode("utf-8-sig"),
        "05-mixed.csv": b"Document Number,Date,Beneficiary,Value GBP,Description\r\n"
        + f"T1,03/04/2026,{accents},–468.60,\r\n".encode("cp1252")
        + 'T2,03/04/2026,"Smith, Jones & Co","£ 1,234.50",“paid”\r\n'.encode(),
        "06-credit.csv": "\n".join(
            ["Transaction Number;Date;Supplier;Amount;Description",
             f"T1;03/04/2026;{accents};468.60 CR;", "T2;03/04/2026;Smith, Jones & Co;1,234.50 DR;"]
        ).encode("utf-16"),
        "07-pounds.txt": "\n".join(
            ["Transaction Number\tDate\tSupplier\tAmount",
             f"T1\t03/04/2026\t{accents}\t-£468.60", "T2\t03/04/2026\tSmith, Jones & Co\tGBP 1,234.50"]
        ).encode(),
        "08-minus.csv": "\n".join(
            ["sep=|", "Transaction Number|Date|Supplier|Amount",
             f"T1|03/04/2026|{accents}|£-468.60", "T2|03/04/2026|Smith, Jones & Co|+1,234.5", ""]
        ).encode(),
        "09-book.xlsx": book(
            ["Payments over £500"], [],
            ["Transaction Number", "Date", "Supplier", "Amount", "Description"],
            ["T1", datetime.fromisoformat("2026-04-03"), accents, -468.6], ["T2", date(2026, 4, 3), "Smith, Jones & Co", "£1,234.50"],
        ),
    }  # fmt: skip


def book(*rows: list[Any]) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.worksheets[0].append(row)
    held = io.BytesIO()
    made.save(held)
    return held.getvalue()


@pytest.mark.parametrize("name", list(months()))
def test_one_contract_takes_every_month(desk: Desk, name: str) -> None:
    done = desk.deliver("payments", name, months()[name])
    assert (done.status, done.rows_ok, done.rows_bad) == ("succeeded", 2, 0), (done.detail, done.facts, done.quality)
    assert desk.rows("payments", "transaction_number, supplier, date, amount") == [
        ("T1", "Café Müller – “Zürich”", date(2026, 4, 3), Decimal("-468.60")),
        ("T2", "Smith, Jones & Co", date(2026, 4, 3), Decimal("1234.50")),
    ]


AMOUNTS = {
    "-468.60 ": "-468.60", "(250.00)": "-250.00", "250.00-": "-250.00", "£-1,234.50": "-1234.50",
    "-£1,234.50": "-1234.50", "(£1,234.50)": "-1234.50", "£(1,234.50)": "-1234.50", "- 250": "-250.00",
    "-£ 250": "-250.00", "250.00CR": "-250.00", "250.00 cr": "-250.00", "£250.00 CR": "-250.00", "250 DR": "250.00",
    "–250.00": "-250.00", "—250.00": "-250.00", "−250.00": "-250.00", "1,234.50 GBP": "1234.50", "1,234.50£": "1234.50",
    "£\u00a01,234.50": "1234.50", ".5": "0.50", "5.": "5.00", "+5": "5.00", "0005.10": "5.10", "( 250.00 )": "-250.00",
    "-(250.00)": None, "-250 CR": None, "(250) CR": None, "--250": None, "1.234,56": None, "1,23": None, "1,2345": None,
    "12£50": None, "£": None, "-": None, "Â£250": None, "2 50": None, "1e3": None, "250.005": None, "n/a": None,
    "10000000000000": None, "999999999999.99": "999999999999.99", "£5 £5": None, "5 - 3": None, "0x10": None,
    "١٢": None, "Infinity": None, "£1,234.50p": None, "50%": None,
}  # fmt: skip


def test_every_way_to_write_an_amount_is_read_or_held(desk: Desk) -> None:
    """A wrong guess would be worse than a row that is held."""
    rows = [f'{number}\tX\t"{text}"' for number, text in enumerate(AMOUNTS, 2)]
    done = desk.deliver("payments", "a.tsv", "\n".join(["Trans No\tVendor\tAmount", *rows]).encode())
    read = {int(number): str(amount) for number, amount in desk.rows("payments", "transaction_number, amount")}
    held = {row.row_number for row in desk.bad_rows(done)}
    assert {text: read.get(number) for number, text in enumerate(AMOUNTS, 2)} == AMOUNTS
    assert held == {number for number, text in enumerate(AMOUNTS, 2) if AMOUNTS[text] is None}


def test_amounts_with_a_decimal_comma_and_blanks_for_none(desk: Desk) -> None:
    amount = {"type": "decimal(14,2)", "decimal": ",", "thousands": "."}
    columns = {"no": {}, "amount": amount, "on": {"type": "date"}}
    desk.put({"dataset": "buchungen", "columns": columns, "source": {"nulls": ["-", "k.A."]}})
    texts = ["1.234,56", "(1.234,56)", "-468,60 ", "1234,5", "€ 1.234,56", "1.234,56 €", " ", " - ", "k.A.", "1,234.56"]
    rows = [f"{at};{text};{blank}" for at, (text, blank) in enumerate(zip(texts, [" ", ""] * 5, strict=True))]
    done = desk.deliver("buchungen", "b.csv", "\n".join(["no;amount;on", *rows]).encode())
    found = [None if amount is None else str(amount) for _, amount in desk.rows("buchungen", "no, amount")]
    assert found == ["1234.56", "-1234.56", "-468.60", "1234.50", "1234.56", "1234.56", None, None, None]
    assert [row.row_number for row in desk.bad_rows(done)] == [11]


PRICES: dict[str, Any] = {
    "dataset": "prices",
    "primary_key": ["Receipt"],
    "columns": {
        "Receipt": {"required": True},
        "Item": {},
        "Amount": {"type": "decimal(12,2)", "required": True},
        "Note": {},
    },
}


def prices(desk: Desk, body: str, **amount: Any) -> tuple[dict[str, str], dict[int, str]]:
    """What a price list is loaded as, by receipt; and of the rows that are held, what is wrong with them."""
    desk.put(PRICES | {"columns": PRICES["columns"] | {"Amount": PRICES["columns"]["Amount"] | amount}})
    done = desk.deliver("prices", "p.csv", body.encode())
    assert done.status == "succeeded", done.detail
    held = {row.row_number: "; ".join(fault["message"] for fault in row.faults) for row in desk.bad_rows(done)}
    return {receipt: str(net) for receipt, net in desk.rows("prices", "receipt, amount")}, held


def test_a_price_list_writes_no_cents_as_dashes(desk: Desk) -> None:
    lines = ["1;Mug;12,-;", "2;Pot;€ 1.234,–;", "3;Cup;4,50;", "4;Tea;12,— €;", "5;Return;4,50-;", "6;Pin;–,50;"]
    found, held = prices(desk, "\n".join(["Receipt;Item;Amount;Note", *lines]), decimal=",", thousands=".")
    assert found == {"1": "12.00", "2": "1234.00", "3": "4.50", "4": "12.00", "5": "-4.50"}
    assert held == {7: "is no decimal(12,2)"}
    swiss = "Receipt;Item;Amount;Note\n1;Mug;CHF 12.–;\n2;Pot;5.—;\n3;Cup;4.50;\n4;Return;-12.–;\n"
    assert prices(desk, swiss) == ({"1": "12.00", "2": "5.00", "3": "4.50", "4": "-12.00", "5": "-4.50"}, {})


@pytest.mark.parametrize("amount", [{}, {"decimal": ","}, {"thousands": ","}])
@pytest.mark.parametrize(
    ("header", "lines"),
    [
        ("Receipt,Item,Amount,Note", ["1,Mug,4,50,", "2,Pot,18,00,", "3,Tray,12,25,"]),
        ("Receipt,Item,Amount,VAT,Note", ["1,Sofa,1,05,000.00,,", "2,Bed,1,20,000.00,,"]),
        ("Receipt,Item,Amount,Note,", ["1,Sofa,1,234.56,", "2,Bed,2,500.00,"]),
    ],
)
def test_of_an_amount_that_its_comma_has_cut_no_part_is_loaded(
    desk: Desk, header: str, lines: list[str], amount: dict[str, str]
) -> None:
    found, held = prices(desk, "\n".join([header, *lines]), **amount)
    assert found == {}
    assert [*held] == [*range(2, len(lines) + 2)]
    assert all(
        "an amount may have been cut in two at its comma; put amounts with commas in quotes" in held[at] for at in held
    )


def test_everyday_files_with_commas_and_breaks_are_loaded_whole(desk: Desk) -> None:
    lines = [
        '1,"Mug, blue","1,234.50","Flat 2, 1 High St\nMarylebone\nLondon, UK",',
        '2,"Pot\n2 litres, steel",18.00,"left at no 5, ring twice",',
        "3,Tray,12,,",
        '4,"Tea ""Earl Grey""\n\nloose",7.25,"Dear Sir,\nthank you, as ever,\nYours",',
    ]
    found, held = prices(desk, "\n".join(["Receipt,Item,Amount,Note,", *lines]), thousands=",")
    assert (found, held) == ({"1": "1234.50", "2": "18.00", "3": "12.00", "4": "7.25"}, {})


def test_a_row_between_two_that_a_quotation_mark_joins_hides_nothing(desk: Desk) -> None:
    lines = ["1,Cup,1.00,x", '2,"Mug,5.00,x', "Subtotal", '3,Tray",6.00,y', "4,Pan,7.00,z"]
    found, held = prices(desk, "\n".join(["Receipt,Item,Amount,Note", *lines]))
    assert found == {"1": "1.00", "4": "7.00"}
    assert [*held] == [3]
    assert "'Item' holds line breaks and what looks like another row: a quotation mark is not closed" in held[3]
