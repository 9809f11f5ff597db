"""Rows of a file that share what must differ: held as the file has them, so that a person can decide; and not for ever
many of them.
"""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledgersafe.files import store as files
from ledgersafe.pipeline import replay_rows
from ledgersafe.pipeline.deliveries import deliver_table
from tests.pipeline.delivering import Desk
from tests.pipeline.prices import BY, PRICES, csv, rules, with_

KILOS: dict[str, Any] = {
    "dataset": "kilos",
    "primary_key": ["sku"],
    "columns": {
        "sku": {"required": True},
        "kg": {"type": "decimal(12,3)", "decimal": ",", "thousands": "."},
        "day": {"type": "date", "format": "%Y-%d-%m"},
        "due": {"type": "date", "format": "%d.%m.%Y"},
    },
}


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        (["a;0,250;2026-01-02;03.02.2026", "a;0,300;2026-03-04;05.04.2026"], 2),
        (["a;0,250;2026-01-02;03.02.2026", "a;x;2026-03-04;05.04.2026"], 2),
        (["b;1;;", "a;1.000,5;2026-01-02;03.02.2026", "b;2;;", "a;0,3;2026-03-04;05.04.2026"], 3),
    ],
    ids=["of one key", "of a bad row's key", "of two keys"],
)
def test_they_are_loaded_as_the_file_has_them(desk: Desk, rows: list[str], number: int) -> None:
    desk.put(KILOS)
    done = desk.deliver("kilos", "k.csv", "\n".join(["sku;kg;day;due", *rows]).encode())
    assert (done.status, done.rows_ok) == ("succeeded", 0)
    held = {row.row_number: row for row in desk.bad_rows(done)}[number]
    given = rows[number - 2].split(";")
    assert held.row_values == dict(zip(KILOS["columns"], given, strict=True))
    name = files.IngestionName(desk.tenant, done.ingestion_id)
    assert replay_rows.replay(desk.db, name, {number: {}}, "this one counts", BY).inserted == 1
    kg = Decimal(given[1].replace(".", "").replace(",", "."))
    assert desk.rows("kilos", "sku, kg, day, due") == [("a", kg, date(2026, 2, 1), date(2026, 2, 3))]


def test_a_good_row_with_the_key_of_a_bad_one_is_held(desk: Desk) -> None:
    """Which of them is right, a person has to say: put right, the bad one would replace it."""
    desk.put(with_(dataset="levels", primary_key=["sku", "price"]))
    bad = ["a,1.0,31/31/2026,", "b,x,,", ",1,,", "c,3,soon,"]
    done = desk.deliver("levels", "1.csv", csv("a,1.00,,", "b,1,,", *bad, "d,3,,"))
    assert (done.status, done.rows_in, done.rows_ok, done.rows_bad) == ("succeeded", 7, 2, 5)
    assert rules(desk.bad_rows(done)) == {
        2: [("sku, price", "unique")],
        4: [("from", "type")],
        5: [("price", "type")],
        6: [("sku", "required")],
        7: [("from", "type")],
    }
    assert desk.rows("levels", "sku, price") == [("b", Decimal(1)), ("d", Decimal(3))]


def test_rows_with_the_same_key_are_all_held(desk: Desk) -> None:
    desk.put(PRICES)
    done = desk.deliver("prices", "p.csv", csv("a,1,,", "b,2,,", "a,3,,", "c,x,,"))
    assert (done.status, done.rows_ok, done.rows_bad) == ("succeeded", 1, 3)
    assert rules(desk.bad_rows(done)) == {2: [("sku", "unique")], 4: [("sku", "unique")], 5: [("price", "type")]}
    assert [row[0] for row in desk.rows("prices")] == [desk.tenant]


def test_whoever_is_held_for_another_value_holds_those_of_its_key(desk: Desk) -> None:
    desk.put(with_(columns=with_()["columns"] | {"note": {"unique": True}}))
    done = desk.deliver("prices", "p.csv", csv("a,x,,", "a,2,,n", "b,3,,m", "c,4,,m", "c,5,,o", "d,6,,q"))
    bad = desk.bad_rows(done)
    assert rules(bad) == {
        2: [("price", "type")],
        3: [("sku", "unique")],
        5: [("sku", "unique")],
        6: [("sku", "unique")],
    }
    assert [row.faults[0]["message"] for row in bad[1:3]] == [
        "another row of the file, which is bad, has the same sku",
        "another row of the file has the same sku",
    ]
    assert done.quality is not None
    told = {(one["column"], one["rule"]): (one["count"], len(one["samples"])) for one in done.quality["rules"]}
    assert told == {("price", "type"): (1, 1), ("sku", "unique"): (3, 3)}


@pytest.mark.parametrize("repeats", [True, False], ids=["among good rows", "of a bad row"])
def test_more_of_them_than_a_person_decides_on_reject_the_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, repeats: bool
) -> None:
    """A wrong primary_key is enough for all rows to be of one: none of them is fetched to be held."""
    monkeypatch.setattr(deliver_table, "MOST_SHARING", 5)
    monkeypatch.setattr(deliver_table, "KEPT_OF_REJECTED", 3)
    desk.put(with_())
    rows = [*(f"a,{at},,n" for at in range(6)), "b,1,,"] + ([] if repeats else ["a,x,,"])
    done = desk.deliver("prices", "p.csv", csv(*rows))
    assert (done.status, done.reason_code, done.rows_ok) == ("quarantined", "TOO_MANY_BAD_ROWS", 0)
    assert f"6 of {len(rows)} rows have the same sku" in (done.detail or "")
    assert len(desk.bad_rows(done)) == 3
    assert not desk.rows("prices")
    fewer = desk.deliver("prices", "p2.csv", csv(*rows[1:]))
    assert (fewer.status, fewer.rows_ok, len(desk.bad_rows(fewer))) == ("succeeded", 1, len(rows) - 2)


def test_a_limit_of_the_contract_counts_them(desk: Desk) -> None:
    desk.put(with_(bad_rows_limit={"rows": 1}))
    done = desk.deliver("prices", "p.csv", csv("a,1,,", "a,2,,", "b,1,,"))
    assert (done.status, done.reason_code, done.rows_bad) == ("quarantined", "TOO_MANY_BAD_ROWS", 2)
    assert [row.row_number for row in desk.bad_rows(done)] == [2, 3]
