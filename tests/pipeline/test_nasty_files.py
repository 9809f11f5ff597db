"""Nasty files of text, each as a whole delivery: a clear reason, every bad row kept, and nothing half-loaded."""

import gzip
from decimal import Decimal
from typing import Any

import pytest
import zstandard

from ledgersafe.files import store as files
from tests.pipeline.delivering import Desk

STOCK: dict[str, Any] = {
    "dataset": "stock",
    "primary_key": ["sku"],
    "columns": {
        "sku": {"required": True},
        "price": {"type": "decimal(10,2)", "required": True},
        "on": {"type": "date", "format": "%d/%m/%Y"},
        "note": {},
    },
}
HEADER = "sku,price,on,note"
Row = tuple[Any, ...]


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.put(STOCK)
    return desk


def text(*rows: str, header: str = HEADER, end: str = "\n") -> str:
    return end.join([header, *rows, ""])


def csv(*rows: str, **options: str) -> bytes:
    return text(*rows, **options).encode()


def loaded(desk: Desk) -> list[Row]:
    return desk.rows("stock", "sku, price, note")


def why(bad: list[files.BadRow]) -> dict[int, str]:
    """Row → what is wrong with it."""
    return {row.row_number: "; ".join(fault["message"] for fault in row.faults) for row in bad}


UNUSABLE = {
    "empty.csv": (b"", "EMPTY_FILE", "nothing in it"),
    "blank.csv": (b"\r\n \r\n", "EMPTY_FILE", "nothing in it"),
    "empty.csv.gz": (gzip.compress(b"", mtime=0), "EMPTY_FILE", "nothing in it"),
    "commas.csv": (b",,,\n,,,\n", "BAD_HEADER", "Row 1 names no columns"),
    "twice.csv": (csv(header="sku,price,sku,note"), "BAD_HEADER", "Columns 1 and 3 are both called 'sku'"),
    "star.csv": (csv(header="sku,price,*,note"), "BAD_HEADER", "Column 3 is called '*', which reads like a pattern"),
    "pattern.csv": (csv(header="sku,price,^on$,note"), "BAD_HEADER", "Column 3 is called '^on$', which reads"),
    "pattern.json": (b'[{"sku": "a", "^s.*$": 1}]', "BAD_HEADER", "Column 2 is called '^s.*$'"),
    "nameless.csv": (csv("a,1,9,x", header="sku,price,,note"), "BAD_HEADER", "Column 3 has no name, but values"),
    "index.csv": (csv("0,a,1", header=",sku,price"), "BAD_HEADER", "such as '0' in row 2"),
    "nul.csv": (csv(header="sku,pri\x00ce,on,note"), "BAD_HEADER", "column 2 holds a NUL"),
    "wide.csv": (",".join(f"c{at}" for at in range(10_000)).encode(), "TOO_MANY_COLUMNS", "10,000 columns"),
    "long-names.csv": (",".join(f"{at:0300}" for at in range(1_500)).encode(), "BAD_HEADER", "longer than 256,000"),
    "quote.csv": (csv("a,1,,x", 'b,2,,"y', "c,3,,z"), "UNCLOSED_QUOTE", "quotation mark in row 3 is never closed"),
    "ragged-quote.csv": (csv("a,1,,x", 'b,"2,,y', "c,3,,z"), "UNCLOSED_QUOTE", "row 3 is never closed"),
    "header-quote.csv": (csv("a,1,,x", header='sku,"price,on,note'), "UNCLOSED_QUOTE", "in the header, row 1"),
    "line.csv": (csv("a,1,," + "x" * 9_000_000), "ROW_TOO_LONG", "Line 2 is longer than 8,000,000 bytes"),
    "cut.csv.gz": (gzip.compress(csv("a,1,,x") * 9_000, mtime=0)[:-9], "TRUNCATED_FILE", "cannot be unpacked"),
    "cut.csv.zst": (zstandard.compress(csv("a,1,,x") * 9_000)[:-4], "TRUNCATED_FILE", "cannot be unpacked"),
    "torn.csv.gz": (gzip.compress(csv("a,1,,x") * 9_000, mtime=0)[:300] + b"?" * 9, "TRUNCATED_FILE", "unpacked"),
    "bomb.csv.gz": (gzip.compress(csv("a,1,,x") * 2_000_000, mtime=0), "FILE_TOO_LARGE", "far larger"),
    "bomb.csv.zst": (zstandard.compress(b"\0" * 200_000_000), "UNREADABLE_TEXT", "no text"),
    "odd.csv": (text("a,1,,é").encode("utf-16")[:-1], "UNREADABLE_TEXT", "not utf-16: truncated data in line"),
    "undefined.csv": (csv("a,1,,x") + b"b,2,,\x81\n", "UNREADABLE_TEXT", "cp1252"),
    "binary.csv": (bytes(range(256)) * 9, "UNREADABLE_TEXT", "no text"),
    "zip.csv": (b"PK\x03\x04" + b"\0" * 60, "UNSUPPORTED_FORMAT", "a zip archive"),
    "old-excel.csv": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 60, "UNSUPPORTED_FORMAT", "old Excel file"),
    "twice.csv.gz": (gzip.compress(gzip.compress(csv("a,1,,"))), "UNSUPPORTED_FORMAT", "packed a second time"),
    "page.csv": (b"<!DOCTYPE html>\n<html><body>Log in</body></html>", "UNSUPPORTED_FORMAT", "a web page"),
    "table.csv": (b"<table><tr><td>sku</td></tr></table>", "UNSUPPORTED_FORMAT", "a web page"),
    "json.csv": (b'[{"sku": "a", "price": 1}]', "UNSUPPORTED_FORMAT", "JSON"),
    "pgp.csv": (b"-----BEGIN PGP MESSAGE-----\n\nhQ==\n", "UNSUPPORTED_FORMAT", "encrypted with PGP"),
    "old.xls": (b"\xd0\xcf\x11\xe0", "UNSUPPORTED_FORMAT", "save it as .xlsx"),
    "many.zip": (b"PK\x03\x04", "UNSUPPORTED_FORMAT", "unpack it"),
    "other-order.csv": (csv("a,1,,x", "on,sku,price,note", ",b,2,y"), "BAD_HEADER", "Row 3 is a header, too"),
    "other.csv": (csv("1,2", header="one,two"), "SCHEMA_DRIFT", "lacks sku, price, on, note"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_of_what_cannot_be_used_nothing_is_loaded(desk: Desk, name: str) -> None:
    body, code, told = UNUSABLE[name]
    done = desk.deliver("stock", name, body)
    assert (done.status, done.reason_code, done.attempts) == ("quarantined", code, 1), done.detail
    assert told in (done.detail or ""), done.detail
    assert (done.rows_ok, len(desk.bad_rows(done))) == (0, int(name in ("quote.csv", "ragged-quote.csv")))
    assert desk.superuser.execute("SELECT to_regclass('files.curated_stock')").fetchone() in [
        (None,),
        ("files.curated_stock",),
    ]
    assert not desk.superuser.execute("SELECT 1 FROM pg_class WHERE relname = '_staging'").fetchall(), (
        "a staging table was left"
    )


ONE = [("a", Decimal("1.00"), "x")]
TWO = [("a", Decimal("1.00"), "x"), ("b", Decimal("2.00"), "é")]
TAKEN: dict[str, tuple[bytes, list[Row], dict[str, Any]]] = {
    "bom.csv": (b"\xef\xbb\xbf" + csv("a,1,,x", "b,2,,é"), TWO, {"encoding": "utf-8-sig"}),
    "quoted-bom.csv": (b"\xef\xbb\xbf" + csv('"a","1","","x"', header='"sku","price","on","note"'), ONE, {}),
    "utf16.csv": (text("a,1,,x", "b,2,,é").encode("utf-16"), TWO, {"encoding": "utf-16"}),
    "utf16be.csv": (text("a,1,,x", "b,2,,é").encode("utf-16-be"), TWO, {"encoding": "utf-16-be"}),
    "utf32.csv": (text("a,1,,x", "b,2,,é").encode("utf-32"), TWO, {"encoding": "utf-32"}),
    "western.csv": (text("a,1,,x", "b,2,,é").encode("cp1252"), TWO, {"encoding": "cp1252", "encoding_is_guessed": True}),
    "mixed.csv": (
        csv("a,1,,£5 – “x”") + "b,2,,£5 – “x”\n".encode("cp1252"),
        [("a", Decimal("1.00"), "£5 – “x”"), ("b", Decimal("2.00"), "£5 – “x”")],
        {"encoding": "utf-8-or-cp1252", "encoding_is_guessed": True},
    ),
    "mac.csv": (csv("a,1,,x", "b,2,,é", end="\r"), TWO, {}),
    "windows.csv": (csv("a,1,,x", "b,2,,é", end="\r\n"), TWO, {}),
    "every-end.csv": (b"sku,price,on,note\r\na,1,,x\nb,2,,\xc3\xa9\r", TWO, {}),
    "no-end.csv": (csv("a,1,,x").rstrip(), ONE, {}),
    "dos.csv": (csv("a,1,,x") + b"\x1a", ONE, {}),
    "semicolon.csv": (csv("a;1;;x", header="sku;price;on;note"), ONE, {"delimiter": ";"}),
    "pipe.txt": (csv("a|1||x", header="sku|price|on|note"), ONE, {"delimiter": "|"}),
    "tab.tsv": (csv("a\t1\t\tx", header="sku\tprice\ton\tnote"), ONE, {"delimiter": "\t"}),
    "sep.csv": (b"sep=;\r\n" + csv("a;1;;x", header="sku;price;on;note"), ONE, {"delimiter": ";", "header_row": 2}),
    "trailing.csv": (csv("a,1,,x,,", header="sku,price,on,note,,"), ONE, {"columns_without_name": [5, 6]}),
    "trailing-rows.csv": (csv("a,1,,x,,", "b,2,,é,,"), TWO, {"columns_without_name": [5, 6]}),
    "gap.csv": (csv("a,1,,,x", header="sku,price,,on,note"), ONE, {"columns_without_name": [3]}),
    "blanks-first.csv": (b"\n,,,\n  \n" + csv("a,1,,x"), ONE, {"header_row": 4}),
    "title.csv": (b'"Stock, by shop",,,\nMay 2026,,,\n\n' + csv("a,1,,x"), ONE, {"header_row": 4}),
    "title-alone.csv": (b"Stock of May\n" + csv("a,1,,x"), ONE, {"header_row": 2, "lines_passed_over": 1}),
    "blank-rows.csv": (csv("", "a,1,,x", ",,,", ",", "   ", ",,,,,,", "b,2,,é"), TWO, {}),
    "two-line-header.csv": (csv("a,1,,x", header='sku,"price",on,"note\n"'), ONE, {}),
    "title-two-line-header.csv": (
        b"Stock of May\n" + csv("a,1,,x", header='sku,"price\n",on,"note\n"'), ONE, {"header_row": 2, "lines_passed_over": 1}),
    "odd-names.csv": (csv("a,1,,x", header=" SKU ,Price,ON,\ufeffNote"), ONE, {}),
    "inches.csv": (csv('a,1,,3" pipe'), [("a", Decimal("1.00"), '3" pipe')], {}),
    "quotes.csv": (csv('a,1,,"say ""hi"", two"'), [("a", Decimal("1.00"), 'say "hi", two')], {}),
    "breaks.csv": (csv('a,1,,"x\ny\r\nz"'), [("a", Decimal("1.00"), "x\ny\r\nz")], {}),
    "return.csv": (csv('a,1,,"x\ry"', end="\r\n"), [("a", Decimal("1.00"), "x\ry")], {}),
    "long.csv": (csv("a,1,," + "x" * 3_000_000), [("a", Decimal("1.00"), "x" * 3_000_000)], {}),
    "zeros.csv": (csv("007,1,,0012"), [("007", Decimal("1.00"), "0012")], {}),
    "backslash.csv": (csv(r"a,1,,\.", r"b,2,,\N"), [("a", Decimal("1.00"), r"\."), ("b", Decimal("2.00"), r"\N")], {}),
    "many.csv.gz": (gzip.compress(csv("a,1,,x")) + gzip.compress(b"b,2,,\xc3\xa9\n"), TWO, {}),
    "plain.csv.gz": (csv("a,1,,x"), ONE, {}),
    "packed.csv": (zstandard.compress(csv("a,1,,x")), ONE, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_what_can_be_read_is_read_as_it_is_meant(desk: Desk, name: str) -> None:
    body, rows, facts = TAKEN[name]
    done = desk.deliver("stock", name, body)
    assert (done.status, done.reason_code, done.rows_bad) == ("succeeded", None, 0), (done.detail, done.quality)
    assert loaded(desk) == rows
    assert facts.items() <= (done.facts or {}).items(), done.facts


def test_a_header_alone_says_so(desk: Desk) -> None:
    done = desk.deliver("stock", "header.csv", csv())
    assert (done.status, done.rows_in, loaded(desk)) == ("succeeded", 0, [])
    assert done.detail == "It has a header and no rows: nothing was loaded."
    desk.put(STOCK | {"quality": {"row_count": {"min": 1}}})
    strict = desk.deliver("stock", "header.csv", csv(end="\r\n"))
    assert (strict.status, strict.reason_code) == ("quarantined", "QUALITY_FAILED")


BAD: dict[str, tuple[list[str], dict[int, str]]] = {
    "ragged": (["a,1,,x", "b,2", "c,3,,x,y", "d"], {3: "has 2 fields, the header has 4", 4: "has 5 fields", 5: "has 1"}),
    "footer": (["a,1,,x", "TOTAL,,,", "Printed on 3 May"], {3: "has no value", 4: "has 1 fields, the header has 4"}),
    "header again": (["a,1,,x", HEADER, "\ufeff" + HEADER], {3: "repeats the header", 4: "repeats the header"}),
    "too many": (["a,1,,x", "b,1,234.56,,", "c,2,,y,"], {3: "has 5 fields", 4: "has 5 fields"}),
    "swallowed": (["a,1,,x", 'b,2,,"y', 'c,3,,"z'], {3: "a quotation mark is not closed"}),
    "nul": (["a,1,,x", "b,2,,y\x00z", "c,\x003,,"], {3: "holds a NUL character", 4: "is no decimal(10,2)"}),
    "long key": (["a,1,,x", "k" * 1_501 + ",1,,x"], {3: "the key is longer than 1,500 bytes"}),
    "blank key": (["a,1,,x", ",2,,y"], {3: "has no value"}),
    "key twice": (["a,1,,x", "b,2,,y", "b,2,,y"], {3: "another row of the file has the same sku", 4: "another row"}),
    "days": (["a,1,,x", "b,2,31/02/2026,", "c,2,2026-05-01,", "d,2,01/05/26,"], dict.fromkeys((3, 4, 5), "is no date")),
    "amounts": (
        ["a,1,,x", "b,1.005,,", 'c,"1.234,56",,', "d,1e3,,", "e,NaN,,", "f,12 345.00,,", "g,1€50,,", "h,99999999999,,"],
        dict.fromkeys(range(3, 10), "is no decimal(10,2)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_rows_are_kept_and_the_good_one_is_loaded(desk: Desk, name: str) -> None:
    rows, expected = BAD[name]
    done = desk.deliver("stock", "bad.csv", csv(*rows))
    found = why(desk.bad_rows(done))
    assert found.keys() == expected.keys()
    assert all(expected[number] in found[number] for number in expected), found
    assert loaded(desk) == ONE
    assert (done.status, done.rows_bad, done.rows_ok) == ("succeeded", len(expected), 1)
    assert f"{len(expected)} of {done.rows_in} rows are held" in (done.detail or "")


@pytest.mark.parametrize("name", BAD)
def test_a_strict_contract_takes_none_of_it(desk: Desk, name: str) -> None:
    rows, expected = BAD[name]
    desk.put(STOCK | {"on_bad_rows": "reject_file"})
    done = desk.deliver("stock", "bad.csv", csv(*rows))
    assert (done.status, done.reason_code, done.rows_ok, loaded(desk)) == ("quarantined", "TOO_MANY_BAD_ROWS", 0, [])
    assert why(desk.bad_rows(done)).keys() == expected.keys()
    assert f"{len(expected)} of {done.rows_in} rows are bad" in (done.detail or "")


def test_rows_above_their_header_are_held(desk: Desk) -> None:
    done = desk.deliver("stock", "late-header.csv", csv(HEADER, "a,1,,x", header="b,2,,y"))
    assert (done.status, done.rows_in, done.rows_bad, loaded(desk)) == ("succeeded", 2, 1, ONE), done.detail
    assert why(desk.bad_rows(done)) == {1: "stands above the header, which is row 2"}


@pytest.mark.parametrize("title", [["Stock of May"], ["Stock of May", "of all shops"]])
def test_what_was_taken_for_a_title_is_told(desk: Desk, title: list[str]) -> None:
    """Also where nothing is loaded: it may be why."""
    above = "1 line above it was" if len(title) == 1 else "2 lines above it were"
    told = f"Its header is row {len(title) + 1}: {above} taken for a title and not read."
    good = desk.deliver("stock", "title.csv", csv("a,1,,x", header="\n".join([*title, HEADER])))
    assert (good.status, good.detail, loaded(desk)) == ("succeeded", told, ONE)
    lacks = desk.deliver("stock", "lacks.csv", csv("a,x", header="\n".join([*title, "sku,note"])))
    assert (lacks.status, lacks.reason_code) == ("quarantined", "SCHEMA_DRIFT")
    assert (lacks.detail or "").startswith("The file lacks price, on.")
    assert (lacks.detail or "").endswith(f" Without price no row can be good. {told}")
    plain = desk.deliver("stock", "plain.csv", csv("a,1,,x"))
    assert plain.detail is None


def test_what_was_loaded_before_stays_when_a_file_breaks_off_late(desk: Desk) -> None:
    """Thousands of good rows come before what is wrong: none of them is loaded."""
    desk.deliver("stock", "good.csv", csv("a,1,,x"))
    rows = [f"n{at},1,,{'y' * 200}" for at in range(60_000)]
    cut = desk.deliver("stock", "late.csv.gz", gzip.compress(csv(*rows), mtime=0)[:-5])
    quote = desk.deliver("stock", "late.csv", csv(*rows, 'z,1,,"open'))
    assert [cut.reason_code, quote.reason_code] == ["TRUNCATED_FILE", "UNCLOSED_QUOTE"]
    assert loaded(desk) == ONE


def test_rows_wider_than_a_page_of_the_database_are_told(desk: Desk) -> None:
    names = [f"c{at}" for at in range(1_400)]
    desk.put({"dataset": "wide", "columns": {name: {"type": "integer"} for name in names}})
    rows = [",".join(["1234567"] * len(names))]
    done = desk.deliver("wide", "wide.csv", csv(*rows, header=",".join(names)))
    assert (done.status, done.reason_code) == ("quarantined", "ROW_TOO_LONG"), done.detail
    assert "name fewer columns" in (done.detail or "")


def test_a_bad_encoding_that_was_asked_for_is_told_by_line(desk: Desk) -> None:
    desk.put(STOCK | {"source": {"encoding": "utf-8"}})
    done = desk.deliver("stock", "western.csv", text("a,1,,x", "b,2,,é").encode("cp1252"))
    assert (done.status, done.reason_code, loaded(desk)) == ("quarantined", "UNREADABLE_TEXT", [])
    assert "in line 3" in (done.detail or "")
    assert "source.encoding" in (done.detail or "")
