"""The console's queue of exceptions, at 100,000 open ones among a million events: in a browser, and the API alone.

The browser is chromium without a screen. Its clock runs from the going to the address to the last row's being laid
out: the page with its scripts (from the cache, as for whoever has been there before), the WebSocket, the run of the
page, which asks the API, and the drawing.
"""

import os
import shutil
import statistics
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

import httpx

from bench.fill import fill, park
from bench.machine import foreign_share, usage
from bench.runs import Lab, Run, median
from bench.servers import Api, api, console
from bench.table import Row, Side

_EVENTS, _PARKED, _STORES = 900_000, 100_000, 40
_TENANT, _DATABASE = "bench", "queue"
_PATH = f"the queue of {_PARKED:,} open exceptions among {_EVENTS + _PARKED:,} events"
_BAR_MS = 1000.0
_LOOKS = 10
_ASKS = 50
_ROWS = 50
_COOKIE = "ledgersafe_session"
_SHOWN = f"document.querySelectorAll('table.ls tbody tr').length === {_ROWS}"
_FILTERS = {"first page": "", "a rare text": f"&text={_PARKED:032x}", "one store": "&store_id=store_007"}


def measure(lab: Lab) -> list[Row]:
    """The rows of this path; without chromium, those of the API alone."""
    lab.postgres.clone(_DATABASE)
    fill(lab, _DATABASE, _TENANT, _EVENTS)
    park(lab, _DATABASE, _TENANT, _PARKED, _STORES)
    with api(lab.postgres.app_url(_DATABASE)) as server:
        found = lab.interleaved(
            {
                f"GET /v1/exceptions, {of}, {name}": partial(_asked, lab.postgres.keys[key], server, query)
                for of, key in (("one tenant", _TENANT), ("all tenants", "all"))
                for name, query in _FILTERS.items()
            }
        )
        found |= _in_browser(lab, server)
    return [_row(name, runs) for name, runs in found.items()]


def _row(name: str, runs: list[Run]) -> Row:
    times = [run.p50_ms or 0.0 for run in runs]
    noisy = sum(run.is_noisy for run in runs)
    return Row(_PATH, Side.of(name, runs), None, median(times), "ms p50", times, _BAR_MS, at_most=True, noisy=noisy)


def _in_browser(lab: Lab, server: Api) -> dict[str, list[Run]]:
    chromium = shutil.which("chromium")
    if chromium is None:
        lab.say("  the pages are skipped: there is no chromium (apt install chromium)")
        return {}
    with console(server) as pages, _browser(chromium, pages, lab.postgres.keys[_TENANT]) as look:
        return lab.interleaved(
            {
                "the page, /exceptions": partial(_looked, pages, partial(look, "/exceptions")),
                "the page, of one store": partial(_looked, pages, partial(look, "/exceptions?store=store_007")),
            }
        )


@contextmanager
def _browser(chromium: str, pages: Api, key: str) -> Generator[Callable[[str], float]]:
    """What goes to an address and returns the seconds until the rows are there."""
    from playwright.sync_api import sync_playwright

    signed_in = httpx.post(f"{pages.url}/sign-in", data={"key": key}, trust_env=False)
    arguments = ["--disable-gpu", "--disable-background-networking", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        window = browser.new_context(viewport={"width": 1280, "height": 800})
        window.add_cookies([{"name": _COOKIE, "value": signed_in.cookies[_COOKIE], "url": pages.url}])
        page = window.new_page()

        def look(address: str) -> float:
            started = time.perf_counter()
            page.goto(f"{pages.url}{address}", wait_until="commit")
            page.wait_for_function(_SHOWN)
            return time.perf_counter() - started

        look("/exceptions")  # the scripts are in the cache from here on
        yield look
        browser.close()


def _looked(pages: Api, look: Callable[[], float]) -> Run:
    return _run(pages, look, _LOOKS)


def _asked(key: str, server: Api, query: str) -> Run:
    address = f"{server.url}/v1/exceptions?status=open&limit={_ROWS}{query}"
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30) as client:

        def ask() -> float:
            started = time.perf_counter()
            client.get(address).raise_for_status()
            return time.perf_counter() - started

        return _run(server, ask, _ASKS)


def _run(of: Api, once: Callable[[], float], times: int) -> Run:
    before = usage({"server": of.pid})
    taken = sorted(once() for _ in range(times))
    after = usage({"server": of.pid})
    costs = {"server": 1e6 * (after.trees["server"] - before.trees["server"]) / times}
    last = taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    return Run(times / sum(taken), 1e3 * statistics.median(taken), 1e3 * last, costs, foreign_share(before, after))
