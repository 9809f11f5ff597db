"""Rows against a contract: each fault with its row, its column, its value and its rule."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from ledgersafe.contracts.datasets.casting import Borne
from ledgersafe.contracts.datasets.checking import ROW, check
from ledgersafe.contracts.datasets.model import Column
from ledgersafe.contracts.datasets.reading import InvalidContract, checked
from ledgersafe.contracts.datasets.shape import ColumnShape
from ledgersafe.contracts.datasets.types import parse_type


def faults(column: dict[str, Any], *texts: str | None, **contract: Any) -> list[tuple[Any, ...]]:
    dataset = checked({"dataset": "x", "columns": {"a": column}} | contract)
    found = check(dataset, pl.DataFrame({ROW: range(2, 2 + len(texts)), "a": pl.Series(texts, dtype=pl.String)}))
    assert found.good.height + len({row[0] for row in found.faults.rows()}) == len(texts)
    return [(row, rule, value) for row, _, rule, value, _ in found.faults.rows()]


@pytest.mark.parametrize(
    ("column", "texts", "expected"),
    [
        ({"required": True}, ["x", "", None], [(3, "required", None), (4, "required", None)]),
        ({"type": "integer"}, ["1", "x", ""], [(3, "type", "x")]),
        ({"type": "integer", "min": 0, "max": 10}, ["0", "10", "-1", "11"], [(4, "min", "-1"), (5, "max", "11")]),
        ({"type": "decimal(9,2)", "min": 0.1}, ["0.10", "0.09"], [(3, "min", "0.09")]),
        ({"type": "decimal(9,2)", "currency": "GBP"}, ["£1", "$2", "x"], [(3, "currency", "$2"), (4, "type", "x")]),
        ({"min": 2, "max": 3}, ["ab", "a", "abcd"], [(3, "min", "a"), (4, "max", "abcd")]),
        ({"pattern": "[A-Z]+|x"}, ["AB", "x", "Ab", "xx"], [(4, "pattern", "Ab"), (5, "pattern", "xx")]),
        ({"enum": ["a", "b"]}, ["a", "c", ""], [(3, "enum", "c")]),
        ({"type": "integer", "enum": [1, 2]}, ["01", "3"], [(3, "enum", "3")]),
        ({"type": "decimal(9,2)", "enum": [1.5]}, ["1.50", "1.51"], [(3, "enum", "1.51")]),
        ({"type": "date", "min": "2026-01-01"}, ["2026-01-01", "2025-12-31"], [(3, "min", "2025-12-31")]),
        ({"type": "datetime", "max": "2026-01-01T00:00:00Z"}, ["2026-01-01", "2026-01-02"], [(3, "max", "2026-01-02")]),
        ({"type": "boolean", "enum": [True]}, ["yes", "no"], [(3, "enum", "no")]),
        ({}, ["a\x00b"], [(2, "type", "a\x00b")]),
    ],
)
def test_each_rule(column: dict[str, Any], texts: list[str | None], expected: list[tuple[Any, ...]]) -> None:
    assert faults(column, *texts) == expected


def test_what_stands_for_no_value() -> None:
    assert faults({"type": "integer", "required": True}, "NA", "1", source={"nulls": ["NA"]}) == [(2, "required", None)]


def test_a_column_that_the_file_lacks_has_no_values() -> None:
    dataset = checked({"dataset": "x", "columns": {"a": {}, "b": {"required": True}}})
    found = check(dataset, pl.DataFrame({ROW: [2], "a": ["1"]}))
    assert [row[:3] for row in found.faults.rows()] == [(2, "b", "required")]
    assert found.nulls == {"a": 0, "b": 1}


def test_the_key_is_required() -> None:
    assert faults({}, "", primary_key="a") == [(2, "required", None)]


def currencies(*batches: list[str], **column: Any) -> list[list[str]]:
    """Of each batch of a file, the amounts that are in another currency."""
    dataset = checked({"dataset": "x", "columns": {"a": {"type": "decimal(9,2)", **column}}})
    borne: dict[str, Borne] = {}
    found = [check(dataset, pl.DataFrame({ROW: range(len(texts)), "a": texts}), borne=borne) for texts in batches]
    assert all(one.faults["rule"].unique().to_list() in ([], ["currency"]) for one in found)
    return [one.faults["value"].to_list() for one in found]


def test_a_column_is_in_one_currency_over_all_of_a_file() -> None:
    assert currencies(["£1", "£2"], ["€3", "£4"], ["GBP 5", "EUR 6"]) == [[], ["€3"], ["EUR 6"]]
    assert currencies(["$1"], ["USD 2"], ["CAD 3", "$4"]) == [[], [], ["CAD 3"]]
    assert currencies(["£1", "€2"], ["£3"]) == [["£1", "€2"], ["£3"]], "which of them it is, no one knows"
    assert currencies(["£1"], ["€3"], currency="EUR") == [["£1"], []]


def test_groups_are_the_same_however_they_are_spelled() -> None:
    texts = ["K1", "K1 ", "\u00a0K1", "caf\u00e9", "cafe\u0301", " "]
    rows = pl.DataFrame({ROW: range(6), "a": texts})
    group = Column("a", parse_type("string"), ColumnShape(required=True), tells_events=True)
    key = Column("a", parse_type("string"), ColumnShape(), is_key=True)
    dataset = checked({"dataset": "x", "columns": {"a": {}}})
    grouped, keyed = (check(replace(dataset, columns=(column,)), rows) for column in (group, key))
    assert grouped.good["a"].to_list() == ["K1", "K1", "K1", "caf\u00e9", "caf\u00e9"]
    assert keyed.good["a"].to_list() == texts[:-1], "a table's key stays as it is written"
    for found in (grouped, keyed):
        assert [row[:3] for row in found.faults.rows()] == [(5, "a", "required")]


def test_a_default_stands_where_there_is_no_value() -> None:
    columns = {"a": {"default": ""}, "b": {"default": "none", "enum": ["none", "x"]}}
    dataset = checked({"dataset": "x", "primary_key": ["a", "b"], "columns": columns, "source": {"nulls": ["NA"]}})
    found = check(dataset, pl.DataFrame({ROW: [2, 3, 4], "a": ["", None, "NA"]}))
    assert found.good.rows() == [(2, "", "none"), (3, "", "none"), (4, "", "none")]
    assert found.nulls == {"a": 3, "b": 3}
    with pytest.raises(InvalidContract, match="/columns/a/default: is for string"):
        checked({"dataset": "x", "columns": {"a": {"type": "integer", "default": "0"}}})


def test_all_faults_of_a_row_are_told_in_the_order_of_the_file() -> None:
    columns = {"a": {"type": "integer"}, "b": {"required": True}}
    dataset = checked({"dataset": "x", "columns": columns})
    found = check(dataset, pl.DataFrame({ROW: [2, 3], "a": ["1", "x"], "b": ["", ""]}))
    assert [row[:3] for row in found.faults.rows()] == [(2, "b", "required"), (3, "a", "type"), (3, "b", "required")]
