"""Files: what came, what became of it and why; bad rows put right; and the way to send a file."""

import gzip
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.conftest import Api, TestDatabase
from tests.console.conftest import Console, Stand
from tests.console.deliveries import DRIFTED, GOOD, STOCK, TILL, decide, deliver, ended, put, sample, send, upload
from tests.console.desk import Desk


def test_a_tenant_without_files_is_told_what_to_do(desk: Desk) -> None:
    desk.open("/files")
    desk.sees("No file has come yet")
    with desk.running():
        desk.page.get_by_role("radio", name="Datasets").click()
    desk.sees("There is no dataset yet")
    desk.open("/delivery")
    desk.sees("This page is about one delivery")
    desk.open("/delivery?id=00000000-0000-0000-0000-000000000000")
    desk.sees("There is no delivery 00000000-0000-0000-0000-000000000000")
    desk.follow("All deliveries")
    assert not desk.troubles()


def test_the_first_file_of_an_empty_database_makes_its_tenant(
    new_database: Callable[[], TestDatabase],
    start_api: Callable[..., Api],
    start_console: Callable[..., Console],
    sit_down: Callable[..., Desk],
) -> None:
    api = start_api(new_database())
    desk = sit_down(api, start_console(api.url), all_tenants=True)
    desk.open("/files")
    desk.sees("the first one makes its tenant")
    desk.open("/files?part=Send+a+file")
    desk.fill("Tenant", desk.tenant)
    with desk.running():
        box = desk.page.get_by_role("combobox", name="Dataset")
        box.fill("stock")
        box.press("Enter")
    upload(desk, "first.csv", GOOD)
    desk.wait_until(lambda: desk.table("Sent now"), "nothing became of it")
    desk.follow("first.csv")
    desk.sees("The file is kept for good, and waits for a worker.")
    desk.open("/files")
    assert [row[1:4] for row in desk.table("Deliveries")] == [["first.csv", "stock", "received"]]


@pytest.mark.story
def test_a_file_with_drift_is_sent_and_its_report_read(desk: Desk) -> None:
    put(desk, STOCK)
    deliver(desk, "before.csv", GOOD)
    desk.open("/files?part=Send+a+file")
    desk.sees("Choose a dataset and a file")
    upload(desk, "drifted.csv", DRIFTED)
    desk.wait_until(lambda: "succeeded" in str(desk.table("Sent now")), "it was not worked through")
    assert desk.table("Sent now") == [
        ["drifted.csv", "succeeded", "1 of 3 rows are loaded; 2 rows were held.", "1", "2"]
    ]
    desk.follow("drifted.csv")
    desk.sees("2 bad rows wait for a decision")
    assert desk.table("Counts")[0][:3] == ["3", "1", "2"]
    _report(desk, "Drift")
    assert desk.table("Drift") == [
        ["Aisle", "new", "Not in the contract: left out"],
        ["Name", "missing", "Not required: empty in every row"],
    ]
    assert ["On hand", "type widened", "integer", "string"] in desk.table("Change")
    _report(desk, "Quality")
    assert [row[:5] for row in desk.table("Faults")] == [
        ["On hand", "type", "1", "3", "thirty"],
        ["On hand", "min", "1", "4", "-4"],
    ]
    _report(desk, "Lineage")
    assert ["On hand", "On hand"] in desk.table("Columns")
    _report(desk, "Facts")
    assert "drifted" not in desk.page.url
    assert ["Format", "csv"] in desk.table("Facts")
    desk.reload()
    assert ["Format", "csv"] in desk.table("Facts")
    desk.open("/files")
    assert [row[1:7] for row in desk.table("Deliveries")] == [
        ["drifted.csv", "stock", "succeeded", "1", "2", "drifted"],
        ["before.csv", "stock", "succeeded", "2", "0", "none"],
    ]


def test_the_same_file_again_is_told_kindly(desk: Desk) -> None:
    put(desk, STOCK)
    deliver(desk, "first.csv", GOOD)
    desk.open("/files?part=Send+a+file")
    upload(desk, "again.csv", GOOD)
    desk.sees("Nothing is loaded twice")
    assert desk.table("Sent now")[0][:2] == ["first.csv", "succeeded"]
    assert len(desk.ask("/v1/ingestions")["items"]) == 1
    assert not desk.troubles()


def test_what_is_no_file_of_data_is_refused_where_it_was_sent(desk: Desk) -> None:
    put(desk, STOCK)
    desk.open("/files?part=Send+a+file")
    upload(desk, "malware.exe", b"MZ")
    desk.sees("malware.exe was not taken")
    assert "UNSUPPORTED_FORMAT" in desk.troubles()[0]
    assert desk.ask("/v1/ingestions")["items"] == []


def test_a_file_that_cannot_be_read_tells_why_and_what_to_do(desk: Desk) -> None:
    put(desk, STOCK)
    name = deliver(desk, "cut.csv.gz", gzip.compress(GOOD * 50)[:-20])
    desk.open(f"/delivery?id={name}")
    desk.sees("Nothing of it is loaded until a person decides")
    desk.sees("TRUNCATED_FILE")
    desk.sees("Have it mended and send it again")
    for report in ("Bad rows", "Quality", "Drift", "Lineage", "Facts"):
        _report(desk, report)


def test_a_bad_row_is_put_right(desk: Desk) -> None:
    name = _drifted(desk)
    desk.open(f"/delivery?id={name}")
    desk.follow("3")
    assert desk.table("Faults of the row") == [["On hand", "thirty", "is no integer"]]
    desk.fill("On hand", "thirty-five")
    desk.press("Load this row…")
    dialog = desk.page.get_by_role("dialog")
    expect(dialog).to_contain_text("On hand: thirty → thirty-five")
    desk.press("Load", within=dialog)
    expect(dialog).to_contain_text("Say why first")
    desk.fill("Why", "counted again")
    desk.press("Load", within=dialog)
    expect(dialog).to_contain_text("Nothing was loaded. Row 3, On hand: is no integer")
    assert "00013" not in sample(desk)
    desk.page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    desk.fill("On hand", "35")
    decide(desk, "Load this row…", "counted again", "Load")
    desk.sees("1 row loaded: 1 inserted")
    desk.sees("1 bad row waits for a decision")
    assert sample(desk)["00013"]["on_hand"] == 35
    assert ["On hand", "thirty", "35"] in desk.table("Values")
    desk.follow("4")
    decide(desk, "Leave this row out…", "there is no such thing", "Leave out")
    desk.sees("1 row left out")
    assert desk.table("Counts")[0][3:6] == ["0", "1", "1"]
    assert desk.ask(f"/v1/ingestions/{name}")["bad_rows"] == {"open": 0, "replayed": 1, "ignored": 1}


def test_who_comes_second_is_told_who_decided(desk: Desk) -> None:
    name = _drifted(desk)
    desk.open(f"/delivery?id={name}&row=3")
    desk.fill("On hand", "35")
    desk.press("Load this row…")
    desk.fill("Why", "counted again")
    with desk.second().client() as client:
        wish = {"row_numbers": [3], "notes": "not ours"}
        client.post(f"/v1/ingestions/{name}/bad_rows/ignore", json=wish).raise_for_status()
    dialog = desk.page.get_by_role("dialog")
    desk.press("Load", within=dialog)
    expect(dialog).to_contain_text("Row 3 was left out by key:")
    expect(dialog).to_contain_text("not ours")
    desk.follow("Look again", within=dialog)
    desk.sees("This row was left out on")


def test_many_rows_are_decided_at_once(desk: Desk) -> None:
    name = _drifted(desk)
    desk.open(f"/delivery?id={name}")
    desk.page.get_by_text("Decide on several rows at once").click()
    desk.fill("Their numbers", "4-x")
    desk.sees("is no row number")
    desk.fill("Their numbers", "3-4")
    desk.choose("Put right in all of them (optional)", "On hand")
    desk.fill("With this value", "7")
    decide(desk, "Load them…", "all were counted as 7", "Load")
    desk.sees("2 rows loaded: 2 inserted")
    assert {name: row["on_hand"] for name, row in sample(desk).items()} == {"00012": 118, "00013": 7, "00015": 7}


def test_a_key_that_may_only_look_is_told_so(desk: Desk) -> None:
    name = _drifted(desk)
    reader = desk.second(scopes=("read",))
    reader.open(f"/delivery?id={name}&row=3")
    reader.sees("that needs the scope operate")
    assert reader.page.get_by_role("button", name="Load this row…").count() == 0
    reader.open("/files?part=Send+a+file")
    reader.sees("that needs the scope ingest")
    reader.open("/dataset?name=stock&tab=Change")
    reader.sees("that needs the scope admin")


def test_a_new_dataset_gets_its_contract_and_its_file_is_replayed(desk: Desk) -> None:
    desk.open("/files?part=Send+a+file")
    box = desk.page.get_by_role("combobox", name="Dataset")
    with desk.running():
        box.fill("parcels")
        box.press("Enter")
    desk.sees("parcels is new")
    upload(desk, "parcels.csv", b"ID,Weight\n7,1.5\n8,2.25\n")
    desk.wait_until(lambda: "quarantined" in str(desk.table("Sent now")), "it was not worked through")
    desk.follow("parcels.csv")
    desk.sees("NO_CONTRACT")
    desk.follow("To the contract of parcels")
    desk.sees("A contract says what a valid file is")
    contract = "dataset: parcels\nprimary_key: [ID]\ncolumns:\n  ID: {}\n  Weight: {type: 'decimals'}\n"
    desk.fill("Contract (YAML)", contract)
    desk.press("Check it")
    desk.sees("It cannot be used")
    assert desk.table("Faults of the contract")[0][0] == "/columns/Weight/type"
    desk.fill("Contract (YAML)", contract.replace("decimals", "decimal(9,3)"))
    decide(desk, "Put it in force…", "the first one", "Put it in force")
    desk.sees("Version 1 is in force now")
    desk.follow("Those quarantined")
    desk.follow("parcels.csv")
    decide(desk, "Work it through again…", "there is a contract now", "Work it through again")
    desk.sees("as a delivery of its own: this one")
    desk.sees("All of it is loaded: 2 rows.")  # it looks again by itself, should it still be at work
    replay, first = desk.ask("/v1/ingestions")["items"]
    assert (replay["status"], replay["replay_of"]) == ("succeeded", first["ingestion_id"])
    assert replay["ingestion_id"] in desk.page.url
    desk.open(f"/delivery?id={first['ingestion_id']}")
    _report(desk, "Facts")
    assert desk.table("Decisions")[0][2:4] == ["ingestion.replayed", "there is a contract now"]


def test_who_presses_twice_acts_once(desk: Desk, stand: Stand) -> None:
    name = _drifted(desk)
    desk.open(f"/delivery?id={name}")
    desk.press("Work it through again…")
    desk.fill("Why", "to be sure")
    button = desk.page.get_by_role("dialog").get_by_role("button", name="Work it through again")
    stand.api.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(2):
            button.click()
            desk.page.wait_for_timeout(500)
    finally:
        stand.api.process.send_signal(signal.SIGCONT)
    desk.sees("as a delivery of its own: this one")
    assert len(desk.ask("/v1/ingestions")["items"]) == 2


def test_a_delivery_at_work_refreshes_itself(desk: Desk) -> None:
    put(desk, STOCK)
    rows = "".join(f"{number:06},Thing {number},{number % 90}\n" for number in range(200_000))
    name = send(desk, "large.csv", f"SKU,Name,On hand\n{rows}".encode())
    desk.open(f"/delivery?id={name}")
    seen = desk.text()
    desk.sees("All of it is loaded: 200,000 rows.", seconds=60)
    assert "by itself" in seen, "it had ended before it was looked at: make the file larger"
    assert ended(desk, name)


def test_events_of_a_file_lead_to_their_exceptions(desk: Desk) -> None:
    put(desk, TILL)
    lines = b"Receipt,When,Item,Amount\nA1,2026-02-01 10:00:00,mug,4.50\nA2,2026-02-01 10:05:00,mug,-4.50\n"
    name = deliver(desk, "till.csv", lines, "till")
    desk.open(f"/delivery?id={name}")
    desk.sees("One event of it is parked")
    assert desk.table("Exceptions of this file") == [["till-A2", "open", "NEGATIVE_AMOUNT", "-4.5 EUR"]]
    desk.follow("till-A2")
    assert re.search(r"/exception\?.*id=", desk.page.url)


def test_filters_pages_and_shared_links(desk: Desk) -> None:
    put(desk, STOCK)
    for number in range(55):
        send(desk, f"{number:02}.csv", b"SKU,On hand\n%05d,1\n" % number)
    held = send(desk, "held.csv", b"SKU,Name\n1,x\n")
    desk.wait_until(lambda: ended(desk, held), "they were not worked through", seconds=60)
    desk.open("/files")
    assert len(desk.table("Deliveries")) == 50
    desk.follow("Next page")
    assert [row[1] for row in desk.table("Deliveries")] == [f"{number:02}.csv" for number in (5, 4, 3, 2, 1, 0)]
    address = desk.page.url
    desk.choose("State", "quarantined")
    assert [row[1] for row in desk.table("Deliveries")] == ["held.csv"]
    assert "state=quarantined" in desk.page.url
    assert "cursor" not in desk.page.url
    desk.reload()
    assert [row[1] for row in desk.table("Deliveries")] == ["held.csv"]
    other = desk.second(scopes=("read",))
    other.open(desk.page.url.removeprefix(desk.console))
    assert [row[1] for row in other.table("Deliveries")] == ["held.csv"]
    other.open(address.removeprefix(desk.console))
    assert len(other.table("Deliveries")) == 6
    other.follow("First page")
    assert len(other.table("Deliveries")) == 50
    other.choose("State", "failed")
    other.sees("No delivery is so")


def test_a_page_of_bad_rows_comes_by_cursor(desk: Desk) -> None:
    put(desk, STOCK)
    lines = "".join(f"{number:05},x,many\n" for number in range(60))
    name = deliver(desk, "bad.csv", f"SKU,Name,On hand\n99999,x,1\n{lines}".encode())
    desk.open(f"/delivery?id={name}")
    assert len(desk.table("Bad rows")) == 50
    desk.follow("Next page")
    assert [row[0] for row in desk.table("Bad rows")] == [str(number) for number in range(53, 63)]
    desk.choose("Rows that are", "ignored")
    desk.sees("None of its bad rows is ignored")


_HOSTILE = '<img src=x onerror="window.hacked=1"> **b** [l](javascript:window.hacked=1) $x^2$ :material/home: `c`'


def test_what_senders_wrote_is_shown_as_text(desk: Desk) -> None:
    put(desk, STOCK)
    cell = _HOSTILE.replace('"', '""')
    content = f'SKU,Name,On hand\n1,"{cell}","{cell}"\n2,"{cell}",2\n'.encode()
    name = deliver(desk, f"{_HOSTILE}.csv", content)
    desk.open("/files")
    assert desk.table("Deliveries")[0][1] == f"{_HOSTILE}.csv"
    desk.open(f"/delivery?id={name}&row=2")
    assert desk.page.get_by_role("heading", level=1).inner_text().replace("\u2060", "") == f"{_HOSTILE}.csv"
    assert desk.table("Faults of the row")[0][1] == _HOSTILE
    expect(desk.page.get_by_role("textbox", name="On hand")).to_have_value(_HOSTILE)
    desk.fill("On hand", f"{_HOSTILE}!")
    desk.press("Load this row…")
    dialog = desk.page.get_by_role("dialog")
    assert "**b** [l](javascript:window.hacked=1)" in dialog.inner_text()
    assert dialog.locator("img, a").count() == 0
    for page in (
        f"/delivery?id={name}&report=Quality",
        f"/delivery?id={name}&report=Facts",
        "/dataset?name=stock&tab=Sample",
    ):
        desk.open(page)
        assert desk.page.get_by_test_id("stMain").locator("img").count() == 0
    assert [row[1] for row in desk.table("Sample")] == [_HOSTILE]
    assert desk.page.evaluate("window.hacked") is None


def test_pages_fit_a_tablet(desk: Desk) -> None:
    name = _drifted(desk)
    tablet = desk.second(size=(820, 1180))
    for page in ("/files", f"/delivery?id={name}&row=3", f"/delivery?id={name}&report=Facts", "/dataset?name=stock"):
        tablet.open(page)
        assert tablet.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page
        assert not tablet.troubles()


def _drifted(desk: Desk) -> str:
    """A delivery with a bad value in row 3 and another in row 4."""
    put(desk, STOCK)
    return deliver(desk, "drifted.csv", DRIFTED)


def _report(desk: Desk, name: str) -> None:
    with desk.running():
        desk.page.get_by_role("radio", name=name).click()
    assert not [trouble for trouble in desk.troubles() if "encountered" in trouble]
