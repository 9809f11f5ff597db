"""Addresses made by hand: whatever stands in them, a page says something and offers a way on."""

import re
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.attack.stand import FULL, fresh_seed
from tests.console.conftest import Stand
from tests.console.desk import Desk
from tests.events import sale

THINGS = (
    "/?charts={}", "/exceptions?view={}", "/exceptions?status={}&reason={}&age={}", "/exceptions?store={}&text={}",
    "/exceptions?cursor={}", "/exceptions?view=many&do={}", "/exceptions?view=runs&run={}",
    "/exceptions?view=runs&cursor={}", "/exception?id={}", "/exception?id=ID&choice={}&over={}&books={}",
    "/exception?id=ID&choice=patch&patch={}", "/trace?event={}",
)  # fmt: skip
BOOKS = (
    "/ledger?section={}", "/ledger?section=Trial+balance&as_of={}&by={}", "/ledger?section=Entries&account={}&store={}",
    "/ledger?section=Entries&cursor={}", "/ledger?section=Daily+sales&from={}&to={}",
    "/ledger?section=Daily+sales&cursor={}", "/ledger?section=Returns&store={}",
    "/ledger?section=Tie-out&measure={}&check={}", "/ledger?section=Tie-out&store={}",
    "/ledger?section=Tie-out&cursor={}", "/ledger?section=Months&month={}",
)  # fmt: skip
RECORDS = (
    "/audit?records={}", "/audit?records=Seals&chain={}", "/audit?records=Seals&cursor={}",
    "/audit?actor={}&action={}&object_type={}&object={}", "/audit?cursor={}", "/audit?from={}&to={}",
    "/pipeline?shown={}", "/pipeline?job={}", "/pipeline?shown=Checks&check={}", "/exceptions?tenant={}",
)  # fmt: skip
FILES = (
    "/files?part={}", "/files?state={}&dataset={}", "/files?cursor={}", "/files?part=Datasets&cursor={}",
    "/delivery?id={}", "/delivery?id=FILE&report={}", "/delivery?id=FILE&row={}", "/delivery?id=FILE&rows={}",
    "/delivery?id=FILE&cursor={}", "/dataset?name={}", "/dataset?name=stock&tab={}",
    "/dataset?name=stock&version={}&against={}",
)  # fmt: skip
VALUES = {"empty": "", "NUL": "%00", "a dot": ".", "huge": "0" * 5_000}
TEXT = "<b>'; DROP ../../keys"
_WAYS_ON = "a, button, input, textarea, [role=combobox]"


@pytest.mark.parametrize("kind", [THINGS, BOOKS, RECORDS, FILES], ids=["things", "books", "records", "files"])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_an_address_made_by_hand(desk: Desk, kind: tuple[str, ...], value: str) -> None:
    ids = _something_of_all(desk)
    for form in _some(kind):
        speaks(desk, _filled(form, ids, value))


@pytest.mark.parametrize("kind", [THINGS, BOOKS, RECORDS, FILES], ids=["things", "books", "records", "files"])
def test_an_address_that_says_a_thing_twice(desk: Desk, kind: tuple[str, ...]) -> None:
    ids = _something_of_all(desk)
    for form in _some(kind):
        speaks(desk, _filled(re.sub(r"(\w+)=\{\}", r"\1=x&\1={}", form), ids, TEXT))


def _some(kind: tuple[str, ...]) -> list[str]:
    """A third of them, others each time; FULL=1: all."""
    return list(kind) if FULL else Random(fresh_seed()).sample(kind, len(kind) // 3)  # noqa: S311 - it is repeatable


def speaks(desk: Desk, address: str) -> None:
    """No run of the page fails, it says something, and something on it can be gone on with."""
    desk.open(address)
    assert "encountered an error" not in desk.text(), address[:200]
    assert len(desk.text()) > 20, address[:200]
    assert desk.page.get_by_test_id("stMain").locator(_WAYS_ON).count(), f"{address[:200]} is a dead end"


def _something_of_all(desk: Desk) -> dict[str, str]:
    """A posted sale, one that is held, and a delivery with a bad row; the ids of the last two."""
    held = desk.send(sale(desk.tenant, "good"), sale(desk.tenant, "held", total_amount=99))[-1]["exception_id"]
    of = {"tenant_id": desk.tenant}
    contract = {"dataset": "stock", "columns": {"sku": {}, "left": {"type": "integer"}}, "primary_key": "sku"}
    with desk.client() as client:
        client.put("/v1/datasets/stock/contract", params=of, json=contract).raise_for_status()
        file = {"dataset": "stock", "source": "erp", "filename": "s.csv"} | of
        sent = client.post("/v1/ingestions", params=file, content=b"sku,left\nA,1\nB,x\n").raise_for_status()
    return {"ID": held, "FILE": sent.json()["ingestion"]["ingestion_id"]}


def _filled(form: str, ids: dict[str, str], value: str) -> str:
    for name, known in ids.items():
        form = form.replace(f"={name}", f"={known}")
    return form.replace("{}", value)


@pytest.mark.parametrize("month", ["9999-12", "0000-01", "０００１-02", "0001-01", "9999-12-31"])
def test_a_month_that_no_calendar_ends(desk: Desk, month: str) -> None:
    desk.send(sale(desk.tenant, "good"))
    speaks(desk, f"/ledger?section=Months&month={month}")


def test_a_wrong_cursor_leads_to_the_first_page(desk: Desk) -> None:
    desk.send(sale(desk.tenant, "held", total_amount=99))
    desk.open("/exceptions?status=all&cursor=nonsense")
    assert desk.troubles()
    desk.follow("First page")
    assert [row[1].splitlines()[0] for row in desk.table("Exceptions")] == ["held"]
    assert desk.page.url.endswith("/exceptions?status=all")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/ledger?section=", "Trial balance"),
        ("/ledger?section=Nonsense", "Trial balance"),
        ("/audit?records=&records=Seals", "Seals"),
        ("/ledger?section=Tie-out&measure=", "Net"),
    ],
)
def test_what_is_no_choice_is_as_if_it_were_not_there(desk: Desk, address: str, shown: str) -> None:
    desk.send(sale(desk.tenant, "good"))
    desk.posted("good")
    desk.open(address)
    assert desk.page.get_by_role("radio", name=shown, exact=True).get_attribute("aria-checked") == "true"


def test_an_exception_of_another_tenant(desk: Desk, stand: Stand) -> None:
    """The address names two sets of books: nothing is decided before it is clear which are looked at."""
    other = f"{desk.tenant}-other"
    desk.send(sale(desk.tenant, "good"))
    exception = desk.send(sale(other, "held", total_amount=99))[0]["exception_id"]
    key = stand.api.new_key(tenants=[desk.tenant, other], scopes=["read", "operate"])
    both = Desk.sit_down(desk.windows, desk.console, desk.api, desk.tenant, key)
    desk.others.append(both)
    both.open(f"/exception?tenant={desk.tenant}&id={exception}")
    both.sees(f"This exception is of tenant {other}, and you look at {desk.tenant}.")
    assert both.page.get_by_role("button", name="Assign").count() == 0
    both.follow(f"Look at it among the books of {other}")
    both.sees("What is to become of it?")
    assert tenant_of(both) == other
    run = both.client().post(
        "/v1/exceptions:resolve",
        json={"action": "mark_resolved_no_replay", "filter": {"tenant_id": other}, "resolution_notes": "x"},
    )
    both.open(f"/exceptions?view=runs&tenant={desk.tenant}&run={run.json()['run_id']}")
    both.sees(f"This bulk run is of tenant {other}")
    both.follow(f"Look at it among the books of {other}")
    both.sees("Reason given")


def tenant_of(desk: Desk) -> str:
    return parse_qs(urlsplit(desk.page.url).query)["tenant"][0]


@pytest.mark.parametrize("event_id", ["..", ".", " lead", "trail ", "nbsp\u00a0", "a/../b"])
def test_an_event_of_an_odd_name(desk: Desk, event_id: str) -> None:
    """Dots are folded in addresses, blanks are cut off in fields; such an event is decided on and traced as any other."""
    exception = desk.send(sale(desk.tenant, event_id, total_amount=99))[0]["exception_id"]
    desk.open(f"/exception?id={exception}")
    desk.sees("What is to become of it?")
    assert not desk.troubles()
    desk.open(f"/exception?id={exception}&choice=ignore")
    desk.page.get_by_role("textbox", name="Your reason").fill("a test")
    desk.press("Decide: Let it go")
    desk.press("Yes, decide", within=desk.page.get_by_role("dialog"))
    desk.sees("Let go: it counts nowhere")
    desk.follow("Its trace, from arrival to the reports")
    desk.sees("Ignored: it counts nowhere")
    assert desk.ask("/v1/exceptions", status="resolved")["items"][0]["idempotency_key"] == event_id


def test_blanks_too_many_are_told(desk: Desk) -> None:
    desk.send(sale(desk.tenant, "pasted", total_amount=99))
    desk.open("/trace?event=pasted%20")
    desk.sees("never sent an event")
    desk.follow("The same without the blanks at its ends")
    desk.sees("Held, not posted")


def test_back_goes_back(desk: Desk) -> None:
    """Each choice and each view is one step of the browser's history."""
    exception = desk.send(sale(desk.tenant, "held", total_amount=99))[0]["exception_id"]
    desk.open("/exceptions")
    for name in ("Decide on many", "Bulk runs"):
        with desk.running():
            desk.page.get_by_role("radio", name=name).click()
    assert seen_going_back(desk, "view") == ["many", None]
    desk.open(f"/exception?id={exception}")
    for name in ("Replay it as it is", "Let it go"):
        with desk.running():
            desk.page.get_by_test_id("stRadio").get_by_text(name, exact=True).click()
    desk.sees("Decide: Let it go")
    assert seen_going_back(desk, "choice") == ["replay", None]
    assert desk.page.get_by_role("button", name="Decide").count() == 0
    desk.page.go_back()
    desk.settle()
    assert urlsplit(desk.page.url).path == "/exceptions"


def seen_going_back(desk: Desk, name: str) -> list[str | None]:
    """What the address says after each of two steps back, once the page stands."""
    said: list[str | None] = []
    for _ in range(2):
        with desk.running():
            desk.page.go_back()
        desk.page.wait_for_timeout(300)  # a page that wrote its address back would do so now
        said.append((parse_qs(urlsplit(desk.page.url).query).get(name) or [None])[0])
    return said
