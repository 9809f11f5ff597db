"""A file's names and a contract's: which are known, and which rows of a file are a header, too."""

from time import perf_counter
from typing import Any

import polars as pl
import pytest

from ledgersafe.contracts.datasets.checking import ROW
from ledgersafe.contracts.datasets.headers import matched, other_header
from ledgersafe.contracts.datasets.reading import checked
from ledgersafe.pipeline.deliveries.wishes import wishes_of

COLUMNS: dict[str, Any] = {
    "id": {},
    "net": {"type": "decimal(9,2)", "aliases": ["Net Amount"]},
    "vat": {"aliases": ["tax"]},
}


@pytest.mark.parametrize(
    ("cells", "is_header"),
    [
        (("id", "tax", "net"), True),
        (("ID", "Net_Amount", "note"), True),
        (("vat", "id", "x"), True),
        (("id", "Net Amount", "TAX"), False),  # the same columns, by other names
        (("id", "id", "x"), False),
        (("id", "5.00", "1.00"), False),
        ((None, "tax", "net"), True),
        (("7", "x", "1.00"), False),
    ],
)
def test_a_row_that_names_other_columns_is_a_header(cells: tuple[str | None, ...], is_header: bool) -> None:
    dataset = checked({"dataset": "x", "columns": COLUMNS})
    rows = pl.DataFrame([(2, *cells)], schema=[ROW, *COLUMNS], orient="row").with_columns(
        pl.col(*COLUMNS).cast(pl.String)
    )
    found = other_header(dataset, matched(dataset, ["id", "net", "vat", "note"]), rows)
    assert (found is not None) is is_header


@pytest.mark.parametrize(
    ("cells", "is_header"),
    [
        (("id", "gross", "tax", ""), True),
        (("ID", "VAT (GBP)", "Net (GBP)", "paid on"), True),
        (("No", "Net Amount", "tax", "date"), True),
        (("id", "Net 20%", "", "paid"), True),
        (("id", "gross", "gross", "soon"), False),  # no two columns have one name
        (("Id", "n/a", "12.50", ""), False),
        (("id", "", "", ""), False),
        (("id", "NULL", "", ""), False),  # no value, as the contract says
        (("id", "x12", "", ""), False),
        (("7", "unknown", "tbc", "soon"), False),
        (("day", "unknown", "tbc", "soon"), False),
    ],
)
def test_a_row_of_words_that_says_the_name_of_one_column_is_a_header(cells: tuple[str, ...], is_header: bool) -> None:
    types = {"id": {}, "net": COLUMNS["net"], "vat": {"type": "number"}, "day": {"type": "date"}}
    dataset = checked({"dataset": "x", "columns": types, "source": {"nulls": ["NULL"]}})
    rows = pl.DataFrame([(2, *cells)], schema=[ROW, *types], orient="row")
    assert (other_header(dataset, matched(dataset, [*types]), rows) is not None) is is_header


def test_a_header_is_looked_for_without_guessing_what_unknown_names_could_be() -> None:
    dataset = checked({"dataset": "x", "columns": {f"contract column number {at}": {} for at in range(400)}})
    recognised = wishes_of(dataset).recognised
    assert recognised is not None
    began = perf_counter()
    assert recognised([f"wholly different name {at}" for at in range(2_000)]) == 0
    assert recognised(["Contract_Column Number 7", "contract column number 7", "other"]) == 1
    assert perf_counter() - began < 0.5, "one guess for each takes seconds"


@pytest.mark.parametrize(
    ("said", "column", "is_suggested"),
    [
        ("UnitPrice", "Price", True),
        ("Price", "unit_price", True),
        ("Lat", "Latitude", True),
        ("Customer Id", "Id", False),  # many names end so
        ("Quantity", "Price", False),
    ],
)
def test_what_a_new_column_could_be_by_another_name(said: str, column: str, is_suggested: bool) -> None:
    header = matched(checked({"dataset": "x", "columns": {column: {}}}), [said])
    assert header.suggested == (((said, column),) if is_suggested else ())
