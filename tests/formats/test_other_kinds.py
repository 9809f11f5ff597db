"""JSON, NDJSON, Parquet and XLSX: the same rows of text as CSV would give, and clear reasons."""

import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
import polars as pl
import pytest

from ledgersafe.formats.rows import Spelling, UnreadableFile
from ledgersafe.formats.values import spelled
from tests.formats.reading import read


def _workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)  # pyright: ignore[reportOptionalMemberAccess]
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def _parquet(**columns: Any) -> bytes:
    held = io.BytesIO()
    pl.DataFrame(columns).write_parquet(held)
    return held.getvalue()


def test_ndjson_keeps_numbers_as_they_are_spelled(tmp_path: Path) -> None:
    data = b'{"a":1.10,"b":"x"}\n\n{"b":null,"c":{"z":[1]}}\nnope\n[1]\n{"a":0.1000000000000000055}\n'
    found = read(tmp_path, "x.ndjson", data)
    assert found.columns == ("a", "b", "c")
    assert found.rows == [(1, "1.10", "x", ""), (3, "", "", '{"z":[1]}'), (6, "0.1000000000000000055", "", "")]
    assert [number for number, _, _ in found.broken] == [4, 5]


@pytest.mark.parametrize("data", [b'[{"a":1.10},{"a":true},3]', b'{"count":2,"data":[{"a":1.10},{"a":true},3]}'])
def test_json_is_an_array_or_holds_one(tmp_path: Path, data: bytes) -> None:
    found = read(tmp_path, "x.json", data)
    assert found.rows == [(1, "1.10"), (2, "true")]
    assert found.broken[0][:2] == (3, "3")


@pytest.mark.parametrize("data", [b'{"a":1}', b"[" * 100_000, b"{}", b"3", b'{"a":[],"b":[]}'])
def test_json_that_holds_no_rows_says_so(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableFile) as refused:
        read(tmp_path, "x.json", data)
    assert refused.value.code == "UNREADABLE_TEXT"


@pytest.mark.parametrize(
    "data",
    [b'{"data":[{"a":1}],"data":[{"a":2}]}', b'{"data":[{"a":1}],"d\\u0061ta":3}', b'{"n":1,"n":2,"data":[{"a":1}]}'],
)
def test_json_that_holds_its_rows_twice_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableFile, match=r"has the member '(data|n)' twice: which of them counts is not known"):
        read(tmp_path, "x.json", data)


@pytest.mark.parametrize(
    ("one", "bad"),
    [
        ('{"a":1,"b":2,"a":3}', True),
        ('{"a" :1,"b": "x","\\u0061":3}', True),
        ('{"a":"10:30","b":"\\":1","c":{"a":1,"a":2}}', False),
        ('{"a" :1,"b"\t:2}', False),
    ],
)
@pytest.mark.parametrize("name", ["x.ndjson", "x.json"])
def test_a_member_that_comes_twice_is_no_value(tmp_path: Path, name: str, one: str, bad: bool) -> None:
    lines = ['{"a":0}', one]
    data = "\n".join(lines) if name.endswith("ndjson") else f"[{','.join(lines)}]"
    found = read(tmp_path, name, data.encode())
    assert [number for number, _, _ in found.broken] == ([2] if bad else [])
    assert all("has the member 'a' twice" in why for _, _, why in found.broken)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (date(1950, 5, 5), "%d/%m/%y", "1950-05-05"),
        (date(1969, 5, 5), "%d/%m/%y", "1969-05-05"),
        (date(1970, 5, 5), "%d/%m/%y", "05/05/70"),
        (date(2068, 5, 5), "%d/%m/%y", "05/05/68"),
        (date(1950, 5, 5), "%d/%m/%Y", "05/05/1950"),
        (date(1950, 5, 5), "%d/%m", "1950-05-05"),
        (datetime.fromisoformat("2026-05-03T10:30:59"), "%d/%m/%Y %H:%M", "2026-05-03T10:30:59"),
        (datetime.fromisoformat("2026-05-03T10:30"), "%d/%m/%Y %H:%M", "03/05/2026 10:30"),
        (datetime.fromisoformat("2026-05-03T10:30:59"), "%F %T", "2026-05-03 10:30:59"),
        (datetime.fromisoformat("2026-05-03T10:30:59"), "%d/%m/%Y", "2026-05-03T10:30:59"),
        (datetime.fromisoformat("2026-05-03T22:30"), "%d/%m/%Y %I:%M", "2026-05-03T22:30:00"),
        (datetime.fromisoformat("2026-05-03T22:30"), "%d/%m/%Y %I:%M %p", "03/05/2026 10:30 PM"),
        (datetime.fromisoformat("2026-05-03T22:30:00.5"), "%Y-%m-%d %H:%M:%S.%f", "2026-05-03T22:30:00.500000"),
        (datetime(2026, 5, 3, 10, tzinfo=UTC), "%Y-%m-%d %H:%M", "2026-05-03T10:00:00+00:00"),
        (datetime(2026, 5, 3, 10, tzinfo=UTC), "%Y-%m-%d %H:%M%z", "2026-05-03 10:00+0000"),
    ],
)
def test_a_typed_time_is_written_in_a_form_that_keeps_it(value: date, form: str, text: str) -> None:
    assert spelled(value, Spelling(form=form)) == text


def test_parquet_is_spelled_exactly(tmp_path: Path) -> None:
    data = _parquet(
        code=["007", None],
        price=[Decimal("1.10"), None],
        at=[datetime(2026, 1, 2, 3, tzinfo=UTC), None],
        day=[date(2026, 1, 2), None],
        on=[True, None],
        many=[[1], None],
        number=[12, None],
    )
    found = read(tmp_path, "x.parquet", data)
    assert found.rows == [
        (1, "007", "1.10", "2026-01-02T03:00:00+00:00", "2026-01-02", "true", "[1]", "12"),
        (2, "", "", "", "", "", "", ""),
    ]


def test_parquet_that_breaks_off(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile) as refused:
        read(tmp_path, "x.parquet", _parquet(a=[1])[:-8])
    assert refused.value.code == "TRUNCATED_FILE"


def test_xlsx_is_read_as_excel_shows_it(tmp_path: Path) -> None:
    rows = [["code", "price", "day", "n", None], ["007", 0.1 + 0.2, date(2026, 1, 2), 5], [], ["x", 1e20, None, True]]
    found = read(tmp_path, "x.xlsx", _workbook(*rows))
    assert found.columns == ("code", "price", "day", "n")
    assert found.rows == [(2, "007", "0.3", "2026-01-02", "5"), (4, "x", "100000000000000000000", "", "true")]


def _sheets(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        made = book.create_sheet(title)
        for row in rows:
            made.append(row)
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


ITEMS = [["Items"], ["code", "price"], ["a", 1]]
NOTES = [["Read me"], ["code", "means"], ["=NOW()"]]


def _known(names: Sequence[str]) -> int:
    return len({*names} & {"code", "price", "day"})


@pytest.mark.parametrize(
    ("sheets", "read_from", "not_read"),
    [
        ({"Notes": NOTES, "July": ITEMS}, "July", ["Notes"]),
        ({"July": ITEMS, "Notes": NOTES, "Blank": []}, "July", ["Notes"]),
        ({"Blank": [], "July": ITEMS}, "July", []),
        ({"Form": ITEMS[:2], "July": ITEMS}, "July", ["Form"]),
        ({"A": [["x"], [1]], "B": [["y"], [2]]}, "A", ["B"]),
    ],
)
def test_of_several_sheets_the_one_that_is_known_is_read(
    tmp_path: Path, sheets: dict[str, list[list[Any]]], read_from: str, not_read: list[str]
) -> None:
    facts = read(tmp_path, "x.xlsx", _sheets(**sheets), recognised=_known).facts
    assert (facts["sheet"], facts.get("sheets_not_read", [])) == (read_from, not_read)


def test_several_sheets_that_are_known_are_named(tmp_path: Path) -> None:
    data = _sheets(June=ITEMS, July=ITEMS, Notes=NOTES)
    with pytest.raises(UnreadableFile, match=r"'June', 'July'\. Name one in source\.sheet") as refused:
        read(tmp_path, "x.xlsx", data, recognised=_known)
    assert refused.value.code == "BAD_HEADER"
    assert read(tmp_path, "x.xlsx", data, recognised=_known, sheet="July").rows == [(3, "a", "1")]


def test_a_hidden_sheet_is_told_but_not_read(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(_workbook(["id", "net"], ["1", "2.00"])))
    for name in ("Old", "Empty"):
        book.create_sheet(name).sheet_state = "hidden"
    book["Old"].append(["id", "net"])
    book["Old"].append(["2", "3.00"])
    held = io.BytesIO()
    book.save(held)
    found = read(tmp_path, "x.xlsx", held.getvalue(), recognised=lambda names: len({*names} & {"id", "net"}))
    assert (found.rows, found.facts["sheets_not_read"]) == ([(2, "1", "2.00")], ["Old (hidden)"])


@pytest.mark.parametrize(
    ("form", "number", "text"),
    [
        ("[$€-2] #,##0.00", 900, "€900"),
        ("#,##0.00\\ [$€-407]", -900.5, "€-900.5"),
        ('_-"£"* #,##0.00_-;-"£"* #,##0.00_-', 12, "£12"),
        ('"$"#,##0.00_);[Red]\\("$"#,##0.00\\)', 12, "$12"),
        ("[$USD] #,##0.00", 12, "USD 12"),
        ('#,##0.00" EUR"', 12, "EUR 12"),
        ("[Red]#,##0.00_€", 12, "12"),
        ("[$-409]#,##0.00", 12, "12"),
        ('#,##0" kg"', 12, "12"),
        ("General", 12, "12"),
    ],
)
def test_amounts_of_a_sheet_bear_the_currency_that_it_shows(
    tmp_path: Path, form: str, number: float, text: str
) -> None:
    book = openpyxl.load_workbook(io.BytesIO(_workbook(["id", "net"], [number, number])))
    for cell in ("A2", "B2"):
        book.active[cell].number_format = form  # pyright: ignore[reportOptionalSubscript]
    held = io.BytesIO()
    book.save(held)
    found = read(tmp_path, "x.xlsx", held.getvalue(), spelling=lambda name: Spelling(is_amount=name == "net"))
    assert found.rows == [(2, f"{number}", text)]


def test_rows_above_the_header_of_a_sheet_are_told(tmp_path: Path) -> None:
    data = _workbook(["Items of May"], ["b", 2], ["c", 3], ["code", "price"], ["a", 1])
    found = read(tmp_path, "x.xlsx", data, recognised=_known)
    assert (found.rows, found.facts) == ([(5, "a", "1")], {"sheet": "Sheet", "header_row": 4, "lines_passed_over": 1})
    assert [one[:2] for one in found.broken] == [(2, "b\t2"), (3, "c\t3")]


def test_a_header_in_another_order_ends_a_sheet(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="Row 3 is a header, too, but in another order"):
        read(tmp_path, "x.xlsx", _workbook(["code", "price"], ["a", 1], ["Price", "code"], [1, "a"]))


def test_xlsx_with_formulas_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="Cell B2 holds a formula"):
        read(tmp_path, "x.xlsx", _workbook(["a", "b"], [1, "=A2*2"]))


def test_xlsx_with_macros_is_not_read(tmp_path: Path) -> None:
    held = io.BytesIO(_workbook(["a"], [1]))
    with ZipFile(held, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macro")
    with pytest.raises(UnreadableFile, match="has macros"):
        read(tmp_path, "x.xlsx", held.getvalue())


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    held = io.BytesIO(_workbook(["a"], [1]))
    with ZipFile(held, "a", ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet2.xml", b"\0" * 60_000_000)
    with pytest.raises(UnreadableFile) as refused:
        read(tmp_path, "x.xlsx", held.getvalue())
    assert refused.value.code == "FILE_TOO_LARGE"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip"])
def test_what_is_no_workbook(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read(tmp_path, "x.xlsx", data)
