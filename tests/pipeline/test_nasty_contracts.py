"""Contracts with names, bounds and settings that Postgres or Python has trouble with; and what is told of such files."""

from decimal import Decimal
from typing import Any

import pytest

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline import datasets
from tests.pipeline.delivering import Desk
from tests.pipeline.prices import again
from tests.pipeline.test_outdated_contracts import put


def test_columns_that_are_called_as_those_of_every_table(desk: Desk) -> None:
    names = ["xmin", "xmax", "ctid", "tableoid", "t", "s", "c"]
    members = {"dataset": "boxes", "columns": {name: {"type": "integer"} for name in names}, "primary_key": ["xmin"]}
    put(desk, members)
    assert desk.deliver("boxes", "b.csv", b"xmin,xmax,ctid,tableoid,t,s,c\n1,2,3,4,5,6,7\n").status == "succeeded"
    assert desk.rows("boxes", "c_xmin, c_xmax, c_ctid, c_tableoid, t, s, c") == [(1, 2, 3, 4, 5, 6, 7)]


def test_a_sample_of_a_table_whose_column_is_called_t(desk: Desk) -> None:
    put(desk, {"dataset": "weather", "columns": {"T": {"type": "integer"}}})
    desk.deliver("weather", "w.csv", b"T\n7\n")
    assert [row["t"] for row in datasets.sample(desk.db, desk.tenant, "weather", 10)] == [7]


def test_a_table_that_would_have_too_many_columns(desk: Desk) -> None:
    for begin in "ab":
        members: dict[str, Any] = {"dataset": "wide", "columns": {f"{begin}{at}": {} for at in range(1_000)}}
        if begin == "a":
            put(desk, members)
            continue
        with pytest.raises(RequestRefused, match=r"more than 1,600, so name another dataset") as found:
            put(desk, members)
        assert found.value.reason.code == "CURATED_CLASH"


def test_bounds_of_another_kind_than_those_before(desk: Desk) -> None:
    for low in (5, "6", 7.0):
        members = {"dataset": "bounds", "columns": {"a": {"type": "integer", "min": low}}}
        made = put(desk, members)
    assert [(one.level, one.path) for one in made.changes] == [("ERROR", "/columns/a/min")]


def test_a_bound_with_an_exponent_is_the_number_it_says(desk: Desk) -> None:
    column: dict[str, Any] = {"type": "decimal(18,2)", "max": "1e3", "required": True}
    put(desk, {"dataset": "exponents", "columns": {"a": column}})
    done = desk.deliver("exponents", "e.csv", b"a\n999.99\n1000.01\n")
    assert (done.status, done.rows_ok, done.rows_bad) == ("succeeded", 1, 1)
    assert desk.rows("exponents", "a, _row_number") == [(Decimal("999.99"), 2)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_file_that_is_not_in_the_encoding_that_was_asked_for(desk: Desk, encoding: str) -> None:
    put(desk, {"dataset": "wide_text", "columns": {"a": {}}, "source": {"encoding": encoding}})
    done = desk.deliver("wide_text", "t.csv", b"a\nx\n\xfe\xfe\xfe\xfe\n")
    assert (done.status, done.reason_code) == ("quarantined", "UNREADABLE_TEXT")
    assert f"It is not {encoding}" in (done.detail or "")


def test_what_is_told_of_a_file_has_no_nul(desk: Desk) -> None:
    """A second header is told of with its cells, of which Postgres has no place for one."""
    columns = {"id": {"required": True}, "net": {"type": "decimal(9,2)"}, "vat": {"type": "decimal(9,2)"}}
    put(desk, {"dataset": "nuls", "columns": columns})
    body = b"id,net,vat\n1,100.00,20.00\nid,vat,net\x00\nid,vat,net\n"
    done = desk.deliver("nuls", "n.csv", body)
    assert (done.status, done.reason_code, done.attempts) == ("quarantined", "BAD_HEADER", 1)
    assert "id, vat, net" in (done.detail or "")


def test_a_header_with_a_nul_is_told_of(desk: Desk) -> None:
    columns = {name: {"type": "integer"} for name in ("a", "b", "c", "d")}
    put(desk, {"dataset": "nuls_too", "columns": columns})
    done = desk.deliver("nuls_too", "n.csv", b"a,b,c,d\n1,2,3,4\nb,a,c,x\x00y\n")
    assert (done.status, done.reason_code, done.attempts) == ("quarantined", "BAD_HEADER", 1)
    assert "b, a, c, x\u2400y" in (done.detail or "")


@pytest.mark.parametrize(
    "column",
    [{"pattern": r"[\w ]{1,255}"}, {"type": "datetime", "format": "%F %T %p"}, {"type": "integer", "min": "-1e19"}],
)
def test_a_contract_on_record_that_no_file_could_pass(desk: Desk, column: dict[str, Any]) -> None:
    """It was put before that was found out: what was delivered is told why, and comes in by the next contract."""
    desk.put({"dataset": "old", "columns": {"a": column, "b": {}}})
    done = desk.deliver("old", "o.csv", b"a,b\n1,2\n")
    assert (done.status, done.reason_code, done.attempts) == ("quarantined", "INVALID_CONTRACT", 1)
    assert "/columns/a/" in (done.detail or "")
    assert put(desk, {"dataset": "old", "columns": {"a": {}, "b": {}}}).contract.version == 2
    assert again(desk, done).status == "succeeded"
