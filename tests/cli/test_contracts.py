"""`ledgersafe contracts` as a person uses it: infer, correct, check, compare, export."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

CSV = "till;day;takings;receipts\nT-1;01/02/2026;1.234,50;12\nT-2;01/02/2026;(3,00);0\n"


def ran(*words: str | Path, exit_code: int = 0) -> str:
    """What the command prints (errors included)."""
    done = subprocess.run(
        [sys.executable, "-m", "ledgersafe", "contracts", *map(str, words)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """A file of a shop."""
    file = tmp_path / "till days.csv"
    file.write_text(CSV, encoding="utf-8")
    return file


@pytest.fixture
def contract(tmp_path: Path, sales: Path) -> Path:
    """The contract that is made of it."""
    file = tmp_path / "till_days.yaml"
    file.write_text("primary_key: till\n" + ran("infer", sales), encoding="utf-8")
    return file


def test_what_is_inferred_takes_the_file_it_was_made_of(sales: Path, contract: Path) -> None:
    text = contract.read_text(encoding="utf-8")
    assert "dataset: till_days" in text
    assert "decimal: ','" in text
    assert "good" in ran("validate", contract)
    assert "2 rows: 2 good, 0 bad." in ran("check", contract, sales)


def test_what_is_guessed_and_what_was_not_read_is_told_as_comments(tmp_path: Path, contract: Path) -> None:
    comments = [line for line in contract.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    assert comments == [
        "# guessed from 2 rows: they need not show all that is meant. Correct it before you use it.",
        "# No primary_key: no column is named like one and differs in every row. So no row replaces another.",
        "# required: each column has a value in every row.",
        "# day: 01/02/2026 is read as 2026-02-01; it could mean 2026-01-02.",
    ]
    file = tmp_path / "odd.csv"
    rows = ["Stock of May", "in all shops", 'SKU,"no\n: te",Price', 'A1,café,"1,234"', 'B2,,"2,500"', "C3,x"]
    file.write_bytes("\n".join([*rows, "Total,,3734", ""]).encode("cp1252"))
    text = ran("infer", file)
    assert [line for line in text.splitlines() if line.startswith("# ")][1:] == [
        "# The last row is taken for a total, which is no row of its own.",
        "# primary_key: SKU is named like a key, and differs in every row.",
        "# required: SKU, Price have a value in every row.",
        "# Price: 1,234 is read as 1234; it could mean 1.234.",
        "# Its header is row 3: 2 lines above it were taken for a title and not read.",
        "# Left out, since they cannot be read: 1 of its rows, such as row 6, which has 2 fields, the header has 3.",
        "# It is not in UTF-8, and was read as cp1252: source.encoding may name another.",
    ]
    (tmp_path / "odd.yaml").write_text(text, encoding="utf-8")
    assert "good" in ran("validate", tmp_path / "odd.yaml")
    assert "2 lines above it were taken for a title" in ran("check", tmp_path / "odd.yaml", file, exit_code=1)


def test_of_a_header_alone_little_is_known(tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("id,note\n")
    text = ran("infer", tmp_path / "bare.csv")
    assert "# guessed from 0 rows" in text
    assert "required" not in text


def test_no_name_of_a_column_breaks_out_of_a_comment(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text('"a\u2028x: 1\ny: 2\x07",b\n01/02/2026,\n01/02/2026,1\n', encoding="utf-8")
    file = tmp_path / "odd.yaml"
    file.write_text(ran("infer", tmp_path / "odd.csv"), encoding="utf-8")
    assert "# required: a x: 1 y: 2 has a value" in file.read_text(encoding="utf-8")
    assert "good" in ran("validate", file)


def test_each_bad_row_is_shown(tmp_path: Path, contract: Path) -> None:
    file = tmp_path / "next.csv"
    file.write_text(CSV + "T-3;31/02/2026;x;1\nT-4;too;few\nT-1;02/02/2026;1,00;1\n", encoding="utf-8")
    told = orjson.loads(ran("check", contract, file, "--json", exit_code=1))
    assert (told["rows"], told["bad"]) == (5, 4)
    found = {(fault["row"], fault["column"], fault["rule"]) for fault in told["faults"]}
    assert {(4, "day", "type"), (4, "takings", "type"), (5, None, "readable"), (6, "till", "unique")} <= found
    assert "has 3 fields, the header has 4" in ran("check", contract, file, exit_code=1)


def test_columns_that_do_not_fit_are_named(tmp_path: Path, contract: Path) -> None:
    file = tmp_path / "next.csv"
    file.write_text("TILL,Day,extra\nT-1,01/02/2026,1\n", encoding="utf-8")
    told = orjson.loads(ran("check", contract, file, "--json", exit_code=1))
    assert (told["missing_columns"], told["unknown_columns"]) == (["takings", "receipts"], ["extra"])


def test_a_change_that_breaks_senders_is_an_error(tmp_path: Path, contract: Path) -> None:
    stricter = tmp_path / "stricter.yaml"
    stricter.write_text(contract.read_text().replace("type: integer", "type: integer\n    max: 10"))
    assert "ERROR" in ran("diff", contract, stricter, exit_code=1)
    assert "ERROR" not in ran("diff", stricter, contract)
    assert "They mean the same." in ran("diff", contract, contract)


def test_every_form_is_read_again(tmp_path: Path, contract: Path) -> None:
    standard = tmp_path / "standard.yaml"
    standard.write_text(ran("export", contract))
    assert "apiVersion: v3" in standard.read_text()
    assert "They mean the same." in ran("diff", contract, standard)
    assert orjson.loads(ran("export", contract, "--to", "json-schema"))["title"] == "till_days"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("validate", "{folder}/bad.yaml"), "/columns/a/type: 'money' is no type"),
        (("validate", "{folder}/nothing.yaml"), "Cannot read"),
        (("infer", "{folder}/nothing.csv"), "Cannot read"),
        (("infer", "{folder}/empty.csv"), "EMPTY_FILE"),
        (("infer", "{folder}/x.doc"), "UNSUPPORTED_FORMAT"),
        (("check", "{folder}/bad.yaml", "{folder}/empty.csv"), "is no contract that can be used"),
    ],
)
def test_what_cannot_be_done_says_why(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    (tmp_path / "bad.yaml").write_text("dataset: x\ncolumns: {a: {type: money}}")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "x.doc").touch()
    assert told in ran(*(word.format(folder=tmp_path) for word in words), exit_code=1)
