"""Where an arrival is from: the file and its rows, on the pages of its exception and of its trace."""

import re

from playwright.sync_api import expect

from ledgersafe.console.parts.origin import AS_IT_IS
from tests.console.deliveries import TILL, deliver, put
from tests.console.desk import Desk

HEADER = b"Receipt,When,Item,Amount\n"
HOSTILE = '<img src=x onerror="alert(1)"> **b**'


def unfold(desk: Desk, at: int = 0) -> None:
    """Have the file's own rows shown."""
    with desk.running():
        desk.page.get_by_text(AS_IT_IS).nth(at).click()


def test_both_sides_of_a_conflict_show_their_rows(desk: Desk) -> None:
    """A third payload, which came over HTTP, is of no file."""
    put(desk, TILL)
    monday = HEADER + b"A2,2026-02-01 10:00:00,cup,1.00\n" + b"A1,2026-02-01 10:00:00,mug,4.50\n" * 2
    first = deliver(desk, "monday.csv", monday, "till")
    desk.posted("till-A1")
    deliver(desk, "tuesday.csv", HEADER + b"A1,2026-02-01 10:00:00,mug,5.40\n", "till")
    exception_id = desk.ask("/v1/exceptions")["items"][0]["exception_id"]
    desk.open(f"/exception?id={exception_id}")
    columns = desk.page.get_by_test_id("stColumn")
    expect(columns.filter(has_text="FIRST").first).to_contain_text("File monday.csv, rows 3-4")
    expect(columns.filter(has_text="LAST").first).to_contain_text("File tuesday.csv, row 2")
    assert desk.page.get_by_role("table", name="File monday.csv, rows 3-4").count() == 0, "it is read for who opens it"
    unfold(desk)
    unfold(desk, 1)
    when = "2026-02-01 10:00:00"
    assert desk.table("File monday.csv, rows 3-4") == [
        ["3", "A1", when, "mug", "4.50"],
        ["4", "A1", when, "mug", "4.50"],
    ]
    assert desk.table("File tuesday.csv, row 2") == [["2", "A1", when, "mug", "5.40"]]
    history = [row[3] for row in desk.table("History")]
    assert any(note.startswith("File tuesday.csv, row 2; raw_id ") for note in history)
    body = desk.ask("/v1/events/till-A1")["arrivals"][0]["payload_json"]
    desk.send(body | {"cashier_id": "c-1"})
    desk.reload()
    assert desk.page.get_by_role("link", name="File monday.csv, rows 3-4").count() == 1
    expect(desk.page.get_by_test_id("stColumn").filter(has_text="LAST").first).not_to_contain_text("tuesday")
    desk.follow("File monday.csv, rows 3-4")
    assert re.search(rf"/delivery\?.*id={first}", desk.page.url)
    assert not desk.troubles()


def test_a_trace_leads_to_the_file(desk: Desk) -> None:
    put(desk, TILL)
    text = HEADER + f"A1,2026-02-01 10:00:00,{HOSTILE.replace(chr(34), chr(39))},4.50\n".encode()
    name = deliver(desk, "a <b>day</b>.csv", text, "till")
    desk.posted("till-A1")
    desk.open("/trace?event=till-A1")
    assert [row[1] for row in desk.table("Arrivals")] == ["File a <b>day</b>.csv, row 2"]
    unfold(desk)
    assert desk.table("File a <b>day</b>.csv, row 2")[0][3] == HOSTILE.replace('"', "'")
    assert desk.page.get_by_test_id("stMain").locator("img, table b").count() == 0
    desk.follow("File a <b>day</b>.csv, row 2")
    assert f"id={name}" in desk.page.url


def test_what_came_from_no_file_says_its_door(desk: Desk) -> None:
    put(desk, TILL)
    deliver(desk, "day.csv", HEADER + b"A1,2026-02-01 10:00:00,mug,-4.50\n", "till")
    body = desk.ask("/v1/events/till-A1")["arrivals"][0]["payload_json"]
    (answer,) = desk.send(body | {"event_id": "by-http"})
    desk.open(f"/exception?id={answer['exception_id']}")
    desk.sees("Through")
    assert desk.page.get_by_text(AS_IT_IS).count() == 0
    assert desk.page.get_by_role("link", name=re.compile("^File ")).count() == 0


def test_a_redacted_one_shows_no_rows(desk: Desk) -> None:
    """Its body was made unreadable: what was in it is not shown by way of its file."""
    put(desk, TILL)
    deliver(desk, "day.csv", HEADER + b"A1,2026-02-01 10:00:00,mug,-4.50\n", "till")
    exception = desk.ask("/v1/exceptions")["items"][0]
    with desk.api.client() as client:
        where = f"/v1/arrivals/{exception['raw_id']}/redact"
        said = {"notes": "asked for", "even_if_not_posted": True}
        answer = client.post(where, params={"tenant_id": desk.tenant}, json=said)
    assert answer.status_code == 200, answer.text
    desk.open(f"/exception?id={exception['exception_id']}")
    desk.sees("File day.csv, row 2")
    assert desk.page.get_by_text(AS_IT_IS).count() == 0
