"""What all pages share: each opens on an empty database, waits for an API that is away, and is for every screen."""

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from ledgersafe.console.pages import PAGES, Page
from tests.conftest import Api, TestDatabase, stop
from tests.console.conftest import Console, Stand, launch_console, wait_for_console
from tests.console.desk import Desk
from tests.events import sale

MENU = [page for page in PAGES if not page.is_reached_by_link]
SIZES = ((1280, 800), (820, 1180))
_TOO_WIDE = """() => {
  const main = document.querySelector('[data-testid="stMain"]'), page = document.documentElement;
  if (main.scrollWidth <= main.clientWidth && page.scrollWidth <= page.clientWidth) return [];
  const edge = main.getBoundingClientRect().right;
  return ['sideways', ...[...main.querySelectorAll('*')].filter(one => one.getBoundingClientRect().right > edge + 1)
    .slice(-3).map(one => one.outerHTML.slice(0, 300))];
}"""
_UNREACHED = """() => [...document.querySelectorAll('[data-testid="stMain"] :is(a, button, input, textarea, select)')]
  .filter(one => one.offsetParent !== null && !one.disabled && one.tabIndex < 0 && one.ariaHidden !== 'true' && !one.ariaHasPopup && one.type !== 'date'
                 && !one.closest('[role="radiogroup"], [role="tablist"], [role="listbox"]'))
  .map(one => one.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def bare(
    new_database: Callable[[], TestDatabase], start_api: Callable[..., Api], start_console: Callable[..., Console]
) -> tuple[Api, Console]:
    """An API of a database with nothing in it, and its console, at which nobody has looked yet."""
    api = start_api(new_database())
    return api, start_console(api.url)


@pytest.mark.story
def test_an_empty_database(bare: tuple[Api, Console], sit_down: Callable[..., Desk]) -> None:
    """No page fails or is blank, and Tab and Enter alone go through the menu.

    The first look is at a page that is not the first of the menu: who reloads after a restart has that too.
    """
    desk = sit_down(*bare, all_tenants=True)
    for page in [page for page in PAGES if page.is_reached_by_link]:
        desk.open(f"/{page.path}")
        speaks(desk, page)
    for page in [*MENU[1:], MENU[0]]:
        with desk.running():
            tab_to(desk.page, page.title)
            desk.page.keyboard.press("Enter")
        speaks(desk, page)


def speaks(desk: Desk, page: Page) -> None:
    """The page has its title, no error, and says why it is empty and what to do."""
    expect(desk.page.get_by_role("heading").first).to_contain_text(page.title)
    assert not desk.troubles(), page.path
    told = desk.text().replace(page.title, "", 1)
    assert len(told) > 20, f"{page.path} does not say why it is empty and what to do: {told!r}"


def tab_to(tab: Tab, name: str) -> None:
    """Press Tab until the menu's link of that name is reached."""
    tab.locator("body").press("Tab")
    for _ in range(80):
        focused = tab.evaluate("() => document.activeElement?.closest('[data-testid=stSidebar] a')?.innerText ?? ''")
        if focused.strip().endswith(name):
            return
        tab.keyboard.press("Tab")
    pytest.fail(f"Tab does not reach {name}")


@pytest.mark.story
def test_an_api_that_goes_away_and_comes_back(
    bare: tuple[Api, Console], sit_down: Callable[..., Desk], start_api: Callable[..., Api]
) -> None:
    """A page says so, whether it is opened then or is open already; it goes on by itself, and one may sign in again."""
    api, console = bare
    desk = sit_down(api, console, all_tenants=True)
    desk.open("/exceptions")
    api.process.kill()
    api.process.wait()
    for title in ("Ledger", "Health"):
        with desk.running():
            desk.page.get_by_role("link", name=title).first.click()
        desk.sees("The API does not answer.")
    desk.open("/trace?event=x")
    desk.sees("The API does not answer.")
    assert desk.page.get_by_role("link", name="Files").first.is_visible()
    back = start_api(api.database, port=urlsplit(api.url).port)
    expect(desk.page.get_by_test_id("stAlertContentError")).to_have_count(0)
    speaks(desk, next(page for page in PAGES if page.path == "trace"))
    stop(back.process)


@pytest.fixture(scope="module")
def lived_in(stand: Stand) -> str:
    """A tenant of whom every page has something to show, with names as long as they may be."""
    tenant = "frame-lived-in"
    long = "x" * 255
    with stand.api.client() as client:
        for event in (
            sale("frame-other", "posted"),
            sale(tenant, "posted"),
            sale(tenant, "conflict"),
            sale(tenant, "conflict", txn_id="other", total_amount=42.5),
            sale(tenant, long, total_amount=99, store_id="store-" + "y" * 100),
            sale(tenant, "<b>held</b> **bold** $x$ :material/home:", total_amount=99, txn_id="_a_ [b](http://c)"),
        ):
            assert client.post("/v1/events", json=event).status_code in (201, 202), event
        contract = {"dataset": "stock", "columns": {"sku": {}, "left": {"type": "integer"}}, "primary_key": "sku"}
        of = {"tenant_id": tenant}
        client.put("/v1/datasets/stock/contract", params=of, json=contract).raise_for_status()
        file = {"dataset": "stock", "source": "erp", "filename": f"{'z' * 200}.csv"} | of
        client.post("/v1/ingestions", params=file, content=b"sku,left\nA,1\nB,x\n").raise_for_status()
    return tenant


def ids_of(desk: Desk) -> dict[str, str]:
    """What pages about one thing need in their address."""
    held = desk.ask("/v1/exceptions")["items"]
    delivery = desk.ask("/v1/ingestions")["items"][0]["ingestion_id"]
    return {
        "exception": f"id={next(one['exception_id'] for one in held if len(one['idempotency_key']) == 255)}",
        "trace": "event=conflict",
        "delivery": f"id={delivery}",
        "dataset": "name=stock",
    }


def test_pages_fit_their_screen_and_are_reached_by_keyboard(
    stand: Stand, sit_down: Callable[..., Desk], lived_in: str
) -> None:
    desk = sit_down(stand.api, stand.console, all_tenants=True)
    desk.tenant = lived_in
    ids = ids_of(desk)
    for page in PAGES:
        desk.open(f"/{page.path}?tenant={lived_in}&{ids.get(page.path, '')}")
        assert not desk.troubles(), page.path
        for width, height in SIZES:
            desk.page.set_viewport_size({"width": width, "height": height})
            assert too_wide(desk) == [], f"{page.path} at {width}"
        desk.page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
        assert desk.page.evaluate(_UNREACHED) == [], page.path


def too_wide(desk: Desk) -> list[str]:
    """What reaches beyond the page, once charts have been drawn anew."""
    end = time.monotonic() + 3
    while (found := desk.page.evaluate(_TOO_WIDE)) and time.monotonic() < end:
        desk.page.wait_for_timeout(50)
    return found


def test_the_tenant_stays_in_the_address(stand: Stand, sit_down: Callable[..., Desk], lived_in: str) -> None:
    """From page to page, and for a reload."""
    desk = sit_down(stand.api, stand.console, all_tenants=True)
    desk.open("/health?tenant=frame-other")
    desk.choose("Tenant", lived_in)
    for title in ("Exceptions", "Audit", "Health"):
        assert tenant_in(desk) == lived_in
        with desk.running():
            desk.page.get_by_role("link", name=title).first.click()
        assert tenant_in(desk) == lived_in, title
    desk.reload()
    assert tenant_in(desk) == lived_in
    expect(desk.page.get_by_role("combobox", name="Tenant")).to_have_value(lived_in)


def tenant_in(desk: Desk) -> str | None:
    return (parse_qs(urlsplit(desk.page.url).query).get("tenant") or [None])[0]


def test_an_address_of_no_page(desk: Desk) -> None:
    """It says so, and leads to Health; as deep as it may be, and whoever made it up."""
    for path in ("/nothing-here", "/exceptions/deeper", "/<img src=x onerror=alert(1)>"):
        answer = desk.page.goto(f"{desk.console}{path}")
        assert answer is not None
        assert answer.status == 404
        expect(desk.page.get_by_role("heading", level=1)).to_have_text("No such page")
        expect(desk.page.locator("code")).to_have_text(path)
    desk.page.get_by_role("link", name="Health").click()
    desk.settle()
    assert desk.page.get_by_role("heading", level=1).inner_text() == "Health"
    for path in ("/health", "/exceptions", "/exceptions/"):
        desk.open(path)


def test_a_tenant_that_the_key_does_not_serve(desk: Desk, stand: Stand, lived_in: str) -> None:
    """A link from somebody else must not show other books than it names."""
    desk.send(sale(desk.tenant, total_amount=99))
    for of, is_served in ((lived_in, False), ("no_such_*tenant*", False), (desk.tenant, True)):
        desk.open(f"/exceptions?tenant={of}")
        assert [f"Your key serves no tenant {of}:" in one for one in desk.troubles()] == ([] if is_served else [True])
        assert ("TOTALS_MISMATCH" in desk.text()) == is_served
    desk.open("/exceptions?tenant=nobody")
    desk.follow("To the tenants that it serves")
    assert not desk.troubles()


def test_each_page_has_its_title(desk: Desk) -> None:
    for page in MENU:
        desk.open(f"/{'' if page.is_first else page.path}")
        expect(desk.page).to_have_title(f"{page.title} · Ledgersafe")


def test_a_tenant_called_as_all_are(desk: Desk, stand: Stand) -> None:
    """It can be chosen, and all can."""
    desk.send(sale("All tenants", "its-own", total_amount=99), sale(desk.tenant, "of-another", total_amount=99))
    key = stand.api.new_key(tenants=["All tenants", desk.tenant], scopes=["read"])
    both = Desk.sit_down(desk.windows, desk.console, desk.api, desk.tenant, key)
    desk.others.append(both)
    both.open("/exceptions?tenant=All%20tenants")
    assert "its-own" in both.text()
    assert "of-another" not in both.text()
    both.open("/exceptions")
    assert "its-own" in both.text()
    assert "of-another" in both.text()


def test_more_tenants_than_can_be_chosen_from(
    new_database: Callable[[], TestDatabase],
    start_api: Callable[..., Api],
    start_console: Callable[..., Console],
    sit_down: Callable[..., Desk],
) -> None:
    """Their names are typed; none is denied because it comes late in the list."""
    api = start_api(new_database())
    with api.client() as client:
        names = [*(f"shop-{number:04}" for number in range(301)), "zlast"]
        wish = {"tenants": [{"tenant_id": name} for name in names]}
        client.post("/v1/tenants:import", json=wish).raise_for_status()
        assert client.post("/v1/events", json=sale("zlast", "held", total_amount=99)).status_code == 202
    desk = sit_down(api, start_console(api.url), all_tenants=True)
    desk.open("/exceptions?tenant=zlast")
    assert "held" in desk.text()
    assert not desk.troubles()
    desk.fill("Tenant", "shop-0001")
    assert "held" not in desk.text()
    assert tenant_in(desk) == "shop-0001"
    desk.fill("Tenant", "nobody")
    assert ["Your key serves no tenant nobody:" in one for one in desk.troubles()] == [True]
    desk.follow("To the tenants that it serves")
    desk.open("/exceptions")
    assert "held" in desk.text()


def test_a_console_that_goes_away_and_comes_back(stand: Stand, sit_down: Callable[..., Desk], tmp_path: Path) -> None:
    """Sessions end with its process: a page that is open leads to the sign-in page by itself, and back from there."""
    console = launch_console(stand.api.url, tmp_path / "console.log")
    wait_for_console(console)
    desk = sit_down(stand.api, console)
    desk.open("/exceptions?status=all")
    console.process.kill()
    console.process.wait()
    back = launch_console(stand.api.url, tmp_path / "again.log", urlsplit(console.url).port)
    try:
        desk.page.get_by_label("API key").wait_for(timeout=30_000)
        desk.page.get_by_label("API key").fill(desk.key)
        desk.page.get_by_role("button", name="Sign in").click()
        desk.settle()
        assert desk.page.url == f"{console.url}/exceptions?status=all"
    finally:
        stop(back.process)
