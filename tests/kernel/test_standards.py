"""The kernel against other people's vectors: RFC 8785, JSONTestSuite, ISO 4217."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from ledgersafe.kernel.canonical import read_json
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.money import is_currency, minor_unit

pytestmark = pytest.mark.shared

REFUSED_ON_PURPOSE = {
    # RFC 8259 only says that names SHOULD be unique. Of a sale whose amount is named twice nobody can tell which one
    # was meant, and two readers may take different ones, so such a body is refused.
    "y_object_duplicated_key.json": "DUPLICATE_MEMBER_NAME",
    "y_object_duplicated_key_and_value.json": "DUPLICATE_MEMBER_NAME",
}


def fate(body: bytes) -> str:
    """How read_json takes a body: 'exact', 'inexact' (read, but a number is held by no double), or the refusal."""
    try:
        return "inexact" if read_json(body).canonical is None else "exact"
    except RequestRefused as refusal:
        return refusal.reason.code


def fates(standards: Path, kind: str) -> dict[str, str]:
    files = (standards / "JSONTestSuite" / "test_parsing").glob(f"{kind}_*.json")
    found = {file.name: fate(file.read_bytes()) for file in files}
    assert len(found) > 30, "JSONTestSuite is incomplete"
    return found


def test_every_valid_text_is_read(standards: Path) -> None:
    refused = {name: how for name, how in fates(standards, "y").items() if how != "exact"}
    assert refused == REFUSED_ON_PURPOSE


def test_every_invalid_text_is_refused(standards: Path) -> None:
    read = {name: how for name, how in fates(standards, "n").items() if how in ("exact", "inexact")}
    assert read == {}


def test_texts_that_a_parser_may_take_or_leave_raise_nothing_else(standards: Path) -> None:
    found = fates(standards, "i")
    assert set(found.values()) <= {"exact", "inexact", "INVALID_JSON", "JSON_TOO_DEEP"}
    assert found["i_number_huge_exp.json"] == "inexact"
    assert found["i_string_UTF-8_invalid_sequence.json"] == "INVALID_JSON"
    assert found["i_structure_500_nested_arrays.json"] == "JSON_TOO_DEEP"
    assert found["i_structure_UTF-8_BOM_empty_object.json"] == "INVALID_JSON"


def test_what_is_read_can_be_fingerprinted(standards: Path) -> None:
    for file in sorted((standards / "JSONTestSuite" / "test_transform").glob("*.json")):
        body = file.read_bytes()
        if fate(body) in ("exact", "inexact"):
            assert len(read_json(body).fingerprint()) == 32, file.name


def test_the_vectors_of_rfc_8785(standards: Path) -> None:
    vectors = standards / "jcs" / "testdata"
    names = sorted(file.name for file in (vectors / "input").glob("*.json"))
    assert names == ["arrays.json", "french.json", "structures.json", "unicode.json", "values.json", "weird.json"]
    for name in names:
        expected = (vectors / "output" / name).read_bytes()
        hexadecimal = (vectors / "outhex" / name).with_suffix(".txt").read_text()
        assert bytes.fromhex(hexadecimal) == expected, name
        body = (vectors / "input" / name).read_bytes()
        if name == "values.json":
            # It spells numbers with more digits than a double holds: parked here, canonical only once spelled short.
            assert read_json(body).canonical is None
            body = expected
        assert read_json(body).canonical == expected, name


def test_every_currency_in_use_and_its_minor_unit(standards: Path) -> None:
    with (standards / "iso4217" / "codes-all.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["AlphabeticCode"] and not row["WithdrawalDate"]]
    assert len({row["AlphabeticCode"] for row in rows}) > 170
    assert [row["AlphabeticCode"] for row in rows if not is_currency(row["AlphabeticCode"])] == []
    units = {row["AlphabeticCode"]: row["MinorUnit"] for row in rows if row["MinorUnit"].isdigit()}
    wrong = {code: digits for code, digits in units.items() if minor_unit(code) != Decimal(1).scaleb(-int(digits))}
    assert wrong == {}
