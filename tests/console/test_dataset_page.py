"""Dataset: its contract with every version, the headers that came, how deliveries go, and rows of its table."""

from typing import Any

from tests.console.deliveries import DRIFTED, GOOD, STOCK, TILL, decide, deliver, put, sample
from tests.console.desk import Desk

_SECOND: dict[str, Any] = STOCK | {
    "columns": STOCK["columns"] | {"On hand": {"type": "integer", "required": True, "aliases": ["Left"]}}
}


def test_a_dataset_that_nobody_knows_is_told_so(desk: Desk) -> None:
    desk.open("/dataset")
    desk.sees("This page is about one dataset")
    desk.open("/dataset?name=nothing")
    desk.sees("Nobody has put a contract for it, and no file of it has come.")
    for tab, told in (
        ("Contract", "There is no contract yet"),
        ("Columns", "No file of it has been read yet"),
        ("Trends", "No file of it has been read yet"),
        ("Sample", "There is no row to show"),
    ):
        desk.open(f"/dataset?name=nothing&tab={tab}")
        desk.sees(told)
    assert not desk.troubles()


def test_versions_of_a_contract_are_compared(desk: Desk) -> None:
    put(desk, STOCK)
    put(desk, _SECOND)
    desk.open("/dataset?name=stock")
    desk.sees("What the *shops* have")
    desk.sees("contract version 2")
    desk.sees("- Left")
    assert [row[0] for row in desk.table("Versions")] == ["2", "1"]
    assert desk.table("Versions")[1][4] == "the first one"
    desk.follow("2")
    shown = desk.page.get_by_test_id("stCode").inner_text()
    assert "-    min: 0" in shown
    assert "+    - Left" in shown
    assert "against=1" in desk.page.url
    desk.choose("Compare it with", "Nothing")
    desk.choose("Version", "1")
    assert "min: 0" in desk.page.get_by_test_id("stCode").inner_text()
    desk.reload()
    assert "min: 0" in desk.page.get_by_test_id("stCode").inner_text()
    other = desk.second(scopes=("read",))
    other.open(desk.page.url.removeprefix(desk.console))
    assert "min: 0" in other.page.get_by_test_id("stCode").inner_text()


def test_what_changes_is_shown_before_a_contract_is_put(desk: Desk) -> None:
    put(desk, STOCK)
    desk.open("/dataset?name=stock&tab=Change")
    box = desk.page.get_by_role("textbox", name="Contract (YAML)")
    written = box.input_value()
    assert desk.page.get_by_role("button", name="Put it in force…").is_disabled()
    desk.fill("Contract (YAML)", "columns: [")
    desk.press("Check it")
    desk.sees("It is no YAML")
    desk.fill("Contract (YAML)", written.replace("min: 0", "min: 1"))
    desk.press("Check it")
    desk.sees("It can be used.")
    assert "+    min: 1" in desk.page.get_by_test_id("stCode").inner_text()
    decide(desk, "Put it in force…", "nobody counts nothing", "Put it in force")
    desk.sees("Version 2 is in force now")
    desk.sees("columns/On hand")
    stored = desk.ask("/v1/datasets/stock/contract")
    assert (stored["version"], stored["notes"]) == (2, "nobody counts nothing")
    assert stored["contract"]["columns"]["On hand"]["min"] == 1
    desk.open("/dataset?name=stock")
    assert desk.table("Versions")[0][3] == "nobody counts nothing"


def test_a_contract_that_its_table_does_not_fit_is_refused_in_words(desk: Desk) -> None:
    put(desk, STOCK)
    deliver(desk, "good.csv", GOOD)
    desk.open("/dataset?name=stock&tab=Change")
    written = desk.page.get_by_role("textbox", name="Contract (YAML)").input_value()
    desk.fill("Contract (YAML)", written.replace("type: integer", "type: date").replace("    min: 0\n", ""))
    desk.press("Put it in force…")
    desk.fill("Why", "it is a day")
    dialog = desk.page.get_by_role("dialog")
    desk.press("Put it in force", within=dialog)
    assert "CURATED_CLASH" in dialog.inner_text()
    assert desk.ask("/v1/datasets/stock/contract")["version"] == 1


def test_headers_trends_and_sample(desk: Desk) -> None:
    put(desk, STOCK)
    first = deliver(desk, "good.csv", GOOD)
    deliver(desk, "drifted.csv", DRIFTED)
    desk.open("/files?part=Datasets")
    assert desk.table("Datasets")[0][:4] == ["stock", "a table", "version 1", "2"]
    desk.follow("stock")
    with desk.running():
        desk.page.get_by_role("radio", name="Columns").click()
    newest, oldest = desk.table("Headers")
    assert newest[3].splitlines() == ["new: Aisle", "gone: Name", "On hand: integer became string"]
    assert oldest[3] == ""
    with desk.running():
        desk.page.get_by_role("radio", name="Trends").click()
    assert [row[1:] for row in desk.table("Trend")] == [
        ["drifted.csv", "succeeded", "3", "1", "2", "type: 1\nmin: 1"],
        ["good.csv", "succeeded", "2", "2", "0", ""],
    ]
    assert desk.page.get_by_test_id("stVegaLiteChart").count() == 2
    assert "tab=Trends" in desk.page.url
    desk.reload()
    assert desk.page.get_by_test_id("stVegaLiteChart").count() == 2
    with desk.running():
        desk.page.get_by_role("radio", name="Sample").click()
    assert sorted(row[:3] for row in desk.table("Sample")) == [["00012", "", "118"], ["00013", "Teapot", "35"]]
    assert len(sample(desk)) == 2
    desk.page.get_by_role("row", name="Teapot").get_by_role("link").click()
    desk.page.wait_for_url(f"**/delivery?*id={first}*")


def test_a_dataset_of_events_has_no_table(desk: Desk) -> None:
    put(desk, TILL)
    desk.open("/dataset?name=till&tab=Sample")
    desk.sees("Its rows become events for the ledger: it has no table of its own.")


def test_an_all_tenants_key_says_whose(overseer: Desk) -> None:
    put(overseer, STOCK)
    deliver(overseer, "good.csv", GOOD)
    overseer.open("/dataset?name=stock")
    if "Choose a tenant at the left" in overseer.text():
        overseer.open(f"/dataset?name=stock&tenant={overseer.tenant}")
    overseer.sees("1 delivery, the last on")
    overseer.open(f"/files?tenant={overseer.tenant}")
    assert [row[1] for row in overseer.table("Deliveries")] == ["good.csv"]
