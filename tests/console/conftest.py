"""Real parts for the console's tests: an API, a worker and a console process, and operators at a browser."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from ledgersafe.tenants.rules import SCOPES
from tests.conftest import PLAIN, Api, TestDatabase, clean_environment, free_port, stop
from tests.console.desk import Desk, Windows

_NO_BROWSER = (
    "Chromium is not on this machine; the console's tests need it. "
    "On Debian or Ubuntu: apt install chromium fonts-dejavu-core; elsewhere: .venv/bin/playwright install chromium"
)
_HANGS_SECONDS = 180
ARGUMENTS = [
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--js-flags=--no-opt",  # a page lives for a second or two: what its scripts would gain costs a sixth more
]


@dataclass(frozen=True, slots=True)
class Console:
    """A running console process. `log`: all that it wrote."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path


@dataclass(frozen=True, slots=True)
class Stand:
    """An API, a worker that posts what arrives, and the console of that API."""

    api: Api
    worker: subprocess.Popen[bytes]
    console: Console


@pytest.fixture(scope="session")
def start_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Console]]:
    """Starts console processes, each of one API (some 3 s); all are ended with the test session.

    `waits`: return when it answers. `address`: where the API is, if it is not up yet.
    """
    started: list[Console] = []

    def start(url: str, *, waits: bool = True) -> Console:
        log = tmp_path_factory.mktemp("console") / "console.log"
        console = launch_console(url, log)
        started.append(console)
        if waits:
            wait_for_console(console)
        return console

    yield start
    for console in started:
        stop(console.process)


@pytest.fixture(scope="session")
def start_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts workers of an API's database; all are ended with the test session."""
    started: list[subprocess.Popen[bytes]] = []

    def start(of: TestDatabase, **settings: str) -> subprocess.Popen[bytes]:
        environment = clean_environment() | {
            "LEDGERSAFE_DATABASE_URL": of.app_url,
            "LEDGERSAFE_LOG_LEVEL": "warning",
            **{f"LEDGERSAFE_{name.upper()}": value for name, value in settings.items()},
        }
        process = subprocess.Popen([sys.executable, "-m", "ledgersafe", "work"], env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        stop(process)


@pytest.fixture(scope="session")
def stand(
    new_database: Callable[[], TestDatabase],
    start_api: Callable[..., Api],
    start_worker: Callable[..., subprocess.Popen[bytes]],
    start_console: Callable[..., Console],
    tmp_path_factory: pytest.TempPathFactory,
) -> Stand:
    """One stand for all tests that keep to tenants of their own."""
    of = new_database()
    folder = str(tmp_path_factory.mktemp("stand"))
    api = start_api(of, data=folder, raw_zone=f"{folder}/raw")
    console = start_console(api.url, waits=False)
    worker = start_worker(of, data=folder, raw_zone=f"{folder}/raw")
    wait_for_console(console)
    return Stand(api, worker, console)


@pytest.fixture(scope="package")
def _playwright() -> Iterator[Playwright]:
    """Not of the session: while it runs, nothing else in this process can run an event loop, as other tests do."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser(_playwright: Playwright) -> Iterator[Browser]:
    """One chromium; each operator has a window of their own in it."""
    path = find_chromium(_playwright)
    if path is None:
        pytest.skip(_NO_BROWSER)
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]  # its sandbox wants no root
    started = _playwright.chromium.launch(executable_path=path, args=arguments)
    yield started
    started.close()


@pytest.fixture(scope="package")
def windows(browser: Browser) -> Windows:
    """Those of the operators."""
    return Windows(browser)


@pytest.fixture
def sit_down(windows: Windows, tenant: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., Desk]]:
    """Seats operators at consoles: `sit_down(api, console, all_tenants=…, scopes=…, size=…)`.

    At the end of the test their windows are closed, and no run of theirs may have failed: Streamlit hides that.
    """
    seated: list[tuple[Desk, Console, int]] = []

    def sit(
        api: Api,
        console: Console,
        *,
        all_tenants: bool = False,
        scopes: tuple[str, ...] = SCOPES,
        size: tuple[int, int] = (1280, 800),
    ) -> Desk:
        begins = console.log.stat().st_size
        key = api.new_key(tenants=None if all_tenants else [tenant], scopes=list(scopes))
        desk = Desk.sit_down(windows, console.url, api, tenant, key, size)
        seated.append((desk, console, begins))
        request.node.stash.setdefault(_SEATED, []).append((desk, console))
        return desk

    yield sit
    for desk, _, _ in seated:
        desk.leave()
    for _, console, begins in seated:
        written = console.log.read_text(encoding="utf-8", errors="replace")[begins:]
        assert "Traceback" not in written, f"a run of the console failed; {console.log}:\n{written[-4000:]}"


@pytest.fixture
def desk(stand: Stand, sit_down: Callable[..., Desk]) -> Desk:
    """An operator of the test's own tenant, with every scope."""
    return sit_down(stand.api, stand.console)


@pytest.fixture
def overseer(stand: Stand, sit_down: Callable[..., Desk]) -> Desk:
    """An operator of all tenants: those of other tests are there as well."""
    return sit_down(stand.api, stand.console, all_tenants=True)


_NOBODY: list[tuple[Desk, Console]] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that hangs ends its process: Playwright waits in a loop of its own, which an exception does not leave.

    A browser takes most of a second a page: the stories are told by `make test`, all the rest by `make attack`.
    """
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(_HANGS_SECONDS, method="thread"))
            if "windows" in getattr(item, "fixturenames", ()) and item.get_closest_marker("story") is None:
                item.add_marker(pytest.mark.browser)


_SEATED = pytest.StashKey[list[tuple[Desk, Console]]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of a test that failed: what its operators saw, and where the console's log is."""
    report = yield
    if report.failed and report.when == "call":
        for number, (desk, console) in enumerate(item.stash.get(_SEATED, _NOBODY)):
            for at, one in enumerate([desk, *desk.others]):
                picture = console.log.with_name(f"{item.name[:60].replace('/', '_')}-{number}-{at}.png")
                report.sections.append((f"operator {number}-{at}", _seen(one, picture, console)))
    return report


def _seen(desk: Desk, picture: Path, console: Console) -> str:
    try:
        desk.page.screenshot(path=picture, full_page=True)
        seen = f"{desk.state()}\n{desk.page.locator('body').inner_text()}"
    except Exception as error:  # noqa: BLE001 - the test has failed already, and its own reason is to be told
        seen = f"the page could not be read: {error}"
    log = console.log.read_text(encoding="utf-8", errors="replace")[-3000:]
    return f"at {desk.page.url}\nscreenshot {picture}\n{seen}\n\nconsole's log {console.log}, its end:\n{log}"


def find_chromium(playwright: Playwright) -> str | None:
    """Debian's, or Playwright's own."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or playwright.chromium.executable_path
    return found if Path(found).exists() else None


def launch_console(url: str, log: Path, port: int | None = None) -> Console:
    """Start `ledgersafe console` of the API at `url`, at a free port unless it is said which."""
    port = port or free_port()
    command = [sys.executable, "-m", "ledgersafe", "console", "--port", str(port)]
    with log.open("ab") as written:
        process = subprocess.Popen(
            command,
            env=clean_environment() | {"LEDGERSAFE_URL": url},
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    return Console(process, f"http://127.0.0.1:{port}", log)


def wait_for_console(console: Console, seconds: float = 30) -> None:
    """Return when it answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if console.process.poll() is not None:
            break
        try:
            if httpx.get(f"{console.url}/livez", **PLAIN).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"the console did not come up within {seconds} s:\n{console.log.read_text(errors='replace')}")
