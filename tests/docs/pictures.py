"""The console's pictures and its tour, on two months of a real retailer's data: `python -m tests.docs.pictures`.

It writes docs/pictures/*.png (one a page, 1280×800) and docs/console.pdf. It starts everything anew in a folder that is
removed at the end, and needs the real data beside the checkout, and chromium; no test runs it. With --console and
--key-file it looks at one that is running (and has been prepared: --keep leaves it so).
"""

import argparse
import io
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import zstandard
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import PLAIN, SHARED, clean_environment, free_port, stop, wait_until_ready
from tests.console.conftest import ARGUMENTS, find_chromium
from tests.console.desk import COOKIE, SETTLED, cookie_of
from tests.docs.generate import REPOSITORY

FOLDER = REPOSITORY / "docs" / "pictures"
TOUR = REPOSITORY / "docs" / "console.pdf"
MOST_BYTES = 2_000_000
_DAYS = SHARED / "data" / "online_retail" / "daily.tar.zst"
_CONTRACT = REPOSITORY / "tests" / "contracts" / "online_retail.yaml"
_TENANT = "retail"
_SETTINGS = """
tenants:
- tenant_id: retail
  currency: GBP
  time_zone: Europe/London
  stores:
  - {store_id: uk-online, name: UK online shop, country: GB}
"""
_COLOURS = 96
_PATIENCE_SECONDS = 300.0
_QUIET = "document.querySelectorAll('[data-testid=stSkeleton], [data-stale=true]').length === 0"

Ids = dict[str, str]


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of a page. `at`: its address; `told`: what the tour says of it, nothing where it is not part of it.

    `before`: what an operator has done on the page by then.
    """

    name: str
    title: str
    at: Callable[[Ids], str]
    told: str = ""
    before: Callable[[Page], object] = lambda _: None


def _fixed(address: str) -> Callable[[Ids], str]:
    return lambda _: address


def _to(heading: str) -> Callable[[Page], object]:
    return lambda page: page.get_by_role("heading", name=heading).evaluate("one => one.scrollIntoView()")


def _chosen(page: Page) -> None:
    page.locator("label", has_text="It was a SALE").first.click()
    page.wait_for_timeout(1_000)
    page.locator(SETTLED).wait_for(state="attached")
    _to("What is to become of it?")(page)


SHOTS: tuple[Shot, ...] = (
    Shot(
        "health",
        "Health",
        _fixed("/"),
        "Is all well, and what waits for a person? Every event is processed, parked with a reason, or ignored because "
        "somebody said so. Each reason leads to the queue of what is parked for it.",
    ),
    Shot(
        "exceptions",
        "Exceptions",
        _fixed("/exceptions"),
        "The queue of parked events, oldest first: what is wrong, in which store, how much is at stake, and who has "
        "taken it on. The filters are in the address, so a link shows a colleague the same list.",
    ),
    Shot(
        "conflict",
        "A conflict",
        lambda ids: f"/exception?tenant={_TENANT}&id={ids['conflict']}",
        "One event came twice with different contents. The first and the last stand side by side with the differing "
        "fields marked; the books hold the first until somebody decides. A decision wants a note, and can be tried first.",
        _to("What arrived"),
    ),
    Shot(
        "exception",
        "A cancellation with the wrong sign",
        lambda ids: f"/exception?tenant={_TENANT}&id={ids['held']}",
        "The one real event of these months that could not be posted as it came: the page says where it is wrong, what "
        "that can mean, and what there is to do.",
    ),
    Shot(
        "decision",
        "Deciding",
        lambda ids: f"/exception?tenant={_TENANT}&id={ids['held']}",
        "Every decision that makes sense is offered, each with what it would do to the books: that has been tried, and "
        "nothing was changed. Whoever decides says why; the note is kept for ever.",
        _chosen,
    ),
    Shot(
        "trace",
        "Trace",
        lambda ids: f"/trace?tenant={_TENANT}&event={ids['posted']}",
        "One event from its arrival to the reports: every copy that came, what was decided and by whom, its receipt, "
        "its balanced entries, and the rows of the reports that it is counted in.",
    ),
    Shot(
        "ledger",
        "Ledger",
        lambda ids: f"/ledger?tenant={_TENANT}",
        "What the books say: the trial balance, entries, sales, returns and payments by day, and the tie-out from what "
        "arrived to what is reported. Months are closed here.",
    ),
    Shot("ledger-sales", "Ledger: sales", lambda ids: f"/ledger?tenant={_TENANT}&section=Daily+sales&{ids['months']}"),
    Shot("ledger-tie-out", "Ledger: tie-out", lambda ids: f"/ledger?tenant={_TENANT}&section=Tie-out&{ids['months']}"),
    Shot(
        "files",
        "Files",
        lambda ids: f"/files?tenant={_TENANT}",
        "Every file that was delivered, with what became of it. Files can be uploaded here; the same bytes again are "
        "recognised.",
    ),
    Shot(
        "delivery",
        "A delivery with drift",
        lambda ids: f"/delivery?tenant={_TENANT}&id={ids['drifted']}&report=Drift",
        "A file whose columns have changed is held, not guessed at: which column is new, which is gone, and the way on.",
    ),
    Shot("dataset", "Dataset", lambda ids: f"/dataset?tenant={_TENANT}&name=online_retail"),
    Shot(
        "pipeline",
        "Pipeline",
        _fixed("/pipeline"),
        "What works in the background, when it last ran and how it ended, and whether anything lags behind.",
    ),
    Shot(
        "audit",
        "Audit",
        lambda ids: f"/audit?tenant={_TENANT}",
        "Who did what, and why. Seals over all of it show that nothing has been changed since.",
    ),
)


@dataclass(frozen=True, slots=True)
class Installation:
    """A running one: its API, its console, its key, and how to run a command against it."""

    api: str
    console: str
    key: str
    folder: Path

    def run(self, *words: str, fails: bool = False) -> None:
        """A command, as a person gives it. `fails`: that something of it is held is the point."""
        settings = {"LEDGERSAFE_URL": self.api, "LEDGERSAFE_API_KEY": self.key}
        command = [sys.executable, "-m", "ledgersafe", *words]
        done = subprocess.run(command, env=clean_environment() | settings, capture_output=True, text=True, check=False)
        assert fails or done.returncode == 0, f"{words[:3]}: {done.stdout}\n{done.stderr}"

    def ask(self, path: str, **parameters: Any) -> Any:
        """The API's answer to a GET about the tenant."""
        headers = {"Authorization": f"Bearer {self.key}"}
        asked = {"tenant_id": _TENANT} | parameters
        return (
            httpx.get(f"{self.api}{path}", params=asked, headers=headers, timeout=60, **PLAIN).raise_for_status().json()
        )


def main() -> None:
    """Prepare, look, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs.pictures", description=__doc__)
    parser.add_argument("--api", help="of one that is running")
    parser.add_argument("--console", help="of the same")
    parser.add_argument("--key-file", type=Path)
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end, until Enter")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all that was started is ended
    with TemporaryDirectory(prefix="ledgersafe-pictures-") as folder:
        if asked.console:
            found = Installation(asked.api, asked.console, asked.key_file.read_text().strip(), Path(folder))
            _take(found)
            return
        with _installation(Path(folder)) as found:
            _prepare(found)
            _take(found)
            if asked.keep:
                print(f"--api {found.api} --console {found.console} --key-file {found.folder}/data/key", flush=True)
                input()


@contextmanager
def _installation(folder: Path) -> Generator[Installation]:
    port, console_port = free_port(), free_port()
    folder.chmod(0o755)
    command = [sys.executable, "-m", "ledgersafe", "up", "--data", str(folder / "data"), "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--console-port", str(console_port)], env=clean_environment(), stdout=log, stderr=log
        )
    api, console = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{console_port}"
    try:
        wait_until_ready(api, process, 120)
        _until(lambda: _is_there(f"{console}/livez"), "the console is up")
        yield Installation(api, console, (folder / "data" / "key").read_text().strip(), folder)
    finally:
        stop(process)


def _is_there(url: str) -> bool:
    try:
        return httpx.get(url, **PLAIN).is_success
    except httpx.HTTPError:
        return False


def _until(happened: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.2)


def _prepare(at: Installation) -> None:
    """Two months as they were; then a day that comes again corrected, one with a new column, one with bad rows."""
    settings = at.folder / "tenant.yaml"
    settings.write_text(_SETTINGS)
    at.run("tenants", "import", str(settings))
    at.run("contracts", "put", str(_CONTRACT), "--tenant", _TENANT, "--notes", "daily invoice lines")
    days = {file.stem: file for file in _unpacked(at.folder)}
    ingest = ("files", "ingest", "--dataset", "online_retail", "--tenant", _TENANT, "--source", "webshop")
    at.run(*ingest, *(str(file) for day, file in days.items() if day.startswith(("2010-01", "2010-02"))))
    _until(lambda: _is_idle(at), "two months are posted")
    at.run("ledger", "close", "2010-01", "--tenant", _TENANT, "--notes", "January agreed with the shop's report")
    at.run(*ingest, str(_corrected(days["2010-02-26"])))
    at.run(
        *ingest,
        str(_changed(days["2010-03-01"], lambda line, at: line.replace("Price", "UnitPrice") if at == 0 else line)),
    )
    at.run(*ingest, str(_changed(days["2010-03-02"], _spoilt)))
    _until(lambda: _is_idle(at), "all files are worked through")
    with httpx.Client(base_url=at.api, headers={"Authorization": f"Bearer {at.key}"}, **PLAIN) as client:
        _send_faulty(at, client)
        held = at.ask("/v1/exceptions", reason_code="IDEMPOTENCY_CONFLICT")["items"]
        if held:
            path = f"/v1/exceptions/{held[0]['exception_id']}/assign"
            client.post(path, json={"assigned_to": "ana"}).raise_for_status()
    time.sleep(70)  # until all has been sealed, which is done each minute


def _is_idle(at: Installation) -> bool:
    found = at.ask("/v1/ingestions", limit=100)["items"]
    return bool(found) and not any(one["status"] in ("received", "processing", "running", "pending") for one in found)


def _unpacked(folder: Path) -> Iterator[Path]:
    content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(_DAYS.read_bytes())).read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder / "days", filter="data")
    yield from sorted((folder / "days").rglob("*.csv"))


def _changed(file: Path, change: Callable[[str, int], str], name: str = "") -> Path:
    """The same file with lines changed. `change`: of a line and its number."""
    lines = file.read_text(encoding="utf-8").split("\n")
    made = file.with_name(f"{file.stem}{name}.csv") if name else file
    made.write_text("\n".join(change(line, number) for number, line in enumerate(lines)), encoding="utf-8")
    return made


def _corrected(file: Path) -> Path:
    """The shop sends a day again: of seven small receipts, one line has one piece more."""
    rows = [line.split(",") for line in file.read_text(encoding="utf-8").split("\n")]
    lines = Counter(parts[0] for parts in rows if len(parts) == 8 and parts[0].isdigit())
    small = [invoice for invoice, number in lines.items() if number in (2, 3)][:7]
    chosen = {next(at for at, parts in enumerate(rows) if parts[0] == invoice) for invoice in small}

    def change(line: str, number: int) -> str:
        parts = line.split(",")
        return ",".join([*parts[:3], str(int(parts[3]) + 1), *parts[4:]]) if number in chosen else line

    return _changed(file, change, " corrected")


def _send_faulty(at: Installation, client: httpx.Client) -> None:
    """Three receipts by hand: one of a month that is closed by now, two with totals that were typed wrongly."""
    for number, (of, day, wrong) in enumerate((("496088", "2010-01-29", 0), ("498918", "", 10), ("498921", "", -100))):
        event: dict[str, Any] = at.ask(f"/v1/events/or-{of}")["arrivals"][0]["payload_json"]
        name = f"{int(of) + 90_000 + number}"
        event |= {"event_id": f"or-{name}", "txn_id": name, "source_system": "typed in"}
        event |= {"total_amount": str(Decimal(event["total_amount"]) + wrong)}
        event |= {"occurred_at": f"{day}T16:00:00Z"} if day else {}
        client.post("/v1/events", json=event).raise_for_status()


def _spoilt(line: str, number: int) -> str:
    """A few lines have a quantity in words."""
    parts = line.split(",")
    is_chosen = number % 500 == 50 and len(parts) == 8
    return ",".join([*parts[:3], "a dozen", *parts[4:]]) if is_chosen else line


def _take(at: Installation) -> None:
    ids = _ids(at)
    with sync_playwright() as playwright:
        path = find_chromium(playwright)
        assert path is not None, "there is no chromium"
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, "--no-sandbox"])
        _shoot(browser, at, ids)
        _print(browser)
        browser.close()
    size = sum(file.stat().st_size for file in [*FOLDER.glob("*.png")])
    assert size < MOST_BYTES, f"the pictures are {size:,} bytes, at most {MOST_BYTES:,}"
    print(f"{len(SHOTS) + 1} pictures, {size:,} bytes; {TOUR.name}, {TOUR.stat().st_size:,} bytes")


def _ids(at: Installation) -> Ids:
    """What there is to be shown, by the names that addresses use above."""
    held = {one["reason_code"]: one for one in reversed(at.ask("/v1/exceptions", limit=100)["items"])}
    deliveries = at.ask("/v1/ingestions", limit=100)["items"]
    conflict = held["IDEMPOTENCY_CONFLICT"]
    return {
        "conflict": conflict["exception_id"],
        "held": held["NEGATIVE_AMOUNT"]["exception_id"],
        "posted": conflict["idempotency_key"],
        "drifted": next(one["ingestion_id"] for one in deliveries if one["filename"] == "2010-03-01.csv"),
        "months": "from=2010-02-01&to=2010-02-28",
    }


def _shoot(browser: Browser, at: Installation, ids: Ids) -> None:
    window = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page = window.new_page()
    FOLDER.mkdir(exist_ok=True)
    page.goto(f"{at.console}/sign-in")
    _save(page, "sign-in")
    window.add_cookies([{"name": COOKIE, "value": cookie_of(at.console, at.key), "url": at.console}])
    for shot in SHOTS:
        page.goto(f"{at.console}{shot.at(ids)}")
        page.locator(SETTLED).wait_for(state="attached")
        shot.before(page)
        page.wait_for_function(_QUIET)
        page.wait_for_timeout(1_500)  # charts are drawn, and fonts are there
        troubles = page.locator('[data-testid="stAlertContentError"]').all_inner_texts()
        print(f"{shot.name}: {page.url}" + (f"  TROUBLE: {troubles}" if troubles else ""), flush=True)
        _save(page, shot.name)


def _save(page: Page, name: str) -> None:
    picture = Image.open(io.BytesIO(page.screenshot()))
    reduced = picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    reduced.save(FOLDER / f"{name}.png", optimize=True)


_STYLE = """
@page { size: A4 landscape; margin: 12mm 14mm; }
body { margin: 0; font: 12pt/1.45 "DejaVu Sans", sans-serif; color: #17211f; }
section { break-after: page; } section:last-child { break-after: auto; } section:first-child img { width: 190mm; }
h1 { margin: 0 0 2mm; font-size: 22pt; } h2 { margin: 0 0 2mm; font-size: 16pt; color: #0b5d4e; }
p { margin: 0 0 4mm; max-width: 250mm; } img { width: 212mm; border: 1px solid #c6d2ce; border-radius: 2mm; display: block; }
"""
_COVER = (
    "Ledgersafe keeps every arrival, posts it once to a double-entry ledger or parks it with a reason, until a person "
    "decides. This is where they decide: the operations console, on two months of a real retailer's sales."
)


def _print(browser: Browser) -> None:
    """The tour: what is worth a look, a page each."""
    told: Sequence[Shot] = [shot for shot in SHOTS if shot.told]
    parts = [
        f"<section>{f'<h1>Ledgersafe: the operations console</h1><p>{escape(_COVER)}</p>' if number == 0 else ''}"
        f'<h2>{escape(shot.title)}</h2><p>{escape(shot.told)}</p><img src="{(FOLDER / shot.name).as_uri()}.png"></section>'
        for number, shot in enumerate(told)
    ]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tour.html"
        title = "<title>Ledgersafe: the operations console</title>"
        file.write_text(
            f"<!doctype html><html lang=en><meta charset=utf-8>{title}<style>{_STYLE}</style>{''.join(parts)}"
        )
        page = browser.new_page()
        page.goto(file.as_uri())
        page.pdf(path=TOUR, prefer_css_page_size=True, print_background=True, tagged=True)
        page.close()


if __name__ == "__main__":
    main()
