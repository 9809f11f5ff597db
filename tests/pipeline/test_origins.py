"""Of which rows of which file an arrival was made: kept with it, whoever sends them, and shown wherever it is shown."""

from itertools import islice
from pathlib import Path
from uuid import UUID

import pytest

from ledgersafe.files import store as files
from ledgersafe.pipeline.deliveries import deliver_events
from ledgersafe.pipeline.deliveries.deliver_events import Sending
from ledgersafe.pipeline.deliveries.delivery import Tally
from ledgersafe.pipeline.replay_rows import replay
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.pipeline.trace import exception_detail, trace
from tests.contracts.till_lines import CONTRACT
from tests.events import sale
from tests.pipeline.arrivals import ANYBODY
from tests.pipeline.filing import CLOCK, delivered, put, received, sent, taken
from tests.pipeline.posting import Till
from tests.pipeline.test_deliver_events import GOOD, WHEN, written

Made = list[tuple[str, str, list[int], int]]


def made_of(till: Till, event_id: str) -> Made:
    """Of each arrival of an event: delivery, file, rows, and how many there are."""
    found = trace(till.db, till.tenant, event_id)
    assert found is not None, event_id
    origins = [found.origins[row.raw_id] for row in found.arrivals if row.raw_id in found.origins]
    return [(str(one.ingestion_id), one.filename, one.rows, one.rows_in_all) for one in origins]


def test_each_arrival_of_a_file_says_its_rows(till: Till, tmp_path: Path) -> None:
    """A duplicate says its own; what came through another door says none."""
    put(till, CONTRACT)
    first, _ = delivered(till, CONTRACT, written(tmp_path, GOOD, "monday.csv"))
    again, _ = delivered(till, CONTRACT, written(tmp_path, GOOD[::-1], "tuesday.csv"))
    assert made_of(till, "till-B1") == [(first, "monday.csv", [2, 4], 2), (again, "tuesday.csv", [3, 5], 2)]
    assert made_of(till, "till-B3") == [(first, "monday.csv", [5], 1), (again, "tuesday.csv", [2], 1)]
    till.send(sale(till.tenant, "by-http"))
    assert made_of(till, "by-http") == []
    assert till.count("files.origins") == 6
    till.superuser.execute("DELETE FROM files.origins WHERE tenant_id = %s", [till.tenant])
    assert made_of(till, "till-B1") == [], "as of arrivals from before it was kept"


def test_an_exception_says_it_of_both_payloads(till: Till, tmp_path: Path) -> None:
    put(till, CONTRACT)
    first, _ = delivered(till, CONTRACT, written(tmp_path, GOOD, "monday.csv"))
    other, _ = delivered(till, CONTRACT, written(tmp_path, [f"B3,cup,1,3,{WHEN}"], "tuesday.csv"))
    found = trace(till.db, till.tenant, "till-B3")
    assert found is not None
    detail = exception_detail(till.db, None, found.exceptions[0].exception_id)
    assert detail is not None
    told = [detail.origins[payload.raw_id] for payload in detail.payloads]
    assert [(str(one.ingestion_id), one.filename, one.rows) for one in told] == [
        (first, "monday.csv", [5]),
        (other, "tuesday.csv", [2]),
    ]
    assert {one.dataset for one in told} == {"till_lines"}


def test_of_many_rows_the_first_are_named(till: Till, tmp_path: Path) -> None:
    put(till, CONTRACT)
    lines = [f"B9,tea {number},1,1,{WHEN}" for number in range(60)]
    ingestion_id, _ = delivered(till, CONTRACT, written(tmp_path, lines))
    assert made_of(till, "till-B9") == [(ingestion_id, "day.csv", list(range(2, 52)), 60)]


def test_rows_that_were_put_right_are_named_too(till: Till, tmp_path: Path) -> None:
    put(till, CONTRACT)
    ingestion_id, _ = delivered(till, CONTRACT, written(tmp_path, [*GOOD, f"B1,milk,x,1,{WHEN}"]))
    name = files.IngestionName(till.tenant, UUID(ingestion_id))
    replay(till.db, name, {6: {"Qty": "1"}}, "asked", Operator(ANYBODY, CLOCK.now(), 600))
    assert made_of(till, "till-B1") == [(ingestion_id, "day.csv", [2, 4, 6], 3)]


def test_who_takes_over_names_the_rest(till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first attempt sent is not sent, and not named, twice."""
    monkeypatch.setattr(deliver_events, "ROWS_AT_ONCE", 1)
    put(till, CONTRACT)
    path = written(tmp_path, [f"B{number},tea,1,1.50,{WHEN}" for number in range(1, 5)])
    ingestion_id = received(till, CONTRACT, path)
    half = taken(till, CONTRACT, path, ingestion_id)
    sending = Sending(CLOCK, 0, 600, 60)
    progress = deliver_events._Progress(till.db, half, sending)  # pyright: ignore[reportPrivateUsage]
    for chunk in islice(deliver_events._chunks(deliver_events.gather(half, Tally()), sending), 2):  # pyright: ignore[reportPrivateUsage]
        progress.send(chunk.events, chunk.rows)
    sent(till, taken(till, CONTRACT, path, ingestion_id))
    for number in range(1, 5):
        assert made_of(till, f"till-B{number}") == [(ingestion_id, "day.csv", [number + 1], 1)]
    assert till.count("files.origins") == 4
