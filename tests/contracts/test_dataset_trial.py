"""What would only fail when a file comes is refused when the contract is put: which column, what, and what to write."""

import subprocess
import sys
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import polars as pl
import pytest

from ledgersafe.contracts.datasets import trial
from ledgersafe.contracts.datasets.casting import cast
from ledgersafe.contracts.datasets.checking import ROW, check
from ledgersafe.contracts.datasets.diff import diff
from ledgersafe.contracts.datasets.events import EventMaker
from ledgersafe.contracts.datasets.names import sql_name
from ledgersafe.contracts.datasets.reading import InvalidContract, checked, ours, parsed
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.datasets import read_contract
from tests.contracts.till_lines import CONTRACT


def refused(members: Any) -> dict[str, str]:
    """By path, what is said."""
    with pytest.raises(InvalidContract) as found:
        checked(members)
    return {fault.path: fault.message for fault in found.value.faults}


def of(column: dict[str, Any]) -> dict[str, Any]:
    return {"dataset": "x", "columns": {"a": column}}


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"[\w ]{1,255}", "bound the length by min and max"),
        (".{1,20000}", "bound the length by min and max"),
        ("{[0-9A-F-]{36}}", r"is written \[ or \{"),
        (r"[^[\]]+", "unclosed character class"),
        (r"\0", "backreferences are not supported"),
        (r"\d{3", "unclosed counted repetition"),
        ("(?x)a #", "unclosed group"),
        ("a{99999999999999}", "is no regular expression"),
        ("(" * 5000 + ")" * 5000, "is no regular expression"),
    ],
)
def test_patterns_that_the_check_does_not_take(pattern: str, words: str) -> None:
    found = refused(of({"pattern": pattern}))
    assert words in found["/columns/a/pattern"]
    assert words in refused(of({}) | {"source": {"skip_rows": pattern}})["/source/skip_rows"]


@pytest.mark.parametrize("pattern", [r"[A-Z]{1,3}-\d+", r"\{[0-9A-F-]{36}\}", r"[^\[\]]+", "(?i)a|b", "", r"[\w ]+"])
def test_patterns_that_it_takes(pattern: str) -> None:
    checked(of({"pattern": pattern}))


@pytest.mark.parametrize(
    ("kind", "form", "words"),
    [
        ("datetime", "%Y-%m-%d %H:%M %p", "write %I, or leave %p out"),
        ("datetime", "%F %R %P", "write %I, or leave %p out"),
        ("date", "%Y-%m-%d %p", "write %I, or leave %p out"),
        ("date", "%Y-%m-%d %M", "without hours"),
        ("datetime", "%Y-%m-%d %S", "without hours"),
        ("datetime", "%Y-%m-%d%z", "reads nothing, not even '2026-11-23+0000'"),
    ],
)
def test_formats_that_read_nothing(kind: str, form: str, words: str) -> None:
    assert words in refused(of({"type": kind, "format": ["%d/%m/%Y", form]}))["/columns/a/format"]


@pytest.mark.parametrize(
    "form",
    [
        "%d/%m/%Y", "%-d.%-m.%y", "%Y%m%d%H%M%S%3f", "%F %T%.f", "%d %B %Y %l:%M %P", "%a, %e %b %Y %k:%M:%S %z", "%v %R", "%D",
        "%Y-%m-%dT%H:%M:%S%.6f%:z", "%F %T%#z", "%j/%Y", "%F%n%t%T", "%F %%", " %F ", "%A %d %h %Y", "%FT%TZ", "%y%m%d %I%M%p",
    ],
)  # fmt: skip
def test_every_directive_is_written_as_it_is_read(form: str) -> None:
    found = checked(of({"type": "datetime", "format": form}))
    assert cast(found.columns[0], pl.Series([trial.written(form)]))[0][:10] == "2026-11-23"


@pytest.mark.parametrize(
    ("column", "member", "words"),
    [
        ({"type": "integer", "min": -(10**19)}, "min", "64 bits"),
        ({"type": "integer", "min": "-1e19"}, "min", "leave it out"),
        ({"type": "integer", "max": "1e30"}, "max", "leave it out"),
        ({"type": "decimal(38,0)", "max": "1e40"}, "max", "leave it out"),
        ({"type": "decimal(5,2)", "max": 1e300}, "max", "leave it out"),
        ({"type": "number", "max": "1e400"}, "max", "leave it out"),
        ({"type": "decimal(5,2)", "min": 1000}, "min", "is beyond every decimal(5,2)"),
        ({"type": "decimal(5,2)", "max": -1000}, "max", "is beyond every decimal(5,2)"),
        ({"type": "number", "min": "1e-60"}, "min", "more than 38 decimals"),
        ({"type": "datetime", "min": "0001-01-01T00:00+14:00"}, "min", "of the years 1 to 9999"),
        ({"max": -1}, "max", "is no length"),
        ({"max": 2**63}, "max", "64 bits"),
        ({"type": "integer", "min": 5, "max": 3}, "max", "turn them round"),
        (
            {"type": "datetime", "min": "2026-01-01T01:00+02:00", "max": "2025-12-31T22:00:00Z"},
            "max",
            "turn them round",
        ),
        ({"type": "integer", "enum": [1, "x"]}, "enum", "names 'x', which no value can be"),
        ({"type": "date", "format": "%d/%m/%Y", "enum": ["2026-01-02"]}, "enum", "a date written as %d/%m/%Y"),
        ({"type": "decimal(5,2)", "decimal": ",", "enum": [0.5]}, "enum", "with a decimal comma"),
    ],
)
def test_bounds_and_values_that_no_value_can_be_held_against(column: dict[str, Any], member: str, words: str) -> None:
    found = refused(of(column))
    assert words in next(message for path, message in found.items() if path.startswith(f"/columns/a/{member}"))


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ({"type": "decimal(12,2)", "max": 1e3}, "999.99", "1000.01"),
        ({"type": "decimal(38,2)", "max": "1e16"}, "9999999999999999.99", "10000000000000000.01"),
        ({"type": "decimal(12,2)", "min": "1e3"}, "1000", "999"),
        ({"type": "decimal(4,2)", "max": 100, "min": "1e-3"}, "99.99", "0"),
        ({"type": "integer", "max": "1e3"}, "1000", "1001"),
        ({"type": "integer", "max": 2**63 - 1, "min": 0}, "999999999999999999", "-1"),
        ({"max": 10**10, "min": 1}, "a" * 2000, None),
        ({"max": 2, "min": -1}, "ab", "abc"),
    ],
)
def test_bounds_are_meant_as_they_are_written(column: dict[str, Any], good: str, bad: str | None) -> None:
    rows = pl.DataFrame({ROW: [1, 2], "a": [good, bad]}, schema_overrides={"a": pl.String})
    found = check(checked(of(column)), rows)
    assert found.faults[ROW].to_list() == ([] if bad is None else [2])


def test_names_that_the_database_and_the_check_have_for_themselves() -> None:
    assert [*map(sql_name, ("xmin", "Xmax", "ctid", "TableOID", "cmin", "cmax"))] == [
        "c_xmin", "c_xmax", "c_ctid", "c_tableoid", "c_cmin", "c_cmax"
    ]  # fmt: skip
    assert set(refused({"dataset": "x", "columns": {"xmin": {}, "c_xmin": {}}})) == {"/columns/c_xmin"}
    for name in ("*", "^a.*$", "(*)", "'^b$'"):
        assert "call it otherwise" in refused({"dataset": "x", "columns": {name: {}}})[f"/columns/{name}"]
        assert "call it otherwise" in refused(of({"aliases": [name]}))["/columns/a"]
    columns = CONTRACT["columns"] | {"_group": {}}
    assert "aliases" in refused(CONTRACT | {"columns": columns})["/columns/_group"]


def test_keys_that_no_index_takes() -> None:
    many: dict[str, Any] = {f"c{at}": {} for at in range(40)}
    assert "31 at most" in refused({"dataset": "x", "columns": many, "primary_key": [*many]})["/primary_key"]
    checked({"dataset": "x", "columns": many, "primary_key": [*many][:31]})
    assert "twice" in refused(of({}) | {"primary_key": ["a", "a"]})["/primary_key"]


@pytest.mark.parametrize(
    ("members", "path"),
    [
        (of({"description": "a\0b"}), "/columns/a/description"),
        (of({"enum": ["\ud800"]}), "/columns/a/enum/0"),
        ({"dataset": "x", "columns": {"\ud800": {}}}, "/columns/\\ud800"),
        (of({"enum": [float("nan")]}), "/columns/a/enum/0"),
        (of({"type": "integer", "max": 10**30}), "/columns/a/max"),
        (of({}) | {"quality": {"row_count": {"max": 10**30}}}, "/quality/row_count/max"),
        (of({}) | {"quality": {"freshness": 1e300}}, "/quality/freshness"),
        (of({"description": datetime(2026, 1, 1, tzinfo=UTC)}), "/columns/a/description"),
    ],
)
def test_members_that_cannot_be_kept(members: dict[str, Any], path: str) -> None:
    assert path in refused(members)


def _events(**change: Any) -> dict[str, Any]:
    return CONTRACT | {"events": CONTRACT["events"] | change}


def _nested(levels: int) -> Any:
    return 1 if not levels else [_nested(levels - 1)]


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"group_by": ["Receipt", "Receipt"]}, "/group_by", "twice"),
        ({"fields": {"event_type.x": {"constant": 1}}}, "/fields/event_type.x", "such as metadata"),
        ({"fields": {"tenant_id.x": {"constant": 1}}}, "/fields/tenant_id.x", "such as metadata"),
        ({"fields": {"line_items.x": {"constant": 1}}}, "/fields/line_items.x", "such as metadata"),
        ({"fields": {"metadata..x": {"constant": 1}}}, "/fields/metadata..x", "without a name"),
        ({"fields": {"a" + ".a" * 300: {"constant": 1}}}, "/fields/a" + ".a" * 300, "nested deeper"),
        (
            {"event_type": [{"type": "RETURN", "when": {"column": "Item", "one_of": []}}, {"type": "SALE"}]},
            "/event_type/0/when/one_of",
            "leave the rule out",
        ),
        ({"lines": {"a": {"product": ["Qty"] * 100}}}, "/lines/a/product", "name fewer factors"),
        (
            {"lines": {"a": {"constant": "1e999999999"}, "b": {"product": ["a", "Qty"]}}},
            "/lines/b/product",
            "or shorter ones",
        ),
        ({"lines": {"amount": {"constant": "1e999999999"}}}, "/fields/total_amount/sum", "or shorter ones"),
    ],
)
def test_events_that_cannot_be_made(change: dict[str, Any], path: str, words: str) -> None:
    fields = CONTRACT["events"]["fields"] | change.get("fields", {})
    found = refused(_events(**change | {"fields": fields}))
    assert words in found[f"/events{path}"]


def test_what_is_nested_too_deep_to_be_stored() -> None:
    fields = CONTRACT["events"]["fields"] | {"metadata.a": {"constant": _nested(300)}}
    (message,) = refused(_events(fields=fields)).values()
    assert "nested deeper than 50" in message


def test_what_nobody_has_foreseen_is_told_of_its_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of polars that no rule knows: planted in the check of one column."""
    plain = trial.check

    def fails(dataset: Any, rows: Any) -> Any:
        if any(column.name == "b" for column in dataset.columns):
            raise pl.exceptions.ComputeError("such things happen\n\nThis error occurred in the following expression")
        return plain(dataset, rows)

    monkeypatch.setattr(trial, "check", fails)
    found = refused({"dataset": "x", "columns": {"a": {}, "b": {"max": 5}}})
    assert found == {"/columns/b": "no value can be held against it: such things happen"}


@pytest.mark.parametrize(
    "text",
    [
        'a: !!int ""',
        "a: !!bool x",
        "a: !!timestamp 2026-01-01",
        'a: "\\ud800"',
        "a: !!binary aGVsbG8=",
        "a: " + "[" * 3000,
    ],
)
def test_yaml_that_is_none(text: str) -> None:
    with pytest.raises(InvalidContract):
        parsed(text)


def test_json_says_numbers_as_it_likes() -> None:
    contract = '{"dataset":"d","columns":{"a":{"type":"number","min":1e-7,"max":9007199254740993}}}'
    assert read_contract(contract, is_json=True).columns[0].shape.max == 9007199254740993
    with pytest.raises(RequestRefused) as found:
        read_contract(contract.replace("1e-7", "0.12345678901234567890"), is_json=True)
    assert [fault.path for fault in found.value.faults] == ["/columns/a/min"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ([{"properties": [{"name": "a"}, {"name": "a"}]}], "same name"),
        ([{"properties": [{}]}], "property 1 of its schema has no name"),
        ([{"properties": [{"name": "a", "primaryKey": True, "primaryKeyPosition": float("inf")}]}], "taken over"),
        ([{"properties": ["a"]}], "taken over"),
        (7, "taken over"),
    ],
)
def test_contracts_of_the_standard_that_cannot_be_taken_over(schema: Any, words: str) -> None:
    with pytest.raises(InvalidContract, match=words):
        ours({"apiVersion": "v3.0.2", "id": "orders", "schema": schema})


def test_rules_hold_for_contracts_of_the_standard_as_well() -> None:
    properties = [{"name": "a", "logicalType": "string", "logicalTypeOptions": {"pattern": r"[\w ]{1,255}"}}]
    members = {"apiVersion": "v3.0.2", "schema": [{"name": "orders", "properties": properties}]}
    assert set(refused(ours(members))) == {"/columns/a/pattern"}


def test_bounds_of_different_kinds_are_compared() -> None:
    was, now = checked(of({"type": "integer", "min": 5})), checked(of({"type": "integer", "min": "6"}))
    assert [one.level for one in diff(was, now, "backward")] == ["ERROR"]
    assert [one.level for one in diff(now, was, "backward")] == ["WARN"]


def test_the_first_instant_of_the_calendar_in_a_zone_that_has_not_reached_it() -> None:
    """What .NET writes where it has no date."""
    at = {"At": {"type": "datetime", "time_zone": "America/New_York", "required": True}}
    dataset = checked(CONTRACT | {"columns": CONTRACT["columns"] | at})
    values = {"Receipt": "1", "Item": "a", "Qty": "1", "Price": "1", "At": "0001-01-01T00:00:00Z"}
    good = check(dataset, pl.DataFrame({ROW: [2]} | {name: [value] for name, value in values.items()})).good
    made = EventMaker(dataset, "t").make([(2, good.to_dicts()[0])])
    assert made.event["occurred_at"] == "0001-01-01T00:00:00+00:00"


def test_trying_a_contract_out_takes_no_time() -> None:
    columns = {f"c{at}": {"type": kind, "required": True} for at, kind in enumerate(["date", "decimal(9,2)"] * 10)}
    columns |= {f"s{at}": {"pattern": "[A-Z]{2}-[0-9]+", "max": 40} for at in range(10)}
    members = {"dataset": "x", "columns": columns}
    checked(members)
    took: list[float] = []
    for _ in range(5):
        began = perf_counter()
        checked(members)
        took.append(perf_counter() - began)
    assert min(took) < 0.1


def test_without_polars_a_contract_is_read_all_the_same() -> None:
    """The API runs without the extra `files`."""
    code = (
        "import sys; sys.modules['polars'] = None\n"
        "import ledgersafe.api.app\n"
        "from ledgersafe.contracts.datasets.reading import read_dataset\n"
        "print(read_dataset('{dataset: x, columns: {a: {pattern: a}}}').name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("x\n", 0), done.stderr
