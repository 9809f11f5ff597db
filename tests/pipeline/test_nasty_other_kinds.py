"""Nasty workbooks, Parquet and JSON, each as a whole delivery: typed values keep their worth, or are held."""

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
import polars as pl
import pytest

from ledgersafe.formats.arrow import pa
from ledgersafe.formats.arrow import parquet as pq
from tests.pipeline.delivering import Desk
from tests.pipeline.test_nasty_files import why

ITEMS: dict[str, Any] = {
    "dataset": "items",
    "columns": {
        "code": {"required": True},
        "price": {"type": "decimal(12,3)", "decimal": ",", "thousands": "."},
        "on": {"type": "date", "format": "%d.%m.%Y"},
        "at": {"type": "datetime"},
        "note": {},
    },
}
NAMES = ["code", "price", "on", "at", "note"]


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.put(ITEMS)
    return desk


def book(*rows: list[Any], change: Callable[[Any], object] = lambda _: None) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.worksheets[0].append(row)
    change(made)
    held = io.BytesIO()
    made.save(held)
    return held.getvalue()


def with_part(name: str, data: bytes, body: bytes | None = None) -> bytes:
    """A workbook, and one more file in its zip, or another in place of one."""
    source = ZipFile(io.BytesIO(body or book(NAMES, ["a"])))
    held = io.BytesIO()
    with ZipFile(held, "w", ZIP_DEFLATED) as archive:
        for entry in source.namelist():
            if entry != name:
                archive.writestr(entry, source.read(entry))
        archive.writestr(name, data)
    return held.getvalue()


def sheet(rows: str) -> bytes:
    """A workbook whose sheet has these rows (XML)."""
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    xml = f'<worksheet xmlns="{namespace}"><dimension ref="A1:XFD1048576"/><sheetData>{rows}</sheetData></worksheet>'
    return with_part("xl/worksheets/sheet1.xml", xml.encode())


def encrypted() -> bytes:
    data = bytearray(book(NAMES))
    at = data.index(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


def parquet(**columns: Any) -> bytes:
    held = io.BytesIO()
    pq.write_table(pa.table(columns), held)
    return held.getvalue()


def torn() -> bytes:
    data = bytearray(parquet(code=[f"{at:040}" for at in range(9_000)]))
    data[40:4_000] = b"\xff" * 3_960
    return bytes(data)


CELL = '<c r="{0}" t="inlineStr"><is><t>{1}</t></is></c>'
HEAD = f'<row r="1">{CELL.format("A1", "code")}{CELL.format("B1", "note")}</row>'
UNUSABLE: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "empty.xlsx": (lambda: b"", "EMPTY_FILE", "nothing in it"),
    "blank.xlsx": (book, "EMPTY_FILE", "names no columns"),
    "formula.xlsx": (lambda: book(NAMES, ["a", 1], ["b", "=B2*2"]), "UNSUPPORTED_FORMAT", "Cell B3 holds a formula"),
    "macro.xlsx": (lambda: with_part("xl/vbaProject.bin", b"x"), "UNSUPPORTED_FORMAT", "has macros"),
    "macro.xlsm": (lambda: book(NAMES), "UNSUPPORTED_FORMAT", "it may hold macros: save it as .xlsx"),
    "encrypted.xlsx": (encrypted, "UNSUPPORTED_FORMAT", "without a password"),
    "protected.xlsx": (lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 500, "UNSUPPORTED_FORMAT", "protected by a password"),
    "packed.xlsx.gz": (lambda: b"\x1f\x8b" + b"\0" * 50, "UNSUPPORTED_FORMAT", "without .gz or .zst"),
    "page.xlsx": (lambda: b"<html></html>", "TRUNCATED_FILE", "no whole workbook"),
    "cut.xlsx": (lambda: book(NAMES, ["a"])[:-100], "TRUNCATED_FILE", "no whole workbook"),
    "torn.xlsx": (lambda: sheet(HEAD + '<row r="2"><c r="A2"'), "TRUNCATED_FILE", "cannot be read"),
    "bomb.xlsx": (lambda: with_part("xl/a.xml", b"\0" * 60_000_000), "FILE_TOO_LARGE", "Unpacked it would have"),
    "entities.xlsx": (
        lambda: with_part("xl/worksheets/sheet1.xml", b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><x>&b;</x>'),
        "EMPTY_FILE", "names no columns"),
    "far.xlsx": (lambda: sheet(HEAD + '<row r="99999999999"></row>'), "FILE_TOO_LARGE", "1,048,576 rows"),
    "wide.xlsx": (lambda: book([f"c{at}" for at in range(10_000)]), "TOO_MANY_COLUMNS", "10,000 columns"),
    "sheets.xlsx": (
        lambda: book(NAMES, ["a"], change=lambda made: made.copy_worksheet(made.worksheets[0])),
        "BAD_HEADER", "2 sheets have columns that the contract knows: 'Sheet', 'Sheet Copy'"),
    "other-order.xlsx": (lambda: book(NAMES, ["a"], NAMES[::-1], ["x"]), "BAD_HEADER", "Row 3 is a header, too"),
    "twice.xlsx": (lambda: book(["code", "code"]), "BAD_HEADER", "Columns 1 and 2 are both called 'code'"),
    "nameless.xlsx": (lambda: book(["code", None, "note"], ["a", 5, "x"]), "BAD_HEADER", "such as '5' in row 2"),
    "empty.parquet": (lambda: b"", "EMPTY_FILE", "nothing in it"),
    "cut.parquet": (lambda: parquet(code=["a"])[:-8], "TRUNCATED_FILE", "no whole Parquet file"),
    "torn.parquet": (torn, "TRUNCATED_FILE", "cannot be read past row 0"),
    "secret.parquet": (lambda: b"PARE" + b"\0" * 90 + b"PARE", "UNSUPPORTED_FORMAT", "encrypted"),
    "text.parquet": (lambda: b"code,note\na,b\n", "UNSUPPORTED_FORMAT", "no Parquet"),
    "packed.parquet.zst": (lambda: b"\x28\xb5\x2f\xfd" + b"\0" * 9, "UNSUPPORTED_FORMAT", "without .gz or .zst"),
    "bomb.parquet": (lambda: parquet(code=pa.nulls(150_000_000)), "FILE_TOO_LARGE", "150,000,000 rows"),
    "long.parquet": (lambda: parquet(code=["x" * 9_000_000]), "ROW_TOO_LONG", "9,000,0"),
    "empty.json": (lambda: b"", "EMPTY_FILE", "nothing in it"),
    "none.json": (lambda: b"[]", "EMPTY_FILE", "holds no objects"),
    "cut.json": (lambda: b'[{"code": "a"}, {"code":', "TRUNCATED_FILE", "breaks off"),
    "deep.json": (lambda: b'{"a":' * 100_000, "UNREADABLE_TEXT", "no JSON"),
    "lines.json": (lambda: b'{"code": "a"}\n{"code": "b"}\n', "UNREADABLE_TEXT", "name it .ndjson"),
    "blank.json": (lambda: b" \n ", "EMPTY_FILE", "nothing in it"),
    "none.ndjson": (lambda: b"code\na\n", "UNREADABLE_TEXT", "No line of it"),
    "wide.ndjson": (lambda: json.dumps({f"c{at}": 1 for at in range(10_000)}).encode(), "TOO_MANY_COLUMNS", ""),
    "cut.ndjson.gz": (lambda: b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab", "TRUNCATED_FILE", "unpacked"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_of_what_cannot_be_used_nothing_is_loaded(desk: Desk, name: str) -> None:
    made, code, told = UNUSABLE[name]
    done = desk.deliver("items", name, made())
    assert (done.status, done.reason_code, done.attempts) == ("quarantined", code, 1), done.detail
    assert told in (done.detail or ""), done.detail
    exists = desk.superuser.execute("SELECT to_regclass('files.curated_items')").fetchone() != (None,)
    assert (done.rows_ok, desk.rows("items") if exists else []) == (0, [])


def test_a_workbook_means_what_it_shows(desk: Desk) -> None:
    """Numbers and dates are typed there: the contract's separators and formats are those of text cells alone."""

    def change(made: Any) -> None:
        cells = made.worksheets[0]
        cells["A4"], cells["A4"].number_format = 42, "00000"
        made.create_sheet("hidden", 0).sheet_state = "hidden"

    rows = [
        ["Items of May"], NAMES, ["007", 1.234, date(2026, 5, 3), datetime.fromisoformat("2026-05-03T10:30"), "x"],
        [42, "1.234,5", "03.05.2026", "2026-05-03T10:30:00", None], ["c", 0.1 + 0.2, None, None, True],
        [], NAMES, ["d", "#REF!"], ["e", None, None, None, None, "beyond"], ["f", 1, datetime.fromisoformat("2026-05-03T01:00")],
        ["g", "1,234.5"],
    ]  # fmt: skip
    done = desk.deliver("items", "b.xlsx", book(*rows, change=change))
    may, at = date(2026, 5, 3), datetime(2026, 5, 3, 10, 30, tzinfo=UTC)
    assert desk.rows("items", 'code, price, "on", at, note') == [
        ("00042", Decimal("1234.500"), may, at, None),
        ("007", Decimal("1.234"), may, at, "x"),
        ("c", Decimal("0.300"), None, None, "true"),
    ]
    assert why(desk.bad_rows(done)) == {
        7: "repeats the header",
        8: "cell B8 holds the error #REF!",
        9: "has a value in column 6, which has no name",
        10: "is no date written as %d.%m.%Y",
        11: "is no decimal(12,3)",
    }
    assert done.facts == {"format": "xlsx", "sheet": "Sheet", "header_row": 2, "lines_passed_over": 1}


def test_the_sheet_that_the_contract_knows_is_read(desk: Desk) -> None:
    def change(made: Any) -> None:
        made.create_sheet("Notes", 0).append(["Checked by Joe"])

    done = desk.deliver("items", "n.xlsx", book(NAMES, ["a"], change=change))
    assert (done.status, done.rows_ok) == ("succeeded", 1), done.detail
    assert done.facts == {"format": "xlsx", "sheet": "Sheet", "sheets_not_read": ["Notes"]}
    assert done.detail == "Of its sheets only 'Sheet' was read, not 'Notes'."


def test_of_many_sheets_that_were_not_read_some_are_named(desk: Desk) -> None:
    def change(made: Any) -> None:
        for at in range(12):
            made.create_sheet(f"Notes {at}").append(["Checked by Joe"])

    done = desk.deliver("items", "n.xlsx", book(NAMES, ["a"], change=change))
    assert (done.detail or "").endswith("'Notes 8', 'Notes 9' and 2 more.")


def test_a_day_that_its_format_would_make_another_is_held(desk: Desk) -> None:
    desk.put({"dataset": "born", "columns": {"on": {"type": "date", "format": "%d/%m/%y"}}})
    done = desk.deliver("born", "b.xlsx", book(["on"], [date(1950, 5, 5)], [date(1990, 5, 5)]))
    assert desk.rows("born", '"on", _row_number') == [(date(1990, 5, 5), 3)]
    assert why(desk.bad_rows(done)) == {2: "is no date written as %d/%m/%y"}


def test_parquet_of_odd_types(desk: Desk) -> None:
    body = parquet(
        code=pa.array([b"007", b"b", b"\xff\x00"], pa.binary()),
        price=pa.array([0.1, 1e-7, None], pa.float32()),
        on=pa.array([date(2026, 5, 3), None, None], pa.date32()),
        at=pa.array([1_777_804_200_000_000_001, None, 0], pa.timestamp("ns", "Europe/Berlin")),
        note=pa.array([[{"a": Decimal("1.10")}], None, []]),
    )
    done = desk.deliver("items", "o.parquet", body)
    assert desk.rows("items", 'code, price, "on", at, note') == [
        ("007", Decimal("0.100"), date(2026, 5, 3), datetime(2026, 5, 3, 10, 30, tzinfo=UTC), '[{"a":"1.10"}]'),
        ("ff00", None, None, datetime(1970, 1, 1, tzinfo=UTC), "[]"),
    ]
    assert why(desk.bad_rows(done)) == {2: "is no decimal(12,3)"}


def test_parquet_of_other_odd_types(desk: Desk) -> None:
    desk.put({"dataset": "odd", "columns": {name: {} for name in ("a", "b", "c", "d", "e", "f", "g")}})
    body = parquet(
        a=pa.array([Decimal("-1.50")], pa.decimal128(10, 2)), b=pa.array(["x"]).dictionary_encode(),
        c=pa.array([time(10, 30)]), d=pa.array([timedelta(seconds=90)]), e=pa.nulls(1), f=pa.array([1e20]),
        g=pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
    )  # fmt: skip
    desk.deliver("odd", "o.parquet", body)
    assert desk.rows("odd", "a, b, c, d, e, f, g") == [
        ("-1.50", "x", "10:30:00", "0:01:30", None, "100000000000000000000", '[["k",1]]')
    ]


def test_one_long_text_in_every_row_of_parquet_takes_little_room(desk: Desk) -> None:
    """A few kilobytes that are 200 MB as text: read in parts."""
    held = io.BytesIO()
    pl.DataFrame({"code": ["c"] * 1_000, "more": ["x" * 200_000] * 1_000}).write_parquet(held)
    done = desk.deliver("items", "l.parquet", held.getvalue())
    assert (done.status, done.rows_ok, len(held.getvalue()) < 100_000) == ("succeeded", 1_000, True), done.detail


def counted(kind: str, quantities: list[Any]) -> bytes:
    """A typed file of these, in a column of numbers and as a note."""
    rows = [{"code": f"c{at}", "qty": one, "note": one} for at, one in enumerate(quantities)]
    if kind == "json":
        return json.dumps(rows).encode()
    if kind == "xlsx":
        return book(["code", "qty", "note"], *(list(row.values()) for row in rows))
    held = io.BytesIO()
    pl.DataFrame(rows).write_parquet(held)
    return held.getvalue()


@pytest.mark.parametrize("kind", ["json", "xlsx", "parquet"])
def test_a_text_in_a_typed_file_is_a_text(desk: Desk, kind: str) -> None:
    """1.000 may be a thousand where it is a text, in whatever file; as a number it is one."""
    columns = {"code": {}, "qty": {"type": "integer"}, "note": {}}
    desk.put({"dataset": "counted", "columns": columns})
    done = desk.deliver("counted", f"t.{kind}", counted(kind, ["1.000", "2"]))
    assert list(why(desk.bad_rows(done)).values()) == ["is no integer"]
    assert desk.rows("counted", "qty, note") == [(2, "2")]
    again = desk.deliver("counted", f"n.{kind}", counted(kind, [1.0, 2.0]))
    assert (again.rows_ok, again.rows_bad) == (2, 0)


def test_zeros_at_the_end_of_a_number_say_nothing(desk: Desk) -> None:
    columns = {"code": {}, "qty": {"type": "decimal(12,2)", "decimal": ","}, "note": {}}
    desk.put({"dataset": "weighed", "columns": columns})
    rows = b'[{"code": "a", "qty": 1.500, "note": 1.500}, {"code": "b", "qty": "1,500", "note": "1,500"}]'
    desk.deliver("weighed", "t.json", rows)
    exact = pa.array([Decimal("2.500"), Decimal("0.000"), Decimal("-10.000")], pa.decimal128(10, 3))
    desk.deliver("weighed", "t.parquet", parquet(code=pa.array(["c", "d", "e"]), qty=exact, note=exact))
    assert desk.rows("weighed", "code, qty, note") == [
        ("a", Decimal("1.50"), "1.500"),
        ("c", Decimal("2.50"), "2.500"),
        ("d", Decimal("0.00"), "0.000"),
        ("e", Decimal("-10.00"), "-10.000"),
    ]


def test_json_keeps_what_it_says(desk: Desk) -> None:
    """Numbers are no texts: 1.234 is not a thousand, whatever the contract's separators are."""
    lines = [
        '{"code": "007", "price": 1.234, "on": "03.05.2026", "note": {"a": [1, 2]}}',
        '{"code": "b", "price": "1.234", "note": null}',
        '{"code": "c", "price": 1e2}',
        '{"code": "d", "price": 1e999999999}',
        '{"code": "e", "price": "1,5"',
        '{"code": "f\\u0000"}',
        '{"code": "\\ud800"}',
        '{"code": "g", "note": ' + "[" * 5_000 + "]" * 5_000 + "}",
        "\ufeff" + '{"code": "h", "price": -0.5}\r',
        "", "null", "\x1a",
        '{"code": "i", "price": 1, "price": 2}',
    ]  # fmt: skip
    done = desk.deliver("items", "x.ndjson", "\n".join(lines).encode())
    assert desk.rows("items", "code, price, note") == [
        ("007", Decimal("1.234"), '{"a": [1, 2]}'),
        ("b", Decimal("1234.000"), None),
        ("c", Decimal("100.000"), None),
        ("h", Decimal("-0.500"), None),
    ]
    assert list(why(desk.bad_rows(done))) == [4, 5, 6, 7, 8, 11, 13]
    assert (done.rows_ok, done.rows_bad) == (4, 7)
    array = b"[" + b",".join(line.encode() for line in (lines[0], lines[2])) + b"]"
    again = desk.deliver("items", "x.json", array)
    assert (again.status, again.rows_ok) == ("succeeded", 2), again.detail
