"""The queue: found by its filters, assigned, decided on in bulk, and fast however long it is."""

import re
import signal
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Stand
from tests.console.desk import Desk
from tests.events import sale

REASON = "Your reason (required; it is kept in the audit log)"


def parked(desk: Desk, name: str, **changes: object) -> dict[str, object]:
    """A sale in a currency that does not exist."""
    return sale(desk.tenant, name, **({"currency": "XXZ"} | changes))


def events(desk: Desk) -> list[str]:
    """The keys on the page of the queue."""
    return [row[1].split("\n")[0] for row in desk.table("Exceptions")]


def pick(desk: Desk, title: str) -> None:
    """Choose what is to become of many."""
    with desk.running():
        desk.page.get_by_test_id("stRadio").get_by_text(title, exact=True).click()


def start(desk: Desk, why: str, button: str) -> None:
    """Give a reason, press, and say yes."""
    desk.page.get_by_role("textbox", name=REASON).fill(why)
    desk.press(button)
    desk.press("Yes, run it", within=desk.page.get_by_role("dialog"))
    expect(desk.page.get_by_role("dialog")).to_have_count(0)
    desk.settle()


def test_a_row_says_all_there_is_to_know(desk: Desk) -> None:
    desk.send(parked(desk, "e1", store_id="store_009"))
    desk.open("/exceptions")
    ((age, event, stake, reason, store, assignee),) = desk.table("Exceptions")
    assert re.fullmatch(r"\d+ (s|min)", age)
    assert event.split("\n") == ["e1", "SALE"]
    assert stake == "42.5 XXZ"
    assert reason.split("\n") == ["CURRENCY_UNKNOWN", "The currency is not an ISO 4217 code."]
    assert store.split("\n") == ["store_009", "pos_sim"]
    assert assignee == ""


def test_filters_are_in_the_address(desk: Desk) -> None:
    desk.send(parked(desk, "e1"), parked(desk, "e2", store_id="store_002"), parked(desk, "e3", event_type="GIFT"))
    desk.open("/exceptions")
    desk.choose("Reason", "CURRENCY_UNKNOWN")
    assert events(desk) == ["e1", "e2"]
    desk.fill("Store", "store_002")
    assert events(desk) == ["e2"]
    assert parse_qs(urlsplit(desk.page.url).query) == {"reason": ["CURRENCY_UNKNOWN"], "store": ["store_002"]}
    desk.reload()
    assert events(desk) == ["e2"]
    other = desk.second()
    other.open(desk.page.url.removeprefix(desk.console))
    assert events(other) == ["e2"]
    desk.choose("Older than", "30 days")
    desk.sees("No exception is like this. Clear a filter to see more.")
    desk.open("/exceptions?text=gift")
    assert events(desk) == ["e3"]


def test_an_empty_queue_says_why(desk: Desk) -> None:
    desk.open("/exceptions")
    desk.sees("There is nothing here yet.")
    desk.send(sale(desk.tenant, "e1"))
    desk.reload()
    desk.sees("Nothing is parked")
    desk.open("/exceptions?view=runs")
    desk.sees("No bulk run yet")
    desk.open("/exceptions?view=runs&run=nonsense")
    desk.sees("There is no bulk run nonsense")
    assert not desk.troubles()


def test_some_of_a_page_are_assigned(desk: Desk) -> None:
    desk.send(*(parked(desk, f"e{number}") for number in range(3)))
    desk.open("/exceptions")
    desk.page.get_by_text("Assign some of these").click()
    for name in ("e0", "e2"):
        desk.page.get_by_role("button", name=name, exact=True).click()
    desk.page.get_by_label("Assigned to (empty: nobody)").fill("maria")
    desk.press("Assign")
    desk.sees("maria")
    desk.open("/exceptions?assignee=maria")
    assert events(desk) == ["e0", "e2"]


@pytest.mark.story
def test_a_bulk_run_is_planned_confirmed_and_followed(desk: Desk) -> None:
    """Its plan is tried out; its address shows its progress to whoever opens it; each outcome is listed."""
    desk.send(*(parked(desk, f"e{number}") for number in range(4)), parked(desk, "zero", total_amount="-1"))
    desk.open("/exceptions?view=many&reason=CURRENCY_UNKNOWN")
    pick(desk, "Patch them, then replay")
    desk.sees("would be decided on; nothing is changed yet")
    assert "Not possible now" in desk.table("The first of them")[0][4]
    desk.fill("Patch (JSON)", '{"currency": "EUR"}')
    plan = desk.table("The first of them")
    assert plan[0][4] == "Posts a SALE of 42.5 EUR on 2026-02-25."
    number = len(plan)
    button = f"Patch them, then replay: {number} exceptions"
    desk.press(button)
    desk.sees("Say why")
    assert desk.ask("/v1/bulk-runs")["items"] == []
    start(desk, "the till was set up wrongly", button)
    desk.sees(f"{number} of {number} decided on: finished", 30)
    (run,) = desk.ask("/v1/bulk-runs")["items"]
    assert (run["planned"], run["notes"]) == (number, "the till was set up wrongly")
    assert parse_qs(urlsplit(desk.page.url).query)["run"] == [run["run_id"]]
    desk.reload()
    desk.sees("decided on: finished")
    outcomes = [row[1] for row in desk.table("Exceptions of the run")]
    assert outcomes.count("resolved") == run["resolved"] >= 4
    desk.choose("What became of each", "resolved")
    desk.follow(desk.table("Exceptions of the run")[0][0])
    desk.sees("Already resolved.")
    desk.sees("the till was set up wrongly")


def test_a_run_is_stopped_and_goes_on(stand: Stand, desk: Desk) -> None:
    """While its worker stands still: its address shows it running; stopped, it decides on nothing; then it goes on."""
    desk.send(*(parked(desk, f"e{number}") for number in range(12)))
    stand.worker.send_signal(signal.SIGSTOP)
    try:
        desk.open("/exceptions?view=many&do=ignore")
        start(desk, "a test at the till", "Let them go: 12 exceptions")
        desk.sees("0 of 12 decided on: running")
        desk.reload()
        desk.sees("0 of 12 decided on: running")
        desk.page.get_by_role("button", name="Stop it").click()
        desk.sees("0 of 12 decided on: cancelled")
        desk.settle()
        assert [row[1] for row in desk.table("Exceptions of the run")] == ["to come"] * 12
    finally:
        stand.worker.send_signal(signal.SIGCONT)
    desk.page.wait_for_timeout(1_500)
    assert len(desk.ask("/v1/exceptions", status="open")["items"]) == 12
    desk.page.get_by_role("button", name="Go on").click()
    desk.sees("12 of 12 decided on: finished", 30)
    assert desk.ask("/v1/exceptions", status="open")["items"] == []
    (run,) = desk.ask("/v1/bulk-runs")["items"]
    desk.open("/exceptions?view=runs")
    assert [row[2:6] for row in desk.table("Bulk runs")] == [["let go", run["actor"], "finished", "12"]]


def test_pages_of_a_long_queue(desk: Desk) -> None:
    desk.send(*(parked(desk, f"e{number:03}") for number in range(60)))
    desk.open("/exceptions")
    first = events(desk)
    assert len(first) == 50
    desk.follow("Next page")
    second = events(desk)
    assert sorted(first + second) == [f"e{number:03}" for number in range(60)]
    desk.fill("Text", "e01")
    assert len(events(desk)) == 10
    assert "cursor" not in desk.page.url


def test_hostile_text_in_the_queue(desk: Desk) -> None:
    key = "<script>document.title='gone'</script> ](http://evil.example) **b** :red[x]"
    desk.send(parked(desk, key, store_id="<img src=x onerror=alert(1)>"))
    desk.open("/exceptions")
    assert events(desk) == [key[:60] + f"… ({len(key) - 60} more characters)"]
    assert desk.page.title() != "gone"
    assert desk.page.get_by_test_id("stMain").locator("script, img").count() == 0
    desk.follow(events(desk)[0])
    assert desk.page.get_by_role("heading", level=1).inner_text() == key


def test_who_may_only_read_decides_on_nothing(stand: Stand, sit_down: Callable[..., Desk], desk: Desk) -> None:
    desk.send(parked(desk, "e1"))
    reader = sit_down(stand.api, stand.console, scopes=("read",))
    reader.open("/exceptions")
    assert events(reader) == ["e1"]
    assert reader.page.get_by_text("Assign some of these").count() == 0
    reader.open("/exceptions?view=many&do=ignore")
    reader.sees("Your key may only read")
