"""The page of one exception: what is wrong, what each decision would do, deciding, and what became of it."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Dialog, expect

from ledgersafe.console.parts.origin import AS_IT_IS
from ledgersafe.kernel.strict_yaml import read_yaml
from tests.console.conftest import Stand
from tests.console.deliveries import deliver, put
from tests.console.desk import Desk
from tests.contracts.test_dataset_real_days import CONTRACT as RETAIL
from tests.events import sale

HOSTILE = "<script>document.title='gone'</script> **bold** ](http://evil.example) :red[x] $x^2$ `c` <img src=x onerror=alert(1)>"
REASON = "Your reason (required; it is kept in the audit log)"
ENTRIES = "Entries that would be made"
ODD_DAY = b"""Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country
496349,21523,FANCY FONT HOME SWEET HOME DOORMAT,2,2010-02-01 08:13:00,6.75,14739,United Kingdom
496349,21524,SPOTTY  HOME SWEET HOME DOORMAT,2,2010-02-01 08:13:00,6.75,14739,United Kingdom
C496350,M,Manual,1,2010-02-01 08:24:00,373.57,,United Kingdom
C496360,20679,EDWARDIAN PARASOL RED,-1,2010-02-01 10:19:00,5.95,17969,United Kingdom
"""
AS_WRITTEN = ["Row", *ODD_DAY.decode().splitlines()[0].split(",")]


def of_amount(tenant: str, event_id: str, total: str, **changes: Any) -> dict[str, Any]:
    """A sale of one line."""
    line = {"sku": "M", "name": "Manual", "qty": "1", "unit_price": total, "amount": total}
    return sale(tenant, event_id) | {"total_amount": total, "currency": "GBP", "line_items": [line]} | changes


def held(desk: Desk, *events: dict[str, Any]) -> str:
    """Send events; the exception of the last."""
    return desk.send(*events)[-1]["exception_id"]


def conflict(desk: Desk, event_id: str) -> str:
    """42.50, posted, and then 45.20 under the same key."""
    desk.send(of_amount(desk.tenant, event_id, "42.50"))
    desk.posted(event_id)
    return held(desk, of_amount(desk.tenant, event_id, "45.20", cashier_id="c-9"))


def odd_return(tenant: str) -> dict[str, Any]:
    """The one odd cancellation of a retailer's real year."""
    line = {"sku": "M", "name": "Manual", "qty": "-1", "unit_price": "373.57", "amount": "-373.57"}
    odd = {"event_type": "RETURN", "total_amount": "-373.57", "payment_method": "invoice", "txn_id": "C496350"}
    return of_amount(tenant, "or-C496350", "1.00") | odd | {"line_items": [line]}


def unfold(desk: Desk) -> None:
    """Have the file's own rows shown."""
    with desk.running():
        desk.page.get_by_text(AS_IT_IS).click()


def without_age(text: str) -> str:
    """What a page says, less how old it is."""
    return re.sub(r"[0-9]+ (s|min) old", "", text)


def pick(desk: Desk, title: str) -> None:
    """Choose a way to decide."""
    with desk.running():
        desk.page.get_by_test_id("stRadio").get_by_text(title, exact=True).click()


def decide(desk: Desk, title: str, why: str) -> None:
    """Give a reason, press, and say yes."""
    desk.page.get_by_role("textbox", name=REASON).fill(why)
    desk.press(f"Decide: {title}")
    expect(desk.page.get_by_role("dialog")).to_contain_text(why)
    desk.press("Yes, decide", within=desk.page.get_by_role("dialog"))
    expect(desk.page.get_by_role("dialog")).to_have_count(0)
    desk.settle()


@pytest.mark.story
def test_a_conflict_is_found_compared_patched_and_replayed(desk: Desk) -> None:
    exception_id = conflict(desk, "twice-1")
    desk.open("/exceptions?reason=IDEMPOTENCY_CONFLICT")
    desk.follow("twice-1")
    assert f"id={exception_id}" in desk.page.url
    differences = {row[0]: row[1:] for row in desk.table("Differences")}
    assert differences["/total_amount"] == ['"42.50"', '"45.20"']
    assert differences["/cashier_id"] == ["nothing", '"c-9"']
    marks = desk.page.get_by_role("region", name="LAST payload").locator("mark").all_inner_texts()
    assert '"total_amount": "45.20",' in marks
    desk.sees("Takes back a SALE of 42.50 GBP")

    pick(desk, "Patch it by hand")
    desk.fill("Patch (JSON)", '{"total_amount": "44.00", ')
    desk.sees("This is not JSON")
    desk.fill("Patch (JSON)", '{"total_amount": "99.00"}')
    faults = desk.table("What speaks against it")
    assert [row[0] for row in faults] == ["/total_amount"]
    expect(desk.page.get_by_role("button", name="Decide: Patch it by hand")).to_be_disabled()
    line = '{"sku": "M", "qty": "1", "unit_price": "44.00", "amount": "44.00"}'
    desk.fill("Patch (JSON)", f'{{"total_amount": "44.00", "line_items": [{line}]}}')
    would_be = [row[2:] for row in desk.table(ENTRIES)]
    assert ["posted", "4000 Sales revenue", "", "44.00 GBP"] in would_be
    assert ["taken back", "4000 Sales revenue", "42.50 GBP", ""] in would_be

    decide(desk, "Patch it by hand", "the receipt says 44")
    desk.sees("Done. A payload was accepted")
    became = [row[2:] for row in desk.table("Entries of this event")]
    assert ["posted", "4000 Sales revenue", "", "44.00 GBP"] in became
    assert ["taken back", "4000 Sales revenue", "42.50 GBP", ""] in became
    trace = desk.ask("/v1/events/twice-1")
    assert sum(float(entry["amounts"][-1]) for entry in trace["entries"]) == pytest.approx(-44.0)
    assert trace["exceptions"][0]["resolution_notes"] == "the receipt says 44"
    assert desk.page.get_by_role("link", name="Its trace").get_attribute("href")
    assert not desk.troubles()


@pytest.mark.story
def test_the_odd_cancellation_is_resolved_by_somebody_new(desk: Desk) -> None:
    """From Health by clicks alone. The file's own row is shown; each choice says what it would do to the books; nothing is
    decided without a reason and a yes.
    """
    put(desk, read_yaml(RETAIL.read_text(encoding="utf-8")))
    deliver(desk, "2010-02-01.csv", ODD_DAY, "online_retail")
    desk.open("/")
    desk.follow("1 parked event")
    desk.follow("or-C496350")
    unfold(desk)
    assert dict(zip(AS_WRITTEN, desk.table("File 2010-02-01.csv, row 4")[0], strict=True)) == {
        "Row": "4", "Invoice": "C496350", "StockCode": "M", "Description": "Manual", "Quantity": "1",
        "InvoiceDate": "2010-02-01 08:24:00", "Price": "373.57", "Customer ID": "", "Country": "United Kingdom",
    }  # fmt: skip
    assert [row[0] for row in desk.table("Faults")] == ["/total_amount", "/line_items/0/qty", "/line_items/0/amount"]
    marked = desk.page.get_by_role("region", name="The payload").locator("mark").all_inner_texts()
    assert {line.rstrip(",") for line in marked} == {'"total_amount": "-373.57"', '"qty": "-1"', '"amount": "-373.57"'}
    desk.sees("Posts a SALE of 373.57 GBP")
    desk.sees("Posts a RETURN of 373.57 GBP")
    desk.sees("Not possible now: total_amount is -373.57")
    desk.sees("Nothing is posted: the ledger stays as it is.")
    assert desk.page.get_by_role("button", name="Decide").count() == 0

    pick(desk, "It was a SALE of 373.57 GBP")
    assert [row[3:] for row in desk.table(ENTRIES)] == [
        ["1100 Accounts receivable", "373.57 GBP", ""],
        ["4000 Sales revenue", "", "373.57 GBP"],
    ]
    desk.press("Decide: It was a SALE of 373.57 GBP")
    desk.sees("Say why")
    assert [one["status"] for one in desk.ask("/v1/exceptions")["items"]] == ["open"]
    decide(desk, "It was a SALE of 373.57 GBP", "a manual sale: its quantity was positive")
    desk.sees("Done. A payload was accepted")
    desk.sees("was held as RETURN · -373.57 GBP was at stake")
    assert [row[3:] for row in desk.table("Entries of this event")] == [
        ["1100 Accounts receivable", "373.57 GBP", ""],
        ["4000 Sales revenue", "", "373.57 GBP"],
    ]
    assert [row[1] for row in desk.table("History")] == ["arrived through file", "parked", "decided"]


@pytest.mark.story
def test_a_second_operator_is_told(desk: Desk) -> None:
    exception_id = conflict(desk, "twice-2")
    other = desk.second()
    for one in (desk, other):
        one.open(f"/exception?id={exception_id}&choice=last")
    decide(desk, "LAST counts", "the till was right")
    desk.sees("Done.")
    other.page.get_by_role("textbox", name=REASON).fill("the first was right")
    other.press("Decide: LAST counts")
    other.sees("Already resolved while you looked")
    other.sees("the till was right")
    assert other.page.get_by_role("dialog").count() == 0
    third = desk.second()
    third.open(f"/exception?id={exception_id}")
    third.sees("Already resolved. A payload was accepted, by test (key:")


def test_both_say_yes_and_one_is_told(desk: Desk) -> None:
    """The second has the dialog open already when the first decides."""
    exception_id = conflict(desk, "twice-3")
    other = desk.second()
    other.open(f"/exception?id={exception_id}&choice=first")
    other.page.get_by_role("textbox", name=REASON).fill("first")
    other.press("Decide: FIRST counts")
    desk.open(f"/exception?id={exception_id}&choice=last")
    decide(desk, "LAST counts", "the till was right")
    other.press("Yes, decide", within=other.page.get_by_role("dialog"))
    other.sees("Already resolved while you looked")
    assert desk.ask(f"/v1/exceptions/{exception_id}")["exception"]["resolution_notes"] == "the till was right"


def test_another_payload_came_since(desk: Desk) -> None:
    """What was not looked at is not decided on: whatever is done on the page, until the operator says that they have."""
    exception_id = conflict(desk, "twice-4")
    desk.open(f"/exception?id={exception_id}&choice=last")
    desk.page.get_by_role("textbox", name=REASON).fill("as shown")
    desk.send(of_amount(desk.tenant, "twice-4", "99.00"))
    pick(desk, "Let it go")
    desk.press("Assign to me")
    desk.sees(f"assigned to test ({desk.ask('/v1/whoami')['actor']})")
    desk.sees("Another payload came since you opened this page")
    assert desk.page.get_by_role("button", name="Decide").count() == 0
    desk.press("I have looked at the new LAST")
    desk.sees("Posts a SALE of 99.00 GBP")
    assert parse_qs(urlsplit(desk.page.url).query) == {"id": [exception_id]}
    pick(desk, "LAST counts")
    assert desk.page.get_by_role("textbox", name=REASON).input_value() == ""
    decide(desk, "LAST counts", "99 it is")
    desk.sees("Done.")


def test_reload_and_a_shared_link_keep_the_page(desk: Desk) -> None:
    exception_id = held(desk, odd_return(desk.tenant))
    desk.open(f"/exception?id={exception_id}")
    pick(desk, "Patch it by hand")
    patch = '{"event_type": "SALE", "total_amount": "5.00"}'
    desk.fill("Patch (JSON)", patch)
    assert parse_qs(urlsplit(desk.page.url).query) == {"id": [exception_id], "choice": ["patch"], "patch": [patch]}
    before = without_age(desk.text())
    desk.reload()
    assert without_age(desk.text()) == before
    other = desk.second()
    other.open(desk.page.url.removeprefix(desk.console))
    assert other.page.get_by_role("textbox", name="Patch (JSON)").input_value() == patch
    assert other.table("What speaks against it") == desk.table("What speaks against it")


def begun(desk: Desk) -> dict[str, Any]:
    """What stands in the field of the patch."""
    return json.loads(desk.page.get_by_role("textbox", name="Patch (JSON)").input_value())


def over(desk: Desk, name: str) -> None:
    """Choose the payload that is patched."""
    with desk.running():
        desk.page.get_by_role("radiogroup", name="Over which payload?").get_by_text(name, exact=True).click()


def test_a_patch_begins_with_what_differs(desk: Desk) -> None:
    """Of the payload that it is laid over: what the other has and this one lacks is null, which changes nothing."""
    exception_id = conflict(desk, "twice-5")
    found = desk.ask(f"/v1/exceptions/{exception_id}")
    first, last = (found[f"{name}_raw_event"]["payload_json"] for name in ("first", "last"))
    desk.open(f"/exception?id={exception_id}&choice=patch")
    assert begun(desk) == {name: last[name] for name in ("cashier_id", "line_items", "total_amount")}
    over(desk, "FIRST")
    assert begun(desk) == {name: first.get(name) for name in ("cashier_id", "line_items", "total_amount")}
    assert begun(desk)["cashier_id"] is None
    desk.sees("Takes back a SALE of 42.50 GBP on 2026-02-25. Posts a SALE of 42.50 GBP on 2026-02-25.")


def test_what_is_typed_over_one_payload_stays_with_it(desk: Desk) -> None:
    """Not even what the field begins with is laid over another."""
    wrong = of_amount(desk.tenant, "twice-6", "42.50")
    exception_id = held(desk, wrong | {"total_amount": "50.00"}, wrong | {"total_amount": "60.00"})
    desk.open(f"/exception?id={exception_id}&choice=patch")
    assert begun(desk) == {"total_amount": "60.00"}
    over(desk, "FIRST")
    assert begun(desk) == {"total_amount": "50.00"}
    desk.fill("Patch (JSON)", '{"total_amount": "42.50"}')
    desk.sees("Posts a SALE of 42.50 GBP")
    over(desk, "LAST")
    assert begun(desk) == {"total_amount": "60.00"}
    desk.fill("Patch (JSON)", '{"total_amount": "61.00"}')
    desk.reload()
    assert begun(desk) == {"total_amount": "61.00"}
    over(desk, "FIRST")
    assert begun(desk)["total_amount"] != "61.00"


def test_of_many_payloads_the_first_few_are_tried_out(desk: Desk) -> None:
    """And the one that is chosen: else each click would try out every payload that there is."""
    sent = [of_amount(desk.tenant, "many", f"{number}.50", currency="XXZ") for number in range(1, 10)]
    exception_id = held(desk, *sent)
    desk.open(f"/exception?id={exception_id}")
    options = desk.page.get_by_test_id("stRadio")
    expect(options.get_by_text("Choose it to see what it would do.")).to_have_count(3)
    pick(desk, "Payload 8 counts")
    expect(options.get_by_text("Choose it to see what it would do.")).to_have_count(2)
    desk.sees("It cannot be decided so, for this:")


def test_hostile_payloads_are_text(desk: Desk) -> None:
    asked: list[Dialog] = []
    desk.hear("dialog", lambda dialog: asked.append(dialog))
    key = "k \u202e<b>x</b> ](x) **1**"
    first = of_amount(desk.tenant, key, "1.00", cashier_id=HOSTILE)
    last = of_amount(desk.tenant, key, "2.00", metadata={HOSTILE: "x" * 10_240, "deep": {"a": [1, {"b": None}]}})
    exception_id = held(desk, first, last)
    desk.open(f"/exception?id={exception_id}&choice=patch")
    assert desk.page.get_by_role("heading", level=1).inner_text() == key.replace("\u202e", "[U+202E]")
    expect(desk.page.get_by_role("region", name="FIRST payload")).to_contain_text(HOSTILE[:60])
    desk.sees("(9,242 more characters)")
    assert desk.page.title() != "gone"
    assert desk.page.get_by_test_id("stMain").locator("script, img, strong:has-text('bold')").count() == 0
    desk.fill("Patch (JSON)", '{"cashier_id": "</pre><img src=x onerror=alert(1)> **b**"}')
    desk.sees("</pre><img src=x onerror=alert(1)> **b**")
    assert not asked
    assert not desk.troubles()


def close(desk: Desk, month: str) -> None:
    """Close a month of the tenant's books."""
    with desk.client() as client:
        address, of = f"/v1/ledger/periods/{month}/close", {"tenant_id": desk.tenant}
        answer = client.post(address, json={"notes": "done"}, params=of)
    assert answer.status_code == 200, answer.text


def ways(desk: Desk) -> list[str]:
    """The titles of all that can be chosen, from above."""
    radio = desk.page.get_by_test_id("stRadio").first
    return [text.split("\n")[0] for text in radio.locator("label[data-testid='stRadioOption']").all_inner_texts()]


def test_what_is_of_a_closed_month_is_booked_on_the_first_open_day(desk: Desk) -> None:
    """That is a choice of its own, tried out like the others; another day can be chosen, and stands in the address."""
    close(desk, "2026-01")
    late = of_amount(desk.tenant, "late", "42.50", occurred_at="2026-01-15T10:00:00Z")
    desk.send(late)
    desk.wait_until(lambda: desk.ask("/v1/exceptions", status="open")["items"], "it was not held")
    (held_one,) = desk.ask("/v1/exceptions", status="open")["items"]
    assert held_one["reason_code"] == "PERIOD_LOCKED"
    desk.open("/exceptions?view=many&do=replay&text=late")
    desk.follow("Only those of closed months, on a day that you choose")
    desk.page.get_by_role("textbox", name=REASON).fill("january is closed")
    desk.press("Replay them as they are: 1 exception")
    expect(desk.page.get_by_role("dialog")).to_contain_text("2026-02-01")
    expect(desk.page.get_by_role("dialog")).to_contain_text("Reason: PERIOD_LOCKED · Text: late")
    desk.open(f"/exception?id={held_one['exception_id']}")
    assert ways(desk)[:2] == ["Book it on an open day", "Replay it as it is"]
    desk.sees("Posts a SALE of 42.50 GBP on 2026-02-01.")
    pick(desk, "Replay it as it is")
    desk.sees("Choose Book it on an open day above, or open its month again.")
    pick(desk, "Book it on an open day")
    assert {row[0] for row in desk.table(ENTRIES)} == {"2026-02-01"}
    choose_day(desk, "2026-02-03")
    desk.sees("Posts a SALE of 42.50 GBP on 2026-02-03.")
    assert parse_qs(urlsplit(desk.page.url).query)["books"] == ["2026-02-03"]
    desk.reload()
    assert {row[0] for row in desk.table(ENTRIES)} == {"2026-02-03"}
    decide(desk, "Book it on an open day", "january is closed")
    desk.sees("Done.")
    assert {row[0] for row in desk.table("Entries of this event")} == {"2026-02-03"}


def choose_day(desk: Desk, day: str) -> None:
    """Into the field of the books date."""
    parts = desk.page.get_by_test_id("stDateInput").get_by_role("spinbutton")
    for at, part in enumerate(day.split("-")):
        parts.nth(at).click()
        desk.page.keyboard.type(part)
    with desk.running():
        desk.page.keyboard.press("Escape")
        desk.page.keyboard.press("Tab")


def test_choices_that_a_closed_month_is_in_the_way_of(desk: Desk) -> None:
    """Of a conflict, and of what is patched: each is offered on an open day; what changes no books is offered once."""
    first = of_amount(desk.tenant, "twice-7", "42.50", occurred_at="2026-01-15T10:00:00Z")
    desk.send(first)
    desk.posted("twice-7")
    exception_id = held(desk, first | of_amount(desk.tenant, "twice-7", "45.20", occurred_at="2026-01-15T10:00:00Z"))
    odd = held(desk, odd_return(desk.tenant) | {"occurred_at": "2026-01-15T10:00:00Z"})
    close(desk, "2026-01")
    desk.open(f"/exception?id={exception_id}&choice=last-open-day")
    assert ways(desk) == [
        "FIRST counts", "LAST counts, booked on an open day", "LAST counts", "Patch it by hand", "Let it go",
    ]  # fmt: skip
    desk.sees("Takes back a SALE of 42.50 GBP on 2026-02-01. Posts a SALE of 45.20 GBP on 2026-02-01.")
    decide(desk, "LAST counts, booked on an open day", "the till was right")
    assert {row[0] for row in desk.table("Entries of this event")} == {"2026-01-15", "2026-02-01"}
    desk.open(f"/exception?id={odd}&choice=turned-open-day")
    desk.sees("Posts a SALE of 373.57 GBP on 2026-02-01.")
    pick(desk, "Patch it by hand")
    line = {"sku": "M", "qty": "1", "unit_price": "3.00", "amount": "3.00"}
    desk.fill("Patch (JSON)", json.dumps({"total_amount": "3.00", "line_items": [line]}))
    assert {row[0] for row in desk.table(ENTRIES)} == {"2026-02-01"}


def test_a_total_is_changed_only_as_the_last_resort(desk: Desk) -> None:
    """As the runbook says: find what is missing first."""
    exception_id = held(desk, of_amount(desk.tenant, "odd-total", "42.50") | {"total_amount": "50.00"})
    desk.open(f"/exception?id={exception_id}")
    assert ways(desk) == ["Patch it by hand", "Replay it as it is", "Let it go", "The total is 42.50 GBP"]
    desk.sees("Only if the receipt shows that the lines are right and the total was mistyped")


def test_after_a_decision_the_page_is_at_its_top_and_says_so(desk: Desk) -> None:
    """Once: with the next look, nothing is new."""
    exception_id = held(desk, odd_return(desk.tenant))
    desk.open(f"/exception?id={exception_id}&choice=turned")
    desk.page.get_by_role("button", name="Decide: It was a SALE of 373.57 GBP").scroll_into_view_if_needed()
    main = desk.page.get_by_test_id("stMain")
    assert main.evaluate("one => one.scrollTop") > 100
    decide(desk, "It was a SALE of 373.57 GBP", "a sale")
    expect(desk.page.get_by_test_id("stToast")).to_have_text(re.compile("Done"))
    desk.wait_until(lambda: main.evaluate("one => one.scrollTop") == 0, "the page is not at its top")
    expect(main.get_by_text("Done. A payload was accepted")).to_be_in_viewport()
    desk.reload()
    desk.sees("Already resolved.")
    assert desk.page.get_by_test_id("stToast").count() == 0


def test_a_conflict_tells_both_amounts(desk: Desk) -> None:
    exception_id = conflict(desk, "twice-8")
    desk.open(f"/exception?id={exception_id}")
    desk.sees("42.50 → 45.20 GBP at stake")


def test_let_go_and_assign(desk: Desk) -> None:
    """And where the session ends meanwhile, the way leads back to the page as it was."""
    exception_id = held(desk, odd_return(desk.tenant))
    desk.open(f"/exception?id={exception_id}")
    assigned = desk.page.get_by_role("textbox", name="Assigned to")
    expect(assigned).to_have_value("")
    assigned.fill("maria")
    desk.press("Assign")
    desk.sees("assigned to maria")
    pick(desk, "Let it go")
    desk.page.get_by_role("textbox", name=REASON).fill("a test at the till")
    desk.press("Decide: Let it go")
    was, dialog = desk.page.url, desk.page.get_by_role("dialog")
    desk.window.request.post(f"{desk.console}/sign-out")
    desk.press("Yes, decide", within=dialog)
    expect(dialog).to_contain_text("You are no longer signed in.")
    expect(dialog).not_to_contain_text("choose or patch otherwise")
    dialog.get_by_role("link", name="Sign in again").click()
    desk.page.get_by_label("API key").fill(desk.key)
    with desk.page.expect_navigation(url=was):
        desk.page.get_by_role("button", name="Sign in").click()
    desk.settle()
    decide(desk, "Let it go", "a test at the till")
    desk.sees("Let go: it counts nowhere")
    desk.sees("It made no entry in the ledger.")
    assert desk.ask(f"/v1/exceptions/{exception_id}")["exception"]["resolution"] == "ignored"


def test_who_may_only_read_cannot_decide(stand: Stand, sit_down: Callable[..., Desk], desk: Desk) -> None:
    exception_id = held(desk, odd_return(desk.tenant))
    reader = sit_down(stand.api, stand.console, scopes=("read",))
    reader.open(f"/exception?id={exception_id}")
    reader.sees("Your key may only read")
    assert reader.page.get_by_role("button", name="Assign").count() == 0
    assert reader.table("Faults")


@pytest.mark.parametrize("query", ["", "?id=nonsense", "?id=01a1ff5d-9a37-74cc-9a1a-32f6932012d8"])
def test_no_such_exception(desk: Desk, query: str) -> None:
    desk.open(f"/exception{query}")
    assert not desk.troubles()
    desk.follow("All open exceptions")
    assert desk.page.get_by_role("heading", level=1).inner_text() == "Exceptions"
