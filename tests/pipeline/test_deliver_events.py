"""Files that become events: whole groups only, each once, however often the file comes and whoever dies on the way."""

import random
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from ledgersafe.files import store as files
from ledgersafe.kernel.strict_yaml import read_yaml
from ledgersafe.pipeline.deliveries import deliver_events
from ledgersafe.pipeline.deliveries.delivery import LeaseLost, Rejected, Tally
from tests.contracts.test_dataset_real_days import CONTRACT as RETAIL
from tests.contracts.test_dataset_real_days import MONTH, days
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.arrivals import accepted
from tests.pipeline.filing import CLOCK, delivered, put, received, sent, taken
from tests.pipeline.oracle import events
from tests.pipeline.posting import Till

HEADER = "Receipt,Item,Qty,Price,At"
WHEN = "2026-02-25 10:00"
GOOD = [f"B1,tea,2,1.50,{WHEN}", f"B2,jam,1,3.25,{WHEN}", f"B1,jam,1,3.25,{WHEN}", f"B3,cup,1,2,{WHEN}"]


def written(folder: Path, rows: Sequence[str], name: str = "day.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return path


def bad_rows(till: Till) -> dict[int, tuple[str | None, list[str]]]:
    """Row → (its group, the rules that it breaks)."""
    found = till.rows("SELECT row_number, group_key, faults FROM files.bad_rows WHERE tenant_id = %s ORDER BY 1")
    return {number: (group, [fault["rule"] for fault in faults]) for number, group, faults in found}


def test_rows_become_events_once_in_any_order(till: Till, tmp_path: Path) -> None:
    put(till, CONTRACT)
    _, first = delivered(till, CONTRACT, written(tmp_path, GOOD))
    assert (first.outcomes, first.rows_ok, list(first.bad_lines())) == ({"processed": 3}, 4, [])
    order = random.Random(1)  # noqa: S311 - not for secrets
    for _ in range(3):
        _, again = delivered(till, CONTRACT, written(tmp_path, order.sample(GOOD, len(GOOD))))
        assert again.outcomes == {"duplicate": 3}
    till.drain()
    assert till.keys() == {f"till-B{number}": ("processed", True) for number in (1, 2, 3)}
    assert till.rows("SELECT DISTINCT door, key_id FROM bronze.events_raw WHERE tenant_id = %s") == [("file", None)]
    assert till.balances()["sales"] == -sum((3, 3.25, 3.25, 2))
    till.assert_sound()


@pytest.mark.parametrize(
    ("bad", "rules"),
    [
        (f"B1,milk,x,1,{WHEN}", {2: "group", 4: "group", 6: "type"}),
        (f"B1,,1,1,{WHEN}", {2: "group", 4: "group", 6: "required"}),
        (f"B1,milk,1,1,{WHEN},more", {2: "group", 4: "group", 6: "readable"}),
        ("B1", {2: "group", 3: "group", 4: "group", 5: "group", 6: "readable"}),
        (f"tea,2,1.50,{WHEN}", {2: "group", 3: "group", 4: "group", 5: "group", 6: "readable"}),
        (f'B9,"x\nB1,milk,1,1,y",1,1,{WHEN}', {2: "group", 3: "group", 4: "group", 5: "group", 6: "readable"}),
        (f"B9,milk,x,1,{WHEN}", {6: "type"}),
        (f",milk,1,1,{WHEN}", {2: "group", 3: "group", 4: "group", 5: "group", 6: "required"}),
    ],
)
def test_a_bad_row_holds_its_whole_group(till: Till, tmp_path: Path, bad: str, rules: dict[int, str]) -> None:
    """A row that does not say for certain which group it is of may be of any."""
    put(till, CONTRACT)
    tally = Tally()
    path = written(tmp_path, [*GOOD, bad])
    done = sent(till, taken(till, CONTRACT, path, received(till, CONTRACT, path)), tally)
    found = bad_rows(till)
    assert {number: rule for number, (_, (rule,)) in found.items()} == rules
    assert (done.rows_ok, tally.rows_bad, tally.rows_in) == (5 - len(rules), len(rules), 5)
    groups = {row.split(",")[0] for row in GOOD}
    held = {GOOD[number - 2].split(",")[0] for number, rule in rules.items() if rule == "group"}
    assert set(till.keys()) == {f"till-{group}" for group in groups - held}
    assert {found[number][0] for number, rule in rules.items() if rule == "group"} == held


@pytest.mark.parametrize(
    ("receipt", "till_number", "is_held"),
    [("", "7", True), ("", "", True), (" ", "7", True), ("B4", "", False), ("B4", "7", False)],
)
def test_rows_without_a_group_are_no_event(
    till: Till, tmp_path: Path, receipt: str, till_number: str, *, is_held: bool
) -> None:
    """Also where no column of the group is required; only a part that the contract lets be blank may be."""
    columns = CONTRACT["columns"] | {"Receipt": {}, "Till": {"default": ""}}
    members = CONTRACT | {"columns": columns, "events": CONTRACT["events"] | {"group_by": ["Receipt", "Till"]}}
    put(till, members)
    rows = [*(f"{row},7" for row in GOOD), f"{receipt},milk,1,1,{WHEN},{till_number}", f"{receipt},tea,x,1,{WHEN},"]
    path = tmp_path / "day.csv"
    path.write_text("\n".join([f"{HEADER},Till", *rows]) + "\n", encoding="utf-8")
    tally = Tally()
    done = sent(till, taken(till, members, path, received(till, members, path)), tally)
    found = bad_rows(till)
    if is_held:
        parts = ["required"] * (1 if till_number else 2)
        assert {number: found[number][1] for number in (6, 7)} == {6: parts, 7: ["type", "required", "required"]}
        assert (done.rows_ok, tally.rows_bad, till.keys(), len(found)) == (0, 6, {}, 6)
    else:
        assert (len(till.keys()), set(found) - {6}) == (4 if till_number else 3, {7})


def test_of_one_column_a_blank_group_is_none_whatever_stands_for_it(till: Till, tmp_path: Path) -> None:
    members = CONTRACT | {"columns": CONTRACT["columns"] | {"Receipt": {"default": ""}}}
    put(till, members)
    delivered(till, members, written(tmp_path, [f",milk,1,1,{WHEN}", f",tea,1,1,{WHEN}"]))
    assert {number: rules for number, (_, rules) in bad_rows(till).items()} == {2: ["required"], 3: ["required"]}
    assert till.keys() == {}


def test_a_group_that_stands_behind_a_broken_field_is_not_believed(till: Till, tmp_path: Path) -> None:
    """A delimiter in an item, or a field too few, shifts the receipt: what stands there may be another one's number."""
    members = CONTRACT | {"columns": {"Store": {}, **CONTRACT["columns"]}}
    put(till, members)
    header = "Store,Item,Receipt,Qty,Price,At"
    good = [f"S1,Mug,501,1,2,{WHEN}", f"S1,Cup,502,1,2,{WHEN}", f"S1,Tea,503,1,2,{WHEN}", f"S1,Hat,1,1,2,{WHEN}"]
    for broken in (f"S1,Pot, large,501,1,30.00,{WHEN}", f"S1,501,1,30.00,{WHEN}"):
        path = tmp_path / "day.csv"
        path.write_text("\n".join([header, *good[:2], broken, *good[2:], f"S1,Tray,501,1,2,{WHEN}"]), encoding="utf-8")
        _, done = delivered(till, members, path)
        assert (done.rows_ok, done.outcomes, sum(map(len, done.bad_lines()))) == (0, {}, 6)
    assert till.keys() == {}
    found = till.rows(
        "SELECT DISTINCT faults->0->>'message' FROM files.bad_rows WHERE tenant_id = %s AND row_number = 2"
    )
    why = "row 4 is bad and does not say of which group it is, which holds all of them"
    assert found == [(f"{why}: ignore it if it is no line of any, else put it right; then replay the file",)]


def test_a_row_that_may_be_two_is_of_no_receipt_for_certain(till: Till, tmp_path: Path) -> None:
    """The line break between them is missing: the broken row is 501's, and 502's, too."""
    put(till, CONTRACT)
    rows = [f"501,Mug,1,2.00,{WHEN}502,Pot,1,30.00,{WHEN}", f"502,Tea,1,1.00,{WHEN}", f"503,Tea,1,1.00,{WHEN}"]
    delivered(till, CONTRACT, written(tmp_path, rows))
    assert not till.keys()
    rows[0] = f"501,Mug, Pot, Pan,1,2.00,{WHEN}"
    delivered(till, CONTRACT, written(tmp_path, rows))
    assert set(till.keys()) == {"till-502", "till-503"}, "with fewer fields than two rows have it is 501's alone"


def test_a_receipt_is_one_whatever_blanks_stand_around_its_number(till: Till, tmp_path: Path) -> None:
    put(till, CONTRACT)
    path = written(
        tmp_path, [f"B1,tea,1,1,{WHEN}", f"B1 ,jam,1,1,{WHEN}", f"\u00a0B2,jam,x,1,{WHEN}", f"B2,jam,1,1,{WHEN}"]
    )
    _, done = delivered(till, CONTRACT, path)
    assert (done.outcomes, set(till.keys())) == ({"processed": 1}, {"till-B1"})
    assert bad_rows(till) == {4: ("B2", ["type"]), 5: ("B2", ["group"])}


def test_rows_of_a_group_must_agree_in_what_tells_the_event(till: Till, tmp_path: Path) -> None:
    def contract(**currency: str) -> dict[str, Any]:
        fields = CONTRACT["events"]["fields"] | {"currency": {"column": "Cur", **currency}}
        columns = CONTRACT["columns"] | {"Cur": {}}
        return CONTRACT | {"columns": columns, "events": CONTRACT["events"] | {"fields": fields}}

    put(till, contract())
    path = tmp_path / "day.csv"
    rows = [f"B1,tea,1,4,{WHEN},GBP", f"B1,jam,1,5,{WHEN},EUR", f"B2,jam,1,5,{WHEN},EUR", f"B2,tea,1,5,{WHEN},EUR"]
    path.write_text("\n".join([f"{HEADER},Cur", *rows]), encoding="utf-8")
    tally = Tally()
    done = sent(till, taken(till, contract(), path, received(till, contract(), path)), tally)
    assert (done.outcomes, done.rows_ok, tally.rows_bad) == ({"processed": 1}, 2, 2)
    assert bad_rows(till) == {2: ("B1", ["event"]), 3: ("B1", ["event"])}
    put(till, contract(take="first"))
    assert delivered(till, contract(take="first"), path)[1].outcomes == {"processed": 1, "duplicate": 1}


def test_of_rows_that_share_what_must_differ_none_is_sent(till: Till, tmp_path: Path) -> None:
    members = CONTRACT | {"columns": CONTRACT["columns"] | {"Item": {"unique": True}}}
    put(till, members)
    delivered(till, members, written(tmp_path, GOOD))
    assert bad_rows(till) == {2: ("B1", ["group"]), 3: ("B2", ["unique"]), 4: ("B1", ["unique"])}
    assert set(till.keys()) == {"till-B3"}


def test_what_makes_no_usable_event_is_kept_as_rows(till: Till, tmp_path: Path) -> None:
    put(till, CONTRACT)
    name = "B" * 300
    delivered(till, CONTRACT, written(tmp_path, [*GOOD, f"{name},tea,1,1,{WHEN}"]))
    ((number, (group, rules)),) = bad_rows(till).items()
    assert (number, rules, len(group or "") < 200, len(till.keys())) == (6, ["event"], True, 3)


def test_a_rejected_file_sends_nothing(till: Till, tmp_path: Path) -> None:
    members = CONTRACT | {"on_bad_rows": "reject_file"}
    put(till, members)
    path = written(tmp_path, [*GOOD, f"B9,milk,x,1,{WHEN}"])
    kept: list[str] = []
    work = taken(till, members, path, received(till, members, path))
    sending = deliver_events.Sending(CLOCK, 0, 600, 60)
    with pytest.raises(Rejected):
        deliver_events.send_events(till.db, work, Tally(), sending, kept)
    assert (len(kept), till.keys()) == (1, {})


def test_who_takes_over_goes_on_where_the_other_was(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every chunk commits with how far it got; who lost the lease commits nothing."""
    put(till, CONTRACT)
    monkeypatch.setattr(deliver_events, "ROWS_AT_ONCE", 1)
    path = written(tmp_path, GOOD)
    ingestion_id = received(till, CONTRACT, path)
    first = taken(till, CONTRACT, path, ingestion_id)
    progress = deliver_events._Progress(till.db, first, deliver_events.Sending(CLOCK, 0, 600, -1))  # pyright: ignore[reportPrivateUsage]
    sending = deliver_events.Sending(CLOCK, 0, 600, 60)
    chunks = list(deliver_events._chunks(deliver_events.gather(first, Tally()), sending))  # pyright: ignore[reportPrivateUsage]
    progress.send(chunks[0].events, chunks[0].rows)
    second = taken(till, CONTRACT, path, ingestion_id)
    with pytest.raises(LeaseLost):
        progress.send(chunks[1].events, chunks[1].rows)
    assert set(till.keys()) == {"till-B1"}
    done = sent(till, second)
    assert done.outcomes == {"processed": 3}
    assert till.count("bronze.events_raw") == 3
    with till.db.snapshot() as tx:
        ended = files.ingestion(tx, till.tenant, ingestion_id).one()
    assert (ended.status, ended.events_done, ended.rows_ok) == ("succeeded", 3, 4)


@pytest.mark.parametrize(("first", "second"), [(400, 1_000_000), (1_000_000, 400)])
def test_who_takes_over_by_another_rule_sends_what_was_not_sent(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int, second: int
) -> None:
    """It makes one event more, or less, of the same file: none of the others is passed over, and none comes twice."""
    monkeypatch.setattr(deliver_events, "ROWS_AT_ONCE", 1)
    put(till, CONTRACT)
    rows = [f"B{number},{'tea' * (80 if number == 2 else 1)},1,1.50,{WHEN}" for number in range(1, 7)]
    path = written(tmp_path, rows)
    ingestion_id = received(till, CONTRACT, path)
    half = taken(till, CONTRACT, path, ingestion_id)
    sending = deliver_events.Sending(CLOCK, 0, 600, 60, first)
    progress = deliver_events._Progress(till.db, half, sending)  # pyright: ignore[reportPrivateUsage]
    for chunk in islice(deliver_events._chunks(deliver_events.gather(half, Tally()), sending), 4):  # pyright: ignore[reportPrivateUsage]
        progress.send(chunk.events, chunk.rows)
    tally = Tally()
    done = sent(till, taken(till, CONTRACT, path, ingestion_id), tally, most_event_bytes=second)
    assert set(till.keys()) == {f"till-B{number}" for number in range(1, 7)}
    assert (done.outcomes, till.count("bronze.events_raw")) == ({"processed": 6}, 6)
    assert tally.rows_bad == 0, "what is sent is neither taken back nor held"


def test_of_events_that_are_alike_each_is_sent(till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups that make the same event: the other one is still to be sent, and counted as a duplicate."""
    monkeypatch.setattr(deliver_events, "ROWS_AT_ONCE", 1)
    members = CONTRACT | {"events": CONTRACT["events"] | {"group_by": ["Receipt", "Till"]}}
    members |= {"columns": CONTRACT["columns"] | {"Till": {}}}
    put(till, members)
    path = tmp_path / "day.csv"
    path.write_text(f"{HEADER},Till\nB1,tea,1,1,{WHEN},1\nB1,tea,1,1,{WHEN},2\nB2,tea,1,1,{WHEN},1\n", encoding="utf-8")
    ingestion_id = received(till, members, path)
    half = taken(till, members, path, ingestion_id)
    sending = deliver_events.Sending(CLOCK, 0, 600, 60)
    progress = deliver_events._Progress(till.db, half, sending)  # pyright: ignore[reportPrivateUsage]
    begun = next(deliver_events._chunks(deliver_events.gather(half, Tally()), sending))  # pyright: ignore[reportPrivateUsage]
    progress.send(begun.events, begun.rows)
    done = sent(till, taken(till, members, path, ingestion_id))
    assert (done.outcomes, till.count("bronze.events_raw")) == ({"processed": 2, "duplicate": 1}, 3)


@pytest.mark.shared
def test_a_real_month_is_what_came_over_the_api(till: Till, shared: Path, tmp_path: Path) -> None:
    """Days delivered after their events came by another road are duplicates, to the last one."""
    members = read_yaml(RETAIL.read_text(encoding="utf-8"))
    put(till, members)
    known = events(shared, till.tenant, MONTH)
    accepted(till.db, known)
    total: Counter[str] = Counter()
    for day in days(shared, tmp_path):
        header, *rows = day.read_text(encoding="utf-8").splitlines()
        day.write_text("\n".join([header, *reversed(rows)]), encoding="utf-8")
        total.update(delivered(till, members, day)[1].outcomes)
    assert total == {"duplicate": len(known) - 1, "quarantined": 1}, "the one is parked already"
    assert till.count("gate.other_payloads") == 0, "and came with the same payload"
