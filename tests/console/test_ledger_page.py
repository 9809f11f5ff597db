"""The page Ledger: its sections are in the address, its numbers are those of the books, and months are closed there."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from playwright.sync_api import Locator, expect

from tests.console.books import HOSTILE, cash_sale, given_back, send_posted, spoken
from tests.console.conftest import Stand
from tests.console.desk import Desk

NOTES = "Notes (why; kept in the audit log)"
CASH, SALES, RETURNED, TAX = "1000", "4000", "4100", "2100"


def known_books(desk: Desk) -> None:
    """Two days, two stores, two currencies, a return."""
    send_posted(
        desk,
        cash_sale(desk, "a1"),
        cash_sale(desk, "a2", "2026-02-26", payment_method="card"),
        cash_sale(desk, "b1", "2026-02-26", store_id="store_002"),
        cash_sale(desk, "e1", "2026-02-26", currency="EUR"),
    )
    send_posted(desk, given_back(desk, "r1", of="a1", day="2026-02-26"))


def query(desk: Desk) -> dict[str, list[str]]:
    return parse_qs(urlsplit(desk.page.url).query)


def foot(desk: Desk, name: str) -> list[list[str]]:
    rows = desk.page.get_by_role("table", name=name, exact=True).locator("tfoot tr").all()
    return [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in rows]


def go_to(desk: Desk, section: str) -> None:
    with desk.running():
        desk.page.get_by_test_id("stMain").get_by_role("radio", name=section, exact=True).click()


def dialog(desk: Desk) -> Locator:
    return desk.page.get_by_role("dialog")


def shift_gold(desk: Desk, by: str) -> None:
    """What nobody but a superuser can do: a sum of gold is not that of the books any more."""
    sql = "UPDATE gold.daily_store_sales SET gross = gross + %s, net = net + %s WHERE tenant_id = %s"
    with psycopg.connect(desk.api.database.superuser_url, autocommit=True) as connection:
        assert connection.execute(sql + " AND currency = 'EUR'", [by, by, desk.tenant]).rowcount == 1


def test_the_trial_balance(desk: Desk) -> None:
    known_books(desk)
    desk.open("/ledger")
    desk.sees("Balanced")
    rows = {(row[0], row[3]): row[4:] for row in desk.table("Trial balance")}
    assert rows[CASH, "USD"] == ["91.80", "30.00", "61.80"]
    assert rows[SALES, "USD"] == ["0", "127.5", "-127.5"]
    assert rows[TAX, "EUR"] == ["0", "3.40", "-3.40"]
    assert [(row[3], *row[4:6]) for row in foot(desk, "Trial balance")] == [
        ("EUR", "45.90", "45.90"),
        ("USD", "167.70", "167.70"),
    ]
    go_to_by_store(desk)
    assert {row[3] for row in desk.table("Trial balance")} == {"store_001", "store_002"}
    desk.open("/ledger?as_of=2026-02-25")
    assert {row[0]: row[6] for row in desk.table("Trial balance")} == {CASH: "45.90", SALES: "-42.5", TAX: "-3.40"}
    desk.sees("at the end of 2026-02-25")
    desk.follow(SALES)
    assert [row[1] for row in desk.table("Entries") if row[1]] == ["a1"]
    assert (query(desk)["account"], query(desk)["to"]) == ([SALES], ["2026-02-25"])


def go_to_by_store(desk: Desk) -> None:
    go_to(desk, "By account and store")
    assert query(desk)["by"] == ["By account and store"]
    desk.reload()


def test_entries_by_account_store_and_day(desk: Desk) -> None:
    known_books(desk)
    desk.open("/ledger?section=Entries")
    desk.sees("Showing books dates 2026-02-01 to 2026-02-28, the latest month in the books.")
    assert [row[1] for row in desk.table("Entries") if row[1]] == ["a1", "a2", "b1", "e1", "r1"]
    desk.fill("Store", "store_002")
    assert [row[1:3] for row in desk.table("Entries") if row[1]] == [["b1", "store_002"]]
    desk.reload()
    other = desk.second(scopes=("read",))
    other.open(desk.page.url.removeprefix(desk.console))
    for one in (desk, other):
        assert [row[1] for row in one.table("Entries") if row[1]] == ["b1"]
        expect(one.page.get_by_role("textbox", name="Store", exact=True)).to_have_value("store_002")
    desk.open("/ledger?section=Entries")
    desk.choose("Account", RETURNED)
    assert [row[1] for row in desk.table("Entries") if row[1]] == ["r1"]
    assert query(desk)["account"] == [RETURNED]
    desk.open("/ledger?section=Entries&from=2026-02-25&to=2026-02-25")
    rows = desk.table("Entries")
    assert [row[4:8] for row in rows] == [
        ["1000 Cash drawer", "45.90", "", "USD"],
        ["4000 Sales revenue", "", "42.5", "USD"],
        ["2100 Tax payable", "", "3.40", "USD"],
    ]
    desk.follow("a1")
    desk.sees("gate: processed")
    desk.open("/ledger?section=Entries&from=2031-01-01")
    desk.sees("No entry is in these days for these filters")


def test_a_long_list_of_entries_comes_page_by_page(desk: Desk) -> None:
    events = [cash_sale(desk, f"s{number:03}") for number in range(120)]
    with desk.api.client() as client:
        client.post("/v1/events:batch", json=events).raise_for_status()
    for event in events:
        desk.posted(event["event_id"])
    desk.open("/ledger?section=Entries&store=store_001")
    seen: list[str] = []
    for more in (True, True, False):
        found = [row[1] for row in desk.table("Entries") if row[1]]
        assert len(found) <= 50
        seen += found
        address = desk.page.url
        if more:
            desk.follow("Next page")
            assert query(desk)["store"] == ["store_001"]
    assert sorted(seen) == [event["event_id"] for event in events]
    desk.open(address.removeprefix(desk.console))
    assert [row[1] for row in desk.table("Entries") if row[1]] == seen[100:]
    go_to(desk, "Daily sales")
    assert "cursor" not in query(desk), "a cursor of one list means nothing in another"
    assert len(desk.table("Daily sales")) == 1


def test_daily_sales_returns_and_payments(desk: Desk) -> None:
    known_books(desk)
    desk.open("/ledger?section=Daily+sales")
    rows = desk.table("Daily sales")
    assert rows == [
        ["2026-02-25", "store_001", "USD", "1", "2", "42.5", "0", "0", "3.40", "42.5"],
        ["2026-02-26", "store_001", "EUR", "1", "2", "42.5", "0", "0", "3.40", "42.5"],
        ["2026-02-26", "store_001", "USD", "1", "2", "42.5", "-30.0", "0", "3.40", "12.5"],
        ["2026-02-26", "store_002", "USD", "1", "2", "42.5", "0", "0", "3.40", "42.5"],
    ]
    assert [(row[0], row[2], row[5], row[9]) for row in foot(desk, "Daily sales")] == [
        ("Sum", "EUR", "42.5", "42.5"),
        ("Sum", "USD", "127.5", "97.5"),
    ]
    assert desk.page.get_by_test_id("stVegaLiteChart").count() == 2, "one a currency"
    desk.follow("store_002")
    assert (query(desk)["store"], len(desk.table("Daily sales"))) == (["store_002"], 1)
    go_to(desk, "Returns")
    desk.fill("Store", "store_001")
    assert [row[2:6] + row[9:] for row in desk.table("Returns") if row[0] == "2026-02-26" and row[2] == "USD"] == [
        ["USD", "1", "1", "0", "42.5", "30.0", "70.59"]
    ]
    go_to(desk, "Payments")
    assert query(desk)["store"] == ["store_001"], "a filter stays while sections change"
    assert [row[2:] for row in desk.table("Payments")] == [
        ["USD", "cash", "1", "45.90", "0"],
        ["USD", "card", "1", "45.90", "0"],
        ["EUR", "cash", "1", "45.90", "0"],
        ["USD", "cash", "0", "0", "-30.00"],
    ]
    desk.open("/ledger?section=Daily+sales&from=2026-01-01&to=2026-01-31")
    desk.sees("No day of these has anything")
    desk.follow("Later: February 2026")
    assert len(desk.table("Daily sales")) == 4


def test_it_ties_out_and_what_does_not_is_named_with_both_sides(desk: Desk) -> None:
    known_books(desk)
    desk.send(cash_sale(desk, "h1", total_amount="-45.90"))
    desk.open("/ledger?section=Tie-out")
    desk.sees("the lines, the ledger and gold say the same to the last digit")
    days = {(row[0], row[1]): row[2:] for row in desk.table("Tie-out by day") if row[0]}
    assert days["2026-02-25", "store_001"] == ["equal", "2", "1", "1", "0", "0", "USD", "42.5", "42.5", "42.5"]
    assert desk.page.get_by_role("table", name="Checks").count() == 0, "nobody asked for it"
    desk.press("Check everything now")
    desk.sees("checks hold")
    shift_gold(desk, "0.01")
    desk.reload()
    desk.sees("do not tie out")
    assert [row[:6] for row in desk.table("Differences")] == [
        ["2026-02-26", "store_001", "gross, EUR", "42.5", "42.5", "42.51"],
        ["2026-02-26", "store_001", "net, EUR", "42.5", "42.5", "42.51"],
    ]
    assert {row[8] for row in desk.table("Differences")} == {"0.01"}
    desk.press("Check everything now")
    desk.sees("checks are off")
    first = desk.table("Checks")[0]
    assert (first[0], first[2:]) == ("off", ["42.5", "42.51", "gross_in_gold_EUR"])
    shift_gold(desk, "-0.01")
    desk.press("Check everything now")
    desk.sees("checks hold")


def test_a_month_is_closed_and_opened_again(desk: Desk) -> None:
    send_posted(desk, cash_sale(desk, "a1"))
    desk.send(cash_sale(desk, "h1", total_amount="-45.90"))
    desk.open("/ledger?section=Months")
    desk.follow("February 2026")
    assert query(desk)["month"] == ["2026-02"]
    against = [row[:2] for row in desk.table("What speaks against closing it")]
    assert ["parked", "Parked events of it: 1. Once it is closed, they need another day in the books."] in against
    desk.press("Close February 2026 …")
    desk.press("Close it", within=dialog(desk))
    expect(dialog(desk)).to_contain_text("notes are required")
    assert periods(desk) == {"2026-02": "open"}
    dialog(desk).get_by_role("textbox", name=NOTES).fill("all is in")
    desk.press("Close it", within=dialog(desk))
    desk.sees("February 2026 is closed.")
    desk.settle()
    assert periods(desk) == {"2026-02": "closed"}
    by = f"test ({desk.ask('/v1/whoami')['actor']})"
    assert [(row[1], row[3]) for row in desk.table("Months")] == [("closed", by)]
    assert [row[2:] for row in desk.table("What was done with it")] == [["period.closed", "all is in"]]
    desk.send(cash_sale(desk, "late"))
    desk.wait_until(lambda: "PERIOD_LOCKED" in reasons(desk), "what came late was not held")
    desk.reload()
    desk.press("Reopen February 2026 …")
    dialog(desk).get_by_role("textbox", name=NOTES).fill("the auditor asked")
    desk.press("Reopen it", within=dialog(desk))
    desk.sees("February 2026 is open.")
    assert periods(desk)["2026-02"] == "open"


def periods(desk: Desk) -> dict[str, str]:
    return {one["period"][:7]: one["status"] for one in desk.ask("/v1/ledger/periods")["items"]}


def reasons(desk: Desk) -> list[str]:
    return [one["reason_code"] for one in desk.ask("/v1/exceptions")["items"]]


def test_two_close_the_same_month_once(desk: Desk) -> None:
    send_posted(desk, cash_sale(desk, "a1"))
    other = desk.second()
    for one in (desk, other):
        one.open("/ledger?section=Months&month=2026-02")
        one.press("Close February 2026 …")
        dialog(one).get_by_role("textbox", name=NOTES).fill("done")
    for one in (desk, other):
        one.press("Close it", within=dialog(one))
        one.sees("February 2026 is closed.")
    assert len(desk.ask("/v1/audit", action="period.closed")["items"]) == 1


def test_closing_is_refused_with_its_reason(desk: Desk, stand: Stand) -> None:
    send_posted(desk, cash_sale(desk, "a1"))
    now = datetime.now(UTC)
    desk.open(f"/ledger?section=Months&month={now:%Y-%m}")
    desk.sees("It has not ended")
    expect(desk.page.get_by_role("button", name=f"Close {now:%B %Y} …")).to_be_disabled()
    reader = desk.second(scopes=("read",))
    reader.open("/ledger?section=Months&month=2026-02")
    reader.sees("Your key may only look")
    expect(reader.page.get_by_role("button", name="Close February 2026 …")).to_be_disabled()
    reader.open("/ledger?section=Months&month=February")
    reader.sees("February is no month")
    desk.open("/ledger?section=Months&month=2026-02")
    desk.press("Close February 2026 …")
    dialog(desk).get_by_role("textbox", name=NOTES).fill("done")
    revoke(desk, stand)
    desk.press("Close it", within=dialog(desk))
    desk.wait_until(lambda: desk.troubles(), "nothing was refused")
    expect(dialog(desk)).to_contain_text("Sign in again")
    assert [one["status"] for one in all_periods(desk)] == ["open"]


def revoke(desk: Desk, stand: Stand) -> None:
    key_id = desk.ask("/v1/whoami")["actor"].removeprefix("key:")
    with stand.api.client() as client:
        assert client.post(f"/v1/keys/{key_id}/revoke").status_code == 200
    with desk.client() as client:
        desk.wait_until(lambda: client.get("/v1/whoami").status_code == 401, "the key is still good")


def all_periods(desk: Desk) -> list[dict[str, Any]]:
    with desk.api.client() as client:
        return client.get("/v1/ledger/periods", params={"tenant_id": desk.tenant}).json()["items"]


SECTIONS = ("Trial balance", "Entries", "Daily sales", "Returns", "Payments", "Tie-out")


@pytest.mark.parametrize("section", SECTIONS)
def test_empty_books_say_why_and_what_to_do(desk: Desk, section: str) -> None:
    desk.open(f"/ledger?section={section.replace(' ', '+')}")
    desk.sees("There is nothing here yet")
    desk.send(cash_sale(desk, "h1", total_amount="-45.90"))
    desk.reload()
    desk.sees("Nothing is posted yet")
    assert not desk.troubles()
    assert desk.page.get_by_test_id("stVegaLiteChart").count() == 0


def test_hostile_text_is_text(desk: Desk) -> None:
    said = spoken(desk)
    send_posted(desk, cash_sale(desk, "s1", store_id=HOSTILE[:99], payment_method="<b>*cash*"))
    for section in SECTIONS:
        desk.open(f"/ledger?section={section.replace(' ', '+')}&by=By+account+and+store")
        if section != "Payments":
            assert HOSTILE[:99] in desk.text(), section
        else:
            desk.sees("<b>*cash*")
    desk.follow(HOSTILE[:99])
    assert query(desk)["store"] == [HOSTILE[:99]]
    assert [row[1] for row in desk.table("Tie-out by day")] == [HOSTILE[:99]]
    assert (said, desk.page.locator("[data-testid=stMain] img").count()) == ([], 0)
    assert "gone" not in desk.page.title()


@pytest.mark.parametrize("section", [*SECTIONS, "Months"])
def test_it_fits_a_tablet(desk: Desk, section: str) -> None:
    """Tables may scroll in themselves; the page never sideways."""
    known_books(desk)
    desk.page.set_viewport_size({"width": 820, "height": 1180})
    desk.open(f"/ledger?section={section.replace(' ', '+')}&month=2026-02")
    main = desk.page.get_by_test_id("stMain")
    assert main.evaluate("e => e.scrollWidth <= e.clientWidth")
