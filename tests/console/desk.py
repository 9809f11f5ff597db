"""An operator at a browser, signed in to a console process, and what a test asks of the page before it."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, WebSocket
from playwright.sync_api import Error as Broken
from playwright.sync_api import TimeoutError as TooLate
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.conftest import PLAIN, Api

COOKIE = "ledgersafe_session"
SETTLE_SECONDS = 45.0  # patience, not a bar: on a busy machine a disk or a process may stand still for seconds
SETTLED = (
    '[data-testid="stApp"][data-test-script-state="notRunning"][data-test-connection-state="CONNECTED"]'
    ':not(:has([data-testid="stSkeleton"]))'
)

_KEEP_LAST_CLICK = """
for (const type of ['mousedown', 'click']) document.addEventListener(type, (event) => {
  window.ledgersafeLastClick = `${type} on ${event.target.tagName} ${event.target.textContent.slice(0, 40)}`;
}, true);
"""
_SAYS = (
    """(text) => document.querySelector('[data-testid="stMain"]')?.textContent.replace(/\\s+/g, ' ').includes(text)"""
)


def cookie_of(console: str, key: str) -> str:
    """Sign in as the form does; returns what the browser is to hold."""
    form = {"key": key, "next": "/"}
    answer = httpx.post(f"{console}/sign-in", data=form, timeout=30, **PLAIN)
    assert answer.status_code == 303, f"the console refused a key: HTTP {answer.status_code}"
    return answer.cookies[COOKIE]


class Windows:
    """Windows of one browser, one an operator, lent again when they have left: each has the pages' scripts in its cache.

    Each keeps its page, at nothing: a page that begins anew compiles those scripts anew, for half of what it costs.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: list[Page] = []

    def take(self) -> Page:
        """The page of a window that nobody is signed in at."""
        if self._free:
            return self._free.pop()
        page = self._browser.new_context(reduced_motion="reduce").new_page()
        page.add_init_script(_KEEP_LAST_CLICK)
        return page

    def give(self, page: Page) -> None:
        """Back, with nothing of its operator left in it: no other page, no cookie, no step to go back to."""
        window = page.context
        for other in window.pages:
            if other is not page:
                other.close()
        window.clear_cookies()
        try:
            page.goto("about:blank")
            asks = window.new_cdp_session(page)
            asks.send("Page.resetNavigationHistory")
            asks.detach()
        except Broken:  # such as one that crashed
            window.close()
        else:
            self._free.append(page)


@dataclass(eq=False)  # without slots: Playwright hangs its own attributes on who listens
class Desk:
    """One operator: a browser window of their own (context and page), a key, and clients of the API with it.

    `runs`: how often Streamlit has finished a run for this page; `received`: bytes that came over its WebSockets.
    """

    windows: Windows
    console: str
    api: Api
    tenant: str
    key: str
    window: BrowserContext
    page: Page
    runs: int = 0
    received: int = 0
    others: list["Desk"] = field(default_factory=list)
    ears: list[tuple[str, Callable[[Any], object]]] = field(default_factory=list)

    @classmethod
    def sit_down(
        cls, windows: Windows, console: str, api: Api, tenant: str, key: str, size: tuple[int, int] = (1280, 800)
    ) -> Self:
        """A window of its own, signed in with the key. `size`: of the page, in pixels."""
        page = windows.take()
        window = page.context
        window.add_cookies([{"name": COOKIE, "value": cookie_of(console, key), "url": console}])
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.set_default_timeout(SETTLE_SECONDS * 1000)
        desk = cls(windows, console, api, tenant, key, window, page)
        desk.hear("websocket", desk._listen)
        return desk

    def hear(self, event: str, heard: Callable[[Any], object]) -> None:
        """Be told of events of the page, until this operator leaves."""
        self.page.on(event, heard)
        self.ears.append((event, heard))

    def second(
        self,
        *,
        scopes: tuple[str, ...] = ("read", "operate"),
        all_tenants: bool = False,
        size: tuple[int, int] = (1280, 800),
    ) -> "Desk":
        """Another operator: another window, another key. It is closed with this one."""
        key = self.api.new_key(tenants=None if all_tenants else [self.tenant], scopes=list(scopes))
        other = Desk.sit_down(self.windows, self.console, self.api, self.tenant, key, size)
        self.others.append(other)
        return other

    def open(self, path: str) -> None:
        """Go to an address of the console, and wait until its page stands."""
        self.page.goto(f"{self.console}{path}")
        self.settle()
        assert self.text().strip(), f"{path} shows nothing"

    def reload(self) -> None:
        """The same address anew."""
        self.page.reload()
        self.settle()

    def settle(self) -> None:
        """Wait until no run is under way and nothing is still to be drawn."""
        # Asked at each frame that is drawn: locators look again only after half a second.
        self.page.wait_for_function("(settled) => document.querySelector(settled) !== null", arg=SETTLED)

    @contextmanager
    def running(self) -> Generator[None]:
        """Wait until what is done in the block has been answered by a run (of the page or a part of it)."""
        before = self.runs
        yield
        self.wait_until(lambda: self.runs > before, "no run followed")
        self.settle()

    def press(self, name: str, *, within: Locator | None = None) -> None:
        """Press a button by its name, and wait for the run that follows."""
        with self.running():
            (within or self.page).get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str, *, within: Locator | None = None) -> None:
        """Follow a link by its text to another page, and wait until that stands."""
        link = (within or self.page.get_by_test_id("stMain")).get_by_role("link", name=name, exact=True).first
        with self.page.expect_navigation():
            link.click()
        self.settle()

    def fill(self, label: str, text: str) -> None:
        """Type into a field by its label and leave it, and wait for the run that follows."""
        box = self.page.get_by_role("textbox", name=label, exact=True)
        with self.running():
            box.fill(text)
            box.blur()

    def choose(self, label: str, option: str) -> None:
        """Choose in a select box by its label, and wait for the run that follows."""
        self.page.get_by_role("combobox", name=label).click()
        with self.running():
            self.page.get_by_role("option", name=option, exact=True).click()

    def text(self) -> str:
        """What can be read on the page, without its sidebar."""
        return self.page.get_by_test_id("stMain").inner_text()

    def sees(self, text: str, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until the page says this."""
        try:
            self.page.wait_for_function(_SAYS, arg=" ".join(text.split()), timeout=seconds * 1000)
        except TooLate:
            pytest.fail(f"the page does not say {text!r} within {seconds:.0f} s; it says:\n{self.text()}")

    def table(self, name: str) -> list[list[str]]:
        """The cells of a table's body, by its name."""
        rows = self.page.get_by_role("table", name=name, exact=True).locator("tbody tr").all()
        return [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in rows]

    def state(self) -> str:
        """How the page stands with its server: its run, its connection, and the button that was pressed last."""
        app = self.page.get_by_test_id("stApp").first
        state = [app.get_attribute(f"data-test-{name}", timeout=1000) for name in ("script-state", "connection-state")]
        last = self.page.evaluate("window.ledgersafeLastClick ?? null")
        return f"run {state[0]}, connection {state[1]}, {self.runs} runs finished, last click {last}"

    def troubles(self) -> list[str]:
        """The error boxes of the page; a page that crashed has one as well."""
        boxes = self.page.locator('[data-testid="stAlertContentError"], [data-testid="stException"]')
        return boxes.all_inner_texts()

    def client(self) -> httpx.Client:
        """The API with this operator's key."""
        return self.api.client(self.key)

    def send(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """Post events as a till does, with the almighty key; the answers, whatever they are."""
        with self.api.client() as client:
            return [client.post("/v1/events", json=event).json() for event in events]

    def ask(self, path: str, **parameters: Any) -> Any:
        """The API's answer to a GET with this operator's key, about the tenant."""
        with self.client() as client:
            answer = client.get(path, params={"tenant_id": self.tenant, **parameters})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_until(self, happened: Callable[[], object], what: str, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until something is so, while the browser goes on."""
        end = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < end, f"{what} within {seconds:.0f} s"
            self.page.wait_for_timeout(20)

    def posted(self, event_id: str) -> None:
        """Wait until the worker has posted an event of this tenant."""

        def is_posted() -> bool:
            with self.client() as client:
                answer = client.get(f"/v1/events/{event_id}", params={"tenant_id": self.tenant})
            return answer.status_code == 200 and bool(answer.json()["entries"])

        self.wait_until(is_posted, f"{event_id} was not posted")

    def leave(self) -> None:
        """Give the window back, and those of the others."""
        for other in self.others:
            other.leave()
        for event, heard in self.ears:
            self.page.remove_listener(event, heard)
        self.windows.give(self.page)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._received)

    def _received(self, frame: str | bytes) -> None:
        self.received += len(frame)
        if isinstance(frame, bytes) and ForwardMsg.FromString(frame).WhichOneof("type") == "script_finished":
            self.runs += 1
