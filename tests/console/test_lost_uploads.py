"""Files whose answer never comes: the page says that they may be taken, and never that they were not."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import FilePayload

from tests.console.conftest import Console, Stand
from tests.console.deliveries import GOOD, STOCK, put, upload
from tests.console.desk import Desk
from tests.console.line import Line, line_to

SEND = "/files?part=Send+a+file"


@pytest.fixture(scope="module")
def far(stand: Stand, start_console: Callable[..., Console]) -> Iterator[tuple[Line, Console]]:
    """A line to the API of the stand, and a console at its end."""
    with line_to(stand.api.url) as line:
        yield line, start_console(line.url)


@pytest.fixture
def line(far: tuple[Line, Console]) -> Line:
    """The line, which carries everything until it is told otherwise."""
    far[0].loses_uploads, far[0].uploads = None, 0
    return far[0]


@pytest.fixture
def afar(stand: Stand, far: tuple[Line, Console], sit_down: Callable[..., Desk]) -> Desk:
    """An operator at the end of the line, with a contract in force."""
    desk = sit_down(stand.api, far[1])
    put(desk, STOCK)
    return desk


def filenames(desk: Desk) -> list[str]:
    return [one["filename"] for one in desk.ask("/v1/ingestions")["items"]]


@pytest.mark.parametrize("loses", ["answer", "gateway"])
def test_it_was_taken_all_the_same(afar: Desk, line: Line, loses: str) -> None:
    afar.open(SEND)
    line.loses_uploads = loses
    upload(afar, "three.csv", GOOD)
    afar.sees("three.csv: no answer came")
    afar.sees("It may be taken or not. Send it again: the same bytes are not loaded twice.")
    assert "was not taken" not in afar.text()
    assert filenames(afar) == ["three.csv"]
    line.loses_uploads = None
    afar.press("Send")
    afar.sees("three.csv is known: exactly these bytes came")
    assert "no answer came" not in afar.text()
    assert filenames(afar) == ["three.csv"]


def test_the_way_to_the_deliveries(afar: Desk, line: Line) -> None:
    afar.open(SEND)
    line.loses_uploads = "answer"
    upload(afar, "three.csv", GOOD)
    afar.follow("To the deliveries")
    assert [row[1] for row in afar.table("Deliveries")] == ["three.csv"]


def test_what_is_typed_meanwhile_loses_no_answer(afar: Desk, line: Line) -> None:
    """A page runs anew at once when something else is changed on it: in the midst of sending."""
    desk = afar
    desk.open(SEND)
    chosen: list[FilePayload] = [
        {"name": f"{name}.csv", "mimeType": "text/csv", "buffer": b"SKU,On hand\n%s,1\n" % name.encode()}
        for name in ("one", "two")
    ]
    with desk.running():
        desk.page.locator('input[type="file"]').set_input_files(chosen)
    with line.holds_uploads:
        desk.page.get_by_role("button", name="Send", exact=True).click()
        desk.wait_until(lambda: line.uploads, "nothing was sent")
        box = desk.page.get_by_role("textbox", name="Where it comes from (optional)", exact=True)
        box.fill("share")
        box.blur()
        desk.page.wait_for_timeout(700)  # until the console knows
    desk.sees("two.csv was not sent: the page was changed meanwhile. Send it again.")
    desk.wait_until(lambda: desk.table("Sent now"), "it forgets what it has sent")
    assert [row[0] for row in desk.table("Sent now")] == ["one.csv"]
    assert filenames(desk) == ["one.csv"]
