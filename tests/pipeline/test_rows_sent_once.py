"""A row of a file is sent once: whoever replays the file, puts rows of it right or takes a delivery of it over, and when."""

import dataclasses
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from ledgersafe.db.errors import StatementRefused
from ledgersafe.files import store as files
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline import deliver, land, replay_rows
from ledgersafe.pipeline.accept import accept_steps
from ledgersafe.pipeline.bad_rows import ignore
from ledgersafe.pipeline.deliveries import deliver_events
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.delivering import Desk
from tests.pipeline.posting import Till
from tests.pipeline.prices import BY, again
from tests.pipeline.test_deliver_events import WHEN

HEADER = "Receipt,Item,Qty,Price,At"
LINES = [f"B1,tea,2,1.50,{WHEN}", f"B2,jam,1,3.25,{WHEN}", f"B1,cup,1,2.00,{WHEN}"]
WORTH = "8.25"
Steps = Callable[..., Any]


class Killed(BaseException):
    """As a worker is: whoever has it gets nothing written any more."""


def csv(*rows: str) -> bytes:
    return "\n".join([HEADER, *rows, ""]).encode()


def long_receipt(lines: int) -> list[str]:
    return [f"L1,item {at},1,1.00,{WHEN}" for at in range(lines)]


def contract(
    event_id: str = "till-{Receipt}", group_by: tuple[str, ...] = ("Receipt",), *, most: int | None = None, **more: Any
) -> dict[str, Any]:
    """`most`: how many of an item a line may sell. `more`: beside columns and events."""
    told = {"template": event_id}
    fields = CONTRACT["events"]["fields"] | {"event_id": told, "txn_id": told}
    quantity = CONTRACT["columns"]["Qty"] | ({} if most is None else {"max": most})
    events = CONTRACT["events"] | {"fields": fields, "group_by": list(group_by)}
    return CONTRACT | {"events": events, "columns": CONTRACT["columns"] | {"Qty": quantity}} | more


BY_SHOP = contract("shop-{Receipt}")


def named(of: files.Ingestion) -> files.IngestionName:
    return files.IngestionName(of.tenant_id, of.ingestion_id)


def asked(desk: Desk, of: files.Ingestion) -> files.IngestionName:
    """A replay of it that waits."""
    return named(land.replay(desk.db, desk.tenant, of.ingestion_id, "again", BY))


def put_right(desk: Desk, of: files.IngestionName | files.Ingestion, patches: replay_rows.Patches, **how: int) -> None:
    name = files.IngestionName(of.tenant_id, of.ingestion_id)
    replay_rows.replay(desk.db, name, patches, "asked", BY, **how)


def refused(call: Callable[..., Any], *given: Any) -> RequestRefused:
    with pytest.raises(RequestRefused) as found:
        call(*given)
    return found.value


def attempt(desk: Desk, name: files.IngestionName, steps: Steps = accept_steps, **parts: Any) -> str:
    """One attempt, a minute after the one before. `steps`: in place of the real ones. `parts`: settings of the worker."""
    desk.superuser.execute("UPDATE files.ingestions SET due_at = received_at WHERE tenant_id = %s", [desk.tenant])
    taken = deliver.claim(desk.db, name, desk.parts.clock)
    assert taken is not None, "somebody else has it"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deliver_events, "accept_steps", steps)
        try:
            return deliver.deliver(dataclasses.replace(desk.parts, **parts), *taken)
        except Killed:
            return "killed"


def after(transactions: int, error: BaseException) -> Steps:
    """So many go well, all others end so."""
    left = iter(range(transactions))

    def steps(*given: Any, **how: Any) -> Any:
        if next(left, None) is None:
            raise error
        return accept_steps(*given, **how)

    return steps


def meanwhile(act: Callable[[], None]) -> Steps:
    """While the first events are about to be sent."""

    def steps(*given: Any, **how: Any) -> Any:
        act()
        return accept_steps(*given, **how)

    return steps


def sales(till: Till) -> str:
    till.drain()
    till.assert_sound()
    return f"{-till.balances().get('sales', 0):.2f}"


@pytest.mark.parametrize("origins", [True, False])
def test_rows_that_a_person_sent_are_not_sent_by_a_replay(desk: Desk, till: Till, origins: bool) -> None:
    """Of which the delivery itself sent none. Whether or not it was kept yet of which rows an event was made."""
    desk.put(contract(most=0))
    first = desk.deliver("till_lines", "day.csv", csv(*LINES))
    assert (first.rows_bad, first.events_done) == (3, 0)
    desk.put(contract())
    put_right(desk, first, {2: {}, 3: {}, 4: {}})
    if not origins:
        desk.superuser.execute("DELETE FROM files.origins WHERE tenant_id = %s", [desk.tenant])
    desk.put(BY_SHOP)
    second = again(desk, first)
    assert (second.rows_bad, second.outcomes) == (3, None)
    assert sales(till) == WORTH


def test_a_row_is_put_right_in_one_delivery_of_its_file(desk: Desk, till: Till) -> None:
    """Not in another one, too, with another number."""
    desk.put(contract())
    first = desk.deliver("till_lines", "day.csv", csv(f",tea,2,1.50,{WHEN}"))
    second = again(desk, first)
    put_right(desk, first, {2: {"Receipt": "B7"}})
    refusal = refused(put_right, desk, second, {2: {"Receipt": "B8"}})
    assert refusal.reason.code == "ROWS_STILL_BAD"
    assert "would count twice" in refusal.detail
    assert sales(till) == "3.00"
    put_right(desk, second, {2: {"Receipt": "B7"}})
    assert sales(till) == "3.00"


def test_a_row_that_counts_is_not_put_into_another_receipt_that_is_known(desk: Desk, till: Till) -> None:
    """Whoever chose between the two payloads would count the row twice, and lose the other receipt."""
    desk.put(contract())
    desk.deliver("till_lines", "other.csv", csv(f"B9,pot,1,100.00,{WHEN}"))
    first = desk.deliver("till_lines", "day.csv", csv(f",tea,2,1.50,{WHEN}"))
    second = again(desk, first)
    put_right(desk, first, {2: {"Receipt": "B7"}})
    assert "would count twice" in refused(put_right, desk, second, {2: {"Receipt": "B9"}}).detail
    put_right(desk, second, {2: {"Receipt": "B7"}})
    assert sales(till) == "103.00"
    assert set(till.keys()) == {"till-B9", "till-B7"}


def by_numbers() -> dict[str, Any]:
    """Receipts `007` and `7` are one."""
    found = contract()
    return found | {"columns": found["columns"] | {"Receipt": {"type": "integer", "required": True}}}


def test_receipts_that_a_contract_makes_one_are_not_sent_as_one_of_them(desk: Desk, till: Till) -> None:
    """Its id is known, but one of its rows counts as another."""
    desk.put(contract())
    lines = [f"007,tea,1,10.00,{WHEN}", f"7,jam,1,5.00,{WHEN}", f"8,cup,1,3.00,{WHEN}"]
    first = desk.deliver("till_lines", "day.csv", csv(*lines))
    desk.put(by_numbers())
    second = again(desk, first)
    assert (second.outcomes, [row.row_number for row in desk.bad_rows(second)]) == ({"duplicate": 1}, [2, 3])
    assert "would count twice" in desk.bad_rows(second)[0].faults[0]["message"]
    desk.put(contract())
    assert again(desk, first).outcomes == {"duplicate": 3}
    assert sales(till) == "18.00"


def test_a_receipt_to_which_lines_came_since_waits_for_a_person(desk: Desk, till: Till) -> None:
    """All that was sent of it was sent as that receipt."""
    desk.put(contract(most=1))
    first = desk.deliver("till_lines", "day.csv", csv(f"7,jam,1,5.00,{WHEN}", f"007,tea,2,5.00,{WHEN}"))
    desk.put(by_numbers())
    second = again(desk, first)
    assert (second.outcomes, second.rows_bad) == ({"quarantined": 1}, 0)
    assert sales(till) == "5.00"


def test_while_a_delivery_of_the_file_is_under_way_no_row_of_it_is_ignored(desk: Desk, till: Till) -> None:
    """It would be sent all the same."""
    desk.put(contract(most=1))
    first = desk.deliver("till_lines", "day.csv", csv(*LINES[:2]))
    desk.put(contract())
    replay = asked(desk, first)

    def ignored() -> None:
        assert refused(ignore, desk.db, named(first), [2], "a test sale", BY).reason.code == "DELIVERY_UNDER_WAY"

    ignored()
    assert attempt(desk, replay, meanwhile(ignored)) == "succeeded"
    assert sales(till) == "6.25"
    ignore(desk.db, named(first), [2], "a test sale", BY)


def test_while_a_delivery_of_the_file_is_under_way_no_other_is_begun(desk: Desk, till: Till) -> None:
    first = desk.deliver("till_lines", "day.csv", csv(*LINES))
    assert first.reason_code == "NO_CONTRACT"
    desk.put(contract())
    replay = asked(desk, first)
    assert "is received" in refused(asked, desk, first).detail

    def another() -> None:
        desk.put(BY_SHOP)
        refusal = refused(asked, desk, first)
        assert (refusal.reason.code, refusal.headers) == ("DELIVERY_UNDER_WAY", {"Retry-After": "5"})
        assert f"Delivery {replay.ingestion_id}, of the same file, is processing" in refusal.detail

    assert attempt(desk, replay, meanwhile(another)) == "succeeded"
    assert sales(till) == WORTH
    assert again(desk, first).rows_bad == 3
    assert sales(till) == WORTH


def test_of_two_that_wait_all_the_same_the_earlier_goes_first(desk: Desk, till: Till) -> None:
    """An older version may have begun the second; the first may have failed once, and wait for its turn."""
    first = desk.deliver("till_lines", "day.csv", csv(*LINES))
    desk.put(contract())
    one = asked(desk, first)
    of, other = desk.found(one), new_id()
    with desk.db.transaction() as tx:
        new = files.NewIngestion(
            of.tenant_id, other, of.dataset, of.filename, None, of.sha256, of.size_bytes, of.raw_path, str(of.replay_of)
        )
        files.insert_ingestion(tx, new, of.received_at, "test").one()
    late = files.IngestionName(of.tenant_id, UUID(other))

    def waits() -> None:
        assert deliver.claim(desk.db, late, desk.parts.clock) is None
        assert late not in deliver.due(desk.db, desk.parts.clock, 1_000)

    waits()
    desk.put(BY_SHOP)
    assert attempt(desk, one, meanwhile(waits)) == "succeeded"
    assert late in deliver.due(desk.db, desk.parts.clock, 1_000)
    desk.put(contract())
    assert desk.work_off(late).rows_bad == 3
    assert sales(till) == WORTH


def test_while_a_delivery_of_the_file_is_under_way_no_row_of_it_is_put_right(desk: Desk, till: Till) -> None:
    desk.put(contract(most=1))
    first = desk.deliver("till_lines", "day.csv", csv(*LINES[:2]))
    desk.put(contract())
    replay = asked(desk, first)

    def one_row() -> None:
        refusal = refused(put_right, desk, first, {2: {"Receipt": "B9"}})
        assert refusal.reason.code == "DELIVERY_UNDER_WAY"

    one_row()
    assert attempt(desk, replay, meanwhile(one_row)) == "succeeded"
    assert refused(put_right, desk, first, {2: {"Receipt": "B9"}}).reason.code == "ROWS_STILL_BAD"
    assert sales(till) == "6.25"


def test_what_is_sent_is_not_held_by_who_takes_over(desk: Desk, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a setting that would not send it any more."""
    monkeypatch.setattr(deliver_events, "ROWS_AT_ONCE", 1)
    desk.put(contract())
    name = desk.bring("till_lines", "day.csv", csv(*long_receipt(10), f"B2,jam,1,3.25,{WHEN}"))
    assert attempt(desk, name, after(1, Killed())) == "killed"
    assert attempt(desk, name, most_event_bytes=800) == "succeeded"
    done = desk.found(name)
    assert (desk.bad_rows(name), done.rows_ok, done.rows_bad) == ([], 11, 0)
    assert (done.outcomes, (done.quality or {})["rules"]) == ({"processed": 2}, [])
    assert sales(till) == "13.25"


@pytest.mark.parametrize("rejects", [False, True])
def test_what_is_sent_is_no_bad_row_of_who_takes_over(
    desk: Desk, till: Till, monkeypatch: pytest.MonkeyPatch, rejects: bool
) -> None:
    """By a contract that holds it, as rules that came with an upgrade may; a row that was not sent is held by it."""
    monkeypatch.setattr(deliver_events, "ROWS_AT_ONCE", 1)
    more: dict[str, Any] = {"on_bad_rows": "reject_file"} if rejects else {}
    desk.put(contract(**more))
    name = desk.bring("till_lines", "day.csv", csv(*LINES, f"B3,pot,{1 if rejects else 2},1.00,{WHEN}"))
    assert attempt(desk, name, after(1, Killed())) == "killed"
    desk.put(contract(most=1, **more))
    desk.superuser.execute("UPDATE files.ingestions SET contract_version = 2 WHERE tenant_id = %s", [desk.tenant])
    assert attempt(desk, name) == "succeeded"
    held = [] if rejects else [5]
    done = desk.found(name)
    assert ([row.row_number for row in desk.bad_rows(name)], done.rows_bad) == (held, len(held))
    assert [rule["count"] for rule in (done.quality or {})["rules"]] == [1] * len(held)
    assert sales(till) == (f"{float(WORTH) + 1:.2f}" if rejects else WORTH)


def test_who_takes_over_makes_no_second_event_of_what_is_sent(
    desk: Desk, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By rules that make others; nor does a person of rows that are held for it."""
    monkeypatch.setattr(deliver_events, "ROWS_AT_ONCE", 1)
    desk.put(contract())
    name = desk.bring("till_lines", "day.csv", csv(*LINES))
    assert attempt(desk, name, after(1, Killed())) == "killed"
    desk.put(BY_SHOP)
    desk.superuser.execute("UPDATE files.ingestions SET contract_version = 2 WHERE tenant_id = %s", [desk.tenant])
    assert attempt(desk, name) == "succeeded"
    assert [row.row_number for row in desk.bad_rows(name)] == [2, 4]
    assert refused(put_right, desk, name, {2: {}, 4: {}}).reason.code == "ROWS_STILL_BAD"
    till.drain()
    assert set(till.keys()) == {"till-B1", "shop-B2"}
    assert sales(till) == WORTH


def test_without_marks_what_is_sent_is_known_by_its_rows(
    desk: Desk, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the event says something else by now: the first one counts."""
    monkeypatch.setattr(deliver_events, "ROWS_AT_ONCE", 1)
    desk.put(contract())
    name = desk.bring("till_lines", "day.csv", csv(*LINES))
    assert attempt(desk, name, after(1, Killed())) == "killed"
    desk.superuser.execute("DELETE FROM files.sent_events WHERE tenant_id = %s", [desk.tenant])
    assert attempt(desk, name) == "succeeded"
    assert desk.found(name).outcomes == {"processed": 2}
    assert sales(till) == WORTH


def test_of_a_delivery_that_failed_every_row_that_it_sent_is_known(
    desk: Desk, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many an event has."""
    monkeypatch.setattr(deliver_events, "ROWS_AT_ONCE", 10)
    desk.put(contract())
    lines = long_receipt(60)
    name = desk.bring("till_lines", "day.csv", csv(*lines[:55], f"B2,jam,1,3.25,{WHEN}", *lines[55:]))
    steps = after(1, RuntimeError("disk"))
    assert [attempt(desk, name, steps) for _ in range(5)] == [*["received"] * 4, "failed"]
    desk.put(contract("t-{Receipt}-{Item}", ("Receipt", "Item")))
    second = again(desk, desk.found(name))
    assert (second.outcomes, second.rows_bad) == ({"processed": 1}, 60)
    assert sales(till) == "63.25"


def test_a_receipt_that_was_never_sent_is_sent(desk: Desk, till: Till) -> None:
    """It stands after a long one, and the contract passed it over."""
    desk.put(contract(source={"skip_rows": "X.*"}))
    first = desk.deliver("till_lines", "day.csv", csv(*long_receipt(60), f"X7,jam,1,3.25,{WHEN}"))
    desk.put(contract())
    second = again(desk, first)
    assert (second.rows_bad, second.outcomes) == (0, {"processed": 1, "duplicate": 1})
    assert sales(till) == "63.25"


def test_of_long_receipts_from_before_all_rows_were_kept_they_are_taken_for_sent(desk: Desk, till: Till) -> None:
    """What was held was not; what a person put right since does not make the rest forgotten."""
    desk.put(contract(most=1))
    first = desk.deliver("till_lines", "day.csv", csv(*long_receipt(60), f"B2,jam,2,3.25,{WHEN}"))
    desk.superuser.execute("UPDATE files.origins SET all_rows = NULL WHERE tenant_id = %s", [desk.tenant])
    desk.put(contract("t-{Receipt}-{Item}", ("Receipt", "Item")))
    second = again(desk, first)
    assert (second.outcomes, second.rows_bad) == ({"processed": 1}, 60)
    assert sales(till) == "66.50"


def test_a_delivery_from_before_any_rows_were_kept_sent_all_that_it_did_not_hold(desk: Desk, till: Till) -> None:
    """Also where a person has put as many of its events right since as it had sent itself."""
    desk.put(contract(most=2))
    held = [f"B{number},pot,3,1.00,{WHEN}" for number in (3, 4, 5)]
    first = desk.deliver("till_lines", "day.csv", csv(*LINES, *held))
    desk.superuser.execute("DELETE FROM files.origins WHERE tenant_id = %s", [desk.tenant])
    desk.put(contract())
    put_right(desk, first, {5: {}, 6: {}})
    desk.put(BY_SHOP)
    second = again(desk, first)
    assert [row.row_number for row in desk.bad_rows(second)] == [2, 3, 4, 5, 6]
    assert second.outcomes == {"processed": 1}
    assert sales(till) == f"{float(WORTH) + 9:.2f}"


def refuses_b1(error: BaseException | None) -> Steps:
    """As a database that does not take one event, and then, if told so, ends the attempt."""

    def steps(tx: Any, arrivals: Any, **how: Any) -> Any:
        if arrivals[0].event_id == "till-B1":
            raise StatementRefused("value too long", "22001")
        if error is not None:
            raise error
        return accept_steps(tx, arrivals, **how)

    return steps


@pytest.mark.parametrize("rejects", [False, True])
def test_what_the_database_refused_is_kept_once(
    desk: Desk, till: Till, monkeypatch: pytest.MonkeyPatch, rejects: bool
) -> None:
    """Whoever takes over may find it bad for another reason, or reject the file: it ends all the same."""
    monkeypatch.setattr(deliver_events, "ROWS_AT_ONCE", 1)
    desk.put(contract())
    name = desk.bring("till_lines", "day.csv", csv(f"B1,{'x' * 200},2,1.50,{WHEN}", f"B2,jam,1,3.25,{WHEN}"))
    assert attempt(desk, name, refuses_b1(Killed())) == "killed"
    if rejects:
        desk.put(contract(most=0, on_bad_rows="reject_file"))
        desk.superuser.execute("UPDATE files.ingestions SET contract_version = 2 WHERE tenant_id = %s", [desk.tenant])
    assert attempt(desk, name, most_event_bytes=400) == ("quarantined" if rejects else "succeeded")
    done = desk.found(name)
    assert [row.row_number for row in desk.bad_rows(name)] == ([2, 3] if rejects else [2])
    if not rejects:
        assert (done.rows_ok, done.rows_bad, done.outcomes) == (1, 1, {"refused": 1, "processed": 1})
        assert sales(till) == "3.25"


def test_an_event_of_rows_that_were_put_right_is_as_large_as_the_setting_says(desk: Desk) -> None:
    desk.put(contract(most=1))
    first = desk.deliver("till_lines", "day.csv", csv(f"B1,{'x' * 2_000},2,1.50,{WHEN}"))
    desk.put(contract())
    with pytest.raises(RequestRefused) as found:
        put_right(desk, first, {2: {}}, most_event_bytes=1_024)
    assert found.value.reason.code == "ROWS_STILL_BAD"
    put_right(desk, first, {2: {}}, most_event_bytes=4_096)
