"""Amounts with a comma that stand unquoted in CSV: their rows are held, and told why; rows that only look so are not."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ledgersafe.formats.rows import Spelling
from tests.formats.reading import Read, read

TEXT, WHOLE = Spelling(has_decimals=False), Spelling(is_amount=True, has_decimals=False)
AMOUNT = Spelling(is_amount=True)
KNOWN = {"Receipt": TEXT, "Item": TEXT, "Amount": AMOUNT, "VAT": AMOUNT, "Qty": WHOLE, "Year": WHOLE, "Note": TEXT}
HEADER = "Receipt,Item,Amount,Note"


def known(name: str) -> Spelling:
    """What a contract knows."""
    return KNOWN.get(name, Spelling())


def read_lines(folder: Path, header: str, lines: Sequence[str], *, has_contract: bool = True) -> Read:
    data = "\n".join([header, *lines]).encode()
    return read(folder, "x.csv", data, spelling=known) if has_contract else read(folder, "x.csv", data)


@pytest.mark.parametrize("has_contract", [True, False])
@pytest.mark.parametrize(
    ("header", "lines"),
    [
        (HEADER, ["1,Mug,4,50,", "2,Pot,18,00,", "3,Tray,12,25,"]),
        (HEADER, ["1,Mug,€ 4,50,", "2,Pot,-18,05 €,"]),
        (HEADER, ["1,Mug,(4,50),", "2,Pot,1.234,00 CR,"]),
        (HEADER, ["1,Mug,1 234,50,", "2,Pot,4,00,"]),
        (f"{HEADER},VAT,Ref", ["1,Mug,4,50,0,72,,", "2,Pot,18,00,3,06,,"]),
        ("Receipt,Item,Amount,VAT,Note", ["1,Sofa,1,05,000.00,,", "2,Bed,2,10,000.00,,"]),
        (HEADER, ["1,Car,12,05,500.00,,", "2,House,1,02,05,000,"]),
    ],
)
def test_amounts_that_a_comma_has_cut_are_held(
    tmp_path: Path, header: str, lines: Sequence[str], *, has_contract: bool
) -> None:
    found = read_lines(tmp_path, header, lines, has_contract=has_contract)
    assert found.columns == tuple(header.split(","))
    assert not found.rows
    assert [number for number, _, _ in found.broken] == [*range(2, len(lines) + 2)]
    if "House" not in lines[-1]:  # where rows differ, nothing ends them all
        assert all("cut in two at its comma; put amounts with commas in quotes" in why for _, _, why in found.broken)


@pytest.mark.parametrize(
    "lines",
    [
        ["1,Sofa,1,234.56,", "2,Bed,2,500.00,"],
        ["1,Sofa,1,234.56,"],
        ["1,Mug,4,50,", "2,Pot,18,00,", "3,Cup,,,"],
    ],
)
def test_amounts_are_cut_under_a_header_that_ends_with_a_comma(tmp_path: Path, lines: Sequence[str]) -> None:
    found = read_lines(tmp_path, f"{HEADER},", [*lines, f"{HEADER},"])
    assert (found.columns, found.rows) == (tuple(HEADER.split(",")), [])
    *held, again = sorted(found.broken)
    assert all("has 5 fields, the header has 4: an amount may have been cut" in why for _, _, why in held)
    assert (len(held), again[2]) == (len(lines), "repeats the header")


@pytest.mark.parametrize(
    ("header", "lines"),
    [
        (HEADER, ["1,Mug,4.50,12,", "2,Pot,18.00,05,"]),  # a point is in it already
        (HEADER, ["1,Mug,4,50,", "2,Pot,18,x,"]),  # not in every row
        (HEADER, ["1,Mug,4,5 blue,", "2,Pot,18,12 Main Street,"]),
        (HEADER, ['1,"Mug, blue","4,50",,', '2,"Pot, 18, red","18,00",,']),
        ("Receipt,Qty,Note", ["1,20,35,", "2,12,18,"]),
        ("Receipt,Year,Month,Amount", ["1,2026,05,12.00,", "2,2026,06,18.00,"]),
        ("Receipt,Year,Month,Amount", ["1,2026,05,12,", "2,2026,06,18,"]),
        ("Receipt,Item,Amount", ["1,Mug,4,", "2,Pot,18,"]),
        (f"{HEADER},", ["1,Mug,4.50,x,", "2,Pot,18.00,123,"]),
        (f"{HEADER},,", ["1,Mug,4,,,", "2,Pot,18,,,"]),
        ("Receipt,Qty,Note,", ["1,120,350,", "2,12,180,"]),  # whole numbers, and a code
        ("Receipt,Amount,VAT,", ["1,120,350,", "2,12,180,"]),  # each a number, as their contract says
        ("Receipt,Amount,VAT,", ["1,4,50,", "2,18,00,"]),
    ],
)
def test_rows_that_only_end_with_a_comma_are_read(tmp_path: Path, header: str, lines: Sequence[str]) -> None:
    found = read_lines(tmp_path, header, lines)
    assert (len(found.rows), found.broken) == (len(lines), [])


def test_without_a_contract_cents_are_known_by_their_zeros(tmp_path: Path) -> None:
    for lines in (["1,20,35,", "2,12,18,"], ["1,2026,05,12.00,", "2,2026,06,18.00,"]):
        header = ",".join("abcdefg"[: lines[0].count(",")])
        assert len(read_lines(tmp_path, header, lines, has_contract=False).rows) == len(lines)
