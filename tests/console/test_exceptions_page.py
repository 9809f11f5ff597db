"""The queue: found by its filters, assigned, decided on in bulk, and fast however long it is."""

import re
import signal
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

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


def opens(desk: Desk, why: str, button: str) -> None:
    """Give a reason, and press."""
    desk.page.get_by_role("textbox", name=REASON).fill(why)
    desk.press(button)


def start(desk: Desk, why: str, button: str) -> None:
    """Give a reason, press, and say yes."""
    opens(desk, why, button)
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
    desk.page.get_by_role("button", name="e0", exact=True).click()
    desk.press("Assign to me")
    desk.sees(f"test ({desk.ask('/v1/whoami')['actor']})")
    desk.page.get_by_role("button", name="e2", exact=True).click()  # the other one is chosen yet
    desk.page.get_by_label("Assigned to (empty: nobody)").fill("maria")
    desk.press("Assign")
    desk.sees("maria")
    desk.open("/exceptions?assignee=maria")
    assert events(desk) == ["e0", "e2"]


def test_one_that_was_decided_meanwhile_keeps_no_other_from_being_assigned(desk: Desk) -> None:
    desk.send(*(parked(desk, f"e{number}") for number in range(3)))
    first = desk.ask("/v1/exceptions")["items"][0]["exception_id"]
    desk.open("/exceptions")
    desk.page.get_by_text("Assign some of these").click()
    for name in ("e0", "e2"):
        desk.page.get_by_role("button", name=name, exact=True).click()
    desk.page.get_by_label("Assigned to (empty: nobody)").fill("maria")
    let_go = {"action": "mark_resolved_no_replay", "resolution_notes": "meanwhile"}
    with desk.client() as client:
        client.post(f"/v1/exceptions/{first}/resolve", json=let_go).raise_for_status()
    desk.press("Assign")
    desk.sees("1 of 2 are assigned. Not so: e0.")
    desk.open("/exceptions?assignee=maria")
    assert events(desk) == ["e2"]


def test_whom_it_is_assigned_to_is_text(desk: Desk) -> None:
    """For who may only read too: that line is not a field."""
    hostile = "![x](http://evil.example/i.png) [l](http://evil.example) $x^2$ **b**"
    exception = desk.send(parked(desk, "e1"))[0]["exception_id"]
    with desk.client() as client:
        client.post(f"/v1/exceptions/{exception}/assign", json={"assigned_to": hostile}).raise_for_status()
    reader = desk.second(scopes=("read",))
    reader.open(f"/exception?id={exception}")
    reader.sees("your key may only read")
    main = reader.page.get_by_test_id("stMain")
    assert main.locator("img, .katex, strong:text-is('b'), a[href*=evil]").count() == 0
    assert "**b**" in reader.text()


def test_a_bulk_run_is_planned_confirmed_and_followed(desk: Desk) -> None:
    """Its plan is tried out; its address shows its progress to whoever opens it; each outcome is listed."""
    desk.send(*(parked(desk, f"e{number}") for number in range(4)), parked(desk, "zero", total_amount="-1"))
    desk.open("/exceptions?view=many&reason=CURRENCY_UNKNOWN")
    pick(desk, "Patch them, then replay")
    desk.sees("5 open exceptions, worth 169 XXZ: nothing is changed yet")
    assert "Not possible now" in desk.table("The first of them")[0][4]
    desk.fill("Patch (JSON)", '{"currency": "EUR"}')
    plan = desk.table("The first of them")
    assert plan[0][4] == "Posts a SALE of 42.5 EUR on 2026-02-25."
    number = len(plan)
    button = f"Patch them, then replay: {number} exceptions"
    desk.press(button)
    desk.sees("Say why")
    assert desk.ask("/v1/bulk-runs")["items"] == []
    opens(desk, "the till was set up wrongly", button)
    dialog = desk.page.get_by_role("dialog")
    expect(dialog.get_by_role("region", name="The patch")).to_contain_text('"currency": "EUR"')
    expect(dialog).to_contain_text("Reason: CURRENCY_UNKNOWN")
    desk.press("Yes, run it", within=dialog)
    desk.sees(f"{number} of {number} decided on: finished", 30)
    desk.sees("Reason: CURRENCY_UNKNOWN · Opened until: 20")
    expect(desk.page.get_by_role("region", name="The patch")).to_contain_text('"currency": "EUR"')
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


def test_what_comes_while_a_run_is_confirmed_is_not_decided_on(desk: Desk) -> None:
    """And where what was shown is not there any more as it was, nothing begins until it is looked at again: be it that
    it changed before the button was pressed, or with the dialog open.
    """
    desk.send(*(parked(desk, f"e{number}") for number in range(3)))
    desk.open("/exceptions?view=many&do=ignore")
    desk.sees("3 open exceptions, worth 127.5 XXZ: nothing is changed yet")
    desk.send(parked(desk, "e0", total_amount="8888"))
    opens(desk, "a test at the till", "Let them go: 3 exceptions")
    desk.sees("What you looked at has changed: it was 3 open exceptions, worth 127.5 XXZ.")
    assert desk.page.get_by_role("dialog").count() == 0
    opens(desk, "a test at the till", "Let them go: 3 exceptions")
    desk.send(parked(desk, "late", total_amount="5000"))
    desk.press("Yes, run it", within=desk.page.get_by_role("dialog"))
    desk.sees("3 of 3 decided on: finished", 30)
    assert [one["idempotency_key"] for one in desk.ask("/v1/exceptions", status="open")["items"]] == ["late"]
    desk.open("/exceptions?view=many&do=ignore")
    opens(desk, "a test at the till", "Let them go: 1 exception")
    desk.send(parked(desk, "late", total_amount="6000"))
    desk.press("Yes, run it", within=desk.page.get_by_role("dialog"))
    dialog = desk.page.get_by_role("dialog")
    expect(dialog).to_contain_text("What was planned has changed")
    assert len(desk.ask("/v1/bulk-runs")["items"]) == 1
    desk.press("No, go back", within=dialog)
    desk.sees("What you looked at has changed: it was 1 open exception, worth 5,000 XXZ.")
    opens(desk, "seen", "Let them go: 1 exception")
    desk.press("Yes, run it", within=dialog)
    desk.sees("1 of 1 decided on: finished", 30)


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
        assert sorted(row[:2] for row in desk.table("Exceptions of the run")) == sorted(
            [f"e{number}", "to come"] for number in range(12)
        )
    finally:
        stand.worker.send_signal(signal.SIGCONT)
    desk.page.wait_for_timeout(1_500)
    assert len(desk.ask("/v1/exceptions", status="open")["items"]) == 12
    desk.page.get_by_role("button", name="Go on").click()
    desk.sees("12 of 12 decided on: finished", 30)
    assert desk.ask("/v1/exceptions", status="open")["items"] == []
    (run,) = desk.ask("/v1/bulk-runs")["items"]
    told = desk.text()
    assert all(f"{did} by" in told for did in ("Stopped", "Resumed"))
    desk.open("/exceptions?view=runs")
    assert [row[2:6] for row in desk.table("Bulk runs")] == [["let go", f"test ({run['actor']})", "finished", "12"]]


def test_runs_of_a_tenant_among_many_of_others(desk: Desk, overseer: Desk) -> None:
    """With a key of all tenants the tenant that is chosen is asked for: others may have run more, and later."""
    wish = {"action": "mark_resolved_no_replay", "resolution_notes": "x"}
    with overseer.client() as client:
        for tenant, runs in ((desk.tenant, 1), (f"{desk.tenant}-busy", 51)):
            assert client.post("/v1/events", json=sale(tenant, "e1")).status_code == 201
            for _ in range(runs):
                started = client.post("/v1/exceptions:resolve", json=wish | {"filter": {"tenant_id": tenant}})
                assert started.status_code == 202, started.text
    overseer.open(f"/exceptions?view=runs&tenant={desk.tenant}")
    assert [row[1] for row in overseer.table("Bulk runs")] == [desk.tenant]
    overseer.open(f"/exceptions?view=runs&tenant={desk.tenant}-busy")
    first = overseer.table("Bulk runs")
    overseer.follow("Next page")
    assert (len(first), len(overseer.table("Bulk runs"))) == (50, 1)


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


def test_the_queue_is_left_and_found_again_as_it_was(desk: Desk) -> None:
    """From an exception back to the filters and the page that it was come to from, and on to the following one."""
    desk.send(*(parked(desk, f"e{number:03}") for number in range(54)), parked(desk, "other", store_id="store_002"))
    desk.open("/exceptions?store=store_001&reason=CURRENCY_UNKNOWN")
    expect(desk.page.get_by_text("54 exceptions in all, 50 on this page; oldest first.")).to_be_visible()
    first = events(desk)
    desk.follow("Next page")
    second, there = events(desk), desk.page.url
    expect(desk.page.get_by_text("54 exceptions in all, 4 on this page; oldest first.")).to_be_visible()
    desk.follow(second[2])
    desk.follow(f"Next: {second[3]} →")
    assert desk.page.get_by_role("heading", level=1).inner_text() == second[3]
    desk.sees("This is the last one of that queue.")
    desk.reload()
    desk.follow("← Exceptions")
    assert (same(desk.page.url), events(desk)) == (same(there), second)
    desk.follow("First page")
    desk.follow(first[-1])
    desk.follow(f"Next: {second[0]} →")
    desk.follow("← Exceptions")
    assert (same(desk.page.url), events(desk)) == (same(there), second)


def same(url: str) -> dict[str, list[str]]:
    """What an address asks for, in any order."""
    return parse_qs(urlsplit(url).query)


def test_one_after_another_is_decided(desk: Desk) -> None:
    """The way on is there after a decision, too, when the queue is shorter by one; so is the way back."""
    desk.send(*(parked(desk, f"e{number}") for number in range(3)))
    desk.open("/exceptions?reason=CURRENCY_UNKNOWN")
    desk.sees("3 exceptions; oldest first.")
    order = events(desk)
    desk.follow(order[0])
    for name, following in zip(order, [*order[1:], None], strict=True):
        assert desk.page.get_by_role("heading", level=1).inner_text() == name
        desk.sees(f"Next: {following} →" if following else "This is the only one of that queue.")
        pick(desk, "Let it go")
        desk.page.get_by_role("textbox", name=REASON).fill("a test at the till")
        desk.press("Decide: Let it go")
        desk.press("Yes, decide", within=desk.page.get_by_role("dialog"))
        desk.sees("Done. Let go: it counts nowhere")
        if following is not None:
            desk.follow(f"Next: {following} →")
    desk.sees("Nothing else is left in that queue.")
    desk.follow("← Exceptions")
    desk.sees("No exception is like this.")
    assert same(desk.page.url)["reason"] == ["CURRENCY_UNKNOWN"]


def test_the_queue_of_all_tenants_stays_that(desk: Desk, overseer: Desk) -> None:
    """An exception is of one tenant; the queue that leads to it is not."""
    desk.send(parked(desk, "mine-1"), parked(desk, "mine-2") | {"tenant_id": f"{desk.tenant}-2"})
    overseer.open("/exceptions?text=mine-")
    names = [row[2].split("\n")[0] for row in overseer.table("Exceptions")]
    overseer.follow("mine-1")
    assert same(overseer.page.url)["tenant"] == [desk.tenant]
    at = names.index("mine-1")
    overseer.sees(f"Next: {names[at + 1]} →" if at + 1 < len(names) else "This is the last one of that queue.")
    overseer.follow("← Exceptions")
    assert [row[2].split("\n")[0] for row in overseer.table("Exceptions")] == names
    assert "tenant" not in same(overseer.page.url)


@pytest.mark.parametrize(
    "queue", ["x", "status=%00&age=never&cursor=x", "tenant=of-somebody-else", "text=" + "x" * 999]
)
def test_a_queue_that_is_none(desk: Desk, queue: str) -> None:
    """Made by hand, or of somebody with another key: the exception is shown all the same."""
    exception_id = desk.send(parked(desk, "e1"))[0]["exception_id"]
    desk.open(f"/exception?id={exception_id}&queue={quote(queue)}")
    assert desk.page.get_by_role("heading", level=1).inner_text() == "e1"
    assert not desk.troubles()


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
