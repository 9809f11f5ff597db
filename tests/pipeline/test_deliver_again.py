"""What a later file, an older one and a replay do to the rows of a table: the last file that said a row counts."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from ledgersafe.files import store as files
from ledgersafe.pipeline import replay_rows
from tests.pipeline.delivering import Desk
from tests.pipeline.prices import BY, PRICES, again, counts, csv, rules, with_


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
