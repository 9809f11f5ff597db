"""Rows in which nothing stands, files that have none, and memory where many rows cannot be read."""

import io
import tracemalloc
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ledgersafe.formats.kinds import kind_of
from ledgersafe.formats.rows import Bounds, UnreadableFile, Wishes
from tests.formats.reading import read

ABOUT_A_ROW = 8_000
"""Characters of a wide row, as many as are kept of one."""


def _workbook(*rows: list[Any]) -> bytes:
    book, held = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)  # pyright: ignore[reportOptionalMemberAccess]
    book.save(held)
    return held.getvalue()


@pytest.mark.parametrize(
    "blank",
    [
        "  , , ",
        "\u00a0,,",
        "\u00a0\u00a0,\u2007,\u202f",
        " \t,\t,\t",
        '"  ",,',
        "\u3000,,",
        "\u00a0,",
        "\u00a0,,,,",
        "  ",
    ],
)
def test_a_row_of_blanks_is_none(tmp_path: Path, blank: str) -> None:
    found = read(tmp_path, "x.csv", f"a,b,c\n1,2,3\n{blank}\n4,5,6\n{blank}\n".encode())
    assert (found.rows, found.broken) == ([(2, "1", "2", "3"), (4, "4", "5", "6")], [])


def test_blanks_beside_a_value_are_kept(tmp_path: Path) -> None:
    found = read(tmp_path, "x.csv", "a,b,c\n \u00a0,, x\n,\u00a0,\n ,y\n".encode())
    assert found.rows == [(2, " \u00a0", "", " x")]
    assert [number for number, _, _ in found.broken] == [4], "too few fields, one of which holds something"


def test_a_workbooks_row_of_blanks_is_none(tmp_path: Path) -> None:
    data = _workbook(["a", "b"], ["1", "2"], [" ", None], [None, "\u00a0\t"], [" ", "x"])
    found = read(tmp_path, "x.xlsx", data)
    assert (found.rows, found.broken) == ([(2, "1", "2"), (5, " ", "x")], [])


@pytest.mark.parametrize(
    "data",
    [b"id,net", b"\xef\xbb\xbfid,net", "id,net".encode("utf-16"), b"sep=,\nid,net", b"\n\nid,net", b"id,net,,"],
)
def test_a_header_alone_needs_no_line_break(tmp_path: Path, data: bytes) -> None:
    found = read(tmp_path, "x.csv", data)
    assert (found.columns, found.rows, found.broken) == (("id", "net"), [], [])


@pytest.mark.parametrize("data", [b'id,net\n"1,2', b'"id,net', b'id,net\n1,2\n3,"4'])
def test_what_a_quotation_mark_has_swallowed_is_no_end(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableFile) as refused:
        read(tmp_path, "x.csv", data)
    assert refused.value.code == "UNCLOSED_QUOTE"


def _wide(folder: Path, rows: int, every: int) -> Path:
    """A file of wide rows with a field too many; one that is right after `every` so many of them."""
    path = folder / "wide.csv"
    wide, right = "1," * 3 + "x" * ABOUT_A_ROW + "\n", "1,2,3\n"
    with path.open("w", encoding="utf-8") as file:
        file.write("a,b,c\n")
        for _ in range(0, rows, every):
            file.write(wide * every + right)
    return path


def _read_through(path: Path) -> tuple[int, int]:
    """(good rows, broken ones), without keeping them."""
    good = broken = 0
    for batch in kind_of(path.name).open(path, Wishes(), Bounds()).batches:
        good, broken = good + batch.frame.height, broken + len(batch.broken)
    return good, broken


def test_memory_is_bounded_where_no_row_can_be_read(tmp_path: Path) -> None:
    path = _wide(tmp_path, 40_000, 40_000)
    tracemalloc.start()
    with pytest.raises(UnreadableFile, match="over 64,000,000 characters of rows have not as many fields") as refused:
        _read_through(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.code == "TOO_MANY_BAD_ROWS"
    assert peak < 400_000_000, "of a file of 320 MB"


def test_as_many_among_good_rows_are_kept_in_bounded_memory(tmp_path: Path) -> None:
    path = _wide(tmp_path, 20_000, 100)
    tracemalloc.start()
    assert _read_through(path) == (200, 20_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000_000
