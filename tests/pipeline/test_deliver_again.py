"""What a later file, an older one and a replay do to the rows of a table: the last file that said a row counts."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from ledgersafe.files import store as files
from ledgersafe.kernel import ids
from ledgersafe.pipeline import bad_rows, land, replay_rows
from ledgersafe.storage.local import LocalZone
from tests.contracts.till_lines import CONTRACT as TILL_LINES
from tests.pipeline.delivering import Desk
from tests.pipeline.posting import Till
from tests.pipeline.prices import BY, PRICES, again, counts, csv, rules, with_
from tests.pipeline.test_deliver_events import WHEN


def test_a_later_file_changes_what_differs_and_says_the_rest_anew(desk: Desk) -> None:
    """A row is the last file's that said it; since when it says so stays."""
    desk.put(PRICES)
    desk.deliver("prices", "1.csv", csv("a,1,,", "b,2,,", "d,5,,"))
    since = dict(desk.rows("prices", "sku, _loaded_at"))
    second = desk.deliver("prices", "2.csv", csv("b,2.00,,", "a,3,,", "c,4,,"))
    assert counts(second) == {"inserted": 1, "replaced": 1, "unchanged": 1, "older": 0}
    found = desk.rows("prices", "sku, price, _row_number, _ingestion_id")
    assert found[:3] == [
        ("a", Decimal("3.00"), 3, second.ingestion_id),
        ("b", Decimal("2.00"), 2, second.ingestion_id),
        ("c", Decimal("4.00"), 4, second.ingestion_id),
    ]
    now = dict(desk.rows("prices", "sku, _loaded_at"))
    assert {sku for sku in now if now[sku] == since.get(sku)} == {"b", "d"}


def test_what_a_later_file_said_again_is_not_replaced_by_one_in_between(desk: Desk) -> None:
    """That one's worker was killed, and it is taken over only after the later file."""
    desk.put(PRICES)
    desk.deliver("prices", "1.csv", csv("a,1,,", "b,1,,"))
    between = desk.bring("prices", "2.csv", csv("a,2,,", "b,2,,", "c,2,,"))
    third = desk.deliver("prices", "3.csv", csv("a,1,,", "c,3,,"))
    assert counts(third) == {"inserted": 1, "replaced": 0, "unchanged": 1, "older": 0}
    assert counts(desk.work_off(between)) == {"inserted": 0, "replaced": 1, "unchanged": 0, "older": 2}
    assert desk.rows("prices", "sku, price") == [("a", Decimal(1)), ("b", Decimal(2)), ("c", Decimal(3))]


def test_a_table_does_not_grow_with_rows_that_are_repeated(desk: Desk) -> None:
    """They are written beside the old ones, and its index stays as it is."""

    def sizes() -> tuple[Any, ...] | None:
        sql = b"SELECT pg_relation_size('files.curated_repeated'), pg_indexes_size('files.curated_repeated')"
        return desk.superuser.execute(sql).fetchone()

    desk.put(with_(dataset="repeated"))
    rows = [f"{at:05},1,," for at in range(3_000)]
    desk.deliver("repeated", "0.csv", csv(*rows))
    before = sizes()
    done = desk.deliver("repeated", "1.csv", csv(*rows, ""))
    assert (counts(done)["unchanged"], sizes()) == (3_000, before)


def test_rows_of_one_key_are_held_where_one_says_what_is_there(desk: Desk) -> None:
    """Also in a replay, after one of them was put right."""
    desk.put(PRICES)
    desk.deliver("prices", "1.csv", csv("a,1,,"))
    second = desk.deliver("prices", "2.csv", csv("a,1,,", "a,2,,"))
    assert rules(desk.bad_rows(second)) == {2: [("sku", "unique")], 3: [("sku", "unique")]}
    name = files.IngestionName(desk.tenant, second.ingestion_id)
    assert replay_rows.replay(desk.db, name, {2: {}}, "asked", BY).unchanged == 1
    assert again(desk, second).rows_bad == 2
    assert desk.rows("prices", "sku, price") == [("a", Decimal(1))]


def test_an_older_file_replaces_nothing_of_a_later_one(desk: Desk) -> None:
    """Whenever it is loaded: its worker may have died, or another was faster."""
    desk.put(PRICES)
    april = desk.bring("prices", "4.csv", csv("a,4,,", "b,4,,", "c,5,,"))
    may = desk.deliver("prices", "5.csv", csv("a,5,,", "c,5,,"))
    late = desk.work_off(april)
    assert desk.rows("prices", "sku, price") == [("a", Decimal(5)), ("b", Decimal(4)), ("c", Decimal(5))]
    assert (late.status, late.rows_ok) == ("succeeded", 3)
    assert counts(late) == {"inserted": 1, "replaced": 0, "unchanged": 1, "older": 1}
    assert "1 rows were passed over" in (late.detail or "")
    assert may.quality is not None
    assert (may.quality["older"], may.detail) == (0, None)


def test_rows_that_are_all_key_are_never_older(desk: Desk) -> None:
    desk.put({"dataset": "names", "primary_key": ["sku"], "columns": {"sku": {}}})
    older = desk.bring("names", "1.csv", csv("a", "b", header="sku"))
    desk.deliver("names", "2.csv", csv("a", "c", header="sku"))
    assert counts(desk.work_off(older)) == {"inserted": 1, "replaced": 0, "unchanged": 1, "older": 0}


def test_two_workers_load_two_files_of_one_key_in_any_order(desk: Desk) -> None:
    """The older one waits for the later one's commit, and then does not write over it."""
    desk.put(PRICES)
    desk.deliver("prices", "3.csv", csv("a,3,,"))
    for first in range(4):
        names = [desk.bring("prices", f"{at}.csv", csv(f"a,{first + at / 2},,")) for at in (1, 2)]
        with ThreadPoolExecutor(2) as pool:
            assert {done.status for done in pool.map(desk.work_off, reversed(names))} == {"succeeded"}
        assert desk.rows("prices", "sku, price") == [("a", Decimal(first + 1))]


def test_workers_that_load_the_same_keys_in_other_orders_wait_for_one_another(desk: Desk) -> None:
    """Each file has the keys in an order of its own: none is turned away, and tried again."""
    desk.put(with_(dataset="shelves", primary_key=["note", "sku"]))
    order, keys = Random(12), [f"{at:05}" for at in range(4_000)]  # noqa: S311 - not for secrets
    names = [
        desk.bring("shelves", f"{at}.csv", csv(*(f"{key},{at},,n" for key in order.sample(keys, len(keys)))))
        for at in range(6)
    ]
    with ThreadPoolExecutor(len(names)) as pool:
        done = list(pool.map(desk.work_off, names))
    assert [(one.status, one.attempts, one.reason_code) for one in done] == [("succeeded", 1, None)] * len(names)
    assert desk.rows("shelves", "count(*), min(price), max(price), 0") == [(4_000, 5, 5, 0)]


def landed(desk: Desk, name: str, body: bytes) -> land.Landed:
    """As it is received; nobody has worked it off yet."""
    path = desk.folder / name
    path.write_bytes(body)
    announced = land.Announced(desk.tenant, "prices", name)
    return land.land_path(desk.db, LocalZone(desk.folder), path, announced, 1_000_000, BY)


def named(of: land.Landed) -> files.IngestionName:
    return files.IngestionName(of.ingestion.tenant_id, of.ingestion.ingestion_id)


def test_what_comes_after_a_clock_was_put_right_is_the_later_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock was an hour ahead on Monday: that evening's replay, Tuesday's file and Wednesday's come after it."""
    desk.put(PRICES)
    now = ids.new_id
    with monkeypatch.context() as ahead:
        ahead.setattr(ids, "new_id", lambda: str(UUID(int=UUID(now()).int + (3_600_000 << 80))))
        monday = landed(desk, "monday.csv", csv("a,1,,"))
    desk.work_off(named(monday))
    replayed = again(desk, monday.ingestion)
    days = [landed(desk, f"{at}.csv", csv(f"a,{at},,")) for at in (2, 3)]
    received = [monday.ingestion, replayed, *(day.ingestion for day in days)]
    assert [one.ingestion_id for one in received] == sorted(one.ingestion_id for one in received)
    done = [desk.work_off(named(day)) for day in days]
    assert [(counts(one)["replaced"], one.detail) for one in done] == [(1, None)] * 2
    assert desk.rows("prices", "sku, price") == [("a", Decimal(3))]


def test_whoever_sends_monday_again_is_told_of_tuesday_that_waits(desk: Desk) -> None:
    """What Tuesday says will stand over it; once it is loaded, the same is told of that."""
    desk.put(PRICES)
    desk.work_off(named(landed(desk, "monday.csv", csv("a,1,,"))))
    tuesday = landed(desk, "tuesday.csv", csv("a,2,,"))
    told = [landed(desk, "wednesday.csv", csv("a,1,,"))]
    desk.work_off(named(tuesday))
    told.append(landed(desk, "wednesday.csv", csv("a,1,,")))
    which = f"delivery {tuesday.ingestion.ingestion_id}"
    assert [one.duplicate for one in told] == [True, True]
    assert f"{which} came since, and waits to be loaded. Nothing changes." in (told[0].detail or "")
    assert f"{which} is loaded since. Nothing changes." in (told[1].detail or "")
    assert landed(desk, "tuesday.csv", csv("a,2,,")).detail is None


def test_a_replay_counts_as_the_file_that_it_is_of(desk: Desk) -> None:
    desk.put(PRICES)
    first = desk.deliver("prices", "1.csv", csv("a,1,,", "b,x,,"))
    second = desk.deliver("prices", "2.csv", csv("a,2,,", "b,2,,"))
    desk.put(with_(columns=PRICES["columns"] | {"note": {"default": "none"}}))
    replayed = again(desk, again(desk, first))
    assert counts(replayed) == {"inserted": 0, "replaced": 0, "unchanged": 0, "older": 1}
    whose = "sku, price, note, _ingestion_id"
    assert desk.rows("prices", whose) == [
        ("a", Decimal(2), None, second.ingestion_id),
        ("b", Decimal(2), None, second.ingestion_id),
    ]
    assert again(desk, second).detail is None
    assert desk.rows("prices", whose) == [
        ("a", Decimal(2), "none", second.ingestion_id),
        ("b", Decimal(2), "none", second.ingestion_id),
    ]


def test_a_row_that_was_put_right_counts_as_its_file(desk: Desk) -> None:
    desk.put(PRICES)
    january = desk.deliver("prices", "1.csv", csv("a,x,,", "b,x,,"))
    desk.deliver("prices", "2.csv", csv("a,2,,"))
    name = files.IngestionName(desk.tenant, january.ingestion_id)
    done = replay_rows.replay(desk.db, name, {2: {"price": "1"}, 3: {"price": "1"}}, "asked", BY)
    assert (done.inserted, done.older) == (1, 1)
    assert desk.rows("prices", "sku, price") == [("a", Decimal(2)), ("b", Decimal(1))]


def test_a_replay_doubles_nothing_where_there_is_no_key(desk: Desk) -> None:
    desk.put(with_(dataset="log", primary_key=[]))
    first = desk.deliver("log", "1.csv", csv("a,1,,", "a,1,,", "b,x,,"))
    name = files.IngestionName(desk.tenant, first.ingestion_id)
    replay_rows.replay(desk.db, name, {4: {"price": "3"}}, "asked", BY)
    desk.put(with_(dataset="log", primary_key=[], columns=PRICES["columns"] | {"note": {"default": "none"}}))
    replayed = again(desk, first)
    assert (replayed.status, counts(replayed)["replaced"]) == ("succeeded", 2)
    assert desk.rows("log", "_row_number, sku, note, _ingestion_id") == [
        (2, "a", "none", first.ingestion_id),
        (3, "a", "none", first.ingestion_id),
        (4, "b", None, first.ingestion_id),
    ]
    replay_rows.replay(
        desk.db, files.IngestionName(desk.tenant, replayed.ingestion_id), {4: {"price": "4"}}, "asked", BY
    )
    assert [row[1] for row in desk.rows("log", "_row_number, price")] == [Decimal(1), Decimal(1), Decimal(4)]


def capped(most: int, **members: Any) -> dict[str, Any]:
    """A price is at most so much."""
    price = {"type": "decimal(10,2)", "max": most}
    columns: dict[str, Any] = {"sku": {}, "price": price, "from": {}, "note": {}}
    return {"dataset": "capped", "primary_key": ["sku"], "columns": columns} | members


@pytest.mark.parametrize("key", [["sku"], []])
def test_a_replay_undoes_nothing_that_a_person_decided(desk: Desk, key: list[str]) -> None:
    """The contract takes by now what it did not: a price that a person put right stays so, an ignored row stays out."""
    name = "capped" if key else "capped_log"
    desk.put(capped(1_000, dataset=name, primary_key=key))
    first = desk.deliver(name, "1.csv", csv("a,5000,,", "b,1,,", "c,6000,,", "d,7000,,"))
    of = files.IngestionName(desk.tenant, first.ingestion_id)
    replay_rows.replay(desk.db, of, {2: {"price": "50"}}, "a slip", BY)
    bad_rows.ignore(desk.db, of, [4], "no such thing", BY)
    desk.put(capped(10_000, dataset=name, primary_key=key))
    replayed = again(desk, first)
    assert desk.rows(name, "sku, price") == [("a", Decimal(50)), ("b", Decimal(1)), ("d", Decimal(7_000))]
    assert (replayed.rows_ok, replayed.rows_bad) == (2, 2)
    assert "2 of 4 rows are held: its bad rows say why. On 2 of them a person had decided" in (replayed.detail or "")
    held = desk.bad_rows(replayed)
    assert rules(held) == {2: [("sku", "decided")], 4: [("sku", "decided")]}
    assert "put it right on" in held[0].faults[0]["message"]
    assert "(price: '50')" in held[0].faults[0]["message"]
    assert "ignored it on" in held[1].faults[0]["message"]
    decided = replay_rows.replay(
        desk.db, files.IngestionName(desk.tenant, replayed.ingestion_id), {2: {}, 4: {}}, "now they are right", BY
    )
    assert (decided.inserted, decided.replaced) == (1, 1)
    assert again(desk, replayed).rows_bad == 0, "what a person said last counts"
    assert [row[1] for row in desk.rows(name, "sku, price")] == list(map(Decimal, (5_000, 1, 6_000, 7_000)))


def test_of_a_file_that_loads_whole_or_not_at_all_the_rest_of_what_was_decided_is_loaded(desk: Desk) -> None:
    """The row that a person ignored is no bad one, for which all of its file would be held."""
    desk.put(capped(1_000, on_bad_rows="reject_file"))
    first = desk.deliver("capped", "1.csv", csv("a,5000,,", "b,1,,"))
    assert first.status == "quarantined"
    bad_rows.ignore(desk.db, files.IngestionName(desk.tenant, first.ingestion_id), [2], "no such thing", BY)
    desk.put(capped(10_000, on_bad_rows="reject_file"))
    replayed = again(desk, first)
    assert (replayed.status, replayed.rows_ok, replayed.rows_bad) == ("succeeded", 1, 1), replayed.detail
    assert desk.rows("capped", "sku, price") == [("b", Decimal(1))]


def test_a_replay_posts_nothing_anew_of_a_receipt_that_a_person_put_right(till: Till, tmp_path: Path) -> None:
    """Nor does it hold the others of its file."""
    desk = Desk(till.db, till.superuser, till.tenant, tmp_path)
    desk.put(TILL_LINES | {"columns": TILL_LINES["columns"] | {"Qty": {"type": "integer", "max": 10}}})
    rows = [f"B1,tea,1,1,{WHEN}", f"B1,jam,50,1,{WHEN}", f"B2,jam,1,1,{WHEN}"]
    first = desk.deliver("till_lines", "1.csv", csv(*rows, header="Receipt,Item,Qty,Price,At"))
    replay_rows.replay(desk.db, files.IngestionName(desk.tenant, first.ingestion_id), {3: {"Qty": "5"}}, "a slip", BY)
    desk.put(TILL_LINES)
    replayed = again(desk, first)
    assert (replayed.outcomes, replayed.rows_bad) == ({"duplicate": 1}, 2)
    assert rules(desk.bad_rows(replayed)) == {2: [(None, "group")], 3: [("Item", "decided")]}
    assert set(till.keys()) == {"till-B1", "till-B2"}
    assert till.count("gate.other_payloads") == 0
