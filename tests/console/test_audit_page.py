"""The page Audit: who did what; the seals and whether they hold; the signed head."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
from playwright.sync_api import expect

from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.seal import seal
from tests.console.books import HOSTILE, cash_sale, spoken
from tests.console.desk import Desk

MONTH = "2026-02"


def close(desk: Desk, verb: str, notes: str) -> None:
    with desk.client() as client:
        path = f"/v1/ledger/periods/{MONTH}/{verb}"
        assert client.post(path, params={"tenant_id": desk.tenant}, json={"notes": notes}).status_code == 200


def held(desk: Desk, number: int) -> list[dict[str, Any]]:
    """So many events that cannot be posted: each opens an exception, which is on record."""
    events = [cash_sale(desk, f"h{one:03}", total_amount="-1.00") for one in range(number)]
    with desk.api.client() as client:
        results = client.post("/v1/events:batch", json=events).json()["results"]
    assert {one["result"] for one in results} == {"quarantined"}
    return results


def seal_now(desk: Desk) -> None:
    database = desk.api.database.open(size=2)
    seal(database, SystemClock(), tenant_id=desk.tenant)
    database.close()


def query(desk: Desk) -> dict[str, list[str]]:
    return parse_qs(urlsplit(desk.page.url).query)


def test_who_did_what_with_before_and_after_and_notes(desk: Desk) -> None:
    desk.send(cash_sale(desk, "s1"))
    close(desk, "close", "all is in")
    close(desk, "reopen", "the auditor asked")
    desk.open("/audit")
    rows = desk.table("Audit log")
    actor = f"test ({desk.ask('/v1/whoami')['actor']})"
    assert [row[1].splitlines() for row in rows[:2]] == [[actor, "period.opened"], [actor, "period.closed"]]
    assert [row[2].splitlines() for row in rows[:2]] == [["period", MONTH]] * 2
    assert rows[0][3].splitlines() == ["“the auditor asked”", "status: closed → open"]
    assert rows[1][3].splitlines() == ["“all is in”", "status: open → closed"]


def test_filters_live_in_the_address(desk: Desk) -> None:
    held(desk, 2)
    close(desk, "close", "done")
    desk.open("/audit")
    desk.fill("What", "period.closed")
    assert [row[1].splitlines()[1] for row in desk.table("Audit log")] == ["period.closed"]
    desk.follow("period.closed")
    assert query(desk)["action"] == ["period.closed"]
    desk.reload()
    other = desk.second(scopes=("read",))
    other.open(desk.page.url.removeprefix(desk.console))
    for one in (desk, other):
        assert len(one.table("Audit log")) == 1
        expect(one.page.get_by_role("textbox", name="What", exact=True)).to_have_value("period.closed")
    desk.open("/audit?actor=system")
    assert {row[1].splitlines()[0] for row in desk.table("Audit log")} == {"system"}
    today = datetime.now(UTC).date().isoformat()
    desk.open(f"/audit?from={today}&to={today}&object_type=period")
    assert len(desk.table("Audit log")) == 1
    desk.open("/audit?to=2026-01-01")
    desk.sees("Nothing on record matches these filters")


def test_a_long_log_comes_page_by_page(desk: Desk) -> None:
    held(desk, 120)
    desk.open("/audit?action=exception.opened")
    seen: list[str] = []
    for more in (True, True, False):
        rows = desk.table("Audit log")
        assert len(rows) <= 50
        seen += [row[2] for row in rows]
        address = desk.page.url
        if more:
            desk.follow("Next page")
            assert query(desk)["action"] == ["exception.opened"]
        else:
            assert desk.page.get_by_role("link", name="Next page").count() == 0
    assert len(seen) == len(set(seen)) == 120
    desk.open(address.removeprefix(desk.console))
    assert [row[2] for row in desk.table("Audit log")] == seen[100:]
    desk.fill("Who", "system")
    assert [row[2] for row in desk.table("Audit log")] == seen[:50], "another list begins at its beginning"


def test_the_history_of_one_object_is_uncut(desk: Desk) -> None:
    desk.send(cash_sale(desk, "s1"))
    close(desk, "close", "why " * 100)
    desk.open("/audit?object_type=period")
    desk.sees("more characters")
    desk.follow(MONTH)
    assert query(desk)["object"] == [MONTH]
    assert "why " * 99 in desk.text()


def test_hostile_text_is_text(desk: Desk) -> None:
    said = spoken(desk)
    desk.send(cash_sale(desk, HOSTILE, total_amount="-1.00"))
    close(desk, "close", HOSTILE)
    desk.open("/audit?object_type=period")
    assert HOSTILE in desk.table("Audit log")[0][3]
    desk.open(f"/audit?action=exception.opened&object={quote(HOSTILE)}")
    desk.sees("Nothing on record matches")
    desk.open("/audit?action=exception.opened")
    desk.follow(desk.table("Audit log")[0][2].splitlines()[1])
    assert f"event_id: {HOSTILE}" in desk.table("Audit log")[-1][3]
    assert (said, desk.page.locator("[data-testid=stMain] img").count()) == ([], 0)


def test_seals_are_listed_and_checked_on_request(desk: Desk) -> None:
    raw_id = desk.send(cash_sale(desk, "s1"))[0]["raw_id"]
    seal_now(desk)
    desk.open("/audit?records=Seals")
    ((number, rows, *_),) = desk.table("Seals")
    assert (number, rows) == ("1", "1")
    assert desk.page.get_by_role("table", name="Chains").count() == 0, "nobody asked for it"
    desk.open("/audit?records=Seals&check=seals")
    desk.sees("it begins with the button above")
    assert desk.page.get_by_role("table", name="Chains").count() == 0, "an address alone asks for nothing"
    desk.press("Check all seals now")
    desk.sees("The seals hold")
    assert desk.table("Chains")[0][:6] == ["holds", "arrivals", "1", "1", "0", "0"]
    assert query(desk)["check"] == ["seals"]
    sql = "UPDATE bronze.events_raw SET body = set_byte(body, 20, 88) WHERE tenant_id = %s"
    with psycopg.connect(desk.api.database.superuser_url, autocommit=True) as connection:
        assert connection.execute(sql, [desk.tenant]).rowcount == 1
    desk.press("Check all seals now")
    desk.sees("The seals do not hold")
    assert [row[0] for row in desk.table("Chains")] == ["broken", "holds"]
    assert raw_id in [row[4] for row in desk.table("Faults of seals")]
    desk.reload()
    desk.press("Check all seals now")
    desk.sees("The seals do not hold")


def test_the_signed_head_is_shown_and_can_be_kept(desk: Desk, tmp_path: Path) -> None:
    desk.send(cash_sale(desk, "s1"))
    seal_now(desk)
    desk.open("/audit?records=Signed+head")
    (newest,) = desk.ask("/v1/seals", kind="arrivals")["items"]
    assert desk.table("Signed head")[0][::3] == ["arrivals", newest["seal_hash"]]
    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name="Download the head").click()
    download.value.save_as(tmp_path / "head")
    kept = (tmp_path / "head").read_text()
    assert kept.count(".") == 2
    assert kept.endswith("\n")
    assert kept.strip() in desk.text().replace("\n", "")


def test_nothing_yet_says_so(desk: Desk) -> None:
    desk.open("/audit?records=Seals")
    desk.sees("There is nothing here yet")
    desk.send(cash_sale(desk, "s1"))
    desk.open("/audit?records=Seals&chain=Audit+log")
    desk.sees("There is no seal yet")
    desk.open("/audit?records=Signed+head")
    desk.sees("Nothing is sealed yet")
