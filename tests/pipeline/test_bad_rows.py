"""Bad rows: put right and loaded, or left out; all that were asked for or none, by one operator, on record."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import polars as pl
import pytest

from ledgersafe.contracts.datasets.reading import checked
from ledgersafe.files import curated
from ledgersafe.files import store as files
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.bad_rows import Decided, counted, ignore, page
from ledgersafe.pipeline.deliveries.delivery import Tally, bad_row_lines, checked_batches
from ledgersafe.pipeline.replay_rows import Patches, replay
from ledgersafe.pipeline.resolve import Operator
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.arrivals import ANYBODY
from tests.pipeline.delivering import Desk as FileDesk
from tests.pipeline.filing import CLOCK, delivered, put, received, taken
from tests.pipeline.posting import Till
from tests.pipeline.test_deliver_events import GOOD, WHEN, written

TABLE: dict[str, Any] = {
    "dataset": "stock_levels",
    "primary_key": ["Item"],
    "columns": {"Item": {}, "Left": {"type": "integer", "required": True, "min": 0}, "Note": {}},
}


@dataclass(slots=True)
class Desk:
    """A delivery, and an operator who decides on its bad rows."""

    till: Till
    name: files.IngestionName

    def replay(self, patches: Patches) -> Decided:
        return replay(self.till.db, self.name, patches, "asked the shop", self.by())

    def ignore(self, *rows: int) -> Decided:
        return ignore(self.till.db, self.name, rows, "a test sale", self.by())

    def by(self) -> Operator:
        return Operator(ANYBODY, CLOCK.now(), 600)

    def statuses(self) -> dict[int, str]:
        return {row.row_number: row.status for row in page(self.till.db, self.name, None, 0, 100)}

    def counts(self) -> files.BadRowCounts:
        return counted(self.till.db, self.name)

    def rows(self) -> dict[str, tuple[int, str | None, int]]:
        """Of the table: item → (left, note, which row of the file)."""
        with self.till.db.snapshot() as tx:
            rows = [one.row for one in curated.sample(tx, self.till.tenant, checked(TABLE), 10).all()]
        return {row["item"]: (row["left"], row["note"], row["_row_number"]) for row in rows}

    def audited(self) -> list[tuple[str, Any, str]]:
        sql = """SELECT action, after_json, notes FROM audit.audit_log
            WHERE tenant_id = %s AND object_type = 'ingestion' ORDER BY audit_id"""
        return self.till.rows(sql)  # type: ignore[return-value]


@pytest.fixture
def receipts(till: Till, tmp_path: Path) -> Desk:
    """Rows 2 and 4 are held by row 6, and row 7 has no receipt's number, which holds all others."""
    put(till, CONTRACT)
    rows = [*GOOD, f"B1,milk,x,1.00,{WHEN}", f",milk,1,1.00,{WHEN}", f"B4,milk,1,1.00,{WHEN}"]
    ingestion_id, _ = delivered(till, CONTRACT, written(tmp_path, rows))
    return Desk(till, files.IngestionName(till.tenant, UUID(ingestion_id)))


@pytest.fixture
def levels(till: Till, tmp_path: Path) -> Desk:
    """A table's file with two bad rows (3, 4) and one that could not be cut into values (5)."""
    put(till, TABLE)
    path = tmp_path / "levels.csv"
    path.write_text("Item,Left,Note\ntea,5,\njam,-1,\ncup,x,chipped\nrag,1\n", encoding="utf-8")
    work = taken(till, TABLE, path, received(till, TABLE, path))
    with till.db.transaction() as tx:
        for batch, found in checked_batches(work, Tally()):
            files.copy_bad_rows(tx, bad_row_lines(work, batch, found))
        files.finish(tx, work.lease, files.Ending("succeeded"), CLOCK.now()).one()
    return Desk(till, work.lease.name)


def refused(do: Callable[[], object]) -> RequestRefused:
    with pytest.raises(RequestRefused) as found:
        do()
    return found.value


def test_a_group_goes_in_whole_once_its_bad_row_is_put_right(receipts: Desk) -> None:
    till = receipts.till
    assert receipts.statuses() == dict.fromkeys(range(2, 9), "open")
    receipts.ignore(7)
    done = receipts.replay({6: {"Qty": "2"}})
    assert (done.rows, done.outcomes, done.changed) == ([2, 4, 6], {"processed": 1}, True)
    till.drain()
    assert till.rows("SELECT lines, total FROM silver.transactions WHERE tenant_id = %s AND txn_id = 'B1'") == [
        (3, 8.25)
    ]
    assert [number for number, status in receipts.statuses().items() if status == "replayed"] == [2, 4, 6]
    _, (action, facts, notes) = receipts.audited()
    assert (action, notes) == ("bad_rows.replayed", "asked the shop")
    assert facts == {"rows": [2, 4, 6], "patched": {"6": ["Qty"]}, "outcomes": {"processed": 1}}
    row = next(row for row in page(till.db, receipts.name, "replayed", 5, 1))
    assert (row.row_number, row.patch, row.decided_by) == (6, {"Qty": "2"}, "test")
    assert receipts.replay({6: {"Qty": "2"}}).changed is False
    assert refused(lambda: receipts.replay({6: {"Qty": "3"}})).reason.code == "ROWS_DECIDED"
    assert len(receipts.audited()) == 2
    till.assert_sound()


def test_what_is_still_bad_changes_nothing(receipts: Desk) -> None:
    before = receipts.till.keys()
    refusal = refused(lambda: receipts.replay({6: {"Qty": "two"}, 7: {"Receipt": "B9"}, 8: {}}))
    assert refusal.reason.code == "ROWS_STILL_BAD"
    assert [(fault.path, fault.message) for fault in refusal.faults] == [("/6/Qty", "is no integer")]
    assert set(receipts.statuses().values()) == {"open"}
    assert (receipts.till.keys(), receipts.audited()) == (before, [])


def test_a_row_without_a_group_is_put_into_one(receipts: Desk) -> None:
    """Whoever says which receipt it is of sends that receipt, with all that is held of it; until then it may be of any."""
    refusal = refused(lambda: receipts.replay({5: {}}))
    assert (refusal.reason.code, [fault.path for fault in refusal.faults]) == ("ROWS_STILL_BAD", ["/7"])
    assert receipts.replay({7: {"Receipt": "B1"}, 6: {"Qty": "1"}}).rows == [2, 4, 6, 7]
    assert receipts.replay({5: {}}).outcomes == {"processed": 1}
    assert receipts.statuses()[8] == "open"


def test_a_patch_that_moves_a_row_brings_in_what_is_held_there(receipts: Desk) -> None:
    refusal = refused(lambda: receipts.replay({7: {"Receipt": "B1"}}))
    assert [fault.path for fault in refusal.faults] == ["/6/Qty"], "row 6 of B1 came in, and is bad"


def test_rows_that_are_ignored_stay_out_of_their_group(receipts: Desk) -> None:
    assert receipts.ignore(6).rows == [6]
    assert receipts.ignore(6).changed is False
    assert refused(lambda: receipts.replay({6: {"Qty": "1"}})).reason.code == "ROWS_DECIDED"
    receipts.ignore(7)
    assert receipts.replay({2: {}}).rows == [2, 4]
    assert refused(lambda: receipts.ignore(2, 8)).reason.code == "ROWS_DECIDED"
    decided = {2: "replayed", 4: "replayed", 6: "ignored", 7: "ignored"}
    assert receipts.statuses() == dict.fromkeys(range(2, 9), "open") | decided
    assert [action for action, _, _ in receipts.audited()] == ["bad_rows.ignored"] * 2 + ["bad_rows.replayed"]


@pytest.fixture
def of_stores(till: Till, tmp_path: Path) -> Callable[..., Desk]:
    """A delivery of these rows, of a contract whose group stands behind other columns."""

    def deliver(*rows: str, header: str = "Store,Item,Receipt,Qty,Price,At") -> Desk:
        members = CONTRACT | {"columns": {"Store": {}} | CONTRACT["columns"]}
        put(till, members)
        path = tmp_path / "day.csv"
        path.write_text("\n".join([header, *rows]), encoding="utf-8")
        ingestion_id, _ = delivered(till, members, path)
        return Desk(till, files.IngestionName(till.tenant, UUID(ingestion_id)))

    return deliver


def test_a_group_waits_for_the_row_that_may_be_of_it(of_stores: Callable[..., Desk]) -> None:
    desk = of_stores(f"S1,Mug,501,1,2,{WHEN}", f"S1,Pot, large,501,1,30.00,{WHEN}", f"S1,Tray,501,1,2,{WHEN}")
    refusal = refused(lambda: desk.replay({2: {}}))
    assert refusal.reason.code == "ROWS_STILL_BAD"
    assert "Row 3: it may be of any event" in refusal.detail
    assert not desk.till.keys()
    pot = {"Item": "Pot, large", "Receipt": "501", "Qty": "1", "Price": "30.00", "At": WHEN}
    assert desk.replay({3: pot}).rows == [2, 3, 4]


def test_a_group_comes_with_the_broken_row_that_is_of_it(of_stores: Callable[..., Desk]) -> None:
    header = "Receipt,Item,Qty,Price,At"
    desk = of_stores(f"501,Mug,1,2,{WHEN}", f"501,Pot, large,1,30.00,{WHEN}", f"502,Tea,1,1,{WHEN}", header=header)
    assert desk.statuses() == {2: "open", 3: "open"}, "502 is posted"
    refusal = refused(lambda: desk.replay({2: {}}))
    assert "/3/Receipt" in {fault.path for fault in refusal.faults}, "it came along, and lacks its values"
    desk.ignore(3)
    assert desk.replay({2: {}}).rows == [2]


def test_a_header_that_comes_again_waits_for_nobody(of_stores: Callable[..., Desk]) -> None:
    header = "Receipt,Item,Qty,Price,At"
    desk = of_stores(f"501,Mug,x,2,{WHEN}", header, f"501,Tea,1,1,{WHEN}", header=header)
    assert desk.replay({2: {"Qty": "1"}}).rows == [2, 4]
    assert desk.statuses()[3] == "open"


def test_rows_of_a_table_go_into_it(levels: Desk) -> None:
    assert levels.replay({3: {"Left": "0"}}).inserted == 1
    assert levels.counts() == files.BadRowCounts(open=2, replayed=1, ignored=0)
    assert levels.replay({5: {"Item": "rag", "Left": "1", "Note": None}, 4: {"Left": "7"}}).inserted == 2
    assert levels.rows() == {"jam": (0, None, 3), "cup": (7, "chipped", 4), "rag": (1, None, 5)}


def test_rows_that_share_a_key_are_refused(levels: Desk) -> None:
    refusal = refused(lambda: levels.replay({3: {"Left": "0"}, 4: {"Left": "1", "Item": "jam"}}))
    assert {fault.path for fault in refusal.faults} == {"/3/Item", "/4/Item"}


@pytest.mark.parametrize("rows", [(3, 4), (4, 3)])
def test_rows_that_share_a_key_are_refused_one_after_the_other_too(levels: Desk, rows: tuple[int, int]) -> None:
    """Which of them is right was decided with the first; it may be loaded again itself."""
    levels.replay({rows[0]: {"Item": "jam", "Left": "1"}})
    refusal = refused(lambda: levels.replay({rows[1]: {"Item": "jam", "Left": "2"}}))
    told = f"row {rows[0]} of the file has the same Item, and is loaded"
    assert [(fault.path, told in fault.message) for fault in refusal.faults] == [(f"/{rows[1]}/Item", True)]
    assert levels.counts() == files.BadRowCounts(open=2, replayed=1, ignored=0)
    assert levels.ignore(rows[1]).changed
    assert {item: number for item, (_, _, number) in levels.rows().items()} == {"jam": rows[0]}


def test_a_row_with_the_key_of_a_good_one_is_refused(desk: FileDesk) -> None:
    desk.put(TABLE)
    body = "Item,Left\ntea,5\n,6\n"
    done = desk.deliver("stock_levels", "l.csv", body.encode())
    name = files.IngestionName(desk.tenant, done.ingestion_id)
    by = Operator(ANYBODY, CLOCK.now(), 600)
    refusal = refused(lambda: replay(desk.db, name, {3: {"Item": "tea"}}, "asked", by))
    assert "row 2 of the file has the same Item" in refusal.detail
    desk.deliver("stock_levels", "later.csv", b"Item,Left\ntea,7\n")
    assert replay(desk.db, name, {3: {"Item": "tea"}}, "asked", by).older == 1
    assert desk.rows("stock_levels", '"left", _row_number') == [(7, 2)]


def test_of_two_who_put_rows_of_one_key_right_one_wins(levels: Desk) -> None:
    def attempt(number: int) -> str:
        try:
            return str(levels.replay({number: {"Item": "jam", "Left": str(number), "Note": None}}).inserted)
        except RequestRefused as refusal:
            return refusal.reason.code

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(attempt, (3, 4, 5))) == ["1", "ROWS_STILL_BAD", "ROWS_STILL_BAD"]


PRICED: dict[str, Any] = {
    "dataset": "priced",
    "primary_key": ["Weight"],
    "columns": {"Weight": {"type": "decimal(10,2)"}, "Price": {"type": "decimal(10,2)"}, "Left": {"type": "integer"}},
}


def test_numbers_of_a_typed_file_are_numbers_when_they_are_put_right(desk: FileDesk) -> None:
    """1.000 is no thousand there, in a bad row's key neither; what a person writes is text."""
    desk.put(PRICED)
    held = BytesIO()
    kilo = pl.Series([Decimal("1.000"), Decimal("2.500")] * 2, dtype=pl.Decimal(10, 3))
    pl.DataFrame({"Weight": kilo, "Price": kilo, "Left": ["x", "x", "5", "6"]})[:3].write_parquet(held)
    done = desk.deliver("priced", "p.parquet", held.getvalue())
    assert {row.row_number: row.faults[0]["rule"] for row in desk.bad_rows(done)} == {1: "type", 2: "type", 3: "unique"}
    name, by = files.IngestionName(desk.tenant, done.ingestion_id), Operator(ANYBODY, CLOCK.now(), 600)
    refusal = refused(lambda: replay(desk.db, name, {2: {"Left": "1", "Price": "1.500"}}, "asked", by))
    assert [fault.path for fault in refusal.faults] == ["/2/Price"]
    assert replay(desk.db, name, {1: {"Left": "1"}, 2: {"Left": "2"}}, "asked", by).inserted == 2
    assert desk.rows("priced", 'weight, price, "left"') == [
        (Decimal("1.00"), Decimal("1.00"), 1),
        (Decimal("2.50"), Decimal("2.50"), 2),
    ]


NO_PATCH: dict[str, str | None] = {}
SENSELESS: list[tuple[Patches, str]] = [
    ({99: NO_PATCH}, "NOT_FOUND"),
    ({}, "INVALID_PARAMETER"),
    ({3: {"Nope": "1"}}, "INVALID_PARAMETER"),
    (dict.fromkeys(range(1_001), NO_PATCH), "INVALID_PARAMETER"),
]


@pytest.mark.parametrize(("patches", "code"), SENSELESS)
def test_wishes_that_make_no_sense(levels: Desk, patches: Patches, code: str) -> None:
    assert refused(lambda: levels.replay(patches)).reason.code == code


def test_rows_of_a_rejected_file_are_not_loaded_alone(levels: Desk) -> None:
    levels.till.rows(
        "UPDATE files.ingestions SET status = 'quarantined', reason_code = 'X' WHERE tenant_id = %s RETURNING 1"
    )
    assert "Replay all of it" in refused(lambda: levels.replay({3: {"Left": "0"}})).detail
    assert levels.ignore(3).rows == [3]


def test_of_two_operators_at_once_one_wins(receipts: Desk) -> None:
    receipts.ignore(7)

    def attempt(quantity: int) -> str:
        try:
            return str(receipts.replay({6: {"Qty": str(quantity)}}).outcomes)
        except RequestRefused as refusal:
            return refusal.reason.code

    with ThreadPoolExecutor(4) as pool:
        told = sorted(pool.map(attempt, range(1, 5)))
    assert told == ["ROWS_DECIDED"] * 3 + ["{'processed': 1}"]
    assert len(receipts.audited()) == 2


WEIGHED: dict[str, Any] = {
    "dataset": "weighed",
    "primary_key": ["id"],
    "columns": {
        "id": {},
        "kg": {"type": "decimal(12,3)"},
        "day": {"type": "date", "format": "%d/%m/%Y"},
        "n": {"type": "integer", "max": 5},
    },
}
CORRECTED: dict[str, Any] = WEIGHED | {
    "columns": {
        "id": {},
        "kg": {"type": "decimal(12,3)", "decimal": ",", "thousands": "."},
        "day": {"type": "date", "format": "%m/%d/%Y"},
        "n": {"type": "integer"},
    }
}
ITS_OWN = (Decimal("1.234"), date(2026, 2, 1))


def _as_workbook() -> bytes:
    book, held = openpyxl.Workbook(), BytesIO()
    for row in (["id", "kg", "day", "n"], ["a", 1.234, date(2026, 2, 1), 9], ["b", 2.5, date(2026, 2, 1), 1]):
        book.worksheets[0].append(row)
    book.save(held)
    return held.getvalue()


def _as_parquet() -> bytes:
    kg = pl.Series([Decimal("1.234"), Decimal("2.5")], dtype=pl.Decimal(12, 3))
    held = BytesIO()
    pl.DataFrame({"id": ["a", "b"], "kg": kg, "day": [date(2026, 2, 1)] * 2, "n": [9, 1]}).write_parquet(held)
    return held.getvalue()


@pytest.mark.parametrize(("filename", "body", "number"), [("w.xlsx", _as_workbook, 2), ("w.parquet", _as_parquet, 1)])
def test_numbers_and_days_of_a_typed_file_stay_what_they_are_under_another_contract(
    desk: FileDesk, filename: str, body: Callable[[], bytes], number: int
) -> None:
    """They were spelled by the contract of then, and are not read by one that reads that as something else."""
    desk.put(WEIGHED)
    done = desk.deliver("weighed", filename, body())
    name, by = files.IngestionName(desk.tenant, done.ingestion_id), Operator(ANYBODY, CLOCK.now(), 600)
    desk.put(CORRECTED)
    refusal = refused(lambda: replay(desk.db, name, {number: {}}, "asked", by))
    assert [fault.path for fault in refusal.faults] == [f"/{number}/kg", f"/{number}/day"]
    assert "'1.234', as version 1 of the contract spells it" in refusal.detail
    assert "or replay the whole delivery" in refusal.detail
    found = "kg, day, n, id"
    assert replay(desk.db, name, {number: {"kg": "1,234", "day": "02/01/2026"}}, "asked", by).inserted == 1
    assert (*ITS_OWN, 9, "a") in desk.rows("weighed", found)


def test_what_the_older_contract_could_not_read_is_read_by_the_newer(desk: FileDesk) -> None:
    """Of a typed file, too: a text in it, for which the contract was put right. And a change of bounds changes nothing."""
    desk.put(WEIGHED)
    lines = [b'{"id": "a", "kg": "1,5", "day": "02/25/2026", "n": 9}', b'{"id": "b", "kg": 1, "day": "x", "n": 1}']
    done = desk.deliver("weighed", "w.ndjson", b"\n".join(lines))
    name, by = files.IngestionName(desk.tenant, done.ingestion_id), Operator(ANYBODY, CLOCK.now(), 600)
    desk.put(CORRECTED)
    assert replay(desk.db, name, {1: {}, 2: {"day": "02/25/2026"}}, "asked", by).inserted == 2
    day = date(2026, 2, 25)
    assert desk.rows("weighed", "id, kg, day, n") == [("a", Decimal("1.5"), day, 9), ("b", Decimal(1), day, 1)]
