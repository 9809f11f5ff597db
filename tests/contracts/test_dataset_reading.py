"""Contracts of datasets as people write them: every fault is named, and every form leads to the same contract."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from ledgersafe.contracts.datasets.casting import cast
from ledgersafe.contracts.datasets.checking import ROW
from ledgersafe.contracts.datasets.diff import Mode, diff
from ledgersafe.contracts.datasets.infer import guesses, infer, sample_of
from ledgersafe.contracts.datasets.names import normal_name, sql_name
from ledgersafe.contracts.datasets.reading import InvalidContract, checked, read_dataset
from ledgersafe.contracts.datasets.writing import as_json_schema, as_odcs, from_odcs, members_of
from ledgersafe.kernel.strict_yaml import write_yaml
from tests.contracts.till_lines import CONTRACT

SALES: dict[str, Any] = {
    "dataset": "till_days",
    "description": "What each till took.",
    "primary_key": ["till", "day"],
    "columns": {
        "till": {"pattern": "[A-Z0-9-]+", "description": "Its number."},
        "day": {"type": "date", "format": ["%d/%m/%Y"]},
        "takings": {"type": "decimal(12,2)", "required": True, "min": 0, "aliases": ["Umsatz"]},
        "receipts": {"type": "integer", "min": 0},
        "closed": {"type": "boolean", "enum": [True]},
    },
    "quality": {"max_null_fraction": {"receipts": 0.1}},
    "drift_policy": "fail",
}


def messages(members: Any) -> dict[str, str]:
    with pytest.raises(InvalidContract) as refused:
        checked(members)
    return {fault.path: fault.message for fault in refused.value.faults}


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"dataset": "Till Days"}, "/dataset", "regex"),
        ({"bogus": 1}, "/bogus", "is not known here"),
        ({"columns": {}}, "/columns", "length"),
        ({"columns": {"a": {"type": "money"}}, "primary_key": "a"}, "/columns/a/type", "is no type"),
        ({"columns": {"a": {"type": "decimal(2,3)"}}, "primary_key": "a"}, "/columns/a/type", "precision"),
        ({"columns": {"a": {"pattern": "("}}, "primary_key": "a"}, "/columns/a/pattern", "no regular expression"),
        ({"columns": {"a": {"pattern": "(?=x)"}}, "primary_key": "a"}, "/columns/a/pattern", "look-around"),
        ({"columns": {"a": {"time_zone": "Mars"}}, "primary_key": "a"}, "/columns/a/time_zone", "no IANA"),
        ({"columns": {"a": {"format": "%d"}}, "primary_key": "a"}, "/columns/a/format", "is for date"),
        ({"columns": {"a": {"min": "x"}}, "primary_key": "a"}, "/columns/a/min", "is no number"),
        ({"columns": {"a": {"thousands": "."}}, "primary_key": "a"}, "/columns/a/thousands", "decimal separator"),
        ({"columns": {"a b": {}, "A_B": {}}, "primary_key": "a b"}, "/columns/A_B", "reads like 'a b'"),
        ({"columns": {"a/b": {"nope": 1}}, "primary_key": "a/b"}, "/columns/a~1b/nope", "is not known"),
        ({"columns": {"_loaded_at": {}}, "primary_key": []}, "/columns/_loaded_at", "that Ledgersafe adds"),
        ({"primary_key": ["nope"]}, "/primary_key", "is no column"),
        ({"quality": {"max_null_fraction": {"nope": 0}}}, "/quality/max_null_fraction/nope", "is no column"),
        ({"kind": "events"}, "/events", "belongs to kind: events"),
    ],
)
def test_each_fault_is_named(change: dict[str, Any], path: str, words: str) -> None:
    found = messages(
        {name: value for name, value in SALES.items() if name != "quality" or "quality" in change} | change
    )
    assert words in found[path]


def _refused(column: dict[str, Any], **members: Any) -> set[str]:
    return set(messages({"dataset": "x", "columns": {"a": column}} | members))


@pytest.mark.parametrize(
    "form",
    [
        "%+", "%s", "%d/%m/%Y %Z", "%d/%m", "%H:%M", "%Y", "%m/%Y", "%d/%m/%Y %I:%M", "%d/%m/%Y %H", "%c", "%q", "%",
        "%Y-%m-%d %H:%M:%S.%f",
    ],
)  # fmt: skip
def test_formats_that_would_be_misread(form: str) -> None:
    assert _refused({"type": "datetime", "format": ["%Y-%m-%d", form]}) == {"/columns/a/format"}


@pytest.mark.parametrize(
    ("form", "text", "instant"),
    [
        ("%-d/%-m/%y %I:%M %p", "1/2/26 3:04 pm", "2026-02-01T15:04"),
        ("%d %B %Y %H:%M:%S%.f", "01 February 2026 15:04:05.5", "2026-02-01T15:04"),
        ("%Y-%m-%dT%H:%M:%S%#z", "2026-02-01T15:04:05+01", "2026-02-01T14:04"),
        ("%F %T", "2026-02-01 15:04:05", "2026-02-01T15:04"),
        ("%Y%j", "2026032", "2026-02-01T00:00"),
    ],
)
def test_formats_that_can_be_read(form: str, text: str, instant: str) -> None:
    dataset = checked({"dataset": "x", "columns": {"a": {"type": "datetime", "format": form}}})
    assert cast(dataset.columns[0], pl.Series("a", [text]))[0][:16] == instant


def test_a_date_has_no_offset() -> None:
    assert _refused({"type": "date", "format": "%Y-%m-%d%z"}) == {"/columns/a/format"}


@pytest.mark.parametrize("pattern", [r"a\Z", "a{,3}", "(?#x)a", "(?>a)", r"\N{DIGIT ONE}", "(?a)x", "(a)?(?(1)b|c)"])
def test_patterns_that_python_alone_takes(pattern: str) -> None:
    assert _refused({"pattern": pattern}) == {"/columns/a/pattern"}


@pytest.mark.parametrize("zone", ["Factory", "posixrules", "localtime", "right/Europe/London", "posix/UTC", "Europe"])
def test_zones_that_are_none(zone: str) -> None:
    assert _refused({"type": "datetime", "time_zone": zone}) == {"/columns/a/time_zone"}


@pytest.mark.parametrize(
    "encoding", ["rot13", "base64", "hex", "zip", "idna", "punycode", "undefined", "unicode-escape", "nope", "\x00"]
)
def test_encodings_that_are_none(encoding: str) -> None:
    assert _refused({}, source={"encoding": encoding}) == {"/source/encoding"}


@pytest.mark.parametrize("delimiter", ["é", "\0", "\n", '"', "a"])
def test_delimiters_that_are_none(delimiter: str) -> None:
    assert _refused({}, source={"delimiter": delimiter}) == {"/source/delimiter"}


@pytest.mark.parametrize(
    "column",
    [
        {"type": "boolean", "min": 1},
        {"type": "integer", "min": 1.5},
        {"type": "number", "min": float("nan")},
        {"min": 0.5},
    ],
)
def test_bounds_that_bound_nothing(column: dict[str, Any]) -> None:
    assert _refused(column) == {"/columns/a/min"}


def test_a_currency_is_one_of_numbers() -> None:
    assert _refused({"currency": "GBP"}) == _refused({"type": "integer", "currency": "JAN"}) == {"/columns/a/currency"}


def test_amounts_of_events_in_one_currency_are_in_it() -> None:
    columns = CONTRACT["columns"] | {name: {"type": "decimal(9,2)"} for name in ("Tax", "Foreign", "Tip")}
    columns["Tip"]["currency"] = "EUR"
    events = CONTRACT["events"]
    fields = events["fields"] | {"metadata.foreign": {"column": "Foreign"}}
    lines = events["lines"] | {"tax": {"column": "Tax"}, "tip": {"column": "Tip"}}
    members = CONTRACT | {"columns": columns, "events": events | {"fields": fields, "lines": lines}}
    found = {column.name: column.currency for column in checked(members).columns}
    assert {name for name, currency in found.items() if currency} == {"Price", "Tax", "Tip", "Qty"}
    assert (found["Price"], found["Tax"], found["Tip"]) == ("EUR", "EUR", "EUR")
    for currency in ({"column": "Item"}, {"constant": "none"}):
        fields["currency"] = currency
        assert [column.currency for column in checked(members).columns if column.currency] == ["EUR"]
        by_event = {column.name for column in checked(members).columns if column.booked_by_event}
        assert by_event == {"Price", "Tax", "Tip", "Qty"}


@pytest.mark.parametrize(
    "text", ["a: [", "- 1", "", "x: &a [1]\ny: *a", "dataset: a\ndataset: b", "!!python/object:x {}"]
)
def test_what_is_no_contract_at_all(text: str) -> None:
    with pytest.raises(InvalidContract):
        read_dataset(text)


def test_every_fault_is_told_at_once() -> None:
    found = messages(SALES | {"columns": {"a": {"type": "money"}, "b": {"time_zone": "Mars"}}})
    assert {"/columns/a/type", "/columns/b/time_zone", "/primary_key"} <= found.keys()


def test_all_forms_lead_to_the_same_contract() -> None:
    dataset = checked(SALES)
    assert read_dataset(write_yaml(members_of(dataset))).shape == dataset.shape
    assert checked(from_odcs(yaml.safe_load(yaml.safe_dump(as_odcs(dataset))))).shape == dataset.shape


def test_the_standards_own_readers_take_what_is_exported() -> None:
    from jsonschema import Draft202012Validator
    from open_data_contract_standard.model import OpenDataContractStandard

    dataset = checked(SALES)
    model = OpenDataContractStandard.model_validate(as_odcs(dataset))
    assert [one.name for one in model.schema_[0].properties] == list(SALES["columns"])  # pyright: ignore
    schema = as_json_schema(dataset)
    Draft202012Validator.check_schema(schema)
    row = {"till": "T-1", "day": "2026-01-02", "takings": "12.50", "receipts": 3, "closed": True}
    Draft202012Validator(schema).validate(row)
    assert list(Draft202012Validator(schema).iter_errors(row | {"takings": "12,50"}))


def test_a_contract_of_the_standard_that_others_wrote() -> None:
    members = {
        "id": "orders",
        "schema": [
            {
                "name": "Orders 2026",
                "properties": [
                    {"name": "id", "logicalType": "string", "primaryKey": True, "logicalTypeOptions": {"maxLength": 9}},
                    {"name": "at", "logicalType": "timestamp", "required": True},
                    {"name": "total", "logicalType": "number", "physicalType": "DECIMAL(12, 2)"},
                ],
            }
        ],
    }
    dataset = checked(from_odcs(members))
    assert (dataset.name, dataset.primary_key) == ("orders_2026", ("id",))
    assert [str(column.type) for column in dataset.columns] == ["string", "datetime", "decimal(12,2)"]


@pytest.mark.parametrize(
    ("column", "change", "mode", "level"),
    [
        ("receipts", {"type": "string"}, "backward", "WARN"),
        ("receipts", {"type": "string"}, "forward", "ERROR"),
        ("till", {"type": "boolean"}, "backward", "ERROR"),
        ("takings", {"type": "decimal(14,4)"}, "backward", "WARN"),
        ("takings", {"type": "decimal(12,4)"}, "backward", "ERROR"),
        ("receipts", {"required": True}, "backward", "ERROR"),
        ("receipts", {"required": True}, "forward", "WARN"),
        ("receipts", {"min": 1}, "backward", "ERROR"),
        ("receipts", {"min": -1}, "backward", "WARN"),
        ("receipts", {"max": 9}, "backward", "ERROR"),
        ("closed", {"enum": [True, False]}, "backward", "WARN"),
        ("till", {"pattern": None}, "backward", "WARN"),
        ("takings", {"aliases": []}, "backward", "ERROR"),
        ("takings", {"decimal": ","}, "backward", "ERROR"),
        ("day", {"format": ["%d/%m/%Y", "%Y-%m-%d"]}, "full", None),
    ],
)
def test_each_change_has_its_level(column: str, change: dict[str, Any], mode: Mode, level: str | None) -> None:
    columns = SALES["columns"] | {column: SALES["columns"][column] | change}
    found = diff(checked(SALES), checked(SALES | {"columns": columns}), mode)
    assert [one.level for one in found] == ([] if level is None else [level])


def test_columns_that_come_and_go() -> None:
    fewer = {name: column for name, column in SALES["columns"].items() if name != "receipts"}
    without = SALES | {"columns": fewer, "quality": {}}
    gone = {one.path: one.level for one in diff(checked(SALES), checked(without), "full")}
    assert gone["/columns/receipts"] == "ERROR"
    come = {one.path: one.level for one in diff(checked(without), checked(SALES), "full")}
    assert come["/columns/receipts"] == "INFO"
    assert diff(checked(SALES), checked(SALES), "full") == []


def test_a_first_contract_is_as_narrow_as_the_values() -> None:
    rows = pl.DataFrame(
        {
            ROW: [2, 3],
            "id": ["A1", "A2"],
            "code": ["007", "123"],
            "n": ["1", "-2"],
            "price": ["1,234.50", "3"],
            "euro": ["1.234,50", "3,5"],
            "day": ["31/12/2026", "01/12/2026"],
            "at": ["12/31/2026 10:00", "1/1/2026 9:30"],
            "on": ["yes", "no"],
            "empty": ["", ""],
        }
    )
    found = infer("x", [name for name in rows.columns if name != ROW], sample_of([rows], 10))
    assert checked(found).primary_key == ("id",)
    types = {name: (column["type"], column.get("format")) for name, column in found["columns"].items()}
    assert types == {
        "id": ("string", None),
        "code": ("string", None),
        "n": ("integer", None),
        "price": ("decimal(18,2)", None),
        "euro": ("decimal(18,2)", None),
        "day": ("date", "%d/%m/%Y"),
        "at": ("datetime", "%m/%d/%Y %H:%M"),
        "on": ("boolean", None),
        "empty": ("string", None),
    }
    assert found["columns"]["euro"]["decimal"] == ","


@pytest.mark.parametrize(
    ("name", "is_key"),
    [
        ("SKU", True), ("id", True), ("ID", True), ("order_id", True), ("InvoiceNo", True), ("StockCode", True),
        ("Receipt number", True), ("Ref.", True), ("Supplier", False), ("Supplier code", False), ("Net Amount", False),
        ("Paid", False), ("Country code", False), ("Postcode", False), ("Customer ID", False), ("Notes", False),
        ("Cost Code", False), ("Product Code", False), ("Account No", False), ("Item No", False), ("Sort Code", False),
        ("Employee Number", False), ("Till No", False), ("Line number", False), ("VAT number", False), ("Branch code", False), ("LineNo", False),
    ],
)  # fmt: skip
def test_only_what_is_named_like_a_key_is_proposed_as_one(name: str, is_key: bool) -> None:
    rows = pl.DataFrame({name: [f"A{at}" for at in range(30)], "Date": ["01/02/2026"] * 30})
    assert ("primary_key" in infer("x", rows.columns, rows)) is is_key


@pytest.mark.parametrize(("name", "is_key"), [("SKU", True), ("Invoice No", True), ("StockCode", False)])
def test_in_few_rows_what_may_differ_by_chance_is_only_told(name: str, is_key: bool) -> None:
    rows = pl.DataFrame({name: ["A", "B", "C"], "Date": ["01/02/2026"] * 3})
    members = infer("x", rows.columns, rows)
    assert ("primary_key" in members) is is_key
    assert is_key or any(f"say primary_key: [{name}]" in told for told in guesses(members, rows))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["01/02/2026", "03/04/2026"], "x: 01/02/2026 is read as 2026-02-01; it could mean 2026-01-02."),
        (["01/02/2026", "31/04/2026"], None),
        (["13/02/2026", "01/02/2026"], None),
        (["1.234", "2.500"], "x: 1.234 is read as 1.234; it could mean 1234."),
        (["1,234", "2,500"], "x: 1,234 is read as 1234; it could mean 1.234."),
        (["1,234.50", "2"], None),
        (["1.50", "2.25"], None),
        (["01/02/2026 10:00"], "x: 01/02/2026 10:00 is read as 2026-02-01T10:00:00.000000+00:00; it could mean"),
        (["12", "15"], None),
        (["a", "01/02/2026"], None),
        (["", ""], None),
    ],
)
def test_what_could_be_meant_otherwise_is_told(values: list[str], told: str | None) -> None:
    rows = pl.DataFrame({"x": values})
    found = [one for one in guesses(infer("d", ["x"], rows), rows) if one.startswith("x: ")]
    assert found == [] if told is None else found[0].startswith(told)


def test_a_total_at_the_end_makes_no_column_optional() -> None:
    rows = pl.DataFrame({"Item": ["tea", "jam", "Total"], "Qty": ["1", "2", ""], "Net": ["1.50", "2.00", "3.50"]})
    found = infer("x", rows.columns, rows)
    assert [column.get("required") for column in found["columns"].values()] == [True] * 3


def test_names_find_together() -> None:
    assert normal_name("\ufeffLast Update") == normal_name("last_update") == normal_name("Last/Update")
    assert [sql_name(name) for name in ("Customer ID", "2nd", "Größe", "日付")] == [
        "customer_id",
        "c_2nd",
        "grosse",
        "c_666819e1",
    ]


def test_the_contracts_that_the_documentation_shows_can_be_used() -> None:
    page = Path(__file__).parents[2] / "docs" / "contracts.md"
    shown = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert [read_dataset(text).name for text in shown] == ["till_days", "till_lines"]
