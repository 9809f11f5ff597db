"""How a delivery stands by now: replayed, put right row by row, and which of its rows are at fault."""

from typing import Any

import pytest

from tests.console.deliveries import DRIFTED, GOOD, STOCK, TILL, deliver, ended, put
from tests.console.desk import Desk


def post(desk: Desk, path: str, content: dict[str, Any]) -> dict[str, Any]:
    with desk.client() as client:
        answer = client.post(path, json=content, params={"tenant_id": desk.tenant})
    assert answer.is_success, answer.text
    return answer.json()


def tones(desk: Desk) -> list[str]:
    """Of the states in the list of deliveries."""
    badges = desk.page.get_by_role("table", name="Deliveries").locator("tbody tr td:nth-child(4) .ls-badge").all()
    return [str(badge.get_attribute("class")).removeprefix("ls-badge ls-") for badge in badges]


@pytest.fixture
def replayed(desk: Desk) -> str:
    """A delivery that was held for want of a contract, and was worked through again with one."""
    name = deliver(desk, "first.csv", GOOD)
    desk.open(f"/delivery?id={name}")
    desk.sees("What to do next")
    put(desk, STOCK)
    latest = post(desk, f"/v1/ingestions/{name}/replay", {"notes": "there is a contract now"})["ingestion_id"]
    desk.wait_until(lambda: ended(desk, latest), "it was not worked through again")
    return name


def test_a_delivery_that_was_replayed_asks_for_nothing(desk: Desk, replayed: str) -> None:
    desk.open(f"/delivery?id={replayed}")
    desk.sees("It was worked through again since")
    told = desk.text()
    assert "What to do next" not in told
    assert "Nothing of it is loaded until a person decides" not in told
    assert desk.troubles() == []
    assert desk.page.get_by_role("button", name="Work it through again…").count() == 0
    assert desk.page.get_by_role("link", name="To the contract of stock").count() == 0
    desk.follow("To its latest delivery")
    desk.sees("All of it is loaded: 2 rows.")
    assert desk.page.get_by_role("button", name="Work it through again…").count() == 1


def test_lists_and_counts_go_by_the_latest_delivery(desk: Desk, replayed: str) -> None:
    desk.open("/files")
    assert [(row[3], row[7]) for row in desk.table("Deliveries")] == [
        ("succeeded", "a replay"),
        ("quarantined", "worked through again"),
    ]
    assert tones(desk) == ["good", "quiet"]
    desk.open("/files?state=quarantined")
    desk.sees("No delivery is so")
    desk.open("/files?part=Datasets")
    assert desk.table("Datasets")[0][3:7] == ["2", "0", "0", "0"]
    desk.open("/dataset?name=stock&tab=Trends")
    assert "held" not in desk.page.get_by_role("navigation", name="Held deliveries").all_inner_texts()
    assert [row[2] for row in desk.table("Trend")] == ["succeeded", "quarantined"]


def test_rows_that_were_put_right_since_are_counted_so(desk: Desk) -> None:
    put(desk, STOCK)
    name = deliver(desk, "drifted.csv", DRIFTED)
    desk.open("/files")
    assert (desk.table("Deliveries")[0][4:6], tones(desk)) == (["1", "2"], ["warn"])
    mended = {"rows": [{"row_number": 3, "patch": {"On hand": "35"}}], "notes": "counted"}
    post(desk, f"/v1/ingestions/{name}/bad_rows/replay", mended)
    desk.open(f"/delivery?id={name}")
    desk.sees("2 of 3 rows are loaded; of 2 rows that were held: 1 put right, 1 waits.")
    desk.sees("1 bad row waits for a decision")
    desk.open("/files?state=rows+wait")
    assert (desk.table("Deliveries")[0][4:6], tones(desk)) == (["1", "1 of 2"], ["warn"])
    post(desk, f"/v1/ingestions/{name}/bad_rows/ignore", {"row_numbers": [4], "notes": "nonsense"})
    desk.open(f"/delivery?id={name}")
    desk.sees("2 of 3 rows are loaded; of 2 rows that were held: 1 put right, 1 left out, none waits.")
    assert "What to do next" not in desk.text()
    desk.open("/files")
    assert (desk.table("Deliveries")[0][4:6], tones(desk)) == (["1", "0 of 2"], ["good"])
    desk.open("/files?state=rows+wait")
    desk.sees("No delivery is so")


def test_rows_at_fault_are_told_from_those_that_they_hold(desk: Desk) -> None:
    put(desk, TILL)
    day = "2026-02-01 10:00:00"
    lines = f"Receipt,When,Item,Amount\nA1,{day},mug,many\nA1,{day},pot,4.50\nA1,{day},cup,2.50\nA2,{day},mug,4.50\n"
    name = deliver(desk, "till.csv", lines.encode(), "till")
    desk.open(f"/delivery?id={name}")
    desk.sees("2 rows have no fault: each is held by a bad row of its group.")
    assert [row[0] for row in desk.table("Bad rows")] == ["2", "3", "4"]
    desk.choose("Held by", "a fault of their own")
    assert [(row[0], row[2]) for row in desk.table("Bad rows")] == [("2", "A1\n3 rows of it wait")]
    desk.reload()
    assert [row[0] for row in desk.table("Bad rows")] == ["2"]
    desk.follow("2")
    assert desk.table("Faults of the row")[0][0] == "Amount"
    assert [row[0] for row in desk.table("Bad rows")] == ["2"]
    desk.open(f"/delivery?id={name}&fault=a+row+of+their+group")
    assert [row[0] for row in desk.table("Bad rows")] == ["3", "4"]


def test_a_dataset_without_groups_has_no_such_filter(desk: Desk) -> None:
    put(desk, STOCK)
    name = deliver(desk, "drifted.csv", DRIFTED)
    desk.open(f"/delivery?id={name}&report=Bad+rows")
    assert len(desk.table("Bad rows")) == 2
    assert desk.page.get_by_role("combobox", name="Held by").count() == 0


def test_drift_shows_how_an_alias_is_written(desk: Desk) -> None:
    put(desk, STOCK | {"drift_policy": "fail"})
    name = deliver(desk, "renamed.csv", b"SKU,Full name,On hand\n00012,Mug,120\n")
    desk.open(f"/delivery?id={name}&report=Drift")
    assert ["Full name", "new", "Perhaps Name by another name"] in desk.table("Drift")
    assert desk.page.get_by_test_id("stCode").inner_text().split() == [
        "columns:", "Name:", "aliases:", "-", "Full", "name",
    ]  # fmt: skip
    desk.sees("Its rows were not counted: it was held before they were read.")
    assert desk.table("Counts") == []
    desk.follow("Change the contract of stock")
    desk.sees("A contract says what a valid file is")


def test_a_command_is_shown_as_it_is_typed(desk: Desk) -> None:
    desk.open("/dataset?name=online_retail&tab=Change")
    desk.sees("ledgersafe contracts infer FILE --dataset online_retail writes")
    editor = desk.page.get_by_role("textbox", name="Contract (YAML)")
    assert "monospace" in editor.evaluate("element => getComputedStyle(element).fontFamily")
