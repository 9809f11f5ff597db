"""CSV as it comes: encodings, delimiters, quotes, ragged rows; numbers of rows are those that people see."""

import gzip
import json
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import zstandard

from ledgersafe.formats.kinds import kind_of
from ledgersafe.formats.rows import Bounds, UnreadableFile, Wishes
from tests.formats.reading import read
from tests.kernel.conftest import standards  # noqa: F401 - a fixture


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"a,b\n1,2\n", [(2, "1", "2")]),
        (b"a,b\r\n1,2\r\n", [(2, "1", "2")]),
        (b"a,b\r1,2\r3,4\r", [(2, "1", "2"), (3, "3", "4")]),
        (b"\xef\xbb\xbfa,b\n1,2", [(2, "1", "2")]),
        (b"a;b\n1,5;2\n", [(2, "1,5", "2")]),
        (b"a\tb\n1\t2\n", [(2, "1", "2")]),
        (b"a|b\n1|2\n", [(2, "1", "2")]),
        ("a,b\né,2\n".encode("utf-16"), [(2, "é", "2")]),
        ("a,b\né,2\n".encode("utf-16-le"), [(2, "é", "2")]),
        ("a,b\né,2\n".encode("utf-16-be"), [(2, "é", "2")]),
        ("a,b\né,2\n".encode("cp1252"), [(2, "é", "2")]),
        (b'a,b\n"x\ny","z""q"\n', [(2, "x\ny", 'z"q')]),
        (b'a,b\n1,3" pipe\n', [(2, "1", '3" pipe')]),
        (b"a,b\n\n1,2\n\n\n3,4\n", [(3, "1", "2"), (6, "3", "4")]),
        (b"a,b\n001, 2 \n", [(2, "001", " 2 ")]),
        (b"a\n1\n\n2\n", [(2, "1"), (4, "2")]),
        (b"a,b\n", []),
        (b"a,b\n1,x\x00y\n" + b"1,2\n" * 100, [(2, "1", "x\x00y"), *((n, "1", "2") for n in range(3, 103))]),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), [(2, "1", "2")]),
        (zstandard.compress(b"a,b\n1,2\n") + zstandard.compress(b"3,4\n"), [(2, "1", "2"), (3, "3", "4")]),
    ],
)
def test_rows_are_read_as_they_stand(tmp_path: Path, data: bytes, rows: list[tuple[object, ...]]) -> None:
    assert read(tmp_path, "x.csv", data).rows == rows


def test_ragged_rows_are_put_aside_with_their_number_and_the_others_keep_theirs(tmp_path: Path) -> None:
    found = read(tmp_path, "x.csv", b'a,b\n1,2\n3\n\n4,5,6\n"7\n7",8\n9,10\n')
    assert found.rows == [(2, "1", "2"), (6, "7\n7", "8"), (7, "9", "10")]
    assert [(number, text) for number, text, _ in found.broken] == [(3, "3"), (5, "4,5,6")]
    assert "has 1 fields, the header has 2" in found.broken[0][2]


PLAIN = "receipt,item,amount,discount,note"


@pytest.mark.parametrize(
    ("lines", "rows", "broken"),
    [
        pytest.param(["1,Cup,5.00,,", "2,Sofa,1,234.56,,"], [2], [3], id="an amount in two"),
        pytest.param(["1,Sofa,1,234.56,,"], [], [2], id="one row, which could be an amount in two"),
        pytest.param(["1,Sofa,1,234.56,,", '2,Bed,"2",345.67,,'], [], [2, 3], id="amounts in two in every row"),
        *(
            pytest.param([f"1,Sofa,{amount},,", f"2,Bed,{amount},,"], [], [2, 3], id=amount)
            for amount in ("1,234", "£ 1,234.56", "GBP 1,234.56", "-£1,234.56", "- 1,234.56", "1,234.56 CR", "(1,234)")
        ),
        pytest.param(["1,Sofa,1,234,5.00,", "2,Bed,5.00,1,234,"], [], [2, 3], id="amounts in two in other columns"),
        pytest.param(["1,Cup,5.00,,,", "2,Tea,6.00,,,"], [2, 3], [], id="a comma too many in every row"),
        pytest.param(["1,Cup,5.00,,,,,", ",,,,,,,", "", "2,Tea,6.00,,x,,,"], [2, 5], [], id="three too many"),
        pytest.param(["1,Cup,5.00,,,", "2,Sofa,1,234.56,,,", "3,Tea,6.00,,x,", "4,x"], [2, 4], [3, 5], id="both"),
        pytest.param(["1,Cup,5.00,,,", PLAIN, "2,Tea,6.00,,,", "Total"], [2, 4], [3, 5], id="among other things"),
        pytest.param(["1,Cup,5.00,,,", "2,Tea,6.00,,,"] * 30 + ["3,Pot,7.00,,"], range(2, 62), [62], id="late"),
        pytest.param(["1,Cup,5.00,,,y", "2,Tea,6.00,,,"] * 30, [], range(2, 62), id="a value among them"),
    ],
)
def test_separators_too_many_mean_nothing_if_every_row_has_them(
    tmp_path: Path, lines: list[str], rows: Sequence[int], broken: Sequence[int]
) -> None:
    found = read(tmp_path, "x.csv", "\n".join([PLAIN, *lines]).encode())
    assert found.columns == tuple(PLAIN.split(","))
    assert [row[0] for row in found.rows] == [*rows]
    assert sorted(number for number, _, _ in found.broken) == [*broken]
    assert all(row[3] in ("5.00", "6.00") for row in found.rows)


def test_separators_too_many_under_a_title_and_a_header_of_two_lines(tmp_path: Path) -> None:
    found = read(tmp_path, "x.csv", b'Title;;\n"a\nb";c\n1;2;\n3;4;\n5\n', header_row=2)
    assert (found.columns, found.rows) == (("a\nb", "c"), [(3, "1", "2"), (4, "3", "4")])
    assert found.broken == [(5, "5", "has 1 fields, the other rows have 3")]
    assert found.facts["columns_without_name"] == [3]


def test_a_header_comes_again_without_the_separators_too_many(tmp_path: Path) -> None:
    found = read(tmp_path, "x.csv", b"id,net\n1,2,\n3,4,\nid,net\n5,6,\n")
    assert [row[0] for row in found.rows] == [2, 3, 5]
    assert found.broken == [(4, "id,net", "repeats the header")]
    with pytest.raises(UnreadableFile, match="Row 4 is a header, too"):
        read(tmp_path, "y.csv", b"id,net\n1,2,\n3,4,\nnet,id\n5,6,\n")


@pytest.mark.parametrize(
    "swallowed",
    [
        b'id,item,net\n0,Cup,1.00\n1,"Mug,5.00\n2,Tray",6.00\n',
        b'id,item,net\n0,Cup,1.00\n1,"Mug,5.00\r\n2,Pan,3\r\n3,Tray",6.00\r\n',
        b'item,net\nCup,1.00\n"Mug,5.00\nTray",6.00\n',
        b'id;item\n0;Cup\n1;"Mug\n2;Tray"\n',
        b'id,item,net,note\n0,Cup,1.00,\n1,"Mug,5.00,\n2,Tray",6.00,\n',
        b'id,item,net,note\n0,Cup,1.00,\n1,"Mug,5.00,x\n\n2,Tray",6.00,y\n',
        b'id,item,net,note\n0,Cup,1.00,\n1,"Mug,5.00,x\n2,Tray,6.00,y,\n3,Pan",7.00,z\n',
        b'id,item,net,note\r0,Cup,1.00,\r1,"Mug,5.00,x\r2,Tray",6.00,y\r',
        b'id,item,net\n0,Cup,1.00\n1,"Mug,5.00\n\n2,Tray",6.00\n',
        b'id,item,net\n0,Cup,1.00\n1,"Mug,5.00\n2, Tray",6.00\n',
        b'id,item,net\n0,Cup,1.00\n1,Mug,"\n2,Tray,"\n',
        b'id,address,net\n0,Cup,1.00\n1,"1 High St, Flat 2\nLondon, UK",6.00\n',  # which may be two rows as well
        *(  # whatever stands between the two
            f'id,name,net\n0,Cup,1.00\n1,"Mug,5.00\n{between}\n2,Tray",6.00\n'.encode()
            for between in ("Subtotal", "x,y", "Page 2", "\t", "\u00a0", "\v", "a\nb\nc")
        ),
        b'id,name,net\n0,Cup,1.00\n1,"Mug\n2,Tray",6.00\n',  # of which the first is short
        b'code,name,net\nA-0,Cup,1.00\nA-1,"Mug\nPage\nA-2,Tray",6.00\n',
        b'name,note,net\nCup,x,1.00\nMug,"blue,-5.00\nPage\nTray,red","6.00 CR"\n',
        b'name,on,note\nCup,1 May 2026,x\nMug,2 May 2026,"blue\nPage\nTray,3 May 2026,red"\n',
        b'name,net,note,place\nCup,1.00,,\nMug,5.00,"blue\nPage\nTray,GBP 6.00,red",York\n',
    ],
)
def test_a_row_that_a_quotation_mark_has_swallowed_is_no_part_of_another(tmp_path: Path, swallowed: bytes) -> None:
    found = read(tmp_path, "x.csv", swallowed)
    assert [row[0] for row in found.rows] == [2]
    assert [(number, "not closed" in why) for number, _, why in found.broken] == [(3, True)]


def test_a_row_that_was_torn_within_quotation_marks_takes_none_of_the_next(tmp_path: Path) -> None:
    found = read(tmp_path, "x.csv", b'id,name,net\n1,"Mu\n2,"Tray",6.00\n3,Pot,7.00\n')
    assert [row[0] for row in found.rows] == [3]
    ((number, text, why),) = found.broken
    assert (number, "'name' holds line breaks and what looks like another row" in why) == (2, True)
    assert "Tray" in text


@pytest.mark.parametrize(
    "cell",
    [
        *("1 High St, Flat 2\nLondon", "x\ny\nz", "a,b\nc", "\n", "Tel.: 1,5\n\nOffice 2", "a,b,c\r\n", "\ra, b, c"),
        *(
            "Flat 2, 1 High St\nMarylebone\nLondon, UK",
            "1 High St\nLondon, UK",
            "Room 5, 2nd floor\nOak House\n12 Oak Road, Leeds",
        ),
        *("Dear Sir,\nthank you\nYours, Bob", "Rue Foch, 5\nEntr\u00e9e B\nParis, France", "5\n6", "1,2\n\nin all"),
    ],
)
def test_a_cell_of_several_lines_stays_one(tmp_path: Path, cell: str) -> None:
    found = read(tmp_path, "x.csv", f'id,address,net\n1,"{cell}",6.00\n'.encode())
    assert (found.rows, found.broken) == ([(2, "1", cell, "6.00")], [])


def known(*names: str) -> Callable[[Sequence[str]], int]:
    """A contract's knowledge of names."""
    return lambda cells: len({*cells} & {*names})


def test_rows_above_a_header_are_told(tmp_path: Path) -> None:
    data = b'Stock,,\n1,Mug,5\n2,"Tray, large",6\n3,Pan,\n,,\nid,name,net\n4,Pot,7\n'
    found = read(tmp_path, "x.csv", data, recognised=known("id", "name", "net"))
    assert found.rows == [(7, "4", "Pot", "7")]
    assert found.broken == [
        (2, "1,Mug,5", "stands above the header, which is row 6"),
        (3, '2,"Tray, large",6', "stands above the header, which is row 6"),
        (4, "3,Pan,", "stands above the header, which is row 6"),
    ]
    assert (found.facts["header_row"], found.facts["lines_passed_over"]) == (6, 1)


def test_a_title_is_found_without_a_contract(tmp_path: Path) -> None:
    found = read(
        tmp_path, "x.csv", b"Borsetshire County Council\nMay 2026,,\n\nid,name,net\n4,Pot,7\n5,Pan,\n6,Cup,8\n"
    )
    assert (found.columns, len(found.rows), found.facts["header_row"]) == (("id", "name", "net"), 3, 4)
    assert read(tmp_path, "y.csv", b"id\n4\n5\n").columns == ("id",)


def test_a_row_that_is_put_aside_can_be_cut_again(tmp_path: Path) -> None:
    found = read(tmp_path, "x.csv", b'id,item,\n"A,1",Mug,\n"A,2","Cup ""blue""",\n' * 30 + b'"A,1",Pot,x\n')
    assert [text for _, text, _ in found.broken if "Pot" in text] == ['"A,1",Pot,x']


def test_a_header_comes_again_in_other_letters(tmp_path: Path) -> None:
    found = read(tmp_path, "x.csv", b"id,item\n1,a\n ID ,Item\n2,b\n")
    assert ([row[0] for row in found.rows], found.broken) == ([2, 4], [(3, " ID ,Item", "repeats the header")])


def test_of_texts_alone_names_may_be_data(tmp_path: Path) -> None:
    data = b"winner,loser\nloser,winner\nwinner,loser\nloser,loser\n"
    found = read(tmp_path, "x.csv", data, is_all_text=True)
    assert found.rows == [(2, "loser", "winner"), (4, "loser", "loser")]
    with pytest.raises(UnreadableFile, match="Row 2 is a header, too"):
        read(tmp_path, "y.csv", data)


@pytest.mark.parametrize("again", ["id,vat,net", "Net, ID ,vat", '"vat",net,id'])
def test_a_header_in_another_order_ends_it(tmp_path: Path, again: str) -> None:
    with pytest.raises(UnreadableFile, match="Row 4 is a header, too, but in another order") as refused:
        read(tmp_path, "x.csv", f"id,net,vat\n1,2,3\nid,net,vat\n{again}\n2,30.00,150.00\n".encode())
    assert refused.value.code == "BAD_HEADER"
    assert len(read(tmp_path, "y.csv", b"id,net,vat\nid,id,net\nnet,2,3\n").rows) == 2


def test_numbers_hold_over_many_blocks(tmp_path: Path) -> None:
    lines = [f"{number},{'x' * 90}" if number % 1_000 else "ragged" for number in range(2, 200_000)]
    found = read(tmp_path, "x.csv", ("a,b\n" + "\n".join(lines)).encode())
    assert all(row[0] == int(row[1]) for row in found.rows)
    assert [number for number, _, _ in found.broken] == list(range(1_000, 200_000, 1_000))


def test_the_header_may_stand_further_down(tmp_path: Path) -> None:
    found = read(tmp_path, "x.csv", b"Report of May\n\na,b\n1,2\n3\n", header_row=3)
    assert (found.columns, found.rows, found.broken[0][0]) == (("a", "b"), [(4, "1", "2")], 5)


def test_what_was_found_out_is_told(tmp_path: Path) -> None:
    assert read(tmp_path, "x.csv", "a;b\né;1\n".encode("cp1252")).facts == {
        "encoding": "cp1252",
        "encoding_is_guessed": True,
        "delimiter": ";",
    }


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "EMPTY_FILE"),
        (b"\n\n  \n", "EMPTY_FILE"),
        (b'a,b\n1,"x\n2,3\n', "UNCLOSED_QUOTE"),
        (b'a,b\n1,2\n1,"x', "UNCLOSED_QUOTE"),
        (b'a,b\n1,"' + b"x,y\n" * 4_000_000, "UNCLOSED_QUOTE"),
        (b"a,a\n1,2\n", "BAD_HEADER"),
        (b",a\n1,2\n", "BAD_HEADER"),
        (b"a,_row_number\n1,2\n", "BAD_HEADER"),
        (",".join(f"c{n}" for n in range(10_000)).encode(), "TOO_MANY_COLUMNS"),
        (b"a,b\n" + b"x" * 9_000_000, "ROW_TOO_LONG"),
        (bytes(range(256)) * 40, "UNREADABLE_TEXT"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 10_000, mtime=0)[:-30], "TRUNCATED_FILE"),
        (zstandard.compress(b"a,b\n" + b"1,2\n" * 10_000)[:-4], "TRUNCATED_FILE"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 4_000_000, mtime=0), "FILE_TOO_LARGE"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, data: bytes, code: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        read(tmp_path, "x.csv", data)
    assert refused.value.code == code


def test_an_encoding_that_was_asked_for_is_kept_to(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="not utf-8"):
        read(tmp_path, "x.csv", "a,b\né,1\n".encode("cp1252"), encoding="utf-8")


def test_an_ending_that_nobody_reads(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"Files \.doc are not read"):
        read(tmp_path, "x.doc", b"a")


def test_memory_is_bounded_however_long_a_line_is(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("wb") as file:  # sparse: two gigabytes that take no room
        file.write(b"a,b\n")
        file.truncate(2_000_000_000)
    tracemalloc.start()
    with pytest.raises(UnreadableFile) as refused:
        list(kind_of(path.name).open(path, Wishes(), Bounds()).batches)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.code in ("ROW_TOO_LONG", "UNREADABLE_TEXT")
    assert peak < 100_000_000


@pytest.mark.shared
def test_csv_spectrum(tmp_path: Path, standards: Path) -> None:  # noqa: F811
    """Every file of max-mapper/csv-spectrum, against the JSON beside it."""
    files = sorted(standards.glob("csv_spectrum/**/*.csv"))
    assert len(files) >= 10
    for file in files:
        expected = json.loads(_json_of(file).read_text(encoding="utf-8"))
        data = file.read_bytes()
        if file.stem.endswith("_crlf"):  # its own line breaks, where a checkout has made them others
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        found = read(tmp_path, file.name, data)
        rows = [dict(zip(found.columns, row[1:], strict=True)) for row in found.rows]
        if file.stem == "location_coordinates":  # its JSON has one object, and another phone number than its CSV
            rows, expected = (
                [row | {"Contact Phone Number": ""} for row in rows],
                [expected | {"Contact Phone Number": ""}],
            )
        assert rows == expected, file.name


def _json_of(file: Path) -> Path:
    beside = file.with_suffix(".json")
    return beside if beside.is_file() else file.parent.parent / "json" / f"{file.stem}.json"
