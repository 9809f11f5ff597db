"""JSON, NDJSON, Parquet and XLSX: the same rows of text as CSV would give, and clear reasons."""

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
import polars as pl
import pytest

from ledgersafe.formats.rows import UnreadableFile
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
