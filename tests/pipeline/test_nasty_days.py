"""Receipts whose numbers begin anew each day, in one file: no two of them make one sale; one that passes midnight is one."""

from typing import Any

import pytest

from ledgersafe.kernel.errors import RequestRefused
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.delivering import Desk
from tests.pipeline.posting import Till
from tests.pipeline.prices import rules
from tests.pipeline.test_replays_otherwise import put_right

HEADER = "Receipt,Item,Qty,Price,At"


def contract(**events: Any) -> dict[str, Any]:
    """`events`: other members; `columns` among them: other columns."""
    columns = CONTRACT["columns"] | events.pop("columns", {})
    return CONTRACT | {"columns": columns, "events": CONTRACT["events"] | events}


def csv(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def lines(*times: str) -> list[str]:
    """A line of receipt 501 at each time."""
    return [f"501,Mug,1,{at + 2}.00,{time}" for at, time in enumerate(times)]


OTHER = "502,Pot,1,1.00,2026-02-01 09:00"


@pytest.mark.parametrize(
    ("times", "apart"),
    [
        (("2026-02-01 10:00", "2026-02-05 10:00"), "4 days"),
        (("2026-02-01 10:00", "2026-02-02 10:00"), "24 hours"),
        (("2026-02-02 08:00", "2026-02-01 18:00"), "14 hours"),
    ],
)
def test_one_number_on_several_days_is_no_receipt(desk: Desk, till: Till, times: tuple[str, str], apart: str) -> None:
    desk.put(contract())
    done = desk.deliver("till_lines", "week.csv", csv(*lines(*times), OTHER))
    bad = desk.bad_rows(done)
    assert rules(bad) == {2: [("At", "event")], 3: [("At", "event")]}
    assert bad[0].group_key == "501"
    assert f"lie {apart} apart, 12 hours at most" in bad[0].faults[0]["message"]
    assert "put the day into group_by" in bad[0].faults[0]["message"]
    assert done.outcomes == {"processed": 1}
    with pytest.raises(RequestRefused) as found:
        put_right(desk, done, {2: {}})
    assert found.value.reason.code == "ROWS_STILL_BAD"
    assert put_right(desk, done, {2: {}, 3: {"At": times[0]}}).outcomes == {"processed": 1}
    till.drain()
    assert till.balances()["sales"] == -6


@pytest.mark.parametrize(
    ("members", "times", "events"),
    [
        (contract(), ("2026-02-01 23:50", "2026-02-02 00:10"), 1),
        (contract(), ("2026-02-01 18:00", "2026-02-02 06:00"), 1),
        (contract(max_hours=100), ("2026-02-01 10:00", "2026-02-05 10:00"), 1),
        (contract(group_by=["Receipt", "At"]), ("2026-02-01 10:00", "2026-02-01 10:00"), 1),
    ],
)
def test_an_honest_receipt_is_posted(
    desk: Desk, till: Till, members: dict[str, Any], times: tuple[str, str], events: int
) -> None:
    desk.put(members)
    done = desk.deliver("till_lines", "week.csv", csv(*lines(*times), OTHER))
    assert (done.outcomes, done.rows_bad) == ({"processed": events + 1}, 0)
    till.drain()
    assert till.balances()["sales"] == -6


def _of_days(**day: str) -> dict[str, Any]:
    """With the day in a column of its own, and in the receipt's id."""
    fields = CONTRACT["events"]["fields"] | {
        "event_id": {"template": "till-{Day}-{Receipt}"},
        "txn_id": {"template": "{Day}-{Receipt}"},
        "occurred_at": {"template": "{Day}T{At}:00Z", "take": "first"},
    }
    return contract(columns={"Day": day, "At": {}}, group_by=["Receipt", "Day"], fields=fields)


@pytest.mark.parametrize("day", [{"type": "date"}, {}])
def test_with_the_day_in_the_group_each_day_has_its_own(desk: Desk, till: Till, day: dict[str, str]) -> None:
    members = _of_days(**day)
    rows = [f"501,Mug,1,{at}.00,10:00,2026-02-0{at}" for at in (1, 5)]
    desk.put(members)
    done = desk.deliver("till_lines", "week.csv", csv(*rows, header=f"{HEADER},Day"))
    assert (done.outcomes, done.rows_bad) == ({"processed": 2}, 0)
    till.drain()
    assert till.balances()["sales"] == -6


@pytest.mark.parametrize("day", [{"type": "date"}, {}])
def test_a_time_that_is_put_together_is_looked_at_too(desk: Desk, day: dict[str, str]) -> None:
    members = _of_days(**day)
    fields = members["events"]["fields"] | {"event_id": {"column": "Receipt"}, "txn_id": {"column": "Receipt"}}
    desk.put(members | {"events": members["events"] | {"group_by": ["Receipt"], "fields": fields}})
    rows = [f"{receipt},Mug,1,1.00,10:00,2026-02-0{day}" for receipt, day in ((1, 1), (1, 5), (2, 2))]
    done = desk.deliver("till_lines", "week.csv", csv(*rows, header=f"{HEADER},Day"))
    assert rules(desk.bad_rows(done)) == {2: [("Day", "event")], 3: [("Day", "event")]}
    assert done.outcomes == {"processed": 1}
