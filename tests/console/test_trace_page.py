"""The page Trace: one event from its arrival to gold."""

from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.console.books import HOSTILE, bare, cash_sale, given_back, send_posted, spoken
from tests.console.conftest import Stand
from tests.console.desk import Desk


def test_a_sale_is_followed_from_its_arrival_to_gold(desk: Desk) -> None:
    one = cash_sale(desk, "s1")
    send_posted(desk, one)
    assert desk.send(one)[0]["result"] == "duplicate"
    desk.open("/trace?event=s1")
    desk.sees("Posted")
    assert [row[1:5] for row in desk.table("Arrivals")] == [["native", "SALE", "store_001", "pos_sim"]] * 2
    assert [row[6] for row in desk.table("Arrivals")] == ["counts", "same as before: counted once"]
    assert [row[:3] for row in desk.table("Gate")] == [["processed", "2", "1"]]
    assert [row[:1] + row[2:] for row in desk.table("Transactions")] == [
        ["SALE", "1", "posted", "store_001", "2026-02-25", "2026-02-25", "45.90 USD"]
    ]
    lines = desk.table("Lines of transaction 1")
    assert [(row[1], row[4], row[8]) for row in lines] == [("SKU-AAA", "1", "30.0"), ("SKU-BBB", "1", "12.5")]
    assert [row[4:8] for row in desk.table("Ledger entries")] == [
        ["1000 Cash drawer", "45.90", "", "USD"],
        ["4000 Sales revenue", "", "42.5", "USD"],
        ["2100 Tax payable", "", "3.40", "USD"],
    ]
    gold = [row[:2] for row in desk.table("Gold rows")]
    assert ["daily_store_sales", "books_date 2026-02-25, store_id store_001, currency USD"] in gold
    assert ["payment_mix", "books_date 2026-02-25, store_id store_001, payment cash, currency USD"] in gold
    desk.sees("it was never held")
    desk.page.get_by_text("Body received").click()
    desk.sees('"txn_id": "t-s1"')


def test_what_took_it_back_is_named_and_linked(desk: Desk) -> None:
    send_posted(desk, cash_sale(desk, "s1"))
    send_posted(desk, bare(desk, "VOID", "v1", of="s1"))
    desk.open("/trace?event=s1")
    desk.sees("Posted, and taken back")
    rows = desk.table("Ledger entries")
    assert [(row[1], row[8]) for row in rows if row[1]] == [
        ("posted", "reversed by v1"),
        ("taken back", "reverses the posting of this event"),
    ]
    assert rows[3][4:7] == ["1000 Cash drawer", "", "45.90"]
    desk.follow("reversed by v1")
    assert parse_qs(urlsplit(desk.page.url).query)["event"] == ["v1"]
    desk.follow("reverses the posting of s1")
    desk.sees("reversed by v1")


def test_a_receipt_is_found_by_its_number(desk: Desk) -> None:
    send_posted(desk, cash_sale(desk, "s1"))
    desk.open("/trace?event=t-s1")
    desk.sees("No event is called t-s1. These stand in the books under that number")
    assert [row[:5] for row in desk.table("Of this receipt")] == [["s1", "SALE", "store_001", "posted", "2026-02-25"]]
    desk.follow("s1")
    desk.sees("Posted")
    assert parse_qs(urlsplit(desk.page.url).query)["event"] == ["s1"]


def test_the_rows_of_gold_lead_to_the_ledger(desk: Desk) -> None:
    send_posted(desk, cash_sale(desk, "s1"))
    send_posted(desk, given_back(desk, "r1", of="s1"))
    desk.open("/trace?event=r1")
    desk.follow("books_date 2026-02-25, store_id store_001, currency USD")
    assert desk.table("Daily sales")[0][3:] == ["1", "2", "42.5", "-30.0", "0", "3.40", "12.5"]


def test_a_held_event_says_why_and_leads_to_its_exception(desk: Desk) -> None:
    exception_id = desk.send(cash_sale(desk, "h1", total_amount="-45.90"))[0]["exception_id"]
    desk.open("/trace?event=h1")
    desk.sees("Held, not posted")
    desk.sees("Nothing yet: the event is held. Decide on its exception")
    ((reason, status, *_),) = desk.table("Exceptions")
    assert status == "open"
    assert reason == desk.ask(f"/v1/exceptions/{exception_id}")["exception"]["reason_code"]
    desk.follow("Decide on its exception")
    assert f"id={exception_id}" in desk.page.url


def test_a_resolution_is_on_the_page(desk: Desk) -> None:
    exception_id = desk.send(cash_sale(desk, "h1", total_amount="-45.90"))[0]["exception_id"]
    wish = {"action": "mark_resolved_no_replay", "resolution_notes": "a test of *ours* <b>"}
    with desk.client() as client:
        assert client.post(f"/v1/exceptions/{exception_id}/resolve", json=wish).status_code == 200
    desk.open("/trace?event=h1")
    desk.sees("Ignored: it counts nowhere")
    ((_, status, *_, actor, notes),) = desk.table("Exceptions")
    assert (status, notes) == ("resolved", "a test of *ours* <b>")
    assert [row[1:] for row in desk.table("Decisions")] == [[actor, "exception.resolved", "a test of *ours* <b>"]]
    desk.follow("exception.resolved")
    desk.sees("a test of *ours* <b>")


def test_the_event_asked_for_is_in_the_address(desk: Desk) -> None:
    send_posted(desk, cash_sale(desk, "s1"))
    desk.open("/trace")
    desk.sees("Enter an event id")
    desk.fill("Event id, or a receipt's number", "s1")
    desk.sees("45.90 USD")
    assert parse_qs(urlsplit(desk.page.url).query)["event"] == ["s1"]
    desk.reload()
    desk.sees("45.90 USD")
    other = desk.second(scopes=("read",))
    other.open(desk.page.url.removeprefix(desk.console))
    other.sees("45.90 USD")


def test_an_unknown_event_says_what_to_do(desk: Desk) -> None:
    desk.send(cash_sale(desk, "s1"))
    desk.open("/trace?event=S1")
    desk.sees("never sent an event S1")
    desk.sees("Ids are exact")
    desk.follow("Look for it among the exceptions")
    assert parse_qs(urlsplit(desk.page.url).query)["text"] == ["S1"]


@pytest.mark.parametrize("event_id", [HOSTILE, "a/b?c=d&e#f%2F%", "../exceptions", "ключ 🧾"])
def test_any_id_is_found_and_shown_as_text(desk: Desk, event_id: str) -> None:
    store = HOSTILE[:79]
    line = {"sku": HOSTILE[:59], "name": HOSTILE, "qty": 1, "amount": "45.90"}
    txn = HOSTILE[:59]
    odd = {"event_id": event_id, "txn_id": txn, "store_id": store, "tax_amount": "0.00", "line_items": [line]}
    desk.send(cash_sale(desk, "s1") | odd)
    said = spoken(desk)
    desk.open(f"/trace?event={quote(event_id, safe='')}")
    desk.wait_until(lambda: _reloaded_until_posted(desk), "it was not posted")
    ((_, shown_txn, _, _, shown_store, *_),) = desk.table("Transactions")
    assert (shown_txn, shown_store) == (txn, store)
    assert f"Lines of SALE {txn}, revision 1" in desk.text().replace("\u2060", "")
    assert [row[2] for row in desk.table("Lines of transaction 1")] == [HOSTILE]
    assert (said, desk.page.locator("[data-testid=stMain] img").count()) == ([], 0)
    assert desk.page.get_by_test_id("stMain").locator('a[href^="http://evil"]').count() == 0
    assert "gone" not in desk.page.title()


def _reloaded_until_posted(desk: Desk) -> bool:
    desk.reload()
    return "Lines of SALE" in desk.text()


def test_who_looks_at_all_tenants_is_asked_for_one(stand: Stand, sit_down: Callable[..., Desk], overseer: Desk) -> None:
    desk = sit_down(stand.api, stand.console)
    desk.send(cash_sale(desk, "s1"))
    overseer.open("/trace?event=s1")
    overseer.sees("Choose a tenant at the left")
    overseer.open(f"/trace?event=s1&tenant={desk.tenant}")
    overseer.sees("native")


@pytest.mark.parametrize("size", [(1280, 800), (820, 1180)])
def test_it_fits_the_screen(stand: Stand, sit_down: Callable[..., Desk], size: tuple[int, int]) -> None:
    """Tables may scroll in themselves; the page never sideways."""
    desk = sit_down(stand.api, stand.console, size=size)
    send_posted(desk, cash_sale(desk, "s1"))
    desk.open("/trace?event=s1")
    main = desk.page.get_by_test_id("stMain")
    assert main.evaluate("e => e.scrollWidth <= e.clientWidth")
