"""Rows in which nothing stands, files that have none, and memory where many rows cannot be read."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ledgersafe.formats.rows import UnreadableFile
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


_READ_THROUGH = """
import os, sys
from pathlib import Path
from ledgersafe.formats.kinds import kind_of
from ledgersafe.formats.rows import Bounds, UnreadableFile, Wishes

path, good, broken = Path(sys.argv[1]), 0, 0
try:
    for batch in kind_of(path.name).open(path, Wishes(), Bounds()).batches:
        good, broken = good + batch.frame.height, broken + len(batch.broken)
except UnreadableFile as refused:
    print(refused.code)
else:
    print(good, broken)
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(int(peak.split()[1]) // 1024, flush=True)
os._exit(0)  # Arrow's threads may be at work still, and abort a process that ends
"""


def _read_through(path: Path) -> tuple[str, int]:
    """(good rows and broken ones, or why it cannot be read, MiB at the peak) of a process that keeps none of them."""
    done = subprocess.run(
        [sys.executable, "-c", _READ_THROUGH, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    told, peak = done.stdout.splitlines()
    return told, int(peak)


def test_memory_is_bounded_where_no_row_can_be_read(tmp_path: Path) -> None:
    told, peak = _read_through(_wide(tmp_path, 40_000, 40_000))
    assert (told, peak < 700) == ("TOO_MANY_BAD_ROWS", True), f"{peak} MiB for a file of 320 MB"


def test_as_many_among_good_rows_are_kept_in_bounded_memory(tmp_path: Path) -> None:
    told, peak = _read_through(_wide(tmp_path, 20_000, 100))
    assert (told, peak < 500) == ("200 20000", True), f"{peak} MiB for a file of 160 MB"
